//! Copies of entries' data: what they are made of, and how they are made and put in an entry's place.
//!
//! A type that has snapshots says in which [`Form`]; all the rest, names, notes, access and the steps in which a copy takes
//! its place, is the same for all of them.

use super::{of, storage_root};
use crate::context::Context;
use crate::domain::entry::Entry;
use crate::domain::size::readable;
use crate::domain::snapshot::Made;
use crate::error::{Error, Result};
use crate::host::mount_points;
use crate::host::tree::Copied;

/// What the storage root has under an entry's name, and so what a snapshot of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A directory with the data in it.
    Directory,
}

impl Form {
    /// Makes a copy of one name in the storage root under another, which is hidden: of an entry for a snapshot, and of a
    /// snapshot for an entry. It is complete, or nothing is left of it.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn copy(self, from: &str, to: &str, context: &mut Context) -> Result<Copied> {
        match self {
            Self::Directory => storage_root::copy(from, to, context),
        }
    }

    /// Refuses to put something else in the place of an entry's data where that cannot be moved away.
    ///
    /// # Errors
    /// Says what is in the way.
    pub fn must_be_movable(self, entry: &Entry, context: &Context) -> Result<()> {
        let Self::Directory = self;
        let path = context.store.layout().directory(entry.name.as_str());
        match mount_points::below(&path).first() {
            None => Ok(()),
            Some(point) => Err(Error::refused(format!(
                "{} is a mount point, so that the directory of storage entry \"{}\" cannot be replaced; unmount it first, or make a new entry: dokku storage:create NAME --from snapshot:{}@SNAPSHOT",
                point.display(),
                entry.name,
                entry.name
            ))),
        }
    }
}

/// What copies of an entry's data are made of; `what` is wanted ("a snapshot", "a clone").
///
/// # Errors
/// Says why there can be none.
pub fn form(entry: &Entry, what: &str, context: &Context) -> Result<Form> {
    of(entry).form(entry, what, context)
}

/// What was copied and how, in a sentence.
#[must_use]
pub fn said(copied: &Copied) -> String {
    let count = |count: u64| match count {
        1 => "1 file or folder".to_owned(),
        count => format!("{count} files and folders"),
    };
    let amount = format!("{} ({})", count(copied.copied), readable(copied.bytes));
    match copied.made {
        Made::Btrfs => "Taken by btrfs at once".to_owned(),
        Made::Reflink => format!("Copied {amount}, which share their blocks with the originals"),
        Made::Copy | Made::Moved => format!("Copied {amount}"),
    }
}
