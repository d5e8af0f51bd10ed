//! What commands and triggers have in common: one file an operation.

pub mod prepare;
