//! Populating a directory with the members of an archive from anywhere: all that is made is made beneath the directory, through
//! no link, and what could reach out of it or have rights of its own is refused.

use std::ffi::{CString, OsStr};
use std::fs::{File, FileTimes};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags,
    chownat, fchmod, fchown, fsetxattr, fstat, futimens, lgetxattr, linkat, llistxattr, mkdirat,
    mknodat, readlinkat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::domain::{Error, Result};
use crate::fs::tree::copy::times;
use crate::fs::tree::{BENEATH, DIRECTORY, ResolveFlags, enter, open_directory};

/// The longest path of a member, in bytes.
const LONGEST_PATH: usize = 4096;

/// The directories that a path may lead through.
const DEEPEST: usize = 256;

/// The most bytes of the names of a file's attributes, and of a value: the kernel's own bound.
const LONGEST_LIST: usize = 64 * 1024;

/// The most bytes that are remembered of directories, whose attributes are set last: about what a million with an ACL each take.
const MOST_OF_DIRECTORIES: usize = if cfg!(test) { 64 << 10 } else { 256 << 20 };

/// How many bytes are copied at once.
const AT_ONCE: usize = 64 * 1024;

/// A directory that is being populated.
pub(crate) struct Unpacking {
    top: OwnedFd,
    /// Whether a symbolic link may lead out.
    links_out: bool,
    current: Option<Current>,
    /// The extended attributes of directories. They are set last: what is made in a directory has its ACL.
    extended: Vec<(PathBuf, Restored)>,
    /// How many bytes these may still have.
    room: usize,
}

/// The directory that members are made in. What is made changes its time, so it gets the one back that it had.
struct Current {
    path: PathBuf,
    directory: OwnedFd,
    times: Timestamps,
}

/// The mode, of which nine bits are taken, and the time of a member.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    pub mode: u32,
    pub changed: Option<SystemTime>,
    /// Uid and gid, and what else is restored of it; none where the content alone is wanted.
    pub restored: Option<Restored>,
}

