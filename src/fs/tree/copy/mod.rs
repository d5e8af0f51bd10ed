//! Copying a tree as it is, in parallel: owners, modes, times, extended attributes and ACLs, hard links, holes, links,
//! pipes, sockets and whiteouts.
//!
//! Device files are left out, since root must make none for an app, and what is mounted in the tree is not entered.

mod file;
mod links;
mod worker;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

use rustix::fs::fstat;
use serde::{Deserialize, Serialize};

use crate::domain::snapshot::Made;
use crate::fs::tree::copy::file::Buffers;
pub(crate) use crate::fs::tree::copy::file::{copy_file, times};
use crate::fs::tree::copy::links::Links;
use crate::fs::tree::copy::worker::Worker;
use crate::fs::tree::descent::Reader;
use crate::fs::tree::walk::lock;

/// How many directories may wait, open, for a thread that has nothing to do; each with its copy.
const WAITING: usize = 4;

/// The most threads that copy.
const THREADS: usize = 6;

/// How many files one thread copies before the others get something to do.
const ALONE: u64 = 256;

/// How many directories on its way down a thread keeps open; as many again for their copies.
const KEPT_OPEN: usize = 4;

/// After how many files it is said how many there were.
const SAID_EVERY: u64 = 64;

/// What was copied.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copied {
    /// Files, directories and links; none where the file system made a snapshot.
    pub files: u64,
    /// How many bytes the files have, without their holes.
    pub bytes: u64,
    /// Device files, and what is mounted in the tree.
    pub left_out: u64,
    /// Extended attributes that could not be kept.
    pub lost: u64,
    /// How.
    pub made: Made,
}

/// To whom copies belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owners {
    /// To whom the originals belong.
    Kept,
    /// To the caller, which takes set-uid and set-gid bits away.
    Callers,
}

/// Copies all that is in `from`, and what `from` itself is, into the empty directory `to`, which nobody else can enter: it
/// takes its owner and its mode last.
pub(crate) fn copy(
    from: OwnedFd,
    to: OwnedFd,
    owners: Owners,
    progress: &(dyn Fn(u64) + Sync),
) -> io::Result<Copied> {
    file::forget_acls(&to)?;
    let (top, target) = (from.try_clone()?, to.try_clone()?);
    let walk = Walk {
        owners,
        progress,
        links: Links::below(to),
        count: Count::default(),
        failure: Mutex::new(None),
        is_over: AtomicBool::new(false),
        queue: Mutex::new(Queue::default()),
        changed_queue: Condvar::new(),
    };
    let first = Pair { from, to: target, path: Vec::new() };
    walk.run(first);
    let (links, copied, failure) = walk.result();
    if let Some((path, error)) = failure {
        let path = String::from_utf8_lossy(&path).into_owned();
        return Err(io::Error::new(error.kind(), format!("{path}: {error}")));
    }
    let stat = fstat(&top)?;
    let top_of_copy = links.end()?;
    let lost = Buffers::new(owners).finish(&top, &top_of_copy, &stat)?;
    Ok(Copied { lost: copied.lost + lost, ..copied })
}

/// A directory, the directory that becomes its copy, and its path from the top.
struct Pair {
    from: OwnedFd,
    to: OwnedFd,
    path: Vec<u8>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Pair>,
    busy: usize,
}

#[derive(Default)]
struct Count {
    files: AtomicU64,
    bytes: AtomicU64,
    left_out: AtomicU64,
    lost: AtomicU64,
    with_shared_blocks: AtomicU64,
    with_own_blocks: AtomicU64,
    cannot_share: AtomicBool,
}

struct Walk<'a> {
    owners: Owners,
    progress: &'a (dyn Fn(u64) + Sync),
    links: Links,
    count: Count,
    failure: Mutex<Option<(Vec<u8>, io::Error)>>,
    is_over: AtomicBool,
    queue: Mutex<Queue>,
    changed_queue: Condvar,
}

