//! The trash: directories of destroyed entries, which can be had back for a while.

use serde::{Deserialize, Serialize};

use crate::domain::text::checked_text;
use crate::domain::{BackupNotes, DirectoryName, Entry, Moment, Result, Unknown};

/// Names in the storage root that begin like this are directories in the trash.
pub const TRASH: &str = ".trash-";

/// For how many hours what is destroyed stays in the trash unless the policy says otherwise.
pub const TRASH_HOURS: u64 = 48;

/// The most hours that a policy may say: ten years.
pub const MOST_HOURS: u64 = 10 * 365 * 24;

/// The longest name, in bytes, of a directory that can be moved to the trash: an id has two numbers behind it.
pub const LONGEST_NAME: usize = 200;

/// What something in the trash is called: `NAME-SECONDS-PROCESS`, which is unique.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrashId(String);
checked_text!(TrashId);

impl TrashId {
    /// The id of a directory that goes to the trash.
    pub fn new(name: &str, when: Moment, process: u32) -> Result<Self> {
        Self::parse(&format!("{name}-{}-{process}", when.seconds()))
    }

    pub fn parse(text: &str) -> Result<Self> {
        let is_number = |text: &str| {
            !text.is_empty() && text.len() < 19 && text.bytes().all(|b| b.is_ascii_digit())
        };
        let mut parts = text.rsplitn(3, '-');
        let numbers = [parts.next(), parts.next()];
        let name = parts.next().unwrap_or_default();
        if numbers.iter().all(|part| part.is_some_and(is_number))
            && name.len() <= LONGEST_NAME
            && DirectoryName::parse(name).is_ok()
        {
            return Ok(Self(text.to_owned()));
        }
        Err(refusal!("{text:?} is not the id of something in the trash"))
    }

    /// The name of the entry, or of the directory that had none.
    pub fn name(&self) -> &str {
        self.0.rsplitn(3, '-').nth(2).unwrap_or_default()
    }

    pub fn when(&self) -> Moment {
        let seconds = self.0.rsplit('-').nth(1).and_then(|seconds| seconds.parse().ok());
        Moment::of_seconds(seconds.unwrap_or_default())
    }

    /// The number of the process that destroyed it: of two of one second it tells which was first.
    pub fn process(&self) -> u64 {
        let process = self.0.rsplit('-').next().and_then(|process| process.parse().ok());
        process.unwrap_or_default()
    }

    pub fn directory(&self) -> String {
        format!("{TRASH}{self}")
    }
}

/// Who called: the SSH user, and the name of the SSH key.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Caller {
    #[serde(default)]
    pub user: String,
    #[serde(default)]
    pub key: String,
}

impl From<[String; 2]> for Caller {
    fn from([user, key]: [String; 2]) -> Self {
        Self { user, key }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Trashed {
    pub id: TrashId,
    /// The entry as it was registered; none where the directory had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
    pub path: String,
    pub when: Moment,
    /// Who destroyed it; none where nobody noted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Caller>,
    /// What was noted of the entry's backups.
    #[serde(default, skip_serializing_if = "BackupNotes::is_empty")]
    pub backups: BackupNotes,
    /// Whether a removal of it failed: some of its files may be gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Trashed {
    pub fn new(id: TrashId, entry: Option<Entry>, path: String, by: Option<Caller>) -> Self {
        let when = id.when();
        let (backups, incomplete, unknown) = (BackupNotes::default(), false, Unknown::new());
        Self { id, entry, path, when, by, backups, incomplete, unknown }
    }

    pub fn name(&self) -> &str {
        self.id.name()
    }

    /// Whether a word names it, by its id or its name.
    pub fn is_called(&self, word: &str) -> bool {
        self.id.as_str() == word || self.name() == word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_name_and_time() {
        let id = TrashId::new("my-data-2", Moment::of_seconds(1_700_000_000), 42).unwrap();
        assert_eq!(id.as_str(), "my-data-2-1700000000-42");
        assert_eq!((id.name(), id.when().seconds()), ("my-data-2", 1_700_000_000));
        assert_eq!(id.process(), 42);
        assert_eq!(id.directory(), ".trash-my-data-2-1700000000-42");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for bad in
            ["", "a", "a-1", "-1-2", "a-1-", "a--2", "a-x-2", "../a-1-2", "a/b-1-2", "a.b-1-2"]
        {
            assert!(TrashId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(TrashId::parse(&format!("{}-1-2", "a".repeat(LONGEST_NAME + 1))).is_err());
        assert!(TrashId::parse("a-1-99999999999999999999").is_err());
    }
}
