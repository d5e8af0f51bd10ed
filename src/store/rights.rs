//! Doing the store's work with the rights of its owner, where root is the caller.
//!
//! The store's directories belong to Dokku's user, who may have put links into them. What root did there by path
//! could be led anywhere; what is done with the owner's own rights could have been done by the owner.

use nix::unistd::{Gid, Uid, getgroups, setegid, seteuid, setgroups};
use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::domain::{Error, Layout, Result};
use crate::store::Owner;

/// The owner's rights, until dropped.
pub(crate) struct Rights {
    groups: Option<Vec<Gid>>,
}

impl Rights {
    /// Takes the owner's rights where root calls and the owner can reach the store; otherwise all stays as it
    /// is: what the owner cannot reach the owner cannot have prepared.
    pub(crate) fn of(owner: &Owner, layout: &Layout) -> Result<Self> {
        let Some((uid, gid)) = owner.get() else {
            return Ok(Self { groups: None });
        };
        let groups = getgroups().map_err(refused)?;
        setgroups(&[Gid::from_raw(gid)]).map_err(refused)?;
        setegid(Gid::from_raw(gid)).map_err(refused)?;
        seteuid(Uid::from_raw(uid)).map_err(refused)?;
        let rights = Self { groups: Some(groups) };
        let reached = accessat(CWD, layout.root(), Access::EXEC_OK, AtFlags::EACCESS);
        // Dropping the rights again makes the caller root again.
        Ok(if reached.is_ok() { rights } else { Self { groups: None } })
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        if let Some(groups) = self.groups.take() {
            // The saved ids are root's, so none of these can be refused.
            let _ = seteuid(Uid::from_raw(0));
            let _ = setegid(Gid::from_raw(0));
            let _ = setgroups(&groups);
        }
    }
}

fn refused(error: nix::Error) -> Error {
    refusal!("unable to work with the rights of the store's owner: {error}")
}
