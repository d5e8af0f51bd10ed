//! Mounting: what a new mount must not meet, what this host must be able to do for it, and writing it.

use crate::context::Context;
use crate::docker::volumes::Volume;
use crate::domain::{
    AppName, Attachment, DOCKER_LOCAL, Entry, Error, Fault, Phase, Result, Source, VolumeOptions,
    as_typed, only_on_default_path,
};
use crate::ops::places::links;
use crate::ops::{access, apps, judge, scheduler};
use crate::storage::root;
use crate::store::{Change, MountsFile, Store, changed_meanwhile, no_such_entry};
use crate::{docker, types};

pub(crate) fn refuse_collision<'a>(
    app: &AppName,
    attachment: &Attachment,
    others: impl IntoIterator<Item = &'a Attachment>,
) -> Result<()> {
    match attachment.collision(others) {
        None => Ok(()),
        Some(other) => Err(refusal!(
            "container path \"{}\" on {app} is taken by storage entry \"{}\" (phases {}, process type {}); unmount that one first or mount at another path",
            attachment.container_path,
            other.entry_name,
            other.phases,
            other.process_type
        )),
    }
}

/// Refuses a mount that would give the app what is another's, or another what the app has, in the change that writes it.
pub(crate) fn refuse_others(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    store: &Store,
    context: &Context,
) -> Result<()> {
    refuse_others_among(&store.restricted_entries()?, app, entry, attachment, store, context)
}

/// The same where the entries with a scope and the exclusive ones are known.
pub(crate) fn refuse_others_among(
    restricted: &[Entry],
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    store: &Store,
    context: &Context,
) -> Result<()> {
    store.refuse_shared_collision(app, None, entry, attachment)?;
    store.refuse_second_among(restricted, app, None, entry, attachment)?;
    // Whoever sees what nobody mounts may run commands with it.
    let is_restricted = apps::are_restricted(&context.environment);
    if is_restricted && store.apps_mounting(&entry.name)?.is_empty() {
        links::must_run_no_command(entry, context)?;
    }
    Ok(())
}

/// The same of a mount that was made once, and comes back from a backup.
pub(crate) fn refuse_returning(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    store: &Store,
    context: &Context,
) -> Result<()> {
    let (name, scope) = (&entry.name, &entry.scope);
    refuse_if!(
        !scope.includes(app),
        "storage entry \"{name}\" is for {scope} and not for {app}; to let it in: dokku storage:set {name} scope {scope},{app}"
    );
    refuse_others(app, entry, attachment, store, context)
}

/// Has what an app gets be no other app's any more by the image that it was made for.
pub(crate) fn give<'a>(
    app: &AppName,
    attachments: impl IntoIterator<Item = &'a Attachment>,
    change: &mut Change<'_>,
) -> Result<()> {
    for attachment in attachments {
        // One that cannot be read is told where it is used.
        if let Ok(Some(entry)) = change.entry(&attachment.entry_name)
            && entry.given_to(app) != entry
        {
            change.write_entry(&entry.given_to(app))?;
        }
    }
    Ok(())
}

/// Adds attachments to an app's mounts that are not among them; true where there are some.
/// Fails where the container path of one is taken.
pub(crate) fn add_missing<'a>(
    app: &AppName,
    mounts: &mut MountsFile,
    wanted: impl IntoIterator<Item = &'a Attachment>,
) -> Result<bool> {
    let mut is_changed = false;
    for attachment in wanted {
        if mounts.attachments().any(|other| other.is_same_mount(attachment)) {
            continue;
        }
        refuse_collision(app, attachment, mounts.attachments())?;
        mounts.push(attachment.clone());
        is_changed = true;
    }
    Ok(is_changed)
}

