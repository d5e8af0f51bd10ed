//! What a backup has beside the data: the entry and its mounts, in the file `entry.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{AppName, Attachment, Entry};

/// The version of what is written here.
const VERSION: u64 = 1;

/// The content of `entry.json` of a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackupDocument {
    pub version: u64,
    /// The entry; none in a backup of the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
    /// The mounts of the entry, by app.
    #[serde(default)]
    pub mounts: BTreeMap<AppName, Vec<Attachment>>,
    /// The files with holes, as paths below the data; restic writes zeros in the place of holes.
    #[serde(default)]
    pub holes: Vec<String>,
}

impl BackupDocument {
    pub fn new(entry: Option<Entry>, mounts: BTreeMap<AppName, Vec<Attachment>>) -> Self {
        Self { version: VERSION, entry, mounts, holes: Vec::new() }
    }

    /// Whether a newer version wrote it.
    pub fn is_newer(&self) -> bool {
        self.version > VERSION
    }
}
