//! A directory directly below a root that nobody but its maker can enter, whoever may rename it.
//!
//! Whoever may call root's helpers could have them make a directory that looks the same, or change this one. So root notes which
//! it made, and when each was changed last, where nothing that is copied, unpacked or restored can be: in `/run`. What is noted is
//! for backups and restores alone, and for removal: no other walk enters it ([`must_not_be_closed`]). Without root's rights there
//! is no note, since nothing is gained.

use std::ffi::CStr;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RenameFlags, StatxFlags, StatxTimestamp,
    flock, fstat, mkdirat, openat, renameat_with, statat, statx, syncfs, unlinkat,
};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::geteuid;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::domain::{Error, Result};
use crate::fs::kind;
use crate::fs::tree::descent::identity;
use crate::fs::tree::{
    BENEATH, birth, enter_any, is_directory_empty, is_one_of, open_below, open_directory,
    open_without_links,
};
use crate::host::is_root;
use crate::host::process::unique;

/// Where root notes which directories are closed.
const NOTES: &str = "/run/dokku-storage/closed";

/// How long a file system's clock may stand still.
const TICK: Duration = Duration::from_millis(20);

/// File systems whose times are this host's, rather than a server's.
const LOCAL: [u64; 4] = [kind::EXT4, kind::XFS, kind::BTRFS, kind::TMPFS];

/// How long it takes at most to make one, and to note it.
const YOUNG: Duration = Duration::from_secs(600);

/// How what was taken into one is called there.
pub(super) const TAKEN: &CStr = c"taken";

/// What was opened once, and is used by its descriptor: its name may lead elsewhere at any moment.
pub(crate) struct Closed {
    opened: OwnedFd,
}

impl Closed {
    /// Makes one.
    pub(crate) fn make(root: &Path, name: &str) -> Result<Self> {
        let path = root.join(name);
        let failed = || Error::system("create", &path);
        let top = open_without_links(&CWD, root).map_err(Error::system("open", root))?;
        let begin = clock_gettime(ClockId::RealtimeCoarse);
        mkdirat(&top, name, Mode::RWXU).map_err(failed())?;
        let closed = Self { opened: enter_any(root, name)? };
        let state = State::of(&closed).map_err(Error::system("read", &path))?;
        let has_our_clock = kind::of(&top).is_some_and(|kind| LOCAL.contains(&kind));
        let is_new = !has_our_clock || state.is_made_since(begin);
        closed.note()?;
        // Who entered it before it was noted has it locked, and may change it yet.
        flock(&closed, FlockOperation::NonBlockingLockExclusive).map_err(failed())?;
        closed.must_be_own(&path)?;
        let is_empty = is_directory_empty(&closed.opened).map_err(Error::system("read", &path))?;
        // Who moved it elsewhere before it was noted had it locked only until then.
        refuse_if!(
            !is_new || !is_empty || !closed.is_at(&top, name),
            "another directory was put in the place of {}",
            path.display()
        );
        Ok(closed)
    }

    /// Opens one, for one process at a time.
    /// Refuses what others can enter, or have made, or changed since it was noted.
    pub(crate) fn open(root: &Path, name: &str) -> Result<Self> {
        let path = root.join(name);
        let closed = Self { opened: enter_any(root, name)? };
        closed.must_be_own(&path)?;
        if is_root() {
            let is_alone = flock(&closed, FlockOperation::NonBlockingLockExclusive).is_ok();
            refuse_if!(!is_alone, "somebody else is at work on {}", path.display());
            let state = State::of(&closed).map_err(Error::system("read", &path))?;
            let noted = state.noted().map_err(Error::system("read", &state.note))?;
            refuse_if!(
                noted.as_deref() != Some(&*state.text()),
                "{} is not a copy for a backup, or was changed since it was made",
                path.display()
            );
        }
        Ok(closed)
    }

    fn must_be_own(&self, path: &Path) -> Result<()> {
        let found = fstat(&self.opened).map_err(Error::system("read", path))?;
        refuse_if!(!is_own(&found), "{} can be entered by others", path.display());
        Ok(())
    }

