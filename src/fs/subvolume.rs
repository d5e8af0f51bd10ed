//! Subvolumes of btrfs, with a quota or as snapshots: root's work, done by the program `btrfs`.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, fstat};
use rustix::io::Errno;

use crate::domain::{ByteSize, Error, Result};
use crate::fs::{kind, tree};
use crate::host::{Program, is_root};

/// The inode number of the top of a subvolume (btrfs(5)).
const TOP: u64 = 256;

/// The program that makes them.
pub(crate) const PROGRAM: &str = "btrfs";

/// Makes a directory of the storage root a subvolume that holds this much; an empty one that is there is replaced.
pub(crate) fn make(storage: &Path, name: &str, size: ByteSize, owner: (u32, u32)) -> Result<()> {
    let target = storage.join(name);
    let root = tree::enter_real(storage)?;
    match rustix::fs::unlinkat(&root, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(Errno::NOTEMPTY) => {
            refuse!("{} has files in it", target.display());
        }
        Err(error) => return Err(Error::system("replace", target)(error)),
    }
    let around = tree::inherited(&root)?;
    // It may be enabled already, which is no failure.
    btrfs(&["quota", "enable", &around])?;
    btrfs(&["subvolume", "create", &format!("{around}/{name}")])?;
    let directory = tree::enter(storage, name)?;
    rustix::fs::fchown(
        &directory,
        Some(rustix::fs::Uid::from_raw(owner.0)),
        Some(rustix::fs::Gid::from_raw(owner.1)),
    )
    .map_err(Error::system("change the owner of", &target))?;
    limit(storage, name, size)
}

/// Sets how much a subvolume holds.
pub(crate) fn limit(storage: &Path, name: &str, size: ByteSize) -> Result<()> {
    let directory = tree::enter(storage, name)?;
    let target = storage.join(name);
    refuse_if!(!is_subvolume(&directory), "{} is not a subvolume", target.display());
    btrfs(&["qgroup", "limit", &size.bytes().to_string(), &tree::inherited(&directory)?])
}

/// Whether a path is the top of a subvolume, as far as its number says; only asked on a btrfs.
pub(crate) fn is_one(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.ino() == TOP)
}

/// Has btrfs take a snapshot of a directory, as `name` in another one, in which nobody else can put anything; false where it cannot:
/// the directory is no subvolume, there are others in it, which would be missing, or the program for it is not here.
pub(super) fn snapshot(from: &OwnedFd, to: &OwnedFd, name: &str) -> bool {
    is_root() && is_subvolume(from) && take(from, to, name).is_some()
}

/// Whether an open directory is the top of a subvolume.
pub(super) fn is_subvolume(directory: &OwnedFd) -> bool {
    is_btrfs(directory) && fstat(directory).is_ok_and(|found| found.st_ino == TOP)
}

/// Whether an open directory is on a btrfs.
pub(crate) fn is_btrfs(directory: &OwnedFd) -> bool {
    kind::of(directory) == Some(kind::BTRFS)
}

fn take(from: &OwnedFd, to: &OwnedFd, name: &str) -> Option<()> {
    // Descriptors that the program gets too: by these it finds the directories, whatever they are called meanwhile.
    let (from, to) = (rustix::io::dup(from).ok()?, rustix::io::dup(to).ok()?);
    let from = format!("/proc/self/fd/{}", from.as_raw_fd());
    let to = format!("/proc/self/fd/{}/{name}", to.as_raw_fd());
    let inside = Program::new("btrfs", &["subvolume", "list", "-o", &from]).run().ok()?;
    if inside.status != 0 || !inside.stdout.trim().is_empty() {
        return None;
    }
    Program::new("btrfs", &["subvolume", "snapshot", &from, &to]).must().ok()?;
    // It has the original's limit, which is not for what is made of it. Without quotas there is none.
    let _ = Program::new("btrfs", &["qgroup", "limit", "none", &to]).run();
    Some(())
}

fn btrfs(words: &[&str]) -> Result<()> {
    Program::new(PROGRAM, words).called(format!("btrfs {}", words[0])).must().map(drop)
}
