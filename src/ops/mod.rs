//! What commands and triggers have in common: one file an operation.

pub(crate) mod access;
pub(crate) mod apps;
pub(crate) mod auto_volumes;
pub(crate) mod backup;
pub(crate) mod backups;
pub(crate) mod confirmation;
pub(crate) mod connectors;
pub(crate) mod content;
pub(crate) mod destroy;
pub(crate) mod entries;
pub(crate) mod forget;
pub(crate) mod migrate;
pub(crate) mod mount;
pub(crate) mod mount_new;
pub(crate) mod mount_set;
pub(crate) mod mounts;
pub(crate) mod needs;
pub(crate) mod places;
pub(crate) mod populate;
pub(crate) mod prune;
pub(crate) mod report;
pub(crate) mod restart;
pub(crate) mod restore;
pub(crate) mod scheduler;
pub(crate) mod share;
pub(crate) mod snapshots;
pub(crate) mod trash;
pub(crate) mod unmount;
pub(crate) mod update;
pub(crate) mod usable;
pub(crate) mod usage;
pub(crate) mod web;

pub(crate) use entries::tell_problems;
pub(crate) use mount_set::MountSet;
pub(crate) use places::{Places, judge};
pub(crate) use populate::Origin;
