//! Deleting what nothing uses. Whatever was found is looked at again under the store's lock.

use std::path::Path;

use crate::context::Context;
use crate::docker::volumes;
use crate::domain::{AppName, EntryName, Error, Result, Source, of_directory_name};
use crate::fs::look;
use crate::ops::destroy::{self, How};
use crate::ops::prune::find::{deletes_volume, why_kept};
use crate::ops::prune::{Fate, Unused, UnusedKind};
use crate::ops::{Places, app_life, places, trash};
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
    let takes_data = unused.data != Fate::Stays || deletes_volume(entry);
    if takes_data {
        must_be_unused(unused, context)?;
    }
    let how = How { asked: takes_data, deleted: None, no_trash: false };
    destroy::carry_out(entry, how, context)?;
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
    let hours = context.store.policy()?.trash_hours();
    let caller = context.environment.caller();
    let path = context.store.layout().directory(&unused.name);
    let _lock = EntryLock::take(&unused.name, context)?;
    must_be_unused(unused, context)?;
    let staged = Staged::new(&unused.name, context)?;
    let id = context.store.change(|change| {
        if !std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
            refuse!("{} is not there any more", path.display());
        }
        must_be_nobodys(unused, change.store())?;
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

/// Looks once more, while the store's lock is held: somebody may have registered it since.
fn must_be_nobodys(unused: &Unused, store: &Store) -> Result<()> {
    let place = Source::parse(&unused.place)?;
    places::must_be_unregistered(format!("{} stays", unused.place), &place, None, store)
}

/// Removes what is staged; where that fails, what is left of it gets its name back.
fn remove_staged(staged: &Staged, path: &Path, context: &Context) -> Result<()> {
    let Err(error) = staged.remove() else {
        return Ok(());
    };
    context.store.change(|change| {
        if !look::is_there(path) {
            change.put_back(staged.path(), path.to_path_buf());
        }
        Ok(())
    })?;
    Err(refusal!("unable to remove {}: {error}; some of its files may be gone", path.display()))
}

fn volume(unused: &Unused, context: &mut Context) -> Result<()> {
    let _lock = EntryLock::of_volume(&unused.name, context)?;
    must_be_unused(unused, context)?;
    // Nobody registers it from here on.
    context.store.change(|change| must_be_nobodys(unused, change.store()))?;
    volumes::remove(&context.environment, &unused.name)?;
    context.out.detail(&format!("Removed the Docker volume {}", unused.name));
    Ok(())
}

fn snapshot(unused: &Unused, context: &mut Context) -> Result<()> {
    let name = Path::new(&unused.place).file_name().unwrap_or_default();
    let Some((entry, snapshot)) = name.to_str().and_then(of_directory_name) else {
        refuse!("{} is not a snapshot", unused.place);
    };
    let path = context.store.layout().snapshot_directory(&entry, &snapshot);
    let _lock = EntryLock::take(entry.as_str(), context)?;
    must_be_unused(unused, context)?;
    let staged = Staged::new(entry.as_str(), context)?;
    context.store.change(|change| {
        if change.store().layout().entry(&entry).exists() {
            refuse!("storage entry \"{entry}\" is registered by now");
        }
        must_be_nobodys(unused, change.store())?;
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
