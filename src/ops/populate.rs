//! Populating the directory or the file of a new entry: once, before anything mounts it, with all of it or nothing.

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::domain::paths;
use crate::domain::source::Source;
use crate::domain::{ByteSize, Entry, Error, Result, Sha256, directory_name};
use crate::fs::look;
use crate::ops::places::{links, resolved};
use crate::ops::snapshots::existing;
use crate::ops::web::Web;
use crate::ops::{Places, access, apps, judge};
use crate::storage::sized::staged::Original;
use crate::storage::snapshots::said;
use crate::storage::{EntryLock, Place, SnapshotKind, Staged, clear_staged, root, sized};
use crate::store::{Store, changed_meanwhile, files};
use crate::types::{self, snapshot_kind};

const FROM_THE_HOST: &str =
    "the host reaches more than its apps do, so that not everybody can have it fetch something";

/// Where the data is, after it was looked at that it may be taken.
pub(crate) enum Origin {
    /// A name in the storage root: an entry's, or a snapshot's.
    StorageRoot {
        /// Whose it is, as it was when that was looked at.
        entry: Box<Entry>,
        name: String,
        snapshot_kind: SnapshotKind,
        what: String,
    },
    /// A directory of this host, its path without links.
    Directory(PathBuf),
    Web(Web),
    /// A hidden directory of the storage root, which is this command's own; for an entry that is registered already, and whose
    /// directory is gone, where the second is true.
    Unpacked(String, bool),
    /// Nothing: what has a size is empty at first, and is whole before it is registered all the same.
    Nothing,
}

impl Origin {
    /// The origin that `--from` says. An entry made of a snapshot is for the apps that the snapshot's entry is for,
    /// unless it says for which.
    pub(crate) fn of(
        source: &Source,
        sum: Option<&Sha256>,
        entry: &mut Entry,
        context: &Context,
    ) -> Result<Self> {
        match source {
            Source::Snapshot { entry: of, name } => {
                let original = access::entry(of.as_str(), context)?;
                let note = existing(&original.name, name.as_str(), &context.store)?;
                if entry.scope.is_empty() {
                    let having = context.store.apps_mounting(&original.name)?;
                    entry.scope = access::scope_of_copy(&original, having, context)?;
                }
                let name = directory_name(&note.entry, &note.name);
                let path = context.store.layout().directory(&name);
                let found = std::fs::symlink_metadata(&path);
                let found = found.map_err(Error::system("read", &path))?;
                Ok(Self::StorageRoot {
                    what: format!("snapshot {} of storage entry {}", note.name, note.entry),
                    entry: Box::new(original),
                    name,
                    snapshot_kind: if found.is_file() {
                        SnapshotKind::File
                    } else {
                        SnapshotKind::Directory
                    },
                })
            }
            Source::Directory(path) => {
                let root = context.store.layout().storage();
                let root = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
                // What is there is not looked at before the caller may know.
                let policy = context.store.policy()?;
                let judged = |path: &str| {
                    let real = resolved(path, context)?;
                    refuse_if!(
                        root.starts_with(real.path()),
                        "--from dir:{path} holds the storage root {}, which the copy would be in",
                        root.display()
                    );
                    judge::source(&paths::Source::parse(path)?, None, None, context)?;
                    access::must_be_inside(&policy, None, path, &real, context)
                };
                judged(path.as_str())?;
                let real = std::fs::canonicalize(path.as_str())
                    .map_err(Error::system("read", path.as_str()))?;
                refuse_if!(
                    !real.is_dir(),
                    "--from dir:{path} is not a directory; for a file: --type file --from {path}"
                );
                // A link may lead elsewhere since.
                judged(&real.to_string_lossy())?;
                Ok(Self::Directory(real))
            }
            Source::Git { address, reference } => {
                access::must_see_every_app(FROM_THE_HOST, context)?;
                Ok(Self::Web(Web::Git { address: address.clone(), reference: reference.clone() }))
            }
            Source::Backup(_) => {
                Err(refusal!("a backup is restored with all that it says of the entry"))
            }
            Source::Web(address) => {
                access::must_see_every_app(FROM_THE_HOST, context)?;
                Ok(Self::Web(Web::File { address: address.clone(), sum: sum.cloned() }))
            }
        }
    }

