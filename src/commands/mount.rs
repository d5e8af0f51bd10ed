//! `storage:mount`: an entry, a host path or a Docker volume into an app's containers.

use super::arguments::{self, AppWord, Args, given, list, no_more_than, parsed, word};
use crate::checks::{AppImage, image};
use crate::context::Context;
use crate::domain::{
    AppName, Attachment, ContainerPath, Entry, MountSettings, MountSpec, MountString, Ownership,
    Phase, ProcessType, Result, Source, Subpath, VolumeOptions, as_typed, quoted,
};
use crate::ops::mount::{self, of_source, warn};
use crate::ops::mount_new::mount_new;
use crate::ops::{MountSet, restart};
use crate::storage::{Ids, root};

#[derive(Debug, Args)]
struct Arguments {
    app: AppWord,
    mounts: Vec<String>,
    /// --container-dir: container path (named-entry form)
    container_dir: Option<String>,
    /// --phase: phase to mount in: build, deploy or run (repeatable; by default deploy and run)
    phase: Vec<String>,
    /// --process-type: process type to mount for
    process_type: Option<String>,
    /// --replace: replace every mount of the process type with the pairs, in one step
    #[arg(help_heading = arguments::OWN)]
    replace: bool,
    /// --volume-chown: chown option applied at mount time
    volume_chown: Option<String>,
    /// --volume-options: comma-separated mount options of Docker, such as Z
    volume_options: Option<String>,
    /// --volume-readonly: mount the volume read-only
    volume_readonly: bool,
    /// --volume-subpath: subpath within the entry
    volume_subpath: Option<String>,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let app = arguments.app.existing(context)?;
    if arguments.replace {
        return replace(&app, &arguments, context);
    }
    if let [name, path, ..] = &*arguments.mounts
        && path.starts_with('/')
        && !name.contains(':')
    {
        refuse!(
            "unexpected argument {path:?}; the path in the container is a flag: dokku storage:mount {app} {name} --container-dir {path}"
        );
    }
    no_more_than(&arguments.mounts, 1)?;
    let target = word(&arguments.mounts, 0);
    if let Some(container_dir) = given(arguments.container_dir.as_deref())
        && target.starts_with('/')
        && !target.contains(':')
    {
        refuse!(
            "--container-dir goes with the name of a storage entry, and {target:?} is a host path; to mount that: dokku storage:mount {app} {}",
            quoted(&format!("{target}:{container_dir}"))
        );
    }
    if target.is_empty()
        && let Some(container_dir) = given(arguments.container_dir.as_deref())
    {
        return mount_new_entry(&app, container_dir, &arguments, context);
    }
    if target.contains(':') {
        mount_colon_form(&app, target, &arguments, context)
    } else {
        mount_entry(&app, target, &arguments, context)
    }
}

fn mount_colon_form(
    app: &AppName,
    target: &str,
    arguments: &Arguments,
    context: &mut Context,
) -> Result<()> {
    let mount = MountString::parse_typed(target)?;
    let typed_source = mount.source.clone();
    let entry = of_source(app, mount.source.clone(), context)?;
    let (_, mut attachment) = mount.into_entry_and_attachment();
    attachment.entry_name.clone_from(&entry.name);
    if let Some(given) = given(arguments.container_dir.as_deref())
        && ContainerPath::parse(given)? != attachment.container_path
    {
        refuse!("--container-dir {given:?} and {target:?} name two different container paths");
    }
    let said = MountSettings {
        readonly: attachment.readonly,
        volume_options: attachment.volume_options.take(),
        ..MountSettings::default()
    };
    attachment.process_type = process_type(arguments)?;
    said.with_flags(settings(arguments)?)?.apply(&mut attachment)?;
    mount::add_source(app, &entry, &attachment, context)?;
    mount::warn_of_namesake(app, &typed_source, context);
    restart::say(app, context);
    Ok(())
}

fn mount_entry(
    app: &AppName,
    name: &str,
    arguments: &Arguments,
    context: &mut Context,
) -> Result<()> {
    let entry = mount::of_name(name, app, context)?;
    let Some(container_dir) = given(arguments.container_dir.as_deref()) else {
        refuse!("--container-dir is required when mounting a named storage entry");
    };
    as_typed("container path", container_dir)?;
    let mut attachment = Attachment::new(entry.name.clone(), ContainerPath::parse(container_dir)?);
    attachment.process_type = process_type(arguments)?;
    settings(arguments)?.apply(&mut attachment)?;
    let (is_new, is_changed) = mount::add_entry(app, &entry, &attachment, context)?;
    let place = format!("at {container_dir} on {app}");
    context.out.headline(&if is_new {
        format!("Storage entry {name} mounted {place}")
    } else {
        format!("Storage entry {name} mount {place} updated")
    });
    warn(app, &entry, context);
    if is_changed {
        restart::say(app, context);
    }
    Ok(())
}

