//! Directory trees whose content is not trusted: an app may have put anything into them, at any moment.
//!
//! A tree is entered by one name below a root that was opened before, and from there on by descriptors
//! alone: no link is followed and no mount point crossed, whatever is renamed or replaced meanwhile.

mod closed;
mod copy;
mod descent;
mod duplicate;
mod file;
mod harmless;
pub(crate) mod holes;
mod names;
mod own;
mod remove;
mod unpack;
mod usage;
mod walk;

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, IFlags, Mode, OFlags, RenameFlags, ResolveFlags, Statx,
    StatxFlags, StatxTimestamp, Uid, fchmod, fchown, fstat, fsync, ioctl_getflags, ioctl_setflags,
    mkdirat, renameat, renameat_with, statat, syncfs,
};
use rustix::io::Errno;
use rustix::path::Arg;

pub(crate) use closed::{Closed, inherited, path_of};
pub(crate) use copy::Copied;
pub(crate) use duplicate::{
    copy_into, copy_out, duplicate, duplicate_within, take_in, take_within,
};
pub(crate) use file::{
    FILE_MODES, has_attributes, is_file, own_file, read_file, set_file_mode, take_after,
};
pub(crate) use harmless::make_harmless;
pub(crate) use own::{Depth, own};
pub(crate) use remove::remove;
pub(crate) use unpack::{Attributes, Restored, Unpacking, inner, links_in, must_stay_inside};
pub(crate) use usage::{Usage, usage, usage_at};

use crate::domain::{Error, Result};
use crate::host::is_root;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Opens the directory `name` directly below `root`, a path without links. The operator may have mounted
/// something there, so this step alone may cross a mount point; it follows no link.
/// Refuses one that is closed ([`Closed`]).
pub(crate) fn enter(root: &Path, name: &str) -> Result<OwnedFd> {
    unless_closed(enter_any(root, name)?).map_err(Error::system("open", root.join(name)))
}

/// The same by a root that was opened before.
fn enter_below(root: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    unless_closed(open_below(root, &CString::new(name)?, DIRECTORY, BENEATH)?)
}

/// Passes a directory on that was opened, unless it is closed.
fn unless_closed(opened: OwnedFd) -> io::Result<OwnedFd> {
    closed::must_not_be_closed(&opened)?;
    Ok(opened)
}

/// Opens a directory as [`enter`] does, also one that is closed.
fn enter_any(root: &Path, name: &str) -> Result<OwnedFd> {
    let path = root.join(name);
    let root_fd = open_without_links(&CWD, root).map_err(Error::system("open", root))?;
    let name =
        CString::new(name).map_err(|_| refusal!("a directory's name cannot contain a NUL byte"))?;
    open_below(&root_fd, &name, DIRECTORY, BENEATH).map_err(Error::system("open", path))
}

/// Opens what is called `name` directly below `root` without looking at it, so that it does not matter whether what is
/// mounted there answers. No link is followed.
pub(crate) fn locate(root: &Path, name: &str) -> io::Result<OwnedFd> {
    let root = open_without_links(&CWD, root)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open_below(&root, &CString::new(name)?, flags, BENEATH)
}

/// Has nobody write into the directory `name` directly below `root`, or takes that back. Not every file system can do that;
/// where it cannot, nothing is changed.
pub(crate) fn set_immutable(root: &Path, name: &str, wanted: bool) {
    let Ok(directory) = enter(root, name) else {
        return;
    };
    if let Ok(mut flags) = ioctl_getflags(&directory) {
        flags.set(IFlags::IMMUTABLE, wanted);
        let _ = ioctl_setflags(&directory, flags);
    }
}

/// Whether nothing is in the directory `name` directly below `root`.
pub(crate) fn is_empty(root: &Path, name: &str) -> Result<bool> {
    let directory = enter(root, name)?;
    is_directory_empty(&directory).map_err(Error::system("read", root.join(name)))
}

fn is_directory_empty(directory: &OwnedFd) -> io::Result<bool> {
    let mut names = rustix::fs::Dir::read_from(directory)?;
    let is_content = |name: &CStr| name != c"." && name != c"..";
    Ok(!names.any(|entry| entry.is_ok_and(|entry| is_content(entry.file_name()))))
}

/// When something was made, where its file system says so.
pub(crate) fn birth(found: &Statx) -> Option<StatxTimestamp> {
    let has_birth = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    has_birth.then_some(found.stx_btime)
}

/// Has what is at a path on the disk, with all that is in it, by flushing the file system that it is on, unless that is one
/// file or an empty directory which the caller may open.
pub(crate) fn flush(path: &Path) -> Result<()> {
    let flushed = || -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(opened) = rustix::fs::open(path, flags, Mode::empty()) {
            let is_alone = match FileType::from_raw_mode(fstat(&opened)?.st_mode) {
                FileType::Directory => is_directory_empty(&opened)?,
                kind => kind == FileType::RegularFile,
            };
            if is_alone {
                return Ok(fsync(&opened)?);
            }
        }
        // The directory itself may be closed to the caller.
        let around = File::open(path.parent().unwrap_or(path))?;
        Ok(syncfs(&around)?)
    };
    flushed().map_err(Error::system("write to", path))
}

