//! Making backups.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::context::Context;
use crate::domain::backup::{Failure as Failed, Run};
use crate::domain::backup_reference::short;
use crate::domain::connector_type::Protocol;
use crate::domain::{
    AppName, BackupDocument, BackupState, Connector, ConnectorName, Entry, EntryName, Error, Made,
    Moment, Result, Subject, quoted,
};
use crate::fs::mount_points;
use crate::fs::tree::{Closed, Copied};
use crate::host::restic::Failure;
use crate::ops::backups::maker::{self, Maker};
use crate::ops::backups::{Destination, find, hooks, repository_id, stored, this_host, tidy};
use crate::ops::snapshots::{must_see_what_is_paused, pause};
use crate::ops::{access, archive, backups::volume, usable};
use crate::render::progress;
use crate::storage::backing_up::{self, BackupRequest, DATA, Original, Outcome, Saved};
use crate::storage::{
    EntryLock, Place, SnapshotKind, Staged, StorageRoot, clear_staged, entry_lock, root,
};
use crate::store::Work;
use crate::types::{self, Reach};

/// How many times a backup is begun anew, since its entry was changed meanwhile.
const CHANGES: usize = 5;

/// How a backup is made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Whether containers that mount the entry are paused while its data is copied.
    pub pause: bool,
    /// Whether files are read that look as they did in the backup before.
    pub reads_all: bool,
    /// Whether a caller asked for it, who is to see the entry still when it is copied. A schedule has none.
    pub for_caller: bool,
}

/// A backup that was made, for whoever asked for it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Done {
    /// The entry; none for the store.
    pub entry: Option<EntryName>,
    pub connector: ConnectorName,
    pub id: String,
    #[serde(with = "crate::domain::moment::written")]
    pub created: Moment,
    pub bytes: u64,
    pub files: u64,
    /// The bytes that were new, before compression.
    pub sent: u64,
    /// How long all of it took, and the upload alone.
    pub seconds: u64,
    pub upload_seconds: f64,
    /// The files that are missing in it.
    pub unreadable: Vec<String>,
}

/// What a backup is made of.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Entry(Box<Entry>),
    /// The plugin's own store.
    Store,
}

impl Target {
    pub(crate) fn name(&self) -> Option<&EntryName> {
        match self {
            Self::Entry(entry) => Some(&entry.name),
            Self::Store => None,
        }
    }

    /// Whether an operator's commands are run around the backup, which may take long.
    fn has_commands(&self) -> bool {
        matches!(self, Self::Entry(entry) if entry.backup.is_some())
    }
}

/// What is backed up of a subject, whoever may see it.
pub(crate) fn targets(subject: &Subject, context: &mut Context) -> Result<Vec<Target>> {
    Ok(match subject {
        Subject::Entry(entry) => {
            vec![Target::Entry(Box::new(context.store.existing_entry(entry.as_str())?))]
        }
        Subject::App(app) => entries(Some(app), context)?,
        Subject::All => {
            let mut targets = entries(None, context)?;
            targets.push(Target::Store);
            targets
        }
    })
}

/// The entries of an app, or all of this host, whose data is here. It warns of those that cannot be read.
fn entries(app: Option<&AppName>, context: &mut Context) -> Result<Vec<Target>> {
    let mut entries: Vec<Entry> = if let Some(app) = app {
        let mounts = context.store.mounts(app)?.readable()?;
        mounts.mounted.into_iter().map(|mounted| mounted.entry).collect()
    } else {
        let found = context.store.entries()?;
        for problem in found.problems {
            context.out.warn(&format!("not backed up: {problem}"));
        }
        found.entries
    };
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries.dedup_by(|a, b| a.name == b.name);
    entries.retain(has_data_here);
    let (elsewhere, entries): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| is_elsewhere(entry, context));
    for entry in elsewhere {
        context.out.warn(&format!(
            "storage entry \"{}\" is not in the backup: {} {}; to have it in one: dokku storage:create NAME --from {}; where its files have other owners than yours, with: --chown OWNER",
            entry.name,
            entry.shown_source(),
            archive::why_no_place(&entry, context),
            quoted(&format!("dir:{}", entry.shown_source()))
        ));
    }
    let mut targets = Vec::new();
    for entry in entries {
        match why_left_out(&entry, context) {
            Some(why) => context
                .out
                .warn(&format!("storage entry \"{}\" is not in the backup: {why}", entry.name)),
            None => targets.push(Target::Entry(Box::new(entry))),
        }
    }
    Ok(targets)
}

