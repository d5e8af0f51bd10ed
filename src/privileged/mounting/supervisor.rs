//! The supervisor: mounts an entry, and mounts it again whenever the program that serves it ends.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::AsFd;

use crate::domain::{Error, Result};
use crate::fs::{fuse, mount_points, tree};
use crate::host::environment::FUSE_DESCRIPTOR;
use crate::host::{Environment, Program, rclone};
use crate::privileged::mounting::{Subject, remote};
use crate::privileged::root;
use crate::storage::keeping;
use crate::store::Rights;

/// How long a server has to show what it has, and the serving program to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the serving program has to end by itself.
const ENDING: Duration = Duration::from_secs(10);

/// The shortest and the longest time between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A mount that stood this long did not fail at once.
const STEADY: Duration = Duration::from_secs(60);

/// How long others may hold the lock while they look whether it is held.
const LOOKING: Duration = Duration::from_secs(1);

/// How much of what the serving program says is kept, in bytes.
const LOG_MAX: u64 = 1 << 20;

/// How often the supervisor looks after its mount where nothing else happens.
const LOOK: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    End,
    Again,
    Nothing,
}

/// Keeps an entry mounted until it is told to end, or the entry is gone.
pub(super) fn run(subject: &Subject, environment: &Environment) -> Result<()> {
    // A group leader has a session already.
    let _ = nix::unistd::setsid();
    subject.make_directories()?;
    let Some(_lock) = lock(subject)? else {
        return Ok(());
    };
    let signals = Signals::new()?;
    let mut pause = PAUSES.0;
    loop {
        let begin = Instant::now();
        let served = begin_serving(subject, environment);
        // Also where the server refused: Docker is started now, and its containers see what is mounted later.
        tell_systemd();
        match served {
            Ok(None) => return Ok(()),
            Ok(Some(mut child)) => {
                let _ = fs::remove_file(&subject.places.reason);
                let told = loop {
                    let told = signals.wait_for(&mut child, subject)?;
                    if told != Told::Again || is_better(subject)? {
                        break told;
                    }
                };
                end(&mut child);
                match told {
                    Told::End => return Ok(()),
                    Told::Again => continue,
                    Told::Nothing => say(subject, "it ended and is mounted again"),
                }
                if begin.elapsed() >= STEADY {
                    pause = PAUSES.0;
                }
            }
            Err(error) => refuse(subject, &error)?,
        }
        match signals.wait(pause)? {
            Told::End => return Ok(()),
            Told::Again => pause = PAUSES.0,
            Told::Nothing => pause = (pause * 2).min(PAUSES.1),
        }
    }
}

/// Whether the server takes what the connector says now. Where it does not, what is mounted goes on as it is.
fn is_better(subject: &Subject) -> Result<bool> {
    let try_out = || {
        let Some(remote) = remote::read(subject)? else {
            return Ok(());
        };
        let ids = subject.store.owner().get();
        let configuration = subject.places.configuration.with_extension("try");
        root::replace(
            &configuration,
            remote.configuration()?.as_bytes(),
            0o640,
            ids.map(|(_, gid)| gid),
        )?;
        let listed = rclone::must_list(&configuration, &remote.path(), ids);
        let _ = fs::remove_file(configuration);
        listed
    };
    let Err(error) = try_out() else {
        return Ok(true);
    };
    refuse(subject, &error)?;
    Ok(false)
}

fn refuse(subject: &Subject, error: &Error) -> Result<()> {
    let reason = error.to_string();
    say(subject, &reason);
    root::replace(&subject.places.reason, reason.as_bytes(), 0o644, None)
}

/// The lock, with this process's id in it; none where another supervisor has it.
fn lock(subject: &Subject) -> Result<Option<File>> {
    let path = &subject.places.lock;
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).create(true).truncate(false).mode(0o640).open(path);
    let mut lock = opened.map_err(Error::system("open", path))?;
    // Only the store's owner may look whether it is held, and holds it while looking.
    let gid = subject.store.owner().get().map(|(_, gid)| gid);
    std::os::unix::fs::fchown(&lock, None, gid)
        .map_err(Error::system("change the owner of", path))?;
    if !super::wait_until(LOOKING, || lock.try_lock().is_ok()) {
        return Ok(None);
    }
    let written = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
    written.map_err(Error::system("write", path))?;
    Ok(Some(lock))
}

