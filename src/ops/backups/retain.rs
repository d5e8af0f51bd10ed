//! Forgetting backups by the rules of schedules.

use crate::context::Context;
use crate::domain::retention::Candidate;
use crate::domain::{Connector, EntryName, Keep, Moment, Result, Schedule, Subject};
use crate::ops::backups::find::{self, Backup};
use crate::ops::backups::{this_host, tidy};
use crate::storage::backing_up;

/// Forgets the backups of an entry, or of the store, that this host made and no rule keeps; returns how many. Those of a destroyed
/// entry of the same name stay.
pub(crate) fn retain(
    entry: Option<&EntryName>,
    connector: &Connector,
    keep: Keep,
    context: &mut Context,
) -> Result<usize> {
    if keep.is_empty() {
        return Ok(0);
    }
    let repository = backing_up::repository(&context.store, &connector.name)?;
    let mut backups = find::at(connector, &repository, entry, context)?;
    let state = context.store.backup_state(entry)?;
    let is_of_it =
        |backup: &Backup| state.as_ref().is_some_and(|state| state.covers(backup.created));
    let host = this_host();
    backups
        .retain(|backup| backup.host == host && backup.entry.as_ref() == entry && is_of_it(backup));
    let candidates: Vec<Candidate> = backups
        .iter()
        .map(|backup| Candidate { id: &backup.id, at: backup.created, is_whole: backup.whole })
        .collect();
    let forgotten: Vec<String> =
        keep.forgotten(&candidates, Moment::now()).into_iter().map(str::to_owned).collect();
    tidy::forget(connector, &forgotten, context)?;
    Ok(forgotten.len())
}

/// Whether the rules of a schedule are those for an entry: not where a narrower schedule goes to the same destination.
pub(crate) fn is_ruled_by(
    schedule: &Schedule,
    entry: &EntryName,
    all: &[Schedule],
    context: &Context,
) -> Result<bool> {
    let using = context.store.apps_mounting(entry)?;
    let is_of = |other: &Schedule| match &other.subject {
        Subject::Entry(name) => name == entry,
        Subject::App(app) => using.contains(app),
        Subject::All => true,
    };
    let breadth = breadth(&schedule.subject);
    let narrower = all.iter().filter(|other| other.connector == schedule.connector && is_of(other));
    Ok(narrower.map(|other| self::breadth(&other.subject)).all(|other| other >= breadth))
}

fn breadth(subject: &Subject) -> u8 {
    match subject {
        Subject::Entry(_) => 0,
        Subject::App(_) => 1,
        Subject::All => 2,
    }
}
