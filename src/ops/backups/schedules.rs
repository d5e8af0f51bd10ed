//! Schedules: which the caller may see, and when they come next.

use serde::Serialize;

use crate::context::Context;
use crate::domain::{AppName, EntryName, Error, Moment, Result, Schedule, Subject, Zone};
use crate::host::clock;
use crate::ops::backups::this_host;
use crate::ops::{access, apps, crontab};

/// A schedule, as it is listed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Planned {
    /// What is backed up: one of these, or everything.
    pub entry: Option<EntryName>,
    pub app: Option<AppName>,
    pub all: bool,
    #[serde(flatten)]
    pub schedule: Schedule,
    /// In words.
    pub when: String,
    #[serde(with = "crate::domain::moment::written_if_any")]
    pub next: Option<Moment>,
}

impl Planned {
    pub(crate) fn of(schedule: Schedule, now: Moment, zone: &Zone) -> Self {
        let (entry, app) = match &schedule.subject {
            Subject::Entry(entry) => (Some(entry.clone()), None),
            Subject::App(app) => (None, Some(app.clone())),
            Subject::All => (None, None),
        };
        Self {
            entry,
            app,
            all: schedule.subject == Subject::All,
            when: schedule.expression.told(),
            next: schedule.next_run(now, delay(&schedule), zone),
            schedule,
        }
    }
}

/// Writes a schedule, in the place of one that there was for the same, and returns it. A caller who does not see every app
/// leaves the rules as they are.
pub(crate) fn set(mut schedule: Schedule, context: &mut Context) -> Result<Schedule> {
    context.store.change(|change| {
        let store = change.store();
        store.existing_connector(schedule.connector.as_str())?;
        if let Subject::Entry(name) = &schedule.subject {
            store.existing_entry(name.as_str())?;
        }
        if let Some(before) = store.schedule(&schedule.subject)? {
            // A run that is due by it stays due, and one that does not come is missed.
            schedule.last_begun = before.last_begun;
            if schedule.expression == before.expression {
                schedule.created = before.created;
            }
            if schedule.is_scoped {
                schedule.keep = before.keep;
            }
        }
        change.write_schedule(&schedule)
    })?;
    crontab::write(context);
    Ok(schedule)
}

/// Removes a schedule; the backups that it made stay.
pub(crate) fn end(subject: &Subject, context: &mut Context) -> Result<()> {
    context.store.change(|change| {
        // One that cannot be read can be removed.
        refuse_if!(
            matches!(change.store().schedule(subject), Ok(None)),
            "there is no schedule for {subject}; those that there are: dokku storage:backups:schedules"
        );
        change.remove_schedule(subject);
        Ok(())
    })?;
    if !context.store.has_schedules() {
        crontab::write(context);
    }
    Ok(())
}

/// By how many seconds a schedule is put off on this host.
pub(crate) fn delay(schedule: &Schedule) -> i64 {
    schedule.delay(&this_host())
}

/// The schedules that the caller may see, and what was wrong with others.
pub(crate) fn visible(context: &Context) -> Result<(Vec<Planned>, Vec<Error>)> {
    let (schedules, mut problems) = context.store.schedules()?;
    if access::hides_problems(context)? {
        problems.clear();
    }
    let (now, zone) = (Moment::now(), clock::zone());
    let mut seen = Vec::new();
    for schedule in schedules {
        if is_seen(&schedule.subject, context)? {
            seen.push(Planned::of(schedule, now, &zone));
        }
    }
    Ok((seen, problems))
}

fn is_seen(subject: &Subject, context: &Context) -> Result<bool> {
    Ok(match subject {
        Subject::All => access::must_see_every_app("", context).is_ok(),
        Subject::App(app) => !apps::visible(&context.environment, vec![app.clone()])?.is_empty(),
        Subject::Entry(entry) => access::entry(entry.as_str(), context).is_ok(),
    })
}
