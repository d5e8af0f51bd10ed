//! What runs as root through sudo: each helper checks its own arguments, takes its root from a file that
//! only root can write, and works below that root by descriptors.

mod backing_up;
mod directory;
mod mounting;
mod pausing;
pub(crate) mod root;
mod sized;

use crate::domain::text::word;
use crate::domain::{Error, Result};
pub(crate) use backing_up::back_up;
pub(crate) use directory::{chmod, chown, copy, destroy, usage};
pub(crate) use mounting::systemd::{ATTACHING, UNIT};
pub(crate) use mounting::{fusermount, run as mount};
pub(crate) use pausing::keep_paused;
pub(crate) use sized::size;

fn no_more_than(words: &[String], most: usize) -> Result<()> {
    words.get(most).map_or(Ok(()), |word| Err(unknown(word)))
}

fn unknown(word: &str) -> Error {
    refusal!("unexpected argument {word:?}")
}