    /// The data of another entry, as it is when it is copied.
    pub(crate) fn of_entry(entry: &Entry, context: &Context) -> Result<Self> {
        let snapshot_kind = snapshot_kind(entry, "a clone", context)?;
        Ok(Self::StorageRoot {
            entry: Box::new(entry.clone()),
            name: entry.name.to_string(),
            snapshot_kind,
            what: format!("storage entry {}", entry.name),
        })
    }

    /// Whether it is the data of another entry.
    fn is_clone(&self) -> bool {
        matches!(self, Self::StorageRoot { entry, name, .. } if entry.name.as_str() == name)
    }

    fn is_registered(&self) -> bool {
        matches!(self, Self::Unpacked(_, true))
    }

    /// Refuses where what is copied is for others by now than when the new entry got its scope from it.
    fn must_be_for_the_same(&self, store: &Store) -> Result<()> {
        let Self::StorageRoot { entry, .. } = self else {
            return Ok(());
        };
        let now = store.existing_entry(entry.name.as_str())?;
        let is_same = now.scope == entry.scope && now.exclusive == entry.exclusive;
        if is_same { Ok(()) } else { Err(changed_meanwhile(&entry.name)) }
    }

    /// Attaches what is copied where it is an entry's.
    fn attach(&self, context: &Context) -> Result<()> {
        match self {
            Self::StorageRoot { entry, name, snapshot_kind, .. } if entry.name.as_str() == name => {
                snapshot_kind.ready(&context.store.existing_entry(name)?, context)
            }
            _ => Ok(()),
        }
    }

    /// Copies it to a hidden name of the storage root. The owners are the originals' unless others are chosen afterwards.
    fn copy(&self, hidden: &str, keeps_owners: bool, context: &mut Context) -> Result<String> {
        let copied = match self {
            Self::Nothing => return Ok(String::new()),
            Self::Web(web) => return web.populate(hidden, context),
            Self::StorageRoot { name, .. } => root::copy(name, hidden, context)?,
            Self::Unpacked(name, _) => {
                let layout = context.store.layout();
                let (from, to) = (layout.directory(name), layout.directory(hidden));
                std::fs::rename(&from, to).map_err(Error::system("move", from))?;
                return Ok(format!("Restored from {}", self.shown()));
            }
            Self::Directory(path) => root::take_in(path, hidden, keeps_owners, context)?,
        };
        Ok(format!("{} from {}", said(&copied), self.shown()))
    }

    /// The same for an entry with a size. What is not in the storage root already is had there first, outside of the
    /// limit; only all of it is of use.
    fn copy_sized(
        &self,
        entry: &Entry,
        size: ByteSize,
        hidden: &str,
        keeps_owners: bool,
        context: &mut Context,
    ) -> Result<String> {
        sized::must_fit(size.bytes(), context)?;
        let what = &self.shown();
        let (name, is_bounded) = match self {
            Self::Nothing => {
                sized::staged::make(entry, size, hidden, context)?;
                let path = context.store.layout().directory(hidden);
                return Ok(sized::said_of_size(entry, size, &path));
            }
            Self::Unpacked(name, _) => (name, false),
            // A clone is as large as its original.
            Self::StorageRoot { name, snapshot_kind, .. } => {
                (name, *snapshot_kind == SnapshotKind::Sized(size))
            }
            Self::Directory(_) | Self::Web(_) => {
                let plain = Staged::new(entry.name.as_str(), context)?;
                let said = self.copy(plain.name(), keeps_owners, context)?;
                let from = Original { name: plain.name(), what, is_bounded: false };
                sized::staged::populate(entry, size, from, hidden, context)?;
                return Ok(said);
            }
        };
        let from = Original { name, what, is_bounded };
        let copied = sized::staged::populate(entry, size, from, hidden, context)?;
        Ok(format!("{} from {what}", said(&copied)))
    }

