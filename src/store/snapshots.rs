//! The notes of snapshots: `snapshots/ENTRY/NAME.json`.

use std::path::PathBuf;

use crate::domain::{EntryName, Error, Layout, Result, Snapshot, SnapshotName, directory_name};
use crate::store::{Change, Store, json};

fn all(layout: &Layout) -> PathBuf {
    layout.registry().join("snapshots")
}

fn directory(layout: &Layout, entry: &EntryName) -> PathBuf {
    all(layout).join(entry.as_str())
}

impl Layout {
    pub fn snapshot_directory(&self, entry: &EntryName, name: &SnapshotName) -> PathBuf {
        self.directory(&directory_name(entry, name))
    }

    pub fn snapshot_note(&self, entry: &EntryName, name: &SnapshotName) -> PathBuf {
        directory(self, entry).join(format!("{name}.json"))
    }
}

impl Store {
    pub fn snapshot_note(
        &self,
        entry: &EntryName,
        name: &SnapshotName,
    ) -> Result<Option<Snapshot>> {
        let path = self.layout().snapshot_note(entry, name);
        let note: Option<Snapshot> = json::read(&path)?;
        match note {
            Some(note) if (&note.entry, &note.name) != (entry, name) => {
                let reason = format!("it is about the snapshot {}@{}", note.entry, note.name);
                Err(Error::unreadable(path, reason))
            }
            note => Ok(note),
        }
    }

    /// The snapshots of an entry, oldest first, and what was wrong with the notes of others.
    pub fn snapshots_of(&self, entry: &EntryName) -> Result<(Vec<Snapshot>, Vec<Error>)> {
        let read = |name: &SnapshotName| self.snapshot_note(entry, name);
        let directory = directory(self.layout(), entry);
        let (mut notes, problems) = json::list(&directory, SnapshotName::parse, read)?;
        notes.sort_unstable_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
        Ok((notes, problems))
    }

    pub fn entries_with_snapshots(&self) -> Result<Vec<EntryName>> {
        let mut entries = json::names(&all(self.layout()), |name| EntryName::parse(name).ok())?;
        entries.sort_unstable();
        Ok(entries)
    }
}

impl Change<'_> {
    pub fn write_snapshot(&mut self, note: &Snapshot) -> Result<()> {
        self.write_json(self.store().layout().snapshot_note(&note.entry, &note.name), note)
    }

    /// Removes the note of a snapshot, and its entry's directory with the last one.
    pub fn remove_snapshot(&mut self, entry: &EntryName, name: &SnapshotName) -> Result<()> {
        let note = self.store().layout().snapshot_note(entry, name);
        let directory = directory(self.store().layout(), entry);
        let is_other = |file: &str| (note.file_name() != Some(file.as_ref())).then_some(());
        if json::names(&directory, is_other)?.is_empty() {
            self.discard_directory(directory);
        } else {
            self.remove(note);
        }
        Ok(())
    }
}