    /// Notes it as it is now. It is to be noted again after every change of what it has directly.
    pub(crate) fn note(&self) -> Result<()> {
        if !is_root() {
            return Ok(());
        }
        let noted = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o755).create(NOTES)?;
            let state = State::of(self)?;
            // Whoever finds half of it would take the directory for an open one.
            let next = state.note.with_extension(unique());
            std::fs::write(&next, state.text())?;
            std::fs::rename(next, &state.note)
        };
        noted().map_err(Error::system("write", NOTES))
    }

    /// Makes a file in it, in the place of whatever has its name, and notes that.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let written = || -> io::Result<()> {
            match unlinkat(&self.opened, name, AtFlags::empty()) {
                Err(Errno::NOENT) => {}
                other => other?,
            }
            let file = openat(&self.opened, name, flags, Mode::RUSR | Mode::WUSR)?;
            File::from(file).write_all(content)
        };
        written().map_err(Error::system("write", name))?;
        self.note()
    }

    /// What is at a path in it, a link itself included, without opening it. No link is followed.
    pub(crate) fn locate(&self, path: &Path) -> io::Result<File> {
        self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC)
    }

    /// Opens a file or a directory in it to read it. No link is followed, and no pipe waited for.
    pub(crate) fn read(&self, path: &Path) -> io::Result<File> {
        self.open_at(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC)
    }

    fn open_at(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        use std::os::unix::ffi::OsStrExt;
        let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
        open_below(self, &path, flags, BENEATH).map(File::from)
    }

    /// Makes one in it.
    pub(crate) fn inner(&self, name: &str) -> Result<Self> {
        let failed = || Error::system("create", name);
        mkdirat(&self.opened, name, Mode::RWXU).map_err(failed())?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.opened, name, flags, Mode::empty()).map_err(failed())?;
        Ok(Self { opened })
    }

    /// The path by which this process, and what it starts before it has another descriptor in the place, finds it.
    pub(crate) fn path(&self) -> PathBuf {
        path_of(&self.opened)
    }

    pub(crate) fn opened(&self) -> &OwnedFd {
        &self.opened
    }

    /// Whether what is called `name` in it is a directory, or a regular file; anything else is refused.
    pub(crate) fn holds_directory(&self, name: &str) -> Result<bool> {
        let found = statat(&self.opened, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Error::system("read", name))?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => Ok(true),
            FileType::RegularFile => Ok(false),
            _ => Err(refusal!("{name} is neither a directory nor a file")),
        }
    }

    /// Whether there is something at a path in it; no link on the way is followed.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.locate(Path::new(path)).is_ok()
    }

    fn is_at(&self, top: &OwnedFd, name: &str) -> bool {
        let there = statat(top, name, AtFlags::SYMLINK_NOFOLLOW);
        there.is_ok_and(|there| {
            identity(&self.opened).is_ok_and(|own| own == (there.st_dev, there.st_ino))
        })
    }

    /// Takes what is called `name` directly below a root into it, as [`TAKEN`]. A directory is returned, which is to stay open
    /// until it is moved on: so nobody makes a closed one of it who has just made it, and not noted it yet.
    /// Refuses what is closed, which gets its name back: it could be moved to where others can enter it.
    pub(super) fn take(&self, top: &OwnedFd, name: &str) -> io::Result<Option<OwnedFd>> {
        renameat_with(top, name, &self.opened, TAKEN, RenameFlags::NOREPLACE)?;
        match open_directory(self, TAKEN) {
            Err(error) if is_one_of(&error, &[Errno::NOTDIR, Errno::LOOP]) => Ok(None),
            opened => opened.map(Some).inspect_err(|_| self.give_back(top, name)),
        }
    }

    /// Gives what was taken its name back, unless something else has that now.
    pub(super) fn give_back(&self, top: &OwnedFd, name: &str) {
        let _ = renameat_with(&self.opened, TAKEN, top, name, RenameFlags::NOREPLACE);
    }

    /// Moves what is called `name` in it to `to` directly below a root, where nothing is, once all of it is on the disk.
    pub(crate) fn give(&self, name: &str, root: &Path, to: &str) -> Result<()> {
        let moved = || -> io::Result<()> {
            let top = open_without_links(&CWD, root)?;
            syncfs(&top)?;
            Ok(renameat_with(&self.opened, name, &top, to, RenameFlags::NOREPLACE)?)
        };
        moved().map_err(Error::system("move data to", root.join(to)))
    }
}

