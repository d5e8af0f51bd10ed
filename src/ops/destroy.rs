//! Destroying an entry: what goes with it, taken out of the registry in one step, then removed or put into the trash.

use crate::context::Context;
use crate::domain::{
    AppName, BackupNotes, Entry, EntryName, Error, Result, Snapshot, Source, Trashed, quoted,
};
use crate::fs::look;
use crate::ops::{access, places, scheduler, trash, usable};
use crate::storage::{EntryLock, Place, Staged, root, sized};
use crate::store::Store;
use crate::types::{self, Removal};

/// Whether the storage root has the entry's data under its name.
pub(crate) fn holds_data(entry: &Entry) -> bool {
    matches!(types::of(entry).place(), Place::Directory | Place::File)
}

/// How an entry is to be destroyed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How<'a> {
    /// Whether its data is to go, too.
    pub asked: bool,
    /// The app that it goes with; none where a caller named it.
    pub deleted: Option<&'a AppName>,
    /// Whether the data is removed at once.
    pub no_trash: bool,
}

/// What is to go with an entry.
/// Fails where the caller does not see it, or somebody uses it.
pub(crate) fn plan(entry: &Entry, how: How<'_>, context: &mut Context) -> Result<Removal> {
    let How { asked, deleted, .. } = how;
    if deleted.is_none() {
        access::entry(entry.name.as_str(), context)?;
    }
    must_be_unused(&entry.name, context)?;
    must_have_no_snapshots(&entry.name, &context.store)?;
    usable::must_not_be_away(entry, context)?;
    let removal = types::of(entry).removal(entry, asked, context)?;
    if let Some(place) = place_of(entry, &removal) {
        let (what, own) = (cannot_go(entry, &removal), Some(&entry.name));
        if (removal == Removal::Place && holds_data(entry)) || entry.has_own_volume() {
            places::must_be_free(what, place, own, deleted, context)?;
        } else {
            // What is on a server, or in memory, is not lost; Docker keeps a volume that a container has.
            let free = places::must_be_unregistered(what, place, own, &context.store);
            free.map_err(|error| access::redact(error, context))?;
        }
    }
    Ok(removal)
}

/// The place whose data goes with an entry, or is not there any more without it: the path of its directory or file, or a Docker volume.
fn place_of<'a>(entry: &'a Entry, removal: &Removal) -> Option<&'a Source> {
    let goes = match removal {
        Removal::Place => holds_data(entry) || types::of(entry).must_be_mounted(entry),
        Removal::Outside => entry.is_volume(),
        Removal::Nothing => types::of(entry).must_be_mounted(entry),
    };
    entry.host_path.as_ref().filter(|_| goes)
}

/// What is refused where somebody else uses an entry's place.
fn cannot_go(entry: &Entry, removal: &Removal) -> String {
    let (name, source) = (&entry.name, entry.shown_source());
    let with = if *removal == Removal::Nothing { "" } else { " with its data" };
    format!("storage entry \"{name}\" cannot be destroyed{with}, since {source} is in use")
}

