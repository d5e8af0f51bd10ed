//! A directory of the storage root that becomes a second one, complete or not at all.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    CWD, IFlags, Mode, RenameFlags, fchmod, fchown, fstatvfs, ioctl_getflags, mkdirat, openat,
    renameat_with, syncfs,
};

use crate::domain::error::is_lack_of_room;
use crate::domain::{Error, Made, Result, STAGED, readable};
use crate::fs::subvolume;
use crate::fs::tree::copy::{Owners, copy};
use crate::fs::tree::{
    Closed, Copied, DIRECTORY, enter, enter_below, enter_part, file, is_directory_empty, is_file,
    open_without_links, remove, usage,
};

/// Copies the directory or the file `from` directly below `root`, or a part of a directory (`NAME/PART`), to `to`, which must not
/// be there yet. The copy is made
/// under a hidden name and takes its own once it is complete; nothing is left of one that is not. Where the file system can
/// take a snapshot, it does, unless the copy is to be without set-uid bits, set-gid bits of files, and whiteouts.
pub(crate) fn duplicate(
    root: &Path,
    from: &str,
    to: &str,
    hidden: &str,
    keeps_rights: bool,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Copied> {
    if is_file(root, from) {
        return file::duplicate_file(root, from, to, hidden);
    }
    let (name, part) = from.split_once('/').map_or((from, None), |(name, part)| (name, Some(part)));
    let directory = enter_part(root, name, part)?;
    must_be_attached(&directory, root, from)?;
    let owners = if keeps_rights { Owners::Kept } else { Owners::KeptWithoutRights };
    let by_file_system = keeps_rights && is_one_tree(&directory);
    let source = Source { directory, by_file_system, owners };
    place(root, source, to, hidden, progress).map_err(not_copied(root, Some(from)))
}

/// Copies a directory of anywhere to the directory `to` directly below `root`, in the same way; the owners too where they are to
/// be kept.
pub(crate) fn take_in(
    root: &Path,
    from: OwnedFd,
    to: &str,
    hidden: &str,
    keeps_owners: bool,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Copied> {
    let owners = if keeps_owners { Owners::Kept } else { Owners::Callers };
    let source = Source { directory: from, by_file_system: false, owners };
    // Where that is may not be the caller's to know.
    place(root, source, to, hidden, progress).map_err(not_copied(root, None))
}

/// Copies the directory `from` directly below `root` into the directory `into` beside it, which is empty and root's alone while
/// that goes on; what is in `into` in the end is whole, or of no use. `None` where there is not enough room in it.
pub(crate) fn copy_into(
    root: &Path,
    from: &str,
    into: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Option<Copied>> {
    let failed = || not_copied(root, Some(from));
    let (source, target) = (enter(root, from)?, enter(root, into)?);
    must_be_attached(&source, root, from)?;
    close(&target).map_err(failed())?;
    if !is_directory_empty(&target).map_err(failed())? {
        refuse!("{} is not empty", root.join(into).display());
    }
    match copy(source, target, Owners::Kept, progress) {
        Ok(copied) => Ok(Some(copied)),
        Err(error) if is_lack_of_room(&error) => Ok(None),
        Err(error) => Err(failed()(error)),
    }
}

/// Copies the directory `from` directly below `root` into a directory of anywhere, which is empty, as it is; what is in that in
/// the end is whole, or of no use.
pub(crate) fn copy_out(
    root: &Path,
    from: &str,
    target: OwnedFd,
    shown: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Copied> {
    let source = enter(root, from)?;
    if !is_directory_empty(&target).map_err(Error::system("read", shown))? {
        refuse!("{shown} is not empty");
    }
    let need = Need::of(&source, &target);
    let flushed = target.try_clone().map_err(Error::system("open", shown))?;
    let copied = close(&target).and_then(|()| {
        let copied = copy(source, target, Owners::Kept, progress)?;
        syncfs(&flushed)?;
        Ok(copied)
    });
    copied.map_err(|error| Error::system("copy to", shown)(need.told(error)))
}

/// Refuses the place of an entry with a size in which its image is not: nobody can write there, and nothing is in it.
fn must_be_attached(directory: &OwnedFd, root: &Path, name: &str) -> Result<()> {
    let is_immutable =
        ioctl_getflags(directory).is_ok_and(|flags| flags.contains(IFlags::IMMUTABLE));
    if is_immutable && is_directory_empty(directory).is_ok_and(|is_empty| is_empty) {
        refuse!(
            "nothing is attached at {}; attach it: dokku storage:wait {name}",
            root.join(name).display()
        );
    }
    Ok(())
}

/// Has nobody else enter a directory, not even who has it open.
fn close(directory: &OwnedFd) -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    fchown(directory, Some(uid), Some(gid))?;
    Ok(fchmod(directory, Mode::RWXU)?)
}

struct Source {
    directory: OwnedFd,
    by_file_system: bool,
    owners: Owners,
}

fn place(
    root: &Path,
    source: Source,
    to: &str,
    hidden: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> io::Result<Copied> {
    let placed = if source.by_file_system {
        // The program that takes the snapshot goes by a name, which only here is nobody else's.
        Closed::make(root, hidden).map_err(io::Error::other).and_then(|around| {
            let copied = place_in(around.opened(), source, to, UNFINISHED, progress)?;
            around.give(to, root, to).map_err(io::Error::other)?;
            Ok(copied)
        })
    } else {
        let root_fd = open_without_links(&CWD, root)?;
        place_in(&root_fd, source, to, hidden, progress)
    };
    // What is left of it, or was around it.
    let _ = remove(root, hidden);
    placed
}

/// Whether a directory is a subvolume of which a snapshot may be taken: a copy enters nothing that is closed, a snapshot would.
fn is_one_tree(directory: &OwnedFd) -> bool {
    let is_plain = |entry: rustix::io::Result<rustix::fs::DirEntry>| {
        entry.is_ok_and(|entry| !entry.file_name().to_bytes().starts_with(STAGED.as_bytes()))
    };
    subvolume::is_subvolume(directory)
        && rustix::fs::Dir::read_from(directory).is_ok_and(|mut names| names.all(is_plain))
}

/// A closure for `map_err` that names what was copied, or the disk where that has no room. The copy has a hidden name, which says
/// nothing to anybody.
pub(super) fn not_copied(root: &Path, from: Option<&str>) -> impl FnOnce(io::Error) -> Error {
    move |error| match from.filter(|_| !is_lack_of_room(&error)) {
        Some(from) => Error::system("copy", root.join(from))(error),
        None => Error::system("copy to", root)(error),
    }
}

fn place_in(
    root: &OwnedFd,
    source: Source,
    to: &str,
    hidden: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> io::Result<Copied> {
    let need = Need::of(&source.directory, root);
    let copied = if source.by_file_system && subvolume::snapshot(&source.directory, root, hidden) {
        Copied { made: Made::Btrfs, ..Copied::default() }
    } else {
        populate(root, source, hidden, progress).map_err(|error| need.told(error))?
    };
    renameat_with(root, hidden, root, to, RenameFlags::NOREPLACE)?;
    Ok(copied)
}

/// Copies the directory or the file `from` directly below `root`, or a part of a directory (`NAME/PART`), to `to` in a directory
/// that nobody else can enter. What is left of a copy that fails goes with that directory.
pub(crate) fn duplicate_within(
    root: &Path,
    from: &str,
    around: &OwnedFd,
    to: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Copied> {
    if is_file(root, from) {
        return file::duplicate_file_within(root, from, around, to);
    }
    let (name, part) = from.split_once('/').map_or((from, None), |(name, part)| (name, Some(part)));
    let directory = enter_part(root, name, part)?;
    must_be_attached(&directory, root, from)?;
    let by_file_system = is_one_tree(&directory);
    let source = Source { directory, by_file_system, owners: Owners::Kept };
    place_in(around, source, to, UNFINISHED, progress)
        .map_err(Error::system("copy", root.join(from)))
}

/// The same for a directory of anywhere.
pub(crate) fn take_within(
    from: OwnedFd,
    shown: &Path,
    around: &OwnedFd,
    to: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Copied> {
    let source = Source { directory: from, by_file_system: false, owners: Owners::Kept };
    place_in(around, source, to, UNFINISHED, progress).map_err(Error::system("copy", shown))
}

/// What is copied, and what is free before.
struct Need {
    source: Option<OwnedFd>,
    free: Option<u64>,
}

impl Need {
    fn of(source: &OwnedFd, to: &OwnedFd) -> Self {
        let free = fstatvfs(to).map(|found| found.f_bavail * found.f_frsize);
        // What is read through a clone goes on where the other ended.
        let source = openat(source, c".", DIRECTORY, Mode::empty());
        Self { source: source.ok(), free: free.ok() }
    }

    /// The error of a copy, with both amounts where there was no room.
    fn told(self, error: io::Error) -> io::Error {
        let usage = || usage(self.source?).ok();
        match (is_lack_of_room(&error).then(usage).flatten(), self.free) {
            (Some(usage), Some(free)) => {
                let (takes, free) = (readable(usage.bytes), readable(free));
                let told = format!("{error}; all of it takes {takes}, and {free} was free");
                io::Error::new(error.kind(), told)
            }
            _ => error,
        }
    }
}

/// How a copy is called until it is whole, where nobody else can look.
const UNFINISHED: &str = "unfinished";

fn populate(
    root: &OwnedFd,
    source: Source,
    hidden: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> io::Result<Copied> {
    mkdirat(root, hidden, Mode::RWXU)?;
    let target = enter_below(root, hidden)?;
    copy(source.directory, target, source.owners, progress)
}
