//! Backups of the plugin's own store: entries, mounts, settings of apps, connectors with their secrets, the policy and the
//! schedules. With them and the backups of the entries, another host has the storage of all apps again.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::domain::plain::json_reason;
use crate::domain::{AppName, Entry, EntryName, Error, Result, SCHEMA_VERSION};
use crate::fs::look;
use crate::ops::access;
use crate::ops::archive;
use crate::ops::backups::find::{self, Found};
use crate::ops::backups::{Reading, stored_entries};
use crate::ops::crontab;
use crate::ops::mount::{add_missing, give, refuse_returning};
use crate::storage::backing_up::DATA;
use crate::storage::{Staged, clear_staged, root};
use crate::store::{MountsFile, STORE_ID, app_directories, files};

/// What of the registry is in a backup: directories, and single files. Notes of snapshots and of the trash are about data that is
/// on the host that was lost.
const OF_REGISTRY: [&str; 5] = ["connectors", "entries", "policy.json", SCHEDULES, STORE_ID];

const SCHEDULES: &str = "backups/schedules";

const REGISTRY: &str = "registry";
const APPS: &str = "apps";

/// The file that has the path of the storage root.
const STORAGE_ROOT: &str = "storage-root";

/// The directory of the entries in a backup.
const ENTRIES: &str = "registry/entries";

/// Copies what of the store is in a backup to a directory, which is made; nobody changes it meanwhile.
pub(super) fn copy(to: &Path, context: &Context) -> Result<()> {
    // It is read with the rights of the store's owner, and written with the caller's, whose the copy is.
    let found = context.store.change(|change| {
        let layout = change.store().layout();
        let mut found = Vec::new();
        for name in OF_REGISTRY {
            collect(&layout.registry().join(name), &Path::new(REGISTRY).join(name), &mut found)?;
        }
        collect(layout.apps(), Path::new(APPS), &mut found)?;
        let root = layout.storage().as_os_str().as_bytes().to_vec();
        found.push((PathBuf::from(STORAGE_ROOT), Some(root)));
        Ok(found)
    })?;
    make(to)?;
    for (path, content) in found {
        let path = to.join(path);
        let Some(bytes) = content else {
            make(&path)?;
            continue;
        };
        if let Some(parent) = path.parent() {
            make(parent)?;
        }
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.and_then(|mut file| file.write_all(&bytes)).map_err(Error::system("write", &path))?;
    }
    Ok(())
}

/// Reads a file, or the files of a directory and of those below it. Hidden ones are caches, locks and the like. A directory has no
/// content.
fn collect(from: &Path, to: &Path, all: &mut Vec<(PathBuf, Option<Vec<u8>>)>) -> Result<()> {
    let found = match std::fs::symlink_metadata(from) {
        Ok(found) => found,
        Err(error) if files::is_absent(&error) => return Ok(()),
        Err(error) => return Err(Error::system("read", from)(error)),
    };
    if found.is_file() {
        all.push((to.to_owned(), Some(files::read(from)?.unwrap_or_default())));
    } else if found.is_dir() {
        all.push((to.to_owned(), None));
        for name in names(from)? {
            collect(&from.join(&name), &to.join(&name), all)?;
        }
    }
    Ok(())
}

fn make(directory: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(Error::system("create", directory))
}

/// The names in a directory that are not hidden; none where there is no such directory.
fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if files::is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(Error::system("read", directory)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::system("read", directory))?;
        names.extend(entry.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
    }
    names.sort_unstable();
    Ok(names)
}

/// What a restore of the store came to.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Restored {
    /// The entries whose data was restored.
    pub populated: Vec<EntryName>,
    /// The entries that are registered, without data: it is elsewhere, or there is no backup of it.
    pub registered: Vec<EntryName>,
    /// The entries that were here already, and stay as they are.
    pub kept: Vec<EntryName>,
    /// The apps that are not on this host yet.
    pub missing_apps: Vec<AppName>,
    /// What could not be restored, and why.
    pub problems: Vec<String>,
    /// Whether schedules are restored: once all the rest is.
    pub scheduled: bool,
}

