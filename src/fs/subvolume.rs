//! Subvolumes with a quota, on btrfs: root's work, done by the program `btrfs`.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::AtFlags;
use rustix::io::{Errno, FdFlags};

use crate::domain::error::{Error, Result};
use crate::domain::size::ByteSize;
use crate::host::process::Program;

/// The program, and what brings it.
pub(crate) const PROGRAM: (&str, &str) = ("btrfs", "btrfs-progs");

/// Makes a directory of the storage root a subvolume that holds this much; an empty one that is there is replaced.
pub(crate) fn make(storage: &Path, name: &str, size: ByteSize, owner: (u32, u32)) -> Result<()> {
    let target = storage.join(name);
    let root = open(storage)?;
    match rustix::fs::unlinkat(&root, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(Errno::NOTEMPTY) => {
            return Err(Error::refused(format!("{} has files in it", target.display())));
        }
        Err(error) => return Err(Error::system("replace", target)(error)),
    }
    let path = inherited(&root, name)?;
    // It may be enabled already, which is no failure.
    btrfs(&["quota", "enable", &path[..path.len() - name.len() - 1]])?;
    btrfs(&["subvolume", "create", &path])?;
    let folder = super::tree::enter(storage, name)?;
    rustix::fs::fchown(
        &folder,
        Some(rustix::fs::Uid::from_raw(owner.0)),
        Some(rustix::fs::Gid::from_raw(owner.1)),
    )
    .map_err(Error::system("change the owner of", &target))?;
    limit(storage, name, size)
}

/// Sets how much a subvolume holds.
pub(crate) fn limit(storage: &Path, name: &str, size: ByteSize) -> Result<()> {
    let root = open(storage)?;
    btrfs(&["qgroup", "limit", &size.bytes().to_string(), &inherited(&root, name)?])
}

/// Whether a path is the top of a subvolume, as far as its number says (btrfs(5)); only asked on a btrfs.
pub(crate) fn is_one(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.ino() == 256)
}

fn open(storage: &Path) -> Result<File> {
    File::open(storage).map_err(Error::system("open", storage))
}

/// A path by an open directory, which programs that are started from now on have open too.
fn inherited(root: &File, name: &str) -> Result<String> {
    rustix::io::fcntl_setfd(root, FdFlags::empty()).map_err(Error::system("open", name))?;
    Ok(format!("/proc/self/fd/{}/{name}", root.as_raw_fd()))
}

fn btrfs(words: &[&str]) -> Result<()> {
    Program::new(PROGRAM.0, words).called(format!("btrfs {}", words[0])).must().map(drop)
}