/// Why an entry has nothing to be in a backup of everything.
fn why_left_out(entry: &Entry, context: &Context) -> Option<String> {
    if entry.is_volume() {
        return volume::why_left_out(entry, context);
    }
    let missing = usable::must_be_there(entry, context).err();
    missing.filter(|_| !was_backed_up(entry, context)).map(|why| why.to_string())
}

/// Whether an entry was backed up once, so that it is missed where it is gone.
pub(super) fn was_backed_up(entry: &Entry, context: &Context) -> bool {
    let state = context.store.backup_state(Some(&entry.name));
    state.map_or(true, |state| state.is_some_and(|state| state.last_success.is_some()))
}

/// Whether an entry has data that could be lost with this host.
pub(crate) fn has_data_here(entry: &Entry) -> bool {
    let storage_type = types::of(entry);
    storage_type.keeps_data() && storage_type.description().reach == Reach::Host
}

/// Whether an entry is a directory outside of the storage root, of which there can be no backup.
fn is_elsewhere(entry: &Entry, context: &Context) -> bool {
    types::of(entry).place() == Place::Directory && archive::place(entry, context).is_none()
}

/// Makes backups one after the other; one that fails keeps none of the others from being made. Commands around a backup may take
/// long: those with some come last, and hold up nobody else.
pub(crate) fn each(
    targets: &[Target],
    connector: &Connector,
    options: &Options,
    context: &mut Context,
) -> Vec<Result<Done>> {
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by_key(|&index| targets[index].has_commands());
    let made = order.into_iter().map(|index| {
        let done = match &targets[index] {
            Target::Entry(entry) => self::entry(entry, connector, options, context),
            Target::Store => store(connector, options, context),
        };
        (index, done)
    });
    // In the order of what was asked for.
    let made: BTreeMap<usize, Result<Done>> = made.collect();
    made.into_values().collect()
}

/// Gives each backup the id by which it is listed: older versions of restic say the beginning alone when they make one. Where
/// nothing can be listed, they keep that.
pub(crate) fn name_as_listed(made: &mut [Result<Done>], connector: &Connector, context: &Context) {
    let mut short: Vec<&mut Done> =
        made.iter_mut().flatten().filter(|done| short(&done.id) == done.id).collect();
    if short.is_empty() {
        return;
    }
    let listed = backing_up::repository(&context.store, &connector.name)
        .and_then(|repository| find::at(connector, &repository, None, context));
    for backup in listed.unwrap_or_default() {
        for done in short.iter_mut().filter(|done| backup.id.starts_with(&done.id)) {
            done.id.clone_from(&backup.id);
        }
    }
}

/// Makes a backup of the store, and notes how it went.
pub(crate) fn store(
    connector: &Connector,
    options: &Options,
    context: &mut Context,
) -> Result<Done> {
    let begin = Instant::now();
    let saved = of_store(connector, options, context);
    noted(None, connector, begin, saved, context)
}

fn of_store(
    connector: &Connector,
    options: &Options,
    context: &mut Context,
) -> Result<(Saved, Moment)> {
    let destination = Destination::take(connector, context)?;
    let parent = ready_parent(&destination, None, context)?;
    clear_staged(context);
    let storage = context.store.layout().storage().to_path_buf();
    root::make(&storage, context)?;
    let storage = std::fs::canonicalize(&storage).map_err(Error::system("open", &storage))?;
    let hidden = Staged::new(find::STORE_NAME, context)?;
    // It is in the copy.
    let id = maker::id(context)?;
    let copied = Moment::now();
    let closed = Closed::make(&storage, hidden.name())?;
    stored::copy(&closed.path().join(DATA), context)?;
    closed.note()?;
    drop(closed);
    let request = BackupRequest {
        document: BackupDocument::new(None, BTreeMap::new()),
        host: this_host(),
        tags: find::tags(None, &[], None, &id),
        parent,
        reads_all: options.reads_all,
        copied,
    };
    destination.must_be_open(context)?;
    // All of it is the caller's own.
    let saved = backing_up::save(&storage, hidden.name(), &request, &destination.repository, None)?;
    let mut saved = saved.done(connector)?;
    mark(&mut saved, &destination, None, context)?;
    Ok((saved, copied))
}

/// Makes a backup of an entry, and notes how it went.
pub(crate) fn entry(
    entry: &Entry,
    connector: &Connector,
    options: &Options,
    context: &mut Context,
) -> Result<Done> {
    let begin = Instant::now();
    let saved = as_it_is(entry, connector, options, context);
    noted(Some(&entry.name), connector, begin, saved, context)
}

