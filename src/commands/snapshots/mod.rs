//! `storage:snapshots:*`: copies of an entry's data as it was at a moment.

pub(crate) mod create;
pub(crate) mod destroy;
pub(crate) mod list;
pub(crate) mod restore;

use crate::commands::arguments::at;
use crate::context::Context;
use crate::domain::entry::Entry;
use crate::domain::error::{Error, Result};
use crate::ops::access;
use crate::storage::entry_lock::EntryLock;

/// The entry that the first argument names.
pub(crate) fn named(positional: &[String], context: &Context) -> Result<Entry> {
    match at(positional, 0) {
        "" => Err(Error::refused("storage entry name is required")),
        name => access::entry(name, context),
    }
}

/// The same, as it is once nobody else is at work on it.
fn named_alone(positional: &[String], context: &mut Context) -> Result<(Entry, EntryLock)> {
    let entry = named(positional, context)?;
    let lock = EntryLock::take(entry.name.as_str(), context)?;
    Ok((named(positional, context)?, lock))
}
