//! A change to the store: everything is checked under the lock, then all of it is done or none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::files::{self, FOLDER_MODE};
use super::journal::{self, Journal, Step};
use super::{MountsFile, Rights, Store};
use crate::domain::entry::Entry;
use crate::domain::names::{AppName, EntryName};
use crate::error::{Error, Result};
use crate::host::tree;

/// The store's own folders below `$DOKKU_LIB_ROOT`.
pub const OWN_FOLDERS: [&str; 4] = [
    "data/storage",
    "config/storage",
    "data/storage-registry/entries",
    "data/storage-registry/migrations",
];

/// What a change is going to do; nothing of it is done before [`Store::change`] carries it out.
#[derive(Debug)]
pub struct Change<'a> {
    store: &'a Store,
    writes: Vec<Write>,
    folders: Vec<Folder>,
    steps: Vec<Step>,
}

/// A folder that is to be made.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    mode: u32,
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
        self.make_own_folders()?;
        let _rights = Rights::of(self.owner(), self.layout())?;
        let registry = self.layout().registry();
        let made = files::missing_folders(&registry);
        for folder in &made {
            files::make_folder(folder, self.owner(), FOLDER_MODE)?;
        }
        let mut journal = Journal::lock(&self.layout().lock(), &self.roots(), self.owner())?;
        let mut change =
            Change { store: self, writes: Vec::new(), folders: Vec::new(), steps: Vec::new() };
        let result = plan(&mut change)?;
        change.carry_out(&mut journal)?;
        Ok(result)
    }

    /// Where root calls for somebody else's store: makes the folders that belong to that user, below folders
    /// that may be root's.
    fn make_own_folders(&self) -> Result<()> {
        let Some((uid, gid)) = self.owner().get() else {
            return Ok(());
        };
        for names in OWN_FOLDERS {
            if !self.layout().root().join(names).exists() {
                tree::make_path(self.layout().root(), names, uid, gid)?;
            }
        }
        Ok(())
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

    /// Whether a change is noted that is under way, or that could not be finished.
    #[must_use]
    pub fn is_changing(&self) -> bool {
        journal::is_noted(&self.layout().lock())
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
        self.remove(self.store.layout().entry(name));
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

    /// Puts a file that was made under another name of the same folder into its place. Where the change fails, it is
    /// removed.
    pub fn put_file(&mut self, prepared: PathBuf, target: PathBuf) {
        let before = second_name_if_there(&target);
        self.steps.push(Step::Install { temporary: prepared, target, before });
    }

    fn push_write(&mut self, target: PathBuf, content: Vec<u8>, foreign: bool) {
        if let Some(folder) = target.parent() {
            self.make_folder(folder);
        }
        self.steps.push(Step::Install {
            temporary: files::temporary(&target),
            before: second_name_if_there(&target),
            target: target.clone(),
        });
        self.writes.push(Write { target, content, foreign });
    }

    /// Removes a file; one that is not there is no error.
    pub fn remove(&mut self, target: PathBuf) {
        if let Some(before) = second_name_if_there(&target) {
            self.steps.push(Step::Remove { target, before: Some(before) });
        }
    }

    /// Removes an app's folder and all that the store keeps in it.
    pub fn remove_app(&mut self, app: &AppName) {
        self.discard_folder(self.store.layout().app(app));
        self.remove(self.store.layout().migrated_before(app));
    }

    /// Removes a folder in which only the store keeps something, with all that is in it.
    pub fn discard_folder(&mut self, folder: PathBuf) {
        match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_dir() => {
                let aside = files::second_name(&folder);
                self.steps.push(Step::Discard { target: folder, aside });
            }
            Ok(_) => self.remove(folder),
            Err(_) => {}
        }
    }

    /// Makes a folder and those on the way to it.
    pub fn make_folder(&mut self, path: &Path) {
        for folder in files::missing_folders(path) {
            if !self.folders.iter().any(|made| made.path == folder) {
                self.folders.push(Folder { path: folder, mode: FOLDER_MODE });
            }
        }
    }

    /// Makes a folder of a certain mode, or gives one that is there that mode; one that belongs to somebody
    /// else stays as it is.
    pub fn make_folder_with_mode(&mut self, path: &Path, mode: u32) {
        self.make_folder(path);
        if let Some(made) = self.folders.iter_mut().find(|made| made.path == path) {
            made.mode = mode;
            return;
        }
        let caller = users::get_effective_uid();
        if let Ok(found) = fs::symlink_metadata(path)
            && found.is_dir()
            && found.uid() == caller
            && found.mode() & 0o7777 != mode
        {
            let before = found.mode() & 0o7777;
            self.steps.push(Step::SetMode { target: path.to_path_buf(), mode, before });
        }
    }

    /// Moves a folder within the storage root.
    pub fn move_folder(&mut self, from: PathBuf, to: PathBuf) {
        self.steps.push(Step::Move { from, to });
    }

    /// Puts a folder of the storage root aside, and another one in its place.
    pub fn replace_folder(&mut self, target: PathBuf, next: PathBuf, aside: PathBuf) {
        self.steps.push(Step::Replace { target, next, aside });
    }

    fn carry_out(&self, journal: &mut Journal) -> Result<()> {
        if self.steps.is_empty() && self.folders.is_empty() {
            return Ok(());
        }
        let folders: Vec<PathBuf> = self.folders.iter().map(|made| made.path.clone()).collect();
        let passing: Vec<PathBuf> =
            self.steps.iter().flat_map(Step::passing).map(Path::to_path_buf).collect();
        // A single step is all or nothing by itself, unless it needs a folder to be there.
        let is_single = self.steps.len() == 1 && folders.is_empty();
        let mut done: Vec<&Step> = Vec::new();
        let result = journal
            .preparing(passing.clone(), folders.clone())
            .and_then(|()| self.prepare())
            .and_then(|()| if is_single { Ok(()) } else { journal.steps(&self.steps) })
            .and_then(|()| self.apply(&mut done))
            .and_then(|()| self.flush());
        if let Err(error) = result {
            // Where something cannot be taken back, the steps stay noted and the next command finishes them.
            if done.iter().rev().try_for_each(|step| step.take_back()).is_ok() {
                // Steps that stayed noted would be carried out after all.
                if journal.preparing(passing.clone(), folders.clone()).is_ok()
                    || journal.clear().is_ok()
                {
                    tidy(journal, &passing, &folders);
                }
            }
            return Err(error);
        }
        // Where this cannot be noted, the steps stay noted: they can be done twice.
        if journal.preparing(passing.clone(), Vec::new()).is_ok() {
            tidy(journal, &passing, &[]);
        }
        Ok(())
    }

    fn prepare(&self) -> Result<()> {
        let owner = self.store.owner();
        for made in &self.folders {
            files::make_folder(&made.path, owner, made.mode)?;
        }
        for write in &self.writes {
            let temporary = files::temporary(&write.target);
            files::prepare(&temporary, &write.target, &write.content, owner, write.foreign)?;
        }
        for step in &self.steps {
            if let Step::Install { target, before: Some(_), .. }
            | Step::Remove { target, before: Some(_) } = step
            {
                files::give_second_name(target)?;
            }
        }
        Ok(())
    }

    fn apply<'b>(&'b self, done: &mut Vec<&'b Step>) -> Result<()> {
        for step in &self.steps {
            let applied = step.apply();
            if applied.is_ok() || step.may_be_half_done() {
                done.push(step);
            }
            applied?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        let mut flushed: Vec<&Path> = Vec::new();
        let made = self.folders.iter().filter_map(|made| made.path.parent());
        for folder in self.steps.iter().flat_map(Step::folders).chain(made) {
            if !flushed.contains(&folder) {
                files::flush_folder(folder)?;
                flushed.push(folder);
            }
        }
        Ok(())
    }
}

/// Removes what a change needed while it went on, after it was done or taken back and its steps are no longer
/// noted. What cannot be removed stays noted for the next command.
fn tidy(journal: &mut Journal, passing: &[PathBuf], folders: &[PathBuf]) {
    if journal::undo(passing, folders) {
        let _ = journal.clear();
    }
}

/// The second name for a file, where there is such a file. The lock is held: nobody makes or removes it
/// meanwhile.
fn second_name_if_there(target: &Path) -> Option<PathBuf> {
    fs::symlink_metadata(target).is_ok().then(|| files::second_name(target))
}
