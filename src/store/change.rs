//! A change to the store: everything is checked under the lock, then all of it is done or none.
//!
//! # How the store changes
//!
//! `Store::change(plan)` in `src/store/change.rs` is the only way to change anything:
//!
//! 1. Where root is the caller, it takes the rights of the store's owner (`src/store/rights.rs`). The directories
//!    belong to Dokku's user, who may have put links there; with that user's own rights nothing can be reached that
//!    the user could not reach anyway.
//! 2. It takes the lock (`flock` on `data/storage-registry/.lock`), waiting for others, and recovers what a killed
//!    holder left.
//! 3. `plan` looks at the store as it is now and says what is to be done: files to write, files and directories to
//!    remove, a directory to move. If it refuses, nothing has happened.
//! 4. What is made for a change and is nothing without it is in the staging place, `data/storage-registry/.change`:
//!    one name for all changes, so that who takes the lock next finds what a killed command, or a power cut, left
//!    there, noted or not, and removes it. Readers never look there.
//! 5. A change of one file (`src/store/carrying.rs`) marks the lock file (its length becomes one byte, nothing is
//!    written), writes the file's next content to the staging place and flushes it, has the two change names
//!    (`renameat2` with `RENAME_EXCHANGE`; a plain rename where there was no such file), flushes the directory, and
//!    removes what was there before. Two flushes, no note. If the second fails, the names change back.
//! 6. A change of several files notes new directories and makes them; writes and flushes the next contents, and
//!    makes a second name (a hard link) of each file that will be replaced or removed, all in the staging place, which
//!    is a directory then. The steps are noted and flushed, then done: rename a file into its place, remove one,
//!    move a directory, rename an app's directory to a hidden name, set a directory's mode. The directories are flushed, each
//!    once, what is only there for the change is removed, and the note is emptied.
//! 7. What lies on another file system than the registry cannot be renamed there. Its temporary files and second
//!    names are made beside it (`.NAME.new`, `.NAME.old`) and noted, and the note is flushed before they are made.
//!    The number of the file system decides, and the kernel has the last word: a rename that it refuses as going
//!    across is undone, and all is done in this way. So it is where there is no room to make the staging place.
//!
//! If a step fails, those that were done are rolled back, last first, by names alone: nothing is written, so this
//! works on a full disk too. If even that fails, the steps stay noted, and the next command finishes them.
//!
//! The modules `journal.rs` and `carrying.rs` say which flush makes which promise. `tests/crash/cut.rs` counts
//! them.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::files::{self, DIRECTORY_MODE};
use super::journal::{self, Journal, Step};
use super::{MountsFile, Rights, Store, entries};
use crate::domain::{AppName, Entry, EntryName, Result, STAGED, Source, Subject};
use crate::fs::look;
use crate::fs::tree;

/// The store's own directories below `$DOKKU_LIB_ROOT`.
pub(crate) const OWN_DIRECTORIES: [&str; 4] = [
    "data/storage",
    "config/storage",
    "data/storage-registry/entries",
    "data/storage-registry/migrations",
];

/// What was made under a hidden name of the storage root, with all of it on the disk. Nothing else gets a place: a name that
/// survives a power cut must not lead to files that do not.
pub struct Flushed(PathBuf);

impl Flushed {
    /// Flushes what is at a path; that can take long, and so is done before the lock is taken. What is in it does not change
    /// any more.
    pub(crate) fn of(path: PathBuf) -> Result<Self> {
        tree::flush(&path)?;
        Ok(Self(path))
    }
}

/// What a change is going to do; nothing of it is done before [`Store::change`] carries it out.
pub struct Change<'a> {
    pub(super) store: &'a Store,
    /// The number of the file system that the registry is on.
    device: Option<u64>,
    pub(super) directories: Vec<Directory>,
    pub(super) steps: Vec<Planned>,
}

pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
}

