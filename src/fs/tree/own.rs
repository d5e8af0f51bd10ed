//! Changing who owns a tree, in parallel, touching only what is not right yet.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, FileType, Gid, Statx, StatxFlags, Uid, chownat, fchown, fsync, statx, syncfs,
};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_getres, clock_gettime};

use crate::domain::{Error, Result};
use crate::fs::tree::descent::Directory;
use crate::fs::tree::names::Found;
use crate::fs::tree::open_any;
use crate::fs::tree::walk::{At, Met, Visitor, lock, walk};

/// How far down ownership is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The directory itself.
    Directory,
    /// All that is in it, too.
    Tree,
}

/// What was done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owned {
    /// How many files and directories were looked at.
    pub seen: u64,
    /// How many got the new owner.
    pub changed: u64,
    /// How many were left alone: device files, other file systems, and files that are linked from outside the tree.
    pub left_alone: u64,
}

const WANTED: StatxFlags = StatxFlags::BASIC_STATS;

impl Owned {
    /// What to say of what was left alone.
    pub(crate) fn warning(&self, shown: &str) -> Option<String> {
        (self.left_alone > 0).then(|| {
            let files = if self.left_alone == 1 { "file" } else { "files" };
            format!(
                "{} {files} below {shown} left alone: device files, other file systems, and files that have links outside of it, or may have got some meanwhile",
                self.left_alone
            )
        })
    }
}

/// Changes the owner of a directory, or of the whole tree, to a uid and a gid. Where something cannot be changed, all else is.
///
/// Left alone are device files, what is mounted in the tree, and files that have hard links which are not
/// in the tree: whoever can link a file into it must not come to own that file. The kernel takes set-uid and
/// set-gid bits from files whose owner changes. It can be interrupted and run again.
pub(crate) fn own(
    directory: OwnedFd,
    shown: &str,
    uid: u32,
    gid: u32,
    depth: Depth,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Owned> {
    let mut change = Change {
        uid,
        gid,
        since: (i64::MAX, 0),
        top: None,
        found: Mutex::default(),
        was_moved: AtomicBool::new(false),
        seen: AtomicU64::new(0),
        progress,
    };
    // What was answered holds after a power cut too: data must not be open to others then.
    let owns = match depth {
        Depth::Directory => {
            let (directory, mut own) = (Directory::from(directory), Own::default());
            let entered = change.entered(&directory, &mut own);
            entered.and_then(|()| Ok(fsync(&directory.opened)?)).map(|()| vec![own])
        }
        Depth::Tree => {
            change.since = settled_time();
            directory.try_clone().and_then(|top| {
                let stat = statx(&top, c"", AtFlags::EMPTY_PATH, WANTED)?;
                change.top = Some(identity(&stat));
                let mut owns = walk(directory.into(), &change)?;
                // Last: where it has the owner that is noted, all that is in it has.
                let mut own = Own::default();
                change.chown(&top, &stat, &mut own)?;
                owns.push(own);
                if owns.iter().any(|own| own.owned.changed > 0) {
                    syncfs(&top)?;
                }
                Ok(owns)
            })
        }
    };
    let mut owned = Owned::default();
    let mut failures = 0;
    let mut first = None;
    for own in owns.map_err(Error::system("write", shown))? {
        owned.seen += own.owned.seen;
        owned.changed += own.owned.changed;
        owned.left_alone += own.owned.left_alone;
        failures += own.failures;
        first = first.or(own.failure);
    }
    owned.left_alone += lock(&change.found).of_incomplete();
    first.map_or(Ok(owned), |error| {
        Err(refusal!("unable to change the ownership of {failures} files or directories below {shown}: {error}"))
    })
}

/// What one thread did.
#[derive(Default)]
struct Own {
    owned: Owned,
    /// How many files and directories it said that it saw.
    said: u64,
    /// Whether the last file had to be changed: then the next will have to be, too.
    expects_change: bool,
    /// How many files and directories it could not change, and why not the first.
    failures: u64,
    failure: Option<io::Error>,
}

struct Change<'a> {
    uid: u32,
    gid: u32,
    /// When the walk began, in seconds and nanoseconds of the clock that the file system uses.
    since: (i64, u32),
    /// The top of a tree, which is changed when all in it is.
    top: Option<(u32, u32, u64)>,
    /// The names of files with several that are not the new owner's.
    found: Mutex<Found>,
    /// Whether a directory may have been moved about since the walk began, and what is in it been counted twice.
    was_moved: AtomicBool,
    seen: AtomicU64,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl Change<'_> {
    fn is_right(&self, stat: &Statx) -> bool {
        stat.stx_uid == self.uid && stat.stx_gid == self.gid
    }

    /// Whether this was changed since the walk began; what gets another name or another place is.
    fn was_changed(&self, stat: &Statx) -> bool {
        (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec) > self.since
    }

    /// Changes a directory, unless that is right, or is the top.
    fn directory(&self, directory: &OwnedFd, own: &mut Own) -> io::Result<()> {
        let stat = statx(directory, c"", AtFlags::EMPTY_PATH, WANTED)?;
        if self.was_changed(&stat) {
            self.was_moved.store(true, Ordering::SeqCst);
        }
        if self.top == Some(identity(&stat)) { Ok(()) } else { self.chown(directory, &stat, own) }
    }

    fn chown(&self, directory: &OwnedFd, stat: &Statx, own: &mut Own) -> io::Result<()> {
        if !self.is_right(stat) {
            fchown(directory, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))?;
            own.owned.changed += 1;
        }
        Ok(())
    }

    /// Whether the owner of a file can be changed: this is its last name, and none can have been counted twice.
    fn is_whole(&self, stat: &Statx, own: &mut Own) -> bool {
        if stat.stx_nlink < 2 {
            return true;
        }
        if lock(&self.found).one_more(stat) < stat.stx_nlink {
            return false;
        }
        let is_sure = !self.was_changed(stat) && !self.was_moved.load(Ordering::SeqCst);
        own.owned.left_alone += if is_sure { 0 } else { u64::from(stat.stx_nlink) };
        is_sure
    }
}

