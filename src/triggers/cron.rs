//! `cron-entries`: what this host's crontab has to run.

use super::word;
use crate::context::Context;
use crate::domain::{DOCKER_LOCAL, Result};
use crate::ops::crontab;

/// Prints `schedule;command;logfile` for each of this plugin's lines.
pub(crate) fn entries(arguments: &[String], context: &mut Context) -> Result<()> {
    if word(arguments, 0) != DOCKER_LOCAL {
        return Ok(());
    }
    let log = context.environment.logs().join("storage.log");
    for line in crontab::lines(context) {
        context.out.line(&format!("{line};{}", log.display()));
    }
    Ok(())
}
