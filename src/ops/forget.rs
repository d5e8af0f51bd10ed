//! Forgetting what an app mounted.

use std::collections::BTreeSet;

use crate::context::Context;
use crate::domain::{AppName, Entry, EntryName, Result, Subject};
use crate::ops::auto_volumes;
use crate::ops::unmount::{legacy_entries, remove_if_unused};
use crate::store::Change;

pub(crate) struct Forgotten {
    pub sharing: Vec<AppName>,
    /// The entries that were made for volumes of its image: ordinary ones now.
    pub released: Vec<Entry>,
}

pub(crate) fn forget(app: &AppName, context: &Context) -> Result<Forgotten> {
    context.store.change(|change| {
        let legacy = legacy_entries(app, change.store());
        let sharing = change.end_sharing_from(app)?;
        in_hooks(app, None, change)?;
        change.remove_app(app);
        change.remove_schedule(&Subject::App(app.clone()));
        legacy.iter().try_for_each(|name| remove_if_unused(name, app, change))?;
        let released = auto_volumes::release(app, change)?;
        Ok(Forgotten { sharing, released })
    })
}

/// Has the commands around backups run in the app's containers under its new name, or no longer: another app may get the name.
pub(crate) fn in_hooks(
    old: &AppName,
    new: Option<&AppName>,
    change: &mut Change<'_>,
) -> Result<()> {
    // One that cannot be read is told where it is used.
    let Ok(mounts) = change.store().mounts_file(old) else {
        return Ok(());
    };
    let names: BTreeSet<EntryName> =
        mounts.attachments().map(|attachment| attachment.entry_name.clone()).collect();
    for name in names {
        let Ok(Some(mut entry)) = change.store().entry(&name) else {
            continue;
        };
        if let Some(at) = entry.backup.apps.iter().position(|app| app == old) {
            match new {
                Some(new) => entry.backup.apps[at].clone_from(new),
                None => drop(entry.backup.apps.remove(at)),
            }
            change.write_entry(&entry)?;
        }
    }
    Ok(())
}
