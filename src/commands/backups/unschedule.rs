//! `storage:backups:unschedule`: ends a schedule.

use clap::Parser;

use super::Of;
use crate::commands::arguments;
use crate::context::Context;
use crate::domain::Result;
use crate::ops::crontab;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    of: Of,
}

/// Ends a schedule. The backups that it made stay.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, positional) = arguments::parse::<Arguments>(words, context)?;
    let (positional, app) = positional.without_app(context);
    let (subject, _, rest) = arguments.of.subject(&positional, app.as_deref(), context)?;
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
