//! `cron-entries`: what this host's crontab has to run.

use super::word;
use crate::context::Context;
use crate::domain::{DOCKER_LOCAL, Result};

/// When the trash is looked through: once an hour, not at the full hour, when everybody else does something.
const TRASH: &str = "23 * * * *;dokku storage:trash:empty --expired";

/// What looks for backups that are due.
const BACKUPS: &str = "* * * * *;dokku storage:backups:run";

/// Prints `schedule;command;logfile` for the trash, while there is something in it, and for backups, while there is a
/// schedule.
pub(crate) fn entries(arguments: &[String], context: &mut Context) -> Result<()> {
    if word(arguments, 0) != DOCKER_LOCAL {
        return Ok(());
    }
    let log = context.environment.logs().join("storage.log");
    let is_there =
        [(TRASH, !context.store.is_trash_empty()), (BACKUPS, context.store.has_schedules())];
    for (line, _) in is_there.into_iter().filter(|(_, is_there)| *is_there) {
        context.out.line(&format!("{line};{}", log.display()));
    }
    Ok(())
}
