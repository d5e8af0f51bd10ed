//! Directory trees whose content is not trusted: an app may have put anything into them, at any moment.
//!
//! A tree is entered by one name below a root that was opened before, and from there on by descriptors
//! alone: no link is followed and no mount point crossed, whatever is renamed or replaced meanwhile.

mod descent;
mod own;
mod remove;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

pub use own::{Depth, Owned, own};
pub use remove::remove;

use crate::error::{Error, Result};

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Opens the folder `name` directly below `root`. The operator may have mounted something there, so this
/// step alone may cross a mount point; it follows no link.
///
/// # Errors
/// Where the root or the folder cannot be opened, or a link or a file is in the folder's place.
pub fn enter(root: &Path, name: &str) -> Result<OwnedFd> {
    let path = root.join(name);
    let root_fd =
        rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(Error::system("open", root))?;
    let name = std::ffi::CString::new(name)
        .map_err(|_| Error::refused("a directory's name cannot contain a NUL byte"))?;
    open_below(&root_fd, &name, FOLDER, BENEATH).map_err(Error::system("open", path))
}

/// Opens a folder inside the tree.
fn open_folder(folder: &impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    open_below(folder, name, FOLDER, BENEATH | ResolveFlags::NO_XDEV)
}

/// Opens whatever has this name inside the tree, a link itself included, without reading it.
fn open_any(folder: &impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open_below(folder, name, flags, BENEATH | ResolveFlags::NO_XDEV)
}

fn open_below(
    folder: &impl AsFd,
    name: &CStr,
    flags: OFlags,
    resolve: ResolveFlags,
) -> io::Result<OwnedFd> {
    loop {
        match rustix::fs::openat2(folder, name, flags, Mode::empty(), resolve) {
            // The kernel could not be sure that nothing moved meanwhile.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            other => return other.map_err(Into::into),
        }
    }
}
