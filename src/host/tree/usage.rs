//! How much a tree takes, counted in parallel.

use std::collections::HashSet;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, statx};
use rustix::io::Errno;

use super::walk::{self, Visitor, lock};
use crate::error::{Error, Result};

/// What a tree takes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The bytes that are allocated for it, a file with several names counted once.
    pub bytes: u64,
    /// How many files, folders and links there are, a file with several names counted once.
    pub files: u64,
    /// When something in it was changed last, in seconds since the beginning of 1970.
    pub newest: i64,
}

/// A block of `st_blocks`, in bytes (stat(2)).
const BLOCK: u64 = 512;

/// Counts what a tree takes, the folder itself included. No link is followed and no mount point crossed.
///
/// # Errors
/// The first thing that cannot be looked at, once all else was.
pub fn usage(folder: OwnedFd) -> Result<Usage> {
    let count = Count::default();
    walk::walk(folder, &count);
    match count.failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        None => Ok(Usage {
            bytes: count.bytes.into_inner(),
            files: count.files.into_inner(),
            newest: count.newest.into_inner(),
        }),
        Some(error) => Err(Error::refused(format!("unable to count all of it: {error}"))),
    }
}

#[derive(Default)]
struct Count {
    bytes: AtomicU64,
    files: AtomicU64,
    newest: AtomicI64,
    /// Files with several names that were counted.
    linked: Mutex<HashSet<(u32, u32, u64)>>,
    failure: Mutex<Option<io::Error>>,
}

/// What one thread counted in one folder.
#[derive(Default)]
struct Folder {
    bytes: u64,
    files: u64,
    newest: i64,
}

impl Folder {
    fn add(&mut self, stat: &Statx) {
        self.bytes += stat.stx_blocks * BLOCK;
        self.files += 1;
        self.newest = self.newest.max(stat.stx_mtime.tv_sec);
    }
}

const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::BLOCKS)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::INO)
    .union(StatxFlags::MTIME);

impl Visitor for Count {
    type Own = Folder;

    fn folder(&self, folder: &OwnedFd, own: &mut Folder) {
        match statx(folder.as_fd(), c"", AtFlags::EMPTY_PATH, WANTED) {
            Ok(stat) => own.add(&stat),
            Err(error) => self.failed(error.into()),
        }
    }

    fn child(
        &self,
        folder: &OwnedFd,
        name: &CStr,
        kind: FileType,
        own: &mut Folder,
    ) -> io::Result<bool> {
        if kind == FileType::Directory {
            return Ok(true);
        }
        let stat = statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, WANTED)?;
        if FileType::from_raw_mode(u32::from(stat.stx_mode)) == FileType::Directory {
            return Ok(true);
        }
        let identity = (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
        if stat.stx_nlink < 2 || lock(&self.linked).insert(identity) {
            own.add(&stat);
        }
        Ok(false)
    }

    fn failed(&self, error: io::Error) {
        // What is gone, mounted, or was replaced meanwhile takes nothing here.
        let passes = [Errno::NOENT, Errno::XDEV, Errno::LOOP, Errno::NOTDIR];
        if Errno::from_io_error(&error).is_some_and(|error| passes.contains(&error)) {
            return;
        }
        lock(&self.failure).get_or_insert(error);
    }

    fn finished_folder(&self, own: &mut Folder) {
        let counted = std::mem::take(own);
        self.bytes.fetch_add(counted.bytes, Ordering::Relaxed);
        self.files.fetch_add(counted.files, Ordering::Relaxed);
        self.newest.fetch_max(counted.newest, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("one"), vec![1; 20_000]).unwrap();
        fs::hard_link(inner.join("one"), folder.path().join("two")).unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("link")).unwrap();
        let names = [folder.path().to_path_buf(), folder.path().join("a"), inner.clone()];
        let blocks = |path: &std::path::Path| fs::symlink_metadata(path).unwrap().blocks();
        let expected: u64 = names.iter().map(|path| blocks(path)).sum::<u64>()
            + blocks(&inner.join("one"))
            + blocks(&folder.path().join("link"));
        let newest =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(5_000_000_000);
        let file = fs::File::options().write(true).open(inner.join("one")).unwrap();
        file.set_modified(newest).unwrap();
        let top = fs::File::open(folder.path()).unwrap();
        let usage = usage(top.into()).unwrap();
        assert_eq!(usage, Usage { bytes: expected * BLOCK, files: 5, newest: 5_000_000_000 });
    }
}