/// What only root can set on a member. A directory keeps its set-gid and sticky bits, too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    pub uid: u32,
    pub gid: u32,
    /// Extended attributes, ACLs among them: names and values.
    pub extended: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Attributes {
    fn times(&self) -> FileTimes {
        FileTimes::new().set_modified(self.changed.unwrap_or(UNIX_EPOCH))
    }

    /// Sets the times of what is not opened: a link itself, or a pipe.
    fn set_times_of(&self, directory: &OwnedFd, name: &CString) -> io::Result<()> {
        let last_modification = match self.changed.unwrap_or(UNIX_EPOCH).duration_since(UNIX_EPOCH)
        {
            Ok(since) => Timespec::try_from(since),
            Err(before) => Timespec::try_from(before.duration()).map(|before| -before),
        };
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: last_modification.map_err(io::Error::other)?,
        };
        Ok(utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Sets them on a file that the caller has just made.
    pub(crate) fn restore_to(&self, path: &Path) -> io::Result<()> {
        let file = File::options().write(true).open(path)?;
        if let Some(restored) = &self.restored {
            set_extended(&file, restored)?;
        }
        fchmod(&file, Mode::from_raw_mode(self.mode & 0o777))?;
        file.set_times(self.times())?;
        file.sync_all()
    }
}

impl Restored {
    fn owner(&self) -> (Option<Uid>, Option<Gid>) {
        (Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))
    }

    /// How many bytes they take.
    fn bytes(&self) -> usize {
        let each = |(name, value): &(Vec<u8>, Vec<u8>)| {
            size_of::<[Vec<u8>; 2]>() + name.len() + value.len()
        };
        size_of::<(PathBuf, Self)>() + self.extended.iter().map(each).sum::<usize>()
    }

    /// The extended attributes and the ACL of a file that [`Attributes::restore_to`] sets again.
    pub(crate) fn extended_of(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut names = vec![0; LONGEST_LIST];
        let length = match llistxattr(path, &mut names[..]) {
            Err(Errno::OPNOTSUPP) => 0,
            length => length?,
        };
        let mut extended = Vec::new();
        let mut value = vec![0; LONGEST_LIST];
        for name in names[..length].split(|&byte| byte == 0).filter(|name| is_kept(name)) {
            match lgetxattr(path, name, &mut value[..]) {
                Ok(length) => extended.push((name.to_vec(), value[..length].to_vec())),
                Err(Errno::NODATA) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(extended)
    }
}

impl Unpacking {
    /// Begins with the empty directory `name` directly below `root`.
    pub(crate) fn into(root: &Path, name: &str, links_out: bool) -> Result<Self> {
        Ok(Self {
            top: enter(root, name)?,
            links_out,
            current: None,
            extended: Vec::new(),
            room: MOST_OF_DIRECTORIES,
        })
    }

    /// Makes a directory, and those on the way to it. Its owner can always enter and empty it.
    pub(crate) fn directory(&mut self, path: &[u8], attributes: &Attributes) -> io::Result<()> {
        let path = inner(path)?;
        self.leave()?;
        let directory = self.make(&path)?;
        if let Some(restored) = &attributes.restored {
            let (uid, gid) = restored.owner();
            fchown(&directory, uid, gid)?;
            fchmod(&directory, Mode::from_raw_mode(attributes.mode & 0o3777))?;
            if !restored.extended.is_empty() {
                self.room = self
                    .room
                    .checked_sub(path.as_os_str().len() + restored.bytes())
                    .ok_or_else(|| refused("the directories have too many extended attributes"))?;
                self.extended.push((path, restored.clone()));
            }
        } else if path.file_name().is_some() {
            fchmod(&directory, Mode::from_raw_mode((attributes.mode & 0o777) | 0o700))?;
        } else {
            // The top is the entry's own directory, whose mode the entry says.
            return Ok(());
        }
        File::from(directory).set_times(attributes.times())
    }

    /// Makes a file with the content, in the place of an earlier one of that name; returns how many bytes it has.
    pub(crate) fn file(
        &mut self,
        path: &[u8],
        attributes: &Attributes,
        content: &mut impl Read,
    ) -> io::Result<u64> {
        let (directory, name) = self.place(path)?;
        clear(directory, &name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let resolve = BENEATH | ResolveFlags::NO_XDEV;
        let made = rustix::fs::openat2(directory, &name, flags, Mode::RUSR | Mode::WUSR, resolve)?;
        let mut file = File::from(made);
        let written = write_with_holes(content, &mut file)?;
        if let Some(restored) = &attributes.restored {
            let (uid, gid) = restored.owner();
            fchown(&file, uid, gid)?;
        }
        fchmod(&file, Mode::from_raw_mode(attributes.mode & 0o777))?;
        if let Some(restored) = &attributes.restored {
            set_extended(&file, restored)?;
        }
        file.set_times(attributes.times())?;
        Ok(written)
    }

    /// Makes a symbolic link, which must stay inside unless others may be made. What is made later goes through none.
    pub(crate) fn link(
        &mut self,
        path: &[u8],
        target: &[u8],
        attributes: &Attributes,
    ) -> io::Result<()> {
        if !self.links_out {
            links_in(path, target)?;
        }
        let (directory, name) = self.place(path)?;
        clear(directory, &name)?;
        symlinkat(CString::new(target)?.as_c_str(), directory, &name)?;
        if let Some(restored) = &attributes.restored {
            let (uid, gid) = restored.owner();
            chownat(directory, &name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        attributes.set_times_of(directory, &name)
    }

    /// Makes a named pipe.
    pub(crate) fn pipe(&mut self, path: &[u8], attributes: &Attributes) -> io::Result<()> {
        let (directory, name) = self.place(path)?;
        clear(directory, &name)?;
        let mode = Mode::from_raw_mode(attributes.mode & 0o777);
        mknodat(directory, &name, FileType::Fifo, mode, 0)?;
        if let Some(restored) = &attributes.restored {
            let (uid, gid) = (Uid::from_raw(restored.uid), Gid::from_raw(restored.gid));
            chownat(directory, &name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        attributes.set_times_of(directory, &name)
    }

    /// Gives a file, a link or a pipe that was unpacked before another name. There, a link may lead elsewhere.
    pub(crate) fn hard_link(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        let (first, first_name) = self.place(target)?;
        let first = first.try_clone()?;
        let stat = rustix::fs::statat(&first, &first_name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return Err(refused("it is a hard link to a directory")),
            FileType::Symlink if !self.links_out => {
                links_in(path, readlinkat(&first, &first_name, Vec::new())?.as_bytes())?;
            }
            _ => {}
        }
        let (directory, name) = self.place(path)?;
        clear(directory, &name)?;
        linkat(&first, &first_name, directory, &name, AtFlags::empty())?;
        Ok(())
    }

    /// Ends with the last member.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.leave()?;
        for (path, restored) in &self.extended {
            set_extended(&self.make(path)?, restored)?;
        }
        Ok(())
    }

    fn leave(&mut self) -> io::Result<()> {
        match self.current.take() {
            Some(current) => Ok(futimens(&current.directory, &current.times)?),
            None => Ok(()),
        }
    }

    /// The directory that a member is in, and its name there.
    fn place(&mut self, path: &[u8]) -> io::Result<(&OwnedFd, CString)> {
        let path = inner(path)?;
        let Some(name) = path.file_name() else {
            return Err(refused("it has no name"));
        };
        let name = CString::new(name.as_bytes())?;
        let parent = path.parent().unwrap_or(Path::new(""));
        let known = self.current.take_if(|current| current.path == parent);
        let current = if let Some(current) = known {
            current
        } else {
            self.leave()?;
            let directory = self.make(parent)?;
            let times = times(&fstat(&directory)?);
            Current { path: parent.to_path_buf(), directory, times }
        };
        Ok((&self.current.insert(current).directory, name))
    }

    /// Opens a directory, and makes what is missing of it.
    fn make(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut directory = rustix::fs::openat(&self.top, c".", DIRECTORY, Mode::empty())?;
        for name in path {
            let name = CString::new(name.as_bytes())?;
            let mut opened = open_directory(&directory, &name);
            if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                let times = times(&fstat(&directory)?);
                mkdirat(&directory, &name, Mode::from_raw_mode(0o755))?;
                futimens(&directory, &times)?;
                opened = open_directory(&directory, &name);
            }
            directory = opened.map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::NOTDIR | Errno::LOOP) => {
                    refused("it leads through a link or a file of the archive")
                }
                _ => error,
            })?;
        }
        Ok(directory)
    }
}

/// Writes the content with a hole in the place of each block of zeros; returns how many bytes it has.
fn write_with_holes(content: &mut impl Read, file: &mut File) -> io::Result<u64> {
    let mut block = Vec::with_capacity(AT_ONCE);
    let mut length = 0;
    loop {
        block.clear();
        content.by_ref().take(AT_ONCE as u64).read_to_end(&mut block)?;
        if block.is_empty() {
            file.set_len(length)?;
            return Ok(length);
        }
        if block.iter().any(|&byte| byte != 0) {
            file.write_all_at(&block, length)?;
        }
        length += block.len() as u64;
    }
}

/// Whether an extended attribute is one that users and ACLs have.
fn is_kept(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_")
}

/// Sets the extended attributes that users and ACLs have; others are root's or the kernel's own.
fn set_extended(file: &impl AsFd, restored: &Restored) -> io::Result<()> {
    for (name, value) in &restored.extended {
        if is_kept(name) {
            fsetxattr(file, name.as_slice(), value, XattrFlags::empty())?;
        }
    }
    Ok(())
}

/// The same for a member's path.
pub(crate) fn links_in(path: &[u8], target: &[u8]) -> io::Result<()> {
    must_stay_inside(&inner(path)?, target)
}

/// Why a link of this target, at this path, is refused: it leads out, or could. Each `..` stands at the beginning, where
/// it is known which directory it means; behind a name, which may be another link, it is not.
pub(crate) fn must_stay_inside(path: &Path, target: &[u8]) -> io::Result<()> {
    let shown = String::from_utf8_lossy(target).into_owned();
    let leads_out =
        || refused(&format!("it is a link to {shown:?}, which leads out of the directory"));
    let mut above = path.components().count().saturating_sub(1);
    let mut is_beginning = true;
    for part in Path::new(OsStr::from_bytes(target)).components() {
        match part {
            Component::ParentDir if is_beginning && above > 0 => above -= 1,
            Component::CurDir => {}
            Component::Normal(_) => is_beginning = false,
            _ => return Err(leads_out()),
        }
    }
    Ok(())
}

/// A member's path without what means nothing.
pub(crate) fn inner(path: &[u8]) -> io::Result<PathBuf> {
    if path.len() > LONGEST_PATH || path.contains(&0) {
        return Err(refused("its path is too long, or no path"));
    }
    let mut inner = PathBuf::new();
    for part in Path::new(OsStr::from_bytes(path)).components() {
        match part {
            Component::Normal(name) => inner.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => {
                return Err(refused("its path is absolute"));
            }
            Component::ParentDir => return Err(refused("its path leads out with \"..\"")),
        }
    }
    if inner.components().count() > DEEPEST {
        return Err(refused("it is too many directories deep"));
    }
    Ok(inner)
}

/// Takes an earlier member of that name away.
fn clear(directory: &OwnedFd, name: &CString) -> io::Result<()> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => Err(refused("a directory of the archive is in its place")),
        Err(error) => Err(error.into()),
    }
}

/// A refusal as an error of reading.
fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Error::refused(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_much_is_remembered_of_directories() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("into")).unwrap();
        let mut unpacking = Unpacking::into(root.path(), "into", false).unwrap();
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let extended = vec![(b"user.a".to_vec(), vec![b'x'; 1000])];
        let restored = Some(Restored { uid, gid, extended });
        let attributes = Attributes { mode: 0o755, restored, ..Attributes::default() };
        let made = (0..100).find_map(|number| {
            unpacking.directory(format!("d{number}").as_bytes(), &attributes).err()
        });
        let said = made.unwrap().to_string();
        assert!(said.contains("too many extended attributes"), "{said}");
    }
}
