//! `pre-deploy`: what an app mounts must be there, and fit, before anything is replaced.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use super::auto_volumes::Uncovered;
use super::{app, one_writer, word};
use crate::backing;
use crate::backing::storage_root::{self, Wanted};
use crate::checks::image::Fitting;
use crate::checks::{Finding, Severity, sources};
use crate::commands::scheduler;
use crate::commands::usage::{NEARLY_FULL, share_of};
use crate::context::Context;
use crate::domain::app_settings::{MissingSource, UnwritableSource};
use crate::domain::docker_args::quoted;
use crate::domain::entry::{DOCKER_LOCAL, Entry};
use crate::domain::names::AppName;
use crate::domain::paths::{Source, Subpath};
use crate::domain::phases::Phase;
use crate::error::{Error, Result};
use crate::host::docker::volumes::{self, Volume};
use crate::host::ownership::{self, Folder, Ids};
use crate::host::tree::Depth;
use crate::store::{Mounted, Mounts};

/// Checks every mount of the phases deploy and run, then sets the owners that were asked for.
///
/// # Errors
/// Where something is wrong: one line each, with the app, the path and the command that mends it.
pub fn run(arguments: &[String], context: &mut Context) -> anyhow::Result<()> {
    let Some(app) = app(arguments)? else {
        return Ok(());
    };
    crate::commands::needs::settle(&app, context)?;
    let mounts = context.store.mounts(&app)?.readable()?;
    let settings = context.store.app_settings(&app)?;
    warn_of_orphans(&app, &mounts, context);
    for left in &mounts.left_out {
        context.out.warn(&left.told(&app));
    }
    // What only one-off containers have is checked, too: nothing would check it when they start.
    let has_phase = |m: &&Mounted| {
        m.attachment.phases.contains(Phase::Deploy) || m.attachment.phases.contains(Phase::Run)
    };
    let deployed: Vec<&Mounted> =
        mounts.mounted.iter().filter(|m| m.entry.is_docker_local()).filter(has_phase).collect();
    let mut findings = crate::commands::needs::missing(&app, context)?;
    findings.extend(sources::collisions(&app, &mounts));
    findings.extend(sources::taken_by_options(&app, &mounts, context));
    findings.extend(one_writer::findings(&app, &mounts.mounted, context)?);
    let mut to_make = Vec::new();
    let mut is_missing = Vec::new();
    for &mounted in &deployed {
        findings.extend(sources::elsewhere(&app, mounted));
        findings.extend(sources::unknown_option(&app, mounted, context));
        if sources::unusable(&app, mounted, context).is_some() {
            // It may be mended by itself, such as a mount that came down.
            if let Err(error) = backing::of(&mounted.entry).revive(&mounted.entry, context) {
                context.out.warn(&error.to_string());
            }
            findings.extend(sources::unusable(&app, mounted, context));
        }
        let missing = sources::missing(&app, mounted, context);
        is_missing.push(missing.is_some());
        match (missing, settings.missing_source) {
            (None, _) => {}
            (Some(finding), MissingSource::Fail) => findings.push(finding),
            (Some(_), MissingSource::Create) => to_make.push(mounted),
            (Some(finding), MissingSource::Ignore) => context.out.warn(&finding.line()),
        }
    }
    // What another scheduler runs finds no directories of this host.
    let makes_volumes = settings.auto_volumes && scheduler::of_app(&app, context) == DOCKER_LOCAL;
    let needs_image = !deployed.is_empty() || makes_volumes;
    let fitting = if needs_image { Fitting::open(&app, word(arguments, 1), context) } else { None };
    let owners = owners(&app, &deployed, fitting.as_ref(), context)?;
    let reads_only = settings.unwritable_source == UnwritableSource::Ignore;
    if let Some(fitting) = &fitting {
        let stays_missing =
            |index: usize| is_missing[index] && settings.missing_source != MissingSource::Create;
        for (index, mounted) in deployed.iter().enumerate().filter(|(i, _)| !stays_missing(*i)) {
            let is_settled = |finding: &Finding| {
                finding.severity != Severity::Stops
                    || (finding.code == "not-writable" && (owners[index].is_some() || reads_only))
                    || (finding.code == "not-readable" && (owners[index].is_some() || reads_only))
            };
            findings.extend(fitting.check(&app, mounted).into_iter().filter(|f| !is_settled(f)));
        }
    }
    stop_for(&findings)?;
    let uncovered = match &fitting {
        Some(fitting) if makes_volumes => Some(Uncovered::of(&app, fitting, context)?),
        _ => None,
    };
    let has_image = fitting.is_some();
    drop(fitting);
    if makes_volumes && !has_image {
        context.out.warn(&format!(
            "{app}: Docker does not show the image, so that its volumes get no storage entries (auto-volumes)"
        ));
    }
    warn_of_full(&app, &deployed, context);
    for mounted in to_make {
        make(&app, mounted, context)?;
    }
    for (mounted, owner) in deployed.iter().zip(owners) {
        if let Some(ids) = owner {
            give(mounted, ids, context)?;
        }
    }
    if let Some(uncovered) = uncovered {
        uncovered.make(&app, context)?;
    }
    // A deploy does not wait for more than one removal, and only where it needs the room.
    crate::commands::trash::make_room(None, 1, context);
    one_writer::announce(&app, &mounts.mounted, context);
    Ok(())
}

