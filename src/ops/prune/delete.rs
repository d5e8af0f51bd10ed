//! Deleting what nothing uses. Whatever was found is looked at again under the store's lock.

use std::path::Path;

use crate::context::Context;
use crate::docker::volumes;
use crate::domain::{AppName, EntryName, Error, Result, Source, of_directory_name};
use crate::fs::{look, overlap};
use crate::ops::prune::find::{deletes_volume, why_kept};
use crate::ops::prune::{Fate, Unused, UnusedKind};
use crate::ops::{Places, app_life, destroy, trash};
use crate::storage::{EntryLock, Staged};
use crate::store::{Store, no_such_entry};

pub(crate) fn one(unused: &Unused, context: &mut Context) -> Result<()> {
    match unused.kind {
        UnusedKind::Entry => entry(unused, context),
        UnusedKind::Directory => directory(unused, context),
        UnusedKind::Volume => volume(unused, context),
        UnusedKind::Snapshot => snapshot(unused, context),
        UnusedKind::App => app(unused, context),
    }
}

fn entry(unused: &Unused, context: &mut Context) -> Result<()> {
    let Some(entry) = &unused.entry else {
        return Err(no_such_entry(&unused.name));
    };
    context.store.must_be_unchanged(entry)?;
    let takes_data = unused.data != Fate::Stays || deletes_volume(entry);
    if takes_data {
        must_be_unused(unused, context)?;
    }
    let removal = destroy::plan(entry, takes_data, None, context)?;
    destroy::carry_out(entry, &removal, false, context)?;
    context.out.detail(&format!("Storage entry {} destroyed", entry.name));
    Ok(())
}

/// Looks again at who uses something: a person may have taken a while to answer.
fn must_be_unused(unused: &Unused, context: &Context) -> Result<()> {
    let uses = Places::of_this_host(context)?;
    let own = EntryName::parse(&unused.name).ok();
    let own = own.as_ref().filter(|_| unused.kind == UnusedKind::Entry);
    let reason = why_kept(&uses, &unused.place, own);
    reason.map_or(Ok(()), |reason| Err(Error::refused(reason)))
}

fn directory(unused: &Unused, context: &mut Context) -> Result<()> {
    must_be_unused(unused, context)?;
    let hours = context.store.policy()?.trash_hours();
    let caller = context.environment.caller();
    let path = context.store.layout().directory(&unused.name);
    let _lock = EntryLock::take(&unused.name, context)?;
    let staged = Staged::new(&unused.name, context)?;
    let id = context.store.change(|change| {
        must_be_nobodys(&path, change.store())?;
        if hours == 0 {
            change.move_directory(path.clone(), staged.path());
            return Ok(None);
        }
        let trashed = trash::planned(&unused.name, None, caller.clone(), change.store())?;
        change.move_to_trash(&trashed, path.clone())?;
        Ok(Some(trashed.id))
    })?;
    let shown = path.display().to_string();
    if let Some(id) = id {
        trash::tell(&shown, id.name(), hours, context);
    } else {
        remove_staged(&staged, &path, context)?;
        context.out.detail(&format!("Removed {shown}"));
    }
    Ok(())
}

fn must_be_nobodys(path: &Path, store: &Store) -> Result<()> {
    if !std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        refuse!("{} is not there any more", path.display());
    }
    for entry in store.every_entry()? {
        if let Some(Source::Path(other)) = &entry.host_path
            && overlap(path, Path::new(other.as_str()))
        {
            refuse!("storage entry \"{}\" refers to {} by now", entry.name, path.display());
        }
    }
    Ok(())
}

/// Removes what is staged; where that fails, what is left of it gets its name back.
fn remove_staged(staged: &Staged, path: &Path, context: &Context) -> Result<()> {
    let removed = staged.remove();
    if removed.is_err() {
        context.store.change(|change| {
            if !look::is_there(path) {
                change.move_directory(staged.path(), path.to_path_buf());
            }
            Ok(())
        })?;
    }
    removed
}

fn volume(unused: &Unused, context: &mut Context) -> Result<()> {
    must_be_unused(unused, context)?;
    volumes::remove(&context.environment, &unused.name)?;
    context.out.detail(&format!("Removed the Docker volume {}", unused.name));
    Ok(())
}

fn snapshot(unused: &Unused, context: &mut Context) -> Result<()> {
    must_be_unused(unused, context)?;
    let name = Path::new(&unused.place).file_name().unwrap_or_default();
    let Some((entry, snapshot)) = name.to_str().and_then(of_directory_name) else {
        refuse!("{} is not a snapshot", unused.place);
    };
    let path = context.store.layout().snapshot_directory(&entry, &snapshot);
    let _lock = EntryLock::take(entry.as_str(), context)?;
    let staged = Staged::new(entry.as_str(), context)?;
    context.store.change(|change| {
        if change.store().layout().entry(&entry).exists() {
            refuse!("storage entry \"{entry}\" is registered by now");
        }
        change.move_directory(path.clone(), staged.path());
        change.remove_snapshot(&entry, &snapshot)
    })?;
    // It is cleared away by the next command where that fails now.
    staged.remove()?;
    context.out.detail(&format!("Removed {}", path.display()));
    Ok(())
}

fn app(unused: &Unused, context: &mut Context) -> Result<()> {
    let name = AppName::parse(&unused.name)?;
    refuse_if!(context.store.apps()?.contains(&name), "the app {name} exists by now");
    app_life::forget(&name, context)?;
    context.out.detail(&format!("Removed {}", unused.place));
    Ok(())
}