impl Visitor for Change<'_> {
    type Own = Own;

    fn entered(&self, directory: &Directory, own: &mut Own) -> io::Result<()> {
        own.owned.seen += 1;
        // What is in it may be to be changed all the same.
        self.directory(&directory.opened, own).or_else(|error| self.failed(None, error, own))
    }

    /// Changes what has a name in a directory; a directory itself is changed when it is entered.
    fn name(&self, met: Met<'_>, own: &mut Own) -> io::Result<bool> {
        let opened = &met.directory.opened;
        if met.kind == FileType::Directory {
            return Ok(true);
        }
        if !own.expects_change {
            let stat = statx(opened, met.name, AtFlags::SYMLINK_NOFOLLOW, WANTED)?;
            if kind_of(&stat) == FileType::Directory {
                return Ok(true);
            }
            if self.is_right(&stat) {
                own.owned.seen += 1;
                return Ok(false);
            }
        }
        // By descriptor: what is checked is what is changed.
        let file = match open_any(opened, met.name) {
            Err(_) if own.expects_change => {
                // What is mounted here may be right.
                own.expects_change = false;
                return self.name(met, own);
            }
            file => file?,
        };
        let stat = statx(&file, c"", AtFlags::EMPTY_PATH, WANTED)?;
        let kind = kind_of(&stat);
        if kind == FileType::Directory {
            return Ok(true);
        }
        own.owned.seen += 1;
        // It may be right, too, where another thread was here by another name of the file.
        own.expects_change = !self.is_right(&stat);
        if !own.expects_change {
            return Ok(false);
        }
        if matches!(kind, FileType::BlockDevice | FileType::CharacterDevice) {
            own.owned.left_alone += 1;
        } else if self.is_whole(&stat, own) {
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            chownat(file.as_fd(), c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
            own.owned.changed += 1;
        }
        Ok(false)
    }

    fn was_read(&self, _: &Directory, own: &mut Own) -> io::Result<()> {
        let new = own.owned.seen - std::mem::replace(&mut own.said, own.owned.seen);
        (self.progress)(self.seen.fetch_add(new, Ordering::Relaxed) + new);
        Ok(())
    }

    /// A name that is gone is no failure; one on another file system, or with something in its place that
    /// must not be followed, is left alone.
    fn failed(&self, _: At<'_>, error: io::Error, own: &mut Own) -> io::Result<()> {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => {}
            Some(Errno::XDEV | Errno::LOOP | Errno::NOTDIR) => own.owned.left_alone += 1,
            _ => {
                own.failures += 1;
                own.failure.get_or_insert(error);
            }
        }
        Ok(())
    }
}

/// What tells a directory from any other.
fn identity(stat: &Statx) -> (u32, u32, u64) {
    (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino)
}

fn kind_of(stat: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(stat.stx_mode))
}

