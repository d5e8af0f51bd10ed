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
use crate::domain::{AppName, Connector, Result, Subject};
use crate::ops::{access, apps};

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
        match (given(self.app.as_deref()).or(app), self.all, &*self.words) {
            (None, true, words) => {
                access::must_see_every_app("--all is about the whole host", context)?;
                Ok((Subject::All, context.store.apps()?, words))
            }
            (Some(app), false, words) => {
                let app = apps::existing(&context.environment, app)?;
                Ok((Subject::App(app.clone()), vec![app], words))
            }
            (None, false, [name, rest @ ..]) if !name.is_empty() => {
                let name = access::entry(name, context)?.name;
                let using = context.store.apps_mounting(&name)?;
                Ok((Subject::Entry(name), using, rest))
            }
            _ => Err(refusal!("name an entry, --app APP, or --all")),
        }
    }
}
