//! When something is to be done: the five fields of cron, or a word such as `daily`, in the host's time zone.

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::text::checked_text;
use crate::domain::{Moment, Result};

/// The words that stand for five fields, with or without `@` before them.
const WORDS: [(&str, &str); 7] = [
    ("hourly", "0 * * * *"),
    ("daily", "0 0 * * *"),
    ("midnight", "0 0 * * *"),
    ("weekly", "0 0 * * 0"),
    ("monthly", "0 0 1 * *"),
    ("yearly", "0 0 1 1 *"),
    ("annually", "0 0 1 1 *"),
];

/// The fields, and what each can be.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12, or jan to dec"),
    ("weekday", "0 to 7, or sun to sat"),
];

/// What to type, for those who typed something else.
const USAGE: &str = "write five fields (minute, hour, day of the month, month, weekday), as in \"0 3 * * *\", or hourly, daily, weekly, monthly or yearly";

/// The five fields of a crontab, or a word, as they were typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression(String);
checked_text!(Expression);

impl Expression {
    pub fn parse(text: &str) -> Result<Self> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        refuse_if!(fields.is_empty(), "the schedule is missing; {USAGE}");
        let expression = Self(fields.join(" "));
        if let [word] = *fields
            && expression.word().is_none()
        {
            refuse!("schedule {word:?} is not one that is known; {USAGE}");
        }
        let written = expression.fields();
        let fields: Vec<&str> = written.split(' ').collect();
        refuse_if!(
            fields.len() != FIELDS.len(),
            "schedule {text:?} does not have five fields; {USAGE}"
        );
        for (place, (field, (what, range))) in fields.iter().zip(FIELDS).enumerate() {
            let mut alone = ["*"; FIELDS.len()];
            alone[place] = field;
            refuse_if!(
                parsed(&alone.join(" ")).is_none(),
                "schedule {text:?} has {field:?} for the {what}, which goes from {range}; {USAGE}"
            );
        }
        refuse_if!(
            expression.next_after(Moment::default(), &Zone::utc()).is_none(),
            "schedule {text:?} never comes: no month that it names has such a day; {USAGE}"
        );
        Ok(expression)
    }

    /// The five fields.
    pub fn fields(&self) -> &str {
        self.word().unwrap_or(&self.0)
    }

    fn word(&self) -> Option<&'static str> {
        let word = self.0.strip_prefix('@').unwrap_or(&self.0);
        WORDS.into_iter().find(|(known, _)| word.eq_ignore_ascii_case(known)).map(|(_, all)| all)
    }

    /// The first time after a moment; none where there is none in four years.
    ///
    /// An hour that the clock leaves out in spring is taken at its end, and one that it has twice in autumn the first time.
    pub fn next_after(&self, moment: Moment, zone: &Zone) -> Option<Moment> {
        let crontab = parsed(self.fields())?;
        // On the clock of the wall, which knows neither.
        let mut wall = zone.wall(moment);
        loop {
            let from = MakeTimestamp(TimeZone::UTC.to_timestamp(wall).ok()?);
            wall = crontab.find_next(from).ok()?.datetime();
            let next = Moment::from(zone.0.to_timestamp(wall).ok()?);
            if next > moment {
                return Some(next);
            }
        }
    }

    /// Whether there are several times in an hour.
    pub fn is_often(&self) -> bool {
        let minutes = self.fields().split(' ').next().unwrap_or_default();
        let Some(crontab) = parsed(&format!("{minutes} * * * *")) else {
            return false;
        };
        let of_minute = |minute: i64| MakeTimestamp::from_second(minute * 60).ok();
        let is_meant = |&minute: &i64| {
            of_minute(minute).is_some_and(|at| crontab.matches(at).unwrap_or_default())
        };
        (0..60).filter(is_meant).count() > 1
    }
}

fn parsed(fields: &str) -> Option<Crontab> {
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    cronexpr::parse_crontab_with(fields, options).ok()
}

/// A time zone.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

impl Zone {
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone that a file such as `/etc/localtime` describes.
    pub fn of_file(content: &[u8]) -> Option<Self> {
        TimeZone::tzif("local", content).ok().map(Self)
    }

    /// A moment as people of the zone read it, to the minute: `2026-11-21 06:45 CET`.
    pub fn shown(&self, moment: Moment) -> String {
        let zone = self.0.to_offset_info(moment.timestamp());
        format!("{} {}", self.wall(moment).strftime("%Y-%m-%d %H:%M"), zone.abbreviation())
    }

