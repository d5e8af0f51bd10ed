//! The entries that were made for volumes of an app's image.

use crate::domain::{AppName, Entry, Result};
use crate::store::{Change, Store};

pub(crate) fn made_for(app: &AppName, store: &Store) -> Result<Vec<Entry>> {
    let is_its = |entry: &Entry| entry.auto_volume.as_ref().is_some_and(|v| v.app == *app);
    Ok(store.entries_mentioning(&["auto_volume"])?.into_iter().filter(is_its).collect())
}

/// Makes ordinary entries of those that were made for an app that is deleted. Returns them.
pub(crate) fn release(app: &AppName, change: &mut Change<'_>) -> Result<Vec<Entry>> {
    let mut released = made_for(app, change.store())?;
    for entry in &mut released {
        entry.auto_volume = None;
        change.write_entry(entry)?;
    }
    Ok(released)
}

pub(crate) fn rename(old: &AppName, new: &AppName, change: &mut Change<'_>) -> Result<()> {
    for mut entry in made_for(old, change.store())? {
        if let Some(volume) = &mut entry.auto_volume {
            volume.app = new.clone();
        }
        change.write_entry(&entry)?;
    }
    Ok(())
}
