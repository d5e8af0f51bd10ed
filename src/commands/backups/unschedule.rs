//! `storage:backups:unschedule`: ends a schedule.

use super::Of;
use crate::commands::arguments;
use crate::context::Context;
use crate::domain::Result;
use crate::ops::crontab;

/// Ends a schedule. The backups that it made stay.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, app) = arguments::without_app(words, context);
    let of = arguments::parse::<Of>(words, context)?;
    let (subject, _, rest) = of.subject(app, context)?;
    arguments::no_more_than(rest, 0)?;
    context.store.change(|change| {
        // One that cannot be read can be removed.
        refuse_if!(
            matches!(change.store().schedule(&subject), Ok(None)),
            "there is no schedule for {subject}; those that there are: dokku storage:backups:schedules"
        );
        change.remove_schedule(&subject);
        Ok(())
    })?;
    if !context.store.has_schedules() {
        crontab::write(context);
    }
    context.out.headline(&format!("Backups of {subject} are no longer scheduled"));
    Ok(())
}
