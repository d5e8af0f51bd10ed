//! `storage:backups:unschedule`: ends a schedule.

use super::Of;
use crate::commands::arguments;
use crate::context::Context;
use crate::domain::Result;
use crate::ops::backups::schedules;

/// Ends a schedule. The backups that it made stay.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, app) = arguments::without_app(words, context);
    let of = arguments::parse::<Of>(words, context)?;
    let (subject, _, rest) = of.subject(app, context)?;
    arguments::no_more_than(rest, 0)?;
    schedules::end(&subject, context)?;
    context.out.headline(&format!("Backups of {subject} are no longer scheduled"));
    Ok(())
}
