//! The lock file, which is also the note of what its holder is about to do.
//!
//! An empty file means that nothing is going on, and readers go by that. A holder first marks the file: its length
//! becomes one byte, which says nothing but that a change is under way. What it makes is in the staging place beside
//! the lock file, which has one name for all changes: whoever takes the lock removes what is there, noted or not. What
//! has to be elsewhere (new directories; temporary files on another file system) is noted. Once all of it is flushed, the
//! steps are noted that put it in place, and flushed. A holder that fails takes its steps back itself; while it does,
//! each of them can still be finished.
//!
//! Which flush promises what, where the power is cut:
//!
//! - Temporary files, before the steps are noted: what a step puts in place is whole. (The flush of a file that was
//!   just made keeps its name, too: ext4, XFS and btrfs do that.)
//! - The directories that hold new directories, before the steps are noted: a step finds the directory that it needs.
//! - The steps, before the first of them is done: all of them are done in the end, or none.
//! - The directories in which names change, each once, after the steps: what was said to be done stays done.
//! - The emptied note: steps that came back would be done to what came after them. Not where all of them put staged
//!   files in place: those have names that never come again, and the flush of the directories that they were put into has
//!   made their staged names go (a rename is one thing, both names or none), so such steps find nothing to do.
//! - A note of temporary files on another file system, before they are made: nobody would find them by their names.
//!   Other notes are not flushed before. A cut may leave a new directory, empty: the next change that needs it takes it.
//! - Neither the mark nor what the staging place loses is flushed: it may come back, and is found by its name.
//!
//! # Why the journal is in the lock file
//!
//! Many changes touch several files: the first `HOST:CONTAINER` mount writes an entry and an attachment, a
//! migration rewrites three kinds of files, a rename moves an app's directory. Each file by itself is replaced
//! atomically, but a crash between two of them would leave an attachment without entry. So the steps are written
//! down before the first is done, and each can be repeated: `rename` of a file that is gone, `remove` of one that
//! is not there, change nothing. Who next takes the lock (or starts, and finds the lock free) finishes them. Before
//! the steps are noted there is nothing to finish, only to clear away.
//!
//! The note lives in the lock file, because whoever holds the lock is exactly who may read and write it, and
//! because an empty file, the usual case, costs one `stat` to see. Where root reads a note that somebody else may
//! have written, only paths below the store's own directories count, and none with `..`.
//!
//! The empty file keeps room for the next note (`fallocate`), which only has to be written where it is: removals work on
//! a disk without a free byte.
//!
//! One lock for the whole store, rather than one per app, because entries are shared between apps and because a
//! change takes about a millisecond. It is never held while Docker, plugn, a `chown` or a person's answer is waited
//! for; what was decided before such a wait is checked again under the lock afterwards.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, OFlags};
use serde::{Deserialize, Serialize};

use super::files::{self, Owner, is_absent, unless_absent};
use crate::domain::{Error, LEFT_OVER, Layout, Result, STAGED, quoted};
use crate::fs::look::is_there;
use crate::host::process;

/// The largest note that is read, in bytes.
const LARGEST_NOTE: u64 = 16 * 1024 * 1024;

/// One step of a change. Each can be repeated after it was done, and rolled back as often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    Install {
        temporary: PathBuf,
        target: PathBuf,
        /// A second name of what was there before, where something was.
        before: Option<PathBuf>,
    },
    Remove {
        target: PathBuf,
        /// A second name of it, where it was there.
        before: Option<PathBuf>,
    },
    /// Moves a directory, within one file system.
    Move {
        from: PathBuf,
        to: PathBuf,
    },
    /// Moves a directory to a hidden name, and another one to its place, within one file system. The name of what comes says how
    /// far it went: it is gone at the end.
    Replace {
        target: PathBuf,
        next: PathBuf,
        aside: PathBuf,
    },
    /// Moves a directory of the store's own to a hidden name, to be removed with all that is in it.
    Discard {
        target: PathBuf,
        aside: PathBuf,
    },
    SetMode {
        target: PathBuf,
        mode: u32,
        before: u32,
    },
}