/// The entry that stands for a source that somebody typed: the one that is there, or a new one that is not written yet.
pub(crate) fn of_source(app: &AppName, mut source: Source, context: &Context) -> Result<Entry> {
    as_typed("host path", source.as_str())?;
    judge::source(&source, None, Some(app), context)?;
    if let (Source::Path(path), Some(jail)) = (&source, context.store.policy()?.jail) {
        source = Source::Path(jail.land(app, path)?);
    }
    let scheduler = scheduler::of_app(app, context);
    refuse_if!(
        scheduler != DOCKER_LOCAL,
        "colon-form mounts are only supported on docker-local apps; {app} is a {scheduler} app. Create a named entry with 'dokku storage:create --scheduler {scheduler}' and mount it instead"
    );
    let entry = Entry::legacy(source);
    Ok(context.store.of_colon_mount(&entry)?.unwrap_or(entry))
}

/// The entry of that name, for an app of its scheduler.
pub(crate) fn of_name(name: &str, app: &AppName, context: &Context) -> Result<Entry> {
    if name.is_empty() {
        return Err(context.missing("the storage entry or source to mount"));
    }
    let entry = match access::entry(name, context) {
        Err(Error::Refused { .. }) => {
            return Err(no_such_entry(name).hint("create it first with `dokku storage:create`"));
        }
        other => other?,
    };
    scheduler::must_be_mountable(&entry, app, context)?;
    Ok(entry)
}

/// Mounts a source that somebody typed, with the entry that stands for it.
pub(crate) fn add_source(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    context: &mut Context,
) -> Result<()> {
    root::tell_old_spelling(&attachment.volume_chown, context);
    let found = check(app, entry, attachment, context)?;
    context.store.change(|change| {
        let store = change.store();
        let registered = store.of_colon_mount(entry)?;
        let mut mounts = store.mounts_file(app)?.whole()?;
        if mounts.attachments().any(|other| other.is_same_mount(attachment)) {
            refuse!("Mount path already exists.");
        }
        refuse_collision(app, attachment, mounts.attachments())?;
        let mounted = judge::noted(registered.as_ref().unwrap_or(entry), found.as_ref());
        refuse_others(app, &mounted, attachment, store, context)?;
        mounts.push(attachment.clone());
        if registered.as_ref() != Some(&mounted) {
            change.write_entry(&mounted)?;
        }
        change.write_mounts(app, &mounts);
        Ok(())
    })
}

/// Mounts an entry, or mounts it in another way where it is already; returns whether it is mounted newly, and whether the app's
/// mounts are different.
pub(crate) fn add_entry(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    context: &mut Context,
) -> Result<(bool, bool)> {
    root::tell_old_spelling(&attachment.volume_chown, context);
    let found = check(app, entry, attachment, context)?;
    let noted = judge::noted(entry, found.as_ref()).given_to(app);
    context.store.change(|change| {
        let store = change.store();
        if store.entry(&entry.name)?.as_ref() != Some(entry) {
            return Err(changed_meanwhile(&entry.name));
        }
        let mut mounts = store.mounts_file(app)?.whole()?;
        let others = mounts.attachments().filter(|other| !other.is_same_mount(attachment));
        refuse_collision(app, attachment, others)?;
        refuse_others(app, &noted, attachment, store, context)?;
        let is_new = !mounts.attachments().any(|other| other.is_same_mount(attachment));
        let is_changed = mounts.put(attachment);
        if is_changed {
            change.write_mounts(app, &mounts);
        }
        if noted != *entry {
            change.write_entry(&noted)?;
        }
        Ok((is_new, is_changed))
    })
}

/// `NAME:/path` mounts the Docker volume of that name, also where an entry has it: said, since it may surprise.
pub(crate) fn warn_of_namesake(app: &AppName, source: &Source, context: &mut Context) {
    let Source::Volume(volume) = source else {
        return;
    };
    if access::entry(volume.as_str(), context).is_ok() {
        context.out.warn(&format!(
            "This mounts the Docker volume {volume}, not the storage entry of that name; for the entry: dokku storage:mount {app} {volume} --container-dir PATH"
        ));
    }
}

