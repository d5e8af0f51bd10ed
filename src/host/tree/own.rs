//! Changing who owns a tree, in parallel, touching only what is not right yet.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Gid, Mode, StatxFlags, Uid, chownat, fchown, statx};

use rustix::time::{ClockId, clock_getres, clock_gettime};

use super::walk::{self, Visitor, lock};
use super::{FOLDER, open_any};
use crate::error::{Error, Result};

/// How far down ownership is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The folder itself.
    Folder,
    /// All that is in it, too.
    Tree,
}

/// What was done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// How many files and folders were looked at.
    pub seen: u64,
    /// How many were given to the new owner.
    pub changed: u64,
    /// How many were left alone: device files, other file systems, and files that are linked from outside the tree.
    pub left_alone: u64,
}

type Identity = (u32, u32, u64);

const WANTED: StatxFlags = StatxFlags::BASIC_STATS;

/// Gives a folder, or the whole tree, to a uid and a gid.
///
/// Left alone are device files, what is mounted in the tree, and files that have hard links which are not
/// in the tree: whoever can link a file into it must not come to own that file. The kernel takes set-uid and
/// set-gid bits from files whose owner changes. It can be interrupted and run again.
///
/// # Errors
/// The first thing that could not be changed; everything else was.
pub fn own(
    folder: OwnedFd,
    shown: &str,
    uid: u32,
    gid: u32,
    depth: Depth,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Owned> {
    let mut walk = Walk::new(uid, gid, progress);
    if depth == Depth::Folder {
        let mut counts = Counts::default();
        walk.folder_itself(&folder, &mut counts);
        walk.finished_folder(&mut counts);
        return walk.result(shown);
    }
    walk.started = settled_time();
    // A descriptor of its own: a copy would stand where the first walk ended.
    let again = rustix::fs::openat(&folder, c".", FOLDER, Mode::empty())
        .map_err(Error::system("open", shown))?;
    walk::walk(folder, &walk);
    let linked =
        std::mem::take(walk.linked.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner));
    let complete = linked.values().any(|links| links.found == links.expected);
    if complete {
        walk.known = linked;
        let seen = walk.seen.load(Ordering::Relaxed);
        walk.left_alone = AtomicU64::new(0);
        walk::walk(again, &walk);
        walk.seen = AtomicU64::new(seen);
    }
    walk.result(shown)
}

/// What one thread did in one folder.
#[derive(Default)]
struct Counts {
    seen: u64,
    changed: u64,
    left_alone: u64,
    /// Whether the last file had to be changed: then the next will have to be, too.
    expects_change: bool,
}

struct Links {
    found: u64,
    expected: u64,
}

struct Walk<'a> {
    uid: u32,
    gid: u32,
    progress: &'a (dyn Fn(u64) + Sync),
    seen: AtomicU64,
    changed: AtomicU64,
    left_alone: AtomicU64,
    failure: Mutex<Option<(u64, io::Error)>>,
    /// Files with several links, as they are found.
    linked: Mutex<HashMap<Identity, Links>>,
    /// The same from an earlier walk of the tree, which is then known to the end.
    known: HashMap<Identity, Links>,
    /// When the walk began, in seconds and nanoseconds of the clock that the file system uses.
    started: (i64, u32),
}

impl<'a> Walk<'a> {
    fn new(uid: u32, gid: u32, progress: &'a (dyn Fn(u64) + Sync)) -> Self {
        Self {
            uid,
            gid,
            progress,
            seen: AtomicU64::new(0),
            changed: AtomicU64::new(0),
            left_alone: AtomicU64::new(0),
            failure: Mutex::new(None),
            linked: Mutex::new(HashMap::new()),
            known: HashMap::new(),
            started: (0, 0),
        }
    }

    fn result(self, shown: &str) -> Result<Owned> {
        let owned = Owned {
            seen: self.seen.into_inner(),
            changed: self.changed.into_inner(),
            left_alone: self.left_alone.into_inner(),
        };
        let failure = self.failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match failure {
            None => Ok(owned),
            Some((count, error)) => Err(Error::refused(format!(
                "unable to change the ownership of {count} files or folders below {shown}: {error}"
            ))),
        }
    }

