//! Whether what entries note of their directories and files is so: a command that was cut off can have noted an owner, a mode or
//! a size that it did not set any more.

use std::cell::OnceCell;
use std::os::unix::fs::MetadataExt;

use crate::context::Context;
use crate::docker::{self, IdMap};
use crate::domain::{Attachment, Entry, Finding, Severity};
use crate::storage::{Place, default_path, sized};
use crate::types;

/// The directories and files of the storage root that have another owner, mode or size than their entries note.
pub(crate) fn findings(entries: &[Entry], context: &Context) -> Vec<Finding> {
    let map = OnceCell::new();
    let map = || *map.get_or_init(|| docker::id_map(&context.environment).unwrap_or(IdMap::SAME));
    let mut findings = Vec::new();
    for entry in entries {
        let source = entry.shown_source();
        let is_ours = matches!(types::of(entry).place(), Place::Directory | Place::File)
            && source == default_path(context, entry.name.as_str());
        let notes_something =
            entry.chown.is_some() || entry.mode.is_some() || sized::size(entry).is_some();
        if !is_ours || !notes_something || types::problem(entry, context).is_some() {
            continue;
        }
        let Ok(found) = std::fs::symlink_metadata(source) else {
            continue;
        };
        let mut find = |sentence: String, remedy: String| {
            let finding = Finding::new("unlike-noted", Severity::Note, sentence, remedy);
            findings.push(finding.of_entry(&entry.name).at(source));
        };
        let sizes = sized::Sizes::of(entry, context);
        if let Some(sizes) = &sizes
            && let Some(takes) = sizes.takes_less()
        {
            let (name, size) = (&entry.name, sizes.noted);
            find(
                format!(
                    "storage entry \"{name}\" is preallocated, and its image takes {takes} of {size} on the disk"
                ),
                format!("dokku storage:set {name} size {size}"),
            );
        }
        let mut differs = |property: &str, noted: &str, has: String, wanted: &str| {
            find(
                format!(
                    "storage entry \"{}\" notes {property} {noted}, and {source} has {has}",
                    entry.name
                ),
                format!("dokku storage:set {} {property} {wanted}", entry.name),
            );
        };
        if let Some(sizes) = &sizes
            && let Some(holds) = sizes.holds_other()
        {
            let size = sizes.noted;
            differs("size", &size.to_string(), holds.to_string(), &size.max(holds).to_string());
        }
        let owner = entry.chown.as_ref();
        if let Some((owner, (uid, gid))) = owner.and_then(|o| Some((o, o.container_ids()?)))
            && (found.uid(), found.gid()) != (uid + map().uid, gid + map().gid)
            && !is_set_by_deploys(entry, context)
        {
            let has = format!("{}:{}", found.uid(), found.gid());
            differs("chown", owner.as_str(), has, owner.as_str());
        }
        let mode = found.mode() & 0o7777;
        if let Some(noted) = entry.mode.as_ref().filter(|noted| noted.bits() != mode) {
            differs("mode", noted.as_str(), format!("{mode:04o}"), noted.as_str());
        }
    }
    findings
}

/// Whether a mount has another owner set whenever its app is deployed (`--volume-chown`).
fn is_set_by_deploys(entry: &Entry, context: &Context) -> bool {
    let apps = context.store.apps_mounting(&entry.name).unwrap_or_default();
    let mut mounts = apps.iter().filter_map(|app| context.store.mounts_file(app).ok());
    mounts.any(|mounts| {
        let sets = |a: &Attachment| a.entry_name == entry.name && a.volume_chown.is_some();
        mounts.attachments().any(sets)
    })
}