    fn wall(&self, moment: Moment) -> DateTime {
        self.0.to_datetime(moment.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::parse_rfc3339(text).unwrap()
    }

    /// Berlin's, by its rule alone.
    fn berlin() -> Zone {
        Zone(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap())
    }

    fn next(expression: &str, after: &str, zone: &Zone) -> String {
        let expression = Expression::parse(expression).unwrap();
        zone.shown(expression.next_after(at(after), zone).unwrap())
    }

    #[test]
    fn what_can_be_typed() {
        let after = "2026-11-28T22:47:08Z"; // A Saturday.
        for (typed, then) in [
            ("0 3 * * *", "2026-11-29 03:00 UTC"),
            ("  0   3 * *\t* ", "2026-11-29 03:00 UTC"),
            ("*/15 * * * *", "2026-11-28 23:00 UTC"),
            ("47,48 22 * * *", "2026-11-28 22:48 UTC"),
            ("30 4 * * mon", "2026-11-30 04:30 UTC"),
            ("30 4 * * MON-FRI", "2026-11-30 04:30 UTC"),
            ("0 0 1 jan *", "2027-01-01 00:00 UTC"),
            ("0 0 29 2 *", "2028-02-29 00:00 UTC"),
            ("0 0 * * 7", "2026-11-29 00:00 UTC"),
            ("hourly", "2026-11-28 23:00 UTC"),
            ("@daily", "2026-11-29 00:00 UTC"),
            ("Daily", "2026-11-29 00:00 UTC"),
            ("weekly", "2026-11-29 00:00 UTC"),
            ("monthly", "2026-12-01 00:00 UTC"),
            ("@yearly", "2027-01-01 00:00 UTC"),
        ] {
            assert_eq!(next(typed, after, &Zone::utc()), then, "{typed}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for bad in [
            "",
            "3",
            "dayly",
            "@reboot",
            "0 3 * *",
            "0 3 * * * *",
            "0 3 * * * UTC",
            "60 3 * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "0 0 * 13 *",
            "0 0 * foo *",
            "0 0 * * 8",
            "-1 0 * * *",
            "*/0 * * * *",
            "H 3 * * *",
            "5-1 * * * *",
            "0 3 * * *\n0 4 * * *",
            "0 0 31 2 *",
            "0 0 30 feb *",
            "0 0 31 4,6,9,11 *",
        ] {
            assert!(Expression::parse(bad).is_err(), "{bad:?}");
        }
        let sentence = Expression::parse("0 25 * * *").unwrap_err().to_string();
        assert!(sentence.contains("has \"25\" for the hour"), "{sentence}");
        let sentence = Expression::parse("0 0 31 2 *").unwrap_err().to_string();
        assert!(sentence.contains("never comes"), "{sentence}");
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let zone = berlin();
        assert_eq!(next("0 3 * * *", "2026-11-28T22:47:08Z", &zone), "2026-11-29 03:00 CET");
        assert_eq!(next("0 3 * * *", "2026-07-01T00:59:59Z", &zone), "2026-07-01 03:00 CEST");
        assert_eq!(next("0 3 * * *", "2026-07-01T01:00:00Z", &zone), "2026-07-02 03:00 CEST");
    }

    #[test]
    fn no_day_is_left_out_or_taken_twice_when_the_clock_changes() {
        let zone = berlin();
        // 2026-03-29 has no 02:30.
        assert_eq!(next("30 2 * * *", "2026-03-28T12:00:00Z", &zone), "2026-03-29 03:30 CEST");
        assert_eq!(next("30 2 * * *", "2026-03-29T01:30:00Z", &zone), "2026-03-30 02:30 CEST");
        // 2026-10-25 has two.
        assert_eq!(next("30 2 * * *", "2026-10-24T12:00:00Z", &zone), "2026-10-25 02:30 CEST");
        assert_eq!(next("30 2 * * *", "2026-10-25T00:30:00Z", &zone), "2026-10-26 02:30 CET");
        assert_eq!(next("30 2 * * *", "2026-10-25T01:30:00Z", &zone), "2026-10-26 02:30 CET");
    }

    #[test]
    fn several_times_in_an_hour_are_often() {
        for (typed, is_often) in [
            ("* * * * *", true),
            ("*/30 * * * *", true),
            ("0,1 3 * * *", true),
            ("0-0 * * * *", false),
            ("hourly", false),
            ("0 3 * * *", false),
        ] {
            assert_eq!(Expression::parse(typed).unwrap().is_often(), is_often, "{typed}");
        }
    }
}
