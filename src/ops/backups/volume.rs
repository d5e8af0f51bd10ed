//! Backups of what is in a Docker volume.

use crate::context::Context;
use crate::docker::volumes::{self, Found, RESTORED};
use crate::domain::{Entry, EntryName, Result, VolumeTarget};
use crate::ops::backups::create::was_backed_up;
use crate::ops::judge;
use crate::render::progress;
use crate::storage::{EntryLock, StorageRoot};
use crate::store::Store;
use crate::types::{self, NewEntry};

/// The volume behind an entry.
/// Refuses one whose data is elsewhere, and one that is not there.
pub(super) fn name(entry: &Entry, context: &Context) -> Result<String> {
    let name = entry.shown_source();
    match volumes::find(&context.environment, name) {
        Found::Here(_) => {}
        Found::Missing => refuse!(
            "the Docker volume {name} of storage entry \"{}\" is not there yet; there is nothing to back up",
            entry.name
        ),
        Found::Failing(words) => return Err(types::volume::out_of_reach(name, &words)),
        Found::Unknown => return Err(types::volume::no_answer()),
    }
    refuse_if!(
        volumes::own_directory_of(&context.environment, name).is_none(),
        "storage entry \"{}\" is the Docker volume {name}, whose driver or options say where its data is; back it up there",
        entry.name
    );
    Ok(name.to_owned())
}

/// Why there is nothing of an entry's volume to be in a backup of everything; none where there is, or nobody knows.
pub(super) fn why_left_out(entry: &Entry, context: &Context) -> Option<String> {
    let name = entry.shown_source();
    match volumes::find(&context.environment, name) {
        Found::Here(_) if volumes::own_directory_of(&context.environment, name).is_none() => {
            Some(format!(
                "the driver or the options of the Docker volume {name} say where its data is; back it up there"
            ))
        }
        Found::Missing => Some(format!("the Docker volume {name} is not there yet"))
            .filter(|_| !was_backed_up(entry, context)),
        _ => None,
    }
}

/// Registers a new entry with a new volume, which holds what is under a hidden name. Nobody else makes or restores an entry of the
/// name meanwhile, and what somebody else made stays.
pub(super) fn create(entry: &Entry, hidden: &str, context: &mut Context) -> Result<()> {
    let _lock = EntryLock::take(entry.name.as_str(), context)?;
    let name = entry.shown_source();
    let _volume = EntryLock::of_volume(name, context)?;
    must_be_new(entry, &context.store)?;
    must_be_free(entry, context)?;
    let volume = volumes::Volume {
        driver: volumes::LOCAL.to_owned(),
        options: entry.options.clone(),
        labels: [(RESTORED.to_owned(), hidden.to_owned())].into(),
    };
    volumes::make(&context.environment, name, &volume)?;
    // Docker says nothing where there is one by now.
    refuse_if!(
        !is_made_of(hidden, name, context),
        "somebody else made the Docker volume {name} meanwhile, which stays as it is; restore to another entry: --as NEW"
    );
    // Since it is there, nobody mounts it; somebody may have done so before.
    let having = having(entry, &context.store);
    let judged = having.and_then(|having| must_be_allowed(entry, context).map(|()| having));
    if let Err(error) = judged.and_then(|having| populate(entry, hidden, &having, context)) {
        if is_made_of(hidden, name, context)
            && let Err(more) = volumes::remove(&context.environment, name)
        {
            refuse!("{error}; {more}");
        }
        return Err(error);
    }
    types::of(entry).create(entry, &NewEntry::default(), context)
}

/// Whether the volume of an entry that is not registered is the one that was made for it on this host: a store may be lost alone.
pub(super) fn is_still_here(entry: &Entry, context: &Context) -> bool {
    let is_of_store = |volume: &volumes::Volume| {
        let made_for = volume.labels.get(volumes::LABEL).map(std::path::Path::new);
        made_for == Some(context.environment.lib_root())
            // A restore that was killed may have left that one.
            && !volume.labels.contains_key(RESTORED)
    };
    entry.has_own_volume()
        && matches!(volumes::find(&context.environment, entry.shown_source()), Found::Here(volume) if is_of_store(&volume))
}

fn must_be_new(entry: &Entry, store: &Store) -> Result<()> {
    refuse_if!(
        store.entry(&entry.name)?.is_some(),
        "storage entry \"{}\" exists already; choose another name with --as",
        entry.name
    );
    Ok(())
}

fn must_be_free(entry: &Entry, context: &Context) -> Result<()> {
    let (name, entry) = (entry.shown_source(), &entry.name);
    match volumes::find(&context.environment, name) {
        Found::Missing => Ok(()),
        Found::Here(volume) if volume.labels.contains_key(RESTORED) => Err(refusal!(
            "the Docker volume {name} exists already, and a restore that was killed may have left it; if nobody needs what is in it: docker volume rm {name}; or restore to another entry: --as NEW"
        )),
        Found::Here(_) => Err(refusal!(
            "the Docker volume {name} exists already; to take it as it is: dokku storage:create {entry} {name} --type volume; to have the backup beside it: dokku storage:backups:restore BACKUP --as NEW"
        )),
        Found::Failing(words) => Err(types::volume::out_of_reach(name, &words)),
        Found::Unknown => Err(types::volume::no_answer()),
    }
}

/// Whether a volume is the one that was made to hold what is under a hidden name, which no other command has.
fn is_made_of(hidden: &str, name: &str, context: &Context) -> bool {
    let found = volumes::find(&context.environment, name);
    matches!(found, Found::Here(volume) if volume.labels.get(RESTORED).is_some_and(|of| of == hidden))
}

/// Refuses a volume that somebody has by now whom the caller does not see.
fn must_be_allowed(entry: &Entry, context: &Context) -> Result<()> {
    match &entry.host_path {
        Some(source) => {
            judge::volume(source, &VolumeTarget::default(), Some(&entry.name), None, context)
        }
        None => Ok(()),
    }
}

/// The entries that have its volume.
fn having(entry: &Entry, store: &Store) -> Result<Vec<EntryName>> {
    let entries = store.entries()?.entries.into_iter();
    Ok(entries.filter(|of| of.host_path == entry.host_path).map(|of| of.name).collect())
}

/// Populates it, and registers the entry; `known` have the volume too.
fn populate(entry: &Entry, hidden: &str, known: &[EntryName], context: &mut Context) -> Result<()> {
    context.out.flush()?;
    progress::of_files("restored", |seen| {
        StorageRoot::of(context).fill_volume(hidden, entry.shown_source(), seen)
    })?;
    context.store.change(|change| {
        must_be_new(entry, change.store())?;
        let is_new = |of: &EntryName| !known.contains(of);
        refuse_if!(
            having(entry, change.store())?.iter().any(is_new),
            "somebody registered the Docker volume {} meanwhile; restore to another entry: --as NEW",
            entry.shown_source()
        );
        change.write_entry(entry)
    })
}
