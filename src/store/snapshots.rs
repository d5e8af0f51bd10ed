//! The notes of snapshots: `snapshots/ENTRY/NAME.json`.

use std::path::{Path, PathBuf};

use crate::domain::error::{Error, Result};
use crate::domain::layout::Layout;
use crate::domain::names::EntryName;
use crate::domain::snapshot::{Snapshot, SnapshotName, directory_name};
use crate::store::{Change, Store, files};

fn all(layout: &Layout) -> PathBuf {
    layout.registry().join("snapshots")
}

fn folder(layout: &Layout, entry: &EntryName) -> PathBuf {
    all(layout).join(entry.as_str())
}

impl Layout {
    /// The directory of a snapshot.
    pub fn snapshot_directory(&self, entry: &EntryName, name: &SnapshotName) -> PathBuf {
        self.directory(&directory_name(entry, name))
    }

    /// The file with what is noted of a snapshot.
    pub fn snapshot_note(&self, entry: &EntryName, name: &SnapshotName) -> PathBuf {
        folder(self, entry).join(format!("{name}.json"))
    }
}

impl Store {
    /// What is noted of a snapshot, or none.
    pub fn snapshot_note(
        &self,
        entry: &EntryName,
        name: &SnapshotName,
    ) -> Result<Option<Snapshot>> {
        let path = self.layout().snapshot_note(entry, name);
        let Some(content) = files::read(&path)? else {
            return Ok(None);
        };
        let unreadable = |line: Option<usize>, reason: String| Error::Unreadable {
            path: path.clone(),
            line,
            reason,
        };
        let note: Snapshot = serde_json::from_slice(&content).map_err(|error| {
            unreadable(Some(error.line()).filter(|&line| line > 0), error.to_string())
        })?;
        if (&note.entry, &note.name) != (entry, name) {
            let reason = format!("it is about the snapshot {}@{}", note.entry, note.name);
            return Err(unreadable(None, reason));
        }
        Ok(Some(note))
    }

    /// The snapshots of an entry, oldest first, and what was wrong with the notes of others.
    pub fn snapshots_of(&self, entry: &EntryName) -> Result<(Vec<Snapshot>, Vec<Error>)> {
        let (mut notes, mut problems) = (Vec::new(), Vec::new());
        for file in names(&folder(self.layout(), entry))? {
            let name = file.strip_suffix(".json").and_then(|name| SnapshotName::parse(name).ok());
            let Some(name) = name else {
                continue;
            };
            match self.snapshot_note(entry, &name) {
                Ok(note) => notes.extend(note),
                Err(problem) => problems.push(problem),
            }
        }
        notes.sort_unstable_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
        Ok((notes, problems))
    }

    /// The entries that have snapshots, in the order of their names.
    pub fn entries_with_snapshots(&self) -> Result<Vec<EntryName>> {
        let names = names(&all(self.layout()))?;
        let mut entries: Vec<EntryName> =
            names.iter().filter_map(|name| EntryName::parse(name).ok()).collect();
        entries.sort_unstable();
        Ok(entries)
    }
}

impl Change<'_> {
    /// Writes what is noted of a snapshot.
    pub fn write_snapshot(&mut self, note: &Snapshot) -> Result<()> {
        let path = self.store().layout().snapshot_note(&note.entry, &note.name);
        let content = serde_json::to_vec_pretty(note).map_err(Error::system("write", &path))?;
        self.write(path, content);
        Ok(())
    }

    /// Removes the note of a snapshot, and its entry's directory with the last one.
    pub fn remove_snapshot(&mut self, entry: &EntryName, name: &SnapshotName) -> Result<()> {
        let note = self.store().layout().snapshot_note(entry, name);
        let folder = folder(self.store().layout(), entry);
        let own = note.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if names(&folder)?.iter().all(|other| *other == own) {
            self.discard_folder(folder);
        } else {
            self.remove(note);
        }
        Ok(())
    }
}

/// The names in a directory; none where it is not there.
fn names(folder: &Path) -> Result<Vec<String>> {
    let names = match std::fs::read_dir(folder) {
        Ok(names) => names,
        Err(error) if files::is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(Error::system("read", folder)(error)),
    };
    let mut texts = Vec::new();
    for name in names {
        let name = name.map_err(Error::system("read", folder))?.file_name();
        texts.extend(name.to_str().map(str::to_owned));
    }
    Ok(texts)
}