/// Says which entries with a size are nearly full.
fn warn_of_full(app: &AppName, deployed: &[&Mounted], context: &mut Context) {
    for mounted in deployed {
        let entry = &mounted.entry;
        if let Some(share) = share_of(entry).filter(|&share| share >= NEARLY_FULL) {
            context.out.warn(&format!(
                "{app}: storage entry \"{}\" ({}) is {share} % full; to have it hold more: dokku storage:set {} size SIZE",
                entry.name,
                entry.option("size"),
                entry.name
            ));
        }
    }
}

fn stop_for(findings: &[Finding]) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(Finding::line).collect();
    Err(Error::refused(lines.join("\n")))
}

/// An attachment without an entry is left out of the containers; that must not go unnoticed.
fn warn_of_orphans(app: &AppName, mounts: &Mounts, context: &mut Context) {
    for orphan in &mounts.orphans {
        let path = quoted(orphan.container_path.as_str());
        context.out.warn(&format!(
            "{app} is deployed without storage entry \"{name}\" at {path}, whose file is gone; put back {file}, or drop the mount: dokku storage:unmount {app} {name} --container-dir {path}",
            name = orphan.entry_name,
            file = context.store.layout().entry(&orphan.entry_name).display(),
        ));
    }
}

/// The ids to which each mount's directory is to be given, as `--volume-chown` says.
fn owners(
    app: &AppName,
    deployed: &[&Mounted],
    fitting: Option<&Fitting<'_>>,
    context: &Context,
) -> Result<Vec<Option<Ids>>> {
    let owner = |mounted: &&Mounted| -> Result<Option<Ids>> {
        let Some(ownership) = &mounted.attachment.volume_chown else {
            return Ok(None);
        };
        let name = mounted.entry.name.as_str();
        if mounted.entry.shown_source() != storage_root::default_path(context, name) {
            crate::render::Printer::new(false).warn(&format!(
                "{app}: --volume-chown {} is not applied to {}, which is not in the storage root; set its owner yourself",
                ownership.as_str(),
                mounted.entry.shown_source()
            ));
            return Ok(None);
        }
        if !ownership.is_auto() {
            return Ok(ownership::on_host(&context.environment, ownership).0);
        }
        match fitting.and_then(Fitting::host_ids) {
            Some((uid, gid)) => Ok(Some(Ids { uid, gid })),
            None => Err(Error::refused(format!(
                "{app}: the user of the image is not known, so --volume-chown auto cannot be applied to {}; name the uid: dokku storage:mount {app} {name} --container-dir {} --volume-chown UID",
                mounted.entry.shown_source(),
                quoted(mounted.attachment.container_path.as_str())
            ))),
        }
    };
    deployed.iter().map(owner).collect()
}

/// Makes what is missing: the entry's directory with its owner and mode, or the volume.
fn make(app: &AppName, mounted: &Mounted, context: &mut Context) -> Result<()> {
    let entry = &mounted.entry;
    let source = crate::domain::docker_args::mounted_source(entry, &mounted.attachment);
    let path = std::path::Path::new(&source);
    match (&entry.host_path, &mounted.attachment.subpath) {
        (Some(Source::Volume(volume)), _) => {
            let plain = Volume {
                driver: volumes::LOCAL.to_owned(),
                options: BTreeMap::new(),
                labels: BTreeMap::new(),
            };
            volumes::make(&context.environment, volume.as_str(), &plain)?;
        }
        (_, Some(part)) if is_ours(entry, context) => make_part(entry, part, context)?,
        _ => {
            let wanted = Wanted::of(entry, false, context)?;
            storage_root::make(path, context)?;
            wanted.apply(entry, context)?;
        }
    }
    context.out.detail(&format!("Created {source} for {app}"));
    Ok(())
}

fn is_ours(entry: &Entry, context: &Context) -> bool {
    entry.shown_source() == storage_root::default_path(context, entry.name.as_str())
}

/// Makes a part of an entry's directory, and that where it is missing too, for the entry's owner.
fn make_part(entry: &Entry, part: &Subpath, context: &mut Context) -> Result<()> {
    let name = entry.name.as_str();
    let directory = context.store.layout().directory(name);
    let wanted = Wanted::of(entry, false, context)?;
    storage_root::make(&directory, context)?;
    wanted.apply(entry, context)?;
    let found = std::fs::metadata(&directory).map_err(Error::system("read", &directory))?;
    let ids = Ids { uid: found.uid(), gid: found.gid() };
    let layout = context.store.layout();
    ownership::make_part(&context.environment, layout, name, part.as_str(), ids)
}

/// Gives an entry's directory, or the part of it that is mounted, to the ids.
fn give(mounted: &Mounted, ids: Ids, context: &Context) -> Result<()> {
    let part = mounted.attachment.subpath.as_ref().map(Subpath::as_str);
    let folder = Folder { name: mounted.entry.name.as_str(), part };
    let layout = context.store.layout();
    ownership::give(&context.environment, layout, folder, ids, Depth::Folder, &|_| {}).map(drop)
}
