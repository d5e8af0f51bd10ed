//! Doing something with fewer rights than this process has: as another user, with a few of root's capabilities, and where
//! nothing can be written but in some directories. It concerns one thread and the programs that it starts.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, OpenTreeFlags, UnmountFlags, mount_change, mount_remount,
    open_tree, unmount,
};
use rustix::process::{Gid, Uid};
pub(crate) use rustix::thread::CapabilitySet;
use rustix::thread::{
    CapabilitySets, capabilities, configure_capability_in_ambient_set, set_capabilities,
    set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::domain::{Error, Result};
use crate::fs::mount_points;

pub(crate) struct Confined<'a> {
    /// The user and the group; those of this process where none are given.
    pub ids: Option<(u32, u32)>,
    /// What of root's rights is kept, as far as this process has it.
    pub keeps: CapabilitySet,
    /// Where every directory is to be read-only, but for what was taken [`apart`] before.
    pub readonly: Option<ReadOnly<'a>>,
}

pub(crate) struct ReadOnly<'a> {
    /// The directory below which nothing is mounted then.
    pub without: &'a Path,
    /// Unless this path leads there.
    pub needs: &'a Path,
}

impl Confined<'_> {
    /// Does something with these rights, in a thread of its own.
    /// Fails where the rights cannot be given up; nothing is done then.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let confined = || {
            self.enter().map_err(|error| {
                refusal!("unable to give up rights that are not needed: {error}")
            })?;
            work()
        };
        std::thread::scope(|scope| {
            let ended = scope.spawn(confined).join();
            ended.unwrap_or_else(|_| Err(Error::refused("a thread ended before its work was done")))
        })
    }

    fn enter(&self) -> io::Result<()> {
        if let Some(readonly) = &self.readonly {
            close_all(readonly)?;
        }
        let Some((uid, gid)) = self.ids else {
            return self.keep();
        };
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        set_keep_capabilities(true)?;
        set_thread_groups(&[gid])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        self.keep()
    }

    /// Keeps the rights that are wanted, and has the programs keep them that are started.
    fn keep(&self) -> io::Result<()> {
        let kept = capabilities(None)?.permitted & self.keeps;
        set_capabilities(
            None,
            CapabilitySets { effective: kept, permitted: kept, inheritable: kept },
        )?;
        for capability in kept.iter() {
            configure_capability_in_ambient_set(capability, true)?;
        }
        Ok(())
    }
}

/// Has this thread see every file system read-only. In a container that may not mount, everything stays as it is.
///
/// What the host unmounts must be unmounted: it is unmounted here too, where the host shares its mounts, as systemd has it. What
/// is mounted below `without` is not held in any case.
fn close_all(ReadOnly { without, needs }: &ReadOnly<'_>) -> io::Result<()> {
    match unshare(CloneFlags::CLONE_NEWNS) {
        Err(nix::errno::Errno::EPERM) => return Ok(()),
        other => other?,
    }
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    let needs = std::fs::canonicalize(needs).unwrap_or_default();
    for place in mount_points::below(without).iter().rev() {
        if !mount_points::is_same(place, without) && !needs.starts_with(place) {
            // It may have gone with the one that it was in.
            let _ = unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        }
    }
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
    for point in mount_points::all() {
        // What is hidden by another mount cannot be reached, nor written.
        if let Err(error) = mount_remount(&point.place, flags, "")
            && point.place == Path::new("/")
        {
            return Err(error.into());
        }
    }
    Ok(())
}

/// A directory as a mount of its own, which stays writable where all others are read-only. It is found by its descriptor alone,
/// which the programs that are started inherit.
pub(crate) fn apart(directory: &impl AsFd) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_EMPTY_PATH;
    match open_tree(directory, c"", flags) {
        // In a container that may not mount, or without root.
        Err(Errno::PERM) => Ok(rustix::io::dup(directory)?),
        other => Ok(other?),
    }
}
