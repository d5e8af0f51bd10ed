//! The one walk for all that goes through a tree: ownership, usage, copies and removals are visitors of it.
//!
//! Some threads share the tree: a directory that one of them meets is left to another that waits, or visited at once. Each
//! thread keeps eight descriptors open for the directories on its way, and sixteen wait for all of them, so however deep or
//! wide a tree is, the walk stays far below any limit. Directories far up the way are closed, and opened again through their child
//! (`descent.rs`). Memory does not grow with the tree, but for what a visitor keeps of files with several names (`names.rs`).

use std::ffi::CStr;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::FileType;

use crate::fs::tree::descent::{Descent, Directory, Names, Reader};
use crate::fs::tree::open_directory;

/// The most threads that walk.
const THREADS: usize = 6;

/// How many descriptors may wait for a thread that has nothing to do.
const WAITING: usize = 16;

/// How many names one thread looks at before there are others: small trees are visited in the same order every time.
const ALONE: u64 = 256;

/// What is done on the way. Several threads call it at once, each with what is its own.
pub(super) trait Visitor: Sync {
    /// What a thread keeps to itself, so that threads do not wait for each other's counts.
    type Own: Default + Send;

    /// Whether there is only one thread, which learns when all in a directory was visited.
    const IS_ALONE: bool = false;

    /// Opens a directory that is to be visited; `None` where it is to be left out.
    fn open(
        &self,
        above: &Directory,
        name: &CStr,
        _own: &mut Self::Own,
    ) -> io::Result<Option<Directory>> {
        Ok(Some(open_directory(&above.opened, name)?.into()))
    }

    /// Looks at a directory that was opened, before what is in it.
    fn entered(&self, _directory: &Directory, _own: &mut Self::Own) -> io::Result<()> {
        Ok(())
    }

    /// Looks at a name in a directory; true where it is a directory to be visited.
    fn name(&self, met: Met<'_>, own: &mut Self::Own) -> io::Result<bool>;

    /// Learns that all names of a directory were looked at; directories in it may be visited later.
    fn was_read(&self, _directory: &Directory, _own: &mut Self::Own) -> io::Result<()> {
        Ok(())
    }

    /// Learns that all in the directory `name` was visited, where there is only one thread.
    fn left(&self, _above: &Directory, _name: &CStr) -> io::Result<()> {
        Ok(())
    }

    /// Learns what did not work with a name in a directory, or on the way back up. The walk goes on where it returns
    /// nothing, and ends with the error otherwise.
    fn failed(&self, _at: At<'_>, error: io::Error, _own: &mut Self::Own) -> io::Result<()> {
        Err(error)
    }
}

/// A name in a directory, and what it is the name of as far as the directory says.
#[derive(Clone, Copy)]
pub(super) struct Met<'a> {
    pub directory: &'a Directory,
    pub name: &'a CStr,
    pub kind: FileType,
}

/// Where something did not work; nowhere on the way back up.
pub(super) type At<'a> = Option<(&'a Directory, &'a CStr)>;

/// Walks a tree from its top; returns what each thread had of its own in the end.
pub(super) fn walk<V: Visitor>(top: Directory, visitor: &V) -> io::Result<Vec<V::Own>> {
    let walk = Walk {
        visitor,
        queue: Mutex::new(Queue { waiting: vec![top], busy: 0, is_shared: false }),
        queue_changed: Condvar::new(),
        looked_at: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
        ended: Mutex::new(Ok(Vec::new())),
    };
    let shared = &walk;
    std::thread::scope(|scope| {
        shared.work(&|| {
            let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
            for _ in 1..threads {
                scope.spawn(|| shared.work(&|| {}));
            }
        });
    });
    walk.ended.into_inner().unwrap_or_else(PoisonError::into_inner)
}

struct Walk<'a, V: Visitor> {
    visitor: &'a V,
    queue: Mutex<Queue>,
    queue_changed: Condvar,
    looked_at: AtomicU64,
    is_over: AtomicBool,
    ended: Mutex<io::Result<Vec<V::Own>>>,
}

struct Queue {
    waiting: Vec<Directory>,
    busy: usize,
    /// Whether the other threads were started.
    is_shared: bool,
}

