//! The single steps on files: written beside, flushed, renamed, and owned by whom Dokku expects.

use std::ffi::CStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::domain::{Error, Result};

pub(crate) const FILE_MODE: u32 = 0o600;

/// The largest file that the store reads, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The room for a file that is read at once, in bytes.
const SMALL: usize = 4 * 1024;

/// The room for the names in a directory.
const NAMES: usize = 32 * 1024;

pub(crate) const DIRECTORY_MODE: u32 = 0o755;

/// Who owns new files and directories: the caller, or, where root calls, somebody else.
#[derive(Debug, Clone, Default)]
pub struct Owner(Option<(u32, u32)>);

impl Owner {
    pub fn caller() -> Self {
        Self(None)
    }

    /// A uid and a gid; only root may say so.
    pub fn ids(uid: u32, gid: u32) -> Self {
        Self(Some((uid, gid)))
    }

    /// The uid and the gid, where they are not simply the caller's.
    pub fn get(&self) -> Option<(u32, u32)> {
        self.0
    }

    fn give(&self, file: &File) -> io::Result<()> {
        match self.0 {
            Some((uid, gid)) => fchown(file, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }
}

pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    // A FIFO in the file's place must not keep anybody waiting.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match retried(|| rustix::fs::open(path, flags, Mode::empty())) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(Error::system("read", path)(error)),
    };
    if let Some(content) = small(&file, &mut [MaybeUninit::uninit(); SMALL]) {
        return Ok(Some(content.to_vec()));
    }
    let stat = rustix::fs::fstat(&file).map_err(Error::system("read", path))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::unreadable(path, "it is not a regular file"));
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size > LARGEST {
        return Err(Error::unreadable(path, format!("it has {size} bytes (max {LARGEST})")));
    }
    let size = usize::try_from(size).unwrap_or(0);
    content_of(&file, size).map(Some).map_err(Error::system("read", path))
}

/// A directory of small files that are read one after the other: the way to it is walked once.
pub(crate) struct Directory {
    path: PathBuf,
    names: OwnedFd,
}

impl Directory {
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match retried(|| rustix::fs::open(path, flags, Mode::empty())) {
            Ok(names) => Ok(Some(Self { path: path.to_path_buf(), names })),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(Error::system("read", path)(error)),
        }
    }

    pub(crate) fn lacks(&self, name: &str) -> bool {
        let found = retried(|| rustix::fs::statat(&self.names, name, AtFlags::empty()));
        found.is_err_and(|error| is_absent(&error))
    }

    /// Shows every name in it, and of what type the file is as far as the directory says.
    pub(crate) fn each_name(&self, mut see: impl FnMut(&CStr, FileType)) -> Result<()> {
        let mut room = Vec::with_capacity(NAMES);
        let mut names = RawDir::new(&self.names, room.spare_capacity_mut());
        while let Some(found) = names.next() {
            match found {
                Ok(found) if [c".", c".."].contains(&found.file_name()) => {}
                Ok(found) => see(found.file_name(), found.file_type()),
                // Somebody removed the directory meanwhile.
                Err(Errno::NOENT) => break,
                Err(error) => return Err(Error::system("read", &self.path)(error)),
            }
        }
        Ok(())
    }

    /// Reads every file whose name `take`, which is given the directory too, makes something of.
    pub(crate) fn each_file<T>(
        &self,
        mut take: impl FnMut(&OwnedFd, &CStr) -> Option<T>,
        mut see: impl FnMut(T, Result<&[u8]>),
    ) -> Result<()> {
        let mut room = [MaybeUninit::uninit(); SMALL];
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.each_name(|name, file_type| {
            let Some(taken) = take(&self.names, name) else {
                return;
            };
            if file_type == FileType::RegularFile
                && let Ok(file) = rustix::fs::openat(&self.names, name, flags, Mode::empty())
                && let Some(content) = small(&file, &mut room)
            {
                return see(taken, Ok(content));
            }
            let name = std::ffi::OsStr::from_bytes(name.to_bytes());
            match read(&self.path.join(name)) {
                Ok(Some(content)) => see(taken, Ok(&content)),
                Ok(None) => {}
                Err(problem) => see(taken, Err(problem)),
            }
        })
    }
}

/// What is in a small regular file; none where that cannot be told in one look. It is read at a place, which a FIFO or a
/// terminal does not have, and a regular file is read short at its end only: nobody has to ask what and how long it is.
fn small<'a>(file: &OwnedFd, room: &'a mut [MaybeUninit<u8>]) -> Option<&'a [u8]> {
    let (read, left) = rustix::io::pread(file, room, 0).ok()?;
    (!read.is_empty() && !left.is_empty()).then_some(read)
}

/// What is in a file of about this size, up to a little more than the store reads.
fn content_of(file: &OwnedFd, size: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(size + 1);
    while (content.len() as u64) <= LARGEST {
        if content.len() == content.capacity() {
            content.reserve(content.len().max(4096));
        }
        let room = content.capacity() - content.len();
        let read = retried(|| rustix::io::read(file, spare_capacity(&mut content)))?;
        // There is room for one byte more than the file had: where that is left over, this was the end.
        if read == 0 || (read < room && content.len() == size) {
            break;
        }
    }
    Ok(content)
}

/// Calls again what a signal interrupted.
fn retried<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other.map_err(Into::into),
        }
    }
}

pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The name beside a file under which its next content is prepared, where it is on another file system than the
/// registry. It is always the same one for a file: the lock is held while it exists.
pub(crate) fn temporary(target: &Path) -> PathBuf {
    hidden(target, ".new")
}

/// The second name beside a file that it has while it is being replaced or removed, where it is on another file
/// system than the registry.
pub(crate) fn second_name(target: &Path) -> PathBuf {
    hidden(target, ".old")
}

