//! A change to the store: everything is checked under the lock, then all of it is done or none.

use std::fs;
use std::path::{Path, PathBuf};

use super::files;
use super::journal::{self, Journal, Step};
use super::{MountsFile, Rights, Store};
use crate::domain::entry::Entry;
use crate::domain::names::{AppName, EntryName};
use crate::error::{Error, Result};

/// What a change is going to do; nothing of it is done before [`Store::change`] carries it out.
#[derive(Debug)]
pub struct Change<'a> {
    store: &'a Store,
    writes: Vec<Write>,
    folders: Vec<PathBuf>,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Write {
    target: PathBuf,
    content: Vec<u8>,
    foreign: bool,
}

impl Store {
    /// Takes the lock, lets `plan` look at the store as it is now and say what is to be done, and does it.
    ///
    /// # Errors
    /// What `plan` refuses, with nothing changed; or what the system refuses, with everything put back.
    pub fn change<T>(&self, plan: impl FnOnce(&mut Change<'_>) -> Result<T>) -> Result<T> {
        let _rights = Rights::of(self.owner(), self.layout())?;
        let registry = self.layout().registry();
        let made = files::missing_folders(&registry);
        for folder in &made {
            files::make_folder(folder, self.owner())?;
        }
        let mut journal = Journal::lock(&self.layout().lock(), &self.roots(), self.owner())?;
        let mut change =
            Change { store: self, writes: Vec::new(), folders: Vec::new(), steps: Vec::new() };
        let result = plan(&mut change)?;
        change.carry_out(&mut journal)?;
        Ok(result)
    }

    /// Finishes or clears away what a killed command left, before the store is read.
    ///
    /// # Errors
    /// Where that is not possible.
    pub fn settle(&self) -> Result<()> {
        let lock = self.layout().lock();
        if !journal::is_noted(&lock) {
            return Ok(());
        }
        let _rights = Rights::of(self.owner(), self.layout())?;
        Journal::settle_if_abandoned(&lock, &self.roots(), self.owner())
    }

    /// Where the store writes files.
    fn roots(&self) -> Vec<PathBuf> {
        let mut roots = vec![self.layout().root().to_path_buf()];
        roots.extend(self.apps_root().map(Path::to_path_buf));
        roots
    }
}

impl Change<'_> {
    /// The store, as it is while the lock is held.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.store
    }

    /// Writes an entry's file.
    ///
    /// # Errors
    /// Where the entry cannot be written as JSON.
    pub fn write_entry(&mut self, entry: &Entry) -> Result<()> {
        let path = self.store.layout().entry(&entry.name);
        let content = serde_json::to_vec_pretty(entry).map_err(Error::system("write", &path))?;
        self.write(path, content);
        Ok(())
    }

    /// Removes an entry's file.
    pub fn remove_entry(&mut self, name: &EntryName) {
        self.steps.push(Step::Remove { target: self.store.layout().entry(name) });
    }

    /// Writes an app's attachments.
    pub fn write_mounts(&mut self, app: &AppName, mounts: &MountsFile) {
        self.write(self.store.layout().mounts(app), mounts.to_bytes());
    }

    /// Writes a file of the store's own.
    pub fn write(&mut self, target: PathBuf, content: Vec<u8>) {
        self.push_write(target, content, false);
    }

    /// Writes a file that belongs to another plugin; it keeps its mode and owner.
    pub fn write_foreign(&mut self, target: PathBuf, content: Vec<u8>) {
        self.push_write(target, content, true);
    }

    fn push_write(&mut self, target: PathBuf, content: Vec<u8>, foreign: bool) {
        self.steps
            .push(Step::Install { temporary: files::temporary(&target), target: target.clone() });
        if let Some(folder) = target.parent() {
            self.make_folder(folder);
        }
        self.writes.push(Write { target, content, foreign });
    }

    /// Removes a file; one that is not there is no error.
    pub fn remove(&mut self, target: PathBuf) {
        self.steps.push(Step::Remove { target });
    }

    /// Removes an app's folder and all that the store keeps in it.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn remove_app(&mut self, app: &AppName) -> Result<()> {
        let folder = self.store.layout().app(app);
        match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_dir() => self.remove_folder(&folder)?,
            Ok(_) => self.remove(folder),
            Err(_) => {}
        }
        self.remove(self.store.layout().migrated_before(app));
        Ok(())
    }

    fn remove_folder(&mut self, folder: &Path) -> Result<()> {
        for child in fs::read_dir(folder).map_err(Error::system("read", folder))? {
            let child = child.map_err(Error::system("read", folder))?;
            let is_folder = child.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                self.remove_folder(&child.path())?;
            } else {
                self.remove(child.path());
            }
        }
        self.steps.push(Step::RemoveFolder { target: folder.to_path_buf() });
        Ok(())
    }

    /// Makes a folder and those on the way to it.
    pub fn make_folder(&mut self, path: &Path) {
        for folder in files::missing_folders(path) {
            if !self.folders.contains(&folder) {
                self.folders.push(folder);
            }
        }
    }

    /// Moves a folder within the storage root.
    pub fn move_folder(&mut self, from: PathBuf, to: PathBuf) {
        self.steps.push(Step::Move { from, to });
    }

    fn carry_out(&self, journal: &mut Journal) -> Result<()> {
        if self.steps.is_empty() && self.folders.is_empty() {
            return Ok(());
        }
        let temporaries: Vec<PathBuf> =
            self.writes.iter().map(|w| files::temporary(&w.target)).collect();
        let prepared = journal
            .preparing(temporaries.clone(), self.folders.clone())
            .and_then(|()| self.prepare())
            // A single step is all or nothing by itself.
            .and_then(|()| if self.steps.len() > 1 { journal.steps(&self.steps) } else { Ok(()) });
        let mut done = Vec::new();
        let applied = prepared.and_then(|()| self.apply(&mut done)).and_then(|()| self.flush());
        let Err(error) = applied else {
            // A note that stays is of steps that were all done; doing them again changes nothing.
            let _ = journal.clear();
            return Ok(());
        };
        let restored: Vec<PathBuf> =
            self.writes.iter().map(|w| files::restored(&w.target)).collect();
        let left = temporaries.iter().chain(&restored).cloned().collect::<Vec<_>>();
        // From here on nobody is to finish the steps. Where not even that can be noted, they stay noted, and
        // the next command finishes them.
        let voided =
            done.is_empty() || journal.preparing(left.clone(), self.folders.clone()).is_ok();
        if voided && done.iter().rev().try_for_each(|undo| self.put_back(undo)).is_ok() {
            journal::undo(&left, &self.folders);
            let _ = journal.clear();
        }
        Err(error)
    }

    fn prepare(&self) -> Result<()> {
        let owner = self.store.owner();
        for folder in &self.folders {
            files::make_folder(folder, owner)?;
        }
        for write in &self.writes {
            let temporary = files::temporary(&write.target);
            files::prepare(&temporary, &write.target, &write.content, owner, write.foreign)?;
        }
        Ok(())
    }

    fn apply(&self, done: &mut Vec<Undo>) -> Result<()> {
        for step in &self.steps {
            let undo = Undo::before(step)?;
            step.apply()?;
            done.push(undo);
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        let mut flushed: Vec<&Path> = Vec::new();
        let made = self.folders.iter().filter_map(|folder| folder.parent());
        for folder in self.steps.iter().flat_map(Step::folders).chain(made) {
            if !flushed.contains(&folder) {
                files::flush_folder(folder)?;
                flushed.push(folder);
            }
        }
        Ok(())
    }

    fn put_back(&self, undo: &Undo) -> Result<()> {
        match undo {
            Undo::Content { target, content: None } => {
                files::unless_absent(fs::remove_file(target))
                    .map_err(Error::system("remove", target))
            }
            Undo::Content { target, content: Some(content) } => {
                let foreign = self.writes.iter().any(|w| w.foreign && w.target == *target);
                let temporary = files::restored(target);
                files::prepare(&temporary, target, content, self.store.owner(), foreign)?;
                fs::rename(temporary, target).map_err(Error::system("write", target))
            }
            Undo::Move { from, to } => {
                files::unless_absent(fs::rename(to, from)).map_err(Error::system("move", to))
            }
            Undo::Folder(folder) => files::make_folder(folder, self.store.owner()),
        }
    }
}

/// What puts a step back.
enum Undo {
    Content { target: PathBuf, content: Option<Vec<u8>> },
    Move { from: PathBuf, to: PathBuf },
    Folder(PathBuf),
}

impl Undo {
    fn before(step: &Step) -> Result<Self> {
        Ok(match step {
            Step::Install { target, .. } | Step::Remove { target } => {
                Self::Content { content: files::read(target)?, target: target.clone() }
            }
            Step::Move { from, to } => Self::Move { from: from.clone(), to: to.clone() },
            Step::RemoveFolder { target } => Self::Folder(target.clone()),
        })
    }
}
