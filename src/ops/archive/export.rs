//! Writing what a backup has of storage.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::{PROPERTIES, Parts, SETTINGS, is_within, outer_first};
use crate::context::Context;
use crate::domain::{AppName, AppSettings, Entry, Error, Result, recipe};
use crate::fs::archive;
use crate::fs::tree::Restored;
use crate::ops::reach::Reach;
use crate::ops::{access, apps};
use crate::storage::file::LARGEST;
use crate::storage::{
    EntryLock, Ids, Place, SnapshotKind, Staged, StorageRoot, clear_staged, root,
};
use crate::store::files;
use crate::types;

/// Writes an app's mounts, their entries, and, `with_data`, what these hold.
pub(crate) fn app(
    app: &AppName,
    directory: &Path,
    with_data: bool,
    context: &mut Context,
) -> Result<()> {
    let parts = Parts::of(directory);
    let mut properties = Vec::new();
    for name in PROPERTIES {
        let path = context.store.layout().app(app).join(name);
        if name == SETTINGS {
            properties.extend(settings(app, context)?.map(|text| (name, text)));
        } else if let Some(bytes) = files::read(&path)? {
            let text = String::from_utf8(bytes);
            let text = text.map_err(|_| Error::unreadable(&path, "it is not UTF-8 text"))?;
            properties.push((name, text));
        }
    }
    if properties.is_empty() {
        return Ok(());
    }
    write(&parts.recipe, recipe::write(app, &properties).as_bytes())?;
    let mut entries: Vec<Entry> = Vec::new();
    for attachment in context.store.mounts_file(app)?.whole()?.attachments() {
        match context.store.entry(&attachment.entry_name)? {
            Some(entry) if !entries.contains(&entry) => entries.push(entry),
            _ => {}
        }
    }
    let mut written: Vec<String> = Vec::new();
    let mut failed: Vec<Error> = Vec::new();
    for (place, entry) in outer_first(&entries, context) {
        write_entry(entry, &parts, context)?;
        // What another one's archive has is not there twice.
        let has = |other: &String| place.as_ref().is_some_and(|place| is_within(place, other));
        if with_data && !written.iter().any(has) {
            match write_data(app, entry, place, &parts, context) {
                Ok(place) => written.extend(place),
                // What the others have is in the backup, whatever is wrong with this one.
                Err(error) => failed.push(error),
            }
        }
    }
    let last = failed.pop();
    for error in failed {
        context.out.warn(&access::redact(error, context).to_string());
    }
    last.map_or(Ok(()), Err)
}

/// What is set for an app. What was built last is of this host alone.
fn settings(app: &AppName, context: &Context) -> Result<Option<String>> {
    let mut settings = context.store.app_settings(app)?;
    settings.image.clear();
    settings.builder.clear();
    let is_set = settings != AppSettings::default();
    let text = serde_json::to_string_pretty(&settings);
    let text = text.map_err(Error::system("write", "the settings"))?;
    Ok(is_set.then_some(text))
}

/// Writes every entry that the caller reaches.
pub(crate) fn global(directory: &Path, context: &Context) -> Result<()> {
    let entries = context.store.every_entry()?;
    let parts = Parts::of(directory);
    let is_restricted = apps::are_restricted(&context.environment);
    let reach = is_restricted.then(|| Reach::of(context)).transpose()?;
    let reached =
        entries.iter().filter(|entry| reach.as_ref().is_none_or(|reach| reach.has(entry, context)));
    reached.into_iter().try_for_each(|entry| write_entry(entry, &parts, context))
}

fn write_entry(entry: &Entry, parts: &Parts, context: &Context) -> Result<()> {
    let bytes = files::read(&context.store.layout().entry(&entry.name))?;
    write(&parts.root, context.store.layout().storage().as_os_str().as_bytes())?;
    write(&parts.entry(entry), &bytes.unwrap_or_default())
}

