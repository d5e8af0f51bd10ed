//! Snapshots that btrfs takes itself, of a directory that is a subvolume.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{fstat, fstatfs};

use crate::host::process::Program;
use crate::host::users::is_root;

/// What a file system of this kind calls itself.
const MAGIC: u64 = 0x9123_683E;

/// The inode number of the top of a subvolume.
const TOP: u64 = 256;

/// Has btrfs take a snapshot of a directory, as `name` in another one; false where it cannot: the directory is no subvolume,
/// there are others in it, which would be missing, or the program for it is not here.
pub(crate) fn snapshot(from: &OwnedFd, to: &OwnedFd, name: &str) -> bool {
    is_root() && is_subvolume(from) && take(from, to, name).is_some()
}

fn is_subvolume(folder: &OwnedFd) -> bool {
    let is_btrfs = fstatfs(folder).is_ok_and(|found| u64::try_from(found.f_type) == Ok(MAGIC));
    is_btrfs && fstat(folder).is_ok_and(|found| found.st_ino == TOP)
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