/// A time between what was changed before and what will be. A file system's clock ticks coarsely, so this waits for its
/// next ticks.
fn settled_time() -> (i64, u32) {
    let now = clock_gettime(ClockId::Realtime);
    let tick = u64::try_from(clock_getres(ClockId::RealtimeCoarse).tv_nsec).unwrap_or(0);
    std::thread::sleep(std::time::Duration::from_nanos(2 * tick));
    (now.tv_sec, u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::*;

    const UID: u32 = 4000;

    fn given(tree: &Path, progress: &(dyn Fn(u64) + Sync)) -> Owned {
        let top = OwnedFd::from(File::open(tree).unwrap());
        own(top, "tree", UID, UID, Depth::Tree, progress).unwrap()
    }

    fn uid(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().uid()
    }

    #[test]
    fn a_file_is_given_with_its_last_name_if_all_are_in_the_tree() {
        if !crate::host::users::is_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        for directory in ["a", "b", "c"] {
            fs::create_dir_all(tree.join(directory)).unwrap();
        }
        for (names, number) in [(2, 3), (20, 2)] {
            for number in 0..number {
                let first = tree.join(format!("a/{names}-{number}"));
                fs::write(&first, "").unwrap();
                for name in 1..names {
                    let directory = if name % 2 == 0 { "b" } else { "c" };
                    let name = tree.join(format!("{directory}/{names}-{number}-{name}"));
                    fs::hard_link(&first, name).unwrap();
                }
            }
        }
        for name in ["a/out", "b/out"] {
            fs::write(root.path().join("outside"), "").unwrap();
            fs::hard_link(root.path().join("outside"), tree.join(name)).unwrap();
            fs::remove_file(root.path().join("outside")).unwrap();
        }
        let outside = root.path().join("outside");
        fs::hard_link(tree.join("a/out"), &outside).unwrap();
        fs::hard_link(tree.join("a/out"), tree.join("c/out")).unwrap();
        let names = 4 + 3 * 2 + 2 * 20 + 3;
        let first = given(&tree, &|_| {});
        assert_eq!(first, Owned { seen: names, changed: 4 + 3 + 2 + 1, left_alone: 2 });
        assert_eq!((uid(&outside), uid(&tree.join("b/out"))), (0, UID));
        assert_eq!((uid(&tree.join("c/2-0-1")), uid(&tree.join("b/20-1-18"))), (UID, UID));
        let again = given(&tree, &|_| {});
        assert_eq!(again, Owned { seen: names, changed: 0, left_alone: 2 });
        fs::remove_file(&outside).unwrap();
        assert_eq!(given(&tree, &|_| {}), Owned { seen: names, changed: 1, left_alone: 0 });
    }

    #[test]
    fn a_directory_that_is_moved_about_does_not_make_a_name_count_twice() {
        if !crate::host::users::is_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        let outside = |number: u32| root.path().join(format!("outside-{number}"));
        let directory = |number: u32| tree.join(format!("{number}"));
        let below = |number: u32| directory(number).join("1/2/3/4/5");
        for number in 0..40 {
            fs::create_dir_all(below(number)).unwrap();
            fs::write(outside(number), "").unwrap();
            fs::hard_link(outside(number), directory(number).join("in")).unwrap();
        }
        // The first directory that was visited goes to where it will be visited again.
        let moved = Mutex::new(false);
        let owned = given(&tree, &|_| {
            let mut moved = lock(&moved);
            let first = (0..40).find(|&number| !*moved && uid(&directory(number)) == UID);
            let next = first.and_then(|_| (0..40).find(|&number| uid(&below(number)) != UID));
            if let (Some(first), Some(next)) = (first, next) {
                *moved = first != next;
                let _ = fs::rename(directory(first), below(next).join("moved"));
            }
        });
        assert!(*lock(&moved) && owned.left_alone > 0, "{owned:?}");
        assert!((0..40).all(|number| uid(&outside(number)) == 0));
    }

    #[test]
    fn the_top_of_a_tree_is_given_last() {
        if !crate::host::users::is_root() {
            return;
        }
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("inner")).unwrap();
        fs::write(tree.path().join("inner/file"), "").unwrap();
        let calls = AtomicU64::new(0);
        let owned = given(tree.path(), &|_| {
            calls.fetch_add(1, Ordering::Relaxed);
            assert_ne!(uid(tree.path()), UID);
        });
        assert_eq!((owned.seen, owned.changed), (3, 3));
        assert_eq!((uid(tree.path()), calls.into_inner()), (UID, 2));
        // Again, nothing is to be done.
        assert_eq!(given(tree.path(), &|_| {}).changed, 0);
    }
}
