//! Whether the storage root is away: whether the disk that belongs there is not mounted.
//!
//! # When the storage root is away
//!
//! A storage root that is another directory than before is new, or was moved, or its disk is not mounted. Then Docker makes the
//! directories anew that containers mount, and apps write into them: that something is there proves nothing. The file
//! `.storage-root` of the registry has the inode and the file system of the storage root that was seen last, and in further lines those
//! of before that. Another one is that of before where a snapshot or something in the trash is in it, or where every entry is, which
//! Docker did not make just now; but not one that was left for another, since what is in it is old. Otherwise it is away, where an
//! entry, a snapshot or the trash should have something in it. Then nothing is made below the storage root, and
//! nothing is said of what is in it. Who goes on with it, or begins anew, makes the file `.new` in it. A host that is restored has no
//! such note yet, and a new disk no data. Where the registry is on the same disk, neither is there, nor the note: it is away where
//! apps mount entries all the same. The inode is a cache: it is not flushed, and where it is lost, it is noted again.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Store, files, json};
use crate::domain::moment::DAY;
use crate::domain::{
    AppName, Entry, Error, Finding, LOST_AND_FOUND, Problem, Result, Severity, Source, quoted,
};
use crate::fs::{kind, look};
use crate::store::Rights;

/// How many are noted.
const MOST_NOTED: usize = 16;

/// What was made this shortly before the note may have been made after it, as far as a file system's clock tells.
const SAME_MOMENT: Duration = Duration::from_secs(2);

/// For how long `.new` counts: it may be left below the mount point.
const SAID_FOR: Duration = Duration::from_secs(DAY.unsigned_abs());

/// A directory, by its inode and, where that has an id that stays, its file system.
#[derive(Debug, Clone, Copy)]
struct Identity {
    inode: u64,
    disk: Option<u64>,
}

impl Identity {
    fn of(directory: &Path) -> Option<Self> {
        let inode = fs::metadata(directory).ok()?.ino();
        let has_id = [Some(kind::EXT4), Some(kind::BTRFS)].contains(&kind::at(directory));
        let disk = rustix::fs::statvfs(directory).ok().filter(|_| has_id);
        Some(Self { inode, disk: disk.map(|found| found.f_fsid) })
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let inode = words.next()?.parse().ok()?;
        Some(Self { inode, disk: words.next().and_then(|word| word.parse().ok()) })
    }

    /// Whether it is that of the directory at a path.
    fn is_at(&self, path: &Path) -> bool {
        let fsid = || rustix::fs::statvfs(path).ok().map(|found| found.f_fsid);
        fs::metadata(path).is_ok_and(|found| found.ino() == self.inode)
            && (self.disk.is_none() || fsid() == self.disk)
    }

    fn is(&self, other: &Self) -> bool {
        let is_another_disk =
            matches!((self.disk, other.disk), (Some(one), Some(other)) if one != other);
        self.inode == other.inode && !is_another_disk
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inode)?;
        self.disk.map_or(Ok(()), |disk| write!(f, " {disk}"))
    }
}

/// The code of what is said of a storage root that is away.
pub(crate) const AWAY: &str = "storage-away";

impl Store {
    /// Whether nothing is in the storage root, or it is not there.
    pub(crate) fn is_storage_empty(&self) -> bool {
        is_empty(self.layout().storage())
    }

