//! Walking a tree in parallel, by descriptors alone.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FileType, RawDir};

use super::descent::{Descent, Names};
use super::open_folder;

/// How many folders may wait, open, for a thread that has nothing to do.
const WAITING: usize = 16;

/// The most threads that walk: with what each keeps open, all of them stay far below any limit on descriptors.
const THREADS: usize = 4;

/// Room for the names that the kernel tells at once, in bytes.
const BUFFER: usize = 32 * 1024;

/// What is done on the way. Several threads call it at once.
pub trait Visitor: Sync {
    /// What a thread keeps to itself while it is in a folder, so that threads do not wait for each other's counts.
    type Own: Default;

    /// Looks at a folder that was entered, before what is in it.
    fn folder(&self, folder: &OwnedFd, own: &mut Self::Own);

    /// Looks at a name in a folder; true where it is a folder, which is then entered.
    ///
    /// # Errors
    /// Handed to [`Visitor::failed`]; the walk goes on.
    fn child(
        &self,
        folder: &OwnedFd,
        name: &CStr,
        kind: FileType,
        own: &mut Self::Own,
    ) -> io::Result<bool>;

    /// Learns that a name could not be looked at, or a folder not be entered.
    fn failed(&self, error: io::Error);

    /// Learns that the names of a folder were looked at, and takes what the thread counted in it.
    fn finished_folder(&self, own: &mut Self::Own);
}

/// Walks a tree from its top, following no link and crossing no mount point. Memory and open descriptors do not grow
/// with the tree.
pub fn walk(top: OwnedFd, visitor: &impl Visitor) {
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
        let mut buffer = Vec::with_capacity(BUFFER);
        while let Some(folder) = self.next() {
            if let Err(error) = self.tree(folder, &mut own, &mut buffer) {
                self.visitor.failed(error);
            }
            let mut queue = lock(&self.queue);
            queue.busy -= 1;
            if queue.busy == 0 {
                self.changed_queue.notify_all();
            }
        }
    }

    /// Waits for a folder; `None` once there is none and nobody is left who could bring one.
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

    fn tree(&self, top: OwnedFd, own: &mut V::Own, buffer: &mut Vec<u8>) -> io::Result<()> {
        let mut way = Descent::default();
        let pending = self.folder(&top, own, buffer)?;
        way.push(top, pending)?;
        while way.is_inside() {
            let Some(name) = way.next_pending() else {
                way.pop()?;
                continue;
            };
            match open_folder(&way.current()?, &name) {
                Ok(child) => {
                    if let Some(child) = self.offer(child) {
                        match self.folder(&child, own, buffer) {
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

    /// Leaves a folder to another thread where one may be waiting; otherwise gives it back.
    fn offer(&self, folder: OwnedFd) -> Option<OwnedFd> {
        let mut queue = lock(&self.queue);
        if queue.waiting.len() >= WAITING {
            return Some(folder);
        }
        queue.waiting.push(folder);
        self.changed_queue.notify_one();
        None
    }

    /// Looks at a folder and the names in it, and returns those of the folders in it.
    fn folder(
        &self,
        folder: &OwnedFd,
        own: &mut V::Own,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Names> {
        self.visitor.folder(folder, own);
        let folders = self.names(folder, own, buffer);
        self.visitor.finished_folder(own);
        folders
    }

    fn names(&self, folder: &OwnedFd, own: &mut V::Own, buffer: &mut Vec<u8>) -> io::Result<Names> {
        let mut folders = Names::default();
        let mut names = RawDir::new(folder, buffer.spare_capacity_mut());
        while let Some(entry) = names.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            match self.visitor.child(folder, name, entry.file_type(), own) {
                Ok(true) => folders.push(name),
                Ok(false) => {}
                Err(error) => self.visitor.failed(error),
            }
        }
        Ok(folders)
    }
}

/// The content of a mutex, also of one that a thread left in a panic.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
