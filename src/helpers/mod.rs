//! What runs as root through sudo: each helper checks its own arguments, takes its root from a file that
//! only root can write, and works below that root by descriptors.

mod directory;
pub mod root;

pub use directory::{chmod, chown, copy, destroy};
