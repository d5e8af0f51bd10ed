//! `storage:snapshots:restore`: puts a snapshot's data in an entry's place.

use crate::commands::arguments::{self, Args, EntryWord};
use crate::context::Context;
use crate::domain::{Result, directory_name};
use crate::ops::restore::{self, Replacement};
use crate::ops::snapshots::existing;

#[derive(Debug, Args)]
struct Arguments {
    entry: EntryWord,
    name: String,
    /// --stop: stop the running containers that mount the entry
    stop: bool,
}

/// Restores a snapshot. What it replaces is kept as a snapshot of its own.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let (entry, _lock) = arguments.entry.alone(context)?;
    let note = existing(&entry.name, &arguments.name, &context.store)?;
    let checked = restore::check(&entry, arguments.stop, context)?;
    let by = Replacement {
        name: &directory_name(&entry.name, &note.name),
        what: format!("snapshot {}", note.name),
        snapshot: Some(&note),
        parts: &[],
    };
    restore::replace(&entry, &checked, &by, arguments.stop, context)?;
    context
        .out
        .headline(&format!("Storage entry {} restored from snapshot {}", entry.name, note.name));
    Ok(())
}
