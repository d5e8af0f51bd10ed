//! What is checked and done before containers start: for all that an app mounts when an image is released, and for what
//! a process type mounts when it is restarted.
//!
//! # When what is checked
//!
//! `src/checks/prepare.rs` checks what needs no image at `core-post-extract`: an image that is built and not released is one that
//! Dokku runs nothing with. It checks and prepares for the whole app at `pre-release-builder`, and for one process
//! type at `docker-args-deploy APP TAG PROC`, which is all that a restart fires. `pre-release-builder` notes
//! in `config/storage/APP/checked` which mounts it has checked, and for which deploy (`DOKKU_PID`, with the start time
//! of that process and the boot), so that the second finds nothing left to do; `core-post-deploy` removes the note.
//! What was seen in the image is kept in `config/storage/APP/image` under a hash of its layers and its user: a
//! label makes another image id, and no difference. Both files are caches: where they are lost, more is looked up.
//!
//! Where Dokku goes on whatever a trigger's status is (`docker-args-run`, `docker-args-build`, and
//! `docker-args-deploy` without a process type, which deploy tasks ask), a mount that cannot be had is printed as
//! one that Docker refuses. `docker-args-deploy` of a process type fails instead: its status stops the deploy.
//!
//! Deploys, restarts and `storage:doctor` share the checks in `src/checks/`. A finding is `Stops`, `Person` or
//! `Note`; a deploy stops for the first kind only, and all of them are told at once. What Docker or the image
//! cannot tell is not a finding: without an engine, or with an image that is not there, a deploy is not stopped for
//! it. Files of an image are looked at without starting a container (`src/docker/images.rs`).
//!
//! What an app declares in `app.json` is read from the extracted source by `core-post-extract` and `post-extract`
//! (`src/triggers/build.rs`), kept in the app's directory, and becomes a mount only by a link that somebody makes.
//! The source is not ours: links in it are not followed. `post-release-builder` notes which image was built:
//! restarts are told only a tag.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use crate::checks::auto_volumes::Uncovered;
use crate::checks::{AppImage, Seen, disk, image, one_writer, sources};
use crate::context::Context;
use crate::docker::volumes;
use crate::docker::volumes::Volume;
use crate::domain::{
    AppName, Attachment, CheckedMounts, DOCKER_LOCAL, Entry, Error, Finding, ImageFacts,
    MissingSource, Phase, ProcessType, Result, Severity, Source, Subpath, UnwritableSource, quoted,
};
use crate::fs::missing_target;
use crate::host::environment;
use crate::ops::usage::{NEARLY_FULL, share_of};
use crate::ops::{scheduler, usable};
use crate::render::Printer;
use crate::storage::ownership::Directory;
use crate::storage::{Ids, StorageRoot, ownership, root};
use crate::store::{AWAY, Mounted, Mounts};
use crate::types;

/// Checks every mount of the phases deploy and run against an image that is about to be released, and sets the owners that
/// were asked for.
pub(crate) fn release(app: &AppName, image: &str, context: &mut Context) -> Result<()> {
    crate::ops::needs::resolve(app, context)?;
    let mounts = context.store.mounts(app)?.readable()?;
    for left in &mounts.left_out {
        context.out.warn(&left.sentence(app));
    }
    let asked = of_containers(&mounts);
    let mut names = image::names(app, "", context);
    if !image.is_empty() {
        names.insert(0, image.to_owned());
    }
    let orphans: Vec<&Attachment> = mounts.orphans.iter().collect();
    let mut findings = crate::ops::needs::missing(app, context)?;
    // What another scheduler runs finds no directories of this host.
    let makes_volumes = context.store.app_settings(app)?.auto_volumes
        && scheduler::of_app(app, context) == DOCKER_LOCAL;
    let subject = Subject { app, all: &mounts, asked: &asked, orphans: &orphans, makes_volumes };
    prepare(&subject, &names, &mut findings, context)?;
    let lines = asked.iter().map(|m| line(&m.attachment)).chain(orphans.iter().map(|o| line(o)));
    note_checked(app, lines.collect(), context);
    one_writer::announce(app, &mounts.mounted, context);
    // A deploy does not wait for more than one removal, and only where it needs the room.
    crate::ops::trash::make_room(None, 1, context);
    Ok(())
}

