//! Restoring the entries of a lost host with their data, those first that have others in their directories.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::domain::{Entry, EntryName, Error, Moment, Result};
use crate::fs::look;
use crate::ops::backups::find::{Backup, Found};
use crate::ops::backups::maker::Maker;
use crate::ops::backups::stored::Restored;
use crate::ops::backups::{restore, volume};
use crate::ops::{archive, populate};
use crate::storage::{Place, sized};
use crate::types;

/// How much later the backup of an entry may be than that of another one which has its data, in seconds: those of one run are made
/// one after the other.
const SAME_RUN: i64 = 60 * 60;

/// An entry that was restored, or is here, or could not be restored, and where its data is.
struct Placed {
    place: String,
    name: EntryName,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// Its data is here, or it has none that could be restored.
    Kept,
    /// It is registered, and there is no backup of its data.
    Registered,
    /// Its data is that of the backup that was made then.
    Populated(Moment),
    /// Its data is in that of another entry.
    Within(EntryName),
    Failed,
}

/// The entries of the store's backup, and the storage root of the host that they were on, where it is noted.
pub(super) struct OfBackup {
    pub entries: Vec<Entry>,
    pub root: Option<PathBuf>,
}

/// Restores the entries of the store's backup that are not here, or whose data is not.
pub(super) fn restore(
    of_backup: &OfBackup,
    backups: &[Backup],
    found: &Found,
    restored: &mut Restored,
    context: &mut Context,
) -> Result<()> {
    let maker = Maker::of(&found.backup);
    let of_it = |name: &EntryName| {
        let name = Some(name.clone());
        backups.iter().filter(move |backup| backup.entry == name)
    };
    let last = |name: &EntryName| maker.last(of_it(name), None);
    let mut entries = Vec::new();
    for original in &of_backup.entries {
        let wanted = restore::renamed_or_same(original, of_backup.root.as_deref(), context)?;
        if wanted.host_path != original.host_path && context.store.entry(&wanted.name)?.is_none() {
            context.out.detail(&archive::moved_sentence(original, &wanted));
        }
        match context.store.entry(&wanted.name)? {
            Some(other) if other.host_path != wanted.host_path => restored.kept.push(other.name),
            registered => entries.push(registered.unwrap_or(wanted)),
        }
    }
    // Of those at one place, the data is that of the last backup.
    entries.sort_by_key(|entry| Reverse(last(&entry.name).map(|backup| backup.created)));
    let mut placed: Vec<Placed> = Vec::new();
    for (place, entry) in archive::outer_first(&entries, context) {
        let name = &entry.name;
        let backup = last(name)
            .map(|backup| Found { backup: backup.clone(), connector: found.connector.clone() });
        let has = |outer: &&Placed| {
            let is_within = |place| archive::is_within(place, &outer.place);
            place.as_deref().is_some_and(is_within)
        };
        let outer = placed.iter().find(has);
        let outcome = match one(entry, place.as_deref(), backup.as_ref(), outer, context) {
            Ok(outcome) => outcome,
            Err(error) => {
                restored.problems.push(format!("{name}: {error}"));
                Outcome::Failed
            }
        };
        match &outcome {
            Outcome::Kept => restored.kept.push(name.clone()),
            Outcome::Registered => restored.registered.push(name.clone()),
            Outcome::Failed => {}
            Outcome::Populated(_) => {
                context.out.detail(&format!("Restored storage entry {name}"));
                restored.populated.push(name.clone());
                if backup.is_some_and(|found| !found.backup.whole) {
                    let whole = maker.last(of_it(name).filter(|backup| backup.whole), None);
                    name_whole(name, whole, context);
                }
            }
            Outcome::Within(other) => {
                context.out.detail(&format!(
                    "Restored storage entry {name}, whose data is in that of storage entry {other}"
                ));
                restored.populated.push(name.clone());
                warn_of_later(backup.as_ref(), outer, context);
            }
        }
        if let Some(place) = place.filter(|_| outcome != Outcome::Registered) {
            placed.push(Placed { place, name: name.clone(), outcome });
        }
    }
    restored.kept.sort_unstable();
    Ok(())
}