/// Gives a file a second name; false where there is no such file.
pub(crate) fn give_second_name(target: &Path, second: &Path) -> Result<bool> {
    let linked = match fs::hard_link(target, second) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            unless_absent(fs::remove_file(second)).and_then(|()| fs::hard_link(target, second))
        }
        other => other,
    };
    match linked {
        Ok(()) => Ok(true),
        // The kernel lets nobody link what belongs to somebody else; it is replaced without a way back.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(Error::system("replace", target)(error)),
    }
}

fn hidden(target: &Path, suffix: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(suffix);
    target.with_file_name(name)
}

/// Writes and flushes a file's next content beside it. A file that belongs to another plugin keeps its
/// mode and owner; the store's own are 0600 and of the store's owner. Where that fails, nothing is left of it.
pub(crate) fn prepare(
    temporary: &Path,
    target: &Path,
    content: &[u8],
    owner: &Owner,
    foreign: bool,
) -> Result<()> {
    let written = write_new(temporary, target, content, owner, foreign);
    if let Err(error) = written {
        let _ = fs::remove_file(temporary);
        return Err(Error::system("write", target)(error));
    }
    Ok(())
}

fn write_new(
    temporary: &Path,
    target: &Path,
    content: &[u8],
    owner: &Owner,
    foreign: bool,
) -> io::Result<()> {
    let create = || OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(temporary);
    let mut file = match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(temporary)?;
            create()?
        }
        other => other?,
    };
    let like = if foreign { fs::metadata(target).ok() } else { None };
    if let Some(like) = like {
        file.set_permissions(Permissions::from_mode(like.mode() & 0o7777))?;
        if owner.0.is_some() {
            fchown(&file, Some(like.uid()), Some(like.gid()))?;
        }
    } else {
        owner.give(&file)?;
        if file.metadata()?.mode() & 0o7777 != FILE_MODE {
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        }
    }
    file.write_all(content)?;
    file.sync_all()
}

/// Writes and flushes a file that is not there yet, of this mode and of the store's owner. Where that fails, nothing is
/// left of it.
pub(crate) fn make_file(path: &Path, content: &[u8], owner: &Owner, mode: u32) -> Result<()> {
    let created = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
    let mut file = created.map_err(Error::system("write", path))?;
    let written = owner
        .give(&file)
        .and_then(|()| file.write_all(content))
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| file.sync_all());
    written.map_err(|error| {
        let _ = fs::remove_file(path);
        Error::system("write", path)(error)
    })
}

/// The directories on the way to `path`, itself included, that do not exist yet, outermost first.
pub(crate) fn missing_directories(path: &Path) -> Vec<PathBuf> {
    way_to(path).0
}

/// The same, and the number of the file system that the directory is on, or will be.
pub(crate) fn way_to(path: &Path) -> (Vec<PathBuf>, Option<u64>) {
    let mut missing = Vec::new();
    let mut device = None;
    for directory in path.ancestors().filter(|directory| !directory.as_os_str().is_empty()) {
        if let Ok(found) = fs::metadata(directory) {
            device = Some(found.dev());
            break;
        }
        missing.push(directory.to_path_buf());
    }
    missing.reverse();
    (missing, device)
}

/// Makes one directory of this mode and of the store's owner; one that is there already is left as it is.
pub(crate) fn make_directory(path: &Path, owner: &Owner, mode: u32) -> Result<()> {
    let created = DirBuilder::new().mode(mode).create(path);
    let result = match created {
        Ok(()) => finish_directory(path, owner, mode).inspect_err(|_| drop(fs::remove_dir(path))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    };
    result.map_err(Error::system("create", path))
}

fn finish_directory(path: &Path, owner: &Owner, mode: u32) -> io::Result<()> {
    let directory = File::open(path)?;
    owner.give(&directory)?;
    if directory.metadata()?.mode() & 0o7777 != mode {
        directory.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Flushes a directory, so that the names in it are there after a power loss.
pub(crate) fn flush_directory(path: &Path) -> Result<()> {
    match File::open(path).and_then(|directory| directory.sync_all()) {
        Err(error) if !is_absent(&error) => Err(Error::system("flush", path)(error)),
        _ => Ok(()),
    }
}

/// Treats an error that says "not there" as success.
pub(crate) fn unless_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if is_absent(&error) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_file_of_a_directory_is_read_as_by_its_path() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for (name, size) in
            [("empty", 0), ("one", 1), ("all", SMALL), ("most", SMALL - 1), ("more", 3 * SMALL)]
        {
            fs::write(path(name), vec![b'x'; size]).unwrap();
        }
        symlink(path("more"), path("link")).unwrap();
        symlink(path("nothing"), path("dangling")).unwrap();
        fs::create_dir(path("directory")).unwrap();
        fs::write(path("not asked for"), "x").unwrap();
        let mut seen = Vec::new();
        let is_asked_for = |_: &OwnedFd, name: &CStr| {
            let name = name.to_str().unwrap();
            (!name.starts_with('.') && name != "not asked for").then(|| name.to_owned())
        };
        let directory = Directory::open(root.path()).unwrap().unwrap();
        directory
            .each_file(is_asked_for, |name, content| {
                let by_path = read(&path(&name)).ok().flatten();
                assert_eq!(content.ok(), by_path.as_deref(), "{name}");
                seen.push(name);
            })
            .unwrap();
        seen.sort_unstable();
        assert_eq!(seen, ["all", "directory", "empty", "link", "more", "most", "one"]);
        assert!(directory.lacks("none") && directory.lacks("one/none") && !directory.lacks("link"));
        assert!(Directory::open(&path("none")).unwrap().is_none());
    }
}
