//! Removing a tree.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, unlinkat};

use crate::domain::error::{Error, Result};
use crate::fs::mount_points;
use crate::fs::tree::descent::{Descent, Names, Reader};
use crate::fs::tree::file::{is_file, remove_file};
use crate::fs::tree::{enter, open_folder, open_without_links};

/// Removes the directory `name` directly below `root` with all that is in it, or the file of that name. What is not there
/// is removed already. Where something is mounted in the tree, or at its top, nothing is removed.
pub(crate) fn remove(root: &Path, name: &str) -> Result<()> {
    if is_file(root, name) {
        return remove_file(root, name);
    }
    let path = root.join(name);
    if let Some(point) = mount_points::below(&path).first() {
        return Err(Error::refused(format!(
            "{} is a mount point, so nothing of {} is removed; unmount it first",
            point.display(),
            path.display()
        )));
    }
    let top = match enter(root, name) {
        Ok(top) => top,
        Err(Error::System { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    empty(top).map_err(Error::system("remove what is in", &path))?;
    let root_fd = open_without_links(&CWD, root).map_err(Error::system("open", root))?;
    match unlinkat(&root_fd, name, AtFlags::REMOVEDIR) {
        Err(rustix::io::Errno::NOENT) | Ok(()) => Ok(()),
        Err(error) => Err(Error::system("remove", path)(error)),
    }
}

fn empty(top: OwnedFd) -> io::Result<()> {
    let mut way = Descent::default();
    let mut reader = Reader::default();
    let mut names: Vec<CString> = Vec::new();
    let pending = remove_files(&mut reader, &way, &top)?;
    way.push(top, pending)?;
    while way.is_inside() {
        if let Some(name) = way.next_pending() {
            match open_folder(&way.current()?, &name) {
                Ok(child) => {
                    let pending = remove_files(&mut reader, &way, &child)?;
                    names.push(name);
                    way.push(child, pending)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if is_no_folder(&error) => {
                    gone(unlinkat(way.current()?, &name, AtFlags::empty()))?;
                }
                Err(error) => return Err(error),
            }
            continue;
        }
        if way.is_more_to_read() {
            let pending = remove_files(&mut reader, &way, &way.current()?)?;
            way.read_on(pending);
            continue;
        }
        way.pop()?;
        if let Some(name) = names.pop() {
            gone(unlinkat(way.current()?, &name, AtFlags::REMOVEDIR))?;
        }
    }
    Ok(())
}

/// Removes every name of a directory that is no directory, and returns the names that are.
fn remove_files(reader: &mut Reader, way: &Descent, folder: &impl AsFd) -> io::Result<Names> {
    let folder = folder.as_fd();
    reader.read(way.depth(), &folder, |name, kind| {
        let is_folder = is_folder(folder, name, kind)?;
        if !is_folder {
            gone(unlinkat(folder, name, AtFlags::empty()))?;
        }
        Ok(is_folder)
    })
}

fn is_folder(folder: BorrowedFd<'_>, name: &CStr, kind: FileType) -> io::Result<bool> {
    if kind != FileType::Unknown {
        return Ok(kind == FileType::Directory);
    }
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Whether a directory was replaced by a file or a link meanwhile: then it is a name like any other.
fn is_no_folder(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::NOTDIR | Errno::LOOP))
}

fn gone(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        other => other.map_err(Into::into),
    }
}
