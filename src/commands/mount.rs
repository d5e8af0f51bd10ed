//! `storage:mount`: an entry, a host path or a Docker volume into an app's containers.

use clap::Parser;

use super::arguments::{self, given, list, parsed};
use crate::context::Context;
use crate::domain::paths::as_typed;
use crate::domain::{
    AppName, Attachment, ContainerPath, DOCKER_LOCAL, Error, MountString, Ownership, Phase, Phases,
    ProcessType, Result, Source, Subpath, VolumeOptions, refuse,
};
use crate::ops::mount::{check, refuse_collision};
use crate::ops::places::judge;
use crate::ops::{access, restart, scheduler};
use crate::store::entries::{changed_meanwhile, no_such_entry};
use crate::types;

#[derive(Debug, Parser)]
struct Arguments {
    /// --container-dir: container path (named-entry form)
    #[arg(long, value_name = "string")]
    container_dir: Option<String>,
    /// --phase: phase to mount in (deploy, run; default both)
    #[arg(long, long_help = "phase to mount in: build, deploy or run (repeatable; by default deploy and run)", value_name = "strings", action = clap::ArgAction::Append)]
    phase: Vec<String>,
    /// --process-type: process type to mount for
    #[arg(long, value_name = "string")]
    process_type: Option<String>,
    /// --volume-chown: chown option applied at mount time
    #[arg(long, value_name = "string")]
    volume_chown: Option<String>,
    /// --volume-options: comma-separated mount options (e.g. Z, noexec,nosuid)
    #[arg(
        long,
        long_help = "comma-separated mount options of Docker, such as Z",
        value_name = "string"
    )]
    volume_options: Option<String>,
    /// --volume-readonly: mount the volume read-only
    #[arg(long)]
    volume_readonly: bool,
    /// --volume-subpath: subpath within the entry
    #[arg(long, value_name = "string")]
    volume_subpath: Option<String>,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, positional) = arguments::parse::<Arguments>(words, context)?;
    let (positional, app) = positional.of_app(2, context)?;
    if let [_, name, path, ..] = &*positional
        && path.starts_with('/')
        && !name.contains(':')
    {
        refuse!(
            "unexpected argument {path:?}; the place in the container is a flag: dokku storage:mount {app} {name} --container-dir {path}"
        );
    }
    positional.at_most(2)?;
    let target = positional.at(1).to_owned();
    if target.contains(':') {
        mount_colon_form(&app, &target, &arguments, context)
    } else {
        mount_entry(&app, &target, &arguments, context)
    }
}

fn mount_colon_form(
    app: &AppName,
    target: &str,
    arguments: &Arguments,
    context: &mut Context,
) -> Result<()> {
    let mut mount = MountString::parse_typed(target)?;
    let found = judge::source(&mount.source, None, Some(app), context)?;
    if let (Source::Path(path), Some(jail)) = (&mount.source, context.store.policy()?.jail) {
        mount.source = Source::Path(jail.land(app, path)?);
    }
    let scheduler = scheduler::of_app(app, context);
    if scheduler != DOCKER_LOCAL {
        refuse!(
            "colon-form mounts are only supported on docker-local apps; {app} is a {scheduler} app. Create a named entry with 'dokku storage:create --scheduler {scheduler}' and mount it instead"
        );
    }
    let typed_source = mount.source.clone();
    let (entry, mut attachment) = mount.into_entry_and_attachment();
    if let Some(given) = given(arguments.container_dir.as_deref())
        && ContainerPath::parse(given)? != attachment.container_path
    {
        refuse!("--container-dir {given:?} and {target:?} name two different container paths");
    }
    complete(&mut attachment, arguments)?;
    check(app, &entry, &attachment, context)?;
    context.store.change(|change| {
        let store = change.store();
        let registered = store.entry(&entry.name)?;
        let mut mounts = store.mounts_file(app)?.whole()?;
        if mounts.attachments().any(|other| other.is_same_mount(&attachment)) {
            refuse!("Mount path already exists.");
        }
        refuse_collision(app, &attachment, mounts.attachments())?;
        let mounted = judge::noted(registered.as_ref().unwrap_or(&entry), found.as_ref());
        store.refuse_shared_collision(app, None, &mounted, &attachment)?;
        store.refuse_second(app, &mounted, &attachment)?;
        mounts.push(attachment.clone());
        if registered.as_ref() != Some(&mounted) {
            change.write_entry(&mounted)?;
        }
        change.write_mounts(app, &mounts);
        Ok(())
    })?;
    warn_of_namesake(app, &typed_source, context);
    restart::say(app, context);
    Ok(())
}

