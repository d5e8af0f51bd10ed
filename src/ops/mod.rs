//! What commands and triggers have in common: one file an operation.

pub(crate) mod access;
pub(crate) mod apps;
pub(crate) mod auto_volumes;
pub(crate) mod confirmation;
pub(crate) mod content;
pub(crate) mod one_writer;
pub(crate) mod populate;
pub(crate) mod prepare;
pub(crate) mod prune;
pub(crate) mod restart;
pub(crate) mod scheduler;
pub(crate) mod snapshots;
pub(crate) mod trash;
pub(crate) mod web;
