//! Who made a backup: a store, on a host. Hosts that share a repository may have one name, so that a store has an id of its own,
//! which is made with its first backup and is a tag of all of them. A store that is restored on another host goes on with the id.
//!
//! A machine may be copied with its store, and both would go on: each would forget the other's backups. So the machine is noted beside the
//! id, and a store that finds itself on another one gets an id of its own. It leaves all earlier backups alone, since it cannot know
//! whose they are.

use crate::context::Context;
use crate::domain::{Error, Moment, Result};
use crate::host::{environment, random};
use crate::ops::backups::find::{self, Backup};
use crate::ops::backups::this_host;
use crate::store::Store;

pub(crate) struct Maker {
    /// None before its first backup, and for older backups, which do not say of which store they are.
    store: Option<String>,
    host: String,
}

impl Maker {
    /// This store, on this host.
    pub(crate) fn here(context: &Context) -> Result<Self> {
        Ok(Self { store: context.store.backup_id()?, host: this_host() })
    }

    /// Who made this one.
    pub(crate) fn of(backup: &Backup) -> Self {
        Self { store: backup.store.clone(), host: backup.host.clone() }
    }

    /// Whether it made a backup itself.
    pub(crate) fn made(&self, backup: &Backup) -> bool {
        backup.host == self.host && (backup.store.is_none() || backup.store == self.store)
    }

    /// The last of its own backups before a moment; where it made none itself, that of its store on a host of another name.
    pub(crate) fn last<'a>(
        &self,
        backups: impl Iterator<Item = &'a Backup> + Clone,
        before: Option<Moment>,
    ) -> Option<&'a Backup> {
        let early = backups.filter(|backup| find::is_before(backup, before));
        let of_store = |backup: &&Backup| backup.store.is_some() && backup.store == self.store;
        let own = early.clone().filter(|backup| self.made(backup)).last();
        own.or_else(|| early.filter(of_store).last())
    }
}

/// The id of this store, which is made where there is none yet, and where the store was copied from another machine.
pub(super) fn id(context: &mut Context) -> Result<String> {
    // What a container says of itself is not the host's.
    let is_in_container = context.environment.host_lib_root()?.is_some();
    let machine = if is_in_container { None } else { environment::machine() };
    let known = |store: &Store| {
        let noted = store.backup_machine()?;
        let is_here = machine.is_none() || noted == machine;
        Ok::<_, Error>((store.backup_id()?, noted.is_some(), is_here))
    };
    if let (Some(id), _, true) = known(&context.store)? {
        return Ok(id);
    }
    let new = random::id()?;
    let (id, is_copied) = context.store.change(|change| {
        let (id, is_noted, is_here) = known(change.store())?;
        let is_copied = id.is_some() && is_noted && !is_here;
        let id = id.filter(|_| !is_copied).unwrap_or_else(|| new.clone());
        change.write_backup_id(&id);
        if let Some(machine) = &machine {
            change.write_backup_machine(machine);
        }
        Ok((id, is_copied))
    })?;
    if is_copied {
        context.out.warn(
            "This machine is another one than the store was made on, or a copy of it: its backups have a new id from now on, and no schedule forgets the earlier ones, which may be the other machine's; to see them: dokku storage:backups:list; to remove one: dokku storage:backups:forget ID",
        );
    }
    Ok(id)
}
