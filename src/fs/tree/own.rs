//! Changing who owns a tree, in parallel, touching only what is not right yet.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Gid, Statx, StatxFlags, Uid, chownat, fchown, statx};
use rustix::time::{ClockId, clock_getres, clock_gettime};

use crate::domain::error::{Error, Result};
use crate::fs::tree::found::{self, Found};
use crate::fs::tree::open_any;
use crate::fs::tree::walk::{self, Visitor, lock};

/// How far down ownership is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The directory itself.
    Folder,
    /// All that is in it, too.
    Tree,
}

/// What was done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owned {
    /// How many files and directories were looked at.
    pub seen: u64,
    /// How many were given to the new owner.
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

/// Gives a directory, or the whole tree, to a uid and a gid.
///
/// Left alone are device files, what is mounted in the tree, and files that have hard links which are not
/// in the tree: whoever can link a file into it must not come to own that file. The kernel takes set-uid and
/// set-gid bits from files whose owner changes. It can be interrupted and run again.
///
/// # Errors
/// The first thing that could not be changed; everything else was.
pub(crate) fn own(
    folder: &OwnedFd,
    shown: &str,
    uid: u32,
    gid: u32,
    depth: Depth,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Owned> {
    own_within(found::MOST, folder, shown, (uid, gid), depth, progress)
}

fn own_within(
    most: usize,
    folder: &OwnedFd,
    shown: &str,
    (uid, gid): (u32, u32),
    depth: Depth,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Owned> {
    let mut owned = Owned::default();
    let mut failures = Failures::default();
    if depth == Depth::Folder {
        let walk = Walk::new(uid, gid, None, progress);
        let mut own = Own::default();
        walk.folder(folder, &mut own);
        walk.finished_folder(&mut own);
        walk.add_to(&mut owned, &mut failures);
        // What was answered holds after a power cut too: data must not be open to others then.
        rustix::fs::fsync(folder).map_err(Error::system("write", shown))?;
        return failures.none_or(owned, shown);
    }
    let walked = found::in_parts(folder, most, |top, found, is_first| {
        let no_progress = |_| {};
        let links = Links {
            is_first,
            since: settled_time(),
            found: Mutex::new(found),
            unsure: AtomicU64::new(0),
        };
        let walk = Walk::new(uid, gid, Some(links), if is_first { progress } else { &no_progress });
        walk::walk(top, &walk);
        let is_full = walk.links.as_ref().is_some_and(|links| lock(&links.found).is_full());
        walk.add_to(&mut owned, &mut failures);
        Ok::<_, io::Error>(is_full)
    });
    walked.map_err(Error::system("open", shown))?;
    failures.none_or(owned, shown)
}

/// What could not be changed.
#[derive(Default)]
struct Failures {
    count: u64,
    first: Option<io::Error>,
}

impl Failures {
    fn none_or(self, owned: Owned, shown: &str) -> Result<Owned> {
        let Self { count, first } = self;
        first.map_or(Ok(owned), |error| {
            Err(Error::refused(format!(
                "unable to change the ownership of {count} files or directories below {shown}: {error}"
            )))
        })
    }
}

/// What one thread did in one directory.
#[derive(Default)]
struct Own {
    owned: Owned,
    /// Whether the last file had to be changed: then the next will have to be, too.
    expects_change: bool,
}

/// What is to be known to give a file with several names away: whether all of them are in the tree.
struct Links {
    /// Whether all is changed, not only files with several names.
    is_first: bool,
    /// When the walk began, in seconds and nanoseconds of the clock that the file system uses.
    since: (i64, u32),
    found: Mutex<Found>,
    /// The names of files whose names may not have been counted right.
    unsure: AtomicU64,
}

struct Walk<'a> {
    uid: u32,
    gid: u32,
    links: Option<Links>,
    progress: &'a (dyn Fn(u64) + Sync),
    /// Whether a directory may have been moved about since the walk began, and what is in it been counted twice.
    was_moved: AtomicBool,
    seen: AtomicU64,
    changed: AtomicU64,
    left_alone: AtomicU64,
    failures: Mutex<Failures>,
}

impl<'a> Walk<'a> {
    fn new(uid: u32, gid: u32, links: Option<Links>, progress: &'a (dyn Fn(u64) + Sync)) -> Self {
        Self {
            uid,
            gid,
            links,
            progress,
            was_moved: AtomicBool::new(false),
            seen: AtomicU64::new(0),
            changed: AtomicU64::new(0),
            left_alone: AtomicU64::new(0),
            failures: Mutex::new(Failures::default()),
        }
    }

    /// Adds what was done to what was done before.
    fn add_to(self, owned: &mut Owned, failures: &mut Failures) {
        let of_several = self.links.as_ref().map_or(0, Links::left_alone);
        owned.seen += self.seen.into_inner();
        owned.changed += self.changed.into_inner();
        owned.left_alone += self.left_alone.into_inner() + of_several;
        let failed = std::mem::take(&mut *lock(&self.failures));
        failures.count += failed.count;
        failures.first = failures.first.take().or(failed.first);
    }

    fn is_first(&self) -> bool {
        self.links.as_ref().is_none_or(|links| links.is_first)
    }

    fn folder_itself(&self, folder: &OwnedFd) -> io::Result<bool> {
        let stat = statx(folder, c"", AtFlags::EMPTY_PATH, WANTED)?;
        if self.links.as_ref().is_some_and(|links| links.was_changed(&stat)) {
            self.was_moved.store(true, Ordering::SeqCst);
        }
        if self.is_right(&stat) {
            return Ok(false);
        }
        fchown(folder, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))?;
        Ok(true)
    }

    fn is_right(&self, stat: &Statx) -> bool {
        stat.stx_uid == self.uid && stat.stx_gid == self.gid
    }

    /// Whether a file with several names can be given away: this is the last of them, and none can have been counted
    /// twice. Where this is not the last one, nothing is to be done yet.
    fn has_all_links(&self, stat: &Statx) -> Option<bool> {
        let links = self.links.as_ref()?;
        let found = lock(&links.found).one_more(stat)?;
        let is_sure = !links.was_changed(stat) && !self.was_moved.load(Ordering::SeqCst);
        (found == stat.stx_nlink).then_some(is_sure)
    }
}