/// Restores one entry; `outer` is one whose data, which was restored before, has that of this one in it.
fn one(
    entry: &Entry,
    place: Option<&str>,
    backup: Option<&Found>,
    outer: Option<&Placed>,
    context: &mut Context,
) -> Result<Outcome> {
    let path = place.map(|place| context.store.layout().directory(place));
    let is_registered = context.store.entry(&entry.name)?.is_some();
    let is_missing = path.as_ref().is_some_and(|path| !look::is_there(path));
    // One that is registered may lack its data: an earlier run ended before that was here.
    if is_registered && !(is_missing && backup.is_some()) {
        return Ok(Outcome::Kept);
    }
    if let (Some(outer), Some(path)) = (outer, &path) {
        refuse_if!(
            outer.outcome == Outcome::Failed,
            "its data is in that of storage entry {}, which is not restored",
            outer.name
        );
        if place == Some(&outer.place) || !archive::is_free(path, context) {
            restore::register(entry, is_registered, context)?;
            return Ok(Outcome::Within(outer.name.clone()));
        }
    }
    let Some(found) = backup else {
        restore::register(entry, is_registered, context)?;
        return Ok(Outcome::Registered);
    };
    if !is_registered && is_still_here(entry, path.as_deref(), &found.backup, context)? {
        restore::register(entry, is_registered, context)?;
        context.out.detail(&format!(
            "The data of storage entry {} was here before its last backup, and stays; to have that, too: dokku storage:backups:restore {} --as NEW",
            entry.name,
            found.backup.short_id()
        ));
        return Ok(Outcome::Kept);
    }
    if !is_registered && sized::size(entry).is_none() {
        make_way(entry, path.as_deref(), context)?;
    }
    let document = found.document(context)?;
    let both = (entry, &restore::as_it_is(entry));
    let options = restore::Options { is_registered, ..restore::Options::default() };
    restore::into_new(found, &document, both, &options, context)?;
    Ok(Outcome::Populated(found.backup.created))
}

/// Whether an entry's data outlived the registry: it stays as it is. What was made after the backup, as by Docker for a container that
/// started without it, did not, nor did a directory with nothing in it.
fn is_still_here(
    entry: &Entry,
    path: Option<&Path>,
    backup: &Backup,
    context: &Context,
) -> Result<bool> {
    if let Some(size) = sized::size(entry) {
        return sized::has_kept_image(entry, size, context);
    }
    let Some(path) = path.filter(|path| look::is_there(path)) else {
        return Ok(volume::is_still_here(entry, context));
    };
    if is_own_and_empty(entry, path, context) {
        return Ok(false);
    }
    let found = std::fs::symlink_metadata(path).map_err(Error::system("read", path))?;
    let is_its_kind = match types::of(entry).place() {
        Place::File => found.is_file(),
        _ => found.is_dir(),
    };
    let is_older = |made| Moment::from(made) < backup.created;
    Ok(is_its_kind && look::made(path).is_some_and(is_older))
}

/// Removes an entry's own directory with nothing in it, in whose place its data is to be. One that a container has stays.
fn make_way(entry: &Entry, path: Option<&Path>, context: &Context) -> Result<()> {
    match path {
        Some(path) if look::is_there(path) && is_own_and_empty(entry, path, context) => {
            populate::must_be_in_no_container(entry, context)?;
            std::fs::remove_dir(path).map_err(Error::system("replace", path))
        }
        _ => Ok(()),
    }
}

fn is_own_and_empty(entry: &Entry, path: &Path, context: &Context) -> bool {
    path == context.store.layout().directory(entry.name.as_str()) && archive::is_free(path, context)
}

/// Says which backup has the files that are missing in the one of an entry that was restored.
fn name_whole(name: &EntryName, whole: Option<&Backup>, context: &mut Context) {
    if let Some(whole) = whole {
        context.out.warn(&format!(
            "The last backup of storage entry {name} without missing files is {} of {}; to have it, too: dokku storage:backups:restore {} --as NEW",
            whole.short_id(),
            whole.created.shown(),
            whole.short_id()
        ));
    }
}

/// Says where an entry has a later backup than the one that its data is of now.
fn warn_of_later(backup: Option<&Found>, outer: Option<&Placed>, context: &mut Context) {
    let (Some(found), Some(Placed { name, outcome: Outcome::Populated(created), .. })) =
        (backup, outer)
    else {
        return;
    };
    let own = &found.backup;
    if own.created > created.plus_seconds(SAME_RUN) {
        context.out.warn(&format!(
            "The last backup of storage entry {} is later than that of {name}, which has its data; to have it, too: dokku storage:backups:restore {} --as NEW",
            own.subject(),
            own.short_id()
        ));
    }
}