/// Makes a backup of an entry as it is by now, where another command changed it while this one waited.
fn as_it_is(
    entry: &Entry,
    connector: &Connector,
    options: &Options,
    context: &mut Context,
) -> Result<(Saved, Moment)> {
    let mut entry = entry.clone();
    for _ in 0..CHANGES {
        match of_entry(&entry, connector, options, context) {
            Err(Error::Changed(_)) => entry = context.store.existing_entry(entry.name.as_str())?,
            saved => return saved,
        }
    }
    of_entry(&entry, connector, options, context)
}

fn of_entry(
    entry: &Entry,
    connector: &Connector,
    options: &Options,
    context: &mut Context,
) -> Result<(Saved, Moment)> {
    let source = Source::of(entry, context)?;
    usable::must_be_there(entry, context)?;
    hooks::must_have_time(entry)?;
    let destination = Destination::take(connector, context)?;
    // Where the last backup went well, nobody is asked before there is something to send.
    let known = known_parent(Some(&entry.name), connector, context)?;
    let parent = match &known {
        Some(id) => Some(id.clone()),
        None => ready_parent(&destination, Some(&entry.name), context)?,
    };
    let hidden = Staged::new(entry.name.as_str(), context)?;
    // Commands of the operator's may take long: others can work at the destination meanwhile.
    drop(destination);
    let (copied, copy, after) = copy(entry, &source, &hidden, options, context)?;
    let lacking = mounted_in(&source, context);
    let destination = Destination::take(connector, context)?;
    let using = context.store.apps_mounting(&entry.name)?;
    let size = (copy.made != Made::Btrfs).then_some((copy.bytes, copy.files));
    let mut request = BackupRequest {
        document: document(entry, &using, context)?,
        host: this_host(),
        tags: find::tags(Some(&entry.name), &using, size, &maker::id(context)?),
        parent,
        reads_all: options.reads_all,
        copied,
    };
    context.out.flush()?;
    let name = &connector.name;
    let root = StorageRoot::of(context);
    let mut saved = match root.save(&context.store, name, hidden.name(), &request)? {
        Outcome::Done(saved) => saved,
        // What is in the way is found out, and told or removed.
        first => {
            request.parent = ready_parent(&destination, Some(&entry.name), context)?;
            destination.must_be_open(context)?;
            if request.parent == known && !matches!(first, Outcome::Locked) {
                first.done(connector)?
            } else {
                let root = StorageRoot::of(context);
                root.save(&context.store, name, hidden.name(), &request)?.done(connector)?
            }
        }
    };
    // What is listed of it, without its document.
    if let Some((bytes, files)) = size {
        (saved.bytes, saved.files) = (bytes, files);
    }
    saved.unreadable.extend(lacking);
    mark(&mut saved, &destination, Some(&entry.name), context)?;
    if let Some(error) = after {
        refuse!("backup {} is made, but {error}", short(&saved.id));
    }
    Ok((saved, copied))
}

/// What is mounted in an entry, which is of another file system and not in its backup.
fn mounted_in(source: &Source, context: &Context) -> Vec<String> {
    let Source::Place(place, _) = source else {
        return Vec::new();
    };
    let top = context.store.layout().directory(place);
    let top = std::fs::canonicalize(&top).unwrap_or(top);
    let below = mount_points::below(&top).into_iter();
    let inside = below.filter(|point| *point != top);
    let told = |point: &Path| point.strip_prefix(&top).unwrap_or(point).display().to_string();
    let mut inside: Vec<String> =
        inside.map(|point| format!("what is mounted at {}", told(&point))).collect();
    inside.sort_unstable();
    inside.dedup();
    inside
}

/// The last backup that went to a destination, where nothing went wrong since, and it is known which repository that is.
fn known_parent(
    entry: Option<&EntryName>,
    connector: &Connector,
    context: &Context,
) -> Result<Option<String>> {
    if matches!(repository_id(&connector.name, &context.store), Ok(None)) {
        return Ok(None);
    }
    let state = context.store.backup_state(entry)?;
    let went_well = state.filter(|state| state.failed().is_none());
    let run = went_well.and_then(|state| state.last_success);
    Ok(run.filter(|run| run.connector == connector.name).map(|run| run.id))
}

/// The backup that a new one follows, once the repository is known to be there, and is made where there is none yet.
fn ready_parent(
    destination: &Destination,
    entry: Option<&EntryName>,
    context: &mut Context,
) -> Result<Option<String>> {
    if make_ready(destination, context)? {
        return Ok(None);
    }
    let backups = find::at(&destination.connector, &destination.repository, entry, context)?;
    let of_it = backups.iter().filter(|backup| backup.entry.as_ref() == entry);
    Ok(Maker::here(context)?.last(of_it, None).map(|backup| backup.id.clone()))
}

