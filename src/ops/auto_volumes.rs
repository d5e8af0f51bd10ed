//! The entries that were made for volumes of an app's image.

use crate::context::Context;
use crate::domain::{AppName, Entry, Result};
use crate::ops::destroy;
use crate::store::{Change, Store};

pub(crate) fn made_for(app: &AppName, store: &Store) -> Result<Vec<Entry>> {
    let is_its = |entry: &Entry| entry.auto_volume.as_ref().is_some_and(|v| v.app == *app);
    Ok(store.entries_mentioning(&["auto_volume"])?.into_iter().filter(is_its).collect())
}

/// Makes ordinary entries of those that were made for an app that is deleted. Returns them.
pub(crate) fn release(app: &AppName, change: &mut Change<'_>) -> Result<Vec<Entry>> {
    let mut released = Vec::new();
    for Entry { name, .. } in made_for(app, change.store())? {
        if let Some(mut entry) = change.entry(&name)? {
            entry.auto_volume = None;
            change.write_entry(&entry)?;
            released.push(entry);
        }
    }
    Ok(released)
}

pub(crate) fn rename(old: &AppName, new: &AppName, change: &mut Change<'_>) -> Result<()> {
    for Entry { name, .. } in made_for(old, change.store())? {
        if let Some(mut entry) = change.entry(&name)? {
            if let Some(volume) = &mut entry.auto_volume {
                volume.app = new.clone();
            }
            change.write_entry(&entry)?;
        }
    }
    Ok(())
}

/// Destroys what an app that is deleted leaves of its image's volumes, as their reclaim policy says. What somebody else
/// mounts, or has snapshots, stays, and is said.
pub(crate) fn destroy_released(app: &AppName, released: Vec<Entry>, context: &mut Context) {
    for entry in released.into_iter().filter(|entry| entry.reclaim_policy == "Delete") {
        let destroyed = destroy::plan(&entry, false, Some(app), context)
            .and_then(|removal| destroy::carry_out(&entry, &removal, false, context));
        match destroyed {
            Ok(_) => context.out.detail(&format!("Storage entry {} destroyed", entry.name)),
            Err(error) => context.out.warn(&format!("Storage entry {} stays: {error}", entry.name)),
        }
    }
}