/// Opens a directory inside the directory `name` directly below `root`. On the way from `name` on, no link is followed
/// and no mount point crossed.
pub(crate) fn enter_part(root: &Path, name: &str, part: Option<&str>) -> Result<OwnedFd> {
    let part = part.unwrap_or_default();
    descend(enter(root, name)?, part, open_directory, None)
        .map_err(Error::system("open", root.join(name).join(part)))
}

/// Opens a directory some names below `root`. A link on the way is followed only where it is root's, in a directory that only
/// root may write: the operator may have put a part of Dokku's directories elsewhere, but nobody else may.
pub(crate) fn enter_path(root: &Path, names: &str) -> Result<OwnedFd> {
    descend(open_root(root)?, names, enter_one, None)
        .map_err(Error::system("open", root.join(names)))
}

/// Makes a directory inside the directory `name` directly below `root`, and those on the way to it, each of this
/// owner; those that are there stay as they are. No link is followed and no mount point crossed.
pub(crate) fn make_part(root: &Path, name: &str, part: &str, uid: u32, gid: u32) -> Result<()> {
    descend(enter(root, name)?, part, open_directory, Some((uid, gid)))
        .map(drop)
        .map_err(Error::system("create", root.join(name).join(part)))
}

/// Moves what is called `from` directly below `root` to a place one or more names below it, at which nothing is, or, for a
/// directory, an empty one. What is missing on the way is made, of root's owner. No link is followed and no mount point crossed.
/// What goes into another directory is looked at under the name `hidden`, where nobody can exchange it any more.
pub(crate) fn move_below(root: &Path, from: &str, place: &str, hidden: &str) -> Result<()> {
    let failed = || Error::system("move data to", root.join(place));
    let top = open_without_links(&CWD, root).map_err(failed())?;
    let Some((way, name)) = place.rsplit_once('/') else {
        return put(&top, from, (&top, place)).map_err(failed());
    };
    let around = Closed::make(root, hidden)?;
    let moved = || -> io::Result<()> {
        let owner = fstat(&top)?;
        let owner = Some((owner.st_uid, owner.st_gid));
        let way = descend(top.try_clone()?, way, open_directory, owner)?;
        let _judged = around.take(&top, from)?;
        put(around.opened(), closed::TAKEN, (&way, name))
            .inspect_err(|_| around.give_back(&top, from))
    };
    let moved = moved().map_err(failed());
    // What is in it could not get its name back.
    let _ = remove(root, hidden);
    moved
}

/// Moves what has a name in a directory to a place in another one once it is on the disk: a name that survives a power cut must
/// not lead to files that do not.
fn put(from: &OwnedFd, name: impl Arg + Copy, (to, place): (&OwnedFd, &str)) -> io::Result<()> {
    let found = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    syncfs(from)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        renameat(from, name, to, place)?;
    } else {
        // It would replace another file.
        renameat_with(from, name, to, place, RenameFlags::NOREPLACE)?;
    }
    Ok(syncfs(to)?)
}

/// Moves what is at a path in the directory `from` directly below `root` to the same path in the directory `to` beside it, in the
/// place of what is there. No link is followed and no mount point crossed.
pub(crate) fn graft(root: &Path, from: &str, to: &str, path: &str) -> Result<()> {
    let (way, name) = path.rsplit_once('/').unwrap_or(("", path));
    let moved = || -> io::Result<()> {
        let top = open_without_links(&CWD, root)?;
        let source = descend(enter_below(&top, from)?, way, open_directory, None)?;
        let found = fstat(&source)?;
        let target = descend(
            enter_below(&top, to)?,
            way,
            open_directory,
            Some((found.st_uid, found.st_gid)),
        )?;
        match renameat_with(&source, name, &target, name, RenameFlags::EXCHANGE) {
            // Nothing is in its place.
            Err(Errno::NOENT) => Ok(renameat(&source, name, &target, name)?),
            other => Ok(other?),
        }
    };
    moved().map_err(Error::system("put what is restored at", path))
}

/// Makes a directory some names below `root`, and those on the way to it, each of this owner. Like
/// [`enter_path`], it follows a link only where nobody but root can have put it.
pub(crate) fn make_path(root: &Path, names: &str, uid: u32, gid: u32) -> Result<()> {
    descend(open_root(root)?, names, enter_one, Some((uid, gid)))
        .map(drop)
        .map_err(Error::system("create", root.join(names)))
}

