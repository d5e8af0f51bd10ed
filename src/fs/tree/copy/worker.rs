//! A thread that copies: directory by directory, each with what is in it.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, mkdirat, mknodat, openat,
    readlinkat, statat, symlinkat,
};
use rustix::io::Errno;

use crate::fs::tree::copy::file::{Buffers, Shared};
use crate::fs::tree::copy::{KEPT_OPEN, Walk};
use crate::fs::tree::descent::{Descent, Names, Reader};
use crate::fs::tree::{BENEATH, FOLDER, open_below, open_folder};

/// How often a name is tried again that became something else meanwhile.
const TRIES: u32 = 3;

/// A thread on its way through a part of the tree.
pub(crate) struct Worker<'a, 'b> {
    pub walk: &'a Walk<'b>,
    /// Where it is, from the top.
    pub path: Vec<u8>,
    /// Room for what it reads.
    pub buffers: Buffers,
    /// The same for the names of a directory.
    pub reader: Reader,
}

impl Worker<'_, '_> {
    /// Copies a directory and all that is below it, but what other threads take over.
    pub(crate) fn tree(&mut self, from: OwnedFd, to: OwnedFd) -> io::Result<()> {
        let (mut sources, mut targets) = (Descent::keeping(KEPT_OPEN), Descent::keeping(KEPT_OPEN));
        let pending = self.folder(&sources, &from, &to)?;
        sources.push(from, pending)?;
        targets.push(to, Names::default())?;
        while sources.is_inside() && !self.walk.is_over.load(Ordering::Relaxed) {
            let Some(name) = sources.next_pending() else {
                if sources.is_more_to_read() {
                    let (source, target) = (sources.current()?, targets.current()?);
                    let pending = self.folder(&sources, &source, &target)?;
                    sources.read_on(pending);
                    continue;
                }
                sources.pop()?;
                targets.pop()?;
                if sources.is_inside() {
                    self.leave();
                }
                continue;
            };
            self.enter(&name);
            // It was there when its copy was made; what is there now is what is copied.
            let source = match open_folder(&sources.current()?, &name) {
                Ok(source) => source,
                Err(error) => {
                    if Errno::from_io_error(&error) == Some(Errno::XDEV) {
                        self.walk.leave_out();
                    } else if error.kind() != io::ErrorKind::NotFound {
                        return Err(error);
                    }
                    self.leave();
                    continue;
                }
            };
            let target = openat(targets.current()?, &name, FOLDER, Mode::empty())?;
            match self.walk.offer(source, target, &self.path) {
                None => self.leave(),
                Some((source, target)) => {
                    let pending = self.folder(&sources, &source, &target)?;
                    sources.push(source, pending)?;
                    targets.push(target, Names::default())?;
                }
            }
        }
        Ok(())
    }

    /// Copies all of a directory, or much of it, but what is in the directories in it: these are made, and their names returned.
    /// Once it is read to its end nothing changes its times any more, so it gets them here; the top gets them last of all.
    fn folder(&mut self, way: &Descent, from: &impl AsFd, to: &impl AsFd) -> io::Result<Names> {
        let (from, to) = (from.as_fd(), to.as_fd());
        let is_top = self.path.is_empty();
        let mut reader = std::mem::take(&mut self.reader);
        let folders = reader.read(way.depth(), &from, |name, kind| {
            if self.walk.is_over.load(Ordering::Relaxed) {
                return Ok(false);
            }
            self.enter(name);
            let is_folder = self.child(from, to, name, kind)?;
            if is_folder {
                mkdirat(to, name, Mode::RWXU)?;
            }
            self.leave();
            Ok(is_folder)
        });
        self.reader = reader;
        let folders = folders?;
        if !folders.is_more_to_read() {
            let stat = fstat(from)?;
            let lost = if is_top { 0 } else { self.buffers.finish(&from, &to, &stat)? };
            self.walk.add(lost);
        }
        Ok(folders)
    }

