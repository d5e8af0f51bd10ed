//! Finding what nothing uses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::docker::volumes;
use crate::domain::{
    AppName, DirectoryName, Entry, EntryName, LONGEST_NAME, LOST_AND_FOUND, Moment, Result,
    SNAPSHOT, STAGED, Source, TRASH, TrashId, of_directory_name,
};
use crate::fs::real::RealPaths;
use crate::fs::tree::Usage;
use crate::fs::{RealPath, look};
use crate::ops::prune::{Fate, LastUse, Unused, UnusedKind};
use crate::ops::{Places, destroy};
use crate::render::progress;
use crate::storage::{Place, StorageRoot, default_path, sized};
use crate::store::{Entries, Store};
use crate::types;

/// All that nothing uses, and what of it is left alone all the same.
/// Fails while the storage root is away: what is not there only seems to be unused.
pub(crate) fn unused(context: &mut Context) -> Result<Vec<Unused>> {
    context.store.must_not_be_away()?;
    let uses = Places::of_this_host(context)?;
    let problems: Vec<String> = uses.problems().collect();
    for problem in problems {
        context.out.warn(&format!("What this may be about is left alone: {problem}"));
    }
    context.out.flush()?;
    let removed = match context.store.policy()?.trash_hours() {
        0 => Fate::Removed,
        _ => Fate::Trash,
    };
    progress::of_files("looked at", |_| {
        let unreferred =
            Unreferred::of(&uses.entries, |name| uses.is_mounted(name), &context.store)?;
        let search = Search { uses: &uses, unreferred, context, removed };
        let mut found = search.entries();
        found.extend(search.directories());
        found.extend(search.volumes());
        found.extend(search.snapshots()?);
        found.extend(search.apps());
        Ok(found)
    })
}

/// What nothing refers to: `storage:doctor` names it, and `storage:prune` deletes it.
pub(crate) struct Unreferred<'a> {
    /// Those that no app mounts.
    pub(crate) entries: Vec<&'a Entry>,
    /// Those of the storage root that belong to no entry, and are neither staged, nor snapshots, nor in the trash.
    pub(crate) directories: Vec<PathBuf>,
    /// Those of which only the store still has something.
    pub(crate) apps: Vec<AppName>,
}

impl<'a> Unreferred<'a> {
    pub(crate) fn of(
        found: &'a Entries,
        is_mounted: impl Fn(&EntryName) -> bool,
        store: &Store,
    ) -> Result<Self> {
        let layout = store.layout();
        let paths = found.entries.iter().map(|entry| Path::new(entry.shown_source()));
        let sources = RealPaths::of(paths);
        // What carries the name of an entry whose file is gone or broken is that entry's data; of the others it is
        // known where their data is.
        let is_readable =
            |name: &EntryName| found.entries.binary_search_by(|entry| entry.name.cmp(name)).is_ok();
        let is_some_entrys = |name: &str| {
            let name = EntryName::parse(name).ok().filter(|name| !is_readable(name));
            name.is_some_and(|name| is_mounted(&name) || layout.entry(&name).exists())
        };
        let mut directories = Vec::new();
        for directory in std::fs::read_dir(layout.storage()).into_iter().flatten().flatten() {
            let (name, path) = (directory.file_name(), directory.path());
            let name = name.to_string_lossy();
            let is_trashed = name.strip_prefix(TRASH).is_some_and(|id| TrashId::parse(id).is_ok());
            let is_own = name.starts_with(STAGED)
                || name.starts_with(SNAPSHOT)
                || is_trashed
                || name == LOST_AND_FOUND;
            let is_known = is_own || is_some_entrys(&name) || sources.overlap(&RealPath::of(&path));
            if !is_known && path.is_dir() {
                directories.push(path);
            }
        }
        let entries = found.entries.iter().filter(|entry| !is_mounted(&entry.name)).collect();
        Ok(Self { entries, directories, apps: store.abandoned_apps()? })
    }
}

struct Search<'a> {
    uses: &'a Places,
    unreferred: Unreferred<'a>,
    context: &'a Context,
    removed: Fate,
}

