//! Copies of entries' data: what they are made of, and how they are made and put in an entry's place.
//!
//! # Snapshots and sources
//!
//! A type that has snapshots says in which [`SnapshotKind`]; names, notes (`snapshots/ENTRY/NAME.json`), access and
//! the step in which a copy takes its place are the same for all. A copy is made under a hidden name without
//! the lock (`src/fs/tree/copy/`: in parallel, by descriptors, reflinks where the file system has them, hard links
//! and holes kept), then renamed and noted in one step. A restore moves what is there to a snapshot's name in the
//! step that moves the copy in. `--pause` is a process of its own (`src/docker/pausing.rs`).
//!
//! A snapshot of an entry with a size is its content, copied like any other directory: not the image. So snapshots
//! are of one kind for lists, usage, pruning and `--from`, one can look into them, they take what is in the image
//! and not what it could hold, they go into entries without a size and with another one, and the copy is as whole
//! as that of a directory, with nothing frozen. A copy of the image would be faster where blocks can be shared, but
//! needs `fsfreeze` for every snapshot and a mount to be of use. `--pause` pauses the containers here too: who
//! writes to a frozen file system waits in the kernel and cannot be ended, and nobody sees why. On btrfs the
//! subvolume is taken at once; btrfs hands the limit on to what it takes, so it is taken away there and set again
//! on what is restored or cloned.
//!
//! `src/storage/sized/staged.rs` and `src/fs/image/staged.rs` populate an image before an entry has it: under a
//! hidden name, attached at a hidden directory, closed to all but root until the copy is whole. A new entry's image
//! then gets the entry's name as a second one (a hard link), the entry is registered, and the hidden name goes when
//! it is attached: what a killed command left is cleared by its hidden name, and the image goes with it unless the
//! entry is registered. A restore makes the entry's file system read-only and copies it, which becomes a snapshot:
//! what a program of the host writes meanwhile is in the copy, or fails. Then it detaches the image, makes sure that
//! nothing has its loop device any more, and replaces it with one rename. An image that is not attached is never taken for an empty directory: its place is immutable. What comes from the web or from a
//! directory of the host is had in the storage root first, with the rights that reading it needs, and copied into
//! the image by root.
//!
//! What comes from the web is fetched by `curl` or `git` (`src/fs/fetch/`), with the rights of the store's owner
//! and none of the caller's environment. An archive is unpacked by `src/fs/archive.rs`, member by member, beneath
//! the hidden directory; the first member that is not plain data ends it all.

use std::path::PathBuf;

use crate::context::Context;
use crate::domain::{ByteSize, Entry, Made, Result, readable};
use crate::fs::mount_points;
use crate::fs::tree::Copied;
use crate::storage::{root, sized};

/// What the storage root has under an entry's name, and so what a snapshot of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SnapshotKind {
    Directory,
    File,
    /// A directory that holds so much, an image or a subvolume. Its snapshots are plain directories, or subvolumes.
    Sized(ByteSize),
}

impl SnapshotKind {
    /// Makes a copy of an entry's data under another name of the storage root, which is hidden. It is complete, or nothing
    /// is left of it.
    pub(crate) fn taken(self, entry: &Entry, to: &str, context: &mut Context) -> Result<Copied> {
        self.ready(entry, context)?;
        root::copy(entry.name.as_str(), to, context)
    }

    /// Puts the data of an entry where it can be copied.
    pub(crate) fn ready(self, entry: &Entry, context: &Context) -> Result<()> {
        match self {
            Self::Directory | Self::File => Ok(()),
            Self::Sized(_) => sized::attach(entry, context),
        }
    }

    /// Makes of a snapshot what takes the place of its entry's data, under a hidden name; it holds as much as
    /// the entry does.
    /// Fails where it cannot be made; what there is of it is the caller's to remove.
    pub(crate) fn restored(
        self,
        entry: &Entry,
        from: &str,
        to: &str,
        context: &mut Context,
    ) -> Result<Copied> {
        let Self::Sized(size) = self else {
            return root::copy(from, to, context);
        };
        let from = sized::staged::Original { name: from, what: "the snapshot", is_bounded: true };
        sized::staged::populate_and_close(entry, size, from, to, context)
    }

    /// Whether what is in the entry's place is mounted there, so that it is not the name in the storage root that is
    /// replaced.
    pub(crate) fn is_mounted(self, context: &Context) -> bool {
        matches!(self, Self::Sized(_)) && sized::staged::is_image(context)
    }

    /// Whether a new entry can be populated from what is of another kind.
    pub(crate) fn takes(self, other: Self) -> bool {
        (self == Self::File) == (other == Self::File)
    }

    /// Refuses to put something else in the place of an entry's data where that cannot be moved away.
    pub(crate) fn must_be_movable(self, entry: &Entry, context: &Context) -> Result<()> {
        let path = context.store.layout().directory(entry.name.as_str());
        let is_own =
            |point: &PathBuf| self.is_mounted(context) && mount_points::is_same(point, &path);
        match mount_points::below(&path).iter().find(|point| !is_own(point)) {
            None => Ok(()),
            Some(point) => Err(refusal!(
                "{} is a mount point, so that the directory of storage entry \"{}\" cannot be replaced; unmount it first, or make a new entry: dokku storage:create NAME --from snapshot:{}@SNAPSHOT",
                point.display(),
                entry.name,
                entry.name
            )),
        }
    }
}

pub(crate) fn said(copied: &Copied) -> String {
    let count = |count: u64| match count {
        1 => "1 file or directory".to_owned(),
        count => format!("{count} files and directories"),
    };
    let amount = format!("{} ({})", count(copied.files), readable(copied.bytes));
    match copied.made {
        Made::Btrfs => "Taken by btrfs at once".to_owned(),
        Made::Reflink => format!("Copied {amount}, which share their blocks with the originals"),
        Made::Copy | Made::Moved => format!("Copied {amount}"),
    }
}
