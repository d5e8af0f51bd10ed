//! Creating an entry: checked, populated where that is asked for, and registered.

use std::io::ErrorKind;

use crate::context::Context;
use crate::docker::{Found, volumes};
use crate::domain::docker_args::quoted;
use crate::domain::{Entry, Error, Result, Sha256, Source, VolumeTarget, source};
use crate::ops::backups::restore;
use crate::ops::{Origin, Places, access, apps, content, judge, populate, scheduler, usable};
use crate::storage::file::StagedFile;
use crate::storage::{DirectorySpec, EntryLock, Place, Top, clear_staged, default_path, sized};
use crate::types::{self, NewEntry};

/// Registers an entry and makes its directory; for k3s the cluster's plugin makes the claim. One that is there already gets
/// what is new of it. `recursive` where the files in the directory change their owner, too.
pub(crate) fn create(
    mut entry: Entry,
    request: &NewEntry,
    (source, sum): (Option<source::Source>, Option<Sha256>),
    recursive: bool,
    context: &mut Context,
) -> Result<()> {
    if entry.connector.is_some() {
        access::must_see_every_app("a connector's credentials are the host's", context)?;
    }
    let existing = within_reach(&entry, context)?;
    if let Some(existing) = &existing {
        check_existing(existing, &mut entry)?;
        entry.complete_from(existing);
    }
    let chown = entry.chown.clone();
    let backup = match &source {
        Some(source::Source::Backup(reference)) => {
            refuse_if!(
                existing.is_some(),
                "storage entry \"{}\" exists already; --from only populates a new one",
                entry.name
            );
            Some(restore::Prepared::of(reference, &mut entry, context)?)
        }
        _ => None,
    };
    judge_source(&mut entry, context)?;
    access::must_be_allowed(&entry, None, &context.store.policy()?, context)?;
    if existing.is_some() {
        usable::must_not_be_away(&entry, context)?;
    } else {
        sized::must_hide_no_image(&entry, context)?;
    }
    if let Some(backup) = backup {
        return backup.put(&entry, chown, context);
    }
    if let Some(source) = source {
        let origin = Origin::of(&source, sum.as_ref(), &mut entry, context)?;
        return populate::create(&entry, &entry, &origin, context);
    }
    let from = request.from.as_ref().map(|from| content::read(from, &entry.name, context));
    let bytes = from.transpose()?;
    let _lock = EntryLock::take(entry.name.as_str(), context)?;
    // Somebody else may have made it meanwhile.
    let existing = within_reach(&entry, context)?;
    if let (None, Some(size)) = (&existing, sized::size(&entry))
        && !sized::has_kept_image(&entry, size, context)?
    {
        return populate::create(&entry, &entry, &Origin::Nothing, context);
    }
    let is_mounted_over =
        types::of(&entry).place() == Place::MountPoint || sized::size(&entry).is_some();
    if existing.is_none() && is_mounted_over {
        populate::must_be_in_no_container(&entry, context)?;
    }
    make(entry, existing.is_some(), bytes.as_deref(), request, recursive, context)
}

/// The entry of the name, where there is one.
/// Fails where the caller may not touch it.
fn within_reach(entry: &Entry, context: &Context) -> Result<Option<Entry>> {
    let existing = context.store.entry(&entry.name)?;
    if let Some(existing) = &existing
        && !access::may_touch(existing, context)?
    {
        refuse!("storage entry name \"{}\" is taken; choose another", entry.name);
    }
    Ok(existing)
}

