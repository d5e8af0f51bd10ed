//! Whether containers can use an entry as it is now.

use std::path::Path;
use std::time::Duration;

use crate::context::Context;
use crate::domain::{Entry, Error, Problem, Result, Source, quoted};
use crate::fs::look::FileKind;
use crate::storage::{EntryLock, StorageRoot};
use crate::types::{self, StorageType};

pub(crate) fn sentence(entry: &Entry, problem: &Problem) -> String {
    format!(
        "storage entry \"{}\" is not ready: {}; {}",
        entry.name, problem.sentence, problem.remedy
    )
}

/// Refuses an entry that containers cannot use as it is now.
pub(crate) fn must_be_usable(entry: &Entry, context: &Context) -> Result<()> {
    match types::problem(entry, context) {
        Some(problem) if entry.is_docker_local() => Err(Error::refused(sentence(entry, &problem))),
        _ => Ok(()),
    }
}

/// Refuses an entry whose data is in a storage root that is away.
pub(crate) fn must_not_be_away(entry: &Entry, context: &Context) -> Result<()> {
    types::away(entry, context)
        .map_or(Ok(()), |problem| Err(Error::refused(sentence(entry, &problem))))
}

/// Refuses an entry whose path is not there: Docker would make it for a container, or somebody could by then.
pub(crate) fn must_be_there(entry: &Entry, context: &Context) -> Result<()> {
    let Some(Source::Path(path)) = entry.host_path.as_ref().filter(|_| entry.is_docker_local())
    else {
        return Ok(());
    };
    must_not_be_away(entry, context)?;
    let found = StorageRoot::of(context).look(Path::new(path.as_str()));
    refuse_if!(
        found.is_some_and(|found| found.kind == FileKind::Nothing),
        "host path {path} of storage entry \"{}\" does not exist; create it: mkdir -p {}",
        entry.name,
        quoted(path.as_str())
    );
    Ok(())
}

/// Attaches an entry where containers cannot use it, and waits for others that are at work on it, no longer
/// than `most` where that is given.
pub(crate) fn attach(entry: &Entry, most: Option<Duration>, context: &mut Context) -> Result<()> {
    locked(entry, most, context, |storage_type, entry, context| storage_type.attach(entry, context))
}

/// The same, and creates what somebody removed: a person asked for it.
pub(crate) fn attach_or_create(
    entry: &Entry,
    most: Option<Duration>,
    context: &mut Context,
) -> Result<()> {
    locked(entry, most, context, |storage_type, entry, context| {
        storage_type.attach(entry, context)?;
        storage_type.create_removed(entry, context)
    })
}

fn locked(
    entry: &Entry,
    most: Option<Duration>,
    context: &mut Context,
    repair: impl FnOnce(&dyn StorageType, &Entry, &mut Context) -> Result<()>,
) -> Result<()> {
    let storage_type = types::of(entry);
    // What keeps nothing is made again without a word, and so has no problem to tell of.
    if storage_type.keeps_data() && types::problem(entry, context).is_none() {
        return Ok(());
    }
    must_not_be_away(entry, context)?;
    let _lock = EntryLock::within(most, entry.name.as_str(), context)?;
    // It may have been destroyed or grown meanwhile.
    match context.store.entry(&entry.name)? {
        Some(entry) => repair(types::of(&entry), &entry, context),
        None => Ok(()),
    }
}