/// Checks before a build what needs no image, so that a deploy that is going to stop stops here: once the image is built, Dokku runs
/// no one-off command and no cron task until a deploy ends. Where the source of a mount of the build is missing, Docker would make a
/// directory of it, as root.
pub(crate) fn build(app: &AppName, context: &Context) -> Result<()> {
    let mounts = context.store.mounts(app)?;
    let asked = of_containers(&mounts);
    let mut findings = of_settings(app, &mounts, &asked, context)?;
    if context.store.app_settings(app)?.missing_source == MissingSource::Fail {
        // What is to be attached first, the deploy attaches.
        let is_looked_at = |mounted: &&Mounted| {
            mounted.entry.is_docker_local()
                && (mounted.attachment.phases.contains(Phase::Build)
                    || sources::unusable(app, mounted, context).is_none())
        };
        let looked_at = mounts.mounted.iter().filter(is_looked_at);
        findings.extend(looked_at.filter_map(|mounted| sources::missing(app, mounted, context)));
    }
    stop_for(&findings)
}

/// The mounts that containers of the app get. What only one-off containers have is checked, too: nothing could stop them when they start.
fn of_containers(mounts: &Mounts) -> Vec<&Mounted> {
    let is_one = |m: &&Mounted| {
        m.attachment.phases.contains(Phase::Deploy) || m.attachment.phases.contains(Phase::Run)
    };
    mounts.mounted.iter().filter(is_one).collect()
}

/// Whether a finding is about one of these mounts, or about the app.
fn is_about(finding: &Finding, asked: &[&Mounted]) -> bool {
    finding.entry.as_ref().is_none_or(|name| asked.iter().any(|m| m.entry.name == *name))
}

/// What is wrong with mounts by what is set alone, whatever is at their sources and in the image.
fn of_settings(
    app: &AppName,
    all: &Mounts,
    asked: &[&Mounted],
    context: &Context,
) -> Result<Vec<Finding>> {
    let mut findings = sources::collisions(app, all);
    findings.extend(sources::taken_by_options(app, all, context));
    findings.retain(|finding| is_about(finding, asked));
    findings.extend(asked.iter().filter_map(|m| sources::wrong_scheduler(app, m, context)));
    let policy = context.store.policy()?;
    for mounted in asked.iter().filter(|mounted| mounted.entry.is_docker_local()) {
        findings.extend(sources::not_allowed(app, mounted, &policy, context));
        findings.extend(sources::elsewhere(app, mounted));
        findings.extend(sources::unknown_option(app, mounted, context));
    }
    Ok(findings)
}

/// Checks what containers of a process type are about to mount, unless the same deploy has, and sets the owners that were
/// asked for. Whatever is said goes to standard error.
pub(crate) fn restart(
    app: &AppName,
    tag: &str,
    process_type: &ProcessType,
    context: &mut Context,
) -> Result<()> {
    let mounts = context.store.mounts(app)?.readable()?;
    let checked = checked_by_this_deploy(app, context);
    let is_new = |line: String| !checked.contains(&line);
    let is_asked = |m: &&Mounted| {
        m.attachment.applies(Phase::Deploy, process_type) && is_new(line(&m.attachment))
    };
    let asked: Vec<&Mounted> = mounts.mounted.iter().filter(is_asked).collect();
    let is_asked = |o: &&Attachment| o.applies(Phase::Deploy, process_type) && is_new(line(o));
    let orphans: Vec<&Attachment> = mounts.orphans.iter().filter(is_asked).collect();
    if asked.is_empty() && orphans.is_empty() {
        return Ok(());
    }
    let names = image::names(app, tag, context);
    let subject =
        Subject { app, all: &mounts, asked: &asked, orphans: &orphans, makes_volumes: false };
    prepare(&subject, &names, &mut Vec::new(), context)?;
    let lines = asked.iter().map(|m| line(&m.attachment)).chain(orphans.iter().map(|o| line(o)));
    note_checked(app, lines.chain(checked).collect(), context);
    Ok(())
}

