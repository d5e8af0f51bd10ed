//! Walking a tree in parallel, by descriptors alone.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::FileType;

use crate::fs::tree::descent::{Descent, Names, Reader};
use crate::fs::tree::open_folder;

/// How many directories may wait, open, for a thread that has nothing to do.
const WAITING: usize = 16;

/// The most threads that walk: with what each keeps open, all of them stay far below any limit on descriptors.
const THREADS: usize = 4;

/// What is done on the way. Several threads call it at once.
pub(crate) trait Visitor: Sync {
    /// What a thread keeps to itself while it is in a directory, so that threads do not wait for each other's counts.
    type Own: Default;

    /// Looks at a directory that was entered, before what is in it.
    fn folder(&self, folder: &OwnedFd, own: &mut Self::Own);

    /// Looks at a name in a directory; true where it is a directory, which is then entered.
    ///
    /// # Errors
    /// Handed to [`Visitor::failed`]; the walk goes on.
    fn child(
        &self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        own: &mut Self::Own,
    ) -> io::Result<bool>;

    /// Learns that a name could not be looked at, or a directory not be entered.
    fn failed(&self, error: io::Error);

    /// Learns that the names of a directory, or many of them, were looked at, and takes what the thread counted in it.
    fn finished_folder(&self, own: &mut Self::Own);
}

/// Walks a tree from its top, following no link and crossing no mount point. Memory and open descriptors do not grow
/// with the tree.
pub(crate) fn walk(top: OwnedFd, visitor: &impl Visitor) {
    let walk = Walk {
        visitor,
        queue: Mutex::new(Queue { waiting: vec![top], busy: 0 }),
        changed_queue: Condvar::new(),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| walk.work());
        }
        walk.work();
    });
}

struct Walk<'a, V: Visitor> {
    visitor: &'a V,
    queue: Mutex<Queue>,
    changed_queue: Condvar,
}

struct Queue {
    waiting: Vec<OwnedFd>,
    busy: usize,
}

impl<V: Visitor> Walk<'_, V> {
    fn work(&self) {
        let mut own = V::Own::default();
        let mut reader = Reader::default();
        while let Some(folder) = self.next() {
            if let Err(error) = self.tree(folder, &mut own, &mut reader) {
                self.visitor.failed(error);
            }
            let mut queue = lock(&self.queue);
            queue.busy -= 1;
            if queue.busy == 0 {
                self.changed_queue.notify_all();
            }
        }
    }

    /// Waits for a directory; `None` once there is none and nobody is left who could bring one.
    fn next(&self) -> Option<OwnedFd> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(folder) = queue.waiting.pop() {
                queue.busy += 1;
                return Some(folder);
            }
            if queue.busy == 0 {
                return None;
            }
            queue = self.changed_queue.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn tree(&self, top: OwnedFd, own: &mut V::Own, reader: &mut Reader) -> io::Result<()> {
        let mut way = Descent::default();
        self.visitor.folder(&top, own);
        let pending = self.names(&way, &top, own, reader)?;
        way.push(top, pending)?;
        while way.is_inside() {
            let Some(name) = way.next_pending() else {
                if way.is_more_to_read() {
                    let pending = self.names(&way, &way.current()?, own, reader)?;
                    way.read_on(pending);
                } else {
                    way.pop()?;
                }
                continue;
            };
            match open_folder(&way.current()?, &name) {
                Ok(child) => {
                    if let Some(child) = self.offer(child) {
                        self.visitor.folder(&child, own);
                        match self.names(&way, &child, own, reader) {
                            Ok(pending) => way.push(child, pending)?,
                            Err(error) => self.visitor.failed(error),
                        }
                    }
                }
                Err(error) => self.visitor.failed(error),
            }
        }
        Ok(())
    }

    /// Leaves a directory to another thread where one may be waiting; otherwise gives it back.
    fn offer(&self, folder: OwnedFd) -> Option<OwnedFd> {
        let mut queue = lock(&self.queue);
        if queue.waiting.len() >= WAITING {
            return Some(folder);
        }
        queue.waiting.push(folder);
        self.changed_queue.notify_one();
        None
    }

    /// Looks at the names in a directory, and returns those of the directories in it.
    fn names(
        &self,
        way: &Descent,
        folder: &impl AsFd,
        own: &mut V::Own,
        reader: &mut Reader,
    ) -> io::Result<Names> {
        let folder = folder.as_fd();
        let folders = reader.read(way.depth(), &folder, |name, kind| {
            Ok(self.visitor.child(folder, name, kind, own).unwrap_or_else(|error| {
                self.visitor.failed(error);
                false
            }))
        });
        self.visitor.finished_folder(own);
        folders
    }
}

/// The content of a mutex, also of one that a thread left in a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
