//! Reading what a backup has of storage. What is there already stays as it is.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Seek;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{
    PROPERTIES, Parts, is_free, is_within, moved, moved_sentence, outer_first, their_root,
    why_no_place,
};
use crate::context::Context;
use crate::domain::plain::json_reason;
use crate::domain::{AppName, Attachment, Entry, EntryName, Error, Result, SCHEMA_VERSION, recipe};
use crate::fs::archive;
use crate::fs::look;
use crate::host::environment;
use crate::ops::mount::{add_missing, give, refuse_collision, refuse_returning};
use crate::ops::{Origin, access, populate};
use crate::storage::file::StagedFile;
use crate::storage::{EntryLock, Place, Staged, StorageRoot, clear_staged, file, root, sized};
use crate::store::{Change, MountsFile, Store, changed_meanwhile, files};
use crate::types;

/// The largest file of a backup beside its archives, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Data that was unpacked, and waits for its place.
struct Unpacked {
    entry: Entry,
    /// The name in the storage root.
    place: String,
    data: Data,
    /// What was there before, which is to be there still when the data gets its place.
    before: Before,
}

/// The entry that is registered, and the directory or file in its place.
type Before = (Option<Entry>, Option<(u64, u64)>);

fn before(entry: &Entry, place: &str, context: &Context) -> Result<Before> {
    let found = std::fs::symlink_metadata(context.store.layout().directory(place)).ok();
    let identity = found.map(|found| (found.dev(), found.ino()));
    Ok((context.store.entry(&entry.name)?, identity))
}

enum Data {
    Directory(Staged),
    File(StagedFile),
}

/// Imports an app's mounts, the entries that are missing, and the data of those that have none here.
pub(crate) fn app(app: &AppName, directory: &Path, context: &mut Context) -> Result<()> {
    let parts = Parts::of(directory);
    let properties = properties(&parts.recipe)?;
    let entries = entries(&parts, context)?;
    let mounts = mounts(&properties, &parts.recipe)?;
    must_be_trusted(mounts.is_empty() && entries.is_empty(), context)?;
    check(app, &mounts, &entries, &parts, context)?;
    clear_staged(context);
    // A new store has none yet.
    root::make(context.store.layout().storage(), context)?;
    let places = outer_first(entries.values(), context);
    // What is in another's directory waits for who is at work on that.
    let outer = places.iter().filter_map(|(place, _)| place.as_ref()?.split('/').next());
    let names: Vec<String> =
        entries.keys().map(EntryName::as_str).chain(outer).map(str::to_owned).collect();
    let lock = |context: &mut Context| {
        EntryLock::take_all(names.iter().map(String::as_str).collect(), context)
    };
    let locks = lock(context)?;
    let mut unpacked: Vec<Unpacked> = Vec::new();
    for (place, entry) in places {
        let has = |other: &Unpacked| place.as_ref().is_some_and(|it| is_within(it, &other.place));
        if !unpacked.iter().any(has) {
            unpacked.extend(unpack(entry, place, &parts, context)?);
        }
    }
    // What has a size is made by the operation that makes new ones, each as a whole.
    let (sized, plain): (Vec<_>, Vec<_>) =
        unpacked.into_iter().partition(|unpacked| sized::size(&unpacked.entry).is_some());
    let mut locks = Some(locks);
    for Unpacked { entry, data, .. } in sized {
        // That takes the lock itself.
        locks = None;
        populate(&entry, &data, context)?;
    }
    let _locks = match locks {
        Some(locks) => locks,
        None => lock(context)?,
    };
    for Unpacked { entry, place, before: known, .. } in &plain {
        if before(entry, place, context)? != *known {
            return Err(changed_meanwhile(&entry.name));
        }
    }
    put(app, &properties, &mounts, &entries, &plain, context)?;
    for Unpacked { entry, .. } in &plain {
        context.out.detail(&format!("Restored the data of storage entry {}", entry.name));
    }
    Ok(())
}

