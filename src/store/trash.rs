//! The trash: directories `.trash-ID` of the storage root, and the notes `trash/ID.json` of what each of them was.

use std::path::{Path, PathBuf};

use crate::domain::{Error, Layout, Result, TRASH, TrashId, Trashed};
use crate::fs::look;
use crate::store::{Change, Store, files, json};

/// For how many hours a note stays behind its end where nothing is seen of what it is about: 30 days.
const KEPT_HOURS: u64 = 30 * 24;

fn directory(layout: &Layout) -> PathBuf {
    layout.registry().join("trash")
}

fn path(layout: &Layout, id: &TrashId) -> PathBuf {
    directory(layout).join(format!("{id}.json"))
}

/// The ids of names such as `PREFIXidSUFFIX` in a directory; none where there is no such directory.
fn ids(directory: &Path, prefix: &str, suffix: &str) -> Result<Vec<TrashId>> {
    json::names(directory, |name| {
        TrashId::parse(name.strip_prefix(prefix)?.strip_suffix(suffix)?).ok()
    })
}

impl Store {
    pub fn trashed_directory(&self, id: &TrashId) -> PathBuf {
        self.layout().directory(&id.directory())
    }

    /// The note of something in the trash.
    pub fn trash_note(&self, id: &TrashId) -> PathBuf {
        path(self.layout(), id)
    }

    /// What is in the trash under an id, or none. A directory whose note is gone or cannot be understood is there
    /// without an entry.
    pub fn trashed(&self, id: &TrashId) -> Result<Option<Trashed>> {
        if !look::is_there(self.trashed_directory(id)) {
            return Ok(None);
        }
        match json::read::<Trashed>(&path(self.layout(), id)) {
            Ok(Some(note)) if note.id == *id => return Ok(Some(note)),
            Err(error @ Error::System { .. }) => return Err(error),
            _ => {}
        }
        let path = self.layout().directory(id.name()).to_string_lossy().into_owned();
        Ok(Some(Trashed::new(id.clone(), None, path, None)))
    }

    /// All that is in the trash, what was destroyed first at the beginning.
    pub fn trash(&self) -> Result<Vec<Trashed>> {
        let mut trash = Vec::new();
        for id in ids(self.layout().storage(), TRASH, "")? {
            trash.extend(self.trashed(&id)?);
        }
        trash.sort_by_cached_key(|item| (item.when, item.id.process()));
        Ok(trash)
    }

    /// The notes of what is in the trash, also of what is not seen now. One that cannot be read is left out.
    pub(crate) fn trash_notes(&self) -> Result<Vec<Trashed>> {
        let ids = ids(&directory(self.layout()), "", ".json")?;
        let note = |id: &TrashId| json::read::<Trashed>(&path(self.layout(), id)).ok().flatten();
        Ok(ids.iter().filter_map(|id| note(id).filter(|note| note.id == *id)).collect())
    }

    pub fn is_trash_empty(&self) -> bool {
        ids(self.layout().storage(), TRASH, "").is_ok_and(|ids| ids.is_empty())
    }

    /// Moves something between the trash and another place in the storage root, while the store's lock is held. It is
    /// one rename, and nothing is written: a full disk is what the trash is emptied for.
    pub fn rename_trashed(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to).map_err(Error::system("move", from))?;
        files::flush_directory(self.layout().storage()).inspect_err(|_| {
            // Half of it must not be gone from a place that it has again after a power loss.
            let _ = std::fs::rename(to, from);
        })
    }

    /// Notes that a removal failed, of which nobody knows how far it came. A note that cannot be read stays as it is.
    pub fn note_incomplete(&self, trashed: &Trashed) -> Result<()> {
        let path = path(self.layout(), &trashed.id);
        self.change(|change| match json::read::<Trashed>(&path) {
            Ok(_) => change.write_json(path, &Trashed { incomplete: true, ..trashed.clone() }),
            Err(_) => Ok(()),
        })
    }

    /// Removes the note of what its caller removed from the trash. Where it stays, it is over one day.
    pub fn forget_trashed(&self, id: &TrashId) {
        let _ = self.change(|change| {
            change.remove(path(change.store().layout(), id));
            Ok(())
        });
    }

    /// Removes the notes that are long over, of what is not in the trash any more. That a directory is not seen proves
    /// nothing: the storage root may be a mount that comes later.
    pub fn forget_what_is_over(&self) {
        let notes = ids(&directory(self.layout()), "", ".json").unwrap_or_default();
        if notes.is_empty() || self.away().is_some() {
            return;
        }
        let Ok(hours) = self.policy().map(|policy| policy.trash_hours() + KEPT_HOURS) else {
            return;
        };
        let clock = self.clock();
        let is_over = |id: &&TrashId| {
            clock.is_over(id.when(), hours) && !look::is_there(self.trashed_directory(id))
        };
        notes.iter().filter(is_over).for_each(|id| self.forget_trashed(id));
    }
}

impl Change<'_> {
    /// Moves something in the storage root to the trash, with its note.
    pub fn move_to_trash(&mut self, trashed: &Trashed, from: PathBuf) -> Result<()> {
        let store = self.store();
        let to = store.trashed_directory(&trashed.id);
        self.write_json(path(store.layout(), &trashed.id), trashed)?;
        self.move_directory(from, to);
        Ok(())
    }

    pub(crate) fn write_trash_note(&mut self, trashed: &Trashed) -> Result<()> {
        self.write_json(path(self.store().layout(), &trashed.id), trashed)
    }

    /// Takes what is in the trash out of it, to another place in the storage root.
    pub fn move_from_trash(&mut self, trashed: &Trashed, to: PathBuf) {
        let store = self.store();
        let (from, note) =
            (store.trashed_directory(&trashed.id), path(store.layout(), &trashed.id));
        self.move_directory(from, to);
        self.remove(note);
    }
}