    /// What is the matter where the storage root is away.
    pub(crate) fn away(&self) -> Option<Problem> {
        let noted = self.noted();
        let is_unknown = noted.is_empty() && self.has_lost_its_registry();
        if !is_unknown && noted.first().is_none_or(|last| last.is_at(self.layout().storage())) {
            return None;
        }
        let is_right = if is_unknown { self.is_said_to_be_right() } else { self.is_taken_on() };
        if is_right {
            // What is made there now belongs there.
            self.note_storage_root();
            return None;
        }
        let shown = self.layout().storage().to_string_lossy();
        let path = quoted(&shown);
        let (why, or_else) = if is_unknown {
            let registry = self.layout().registry();
            let why = format!("apps mount storage entries, and {} has none", registry.display());
            let anew = format!("begin anew: mkdir -p {path} && {}", self.touch());
            (why, format!("if the data is gone for good, {anew}"))
        } else if self.is_storage_empty() {
            let anew = self.begin_anew();
            ("its disk is not mounted".to_owned(), format!("if the data is gone for good, {anew}"))
        } else {
            let touch = self.touch();
            let right = format!("if what is in it is right, go on with that: {touch}");
            ("it is another directory than before".to_owned(), right)
        };
        Some(Problem {
            code: AWAY,
            sentence: format!("the storage root {shown} is away: {why}"),
            remedy: format!(
                "mount the disk: mount {path}; then restart the apps that use it: dokku ps:restart APP; or, {or_else}"
            ),
            may_pass: false,
        })
    }

    /// Refuses what would make something below a storage root that is away, or tell of what is in it.
    pub(crate) fn must_not_be_away(&self) -> Result<()> {
        match self.away() {
            Some(Problem { sentence, remedy, .. }) => {
                Err(Error::refused(format!("{sentence}; {remedy}")))
            }
            None => Ok(()),
        }
    }

    /// The same for what makes a path.
    pub(crate) fn must_not_be_below_what_is_away(&self, path: &Path) -> Result<()> {
        if path.starts_with(self.layout().storage()) { self.must_not_be_away() } else { Ok(()) }
    }

    /// How somebody says that nothing comes back.
    pub(crate) fn begin_anew(&self) -> String {
        format!("begin anew: {}", self.touch())
    }

    fn touch(&self) -> String {
        format!("touch {}", quoted(&self.begun_anew().to_string_lossy()))
    }

    /// Notes which directory the storage root is, once something is in it, or while nothing should be.
    pub(crate) fn note_storage_root(&self) {
        if let Ok(_rights) = Rights::of(self.owner(), self.layout()) {
            self.note_storage_root_as_owner();
        }
    }

    /// The same, with the owner's rights at hand.
    pub(super) fn note_storage_root_as_owner(&self) {
        let mut noted = self.noted();
        if noted.first().is_some_and(|last| last.is_at(self.layout().storage())) {
            return;
        }
        let Some(now) = Identity::of(self.layout().storage()) else {
            return;
        };
        let is_known = match noted.first() {
            Some(_) => self.is_taken_on(),
            None => !self.is_storage_empty(),
        };
        noted.retain(|before| !before.is(&now));
        noted.insert(0, now);
        noted.truncate(MOST_NOTED);
        // Where they cannot be written, the next command tries again.
        if is_known && self.write_noted(&noted).is_ok() {
            let _ = fs::remove_file(self.begun_anew());
        }
    }

    fn write_noted(&self, noted: &[Identity]) -> io::Result<()> {
        let lines: Vec<String> = noted.iter().map(Identity::to_string).collect();
        let lines = lines.join("\n") + "\n";
        let path = self.layout().noted_storage_root();
        let beside = path.with_extension("new");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(files::FILE_MODE)
            .open(&beside)
            .and_then(|mut file| file.write_all(lines.as_bytes()))
            .and_then(|()| fs::rename(&beside, &path))
            .inspect_err(|_| {
                // What a killed writer left is in the way once.
                let _ = fs::remove_file(&beside);
            })
    }

    /// The storage root that was seen last comes first.
    fn noted(&self) -> Vec<Identity> {
        let noted = fs::read_to_string(self.layout().noted_storage_root()).unwrap_or_default();
        noted.lines().map_while(Identity::parse).collect()
    }

    /// The file by which somebody says that the storage root is right as it is.
    fn begun_anew(&self) -> PathBuf {
        self.layout().directory(".new")
    }

    /// Whether somebody has just said that the storage root is right as it is.
    fn is_said_to_be_right(&self) -> bool {
        let said = fs::symlink_metadata(self.begun_anew()).and_then(|found| found.modified());
        // A clock that was wrong is no reason not to believe it.
        said.is_ok_and(|said| {
            said.elapsed().is_ok_and(|age| age < SAID_FOR) || said > SystemTime::now()
        })
    }

