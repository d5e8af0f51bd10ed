//! The lines of this plugin in Dokku's crontab.

use crate::context::Context;
use crate::domain::DOCKER_LOCAL;
use crate::host::plugn;

/// The trigger by which Dokku writes its crontab.
const WRITE: &str = "scheduler-cron-write";

/// When the trash is looked through: once an hour, not at the full hour, when everybody else does something.
const TRASH: &str = "23 * * * *;dokku storage:trash:empty --expired";

/// What looks for backups that are due.
const BACKUPS: &str = "* * * * *;dokku storage:backups:run";

/// What writes the metrics; the directory follows.
const METRICS: &str = "*/5 * * * *;dokku storage:metrics --textfile";

/// `schedule;command` for the trash, while there is something in it, for backups, while there is a schedule, and for the
/// metrics, while the policy names a directory for them.
pub(crate) fn lines(context: &Context) -> Vec<String> {
    let mut lines = Vec::new();
    if !context.store.is_trash_empty() {
        lines.push(TRASH.to_owned());
    }
    if context.store.has_schedules() {
        lines.push(BACKUPS.to_owned());
    }
    // A policy that cannot be read is told by storage:doctor: here it would take all lines from Dokku's crontab.
    if let Some(directory) = context.store.policy().unwrap_or_default().metrics_textfile {
        lines.push(format!("{METRICS} {directory}"));
    }
    lines
}

/// Has Dokku write its crontab where the lines are not those that they were before.
pub(crate) fn follow(before: &[String], context: &mut Context) {
    if lines(context) != before {
        write(context);
    }
}

/// Has Dokku write its crontab, which has a line for the schedules while there are some.
pub(crate) fn write(context: &mut Context) {
    if !context.environment.is_dokku() || !plugn::is_answered(&context.environment, WRITE) {
        return;
    }
    let written = plugn::trigger(WRITE, &[DOCKER_LOCAL.to_owned()]).must();
    if let Err(error) = written {
        context.out.warn(&format!(
            "Dokku could not write its crontab, and will try again with the next deploy: {error}"
        ));
    }
}