impl Walk<'_> {
    fn result(self) -> (Links, Copied, Option<(Vec<u8>, io::Error)>) {
        let count = self.count;
        let shares = count.with_shared_blocks.into_inner() > 0;
        let is_shared = shares && count.with_own_blocks.into_inner() == 0;
        let copied = Copied {
            files: count.files.into_inner(),
            bytes: count.bytes.into_inner(),
            left_out: count.left_out.into_inner(),
            lost: count.lost.into_inner(),
            made: if is_shared { Made::Reflink } else { Made::Copy },
        };
        let failure = self.failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        (self.links, copied, failure)
    }

    fn run(&self, first: Pair) {
        // This thread begins: a small tree is copied by it alone, in the same order every time.
        lock(&self.queue).busy = 1;
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| self.work(None));
            }
            self.work(Some(first));
        });
    }

    fn work(&self, first: Option<Pair>) {
        let (mut buffers, mut reader) = (Buffers::new(self.owners), Reader::default());
        let mut next = first.or_else(|| self.next());
        while let Some(pair) = next {
            let mut worker = Worker { walk: self, path: pair.path, buffers, reader };
            if let Err(error) = worker.tree(pair.from, pair.to) {
                self.fail(worker.path, error);
            }
            (buffers, reader) = (worker.buffers, worker.reader);
            let mut queue = lock(&self.queue);
            queue.busy -= 1;
            if queue.busy == 0 {
                self.changed_queue.notify_all();
            }
            drop(queue);
            next = self.next();
        }
    }

    /// Waits for a directory; `None` once there is none and nobody is left who could bring one.
    fn next(&self) -> Option<Pair> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(pair) = queue.waiting.pop() {
                queue.busy += 1;
                return Some(pair);
            }
            if queue.busy == 0 {
                return None;
            }
            queue =
                self.changed_queue.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Leaves a directory to another thread where one may be waiting; otherwise gives it back.
    fn offer(&self, from: OwnedFd, to: OwnedFd, path: &[u8]) -> Option<(OwnedFd, OwnedFd)> {
        let is_worth_it = self.count.files.load(Ordering::Relaxed) >= ALONE;
        let mut queue = lock(&self.queue);
        if !is_worth_it || queue.waiting.len() >= WAITING {
            return Some((from, to));
        }
        queue.waiting.push(Pair { from, to, path: path.to_vec() });
        self.changed_queue.notify_one();
        None
    }

    fn fail(&self, path: Vec<u8>, error: io::Error) {
        self.is_over.store(true, Ordering::Relaxed);
        lock(&self.failure).get_or_insert((path, error));
    }

    fn add(&self, lost: u64) {
        self.count.lost.fetch_add(lost, Ordering::Relaxed);
        let before = self.count.files.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(SAID_EVERY) {
            (self.progress)(before + 1);
        }
    }

    fn leave_out(&self) {
        self.count.left_out.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use rustix::fs::Mode;

    use crate::fs::tree::FOLDER;

    fn copied(from: &Path, to: &Path) -> Copied {
        let open = |path: &Path| rustix::fs::open(path, FOLDER, Mode::empty()).unwrap();
        copy(open(from), open(to), Owners::Kept, &|_| {}).unwrap()
    }

    fn counted(tree: &Path) -> u64 {
        super::super::usage(&File::open(tree).unwrap().into()).unwrap().files
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

        let done = copied(&from, &to);
        assert_eq!((done.files, done.left_out, done.lost), (7, 0, 0));

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
            fs::create_dir_all(&path).unwrap();
            for beside in 0..50 {
                let beside = path.join(format!("{beside}"));
                if path.as_os_str().len() % 3 == 0 {
                    fs::create_dir(beside)
                } else {
                    fs::write(beside, "x")
                }
                .unwrap();
            }
        }
        fs::create_dir(&to).unwrap();
        let expected = 1 + 200 * 51;
        assert_eq!(copied(&from, &to).files, expected);
        assert_eq!(counted(&to), expected);
        super::super::remove(root.path(), "to").unwrap();
        assert!(!to.exists());
    }

    #[test]
    fn a_folder_of_many_folders_is_read_part_by_part() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        // Deep enough that the directory is closed and opened again while its directories are visited.
        let deep = from.join("1/2/3");
        let mut expected = 4;
        for number in 0..3000 {
            let folder =
                deep.join(format!("a directory with a long name, which is number {number}"));
            let is_deep = number % 300 == 0;
            let below = if is_deep { "1/2/3/4/5/6/7/8/9/10/11/12/13" } else { "" };
            fs::create_dir_all(folder.join(below)).unwrap();
            expected += if is_deep { 14 } else { 1 };
        }
        fs::create_dir(&to).unwrap();
        let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        File::open(&deep).unwrap().set_times(old).unwrap();
        assert_eq!(copied(&from, &to).files, expected);
        assert_eq!(fs::metadata(to.join("1/2/3")).unwrap().mtime(), 0);
        assert_eq!((counted(&from), counted(&to)), (expected, expected));
        let (uid, gid) = (users::get_effective_uid(), users::get_effective_gid());
        let depth = super::super::Depth::Tree;
        let owned =
            super::super::own(&File::open(&to).unwrap().into(), "to", uid, gid, depth, &|_| {})
                .unwrap();
        assert_eq!(owned.seen, expected);
        super::super::remove(root.path(), "to").unwrap();
        assert!(!to.exists());
    }

    #[test]
    fn many_files_are_copied_by_several_threads_with_their_links_and_times() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        for folder in 0..60 {
            let folder = from.join(format!("{}/{folder}", folder % 7));
            fs::create_dir_all(&folder).unwrap();
            for file in 0..20 {
                fs::write(folder.join(format!("{file}")), format!("{file}")).unwrap();
            }
            fs::hard_link(folder.join("3"), from.join(folder.file_name().unwrap())).ok();
            File::open(&folder).unwrap().set_times(old).unwrap();
        }
        fs::create_dir(&to).unwrap();
        let done = copied(&from, &to);
        let links = 60 - 7;
        assert_eq!((counted(&from), counted(&to)), (done.files - links, done.files - links));
        for folder in 0..60 {
            let place = to.join(format!("{}/{folder}", folder % 7));
            assert_eq!(fs::metadata(&place).unwrap().mtime(), 0, "{}", place.display());
            let linked = fs::metadata(to.join(format!("{folder}"))).unwrap();
            if linked.is_file() {
                assert_eq!(linked.ino(), fs::metadata(place.join("3")).unwrap().ino());
            }
        }
    }

    #[test]
    fn capabilities_attributes_and_acls_are_kept_and_none_are_inherited() {
        if !crate::host::users::is_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("able"), "x").unwrap();
        fs::write(from.join("plain"), "x").unwrap();
        std::os::unix::fs::chown(from.join("able"), Some(1000), Some(1000)).unwrap();
        // cap_net_raw, in the second version of the attribute.
        let able = [0, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        // One entry for a user of its own beside those of the mode.
        let mut acl = 2_u32.to_le_bytes().to_vec();
        for (tag, bits, id) in [
            (1_u16, 6_u16, u32::MAX),
            (2, 6, 4321),
            (4, 4, u32::MAX),
            (16, 6, u32::MAX),
            (32, 4, u32::MAX),
        ] {
            acl.extend(tag.to_le_bytes());
            acl.extend(bits.to_le_bytes());
            acl.extend(id.to_le_bytes());
        }
        let set = |path: &Path, name: &str, value: &[u8]| {
            rustix::fs::setxattr(path, name, value, rustix::fs::XattrFlags::empty())
        };
        set(&from.join("able"), "security.capability", &able).unwrap();
        let knows_acls = set(&from.join("able"), "system.posix_acl_access", &acl).is_ok();
        let _ = set(&to, "system.posix_acl_default", &acl);
        assert_eq!(copied(&from, &to).lost, 0);
        let get = |name: &str, key: &str| {
            let mut value = [0; 256];
            rustix::fs::getxattr(to.join(name), key, &mut value[..])
                .map(|length| value[..length].to_vec())
        };
        assert_eq!(get("able", "security.capability").unwrap(), able);
        assert_eq!(fs::metadata(to.join("able")).unwrap().uid(), 1000);
        if knows_acls {
            assert_eq!(get("able", "system.posix_acl_access").unwrap(), acl);
            assert!(get("plain", "system.posix_acl_access").is_err(), "an ACL was inherited");
            assert!(get(".", "system.posix_acl_default").is_err(), "an ACL was inherited");
        }
    }
}
