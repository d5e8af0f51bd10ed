//! Doing the store's work with the rights of its owner, where root is the caller.
//!
//! The store's directories belong to Dokku's user, who may have put links into them. What root did there by path
//! could be led anywhere; what is done with the owner's own rights could have been done by the owner.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, getgroups, setegid, seteuid, setgroups};
use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::domain::{Error, Layout, Result};
use crate::store::Owner;

/// The owner's rights, until dropped.
pub(crate) struct Rights {
    groups: Option<Vec<Gid>>,
}

impl Rights {
    /// Takes the owner's rights where root calls. Where the owner cannot reach the store since root closed a directory on the way,
    /// all stays as it is: what the owner cannot reach the owner cannot have prepared.
    pub(crate) fn of(owner: &Owner, layout: &Layout) -> Result<Self> {
        let Some((uid, gid)) = owner.get() else {
            return Ok(Self { groups: None });
        };
        let rights = Self::taken(uid, gid)?;
        if can_enter(layout.root()) {
            return Ok(rights);
        }
        drop(rights);
        let real = layout.root().ancestors().find_map(|part| fs::canonicalize(part).ok());
        let real = real.unwrap_or_else(|| layout.root().to_owned());
        let rights = Self::taken(uid, gid)?;
        let mut ways: Vec<&Path> = real.ancestors().collect();
        ways.reverse();
        let closed = ways.iter().position(|way| !can_enter(way));
        let reached = closed.map_or(&ways[..], |closed| &ways[..=closed]);
        match closed {
            _ if reached.iter().all(|way| is_roots(way)) => Ok(Self { groups: None }),
            // The store is not there yet.
            None => Ok(rights),
            Some(closed) => Err(refusal!(
                "the owner of {} (uid {uid}) cannot enter it; let it: chmod u+x {}",
                layout.root().display(),
                ways[closed].display()
            )),
        }
    }

    fn taken(uid: u32, gid: u32) -> Result<Self> {
        let groups = getgroups().map_err(refused)?;
        setgroups(&[Gid::from_raw(gid)]).map_err(refused)?;
        setegid(Gid::from_raw(gid)).map_err(refused)?;
        seteuid(Uid::from_raw(uid)).map_err(refused)?;
        // Dropping the rights again makes the caller root again.
        Ok(Self { groups: Some(groups) })
    }
}

fn can_enter(directory: &Path) -> bool {
    accessat(CWD, directory, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

/// Whether nobody but root can put something else in a directory's place, nor open or close it.
fn is_roots(directory: &Path) -> bool {
    fs::symlink_metadata(directory).is_ok_and(|found| {
        let is_sticky = found.mode() & 0o1000 != 0;
        found.uid() == 0 && (found.mode() & 0o022 == 0 || is_sticky)
    })
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
