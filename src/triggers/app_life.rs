//! `post-delete`, `post-app-clone-setup`, `post-app-rename-setup`: the mounts follow the app.

use super::{app, word};
use crate::commands::unmount::remove_if_unused;
use crate::context::Context;
use crate::domain::names::{AppName, EntryName};
use crate::error::{Error, Result};
use crate::store::{Change, MountsFile};

/// Forgets what a deleted app mounted. Entries and data stay; the entries made for its colon mounts go
/// where no other app mounts them.
///
/// # Errors
/// Where the store cannot be changed.
pub fn delete(arguments: &[String], context: &mut Context) -> anyhow::Result<()> {
    let Some(app) = app(arguments)? else {
        return Ok(());
    };
    context.store.change(|change| {
        let mounts = change.store().mounts_file(&app);
        let mut legacy: Vec<EntryName> = mounts
            .iter()
            .flat_map(MountsFile::attachments)
            .map(|attachment| attachment.entry_name.clone())
            .filter(EntryName::is_legacy)
            .collect();
        legacy.sort_unstable();
        legacy.dedup();
        change.remove_app(&app);
        legacy.iter().try_for_each(|name| remove_if_unused(name, &app, change))
    })?;
    Ok(())
}

/// Gives a clone the mounts of its original; both use the same data.
///
/// # Errors
/// Where the store cannot be read or changed.
pub fn clone(arguments: &[String], context: &mut Context) -> anyhow::Result<()> {
    let Some((old, new)) = both(arguments)? else {
        return Ok(());
    };
    let store = context.store.clone();
    let mut outside = Vec::new();
    context.store.change(|change| {
        let mut mounts = change.store().mounts_file(&old)?;
        if old == new || !change.store().layout().mounts(&old).exists() {
            return Ok(());
        }
        // Whom an entry's scope leaves out does not get it by being made from somebody who has it.
        mounts.retain(|line| {
            let Some(attachment) = line.attachment() else {
                return true;
            };
            let entry = store.entry(&attachment.entry_name).ok().flatten();
            let is_in_scope = entry.is_none_or(|entry| entry.scope.includes(&new));
            if !is_in_scope {
                outside.push(attachment.entry_name.clone());
            }
            is_in_scope
        });
        change.write_mounts(&new, &mounts);
        Ok(())
    })?;
    for name in outside {
        context.out.warn(&format!(
            "{new} does not get storage entry \"{name}\": its scope leaves {new} out"
        ));
    }
    Ok(())
}

/// Moves the mounts of an app to its new name.
///
/// # Errors
/// Where the store cannot be read or changed.
pub fn rename(arguments: &[String], context: &mut Context) -> anyhow::Result<()> {
    let Some((old, new)) = both(arguments)? else {
        return Ok(());
    };
    if old == new {
        return Ok(());
    }
    context.store.change(|change| {
        let layout = change.store().layout().clone();
        if !layout.mounts(&old).exists() {
            return Ok(());
        }
        copy_mounts(&old, &new, change)?;
        // What else is in the folder goes with it.
        let folder = layout.app(&old);
        for file in std::fs::read_dir(&folder).map_err(Error::system("read", &folder))? {
            let file = file.map_err(Error::system("read", &folder))?;
            let is_other =
                file.file_name() != "mounts" && file.file_type().is_ok_and(|t| t.is_file());
            let is_hidden = file.file_name().as_encoded_bytes().starts_with(b".");
            if is_other && !is_hidden {
                let bytes =
                    std::fs::read(file.path()).map_err(Error::system("read", file.path()))?;
                change.write(layout.app(&new).join(file.file_name()), bytes);
            }
        }
        change.remove_app(&old);
        Ok(())
    })?;
    Ok(())
}

fn both(arguments: &[String]) -> Result<Option<(AppName, AppName)>> {
    let new = match word(arguments, 1) {
        "" => None,
        name => Some(AppName::parse(name)?),
    };
    Ok(app(arguments)?.zip(new))
}

fn copy_mounts(old: &AppName, new: &AppName, change: &mut Change<'_>) -> Result<()> {
    let mounts = change.store().mounts_file(old)?;
    let is_there = change.store().layout().mounts(old).exists();
    if is_there && old != new {
        change.write_mounts(new, &mounts);
    }
    Ok(())
}
