//! The table of all that this program can be called as, a line a row. Dispatch, help, completion, the reference page, the
//! plugin's links and sudo's rules come from here.

use crate::context::row::Catalog;
pub use crate::context::row::{Kind, Row};
use crate::{assemble, commands, completion, privileged, triggers};

macro_rules! rows {
    ($($kind:ident $name:literal $arguments:literal $summary:literal => $run:path;)*) => {
        &[$(Row { kind: Kind::$kind, name: $name, arguments: $arguments, summary: $summary, run: $run }),*]
    };
}

/// Every row: its kind, its name, its arguments, its one line of help, and its function. Dokku's own subcommands are in the
/// order of their names.
pub static CATALOG: Catalog = Catalog(rows! {
    Subcommand "annotations:report" "[<name>] [<flag>]" "Displays annotations for one or more storage entries" => commands::annotations::report_annotations;
    Subcommand "annotations:set" "<name> <key> [<value>]" "Set or clear an annotation on a storage entry" => commands::annotations::set_annotation;
    Subcommand "create" "<name> [<path>] [flags]" "Register a named storage entry" => commands::create::run;
    Subcommand "destroy" "<name> [--force] [--destroy-host-dir]" "Remove a named storage entry (must be unmounted from every app first)" => commands::destroy::run;
    Subcommand "ensure-directory" "[--chown option] <directory>" "[DEPRECATED] use storage:create instead" => commands::ensure_directory::run;
    Subcommand "exec" "<name> [-- <cmd>...]" "Run a command (or shell) in a temporary container that mounts the entry" => commands::exec::run;
    Subcommand "info" "<name> [--format text|json]" "Show details for one storage entry" => commands::info::run;
    Subcommand "labels:report" "[<name>] [<flag>]" "Displays labels for one or more storage entries" => commands::annotations::report_labels;
    Subcommand "labels:set" "<name> <key> [<value>]" "Set or clear a label on a storage entry" => commands::annotations::set_label;
    Subcommand "list" "<app> [--format text|json]" "List bind mounts for app's container(s) (host:container)" => commands::list::run;
    Subcommand "list-entries" "[--scheduler s] [--format text|json]" "List registered storage entries" => commands::list_entries::run;
    Subcommand "migrate" "[<app>|--all]" "Re-run the legacy -v to attachment migration for an app" => commands::migrate::run;
    Subcommand "mount" "<app> <host-dir:container-dir>" "Create a new bind mount" => commands::mount::run;
    Subcommand "report" "[<app>] [<flag>]" "Displays a storage report for one or more apps" => commands::report::run;
    Subcommand "set" "<name> <property> [<value>]" "Update a storage entry in place" => commands::set::run;
    Subcommand "unmount" "<app> <host-dir:container-dir>" "Remove an existing bind mount" => commands::unmount::run;
    Subcommand "wait" "<name>" "Wait for a storage entry's PVC to be bound (k3s)" => commands::wait::run;
    Subcommand "default" "" "Shows the commands" => commands::default::run;
    Addition "app:report" "<app> [--format json] [<flag>]" "Shows what is decided for an app" => commands::app::report;
    Addition "app:set" "<app> <property> [<value>]" "Decides for an app" => commands::app::set;
    Addition "apply" "<app> [--plan] < mounts.json" "Makes an app's mounts what a document says" => commands::apply::run;
    Addition "clone" "<entry> <new>" "Makes a new entry with the settings of another and a copy of its data" => commands::clone::run;
    Addition "connectors:create" "<name> --type <type> [flags]" "Keeps where a server is and who asks it" => commands::connectors::create::run;
    Addition "connectors:destroy" "<name> [--force]" "Forgets a connector that no entry uses" => commands::connectors::destroy::run;
    Addition "connectors:info" "<name> [--format text|json]" "Shows a connector, but for its secret" => commands::connectors::list::info;
    Addition "connectors:list" "[--format text|json]" "Lists the connectors" => commands::connectors::list::run;
    Addition "connectors:set" "<name> <property> [<value>] | [flags]" "Changes a connector, and what is mounted over it" => commands::connectors::set::run;
    Addition "connectors:test" "<name> [<bucket>|<share>]" "Lists what the server has, as the connector sees it" => commands::connectors::test::run;
    Addition "doctor" "[<app>] [--format text|json]" "Finds what is wrong with storage, and says how to mend it" => commands::doctor::run;
    Addition "move" "<name> <from-app> <to-app> [--no-stop]" "Has another app take over a storage entry" => commands::move_entry::run;
    Addition "needs:import" "<app> < needs.json" "Takes what an app needs from a document" => commands::needs::import;
    Addition "needs:link" "<app> [<need> <name>]" "Has a storage entry serve a need of an app" => commands::needs::link;
    Addition "needs:list" "<app> [--format text|json]" "Lists what an app needs and what serves it" => commands::needs::list;
    Addition "needs:unlink" "<app> <need>" "Takes the storage entry away that serves a need" => commands::needs::unlink;
    Addition "policy:report" "[--format json] [<flag>]" "Shows what this host allows" => commands::policy::report;
    Addition "policy:set" "allowed-paths|jail|trash-hours [<value>...]" "Sets what this host allows" => commands::policy::set;
    Addition "prune" "[--yes] [--format text|json]" "Lists what nothing uses, and deletes what is confirmed" => commands::prune::run;
    Addition "share" "<from-app> <app> [--read-only]" "Lets an app have whatever another mounts" => commands::share::share;
    Addition "snapshots:create" "<entry> [<name>] [--pause]" "Takes a snapshot of an entry's data" => commands::snapshots::create::run;
    Addition "snapshots:destroy" "<entry> <name> [--force]" "Removes a snapshot" => commands::snapshots::destroy::run;
    Addition "snapshots:list" "[<entry>] [--format text|json]" "Lists snapshots" => commands::snapshots::list::run;
    Addition "snapshots:restore" "<entry> <name> [--stop]" "Puts the data of a snapshot in an entry's place, and keeps what it replaces" => commands::snapshots::restore::run;
    Addition "trash:empty" "[<id>|<name>] [--force] [--expired]" "Removes for good what was destroyed" => commands::trash::empty::run;
    Addition "trash:list" "[--size] [--format text|json]" "Lists what was destroyed and can be had back" => commands::trash::list::run;
    Addition "trash:restore" "<id>|<name> [--as <name>]" "Has a destroyed storage entry back with its data" => commands::trash::restore::run;
    Addition "types:info" "<type> [--format text|json]" "Shows what a type of storage takes, needs and can do" => commands::types::info;
    Addition "types:list" "[--format text|json]" "Lists what can stand behind a storage entry" => commands::types::list;
    Addition "unshare" "<from-app> <app>" "Takes away what an app has of another" => commands::share::unshare;
    Addition "usage" "[<name>|--app <app>] [--format text|json]" "Shows how much storage entries hold" => commands::usage::run;
    Commands "commands" "help|storage:help" "Answers dokku help" => commands::default::commands;
    Trigger "core-post-deploy" "APP PORT IP TAG" "Forgets what the deploy has checked" => triggers::build::deployed;
    Trigger "core-post-extract" "APP WORKDIR REV" "Reads what the app declares that it needs" => triggers::build::extracted;
    Trigger "cron-entries" "SCHEDULER" "Has the trash emptied every hour" => triggers::cron::entries;
    Trigger "docker-args-build" "APP BUILDER" "Mounts for the build" => triggers::docker_args::build;
    Trigger "docker-args-deploy" "APP TAG [PROC [INDEX]]" "Mounts for the app's containers" => triggers::docker_args::deploy;
    Trigger "docker-args-run" "APP TAG" "Mounts for one-off containers" => triggers::docker_args::run;
    Trigger "install" "" "Folders, owners, sudo helpers, older mounts" => triggers::install::run;
    Trigger "post-app-clone-setup" "OLD NEW" "Gives a clone the mounts" => triggers::app_clone::run;
    Trigger "post-app-rename-setup" "OLD NEW" "Moves the mounts to the new name" => triggers::app_life::rename;
    Trigger "post-delete" "APP" "Forgets the app's mounts" => triggers::app_life::delete;
    Trigger "post-deploy" "APP PORT IP TAG" "Nothing to do after a deploy" => triggers::idle::run;
    Trigger "post-extract" "APP WORKDIR REV" "The same, after other plugins changed the source" => triggers::build::extracted;
    Trigger "post-release-builder" "BUILDER APP IMAGE" "Remembers the image that was built" => triggers::build::released;
    Trigger "pre-release-builder" "BUILDER APP IMAGE" "Checks that all is there, sets owners" => triggers::build::checked;
    Trigger "report" "APP" "The app's part of dokku report" => triggers::report::app;
    Trigger "storage-app-mounts" "APP [PHASE]" "Entries and attachments as JSON" => triggers::app_mounts::pairs;
    Trigger "storage-list" "APP PHASE FORMAT" "Mounts, deprecated" => triggers::app_mounts::list;
    Trigger "uninstall" "PLUGIN" "Removes the sudo helpers" => triggers::uninstall::run;
    Helper "chmod-storage-dir" "NAME MODE" "Sets a folder's mode" => privileged::chmod;
    Helper "chown-storage-dir" "NAME UID[:GID] [--folder-only]" "Sets a folder's owner" => privileged::chown;
    Helper "copy-storage-dir" "FROM TO [--into]" "Copies a folder" => privileged::copy;
    Helper "destroy-storage-dir" "NAME" "Removes a folder" => privileged::destroy;
    Helper "mount-storage" "NAME [--again|--stop|--keep]" "Keeps what is behind an entry mounted" => privileged::mount;
    Helper "size-storage-dir" "NAME make|grow|attach|detach|remove|new|close|adopt|replace|limit [HIDDEN] [SIZE [--preallocate]]" "Sets how much a folder holds" => privileged::size;
    Helper "usage-storage-dir" "NAME" "Counts what a folder holds" => privileged::usage;
    Called "fusermount" "" "Hands a mount to the program that serves it" => privileged::fusermount;
    Called "fusermount3" "" "The same" => privileged::fusermount;
    Called "keep-paused" "< IDS" "Pauses containers for as long as a command is at work" => privileged::keep_paused;
    Own "help" "" "Shows what there is" => commands::default::own_help;
    Own "version" "" "Shows the version" => commands::default::version;
    Own "completion" "bash" "Prints what a shell completes" => completion::run;
    Own "links" "DIR" "Writes the repository's links" => assemble::links;
    Own "assemble" "DIR --repo DIR" "Writes the plugin's folder" => assemble::run;
});