impl Links {
    /// How many names were left alone; none where there were too many for this walk, since others count them.
    fn left_alone(&self) -> u64 {
        let found = lock(&self.found);
        if found.is_full() {
            return 0;
        }
        found.of_incomplete() + self.unsure.load(Ordering::Relaxed)
    }

    /// Whether this was changed since the walk began; what gets another name or another place is.
    fn was_changed(&self, stat: &Statx) -> bool {
        (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec) > self.since
    }
}

impl Visitor for Walk<'_> {
    type Own = Own;

    fn folder(&self, folder: &OwnedFd, own: &mut Own) {
        own.owned.seen += u64::from(self.is_first());
        match self.folder_itself(folder) {
            Ok(is_changed) => own.owned.changed += u64::from(is_changed),
            Err(error) => self.failed(error),
        }
    }

    /// Changes one name of a directory; true where it is a directory itself, which is changed when it is entered.
    fn child(
        &self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        own: &mut Own,
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
                own.owned.seen += u64::from(self.is_first());
                return Ok(false);
            }
            if !self.is_first() && stat.stx_nlink < 2 {
                return Ok(false);
            }
        }
        // By descriptor: what is checked is what is changed.
        let file = match open_any(&folder, name) {
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
        let is_first = self.is_first();
        own.owned.seen += u64::from(is_first);
        // It may be, too, where another thread was here by another name of the file.
        let is_right = self.is_right(&stat);
        own.expects_change = is_first && !is_right;
        if is_right {
            return Ok(false);
        }
        if matches!(kind, FileType::BlockDevice | FileType::CharacterDevice) {
            own.owned.left_alone += u64::from(is_first);
            return Ok(false);
        }
        if stat.stx_nlink > 1 {
            match self.has_all_links(&stat) {
                Some(true) => {}
                Some(false) => {
                    if let Some(links) = &self.links {
                        links.unsure.fetch_add(stat.stx_nlink.into(), Ordering::Relaxed);
                    }
                    return Ok(false);
                }
                None => return Ok(false),
            }
        } else if !is_first {
            return Ok(false);
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        chownat(file.as_fd(), c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
        own.owned.changed += 1;
        Ok(false)
    }

    /// A name that is gone is no failure; one on another file system, or with something in its place that
    /// must not be followed, is left alone.
    fn failed(&self, error: io::Error) {
        use rustix::io::Errno;
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => {}
            Some(Errno::XDEV | Errno::LOOP | Errno::NOTDIR) => {
                self.left_alone.fetch_add(u64::from(self.is_first()), Ordering::Relaxed);
            }
            _ => {
                let mut failures = lock(&self.failures);
                failures.count += 1;
                failures.first.get_or_insert(error);
            }
        }
    }

    fn finished_folder(&self, own: &mut Own) {
        let Owned { seen, changed, left_alone } = std::mem::take(&mut own.owned);
        self.changed.fetch_add(changed, Ordering::Relaxed);
        self.left_alone.fetch_add(left_alone, Ordering::Relaxed);
        let before = self.seen.fetch_add(seen, Ordering::Relaxed);
        (self.progress)(before + seen);
    }
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
        own(&top, "tree", UID, UID, Depth::Tree, progress).unwrap()
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
        for folder in ["a", "b", "c"] {
            fs::create_dir_all(tree.join(folder)).unwrap();
        }
        for (names, number) in [(2, 3), (20, 2)] {
            for number in 0..number {
                let first = tree.join(format!("a/{names}-{number}"));
                fs::write(&first, "").unwrap();
                for name in 1..names {
                    let folder = if name % 2 == 0 { "b" } else { "c" };
                    let name = tree.join(format!("{folder}/{names}-{number}-{name}"));
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
    fn more_files_than_are_remembered_are_given_in_several_walks() {
        if !crate::host::users::is_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        // The second names are visited when all of the first were.
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        for number in 0..1000 {
            let first = tree.join(format!("a/b/{number}"));
            fs::write(&first, "").unwrap();
            fs::hard_link(&first, tree.join(format!("a/b/c/{number}"))).unwrap();
            if number % 10 == 0 {
                fs::hard_link(&first, root.path().join(format!("{number}"))).unwrap();
            }
        }
        fs::write(tree.join("a/one"), "").unwrap();
        fs::hard_link(tree.join("a/one"), tree.join("a/two")).unwrap();
        let top = OwnedFd::from(File::open(&tree).unwrap());
        let give = |progress: &(dyn Fn(u64) + Sync)| {
            own_within(5, &top, "tree", (UID, UID), Depth::Tree, progress).unwrap()
        };
        // What the first walk cannot be sure of is for another to decide.
        let touched = Mutex::new(false);
        let owned = give(&|_| {
            if !std::mem::replace(&mut *lock(&touched), true) {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                fs::set_permissions(tree.join("a/one"), mode).unwrap();
            }
        });
        assert_eq!(owned, Owned { seen: 2006, changed: 4 + 900 + 1, left_alone: 200 });
        assert_eq!(give(&|_| {}), Owned { seen: 2006, changed: 0, left_alone: 200 });
        assert!((0..1000).all(|n| (uid(&tree.join(format!("a/b/c/{n}"))) == UID) == (n % 10 != 0)));
    }

    #[test]
    fn a_folder_that_is_moved_about_does_not_make_a_name_count_twice() {
        if !crate::host::users::is_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        let outside = |number: u32| root.path().join(format!("outside-{number}"));
        let folder = |number: u32| tree.join(format!("{number}"));
        let below = |number: u32| folder(number).join("1/2/3/4/5");
        for number in 0..40 {
            fs::create_dir_all(below(number)).unwrap();
            fs::write(outside(number), "").unwrap();
            fs::hard_link(outside(number), folder(number).join("in")).unwrap();
        }
        // The first directory that was visited goes to where it will be visited again.
        let moved = Mutex::new(false);
        let owned = given(&tree, &|_| {
            let mut moved = lock(&moved);
            let first = (0..40).find(|&number| !*moved && uid(&folder(number)) == UID);
            let next = first.and_then(|_| (0..40).find(|&number| uid(&below(number)) != UID));
            if let (Some(first), Some(next)) = (first, next) {
                *moved = first != next;
                let _ = fs::rename(folder(first), below(next).join("moved"));
            }
        });
        assert!(*lock(&moved) && owned.left_alone > 0, "{owned:?}");
        assert!((0..40).all(|number| uid(&outside(number)) == 0));
    }
}