impl AsFd for Closed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.opened.as_fd()
    }
}

/// Refuses a directory that is closed, but for its removal, and for who was noted to have made it.
pub(super) fn must_not_be_closed(directory: &impl AsFd) -> io::Result<()> {
    if !is_root() || !is_own(&fstat(directory)?) {
        return Ok(());
    }
    let state = State::of(directory)?;
    if state.is_young() {
        // One that is being made is closed only if nobody has it locked who entered it before. An app may lock its own.
        let _ = flock(directory, FlockOperation::NonBlockingLockShared);
    }
    // Where the note cannot be read, nobody knows what it says.
    if state.noted()?.is_some_and(|noted| noted.lines().next() == Some(&state.birth())) {
        let why = "it is being backed up or restored, and only that command may use it";
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
    }
    Ok(())
}

/// Takes the note about a directory away, once it has no name any more.
pub(super) fn forget(directory: &impl AsFd) {
    if is_root()
        && let (Ok(state), Ok(found)) = (State::of(directory), fstat(directory))
        && found.st_nlink == 0
    {
        let _ = std::fs::remove_file(state.note);
    }
}

/// Whether it is its maker's, and nobody else may enter it.
fn is_own(found: &rustix::fs::Stat) -> bool {
    let others = Mode::from_raw_mode(found.st_mode).intersects(Mode::RWXG | Mode::RWXO);
    found.st_uid == geteuid().as_raw() && !others
}

/// What tells a directory, as it is now, from every other one.
struct State {
    note: PathBuf,
    /// When it was made, where the file system says so: another may have the same number later.
    made: Option<StatxTimestamp>,
    /// When it got another name, owner or mode, or what it has directly did.
    changed: String,
}

impl State {
    fn of(directory: &impl AsFd) -> io::Result<Self> {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let found = statx(directory, c"", AtFlags::EMPTY_PATH, wanted)?;
        let device = format!("{}-{}", found.stx_dev_major, found.stx_dev_minor);
        Ok(Self {
            note: Path::new(NOTES).join(format!("{device}-{}", found.stx_ino)),
            made: birth(&found),
            changed: shown(found.stx_ctime),
        })
    }

    /// What the note says first, whatever changes.
    fn birth(&self) -> String {
        self.made.map(shown).unwrap_or_default()
    }

    fn text(&self) -> String {
        format!("{}\n{}\n", self.birth(), self.changed)
    }

    fn noted(&self) -> io::Result<Option<String>> {
        match std::fs::read_to_string(&self.note) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            noted => noted.map(Some),
        }
    }

    /// Whether it was made after a moment, as far as the file system says that; its clock may tick more seldom.
    fn is_made_since(&self, begin: Timespec) -> bool {
        let begin = since(begin.tv_sec, begin.tv_nsec).saturating_sub(TICK);
        self.made.is_none_or(|made| since(made.tv_sec, made.tv_nsec.into()) >= begin)
    }

    /// Whether it may still be being made.
    fn is_young(&self) -> bool {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        let now = since(now.tv_sec, now.tv_nsec);
        self.made.is_none_or(|made| since(made.tv_sec, made.tv_nsec.into()) + YOUNG >= now)
    }
}

fn shown(time: StatxTimestamp) -> String {
    format!("{}.{}", time.tv_sec, time.tv_nsec)
}

fn since(seconds: i64, nanoseconds: i64) -> Duration {
    let whole = Duration::from_secs(seconds.try_into().unwrap_or(0));
    whole + Duration::from_nanos(nanoseconds.try_into().unwrap_or(0))
}

/// The path of a descriptor in the process that has it.
pub(crate) fn path_of(opened: &impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", opened.as_fd().as_raw_fd()).into()
}

/// The same for programs that are started from now on, which get the descriptor too: it cannot be replaced by anybody, a path could.
pub(crate) fn inherited(opened: &impl AsFd) -> Result<String> {
    let path = path_of(opened).display().to_string();
    fcntl_setfd(opened, FdFlags::empty()).map_err(Error::system("open", &path))?;
    Ok(path)
}