    fn shown(&self) -> String {
        match self {
            Self::StorageRoot { what, .. } => what.clone(),
            Self::Nothing => String::new(),
            Self::Unpacked(..) => "the backup".to_owned(),
            Self::Directory(path) => path.display().to_string(),
            Self::Web(Web::Git { address, .. } | Web::File { address, .. }) => address.to_string(),
        }
    }

    fn must_suit(&self, entry: &Entry) -> Result<()> {
        let is_of_file = types::of(entry).place() == Place::File;
        let own = if is_of_file { SnapshotKind::File } else { SnapshotKind::Directory };
        match self {
            Self::StorageRoot { snapshot_kind, what, .. } if !own.takes(*snapshot_kind) => {
                let [is, wanted] = if is_of_file {
                    ["a directory", "leave --type file out"]
                } else {
                    ["a file", "add --type file"]
                };
                Err(refusal!("{what} is {is}; {wanted}"))
            }
            _ => Ok(()),
        }
    }
}

/// Populates the directory or the file of a new entry and registers the entry, in one step at the end. What `wants` says of
/// owner and mode is set on the copy.
/// Fails where the name is taken or the data cannot be copied; there is no entry then, and nothing of its directory.
pub(crate) fn create(
    entry: &Entry,
    wants: &Entry,
    origin: &Origin,
    context: &mut Context,
) -> Result<()> {
    clear_staged(context);
    // A new store has no storage root yet.
    root::make(context.store.layout().storage(), context)?;
    let copied = match origin {
        Origin::StorageRoot { entry: copied, .. } => copied.name.as_str(),
        _ => entry.name.as_str(),
    };
    let _locks = EntryLock::take_all(vec![entry.name.as_str(), copied], context)?;
    let is_anothers = copied != entry.name.as_str();
    if is_anothers {
        // Another command may have been at work on it for long.
        access::entry(copied, context)?;
    }
    origin.must_be_for_the_same(&context.store)?;
    must_be_new(entry, origin, &context.store)?;
    // Somebody may mount the place already by its path. It is asked again when the entry is written.
    Places::must_suit_scope(entry, context)?;
    if entry.exclusive && !origin.is_registered() {
        context.store.refuse_several(entry)?;
    }
    must_be_the_callers(entry, context)?;
    origin.must_suit(entry)?;
    origin.attach(context)?;
    // A new store has none yet.
    let storage = context.store.layout().storage().to_path_buf();
    root::make(&storage, context)?;
    let staged = Staged::new(entry.name.as_str(), context)?;
    let recursive = types::of(entry).place() != Place::File;
    let wanted = types::directory_spec(wants, recursive, context)?.under(staged.name().to_owned());
    let size = sized::size(entry);
    let keeps_owners = !wanted.has_owner();
    let said = match size {
        Some(size) => origin.copy_sized(entry, size, staged.name(), keeps_owners, context)?,
        None => origin.copy(staged.name(), keeps_owners, context)?,
    };
    context.out.detail(&said);
    wanted.apply(wants, context)?;
    // Copying may have taken long, too.
    if is_anothers {
        access::entry(copied, context)?;
    }
    must_be_the_callers(entry, context)?;
    if size.is_some() {
        sized::staged::close(entry, staged.name(), context)?;
        sized::staged::adopt(entry, staged.name(), context)?;
    }
    register(entry, origin, &staged, context)?;
    if let Err(error) = sized::attach(entry, context) {
        roll_back(entry, origin, &staged, context)?;
        return Err(error);
    }
    Ok(())
}

/// Refuses to put anything into a place that others have by another name.
fn must_be_the_callers(entry: &Entry, context: &Context) -> Result<()> {
    match &entry.host_path {
        Some(place) if apps::are_restricted(&context.environment) => {
            judge::source(place, Some(&entry.name), None, context).map(drop)
        }
        _ => Ok(()),
    }
}

