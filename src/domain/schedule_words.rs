//! A schedule in words: `daily at 03:00`.

use crate::domain::Expression;

const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Expression {
    /// In words; its fields where they say more than a few words can.
    pub fn told(&self) -> String {
        let fields: Vec<&str> = self.fields().split(' ').collect();
        told(&fields).unwrap_or_else(|| format!("\"{}\"", self.fields()))
    }
}

fn told(fields: &[&str]) -> Option<String> {
    let [minute, hour, day, month, weekday] = *fields else {
        return None;
    };
    match (minute, hour, day, month, weekday) {
        ("*" | "*/1", "*", "*", "*", "*") => Some("every minute".to_owned()),
        (_, "*", "*", "*", "*") => within_hours(minute),
        (_, _, "*", "*", "*") if hour.starts_with("*/") => {
            let hours = step(hour, 24)?;
            Some(format!("every {hours} hours at :{:02}", number(minute)?))
        }
        (_, _, "*", "*", "*") => Some(format!("daily at {}", clock(hour, minute)?)),
        (_, _, "*", "*", _) => Some(format!("{} at {}", weekdays(weekday)?, clock(hour, minute)?)),
        (_, _, _, "*", "*") => {
            let day = number(day)?;
            Some(format!("on day {day} of each month at {}", clock(hour, minute)?))
        }
        _ => None,
    }
}

/// The times of each hour.
fn within_hours(minute: &str) -> Option<String> {
    if minute.starts_with("*/") {
        return Some(format!("every {} minutes", step(minute, 60)?));
    }
    Some(format!("every hour at :{:02}", number(minute)?))
}

/// The number in `*/15`, where all steps are alike.
fn step(field: &str, of: u32) -> Option<u32> {
    let step = number(field.strip_prefix("*/")?)?;
    (step > 1 && of.is_multiple_of(step)).then_some(step)
}

fn clock(hour: &str, minute: &str) -> Option<String> {
    Some(format!("{:02}:{:02}", number(hour)?, number(minute)?))
}

/// `on Mondays and Fridays`, or `from Monday to Friday`.
fn weekdays(field: &str) -> Option<String> {
    if let Some((first, last)) = field.split_once('-') {
        return Some(format!("from {} to {}", weekday(first)?, weekday(last)?));
    }
    let days = field.split(',').map(|day| Some(format!("{}s", weekday(day)?)));
    let days: Vec<String> = days.collect::<Option<_>>()?;
    let (last, others) = days.split_last()?;
    match others {
        [] => Some(format!("on {last}")),
        _ => Some(format!("on {} and {last}", others.join(", "))),
    }
}

fn weekday(text: &str) -> Option<&'static str> {
    let by_name = WEEKDAYS.iter().position(|day| text.eq_ignore_ascii_case(&day[..3]));
    let place = by_name.or_else(|| usize::try_from(number(text)? % 7).ok())?;
    WEEKDAYS.get(place).copied()
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_told_in_words() {
        for (typed, told) in [
            ("* * * * *", "every minute"),
            ("*/15 * * * *", "every 15 minutes"),
            ("*/7 * * * *", "\"*/7 * * * *\""),
            ("hourly", "every hour at :00"),
            ("5 * * * *", "every hour at :05"),
            ("5 */6 * * *", "every 6 hours at :05"),
            ("0 3 * * *", "daily at 03:00"),
            ("@daily", "daily at 00:00"),
            ("30 4 * * mon", "on Mondays at 04:30"),
            ("30 4 * * 7", "on Sundays at 04:30"),
            ("30 4 * * 1,wed,FRI", "on Mondays, Wednesdays and Fridays at 04:30"),
            ("30 4 * * 1-5", "from Monday to Friday at 04:30"),
            ("weekly", "on Sundays at 00:00"),
            ("monthly", "on day 1 of each month at 00:00"),
            ("yearly", "\"0 0 1 1 *\""),
            ("0 3 1 * mon", "\"0 3 1 * mon\""),
            ("0 3 * * 5#3", "\"0 3 * * 5#3\""),
            ("0 3,15 * * *", "\"0 3,15 * * *\""),
        ] {
            assert_eq!(Expression::parse(typed).unwrap().told(), told, "{typed}");
        }
    }
}
