//! Copying a tree as it is: owners, modes, times, extended attributes and ACLs, hard links, holes and links.
//!
//! Device files and sockets are left out, and what is mounted in the tree is not entered.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, Stat, Timespec,
    Timestamps, Uid, XattrFlags, chownat, fchmod, fchown, fgetxattr, flistxattr, fsetxattr, fstat,
    ftruncate, futimens, ioctl_ficlone, linkat, mkdirat, openat, readlinkat, seek, statat,
    symlinkat, utimensat,
};
use rustix::io::Errno;

use super::descent::Descent;
use super::{BENEATH, FOLDER, open_below, open_folder};

/// How much is read at once where blocks cannot be shared, in bytes.
const CHUNK: usize = 256 * 1024;

/// What was copied.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Files, folders and links.
    pub copied: u64,
    /// Device files, sockets, and folders on other file systems.
    pub left_out: u64,
}

/// Copies all that is in `from`, and what `from` itself is, into the empty folder `to`.
///
/// # Errors
/// The first thing that cannot be copied.
pub fn copy(from: OwnedFd, to: OwnedFd, progress: &(dyn Fn(u64) + Sync)) -> io::Result<Copied> {
    let top = to.try_clone()?;
    let mut copy = Copy { top, path: Vec::new(), links: HashMap::new(), done: Copied::default() };
    let (mut sources, mut targets) = (Descent::default(), Descent::default());
    let pending = copy.files_of(&from, &to)?;
    sources.push(from, pending)?;
    targets.push(to, Vec::new())?;
    while sources.is_inside() {
        if let Some(name) = sources.next_pending() {
            match open_folder(&sources.current()?, &name) {
                Ok(source) => {
                    mkdirat(targets.current()?, &name, Mode::RWXU)?;
                    let target = openat(targets.current()?, &name, FOLDER, Mode::empty())?;
                    copy.path.push(name);
                    let pending = copy.files_of(&source, &target)?;
                    sources.push(source, pending)?;
                    targets.push(target, Vec::new())?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => {
                    copy.done.left_out += 1;
                }
                Err(error) => return Err(error),
            }
            progress(copy.done.copied);
            continue;
        }
        // Last of all: what is put into a folder changes its times.
        let stat = fstat(sources.current()?)?;
        copy_attributes(&sources.current()?, &targets.current()?)?;
        finish(&targets.current()?, &stat)?;
        copy.done.copied += 1;
        copy.path.pop();
        sources.pop()?;
        targets.pop()?;
    }
    Ok(copy.done)
}

struct Copy {
    top: OwnedFd,
    path: Vec<CString>,
    /// Where the first name of a file with several was copied to, from the top.
    links: HashMap<(u64, u64), Vec<u8>>,
    done: Copied,
}

impl Copy {
    /// Copies all of a folder but the folders in it, whose names it returns.
    fn files_of(&mut self, from: &OwnedFd, to: &OwnedFd) -> io::Result<Vec<CString>> {
        let mut folders = Vec::new();
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut names = RawDir::new(from, buffer.spare_capacity_mut());
        while let Some(entry) = names.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            match self.one(from, to, name) {
                Ok(true) => folders.push(name.to_owned()),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(folders)
    }

    /// Copies one name; true where it is a folder.
    fn one(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CStr) -> io::Result<bool> {
        let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return Ok(true),
            FileType::RegularFile => self.file(from, to, name)?,
            FileType::Symlink => {
                symlinkat(readlinkat(from, name, Vec::new())?, to, name)?;
                let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
                chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
                utimensat(to, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            FileType::Fifo => {
                rustix::fs::mknodat(to, name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
                let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
                chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
                rustix::fs::chmodat(to, name, mode(&stat), AtFlags::empty())?;
                utimensat(to, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            _ => {
                self.done.left_out += 1;
                return Ok(false);
            }
        }
        self.done.copied += 1;
        Ok(false)
    }

    fn file(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CStr) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let source = open_below(from, name, flags, BENEATH | ResolveFlags::NO_XDEV)?;
        let stat = fstat(&source)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            self.done.left_out += 1;
            return Ok(());
        }
        if stat.st_nlink > 1 {
            let identity = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&identity) {
                return Ok(linkat(&self.top, first.as_slice(), to, name, AtFlags::empty())?);
            }
            self.links.insert(identity, self.place(name));
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
        if ioctl_ficlone(&target, &source).is_err() {
            copy_data(&File::from(source.try_clone()?), &File::from(target.try_clone()?), &stat)?;
        }
        copy_attributes(&source, &target)?;
        finish(&target, &stat)
    }

    fn place(&self, name: &CStr) -> Vec<u8> {
        let mut place = Vec::new();
        for part in self.path.iter().map(CString::as_c_str).chain([name]) {
            if !place.is_empty() {
                place.push(b'/');
            }
            place.extend_from_slice(part.to_bytes());
        }
        place
    }
}

/// Copies a file's data, and leaves its holes holes.
fn copy_data(source: &File, target: &File, stat: &Stat) -> io::Result<()> {
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    let mut buffer = vec![0; CHUNK];
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
        let hole = seek(source, SeekFrom::Hole(data)).unwrap_or(length).max(data);
        let mut position = data;
        while position < hole {
            let want = usize::try_from(hole - position).unwrap_or(CHUNK).min(CHUNK);
            let read = source.read_at(&mut buffer[..want], position)?;
            if read == 0 {
                break;
            }
            target.write_all_at(&buffer[..read], position)?;
            position += read as u64;
        }
        if position == at {
            break;
        }
        at = position.max(hole);
    }
    Ok(ftruncate(target, length)?)
}

/// Copies extended attributes, in which ACLs and capabilities are too. Those that the target's file system
/// does not know are left out.
fn copy_attributes(from: &impl AsFd, to: &impl AsFd) -> io::Result<()> {
    let mut names = vec![0_u8; 64 * 1024];
    let length = match flistxattr(from, &mut names) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut value = vec![0_u8; 64 * 1024];
    for name in names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let length = match fgetxattr(from, name, &mut value) {
            Ok(length) => length,
            Err(Errno::NODATA) => continue,
            Err(error) => return Err(error.into()),
        };
        match fsetxattr(to, name, &value[..length], XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Gives a copy the owner, the mode and the times, in this order: each would change what came before.
fn finish(target: &impl AsFd, stat: &Stat) -> io::Result<()> {
    fchown(target, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    fchmod(target, mode(stat))?;
    Ok(futimens(target, &times(stat))?)
}

fn mode(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode & 0o7777)
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds: i64, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    fn copied(from: &Path, to: &Path) -> Copied {
        let open = |path: &Path| rustix::fs::open(path, FOLDER, Mode::empty()).unwrap();
        copy(open(from), open(to), &|_| {}).unwrap()
    }

    #[test]
    fn a_copy_is_like_its_original() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir_all(from.join("deep/er")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("deep/er/file"), b"content").unwrap();
        fs::set_permissions(from.join("deep/er/file"), fs::Permissions::from_mode(0o4711)).unwrap();
        fs::hard_link(from.join("deep/er/file"), from.join("second name")).unwrap();
        symlink("/nowhere", from.join("link")).unwrap();
        let sparse = File::create(from.join("sparse")).unwrap();
        sparse.set_len(64 << 20).unwrap();
        sparse.write_all_at(b"end", (64 << 20) - 3).unwrap();
        fs::set_permissions(from.join("deep"), fs::Permissions::from_mode(0o2751)).unwrap();
        let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        File::open(from.join("deep/er")).unwrap().set_times(old).unwrap();

        assert_eq!(copied(&from, &to), Copied { copied: 7, left_out: 0 });

        let seen = |name: &str| fs::symlink_metadata(to.join(name)).unwrap();
        assert_eq!(fs::read(to.join("deep/er/file")).unwrap(), b"content");
        assert_eq!(seen("deep/er/file").mode() & 0o7777, 0o4711);
        assert_eq!(seen("deep/er/file").ino(), seen("second name").ino());
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/nowhere"));
        assert_eq!(seen("deep").mode() & 0o7777, 0o2751);
        assert_eq!(seen("deep/er").mtime(), 0);
        assert_eq!(seen("sparse").len(), 64 << 20);
        assert!(seen("sparse").blocks() * 512 < 1 << 20, "the holes were filled");
    }

    #[test]
    fn a_very_deep_tree_is_copied_with_few_descriptors() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        let mut path = from.clone();
        for _ in 0..200 {
            path.push("d");
        }
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("file"), b"x").unwrap();
        fs::create_dir(&to).unwrap();
        assert_eq!(copied(&from, &to).copied, 202);
    }
}
