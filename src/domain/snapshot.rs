//! Snapshots of entries: their names, where they are kept, and what is noted of them.

use serde::{Deserialize, Serialize};

use crate::domain::names::label;
use crate::domain::text::{checked_text, words};
use crate::domain::{EntryName, Moment, Result, Unknown};

/// Names in the storage root that begin like this are snapshots: `.snapshot-ENTRY@NAME`.
pub const SNAPSHOT: &str = ".snapshot-";

/// The name of a snapshot: a DNS-1123 label of at most 45 bytes, as an entry's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotName(String);
checked_text!(SnapshotName);

impl SnapshotName {
    pub fn parse(text: &str) -> Result<Self> {
        label("snapshot name", text)?;
        Ok(Self(text.to_owned()))
    }

    /// The name that a snapshot has of itself: the time, as `20261121-054500`.
    pub fn of_time(time: Moment) -> Self {
        Self(time.stamp())
    }

    /// The names of what a restore replaces: `before-restore-20261121-054500`, then the same with `-2`, and so on.
    pub fn before_restore(time: Moment) -> impl Iterator<Item = Self> {
        let name = format!("before-restore-{}", time.stamp());
        (1_u32..).map(move |number| match number {
            1 => Self(name.clone()),
            number => Self(format!("{name}-{number}")),
        })
    }
}

/// The name that a snapshot has in the storage root. Neither of the two names can contain what is between them, so
/// that no two snapshots have the same.
pub fn directory_name(entry: &EntryName, name: &SnapshotName) -> String {
    format!("{SNAPSHOT}{entry}@{name}")
}

/// The entry and the snapshot whose name in the storage root this is.
pub fn of_directory_name(text: &str) -> Option<(EntryName, SnapshotName)> {
    let (entry, name) = text.strip_prefix(SNAPSHOT)?.split_once('@')?;
    Some((EntryName::parse(entry).ok()?, SnapshotName::parse(name).ok()?))
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Made {
    /// The data was copied.
    #[default]
    Copy,
    /// Each file shares its blocks with its original.
    Reflink,
    /// The file system keeps it: a snapshot of a btrfs subvolume.
    Btrfs,
    /// It is what a restore replaced.
    Moved,
}

words!(Made: Copy = "copy", Reflink = "reflink", Btrfs = "btrfs", Moved = "moved");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Snapshot {
    pub entry: EntryName,
    pub name: SnapshotName,
    #[serde(with = "crate::domain::moment::written")]
    pub created: Moment,
    pub made: Made,
    /// How many bytes its files have, without their holes; none where nobody counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How many files and directories it has; none where nobody counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Snapshot {
    /// A snapshot that nobody counted the files of yet.
    pub(crate) fn new(entry: EntryName, name: SnapshotName, created: Moment, made: Made) -> Self {
        let unknown = serde_json::Map::new();
        Self { entry, name, created, made, bytes: None, files: None, unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_snapshots_have_the_same_directory() {
        let name = |entry: &str, name: &str| {
            directory_name(&EntryName::parse(entry).unwrap(), &SnapshotName::parse(name).unwrap())
        };
        assert_ne!(name("a", "b-c"), name("a-b", "c"));
        let (entry, snapshot) = of_directory_name(&name("a-b", "c")).unwrap();
        assert_eq!((entry.as_str(), snapshot.as_str()), ("a-b", "c"));
        for text in [".snapshot-", ".snapshot-a", ".snapshot-a@", ".snapshot-a@../b", "a@b"] {
            assert!(of_directory_name(text).is_none(), "{text}");
        }
    }
}
