//! Running an entry's commands around the copy that becomes a backup: in a container of an app, or in one of the entry's own.

use std::time::Duration;

use crate::context::Context;
use crate::docker::{Docker, images};
use crate::domain::{Attachment, ContainerPath, Entry, Result, Source};
use crate::ops::places::links::{self, PLACE};
use crate::ops::snapshots::containers_with;
use crate::ops::{apps, judge, usable};
use crate::store::Work;
use crate::types;

/// How long a command may take: a database may be large.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Runs what is to be run before the copy.
/// Fails with its output where it fails; there is no backup then.
pub(crate) fn before(entry: &Entry, context: &mut Context) -> Result<()> {
    run("backup-before", &entry.backup.before, entry, context)
        .map_err(|error| refusal!("{error}; there is no backup"))
}

/// Runs what is to be run after the copy, whether that was made or not.
pub(crate) fn after(entry: &Entry, context: &mut Context) -> Result<()> {
    run("backup-after", &entry.backup.after, entry, context)
}

fn run(property: &str, command: &str, entry: &Entry, context: &mut Context) -> Result<()> {
    if command.is_empty() {
        return Ok(());
    }
    context.out.flush()?;
    let is_own = !entry.backup.image.is_empty();
    if is_own {
        images::must_be_here(&context.environment, &entry.backup.image)?;
    }
    // Others see it before what they have is looked at, and until the container is gone.
    let announced = is_own.then(|| announced(property, entry, context)).transpose()?;
    let mut words = if entry.backup.image.is_empty() {
        in_container(property, entry, context)?
    } else {
        in_own_container(entry, context)?
    };
    words.extend(["sh", "-c", command].map(str::to_owned));
    let docker = Docker(&context.environment);
    let answer = docker.client(&words).within(LONGEST)?;
    if answer.is_none() && !entry.backup.image.is_empty() {
        let _ = docker.client(&["rm", "--force", &own_name()]).run();
    }
    drop(announced);
    let name = &entry.name;
    let Some(answer) = answer else {
        refuse!(
            "{property} of storage entry \"{name}\" did not end within {} minutes; see what it waits for, and make it shorter",
            LONGEST.as_secs() / 60
        );
    };
    refuse_if!(
        !answer.is_ok(),
        "{property} of storage entry \"{name}\" failed with status {}: {}",
        answer.status,
        answer.reason()
    );
    Ok(())
}

/// Lets others know that a container of the entry's own has all of it, which root mounts: refused where a deploy would be, and where an
/// app could lead Docker elsewhere meanwhile.
fn announced(property: &str, entry: &Entry, context: &Context) -> Result<Option<Work>> {
    let is_restricted = apps::are_restricted(&context.environment);
    let announced = is_restricted.then(|| links::announce(entry, context)).transpose()?;
    let judged = judge::whole(entry, context).map(drop).map_err(|why| {
        if is_restricted {
            // It is noted for everybody who sees the entry, and may name what a schedule alone sees.
            refusal!("a deploy would not mount it; see: dokku storage:doctor {}", entry.name)
        } else {
            why
        }
    });
    let judged = judged
        .and_then(|()| links::must_not_be_led_by_anybody(entry, context))
        .and_then(|()| usable::must_be_usable(entry, context))
        .and_then(|()| usable::must_be_there(entry, context));
    judged.map_err(|why| {
        refusal!("{property} of storage entry \"{}\" cannot run: {why}", entry.name)
    })?;
    Ok(announced)
}

/// What a container of an entry's own is called.
fn own_name() -> String {
    format!("dokku-storage-hook-{}", std::process::id())
}

/// The words that run something in a running container of an app that mounts the entry.
fn in_container(property: &str, entry: &Entry, context: &Context) -> Result<Vec<String>> {
    let containers = containers_with(entry, context)
        .ok_or_else(|| refusal!("Docker does not answer, so {property} cannot run"))?;
    let hooks = &entry.backup;
    let is_it = |app: &str, process_type: Option<&str>| {
        hooks.apps.iter().any(|allowed| allowed.as_str() == app)
            && (hooks.process_type.is_empty() || process_type == Some(&hooks.process_type))
    };
    let found = containers.iter().find(|container| {
        !container.is_paused
            && !container.is_one_off
            && is_it(&container.app, container.process_type.as_deref())
    });
    let Some(found) = found else {
        let name = &entry.name;
        let of_type = match hooks.process_type.as_str() {
            "" => String::new(),
            process_type => format!(" of process type {process_type}"),
        };
        refuse!(
            "{property} of storage entry \"{name}\" has no running container{of_type} to run in: start the app, or run it in a container of its own: dokku storage:set {name} backup-image IMAGE; where the entry was mounted after {property} was set, set it again"
        );
    };
    Ok(vec!["exec".to_owned(), found.id.clone()])
}

/// The words that run something in a new container with the entry at `/data`.
fn in_own_container(entry: &Entry, context: &Context) -> Result<Vec<String>> {
    let mut words: Vec<String> = ["run", "--rm", "--network", "none"].map(str::to_owned).into();
    words.extend(["--name".to_owned(), own_name()]);
    let attachment = Attachment::new(entry.name.clone(), ContainerPath::parse(PLACE)?);
    let source = match entry.host_path {
        Some(Source::Path(_)) => context.as_docker_sees_it(entry.shown_source())?,
        _ => entry.shown_source().to_owned(),
    };
    words.extend(types::of(entry).words(&source, entry, &attachment));
    words.extend(["--entrypoint".to_owned(), String::new(), entry.backup.image.clone()]);
    Ok(words)
}
