//! `storage:backups:*`: copies of entries at destinations, which restic keeps.

pub(crate) mod check;
pub(crate) mod create;
pub(crate) mod forget;
pub(crate) mod get;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod ls;
pub(crate) mod prune;
pub(crate) mod restore;
pub(crate) mod restore_store;
pub(crate) mod unlock;

use clap::Parser;

use crate::commands::arguments::given;
use crate::context::Context;
use crate::domain::{Connector, Result};
use crate::ops::access;

/// Where a backup is looked for.
#[derive(Debug, Parser)]
struct Where {
    /// --from: connector of the destination that has the backup
    from: Option<String>,
    /// --host: host that made the backup, by default this one
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