/// Says what keeps an app from being deployed with an entry that it mounts, and which commands around backups it does not know of.
pub(crate) fn warn(app: &AppName, entry: &Entry, context: &mut Context) {
    if let Some((why, remedy)) = scheduler::mismatch(entry, app, context) {
        context.out.warn(&format!("{app} cannot be deployed with it yet: {why}; {remedy}"));
    }
    let missing = types::of(entry).requirements(&context.environment);
    if let Some(missing) = missing.into_iter().find(|needed| !needed.is_here) {
        context.out.warn(&format!(
            "{app} cannot be deployed with it yet: it needs {}, which is not here; {}",
            missing.what, missing.remedy
        ));
    }
    let hooks = &entry.backup;
    if hooks.is_some() && !hooks.any_app && !hooks.apps.contains(app) {
        let name = &entry.name;
        context.out.warn(&format!(
            "Commands around backups of storage entry {name} were set before {app} mounted it; look at them, and set them again or take them away: dokku storage:info {name}"
        ));
    }
}

/// Refuses what this host could not do, or does not allow, when the app is deployed. Returns the volume where its options say
/// more than its name does.
pub(crate) fn check(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    context: &Context,
) -> Result<Option<Volume>> {
    attachment.container_path.must_start()?;
    let found = judge::attachment(app, entry, attachment, context)?;
    if !entry.is_docker_local() {
        return Ok(None);
    }
    refuse_deleted_by_build(app, attachment, context)?;
    refuse_unfit_options(entry, attachment)?;
    if entry.is_typed() {
        types::of(entry).check_attachment(attachment)?;
    }
    let source = entry.shown_source();
    let default_path = root::default_path(context, entry.name.as_str());
    if attachment.sets_owner() && source != default_path && !entry.is_typed() {
        return Err(only_on_default_path("--volume-chown", &default_path, source));
    }
    let volume_part = attachment.subpath.is_some() && entry.is_volume();
    refuse_if!(
        volume_part && !docker::can_mount_volume_subpath(&context.environment)?,
        "this host's Docker cannot mount a part of the volume {source}, which needs Docker 26 or newer; mount a directory, or all of the volume"
    );
    Ok(found)
}

/// Refuses options that exclude each other, or the source. A word that Docker does not know stops the deploy: Dokku's own plugin takes it.
fn refuse_unfit_options(entry: &Entry, attachment: &Attachment) -> Result<()> {
    // What is not a mount of a source has options of its own.
    let [flag, _] = types::of(entry).words("", entry, attachment);
    let options = attachment.volume_options.as_ref().filter(|_| flag == "-v");
    match options.and_then(|options| options.fault(entry.is_volume(), attachment.readonly)) {
        Some(Fault::Unfit(why)) => Err(refusal!(
            "volume options {}: {why}, and Docker refuses them",
            attachment.volume_options.as_ref().map_or("", VolumeOptions::as_str)
        )),
        _ => Ok(()),
    }
}

/// Refuses a mount that a build with herokuish would delete the content of: it empties `/app` first.
fn refuse_deleted_by_build(
    app: &AppName,
    attachment: &Attachment,
    context: &Context,
) -> Result<()> {
    let parts = attachment.container_path.parts();
    let is_cache = parts == ["cache"];
    if !attachment.phases.contains(Phase::Build) || !(is_cache || parts.first() == Some(&"app")) {
        return Ok(());
    }
    let builder = scheduler::builder_of_app(app, context);
    if builder != "herokuish" {
        return Ok(());
    }
    refuse_if!(
        is_cache,
        "container path \"/cache\" has the build cache in a build with herokuish, and Docker refuses a second mount there; leave the build phase out, or mount at another path"
    );
    refuse!(
        "container path \"{}\" is in /app, which a build with herokuish empties, your data with it; leave the build phase out, or mount at a path outside of /app",
        attachment.container_path
    )
}