/// Imports the entries that are missing.
pub(crate) fn global(directory: &Path, context: &mut Context) -> Result<()> {
    let entries = entries(&Parts::of(directory), context)?;
    if entries.is_empty() {
        return Ok(());
    }
    must_be_trusted(false, context)?;
    context.store.change(|change| register_missing(&entries, change))
}

/// What a backup says was judged on another host, or by nobody.
fn must_be_trusted(is_empty: bool, context: &Context) -> Result<()> {
    if is_empty {
        return Ok(());
    }
    access::must_see_every_app("a backup may mount any path of this host", context)
}

fn register_missing(entries: &BTreeMap<EntryName, Entry>, change: &mut Change<'_>) -> Result<()> {
    for entry in entries.values() {
        if change.store().entry(&entry.name)?.is_none() {
            change.write_entry(entry)?;
        }
    }
    Ok(())
}

/// The content of a file of the backup; none where it is not there. A link is none of its files.
fn content(path: &Path) -> Result<Option<String>> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if files::is_absent(&error) => return Ok(None),
        Err(error) => return Err(Error::system("read", path)(error)),
    };
    if !found.is_file() || found.len() > LARGEST {
        return Err(refused(path, "it is no plain file of at most 16 MiB"));
    }
    let bytes = files::read(path)?.unwrap_or_default();
    String::from_utf8(bytes).map(Some).map_err(|_| refused(path, "it is not UTF-8 text"))
}

fn refused(path: &Path, why: impl std::fmt::Display) -> Error {
    let (path, why) = (path.display().to_string(), why.to_string());
    let why = why.strip_prefix(&path).map_or(why.as_str(), |rest| rest.trim_start_matches(": "));
    refusal!("{path}: {}; nothing was imported", why.trim_end_matches('.').trim())
}

fn properties(path: &Path) -> Result<BTreeMap<String, String>> {
    let Some(text) = content(path)? else {
        return Ok(BTreeMap::new());
    };
    let properties = recipe::read(&text).map_err(|why| refused(path, why))?;
    let known = properties.into_iter().filter(|(name, _)| PROPERTIES.contains(&name.as_str()));
    Ok(known.filter_map(|(name, value)| Some((name, value?))).collect())
}

fn mounts(properties: &BTreeMap<String, String>, path: &Path) -> Result<Vec<Attachment>> {
    let text = properties.get("mounts").map(String::as_str).unwrap_or_default();
    let file = MountsFile::parse(path, text.as_bytes()).and_then(MountsFile::whole);
    Ok(file.map_err(|why| refused(path, why))?.attachments().cloned().collect())
}