/// Writes what an entry holds, as it is at one moment; returns the place of what was written.
fn write_data(
    app: &AppName,
    entry: &Entry,
    place: Option<String>,
    parts: &Parts,
    context: &mut Context,
) -> Result<Option<String>> {
    let Some(name) = place else {
        if types::of(entry).keeps_data() && entry.is_docker_local() {
            context.out.warn(&format!(
                "{app}: the data of storage entry \"{}\" at {} is not in the backup: it {}",
                entry.name,
                entry.shown_source(),
                super::why_no_place(entry, context)
            ));
        }
        return Ok(None);
    };
    let kind = if name == entry.name.as_str() {
        match types::snapshot_kind(entry, "a backup", context) {
            Ok(kind) => kind,
            Err(why) => {
                context.out.warn(&format!("{app}: its data is not in the backup: {why}"));
                return Ok(None);
            }
        }
    } else {
        SnapshotKind::Directory
    };
    let found = std::fs::symlink_metadata(context.store.layout().directory(&name));
    if found.is_err_and(|error| files::is_absent(&error)) {
        context.store.must_not_be_away()?;
        return Ok(None);
    }
    clear_staged(context);
    let lock = EntryLock::take(entry.name.as_str(), context)?;
    kind.ready(entry, context)?;
    if types::of(entry).place() == Place::File {
        pack_file(app, entry, parts, context)?;
        return Ok(Some(name));
    }
    let copy = Staged::new(entry.name.as_str(), context)?;
    let copied = root::copy_without_rights(&name, copy.name(), context)?;
    if copied.weakened > 0 {
        context.out.warn(&format!(
            "{app}: {} files of storage entry \"{}\" are in the backup without their set-uid and set-gid bits, which no import sets",
            copied.weakened, entry.name
        ));
    }
    drop(lock);
    let path = parts.archive(entry);
    StorageRoot::of(context).pack(copy.name(), create(&path)?)?;
    // Read once more: what cannot be imported is no backup.
    let mut archive = File::open(&path).map_err(Error::system("read", &path))?;
    let links = match StorageRoot::of(context).check(&mut archive) {
        Ok(links) => links,
        Err(why) => {
            files::unless_absent(std::fs::remove_file(&path))
                .map_err(Error::system("remove", &path))?;
            return Err(not_restorable(app, entry, &why));
        }
    };
    let path = parts.links(entry);
    if links.is_empty() {
        files::unless_absent(std::fs::remove_file(&path))
            .map_err(Error::system("replace", &path))?;
    } else {
        let text = serde_json::to_string_pretty(&links).map_err(Error::system("write", &path))?;
        write(&path, text.as_bytes())?;
    }
    Ok(Some(name))
}

fn not_restorable(app: &AppName, entry: &Entry, why: &Error) -> Error {
    refusal!(
        "{app}: the data of storage entry \"{}\" cannot be in the backup, since no import would take it: {why}",
        entry.name
    )
}

/// A file stands alone in its archive, under the entry's name.
fn pack_file(app: &AppName, entry: &Entry, parts: &Parts, context: &Context) -> Result<()> {
    let path = context.store.layout().directory(entry.name.as_str());
    let found = std::fs::symlink_metadata(&path).map_err(Error::system("read", &path))?;
    let hidden = Staged::new(entry.name.as_str(), context)?;
    let root = StorageRoot::of(context);
    root.must_be_restorable(Ids { uid: found.uid(), gid: found.gid() })
        .map_err(|why| not_restorable(app, entry, &why))?;
    let attributes = |path: &Path| {
        Restored::extended_of(path).map_err(Error::system("read the attributes of", path))
    };
    let (bytes, extended) =
        root.read_file_and(entry.name.as_str(), LARGEST, hidden.name(), attributes)?;
    let member = archive::Member {
        name: entry.name.as_str(),
        mode: found.permissions().mode() & 0o7777,
        restored: Restored { uid: found.uid(), gid: found.gid(), extended },
        changed: found.modified().map_err(Error::system("read", &path))?,
    };
    archive::pack_file(&member, &bytes, create(&parts.archive(entry))?)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    create(path)?.write_all(bytes).map_err(Error::system("write", path))
}

/// Makes a file, and the directories on the way to it.
fn create(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(parent);
        made.map_err(Error::system("create", parent))?;
    }
    // Another run may have left one; a link in its place leads nowhere.
    files::unless_absent(std::fs::remove_file(path)).map_err(Error::system("replace", path))?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(Error::system("create", path))
}