    fn folder_itself(&self, folder: &OwnedFd, counts: &mut Counts) {
        counts.seen += 1;
        let changed = statx(folder, c"", AtFlags::EMPTY_PATH, StatxFlags::UID | StatxFlags::GID)
            .map(|stat| stat.stx_uid != self.uid || stat.stx_gid != self.gid)
            .and_then(|wrong| {
                if wrong {
                    fchown(folder, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))?;
                }
                Ok(wrong)
            });
        match changed {
            Ok(true) => counts.changed += 1,
            Ok(false) => {}
            Err(error) => self.fail(error.into()),
        }
    }

    fn is_right(&self, stat: &rustix::fs::Statx) -> bool {
        stat.stx_uid == self.uid && stat.stx_gid == self.gid
    }

    /// Whether every link of a file is known to be in the tree. The first walk only counts.
    fn has_all_links(&self, stat: &rustix::fs::Statx) -> bool {
        let identity = (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
        let expected = u64::from(stat.stx_nlink);
        if let Some(links) = self.known.get(&identity) {
            // A name that was moved about during the walk may have been counted twice.
            let touched = (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec) > self.started;
            return links.found == expected && links.expected == expected && !touched;
        }
        let mut linked = lock(&self.linked);
        let links = linked.entry(identity).or_insert(Links { found: 0, expected });
        links.found += 1;
        false
    }

    fn fail(&self, error: io::Error) {
        let mut failure = lock(&self.failure);
        match &mut *failure {
            Some((count, _)) => *count += 1,
            None => *failure = Some((1, error)),
        }
    }
}

impl Visitor for Walk<'_> {
    type Own = Counts;

    fn folder(&self, folder: &OwnedFd, own: &mut Counts) {
        self.folder_itself(folder, own);
    }

    /// Changes one name of a folder; true where it is a folder itself, which is changed when it is entered.
    fn child(
        &self,
        folder: &OwnedFd,
        name: &CStr,
        kind: FileType,
        own: &mut Counts,
    ) -> io::Result<bool> {
        if kind == FileType::Directory {
            return Ok(true);
        }
        if !own.expects_change {
            let stat = statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, WANTED)?;
            if FileType::from_raw_mode(u32::from(stat.stx_mode)) == FileType::Directory {
                return Ok(true);
            }
            if self.is_right(&stat) {
                own.seen += 1;
                return Ok(false);
            }
        }
        // By descriptor: what is checked is what is changed.
        let file = match open_any(folder, name) {
            Err(_) if own.expects_change => {
                // What is mounted here may be right.
                own.expects_change = false;
                return self.child(folder, name, kind, own);
            }
            file => file?,
        };
        let stat = statx(&file, c"", AtFlags::EMPTY_PATH, WANTED)?;
        let kind = FileType::from_raw_mode(u32::from(stat.stx_mode));
        if kind == FileType::Directory {
            return Ok(true);
        }
        own.seen += 1;
        // It may be, too, where another thread was here by another name of the file.
        own.expects_change = !self.is_right(&stat);
        if !own.expects_change {
            return Ok(false);
        }
        let device = matches!(kind, FileType::BlockDevice | FileType::CharacterDevice);
        if device || (stat.stx_nlink > 1 && !self.has_all_links(&stat)) {
            own.left_alone += 1;
            return Ok(false);
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        chownat(file.as_fd(), c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
        own.changed += 1;
        Ok(false)
    }

    /// A name that is gone is no failure; one on another file system, or with something in its place that
    /// must not be followed, is left alone.
    fn failed(&self, error: io::Error) {
        use rustix::io::Errno;
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => {}
            Some(Errno::XDEV | Errno::LOOP | Errno::NOTDIR) => {
                self.left_alone.fetch_add(1, Ordering::Relaxed);
            }
            _ => self.fail(error),
        }
    }

    fn finished_folder(&self, own: &mut Counts) {
        let Counts { seen, changed, left_alone, expects_change } = std::mem::take(own);
        own.expects_change = expects_change;
        self.changed.fetch_add(changed, Ordering::Relaxed);
        self.left_alone.fetch_add(left_alone, Ordering::Relaxed);
        let before = self.seen.fetch_add(seen, Ordering::Relaxed);
        (self.progress)(before + seen);
    }
}

/// The time as a file system writes it. Its clock ticks coarsely, so this waits for the next ticks: what
/// changes afterwards bears a later time.
fn settled_time() -> (i64, u32) {
    let clock = ClockId::RealtimeCoarse;
    let now = clock_gettime(clock);
    let tick = u64::try_from(clock_getres(clock).tv_nsec).unwrap_or(0);
    std::thread::sleep(std::time::Duration::from_nanos(2 * tick));
    (now.tv_sec, u32::try_from(now.tv_nsec).unwrap_or(0))
}
