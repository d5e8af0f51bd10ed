//! Which kind of file system something is on, as `statfs(2)` tells it.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{StatFs, fstatfs, statfs};

/// An ext2, ext3 or ext4.
pub(crate) const EXT4: u64 = 0xEF53;

pub(crate) const XFS: u64 = 0x5846_5342;

pub(crate) const BTRFS: u64 = 0x9123_683E;

pub(crate) const TMPFS: u64 = 0x0102_1994;

/// The kind of what an open directory is on; none where nobody knows.
pub(crate) fn of(directory: &impl AsFd) -> Option<u64> {
    fstatfs(directory).ok().and_then(number)
}

/// The same of a path, whose links are followed.
pub(crate) fn at(path: &Path) -> Option<u64> {
    statfs(path).ok().and_then(number)
}

// The width of the field is another on other machines.
fn number(found: StatFs) -> Option<u64> {
    found.f_type.try_into().ok()
}
