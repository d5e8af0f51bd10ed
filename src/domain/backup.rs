//! What this host has noted of its backups: when each entry was backed up, and how the repositories are.

use serde::{Deserialize, Serialize};

use crate::domain::{ConnectorName, EntryName, Moment, Schedule, Subject, Unknown};

/// What was backed up of an entry, or of the store itself, and what failed, each the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct BackupState {
    /// None for the store itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryName>,
    /// When the first backup was made of what has this name now: those before are of another entry, which was destroyed.
    #[serde(default, with = "crate::domain::moment::written_if_any")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Run>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl BackupState {
    /// The state of what was never backed up.
    pub fn new(entry: Option<EntryName>) -> Self {
        let unknown = Unknown::new();
        Self { entry, since: None, last_success: None, last_failure: None, unknown }
    }

    /// Whether a backup of that time is of what has this name now.
    pub fn covers(&self, created: Moment) -> bool {
        self.since.is_some_and(|since| created >= since)
    }

    /// The failure after which nothing succeeded.
    pub fn failed(&self) -> Option<&Failure> {
        let failure = self.last_failure.as_ref()?;
        let is_over = self.last_success.as_ref().is_some_and(|run| run.at > failure.at);
        (!is_over).then_some(failure)
    }
}

/// What is noted of an entry's backups. It goes with the entry, and comes back with it.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct BackupNotes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<BackupState>,
}

impl BackupNotes {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What of them holds for an entry that comes back, which may have another name: no backup is of that name yet.
    pub fn of_entry(&self, name: &EntryName) -> Self {
        let schedule = self.schedule.clone();
        Self {
            schedule: schedule.map(|it| Schedule { subject: Subject::Entry(name.clone()), ..it }),
            state: self.state.clone().filter(|state| state.entry.as_ref() == Some(name)),
        }
    }
}

/// A backup that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Run {
    #[serde(with = "crate::domain::moment::written")]
    pub at: Moment,
    pub connector: ConnectorName,
    /// What restic calls it.
    pub id: String,
    /// How long it took.
    pub seconds: u64,
    /// How much data the entry had.
    pub bytes: u64,
    pub files: u64,
    /// How many bytes were added to the repository.
    pub sent: u64,
    /// Some of its files, to compare with what a restore brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<Sample>,
}

/// A file of a backup: its path below the data (empty where the data is a file), how many bytes it had, and their SHA-256 sum as
/// hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Sample {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

/// A backup that failed; without a connector where none could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Failure {
    #[serde(with = "crate::domain::moment::written")]
    pub at: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<ConnectorName>,
    /// The sentence that was printed.
    pub message: String,
}

/// What is known of the repository of a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct RepositoryState {
    pub connector: ConnectorName,
    /// What restic calls it; none before the first use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
    #[serde(default, with = "crate::domain::moment::written_if_any")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruned: Option<Moment>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl RepositoryState {
    /// The state of a repository that nobody used yet.
    pub fn new(connector: ConnectorName) -> Self {
        let unknown = Unknown::new();
        Self { connector, repository_id: None, checked: None, pruned: None, unknown }
    }
}

/// The last check of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Checked {
    #[serde(with = "crate::domain::moment::written")]
    pub at: Moment,
    pub ok: bool,
    /// What was wrong; empty where nothing was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// How many files were restored and compared.
    #[serde(default)]
    pub files: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_over_with_the_next_success() {
        let mut state = BackupState::new(None);
        let connector = ConnectorName::parse("disk").unwrap();
        let failure = |at| Failure {
            at: Moment::of_seconds(at),
            connector: Some(connector.clone()),
            message: "the disk is full".to_owned(),
        };
        assert_eq!(state.failed(), None);
        state.last_failure = Some(failure(10));
        assert_eq!(state.failed(), Some(&failure(10)));
        state.last_success = Some(Run {
            at: Moment::of_seconds(20),
            connector: connector.clone(),
            id: "a".to_owned(),
            seconds: 1,
            bytes: 2,
            files: 3,
            sent: 4,
            sample: Vec::new(),
        });
        assert_eq!(state.failed(), None);
        state.last_failure = Some(failure(20));
        assert!(state.failed().is_some());
    }
}
