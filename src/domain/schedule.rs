//! When something is backed up, where to, and what is kept of it.

use serde::{Deserialize, Serialize};

use crate::domain::moment::HOUR;
use crate::domain::{
    AppName, ConnectorName, EntryName, Error, Expression, Keep, Moment, PingAddress, Result,
    Unknown, Zone, number_of,
};

/// The longest that a run is put off, so that not everything begins at once: less than this many seconds.
const LONGEST_DELAY: u64 = 300;

/// How long after its time a run may still be under way before it counts as missed, in seconds.
const SLACK: i64 = HOUR;

/// What a schedule backs up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// Everything, and the store itself.
    All,
    /// The entries that an app mounts at that time.
    App(AppName),
    Entry(EntryName),
}

impl Subject {
    /// Reads what `name` writes: `all`, `app-NAME` or `entry-NAME`.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('-') {
            None if text == "all" => Ok(Self::All),
            Some(("app", app)) => AppName::parse(app).map(Self::App),
            Some(("entry", entry)) => EntryName::parse(entry).map(Self::Entry),
            _ => Err(refusal!("{text:?} is not all, app-NAME or entry-NAME")),
        }
    }

    /// Its name among all subjects, which is that of its file.
    pub fn name(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::App(app) => format!("app-{app}"),
            Self::Entry(entry) => format!("entry-{entry}"),
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.name()
    }
}

/// As a person reads it: `app blog`.
impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::App(app) => write!(f, "app {app}"),
            Self::Entry(entry) => write!(f, "storage entry \"{entry}\""),
        }
    }
}

