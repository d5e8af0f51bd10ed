//! `storage:trash:*`: what was destroyed with its data, and can be had back for a while.

pub(crate) mod empty;
pub(crate) mod list;
pub(crate) mod restore;
