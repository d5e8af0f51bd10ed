//! Whether what is on this host is backed up, and whether the backups can be relied on.

use super::store::unreadable;
use crate::context::Context;
use crate::domain::{
    AppName, BackupState, Connector, ConnectorName, Entry, EntryName, Finding, Moment,
    RepositoryState, Schedule, Severity, Subject,
};
use crate::host::clock;
use crate::ops::backups::{self, create, hooks, schedules};

/// How long a good check of a repository is good for, in hours.
const CHECKED_FOR: u64 = 14 * 24;

/// What is wrong with the backups of entries.
pub(crate) fn of_entries(entries: &[Entry], context: &Context) -> Vec<Finding> {
    let all = context.store.schedules().unwrap_or_default().0;
    let has_destination = destinations(context).next().is_some();
    let seen = |name: &ConnectorName| backups::is_seen(name, context);
    let mut findings = Vec::new();
    for entry in entries.iter().filter(|entry| create::has_data_here(entry)) {
        let name = &entry.name;
        let state = match context.store.backup_state(Some(name)) {
            Ok(state) => state.unwrap_or_else(|| BackupState::new(Some(name.clone()))),
            Err(problem) => {
                findings.push(unreadable(&problem, Severity::Person).of_entry(name));
                continue;
            }
        };
        let using = context.store.apps_mounting(name).unwrap_or_default();
        let own: Vec<&Schedule> = all.iter().filter(|s| is_of(s, name, &using)).collect();
        findings.extend(failed(&state, seen));
        findings.extend(owed(&state, context));
        findings.extend(stale(&state, name, &own, seen));
        if has_destination
            && own.is_empty()
            && state.last_success.is_none()
            && create::Source::of(entry, context).is_ok()
        {
            let sentence =
                format!("storage entry \"{name}\" was never backed up, and nothing is scheduled");
            let remedy =
                format!("dokku storage:backups:schedule {name} daily{}", to(&using, context));
            let finding = Finding::new("no-backup", Severity::Note, sentence, remedy);
            findings.push(finding.of_entry(name));
        }
    }
    findings
}

/// What is wrong with the host's backups: files that cannot be read, those of the store, and the repositories.
pub(crate) fn of_host(context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    for problem in context.store.schedules().unwrap_or_default().1 {
        findings.push(unreadable(&problem, Severity::Person));
    }
    match context.store.backup_state(None) {
        Ok(state) => findings.extend(state.iter().filter_map(|state| failed(state, |_| true))),
        Err(problem) => findings.push(unreadable(&problem, Severity::Person)),
    }
    for connector in destinations(context) {
        match context.store.repository_state(&connector.name) {
            Ok(state) => findings.extend(state.as_ref().and_then(unverified)),
            Err(problem) => findings.push(unreadable(&problem, Severity::Person)),
        }
    }
    findings
}

fn destinations(context: &Context) -> impl Iterator<Item = Connector> {
    let connectors = context.store.connectors().unwrap_or_default().0;
    connectors.into_iter().filter(Connector::is_destination)
}

/// What names one of several destinations that are open to the caller, as a command wants it.
fn to(using: &[AppName], context: &Context) -> String {
    match &*backups::open_to(using, context).unwrap_or_default() {
        [first, _, ..] => format!(" --to {}", first.name),
        _ => String::new(),
    }
}

fn is_of(schedule: &Schedule, entry: &EntryName, using: &[AppName]) -> bool {
    match &schedule.subject {
        Subject::Entry(name) => name == entry,
        Subject::App(app) => using.contains(app),
        Subject::All => true,
    }
}

/// `seen` says of which destinations the caller may know.
fn failed(state: &BackupState, seen: impl Fn(&ConnectorName) -> bool) -> Option<Finding> {
    let failure = state.failed()?;
    let (what, again) = match &state.entry {
        Some(name) => (format!("storage entry \"{name}\""), name.to_string()),
        None => ("the store".to_owned(), "--all".to_owned()),
    };
    let connector = failure.connector.as_ref();
    let is_seen = connector.is_none_or(seen);
    let at = failure.at.shown();
    let (sentence, remedy) = if is_seen {
        let to = connector.map(|to| format!(" --to {to}")).unwrap_or_default();
        (
            format!("the last backup of {what} failed at {at}: {}", failure.message),
            format!("correct that, then: dokku storage:backups:create {again}{to}"),
        )
    } else {
        // Its words are about what is the host's.
        (
            format!("the last backup of {what}, to {}, failed at {at}", backups::ANOTHER),
            "ask who may see every app".to_owned(),
        )
    };
    let finding = Finding::new("failed-backup", Severity::Person, sentence, remedy);
    Some(match &state.entry {
        Some(name) => finding.of_entry(name),
        None => finding,
    })
}

/// A command around the copy that goes on without the backup, or one after it that was not run.
fn owed(state: &BackupState, context: &Context) -> Option<Finding> {
    let name = state.entry.as_ref().filter(|_| hooks::is_left(state, context))?;
    let (sentence, remedy) = match hooks::left_running(state, context) {
        Some(sentence) => (sentence, "wait for its end, then: dokku storage:backups:run"),
        // It has ended, and nothing comes after it.
        None if !state.owes_command => return None,
        None => (
            format!("a backup of storage entry \"{name}\" was cut off before its backup-after"),
            "dokku storage:backups:run",
        ),
    };
    Some(Finding::new("owed-command", Severity::Person, sentence, remedy).of_entry(name))
}

