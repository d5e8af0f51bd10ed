//! `storage:backups:schedules`: what is backed up when.

use crate::commands::arguments::{self, Output};
use crate::context::Context;
use crate::domain::{Moment, Result, Subject};
use crate::host::clock;
use crate::ops::backups::schedules::{Planned, visible};
use crate::ops::tell_problems;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let format = arguments::parse::<Output>(words, context)?.format()?;
    let (planned, problems) = visible(context)?;
    let zone = clock::zone();
    let shown =
        |moment: Option<Moment>| moment.map_or_else(|| "-".to_owned(), |moment| zone.shown(moment));
    let row = |planned: &Planned| {
        let schedule = &planned.schedule;
        let keep = schedule.keep.shown();
        vec![
            match &schedule.subject {
                Subject::Entry(entry) => entry.to_string(),
                Subject::App(app) => format!("app {app}"),
                Subject::All => "everything".to_owned(),
            },
            planned.when.clone(),
            schedule.connector.to_string(),
            if keep.is_empty() { "all".to_owned() } else { keep },
            shown(planned.next),
            shown(schedule.last_begun),
        ]
    };
    let headings = ["Of", "When", "To", "Kept", "Next", "Last begun"];
    context.out.list(format, &planned, (&headings, row), "Nothing is scheduled");
    tell_problems(&problems, context)
}