impl Search<'_> {
    fn why_kept(&self, place: &str, own: Option<&EntryName>) -> Option<String> {
        why_kept(self.uses, place, own)
    }

    fn entries(&self) -> Vec<Unused> {
        let volumes = self.sizes();
        let entries = self.unreferred.entries.iter().filter(|entry| entry.is_docker_local());
        let entries = entries.map(|entry| {
            let mut unused = self.entry(entry, &volumes);
            let free = destroy::must_have_no_snapshots(&entry.name, &self.context.store);
            unused.left_alone =
                unused.left_alone.or_else(|| free.err().map(|error| error.to_string()));
            unused
        });
        entries.collect()
    }

    fn entry(&self, entry: &Entry, volumes: &BTreeMap<String, u64>) -> Unused {
        let mut unused = Unused {
            kind: UnusedKind::Entry,
            entry: Some(entry.clone()),
            name: entry.name.to_string(),
            place: entry.shown_source().to_owned(),
            bytes: None,
            last_use: written(&self.context.store.layout().entry(&entry.name), "entry written"),
            data: Fate::Stays,
            left_alone: None,
        };
        let place = types::of(entry).place();
        let is_ours = unused.place == default_path(self.context, entry.name.as_str());
        if is_ours && matches!(place, Place::Directory | Place::File) {
            let path = Path::new(&unused.place);
            if !look::is_there(path) {
                unused.bytes = Some(0);
                return unused;
            }
            unused.data = self.removed;
            unused.left_alone = self.why_kept(&unused.place, Some(&entry.name));
            self.measure(&mut unused);
            if sized::size(entry).is_some() && sized::staged::is_image(self.context) {
                // What it holds is in the image, which goes with it.
                let name = entry.name.as_str();
                unused.bytes = sized::image_takes(name, name, self.context);
            }
        } else if deletes_volume(entry) {
            unused.data = Fate::Removed;
            unused.left_alone = self.why_kept(&unused.place, Some(&entry.name));
            unused.bytes = volumes.get(&unused.place).copied();
        } else {
            // Only the entry goes, which takes nothing, and the volume that leads to a server, which others may have.
            unused.bytes = Some(0);
            if entry.is_typed() && entry.is_volume() {
                unused.left_alone = self.why_kept(&unused.place, Some(&entry.name));
            }
        }
        unused
    }

    fn directories(&self) -> Vec<Unused> {
        let mut found = Vec::new();
        for path in &self.unreferred.directories {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_directory = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
            // What has the name of an entry may be wanted for its data again.
            let is_entrys = EntryName::parse(&name).is_ok_and(|name| {
                self.context.store.layout().entry(&name).exists() || self.uses.is_mounted(&name)
            });
            if name.starts_with('.') || !is_directory || is_entrys {
                continue;
            }
            let left_alone = if DirectoryName::parse(&name).is_err() {
                Some(format!("its name {}; remove it yourself", DirectoryName::OTHERS))
            } else if name.len() > LONGEST_NAME {
                Some("its name is too long for the trash; remove it yourself".to_owned())
            } else {
                self.why_kept(&path.to_string_lossy(), None)
            };
            let mut unused = Unused {
                kind: UnusedKind::Directory,
                entry: None,
                name: name.into_owned(),
                place: path.to_string_lossy().into_owned(),
                bytes: None,
                last_use: None,
                data: self.removed,
                left_alone,
            };
            self.measure(&mut unused);
            found.push(unused);
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    fn measure(&self, unused: &mut Unused) {
        let (name, path) = (unused.name.as_str(), Path::new(&unused.place));
        let usage = StorageRoot::of(self.context).usage(name, path).ok().flatten();
        unused.bytes = usage.map(|usage: Usage| usage.bytes);
        if let Some(usage) = usage {
            let when = Moment::of_seconds(usage.newest);
            unused.last_use = Some(LastUse { when, what: "newest file" });
        }
    }

    /// What the engine says of volumes, where there is a volume to tell of.
    fn sizes(&self) -> BTreeMap<String, u64> {
        let is_asked = self.uses.entries.entries.iter().any(deletes_volume);
        volumes::used(&self.context.environment, is_asked).into_iter().collect()
    }

    /// Docker volumes that this plugin made, and that no entry has any more.
    fn volumes(&self) -> Vec<Unused> {
        let left = volumes::left_over(&self.context.environment).unwrap_or_default();
        let belongs = |name: &str| {
            let entries = &self.uses.entries.entries;
            entries.iter().any(|entry| {
                matches!(&entry.host_path, Some(Source::Volume(volume)) if volume.as_str() == name)
            })
        };
        let left: Vec<_> = left.into_iter().filter(|(name, _)| !belongs(name)).collect();
        if left.is_empty() {
            return Vec::new();
        }
        let sizes: BTreeMap<String, u64> =
            volumes::used(&self.context.environment, true).into_iter().collect();
        let unused = |(name, made): (String, String)| Unused {
            kind: UnusedKind::Volume,
            entry: None,
            bytes: sizes.get(&name).copied(),
            last_use: Moment::parse_rfc3339(&made)
                .map(|when| LastUse { when, what: "volume made" }),
            data: Fate::Removed,
            left_alone: self.why_kept(&name, None),
            place: name.clone(),
            name,
        };
        left.into_iter().map(unused).collect()
    }

    /// Snapshots whose entry is neither registered nor in the trash.
    fn snapshots(&self) -> Result<Vec<Unused>> {
        let store = &self.context.store;
        let trash = store.trash()?;
        let mut found = Vec::new();
        for file in std::fs::read_dir(store.layout().storage()).into_iter().flatten().flatten() {
            let name = file.file_name();
            let Some((entry, snapshot)) = name.to_str().and_then(of_directory_name) else {
                continue;
            };
            let comes_back = trash.iter().any(|item| item.name() == entry.as_str());
            if comes_back || store.layout().entry(&entry).exists() || self.uses.is_mounted(&entry) {
                continue;
            }
            let note = store.layout().snapshot_note(&entry, &snapshot);
            let path = file.path();
            let name = name.to_string_lossy();
            let usage = StorageRoot::of(self.context).usage(&name, &path);
            found.push(Unused {
                kind: UnusedKind::Snapshot,
                entry: None,
                name: format!("{entry}@{snapshot}"),
                bytes: usage.ok().flatten().map(|usage| usage.bytes),
                last_use: written(&note, "taken").or_else(|| written(&path, "newest file")),
                data: Fate::Removed,
                left_alone: self.why_kept(&path.to_string_lossy(), None),
                place: path.to_string_lossy().into_owned(),
            });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// What the store has of apps that are gone.
    fn apps(&self) -> Vec<Unused> {
        let layout = self.context.store.layout();
        let reason = "Dokku has no app at all, which it would not be for long; look at its directory of apps";
        let unused = |app: &AppName| Unused {
            kind: UnusedKind::App,
            entry: None,
            name: app.to_string(),
            place: layout.app(app).to_string_lossy().into_owned(),
            bytes: Some(0),
            last_use: written(&layout.mounts(app), "mounts written"),
            data: Fate::Stays,
            left_alone: self.uses.apps.is_empty().then(|| reason.to_owned()),
        };
        self.unreferred.apps.iter().map(unused).collect()
    }
}

/// Why a place is not to be touched: what the first one does who uses it.
pub(crate) fn why_kept(uses: &Places, place: &str, own: Option<&EntryName>) -> Option<String> {
    match Source::parse(place) {
        Ok(place) => uses.uses(&place, own).first().map(ToString::to_string),
        Err(error) => Some(error.to_string()),
    }
}

/// Whether a Docker volume of an entry is deleted with it: one that the plugin was asked to make.
pub(crate) fn deletes_volume(entry: &Entry) -> bool {
    entry.is_typed() && types::of(entry).keeps_in_volume()
}

fn written(path: &Path, what: &'static str) -> Option<LastUse> {
    let modified = std::fs::symlink_metadata(path).ok()?.modified().ok()?;
    Some(LastUse { when: modified.into(), what })
}