/// Refuses a caller what a type would look at before it plans an entry, and tell of: the entry of the name, a connector, a volume, and what is
/// in the storage root.
pub(crate) fn must_be_asked(entry: &Entry, request: &NewEntry, context: &Context) -> Result<()> {
    if !apps::are_restricted(&context.environment) {
        return Ok(());
    }
    within_reach(entry, context)?;
    if request.connector.is_some() {
        access::must_see_every_app("a connector's credentials are the host's", context)?;
    }
    let own = Some(&entry.name);
    let storage_type = types::of(entry);
    if matches!(storage_type.place(), Place::Directory | Place::File | Place::MountPoint) {
        let path = default_path(context, entry.name.as_str());
        judge::source(&Source::parse(&path)?, own, None, context)?;
    }
    let volume = request.place.as_deref().unwrap_or(entry.name.as_str());
    if storage_type.keeps_in_volume()
        && let Ok(source @ Source::Volume(_)) = Source::parse(volume)
    {
        judge::source(&source, own, None, context)?;
    }
    Ok(())
}

/// Makes what an entry has in the storage root or elsewhere, and registers it; what is there already stays. The entry's lock is held.
fn make(
    entry: Entry,
    is_registered: bool,
    bytes: Option<&[u8]>,
    request: &NewEntry,
    recursive: bool,
    context: &mut Context,
) -> Result<()> {
    clear_staged(context);
    let wanted = types::directory_spec(&entry, recursive, context)?;
    let file = if types::of(&entry).place() == Place::File {
        Some(StagedFile::create(&entry, is_registered, bytes, wanted.ids(), context)?)
    } else {
        None
    };
    Places::must_suit_scope(&entry, context)?;
    let top = if is_registered { Top::of(&wanted) } else { None };
    let registered = register(entry, &wanted, file.as_ref(), context);
    let (entry, before) = registered.map_err(|error| not_created(error, &wanted))?;
    if before.is_some() {
        context.out.headline_unless_quiet(&format!(
            "Storage entry {} already exists, leaving in place",
            entry.name
        ));
    }
    if file.as_ref().is_some_and(StagedFile::is_new) {
        context.out.detail(&format!("Created {}", entry.shown_source()));
    }
    let request = NewEntry { is_registered: before.is_some(), ..request.clone() };
    let made = finish(&entry, &request, &wanted, context);
    if let Err(error) = made {
        let is_back = roll_back(&entry, before.as_ref(), &wanted, file.as_ref(), context)?;
        if let Some(top) = top.filter(|_| is_back) {
            top.put_back(context);
        }
        return Err(error);
    }
    if let (Some(Source::Volume(volume)), true) = (&entry.host_path, !entry.is_typed()) {
        context.out.detail(&format!("Uses the Docker volume {volume}"));
    }
    Ok(())
}

/// Refuses a path or a volume that the caller may not name, and notes what is seen of a volume that is there.
fn judge_source(entry: &mut Entry, context: &Context) -> Result<()> {
    let Some(source) = &entry.host_path else {
        return Ok(());
    };
    if entry.type_name.is_empty() {
        let found = judge::source(source, Some(&entry.name), None, context)?;
        *entry = judge::noted(entry, found.as_ref());
        return Ok(());
    }
    match source {
        Source::Path(_) => judge::source(source, Some(&entry.name), None, context).map(drop),
        // The options are those that were given, or those of the volume that is there.
        Source::Volume(name) => {
            if let Found::Here(found) = volumes::find(&context.environment, name.as_str()) {
                judge::must_not_be_restored(source, &found, context)?;
            }
            let remotes = context.store.remotes(entry);
            let own = entry.volume_target();
            let has_options = own.has_options || !remotes.is_empty();
            let target = VolumeTarget { remotes, has_options, ..own };
            judge::volume(source, &target, Some(&entry.name), None, context)
        }
    }
}

