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
    /// Since when the backups are of what has this name now: its first one, or its return from the trash. Those before are of another
    /// entry, but for those of the `earlier` spans.
    #[serde(default, with = "crate::domain::moment::written_if_any")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// When else they are. Older versions know `since` alone, by which they take no backup of another entry for one of this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Run>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
    /// Whether the command before a copy was begun, and the one after it was not run yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owes_command: bool,
    /// The command around a copy that was begun last, unless its end was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Begun>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl BackupState {
    /// The state of what was never backed up.
    pub fn new(entry: Option<EntryName>) -> Self {
        let unknown = Unknown::new();
        let earlier = Vec::new();
        let (last_success, last_failure, owes_command, begun) = (None, None, false, None);
        let since = None;
        Self { entry, since, earlier, last_success, last_failure, owes_command, begun, unknown }
    }

    /// Whether a backup of that time is of what has this name now.
    pub fn covers(&self, created: Moment) -> bool {
        self.since.is_some_and(|since| created >= since)
            || self.earlier.iter().any(|span| span.covers(created))
    }

    /// Notes that a backup of that time is of what has this name now.
    pub fn cover(&mut self, created: Moment) {
        if self.covers(created) {
            return;
        }
        match self.since {
            None => self.since = Some(created),
            // The clock was ahead then, or is behind now: whose the backups between the two are, nobody knows.
            Some(_) => self.add(Span { since: created, until: created.plus_seconds(1) }),
        }
    }

    fn add(&mut self, span: Span) {
        if self.earlier.len() >= MOST_SPANS {
            // The backups of that one stay.
            self.earlier.remove(0);
        }
        self.earlier.push(span);
    }

    /// The state of what was destroyed at one moment and comes back at another: another entry may have had the name between them.
    fn returned(mut self, destroyed: Moment, now: Moment) -> Self {
        // One destroyed in the future was destroyed by a wrong clock, some time after its last backup.
        let last = self.last_success.as_ref().map(|run| run.at.plus_seconds(1));
        let until = if destroyed <= now { Some(destroyed) } else { last };
        if let (Some(since), Some(until)) = (self.since.replace(now), until) {
            self.add(Span { since, until });
        }
        // The containers that it was owed to are gone.
        (self.owes_command, self.begun) = (false, None);
        self
    }

    /// The failure after which nothing succeeded.
    pub fn failed(&self) -> Option<&Failure> {
        let failure = self.last_failure.as_ref()?;
        let is_over = self.last_success.as_ref().is_some_and(|run| run.at > failure.at);
        (!is_over).then_some(failure)
    }
}

/// The most spans that are noted besides the last: one for each return from the trash, and for each backup by a wrong clock.
const MOST_SPANS: usize = 256;

/// A time from one moment until before another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Span {
    #[serde(with = "crate::domain::moment::written")]
    pub since: Moment,
    #[serde(with = "crate::domain::moment::written")]
    pub until: Moment,
}

impl Span {
    fn covers(&self, moment: Moment) -> bool {
        (self.since..self.until).contains(&moment)
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

    /// What of them holds for an entry that was destroyed at one moment and comes back at another. It may have another name: no
    /// backup is of that name yet.
    pub fn returned(&self, name: &EntryName, destroyed: Moment, now: Moment) -> Self {
        let schedule = self.schedule.clone();
        let state = self.state.clone().filter(|state| state.entry.as_ref() == Some(name));
        Self {
            schedule: schedule.map(|it| Schedule { subject: Subject::Entry(name.clone()), ..it }),
            state: state.map(|state| state.returned(destroyed, now)),
        }
    }
}

/// A command around a copy, as it was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Begun {
    #[serde(with = "crate::domain::moment::written")]
    pub at: Moment,
    /// `backup-before` or `backup-after`.
    pub property: String,
    /// What marks its process, or what its own container is called.
    pub name: String,
    /// The id of the app's container that it was begun in; none for one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
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

    fn at(seconds: i64) -> Moment {
        Moment::of_seconds(seconds)
    }

    fn covered(state: &BackupState) -> Vec<i64> {
        (0..100).filter(|seconds| state.covers(at(*seconds))).collect()
    }

    fn backed_up(seconds: i64) -> BackupState {
        let mut state = BackupState::new(Some(EntryName::parse("box").unwrap()));
        state.cover(at(seconds));
        state
    }

    #[test]
    fn what_comes_back_has_its_own_backups_and_none_of_who_had_its_name_meanwhile() {
        let name = EntryName::parse("box").unwrap();
        let notes = BackupNotes { schedule: None, state: Some(backed_up(90)) };
        let returned = notes.returned(&name, at(92), at(95)).state.unwrap();
        assert_eq!(covered(&returned), [90, 91, 95, 96, 97, 98, 99]);
        assert_eq!(notes.returned(&EntryName::parse("other").unwrap(), at(92), at(95)).state, None);
        // When it was destroyed, a wrong clock has noted.
        let returned = notes.returned(&name, at(97), at(95)).state.unwrap();
        assert_eq!(covered(&returned), [95, 96, 97, 98, 99]);
        // What another version has written, and reads.
        let old: BackupState =
            serde_json::from_str(r#"{"entry":"box","since":"1970-01-01T00:01:38Z"}"#).unwrap();
        assert_eq!(covered(&old), [98, 99]);
        let written = serde_json::to_value(returned).unwrap();
        assert_eq!(written["since"], "1970-01-01T00:01:35Z");
    }

    #[test]
    fn a_backup_by_a_clock_that_is_behind_covers_no_other() {
        let mut state = backed_up(98);
        state.cover(at(90));
        assert_eq!(covered(&state), [90, 98, 99]);
        for seconds in 0..80 {
            state.cover(at(seconds));
        }
        assert_eq!(covered(&state).len(), 83);
    }

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
