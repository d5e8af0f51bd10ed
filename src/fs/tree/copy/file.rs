//! Copying one file: its data, with shared blocks where that can be, and all that is known of it.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, IFlags, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, Uid,
    XattrFlags, chmodat, chownat, fchmod, fchown, fgetxattr, flistxattr, fremovexattr, fsetxattr,
    fstat, ftruncate, futimens, ioctl_ficlone, ioctl_getflags, lgetxattr, llistxattr, openat, seek,
    setxattr, utimensat,
};
use rustix::io::Errno;

use crate::domain::Made;
use crate::fs::tree::copy::{Copied, Owners};
use crate::fs::tree::harmless::CAPABILITIES;
use crate::fs::tree::{open_any, path_of};

/// How much is read at once where blocks cannot be shared, in bytes.
const CHUNK: usize = 256 * 1024;

/// The longest list of attributes' names, and the longest value, in bytes: the kernel's own limits.
const LONGEST: usize = 64 * 1024;

const ACLS: [&CStr; 2] = [c"system.posix_acl_access", c"system.posix_acl_default"];

/// What xfs calls its ACLs besides; they are copied by their usual names, and these mean nothing to other file systems.
const XFS_ACLS: &[u8] = b"trusted.SGI_ACL_";

/// Whether blocks can be shared, and what was found out about that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shared {
    /// All blocks of the file are.
    Yes,
    /// Those of this file are not.
    No,
    /// The file systems cannot do that for any file.
    Never,
}

/// Room for what is read, used again for each file.
pub(super) struct Buffers {
    data: Vec<u8>,
    names: Vec<u8>,
    value: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { data: vec![0; CHUNK], names: vec![0; LONGEST], value: vec![0; LONGEST] }
    }
}

impl Buffers {
    /// Copies a file's data; the blocks are shared where the file system can do that.
    pub(super) fn data(
        &mut self,
        source: &File,
        target: &File,
        stat: &Stat,
        try_sharing: bool,
    ) -> io::Result<Shared> {
        if stat.st_size == 0 {
            return Ok(Shared::Yes);
        }
        let mut shared = Shared::Never;
        if try_sharing {
            match ioctl_ficlone(target, source) {
                Ok(()) => return Ok(Shared::Yes),
                Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::NOTTY | Errno::NOSYS) => {}
                Err(_) => shared = Shared::No,
            }
        }
        let length = u64::try_from(stat.st_size).unwrap_or(0);
        if length <= CHUNK as u64 && u64::try_from(stat.st_blocks).unwrap_or(0) * 512 >= length {
            // Small, and without holes.
            if self.range(source, target, 0, length)? == length {
                return Ok(shared);
            }
        }
        let end = self.extents(source, target, length)?;
        ftruncate(target, end)?;
        Ok(shared)
    }

    /// Copies what is data and leaves the holes holes; returns where the file ends.
    fn extents(&mut self, source: &File, target: &File, length: u64) -> io::Result<u64> {
        let mut at = 0;
        while at < length {
            let data = match seek(source, SeekFrom::Data(at)) {
                Ok(data) => data,
                // Nothing but a hole up to the end.
                Err(Errno::NXIO) => break,
                // A file system that does not know of holes.
                Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
                Err(error) => return Err(error.into()),
            };
            let hole = seek(source, SeekFrom::Hole(data)).unwrap_or(length).clamp(data, length);
            if data >= length {
                break;
            }
            at = self.range(source, target, data, hole)?;
            if at < hole {
                // It was cut off meanwhile.
                return Ok(at);
            }
        }
        Ok(length)
    }

    /// Copies what is between two places; returns how far it came.
    fn range(&mut self, source: &File, target: &File, from: u64, to: u64) -> io::Result<u64> {
        let mut at = from;
        while at < to {
            let want = usize::try_from(to - at).unwrap_or(CHUNK).min(CHUNK);
            let read = match source.read_at(&mut self.data[..want], at) {
                // A file system in user space can be interrupted.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                break;
            }
            target.write_all_at(&self.data[..read], at)?;
            at += read as u64;
        }
        Ok(at)
    }

    /// Gives a file or a directory the owner, the mode, the extended attributes and the times, in this order: each may
    /// change what comes behind it. Returns how many attributes could not be kept.
    pub(super) fn finish(
        &mut self,
        source: &impl AsFd,
        target: &impl AsFd,
        stat: &Stat,
        owners: Owners,
    ) -> io::Result<u64> {
        if owners.are_kept() {
            let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            fchown(target, Some(uid), Some(gid)).map_err(|error| not_kept(error, stat))?;
        }
        fchmod(target, owners.mode(stat))?;
        let lost = self.attributes(
            |names| flistxattr(source, names),
            |name, value| fgetxattr(source, name, value),
            |name, value| fsetxattr(target, name, value, XattrFlags::empty()),
        )?;
        futimens(target, &times(stat))?;
        // These are for root to set, and would keep a copy from being removed, or moved to its place.
        let flags = ioctl_getflags(source).unwrap_or(IFlags::empty());
        let is_kept = flags.intersects(IFlags::IMMUTABLE | IFlags::APPEND);
        Ok(lost + u64::from(is_kept))
    }

    /// The same for what cannot be opened: links, pipes, sockets and whiteouts.
    pub(super) fn finish_by_name(
        &mut self,
        [from, to]: [BorrowedFd<'_>; 2],
        name: &CStr,
        stat: &Stat,
        owners: Owners,
    ) -> io::Result<u64> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        // Somebody may be in the copy, and have put something else there.
        let made = open_any(&to, name)?;
        let found = fstat(&made)?;
        if (FileType::from_raw_mode(found.st_mode), found.st_rdev) != (kind, 0) {
            return Err(io::Error::other(
                "it was replaced while it was made; run the command again",
            ));
        }
        if owners.are_kept() {
            let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            chownat(&made, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
                .map_err(|error| not_kept(error, stat))?;
        }
        // This names just what it is open on, a link itself included.
        let target = path_of(&made);
        if kind != FileType::Symlink {
            chmodat(CWD, &target, owners.mode(stat), AtFlags::empty())?;
        }
        let source = by_directory(from, name);
        let lost = self.attributes(
            |names| llistxattr(&source, names),
            |name, value| lgetxattr(&source, name, value),
            |name, value| setxattr(&target, name, value, XattrFlags::empty()),
        )?;
        utimensat(CWD, &target, &times(stat), AtFlags::empty())?;
        Ok(lost)
    }

    /// Copies the extended attributes, and ACLs with them; returns how many could not be kept, because the file system does
    /// not know them or they are only root's to give.
    fn attributes(
        &mut self,
        all: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
        get: impl Fn(&[u8], &mut [u8]) -> rustix::io::Result<usize>,
        set: impl Fn(&[u8], &[u8]) -> rustix::io::Result<()>,
    ) -> io::Result<u64> {
        let length = match all(&mut self.names) {
            Err(Errno::OPNOTSUPP | Errno::NOENT) => return Ok(0),
            length => length?,
        };
        let names = self.names[..length].split(|&byte| byte == 0);
        let mut lost = 0;
        for name in names.filter(|name| !name.is_empty() && !name.starts_with(XFS_ACLS)) {
            let length = match get(name, &mut self.value) {
                Err(Errno::NODATA | Errno::NOENT) => continue,
                length => length?,
            };
            match set(name, &self.value[..length]) {
                Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => lost += 1,
                set => set?,
            }
        }
        Ok(lost)
    }
}

