//! The entries that were made for volumes of an app's image.

use crate::context::Context;
use crate::domain::{AppName, Entry, Result};
use crate::ops::destroy::{self, How};
use crate::store::{Change, Store};

/// Those that were made for an app, and that its next deploy has again: it may still have them, and nobody else has.
pub(crate) fn kept_for(app: &AppName, store: &Store) -> Result<Vec<Entry>> {
    let mut kept = Vec::new();
    for entry in made_for(app, store)? {
        let is_its_alone = store.apps_with(&entry.name)?.iter().all(|with| with == app);
        if is_its_alone && entry.scope.includes(app) {
            kept.push(entry);
        }
    }
    Ok(kept)
}

fn made_for(app: &AppName, store: &Store) -> Result<Vec<Entry>> {
    let is_its = |entry: &Entry| entry.auto_volume.as_ref().is_some_and(|v| v.app == *app);
    Ok(store.entries_mentioning(&["auto_volume"])?.into_iter().filter(is_its).collect())
}

/// Makes ordinary entries of those that were made for an app that is deleted. Returns those that go with it, as their reclaim policy
/// says.
pub(crate) fn release(app: &AppName, change: &mut Change<'_>) -> Result<Vec<Entry>> {
    let mut released = Vec::new();
    for Entry { name, .. } in made_for(app, change.store())? {
        if let Some(mut entry) = change.entry(&name)? {
            entry.auto_volume = None;
            change.write_entry(&entry)?;
            if entry.reclaim_policy == "Delete" && entry.scope.includes(app) {
                released.push(entry);
            }
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

/// Destroys what an app that is deleted leaves of its image's volumes. What somebody else mounts, or has snapshots, stays; what is
/// the app's is said to.
pub(crate) fn destroy_released(app: &AppName, released: Vec<Entry>, context: &mut Context) {
    for entry in released {
        let how = How { asked: false, deleted: Some(app), no_trash: false };
        match destroy::carry_out(&entry, how, context) {
            Ok(_) => context.out.detail(&format!("Storage entry {} destroyed", entry.name)),
            Err(error) => context.out.warn(&format!("Storage entry {} stays: {error}", entry.name)),
        }
    }
}
