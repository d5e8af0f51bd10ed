//! What types say of themselves, and what is said to and of them.

use serde::Serialize;

use crate::domain::text::words;
use crate::domain::{ConnectorName, Options};
use crate::types::remote::FileSystem;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reach {
    Host,
    Cluster,
    Anywhere,
}

words!(Reach: Host = "host", Cluster = "cluster", Anywhere = "anywhere");

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Choice {
    pub name: &'static str,
    pub help: &'static str,
    /// What it is where it is not given; none where it may be left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<&'static str>,
    pub required: bool,
}

impl Choice {
    pub(crate) const fn required(name: &'static str, help: &'static str) -> Self {
        Self { name, help, default: None, required: true }
    }

    pub(crate) const fn optional(
        name: &'static str,
        help: &'static str,
        default: Option<&'static str>,
    ) -> Self {
        Self { name, help, default, required: false }
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are answers to separate questions")]
pub(crate) struct Abilities {
    /// Its size can be set later.
    pub resize: bool,
    pub snapshot: bool,
    /// One app of this host at a time can be guaranteed.
    pub exclusive: bool,
    /// A part of it can be mounted.
    pub subpath: bool,
    /// Its owner can be set.
    pub chown: bool,
}

impl Abilities {
    /// Nothing but being mounted.
    pub(crate) const NONE: Self =
        Self { resize: false, snapshot: false, exclusive: false, subpath: false, chown: false };

    pub(crate) fn named(self) -> [(&'static str, bool); 5] {
        [
            ("resize", self.resize),
            ("snapshot", self.snapshot),
            ("exclusive", self.exclusive),
            ("subpath", self.subpath),
            ("chown", self.chown),
        ]
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Description {
    pub name: &'static str,
    pub summary: &'static str,
    pub reach: Reach,
    /// What to know before it is used.
    pub caveat: &'static str,
    pub options: &'static [Choice],
    /// Whether it takes any other option too, and hands it on.
    pub any_option: bool,
    /// The flags of `storage:create` that it takes, among those that not every type does.
    pub flags: &'static [&'static str],
    /// The type of the connector that it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<&'static str>,
    /// What Docker mounts from a server, which it makes a volume for that holds no data itself.
    #[serde(skip)]
    pub file_system: Option<&'static FileSystem>,
    pub can: Abilities,
}

impl Description {
    /// What most types have in common.
    pub(crate) const PLAIN: Self = Self {
        name: "",
        summary: "",
        reach: Reach::Host,
        caveat: "",
        options: &[],
        any_option: false,
        flags: &[],
        connector: None,
        file_system: None,
        can: Abilities::NONE,
    };

    /// Whether `storage:create` takes this flag for it.
    pub(crate) fn takes(&self, flag: &str) -> bool {
        match flag {
            "--option" => self.any_option || !self.options.is_empty(),
            "--connector" => self.connector.is_some(),
            flag => self.flags.contains(&flag),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Requirement {
    pub what: String,
    pub is_here: bool,
    pub remedy: String,
}

/// What was said about a new entry that not every type takes.
#[derive(Debug, Default, Clone)]
pub(crate) struct NewEntry {
    /// Whether it was registered before: where what is made for it fails, what it has stays, since containers may use it.
    pub is_registered: bool,
    /// The path or the name behind the entry's name.
    pub place: Option<String>,
    pub driver: Option<String>,
    pub connector: Option<ConnectorName>,
    pub options: Options,
    pub size: Option<String>,
    pub mode: Option<String>,
    pub from: Option<String>,
    pub preallocate: bool,
    pub chown: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Nothing: the data stays.
    Nothing,
    /// What the storage root has under the entry's name.
    Place,
    /// Something outside of the storage root, which [`StorageType::remove`] removes.
    Outside,
}