/// Destroys an entry. Returns what is in the trash for it.
/// Fails where it was mounted or changed meanwhile, or its data cannot be removed; the entry is kept then.
pub(crate) fn carry_out(
    entry: &Entry,
    how: How<'_>,
    context: &mut Context,
) -> Result<Option<Trashed>> {
    let _lock = EntryLock::take(entry.name.as_str(), context)?;
    // What another command destroyed meanwhile is not detached, nor attached again; and others may have it by now.
    context.store.must_be_unchanged(entry)?;
    let removal = &plan(entry, how, context)?;
    let goes_outside = *removal == Removal::Outside && entry.is_volume();
    let _volume = if goes_outside {
        Some(EntryLock::of_volume(entry.shown_source(), context)?)
    } else {
        None
    };
    let storage_type = types::of(entry);
    let hours = context.store.policy()?.trash_hours();
    let leaves_for_trash = holds_data(entry) && !how.no_trash && hours > 0;
    let destination = Destination::new(entry, removal, leaves_for_trash, context)?;
    storage_type.detach(entry, context)?;
    let unregistered = destination
        .link_image(entry, context)
        .and_then(|()| unregister(entry, &destination, removal, context));
    let (backups, is_there) = match unregistered {
        Ok(Ok(done)) => done,
        Ok(Err(using)) => {
            storage_type.attach(entry, context)?;
            return Err(still_used(&entry.name, using, context)?);
        }
        Err(error) => {
            storage_type.attach(entry, context)?;
            let is_full = error.is_lack_of_room() && matches!(destination, Destination::Trash(_));
            let error = access::redact(error, context);
            refuse_if!(
                is_full,
                "{error}; to remove the data at once, without the trash: dokku storage:destroy {} --force --destroy-host-dir --no-trash",
                entry.name
            );
            return Err(error);
        }
    };
    if *removal != Removal::Nothing
        && !matches!(destination, Destination::Trash(_))
        && let Err(error) = storage_type.remove(entry, context)
    {
        register_again(entry, &backups, None, context)?;
        return Err(error);
    }
    if scheduler::is_elsewhere(entry) {
        let refused = match scheduler::tell("storage-destroy", entry, context) {
            Ok(Ok(())) => None,
            Ok(Err(status)) => Some(format!("exit status {status}")),
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = refused {
            register_again(entry, &backups, None, context)?;
            refuse!(
                "scheduler refused to remove storage entry {:?} ({reason})",
                entry.name.as_str()
            );
        }
    }
    match destination {
        Destination::Staged(staged) => remove_data(entry, &backups, &staged, context)?,
        Destination::Trash(trashed) => {
            // Without it, the next command that needs the name does this.
            let _ = sized::drop_name(entry, context);
            if !is_there {
                context.out.detail(&format!("There was no {}", entry.shown_source()));
                return Ok(None);
            }
            trash::tell(entry.shown_source(), entry.name.as_str(), hours, context);
            return Ok(Some(*trashed));
        }
        Destination::None if *removal != Removal::Nothing => {
            context.out.detail(&format!("Removed {}", entry.shown_source()));
        }
        Destination::None => sized::tell_kept(entry, context),
    }
    Ok(None)
}

pub(crate) fn must_be_unused(name: &EntryName, context: &Context) -> Result<()> {
    let using = context.store.apps_with(name)?;
    if using.is_empty() { Ok(()) } else { Err(still_used(name, using, context)?) }
}

/// Refuses to destroy an entry that has snapshots: they would belong to nobody, or to the next entry of that name.
pub(crate) fn must_have_no_snapshots(name: &EntryName, store: &Store) -> Result<()> {
    let (notes, problems) = store.snapshots_of(name)?;
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem);
    }
    let Some((names, command)) = snapshots_first(&notes) else {
        return Ok(());
    };
    Err(refusal!(
        "storage entry \"{name}\" has snapshots: {names}; destroy each of them first: {command}"
    ))
}

/// The names of an entry's snapshots in their order, and the command that destroys the first of them; none where it has none.
pub(crate) fn snapshots_first(notes: &[Snapshot]) -> Option<(String, String)> {
    let entry = &notes.first()?.entry;
    let mut names: Vec<&str> = notes.iter().map(|note| note.name.as_str()).collect();
    names.sort_unstable();
    let command = format!("dokku storage:snapshots:destroy {entry} {}", names[0]);
    Some((names.join(", "), command))
}

/// The refusal that names the apps, as far as the caller may see them.
pub(crate) fn still_used(
    name: &EntryName,
    using: Vec<AppName>,
    context: &Context,
) -> Result<Error> {
    let is_known = |app: &&AppName| {
        let mounts = context.store.mounts_file(app);
        mounts.is_ok_and(|mounts| mounts.problem().is_none())
    };
    if let Some(app) = using.iter().find(|app| !is_known(app)) {
        // Nobody knows whether it mounts the entry before its file can be read.
        return Ok(match context.store.mounts_file(app) {
            Ok(mounts) => mounts.problem().unwrap_or(Error::Status(1)),
            Err(error) => error,
        });
    }
    Ok(refusal!(
        "storage entry \"{name}\" is still mounted by app(s): {}",
        access::names(using, context)?.join(", ")
    ))
}

/// What becomes of what the storage root has of an entry that is unregistered.
enum Destination {
    /// It stays, or there is nothing.
    None,
    /// It waits for its removal under this name.
    Staged(Box<Staged>),
    Trash(Box<Trashed>),
}

impl Destination {
    fn new(entry: &Entry, removal: &Removal, for_trash: bool, context: &Context) -> Result<Self> {
        let name = entry.name.as_str();
        if *removal == Removal::Place {
            let path = context.store.layout().directory(name);
            let forget = format!("forget the entry alone: dokku storage:destroy {name} --force");
            root::must_not_be_away(&path, &forget, context)?;
        }
        Ok(match removal {
            Removal::Place if for_trash => {
                must_be_seen(entry, context)?;
                let caller = context.environment.caller();
                let trashed = trash::planned(name, Some(entry.clone()), caller, &context.store)?;
                Self::Trash(Box::new(trashed))
            }
            Removal::Place => Self::Staged(Box::new(Staged::new(name, context)?)),
            Removal::Outside | Removal::Nothing => Self::None,
        })
    }

