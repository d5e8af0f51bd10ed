//! `cron-entries`: what this host's crontab has to run.

use super::word;
use crate::context::Context;
use crate::domain::{DOCKER_LOCAL, Result};

/// When the trash is looked through: once an hour, not at the full hour, when everybody else does something.
const SCHEDULE: &str = "23 * * * *";

/// Prints `schedule;command;logfile` for the trash, while there is something in it.
pub(crate) fn entries(arguments: &[String], context: &mut Context) -> Result<()> {
    if word(arguments, 0) != DOCKER_LOCAL || context.store.is_trash_empty() {
        return Ok(());
    }
    let log = context.environment.logs().join("storage.log");
    context.out.line(&format!("{SCHEDULE};dokku storage:trash:empty --expired;{}", log.display()));
    Ok(())
}
