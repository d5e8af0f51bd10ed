//! `storage:snapshots:destroy`: removes a snapshot.

use crate::commands::arguments::{self, EntryWord, Force, NamedOf};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::snapshots::{destroy, to_destroy};

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<NamedOf<EntryWord, Force>>(words, context)?;
    let entry = arguments.of.existing(context)?;
    let note = to_destroy(&entry.name, &arguments.name, context)?;
    let (entry, name) = (&note.entry, &note.name);
    let kind = format!("storage entry {entry}'s snapshot");
    arguments.flags.or_ask(&kind, name.as_str(), context)?;
    destroy(&note, context)?;
    context.out.headline(&format!("Snapshot {name} of storage entry {entry} destroyed"));
    Ok(())
}
