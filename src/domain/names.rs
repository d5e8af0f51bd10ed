//! The names of apps, entries, directories in the storage root, Docker volumes and process types.

use serde::{Deserialize, Serialize};

use crate::domain::text::{checked_text, hex, text};
use crate::domain::{Result, is_of};

/// Names in the storage root that begin like this are directories on their way out, or not in their place yet.
pub const STAGED: &str = ".destroyed-";

/// The longest name an entry may have, in bytes: Dokku puts `storage-NAME` into a Helm release.
pub const ENTRY_NAME_MAX: usize = 45;

/// The prefix of entries made for colon mounts; nobody can choose such a name.
pub const LEGACY_PREFIX: &str = "legacy-";

pub const DEFAULT_PROCESS_TYPE: &str = "_default_";

/// The name of an app: a directory of `$DOKKU_ROOT` that matches `^[a-z0-9][a-z0-9._-]*$`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppName(String);
checked_text!(AppName);

impl AppName {
    pub fn parse(text: &str) -> Result<Self> {
        refuse_if!(text.is_empty(), "Please specify an app to run the command on");
        let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        refuse_if!(
            !text.bytes().all(is_plain) || text.starts_with(['.', '_', '-']) || text.len() > 255,
            "App name must begin with lowercase alphanumeric character, and may only contain lowercase alphanumerics, dots, and hyphens"
        );
        Ok(Self(text.to_owned()))
    }
}

/// The name of an entry: a DNS-1123 label of at most [`ENTRY_NAME_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName(String);
checked_text!(EntryName);

impl EntryName {
    /// Reads the name of an entry that is registered, the ones made for colon mounts included.
    pub fn parse(text: &str) -> Result<Self> {
        refuse_if!(text.is_empty(), "storage entry name is required");
        refuse_if!(
            text.len() > ENTRY_NAME_MAX,
            "storage entry name {text:?} is too long (max {ENTRY_NAME_MAX} characters); helm release names cap our budget"
        );
        let dash = |byte: u8| byte == b'-';
        let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        refuse_if!(
            !bytes.iter().all(|&b| label(b) || dash(b))
                || dash(bytes[0])
                || dash(bytes[bytes.len() - 1]),
            "storage entry name {text:?} must be a DNS-1123 label (lowercase letters, digits, and dashes; cannot start or end with a dash)"
        );
        Ok(Self(text.to_owned()))
    }

    pub fn parse_new(text: &str) -> Result<Self> {
        let name = Self::parse(text)?;
        refuse_if!(
            name.is_legacy(),
            "storage entry name {text:?} must not start with reserved prefix {LEGACY_PREFIX:?}"
        );
        Ok(name)
    }

    /// The name of a colon mount's entry: the prefix and the first ten hex digits of a hash.
    pub fn legacy(hash: &[u8]) -> Self {
        Self(format!("{LEGACY_PREFIX}{}", hex(&hash[..5])))
    }

    /// Whether this is a name that the entry of a colon mount has: with the prefix and ten hex digits, as [`EntryName::legacy`]
    /// makes it.
    pub fn is_of_colon_mount(&self) -> bool {
        self.0.strip_prefix(LEGACY_PREFIX).is_some_and(|hash| {
            hash.len() == 10 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    }

    /// Whether the entry was made for a colon mount.
    pub fn is_legacy(&self) -> bool {
        self.0.starts_with(LEGACY_PREFIX)
    }
}

/// Refuses a name that an entry could not have. `what` says whose name it is.
pub(super) fn label(what: &str, text: &str) -> Result<()> {
    refuse_if!(text.is_empty(), "{what} is required");
    refuse_if!(
        EntryName::parse(text).is_err(),
        "{what} {text:?} must be a DNS-1123 label (lowercase letters, digits, and dashes; cannot start or end with a dash; {ENTRY_NAME_MAX} characters at most)"
    );
    Ok(())
}

/// The name of a connector: a DNS-1123 label of at most 45 bytes, as an entry's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectorName(String);
checked_text!(ConnectorName);

impl ConnectorName {
    pub fn parse(text: &str) -> Result<Self> {
        label("connector name", text)?;
        Ok(Self(text.to_owned()))
    }
}

/// The name of a directory directly under the storage root: `[A-Za-z0-9_-]+`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryName(String);
checked_text!(DirectoryName);

impl DirectoryName {
    /// What is wrong with another name, such as `my.app`; completes "a directory whose name …".
    pub const OTHERS: &str = "has other characters than letters, digits, \"-\" and \"_\"";

    /// Reads a directory's name. `verb` completes the sentence for a missing one ("create", "chmod", "destroy").
    pub fn parse_for(text: &str, verb: &str) -> Result<Self> {
        refuse_if!(text.is_empty(), "Please specify a directory to {verb}");
        if !is_of(text, "_-") || text.len() > 255 {
            refuse!("Directory can only contain the following set of characters: [A-Za-z0-9_-]");
        }
        Ok(Self(text.to_owned()))
    }

    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_for(text, "create")
    }
}

/// The name of a Docker volume: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, Docker's own rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeName(String);
checked_text!(VolumeName);

impl VolumeName {
    pub fn parse(text: &str) -> Result<Self> {
        let is_long_enough = (2..=255).contains(&text.len());
        refuse_if!(
            !is_long_enough || !is_of(text, "_.-") || text.starts_with(['_', '.', '-']),
            "Docker volume name {text:?} must be two characters or more and can only include [a-zA-Z0-9_.-]"
        );
        Ok(Self(text.to_owned()))
    }
}

/// A process type of an app (`web`, `worker`), or `_default_` for all of them.
///
/// A stored value that could not be given is kept; no process has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessType(String);
text!(ProcessType);

impl ProcessType {
    /// Reads a process type; the empty text is `_default_`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        refuse_if!(
            !is_of(text, "_.-") || text.starts_with('-') || text.len() > 63,
            "process type {text:?} can only include letters, digits, dots, dashes and underscores, 63 at most"
        );
        Ok(Self(text.to_owned()))
    }

    pub fn is_default(&self) -> bool {
        self.0 == DEFAULT_PROCESS_TYPE
    }

    /// Whether a container gets what is meant for either.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Whether a container of `other` gets what is meant for this process type.
    pub fn covers(&self, other: &Self) -> bool {
        self.is_default() || self == other
    }
}

impl Default for ProcessType {
    fn default() -> Self {
        Self(DEFAULT_PROCESS_TYPE.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_names_are_directories_of_the_root_and_nothing_else() {
        for good in ["a", "node-js-app", "0day", "a.b_c"] {
            assert!(AppName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".ssh", "ENV", "a/b", "../x", "a b", "ä", "-a", "a\n"] {
            assert!(AppName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn entry_names_are_labels_of_45_bytes() {
        assert!(EntryName::parse(&"a".repeat(45)).is_ok());
        assert!(EntryName::parse(&"a".repeat(46)).is_err());
        for bad in ["", "UPPER", "-dash", "dash-", "a_b", "a.b", "a\0"] {
            assert!(EntryName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(EntryName::parse("legacy-0123456789").is_ok());
        assert!(EntryName::parse_new("legacy-0123456789").is_err());
    }

    #[test]
    fn a_default_attachment_covers_every_process_type() {
        let web = ProcessType::parse("web").unwrap();
        let worker = ProcessType::parse("worker").unwrap();
        assert!(ProcessType::default().covers(&web));
        assert!(web.covers(&web));
        assert!(!worker.covers(&web));
    }
}
