//! Whether the host's clock can be believed, where data is removed for its age.
//!
//! A host can start with a clock that is years ahead or behind, until its time server answers. So the store notes when it last looked
//! at the clock, and since when that goes on without a leap: backwards by more than an hour, or forwards by more than 31 days. For an
//! hour after a leap nothing is removed for its age, and every age counts from the leap at the earliest, also that of what is dated
//! later than now. So nothing goes before its time has passed once more, and what a wrong clock dated does not stay for ever.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::moment::{DAY, HOUR};
use crate::domain::{Layout, Moment};
use crate::store::{Store, json};

/// By how many seconds a clock may go back, or ahead between two looks, where nothing is wrong.
const BACK: i64 = HOUR;
const AHEAD: i64 = 31 * DAY;

/// For how many seconds a note is good, so that a look every minute does not write each time.
const FRESH: i64 = HOUR;

/// The clock at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Clock {
    /// When it leapt; none where nobody saw it leap.
    #[serde(default, with = "crate::domain::moment::written_if_any")]
    #[serde(skip_serializing_if = "Option::is_none")]
    leapt: Option<Moment>,
    #[serde(with = "crate::domain::moment::written")]
    now: Moment,
}

impl Clock {
    fn after(noted: Option<Self>, now: Moment) -> Self {
        let is_leap = |noted: &Self| {
            now.plus_seconds(BACK) < noted.now || noted.now.plus_seconds(AHEAD) < now
        };
        let leapt = noted.and_then(|noted| if is_leap(&noted) { Some(now) } else { noted.leapt });
        Self { leapt, now }
    }

    /// Whether it can be believed.
    pub(crate) fn is_settled(&self) -> bool {
        self.leapt.is_none_or(|leapt| leapt.plus_seconds(HOUR) <= self.now)
    }

    /// From when the age of something counts that has this date.
    pub(crate) fn counted(&self, date: Moment) -> Moment {
        match self.leapt {
            Some(leapt) if date > self.now.plus_seconds(BACK) => leapt,
            Some(leapt) => date.max(leapt),
            None => date,
        }
    }

    /// Whether something of this date is so many hours old, as far as the clock can be believed.
    pub(crate) fn is_over(&self, date: Moment, hours: u64) -> bool {
        self.is_settled() && self.counted(date).plus_hours(hours) <= self.now
    }
}

fn path(layout: &Layout) -> PathBuf {
    layout.registry().join(".clock")
}

impl Store {
    pub(crate) fn clock(&self) -> Clock {
        self.clock_and_note().0
    }

    /// The clock, and what is noted of it, where that can be read.
    fn clock_and_note(&self) -> (Clock, Option<Clock>) {
        let now = Moment::now();
        match json::read(&path(self.layout())) {
            Ok(noted) => (Clock::after(noted, now), noted),
            Err(_) => (Clock { leapt: Some(now), now }, None),
        }
    }

    /// The same, and notes it. Where that fails, as on a full disk, it counts from the look before.
    pub(crate) fn look_at_clock(&self) -> Clock {
        let (clock, noted) = self.clock_and_note();
        let is_fresh = noted.is_some_and(|noted| {
            let age = clock.now.seconds().saturating_sub(noted.now.seconds());
            noted.leapt == clock.leapt && (0..FRESH).contains(&age)
        });
        if is_fresh {
            return clock;
        }
        let noted = self.change(|change| {
            // Another command may have noted that it leapt.
            let clock = change.store().clock();
            change.write_json(path(change.store().layout()), &clock)?;
            Ok(clock)
        });
        noted.unwrap_or(clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment::of_seconds(seconds)
    }

    /// A clock that was looked at at these moments.
    fn looked(moments: &[i64]) -> Clock {
        let next = |noted, now: &i64| Some(Clock::after(noted, at(*now)));
        moments.iter().fold(None, next).unwrap()
    }

    const TODAY: i64 = 20_000 * DAY;
    const WRONG: i64 = 25_000 * DAY;

    #[test]
    fn a_clock_that_goes_on_counts_by_dates() {
        for steps in [&[TODAY][..], &[TODAY - 30 * DAY, TODAY], &[TODAY + HOUR, TODAY]] {
            let clock = looked(steps);
            assert!(clock.is_settled(), "{steps:?}");
            assert!(clock.is_over(at(TODAY - 2 * DAY), 48));
            assert!(!clock.is_over(at(TODAY - 2 * DAY + 1), 48));
            assert!(!clock.is_over(at(WRONG), 0));
        }
    }

    #[test]
    fn after_a_leap_either_way_all_ages_begin_anew() {
        let old = at(TODAY - 100 * DAY);
        for leap in [WRONG, 0] {
            let begin = [TODAY, leap];
            assert!(!looked(&begin).is_over(old, 0));
            let after = |seconds| looked(&[TODAY, leap, leap + seconds]);
            assert!(!after(HOUR - 1).is_settled() && after(HOUR).is_settled());
            assert!(!after(2 * DAY - 1).is_over(old, 48) && after(2 * DAY).is_over(old, 48));
            // And once more when it is right again.
            let again = |seconds| looked(&[TODAY, leap, leap + HOUR, TODAY + 1, TODAY + seconds]);
            for date in [at(leap), at(TODAY), old] {
                assert!(!again(2 * DAY).is_over(date, 48), "{date:?}");
                assert!(again(2 * DAY + 1).is_over(date, 48), "{date:?}");
            }
        }
    }

    #[test]
    fn what_was_destroyed_a_moment_before_a_small_step_back_stays() {
        let clock = looked(&[WRONG, TODAY, TODAY + 30 * DAY]);
        assert!(!clock.is_over(at(TODAY + 30 * DAY + 600), 48));
    }
}
