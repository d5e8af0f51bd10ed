//! Points in time, as people and programs read them.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

/// Spans of time, in seconds.
pub(crate) const HOUR: i64 = 60 * 60;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A point in time: the seconds since the beginning of 1970, UTC.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(i64);

impl Moment {
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    pub const fn of_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    pub fn seconds(self) -> i64 {
        self.0
    }

    pub fn plus_hours(self, hours: u64) -> Self {
        let seconds = i64::try_from(hours.saturating_mul(60 * 60)).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(seconds))
    }

    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// As people read it, to the minute: `2026-11-21 05:45 UTC`.
    pub fn shown(self) -> String {
        self.utc().strftime("%Y-%m-%d %H:%M UTC").to_string()
    }

    /// As programs read it (RFC 3339): `2026-11-21T05:45:08Z`.
    pub fn to_rfc3339(self) -> String {
        self.timestamp().to_string()
    }

    /// As a part of a name: `20261121-054508`.
    pub fn stamp(self) -> String {
        self.utc().strftime("%Y%m%d-%H%M%S").to_string()
    }

    /// Reads a time as Docker writes it (RFC 3339, with parts of seconds and any offset); none where it is no time.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(Self::from)
    }

    /// The number of its hour, counted from the beginning of 1970; the next functions are alike.
    pub fn hour(self) -> i64 {
        self.0.div_euclid(HOUR)
    }

    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// Weeks begin on Monday.
    pub fn week(self) -> i64 {
        // The first of January 1970 was a Thursday.
        (self.day() + 3).div_euclid(7)
    }

    pub fn month(self) -> i64 {
        self.year() * 12 + i64::from(self.utc().month()) - 1
    }

    pub fn year(self) -> i64 {
        i64::from(self.utc().year()) - 1970
    }

    /// The same for the calendar, whose last day is in the year 9999: what is later is that day.
    pub(crate) fn timestamp(self) -> Timestamp {
        let edge = if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_second(self.0).unwrap_or(edge)
    }

    fn utc(self) -> DateTime {
        Offset::UTC.to_datetime(self.timestamp())
    }
}

/// A moment in JSON, as `2026-11-21T05:45:00Z`.
pub(crate) mod written {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Moment;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
    pub(crate) fn serialize<S: Serializer>(moment: &Moment, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&moment.to_rfc3339())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Moment, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        Moment::parse_rfc3339(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a time")))
    }
}

/// The same where there may be none.
pub(crate) mod written_if_any {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Moment, written};

    #[derive(Serialize, Deserialize)]
    struct Written(#[serde(with = "written")] Moment);

    #[expect(clippy::ref_option, reason = "serde wants it so")]
    pub(crate) fn serialize<S: Serializer>(
        moment: &Option<Moment>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        moment.map(Written).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Moment>, D::Error> {
        Ok(Option::<Written>::deserialize(from)?.map(|Written(moment)| moment))
    }
}

impl From<Timestamp> for Moment {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_second())
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let whole = |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(0);
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => whole(after),
            Err(before) => -whole(before.duration()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_right() {
        let shown = |seconds: i64| Moment::of_seconds(seconds).to_rfc3339();
        assert_eq!(shown(0), "1970-01-01T00:00:00Z");
        assert_eq!(shown(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(shown(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(shown(951_868_800), "2000-03-01T00:00:00Z");
        assert_eq!(shown(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(shown(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(shown(1_798_761_599), "2026-12-31T23:59:59Z");
        assert_eq!(Moment::of_seconds(1_798_761_599).shown(), "2026-12-31 23:59 UTC");
        assert_eq!(Moment::of_seconds(1_798_761_599).stamp(), "20261231-235959");
        assert_eq!(shown(-1), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn periods_are_those_of_the_calendar() {
        let at = |text: &str| Moment::parse_rfc3339(text).unwrap();
        let numbers = |moment: Moment| {
            [moment.hour(), moment.day(), moment.week(), moment.month(), moment.year()]
        };
        assert_eq!(numbers(at("1970-01-01T00:59:59Z")), [0, 0, 0, 0, 0]);
        assert_eq!(numbers(at("1969-12-31T23:59:59Z")), [-1, -1, 0, -1, -1]);
        assert_eq!(at("1970-01-04T23:59:59Z").week(), 0);
        assert_eq!(numbers(at("1970-01-05T00:00:00Z")), [96, 4, 1, 0, 0]);
        assert_eq!(at("2026-11-30T00:00:00Z").week(), at("2026-12-06T23:59:59Z").week());
        assert_eq!(at("2026-12-31T23:59:59Z").month(), 56 * 12 + 11);
    }

    #[test]
    fn what_docker_writes_is_read() {
        let read = |text: &str| Moment::parse_rfc3339(text).map(Moment::seconds);
        for seconds in [0, 951_782_400, 4_107_542_399, 1_798_761_599] {
            assert_eq!(read(&Moment::of_seconds(seconds).to_rfc3339()), Some(seconds));
        }
        assert_eq!(read("1970-01-01T02:00:00.123456789+02:00"), Some(0));
        assert_eq!(read("1969-12-31T19:00:01-05:00"), Some(1));
        for bad in ["", "yesterday", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