impl<V: Visitor> Walk<'_, V> {
    /// What a thread does; `share` starts the others.
    fn work(&self, share: &dyn Fn()) {
        let mut thread =
            Thread { walk: self, share, own: V::Own::default(), reader: Reader::default() };
        while let Some(directory) = self.next() {
            if let Err(error) = thread.tree(directory) {
                thread.failed(None, error);
            }
            let mut queue = lock(&self.queue);
            queue.busy -= 1;
            if queue.busy == 0 {
                self.queue_changed.notify_all();
            }
        }
        if let Ok(ended) = &mut *lock(&self.ended) {
            ended.push(thread.own);
        }
    }

    /// Waits for a directory; `None` once there is none and nobody is left who could bring one.
    fn next(&self) -> Option<Directory> {
        let mut queue = lock(&self.queue);
        loop {
            if self.is_over() {
                return None;
            }
            if let Some(directory) = queue.waiting.pop() {
                queue.busy += 1;
                return Some(directory);
            }
            if queue.busy == 0 {
                return None;
            }
            queue = self.queue_changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

struct Thread<'a, V: Visitor> {
    walk: &'a Walk<'a, V>,
    share: &'a dyn Fn(),
    own: V::Own,
    reader: Reader,
}

impl<V: Visitor> Thread<'_, V> {
    /// Visits a directory and all that is below it, but what other threads take over.
    fn tree(&mut self, top: Directory) -> io::Result<()> {
        let mut way = Descent::default();
        self.enter(top, &mut way)?;
        while way.is_inside() && !self.walk.is_over() {
            if let Some(name) = way.pending() {
                let above = way.current()?;
                let opened = self.walk.visitor.open(above, &name, &mut self.own);
                let opened = opened.unwrap_or_else(|error| {
                    self.failed(Some((above, &name)), error);
                    None
                });
                let is_inside = match opened.and_then(|directory| self.offer(directory)) {
                    Some(directory) => self.enter(directory, &mut way)?,
                    None => false,
                };
                if !is_inside {
                    way.visited();
                }
            } else if way.is_more_to_read() {
                let names = self.read(way.current()?, way.depth())?;
                way.read_on(names);
            } else {
                way.pop()?;
                if let Some(name) = way.visited() {
                    self.walk.visitor.left(way.current()?, &name)?;
                }
            }
        }
        Ok(())
    }

    /// Goes into a directory and looks at what is in it; false where that cannot be.
    fn enter(&mut self, directory: Directory, way: &mut Descent) -> io::Result<bool> {
        let entered = self.walk.visitor.entered(&directory, &mut self.own);
        match entered.and_then(|()| self.read(&directory, way.depth())) {
            Ok(names) => way.push(directory, names).map(|()| true),
            Err(error) => {
                self.failed(Some((&directory, c".")), error);
                Ok(false)
            }
        }
    }

    /// Looks at the names in a directory; returns those of the directories in it.
    fn read(&mut self, directory: &Directory, depth: usize) -> io::Result<Names> {
        let mut reader = std::mem::take(&mut self.reader);
        let mut looked_at = 0;
        let names = reader.read(depth, &directory.opened, |name, kind| {
            looked_at += 1;
            if self.walk.is_over() {
                return Ok(false);
            }
            let looked = self.walk.visitor.name(Met { directory, name, kind }, &mut self.own);
            Ok(looked.unwrap_or_else(|error| {
                self.failed(Some((directory, name)), error);
                false
            }))
        });
        self.reader = reader;
        self.walk.looked_at.fetch_add(looked_at, Ordering::Relaxed);
        let names = names?;
        if !names.is_more_to_read() && !self.walk.is_over() {
            self.walk.visitor.was_read(directory, &mut self.own)?;
        }
        Ok(names)
    }

    fn failed(&mut self, at: At<'_>, error: io::Error) {
        if let Err(error) = self.walk.visitor.failed(at, error, &mut self.own) {
            self.walk.is_over.store(true, Ordering::Relaxed);
            let mut ended = lock(&self.walk.ended);
            if ended.is_ok() {
                *ended = Err(error);
            }
        }
    }

    /// Leaves a directory to another thread where one may be waiting; otherwise gives it back.
    fn offer(&self, directory: Directory) -> Option<Directory> {
        if V::IS_ALONE || self.walk.looked_at.load(Ordering::Relaxed) < ALONE {
            return Some(directory);
        }
        let mut queue = lock(&self.walk.queue);
        if queue.waiting.len() >= WAITING / directory.descriptors() {
            return Some(directory);
        }
        queue.waiting.push(directory);
        let is_shared = std::mem::replace(&mut queue.is_shared, true);
        drop(queue);
        self.walk.queue_changed.notify_one();
        if !is_shared {
            (self.share)();
        }
        None
    }
}

/// The content of a mutex, also of one that a thread left in a panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
