//! `storage:snapshots:destroy`: removes a snapshot.

use crate::commands::arguments::{self, EntryWord, Force, NamedOf};
use crate::context::Context;
use crate::domain::{Result, Snapshot, Source};
use crate::ops::places;
use crate::ops::snapshots::existing;
use crate::storage::{EntryLock, Staged, clear_staged};
use crate::store::Store;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<NamedOf<EntryWord, Force>>(words, context)?;
    let entry = arguments.of.existing(context)?;
    let note = existing(&entry.name, &arguments.name, &context.store)?;
    let name = &note.name;
    let place = place(&note, &context.store)?;
    places::must_be_free(cannot_go(&note), &place, None, None, context)?;
    let kind = format!("storage entry {}'s snapshot", entry.name);
    arguments.flags.or_ask(&kind, name.as_str(), context)?;
    let _lock = EntryLock::take(entry.name.as_str(), context)?;
    let hidden = Staged::new(entry.name.as_str(), context)?;
    let is_there = context.store.change(|change| {
        existing(&entry.name, name.as_str(), change.store())?;
        places::must_be_unregistered(cannot_go(&note), &place, None, change.store())?;
        let layout = change.store().layout().clone();
        let directory = layout.snapshot_directory(&entry.name, name);
        let is_there = std::fs::symlink_metadata(&directory).is_ok();
        if is_there {
            change.move_directory(directory, hidden.path());
        }
        change.remove_snapshot(&entry.name, name)?;
        Ok(is_there)
    })?;
    if is_there && let Err(error) = hidden.remove() {
        context.out.warn(&format!(
            "Not all of the data is removed yet, which the next command tries again: {error}"
        ));
    } else {
        clear_staged(context);
    }
    context.out.headline(&format!("Snapshot {name} of storage entry {} destroyed", entry.name));
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
