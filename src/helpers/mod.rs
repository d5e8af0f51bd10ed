//! What runs as root through sudo: each helper checks its own arguments, takes its root from a file that
//! only root can write, and works below that root by descriptors.

mod directory;
mod mounting;
mod pausing;
pub mod root;
mod sized;

pub use directory::{chmod, chown, copy, destroy, usage};
pub use mounting::systemd::{ATTACHING, UNIT};
pub use mounting::{fusermount, run as mount};
pub use pausing::keep_paused;
pub use sized::size;