/// Restores the store from its last backup, and the data of the entries that are not here. What is here stays as it is, so that
/// it can be run again.
pub(crate) fn restore(found: &Found, context: &mut Context) -> Result<Restored> {
    clear_staged(context);
    let storage = context.store.layout().storage().to_path_buf();
    root::make(&storage, context)?;
    let staged = Staged::new(find::STORE_NAME, context)?;
    make(&staged.path())?;
    let target = format!("--target={}", staged.path().display());
    let words = ["restore", "--no-lock", &target, "--", &found.backup.id];
    context.out.flush()?;
    let reading = Reading::begin(&found.connector, context)?;
    // It runs without root's rights, so that all of it is the caller's.
    reading.repository.have(&words).map_err(|failure| failure.told(&found.connector))?;
    drop(reading);
    let (backups, problems) = find::all(std::slice::from_ref(&found.connector), None, context);
    // What is not known to have no backup is not registered without data.
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem);
    }
    let top = staged.path().join(DATA);
    let mut restored = Restored::default();
    // What goes on here is the store that was backed up, unless this one has backups of its own.
    register(&["connectors", "policy.json", STORE_ID], &top, context)?;
    let of_backup = entries(&top.join(ENTRIES))?;
    let root =
        files::read(&top.join(STORAGE_ROOT))?.and_then(|bytes| String::from_utf8(bytes).ok());
    let root = archive::their_root(root.as_deref());
    let of_backup = stored_entries::OfBackup { entries: of_backup, root };
    stored_entries::restore(&of_backup, &backups, found, &mut restored, context)?;
    mount(&top.join(APPS), &mut restored, context)?;
    // What is half restored must not become the last backup.
    restored.scheduled = restored.missing_apps.is_empty() && restored.problems.is_empty();
    if restored.scheduled {
        register(&[SCHEDULES], &top, context)?;
        crontab::write(context);
    }
    Ok(restored)
}

/// Writes files of the registry, and those of its directories, where there are none.
fn register(parts: &[&str], top: &Path, context: &Context) -> Result<()> {
    let registry = context.store.layout().registry();
    let from = top.join(REGISTRY);
    let mut missing: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for name in parts {
        let place = from.join(name);
        let files = if place.is_dir() {
            names(&place)?.into_iter().map(|file| format!("{name}/{file}")).collect()
        } else {
            vec![(*name).to_owned()]
        };
        for file in files {
            if let Some(content) = files::read(&from.join(&file))? {
                missing.push((registry.join(&file), content));
            }
        }
    }
    context.store.change(|change| {
        for (path, content) in missing {
            if !look::is_there(&path) {
                change.write(path, content);
            }
        }
        Ok(())
    })
}

fn entries(directory: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for name in names(directory)? {
        let path = directory.join(&name);
        let content = files::read(&path)?.unwrap_or_default();
        let entry: Entry = serde_json::from_slice(&content)
            .map_err(|error| Error::unreadable(&path, json_reason(&error)))?;
        refuse_if!(
            entry.schema_version > SCHEMA_VERSION,
            "storage entry \"{}\" of the backup was written by a newer version of this plugin; install that one first",
            entry.name
        );
        entries.push(entry);
    }
    Ok(entries)
}

/// Mounts what was mounted in the apps that this host has, and writes their settings where there are none.
fn mount(from: &Path, restored: &mut Restored, context: &Context) -> Result<()> {
    let here: Vec<AppName> = match context.store.apps_root() {
        Some(root) => app_directories(root)?,
        None => Vec::new(),
    };
    let mut found: BTreeMap<AppName, PathBuf> = BTreeMap::new();
    for name in names(from)? {
        if let Ok(app) = AppName::parse(&name) {
            found.insert(app, from.join(name));
        }
    }
    for (app, directory) in found {
        if context.environment.is_dokku() && !here.contains(&app) {
            restored.missing_apps.push(app);
            continue;
        }
        let refused = mount_app(&app, &directory, context).unwrap_or_else(|error| vec![error]);
        let problem = |error| format!("{app}: {}", access::redact(error, context));
        restored.problems.extend(refused.into_iter().map(problem));
    }
    Ok(())
}

/// Mounts what was mounted in an app and may be; why some is not.
fn mount_app(app: &AppName, directory: &Path, context: &Context) -> Result<Vec<Error>> {
    let path = directory.join("mounts");
    let mounted = files::read(&path)?.unwrap_or_default();
    let wanted = MountsFile::parse(&path, &mounted).and_then(MountsFile::whole)?;
    let mut settings = Vec::new();
    for name in names(directory)?.into_iter().filter(|name| name != "mounts") {
        if let Some(content) = files::read(&directory.join(&name))? {
            settings.push((context.store.layout().app(app).join(name), content));
        }
    }
    context.store.change(|change| {
        let mut mounts = change.store().mounts_file(app)?.whole()?;
        let (mut possible, mut refused) = (Vec::new(), Vec::new());
        for attachment in wanted.attachments() {
            let Some(entry) = change.store().entry(&attachment.entry_name)? else {
                let (name, path) = (&attachment.entry_name, &attachment.container_path);
                refused
                    .push(refusal!("{path} is not mounted: storage entry \"{name}\" is not here"));
                continue;
            };
            let is_there = mounts.attachments().any(|other| other.is_same_mount(attachment));
            match refuse_returning(app, &entry, attachment, change.store(), context) {
                Err(error) if !is_there => refused.push(error),
                _ => possible.push(attachment),
            }
        }
        give(app, possible.iter().copied(), change)?;
        if add_missing(app, &mut mounts, possible)? {
            change.write_mounts(app, &mounts);
        }
        for (path, content) in settings {
            if !look::is_there(&path) {
                change.write(path, content);
            }
        }
        Ok(refused)
    })
}