/// Forgets what a deploy has checked, once that has ended.
pub(crate) fn end(app: &AppName, context: &Context) -> Result<()> {
    if context.store.checked_mounts(app) == CheckedMounts::default() {
        return Ok(());
    }
    context.store.change(|change| {
        change.remove_checked_mounts(app);
        Ok(())
    })
}

/// Looks at an image once it has been released, so that a restart need not: what a builder added to it since it was checked
/// may be another layer.
pub(crate) fn look_at_image(app: &AppName, image: &str, context: &Context) {
    let Ok(mounts) = context.store.mounts(app) else {
        return;
    };
    let mounted: Vec<&Mounted> = mounts.mounted.iter().collect();
    if mounted.is_empty() {
        return;
    }
    if let Some(image) = AppImage::find(app, &[image.to_owned()], context) {
        image.look_at(&mounted);
        note_facts(app, &image.into_facts(), context);
    }
}

/// The mounts that this deploy has checked; none in another one.
fn checked_by_this_deploy(app: &AppName, context: &Context) -> Vec<String> {
    let checked = context.store.checked_mounts(app);
    match environment::deploy() {
        Some(deploy) if checked.deploy == deploy => checked.mounts,
        _ => Vec::new(),
    }
}

/// Notes what this deploy has checked. Where that fails, it is checked again.
fn note_checked(app: &AppName, mounts: Vec<String>, context: &Context) {
    if let (false, Some(deploy)) = (mounts.is_empty(), environment::deploy()) {
        let checked = CheckedMounts { deploy, mounts };
        let _ = context.store.change(|change| change.write_checked_mounts(app, &checked));
    }
}

/// Notes what was seen of an image. Where that fails, it is looked at again.
fn note_facts(app: &AppName, facts: &ImageFacts, context: &Context) {
    if *facts != context.store.image_facts(app) {
        let _ = context.store.change(|change| change.write_image_facts(app, facts));
    }
}

fn line(attachment: &Attachment) -> String {
    serde_json::to_string(attachment).unwrap_or_default()
}

struct Subject<'a> {
    app: &'a AppName,
    all: &'a Mounts,
    asked: &'a [&'a Mounted],
    /// The attachments without an entry that containers would get.
    orphans: &'a [&'a Attachment],
    makes_volumes: bool,
}

