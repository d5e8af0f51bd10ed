//! What goes with an entry's last mount.

use crate::domain::{AppName, EntryName, Result};
use crate::store::{Change, MountsFile, Store};

/// The entries made for colon mounts that an app mounts; none where its file cannot be read.
pub(crate) fn legacy_entries(app: &AppName, store: &Store) -> Vec<EntryName> {
    let mounts = store.mounts_file(app);
    let mut legacy: Vec<EntryName> = mounts
        .iter()
        .flat_map(MountsFile::attachments)
        .map(|attachment| attachment.entry_name.clone())
        .filter(EntryName::is_legacy)
        .collect();
    legacy.sort_unstable();
    legacy.dedup();
    legacy
}

/// Writes an app's mounts, and removes the entries made for colon mounts of those that it had `before` that nobody mounts any more.
pub(crate) fn write(
    app: &AppName,
    mounts: &MountsFile,
    before: Vec<EntryName>,
    change: &mut Change<'_>,
) -> Result<()> {
    change.write_mounts(app, mounts);
    let gone = before.into_iter().filter(|name| name.is_legacy() && !mounts.may_mention(name));
    gone.into_iter().try_for_each(|name| remove_if_unused(&name, app, change))
}

/// Removes an entry that was made for colon mounts, unless another app mounts it or may mount it.
pub(crate) fn remove_if_unused(
    name: &EntryName,
    app: &AppName,
    change: &mut Change<'_>,
) -> Result<()> {
    let mut others = change.store().apps_mounting(name)?;
    others.retain(|other| other != app);
    if others.is_empty() {
        change.remove_entry(name);
    }
    Ok(())
}
