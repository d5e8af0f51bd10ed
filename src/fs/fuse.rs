//! Mounting what an unprivileged program serves: root makes the mount, the program gets the descriptor.
//!
//! Programs that serve a FUSE file system ask `fusermount` for the mount, which needs setuid and a file system that is
//! open to everybody. Here root makes it (fsopen(2)), and [`hand_over`], called in `fusermount`'s place, gives the program
//! the descriptor that it is waiting for. Nothing is mounted in its place before the program answers.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount,
    fsopen, mount_change, move_mount, open_tree, unmount,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::fs::tree;

/// What the mounts are called where they are listed.
pub(crate) const SOURCE: &str = "dokku-storage";

pub(crate) const DEVICE: &str = "/dev/fuse";

/// A mount that is not anywhere yet.
pub(crate) struct Detached {
    device: OwnedFd,
    mount: OwnedFd,
}

impl Detached {
    /// Makes a mount that is served by a program of this user; everybody may use it, without set-uid programs and
    /// devices.
    pub(crate) fn new(uid: u32, gid: u32) -> io::Result<Self> {
        let device = rustix::fs::open(DEVICE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        let kind = fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in [
            ("source", SOURCE.to_owned()),
            ("fd", device.as_raw_fd().to_string()),
            ("rootmode", "40000".to_owned()),
            ("user_id", uid.to_string()),
            ("group_id", gid.to_string()),
        ] {
            fsconfig_set_string(&kind, key, value)?;
        }
        fsconfig_set_flag(&kind, "allow_other")?;
        fsconfig_create(&kind)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        let mount = fsmount(&kind, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        Ok(Self { device, mount })
    }

    /// Has programs that are started from now on inherit the descriptor; returns its number.
    pub(crate) fn let_inherit(&self) -> io::Result<i32> {
        rustix::io::fcntl_setfd(&self.device, FdFlags::empty())?;
        Ok(self.device.as_raw_fd())
    }

    /// Waits until the program answers. From now on the mount is the program's: it ends with it.
    pub(crate) fn wait(self, patience: Duration) -> io::Result<Served> {
        drop(self.device);
        let probe = self.mount.try_clone()?;
        let (sender, receiver) = mpsc::channel();
        // The kernel keeps whoever asks waiting until the program answers or ends.
        std::thread::spawn(move || sender.send(rustix::fs::fstatfs(&probe).map(drop)));
        match receiver.recv_timeout(patience) {
            Ok(answer) => answer.map(|()| Served { mount: self.mount }).map_err(io::Error::from),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// A mount whose program answers.
pub(crate) struct Served {
    mount: OwnedFd,
}

impl Served {
    /// Puts it on top of what is at a place, given by a descriptor of it. Containers that have the place as a slave see
    /// it too.
    pub(crate) fn attach(&self, place: impl AsFd) -> io::Result<()> {
        put(&self.mount, place)
    }
}

/// Puts a mount that is nowhere yet on top of what is at a place.
pub(crate) fn put(mount: impl AsFd, place: impl AsFd) -> io::Result<()> {
    Ok(attach(mount, place)?)
}

fn attach(mount: impl AsFd, place: impl AsFd) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", place, "", flags)
}

/// Mounts a directory on itself and shares what will be mounted there with the containers that have it.
pub(crate) fn share(place: impl AsFd) -> io::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let base = open_tree(&place, "", flags)?;
    attach(&base, place)?;
    // As a peer of the file system that it lies in, everything would be mounted twice.
    let path = tree::path_of(&base);
    mount_change(&path, MountPropagationFlags::PRIVATE)?;
    mount_change(&path, MountPropagationFlags::SHARED)?;
    Ok(())
}

/// Takes away what is mounted at a place, given by a descriptor of it; whoever uses it keeps it until the end.
pub(crate) fn detach(place: impl AsFd) -> io::Result<()> {
    Ok(unmount(tree::path_of(&place), UnmountFlags::DETACH)?)
}

/// Does what a serving program calls `fusermount` for: sends the mount's descriptor over the socket that the program
/// says in `_FUSE_COMMFD`. Both are inherited by number.
pub(crate) fn hand_over(descriptor: i32, socket: i32) -> io::Result<()> {
    let this = pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    let mine = |number: i32| pidfd_getfd(&this, number, PidfdGetfdFlags::empty());
    let (device, socket) = (mine(descriptor)?, mine(socket)?);
    let given = [device.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    message.push(SendAncillaryMessage::ScmRights(&given));
    sendmsg(&socket, &[IoSlice::new(&[0])], &mut message, SendFlags::empty())?;
    Ok(())
}
