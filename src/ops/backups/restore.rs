//! Restoring backups: to a new entry, or in an entry's place.

use std::path::Path;

use crate::context::Context;
use crate::domain::names::ENTRY_NAME_MAX;
use crate::domain::{
    BackupDocument, BackupReference, DOCKER_LOCAL, Entry, EntryName, Hooks, Moment, Ownership,
    Result, Source,
};
use crate::host::{environment, is_root};
use crate::ops::backups::find::Found;
use crate::ops::backups::{Reading, volume};
use crate::ops::restore::{self, Replacement};
use crate::ops::{Origin, access, apps, archive, judge, populate};
use crate::storage::backing_up::{self, HELPER, RestoreRequest};
use crate::storage::{Staged, StorageRoot, clear_staged, root};
use crate::store::changed_meanwhile;
use crate::types;

/// What is to be restored of a backup, and how.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// The paths below the data; all of it where there are none.
    pub paths: Vec<String>,
    /// Whether device nodes, set-uid bits and capabilities stay.
    pub is_privileged: bool,
    /// Whether the entry is registered already, and only its data is missing.
    pub is_registered: bool,
}

/// Restores a backup to a new entry, which has the settings of the backup's; `name` where another than its own is wanted.
pub(crate) fn to_new(
    found: &Found,
    name: Option<EntryName>,
    options: &Options,
    context: &mut Context,
) -> Result<Entry> {
    let document = found.document(context)?;
    let original = found.entry_of(&document)?;
    let name = match name {
        Some(name) => name,
        None => free_name(&original.name, context)?,
    };
    let mut entry = renamed(&original, name, context)?;
    limit_copy(&mut entry, &original, found, context)?;
    refuse_if!(
        context.store.entry(&entry.name)?.is_some(),
        "storage entry \"{}\" exists already; choose another name with --as, or replace its data: --in-place",
        entry.name
    );
    must_be_possible(&entry, options, context)?;
    into_new(found, &document, (&entry, &as_it_is(&entry)), options, context)?;
    access::tell_of_scope(&entry, &original.scope, context);
    Ok(entry)
}

/// Has a copy be for the apps that have its original, or had it when that was backed up.
fn limit_copy(copy: &mut Entry, original: &Entry, found: &Found, context: &Context) -> Result<()> {
    if copy.name == original.name || !copy.scope.is_empty() {
        return Ok(());
    }
    let mut having = context.store.apps_mounting(&original.name)?;
    if having.is_empty() {
        having.clone_from(&found.backup.apps);
        having.retain(|app| context.environment.has_app(app));
    }
    copy.scope = access::scope_of_copy(original, having, context)?;
    Ok(())
}

/// A backup that a new entry is created from.
pub(crate) struct Prepared {
    found: Found,
    document: BackupDocument,
}

impl Prepared {
    /// Finds the backup, and gives the new entry the settings of the backup's where it has none of its own.
    pub(crate) fn of(
        reference: &BackupReference,
        entry: &mut Entry,
        context: &mut Context,
    ) -> Result<Self> {
        let found = Found::of_reference(reference, (None, None), context)?;
        let document = found.document(context)?;
        let in_backup = found.entry_of(&document)?;
        let original = renamed(&in_backup, entry.name.clone(), context)?;
        let is_other = entry.is_typed() && types::name_of(entry) != types::name_of(&original);
        refuse_if!(
            is_other,
            "backup {} is of a {}; leave --type out, or give --type {}",
            found.backup.short_id(),
            types::name_of(&original),
            types::name_of(&original)
        );
        entry.complete_from(&original);
        if !entry.is_typed() {
            entry.host_path.clone_from(&original.host_path);
        }
        limit_copy(entry, &in_backup, &found, context)?;
        Ok(Self { found, document })
    }

    /// Creates the entry; `chown` where its owner was chosen.
    pub(crate) fn put(
        self,
        entry: &Entry,
        chown: Option<Ownership>,
        context: &mut Context,
    ) -> Result<()> {
        let wants = Entry { chown, ..as_it_is(entry) };
        into_new(&self.found, &self.document, (entry, &wants), &Options::default(), context)
    }
}

