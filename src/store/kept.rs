//! What only this plugin notes, over a stay with Dokku's own: that removes every field that it does not know from the entries
//! and mounts that it changes. `uninstall` makes a copy, and the next `install` restores from it what is missing since, and
//! removes it. What Dokku's plugin knows stays as it left it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::{AppName, Attachment, Entry, EntryName, Layout, Result};
use crate::fs::look;
use crate::store::{Change, Store, app_directories, json};

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    entries: Vec<Entry>,
    mounts: BTreeMap<AppName, Vec<Attachment>>,
}

impl Kept {
    fn put(&self, path: PathBuf, change: &mut Change<'_>) -> Result<()> {
        if self.entries.is_empty() && self.mounts.is_empty() {
            change.remove(path);
            return Ok(());
        }
        change.write_json(path, self)
    }
}

fn path(layout: &Layout) -> PathBuf {
    layout.registry().join("kept.json")
}

impl Store {
    /// Makes the copy, beside what an install could not restore of an older one. What cannot be read is left out.
    /// Fails where the older one cannot be read; it stays.
    pub(crate) fn keep_own_fields(&self) -> Result<()> {
        if !self.layout().entries().is_dir() {
            return Ok(());
        }
        self.change(|change| {
            let path = path(self.layout());
            let mut kept: Kept = json::read(&path)?.unwrap_or_default();
            let mut now = self.entries()?.entries;
            kept.entries.retain(|old| now.iter().all(|entry| entry.name != old.name));
            now.retain(Entry::has_own_fields);
            kept.entries.extend(now);
            for app in app_directories(self.layout().apps())? {
                let Ok(mounts) = self.mounts_file(&app) else { continue };
                let mounts: Vec<_> =
                    mounts.attachments().filter(|a| a.has_own_fields()).cloned().collect();
                if !mounts.is_empty() {
                    kept.mounts.insert(app, mounts);
                }
            }
            kept.put(path, change)
        })
    }

    /// Restores what is missing of what is in the copy, and removes it; the names of the entries that were changed, or whose
    /// mounts were. An entry that has another host path or scheduler now is another one.
    /// What cannot be read now stays in the copy.
    /// Fails where the copy cannot be read; it stays.
    pub(crate) fn restore_own_fields(&self) -> Result<Vec<EntryName>> {
        let path = path(self.layout());
        if !look::is_there(&path) {
            return Ok(Vec::new());
        }
        self.change(|change| {
            let kept: Kept = json::read(&path)?.unwrap_or_default();
            let (mut restored, mut left) = (Vec::new(), Kept::default());
            for entry in kept.entries {
                match self.entry(&entry.name) {
                    Ok(now) => restored.extend(change.restore_own_fields(&entry, now)?),
                    Err(_) => left.entries.push(entry),
                }
            }
            for (app, kept) in kept.mounts {
                let mounts =
                    self.mounts_file(&app).ok().filter(|mounts| mounts.problem().is_none());
                let Some(mut mounts) = mounts else {
                    left.mounts.insert(app, kept);
                    continue;
                };
                let before = restored.len();
                mounts.update(|now| {
                    let kept = kept.iter().find(|kept| kept.is_same_mount(now));
                    let is_changed = kept.is_some_and(|kept| now.complete_own_from(kept));
                    restored.extend(is_changed.then(|| now.entry_name.clone()));
                    is_changed
                });
                if restored.len() > before {
                    change.write_mounts(&app, &mounts);
                }
            }
            left.put(path.clone(), change)?;
            restored.sort_unstable();
            restored.dedup();
            Ok(restored)
        })
    }
}

impl Change<'_> {
    fn restore_own_fields(
        &mut self,
        kept: &Entry,
        now: Option<Entry>,
    ) -> Result<Option<EntryName>> {
        let Some(now) = now else {
            return Ok(None);
        };
        let mut next = now.clone();
        next.complete_own_from(kept);
        let is_same = (&now.host_path, &now.scheduler) == (&kept.host_path, &kept.scheduler);
        if !is_same || next == now {
            return Ok(None);
        }
        self.put_entry_back(&next)?;
        Ok(Some(next.name))
    }
}
