//! Copies of an entry's data as it was at a moment: which there are, and who uses what they are made of.

use crate::context::Context;
use crate::docker::pausing::{self, Paused};
use crate::docker::{Container, containers, volumes};
use crate::domain::{
    AppName, Entry, EntryName, Error, Made, Moment, Result, Snapshot, SnapshotName, Source,
};
use crate::fs::tree::Copied;
use crate::fs::{RealPath, look};
use crate::host::Environment;
use crate::ops::places::links;
use crate::ops::{access, apps, places};
use crate::storage::{EntryLock, SnapshotKind, Staged, clear_staged, root};
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
    must_see_what_is_paused(entry, context)?;
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
    let flushed = staged.flushed()?;
    context.store.change(|change| {
        change.store().must_be_unchanged(entry)?;
        must_be_free(&entry.name, &note.name, change.store())?;
        let layout = change.store().layout().clone();
        let place = layout.snapshot_directory(&entry.name, &note.name);
        change.put_directory(&flushed, place);
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
    let path = Path::new(place.as_str());
    let forget = context.store.begin_anew();
    root::must_not_be_away(path, &forget, context)?;
    let _lock = EntryLock::take(entry.as_str(), context)?;
    // The answer may have taken long.
    access::entry(entry.as_str(), context)?;
    let hidden = Staged::new(entry.as_str(), context)?;
    let is_there = context.store.change(|change| {
        refuse_if!(
            existing(entry, name.as_str(), change.store())? != *note,
            "snapshot {name} of storage entry \"{entry}\" is another one now; look at it: dokku storage:snapshots:list {entry}"
        );
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

/// Pauses the running containers that have an entry mounted, but for those that somebody paused by hand; which ones, beside what
/// lets them go.
/// Fails where Docker does not answer, or does not pause one; none is paused then.
pub(crate) fn pause<'a>(
    entry: &Entry,
    environment: &'a Environment,
    context: &Context,
) -> Result<(Paused<'a>, Vec<Container>)> {
    let mut running = containers_with(entry, context).ok_or_else(|| {
        refusal!("Docker does not answer, so no container can be paused; leave --pause out")
    })?;
    // What a command that was cut off left paused goes on, unless it is needed here; where it cannot, others tell of it.
    let _ = pausing::let_go(environment, &context.store);
    let paused = Paused::of(environment, &context.store, &running)?;
    running.retain(|container| paused.has(container));
    Ok((paused, running))
}

/// The names in a sentence, and that there are others.
pub(super) fn listed(mut names: Vec<String>, hides_some: bool) -> String {
    if hides_some {
        names.push("some that you cannot see".to_owned());
    }
    names.join(", ")
}

/// What the containers are called that the caller may see, and whether there are others.
pub(super) fn seen(containers: &[Container], context: &Context) -> Result<(Vec<String>, bool)> {
    let sees_all = access::sees_every_app(context)?;
    let entries = context.store.entries()?.entries;
    let mut names = Vec::new();
    for container in containers {
        let app = AppName::parse(&container.app).into_iter().collect();
        if sees_all || !apps::visible(&context.environment, app)?.is_empty() {
            names.push(container.name.clone());
        } else if let Some(entry) = links::entry_of_command(container, &entries, &context.store)
            && access::may_touch(entry, context)?
        {
            names.push(links::said_of_command(&entry.name));
        }
    }
    let hides_some = names.len() < containers.len();
    Ok((names, hides_some))
}

/// The containers that are to be stopped or paused, where the caller may see all of them.
pub(super) fn using(entry: &Entry, context: &Context) -> Result<Vec<Container>> {
    let containers = containers_with(entry, context).ok_or_else(|| {
        refusal!("Docker does not answer, so no container can be stopped or paused")
    })?;
    let (names, hides_some) = seen(&containers, context)?;
    let is_commands = |container: &Container| !names.contains(&container.name);
    if hides_some || containers.iter().any(is_commands) {
        let why = format!("it is mounted in running containers: {}", listed(names, hides_some));
        access::must_see_every_app(&why, context)?;
    }
    Ok(containers)
}

/// Refuses to pause containers that the caller may not see.
pub(crate) fn must_see_what_is_paused(entry: &Entry, context: &Context) -> Result<()> {
    if access::hides_problems(context)? {
        using(entry, context)?;
    }
    Ok(())
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