impl Step {
    pub(super) fn apply(&self) -> Result<()> {
        match self {
            Self::Install { temporary, target, .. } => {
                unless_absent(fs::rename(temporary, target)).map_err(Error::system("write", target))
            }
            Self::Remove { target, .. } => {
                unless_absent(fs::remove_file(target)).map_err(Error::system("remove", target))
            }
            Self::Move { from, to } => fs::rename(from, to).map_err(Error::system("move", from)),
            Self::Discard { target, aside } => {
                unless_absent(fs::rename(target, aside)).map_err(Error::system("move", target))
            }
            Self::Replace { target, next, aside } => {
                if !is_there(next) {
                    return Ok(());
                }
                if !is_there(aside) {
                    unless_absent(fs::rename(target, aside))
                        .map_err(Error::system("move", target))?;
                }
                fs::rename(next, target).map_err(Error::system("move", next))
            }
            Self::SetMode { target, mode, .. } => set_mode(target, *mode),
        }
    }

    /// What a step moves that is not there, before it is carried out for the first time.
    pub(super) fn lacks(&self) -> Option<&Path> {
        match self {
            Self::Move { from: needed, .. } | Self::Replace { next: needed, .. } => {
                Some(needed.as_path()).filter(|needed| !is_there(needed))
            }
            _ => None,
        }
    }

    /// Carries out a step that its writer may have carried out already; but where nothing at all is seen of what it moves,
    /// and nothing else either, what belongs there is not mounted yet. What has the name of something that was moved is
    /// somebody else's then, such as the directory that Docker makes for a container that starts: it stays.
    fn apply_again(&self) -> Result<()> {
        // What was on its way to be removed may be removed by now; and where it is not mounted yet, it just stays.
        let leaves = |to: &Path| {
            to.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(STAGED.as_bytes()))
        };
        let moved: &[&PathBuf] = match self {
            Self::Move { to, .. } if leaves(to) => &[],
            Self::Move { from, to } => &[from, to],
            Self::Replace { target, next, aside } => &[target, next, aside],
            _ => &[],
        };
        if let Some(from) = moved.first()
            && !moved.iter().any(is_there)
            && let Some(directory) = from.parent()
            && fs::read_dir(directory).map_or(true, |mut names| names.next().is_none())
        {
            refuse!(
                "{} is empty or not there; mount what belongs there, or, if all that was in it is gone for good: mkdir -p {}",
                directory.display(),
                quoted(&from.to_string_lossy())
            );
        }
        let applied = self.apply();
        match (self, &applied) {
            (Self::Move { .. }, Err(Error::System { cause, .. })) if is_absent(cause) => Ok(()),
            (
                Self::Move { from, to } | Self::Discard { target: from, aside: to },
                Err(Error::System { cause, .. }),
            ) if is_taken(cause) && is_there(from) && is_there(to) => Ok(()),
            (Self::Replace { target, next, .. }, Err(Error::System { cause, .. }))
                if is_taken(cause) && is_there(next) =>
            {
                // Only where nothing is in it.
                fs::remove_dir(target).map_err(Error::system("replace", target))?;
                self.apply()
            }
            _ => applied,
        }
    }

    /// Takes the step back, so that all is as it was prepared, and could be carried out once more. Nothing is
    /// written: it works on a full disk, too.
    pub(super) fn roll_back(&self) -> Result<()> {
        match self {
            Self::Install { temporary, target, before: Some(before) } => {
                unless_exists(fs::hard_link(target, temporary))
                    .and_then(|()| fs::rename(before, target))
                    .map_err(Error::system("restore", target))
            }
            Self::Install { temporary, target, before: None } => {
                unless_absent(fs::rename(target, temporary))
                    .map_err(Error::system("remove", target))
            }
            Self::Remove { target, before: Some(before) } => {
                fs::rename(before, target).map_err(Error::system("restore", target))
            }
            Self::Remove { before: None, .. } => Ok(()),
            Self::Move { from, to } | Self::Discard { target: from, aside: to } => {
                unless_absent(fs::rename(to, from)).map_err(Error::system("move", to))
            }
            Self::Replace { target, next, aside } => {
                if !is_there(next) {
                    fs::rename(target, next).map_err(Error::system("move", target))?;
                }
                unless_absent(fs::rename(aside, target)).map_err(Error::system("move", aside))
            }
            Self::SetMode { target, before, .. } => set_mode(target, *before),
        }
    }

    /// Whether a step that failed may have done a part of what it does, which can be rolled back too.
    pub(super) fn may_be_half_done(&self) -> bool {
        matches!(self, Self::Replace { .. })
    }

    /// The same step with what is made for it below a directory, under names that begin so.
    pub(super) fn staged(self, directory: &Path, name: &str) -> Self {
        let staged = |suffix: &str| directory.join(format!("{name}{suffix}"));
        match self {
            Self::Install { target, before, .. } => Self::Install {
                temporary: staged(".new"),
                target,
                before: before.map(|_| staged(".old")),
            },
            Self::Remove { target, before } => {
                Self::Remove { target, before: before.map(|_| staged(".old")) }
            }
            Self::Discard { target, .. } => Self::Discard { target, aside: staged(".old") },
            other => other,
        }
    }

    /// The names that exist only while the step is prepared or under way.
    pub(super) fn passing(&self) -> impl Iterator<Item = &Path> {
        let (one, other) = match self {
            Self::Install { temporary, before, .. } => (Some(temporary), before.as_ref()),
            Self::Remove { before, .. } => (None, before.as_ref()),
            Self::Discard { aside, .. } => (Some(aside), None),
            _ => (None, None),
        };
        one.into_iter().chain(other).map(PathBuf::as_path)
    }

    /// The directories whose names the step changes.
    pub(super) fn directories(&self) -> impl Iterator<Item = &Path> {
        let (one, other) = match self {
            Self::Install { target, .. }
            | Self::Remove { target, .. }
            | Self::Replace { target, .. }
            | Self::Discard { target, .. } => (Some(target), None),
            Self::Move { from, to } => (Some(from), Some(to)),
            Self::SetMode { .. } => (None, None),
        };
        one.into_iter().chain(other).filter_map(|path| path.parent())
    }

    fn paths(&self) -> Vec<&Path> {
        let mut paths: Vec<&Path> = self.passing().collect();
        match self {
            Self::Install { target, .. }
            | Self::Remove { target, .. }
            | Self::Discard { target, .. }
            | Self::SetMode { target, .. } => paths.push(target),
            Self::Move { from, to } => paths.extend([from.as_path(), to]),
            Self::Replace { target, next, aside } => {
                paths.extend([target.as_path(), next, aside]);
            }
        }
        paths
    }
}