/// When something is backed up, where to, and what is kept of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Schedule {
    pub subject: Subject,
    pub expression: Expression,
    pub connector: ConnectorName,
    #[serde(default, skip_serializing_if = "Keep::is_empty")]
    pub keep: Keep,
    /// What is asked for at the start and the end of each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping_url: Option<PingAddress>,
    /// Whether the containers are paused while the snapshot is taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pause: bool,
    #[serde(with = "crate::domain::moment::written")]
    pub created: Moment,
    #[serde(default, with = "crate::domain::moment::written_if_any")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_begun: Option<Moment>,
    /// Whether it goes only to a destination that is open to an app of the entry's, as for who set it.
    #[serde(default, rename = "scoped", skip_serializing_if = "std::ops::Not::not")]
    pub is_scoped: bool,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Schedule {
    /// By how many seconds a run is put off: always the same for a host and what is backed up, and not at all where there
    /// are several runs in an hour.
    pub fn delay(&self, host: &str) -> i64 {
        if self.expression.is_often() {
            return 0;
        }
        let name = format!("{host} {}", self.subject.name());
        i64::try_from(number_of(name.as_bytes()) % LONGEST_DELAY).unwrap_or_default()
    }

    /// When the first run after a moment begins, put off by so many seconds.
    pub fn next_after(&self, moment: Moment, delay: i64, zone: &Zone) -> Option<Moment> {
        let next = self.expression.next_after(moment.plus_seconds(-delay), zone)?;
        Some(next.plus_seconds(delay))
    }

    /// When it is to run next: a time that has passed where a run is due, however many were missed.
    pub fn next_run(&self, now: Moment, delay: i64, zone: &Zone) -> Option<Moment> {
        // A clock that was wrong may have noted a time that is still to come.
        let noted = [self.last_begun, Some(self.created)].into_iter().flatten();
        // Its times may be others since it was set.
        match noted.filter(|&noted| noted <= now).max() {
            Some(noted) => self.next_after(noted, delay, zone),
            None => Some(now),
        }
    }

    /// How many seconds there are from the time of the run that comes next, or is due, to that of the one after it.
    pub fn interval(&self, now: Moment, delay: i64, zone: &Zone) -> Option<i64> {
        let run = self.next_run(now, delay, zone)?;
        Some(self.next_after(run, delay, zone)?.seconds() - run.seconds())
    }

    /// Whether a run is due.
    pub fn is_due(&self, now: Moment, delay: i64, zone: &Zone) -> bool {
        self.next_run(now, delay, zone).is_some_and(|next| next <= now)
    }

    /// Whether what was last backed up at a moment, or is only scheduled since then, should have been backed up twice
    /// since, with an hour to do it.
    pub fn is_stale(&self, last: Moment, now: Moment, delay: i64, zone: &Zone) -> bool {
        let first = self.next_after(last, delay, zone);
        let second = first.and_then(|first| self.next_after(first, delay, zone));
        second.is_some_and(|second| second.plus_seconds(SLACK) < now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moment::DAY;

    const MINUTE: i64 = 60;

    fn of(expression: &str) -> Schedule {
        Schedule {
            subject: Subject::All,
            expression: Expression::parse(expression).unwrap(),
            connector: ConnectorName::parse("disk").unwrap(),
            keep: Keep::default(),
            ping_url: None,
            pause: false,
            is_scoped: false,
            created: Moment::of_seconds(HOUR),
            last_begun: None,
            unknown: Unknown::new(),
        }
    }

    fn at(seconds: i64) -> Moment {
        Moment::of_seconds(seconds)
    }

    fn is_due(schedule: &Schedule, now: i64, delay: i64) -> bool {
        schedule.is_due(at(now), delay, &Zone::utc())
    }

    #[test]
    fn a_subject_has_one_name() {
        for text in ["all", "app-blog.eu", "entry-app-all", "app-all"] {
            assert_eq!(Subject::parse(text).unwrap().name(), text);
        }
        for bad in ["", "All", "app-", "entry-", "entry-A", "store", "app-../x"] {
            assert!(Subject::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_run_is_due_once_at_its_time() {
        let mut daily = of("0 3 * * *");
        assert!(!is_due(&daily, 2 * HOUR, 0));
        assert!(!is_due(&daily, 3 * HOUR - 1, 0));
        assert!(is_due(&daily, 3 * HOUR, 0));
        daily.last_begun = Some(at(3 * HOUR));
        assert!(!is_due(&daily, 3 * HOUR + MINUTE, 0));
        assert!(!is_due(&daily, 26 * HOUR, 0));
        assert!(is_due(&daily, 27 * HOUR, 0));
    }

    #[test]
    fn an_interval_is_between_the_times_of_runs() {
        let mut schedule = of("* * * * *");
        let interval = |schedule: &Schedule, now| schedule.interval(at(now), 0, &Zone::utc());
        // It begins in the last second of its minute.
        schedule.last_begun = Some(at(HOUR + 59));
        assert_eq!(interval(&schedule, HOUR + 119), Some(MINUTE));
        let mut twice = of("0 3,7 * * *");
        assert_eq!(interval(&twice, 3 * HOUR), Some(4 * HOUR));
        twice.last_begun = Some(at(3 * HOUR));
        assert_eq!(interval(&twice, 8 * HOUR), Some(20 * HOUR));
    }

    #[test]
    fn missed_runs_are_caught_up_once() {
        let mut hourly = of("hourly");
        let now = 10 * DAY + 30 * MINUTE;
        assert!(is_due(&hourly, now, 0));
        hourly.last_begun = Some(at(now));
        assert!(!is_due(&hourly, now + 29 * MINUTE, 0));
        assert!(is_due(&hourly, now + 30 * MINUTE, 0));
    }

    #[test]
    fn a_delay_puts_off_and_no_run_is_lost_or_doubled() {
        let mut hourly = of("hourly");
        let mut runs = 0;
        // Cron asks each minute.
        for minute in 61..=61 + 24 * 60 {
            let now = minute * MINUTE;
            if is_due(&hourly, now, 250) {
                assert_eq!(now % HOUR, 5 * MINUTE);
                hourly.last_begun = Some(at(now));
                runs += 1;
            }
        }
        assert_eq!(runs, 24);
    }

    #[test]
    fn a_clock_that_was_wrong_does_not_stop_the_runs() {
        let mut daily = of("0 3 * * *");
        daily.last_begun = Some(at(1_000 * DAY));
        assert!(is_due(&daily, 5 * DAY, 0));
        daily.created = at(2_000 * DAY);
        assert!(is_due(&daily, 5 * DAY, 0));
    }

    #[test]
    fn delays_are_short_and_differ() {
        let mut daily = of("daily");
        let delays: std::collections::BTreeSet<i64> = (0..50)
            .map(|number| {
                daily.subject = Subject::parse(&format!("entry-e{number}")).unwrap();
                daily.delay("host")
            })
            .collect();
        assert!(delays.len() > 30 && delays.iter().all(|delay| (0..300).contains(delay)));
        assert_eq!(daily.delay("host"), daily.delay("host"));
        assert_eq!(of("*/5 * * * *").delay("host"), 0);
    }

    #[test]
    fn two_missed_runs_are_stale() {
        let daily = of("0 3 * * *");
        let is_stale = |now: i64| daily.is_stale(at(3 * HOUR), at(now), 0, &Zone::utc());
        assert!(!is_stale(2 * DAY + 4 * HOUR));
        assert!(is_stale(2 * DAY + 4 * HOUR + 1));
    }
}
