//! Removing a tree.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, IFlags, Mode, OFlags, chmodat, fstat, ioctl_getflags, ioctl_setflags,
    openat, unlinkat,
};
use rustix::io::Errno;

use crate::domain::{Error, Result};
use crate::fs::mount_points;
use crate::fs::tree::descent::Directory;
use crate::fs::tree::file::{is_file, remove_file};
use crate::fs::tree::walk::{Met, Visitor, walk};
use crate::fs::tree::{
    closed, enter_any, is_one_of, open_any, open_any_directory, open_without_links, path_of,
};

/// Removes the directory `name` directly below `root` with all that is in it, or the file of that name. What is not there
/// is removed already. Where something is mounted in the tree, or at its top, nothing is removed.
pub(crate) fn remove(root: &Path, name: &str) -> Result<()> {
    if is_file(root, name) {
        return remove_file(root, name);
    }
    let path = root.join(name);
    if let Some(point) = mount_points::below(&path).first() {
        refuse!(
            "{} is a mount point, so nothing of {} is removed; unmount it first",
            point.display(),
            path.display()
        );
    }
    let top = match enter_any(root, name) {
        Ok(top) => top,
        Err(Error::System { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let removed = top.try_clone().map_err(Error::system("open", &path))?;
    walk(top.into(), &Removal).map_err(Error::system("remove what is in", &path))?;
    let root_fd = open_without_links(&CWD, root).map_err(Error::system("open", root))?;
    let mut gone_top = unlinkat(&root_fd, name, AtFlags::REMOVEDIR);
    if gone_top == Err(Errno::PERM) && removable(&removed) {
        gone_top = unlinkat(&root_fd, name, AtFlags::REMOVEDIR);
    }
    gone(gone_top).map_err(Error::system("remove", path))?;
    closed::forget(&removed);
    Ok(())
}

struct Removal;

impl Visitor for Removal {
    type Own = ();

    const IS_ALONE: bool = true;

    fn open(&self, above: &Directory, name: &CStr, (): &mut ()) -> io::Result<Option<Directory>> {
        let opened = match open_any_directory(&above.opened, name) {
            Err(error) if is_one_of(&error, &[Errno::ACCESS]) => {
                open_up(&open_any(&above.opened, name)?)?;
                open_any_directory(&above.opened, name)
            }
            opened => opened,
        };
        match opened {
            Ok(directory) => Ok(Some(directory.into())),
            // It was replaced by a file or a link meanwhile: then it is a name like any other.
            Err(error) if is_one_of(&error, &[Errno::NOTDIR, Errno::LOOP]) => {
                unlinked(above, name, AtFlags::empty()).map(|()| None)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn name(&self, met: Met<'_>, (): &mut ()) -> io::Result<bool> {
        let Met { directory, name, mut kind } = met;
        if kind == FileType::Unknown {
            let stat = rustix::fs::statat(&directory.opened, name, AtFlags::SYMLINK_NOFOLLOW)?;
            kind = FileType::from_raw_mode(stat.st_mode);
        }
        let is_directory = kind == FileType::Directory;
        if !is_directory {
            unlinked(directory, name, AtFlags::empty())?;
        }
        Ok(is_directory)
    }

    fn left(&self, above: &Directory, name: &CStr) -> io::Result<()> {
        unlinked(above, name, AtFlags::REMOVEDIR)
    }
}

/// Takes a name out of a directory, also where its owner may not write there.
fn unlinked(directory: &Directory, name: &CStr, flags: AtFlags) -> io::Result<()> {
    let mut removed = unlinkat(&directory.opened, name, flags);
    if removed == Err(Errno::ACCESS) {
        open_up(&directory.opened)?;
        removed = unlinkat(&directory.opened, name, flags);
    }
    // Immutable or append-only: the directory, what has the name, or both.
    if removed == Err(Errno::PERM) && removable(&directory.opened) {
        removed = unlinkat(&directory.opened, name, flags);
    }
    if removed == Err(Errno::PERM)
        && let Ok(file) = open_any(&directory.opened, name)
        && removable(&file)
    {
        removed = unlinkat(&directory.opened, name, flags);
    }
    gone(removed)
}

/// Takes the flags away that keep a directory or a file from being removed; false where it has none. A file that has
/// other names may be somebody's elsewhere, and keeps them.
fn removable(found: &OwnedFd) -> bool {
    let take_away = || -> rustix::io::Result<bool> {
        let stat = fstat(found)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {}
            FileType::RegularFile if stat.st_nlink == 1 => {}
            _ => return Ok(false),
        }
        // What is open may be so only by its path.
        let reading = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(CWD, path_of(found), reading, Mode::empty())?;
        let flags = ioctl_getflags(&opened)?;
        let kept = IFlags::IMMUTABLE | IFlags::APPEND;
        if !flags.intersects(kept) {
            return Ok(false);
        }
        ioctl_setflags(&opened, flags - kept)?;
        Ok(true)
    };
    // Where that is only root's to do, the first error is told.
    take_away().unwrap_or(false)
}

/// Lets its owner do everything in a directory.
fn open_up(directory: &OwnedFd) -> io::Result<()> {
    // By its path, since it may be open without being readable.
    Ok(chmodat(CWD, path_of(directory), Mode::RWXU, AtFlags::empty())?)
}

fn gone(removed: rustix::io::Result<()>) -> io::Result<()> {
    match removed {
        Err(Errno::NOENT) => Ok(()),
        other => other.map_err(Into::into),
    }
}