/// Whether a name could not be given because something of another kind, or that is not empty, has it.
fn is_taken(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, IsADirectory, NotADirectory};
    matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | IsADirectory | NotADirectory)
}

/// Sets the mode of a directory, and of nothing that only took its name.
fn set_mode(directory: &Path, mode: u32) -> Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(directory)
        .and_then(|directory| directory.set_permissions(fs::Permissions::from_mode(mode)))
        .map_err(Error::system("change the mode of", directory))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Note {
    /// These may have been made, and are nothing without the steps.
    Preparing {
        files: Vec<PathBuf>,
        #[serde(rename = "folders")]
        directories: Vec<PathBuf>,
    },
    /// All is prepared; these steps are to be finished.
    Steps(Vec<Step>),
}

/// How much room the lock file keeps, in bytes: more than the note of any removal needs.
const RESERVED: u64 = 64 * 1024;

/// The lock, held until dropped.
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    staging: PathBuf,
    is_trusted: bool,
}

impl Journal {
    /// Waits for the lock, and finishes or clears away what a killed holder left.
    pub(super) fn lock(layout: &Layout, roots: &[PathBuf], owner: &Owner) -> Result<Self> {
        let path = layout.lock();
        let file = open(&path, owner).map_err(Error::system("open", &path))?;
        wait(|| file.lock()).map_err(Error::system("lock", &path))?;
        let mut journal =
            Self { file, path, staging: layout.staging(), is_trusted: is_trusted(owner) };
        journal.recover(roots).map_err(|error| {
            refusal!(
                "an earlier change that was interrupted is in the way, noted in {}: {error}",
                journal.path.display()
            )
        })?;
        Ok(journal)
    }

    /// Recovers what a killed holder left, unless a living one has the lock.
    pub(super) fn recover_if_abandoned(
        layout: &Layout,
        roots: &[PathBuf],
        owner: &Owner,
    ) -> Result<()> {
        let path = layout.lock();
        let Ok(file) = open_existing(&path, owner) else {
            return Ok(());
        };
        if file.try_lock().is_err() {
            return Ok(());
        }
        let mut journal =
            Self { file, path, staging: layout.staging(), is_trusted: is_trusted(owner) };
        journal.recover(roots)
    }

