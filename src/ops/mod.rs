//! What commands and triggers have in common: one file an operation.

pub mod auto_volumes;
pub mod one_writer;
pub mod prepare;