/// Two runs of a schedule that did not come, or that did not back the entry up and said nothing.
fn stale(
    state: &BackupState,
    name: &EntryName,
    own: &[&Schedule],
    seen: impl Fn(&ConnectorName) -> bool,
) -> Option<Finding> {
    let (now, zone) = (Moment::now(), clock::zone());
    let late = own.iter().find(|schedule| {
        let success = state.last_success.as_ref();
        let success = success.filter(|run| run.connector == schedule.connector);
        // What was never backed up may be younger than the schedule.
        let since = success.map_or(schedule.last_begun, |run| Some(run.at));
        let since = since.map_or(schedule.created, |since| since.max(schedule.created));
        schedule.is_stale(since, now, schedules::delay(schedule), &zone)
    })?;
    let last = match &state.last_success {
        Some(run) => format!("was last backed up at {}", zone.shown(run.at)),
        None => "was never backed up".to_owned(),
    };
    let sentence = format!(
        "storage entry \"{name}\" {last}, and is scheduled {} to {}",
        late.expression.told(),
        if seen(&late.connector) { late.connector.as_str() } else { backups::ANOTHER }
    );
    let remedy = "look for storage:backups:run in the crontab and in the log storage.log; by hand: dokku storage:backups:run";
    let finding = Finding::new("stale-backup", Severity::Person, sentence, remedy);
    Some(finding.of_entry(name))
}

fn unverified(state: &RepositoryState) -> Option<Finding> {
    state.repository_id.as_ref()?;
    let name = &state.connector;
    let remedy = format!("dokku storage:backups:check {name}");
    let (severity, sentence) = match &state.checked {
        None => {
            (Severity::Note, format!("the backups of connector {name} have never been checked"))
        }
        Some(checked) if !checked.ok => (
            Severity::Person,
            format!(
                "the backups of connector {name} failed their check at {}: {}",
                checked.at.shown(),
                checked.message
            ),
        ),
        Some(checked) if checked.at.plus_hours(CHECKED_FOR) < Moment::now() => (
            Severity::Person,
            format!("the backups of connector {name} were last checked at {}", checked.at.shown()),
        ),
        Some(_) => return None,
    };
    Some(Finding::new("unverified-backup", severity, sentence, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backup::{Checked, Failure, Run};
    use crate::domain::moment::DAY;
    use crate::domain::{Expression, Keep, Unknown};

    fn ago(seconds: i64) -> Moment {
        Moment::now().plus_seconds(-seconds)
    }

    fn disk() -> ConnectorName {
        ConnectorName::parse("disk").unwrap()
    }

    fn daily(created: Moment, last_begun: Option<Moment>) -> Schedule {
        Schedule {
            subject: Subject::All,
            expression: Expression::parse("daily").unwrap(),
            connector: disk(),
            keep: Keep::default(),
            ping_url: None,
            pause: false,
            is_scoped: false,
            created,
            last_begun,
            unknown: Unknown::new(),
        }
    }

    fn state(success: Option<Moment>, failure: Option<Moment>) -> BackupState {
        let mut state = BackupState::new(Some(EntryName::parse("box").unwrap()));
        state.last_success = success.map(|at| Run {
            at,
            connector: disk(),
            id: "0".to_owned(),
            seconds: 1,
            bytes: 1,
            files: 1,
            sent: 1,
            sample: Vec::new(),
        });
        state.last_failure =
            failure.map(|at| Failure { at, connector: None, message: "no room".to_owned() });
        state
    }

    #[test]
    fn a_backup_is_stale_after_two_runs_without_it() {
        let name = EntryName::parse("box").unwrap();
        let is_stale = |state: &BackupState, schedule: &Schedule| {
            stale(state, &name, &[schedule], |_| true)
                .is_some_and(|found| found.code == "stale-backup")
        };
        let old = daily(ago(100 * DAY), Some(ago(DAY)));
        assert!(is_stale(&state(Some(ago(4 * DAY)), None), &old));
        assert!(!is_stale(&state(Some(ago(DAY)), None), &old));
        // An entry that came after the last run.
        assert!(!is_stale(&state(None, None), &old));
        // Cron is dead.
        assert!(is_stale(&state(None, None), &daily(ago(100 * DAY), Some(ago(4 * DAY)))));
        assert!(is_stale(&state(None, None), &daily(ago(4 * DAY), None)));
        // It was scheduled long after the last backup.
        assert!(!is_stale(&state(Some(ago(50 * DAY)), None), &daily(ago(DAY), None)));
    }

    #[test]
    fn a_failure_is_found_until_a_backup_succeeds() {
        assert!(failed(&state(Some(ago(DAY)), Some(ago(2 * DAY))), |_| true).is_none());
        let found = failed(&state(Some(ago(2 * DAY)), Some(ago(DAY))), |_| true).unwrap();
        assert!(found.code == "failed-backup" && found.sentence.contains("no room"), "{found:?}");
    }

    #[test]
    fn what_is_used_is_checked_within_two_weeks() {
        let mut state = RepositoryState::new(disk());
        assert!(unverified(&state).is_none());
        state.repository_id = Some("1".to_owned());
        assert_eq!(unverified(&state).unwrap().severity, Severity::Note);
        let checked = |at, ok| Some(Checked { at, ok, message: String::new(), files: 1 });
        state.checked = checked(ago(13 * DAY), true);
        assert!(unverified(&state).is_none());
        for bad in [checked(ago(15 * DAY), true), checked(ago(DAY), false)] {
            state.checked = bad;
            assert_eq!(unverified(&state).unwrap().severity, Severity::Person);
        }
    }
}
