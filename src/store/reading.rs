//! An app's mounts and their entries, as they were at one moment.
//!
//! # How several files are read consistently
//!
//! Readers of one file take no lock, since every file is replaced as a whole. Several files can look wrong
//! together: an attachment is read, then a writer removes it and its entry, then the entry is missed, or another of
//! that name is found. So an app's mounts, and all lists, are read within `Store::read_consistently`: it looks at the lock
//! file before and after, and where that was empty and has the same time, nothing happened in between. Times of
//! files are as coarse as a tick of the kernel's clock; within 20 ms of a change, and where writers do not stop, it
//! reads under a shared lock. A reader waits two seconds for a writer at most: one that stands still must not keep
//! a deploy waiting, and what is there is then read as it is. `Store::read_consistently` must not be called within
//! `Store::change`: it would wait for itself. There, the files are read one by one, which the lock makes safe.
//!
//! Files are opened without waiting (a FIFO in a file's place must not hang anybody) and read up to 16 MiB.

use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::fs::OFlags;

use super::shares::LeftOut;
use super::{Entries, Line, Store};
use crate::domain::{AppName, Attachment, Entry, EntryName, Error, Result, mounted_source};

/// How often a reader of several files tries before it keeps writers out.
const TRIES: u32 = 20;

/// How long a reader waits for a writer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long it waits between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// How coarse the times of files are, at most: a tick of a kernel's clock is 1 to 10 ms.
const GRAIN: Duration = Duration::from_millis(20);

enum Kept {
    Out(#[expect(dead_code, reason = "the lock goes with it")] std::fs::File),
    Busy,
    Unknown,
}

/// Keeps writers out, without waiting for one.
fn keep_out(lock: &std::path::Path) -> Kept {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = std::fs::OpenOptions::new();
    let Ok(file) = options.read(true).custom_flags(flags.bits().cast_signed()).open(lock) else {
        return Kept::Unknown;
    };
    match file.try_lock_shared() {
        Ok(()) => Kept::Out(file),
        Err(std::fs::TryLockError::WouldBlock) => Kept::Busy,
        Err(std::fs::TryLockError::Error(_)) => Kept::Unknown,
    }
}

/// An attachment with its entry.
#[derive(Debug, Clone)]
pub struct Mounted {
    pub entry: Entry,
    pub attachment: Attachment,
    /// The app that has it and shares it; none where it is the app's own.
    pub shared_from: Option<AppName>,
}

impl Mounted {
    /// The source as Docker is to see it.
    pub fn source(&self) -> String {
        mounted_source(&self.entry, &self.attachment)
    }
}

#[derive(Debug, Default)]
pub struct Mounts {
    /// In the order of the file; what is shared from other apps comes behind.
    pub mounted: Vec<Mounted>,
    pub orphans: Vec<Attachment>,
    /// Mounts of apps that it shares from, which it does not get.
    pub left_out: Vec<LeftOut>,
    /// Lines and entries that cannot be read.
    pub problems: Vec<Error>,
}

impl Mounts {
    pub fn sorted(&self) -> Vec<&Mounted> {
        let mut sorted: Vec<&Mounted> = self.mounted.iter().collect();
        sorted.sort_by(|a, b| Attachment::order(&a.attachment, &b.attachment));
        sorted
    }

    /// Itself, where everything could be read; orphans are no hindrance.
    pub fn readable(mut self) -> Result<Self> {
        if self.problems.is_empty() { Ok(self) } else { Err(self.problems.remove(0)) }
    }
}

/// The entries of several mounts or apps, each file read once.
#[derive(Debug, Default)]
pub struct EntryCache(std::collections::HashMap<EntryName, Entry>);

impl EntryCache {
    /// Entries that were read already.
    pub fn of(entries: &Entries) -> Self {
        let known = entries.entries.iter().map(|entry| (entry.name.clone(), entry.clone()));
        Self(known.collect())
    }

    pub(super) fn find(&mut self, store: &Store, name: &EntryName) -> Result<Option<Entry>> {
        if let Some(entry) = self.0.get(name) {
            return Ok(Some(entry.clone()));
        }
        let entry = store.entry(name)?;
        if let Some(entry) = &entry {
            self.0.insert(name.clone(), entry.clone());
        }
        Ok(entry)
    }
}

impl Store {
    /// Reads several files as they are at one moment.
    ///
    /// A writer notes in the lock file what it does: where that was empty and did not change while `read` was at
    /// work, nothing else changed either. Right after a change the file's time is too coarse to tell; then, and where
    /// writers do not stop, it reads while it keeps them out.
    pub fn read_consistently<T>(&self, mut read: impl FnMut(&Self) -> Result<T>) -> Result<T> {
        let lock = self.layout().lock();
        let stamp = || {
            let lock = std::fs::symlink_metadata(&lock).ok()?;
            Some((lock.len(), lock.modified().ok()?))
        };
        for _ in 0..TRIES {
            let before = stamp();
            let held = before
                .filter(|(_, time)| !time.elapsed().is_ok_and(|age| age > GRAIN))
                .map(|_| keep_out(&lock));
            if before.is_none_or(|(length, _)| length == 0) && !matches!(held, Some(Kept::Busy)) {
                let result = read(self)?;
                if stamp() == before {
                    return Ok(result);
                }
            }
            drop(held);
            std::thread::sleep(PAUSE);
        }
        // A writer that stands still must not keep readers waiting for ever: then what is there is shown.
        let mut held = keep_out(&lock);
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if !matches!(held, Kept::Busy) {
                break;
            }
            std::thread::sleep(PAUSE);
            held = keep_out(&lock);
        }
        let result = read(self);
        drop(held);
        result
    }

    /// What an app mounts, with its entries as they are at the same moment. Not while a change is under way in
    /// this process: it would wait for itself.
    pub fn mounts(&self, app: &AppName) -> Result<Mounts> {
        self.read_consistently(|store| store.mounts_with(app, &mut EntryCache::default()))
    }

    /// As [`Store::mounts`], for one of several apps within a [`Store::read_consistently`].
    pub fn mounts_with(&self, app: &AppName, entries: &mut EntryCache) -> Result<Mounts> {
        let mut mounts = Mounts::default();
        let file = self.mounts_file(app)?;
        mounts.problems.extend(file.problem());
        for attachment in file.lines().iter().filter_map(Line::attachment) {
            let attachment = attachment.clone();
            match entries.find(self, &attachment.entry_name) {
                Ok(Some(entry)) => {
                    mounts.mounted.push(Mounted { entry, attachment, shared_from: None });
                }
                Ok(None) => mounts.orphans.push(attachment),
                Err(problem) => mounts.problems.push(problem),
            }
        }
        self.add_shared(app, &mut mounts, entries);
        Ok(mounts)
    }
}
