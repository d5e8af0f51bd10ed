//! The table of all that this program can be called as. Dispatch, help, the plugin's links and sudo's rules
//! come from here.

use crate::commands::{
    annotations, app, apply, clone, connectors, create, default, destroy, doctor, ensure_directory,
    exec, info, list, list_entries, migrate, mount, move_entry, needs, policy, prune, report, set,
    share, snapshots, trash, types, unmount, usage, wait,
};
use crate::context::Context;
use crate::triggers::{
    app_clone, app_life, app_mounts, build, cron, docker_args, idle, install, uninstall,
};
use crate::{assemble, completion, privileged, triggers};

/// In which role a row is called, and so how: by which file of the plugin's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `subcommands/NAME`, run for `dokku storage:NAME`; one that Dokku's own plugin has too.
    Subcommand,
    /// The same, for a subcommand that Dokku's own plugin does not have.
    Addition,
    /// `NAME` in the plugin's root, run by plugn.
    Trigger,
    /// `bin/NAME`, run by sudo as root.
    Helper,
    /// Called by a program that this one started, by a link in a folder of its own.
    Called,
    /// The plugin's `commands` file.
    Commands,
    /// A command of this project's own, only by the program's own name.
    Own,
}

/// What a row runs: the arguments behind its name, and the call's surroundings.
pub type Run = fn(&[String], &mut Context) -> anyhow::Result<()>;

/// One thing that this program can be called as.
#[derive(Debug)]
pub struct Row {
    /// How it is called.
    pub kind: Kind,
    /// The name of the file, and for subcommands what follows `storage:`.
    pub name: &'static str,
    /// Its arguments, as the help shows them.
    pub arguments: &'static str,
    /// One line on what it does.
    pub summary: &'static str,
    /// What it runs.
    pub run: Run,
}

impl Row {
    /// The command with its arguments, as the help shows it.
    pub fn synopsis(&self) -> String {
        let separator = if self.arguments.is_empty() { "" } else { " " };
        format!("storage:{}{separator}{}", self.name, self.arguments)
    }
}

const fn row(
    kind: Kind,
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    run: Run,
) -> Row {
    Row { kind, name, arguments, summary, run }
}

use Kind::{Addition, Called, Commands, Helper, Own, Subcommand, Trigger};

