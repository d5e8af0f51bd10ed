//! What commands and triggers have in common: one file an operation.

pub(crate) mod auto_volumes;
pub(crate) mod one_writer;
pub(crate) mod prepare;
