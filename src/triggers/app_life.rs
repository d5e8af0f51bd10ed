//! `post-delete` and `post-app-rename-setup`: what the store has of an app goes with it.

use super::app;
use crate::checks::auto_volumes;
use crate::context::Context;
use crate::domain::{AppName, Error, Result, Subject};
use crate::ops::crontab;
use crate::ops::forget::{forget, in_hooks};
use crate::ops::unmount::{legacy_entries, remove_if_unused};
use crate::store::files;

/// Forgets what a deleted app mounted. Entries and data stay; the entries made for its colon mounts go
/// where no other app mounts them.
pub(crate) fn delete(arguments: &[String], context: &mut Context) -> Result<()> {
    let app = app(arguments, 0)?;
    let in_crontab = crontab::lines(context);
    let forgotten = forget(&app, context)?;
    for sharing in forgotten.sharing {
        context.out.warn(&format!(
            "{sharing} does not share the storage of {app} any more, which is deleted; its next containers are without it"
        ));
    }
    auto_volumes::destroy_released(&app, forgotten.released, context);
    crontab::follow(&in_crontab, context);
    Ok(())
}

pub(crate) fn rename(arguments: &[String], context: &mut Context) -> Result<()> {
    let (old, new) = both(arguments)?;
    let layout = context.store.layout().clone();
    let (from, to) = (layout.app(&old), layout.app(&new));
    if old == new {
        return Ok(());
    }
    let is_shared = || Ok(!context.store.apps_sharing_from(&old)?.is_empty());
    // One that cannot be read stays as it is; whoever lists the schedules is told.
    let schedule = context.store.schedule(&Subject::App(old.clone())).unwrap_or_default();
    if !from.exists() && schedule.is_none() && !context.store.read_consistently(|_| is_shared())? {
        return Ok(());
    }
    context.store.change(|change| {
        change.rename_sharing_from(&old, &new)?;
        if let Some(schedule) = schedule {
            change.rename_schedule(schedule, &new)?;
        }
        crate::ops::auto_volumes::rename(&old, &new, change)?;
        in_hooks(&old, Some(&new), change)?;
        if !from.exists() {
            return Ok(());
        }
        if !to.exists() {
            change.move_directory(from.clone(), to.clone());
            change.remove(layout.migrated_before(&old));
            return Ok(());
        }
        for file in std::fs::read_dir(&from).map_err(Error::system("read", &from))? {
            let file = file.map_err(Error::system("read", &from))?;
            let is_hidden = file.file_name().as_encoded_bytes().starts_with(b".");
            if !is_hidden && file.file_type().is_ok_and(|kind| kind.is_file()) {
                let bytes = files::read(&file.path())?.unwrap_or_default();
                change.write(to.join(file.file_name()), bytes);
            }
        }
        change.remove_app(&old);
        // What was there under the new name is replaced, and goes with its last mount.
        let kept = legacy_entries(&old, change.store());
        let replaced = legacy_entries(&new, change.store()).into_iter();
        let replaced = replaced.filter(|name| layout.mounts(&old).exists() && !kept.contains(name));
        replaced.into_iter().try_for_each(|name| remove_if_unused(&name, &new, change))
    })?;
    Ok(())
}

/// The old and the new name of an app.
pub(super) fn both(arguments: &[String]) -> Result<(AppName, AppName)> {
    let new = app(arguments, 1)?;
    Ok((app(arguments, 0)?, new))
}
