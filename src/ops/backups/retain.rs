//! Forgetting backups by the rules of schedules.

use crate::context::Context;
use crate::domain::retention::Candidate;
use crate::domain::{Connector, EntryName, Keep, Moment, Result, Schedule, Subject};
use crate::ops::backups::find::{self, Backup};
use crate::ops::backups::maker::Maker;
use crate::ops::backups::{is_same_repository, tidy};
use crate::storage::backing_up;

/// Forgets the backups of an entry, or of the store, that this store made on this host and none of these rules keeps; returns how many. Those of a
/// destroyed entry of the same name stay.
pub(crate) fn retain(
    entry: Option<&EntryName>,
    connector: &Connector,
    rules: &[Keep],
    context: &mut Context,
) -> Result<usize> {
    if rules.is_empty() || rules.iter().any(Keep::is_empty) {
        return Ok(0);
    }
    if !context.store.look_at_clock().is_settled() {
        context.out.warn(&format!(
            "No older backup at connector {} is forgotten for an hour, since the clock of this host was set anew; see whether it is right: date",
            connector.name
        ));
        return Ok(0);
    }
    let repository = backing_up::repository(&context.store, &connector.name)?;
    let mut backups = find::at(connector, &repository, entry, context)?;
    let state = context.store.backup_state(entry)?;
    let is_of_it =
        |backup: &Backup| state.as_ref().is_some_and(|state| state.covers(backup.created));
    let here = Maker::here(context)?;
    backups
        .retain(|backup| here.made(backup) && backup.entry.as_ref() == entry && is_of_it(backup));
    let candidates: Vec<Candidate> = backups
        .iter()
        .map(|backup| Candidate { id: &backup.id, at: backup.created, is_whole: backup.whole })
        .collect();
    let now = Moment::now();
    let mut forgotten: Vec<&str> = candidates.iter().map(|candidate| candidate.id).collect();
    for keep in rules {
        let by_it = keep.forgotten(&candidates, now);
        forgotten.retain(|id| by_it.contains(id));
    }
    let forgotten: Vec<String> = forgotten.into_iter().map(str::to_owned).collect();
    tidy::forget(connector, &forgotten, context)?;
    Ok(forgotten.len())
}

/// The schedules whose rules are those for an entry in a repository, over whatever connector: its own, else those of the apps that have it, else that of
/// everything. An app that only gets it by a share says nothing alone: that of everything counts beside it.
pub(crate) fn ruling<'a>(
    entry: &EntryName,
    connector: &Connector,
    all: &'a [Schedule],
    context: &Context,
) -> Result<Vec<&'a Schedule>> {
    let mounting = context.store.apps_mounting(entry)?;
    let with = context.store.apps_with(entry)?;
    let (mut own, mut of_apps, mut of_all) = (Vec::new(), Vec::new(), Vec::new());
    let mut is_mounted = false;
    for schedule in all {
        if !is_same_repository(connector, &schedule.connector, &context.store)? {
            continue;
        }
        match &schedule.subject {
            Subject::Entry(name) if name == entry => own.push(schedule),
            Subject::App(app) if with.contains(app) => {
                is_mounted |= mounting.contains(app);
                of_apps.push(schedule);
            }
            Subject::All => of_all.push(schedule),
            Subject::Entry(_) | Subject::App(_) => {}
        }
    }
    if !own.is_empty() {
        return Ok(own);
    }
    if !is_mounted {
        of_apps.extend(of_all);
    }
    Ok(of_apps)
}
