//! `mount-storage`: starts, renews and ends the keeping of what an entry has mounted on this host.
//!
//! # How buckets stay mounted
//!
//! A supervisor (`src/privileged/mounting/supervisor.rs`) is a process of root's for each entry of type s3. It reads the
//! entry, the connector and the secret with the rights of the store's owner, asks the server, mounts, and waits:
//! for rclone's end, the mount's end, or a signal (end; mount again, since the connector changed). systemd runs it
//! where there is one (`dokku-storage-mount@NAME`, `Type=notify`, before Docker); elsewhere it is started in a
//! session of its own. A lock on a file in `/run/dokku-storage` says whether one is at work, and which.
//!
//! - **Root mounts, rclone serves.** The usual way needs a set-uid `fusermount` and `user_allow_other` for the
//!   whole host. Here root opens `/dev/fuse`, makes the mount (`fsopen`, `fsmount`; nosuid, nodev, for everybody),
//!   and starts rclone as Dokku's user with the descriptor inherited. rclone calls `fusermount`, finds our link to
//!   it first in its `PATH`, and that (`fuse::hand_over`) sends the descriptor over rclone's socket, as the real
//!   one would. The mount is put in its place when it answers, never before.
//! - **A new mount goes on top of a dead one.** Containers have the entry as a slave (`rslave`): what is mounted at
//!   the place later reaches them, if it is mounted *inside* what they have. They were started with the mount of
//!   that time as the root of theirs, so a new mount has to come onto that one's root, also when it is dead. Taking
//!   the dead one away would cut every running container off for good. The price is a stack of mounts until the
//!   entry is destroyed. Files that are open, and a working directory, stay with the dead mount: that is how the
//!   kernel sees it.
//! - **The base.** Below all of them the directory is mounted on itself, made private first (as a peer of the file
//!   system that it lies in, everything would be mounted twice) and shared then, so that what containers have as
//!   their first root passes later mounts on even if nothing was mounted when they started. It is made before the
//!   server is asked, and systemd starts Docker once that was asked, whatever it said. The directory is made
//!   immutable while it is a mount point: nobody, root included, writes under it.
//! - **A file, not the environment.** rclone names its cache after the remote, and a remote from the environment
//!   gets a name with a hash of its values. After a rotated key it would not find what it had not sent. So its
//!   configuration is a file in `/run/dokku-storage` (root's, readable for the group of the store's owner), and the
//!   remote is always called the same.
//! - **What was written** is in `/var/cache/dokku-storage`, the store's owner's and 0700, and survives rclone, the
//!   supervisor and the host. `storage:destroy` waits until rclone's notes name nothing unsent, then removes it.
//! - **The bucket is listed before it is mounted.** rclone mounts a bucket that is not there without a word and
//!   loses what is written. Values of a connector that changed are tried out in the same way, beside the mount,
//!   which goes on where the server refuses them.

mod remote;
pub(crate) mod supervisor;
pub(crate) mod systemd;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::context::Context;
use crate::domain::text::word;
use crate::domain::{EntryName, Error, Result};
use crate::fs::{fuse, mount_points, tree};
use crate::host::Program;
use crate::privileged::arguments::{no_more_than, unknown};
use crate::privileged::root;
use crate::storage::{RuntimePaths, keeping};
use crate::store::Store;

/// How long a supervisor has to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long what was written has to be sent before a mount is taken away.
const SENDING: Duration = Duration::from_secs(60);

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(50);

struct Subject {
    store: Store,
    /// The storage root, without links in its path.
    storage: PathBuf,
    name: EntryName,
    places: RuntimePaths,
}

/// `mount-storage NAME [--again|--stop|--keep]`: starts the entry's supervisor; or has it mount anew; or ends it; or is it.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let name = EntryName::parse(word(words, 0))?;
    no_more_than(words, 2)?;
    let storage = root::storage(context)?;
    let places = RuntimePaths::of(&storage, name.as_str());
    let subject = Subject { store: root::store(context)?, storage, name, places };
    match word(words, 1) {
        "" => subject.start(context),
        "--again" => subject.again(context),
        "--stop" => subject.stop(context),
        "--keep" => supervisor::run(&subject, &context.environment),
        other => Err(unknown(other)),
    }
}

impl Subject {
    /// Starts the supervisor, unless one is at work.
    fn start(&self, context: &Context) -> Result<()> {
        if self.places.is_kept() {
            return Ok(());
        }
        self.make_directories()?;
        if systemd::is_in_charge() {
            return systemd::start(&self.name);
        }
        let words = [self.name.to_string(), "--keep".to_owned()];
        let environment =
            if root::is_own_call() { context.environment.of_store() } else { Vec::new() };
        Program::this(keeping::HELPER, &words).alone(&environment).start(self.log()?)?;
        // Whoever called may be gone before it has a session of its own.
        wait_until(PATIENCE, || self.places.is_kept())
            .then_some(())
            .ok_or_else(|| refusal!("the process that keeps it mounted did not start"))
    }

