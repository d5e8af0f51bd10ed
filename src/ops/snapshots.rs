//! Copies of an entry's data as it was at a moment: which there are, and who uses what they are made of.

use crate::context::Context;
use crate::docker::pausing::Paused;
use crate::docker::{Container, containers, volumes};
use crate::domain::{
    Entry, EntryName, Error, Made, Moment, Result, Snapshot, SnapshotName, Source,
};
use crate::fs::tree::Copied;
use crate::fs::{RealPath, look};
use crate::host::Environment;
use crate::ops::places;
use crate::storage::{EntryLock, SnapshotKind, Staged, clear_staged};
use crate::store::Store;
use crate::types;
use std::path::Path;

pub(crate) fn existing(entry: &EntryName, name: &str, store: &Store) -> Result<Snapshot> {
    let parsed = match SnapshotName::parse(name) {
        Err(error) if name.is_empty() => return Err(error),
        parsed => parsed.ok(),
    };
    let note = match &parsed {
        Some(parsed) => store.snapshot_note(entry, parsed)?,
        None => None,
    };
    note.ok_or_else(|| {
        let notes = store.snapshots_of(entry).map(|(notes, _)| notes).unwrap_or_default();
        let names: Vec<&str> = notes.iter().map(|note| note.name.as_str()).collect();
        Error::refused(if names.is_empty() {
            format!("storage entry \"{entry}\" has no snapshot {name:?}, and no other")
        } else {
            format!(
                "storage entry \"{entry}\" has no snapshot {name:?}; there are: {}",
                names.join(", ")
            )
        })
    })
}

pub(crate) fn must_be_free(entry: &EntryName, name: &SnapshotName, store: &Store) -> Result<()> {
    let is_taken = store.snapshot_note(entry, name)?.is_some()
        || look::is_there(store.layout().snapshot_directory(entry, name));
    if is_taken {
        refuse!("storage entry \"{entry}\" has a snapshot {name} already; choose another name");
    }
    Ok(())
}

/// Keeps an entry's data as it is now. The caller holds the entry's lock.
pub(crate) fn create(
    entry: &Entry,
    name: &SnapshotName,
    created: Moment,
    pauses: bool,
    context: &mut Context,
) -> Result<Copied> {
    let snapshot_kind = types::snapshot_kind(entry, "a snapshot", context)?;
    must_be_free(&entry.name, name, &context.store)?;
    clear_staged(context);
    let staged = Staged::new(entry.name.as_str(), context)?;
    let copied = if pauses {
        copy_while_paused(entry, snapshot_kind, &staged, context)?
    } else {
        snapshot_kind.taken(entry, staged.name(), context)?
    };
    register(entry, &note(entry, name.clone(), created, &copied), &staged, context)?;
    Ok(copied)
}

fn copy_while_paused(
    entry: &Entry,
    snapshot_kind: SnapshotKind,
    staged: &Staged,
    context: &mut Context,
) -> Result<Copied> {
    let environment = context.environment.clone();
    let (paused, running) = pause(entry, &environment, context)?;
    if running.is_empty() {
        context
            .out
            .detail(&format!("No running container has storage entry {} mounted", entry.name));
    }
    for container in &running {
        context.out.detail(&format!("Paused {}", container.name));
    }
    let copied = snapshot_kind.taken(entry, staged.name(), context);
    paused.resume()?;
    copied
}

fn note(entry: &Entry, name: SnapshotName, created: Moment, copied: &Copied) -> Snapshot {
    let mut note = Snapshot::new(entry.name.clone(), name, created, copied.made);
    if copied.made != Made::Btrfs {
        (note.bytes, note.files) = (Some(copied.bytes), Some(copied.files));
    }
    note
}

/// Gives the copy its name and notes it, in one step.
fn register(entry: &Entry, note: &Snapshot, staged: &Staged, context: &Context) -> Result<()> {
    context.store.change(|change| {
        change.store().must_be_unchanged(entry)?;
        must_be_free(&entry.name, &note.name, change.store())?;
        let layout = change.store().layout().clone();
        let place = layout.snapshot_directory(&entry.name, &note.name);
        change.move_directory(staged.path(), place);
        change.write_snapshot(note)
    })
}

