//! One regular file directly below a root: chowned, read, copied and removed.
//!
//! Nothing else is ever touched: no link, no device, no pipe, nothing that is mounted there, and no file that has other
//! names, which may be in places where somebody else looks after it.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Uid, chmodat, chownat,
    fstat, fsync, llistxattr_query, openat, renameat_with, statat, syncfs, unlinkat,
};
use rustix::io::Errno;

use crate::domain::{Error, Result};
use crate::fs::tree::duplicate::not_copied;
use crate::fs::tree::{BENEATH, Copied, copy, open_below, open_without_links, path_of};

/// The permissions that a file may have. Who writes a file must not choose as whom it runs.
pub(crate) const FILE_MODES: u32 = 0o777;

/// How a file is opened to read it; a pipe in its place is not waited for.
const READING: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);

/// Whether a regular file has this name directly below `root`.
pub(crate) fn is_file(root: &Path, name: &str) -> bool {
    let found = open_without_links(&CWD, root)
        .and_then(|root| Ok(statat(&root, name, AtFlags::SYMLINK_NOFOLLOW)?));
    !name.contains('/')
        && found.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

pub(crate) fn own_file(root: &Path, name: &str, uid: u32, gid: u32) -> Result<()> {
    let (root_fd, file) = enter_file(root, name, OFlags::PATH)?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    chownat(file.as_fd(), c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
        .and_then(|()| flush(&file, &root_fd))
        .map_err(Error::system("change the owner of", root.join(name)))
}

pub(crate) fn set_file_mode(root: &Path, name: &str, mode: u32) -> Result<()> {
    let path = root.join(name);
    refuse_if!(
        mode & !FILE_MODES != 0,
        "mode {mode:04o} is not for a file: set-uid, set-gid and sticky bits are only for directories"
    );
    let (root_fd, file) = enter_file(root, name, OFlags::PATH)?;
    // The kernel changes no mode by a descriptor that cannot read; this names just what it is open on.
    chmodat(CWD, path_of(&file), Mode::from_raw_mode(mode), AtFlags::empty())
        .and_then(|()| flush(&file, &root_fd))
        .map_err(Error::system("change the mode of", path))
}

/// Gives the file `to` the extended attributes and the ACL of the file `from`, both directly below `root`.
/// Fails where one of them cannot be kept.
pub(crate) fn take_after(root: &Path, from: &str, to: &str) -> Result<()> {
    let (_, source) = enter_file(root, from, READING)?;
    let (root_fd, target) = enter_file(root, to, READING)?;
    let lost = copy::copy_attributes(&source, &target)
        .and_then(|lost| flush(&target, &root_fd).map(|()| lost).map_err(io::Error::from))
        .map_err(Error::system("copy the attributes of", root.join(from)))?;
    refuse_if!(
        lost > 0,
        "{} has extended attributes that a new file cannot have",
        root.join(from).display()
    );
    Ok(())
}

/// Whether the file at a path has extended attributes or an ACL, as far as they can be seen.
pub(crate) fn has_attributes(path: &Path) -> bool {
    llistxattr_query(path).is_ok_and(|length| length > 0)
}

/// What was answered holds after a power cut too. The descriptor reads nothing, and so cannot be flushed itself; with a file
/// that the caller may not read, all of its file system is.
fn flush(file: &OwnedFd, root: &OwnedFd) -> rustix::io::Result<()> {
    match openat(CWD, path_of(file), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(readable) => fsync(&readable),
        Err(_) => syncfs(root),
    }
}

/// Reads the file `name` directly below `root`, up to `most` bytes and one more.
pub(crate) fn read_file(root: &Path, name: &str, most: u64) -> Result<Vec<u8>> {
    let (_, file) = enter_file(root, name, READING)?;
    let mut content = Vec::new();
    File::from(file)
        .take(most + 1)
        .read_to_end(&mut content)
        .map_err(Error::system("read", root.join(name)))?;
    Ok(content)
}

/// Copies the file `from` directly below `root` to `to`, which must not be there yet: under a hidden name first. Nothing is left
/// of one that is not complete.
pub(crate) fn duplicate_file(root: &Path, from: &str, to: &str, hidden: &str) -> Result<Copied> {
    let (root_fd, source) = enter_file(root, from, READING)?;
    let copied = CString::new(hidden)
        .map_err(io::Error::from)
        .and_then(|name| copy::copy_file(&source, &root_fd, &name))
        .and_then(|copied| {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            flush(&openat(&root_fd, hidden, flags, Mode::empty())?, &root_fd)?;
            renameat_with(&root_fd, hidden, &root_fd, to, RenameFlags::NOREPLACE)?;
            Ok(copied)
        });
    copied.map_err(|error| {
        let _ = unlinkat(&root_fd, hidden, AtFlags::empty());
        not_copied(root, Some(from))(error)
    })
}

/// Copies the file `from` directly below `root` to `to` in a directory that nobody else can enter.
pub(super) fn duplicate_file_within(
    root: &Path,
    from: &str,
    around: &OwnedFd,
    to: &str,
) -> Result<Copied> {
    let (_, source) = enter_file(root, from, READING)?;
    let copied = CString::new(to)
        .map_err(io::Error::from)
        .and_then(|name| copy::copy_file(&source, around, &name));
    copied.map_err(Error::system("copy", root.join(from)))
}

/// Removes the file `name` directly below `root`. One that is not there is removed already.
pub(crate) fn remove_file(root: &Path, name: &str) -> Result<()> {
    let root_fd = open_without_links(&CWD, root).map_err(Error::system("open", root))?;
    match unlinkat(&root_fd, name, AtFlags::empty()) {
        Err(Errno::NOENT) | Ok(()) => Ok(()),
        Err(error) => Err(Error::system("remove", root.join(name))(error)),
    }
}

/// Opens the root, and the regular file `name` directly below it.
fn enter_file(root: &Path, name: &str, access: OFlags) -> Result<(OwnedFd, OwnedFd)> {
    let path = root.join(name);
    refuse_if!(name.contains('/'), "{name:?} is not the name of a file");
    let root_fd = open_without_links(&CWD, root).map_err(Error::system("open", root))?;
    let name =
        CString::new(name).map_err(|_| refusal!("a file's name cannot contain a NUL byte"))?;
    let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open_below(&root_fd, &name, flags, BENEATH | ResolveFlags::NO_XDEV)
        .map_err(Error::system("open", &path))?;
    let stat = fstat(&file).map_err(Error::system("open", &path))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        refuse!("{} is not a regular file", path.display());
    }
    refuse_if!(
        stat.st_nlink != 1,
        "{} has {} hard links; only a file with one name is touched",
        path.display(),
        stat.st_nlink
    );
    Ok((root_fd, file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn only_a_regular_file_with_one_name_is_touched() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::write(root.join("file"), "content").unwrap();
        fs::write(root.join("linked"), "content").unwrap();
        fs::hard_link(root.join("linked"), root.join("second")).unwrap();
        symlink("file", root.join("link")).unwrap();
        fs::create_dir(root.join("directory")).unwrap();
        rustix::fs::mkfifoat(CWD, root.join("pipe"), Mode::RUSR).unwrap();

        set_file_mode(&root, "file", 0o640).unwrap();
        assert_eq!(fs::metadata(root.join("file")).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(read_file(&root, "file", 64).unwrap(), b"content");
        assert_eq!(read_file(&root, "file", 2).unwrap(), b"con");
        for mode in [0o4755, 0o2755, 0o1755] {
            assert!(set_file_mode(&root, "file", mode).is_err(), "{mode:o}");
        }
        for name in ["linked", "link", "directory", "pipe", "none", "directory/../file"] {
            assert!(set_file_mode(&root, name, 0o600).is_err(), "{name}");
            assert!(own_file(&root, name, 1, 1).is_err(), "{name}");
            assert!(read_file(&root, name, 64).is_err(), "{name}");
            assert!(duplicate_file(&root, name, "copy", ".hidden").is_err(), "{name}");
        }
        assert_eq!(fs::metadata(root.join("linked")).unwrap().mode() & 0o777, 0o644);
        duplicate_file(&root, "file", "copy", ".hidden").unwrap();
        assert!(duplicate_file(&root, "file", "copy", ".hidden").is_err());
        assert!(!root.join(".hidden").exists());
        let copy = fs::metadata(root.join("copy")).unwrap();
        assert_eq!((copy.len(), copy.mode() & 0o7777), (7, 0o640));
    }
}