/// A step, with all that is made for it beside its target.
pub(super) struct Planned {
    pub(super) step: Step,
    /// What is to be in the file, where the step installs one that is made for it.
    pub(super) content: Option<Content>,
    /// Whether it can be made in the staging place: it seems to be on the same file system.
    pub(super) is_near: bool,
    /// Whether the target is, or is going to be, a directory.
    pub(super) is_directory: bool,
}

pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) is_foreign: bool,
    /// Whether it was read again since it was planned: who writes the file next knows it then.
    is_known: Cell<bool>,
}

impl Store {
    /// Takes the lock, lets `plan` look at the store as it is now and say what is to be done, and does it.
    /// What `plan` refuses, with nothing changed; or what the system refuses, with everything put back.
    pub fn change<T>(&self, plan: impl FnOnce(&mut Change<'_>) -> Result<T>) -> Result<T> {
        self.make_own_directories()?;
        let _rights = Rights::of(self.owner(), self.layout())?;
        let (made, device) = files::way_to(&self.layout().registry());
        for directory in &made {
            files::make_directory(directory, self.owner(), DIRECTORY_MODE)?;
        }
        let mut journal = Journal::lock(self.layout(), &self.roots(), self.owner())?;
        let mut change = Change { store: self, device, directories: Vec::new(), steps: Vec::new() };
        let result = plan(&mut change)?;
        change.carry_out(&mut journal)?;
        if change.touches(self.layout().storage()) {
            self.note_storage_root_as_owner();
        }
        Ok(result)
    }

    /// Where root calls for somebody else's store: makes the directories that belong to that user, below directories
    /// that may be root's.
    pub(super) fn make_own_directories(&self) -> Result<()> {
        let Some((uid, gid)) = self.owner().get() else {
            return Ok(());
        };
        for names in OWN_DIRECTORIES {
            if !self.layout().root().join(names).exists() {
                tree::make_path(self.layout().root(), names, uid, gid)?;
            }
        }
        Ok(())
    }

    /// Finishes or clears away what a killed command left, before the store is read.
    pub fn recover(&self) -> Result<()> {
        let lock = self.layout().lock();
        if !journal::is_noted(&lock) {
            return Ok(());
        }
        let _rights = Rights::of(self.owner(), self.layout())?;
        Journal::recover_if_abandoned(self.layout(), &self.roots(), self.owner())
    }

    pub fn is_changing(&self) -> bool {
        journal::is_noted(&self.layout().lock())
    }

    fn roots(&self) -> Vec<PathBuf> {
        let mut roots = vec![self.layout().root().to_path_buf()];
        roots.extend(self.apps_root().map(Path::to_path_buf));
        roots
    }
}

impl Change<'_> {
    pub fn store(&self) -> &Store {
        self.store
    }

    /// An entry as it will be after what is planned so far. Who writes an entry that the same change may have written
    /// already reads it here.
    pub fn entry(&self, name: &EntryName) -> Result<Option<Entry>> {
        let path = self.store.layout().entry(name);
        match self.steps.iter().rfind(|planned| planned.is_of_file(&path)) {
            None => self.store.entry(name),
            Some(Planned { content: None, .. }) => Ok(None),
            Some(Planned { content: Some(content), .. }) => {
                content.is_known.set(true);
                entries::parse(&path, name, &content.bytes).map(Some)
            }
        }
    }

    /// Writes an entry. Every entry that is registered or becomes exclusive passes here, so that here is asked whether it may.
    /// [`Error::Held`](crate::domain::Error::Held) where several apps have what is to be exclusive.
    pub fn write_entry(&mut self, entry: &Entry) -> Result<()> {
        let is_exclusive = |before: Option<Entry>| before.is_some_and(|before| before.exclusive);
        if entry.exclusive && !is_exclusive(self.store.entry(&entry.name)?) {
            self.store.refuse_several(entry)?;
        }
        self.put_entry_back(entry)
    }

