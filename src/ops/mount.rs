//! Mounting: what a new mount must not meet, what this host must be able to do for it, and writing it.

use crate::context::Context;
use crate::docker::volumes::Volume;
use crate::domain::{
    AppName, Attachment, DOCKER_LOCAL, Entry, Error, Fault, Phase, Result, Source, VolumeOptions,
    as_typed, only_on_default_path,
};
use crate::ops::{access, judge, scheduler};
use crate::storage::root;
use crate::store::{MountsFile, changed_meanwhile, no_such_entry};
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
        store.refuse_shared_collision(app, None, &mounted, attachment)?;
        store.refuse_second(app, &mounted, attachment)?;
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
    let noted = judge::noted(entry, found.as_ref());
    context.store.change(|change| {
        let store = change.store();
        if store.entry(&entry.name)?.as_ref() != Some(entry) {
            return Err(changed_meanwhile(&entry.name));
        }
        let mut mounts = store.mounts_file(app)?.whole()?;
        let others = mounts.attachments().filter(|other| !other.is_same_mount(attachment));
        refuse_collision(app, attachment, others)?;
        store.refuse_shared_collision(app, None, entry, attachment)?;
        store.refuse_second(app, &noted, attachment)?;
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

/// Says what keeps an app from being deployed with an entry that it mounts.
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