fn prepare(
    subject: &Subject<'_>,
    names: &[String],
    findings: &mut Vec<Finding>,
    context: &mut Context,
) -> Result<()> {
    let Subject { app, all, asked, makes_volumes, .. } = *subject;
    let settings = context.store.app_settings(app)?;
    if !subject.orphans.is_empty()
        && let Some(problem) = context.store.away()
    {
        return stop_for(&[Finding::of_away(problem, &context.store)]);
    }
    warn_of_orphans(app, subject.orphans, context);
    let local: Vec<&Mounted> =
        asked.iter().copied().filter(|mounted| mounted.entry.is_docker_local()).collect();
    findings.extend(of_settings(app, all, asked, context)?);
    let of_writers = one_writer::findings(app, &all.mounted, asked, context)?;
    findings.extend(of_writers.into_iter().filter(|finding| is_about(finding, asked)));
    let mut to_make = Vec::new();
    let mut is_missing = Vec::new();
    for &mounted in &local {
        findings.extend(repair(app, mounted, context));
        if let Some(finding) = sources::nested(app, mounted, all, context) {
            match finding.severity {
                Severity::Stops => findings.push(finding),
                _ => context.out.warn(&finding.line()),
            }
        }
        let seen = sources::look(app, mounted, context);
        is_missing.push(matches!(seen, Seen::Missing(_)));
        match (seen, settings.missing_source) {
            (Seen::There | Seen::Closed, _) => {}
            (Seen::Unknown, _) => context.out.warn(&sources::unseen(app, mounted).line()),
            // Whatever is to be done about a single source: Docker would make it on the wrong disk.
            (Seen::Missing(finding), _) if finding.code == AWAY => findings.push(*finding),
            (Seen::Missing(finding), MissingSource::Ignore) => context.out.warn(&finding.line()),
            (Seen::Missing(_), MissingSource::Create) if sources::can_be_made(mounted) => {
                to_make.push(mounted);
            }
            (Seen::Missing(finding), _) => findings.push(*finding),
        }
    }
    let needs_image = !local.is_empty() || makes_volumes;
    let image = if needs_image { AppImage::find(app, names, context) } else { None };
    let owners = owners(app, &local, image.as_ref(), context)?;
    let reads_only = settings.unwritable_source == UnwritableSource::Ignore;
    if let Some(image) = &image {
        let stays_missing =
            |index: usize| is_missing[index] && settings.missing_source != MissingSource::Create;
        for (index, mounted) in local.iter().enumerate().filter(|(i, _)| !stays_missing(*i)) {
            let is_settled = |finding: &Finding| {
                finding.severity == Severity::Note
                    || (["not-writable", "not-readable"].contains(&finding.code)
                        && (owners[index].is_some() || reads_only))
            };
            let is_covered = sources::below(mounted, all).is_some();
            let found = image.check(mounted, is_covered).into_iter();
            for finding in found.filter(|finding| !is_settled(finding)) {
                match finding.severity {
                    Severity::Stops => findings.push(finding),
                    _ => Printer::of(&context.environment).warn(&finding.line()),
                }
            }
        }
    }
    stop_for(findings)?;
    let uncovered = match &image {
        Some(image) if makes_volumes => Some(Uncovered::of(app, image, context)?),
        _ => None,
    };
    let facts = image.map(AppImage::into_facts);
    if makes_volumes && facts.is_none() {
        context.out.warn(&format!(
            "{app}: Docker does not show the image, so that its volumes get no storage entries (auto-volumes)"
        ));
    }
    if let (Some(facts), false) = (facts, local.is_empty()) {
        note_facts(app, &facts, context);
    }
    warn_of_full(app, &local, context);
    for mounted in to_make {
        make(app, mounted, context)?;
    }
    for (mounted, owner) in local.iter().zip(owners) {
        if let Some(ids) = owner {
            chown(mounted, ids, context)?;
        }
    }
    match uncovered {
        Some(uncovered) => uncovered.make(app, context),
        None => Ok(()),
    }
}

/// Why containers cannot use a mount's entry, after an attempt to repair it: a mount that came down may come up again.
pub(crate) fn repair(app: &AppName, mounted: &Mounted, context: &mut Context) -> Option<Finding> {
    sources::unusable(app, mounted, context)?;
    let attached = usable::attach(&mounted.entry, None, context);
    let finding = sources::unusable(app, mounted, context);
    let is_told = |error: &Error| {
        let said = error.to_string();
        finding.as_ref().is_some_and(|finding| said.contains(&finding.remedy))
    };
    if let Some(error) = attached.err().filter(|error| !is_told(error)) {
        context.out.warn(&error.to_string());
    }
    finding
}

fn warn_of_full(app: &AppName, deployed: &[&Mounted], context: &mut Context) {
    if let Some(warning) = disk::warning(deployed.iter().map(|mounted| &mounted.entry), context) {
        context.out.warn(&format!("{app}: {warning}"));
    }
    for mounted in deployed {
        let entry = &mounted.entry;
        if let Some(share) = share_of(entry).filter(|&share| share >= NEARLY_FULL) {
            context.out.warn(&format!(
                "{app}: storage entry \"{}\" ({}) is {share} % full; grow it: dokku storage:set {} size SIZE",
                entry.name,
                entry.option("size"),
                entry.name
            ));
        }
    }
}

pub(crate) fn stop_for(findings: &[Finding]) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    // What concerns several mounts is said once.
    let mut lines: Vec<String> = Vec::new();
    for line in findings.iter().map(Finding::line) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Err(Error::refused(lines.join("\n")))
}