/// An entry whose owners and modes are those of the backup.
pub(super) fn as_it_is(entry: &Entry) -> Entry {
    Entry { chown: None, mode: None, ..entry.clone() }
}

/// Populates a new entry with a backup; what `wants` says of owner and mode is set on the data.
pub(super) fn into_new(
    found: &Found,
    document: &BackupDocument,
    (entry, wants): (&Entry, &Entry),
    options: &Options,
    context: &mut Context,
) -> Result<()> {
    let unpacked = unpack(found, document, &entry.name, options, context)?;
    found.must_still_be_seen(context)?;
    if entry.is_volume() {
        return volume::create(entry, unpacked.name(), context);
    }
    let Some(place) = archive::place(entry, context) else {
        refuse!(
            "its data was at {}, which {}; restore it to another entry: dokku storage:backups:restore {} --as NEW",
            entry.shown_source(),
            archive::why_no_place(entry, context),
            found.backup.short_id()
        );
    };
    if place != entry.name.as_str() {
        return elsewhere(entry, &unpacked, &place, options.is_registered, context);
    }
    let origin = Origin::Unpacked(unpacked.name().to_owned(), options.is_registered);
    populate::create(entry, wants, &origin, context)
}

/// Registers an entry whose data is not at the place of its own name, and puts the data where it is.
fn elsewhere(
    entry: &Entry,
    staged: &Staged,
    place: &str,
    is_registered: bool,
    context: &Context,
) -> Result<()> {
    let path = context.store.layout().directory(place);
    let is_free = archive::is_free(&path, context);
    refuse_if!(!is_free, "{} is there already, and stays as it is", path.display());
    root::move_below(staged.name(), place, context)?;
    register(entry, is_registered, context)
}

/// Writes an entry that is not there yet; one that is registered must be the same still.
pub(super) fn register(entry: &Entry, is_registered: bool, context: &Context) -> Result<()> {
    context.store.change(|change| match change.store().entry(&entry.name)? {
        None if !is_registered => change.write_entry(entry),
        Some(now) if is_registered && now == *entry => Ok(()),
        _ => Err(changed_meanwhile(&entry.name)),
    })
}

/// Replaces an entry's data with that of a backup, or only some paths of it.
pub(crate) fn in_place(
    found: &Found,
    entry: &Entry,
    (options, stop): (&Options, bool),
    context: &mut Context,
) -> Result<()> {
    refuse_if!(
        entry.is_volume(),
        "the data of storage entry \"{}\" is in a Docker volume, which cannot be replaced in one step; restore to a new entry: --as NEW",
        entry.name
    );
    let checked = restore::check(entry, stop, context)?;
    must_be_possible(entry, options, context)?;
    let document = found.document(context)?;
    let original = found.entry_of(&document)?;
    let own = types::of(entry).place();
    refuse_if!(
        types::of(&original).place() != own,
        "backup {} is of a {}, and storage entry \"{}\" is a {}; restore to a new entry: --as NEW",
        found.backup.short_id(),
        types::name_of(&original),
        entry.name,
        types::name_of(entry)
    );
    let unpacked = unpack(found, &document, &entry.name, options, context)?;
    let what = format!("backup {}", found.backup.short_id());
    let by = Replacement { name: unpacked.name(), what, snapshot: None, parts: &options.paths };
    restore::replace(entry, &checked, &by, stop, context)
}

fn unpack(
    found: &Found,
    document: &BackupDocument,
    name: &EntryName,
    options: &Options,
    context: &mut Context,
) -> Result<Staged> {
    clear_staged(context);
    if !found.backup.whole {
        context.out.warn(&format!(
            "Backup {} lacks files that could not be read when it was made",
            found.backup.short_id()
        ));
    }
    // A new store has none yet.
    let storage = context.store.layout().storage().to_path_buf();
    root::make(&storage, context)?;
    let staged = Staged::new(name.as_str(), context)?;
    let around = Staged::new(name.as_str(), context)?;
    let wanted = RestoreRequest {
        id: found.backup.id.clone(),
        paths: options.paths.clone(),
        holes: backing_up::noted_holes(document.holes.clone()),
        is_privileged: options.is_privileged,
    };
    context.out.flush()?;
    let names = (around.name(), staged.name());
    let connector = &found.connector.name;
    let _reading = Reading::begin(&found.connector, context)?;
    let restored = StorageRoot::of(context).restore(&context.store, connector, names, &wanted)?;
    let weakened = restored.done(&found.connector)?;
    if weakened > 0 {
        context.out.warn(&format!(
            "{weakened} files came back without set-uid bits and capabilities, or were device nodes and did not come back; root can restore them with --privileged where the entry's owner is root"
        ));
    }
    Ok(staged)
}

