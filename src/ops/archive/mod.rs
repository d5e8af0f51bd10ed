//! What Dokku's backups have of storage: `config/storage.yml` with the properties of an app, `data/storage-entries/NAME.json`
//! with entries as they are stored, and `data/storage-data/NAME.tar.gz` with the data of those below the storage root.
//!
//! Archives are made of a copy of the data, which nobody writes to, and by a helper where the files are not Dokku's user's. GNU
//! tar makes them, so that Dokku's own plugin unpacks them too; owners are numbers, and extended attributes (with them the
//! ACLs) are in them. Symbolic links that lead out of an entry are listed beside its archive, and an import refuses others. An import unpacks with the code that unpacks downloads, under hidden names, before it changes
//! anything; then directories, entries and mounts are put in their places in one step.

mod export;
mod import;

use std::path::{Path, PathBuf};

pub(crate) use export::{app as export_app, global as export_global};
pub(crate) use import::{app as import_app, global as import_global};

use crate::context::Context;
use crate::domain::{DirectoryName, Entry, Source, Subpath};
use crate::fs::look::{self, FileKind};
use crate::storage::{StorageRoot, default_path};

/// The properties of an app that are in a backup; others are caches.
const PROPERTIES: [&str; 4] = ["legacy-mounts-migrated", "mounts", "needs", SETTINGS];

const SETTINGS: &str = "settings";

/// The parts of a backup's directory.
struct Parts {
    recipe: PathBuf,
    entries: PathBuf,
    data: PathBuf,
    /// The path of the storage root of the host that wrote it.
    root: PathBuf,
}

impl Parts {
    fn of(directory: &Path) -> Self {
        Self {
            recipe: directory.join("config/storage.yml"),
            entries: directory.join("data/storage-entries"),
            data: directory.join("data/storage-data"),
            root: directory.join(ROOT),
        }
    }

    fn entry(&self, entry: &Entry) -> PathBuf {
        self.entries.join(format!("{}.json", entry.name))
    }

    fn archive(&self, entry: &Entry) -> PathBuf {
        self.data.join(format!("{}.tar.gz", entry.name))
    }

    /// The symbolic links of the archive that lead out of the entry, as JSON. An import refuses others.
    fn links(&self, entry: &Entry) -> PathBuf {
        self.data.join(format!("{}.links.json", entry.name))
    }
}

/// The file of a backup that has the path of the storage root, as it was on the host of the backup.
const ROOT: &str = "data/storage-root";

/// Where the data of an entry of a backup is on this host, whose storage root may be another than `root`, that of the backup's host;
/// none where it is at the path of the backup. Older backups do not say the root: what looks like an entry's own directory of another
/// host, where nothing is here, is taken for that.
pub(crate) fn moved(entry: &Entry, root: Option<&Path>, context: &Context) -> Option<Source> {
    let Some(Source::Path(written)) = &entry.host_path else {
        return None;
    };
    let path = Path::new(written.as_str());
    let place = match root {
        Some(root) => path.strip_prefix(root).ok()?.to_str()?,
        None => Some(entry.name.as_str())
            .filter(|name| path.ends_with(format!("data/storage/{name}")))
            .filter(|_| !look::is_there(path))?,
    };
    let here = default_path(context, place);
    (!place.is_empty() && here != written.as_str()).then(|| Source::parse(&here).ok())?
}

/// Reads the storage root of the host of a backup from the text that was noted; none where there is none.
pub(crate) fn their_root(text: Option<&str>) -> Option<PathBuf> {
    let root = PathBuf::from(text?.trim_end_matches('\n'));
    (root.is_absolute() && root.parent().is_some()).then_some(root)
}

/// The sentence that says where an entry of a backup is on this host.
pub(crate) fn moved_sentence(before: &Entry, now: &Entry) -> String {
    format!(
        "Storage entry {} was at {}, below the storage root of its host, and is at {} here",
        now.name,
        before.shown_source(),
        now.shown_source()
    )
}

/// Where below the storage root an entry has its data (`NAME`, or `NAME/PART`); none where that is elsewhere.
pub(crate) fn place(entry: &Entry, context: &Context) -> Option<String> {
    let Some(Source::Path(path)) = &entry.host_path else {
        return None;
    };
    let place = Path::new(path.as_str()).strip_prefix(context.store.layout().storage()).ok()?;
    // As it is without what means nothing.
    let place = place.iter().collect::<PathBuf>();
    let place = place.to_str()?;
    let (name, part) = place.split_once('/').unwrap_or((place, ""));
    DirectoryName::parse(name).ok()?;
    (part.is_empty() || Subpath::parse(part).is_ok()).then(|| place.to_owned())
}

/// Why what an entry mounts has no place below the storage root.
pub(crate) fn why_no_place(entry: &Entry, context: &Context) -> String {
    let place = Path::new(entry.shown_source()).strip_prefix(context.store.layout().storage());
    let name = place.ok().map(|place| place.iter().next().unwrap_or_default().to_string_lossy());
    match name.as_deref() {
        None => "is outside of the storage root".to_owned(),
        Some("") => "is the storage root itself".to_owned(),
        Some(name) if DirectoryName::parse(name).is_ok() => {
            format!("is at a path below {name:?} that is not plain")
        }
        Some(name) => format!(
            "is in the directory {name:?} of the storage root, whose name {}",
            DirectoryName::OTHERS
        ),
    }
}

/// Entries and their places, outer ones first: they have what is within them. Of several at one place, the first is the one whose
/// own it is, since its type may know more of it than a path; the others stay in their order.
pub(crate) fn outer_first<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    context: &Context,
) -> Vec<(Option<String>, &'a Entry)> {
    let placed = entries.into_iter().map(|entry| (place(entry, context), entry));
    let mut placed: Vec<_> = placed.collect();
    placed.sort_by_cached_key(|(place, entry)| {
        (place.clone(), place.as_deref() != Some(entry.name.as_str()))
    });
    placed
}

/// Whether what is at a place is what is at another one, or a part of it.
pub(crate) fn is_within(place: &str, other: &str) -> bool {
    place.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether nothing is lost where data is put at a path: nothing is there, or an empty directory.
pub(crate) fn is_free(path: &Path, context: &Context) -> bool {
    let is_nothing = |found: look::Looked| found.kind == FileKind::Nothing;
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            std::fs::read_dir(path).is_ok_and(|mut names| names.next().is_none())
        }
        Ok(_) => false,
        Err(_) if !look::is_there(path) => true,
        // Only root may look.
        Err(_) => StorageRoot::of(context).look(path).is_some_and(is_nothing),
    }
}
