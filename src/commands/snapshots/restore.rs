//! `storage:snapshots:restore`: puts a snapshot's data in an entry's place.

use clap::Parser;

use crate::commands::arguments;
use crate::context::Context;
use crate::domain::{Result, directory_name};
use crate::ops::restore::{self, Replacement};
use crate::ops::snapshots::existing;

#[derive(Debug, Parser)]
struct Arguments {
    /// --stop: stop the running containers that mount the entry
    stop: bool,
}

/// Restores a snapshot. What it replaces is kept as a snapshot of its own.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, positional) = arguments::parse::<Arguments>(words, context)?;
    positional.at_most(2)?;
    let (entry, _lock) = positional.entry_alone(0, context)?;
    let note = existing(&entry.name, positional.at(1), &context.store)?;
    let kind = restore::check(&entry, arguments.stop, context)?;
    let by = Replacement {
        name: &directory_name(&entry.name, &note.name),
        what: format!("snapshot {}", note.name),
        snapshot: Some(&note),
    };
    restore::replace(&entry, kind, &by, arguments.stop, context)?;
    context
        .out
        .headline(&format!("Storage entry {} restored from snapshot {}", entry.name, note.name));
    Ok(())
}
