//! How much a tree takes, counted in parallel.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, statx};
use rustix::io::Errno;

use crate::domain::error::{Error, Result};
use crate::fs::tree::found::{self, Found};
use crate::fs::tree::walk::{self, Visitor, lock};

/// What a tree takes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// The bytes that are allocated for it, a file with several names counted once.
    pub bytes: u64,
    /// How many files, directories and links there are, a file with several names counted once.
    pub files: u64,
    /// When something in it was changed last, in seconds since the beginning of 1970.
    pub newest: i64,
}

/// A block of `st_blocks`, in bytes (stat(2)).
const BLOCK: u64 = 512;

/// Counts what a tree takes, the directory itself included. No link is followed and no mount point crossed.
pub(crate) fn usage(folder: &OwnedFd) -> Result<Usage> {
    usage_within(found::MOST, folder)
}

fn usage_within(most: usize, folder: &OwnedFd) -> Result<Usage> {
    let mut usage = Usage::default();
    let counted = found::in_parts(folder, most, |top, found, is_first| {
        let walk = Walk {
            is_first,
            found: Mutex::new(found),
            sum: Mutex::new(Sum::default()),
            failure: Mutex::new(None),
        };
        walk::walk(top, &walk);
        if let Some(error) = lock(&walk.failure).take() {
            return Err(error);
        }
        let sum = std::mem::take(&mut *lock(&walk.sum));
        usage = usage.and(sum.of_one);
        let is_full = lock(&walk.found).is_full();
        if !is_full {
            usage = usage.and(sum.of_several);
        }
        Ok(is_full)
    });
    match counted {
        Ok(()) => Ok(usage),
        Err(error) => Err(Error::refused(format!("unable to count all of it: {error}"))),
    }
}

impl Usage {
    fn add(&mut self, stat: &Statx) {
        *self = self.and(Self {
            bytes: stat.stx_blocks * BLOCK,
            files: 1,
            newest: stat.stx_mtime.tv_sec,
        });
    }

    fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            files: self.files + other.files,
            newest: self.newest.max(other.newest),
        }
    }
}

/// What was counted.
#[derive(Default)]
struct Sum {
    /// Files with one name, and directories.
    of_one: Usage,
    /// Files with several names, by the first that was found.
    of_several: Usage,
}

struct Walk {
    /// Whether all is counted, not only files with several names.
    is_first: bool,
    found: Mutex<Found>,
    sum: Mutex<Sum>,
    failure: Mutex<Option<io::Error>>,
}

const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::BLOCKS)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::INO)
    .union(StatxFlags::MTIME);

impl Visitor for Walk {
    type Own = Sum;

    fn folder(&self, folder: &OwnedFd, own: &mut Sum) {
        if !self.is_first {
            return;
        }
        match statx(folder.as_fd(), c"", AtFlags::EMPTY_PATH, WANTED) {
            Ok(stat) => own.of_one.add(&stat),
            Err(error) => self.failed(error.into()),
        }
    }

    fn child(
        &self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        own: &mut Sum,
    ) -> io::Result<bool> {
        if kind == FileType::Directory {
            return Ok(true);
        }
        let stat = statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, WANTED)?;
        if FileType::from_raw_mode(u32::from(stat.stx_mode)) == FileType::Directory {
            return Ok(true);
        }
        if stat.stx_nlink < 2 {
            if self.is_first {
                own.of_one.add(&stat);
            }
        } else if lock(&self.found).one_more(&stat) == Some(1) {
            own.of_several.add(&stat);
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

    fn finished_folder(&self, own: &mut Sum) {
        let counted = std::mem::take(own);
        let mut sum = lock(&self.sum);
        sum.of_one = sum.of_one.and(counted.of_one);
        sum.of_several = sum.of_several.and(counted.of_several);
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
        let usage = usage(&top.into()).unwrap();
        assert_eq!(usage, Usage { bytes: expected * BLOCK, files: 5, newest: 5_000_000_000 });
    }

    #[test]
    fn more_files_than_are_remembered_are_counted_in_several_walks() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("again")).unwrap();
        for number in 0..1000 {
            let file = folder.path().join(format!("{number}"));
            fs::write(&file, "x").unwrap();
            fs::hard_link(&file, folder.path().join(format!("again/{number}"))).unwrap();
        }
        fs::write(folder.path().join("one"), "x").unwrap();
        let top = fs::File::open(folder.path()).unwrap().into();
        let all = usage(&top).unwrap();
        assert_eq!(all.files, 1003);
        assert_eq!(usage_within(5, &top).unwrap(), all);
    }
}