    /// Where a change has what is only there while it goes on.
    pub(super) fn staging(&self) -> &Path {
        &self.staging
    }

    /// Says that a change is under way of which nothing is noted, or not any more: nothing is written, the file only
    /// gets a length.
    pub(super) fn mark(&self) -> Result<()> {
        self.file.set_len(1).map_err(Error::system("write", &self.path))
    }

    pub(super) fn preparing(
        &mut self,
        files: Vec<PathBuf>,
        directories: Vec<PathBuf>,
    ) -> Result<()> {
        self.note(&Note::Preparing { files, directories })
    }

    pub(super) fn flush(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::system("write", &self.path))
    }

    /// Notes the steps that follow, so that they survive a power loss.
    pub(super) fn steps(&mut self, steps: &[Step]) -> Result<()> {
        self.note(&Note::Steps(steps.to_vec()))?;
        self.flush()
    }

    pub(super) fn clear(&mut self) -> Result<()> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)).map(drop))
            .map_err(Error::system("write", &self.path))?;
        self.reserve();
        Ok(())
    }

    /// Keeps room for the next note: what frees space has to work on a full disk. The file's length stays as it is. Where
    /// there is no room, or the file system keeps none, the next note has to find some.
    fn reserve(&self) {
        let _ = rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, RESERVED);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the directory holds only what the store put there"
    )]
    pub(super) fn sweep(&self) -> Result<()> {
        let removed = match fs::remove_file(&self.staging) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                fs::remove_dir_all(&self.staging)
            }
            other => other,
        };
        let removed = match removed {
            // What belongs to somebody else, such as a directory of root's in an app's, must not be in the way of every
            // later change. The doctor names it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let name = format!("{LEFT_OVER}{}", process::unique());
                fs::rename(&self.staging, self.staging.with_file_name(name)).map_err(|_| error)
            }
            other => other,
        };
        unless_absent(removed).map_err(Error::system("remove", &self.staging))
    }

    fn note(&mut self, note: &Note) -> Result<()> {
        let mut line = serde_json::to_vec(note)
            .map_err(|error| Error::system("write", &self.path)(io::Error::from(error)))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(Error::system("write", &self.path))
    }

    /// Finishes the steps that were noted; without any, clears away what was prepared.
    fn recover(&mut self, roots: &[PathBuf]) -> Result<()> {
        let mut text = Vec::new();
        (&self.file)
            .take(LARGEST_NOTE)
            .read_to_end(&mut text)
            .map_err(Error::system("read", &self.path))?;
        if text.is_empty() {
            return self.sweep();
        }
        let mut prepared = (Vec::new(), Vec::new());
        let mut steps = None;
        // A line without its end, or one that is no JSON, was being written when its writer ended: nothing that it
        // announces has been done. What another version noted may have been.
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            match serde_json::from_slice(line) {
                // Behind steps, it says that they are over, and what is left of them.
                Ok(Note::Preparing { files, directories }) => {
                    prepared = (files, directories);
                    steps = None;
                }
                Ok(Note::Steps(noted)) if line.ends_with(b"\n") => steps = Some(noted),
                Err(_) if is_whole(line) => {
                    refuse!("another version of the plugin began it; install that, or a newer one")
                }
                _ => break,
            }
        }
        if let Some(steps) = steps {
            finish(&steps, roots)?;
        } else {
            let (files, directories) = prepared;
            let own = |path: &PathBuf| self.is_trusted || is_below(path, roots);
            let all = undo(
                &files.into_iter().filter(|path| is_below(path, roots)).collect::<Vec<_>>(),
                &directories.into_iter().filter(own).collect::<Vec<_>>(),
            );
            refuse_if!(
                !all,
                "what an earlier change left cannot be removed; {} says what",
                self.path.display()
            );
        }
        self.sweep()?;
        self.clear()?;
        self.flush()
    }
}

/// Whether a line was written to its end, whatever it says.
fn is_whole(line: &[u8]) -> bool {
    line.ends_with(b"\n") && serde_json::from_slice::<serde_json::Value>(line).is_ok()
}

