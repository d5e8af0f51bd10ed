//! Copies of an entry's data as it was at a moment: which there are, and who uses what they are made of.

use crate::context::Context;
use crate::docker::pausing::Paused;
use crate::docker::{Container, Listed, containers, volumes};
use crate::domain::{Entry, EntryName, Error, Result, Snapshot, SnapshotName};
use crate::fs::RealPath;
use crate::host::Environment;
use crate::store::Store;
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
        || std::fs::symlink_metadata(store.layout().snapshot_directory(entry, name)).is_ok();
    if is_taken {
        refuse!("storage entry \"{entry}\" has a snapshot {name} already; choose another name");
    }
    Ok(())
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
    let layout = context.store.layout();
    let seen = |path: &Path| context.docker_path(&path.to_string_lossy());
    let directory = seen(&layout.directory(entry.name.as_str()));
    let root = seen(layout.storage());
    let (directory, root) = (Path::new(&directory), Path::new(&root));
    let leads_there = |listed: &Listed| {
        let mut paths = listed.target().paths.into_iter();
        paths.any(|path| {
            let path = RealPath::of(Path::new(&path));
            path.is_within(&RealPath::of(directory)) || path == RealPath::of(root)
        })
    };
    let volumes = volumes::all(&context.environment)?;
    let volumes: Vec<String> =
        volumes.into_iter().filter(leads_there).map(|listed| listed.name).collect();
    containers::mounting(&context.environment, directory, root, &volumes)
}