    /// Copies one name; true where it is a directory. One that is gone is no failure.
    fn child(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
    ) -> io::Result<bool> {
        let mut kind = kind;
        for _ in 0..TRIES {
            let result = match kind {
                FileType::Directory => return Ok(true),
                FileType::RegularFile => self.file(from, to, name),
                _ => self.by_name(from, to, name),
            };
            match result {
                Ok(Done::Yes) => return Ok(false),
                // It became something else meanwhile.
                Ok(Done::Is(other)) => kind = other,
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("it is replaced again and again; stop what writes there"))
    }

    fn file(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> io::Result<Done> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let source = match open_below(&from, name, flags, BENEATH | ResolveFlags::NO_XDEV) {
            Ok(source) => File::from(source),
            Err(error) => {
                return match Errno::from_io_error(&error) {
                    Some(Errno::NOENT) => Ok(Done::Yes),
                    Some(Errno::LOOP | Errno::NXIO) => Ok(Done::Is(FileType::Unknown)),
                    Some(Errno::XDEV) => {
                        self.walk.leave_out();
                        Ok(Done::Yes)
                    }
                    _ => Err(error),
                };
            }
        };
        let stat = fstat(&source)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::RegularFile {
            return Ok(Done::Is(kind));
        }
        let create = || {
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(File::from(openat(to, name, flags, Mode::RUSR | Mode::WUSR)?))
        };
        let Some(target) = self.walk.links.first(to, name, &self.path, &stat, create)? else {
            self.walk.add(0);
            return Ok(Done::Yes);
        };
        let count = &self.walk.count;
        let try_sharing = !count.cannot_share.load(Ordering::Relaxed);
        match self.buffers.data(&source, &target, &stat, try_sharing)? {
            _ if stat.st_size == 0 => {}
            Shared::Yes => drop(count.with_shared_blocks.fetch_add(1, Ordering::Relaxed)),
            shared => {
                count.with_own_blocks.fetch_add(1, Ordering::Relaxed);
                if shared == Shared::Never {
                    count.cannot_share.store(true, Ordering::Relaxed);
                }
            }
        }
        let in_blocks = stat.st_blocks.saturating_mul(512);
        let bytes = u64::try_from(stat.st_size.min(in_blocks)).unwrap_or(0);
        count.bytes.fetch_add(bytes, Ordering::Relaxed);
        let lost = self.buffers.finish(&source, &target, &stat)?;
        self.walk.add(lost);
        Ok(Done::Yes)
    }

    /// Copies what cannot be opened.
    fn by_name(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &CStr,
    ) -> io::Result<Done> {
        let stat = match statat(from, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Done::Yes),
            Err(error) => return Err(error.into()),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Ok(Done::Is(kind));
        }
        let is_link = kind == FileType::Symlink;
        if !is_link && !is_harmless(kind, &stat) {
            self.walk.leave_out();
            return Ok(Done::Yes);
        }
        let leads_to = match is_link.then(|| readlinkat(from, name, Vec::new())).transpose() {
            Ok(leads_to) => leads_to,
            Err(Errno::NOENT) => return Ok(Done::Yes),
            Err(Errno::INVAL) => return Ok(Done::Is(FileType::Unknown)),
            Err(error) => return Err(error.into()),
        };
        let create = || match &leads_to {
            Some(leads_to) => Ok(symlinkat(leads_to, to, name)?),
            None => Ok(mknodat(to, name, kind, Mode::RUSR | Mode::WUSR, 0)?),
        };
        let made = self.walk.links.first(to, name, &self.path, &stat, create)?;
        let lost = match made {
            Some(()) => self.buffers.finish_by_name(from, to, name, &stat, is_link)?,
            None => 0,
        };
        self.walk.add(lost);
        Ok(Done::Yes)
    }

    fn enter(&mut self, name: &CStr) {
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.to_bytes());
    }

    fn leave(&mut self) {
        let above = self.path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        self.path.truncate(above);
    }
}

/// What became of a name.
enum Done {
    /// It was copied, is left out, or is not there any more.
    Yes,
    /// It is of this kind.
    Is(FileType),
}

/// Whether anybody could make it: a pipe, a socket, or a whiteout, by which a layer of an image says that a file is gone.
fn is_harmless(kind: FileType, stat: &Stat) -> bool {
    match kind {
        FileType::Fifo | FileType::Socket => true,
        FileType::CharacterDevice => stat.st_rdev == 0,
        _ => false,
    }
}