fn finish(steps: &[Step], roots: &[PathBuf]) -> Result<()> {
    let steps: Vec<&Step> =
        steps.iter().filter(|step| step.paths().iter().all(|path| is_below(path, roots))).collect();
    for step in &steps {
        step.apply_again()?;
    }
    let left = steps.iter().flat_map(|step| step.passing()).filter(|path| !discard(path)).count();
    flush_directories(steps.iter().flat_map(|step| step.directories()))?;
    refuse_if!(left != 0, "{left} files of an earlier change cannot be removed");
    Ok(())
}

pub(super) fn flush_directories<'a>(directories: impl Iterator<Item = &'a Path>) -> Result<()> {
    let mut flushed: Vec<&Path> = Vec::new();
    for directory in directories {
        if !flushed.contains(&directory) {
            files::flush_directory(directory)?;
            flushed.push(directory);
        }
    }
    Ok(())
}

/// Treats an error that says "there already" as success.
fn unless_exists(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Removes prepared files, and directories as far as they are empty, innermost first; false where a file stays that should be
/// gone. An empty directory that cannot be removed, or was never made, is in nobody's way.
pub(super) fn undo(prepared: &[PathBuf], directories: &[PathBuf]) -> bool {
    let mut all = true;
    for path in prepared {
        all &= discard(path);
    }
    for directory in directories.iter().rev() {
        let _ = fs::remove_dir(directory);
    }
    all
}

/// Removes a file, or a directory that was moved to a hidden name; false where it stays.
#[expect(clippy::disallowed_methods, reason = "the directory holds only what the store put there")]
fn discard(path: &Path) -> bool {
    // Who cannot get there has made nothing there either.
    let Ok(found) = fs::symlink_metadata(path) else {
        return true;
    };
    let removed = if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    unless_absent(removed).is_ok()
}

/// Whether who works now may do whatever the note's writer could have done: not where root works on the store
/// of somebody else.
fn is_trusted(owner: &Owner) -> bool {
    owner.get().is_none() || users::get_effective_uid() != 0
}

/// Whether a noted path is one that the store could have written: the note is only as trustworthy as its
/// directory's owner, and root may be the one who reads it.
fn is_below(path: &Path, roots: &[PathBuf]) -> bool {
    let plain = path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
    plain && roots.iter().any(|root| path.starts_with(root))
}

pub(super) fn is_noted(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|lock| lock.len() > 0)
}

pub(super) fn open(path: &Path, owner: &Owner) -> io::Result<File> {
    match open_existing(path, owner) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    match options().create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            if let Some((uid, gid)) = owner.get() {
                fchown(&file, Some(uid), Some(gid))?;
            }
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open_existing(path, owner),
        Err(error) => Err(error),
    }
}

/// Opens the lock file, and nothing that only looks like it: no link, no FIFO, no file with another name, and
/// none that belongs to somebody who has no say in the store.
fn open_existing(path: &Path, owner: &Owner) -> io::Result<File> {
    let file = options().open(path)?;
    let metadata = file.metadata()?;
    let caller = users::get_effective_uid();
    let known = [Some(caller), Some(0), owner.get().map(|(uid, _)| uid)];
    if metadata.is_file() && metadata.nlink() <= 1 && known.contains(&Some(metadata.uid())) {
        Ok(file)
    } else {
        Err(io::Error::other("it is not the lock file that the store makes; remove it"))
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).write(true).custom_flags(flags.bits().cast_signed());
    options
}

