//! The content of an entry of type file: read from a path of the host or from standard input, and replaced.

use std::io::{IsTerminal, Read};
use std::os::fd::AsRawFd;

use crate::context::Context;
use crate::domain::{AppName, Entry, EntryName, Error, Result, Source, as_typed, given};
use crate::fs::bounded;
use crate::ops::places::resolved;
use crate::ops::{access, apps, judge, restart};
use crate::storage::file::{LARGEST, StagedFile};
use crate::storage::{EntryLock, Place};
use crate::types;

const STANDARD_INPUT: &str = "-";

/// Reads the content for an entry to its end: from a path of this host, or from standard input for `-`.
pub(crate) fn read(from: &str, entry: &EntryName, context: &Context) -> Result<Vec<u8>> {
    if from == STANDARD_INPUT {
        let bytes = limited(std::io::stdin().lock(), "standard input")?;
        if bytes.is_empty() && std::io::stdin().is_terminal() {
            refuse!("nothing was typed; name a path, or type the content and end it with Ctrl-D");
        }
        return Ok(bytes);
    }
    as_typed("path", from)?;
    let Ok(source @ Source::Path(_)) = Source::parse(from) else {
        refuse!(
            "the content comes from an absolute path of this host, or from standard input (-), not from {from:?}"
        );
    };
    may_read(&source, entry, context)?;
    let file = bounded::open(from, from)?;
    // Links may have changed since: what counts is what is open.
    let opened = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .map_err(Error::system("read", from))?;
    may_read(&Source::parse(&opened.to_string_lossy())?, entry, context)?;
    limited(file, from)
}

fn may_read(source: &Source, entry: &EntryName, context: &Context) -> Result<()> {
    judge::source(source, Some(entry), None, context)?;
    let path = source.as_str();
    access::must_be_inside(&context.store.policy()?, None, path, &resolved(path, context)?, context)
}

fn limited(from: impl Read, name: &str) -> Result<Vec<u8>> {
    let bytes = bounded::read(from, LARGEST).map_err(Error::system("read", name))?;
    let most = LARGEST / 1024 / 1024;
    bytes.ok_or_else(|| {
        refusal!(
            "{name} has more than {most} MiB, the most that a file entry takes; use a directory"
        )
    })
}

/// Replaces the content of the file of an entry, and says which apps have to be restarted to see it.
pub(crate) fn set(name: &str, from: &str, context: &mut Context) -> Result<()> {
    let entry = access::entry(name, context)?;
    must_be_a_file(&entry)?;
    let Some(from) = given(Some(from)) else {
        refuse!(
            "content needs a path of this host, or - for standard input: dokku storage:set {name} content PATH"
        );
    };
    let bytes = read(from, &entry.name, context)?;
    let _lock = EntryLock::take(name, context)?;
    // The input may have taken long.
    access::entry(name, context)?;
    let staged = StagedFile::replace(&entry, &bytes, context)?;
    context.store.change(|change| {
        change.store().must_be_unchanged(&entry)?;
        staged.put(change)
    })?;
    if !staged.changes() {
        context.out.headline(&format!("Storage entry {name} has this content already"));
        return Ok(());
    }
    context.out.headline(&format!("Storage entry {name} has new content"));
    for app in apps::visible(&context.environment, mounting(&entry, context)?)? {
        restart::say(&app, context);
    }
    Ok(())
}

/// The apps that mount the file, by the entry or by its path.
fn mounting(entry: &Entry, context: &Context) -> Result<Vec<AppName>> {
    let mut using = Vec::new();
    for other in context.store.entries()?.entries {
        if other.host_path == entry.host_path {
            using.extend(context.store.apps_with(&other.name)?);
        }
    }
    using.sort_unstable();
    using.dedup();
    Ok(using)
}

fn must_be_a_file(entry: &Entry) -> Result<()> {
    refuse_if!(
        types::of(entry).place() != Place::File,
        "storage entry \"{}\" is of type {}; only type file has a content that can be set",
        entry.name,
        types::name_of(entry)
    );
    Ok(())
}
