//! `storage:backups:*`: backups of entries, sent to destinations that are connectors.

pub(crate) mod key;