/// `NAME:/path` mounts the Docker volume of that name, also where an entry has it: said, since it may surprise.
fn warn_of_namesake(app: &AppName, source: &Source, context: &mut Context) {
    let Source::Volume(volume) = source else {
        return;
    };
    if access::entry(volume.as_str(), context).is_ok() {
        context.out.warn(&format!(
            "This mounts the Docker volume {volume}, not the storage entry of that name; for the entry: dokku storage:mount {app} {volume} --container-dir PATH"
        ));
    }
}

fn mount_entry(
    app: &AppName,
    name: &str,
    arguments: &Arguments,
    context: &mut Context,
) -> Result<()> {
    let entry = match access::entry(name, context) {
        Err(Error::Refused { .. }) => {
            return Err(no_such_entry(name).hint("create it first with `dokku storage:create`"));
        }
        other => other?,
    };
    let Some(container_dir) = given(arguments.container_dir.as_deref()) else {
        refuse!("--container-dir is required when mounting a named storage entry");
    };
    as_typed("container path", container_dir)?;
    scheduler::must_match(&entry, app, context)?;
    let mut attachment = Attachment::new(entry.name.clone(), ContainerPath::parse(container_dir)?);
    complete(&mut attachment, arguments)?;
    let found = check(app, &entry, &attachment, context)?;
    let noted = judge::noted(&entry, found.as_ref());
    let (is_new, is_changed) = context.store.change(|change| {
        let store = change.store();
        if store.entry(&entry.name)?.as_ref() != Some(&entry) {
            return Err(changed_meanwhile(&entry.name));
        }
        let mut mounts = store.mounts_file(app)?.whole()?;
        let others = mounts.attachments().filter(|other| !other.is_same_mount(&attachment));
        refuse_collision(app, &attachment, others)?;
        store.refuse_shared_collision(app, None, &entry, &attachment)?;
        store.refuse_second(app, &noted, &attachment)?;
        let is_new = !mounts.attachments().any(|other| other.is_same_mount(&attachment));
        let is_changed = mounts.put(&attachment);
        if is_changed {
            change.write_mounts(app, &mounts);
        }
        if noted != entry {
            change.write_entry(&noted)?;
        }
        Ok((is_new, is_changed))
    })?;
    let place = format!("at {container_dir} on {app}");
    context.out.headline(&if is_new {
        format!("Storage entry {name} mounted {place}")
    } else {
        format!("Storage entry {name} mount {place} updated")
    });
    let missing = types::of(&entry).requirements(&context.environment);
    if let Some(missing) = missing.into_iter().find(|needed| !needed.is_here) {
        context.out.warn(&format!(
            "{app} cannot be deployed with it yet: it needs {}, which is not here; {}",
            missing.what, missing.remedy
        ));
    }
    if is_changed {
        restart::say(app, context);
    }
    Ok(())
}

/// Takes what the flags say into the attachment.
fn complete(attachment: &mut Attachment, arguments: &Arguments) -> Result<()> {
    let phases: Result<Vec<Phase>> =
        list(&arguments.phase).iter().map(|p| Phase::parse(p)).collect();
    attachment.phases = Phases::or_default(phases?);
    attachment.process_type =
        ProcessType::parse(arguments.process_type.as_deref().unwrap_or_default())?;
    attachment.readonly |= arguments.volume_readonly;
    if let Some(subpath) = given(arguments.volume_subpath.as_deref()) {
        as_typed("subpath", subpath)?;
        attachment.subpath = Some(Subpath::parse(subpath)?);
    }
    if let Some(options) = given(arguments.volume_options.as_deref()) {
        if attachment.volume_options.is_some() {
            refuse!("options were given both behind the second colon and with --volume-options");
        }
        attachment.volume_options = Some(VolumeOptions::parse(options)?);
    }
    attachment.volume_chown = parsed(arguments.volume_chown.as_ref(), Ownership::parse_for_mount)?;
    attachment.check()
}