    /// Writes an entry as it was before, which nobody refuses.
    pub fn put_entry_back(&mut self, entry: &Entry) -> Result<()> {
        if let Some(Source::Volume(volume)) = &entry.host_path {
            // Whoever removes or populates it has looked at the store already. This process may be who does.
            let work = work_on_volume(volume.as_str());
            refuse_if!(
                self.store.is_at_work(&work)?
                    && !self.store.work_alone(&work).is_ok_and(|ours| ours.is_some()),
                "another command is at work on the Docker volume {volume}; run this one again when it has ended"
            );
        }
        if !look::is_there(self.store.layout().entries()) {
            // The first of all, or the registry is on a disk that is missing.
            self.store.must_not_be_away()?;
        }
        self.write_json(self.store.layout().entry(&entry.name), entry)
    }

    /// Removes an entry, its schedule and what is remembered of its backups.
    pub fn remove_entry(&mut self, name: &EntryName) {
        self.remove(self.store.layout().entry(name));
        self.remove_schedule(&Subject::Entry(name.clone()));
        self.remove_backup_state(Some(name));
    }

    pub fn write_mounts(&mut self, app: &AppName, mounts: &MountsFile) {
        self.write(self.store.layout().mounts(app), mounts.to_bytes());
    }

    pub fn write(&mut self, target: PathBuf, content: Vec<u8>) {
        self.push_write(target, content, false);
    }

    /// Writes a file that belongs to another plugin; it keeps its mode and owner.
    pub fn write_foreign(&mut self, target: PathBuf, content: Vec<u8>) {
        self.push_write(target, content, true);
    }

    /// Puts a file that was made under another name of the same directory into its place. Where the change fails, it is
    /// removed.
    pub fn put_file(&mut self, prepared: &Flushed, target: PathBuf) {
        let before = Before::of(&target);
        self.steps.push(Planned {
            step: Step::Install {
                temporary: prepared.0.clone(),
                before: before.second_name(&target),
                target,
            },
            content: None,
            is_near: false,
            is_directory: before.is_directory(),
        });
    }

    /// Plans what is to be in a file, in the place of what was planned for it before.
    fn push_write(&mut self, target: PathBuf, bytes: Vec<u8>, is_foreign: bool) {
        let is_lost = |content: &Content| !content.is_known.get() && content.bytes != bytes;
        let mut contents = self.steps.iter().filter(|planned| planned.is_of_file(&target));
        debug_assert!(
            !contents.any(|planned| planned.content.as_ref().is_some_and(is_lost)),
            "{} is written by one who does not know what is planned for it",
            target.display()
        );
        self.drop_planned(&target);
        let device = target.parent().and_then(|directory| self.have_directory(directory));
        let before = Before::of(&target);
        self.steps.push(Planned {
            step: Step::Install {
                temporary: files::temporary(&target),
                before: before.second_name(&target),
                target,
            },
            content: Some(Content { bytes, is_foreign, is_known: Cell::new(false) }),
            is_near: device.is_some() && device == self.device,
            is_directory: before.is_directory(),
        });
    }

    /// Drops the writing or the removal of a file, which something else takes the place of.
    fn drop_planned(&mut self, target: &Path) {
        self.steps.retain(|planned| !planned.is_of_file(target));
    }

    /// Removes a file; one that is not there is no error.
    pub fn remove(&mut self, target: PathBuf) {
        self.drop_planned(&target);
        let before = Before::of(&target);
        if let Some(second) = before.second_name(&target) {
            self.steps.push(Planned {
                step: Step::Remove { target, before: Some(second) },
                content: None,
                is_near: before.device() == self.device,
                is_directory: before.is_directory(),
            });
        }
    }

    /// Removes an app's directory and all that the store keeps in it.
    pub fn remove_app(&mut self, app: &AppName) {
        self.discard_directory(self.store.layout().app(app));
        self.remove(self.store.layout().migrated_before(app));
    }