/// An attachment without an entry is left out of the containers; that must not go unnoticed.
fn warn_of_orphans(app: &AppName, orphans: &[&Attachment], context: &mut Context) {
    for orphan in orphans {
        let path = quoted(orphan.container_path.as_str());
        context.out.warn(&format!(
            "{app} is deployed without storage entry \"{name}\" at {path}, whose file is gone; restore {file}, or remove the mount: dokku storage:unmount {app} {name} --container-dir {path}",
            name = orphan.entry_name,
            file = context.store.layout().entry(&orphan.entry_name).display(),
        ));
    }
}

/// The ids that are to own each mount's directory, as `--volume-chown` says.
fn owners(
    app: &AppName,
    deployed: &[&Mounted],
    image: Option<&AppImage<'_>>,
    context: &Context,
) -> Result<Vec<Option<Ids>>> {
    let owner = |mounted: &&Mounted| -> Result<Option<Ids>> {
        let Some(ownership) = &mounted.attachment.volume_chown else {
            return Ok(None);
        };
        let name = mounted.entry.name.as_str();
        if mounted.entry.shown_source() != root::default_path(context, name) {
            Printer::of(&context.environment).warn(&format!(
                "{app}: --volume-chown {} is not applied to {}, which is not in the storage root; set its owner yourself",
                ownership.as_str(),
                mounted.entry.shown_source()
            ));
            return Ok(None);
        }
        if !ownership.is_auto() {
            return Ok(ownership::on_host(&context.environment, ownership).0);
        }
        let attachment = &mounted.attachment;
        match image.and_then(|image| image.owner(&attachment.process_type, attachment.phase())) {
            Some((uid, gid)) => Ok(Some(Ids { uid, gid })),
            None => Err(refusal!(
                "{app}: the user of the image is not known, so --volume-chown auto cannot be applied to {}; name the uid: dokku storage:mount {app} {name} --container-dir {} --volume-chown UID",
                mounted.entry.shown_source(),
                quoted(mounted.attachment.container_path.as_str())
            )),
        }
    };
    deployed.iter().map(owner).collect()
}

/// Makes what is missing: the entry's directory with its owner and mode, or the volume.
pub(crate) fn make(app: &AppName, mounted: &Mounted, context: &mut Context) -> Result<()> {
    let entry = &mounted.entry;
    let source = mounted.source();
    // A directory cannot be made where a link leads to nothing.
    let target = missing_target(std::path::Path::new(&source));
    let path = target.as_deref().unwrap_or(std::path::Path::new(&source));
    let own = root::default_path(context, entry.name.as_str());
    match (&entry.host_path, &mounted.attachment.subpath) {
        (Some(Source::Volume(volume)), _) => {
            let plain = Volume {
                driver: volumes::LOCAL.to_owned(),
                options: BTreeMap::new(),
                labels: BTreeMap::new(),
            };
            volumes::make(&context.environment, volume.as_str(), &plain)?;
        }
        (_, Some(part)) if entry.shown_source() == own => make_part(entry, part, context)?,
        _ => {
            let wanted = types::directory_spec(entry, false, context)?;
            root::make(path, context)?;
            wanted.apply(entry, context)?;
        }
    }
    context.out.detail(&format!("Created {source} for {app}"));
    Ok(())
}

/// Makes a part of an entry's directory, and that where it is missing too, for the entry's owner.
fn make_part(entry: &Entry, part: &Subpath, context: &mut Context) -> Result<()> {
    let name = entry.name.as_str();
    let directory = context.store.layout().directory(name);
    let wanted = types::directory_spec(entry, false, context)?;
    root::make(&directory, context)?;
    wanted.apply(entry, context)?;
    let found = std::fs::metadata(&directory).map_err(Error::system("read", &directory))?;
    let ids = Ids { uid: found.uid(), gid: found.gid() };
    StorageRoot::of(context).make_part(name, part.as_str(), ids)
}

/// Changes the owner of an entry's directory, or of the part of it that is mounted.
fn chown(mounted: &Mounted, ids: Ids, context: &Context) -> Result<()> {
    let part = mounted.attachment.subpath.as_ref().map(Subpath::as_str);
    let directory = Directory { name: mounted.entry.name.as_str(), part };
    StorageRoot::of(context).chown_alone(directory, ids)
}