/// Marks a backup in which files are missing; it has another id then.
fn mark(
    saved: &mut Saved,
    destination: &Destination,
    entry: Option<&EntryName>,
    context: &mut Context,
) -> Result<()> {
    if saved.unreadable.is_empty() {
        return Ok(());
    }
    let words = ["tag", "--add", find::PARTIAL, "--", &saved.id];
    destination.with(context, |repository| repository.have(&words).map(drop))?;
    let (host, filter) = (this_host(), find::filter(entry));
    let backups =
        destination.with(context, |repository| repository.backups(&filter, Some(&host)))?;
    if let Some(marked) = backups.iter().find(|backup| backup.original.starts_with(&saved.id)) {
        saved.id.clone_from(&marked.id);
    }
    Ok(())
}

/// Where an entry's data is.
pub(crate) enum Source {
    /// Below the storage root, under a name (`NAME`, or `NAME/PART`).
    Place(String, SnapshotKind),
    /// In a Docker volume.
    Volume(String),
}

impl Source {
    /// Refuses an entry of which there can be no backup, with what to do.
    pub(crate) fn of(entry: &Entry, context: &Context) -> Result<Self> {
        if entry.is_volume() && types::of(entry).keeps_in_volume() {
            return volume::name(entry, context).map(Self::Volume);
        }
        match archive::place(entry, context) {
            Some(place) if place != entry.name.as_str() => {
                Ok(Self::Place(place, SnapshotKind::Directory))
            }
            _ => {
                let kind = types::snapshot_kind(entry, "a backup", context)?;
                Ok(Self::Place(entry.name.to_string(), kind))
            }
        }
    }
}

/// Copies an entry's data to a hidden name, as it is at one moment; with what went wrong after that.
fn copy(
    entry: &Entry,
    source: &Source,
    hidden: &Staged,
    options: &Options,
    context: &mut Context,
) -> Result<(Moment, Copied, Option<Error>)> {
    clear_staged(context);
    // What one backup's commands write, those of another would write over.
    let _alone = alone_with(entry, context)?;
    hooks::must_have_ended(&entry.name, context)?;
    // Where it cannot be run now, that of this backup may be.
    if let Err(error) = hooks::settle(entry, context) {
        context.out.warn(&error.to_string());
    }
    let begun = hooks::before(entry, context);
    let copied = begun.and_then(|()| copy_alone(entry, source, hidden, options, context));
    // What was begun is ended, however it went.
    let after = hooks::after(entry, context);
    let (moment, copied) = copied?;
    Ok((moment, copied, after.err()))
}

/// Waits until no other command prepares a backup of the entry, copies it or ends that.
fn alone_with(entry: &Entry, context: &mut Context) -> Result<Work> {
    let name = &entry.name;
    let does = format!("backs up storage entry \"{name}\"");
    let ours = |context: &Context| context.store.work_alone(&hooks::work_name(name));
    let work = entry_lock::wait_for(ours, &does, None, context)?;
    let work = work.ok_or_else(|| refusal!("another command {does}; wait for its end"))?;
    context.store.must_be_unchanged(entry)?;
    Ok(work)
}

fn copy_alone(
    entry: &Entry,
    source: &Source,
    hidden: &Staged,
    options: &Options,
    context: &mut Context,
) -> Result<(Moment, Copied)> {
    let _lock = EntryLock::take(entry.name.as_str(), context)?;
    context.store.must_be_unchanged(entry)?;
    if options.for_caller {
        access::entry(entry.name.as_str(), context)?;
        if options.pause {
            must_see_what_is_paused(entry, context)?;
        }
    }
    if let Source::Place(_, kind) = source {
        kind.ready(entry, context)?;
    }
    let environment = context.environment.clone();
    let paused = if options.pause { Some(pause(entry, &environment, context)?.0) } else { None };
    let moment = Moment::now();
    let original = match source {
        Source::Place(place, _) => Original::Place(place),
        Source::Volume(name) => Original::Volume(name),
    };
    context.out.flush()?;
    let copied = progress::of_files("copied", |seen| {
        StorageRoot::of(context).copy_for_backup(hidden.name(), original, seen)
    });
    if let Some(paused) = paused {
        paused.resume()?;
    }
    let copied = copied?;
    root::warn_of_losses(&copied, context);
    note_whose(entry, moment, context)?;
    Ok((moment, copied))
}

