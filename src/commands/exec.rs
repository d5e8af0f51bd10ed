//! `storage:exec`: a command in a container that mounts an entry.

use std::fs::FileType;
use std::io::IsTerminal;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use super::arguments::{self, Args};
use crate::context::Context;
use crate::docker::{self, Docker, images};
use crate::domain::{Attachment, ContainerPath, Entry, Error, Ownership, Result, Source, is_of};
use crate::host::plugn;
use crate::ops::places::links;
use crate::ops::{access, judge, usable};
use crate::storage::Place;
use crate::types;

/// The image unless another is named.
const IMAGE: &str = "alpine:3";

#[derive(Debug, Args)]
struct Arguments {
    name: Option<String>,
    command: Vec<String>,
    /// --as-user: numeric uid to run the exec container as (overrides the entry's chown)
    #[arg(default_value = "")]
    as_user: String,
    /// --image: container image to use (default alpine:3)
    #[arg(default_value = "")]
    image: String,
}

/// Runs a command, or a shell, through the entry's scheduler. The exit status is the command's.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let Some(name) = &arguments.name else {
        refuse!("storage:exec requires a storage entry name");
    };
    let entry = access::entry(name, context)?;
    check(&arguments, &entry)?;
    let image = if arguments.image.is_empty() { IMAGE } else { &arguments.image };
    if entry.is_docker_local() {
        images::must_be_here(&context.environment, image)?;
    }
    // Others see it before what they have is looked at, and until the container is gone.
    let _announced = links::announce_of_caller(&entry, context)?;
    usable::attach(&entry, None, context)?;
    // Its image, or another command that is at work on it, may have taken long.
    let entry = access::entry(name, context)?;
    judge::whole(&entry, context)?;
    links::must_not_lead_away(&entry, context)?;
    usable::must_be_usable(&entry, context)?;
    usable::must_be_there(&entry, context)?;
    context.out.flush()?;
    // Dokku's scheduler mounts at /data as a directory, which a file cannot be.
    let is_file = types::of(&entry).place() == Place::File;
    let status = if context.environment.is_dokku() && !is_file {
        through_scheduler(&entry, image, &arguments, context)?
    } else {
        directly(&entry, image, &arguments, context)?
    };
    match status {
        0 => Ok(()),
        status => Err(Error::Status(status)),
    }
}

fn check(arguments: &Arguments, entry: &Entry) -> Result<()> {
    let user = &arguments.as_user;
    // Docker looks a name up in the image; a cluster takes numbers alone.
    let is_number = user.bytes().all(|byte| byte.is_ascii_digit());
    refuse_if!(
        !entry.is_docker_local() && !is_number,
        "--as-user {user:?} is not a uid, such as 1000"
    );
    refuse_if!(
        user.starts_with('-') || !is_of(user, "_.:-"),
        "--as-user {user:?} is neither a uid, such as 1000, nor UID:GID, nor a user of the image"
    );
    let image = &arguments.image;
    if image.starts_with('-') || image.contains(char::is_whitespace) {
        refuse!("--image {image:?} is not the name of an image");
    }
    Ok(())
}

fn through_scheduler(
    entry: &Entry,
    image: &str,
    arguments: &Arguments,
    context: &Context,
) -> Result<i32> {
    let (interactive, tty) = stdin_modes();
    let mut words = vec![
        entry.scheduler.clone(),
        entry.name.to_string(),
        image.to_owned(),
        format!("--interactive={interactive}"),
        format!("--tty={tty}"),
    ];
    if !arguments.as_user.is_empty() {
        words.extend(["--as-user".to_owned(), arguments.as_user.clone()]);
    }
    if !arguments.command.is_empty() {
        words.push("--".to_owned());
        words.extend_from_slice(&arguments.command);
    }
    let mut trigger = plugn::trigger("scheduler-storage-exec", &words);
    let input = if interactive && !tty { input_for_docker(context)? } else { None };
    if let Some((input, client)) = &input {
        trigger = trigger
            .with("DOKKU_STORAGE_INPUT", input.as_raw_fd().to_string())
            .with("DOKKU_STORAGE_DOCKER", Docker(&context.environment).program())
            .with("DOCKER_BIN", client);
    }
    trigger.status_of_container()
}

/// A copy of the input that every child has, and the client that gives it to a container: Dokku's scheduler gives only a terminal
/// to Docker, and the container of `echo … | dokku storage:exec …` would read nothing.
fn input_for_docker(context: &Context) -> Result<Option<(OwnedFd, PathBuf)>> {
    let Some(client) = context.environment.plugin().map(|plugin| plugin.join(docker::WITH_INPUT))
    else {
        return Ok(None);
    };
    if !client.is_file() {
        return Ok(None);
    }
    let input = rustix::io::dup(std::io::stdin())
        .map_err(|error| Error::refused(format!("the input cannot be read: {error}")))?;
    Ok(Some((input, client)))
}

/// Without Dokku, and for a file, this host's Docker runs it: with the entry at `/data` and no working directory of its own, as
/// Dokku's scheduler does, and a file at `/data/NAME`.
fn directly(entry: &Entry, image: &str, arguments: &Arguments, context: &Context) -> Result<i32> {
    refuse_if!(
        !entry.is_docker_local(),
        "storage entry \"{}\" is scheduler={}, which needs a Dokku host",
        entry.name,
        entry.scheduler
    );
    let (interactive, tty) = stdin_modes();
    let mut words: Vec<String> = ["run", "--rm"].map(str::to_owned).into();
    words.extend(interactive.then(|| "--interactive".to_owned()));
    words.extend(tty.then(|| "--tty".to_owned()));
    let user = match (&arguments.as_user, entry.chown.as_ref().and_then(Ownership::container_ids)) {
        (user, _) if !user.is_empty() => Some(user.clone()),
        (_, Some((uid, gid))) => Some(format!("{uid}:{gid}")),
        _ => None,
    };
    if let Some(user) = user {
        words.extend(["--user".to_owned(), user]);
    }
    let storage_type = types::of(entry);
    let place = match storage_type.place() {
        Place::File => format!("/data/{}", entry.name),
        _ => "/data".to_owned(),
    };
    let attachment = Attachment::new(entry.name.clone(), ContainerPath::parse(&place)?);
    let source = match entry.host_path {
        Some(Source::Path(_)) => context.as_docker_sees_it(entry.shown_source())?,
        _ => entry.shown_source().to_owned(),
    };
    words.extend(storage_type.words(&source, entry, &attachment));
    words.push(image.to_owned());
    words.extend_from_slice(&arguments.command);
    Docker(&context.environment).client(&words).status_of_container()
}

/// Whether the container gets an input, and whether that is a terminal.
fn stdin_modes() -> (bool, bool) {
    let tty = std::io::stdin().is_terminal();
    let has_content = |kind: FileType| kind.is_fifo() || kind.is_socket() || kind.is_file();
    let given = std::fs::metadata("/dev/stdin").is_ok_and(|stdin| has_content(stdin.file_type()));
    (tty || given, tty)
}