    /// Whether apps mount entries, and none is registered, where no storage root was ever noted: the registry is on the disk that is missing.
    fn has_lost_its_registry(&self) -> bool {
        if !is_empty(self.layout().entries()) {
            return false;
        }
        let has_mounts = |app: &AppName| {
            let mounts = self.mounts_file(app);
            mounts.is_ok_and(|mounts| mounts.attachments().next().is_some())
        };
        self.apps().is_ok_and(|apps| apps.iter().any(has_mounts))
    }

    /// Whether another storage root than that of before is right.
    fn is_taken_on(&self) -> bool {
        self.is_recognized() || !self.expects_data()
    }

    /// Whether another storage root is that of before, or somebody has just said so.
    fn is_recognized(&self) -> bool {
        let is_there = |path: PathBuf| fs::symlink_metadata(path).is_ok();
        if self.is_said_to_be_right() {
            return true;
        }
        let now = Identity::of(self.layout().storage());
        if now.is_none_or(|now| self.noted().iter().any(|before| before.is(&now))) {
            return false;
        }
        let trashed = self.trash_notes().unwrap_or_default();
        // Docker makes neither this nor snapshots.
        if trashed.iter().any(|item| is_there(self.trashed_directory(&item.id))) {
            return true;
        }
        let having = self.entries_with_snapshots().unwrap_or_default();
        let lists: Vec<_> =
            having.iter().filter_map(|entry| self.snapshots_of(entry).ok()).collect();
        if lists.is_empty() {
            return self.has_every_entry();
        }
        let mut notes = lists.iter().flat_map(|(known, _)| known);
        notes.any(|note| is_there(self.layout().snapshot_directory(&note.entry, &note.name)))
    }

    /// Whether every entry is in the storage root as it was: one at least is older than the note, as far as the file system tells.
    fn has_every_entry(&self) -> bool {
        let noted = fs::metadata(self.layout().noted_storage_root());
        let Ok(noted) = noted.and_then(|found| found.modified()) else {
            return false;
        };
        let made_before = |made: SystemTime| made + SAME_MOMENT < noted;
        let mut has_older = false;
        let mut all_there = |entry: &Entry| match &entry.host_path {
            Some(Source::Path(path))
                if Path::new(path.as_str()).starts_with(self.layout().storage()) =>
            {
                let Ok(found) = fs::symlink_metadata(path.as_str()) else {
                    return false;
                };
                has_older |= look::made(Path::new(path.as_str())).is_some_and(made_before);
                let is_docker_like =
                    found.is_dir() && found.uid() == 0 && is_empty(Path::new(path.as_str()));
                !is_docker_like
            }
            _ => true,
        };
        let is_whole = self.entries().is_ok_and(|found| found.entries.iter().all(&mut all_there));
        is_whole && has_older
    }

    /// Whether something should be in the storage root. What cannot be read may be about it.
    fn expects_data(&self) -> bool {
        let storage = self.layout().storage();
        let is_there = |source: &Option<Source>| matches!(source, Some(Source::Path(path)) if Path::new(path.as_str()).starts_with(storage));
        let has_entry = self.entries().map_or(true, |found| {
            !found.problems.is_empty()
                || found.entries.iter().any(|entry| is_there(&entry.host_path))
        });
        let has_note = |of: &str| {
            json::names(&self.layout().registry().join(of), |_| Some(()))
                .map_or(true, |names| !names.is_empty())
        };
        has_entry || has_note("snapshots") || has_note("trash")
    }
}

/// Whether nothing is in a directory, or it is not there.
fn is_empty(directory: &Path) -> bool {
    match fs::read_dir(directory) {
        Ok(names) => names.flatten().all(|name| name.file_name() == LOST_AND_FOUND),
        Err(error) => files::is_absent(&error),
    }
}

impl Finding {
    /// The finding of a storage root that is away.
    pub(crate) fn of_away(problem: Problem, store: &Store) -> Self {
        let path = store.layout().storage().to_string_lossy().into_owned();
        Self::new(AWAY, Severity::Stops, problem.sentence, problem.remedy).at(path)
    }
}
