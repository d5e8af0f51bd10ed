//! `storage:backups:*`: copies of entries at destinations, which restic keeps.

pub(crate) mod check;
pub(crate) mod create;
pub(crate) mod forget;
pub(crate) mod get;
pub(crate) mod habits;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod ls;
pub(crate) mod prune;
pub(crate) mod restore;
pub(crate) mod restore_store;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod schedules;
pub(crate) mod unlock;
pub(crate) mod unschedule;

use crate::commands::arguments::{Args, given};
use crate::context::Context;
use crate::domain::backup_reference::short;
use crate::domain::{AppName, Connector, Error, Result, Subject, readable};
use crate::ops::backups::create::{Done, Target};
use crate::ops::{access, apps};
use crate::render::Format;

/// Where a backup is looked for.
#[derive(Debug, Args)]
struct Where {
    /// --from: connector of the destination to look at (by default all of them)
    from: Option<String>,
    /// --host: name of the host that made the backup
    host: Option<String>,
}

impl Where {
    fn given(&self) -> (Option<&str>, Option<&str>) {
        (given(self.from.as_deref()), given(self.host.as_deref()))
    }
}

/// The destination that is named first, or the only one, for who sees every app.
fn destination(name: &str, context: &Context) -> Result<Connector> {
    access::must_see_every_app("a destination is the host's", context)?;
    crate::ops::backups::destination(given(Some(name)), &[], context)
}

/// What a schedule is for, as it is said.
#[derive(Debug, Args)]
struct Of {
    words: Vec<String>,
    /// --all: the schedule of every entry that has data on this host, and of the plugin's own store
    all: bool,
    /// --app: the schedule of the entries that this app mounts when the time comes
    app: Option<String>,
}

impl Of {
    /// What it is for, the apps that have to do with it, and the words behind it. `app` is the one of the global `--app`.
    fn subject(
        &self,
        app: Option<&str>,
        context: &Context,
    ) -> Result<(Subject, Vec<AppName>, &[String])> {
        let app = given(self.app.as_deref()).or(app);
        let (entry, rest) = match &*self.words {
            [entry, rest @ ..] if app.is_none() && !self.all => (&**entry, rest),
            words => ("", words),
        };
        let (subject, using) = subject(entry, app, self.all, context)?;
        Ok((subject, using, rest))
    }
}

/// What an entry's name, `--app` or `--all` is about, and the apps that have to do with it.
fn subject(
    entry: &str,
    app: Option<&str>,
    all: bool,
    context: &Context,
) -> Result<(Subject, Vec<AppName>)> {
    match (entry, app, all) {
        ("", None, true) => {
            access::must_see_every_app("--all is about the whole host", context)?;
            Ok((Subject::All, context.store.apps()?))
        }
        ("", Some(app), false) => {
            let app = apps::existing(&context.environment, app)?;
            Ok((Subject::App(app.clone()), vec![app]))
        }
        (name, None, false) if !name.is_empty() => {
            let name = access::entry(name, context)?.name;
            let using = context.store.apps_mounting(&name)?;
            Ok((Subject::Entry(name), using))
        }
        ("", None, false) => Err(refusal!("name an entry, --app APP, or --all")),
        _ => Err(refusal!("name only one of an entry, --app and --all")),
    }
}

/// Says how each backup went.
fn tell(
    targets: &[Target],
    made: Vec<Result<Done>>,
    format: Format,
    context: &mut Context,
) -> Result<()> {
    let is_single = targets.len() == 1;
    let mut is_whole = true;
    let mut done = Vec::new();
    for (target, made) in targets.iter().zip(made) {
        match made {
            Ok(made) => {
                if !made.unreadable.is_empty() {
                    is_whole = false;
                    context.out.warn(&format!(
                        "{}: these files could not be read, and are not in the backup: {}",
                        name(target),
                        made.unreadable.join(", ")
                    ));
                }
                if format != Format::Json {
                    context.out.headline(&line(&made));
                }
                done.push(made);
            }
            Err(error) if is_single => return Err(error),
            Err(error) => {
                is_whole = false;
                context.out.warn(&format!("{} is not backed up: {error}", name(target)));
            }
        }
    }
    if format == Format::Json {
        context.out.json_pretty(&done);
    } else if targets.is_empty() {
        context.out.headline_unless_quiet("There is nothing to back up");
    }
    if is_whole { Ok(()) } else { Err(Error::Status(1)) }
}

fn name(target: &Target) -> String {
    match target.name() {
        Some(name) => format!("storage entry {name}"),
        None => "the store".to_owned(),
    }
}

fn line(made: &Done) -> String {
    let what = match &made.entry {
        Some(name) => format!("Storage entry {name}"),
        None => "The store".to_owned(),
    };
    let plural = if made.files == 1 { "" } else { "s" };
    format!(
        "{what} backed up to {}: {} file{plural}, {}, of which {} new (backup {})",
        made.connector,
        made.files,
        readable(made.bytes),
        readable(made.sent),
        short(&made.id)
    )
}
