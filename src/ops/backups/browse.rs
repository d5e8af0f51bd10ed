//! Looking into a backup without restoring it.

use std::io::{self, Write};

use serde::Serialize;

use crate::context::Context;
use crate::domain::{Error, Moment, Result};
use crate::host::restic::{Failure, Node, Repository};
use crate::ops::backups::Reading;
use crate::ops::backups::find::Found;
use crate::storage::backing_up::DATA;

/// A file or a directory of a backup.
#[derive(Debug, Serialize)]
pub(crate) struct Inside {
    /// The path below the data.
    pub path: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub bytes: u64,
    #[serde(with = "crate::domain::moment::written")]
    pub changed: Moment,
    pub uid: u32,
    pub gid: u32,
    /// As `ls -l` shows them.
    pub permissions: String,
}

/// What is in a directory of a backup, or everything below it.
/// Fails where there is no such path.
pub(crate) fn ls(
    found: &Found,
    path: &str,
    is_recursive: bool,
    context: &mut Context,
) -> Result<Vec<Inside>> {
    let reading = Reading::begin(&found.connector, context)?;
    let place = place(path)?;
    let mut words = vec!["ls", "--json", "--no-lock"];
    if is_recursive {
        words.push("--recursive");
    }
    words.extend(["--", &found.backup.id, &place]);
    let told = |failure: Failure| failure.told(&found.connector);
    let answer = reading.repository.have(&words).map_err(told)?;
    let nodes = answer.stdout.lines().filter_map(|line| serde_json::from_str::<Node>(line).ok());
    let nodes: Vec<Node> = nodes.collect();
    refuse_if!(
        nodes.is_empty(),
        "backup {} has nothing at {path:?}; leave the path out to see what it has",
        found.backup.short_id()
    );
    let is_alone = nodes.len() == 1;
    // The directory that was named is listed too.
    let listed = nodes.into_iter().filter(|node| is_alone || node.path != place);
    Ok(listed.map(Inside::of).collect())
}

impl Inside {
    fn of(node: Node) -> Self {
        let top = format!("/{DATA}");
        let path = node.path.strip_prefix(&top).unwrap_or(&node.path);
        Self {
            path: path.trim_start_matches('/').to_owned(),
            kind: node.kind,
            bytes: node.size,
            changed: Moment::parse_rfc3339(&node.mtime).unwrap_or_default(),
            uid: node.uid,
            gid: node.gid,
            permissions: node.permissions,
        }
    }
}

/// A path below the data as it is in a backup.
pub(super) fn place(path: &str) -> Result<String> {
    let path = path.trim_matches('/');
    refuse_if!(
        path.split('/').any(|part| part == "..") || path.contains('\0'),
        "{path:?} is not a path of a backup"
    );
    Ok(if path.is_empty() { format!("/{DATA}") } else { format!("/{DATA}/{path}") })
}

/// Writes a file of a backup to standard output; a directory as a tar archive.
pub(crate) fn get(found: &Found, path: &str, context: &mut Context) -> Result<()> {
    let reading = Reading::begin(&found.connector, context)?;
    let place = place(path)?;
    let mut out = io::stdout().lock();
    copied(&reading.repository, found, (&place, path), &mut out)
}

/// Copies a file of a backup to somewhere, by its place in it and the path that was named, and returns nothing before all of it is there.
pub(super) fn copied(
    repository: &Repository,
    found: &Found,
    (place, path): (&str, &str),
    to: &mut dyn Write,
) -> Result<()> {
    let call = repository.call(&["dump", "--no-lock", "--", &found.backup.id, place])?;
    let (written, answer) = call.received(|mut from| io::copy(&mut from, to))?;
    if !answer.is_ok() {
        let why = repository.failure(&answer).told(&found.connector);
        refuse_if!(
            answer.stderr.contains("not found"),
            "backup {} has nothing at {path:?}; see what it has: dokku storage:backups:ls {}",
            found.backup.short_id(),
            found.backup.short_id()
        );
        return Err(why);
    }
    match written {
        Ok(_) => Ok(()),
        // Whoever reads has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Error::Status(141)),
        Err(error) => Err(Error::system("write", "standard output")(error)),
    }
}
