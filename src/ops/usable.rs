//! Whether containers can use an entry as it is now.

use crate::context::Context;
use crate::domain::entry::Entry;
use crate::domain::error::{Error, Result};
use crate::domain::finding::Problem;
use crate::types;

pub(crate) fn sentence(entry: &Entry, problem: &Problem) -> String {
    format!(
        "storage entry \"{}\" is not ready: {}; {}",
        entry.name, problem.sentence, problem.remedy
    )
}

/// Refuses an entry that containers cannot use as it is now.
pub(crate) fn must_be_usable(entry: &Entry, context: &Context) -> Result<()> {
    match types::of(entry).problem(entry, context) {
        Some(problem) if entry.is_docker_local() => Err(Error::refused(sentence(entry, &problem))),
        _ => Ok(()),
    }
}