/// Every row; Dokku's own subcommands in the order of their names.
pub static ROWS: &[Row] = &[
    row(
        Subcommand,
        "annotations:report",
        "[<name>] [<flag>]",
        "Displays annotations for one or more storage entries",
        annotations::report_annotations,
    ),
    row(
        Subcommand,
        "annotations:set",
        "<name> <key> [<value>]",
        "Set or clear an annotation on a storage entry",
        annotations::set_annotation,
    ),
    row(
        Subcommand,
        "create",
        "<name> [<path>] [flags]",
        "Register a named storage entry",
        create::run,
    ),
    row(
        Subcommand,
        "destroy",
        "<name> [--force] [--destroy-host-dir]",
        "Remove a named storage entry (must be unmounted from every app first)",
        destroy::run,
    ),
    row(
        Subcommand,
        "ensure-directory",
        "[--chown option] <directory>",
        "[DEPRECATED] use storage:create instead",
        ensure_directory::run,
    ),
    row(
        Subcommand,
        "exec",
        "<name> [-- <cmd>...]",
        "Run a command (or shell) in a temporary container that mounts the entry",
        exec::run,
    ),
    row(
        Subcommand,
        "info",
        "<name> [--format text|json]",
        "Show details for one storage entry",
        info::run,
    ),
    row(
        Subcommand,
        "labels:report",
        "[<name>] [<flag>]",
        "Displays labels for one or more storage entries",
        annotations::report_labels,
    ),
    row(
        Subcommand,
        "labels:set",
        "<name> <key> [<value>]",
        "Set or clear a label on a storage entry",
        annotations::set_label,
    ),
    row(
        Subcommand,
        "list",
        "<app> [--format text|json]",
        "List bind mounts for app's container(s) (host:container)",
        list::run,
    ),
    row(
        Subcommand,
        "list-entries",
        "[--scheduler s] [--format text|json]",
        "List registered storage entries",
        list_entries::run,
    ),
    row(
        Subcommand,
        "migrate",
        "[<app>|--all]",
        "Re-run the legacy -v to attachment migration for an app",
        migrate::run,
    ),
    row(
        Subcommand,
        "mount",
        "<app> <host-dir:container-dir>",
        "Create a new bind mount",
        mount::run,
    ),
    row(
        Subcommand,
        "report",
        "[<app>] [<flag>]",
        "Displays a storage report for one or more apps",
        report::run,
    ),
    row(
        Subcommand,
        "set",
        "<name> <property> [<value>]",
        "Update a storage entry in place",
        set::run,
    ),
    row(
        Subcommand,
        "unmount",
        "<app> <host-dir:container-dir>",
        "Remove an existing bind mount",
        unmount::run,
    ),
    row(
        Subcommand,
        "wait",
        "<name>",
        "Wait for a storage entry's PVC to be bound (k3s)",
        wait::run,
    ),
    row(Subcommand, "default", "", "Shows the commands", default::run),
    row(
        Addition,
        "app:report",
        "<app> [--format json] [<flag>]",
        "Shows what is decided for an app",
        app::report,
    ),
    row(Addition, "app:set", "<app> <property> [<value>]", "Decides for an app", app::set),
    row(
        Addition,
        "apply",
        "<app> [--plan] < mounts.json",
        "Makes an app's mounts what a document says",
        apply::run,
    ),
    row(
        Addition,
        "clone",
        "<entry> <new>",
        "Makes a new entry with the settings of another and a copy of its data",
        clone::run,
    ),
    row(
        Addition,
        "connectors:create",
        "<name> --type <type> [flags]",
        "Keeps where a server is and who asks it",
        connectors::create::run,
    ),
    row(
        Addition,
        "connectors:destroy",
        "<name> [--force]",
        "Forgets a connector that no entry uses",
        connectors::destroy::run,
    ),
    row(
        Addition,
        "connectors:info",
        "<name> [--format text|json]",
        "Shows a connector, but for its secret",
        connectors::list::info,
    ),
    row(
        Addition,
        "connectors:list",
        "[--format text|json]",
        "Lists the connectors",
        connectors::list::run,
    ),
    row(
        Addition,
        "connectors:set",
        "<name> <property> [<value>] | [flags]",
        "Changes a connector, and what is mounted over it",
        connectors::set::run,
    ),
    row(
        Addition,
        "connectors:test",
        "<name> [<bucket>|<share>]",
        "Lists what the server has, as the connector sees it",
        connectors::test::run,
    ),
    row(
        Addition,
        "doctor",
        "[<app>] [--format text|json]",
        "Finds what is wrong with storage, and says how to mend it",
        doctor::run,
    ),
    row(
        Addition,
        "move",
        "<name> <from-app> <to-app> [--no-stop]",
        "Has another app take over a storage entry",
        move_entry::run,
    ),
    row(
        Addition,
        "needs:import",
        "<app> < needs.json",
        "Takes what an app needs from a document",
        needs::import,
    ),
    row(
        Addition,
        "needs:link",
        "<app> [<need> <name>]",
        "Has a storage entry serve a need of an app",
        needs::link,
    ),
    row(
        Addition,
        "needs:list",
        "<app> [--format text|json]",
        "Lists what an app needs and what serves it",
        needs::list,
    ),
    row(
        Addition,
        "needs:unlink",
        "<app> <need>",
        "Takes the storage entry away that serves a need",
        needs::unlink,
    ),
    row(
        Addition,
        "policy:report",
        "[--format json] [<flag>]",
        "Shows what this host allows",
        policy::report,
    ),
    row(
        Addition,
        "policy:set",
        "allowed-paths|jail|trash-hours [<value>...]",
        "Sets what this host allows",
        policy::set,
    ),
    row(
        Addition,
        "prune",
        "[--yes] [--format text|json]",
        "Lists what nothing uses, and deletes what is confirmed",
        prune::run,
    ),
    row(
        Addition,
        "share",
        "<from-app> <app> [--read-only]",
        "Lets an app have whatever another mounts",
        share::share,
    ),
    row(
        Addition,
        "snapshots:create",
        "<entry> [<name>] [--pause]",
        "Takes a snapshot of an entry's data",
        snapshots::create::run,
    ),
    row(
        Addition,
        "snapshots:destroy",
        "<entry> <name> [--force]",
        "Removes a snapshot",
        snapshots::destroy::run,
    ),
    row(
        Addition,
        "snapshots:list",
        "[<entry>] [--format text|json]",
        "Lists snapshots",
        snapshots::list::run,
    ),
    row(
        Addition,
        "snapshots:restore",
        "<entry> <name> [--stop]",
        "Puts the data of a snapshot in an entry's place, and keeps what it replaces",
        snapshots::restore::run,
    ),
    row(
        Addition,
        "trash:empty",
        "[<id>|<name>] [--force] [--expired]",
        "Removes for good what was destroyed",
        trash::empty::run,
    ),
    row(
        Addition,
        "trash:list",
        "[--size] [--format text|json]",
        "Lists what was destroyed and can be had back",
        trash::list::run,
    ),
    row(
        Addition,
        "trash:restore",
        "<id>|<name> [--as <name>]",
        "Has a destroyed storage entry back with its data",
        trash::restore::run,
    ),
    row(
        Addition,
        "types:info",
        "<type> [--format text|json]",
        "Shows what a type of storage takes, needs and can do",
        types::info,
    ),
    row(
        Addition,
        "types:list",
        "[--format text|json]",
        "Lists what can stand behind a storage entry",
        types::list,
    ),
    row(
        Addition,
        "unshare",
        "<from-app> <app>",
        "Takes away what an app has of another",
        share::unshare,
    ),
    row(
        Addition,
        "usage",
        "[<name>|--app <app>] [--format text|json]",
        "Shows how much storage entries hold",
        usage::run,
    ),
    row(Commands, "commands", "help|storage:help", "Answers dokku help", default::commands),
    row(
        Trigger,
        "core-post-deploy",
        "APP PORT IP TAG",
        "Forgets what the deploy has checked",
        build::deployed,
    ),
    row(
        Trigger,
        "core-post-extract",
        "APP WORKDIR REV",
        "Reads what the app declares that it needs",
        build::extracted,
    ),
    row(Trigger, "cron-entries", "SCHEDULER", "Has the trash emptied every hour", cron::entries),
    row(Trigger, "docker-args-build", "APP BUILDER", "Mounts for the build", docker_args::build),
    row(
        Trigger,
        "docker-args-deploy",
        "APP TAG [PROC [INDEX]]",
        "Mounts for the app's containers",
        docker_args::deploy,
    ),
    row(Trigger, "docker-args-run", "APP TAG", "Mounts for one-off containers", docker_args::run),
    row(Trigger, "install", "", "Folders, owners, sudo helpers, older mounts", install::run),
    row(Trigger, "post-app-clone-setup", "OLD NEW", "Gives a clone the mounts", app_clone::run),
    row(
        Trigger,
        "post-app-rename-setup",
        "OLD NEW",
        "Moves the mounts to the new name",
        app_life::rename,
    ),
    row(Trigger, "post-delete", "APP", "Forgets the app's mounts", app_life::delete),
    row(Trigger, "post-deploy", "APP PORT IP TAG", "Nothing to do after a deploy", idle::run),
    row(
        Trigger,
        "post-extract",
        "APP WORKDIR REV",
        "The same, after other plugins changed the source",
        build::extracted,
    ),
    row(
        Trigger,
        "post-release-builder",
        "BUILDER APP IMAGE",
        "Remembers the image that was built",
        build::released,
    ),
    row(
        Trigger,
        "pre-release-builder",
        "BUILDER APP IMAGE",
        "Checks that all is there, sets owners",
        build::checked,
    ),
    row(Trigger, "report", "APP", "The app's part of dokku report", triggers::report::app),
    row(
        Trigger,
        "storage-app-mounts",
        "APP [PHASE]",
        "Entries and attachments as JSON",
        app_mounts::pairs,
    ),
    row(Trigger, "storage-list", "APP PHASE FORMAT", "Mounts, deprecated", app_mounts::list),
    row(Trigger, "uninstall", "PLUGIN", "Removes the sudo helpers", uninstall::run),
    row(Helper, "chmod-storage-dir", "NAME MODE", "Sets a folder's mode", privileged::chmod),
    row(
        Helper,
        "chown-storage-dir",
        "NAME UID[:GID] [--folder-only]",
        "Sets a folder's owner",
        privileged::chown,
    ),
    row(Helper, "copy-storage-dir", "FROM TO [--into]", "Copies a folder", privileged::copy),
    row(Helper, "destroy-storage-dir", "NAME", "Removes a folder", privileged::destroy),
    row(
        Helper,
        "mount-storage",
        "NAME [--again|--stop|--keep]",
        "Keeps what is behind an entry mounted",
        privileged::mount,
    ),
    row(
        Helper,
        "size-storage-dir",
        "NAME make|grow|attach|detach|remove|new|close|adopt|replace|limit [HIDDEN] [SIZE [--preallocate]]",
        "Sets how much a folder holds",
        privileged::size,
    ),
    row(Helper, "usage-storage-dir", "NAME", "Counts what a folder holds", privileged::usage),
    row(
        Called,
        "fusermount",
        "",
        "Hands a mount to the program that serves it",
        privileged::fusermount,
    ),
    row(Called, "fusermount3", "", "The same", privileged::fusermount),
    row(
        Called,
        "keep-paused",
        "< IDS",
        "Pauses containers for as long as a command is at work",
        privileged::keep_paused,
    ),
    row(Own, "help", "", "Shows what there is", default::own_help),
    row(Own, "version", "", "Shows the version", default::version),
    row(Own, "completion", "bash", "Prints what a shell completes", completion::run),
    row(Own, "links", "DIR", "Writes the repository's links", assemble::links),
    row(Own, "assemble", "DIR --repo DIR", "Writes the plugin's folder", assemble::run),
];

/// The row that is called so.
pub fn find(kind: Kind, name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.kind == kind && row.name == name)
}

/// The subcommand `storage:NAME`.
pub fn subcommand(name: &str) -> Option<&'static Row> {
    find(Subcommand, name).or_else(|| find(Addition, name))
}

/// The subcommands that Dokku has, too, as its help lists them.
pub fn of_dokku() -> impl Iterator<Item = &'static Row> {
    of_kind(Subcommand).filter(|row| row.name != "default")
}

/// The helpers that sudo runs.
pub fn helpers() -> impl Iterator<Item = &'static Row> {
    of_kind(Helper)
}

/// Every row of a kind.
pub fn of_kind(kind: Kind) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(move |row| row.kind == kind)
}