    fn again(&self, context: &Context) -> Result<()> {
        match self.supervisor() {
            Some(supervisor) => signal(supervisor, Signal::HUP),
            None => self.start(context),
        }
    }

    fn stop(&self, context: &Context) -> Result<()> {
        if !wait_until(SENDING, || supervisor::unsent(self) == 0) {
            return Err(self.not_sent());
        }
        if systemd::is_in_charge() {
            systemd::stop(&self.name)?;
        }
        if let Some(supervisor) = self.supervisor() {
            signal(supervisor, Signal::TERM)?;
        }
        if !wait_until(PATIENCE, || !self.places.is_kept()) {
            refuse!("the process that keeps it mounted does not end");
        }
        // Somebody may have written until it ended. Nobody can any more, and it is sent once it is mounted again.
        if supervisor::unsent(self) > 0 {
            self.start(context)?;
            return Err(self.not_sent());
        }
        self.detach_all()?;
        tree::set_immutable(&self.storage, self.name.as_str(), false);
        for file in [&self.places.reason, &self.places.log, &self.places.served_by] {
            let _ = fs::remove_file(file);
        }
        let _ = fs::remove_file(&self.places.configuration);
        let _ = fs::remove_dir(&self.places.stand_in);
        if let (Some(parent), Some(name)) =
            (self.places.cache.parent(), self.places.cache.file_name().and_then(|n| n.to_str()))
            && parent.exists()
        {
            tree::remove(parent, name)?;
        }
        let _ = fs::remove_file(&self.places.lock);
        Ok(())
    }

    fn not_sent(&self) -> Error {
        refusal!(
            "{} files that were written to storage entry \"{}\" were not sent to the server within {} s; they stay in {} until they are",
            supervisor::unsent(self),
            self.name,
            SENDING.as_secs(),
            self.places.cache.display()
        )
    }

    /// The supervisor's process, where one is at work.
    fn supervisor(&self) -> Option<Pid> {
        if !self.places.is_kept() {
            return None;
        }
        let id: i32 = fs::read_to_string(&self.places.lock).ok()?.trim().parse().ok()?;
        // Whoever may read the lock may hold it, when the number is another program's.
        let directory = PathBuf::from(format!("/proc/{id}"));
        let words = fs::read(directory.join("cmdline")).ok()?;
        let words: Vec<&[u8]> = words.split(|&byte| byte == 0).collect();
        let is_it = fs::metadata(&directory).is_ok_and(|found| found.uid() == 0)
            && words.windows(2).any(|pair| pair == [self.name.as_str().as_bytes(), b"--keep"]);
        Pid::from_raw(id).filter(|_| is_it)
    }

    fn target(&self) -> PathBuf {
        self.storage.join(self.name.as_str())
    }

    /// Takes away every mount of a supervisor's at the entry's place, and the base below them.
    fn detach_all(&self) -> Result<()> {
        let below = fs::metadata(&self.storage).map_err(Error::system("read", &self.storage))?;
        let device = device_of(&below);
        loop {
            let Some(top) = mount_points::at(&self.target()).pop() else {
                return Ok(());
            };
            let is_ours = top.source == fuse::SOURCE || top.device == device;
            refuse_if!(
                !is_ours,
                "{} is mounted at {}, which is not of this program; unmount it first",
                top.source,
                self.target().display()
            );
            let place = tree::locate(&self.storage, self.name.as_str());
            place.and_then(fuse::detach).map_err(Error::system("unmount", self.target()))?;
        }
    }

    /// The directories that only root can write.
    fn make_directories(&self) -> Result<()> {
        let places = &self.places;
        for directory in [&places.directory, &places.stand_in, &places.programs] {
            root::directory(directory)?;
        }
        for name in ["fusermount", "fusermount3"] {
            let link = places.programs.join(name);
            let program = fs::read_link("/proc/self/exe").map_err(Error::system("find", &link))?;
            root::link(&program, &link)?;
        }
        Ok(())
    }

    /// What a supervisor and the serving program say goes here.
    fn log(&self) -> Result<File> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o640);
        options.open(&self.places.log).map_err(Error::system("open", &self.places.log))
    }
}

/// `fusermount`, as the serving program calls it.
pub(crate) fn fusermount(words: &[String], context: &mut Context) -> Result<()> {
    // Unmounting is the supervisor's.
    if words.iter().any(|word| word == "-u") {
        return Ok(());
    }
    let (descriptor, socket) = context.environment.fuse_descriptors().ok_or_else(|| {
        refusal!("this is only called by a program that the supervisor of a mount started")
    })?;
    fuse::hand_over(descriptor, socket).map_err(Error::system("hand over", fuse::DEVICE))
}

fn signal(process: Pid, signal: Signal) -> Result<()> {
    kill_process(process, signal).map_err(Error::system("signal", keeping::HELPER))
}

fn wait_until(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if begin.elapsed() >= patience {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}

/// The device of a file's file system, as mountinfo writes it.
fn device_of(metadata: &fs::Metadata) -> String {
    let device = metadata.dev();
    format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
}