/// Opens a directory some names below another one. What is missing on the way is made where there is an owner for it.
fn descend(
    mut directory: OwnedFd,
    names: &str,
    open: impl Fn(&OwnedFd, &CStr) -> io::Result<OwnedFd>,
    owner: Option<(u32, u32)>,
) -> io::Result<OwnedFd> {
    let mode = Mode::from_raw_mode(0o755);
    for name in names.split('/').filter(|name| !name.is_empty() && *name != ".") {
        let name = CString::new(name)?;
        let owner = match owner.map(|_| mkdirat(&directory, &name, mode)).transpose() {
            Err(Errno::EXIST) => None,
            created => created?.and(owner),
        };
        directory = open(&directory, &name)?;
        if let Some((uid, gid)) = owner {
            fchmod(&directory, mode)?;
            fchown(&directory, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
    }
    Ok(directory)
}

fn open_root(root: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(root, flags, Mode::empty()).map_err(Error::system("open", root))
}

/// Whether nobody but root can put something else in the place of a directory: it, and all that it is in, are root's,
/// and nobody else may write there, or only what is their own (a sticky directory).
pub(crate) fn is_roots_own(path: &Path) -> bool {
    let Ok(real) = std::fs::canonicalize(path) else {
        return false;
    };
    let is_safe = |(depth, directory): (usize, &Path)| {
        std::fs::symlink_metadata(directory).is_ok_and(|found| {
            let is_sticky = depth > 0 && found.mode() & 0o1000 != 0;
            found.is_dir() && found.uid() == 0 && (found.mode() & 0o022 == 0 || is_sticky)
        })
    };
    real.ancestors().enumerate().all(is_safe)
}

/// Opens a directory by its path, in which no link may be.
pub(crate) fn enter_real(path: &Path) -> Result<OwnedFd> {
    open_without_links(&CWD, path).map_err(Error::system("open", path))
}

/// Opens whatever has a path in which no link may be, without reading it.
fn look_at_real(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(CWD, path, flags, Mode::empty(), resolve)
        .map_err(Error::system("open", path))
}

fn open_without_links(from: &impl AsFd, path: impl Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(from, path, flags, Mode::empty(), resolve)?)
}

fn enter_one(directory: &OwnedFd, name: &CStr) -> io::Result<OwnedFd> {
    let entered = open_below(directory, name, DIRECTORY, BENEATH);
    let Err(error) = entered else {
        return entered;
    };
    // A link of root's may have been made elsewhere, and moved here by whoever may write here.
    let link = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let place = fstat(directory)?;
    let is_roots = FileType::from_raw_mode(link.st_mode) == FileType::Symlink
        && (link.st_uid, place.st_uid) == (0, 0)
        && place.st_mode & 0o022 == 0;
    if !is_roots || !is_root() {
        return Err(error);
    }
    let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
    open_without_links(directory, &target)
}

/// Opens a directory inside the tree. Refuses one that is closed.
fn open_directory(directory: &impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    unless_closed(open_any_directory(directory, name)?)
}

/// Opens a directory inside the tree, also one that is closed: to remove it, or where nobody else can put one.
fn open_any_directory(directory: &impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    open_below(directory, name, DIRECTORY, BENEATH | ResolveFlags::NO_XDEV)
}

/// Opens a file below a directory to read it, following links as long as they stay below it. A pipe is not waited for. The error is of
/// the kind [`io::ErrorKind::CrossesDevices`] where a link leads out of the directory.
pub(crate) fn open_within(directory: &Path, name: &Path) -> io::Result<File> {
    let directory = File::open(directory)?;
    let name = CString::new(name.as_os_str().as_bytes())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    open_below(&directory, &name, flags, resolve).map(File::from)
}

/// Opens whatever has this name inside the tree, a link itself included, without reading it.
fn open_any(directory: &impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open_below(directory, name, flags, BENEATH | ResolveFlags::NO_XDEV)
}

/// How often a file is opened again before anything is waited for.
const AT_ONCE: u32 = 1000;

/// How often, and for how long each time, a lease on one file is waited for.
const LEASE: (u32, Duration) = (200, Duration::from_millis(10));

/// How often for all files of a process: a container may have one on each.
const LEASES: u32 = 1000;

fn open_below(
    directory: &impl AsFd,
    name: &CStr,
    flags: OFlags,
    resolve: ResolveFlags,
) -> io::Result<OwnedFd> {
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(directory, name, flags, Mode::empty(), resolve) {
            Err(Errno::INTR) => {}
            // The kernel could not be sure that nothing moved meanwhile; or a program has a lease on it (fcntl(2)), which it gives up
            // for us within moments, or the kernel takes it after 45 seconds.
            Err(Errno::AGAIN) if tries < AT_ONCE => tries += 1,
            Err(Errno::AGAIN) if tries < AT_ONCE + LEASE.0 && wait_for_lease() => tries += 1,
            Err(Errno::AGAIN) => {
                let why = "a program has a lease on it, as file servers do; end it and try again";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
            }
            other => return other.map_err(Into::into),
        }
    }
}

/// Waits once more for a lease on a file; false where this process has waited long enough for all of them.
fn wait_for_lease() -> bool {
    static WAITED: AtomicU32 = AtomicU32::new(0);
    let may = WAITED.fetch_add(1, Ordering::Relaxed) < LEASES;
    if may {
        std::thread::sleep(LEASE.1);
    }
    may
}

fn is_one_of(error: &io::Error, errors: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|error| errors.contains(&error))
}
