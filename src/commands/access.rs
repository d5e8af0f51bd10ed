//! Which entries a caller may touch: access to an entry follows access to the apps that mount it.

use crate::context::Context;
use crate::domain::entry::Entry;
use crate::error::Result;
use crate::host::apps;
use crate::store::entries::no_such_entry;

/// The entry of that name, where the caller may touch it: an entry that only apps mount which the caller
/// cannot see does not exist for the caller.
///
/// # Errors
/// Where there is none of that name for this caller, or its file cannot be read.
pub fn entry(name: &str, context: &Context) -> Result<Entry> {
    let entry = context.store.existing_entry(name)?;
    if !apps::are_restricted(&context.environment) {
        return Ok(entry);
    }
    let using = context.store.apps_mounting(&entry.name)?;
    let is_free = using.is_empty();
    if is_free || !apps::visible(&context.environment, using)?.is_empty() {
        Ok(entry)
    } else {
        Err(no_such_entry(name))
    }
}
