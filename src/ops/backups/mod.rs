//! Backups: an entry's data and settings, stored by restic at a destination.
//!
//! # How backups are made and restored
//!
//! A destination is a connector, and has one repository, which the first backup makes. A backup is one snapshot of restic's: the
//! directory (or file) `data`, and `entry.json` with the entry and its mounts. Its tags say whose it is (`entry=NAME`, or
//! `store`), of which store it is (`store-id=`, `src/ops/backups/maker.rs`), which apps mounted it (`app=NAME`), and what it holds
//! (`bytes=`, `files=`). Several hosts may share a repository.
//!
//! A backup is made of a copy, as a snapshot is: the entry is locked, its containers may be paused, the data is copied under a
//! hidden name, and everybody goes on. Then the copy is uploaded, and removed. restic compares size and time of the files with the
//! backup before, and sends what is new. Commands of this host work on a repository one at a time, by locks of the connector's name and
//! the repository's id, since several connectors may lead to one repository; restic's own locks are for those of other hosts, and for
//! who calls restic by hand. Who reads takes none of these: any number of commands do ([`Reading`]), beside one that writes, and
//! pruning alone waits for their end, and they for its.
//!
//! A restore puts the data under a hidden name, looks through it (`src/storage/backing_up.rs`), and makes it a new entry, or
//! puts it in an entry's place as a snapshot is put there.
//!
//! What this host has noted of its backups is in `src/store/backups.rs`; a restore needs none of it.

pub(crate) mod browse;
pub(crate) mod create;
pub(crate) mod due;
pub(crate) mod find;
pub(crate) mod hooks;
pub(crate) mod maker;
pub(crate) mod restore;
mod retain;
pub(crate) mod schedules;
pub(crate) mod stored;
mod stored_entries;
pub(crate) mod tidy;
mod volume;

use std::time::Duration;

use crate::context::Context;
use crate::domain::backup_reference::short;
use crate::domain::{AppName, Connector, ConnectorName, Error, Result, is_of};
use crate::host::environment;
use crate::host::restic::{Failure, Lock, Repository};
use crate::ops::backups::tidy::Unlock;
use crate::ops::{access, apps};
use crate::storage::{backing_up, entry_lock};
use crate::store::{Store, Work};

/// The tag that all backups have.
pub(crate) const TAG: &str = "dokku-storage";

/// After how many seconds restic takes a lock for left: whoever works renews it every five minutes.
const STALE: i64 = 30 * 60;

/// The tag of a backup of the store itself.
pub(crate) const STORE: &str = "store";

/// A destination at which this command works, alone on this host.
pub(crate) struct Destination {
    pub connector: Connector,
    pub repository: Repository,
    _work: Vec<Work>,
}

impl Destination {
    /// Waits until no other command of this host works there.
    pub(crate) fn take(connector: &Connector, context: &mut Context) -> Result<Self> {
        let does = format!("works on the repository of connector {}", connector.name);
        Self::locked(connector, &[WRITING], &does, None, context)
    }

    /// Waits until no other command of this host works or reads there, but no longer than `most`.
    pub(crate) fn take_from_readers(
        connector: &Connector,
        most: Option<Duration>,
        context: &mut Context,
    ) -> Result<Self> {
        let does = format!("works on the repository of connector {}, or reads it", connector.name);
        Self::locked(connector, &[WRITING, READING], &does, most, context)
    }

    fn locked(
        connector: &Connector,
        kinds: &[&str],
        does: &str,
        most: Option<Duration>,
        context: &mut Context,
    ) -> Result<Self> {
        let alone = |store: &Store, lock: &str| store.work_alone(lock);
        let work = locks(connector, kinds, does, alone, most, context)?;
        let repository = backing_up::repository(&context.store, &connector.name)?;
        repository.forget_old_processes();
        Ok(Self { connector: connector.clone(), repository, _work: work })
    }

    /// Does something with the repository. Where somebody works on it, a lock that is left of this host goes, and it is
    /// tried once more.
    pub(crate) fn with<T>(
        &self,
        context: &mut Context,
        work: impl Fn(&Repository) -> Result<T, Failure>,
    ) -> Result<T> {
        match work(&self.repository) {
            Err(Failure::Locked) => {
                self.clear_own_locks(context)?;
                work(&self.repository).map_err(|failure| failure.told(&self.connector))
            }
            other => other.map_err(|failure| failure.told(&self.connector)),
        }
    }

