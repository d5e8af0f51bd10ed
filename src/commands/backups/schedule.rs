//! `storage:backups:schedule`: has backups made again and again.

use super::Of;
use crate::commands::arguments::{self, Args, given, parsed};
use crate::context::Context;
use crate::domain::{Expression, Keep, Moment, PingAddress, Result, Schedule, Subject, Unknown};
use crate::host::clock;
use crate::ops::access;
use crate::ops::backups::schedules::{self, Planned};
use crate::ops::backups::{self, create};

#[derive(Debug, Args)]
struct Arguments {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    rules: Rules,
    /// --pause: pause the containers that mount the entry while its data is copied
    pause: bool,
    /// --ping-url: URL to request when a run ends; with /start behind it when one begins, with /fail when one failed
    ping_url: Option<String>,
    /// --to: connector to back up to (needed if there are several destinations)
    to: Option<String>,
}

/// Which backups of each entry are kept; all without a rule.
#[derive(Debug, Args)]
struct Rules {
    /// --keep-last: how many of the last backups to keep
    #[arg(long = "keep-last")]
    last: Option<String>,
    /// --keep-daily: for how many days to keep the last backup of the day
    #[arg(long = "keep-daily")]
    daily: Option<String>,
    /// --keep-weekly: for how many weeks to keep the last backup of the week
    #[arg(long = "keep-weekly")]
    weekly: Option<String>,
    /// --keep-monthly: for how many months to keep the last backup of the month
    #[arg(long = "keep-monthly")]
    monthly: Option<String>,
}

impl Rules {
    fn keep(&self) -> Result<Keep> {
        let rule = |flag: &str, value: &Option<String>| {
            parsed(value.as_ref(), |text| Keep::parse(flag, text))
        };
        Ok(Keep {
            last: rule("--keep-last", &self.last)?,
            daily: rule("--keep-daily", &self.daily)?,
            weekly: rule("--keep-weekly", &self.weekly)?,
            monthly: rule("--keep-monthly", &self.monthly)?,
            ..Keep::default()
        })
    }
}

/// Sets a schedule, in the place of one that there was for the same.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, app) = arguments::without_app(words, context);
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let (subject, using, when) = arguments.of.subject(app, context)?;
    // Over SSH, five fields come as five words.
    let expression = Expression::parse(&when.join(" "))?;
    if let Subject::Entry(name) = &subject {
        create::Source::of(&context.store.existing_entry(name.as_str())?, context)?;
    }
    let connector = backups::destination(given(arguments.to.as_deref()), &using, context)?.name;
    let now = Moment::now();
    let sees_all = access::must_see_every_app("", context).is_ok();
    let keep = arguments.rules.keep()?;
    if !keep.is_empty() {
        access::must_see_every_app("--keep- rules forget backups", context)?;
    }
    let schedule = Schedule {
        subject,
        expression,
        connector,
        keep,
        is_scoped: !sees_all,
        ping_url: parsed(arguments.ping_url.as_ref(), PingAddress::parse)?,
        pause: arguments.pause,
        created: now,
        last_begun: None,
        unknown: Unknown::new(),
    };
    let schedule = schedules::set(schedule, context)?;
    tell(schedule, now, context);
    Ok(())
}

fn tell(schedule: Schedule, now: Moment, context: &mut Context) {
    let zone = clock::zone();
    let planned = Planned::of(schedule, now, &zone);
    let schedule = &planned.schedule;
    context.out.headline(&format!(
        "Backups of {} to {} scheduled {}",
        schedule.subject, schedule.connector, planned.when
    ));
    if let Some(next) = planned.next {
        context.out.detail_unless_quiet(&format!("Next {}", zone.shown(next)));
    }
    context.out.detail_unless_quiet(&if schedule.keep.is_empty() {
        "All of them are kept; to keep some: --keep-daily 7 --keep-weekly 4 --keep-monthly 6"
            .to_owned()
    } else {
        format!("Of each entry are kept: {}", schedule.keep.shown())
    });
}
