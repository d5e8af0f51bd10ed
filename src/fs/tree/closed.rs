//! A directory directly below a root that nobody but its maker can enter, whoever may rename it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, fstat, mkdirat, openat,
    openat2, renameat_with, statat, syncfs,
};
use rustix::process::geteuid;

use crate::domain::{Error, Result};
use crate::fs::tree::{enter, open_without_links};

/// What was opened once, and is used by its descriptor: its name may lead elsewhere at any moment.
pub(crate) struct Closed {
    opened: OwnedFd,
}

impl Closed {
    /// Makes one.
    pub(crate) fn make(root: &Path, name: &str) -> Result<Self> {
        let top = open_without_links(&CWD, root).map_err(Error::system("open", root))?;
        mkdirat(&top, name, Mode::RWXU).map_err(Error::system("create", root.join(name)))?;
        Self::open(root, name)
    }

    /// Opens one.
    /// Refuses what others can enter, or have made.
    pub(crate) fn open(root: &Path, name: &str) -> Result<Self> {
        let opened = enter(root, name)?;
        let found = fstat(&opened).map_err(Error::system("read", root.join(name)))?;
        let others = Mode::from_raw_mode(found.st_mode).intersects(Mode::RWXG | Mode::RWXO);
        let is_closed = found.st_uid == geteuid().as_raw() && !others;
        refuse_if!(!is_closed, "{} can be entered by others", root.join(name).display());
        Ok(Self { opened })
    }

    /// Makes one in it.
    pub(crate) fn inner(&self, name: &str) -> Result<Self> {
        let failed = || Error::system("create", name);
        mkdirat(&self.opened, name, Mode::RWXU).map_err(failed())?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.opened, name, flags, Mode::empty()).map_err(failed())?;
        Ok(Self { opened })
    }

    /// The path by which this process, and what it starts before it has another descriptor in the place, finds it.
    pub(crate) fn path(&self) -> PathBuf {
        path_of(&self.opened)
    }

    pub(crate) fn opened(&self) -> &OwnedFd {
        &self.opened
    }

    /// Whether what is called `name` in it is a directory, or a regular file; anything else is refused.
    pub(crate) fn holds_directory(&self, name: &str) -> Result<bool> {
        let found = statat(&self.opened, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Error::system("read", name))?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => Ok(true),
            FileType::RegularFile => Ok(false),
            _ => Err(refusal!("{name} is neither a directory nor a file")),
        }
    }

    /// Whether there is something at a path in it; no link on the way is followed.
    pub(crate) fn has(&self, path: &str) -> bool {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        openat2(&self.opened, path, flags, Mode::empty(), within).is_ok()
    }

    /// Moves what is called `name` in it to `to` directly below a root, where nothing is, once all of it is on the disk.
    pub(crate) fn give(&self, name: &str, root: &Path, to: &str) -> Result<()> {
        let moved = || -> io::Result<()> {
            let top = open_without_links(&CWD, root)?;
            syncfs(&top)?;
            Ok(renameat_with(&self.opened, name, &top, to, RenameFlags::NOREPLACE)?)
        };
        moved().map_err(Error::system("move data to", root.join(to)))
    }
}

impl AsFd for Closed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.opened.as_fd()
    }
}

/// The path of a descriptor in the process that has it.
pub(crate) fn path_of(opened: &impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", opened.as_fd().as_raw_fd()).into()
}
