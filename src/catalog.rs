//! The table of all that this program can be called as, a line a row. Dispatch, help, completion, the reference page, the
//! plugin's links and sudo's rules come from here.

use crate::context::row::Catalog;
pub use crate::context::row::{Kind, Row};
use crate::{assemble, commands, completion, privileged, triggers};

macro_rules! rows {
    ($($kind:ident $name:literal $arguments:literal $summary:literal $example:literal => $run:path;)*) => {
        &[$(Row { kind: Kind::$kind, name: $name, arguments: $arguments, summary: $summary, example: $example, run: $run }),*]
    };
}

/// Every row: its kind, its name, its arguments, its one line of help, the arguments of an example, and its function. Dokku's own subcommands are in the
/// order of their names.
pub static CATALOG: Catalog = Catalog(rows! {
    Subcommand "annotations:report" "[<name>] [<flag>]" "Displays annotations for one or more storage entries" "blog-data" => commands::annotations::report;
    Subcommand "annotations:set" "<name> <key> [<value>]" "Set or clear an annotation on a storage entry" "blog-data backup daily" => commands::annotations::set;
    Subcommand "create" "<name> [<path>] [flags]" "Register a named storage entry" "blog-data --chown heroku" => commands::create::run;
    Subcommand "destroy" "<name> [--force] [--destroy-host-dir]" "Remove a named storage entry (must be unmounted from every app first)" "blog-data --destroy-host-dir" => commands::destroy::run;
    Subcommand "ensure-directory" "[--chown option] <directory>" "[DEPRECATED] use storage:create instead" "blog-data --chown heroku" => commands::ensure_directory::run;
    Subcommand "exec" "<name> [-- <cmd>...]" "Run a command (or shell) in a temporary container that mounts the entry" "blog-data -- ls -l /data" => commands::exec::run;
    Subcommand "info" "<name> [--format text|json]" "Show details for one storage entry" "blog-data --format json" => commands::info::run;
    Subcommand "labels:report" "[<name>] [<flag>]" "Displays labels for one or more storage entries" "blog-data" => commands::annotations::report;
    Subcommand "labels:set" "<name> <key> [<value>]" "Set or clear a label on a storage entry" "blog-data team web" => commands::annotations::set;
    Subcommand "list" "<app> [--format text|json]" "List bind mounts for app's container(s) (host:container)" "blog" => commands::list::run;
    Subcommand "list-entries" "[--scheduler s] [--format text|json]" "List registered storage entries" "--format json" => commands::list_entries::run;
    Subcommand "migrate" "[<app>|--all]" "Re-run the legacy -v to attachment migration for an app" "blog" => commands::migrate::run;
    Subcommand "mount" "<app> <host-dir:container-dir>" "Create a new bind mount" "blog blog-data --container-dir /app/storage" => commands::mount::run;
    Subcommand "report" "[<app>] [<flag>]" "Displays a storage report for one or more apps" "blog --storage-deploy-mounts" => commands::report::run;
    Subcommand "set" "<name> <property> [<value>]" "Update a storage entry in place" "blog-data mode 0750" => commands::set::run;
    Subcommand "unmount" "<app> <host-dir:container-dir>" "Remove an existing bind mount" "blog blog-data" => commands::unmount::run;
    Subcommand "wait" "<name>" "Wait for a storage entry's PVC to be bound (k3s)" "blog-data --timeout 60" => commands::wait::run;
    Subcommand "default" "" "Shows the commands" "" => commands::default::run;
    Addition "app:report" "<app> [--format json] [<flag>]" "Show the storage settings of an app" "blog" => commands::app::report;
    Addition "app:set" "<app> <property> [<value>]" "Set or clear a storage setting of an app" "blog missing-source create" => commands::app::set;
    Addition "apply" "<app> [--plan] < mounts.json" "Make an app's mounts match a JSON document" "blog --plan < mounts.json" => commands::apply::run;
    Addition "backup" "<entry> [--to <connector>]" "Back an entry up as storage:backups:create does" "blog-data" => commands::backups::create::run;
    Addition "backup-auth" "<connector>" "Refuse credentials and say where they go" "offsite" => commands::backups::habits::auth;
    Addition "backup-schedule" "<entry> <when> [--to <connector>]" "Back an entry up on a schedule as storage:backups:schedule does" "blog-data daily" => commands::backups::schedule::run;
    Addition "backup-schedule-cat" "[<entry>]" "Print schedules as lines of a crontab" "blog-data" => commands::backups::habits::cat;
    Addition "backup-unschedule" "<entry>" "End an entry's schedule as storage:backups:unschedule does" "blog-data" => commands::backups::unschedule::run;
    Addition "backups:check" "[<connector>]" "Check a repository and compare a sample with what was backed up" "offsite" => commands::backups::check::run;
    Addition "backups:create" "<entry>|--app <app>|--all [--to <connector>]" "Back up entries while their apps run" "blog-data --to offsite" => commands::backups::create::run;
    Addition "backups:forget" "<backup> [--force]" "Remove a backup" "18e2fec5" => commands::backups::forget::run;
    Addition "backups:get" "<backup> <path>" "Write a file (or a directory as a tar archive) from a backup to standard output" "blog-data@latest uploads/a.jpg > a.jpg" => commands::backups::get::run;
    Addition "backups:list" "[<entry>] [--format text|table|json]" "List backups" "blog-data" => commands::backups::list::run;
    Addition "backups:ls" "<backup> [<path>]" "List what is in a backup" "blog-data@latest uploads" => commands::backups::ls::run;
    Addition "backups:prune" "[<connector>]" "Remove what no backup needs any more" "offsite" => commands::backups::prune::run;
    Addition "backups:restore" "<backup>|<entry>@latest|<entry>@<day> [--as <name>|--in-place]" "Restore a backup to a new entry or in an entry's place" "blog-data@latest --as blog-copy" => commands::backups::restore::run;
    Addition "backups:restore-store" "[<backup>] [--from <connector>]" "Restore all storage of a lost host" "--from offsite" => commands::backups::restore_store::run;
    Addition "backups:run" "" "Back up what is due; cron runs it" "" => commands::backups::run::run;
    Addition "backups:schedule" "<entry>|--app <app>|--all <when> [--to <connector>] [flags]" "Back up on a schedule" "blog-data \"0 3 * * *\" --keep-daily 7" => commands::backups::schedule::run;
    Addition "backups:schedules" "[--format text|table|json]" "List schedules" "--format json" => commands::backups::schedules::run;
    Addition "backups:unlock" "[<connector>] [--force]" "Show who locks a repository and remove their locks" "offsite" => commands::backups::unlock::run;
    Addition "backups:unschedule" "<entry>|--app <app>|--all" "End a schedule and keep its backups" "blog-data" => commands::backups::unschedule::run;
    Addition "backups:key" "<connector>" "Print the key that the backups of a destination are read with" "offsite" => commands::backups::key::run;
    Addition "clone" "<entry> <new>" "Create an entry with the settings of another and a copy of its data" "blog-data blog-copy" => commands::clone::run;
    Addition "connectors:create" "<name> --type <type> [flags]" "Save the address of a server and the credentials for it" "minio --type s3 --endpoint https://s3.example.com --access-key-id ada" => commands::connectors::create::run;
    Addition "connectors:destroy" "<connector> [--force]" "Remove a connector that no entry uses" "minio" => commands::connectors::destroy::run;
    Addition "connectors:info" "<connector> [--format text|table|json]" "Show a connector without its secret" "minio" => commands::connectors::list::info;
    Addition "connectors:list" "[--format text|table|json]" "List connectors" "--format json" => commands::connectors::list::run;
    Addition "connectors:set" "<connector> <property> [<value>] | [flags]" "Change a connector and update what is mounted over it" "minio endpoint https://s3.example.com" => commands::connectors::set::run;
    Addition "connectors:test" "<connector> [<bucket>|<share>]" "List what a server has or what is at a destination of backups" "minio media" => commands::connectors::test::run;
    Addition "doctor" "[<app>|<entry>] [--format text|table|json]" "Find problems with storage and show who uses an entry" "blog" => commands::doctor::run;
    Addition "metrics" "[--textfile <directory>]" "Show metrics of entries and backups for Prometheus" "--textfile /var/lib/prometheus/node-exporter" => commands::metrics::run;
    Addition "move" "<entry> <from-app> <to-app> [--no-stop]" "Move a storage entry from one app to another" "blog-data blog shop" => commands::move_entry::run;
    Addition "needs:import" "<app> < needs.json" "Import what an app needs from a JSON document" "blog < needs.json" => commands::needs::import;
    Addition "needs:link" "<app> [<need> <entry>]" "Link a storage entry to a need of an app" "blog uploads blog-data" => commands::needs::link;
    Addition "needs:list" "<app> [--format text|table|json]" "List what an app needs and the entries that serve it" "blog" => commands::needs::list;
    Addition "needs:unlink" "<app> <need>" "Unlink the storage entry of a need" "blog uploads" => commands::needs::unlink;
    Addition "policy:report" "[--format json] [<flag>]" "Show what this host allows" "" => commands::policy::report;
    Addition "policy:set" "allowed-paths|jail|metrics-textfile|trash-hours|volume-options [<value>...]" "Set what this host allows" "trash-hours 72" => commands::policy::set;
    Addition "prune" "[--yes] [--format text|table|json]" "List what nothing uses and delete it after a confirmation" "--format json" => commands::prune::run;
    Addition "share" "<from-app> <app> [--read-only]" "Share the mounts of an app with another app" "blog blog-worker --read-only" => commands::share::share;
    Addition "snapshots:create" "<entry> [<name>] [--pause]" "Create a snapshot of an entry's data" "blog-data before-update" => commands::snapshots::create::run;
    Addition "snapshots:destroy" "<entry> <name> [--force]" "Remove a snapshot" "blog-data before-update" => commands::snapshots::destroy::run;
    Addition "snapshots:list" "[<entry>] [--format text|table|json]" "List snapshots" "blog-data" => commands::snapshots::list::run;
    Addition "snapshots:restore" "<entry> <name> [--stop]" "Replace an entry's data with a snapshot and keep what it replaces" "blog-data before-update --stop" => commands::snapshots::restore::run;
    Addition "trash:empty" "[<id>|<name>] [--force] [--expired]" "Remove destroyed data for good" "blog-data" => commands::trash::empty::run;
    Addition "trash:list" "[--size] [--format text|table|json]" "List destroyed entries that can be restored" "--size" => commands::trash::list::run;
    Addition "trash:restore" "<id>|<name> [--as <name>]" "Restore a destroyed storage entry with its data" "blog-data --as blog-old" => commands::trash::restore::run;
    Addition "types:info" "<type> [--format text|table|json]" "Show what a storage type takes and what it needs and can do" "volume" => commands::types::info;
    Addition "types:list" "[--format text|table|json]" "List storage types" "--format json" => commands::types::list;
    Addition "unshare" "<from-app> <app>" "Stop sharing the mounts of an app with another app" "blog blog-worker" => commands::share::unshare;
    Addition "usage" "[<entry>|--app <app>] [--format text|table|json]" "Show how much data storage entries hold" "--app blog" => commands::usage::run;
    Commands "commands" "help|storage:help" "Answers dokku help" "" => commands::default::commands;
    Trigger "backup-app-export" "APP DIR" "Write the app's mounts, entries and data to a backup" "" => triggers::backup::export_app;
    Trigger "backup-app-import" "APP DIR" "Restore them where there are none" "" => triggers::backup::import_app;
    Trigger "backup-global-export" "DIR" "Write every entry to a backup" "" => triggers::backup::export_global;
    Trigger "backup-global-import" "DIR" "Register the entries that are missing" "" => triggers::backup::import_global;
    Trigger "core-post-deploy" "APP PORT IP TAG" "Forget what the deploy has checked" "" => triggers::build::deployed;
    Trigger "core-post-extract" "APP WORKDIR REV" "Read what the app declares that it needs" "" => triggers::build::extracted;
    Trigger "cron-entries" "SCHEDULER" "Empty the trash every hour, back up what is due" "" => triggers::cron::entries;
    Trigger "docker-args-build" "APP BUILDER" "Mounts for the build" "" => triggers::docker_args::build;
    Trigger "docker-args-deploy" "APP TAG [PROC [INDEX]]" "Mounts for the app's containers" "" => triggers::docker_args::deploy;
    Trigger "docker-args-process-build" "APP BUILDER [PROC]" "The same, where a host asks here alone" "" => triggers::docker_args::build;
    Trigger "docker-args-process-deploy" "APP BUILDER TAG [PROC [INDEX]]" "The same, where a host asks here alone" "" => triggers::docker_args::deploy;
    Trigger "docker-args-process-run" "APP BUILDER TAG" "The same, where a host asks here alone" "" => triggers::docker_args::run;
    Trigger "docker-args-run" "APP TAG" "Mounts for one-off containers" "" => triggers::docker_args::run;
    Trigger "install" "" "Directories, owners, sudo helpers, older mounts" "" => triggers::install::run;
    Trigger "post-app-clone-setup" "OLD NEW" "Copy the mounts to a cloned app" "" => triggers::app_clone::run;
    Trigger "post-app-rename-setup" "OLD NEW" "Move the mounts to the new name" "" => triggers::app_life::rename;
    Trigger "post-delete" "APP" "Forget the app's mounts" "" => triggers::app_life::delete;
    Trigger "post-deploy" "APP PORT IP TAG" "Nothing to do after a deploy" "" => triggers::idle::run;
    Trigger "post-extract" "APP WORKDIR REV" "The same, after other plugins changed the source" "" => triggers::build::extracted;
    Trigger "post-release-builder" "BUILDER APP IMAGE" "Cache what the image has" "" => triggers::build::released;
    Trigger "pre-release-builder" "BUILDER APP IMAGE" "Check the mounts, and set owners" "" => triggers::build::checked;
    Trigger "report" "APP" "The app's part of dokku report" "" => triggers::report::app;
    Trigger "storage-app-mounts" "APP [PHASE]" "Entries and attachments as JSON" "" => triggers::app_mounts::pairs;
    Trigger "storage-list" "APP PHASE FORMAT" "Mounts, deprecated" "" => triggers::app_mounts::list;
    Trigger "uninstall" "PLUGIN" "Remove the sudo helpers" "" => triggers::uninstall::run;
    Helper "backup-storage" "copy|copy-volume|save|restore PARENT … < JSON" "Copy what becomes a backup, back it up, or restore one" "" => privileged::backing_up::back_up;
    Helper "chmod-storage-dir" "NAME MODE" "Set a directory's mode" "" => privileged::directory::chmod;
    Helper "chown-storage-dir" "NAME UID[:GID] [--folder-only]" "Set a directory's owner" "" => privileged::directory::chown;
    Helper "copy-storage-dir" "FROM TO [--into]" "Copy a directory" "" => privileged::directory::copy;
    Helper "destroy-storage-dir" "NAME" "Remove a directory" "" => privileged::directory::destroy;
    Helper "mount-storage" "NAME [--again|--stop|--keep]" "Keep an entry mounted" "" => privileged::mounting::run;
    Helper "size-storage-dir" "NAME grow|attach|detach|hold|new|close|adopt|replace|link|drop|limit|kept|state [HIDDEN] [SIZE [--preallocate]]" "Set the size of a directory" "" => privileged::sized::size;
    Helper "usage-storage-dir" "NAME|--resolve PATH...|--look PATH...|--seen-by PROCESS PATH..." "Count what a directory holds, or say where paths lead" "" => privileged::directory::usage;
    Called "fusermount" "" "Hand a mount to the program that serves it" "" => privileged::mounting::fusermount;
    Called "fusermount3" "" "The same" "" => privileged::mounting::fusermount;
    Called "keep-paused" "< IDS" "Pause containers while a command works" "" => privileged::pausing::keep_paused;
    Own "help" "" "Show the commands" "" => commands::default::own_help;
    Own "version" "" "Show the version" "" => commands::default::version;
    Own "completion" "bash" "Print the completion script for bash" "" => completion::run;
    Own "links" "DIR" "Write the repository's links" "" => assemble::links;
    Own "assemble" "DIR --repo DIR" "Write the plugin's directory" "" => assemble::run;
});
