//! `storage:backup-auth` and `storage:backup-schedule-cat`: what Dokku's plugins for services have.

use crate::commands::arguments::{self, Named};
use crate::context::Context;
use crate::domain::{Result, Schedule, Subject};
use crate::ops::backups::schedules::visible;
use crate::ops::{access, tell_problems};

/// Refuses credentials, which every user of the host could read among a program's arguments, and repeats none of them: what
/// follows a name is not even read.
pub(crate) fn auth(words: &[String], context: &mut Context) -> Result<()> {
    if words.iter().filter(|word| !word.starts_with("--")).count() < 2 {
        arguments::parse_some::<()>(words, context)?;
    }
    refuse!(
        "storage:backup-auth takes no credentials, since other users of this host see the arguments of a command; give them to a connector: dokku storage:connectors:create NAME --type s3 --endpoint URL --access-key-id ID --bucket BUCKET --secret-file PATH"
    );
}

/// Prints each schedule, or that of an entry, as the line that a crontab would have for it.
pub(crate) fn cat(words: &[String], context: &mut Context) -> Result<()> {
    let (words, _) = arguments::without_app(words, context);
    let Named { name, .. } = arguments::parse::<Named<String>>(words, context)?;
    let entry = match &*name {
        "" => None,
        name => Some(access::entry(name, context)?.name),
    };
    let (planned, problems) = visible(context)?;
    let mut schedules: Vec<Schedule> =
        planned.into_iter().map(|planned| planned.schedule).collect();
    if let Some(entry) = entry {
        schedules.retain(|schedule| schedule.subject == Subject::Entry(entry.clone()));
        refuse_if!(
            schedules.is_empty() && problems.is_empty(),
            "there is no schedule for storage entry \"{entry}\"; to set one: dokku storage:backups:schedule {entry} daily"
        );
    }
    for schedule in &schedules {
        let what = match &schedule.subject {
            Subject::Entry(entry) => entry.to_string(),
            Subject::App(app) => format!("--app {app}"),
            Subject::All => "--all".to_owned(),
        };
        let pause = if schedule.pause { " --pause" } else { "" };
        context.out.line(&format!(
            "{} {} storage:backups:create {what} --to {}{pause}",
            schedule.expression.fields(),
            context.environment.program(),
            schedule.connector
        ));
    }
    tell_problems(&problems, context)
}