    /// Makes sure that nobody keeps others out of the repository.
    pub(crate) fn must_be_open(&self, context: &mut Context) -> Result<()> {
        self.with(context, |repository| repository.ask(&["cat", "config"]).map(drop))
    }

    /// Removes the locks that killed commands of this host left.
    /// Fails where others work on the repository, or say so; nothing is removed then. restic removes those locks alone that it takes
    /// for left, or all of them; and it takes one for alive whose process number somebody else has now. So all are removed where
    /// some are left after that, and they are looked at once more before: what another host locks between that and the removal
    /// is all that can be lost.
    pub(crate) fn clear_own_locks(&self, context: &mut Context) -> Result<()> {
        let own = self.own_locks(context)?;
        tidy::unlock(self, Unlock::Left)?;
        if !self.own_locks(context)?.is_empty() {
            tidy::unlock(self, Unlock::All)?;
        }
        if !own.is_empty() {
            context.out.warn(&format!(
                "Removed a lock of this host's that a killed command left in the repository of connector {}",
                self.connector.name
            ));
        }
        Ok(())
    }

    /// The locks that killed commands of this host left.
    /// Fails where there are others. A host of the same name is another one: only what this one started is its own, and what nobody
    /// renewed for so long that restic itself takes it for left.
    fn own_locks(&self, context: &Context) -> Result<Vec<Lock>> {
        let is_right = context.store.clock().is_settled();
        let locks = tidy::locks(self)?;
        let host = environment::node();
        let name = &self.connector.name;
        if let Some(lock) = locks.iter().find(|lock| tidy::is_at_work(lock)) {
            refuse!(
                "restic works on the repository of connector {name} already (process {}); wait for its end",
                lock.pid
            );
        }
        let is_own = |lock: &Lock| {
            let is_left = self.repository.has_started(lock.pid)
                || is_right && tidy::age(lock).is_some_and(|seconds| seconds > STALE);
            lock.hostname == host && is_left
        };
        let (own, others): (Vec<Lock>, Vec<Lock>) = locks.into_iter().partition(is_own);
        if !others.is_empty() {
            let told: Vec<String> = others.iter().map(tidy::told).collect();
            refuse!(
                "the repository of connector {name} is locked by {}; wait for their end, or, if nobody works there any more: dokku storage:backups:unlock {name}",
                told.join(", ")
            );
        }
        Ok(own)
    }
}

/// A destination where this command reads: what no backup needs any more stays there as long.
pub(crate) struct Reading {
    pub repository: Repository,
    _work: Vec<Work>,
}

impl Reading {
    /// Waits until no other command of this host prunes there.
    pub(crate) fn begin(connector: &Connector, context: &mut Context) -> Result<Self> {
        let does = format!("prunes the repository of connector {}", connector.name);
        let work = locks(connector, &[READING], &does, beside, None, context)?;
        Ok(Self {
            repository: backing_up::repository(&context.store, &connector.name)?,
            _work: work,
        })
    }
}

/// Takes a lock beside others; none where somebody has it alone.
fn beside(store: &Store, lock: &str) -> Result<Option<Work>> {
    match store.work_beside(lock) {
        Ok(work) => Ok(Some(work)),
        Err(_) if store.is_at_work(lock)? => Ok(None),
        // Nobody has it any more.
        Err(_) => store.work_beside(lock).map(Some),
    }
}

/// What the locks of a repository are called, before a name of it.
const WRITING: &str = "repository";
const READING: &str = "read repository";

/// Waits until locks of these kinds can all be taken, under all names of a repository.
fn locks(
    connector: &Connector,
    kinds: &[&str],
    does: &str,
    take: impl Fn(&Store, &str) -> Result<Option<Work>>,
    most: Option<Duration>,
    context: &mut Context,
) -> Result<Vec<Work>> {
    let ours = |context: &Context| {
        let mut called = vec![connector.name.to_string()];
        // Where that cannot be read, who needs it says so.
        let id = repository_id(&connector.name, &context.store).unwrap_or_default();
        called.extend(id.map(|id| short(&id).to_owned()));
        let locks =
            kinds.iter().flat_map(|kind| called.iter().map(move |of| format!("{kind} {of}")));
        let taken: Option<Result<Vec<Work>>> =
            locks.map(|lock| take(&context.store, &lock).transpose()).collect();
        taken.transpose()
    };
    let work = entry_lock::wait_for(ours, does, most, context)?;
    work.ok_or_else(|| refusal!("another command {does}; wait for its end"))
}

