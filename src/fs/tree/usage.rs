//! How much a tree takes, counted in parallel.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Mutex;

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, statx};
use rustix::io::Errno;

use crate::domain::{Error, Result};
use crate::fs::tree::descent::Directory;
use crate::fs::tree::names::Found;
use crate::fs::tree::walk::{At, Met, Visitor, lock, walk};
use crate::fs::tree::{enter_real, is_one_of, look_at_real};

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
pub(crate) fn usage(directory: OwnedFd) -> Result<Usage> {
    let counted = walk(directory.into(), &Count::default())
        .map_err(|error| refusal!("unable to count all of it: {error}"))?;
    let mut usage = Usage::default();
    for own in counted {
        usage.bytes += own.bytes;
        usage.files += own.files;
        usage.newest = usage.newest.max(own.newest);
    }
    Ok(usage)
}

/// The same of a directory or a file by its path, in which no link may be.
pub(crate) fn usage_at(path: &Path) -> Result<Usage> {
    let file = match enter_real(path) {
        Err(Error::System { cause, .. }) if cause.kind() == io::ErrorKind::NotADirectory => {
            look_at_real(path)?
        }
        opened => return usage(opened?),
    };
    let mut own = Usage::default();
    own.add(&statx(&file, c"", AtFlags::EMPTY_PATH, WANTED).map_err(Error::system("read", path))?);
    Ok(own)
}

impl Usage {
    fn add(&mut self, stat: &Statx) {
        self.bytes += stat.stx_blocks * BLOCK;
        self.files += 1;
        self.newest = self.newest.max(stat.stx_mtime.tv_sec);
    }
}

#[derive(Default)]
struct Count {
    found: Mutex<Found>,
}

const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::BLOCKS)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::INO)
    .union(StatxFlags::MTIME);

impl Visitor for Count {
    type Own = Usage;

    fn entered(&self, directory: &Directory, own: &mut Usage) -> io::Result<()> {
        own.add(&statx(&directory.opened, c"", AtFlags::EMPTY_PATH, WANTED)?);
        Ok(())
    }

    fn name(&self, met: Met<'_>, own: &mut Usage) -> io::Result<bool> {
        if met.kind == FileType::Directory {
            return Ok(true);
        }
        let stat = statx(&met.directory.opened, met.name, AtFlags::SYMLINK_NOFOLLOW, WANTED)?;
        if FileType::from_raw_mode(u32::from(stat.stx_mode)) == FileType::Directory {
            return Ok(true);
        }
        if stat.stx_nlink < 2 || lock(&self.found).one_more(&stat) == 1 {
            own.add(&stat);
        }
        Ok(false)
    }

    /// What is gone, mounted, or was replaced meanwhile takes nothing here, nor does what is closed.
    fn failed(&self, _: At<'_>, error: io::Error, _: &mut Usage) -> io::Result<()> {
        let passes = [Errno::NOENT, Errno::XDEV, Errno::LOOP, Errno::NOTDIR];
        let is_closed = error.kind() == io::ErrorKind::ResourceBusy;
        if is_closed || is_one_of(&error, &passes) { Ok(()) } else { Err(error) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("one"), vec![1; 20_000]).unwrap();
        fs::hard_link(inner.join("one"), directory.path().join("two")).unwrap();
        std::os::unix::fs::symlink("/etc", directory.path().join("link")).unwrap();
        let names = [directory.path().to_path_buf(), directory.path().join("a"), inner.clone()];
        let blocks = |path: &Path| fs::symlink_metadata(path).unwrap().blocks();
        let expected: u64 = names.iter().map(|path| blocks(path)).sum::<u64>()
            + blocks(&inner.join("one"))
            + blocks(&directory.path().join("link"));
        let newest =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(5_000_000_000);
        let file = fs::File::options().write(true).open(inner.join("one")).unwrap();
        file.set_modified(newest).unwrap();
        let top = fs::File::open(directory.path()).unwrap();
        let usage = usage(top.into()).unwrap();
        assert_eq!(usage, Usage { bytes: expected * BLOCK, files: 5, newest: 5_000_000_000 });
    }
}
