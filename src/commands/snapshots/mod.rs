//! `storage:snapshots:*`: copies of an entry's data as it was at a moment.

pub(crate) mod create;
pub(crate) mod destroy;
pub(crate) mod list;
pub(crate) mod restore;