/// Mounts the entry and returns the program that serves it; none where there is nothing to keep any more.
fn begin_serving(subject: &Subject, environment: &Environment) -> Result<Option<Child>> {
    let Some(remote) = remote::read(subject).transpose() else {
        return Ok(None);
    };
    remote::must_have_its_disk(subject)?;
    // Before anything else that can fail: a container that starts without it never sees what is mounted.
    prepare_target(subject)?;
    let remote = remote?;
    end_orphan(subject);
    let places = &subject.places;
    let ids = subject.store.owner().get();
    let gid = ids.map(|(_, gid)| gid);
    root::replace(&places.configuration, remote.configuration()?.as_bytes(), 0o640, gid)?;
    // rclone mounts what is not there, and then loses what is written.
    rclone::must_list(&places.configuration, &remote.path(), ids)?;
    make_cache(subject, ids)?;
    let (uid, gid) = ids.unwrap_or((0, 0));
    let mount = fuse::Detached::new(uid, gid).map_err(Error::system("open", fuse::DEVICE))?;
    let mut child = serve(subject, &remote.words(environment), &mount, ids)?;
    let served = mount.wait(PATIENCE).and_then(|served| {
        let place = tree::locate(&subject.storage, subject.name.as_str())?;
        served.attach(place)
    });
    if let Err(error) = served {
        end(&mut child);
        return Err(Error::system("mount at", subject.target())(error));
    }
    let id = child.id().to_string();
    root::replace(&places.served_by, id.as_bytes(), 0o644, None)?;
    Ok(Some(child))
}

fn serve(
    subject: &Subject,
    look: &[String],
    mount: &fuse::Detached,
    ids: Option<(u32, u32)>,
) -> Result<Child> {
    let places = &subject.places;
    let descriptor = mount.let_inherit().map_err(Error::system("open", fuse::DEVICE))?;
    let mut words = vec!["mount".to_owned()];
    words.extend_from_slice(look);
    words.extend([
        places.stand_in.display().to_string(),
        "--allow-other".to_owned(),
        format!("--cache-dir={}", places.cache.display()),
        "--vfs-cache-mode=writes".to_owned(),
        "--vfs-write-back=1s".to_owned(),
        "--dir-cache-time=10s".to_owned(),
        "--log-level=NOTICE".to_owned(),
    ]);
    let environment = rclone::environment(
        &places.configuration,
        &[
            ("PATH", format!("{}:{}", places.programs.display(), rclone::PATH)),
            (FUSE_DESCRIPTOR, descriptor.to_string()),
            // The helper that stands in for fusermount has no store to look at.
            ("DOKKU_STORAGE_ROOT", "/nonexistent".to_owned()),
        ],
    );
    let program = Program::new(rclone::program()?, &words).alone(&environment);
    program.with_ids(ids).start(subject.log()?)
}

/// Ends a program that an earlier supervisor left behind.
fn end_orphan(subject: &Subject) {
    let Ok(id) = fs::read_to_string(&subject.places.served_by) else {
        return;
    };
    let command = fs::read(format!("/proc/{}/cmdline", id.trim())).unwrap_or_default();
    let stand_in = subject.places.stand_in.as_os_str().as_encoded_bytes();
    let is_ours = command.split(|&byte| byte == 0).any(|word| word == stand_in);
    if let Some(process) = id.trim().parse().ok().and_then(rustix::process::Pid::from_raw)
        && is_ours
    {
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        let place = format!("/proc/{}", id.trim());
        if !super::wait_until(ENDING, || !Path::new(&place).exists()) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
    }
    let _ = fs::remove_file(&subject.places.served_by);
}

/// Makes the directory for what was written and not sent yet, which is the store's owner's.
fn make_cache(subject: &Subject, ids: Option<(u32, u32)>) -> Result<()> {
    let cache = &subject.places.cache;
    if let Some(parent) = cache.parent() {
        root::directory(parent)?;
    }
    let made = || match DirBuilder::new().mode(0o700).create(cache) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => {
            fs::set_permissions(cache, Permissions::from_mode(0o700))?;
            match ids {
                Some((uid, gid)) => std::os::unix::fs::lchown(cache, Some(uid), Some(gid)),
                None => Ok(()),
            }
        }
    };
    made().map_err(Error::system("create", cache))
}