/// Without a source: makes an entry for it, whose directory belongs to the user of the app's image.
fn mount_new_entry(
    app: &AppName,
    container_dir: &str,
    arguments: &Arguments,
    context: &mut Context,
) -> Result<()> {
    as_typed("container path", container_dir)?;
    let path = ContainerPath::parse(container_dir)?;
    let (process_type, settings) = (process_type(arguments)?, settings(arguments)?);
    root::tell_old_spelling(&settings.volume_chown, context);
    let attachment = |entry: &Entry| {
        let mut attachment = Attachment::new(entry.name.clone(), path.clone());
        attachment.process_type = process_type.clone();
        settings.clone().apply(&mut attachment)?;
        Ok(attachment)
    };
    let image = AppImage::find(app, &image::names(app, "", context), context);
    let owner = image.and_then(|image| image.owner(&process_type, Phase::Deploy));
    let owner = owner.map(|(uid, gid)| Ids { uid, gid });
    let entry = mount_new(app, attachment, owner, context)?;
    let of =
        owner.map(|ids| format!(", with the owner {}:{} of the app's image", ids.uid, ids.gid));
    context.out.headline(&format!(
        "Storage entry {} created and mounted at {container_dir} on {app}{}",
        entry.name,
        of.unwrap_or_default()
    ));
    restart::say(app, context);
    Ok(())
}

/// Replaces the mounts of a process type with those of the pairs.
fn replace(app: &AppName, arguments: &Arguments, context: &mut Context) -> Result<()> {
    let pairs = &arguments.mounts;
    if given(arguments.container_dir.as_deref()).is_some() {
        refuse!("The --container-dir flag cannot be used with --replace");
    }
    if pairs.is_empty() {
        refuse!("Must specify at least one mount, use storage:unmount --all to remove all mounts");
    }
    let flags = settings(arguments)?;
    let process_type = process_type(arguments)?;
    let mount = |pair: &&String| {
        let spec = MountSpec::parse(pair)?;
        let entry = if spec.source.starts_with('/') {
            of_source(app, Source::parse(&spec.source)?, context)?
        } else {
            mount::of_name(&spec.source, app, context)?
        };
        let mut attachment = Attachment::new(entry.name.clone(), spec.container_path);
        attachment.process_type = process_type.clone();
        spec.settings.with_flags(flags.clone())?.apply(&mut attachment)?;
        Ok((entry, attachment))
    };
    let in_place = |pair: &&String, error| refusal!("mount {pair:?}: {error}");
    let scope = Some(process_type.clone());
    let set = MountSet::check(app, scope, pairs, mount, in_place, context)?;
    root::tell_old_spelling(set.owners(), context);
    let lines = set.write(app, context)?;
    for line in &lines {
        context.out.detail_unless_quiet(line);
    }
    context
        .out
        .headline(&format!("Storage mounts for process type {process_type} replaced on {app}"));
    set.entries().for_each(|entry| warn(app, entry, context));
    if !lines.is_empty() {
        restart::say(app, context);
    }
    Ok(())
}

fn process_type(arguments: &Arguments) -> Result<ProcessType> {
    ProcessType::parse(arguments.process_type.as_deref().unwrap_or_default())
}

/// What the flags say of how something is mounted.
fn settings(arguments: &Arguments) -> Result<MountSettings> {
    let phases: Result<Vec<Phase>> =
        list(&arguments.phase).iter().map(|p| Phase::parse(p)).collect();
    Ok(MountSettings {
        phases: phases?,
        subpath: parsed(arguments.volume_subpath.as_ref(), |subpath| {
            as_typed("subpath", subpath)?;
            Subpath::parse(subpath)
        })?,
        readonly: arguments.volume_readonly,
        writable: false,
        volume_options: parsed(arguments.volume_options.as_ref(), VolumeOptions::parse)?,
        volume_chown: parsed(arguments.volume_chown.as_ref(), Ownership::parse_for_mount)?,
    })
}