/// Makes a file that is not there yet, which nobody else can open.
pub(super) fn create(to: impl AsFd, name: &CStr) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(to, name, flags, Mode::RUSR | Mode::WUSR)?))
}

/// Copies a file that is open to a name that is not there yet, and says what was copied. Where that fails, some of it may be left.
pub(in crate::fs::tree) fn copy_file(
    source: &OwnedFd,
    to: &OwnedFd,
    name: &CStr,
) -> io::Result<Copied> {
    let source = File::from(source.try_clone()?);
    let stat = fstat(&source)?;
    let target = create(to, name)?;
    let mut buffers = Buffers::default();
    let is_shared = buffers.data(&source, &target, &stat, true)? == Shared::Yes;
    let lost = buffers.finish(&source, &target, &stat, Owners::Kept)?;
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    let made = if is_shared && length > 0 { Made::Reflink } else { Made::Copy };
    // Holes take nothing.
    let bytes = length.min(u64::try_from(stat.st_blocks).unwrap_or(0) * 512);
    Ok(Copied { files: 1, bytes, lost, made, ..Copied::default() })
}

/// Gives a file the extended attributes and the ACL of another. What its content was trusted with is not among them: as
/// where the kernel has a file written, its capabilities go. Returns how many could not be kept.
pub(in crate::fs::tree) fn copy_attributes(source: &OwnedFd, target: &OwnedFd) -> io::Result<u64> {
    let get = |name: &[u8], value: &mut [u8]| {
        if name == CAPABILITIES.as_bytes() {
            return Err(Errno::NODATA);
        }
        fgetxattr(source, name, value)
    };
    Buffers::default().attributes(
        |names| flistxattr(source, names),
        get,
        |name, value| fsetxattr(target, name, value, XattrFlags::empty()),
    )
}

/// Takes the ACLs away that a new directory has from the directory it was made in.
pub(super) fn forget_acls(directory: &OwnedFd) -> io::Result<()> {
    for name in ACLS {
        match fremovexattr(directory, name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Why a copy cannot have the owner of its original.
fn not_kept(error: Errno, stat: &Stat) -> io::Error {
    if error != Errno::PERM {
        return error.into();
    }
    let owner = format!("its owner {}:{} cannot be kept", stat.st_uid, stat.st_gid);
    io::Error::new(io::ErrorKind::PermissionDenied, owner)
}

/// The path of a name in an open directory; the directory is the one that is open, whatever it is called now.
fn by_directory(directory: BorrowedFd<'_>, name: &CStr) -> PathBuf {
    let mut path = path_of(&directory);
    path.push(std::ffi::OsStr::from_bytes(name.to_bytes()));
    path
}

/// When a file was read and changed last.
pub(in crate::fs::tree) fn times(stat: &Stat) -> Timestamps {
    let time = |seconds: i64, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}
