//! What runs as root through sudo: each helper checks its own arguments, takes its root from a file that
//! only root can write, and works below that root by descriptors.

mod arguments;
pub(crate) mod backing_up;
pub(crate) mod directory;
pub(crate) mod mounting;
pub(crate) mod pausing;
pub(crate) mod root;
pub(crate) mod sized;
