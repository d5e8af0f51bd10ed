//! How much an entry holds, and how full it is.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::context::Context;
use crate::domain::{ByteSize, Entry, EntryName, Moment, Result};
use crate::fs::space::Fullness;
use crate::fs::{RealPath, cleaned, image, space};
use crate::ops::judge;
use crate::storage::{self, Place, StorageRoot, sized};
use crate::types;

/// From how many percent on a deploy says that an entry is nearly full.
pub(crate) const NEARLY_FULL: u64 = 90;

/// How full an entry with a size is, in percent, where that is a look at its file system alone.
pub(crate) fn share_of(entry: &Entry) -> Option<u64> {
    let path = Path::new(entry.shown_source());
    sized::size(entry)?;
    image::attached_at(path)?;
    let found = Fullness::of(path).ok()?;
    Some(found.used.saturating_mul(100) / (found.used + found.free).max(1))
}

/// How much an entry holds, and how much it may.
#[derive(Debug, Serialize)]
pub(crate) struct EntryUsage {
    pub(crate) name: EntryName,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) path: String,
    pub(crate) used: Option<u64>,
    pub(crate) limit: Option<u64>,
    pub(crate) free: Option<u64>,
    pub(crate) inodes: Option<u64>,
    pub(crate) inodes_limit: Option<u64>,
    #[serde(with = "crate::domain::moment::written_if_any")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_backup: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_backup_bytes: Option<u64>,
}

impl EntryUsage {
    pub(crate) fn percent(&self) -> Option<u64> {
        let (used, limit) = (self.used?, self.limit?);
        Some(used.saturating_mul(100) / limit.max(1))
    }
}

pub(crate) fn is_volume(entry: &Entry) -> bool {
    entry.is_volume() && types::of(entry).keeps_in_volume()
}

/// How much an entry holds; `known` is what was counted of it before, bytes and files, where that is new enough.
pub(crate) fn of(
    entry: &Entry,
    of_docker: &[(String, u64)],
    known: Option<(u64, u64)>,
    context: &Context,
) -> Result<EntryUsage> {
    let path = Path::new(entry.shown_source());
    // What is wrong with the note of its backups is said by storage:doctor.
    let state = context.store.backup_state(Some(&entry.name)).unwrap_or_default();
    let last_run = state.and_then(|state| state.last_success);
    let mut row = EntryUsage {
        name: entry.name.clone(),
        kind: types::name_of(entry),
        path: entry.shown_source().to_owned(),
        used: None,
        limit: None,
        free: None,
        inodes: None,
        inodes_limit: None,
        last_backup: last_run.as_ref().map(|run| run.at),
        last_backup_bytes: last_run.map(|run| run.bytes),
    };
    if is_volume(entry) {
        row.used = of_docker.iter().find(|(name, _)| *name == row.path).map(|(_, used)| *used);
        return Ok(row);
    }
    match types::of(entry).place() {
        Place::File => row.used = std::fs::metadata(path).ok().map(|found| found.len()),
        Place::Directory => measure(&mut row, entry, (path, known), context)?,
        Place::MountPoint | Place::None => {}
    }
    Ok(row)
}

fn measure(
    row: &mut EntryUsage,
    entry: &Entry,
    (path, known): (&Path, Option<(u64, u64)>),
    context: &Context,
) -> Result<()> {
    let size = sized::size(entry);
    if size.is_some() && image::attached_at(path).is_some() {
        // A file system of its own: it knows.
        if let Ok(found) = Fullness::of(path) {
            row.used = Some(found.used);
            row.limit = Some(found.used + found.free);
            row.free = Some(found.free);
            row.inodes = Some(found.files);
            row.inodes_limit = Some(found.most_files);
        }
        return Ok(());
    }
    if size.is_some() && !sized::is_attached(entry, context) {
        // The data is in the image; the directory says nothing of it.
        return Ok(());
    }
    let root = StorageRoot::of(context);
    let is_ours = row.path == storage::root::default_path(context, entry.name.as_str());
    let real = if is_ours { None } else { Some(real(entry, path, context)) };
    let counted = match (known, &real) {
        // What is there is not the caller's to know; storage:doctor says why.
        (_, Some(None)) => return Ok(()),
        (Some(known), _) => Some(known),
        (None, Some(Some(real))) => root.usage_at(real).map(|usage| (usage.bytes, usage.files)),
        (None, None) => {
            let usage = root.usage(entry.name.as_str(), path)?;
            usage.map(|usage| (usage.bytes, usage.files))
        }
    };
    let path = real.flatten().unwrap_or_else(|| path.to_path_buf());
    (row.used, row.inodes) = (counted.map(|(bytes, _)| bytes), counted.map(|(_, files)| files));
    let on_disk = space::free(&path).ok();
    row.limit = size.map(ByteSize::bytes);
    row.free = match (row.limit, row.used) {
        (Some(limit), Some(used)) => Some(limit.saturating_sub(used)),
        _ => on_disk,
    };
    Ok(())
}

/// Where a path that somebody chose leads, with no link in it; none where nobody can look, or where an app has led it to what is not its
/// own.
fn real(entry: &Entry, path: &Path, context: &Context) -> Option<PathBuf> {
    let real = RealPath::of(path);
    if !real.is_known() {
        return None;
    }
    if real.path() == cleaned(path) {
        return Some(real.path().to_path_buf());
    }
    let judged = judge::whole(entry, context).ok().flatten();
    judged.map(|real| real.path().to_path_buf())
}
