//! Whether the disks of the data have room.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::domain::{Entry, Finding, Severity, readable};
use crate::fs::space;
use crate::ops::trash::SCARCE;
use crate::storage::sized;

/// From how much free room on, in bytes, no disk is nearly full, however large it is.
const PLENTY: u64 = 1 << 30;

/// What is left on the file system of a directory, in percent and in words, where that is little.
fn scarce(directory: &Path) -> Option<String> {
    let percent = space::free_percent(directory).filter(|&percent| percent < SCARCE)?;
    let free = space::free(directory).ok().filter(|&free| free < PLENTY)?;
    Some(format!("{} has only {percent} % left ({})", directory.display(), readable(free)))
}

/// The file systems of the storage root and of the entries with a size that are nearly full.
pub(crate) fn full(entries: &[Entry], context: &Context) -> Vec<Finding> {
    let root = context.store.layout().storage().to_path_buf();
    let has_sized = entries.iter().any(|entry| sized::size(entry).is_some());
    let sized = has_sized.then(|| sized::disk(context));
    let device = |path: &PathBuf| std::fs::metadata(path).ok().map(|found| found.dev());
    let sized = sized.filter(|disk| device(disk) != device(&root));
    let finding = |directory: PathBuf| {
        let remedy = "make room: dokku storage:trash:list --size and dokku storage:prune show what is not used";
        let finding = Finding::new("full-disk", Severity::Person, scarce(&directory)?, remedy);
        Some(finding.at(directory.to_string_lossy()))
    };
    let root = Some(root).filter(|_| context.store.away().is_none());
    root.into_iter().chain(sized).filter_map(finding).collect()
}

/// What to say of an app before it is deployed: a full disk loses what is written to an entry with a size, since its file system
/// counts on room that is not there.
pub(crate) fn warning<'a>(
    mut deployed: impl Iterator<Item = &'a Entry>,
    context: &Context,
) -> Option<String> {
    let sized = deployed.find(|entry| sized::size(entry).is_some())?;
    let scarce = scarce(&sized::disk(context))?;
    Some(format!(
        "{scarce}; once it is full, what is written to storage entry \"{}\" is lost",
        sized.name
    ))
}