/// The snapshot of that name, which nobody uses.
pub(crate) fn to_destroy(entry: &EntryName, name: &str, context: &Context) -> Result<Snapshot> {
    let note = existing(entry, name, &context.store)?;
    places::must_be_free(cannot_go(&note), &place(&note, &context.store)?, None, None, context)?;
    Ok(note)
}

/// Removes a snapshot. Data that cannot be removed at once is left to the next command, which is said.
pub(crate) fn destroy(note: &Snapshot, context: &mut Context) -> Result<()> {
    let Snapshot { entry, name, .. } = note;
    let place = place(note, &context.store)?;
    let _lock = EntryLock::take(entry.as_str(), context)?;
    let hidden = Staged::new(entry.as_str(), context)?;
    let is_there = context.store.change(|change| {
        existing(entry, name.as_str(), change.store())?;
        places::must_be_unregistered(cannot_go(note), &place, None, change.store())?;
        let directory = change.store().layout().snapshot_directory(entry, name);
        let is_there = look::is_there(&directory);
        if is_there {
            change.move_directory(directory, hidden.path());
        }
        change.remove_snapshot(entry, name)?;
        Ok(is_there)
    })?;
    if is_there && let Err(error) = hidden.remove() {
        context.out.warn(&format!(
            "Not all of the data is removed yet, which the next command tries again: {error}"
        ));
    } else {
        clear_staged(context);
    }
    Ok(())
}

fn place(note: &Snapshot, store: &Store) -> Result<Source> {
    let directory = store.layout().snapshot_directory(&note.entry, &note.name);
    Source::parse(&directory.to_string_lossy())
}

/// What is refused where somebody uses a snapshot by its path.
fn cannot_go(note: &Snapshot) -> String {
    let (name, entry) = (&note.name, &note.entry);
    format!("snapshot {name} of storage entry \"{entry}\" cannot be destroyed, since it is in use")
}

/// Pauses the running containers that have an entry mounted; which ones, beside what lets them go. Somebody else let those wait
/// that wait already.
/// Fails where Docker does not answer, or does not pause one; none is paused then.
pub(crate) fn pause<'a>(
    entry: &Entry,
    environment: &'a Environment,
    context: &Context,
) -> Result<(Paused<'a>, Vec<Container>)> {
    let mut running = containers_with(entry, context).ok_or_else(|| {
        refusal!("Docker does not answer, so no container can be paused; leave --pause out")
    })?;
    running.retain(|container| !container.is_paused);
    let ids = running.iter().map(|container| container.id.clone()).collect();
    Ok((Paused::of(environment, ids)?, running))
}

/// The running containers that have an entry mounted, or a part of it; `None` where Docker does not answer.
pub(crate) fn containers_with(entry: &Entry, context: &Context) -> Option<Vec<Container>> {
    every_container_with(entry, false, context)
}

/// The same, or also the containers that do not run.
pub(crate) fn every_container_with(
    entry: &Entry,
    with_stopped: bool,
    context: &Context,
) -> Option<Vec<Container>> {
    let layout = context.store.layout();
    let seen = |path: &Path| RealPath::of(Path::new(&context.docker_path(&path.to_string_lossy())));
    let (directory, root) = (seen(&layout.directory(entry.name.as_str())), seen(layout.storage()));
    let is_there = |path: &str| {
        let path = RealPath::of(Path::new(path));
        path.is_within(&directory) || path == root
    };
    let mut volumes = volumes::all(&context.environment)?;
    volumes.retain(|listed| listed.target().paths.iter().any(|path| is_there(path)));
    containers::mounting(&context.environment, with_stopped, |mount| match &*mount.name {
        "" => is_there(&mount.source),
        name => volumes.iter().any(|listed| listed.name == name),
    })
}