    /// Removes a directory in which only the store keeps something, with all that is in it.
    pub fn discard_directory(&mut self, directory: PathBuf) {
        match fs::symlink_metadata(&directory) {
            Ok(found) if found.is_dir() => self.steps.push(Planned {
                is_near: Some(found.dev()) == self.device,
                step: Step::Discard { aside: files::second_name(&directory), target: directory },
                content: None,
                is_directory: true,
            }),
            Ok(_) => self.remove(directory),
            Err(_) => {}
        }
    }

    pub fn make_directory(&mut self, path: &Path) {
        self.have_directory(path);
    }

    /// The same; says the number of the file system that it is on, or will be.
    fn have_directory(&mut self, path: &Path) -> Option<u64> {
        let (missing, device) = files::way_to(path);
        for directory in missing {
            if !self.directories.iter().any(|made| made.path == directory) {
                self.directories.push(Directory { path: directory, mode: DIRECTORY_MODE });
            }
        }
        device
    }

    /// Makes a directory of a certain mode, or gives one that is there that mode; one that belongs to somebody
    /// else stays as it is.
    pub fn make_directory_with_mode(&mut self, path: &Path, mode: u32) {
        self.make_directory(path);
        if let Some(made) = self.directories.iter_mut().find(|made| made.path == path) {
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
            self.push_move(Step::SetMode { target: path.to_path_buf(), mode, before });
        }
    }

    /// Whether something below a directory is made or moved.
    fn touches(&self, directory: &Path) -> bool {
        self.directories.iter().any(|made| made.path.starts_with(directory))
            || self.steps.iter().any(|planned| match &planned.step {
                Step::Move { to, .. } => to.starts_with(directory),
                Step::Replace { target, .. } => target.starts_with(directory),
                _ => false,
            })
    }

    /// Moves what was made under a hidden name of the storage root to its place.
    pub fn put_directory(&mut self, prepared: &Flushed, to: PathBuf) {
        self.push_move(Step::Move { from: prepared.0.clone(), to });
    }

    /// Moves a directory of the storage root to a hidden name, and another one to its place.
    pub fn replace_directory(&mut self, target: PathBuf, next: &Flushed, aside: PathBuf) {
        self.push_move(Step::Replace { target, next: next.0.clone(), aside });
    }

    /// Moves a directory that had a name before, to another one, hidden ones included. What is new is for
    /// [`Change::put_directory`].
    pub fn move_directory(&mut self, from: PathBuf, to: PathBuf) {
        debug_assert!(!is_staged(&from), "{} is put in its place unflushed", from.display());
        self.push_move(Step::Move { from, to });
    }

    /// Moves what could not be removed under its hidden name back to where it was.
    pub fn put_back(&mut self, from: PathBuf, to: PathBuf) {
        self.push_move(Step::Move { from, to });
    }

    /// A step for which nothing is made.
    fn push_move(&mut self, step: Step) {
        self.steps.push(Planned { step, content: None, is_near: false, is_directory: true });
    }
}

fn is_staged(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(STAGED.as_bytes())
}

/// The name of the work on a Docker volume, which whoever removes it has from a last look at the store until it is gone, and
/// whoever populates it until it is registered.
pub(crate) fn work_on_volume(volume: &str) -> String {
    format!("volume {volume}")
}

impl Planned {
    /// Whether it is the writing or the removal of this file.
    fn is_of_file(&self, path: &Path) -> bool {
        match &self.step {
            Step::Install { target, .. } => self.content.is_some() && target == path,
            Step::Remove { target, .. } => target == path,
            _ => false,
        }
    }
}

/// What is in a file's place before it is changed. The lock is held: nobody makes or removes it meanwhile.
struct Before(Option<fs::Metadata>);

impl Before {
    fn of(target: &Path) -> Self {
        Self(fs::symlink_metadata(target).ok())
    }

    fn second_name(&self, target: &Path) -> Option<PathBuf> {
        self.0.is_some().then(|| files::second_name(target))
    }

    fn device(&self) -> Option<u64> {
        self.0.as_ref().map(MetadataExt::dev)
    }

    fn is_directory(&self) -> bool {
        self.0.as_ref().is_some_and(fs::Metadata::is_dir)
    }
}