/// What restic calls the repository of a connector, or the beginning of that; none before its first use.
fn repository_id(connector: &ConnectorName, store: &Store) -> Result<Option<String>> {
    Ok(store.repository_state(connector)?.and_then(|state| state.repository_id))
}

/// Whether another connector leads to the repository of this one. As long as one of them was not used, the place decides.
pub(crate) fn is_same_repository(
    connector: &Connector,
    other: &ConnectorName,
    store: &Store,
) -> Result<bool> {
    if connector.name == *other {
        return Ok(true);
    }
    let Some(other) = store.connector(other)? else {
        return Ok(false);
    };
    let ids = (repository_id(&connector.name, store)?, repository_id(&other.name, store)?);
    Ok(match ids {
        (Some(own), Some(theirs)) => short(&own) == short(&theirs),
        _ => connector.repository_place() == other.repository_place(),
    })
}

/// The name by which backups know this host.
pub(crate) fn this_host() -> String {
    let node = environment::node();
    if node.is_empty() || !is_of(&node, "._-") { "localhost".to_owned() } else { node }
}

/// The destinations that are open to the caller, for something of these apps: all of them to who sees every app.
pub(crate) fn open_to(using: &[AppName], context: &Context) -> Result<Vec<Connector>> {
    let sees_all = access::must_see_every_app("", context).is_ok();
    let (mut connectors, _) = context.store.connectors()?;
    connectors.retain(Connector::is_destination);
    if sees_all {
        return Ok(connectors);
    }
    let visible = apps::visible(&context.environment, using.to_vec())?;
    connectors.retain(|connector| visible.iter().any(|app| connector.is_open_to(app)));
    Ok(connectors)
}

/// Whether the caller may know of a destination: it is open to one of their apps, or they see every app.
pub(crate) fn is_seen(name: &ConnectorName, context: &Context) -> bool {
    if !access::hides_problems(context).unwrap_or(true) {
        return true;
    }
    let all = context.store.apps().unwrap_or_default();
    let open = open_to(&all, context).unwrap_or_default();
    open.iter().any(|connector| connector.name == *name)
}

/// What stands for a destination that is not open to the caller.
pub(crate) const ANOTHER: &str = "a destination of the host's";

/// The refusal where no destination is open to the caller, with what to type; only who sees every app creates connectors.
fn no_destination(to_create: &str, context: &Context) -> Result<Error> {
    let none = "there is no destination for backups";
    if access::sees_every_app(context)? {
        return Ok(refusal!("{none}; {to_create}"));
    }
    Ok(refusal!("{none} that is open to your apps; ask who may see every app for one"))
}

/// The destination that is named, or the only one.
pub(crate) fn destination(
    named: Option<&str>,
    using: &[AppName],
    context: &Context,
) -> Result<Connector> {
    let mut open = open_to(using, context)?;
    if let Some(name) = named {
        let name = ConnectorName::parse(name)?;
        if let Some(at) = open.iter().position(|connector| connector.name == name) {
            return Ok(open.swap_remove(at));
        }
        if access::must_see_every_app("", context).is_ok() {
            let connector = context.store.existing_connector(name.as_str())?;
            refuse!(
                "connector {name} of type {} is no destination for backups; dokku storage:connectors:info {name} shows what it has",
                connector.type_name
            );
        }
        refuse!("connector {:?} does not exist, or is not open to your apps", name.as_str());
    }
    match open.len() {
        0 => Err(no_destination(
            "create one, as in: dokku storage:connectors:create NAME --type local --path DIRECTORY (types: s3, sftp, rclone, local, rest)",
            context,
        )?),
        1 => Ok(open.swap_remove(0)),
        _ => {
            let all: Vec<&str> = open.iter().map(|connector| connector.name.as_str()).collect();
            Err(refusal!("there are several destinations; name one with --to: {}", all.join(", ")))
        }
    }
}
