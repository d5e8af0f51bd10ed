//! Whether the running containers have the mounts that are declared.

use std::path::Path;

use super::sources::is_seen_from_here;
use crate::context::Context;
use crate::docker::{Container, containers, pausing};
use crate::domain::{AppName, ContainerPath, Finding, Phase, ProcessType, Severity, Source};
use crate::fs::Identity;
use crate::storage::{Place, StorageRoot};
use crate::store::{Mounted, Mounts, OptionsFile};
use crate::types;

/// Those of the running containers that have a process type of the app: those of a deploy.
pub(crate) fn deployed<'a>(app: &AppName, everywhere: &'a [Container]) -> Vec<&'a Container> {
    let is_deployed =
        |container: &&Container| container.app == app.as_str() && container.process_type.is_some();
    everywhere.iter().filter(is_deployed).collect()
}

pub(crate) fn stale(
    app: &AppName,
    mounts: &Mounts,
    containers: &[&Container],
    context: &Context,
) -> Vec<Finding> {
    let by_options = paths_of_docker_options(app, context);
    let mut findings = Vec::new();
    for container in containers {
        let process_type = container.process_type.as_deref().unwrap_or_default();
        let Ok(process_type) = ProcessType::parse(process_type) else {
            continue;
        };
        let declared: Vec<&Mounted> = mounts
            .mounted
            .iter()
            .filter(|m| m.entry.is_docker_local())
            .filter(|m| m.attachment.applies(Phase::Deploy, &process_type))
            .collect();
        for differs in differences(&declared, container, &by_options, context) {
            let sentence =
                format!("{app}: the running {process_type} container {} {differs}", container.id);
            let remedy = format!("dokku ps:restart {app}");
            let finding = Finding::new("stale-container", Severity::Person, sentence, remedy);
            findings.push(finding.of_app(app));
        }
    }
    findings
}

/// The containers of an app that a command which was cut off left paused.
pub(crate) fn left_paused(
    app: &AppName,
    everywhere: &[Container],
    context: &Context,
) -> Vec<Finding> {
    let left = pausing::left(&context.store).unwrap_or_default();
    let is_left = |container: &&Container| {
        container.app == app.as_str() && container.is_paused && left.contains(&container.id)
    };
    let finding = |container: &Container| {
        let id = &container.id;
        let sentence = format!(
            "{app}: the container {id} is paused since a command was cut off that had paused it"
        );
        let remedy = format!("docker unpause {id}");
        Finding::new("left-paused", Severity::Person, sentence, remedy).of_app(app)
    };
    everywhere.iter().filter(is_left).map(finding).collect()
}

/// What a container has of its mounts that is not as it is declared.
fn differences(
    declared: &[&Mounted],
    container: &Container,
    by_options: &[ContainerPath],
    context: &Context,
) -> Vec<String> {
    let seen = |text: &str| ContainerPath::parse(text).ok();
    let difference = |mounted: &Mounted| {
        let path = &mounted.attachment.container_path;
        let present =
            container.mounts.iter().find(|mount| seen(&mount.destination).as_ref() == Some(path));
        let source = mounted.source();
        let Some(present) = present else {
            let is_tmpfs = !types::of(&mounted.entry).keeps_data()
                && containers::has_tmpfs(&context.environment, container, path);
            return (!is_tmpfs).then(|| format!("does not have {source} at {path} yet"));
        };
        let source = context.docker_path(&source);
        if present.source() != source && !is_same_place(present.source(), &source) {
            return Some(format!("has {} at {path}, not {source}", present.source()));
        }
        if present.is_writable == mounted.attachment.is_readonly() {
            let now = if present.is_writable { "writable" } else { "read-only" };
            return Some(format!("has {path} {now}"));
        }
        None
    };
    let (mut same, mut differences) = (Vec::new(), Vec::new());
    for mounted in declared {
        match difference(mounted) {
            Some(differs) => differences.push(differs),
            None => same.push(*mounted),
        }
    }
    differences.extend(replaced(&same, container, context));
    let paths: Vec<&ContainerPath> =
        declared.iter().map(|mounted| &mounted.attachment.container_path).collect();
    differences.extend(container.mounts.iter().filter_map(|mount| {
        let path = seen(&mount.destination)?;
        // Volumes without a name of their own come from the image.
        let is_anonymous =
            mount.name.len() == 64 && mount.name.bytes().all(|b| b.is_ascii_hexdigit());
        let is_known = paths.contains(&&path) || by_options.contains(&path) || is_anonymous;
        (!is_known).then(|| format!("still has {} at {path}", mount.source()))
    }));
    differences
}

/// What a container still has after another took its path: Docker mounts what is there when it starts the container.
fn replaced(declared: &[&Mounted], container: &Container, context: &Context) -> Vec<String> {
    let has_path = |mounted: &&&Mounted| {
        // What is mounted comes and goes, and need not answer.
        let place = types::of(&mounted.entry).place();
        matches!(mounted.entry.host_path, Some(Source::Path(_)))
            && matches!(place, Place::Directory | Place::File)
    };
    let now = |mounted: &&Mounted| {
        let path = mounted.attachment.container_path.to_string();
        let source = mounted.source();
        let is_here = is_seen_from_here(Path::new(&source), context);
        let now = Identity::of(Path::new(&source)).ok().filter(|_| is_here)?;
        Some((source, path, now))
    };
    let now: Vec<_> = declared.iter().filter(has_path).filter_map(now).collect();
    let process = || containers::process(&context.environment, container);
    let Some(process) = (!now.is_empty()).then(process).flatten() else {
        return Vec::new();
    };
    let paths: Vec<&str> = now.iter().map(|(_, path, _)| path.as_str()).collect();
    let seen = StorageRoot::of(context).seen_by(process, &paths);
    let both = now.iter().zip(seen);
    let is_other = |((_, _, now), seen): &(&(_, _, Identity), Option<Identity>)| {
        seen.is_some_and(|seen| seen != *now)
    };
    let sentence = |((source, path, _), _): (&(String, String, _), _)| {
        format!("has at {path} what was at {source} before it was replaced")
    };
    both.filter(is_other).map(sentence).collect()
}

fn is_same_place(a: &str, b: &str) -> bool {
    let real = |path: &str| std::fs::canonicalize(path).ok();
    matches!((real(a), real(b)), (Some(a), Some(b)) if a == b)
}

/// The container paths of mounts that are still told to Docker by docker-options, of every kind.
fn paths_of_docker_options(app: &AppName, context: &Context) -> Vec<ContainerPath> {
    let files = context.store.docker_options(app).unwrap_or_default();
    let mounts = files.iter().flat_map(OptionsFile::mounts);
    mounts.filter_map(|option| option.mount.container_path).collect()
}
