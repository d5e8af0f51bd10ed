//! `docker-args-build`, `docker-args-deploy`, `docker-args-run`: the words that mount an app's storage.

use super::{app, one_writer, word};
use crate::backing::{self, Place};
use crate::commands::access::must_be_allowed;
use crate::context::Context;
use crate::domain::docker_args::{line, mounted_source};
use crate::domain::entry::{DOCKER_LOCAL, K3S};
use crate::domain::names::{AppName, ProcessType};
use crate::domain::paths::Source;
use crate::domain::phases::Phase;
use crate::error::{Error, Result};
use crate::store::Mounted;

/// The builders whose build containers can mount.
const BUILDERS: [&str; 3] = ["herokuish", "pack", "cnb"];

/// Prints the mounts of the build phase, for builders that can mount; for the others says what is not mounted.
///
/// # Errors
/// As [`deploy`].
pub fn build(arguments: &[String], context: &mut Context) -> anyhow::Result<()> {
    let Some(app) = app(arguments)? else {
        return Ok(());
    };
    let mounts = mounts(&app, Phase::Build, &ProcessType::default(), context)?;
    let builder = word(arguments, 1);
    let emptied = |m: &&Mounted| m.attachment.container_path.parts().first() == Some(&"app");
    if matches!(builder, "" | "herokuish")
        && let Some(mounted) = mounts.iter().find(emptied)
    {
        return Err(Error::refused(format!(
            "{app}: the build mount of storage entry \"{}\" at {} is in /app, which herokuish empties, your data with it; unmount it, or leave the build phase out",
            mounted.entry.name, mounted.attachment.container_path
        ))
        .into());
    }
    if builder.is_empty() || BUILDERS.contains(&builder) {
        let words = words(&app, &mounts, context)?;
        print(&words, context);
        return Ok(());
    }
    for mounted in &mounts {
        context.out.warn(&format!(
            "The {builder} builder cannot mount storage, so {} is not there while {app} is built (storage entry \"{}\")",
            mounted.attachment.container_path, mounted.entry.name
        ));
    }
    Ok(())
}

/// Prints the mounts of the deploy phase for a process type; without one, those of every process type's.
///
/// With the number of a container, that is about to start: what has an exclusive entry before it is stopped.
///
/// # Errors
/// Where a store file cannot be read: an app must not come up without its data; and where an exclusive entry is not to be
/// had.
pub fn deploy(arguments: &[String], context: &mut Context) -> anyhow::Result<()> {
    let Some(app) = app(arguments)? else {
        return Ok(());
    };
    let process_type = ProcessType::parse(word(arguments, 2))?;
    let mounts = mounts(&app, Phase::Deploy, &process_type, context)?;
    let words = words(&app, &mounts, context)?;
    if let Ok(index) = word(arguments, 3).parse() {
        // Last: nothing stops for a container that cannot be made.
        one_writer::make_way(&app, &process_type, index, &mounts, context)?;
    }
    print(&words, context);
    Ok(())
}

/// Prints the mounts of one-off containers.
///
/// # Errors
/// As [`deploy`].
pub fn run(arguments: &[String], context: &mut Context) -> anyhow::Result<()> {
    let Some(app) = app(arguments)? else {
        return Ok(());
    };
    let mounts = mounts(&app, Phase::Run, &ProcessType::default(), context)?;
    let words = words(&app, &mounts, context)?;
    print(&words, context);
    Ok(())
}

/// The mounts that this host's Docker makes for a container, in order.
fn mounts(
    app: &AppName,
    phase: Phase,
    process_type: &ProcessType,
    context: &mut Context,
) -> Result<Vec<Mounted>> {
    let mounts = context.store.mounts(app)?.readable()?;
    crate::commands::report::warn_of_orphans(app, &mounts, context);
    let known =
        |mounted: &&Mounted| [DOCKER_LOCAL, K3S].contains(&mounted.entry.scheduler.as_str());
    for mounted in mounts.mounted.iter().filter(|mounted| !known(mounted)) {
        let entry = &mounted.entry;
        context.out.warn(&format!(
            "{app}: storage entry \"{}\" has scheduler {:?}, which this host's Docker does not serve; it is not mounted",
            entry.name, entry.scheduler
        ));
    }
    let sorted = mounts.sorted().into_iter().filter(|mounted| {
        mounted.entry.is_docker_local() && mounted.attachment.applies(phase, process_type)
    });
    Ok(sorted.cloned().collect())
}

fn print(words: &[String], context: &mut Context) {
    if !words.is_empty() {
        context.out.text(" ");
        context.out.text(&line(words));
    }
}

fn words(app: &AppName, mounts: &[Mounted], context: &mut Context) -> Result<Vec<String>> {
    if mounts.is_empty() {
        return Ok(Vec::new());
    }
    let policy = context.store.policy()?;
    let mut all = Vec::with_capacity(mounts.len() * 2);
    for mounted in mounts {
        must_be_allowed(&mounted.entry, Some(app), &policy, context)?;
        let source = as_docker_sees_it(mounted, context)?;
        let backing = backing::of(&mounted.entry);
        if backing.must_be_mounted(&mounted.entry) || backing.place() == Place::File {
            // Nothing is written under an empty mount point, and Docker makes no directory in a file's place.
            crate::commands::wait::must_be_usable(&mounted.entry, context)?;
        }
        all.extend(backing.words(&source, &mounted.entry, &mounted.attachment));
    }
    Ok(all)
}

/// The source of a mount on the host of Docker, which sees Dokku's folders elsewhere where Dokku itself runs
/// in a container. A part of an entry must not lead out of it by a link.
fn as_docker_sees_it(mounted: &Mounted, context: &Context) -> Result<String> {
    let source = mounted_source(&mounted.entry, &mounted.attachment);
    let Some(Source::Path(path)) = &mounted.entry.host_path else {
        return Ok(source);
    };
    if mounted.attachment.subpath.is_some() {
        let root = std::fs::canonicalize(path.as_str());
        let part = std::fs::canonicalize(&source);
        if let (Ok(root), Ok(part)) = (root, part)
            && !part.starts_with(&root)
        {
            return Err(Error::refused(format!(
                "{source} leads out of storage entry \"{}\" to {}; remove the link and deploy again",
                mounted.entry.name,
                part.display()
            )));
        }
    }
    context.as_docker_sees_it(&source)
}