/// Makes the place of the mount ready at the first time: an empty directory into which nobody writes, mounted on itself
/// so that containers see what is mounted there later.
fn prepare_target(subject: &Subject) -> Result<()> {
    let target = subject.target();
    if !mount_points::at(&target).is_empty() {
        return Ok(());
    }
    let has_files = !tree::is_empty(&subject.storage, subject.name.as_str())?;
    refuse_if!(
        has_files,
        "{} has files of its own, which the mount would hide; move them elsewhere",
        target.display()
    );
    tree::set_immutable(&subject.storage, subject.name.as_str(), true);
    let place = tree::locate(&subject.storage, subject.name.as_str());
    place.and_then(fuse::share).map_err(Error::system("mount at", target))
}

/// Ends the serving program: it keeps what it has not sent, and sends it when it is started again.
fn end(child: &mut Child) {
    if let Ok(id) = i32::try_from(child.id())
        && let Some(process) = rustix::process::Pid::from_raw(id)
        && matches!(child.try_wait(), Ok(None))
    {
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
    }
    let begin = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if begin.elapsed() > ENDING {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        std::thread::sleep(super::PAUSE);
    }
}

/// How many files were written and not sent yet.
pub(super) fn unsent(subject: &Subject) -> usize {
    // What cannot be looked at counts as one.
    let Ok(_rights) = Rights::of(subject.store.owner(), subject.store.layout()) else {
        return 1;
    };
    subject.places.unsent().0
}

/// The signals that a supervisor is told things by.
struct Signals(SignalFd);

impl Signals {
    fn new() -> Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
            set.add(signal);
        }
        set.thread_block().map_err(refused)?;
        SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map(Self)
            .map_err(refused)
    }

    /// Waits until the serving program ends, the mount is gone, or somebody says something.
    fn wait_for(&self, child: &mut Child, subject: &Subject) -> Result<Told> {
        loop {
            let told = self.wait(LOOK)?;
            if told != Told::Nothing {
                return Ok(told);
            }
            shorten_log(subject);
            let has_ended = !matches!(child.try_wait(), Ok(None));
            if has_ended || !keeping::is_mounted(&subject.target()) {
                return Ok(Told::Nothing);
            }
        }
    }

    /// Waits for a time, or until somebody says something or a program ends.
    fn wait(&self, time: Duration) -> Result<Told> {
        let begin = Instant::now();
        loop {
            if let Some(signal) = self.0.read_signal().map_err(refused)? {
                return Ok(match i32::try_from(signal.ssi_signo).ok().map(Signal::try_from) {
                    Some(Ok(Signal::SIGHUP)) => Told::Again,
                    Some(Ok(Signal::SIGCHLD)) => Told::Nothing,
                    _ => Told::End,
                });
            }
            let left = time.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Ok(Told::Nothing);
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut waiting = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut waiting, timeout) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(refused(error)),
            }
        }
    }
}

/// Begins the log anew where it has become long: it is in memory.
fn shorten_log(subject: &Subject) {
    if let Ok(log) = subject.log()
        && log.metadata().is_ok_and(|found| found.len() > LOG_MAX)
    {
        let _ = log.set_len(0);
    }
}

fn refused(error: nix::errno::Errno) -> Error {
    Error::system("wait for signals in", keeping::HELPER)(error)
}

/// Tells systemd that the first try is over (`sd_notify(3)`).
fn tell_systemd() {
    let Some(socket) = crate::host::environment::notify_socket() else {
        return;
    };
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&socket),
    };
    if let (Ok(address), Ok(sender)) = (address, UnixDatagram::unbound()) {
        let _ = sender.send_to_addr(b"READY=1", &address);
    }
}

fn say(subject: &Subject, what: &str) {
    if let Ok(mut log) = subject.log() {
        let _ = writeln!(log, "storage entry \"{}\": {what}", subject.name);
    }
}