/// The entries of the backup, by their names, as they are to be on this host.
fn entries(parts: &Parts, context: &mut Context) -> Result<BTreeMap<EntryName, Entry>> {
    let directory = &parts.entries;
    let their_root = their_root(content(&parts.root)?.as_deref());
    let mut entries = BTreeMap::new();
    let found = match std::fs::read_dir(directory) {
        Ok(found) => found,
        Err(error) if files::is_absent(&error) => return Ok(entries),
        Err(error) => return Err(Error::system("read", directory)(error)),
    };
    for file in found {
        let path = file.map_err(Error::system("read", directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json"));
        let Some(name) = name else {
            return Err(refused(&path, "it is no entry (NAME.json)"));
        };
        let name = EntryName::parse(name).map_err(|why| refused(&path, why))?;
        let text = content(&path)?.unwrap_or_default();
        let entry: Entry =
            serde_json::from_str(&text).map_err(|why| refused(&path, json_reason(&why)))?;
        if entry.name != name {
            return Err(refused(&path, format!("it is the entry {:?}", entry.name.as_str())));
        }
        if entry.schema_version > SCHEMA_VERSION {
            return Err(refused(
                &path,
                format!(
                    "it is of version {}, which is newer than this one's",
                    entry.schema_version
                ),
            ));
        }
        entries.insert(name, here(entry, their_root.as_deref(), context)?);
    }
    Ok(entries)
}

/// The entry as it is on this host, whose name and whose storage root may be others.
fn here(mut entry: Entry, their_root: Option<&Path>, context: &mut Context) -> Result<Entry> {
    entry.put_on(environment::node());
    if let Some(source) = moved(&entry, their_root, context) {
        let here = Entry { host_path: Some(source), ..entry.clone() };
        if context.store.entry(&entry.name)?.is_none() {
            context.out.detail(&moved_sentence(&entry, &here));
        }
        return Ok(here);
    }
    Ok(entry)
}

/// Refuses mounts of entries that are nowhere, and such as the app has others in the place of.
fn check(
    app: &AppName,
    mounts: &[Attachment],
    entries: &BTreeMap<EntryName, Entry>,
    parts: &Parts,
    context: &Context,
) -> Result<()> {
    let now = context.store.mounts_file(app)?.whole()?;
    for attachment in mounts {
        let name = &attachment.entry_name;
        if !entries.contains_key(name) && context.store.entry(name)?.is_none() {
            let why =
                format!("it mounts storage entry \"{name}\", which is neither in it nor here");
            return Err(refused(&parts.recipe, why));
        }
        let others = now.attachments().filter(|other| !other.is_same_mount(attachment));
        refuse_collision(app, attachment, others).map_err(|why| refused(&parts.recipe, why))?;
        may_return(app, attachment, &now, entries, &context.store, context)
            .map_err(|why| refused(&parts.recipe, access::redact(why, context)))?;
    }
    Ok(())
}

/// Refuses a mount of the backup that is not among the app's and that it may not have. Its entry is here, or in the backup.
fn may_return(
    app: &AppName,
    attachment: &Attachment,
    mounts: &MountsFile,
    entries: &BTreeMap<EntryName, Entry>,
    store: &Store,
    context: &Context,
) -> Result<()> {
    if mounts.attachments().any(|other| other.is_same_mount(attachment)) {
        return Ok(());
    }
    let registered = store.entry(&attachment.entry_name)?;
    match registered.as_ref().or(entries.get(&attachment.entry_name)) {
        Some(entry) => refuse_returning(app, entry, attachment, store, context),
        None => Ok(()),
    }
}

/// Unpacks an entry's archive, where it has one and nothing is in its place here.
fn unpack(
    entry: &Entry,
    place: Option<String>,
    parts: &Parts,
    context: &mut Context,
) -> Result<Option<Unpacked>> {
    let path = parts.archive(entry);
    let Ok(found) = std::fs::symlink_metadata(&path) else {
        return Ok(None);
    };
    if !found.is_file() {
        return Err(refused(&path, "it is no plain file"));
    }
    let Some(place) = place else {
        context.out.warn(&format!(
            "{} was not unpacked: storage entry {}, at {}, {}",
            path.display(),
            entry.name,
            entry.shown_source(),
            why_no_place(entry, context)
        ));
        return Ok(None);
    };
    let before = before(entry, &place, context)?;
    let is_same = before.0.as_ref().is_none_or(|now| now.host_path == entry.host_path);
    if !is_same || !may_be_put(&context.store.layout().directory(&place), entry, context) {
        context.out.warn(&format!(
            "Storage entry {} is here and stays as it is; its data of the backup is in {}",
            entry.name,
            path.display()
        ));
        return Ok(None);
    }
    let mut from = File::open(&path).map_err(Error::system("read", &path))?;
    let data = if types::of(entry).place() == Place::File {
        let (member, bytes) =
            archive::only_file(&mut from, file::LARGEST).map_err(|why| refused(&path, why))?;
        Data::File(StagedFile::restore(entry, &member, &bytes, context)?)
    } else {
        must_be_declared(&mut from, &path, &parts.links(entry), context)?;
        let staged = Staged::new(entry.name.as_str(), context)?;
        let unpacked = StorageRoot::of(context).unpack(from, staged.name());
        unpacked.map_err(|why| refused(&path, why))?;
        Data::Directory(staged)
    };
    Ok(Some(Unpacked { entry: entry.clone(), place, data, before }))
}

/// Refuses an archive with symbolic links that lead out and are not listed beside it.
fn must_be_declared(archive: &mut File, path: &Path, list: &Path, context: &Context) -> Result<()> {
    let declared: Vec<archive::Link> = match content(list)? {
        Some(text) => {
            serde_json::from_str(&text).map_err(|why| refused(list, json_reason(&why)))?
        }
        None => Vec::new(),
    };
    let declared: HashSet<archive::Link> = declared.into_iter().collect();
    let links = StorageRoot::of(context).check(archive).map_err(|why| refused(path, why))?;
    if let Some(link) = links.iter().find(|link| !declared.contains(link)) {
        return Err(refused(path, link.refusal()));
    }
    archive.rewind().map_err(Error::system("read", path))
}

/// Whether an entry's data may be put there. What has a size takes no directory that is there already.
fn may_be_put(directory: &Path, entry: &Entry, context: &Context) -> bool {
    let is_sized = sized::size(entry).is_some();
    is_free(directory, context) && !(is_sized && look::is_there(directory))
}

fn populate(entry: &Entry, data: &Data, context: &mut Context) -> Result<()> {
    let Data::Directory(staged) = data else {
        return Ok(());
    };
    if !may_be_put(&context.store.layout().directory(entry.name.as_str()), entry, context) {
        return Err(changed_meanwhile(&entry.name));
    }
    // It may be registered, without its data. Then it stays as it is.
    let registered = context.store.entry(&entry.name)?;
    let origin = Origin::Unpacked(staged.name().to_owned(), registered.is_some());
    let entry = registered.as_ref().unwrap_or(entry);
    // Owners and modes are those of the archive.
    let wants = Entry { chown: None, mode: None, ..entry.clone() };
    populate::create(entry, &wants, &origin, context)
}

fn put(
    app: &AppName,
    properties: &BTreeMap<String, String>,
    imported: &[Attachment],
    entries: &BTreeMap<EntryName, Entry>,
    unpacked: &[Unpacked],
    context: &Context,
) -> Result<()> {
    let layout = context.store.layout();
    let mut flushed = Vec::new();
    for Unpacked { entry, place, data, .. } in unpacked {
        match data {
            // Only root may move a directory of somebody else to another directory. Where this is all that is done, an import
            // that follows finds the data here.
            Data::Directory(staged) if place.contains('/') => {
                root::move_below(staged.name(), place, context)?;
            }
            Data::Directory(staged) => {
                populate::must_be_in_no_container(entry, context)?;
                flushed.push((staged.flushed()?, layout.directory(place)));
                let directory = layout.directory(place);
                let removed = files::unless_absent(std::fs::remove_dir(&directory));
                removed.map_err(Error::system("replace", &directory))?;
            }
            Data::File(_) => {}
        }
    }
    context.store.change(|change| {
        let mut mounts = change.store().mounts_file(app)?.whole()?;
        for attachment in imported {
            may_return(app, attachment, &mounts, entries, change.store(), context)?;
        }
        add_missing(app, &mut mounts, imported)?;
        for (flushed, place) in &flushed {
            change.put_directory(flushed, place.clone());
        }
        for Unpacked { data, .. } in unpacked {
            match data {
                Data::Directory(_) => {}
                Data::File(file) => file.put(change)?,
            }
        }
        register_missing(entries, change)?;
        give(app, imported, change)?;
        if !imported.is_empty() {
            change.write_mounts(app, &mounts);
        }
        for (name, value) in properties.iter().filter(|(name, _)| *name != "mounts") {
            let path = layout.app(app).join(name);
            if !path.exists() {
                change.write(path, value.clone().into_bytes());
            }
        }
        Ok(())
    })
}
