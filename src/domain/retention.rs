//! Which backups of an entry a rule such as "the last of each of seven days" keeps, and which are forgotten.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::{Moment, Result};

/// The most that a rule may keep: a backup an hour for more than ten years.
const MOST: u32 = 100_000;

/// How many backups are kept, by restic's names and meanings: `daily: 7` keeps the newest backup of each of the last
/// seven days that have one. Days, weeks, months and years are those of UTC, and a week begins on Monday. Without any rule
/// all are kept.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Keep {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly: Option<u32>,
}

/// The number of the hour, day, … that a moment is in.
type Period = fn(Moment) -> i64;

/// A backup of an entry, as far as the rules go by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub id: &'a str,
    pub at: Moment,
    /// Whether every file of the entry could be read.
    pub is_whole: bool,
}

impl Keep {
    /// Reads the value of a flag such as `--keep-daily`.
    pub fn parse(flag: &str, text: &str) -> Result<u32> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let count = text.parse().ok().filter(|count| is_number && (1..=MOST).contains(count));
        count.ok_or_else(|| {
            refusal!("{flag} {text:?} must be a whole number from 1 to {MOST}; leave the flag out for no such rule")
        })
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The rules as people read them: `last 3, daily 7`.
    pub fn shown(&self) -> String {
        let rules = self.rules().into_iter().filter_map(|(name, count, _)| Some((name, count?)));
        let last = self.last.map(|count| ("last", count));
        let rules = last.into_iter().chain(rules);
        rules.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    }

    /// The ids of the backups of one entry that no rule keeps, oldest first. `backups` is oldest first, too: of two of one second
    /// the later one is newer.
    ///
    /// The newest backup and the newest whole one always stay. What was made later than `now`, by a clock that was wrong, stays
    /// and counts for nothing. Where some backups of a day could not read every file, the
    /// newest whole one stands for the day.
    pub fn forgotten<'a>(&self, backups: &[Candidate<'a>], now: Moment) -> Vec<&'a str> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut newest_first: Vec<&Candidate> =
            backups.iter().rev().filter(|backup| backup.at <= now).collect();
        newest_first.sort_by_key(|backup| Reverse(backup.at));
        let mut kept = BTreeSet::new();
        let last = usize::try_from(self.last.unwrap_or_default()).unwrap_or(usize::MAX);
        kept.extend(0..newest_first.len().min(last.max(1)));
        kept.extend(newest_first.iter().position(|backup| backup.is_whole));
        for (_, count, period) in self.rules() {
            kept.extend(one_of_each(&newest_first, count.unwrap_or_default(), period));
        }
        let forgotten = newest_first.iter().enumerate().filter(|(place, _)| !kept.contains(place));
        forgotten.map(|(_, backup)| backup.id).rev().collect()
    }

    fn rules(&self) -> [(&'static str, Option<u32>, Period); 5] {
        [
            ("hourly", self.hourly, Moment::hour),
            ("daily", self.daily, Moment::day),
            ("weekly", self.weekly, Moment::week),
            ("monthly", self.monthly, Moment::month),
            ("yearly", self.yearly, Moment::year),
        ]
    }
}

