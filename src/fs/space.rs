//! How much room a file system has left.

use std::io;
use std::path::Path;

use rustix::fs::StatVfs;

use crate::domain::{Error, Result, readable};

/// What is left free on a disk, in bytes.
const RESERVE: u64 = 64 << 20;

/// The share of a path's file system that is free for users who are not root, in percent; none where nobody knows.
pub(crate) fn free_percent(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    let all = found.f_blocks;
    let free = u128::from(found.f_bavail) * 100;
    // Some file systems do not say how large they are.
    (all > 0).then(|| u64::try_from(free / u128::from(all)).unwrap_or(u64::MAX))
}

/// How large a path's file system is, in bytes; none where nobody knows.
pub(crate) fn size(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_blocks * found.f_frsize)
}

/// Waits until what was removed is free: some file systems give it back later.
pub(crate) fn settle(directory: &Path) {
    let opened = std::fs::File::open(directory);
    // Where that fails, more may be taken for full than is.
    let _ = opened.and_then(|opened| Ok(rustix::fs::syncfs(opened)?));
}

/// What is free for everybody on the file system of a directory, in bytes.
pub(crate) fn free(directory: &Path) -> Result<u64> {
    let found = rustix::fs::statvfs(directory).map_err(Error::system("look at", directory))?;
    Ok(found.f_bavail * found.f_frsize)
}

/// What may be written to the file system of a directory, in bytes: some is left free.
pub(crate) fn writable(directory: &Path) -> Result<u64> {
    Ok(free(directory)?.saturating_sub(RESERVE))
}

/// What a disk lacks that has no room for a path; none where it has some, for others or in other blocks.
pub(crate) fn lack(path: &Path) -> Option<String> {
    let disk = path.ancestors().find(|path| path.is_absolute() && path.is_dir())?;
    let found = Fullness::of(disk).ok()?;
    let shown = disk.display();
    if found.most_files > 0 && found.files >= found.most_files {
        return Some(format!(
            "the disk of {shown} has room for no more files, whatever their size"
        ));
    }
    (found.free < RESERVE).then(|| format!("the disk of {shown} has {} free", readable(found.free)))
}

/// How full a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fullness {
    /// What is used, in bytes.
    pub used: u64,
    /// What is left, in bytes.
    pub free: u64,
    /// How many files there are.
    pub files: u64,
    /// How many there can be; 0 where there is no limit.
    pub most_files: u64,
}

impl Fullness {
    /// The file system that a path is on.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found: StatVfs = rustix::fs::statvfs(path)?;
        Ok(Self {
            used: found.f_blocks.saturating_sub(found.f_bfree) * found.f_frsize,
            free: found.f_bavail * found.f_frsize,
            files: found.f_files.saturating_sub(found.f_ffree),
            most_files: found.f_files,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_at_most_all_of_it() {
        assert!(free_percent(Path::new("/")).is_some_and(|free| free <= 100));
        assert_eq!(free_percent(Path::new("/no/such/path")), None);
        // proc(5) has no blocks.
        assert_eq!(free_percent(Path::new("/proc")), None);
    }
}
