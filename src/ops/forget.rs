//! Forgetting what an app mounted.

use crate::context::Context;
use crate::domain::{AppName, Entry, Result, Subject};
use crate::ops::auto_volumes;
use crate::ops::unmount::{legacy_entries, remove_if_unused};

pub(crate) struct Forgotten {
    pub sharing: Vec<AppName>,
    /// The entries that were made for volumes of its image: ordinary ones now.
    pub released: Vec<Entry>,
}

pub(crate) fn forget(app: &AppName, context: &Context) -> Result<Forgotten> {
    context.store.change(|change| {
        let legacy = legacy_entries(app, change.store());
        let sharing = change.end_sharing_from(app)?;
        change.remove_app(app);
        change.remove_schedule(&Subject::App(app.clone()));
        legacy.iter().try_for_each(|name| remove_if_unused(name, app, change))?;
        let released = auto_volumes::release(app, change)?;
        Ok(Forgotten { sharing, released })
    })
}