/// Notes that the backup of this moment is of what has this name now: another entry of the name has none, or later ones. The entry is
/// locked, so that it is there.
fn note_whose(entry: &Entry, moment: Moment, context: &Context) -> Result<()> {
    let known = context.store.backup_state(Some(&entry.name))?;
    if known.is_some_and(|state| state.covers(moment)) {
        return Ok(());
    }
    context.store.change(|change| {
        let state = change.store().backup_state(Some(&entry.name))?;
        let mut state = state.unwrap_or_else(|| BackupState::new(Some(entry.name.clone())));
        state.cover(moment);
        change.write_backup_state(&state)
    })
}

fn document(entry: &Entry, using: &[AppName], context: &Context) -> Result<BackupDocument> {
    let mut mounts = BTreeMap::new();
    for app in using {
        let file = context.store.mounts_file(app)?;
        let own = file.attachments().filter(|attachment| attachment.entry_name == entry.name);
        mounts.insert(app.clone(), own.cloned().collect());
    }
    Ok(BackupDocument::new(Some(entry.clone()), mounts))
}

/// Makes the repository where there is none yet; true where it was made.
/// Fails where there was one: its disk may not be mounted.
fn make_ready(destination: &Destination, context: &mut Context) -> Result<bool> {
    let connector = &destination.connector;
    let name = &connector.name;
    let told = |failure: Failure| failure.told(connector);
    let noted = context.store.repository_state(name)?;
    let known = noted.and_then(|state| state.repository_id);
    let found = destination.repository.id().map_err(told)?;
    let id = match (&found, &known) {
        (Some(id), Some(known)) if !id.starts_with(known) => refuse!(
            "the repository of connector {name} is another one than before; mount the disk it is on, or, to begin anew there, create a connector of another name for it"
        ),
        (Some(_), Some(_)) => return Ok(false),
        (None, Some(_)) => refuse!(
            "the repository of connector {name} is gone from its place; mount the disk it is on, or, to begin anew there, create a connector of another name for it"
        ),
        (Some(id), None) => id.clone(),
        (None, None) => {
            let path = connector.property("path");
            // A disk that is not mounted must not be taken for an empty one.
            refuse_if!(
                connector.protocol() == Some(Protocol::Directory) && !Path::new(path).is_dir(),
                "{path} of connector {name} is not a directory; mount the disk that it is on, or create it, for Dokku's user to write"
            );
            let made = destination.repository.init().map_err(told)?;
            context.out.detail(&format!("Created a repository at connector {name}"));
            made
        }
    };
    tidy::note(name, |state| state.repository_id = Some(id.clone()), context)?;
    Ok(found.is_none())
}

/// Notes how a backup went.
fn noted(
    entry: Option<&EntryName>,
    connector: &Connector,
    begin: Instant,
    saved: Result<(Saved, Moment)>,
    context: &Context,
) -> Result<Done> {
    let seconds = begin.elapsed().as_secs();
    let noted = context.store.change(|change| {
        if let Some(name) = entry
            && change.store().entry(name)?.is_none()
        {
            // It was destroyed meanwhile: another one of its name begins anew.
            return Ok(());
        }
        let state = change.store().backup_state(entry)?;
        if let Ok((_, copied)) = &saved
            && entry.is_some()
            && !state.as_ref().is_some_and(|state| state.covers(*copied))
        {
            // The same, and one of its name is there already.
            return Ok(());
        }
        let mut state = state.unwrap_or_else(|| BackupState::new(entry.cloned()));
        if let Ok((_, copied)) = &saved {
            state.cover(*copied);
        }
        let failure = match &saved {
            Ok((saved, copied)) if saved.unreadable.is_empty() => {
                state.last_success = Some(Run {
                    at: *copied,
                    connector: connector.name.clone(),
                    id: saved.id.clone(),
                    seconds,
                    bytes: saved.bytes,
                    files: saved.files,
                    sent: saved.sent,
                    sample: saved.sample.clone(),
                });
                None
            }
            Ok((saved, _)) => Some(format!("could not read {}", saved.unreadable.join(", "))),
            Err(error) => Some(error.to_string()),
        };
        if let Some(message) = failure {
            let connector = Some(connector.name.clone());
            state.last_failure = Some(Failed { at: Moment::now(), connector, message });
        }
        change.write_backup_state(&state)
    });
    let (saved, created) = saved?;
    // What was made is there, also where it cannot be noted.
    noted.map_err(|error: Error| {
        refusal!("backup {} is made, but cannot be noted: {error}", saved.id)
    })?;
    Ok(Done {
        entry: entry.cloned(),
        connector: connector.name.clone(),
        id: saved.id,
        created,
        bytes: saved.bytes,
        files: saved.files,
        sent: saved.sent,
        seconds,
        upload_seconds: saved.upload_seconds,
        unreadable: saved.unreadable,
    })
}