fn wait(mut lock: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in a directory's places, as the names of the files in them.
    fn seen(root: &Path) -> [Option<String>; 3] {
        ["target", "next", "aside"].map(|place| {
            let mut names = fs::read_dir(root.join(place)).ok()?;
            Some(names.next()?.ok()?.file_name().to_string_lossy().into_owned())
        })
    }

    #[test]
    fn a_replacement_is_finished_or_taken_back_from_wherever_it_was() {
        let [old, new] = ["old", "new"].map(|name| Some(name.to_owned()));
        let begin = [old.clone(), new.clone(), None];
        let half = [None, new.clone(), old.clone()];
        let end = [new, None, old];
        for (from, is_taken_back) in [(&begin, false), (&half, false), (&end, false)]
            .into_iter()
            .chain([(&begin, true), (&half, true), (&end, true)])
        {
            let root = tempfile::tempdir().unwrap();
            for (place, file) in ["target", "next", "aside"].iter().zip(from) {
                if let Some(file) = file {
                    fs::create_dir(root.path().join(place)).unwrap();
                    fs::write(root.path().join(place).join(file), "").unwrap();
                }
            }
            let path = |place: &str| root.path().join(place);
            let (target, next, aside) = (path("target"), path("next"), path("aside"));
            let step = Step::Replace { target, next, aside };
            let wanted = if is_taken_back { &begin } else { &end };
            for _ in 0..2 {
                if is_taken_back { step.roll_back() } else { step.apply() }.unwrap();
                assert_eq!(seen(root.path()), *wanted, "from {from:?}");
            }
        }
    }

    #[test]
    fn what_is_not_mounted_yet_is_not_taken_for_moved() {
        let root = tempfile::tempdir().unwrap();
        let place = |name: &str| root.path().join("storage").join(name);
        let steps = [
            vec![Step::Move { from: place("a"), to: place("b") }],
            vec![Step::Replace { target: place("a"), next: place("b"), aside: place("c") }],
        ];
        let finish = |steps: &[Step]| finish(steps, &[root.path().to_owned()]);
        for steps in &steps {
            assert!(finish(steps).unwrap_err().to_string().contains("is empty or not there"));
        }
        fs::create_dir(root.path().join("storage")).unwrap();
        for steps in &steps {
            assert!(finish(steps).unwrap_err().to_string().contains("is empty or not there"));
        }
        let leaving = place(".destroyed-a");
        finish(&[Step::Move { from: place("a"), to: leaving }]).unwrap();
        fs::create_dir(place("other")).unwrap();
        for steps in &steps {
            finish(steps).unwrap();
        }
    }

    #[test]
    fn what_another_version_noted_is_not_taken_for_torn() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path().to_owned());
        fs::create_dir_all(layout.staging()).unwrap();
        let is_swept = || !layout.staging().exists();
        let lock = |note: &str| {
            fs::write(layout.lock(), note).unwrap();
            Journal::lock(&layout, &[root.path().to_owned()], &Owner::caller()).map(drop)
        };
        for note in [
            "{\"steps\":[{\"swap\":{\"one\":\"a\",\"other\":\"b\"}}]}\n",
            "{\"preparing\":{\"files\":[],\"folders\":[]}}\n{\"later\":1}\n",
            "{\"later\":1}\n{\"steps\":[",
        ] {
            assert!(lock(note).unwrap_err().to_string().contains("another version"), "{note}");
            assert!(!is_swept() && fs::read_to_string(layout.lock()).unwrap() == note);
        }
        lock("{\"later\":1}").unwrap();
        assert!(is_swept());
        fs::create_dir_all(layout.staging()).unwrap();
        lock("{\"steps\":[{\"swap\"\n").unwrap();
        assert!(is_swept() && fs::read(layout.lock()).unwrap().is_empty());
    }

    #[test]
    fn what_docker_makes_in_the_place_of_what_was_moved_is_in_no_changes_way() {
        for is_file in [false, true] {
            let root = tempfile::tempdir().unwrap();
            let path = |name: &str| root.path().join(name);
            let make = |name: &str| {
                if is_file {
                    return fs::write(path(name), name).unwrap();
                }
                fs::create_dir(path(name)).unwrap();
                fs::write(path(name).join("file"), name).unwrap();
            };
            let content = |name: &str| {
                fs::read_to_string(if is_file { path(name) } else { path(name).join("file") })
            };
            make("moved");
            fs::create_dir(path("from")).unwrap();
            make("next");
            make("aside");
            fs::create_dir(path("target")).unwrap();
            let steps = [
                Step::Move { from: path("from"), to: path("moved") },
                Step::Replace { target: path("target"), next: path("next"), aside: path("aside") },
            ];
            finish(&steps, &[root.path().to_owned()]).unwrap();
            assert_eq!(content("moved").unwrap(), "moved");
            assert!(fs::read_dir(path("from")).unwrap().next().is_none());
            assert_eq!(
                (content("target").unwrap(), content("aside").unwrap()),
                ("next".to_owned(), "aside".to_owned())
            );
            assert!(!is_there(path("next")));
        }
    }
}