/// Refuses to make something else of an entry; what its type chose for it the first time stays.
fn check_existing(existing: &Entry, entry: &mut Entry) -> Result<()> {
    refuse_if!(
        existing.scheduler != entry.scheduler,
        "storage entry \"{}\" already exists with scheduler {:?}; refusing to redefine",
        entry.name,
        existing.scheduler
    );
    let (kind, wanted) = (types::name_of(existing), types::name_of(entry));
    let is_typed = existing.is_typed() || entry.is_typed();
    refuse_if!(
        kind != wanted && is_typed,
        "storage entry \"{}\" already exists with type {kind}; refusing to make it {wanted}",
        entry.name
    );
    let is_same = existing.options == entry.options
        && existing.connector == entry.connector
        && existing.driver == entry.driver;
    if entry.is_typed() && existing.is_typed() {
        sized::must_be_same(existing, entry)?;
        refuse_if!(
            !is_same,
            "storage entry \"{}\" already exists with other options; dokku storage:info {} shows them",
            entry.name,
            entry.name
        );
        if !types::of(existing).keeps_in_volume() {
            entry.host_path.clone_from(&existing.host_path);
        }
    }
    refuse_if!(
        existing.host_path.is_none() && entry.host_path.is_some(),
        "storage entry \"{}\" already exists without a host path; leave the path out",
        entry.name
    );
    refuse_if!(
        existing.host_path != entry.host_path,
        "storage entry \"{}\" already exists at {}; unmount and destroy it first, its data stays",
        entry.name,
        existing.shown_source()
    );
    Ok(())
}

/// Says who can create a directory that this user cannot.
fn not_created(error: Error, wanted: &DirectorySpec) -> Error {
    match (&error, wanted.missing()) {
        (Error::System { action: "create", cause, .. }, Some(path))
            if cause.kind() == ErrorKind::PermissionDenied =>
        {
            let path = quoted(&path.to_string_lossy());
            error.hint(format!("create it as root: mkdir -p {path}"))
        }
        _ => error,
    }
}

/// Writes the entry and makes its directory or file in one step; returns the entry as written, and the one before.
fn register(
    entry: Entry,
    wanted: &DirectorySpec,
    file: Option<&StagedFile>,
    context: &Context,
) -> Result<(Entry, Option<Entry>)> {
    context.store.change(|change| {
        if let Some(connector) = &entry.connector {
            change.store().existing_connector(connector.as_str())?;
        }
        let before = change.store().entry(&entry.name)?;
        let mut entry = entry;
        if let Some(before) = &before {
            check_existing(before, &mut entry)?;
            entry.complete_from(before);
        }
        if before.as_ref().map_or(!entry.scope.is_empty(), |before| before.scope != entry.scope) {
            Places::registered(change.store())?.must_be_in_scope_of(&entry)?;
        }
        wanted.prepare(&entry, change);
        if let Some(file) = file {
            file.put(change)?;
        }
        if before.as_ref() != Some(&entry) {
            change.write_entry(&entry)?;
        }
        Ok((entry, before))
    })
}

fn finish(
    entry: &Entry,
    request: &NewEntry,
    wanted: &DirectorySpec,
    context: &mut Context,
) -> Result<()> {
    if wanted.missing().is_some() {
        context.out.detail(&format!("Created {}", entry.shown_source()));
    }
    types::of(entry).create(entry, request, context)?;
    wanted.apply(entry, context)?;
    refuse_if!(
        scheduler::is_elsewhere(entry)
            && scheduler::tell("storage-create", entry, context)?.is_err(),
        "scheduler refused storage entry \"{}\"; nothing was registered",
        entry.name
    );
    Ok(())
}

/// Puts back what was there before, unless somebody changed or mounted the entry meanwhile: then it stays, and
/// the next call of the same command has another try. Whether it is as it was.
fn roll_back(
    entry: &Entry,
    before: Option<&Entry>,
    wanted: &DirectorySpec,
    file: Option<&StagedFile>,
    context: &Context,
) -> Result<bool> {
    let taken = context.store.change(|change| {
        let now = change.store().entry(&entry.name)?;
        if now.as_ref() != Some(entry) || !change.store().apps_mounting(&entry.name)?.is_empty() {
            return Ok(false);
        }
        match before {
            Some(before) => change.put_entry_back(before)?,
            None => change.remove_entry(&entry.name),
        }
        if let Some(file) = file {
            file.roll_back(change);
        }
        Ok(true)
    })?;
    if taken {
        wanted.unmake();
    }
    Ok(taken)
}
