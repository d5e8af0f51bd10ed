//! What Dokku's backups have of storage: `config/storage.yml` with the properties of an app, `data/storage-entries/NAME.json`
//! with entries as they are stored, and `data/storage-data/NAME.tar.gz` with the data of those below the storage root.
//!
//! Archives are made of a copy of the data, which nobody writes to, and by a helper where the files are not Dokku's user's. GNU
//! tar makes them, so that Dokku's own plugin unpacks them too; owners are numbers, and extended attributes (with them the
//! ACLs) are in them. An import unpacks with the code that unpacks downloads, under hidden names, before it changes
//! anything; then directories, entries and mounts are put in their places in one step.

mod export;
mod import;

use std::path::{Path, PathBuf};

pub(crate) use export::{app as export_app, global as export_global};
pub(crate) use import::{app as import_app, global as import_global};

use crate::context::Context;
use crate::domain::{DirectoryName, Entry, Source};

/// The properties of an app that are in a backup; others are caches.
const PROPERTIES: [&str; 4] = ["legacy-mounts-migrated", "mounts", "needs", SETTINGS];

const SETTINGS: &str = "settings";

/// The parts of a backup's directory.
struct Parts {
    recipe: PathBuf,
    entries: PathBuf,
    data: PathBuf,
}

impl Parts {
    fn of(directory: &Path) -> Self {
        Self {
            recipe: directory.join("config/storage.yml"),
            entries: directory.join("data/storage-entries"),
            data: directory.join("data/storage-data"),
        }
    }

    fn entry(&self, entry: &Entry) -> PathBuf {
        self.entries.join(format!("{}.json", entry.name))
    }

    fn archive(&self, entry: &Entry) -> PathBuf {
        self.data.join(format!("{}.tar.gz", entry.name))
    }
}

/// The name directly below the storage root at which an entry has its data; none where that is elsewhere.
fn place(entry: &Entry, context: &Context) -> Option<String> {
    let Some(Source::Path(path)) = &entry.host_path else {
        return None;
    };
    let name = Path::new(path.as_str()).strip_prefix(context.store.layout().storage()).ok()?;
    let name = name.to_str().filter(|name| !name.contains('/'))?;
    DirectoryName::parse(name).ok().map(|name| name.as_str().to_owned())
}
