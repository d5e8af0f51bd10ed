//! What nothing uses: entries that no app mounts, directories and volumes that no entry refers to, and what is left of
//! apps and entries that are gone.

pub(crate) mod delete;
pub(crate) mod find;

use serde::Serialize;

use crate::domain::text::words;
use crate::domain::{Entry, Moment, moment};

/// What kind of thing is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UnusedKind {
    /// An entry that no app mounts.
    Entry,
    /// A directory of the storage root that no entry refers to.
    Directory,
    /// A Docker volume that this plugin made, for an entry that is gone.
    Volume,
    /// A snapshot whose entry is gone.
    Snapshot,
    /// What the store has of an app that is gone.
    App,
}

words!(UnusedKind: Entry = "entry", Directory = "directory", Volume = "volume", Snapshot = "snapshot", App = "app");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fate {
    Trash,
    Removed,
    Stays,
}

words!(Fate: Trash = "to the trash", Removed = "for good", Stays = "its data stays");

/// When something was used last, as far as can be told, and by what.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct LastUse {
    #[serde(serialize_with = "moment::written::serialize")]
    pub(crate) when: Moment,
    pub(crate) what: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Unused {
    pub(crate) kind: UnusedKind,
    /// The entry as it was when it was listed, where it is one.
    #[serde(skip)]
    pub(crate) entry: Option<Entry>,
    pub(crate) name: String,
    /// The path, or the volume's name.
    pub(crate) place: String,
    /// What it takes, in bytes; none where that is not known.
    pub(crate) bytes: Option<u64>,
    pub(crate) last_use: Option<LastUse>,
    pub(crate) data: Fate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) left_alone: Option<String>,
}

impl Unused {
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.kind.as_str(), self.name)
    }
}