/// Refuses what could give somebody rights on this host, where root itself does not call, or the entry is not root's.
fn must_be_possible(entry: &Entry, options: &Options, context: &Context) -> Result<()> {
    if !options.is_privileged {
        return Ok(());
    }
    access::must_see_every_app("--privileged restores device nodes and set-uid bits", context)?;
    if !is_root() {
        let environment = &context.environment;
        let program = if environment.is_dokku() {
            environment.installed(HELPER).program().display().to_string()
        } else {
            "dokku-storage".to_owned()
        };
        refuse!(
            "--privileged restores device nodes and set-uid bits, which only root may; as root, type: {program} storage:backups:restore BACKUP --privileged"
        );
    }
    let ids = entry.chown.as_ref().and_then(Ownership::container_ids);
    refuse_if!(
        ids.is_none_or(|(uid, _)| uid != 0),
        "--privileged is for entries whose owner is root, and storage entry \"{}\" is not: dokku storage:set NAME chown root",
        entry.name
    );
    Ok(())
}

/// The entry of a backup as a new one of this host, under its own name or another.
pub(super) fn renamed(original: &Entry, name: EntryName, context: &Context) -> Result<Entry> {
    let mut entry = original.clone();
    refuse_if!(
        entry.scheduler != DOCKER_LOCAL,
        "storage entry \"{}\" of the backup is for scheduler {}, which has no backups here",
        entry.name,
        entry.scheduler
    );
    entry.put_on(environment::node());
    if entry.is_volume() {
        let is_named_like_it = entry.shown_source() == original.name.as_str();
        if name != original.name || !is_named_like_it {
            entry.host_path = Some(Source::parse(name.as_str())?);
        }
    } else {
        entry.host_path = Some(Source::parse(&root::default_path(context, name.as_str()))?);
    }
    entry.auto_volume = None;
    if name != original.name || !entry.backup.is_valid() {
        // Whose containers they may run in was said for the original.
        entry.backup = Hooks::default();
    }
    let apps = std::mem::take(&mut entry.backup.apps);
    entry.backup.apps = apps::visible(&context.environment, apps)?;
    entry.name = name;
    if let Some(source) = entry.host_path.clone().filter(|_| entry.is_volume()) {
        judge::source(&source, Some(&entry.name), None, context)?;
    }
    Ok(entry)
}

/// An entry of another host, whose storage root was `root`, as it is on this one, under its own name; one whose data is not below the
/// storage root stays as it is.
pub(super) fn renamed_or_same(
    original: &Entry,
    root: Option<&Path>,
    context: &Context,
) -> Result<Entry> {
    let mut entry = original.clone();
    if let Some(source) = archive::moved(&entry, root, context) {
        entry.host_path = Some(source);
    }
    let own = root::default_path(context, entry.name.as_str());
    if entry.host_path.is_some() && !entry.is_volume() && entry.shown_source() == own {
        return renamed(original, original.name.clone(), context);
    }
    if entry.scheduler == DOCKER_LOCAL {
        entry.put_on(environment::node());
    }
    Ok(entry)
}

/// The name of a backup's entry where that is free, else one that follows from it.
fn free_name(name: &EntryName, context: &Context) -> Result<EntryName> {
    let is_free = |name: &EntryName| context.store.is_taken(name).map(|is_taken| !is_taken);
    if is_free(name)? {
        return Ok(name.clone());
    }
    let stamp = Moment::now().stamp();
    let kept = name.as_str().get(..name.as_str().len().min(ENTRY_NAME_MAX - stamp.len() - 1));
    let kept = kept.unwrap_or("restored").trim_end_matches('-');
    EntryName::parse(&format!("{kept}-{stamp}"))
}
