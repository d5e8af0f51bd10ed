//! Doing something with fewer rights than this process has: as another user, with a few of root's capabilities, and where
//! nothing can be written but in some directories. It concerns one thread and the programs that it starts.

use std::io;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount_bind, mount_change, mount_remount};
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
    /// The directories that can be written; everything can where none is named.
    pub writable: &'a [&'a Path],
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
        if !self.writable.is_empty() {
            self.close_the_rest()?;
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

    /// Has this thread see every file system read-only, but for what may be written. In a container that may not mount,
    /// everything stays as it is.
    fn close_the_rest(&self) -> io::Result<()> {
        match unshare(CloneFlags::CLONE_NEWNS) {
            Err(nix::errno::Errno::EPERM) => return Ok(()),
            other => other?,
        }
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        for path in self.writable {
            mount_bind(*path, *path)?;
        }
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
        for point in mount_points::all() {
            let place = point.place.as_path();
            let is_writable = self.writable.contains(&place);
            // What is hidden by another mount cannot be reached, nor written.
            if !is_writable
                && let Err(error) = mount_remount(place, flags, "")
                && place == Path::new("/")
            {
                return Err(error.into());
            }
        }
        Ok(())
    }
}