/// The places of the backups that stand for the last so many periods that have one.
fn one_of_each(newest_first: &[&Candidate], count: u32, period: Period) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    let mut current = None;
    for (place, backup) in newest_first.iter().enumerate() {
        let of = period(backup.at);
        if current != Some(of) {
            if u32::try_from(chosen.len()).is_ok_and(|chosen| chosen >= count) {
                break;
            }
            current = Some(of);
            chosen.push(place);
        } else if let Some(last) = chosen.last_mut()
            && !newest_first[*last].is_whole
            && backup.is_whole
        {
            *last = place;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::moment::{DAY, HOUR};

    /// 2026-01-01 00:00 UTC, a Thursday.
    const NEW_YEAR: i64 = 1_767_225_600;

    const LATER: Moment = Moment::of_seconds(i64::MAX);

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{number:05}")).collect()
    }

    fn hourly<'a>(names: &'a [String]) -> Vec<Candidate<'a>> {
        let backup = |(id, hour): (&'a String, i64)| Candidate {
            id,
            at: Moment::of_seconds(NEW_YEAR + hour * HOUR),
            is_whole: true,
        };
        names.iter().zip(0..).map(backup).collect()
    }

    fn kept(keep: Keep, backups: &[Candidate]) -> Vec<String> {
        let forgotten = keep.forgotten(backups, LATER);
        let mut kept: Vec<&Candidate> =
            backups.iter().filter(|backup| !forgotten.contains(&backup.id)).collect();
        kept.sort_by_key(|backup| backup.at);
        kept.iter().map(|backup| backup.at.shown()).collect()
    }

    #[test]
    fn without_rules_nothing_is_forgotten() {
        let names = names(48);
        assert!(Keep::default().forgotten(&hourly(&names), LATER).is_empty());
    }

    #[test]
    fn each_rule_keeps_the_newest_of_its_periods() {
        let names = names(24 * 40 + 6);
        let backups = hourly(&names);
        let keep = |rules: &str| kept(serde_json::from_str(rules).unwrap(), &backups);
        let last = ["2026-02-10 03:00 UTC", "2026-02-10 04:00 UTC", "2026-02-10 05:00 UTC"];
        assert_eq!(keep(r#"{"last": 3}"#), last);
        assert_eq!(keep(r#"{"hourly": 3}"#), last);
        let days = ["2026-02-08 23:00 UTC", "2026-02-09 23:00 UTC", "2026-02-10 05:00 UTC"];
        assert_eq!(keep(r#"{"daily": 3}"#), days);
        let weeks = ["2026-02-01 23:00 UTC", "2026-02-08 23:00 UTC", "2026-02-10 05:00 UTC"];
        assert_eq!(keep(r#"{"weekly": 3}"#), weeks);
        assert_eq!(keep(r#"{"monthly": 3}"#), ["2026-01-31 23:00 UTC", "2026-02-10 05:00 UTC"]);
        assert_eq!(keep(r#"{"yearly": 3}"#), ["2026-02-10 05:00 UTC"]);
        let both = ["2026-01-31 23:00 UTC", "2026-02-09 23:00 UTC", "2026-02-10 05:00 UTC"];
        assert_eq!(keep(r#"{"daily": 2, "monthly": 2}"#), both);
    }

    #[test]
    fn days_without_a_backup_do_not_count() {
        let names = names(3);
        let days = [0, 5, 30];
        let mut backups = hourly(&names);
        for (backup, day) in backups.iter_mut().zip(days) {
            backup.at = Moment::of_seconds(NEW_YEAR + day * DAY);
        }
        let keep = Keep { daily: Some(2), ..Keep::default() };
        assert_eq!(kept(keep, &backups), ["2026-01-06 00:00 UTC", "2026-01-31 00:00 UTC"]);
    }

    /// A year in which the rules are applied after each hourly backup, as a schedule does it.
    #[test]
    fn a_year_of_hourly_backups_comes_to_what_the_rules_say() {
        let keep = Keep {
            last: Some(2),
            daily: Some(7),
            weekly: Some(4),
            monthly: Some(6),
            ..Keep::default()
        };
        let names = names(365 * 24);
        let mut there: Vec<Candidate> = Vec::new();
        let mut most = 0;
        for backup in hourly(&names) {
            there.push(backup);
            let forgotten = keep.forgotten(&there, LATER);
            there.retain(|backup| !forgotten.contains(&backup.id));
            most = most.max(there.len());
        }
        assert!(most <= 2 + 7 + 4 + 6, "{most} at once");
        let shown: Vec<String> = there.iter().map(|backup| backup.at.shown()).collect();
        assert_eq!(
            shown,
            [
                "2026-07-31 23:00 UTC",
                "2026-08-31 23:00 UTC",
                "2026-09-30 23:00 UTC",
                "2026-10-31 23:00 UTC",
                "2026-11-30 23:00 UTC",
                "2026-12-13 23:00 UTC",
                "2026-12-20 23:00 UTC",
                "2026-12-25 23:00 UTC",
                "2026-12-26 23:00 UTC",
                "2026-12-27 23:00 UTC",
                "2026-12-28 23:00 UTC",
                "2026-12-29 23:00 UTC",
                "2026-12-30 23:00 UTC",
                "2026-12-31 22:00 UTC",
                "2026-12-31 23:00 UTC",
            ]
        );
    }

    #[test]
    fn the_last_whole_backup_stays_and_stands_for_its_day() {
        let names = names(30);
        let mut backups = hourly(&names);
        for backup in &mut backups[2..] {
            backup.is_whole = false;
        }
        let keep = Keep { last: Some(1), ..Keep::default() };
        assert_eq!(kept(keep, &backups), ["2026-01-01 01:00 UTC", "2026-01-02 05:00 UTC"]);
        let keep = Keep { daily: Some(2), ..Keep::default() };
        assert_eq!(kept(keep, &backups), ["2026-01-01 01:00 UTC", "2026-01-02 05:00 UTC"]);
    }

    #[test]
    fn what_a_wrong_clock_made_takes_no_place() {
        let names = names(3);
        let mut backups = hourly(&names);
        backups[0].at = Moment::of_seconds(NEW_YEAR + 900 * DAY);
        let keep = Keep { last: Some(1), ..Keep::default() };
        assert_eq!(keep.forgotten(&backups, Moment::of_seconds(NEW_YEAR + DAY)), ["00001"]);
    }

    #[test]
    fn a_rule_is_a_number_from_one() {
        assert_eq!(Keep::parse("--keep-daily", "7").unwrap(), 7);
        for bad in ["", "0", "-1", "+1", "1.5", "seven", "100001", "99999999999"] {
            assert!(Keep::parse("--keep-daily", bad).is_err(), "{bad:?}");
        }
        let keep = Keep { daily: Some(7), last: Some(3), ..Keep::default() };
        assert_eq!(keep.shown(), "last 3, daily 7");
    }

    proptest! {
        #[test]
        fn what_must_stay_stays_and_twice_is_once(
            backups in prop::collection::vec((0..900_i64, any::<bool>()), 0..60),
            rules in prop::array::uniform6(prop::option::of(0..5_u32)),
        ) {
            // Oldest first; of two of one second the older one has the greater id.
            let mut backups = backups;
            backups.sort_by_key(|&(at, _)| at);
            let names = names(backups.len());
            let backups: Vec<Candidate> = names
                .iter()
                .rev()
                .zip(&backups)
                .map(|(id, &(at, is_whole))| Candidate { id, at: Moment::of_seconds(at * 12 * HOUR), is_whole })
                .collect();
            let [last, hourly, daily, weekly, monthly, yearly] = rules;
            let keep = Keep { last, hourly, daily, weekly, monthly, yearly };
            let forgotten = keep.forgotten(&backups, LATER);
            let newest = |of: &dyn Fn(&Candidate) -> bool| {
                let newest = backups.iter().filter(|b| of(b)).max_by_key(|b| b.at);
                newest.map(|backup| backup.id)
            };
            for id in [newest(&|_| true), newest(&|b| b.is_whole)].into_iter().flatten() {
                prop_assert!(!forgotten.contains(&id));
            }
            let stay: Vec<Candidate> =
                backups.iter().filter(|b| !forgotten.contains(&b.id)).cloned().collect();
            let last = usize::try_from(last.unwrap_or_default()).unwrap();
            prop_assert!(stay.len() >= last.min(backups.len()));
            // What stays is what the rules keep: applied again they forget nothing.
            prop_assert!(keep.forgotten(&stay, LATER).is_empty());
        }
    }
}