    /// Renames what the entry has outside of its directory to the name under which it leaves.
    fn link_image(&self, entry: &Entry, context: &Context) -> Result<()> {
        let own = entry.name.as_str();
        match self {
            Self::None => Ok(()),
            Self::Staged(staged) => sized::link(entry, own, staged.name(), context),
            Self::Trash(trashed) => sized::link(entry, own, &trashed.id.directory(), context),
        }
    }
}

/// Refuses to put an image into the trash without the directory that it is found by there.
fn must_be_seen(entry: &Entry, context: &Context) -> Result<()> {
    let path = context.store.layout().directory(entry.name.as_str());
    refuse_if!(
        sized::size(entry).is_some() && !look::is_there(&path),
        "there is no {}, without which the data of storage entry \"{name}\" would not be found in the trash; mount what belongs to {}, or make it: mkdir {}; or remove the data at once: dokku storage:destroy {name} --force --destroy-host-dir --no-trash",
        path.display(),
        context.store.layout().storage().display(),
        quoted(&path.to_string_lossy()),
        name = entry.name
    );
    Ok(())
}

/// Takes the entry out of the registry and its directory out of sight, in one step. Returns what was noted of its backups, and
/// whether there was such a directory; or the apps that mount it: then it is still registered.
fn unregister(
    entry: &Entry,
    destination: &Destination,
    removal: &Removal,
    context: &Context,
) -> Result<Result<(BackupNotes, bool), Vec<AppName>>> {
    context.store.change(|change| {
        let path = change.store().layout().directory(entry.name.as_str());
        let using = change.store().apps_with(&entry.name)?;
        if !using.is_empty() {
            return Ok(Err(using));
        }
        if let Some(place) = place_of(entry, removal) {
            let what = cannot_go(entry, removal);
            places::must_be_unregistered(what, place, Some(&entry.name), change.store())?;
        }
        change.store().must_be_unchanged(entry)?;
        must_have_no_snapshots(&entry.name, change.store())?;
        let backups = change.store().backup_notes(&entry.name);
        let found = std::fs::symlink_metadata(&path);
        let is_there = found.is_ok();
        match (found, destination) {
            (Ok(found), Destination::Staged(_) | Destination::Trash(_)) if !is_right_kind(entry, &found) => {
                let what = match types::of(entry).place() {
                    Place::File => "a file but a directory or a link",
                    _ => "a directory but a link or a file",
                };
                refuse!("{} is not {what}; remove it yourself and run the command without --destroy-host-dir",
                    path.display());
            }
            (Ok(_), Destination::Trash(trashed)) => {
                let trashed = Trashed { backups: backups.clone(), ..Trashed::clone(trashed) };
                change.move_to_trash(&trashed, path)?;
            }
            (Ok(_), Destination::Staged(staged)) => change.move_directory(path, staged.path()),
            _ => {}
        }
        change.remove_entry(&entry.name);
        Ok(Ok((backups, is_there)))
    })
}

/// Whether what is in the entry's place is what its type puts there.
fn is_right_kind(entry: &Entry, found: &std::fs::Metadata) -> bool {
    match types::of(entry).place() {
        Place::File => found.is_file(),
        _ => found.is_dir(),
    }
}

fn remove_data(
    entry: &Entry,
    backups: &BackupNotes,
    staged: &Staged,
    context: &mut Context,
) -> Result<()> {
    // Whoever removed it may have been killed at the very end.
    let removed = staged
        .remove()
        .or_else(|error| if look::is_there(staged.path()) { Err(error) } else { Ok(()) });
    match removed {
        Ok(()) => {
            context.out.detail(&format!("Removed {}", entry.shown_source()));
            Ok(())
        }
        Err(error) if sized::size(entry).is_some() => {
            // Its image may be gone.
            context.out.warn(&format!(
                "Not all of the data is removed yet, which the next command tries again: {error}"
            ));
            Ok(())
        }
        Err(error) => {
            register_again(entry, backups, Some(staged), context)?;
            Err(refusal!(
                "unable to remove {}: {error}; some of its files may be gone",
                entry.shown_source()
            ))
        }
    }
}

/// Puts an entry back that could not be destroyed, and what is left of its directory, unless somebody
/// registered another of that name meanwhile.
fn register_again(
    entry: &Entry,
    backups: &BackupNotes,
    staged: Option<&Staged>,
    context: &Context,
) -> Result<()> {
    context.store.change(|change| {
        if change.store().entry(&entry.name)?.is_some() {
            return Ok(());
        }
        let directory = change.store().layout().directory(entry.name.as_str());
        if let Some(staged) = staged.filter(|_| !directory.exists()) {
            change.put_back(staged.path(), directory);
        }
        change.write_backup_notes(backups)?;
        change.put_entry_back(entry)
    })
}
