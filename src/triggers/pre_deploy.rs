//! `pre-deploy`: what an app mounts must be there before anything is replaced.

use std::path::Path;

use super::app;
use crate::commands::directory;
use crate::context::Context;
use crate::domain::docker_args::{mounted_source, quoted};
use crate::domain::names::AppName;
use crate::domain::paths::{Source, Subpath};
use crate::domain::phases::Phase;
use crate::error::{Error, Result};
use crate::host::ownership::{self, Folder};
use crate::host::tree::Depth;
use crate::store::Mounted;

/// Checks every mount of the deploy phase, then sets the owners that were asked for.
///
/// # Errors
/// Where something is missing: one line each, with the app, the path and the command that mends it.
pub fn run(arguments: &[String], context: &mut Context) -> anyhow::Result<()> {
    let Some(app) = app(arguments)? else {
        return Ok(());
    };
    let mounts = context.store.mounts(&app)?.readable()?;
    let deployed = |mounted: &&Mounted| {
        mounted.entry.is_docker_local() && mounted.attachment.phases.contains(Phase::Deploy)
    };
    for orphan in &mounts.orphans {
        let path = quoted(orphan.container_path.as_str());
        context.out.warn(&format!(
            "{app} is deployed without storage entry \"{name}\" at {path}, whose file is gone; put back {file}, or drop the mount: dokku storage:unmount {app} {name} --container-dir {path}",
            name = orphan.entry_name,
            file = context.store.layout().entry(&orphan.entry_name).display(),
        ));
    }
    let is_seen_elsewhere = context.environment.host_lib_root()?.is_some();
    let problems: Vec<String> = mounts
        .mounted
        .iter()
        .filter(deployed)
        .filter_map(|mounted| missing_source(&app, mounted, is_seen_elsewhere, context))
        .collect();
    if !problems.is_empty() {
        return Err(Error::refused(problems.join("\n")).into());
    }
    for mounted in mounts.mounted.iter().filter(deployed) {
        set_owner(&app, mounted, context)?;
    }
    Ok(())
}

/// What is wrong with a mount whose source is not there. Docker would make a directory of it, as root.
fn missing_source(
    app: &AppName,
    mounted: &Mounted,
    is_seen_elsewhere: bool,
    context: &Context,
) -> Option<String> {
    let Some(Source::Path(_)) = &mounted.entry.host_path else {
        return None;
    };
    let source = mounted_source(&mounted.entry, &mounted.attachment);
    let path = Path::new(&source);
    let layout = context.store.layout();
    // From inside a container, only Dokku's own folders are the host's.
    let is_seen = !is_seen_elsewhere || path.starts_with(layout.root());
    let is_missing =
        std::fs::metadata(path).is_err_and(|error| crate::store::files::is_absent(&error));
    if !is_seen || !is_missing {
        return None;
    }
    let name = &mounted.entry.name;
    let direct = path.parent() == Some(layout.storage());
    let remedy = match path.file_name().and_then(|name| name.to_str()) {
        _ if source == directory::default_path(context, name.as_str()) => {
            format!("dokku storage:create {name}")
        }
        Some(folder) if direct => format!("dokku storage:ensure-directory {}", quoted(folder)),
        _ => format!("mkdir -p {} (or put the file there that it is meant to be)", quoted(&source)),
    };
    Some(format!(
        "{app} mounts {source} at {} (storage entry \"{name}\"), but {source} does not exist; create it: {remedy}",
        mounted.attachment.container_path
    ))
}

/// Gives an entry's directory, or the part of it that is mounted, to the owner of `--volume-chown`.
fn set_owner(app: &AppName, mounted: &Mounted, context: &mut Context) -> Result<()> {
    let Some(ownership) = &mounted.attachment.volume_chown else {
        return Ok(());
    };
    let (ids, warning) = ownership::on_host(&context.environment, ownership);
    if let Some(warning) = warning {
        context.out.warn(&warning);
    }
    let Some(ids) = ids else {
        return Ok(());
    };
    let name = mounted.entry.name.as_str();
    if mounted.entry.shown_source() != directory::default_path(context, name) {
        context.out.warn(&format!(
            "{app}: --volume-chown {} is not applied to {}, which is not in the storage root; set its owner yourself",
            ownership.as_str(),
            mounted.entry.shown_source()
        ));
        return Ok(());
    }
    let part = mounted.attachment.subpath.as_ref().map(Subpath::as_str);
    let layout = context.store.layout();
    ownership::give(
        &context.environment,
        layout,
        Folder { name, part },
        ids,
        Depth::Folder,
        &|_| {},
    )
}
