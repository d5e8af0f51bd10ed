//! `storage:snapshots:create`: keeps an entry's data as it is now.

use crate::commands::arguments::{self, Args, EntryWord};
use crate::context::Context;
use crate::domain::{Moment, Result, SnapshotName};
use crate::ops::snapshots;
use crate::storage::snapshots::said;

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
    let copied = snapshots::create(&entry, &name, created, arguments.pause, context)?;
    context.out.detail(&said(&copied));
    context.out.headline(&format!("Snapshot {name} of storage entry {} created", entry.name));
    Ok(())
}
