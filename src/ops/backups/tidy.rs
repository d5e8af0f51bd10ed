//! Keeping a repository in order: forgetting backups, making room, checking, and locks that nobody holds any more.

use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::Duration;

use crate::context::Context;
use crate::domain::backup::{Checked, Run, Sample};
use crate::domain::text::hex;
use crate::domain::{Connector, ConnectorName, EntryName, Moment, RepositoryState, Result};
use crate::host::environment;
use crate::host::restic::Lock;
use crate::ops::backups::find::{self, Found};
use crate::ops::backups::{Destination, browse};

/// Forgets backups by their ids at a destination. What they alone have goes with the next pruning.
pub(crate) fn forget(connector: &Connector, ids: &[String], context: &mut Context) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let destination = Destination::take(connector, context)?;
    destination.with(context, |repository| repository.forget(ids))
}

/// Removes what no backup needs any more; returns restic's words about it. It waits for those who read there, but no longer than `most`.
pub(crate) fn prune(
    connector: &Connector,
    most: Option<Duration>,
    context: &mut Context,
) -> Result<String> {
    let destination = Destination::take_from_readers(connector, most, context)?;
    context.out.flush()?;
    let said = destination.with(context, |repository| repository.have(&["prune"]))?;
    note(&connector.name, |state| state.pruned = Some(Moment::now()), context)?;
    Ok(said.stdout)
}

/// Checks a repository, and compares a sample of each entry's last backup with what was backed up. The result is noted.
/// Fails where something is wrong.
pub(crate) fn check(connector: &Connector, context: &mut Context) -> Result<Checked> {
    let result = checked(connector, context);
    let noted = match &result {
        Ok(files) => Checked { at: Moment::now(), ok: true, message: String::new(), files: *files },
        Err(error) => {
            Checked { at: Moment::now(), ok: false, message: error.to_string(), files: 0 }
        }
    };
    note(&connector.name, |state| state.checked = Some(noted.clone()), context)?;
    result.map(|_| noted)
}

fn checked(connector: &Connector, context: &mut Context) -> Result<u64> {
    let destination = Destination::take(connector, context)?;
    context.out.flush()?;
    let told = destination.with(context, |repository| repository.have(&["check"]));
    told.map_err(|error| {
        refusal!("the repository of connector {} is not in order: {error}", connector.name)
    })?;
    let mut compared = 0;
    for (entry, run) in last_runs(&connector.name, context)? {
        let backups = find::at(connector, &destination.repository, entry.as_ref(), context)?;
        // It may have been forgotten.
        let Some(backup) = backups.into_iter().find(|backup| backup.id.starts_with(&run.id)) else {
            continue;
        };
        let found = Found { backup, connector: connector.clone() };
        for sample in &run.sample {
            compare(&destination, &found, sample)?;
            compared += 1;
        }
    }
    Ok(compared)
}

/// The last good backup of each entry that went to a destination.
fn last_runs(
    connector: &ConnectorName,
    context: &Context,
) -> Result<Vec<(Option<EntryName>, Run)>> {
    let mut runs = Vec::new();
    let states = context.store.backup_states()?.0.into_iter();
    for state in states.chain(context.store.backup_state(None)?) {
        if let Some(run) = state.last_success.filter(|run| run.connector == *connector) {
            runs.push((state.entry, run));
        }
    }
    Ok(runs)
}

/// Restores a file of a backup to nowhere, and compares it with what it was.
fn compare(destination: &Destination, found: &Found, sample: &Sample) -> Result<()> {
    let place = browse::place(&sample.path)?;
    let mut sum = Sha256::new();
    browse::copied(&destination.repository, found, (&place, &sample.path), &mut sum)?;
    let sum = hex(&sum.finalize());
    refuse_if!(
        sum != sample.sha256,
        "{} in backup {} of {} is not what was backed up; make a new backup: dokku storage:backups:create {} --to {} --reread",
        sample.path,
        found.backup.short_id(),
        found.backup.subject(),
        found.backup.entry.as_ref().map_or("--all", EntryName::as_str),
        found.connector.name
    );
    Ok(())
}

/// Changes what is noted of a repository.
pub(crate) fn note(
    connector: &ConnectorName,
    change_it: impl Fn(&mut RepositoryState),
    context: &Context,
) -> Result<()> {
    context.store.change(|change| {
        let state = change.store().repository_state(connector)?;
        let mut state = state.unwrap_or_else(|| RepositoryState::new(connector.clone()));
        change_it(&mut state);
        change.write_repository_state(&state)
    })
}

/// Who says that they work on a repository.
pub(crate) fn locks(destination: &Destination) -> Result<Vec<Lock>> {
    destination.repository.locks().map_err(|failure| failure.told(&destination.connector))
}

/// Which locks of a repository go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unlock {
    /// Those that restic takes for left: nobody renewed them for half an hour, or their process, on this host, is gone.
    Left,
    All,
}

/// Removes locks of a repository.
pub(crate) fn unlock(destination: &Destination, which: Unlock) -> Result<()> {
    let words: &[&str] = match which {
        Unlock::Left => &["unlock"],
        Unlock::All => &["unlock", "--remove-all"],
    };
    let unlocked = destination.repository.ask(words);
    unlocked.map(drop).map_err(|failure| failure.told(&destination.connector))
}

/// Whether the process of a lock of this host's is still restic.
pub(crate) fn is_at_work(lock: &Lock) -> bool {
    let name = Path::new("/proc").join(lock.pid.to_string()).join("comm");
    lock.hostname == environment::node()
        && std::fs::read_to_string(name).is_ok_and(|name| name.trim() == "restic")
}

/// For how many seconds a lock was not renewed.
pub(crate) fn age(lock: &Lock) -> Option<i64> {
    let since = Moment::parse_rfc3339(&lock.time)?;
    Some(Moment::now().seconds().saturating_sub(since.seconds()))
}

/// Whose lock it is, and how old.
pub(crate) fn told(lock: &Lock) -> String {
    let age = match age(lock).map(|seconds| seconds.max(0)) {
        None => "an unknown time".to_owned(),
        Some(seconds @ ..120) => format!("{seconds} seconds"),
        Some(seconds @ 120..7200) => format!("{} minutes", seconds / 60),
        Some(seconds @ 7200..172_800) => format!("{} hours", seconds / 3600),
        Some(seconds) => format!("{} days", seconds / 86_400),
    };
    format!("host {} (process {}, for {age})", lock.hostname, lock.pid)
}
