//! `storage:snapshots:create`: keeps an entry's data as it is now.

use crate::commands::arguments::{self, Args, EntryWord};
use crate::context::Context;
use crate::domain::{Entry, Made, Moment, Result, Snapshot, SnapshotName};
use crate::fs::tree::Copied;
use crate::ops::snapshots::{must_be_free, pause};
use crate::storage::{SnapshotKind, Staged, clear_staged, snapshots};
use crate::types;

#[derive(Debug, Args)]
struct Arguments {
    entry: EntryWord,
    name: String,
    /// --pause: pause the containers that mount the entry while the snapshot is made
    pause: bool,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let (entry, _lock) = arguments.entry.alone(context)?;
    let created = Moment::now();
    let name = match &*arguments.name {
        "" => SnapshotName::of_time(created),
        name => SnapshotName::parse(name)?,
    };
    let snapshot_kind = types::snapshot_kind(&entry, "a snapshot", context)?;
    must_be_free(&entry.name, &name, &context.store)?;
    clear_staged(context);
    let staged = Staged::new(entry.name.as_str(), context)?;
    let copied = if arguments.pause {
        copy_while_paused(&entry, snapshot_kind, &staged, context)?
    } else {
        snapshot_kind.taken(&entry, staged.name(), context)?
    };
    register(&entry, &note(&entry, name.clone(), created, &copied), &staged, context)?;
    context.out.detail(&snapshots::said(&copied));
    context.out.headline(&format!("Snapshot {name} of storage entry {} created", entry.name));
    Ok(())
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