/// Has an entry not be registered any more that cannot be used, unless somebody changed or mounted it meanwhile: then it
/// stays, and the next deploy has another try.
fn roll_back(entry: &Entry, origin: &Origin, staged: &Staged, context: &Context) -> Result<()> {
    if origin.is_registered() || is_taken(entry, &context.store)? {
        return Ok(());
    }
    sized::detach(entry, context)?;
    // Once it was attached, its image has no hidden name any more by which it is removed with the directory.
    sized::link(entry, entry.name.as_str(), staged.name(), context)?;
    context.store.change(|change| {
        if !is_taken(entry, change.store())? {
            let directory = change.store().layout().directory(entry.name.as_str());
            change.move_directory(directory, staged.path());
            change.remove_entry(&entry.name);
        }
        Ok(())
    })
}

/// Whether an entry is not what this command registered any more, or an app mounts it.
fn is_taken(entry: &Entry, store: &Store) -> Result<bool> {
    let now = store.entry(&entry.name)?;
    Ok(now.as_ref() != Some(entry) || !store.apps_mounting(&entry.name)?.is_empty())
}

fn register(entry: &Entry, origin: &Origin, staged: &Staged, context: &Context) -> Result<()> {
    let directory = context.store.layout().directory(entry.name.as_str());
    if matches!(origin, Origin::Nothing) {
        // One that is empty makes way.
        must_be_in_no_container(entry, context)?;
        files::unless_absent(std::fs::remove_dir(&directory))
            .map_err(Error::system("replace", &directory))?;
    }
    let must_hold_nothing = links::holding_nothing([entry], context)?;
    let flushed = staged.flushed()?;
    context.store.change(|change| {
        must_be_new(entry, origin, change.store())?;
        origin.must_be_for_the_same(change.store())?;
        must_hold_nothing(change.store())?;
        // Copying may have taken long.
        if !entry.scope.is_empty() {
            Places::registered(change.store())?.must_be_in_scope_of(entry)?;
        }
        change.put_directory(&flushed, directory.clone());
        if origin.is_registered() { Ok(()) } else { change.write_entry(entry) }
    })
}

/// Refuses to put something in the place of a directory that a container has: it would keep the old one, which is nowhere then.
pub(crate) fn must_be_in_no_container(entry: &Entry, context: &Context) -> Result<()> {
    let directory = context.store.layout().directory(entry.name.as_str());
    let Some(place) = entry.host_path.as_ref().filter(|_| look::is_there(&directory)) else {
        return Ok(());
    };
    let places = Places::of_this_host(context)?;
    let mut having = places.containers_at(place, &[]).unwrap_or_default();
    having.retain(|container| container.is_running);
    let Some(container) = having.first() else {
        return Ok(());
    };
    let seen = apps::all(&context.environment, &context.store)?;
    let (whose, remedy) = match seen.iter().find(|app| app.as_str() == container.app) {
        Some(app) => (container.shown(), format!("stop it first: dokku ps:stop {app}")),
        None => ("a container".to_owned(), "choose another name".to_owned()),
    };
    refuse!(
        "{whose} has {}, in whose place something else would be put; {remedy}",
        directory.display()
    );
}

fn must_be_new(entry: &Entry, origin: &Origin, store: &Store) -> Result<()> {
    let name = &entry.name;
    let only = match origin {
        Origin::Nothing => "run the command again",
        origin if origin.is_clone() => "choose another name for the clone",
        _ => "--from only populates a new one",
    };
    if origin.is_registered() {
        store.must_be_unchanged(entry)?;
    } else {
        refuse_if!(store.entry(name)?.is_some(), "storage entry \"{name}\" exists already; {only}");
    }
    let directory: &Path = &store.layout().directory(name.as_str());
    if !matches!(origin, Origin::Nothing) && look::is_there(directory) {
        let only = if origin.is_clone() { only } else { "--from only populates a new directory" };
        refuse!("{} is there already; {only}", directory.display());
    }
    Ok(())
}
