//! Data on its way to and from restic: a hidden copy that becomes a backup, and a backup that becomes hidden data.
//!
//! restic runs as the store's owner. To read what belongs to others, it keeps one of root's rights (`CAP_DAC_READ_SEARCH`); to
//! restore it, those that give files away, and then it sees every directory but its own read-only. What comes back is looked
//! through before anybody can enter it: device nodes, set-uid bits and capabilities of files go, since whoever has the key of
//! a repository can write anything into it.

mod inside;

use std::fs::DirBuilder;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::docker::volumes;
use crate::domain::backup::Sample;
use crate::domain::backup_reference::short;
use crate::domain::{BackupDocument, Connector, ConnectorName, Error, Moment, Result};
use crate::fs::confined::{self, CapabilitySet, Confined, ReadOnly};
use crate::fs::tree::{self, Closed, Copied, holes};
use crate::host::restic::{Failure, Files, Message, Repository, Summary};
use crate::host::{Answer, is_root, process};
use crate::render::progress;
use crate::storage::backing_up::inside::Inside;
pub(crate) use crate::storage::backing_up::inside::noted_holes;
use crate::storage::{StorageRoot, ownership};
use crate::store::{Store, files};

/// The helper that does it as root.
pub(crate) const HELPER: &str = "backup-storage";

/// The name of the data in a backup.
pub(crate) const DATA: &str = "data";

/// The name of the document in a backup.
pub(crate) const DOCUMENT: &str = "entry.json";

/// The name under which restic restores, in a hidden directory.
const RESTORED: &str = "restored";

/// The status by which restic says that it could not read some files.
const INCOMPLETE: i32 = 3;

/// The most of the unreadable files that are named.
const MOST_NAMED: usize = 20;

/// How what is left out of a backup is called meanwhile, with a number.
const LEFT_OUT: &str = "left-out-";

/// The longest path, in bytes, that every file system and program takes, with some room.
const LONGEST: usize = 4096 - 64;

/// How many are in a second.
const NANOSECONDS: i128 = 1_000_000_000;

/// How much is told of the end of a long path, in letters.
const MOST_TOLD: usize = 60;

/// What stands for the files of which restic says that it could not read them, and not which.
const UNNAMED: &str = "a file that restic does not name";

/// A backup that is to be made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BackupRequest {
    pub document: BackupDocument,
    /// This host, as the backup names it.
    pub host: String,
    pub tags: Vec<String>,
    /// The backup that this one follows; files of the same size and time are taken from there.
    pub parent: Option<String>,
    /// Whether every file is read, also those that look as they did in the parent.
    pub reads_all: bool,
    /// When the data was copied.
    pub copied: Moment,
}

/// A backup that was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub id: String,
    pub files: u64,
    pub bytes: u64,
    /// The bytes that were new, before compression.
    pub sent: u64,
    /// How long restic took.
    pub upload_seconds: f64,
    /// The files that could not be read, some of them by name.
    pub unreadable: Vec<String>,
    /// Some of the files, to compare the backup with.
    pub sample: Vec<Sample>,
}

/// What is to be restored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RestoreRequest {
    pub id: String,
    /// The paths below the data; all of it where there are none.
    pub paths: Vec<String>,
    /// The files of it that had holes.
    pub holes: Vec<String>,
    /// Whether device nodes, set-uid bits and capabilities stay.
    pub is_privileged: bool,
}

/// Whose rights restic has.
pub(crate) type Ids = Option<(u32, u32)>;

/// How it went.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Outcome<T> {
    Done(T),
    /// There is no repository.
    Missing,
    /// Somebody works on the repository.
    Locked,
    /// It was not done, with the sentence that says why.
    Failed(String),
}

impl<T> Outcome<T> {
    /// What was done, or the refusal.
    pub(crate) fn done(self, connector: &Connector) -> Result<T> {
        match self {
            Self::Done(done) => Ok(done),
            Self::Failed(why) => Err(Error::refused(why)),
            Self::Locked => Err(Failure::Locked.told(connector)),
            Self::Missing => Err(Failure::Missing.told(connector)),
        }
    }
}

impl<T> From<Failure> for Outcome<T> {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Locked => Self::Locked,
            Failure::Missing => Self::Missing,
            Failure::Other(error) => Self::Failed(error.to_string()),
        }
    }
}

impl<T> From<Result<Self>> for Outcome<T> {
    fn from(result: Result<Self>) -> Self {
        result.unwrap_or_else(|error| Self::Failed(error.to_string()))
    }
}

/// What becomes a backup.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Original<'a> {
    /// A name of the storage root, or a part of one (`NAME/PART`).
    Place(&'a str),
    /// A Docker volume.
    Volume(&'a str),
}

/// Copies what becomes a backup to the hidden name `parent` of the storage root, which nobody else can enter: restic reads it
/// with rights by which a link could lead it anywhere.
pub(crate) fn copy(
    root: &Path,
    parent: &str,
    original: Original<'_>,
    directory: Option<String>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Copied> {
    let closed = Closed::make(root, parent)?;
    let copied = match original {
        Original::Place(name) => {
            tree::duplicate_within(root, name, closed.opened(), DATA, progress)?
        }
        Original::Volume(name) => {
            let directory = PathBuf::from(ownership::known(name, directory)?);
            let source = tree::enter_real(&directory)?;
            tree::take_within(source, &directory, closed.opened(), DATA, progress)?
        }
    };
    closed.note()?;
    Ok(copied)
}

/// Makes a backup of what was copied to the hidden name `parent` of the storage root, which goes then.
pub(crate) fn save(
    root: &Path,
    parent: &str,
    request: &BackupRequest,
    repository: &Repository,
    ids: Ids,
) -> Result<Outcome<Saved>> {
    let closed = Closed::open(root, parent)?;
    // Below its own directory for it, restic makes and reads whole paths.
    let longest = LONGEST.saturating_sub(root.join(parent).as_os_str().len());
    let mut left_out = LeftOut::of(&closed);
    let inside =
        Inside::of(&closed, DATA, request.copied, longest, &mut |path| left_out.add(path))?;
    inside.must_be_readable()?;
    let document = BackupDocument { holes: noted_holes(inside.holes), ..request.document.clone() };
    let text = serde_json::to_vec_pretty(&document).map_err(Error::system("write", DOCUMENT))?;
    closed.write(DOCUMENT, &text)?;
    let words = words(request);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let reading = Confined { ids, keeps: reads_all(), readonly: None };
    let total = inside.bytes;
    let begin = Instant::now();
    let (said, answer) = progress::of_bytes_of("backed up", total, |seen| {
        reading.run(|| {
            let call = repository.call(&words)?.at(closed.path());
            call.received(|from| Said::of(from, &seen))
        })
    })?;
    let upload_seconds = (begin.elapsed().as_secs_f64() * 100.0).round() / 100.0;
    let Said { summary, mut unreadable } = said.with_errors(&answer, parent);
    unreadable.extend(left_out.told());
    let (Some(summary), 0 | INCOMPLETE) = (summary, answer.status) else {
        // It stays, so that it can be tried once more.
        return Ok(reading.run(|| Ok(repository.failure(&answer)))?.into());
    };
    let _ = tree::remove(root, parent);
    Ok(Outcome::Done(Saved {
        id: summary.snapshot_id,
        files: summary.total_files_processed,
        bytes: summary.total_bytes_processed,
        sent: summary.data_added,
        upload_seconds,
        unreadable,
        sample: inside.sample,
    }))
}

/// What is moved out of the data, since it could not be restored, and nothing else with it.
struct LeftOut<'a> {
    closed: &'a Closed,
    told: Vec<String>,
    number: usize,
    more: usize,
}

impl<'a> LeftOut<'a> {
    fn of(closed: &'a Closed) -> Self {
        // It was tried once before.
        let is_second = closed.has(&format!("{LEFT_OUT}0"));
        let told = is_second.then(|| UNNAMED.to_owned()).into_iter().collect();
        Self { closed, told, number: 0, more: 0 }
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(());
        };
        let shown = shortened(&path.to_string_lossy());
        // All of the path may be more than the system takes.
        let failed = || Error::system("leave out of the backup", &shown);
        let parent = self.closed.read(parent).map_err(failed())?;
        loop {
            let aside = format!("{LEFT_OUT}{}", self.number);
            self.number += 1;
            match renameat_with(&parent, name, self.closed, aside, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                moved => break moved.map_err(|error| failed()(error.into()))?,
            }
        }
        if self.told.len() < MOST_NAMED {
            self.told.push(format!("{shown}, whose path is too long to be restored"));
        } else {
            self.more += 1;
        }
        Ok(())
    }

    fn told(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!("{} more with paths that are too long", self.more));
        }
        self.told
    }
}

/// The end of a path that is too long to be told.
fn shortened(path: &str) -> String {
    let letters = path.chars().count();
    if letters <= 4 * MOST_TOLD {
        return path.to_owned();
    }
    let end: String = path.chars().skip(letters - MOST_TOLD).collect();
    format!("…{end}")
}

/// restic's words for a backup.
fn words(request: &BackupRequest) -> Vec<String> {
    let time = time_of(request.copied, Timestamp::now());
    // The files are copies: their inodes and change times are new every time.
    let fixed = ["backup", "--json", "--ignore-inode", "--ignore-ctime"];
    let mut words: Vec<String> = fixed.map(str::to_owned).into();
    words.extend([format!("--host={}", request.host), format!("--time={time}")]);
    words.extend(request.tags.iter().map(|tag| format!("--tag={tag}")));
    match &request.parent {
        Some(parent) if !request.reads_all => words.push(format!("--parent={parent}")),
        _ => words.push("--force".to_owned()),
    }
    words.extend(["--", DATA, DOCUMENT].map(str::to_owned));
    words
}

/// The time of a backup as restic takes it: the second in which its data was copied, with the part of that second which was over by
/// `now`. Of two backups of one second, the one that is made later is newer.
fn time_of(copied: Moment, now: Timestamp) -> String {
    let begun = copied.timestamp().as_nanosecond();
    let part = (now.as_nanosecond() - begun).clamp(0, NANOSECONDS - 1);
    let second = copied.to_rfc3339();
    format!("{}.{part:09}", second.trim_end_matches('Z').replace('T', " "))
}

/// What restic says while it makes a backup.
#[derive(Default)]
struct Said {
    summary: Option<Summary>,
    unreadable: Vec<String>,
}

impl Said {
    fn of(from: &mut dyn Read, seen: &(dyn Fn(u64) + Sync)) -> Self {
        let mut said = Self::default();
        for line in BufReader::new(from).lines().map_while(std::result::Result::ok) {
            said.hear(&line, seen);
        }
        said
    }

    /// What it says of files that it could not read is on standard error, with paths that lead through the hidden name `parent`.
    fn with_errors(mut self, answer: &Answer, parent: &str) -> Self {
        answer.stderr.lines().for_each(|line| self.hear(line, &|_| ()));
        for path in &mut self.unreadable {
            *path = shortened(&below_data(path, parent));
        }
        if answer.status == INCOMPLETE && self.unreadable.is_empty() {
            self.unreadable.push(UNNAMED.to_owned());
        }
        self
    }

    fn hear(&mut self, line: &str, seen: &dyn Fn(u64)) {
        match serde_json::from_str(line) {
            Ok(Message::Status { bytes_done }) => seen(bytes_done),
            Ok(Message::Summary(summary)) => self.summary = Some(summary),
            Ok(Message::Error { item })
                if self.unreadable.len() < MOST_NAMED && !self.unreadable.contains(&item) =>
            {
                self.unreadable.push(item);
            }
            _ => {}
        }
    }
}

/// A path of restic's as it is below the data, or beside it.
fn below_data(item: &str, parent: &str) -> String {
    let path = item.split_once(&format!("/{parent}/")).map_or(item, |(_, path)| path);
    path.strip_prefix(&format!("{DATA}/")).unwrap_or(path).to_owned()
}

/// Restores a backup, or some paths of it, to the hidden name `data` directly below `root`; `parent` is a hidden name for what is
/// around it meanwhile.
/// Fails where not all of it can be restored; what there is of it is the caller's to remove.
pub(crate) fn restore(
    root: &Path,
    (parent, data): (&str, &str),
    wanted: &RestoreRequest,
    repository: &Repository,
    ids: Ids,
) -> Result<Outcome<u64>> {
    let around = Closed::make(root, parent)?;
    let closed = around.inner(RESTORED)?;
    let failed = || Error::system("restore to", root.join(parent));
    let apart = confined::apart(&around).map_err(failed())?;
    // The path of a descriptor is a link, which restic replaces; what is below it is not.
    let target = format!("--target={}", tree::path_of(&apart).join(RESTORED).display());
    // Nothing but the target can be written, no lock and no cache either.
    let fixed = ["restore", "--no-lock", "--no-cache", &target];
    let mut words = fixed.map(str::to_owned).to_vec();
    words.extend(includes(&wanted.paths));
    words.extend(["--".to_owned(), wanted.id.clone()]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let needs = Path::new(repository.connector.property("path"));
    let readonly = is_root().then_some(ReadOnly { without: root, needs });
    let writing = Confined { ids, keeps: gives_away(), readonly };
    let answer =
        progress::of_files("restored", |_| writing.run(|| repository.call(&words)?.run()))?;
    if !answer.is_ok() {
        return Ok(writing.run(|| Ok(repository.failure(&answer)))?.into());
    }
    let id = short(&wanted.id);
    let is_there = |path: &&String| closed.has(&format!("{DATA}/{}", path.trim_matches('/')));
    let missing: Vec<&str> =
        wanted.paths.iter().filter(|path| !is_there(path)).map(String::as_str).collect();
    refuse_if!(
        !missing.is_empty() || !closed.has(DATA),
        "backup {id} has nothing at {}; see what it has: dokku storage:backups:ls {id}",
        if missing.is_empty() { DATA.to_owned() } else { missing.join(", ") }
    );
    let is_directory = closed.holds_directory(DATA)?;
    let weakened = if wanted.is_privileged { 0 } else { tree::make_harmless(&closed, DATA)? };
    dig(&closed, is_directory, &wanted.holes)?;
    closed.give(DATA, root, data)?;
    let _ = tree::remove(root, parent);
    Ok(Outcome::Done(weakened))
}

/// Which paths of a backup are restored. restic takes patterns.
fn includes(paths: &[String]) -> Vec<String> {
    if paths.is_empty() {
        return vec![format!("--include=/{DATA}")];
    }
    let escaped = |path: &String| {
        let mut escaped = String::new();
        for character in path.trim_matches('/').chars() {
            if "*?[]\\".contains(character) {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        format!("--include=/{DATA}/{escaped}")
    };
    paths.iter().map(escaped).collect()
}

/// Digs the holes that files had, where they are regular files still.
fn dig(closed: &Closed, is_directory: bool, holes: &[String]) -> Result<()> {
    for path in holes {
        let path = if is_directory { format!("{DATA}/{path}") } else { DATA.to_owned() };
        match holes::dig(closed, &path) {
            // Not all of the backup may have been restored.
            Err(error) if files::is_absent(&error) => {}
            other => other.map_err(Error::system("dig holes in", path))?,
        }
    }
    Ok(())
}

/// What lets somebody read every file, and no more.
fn reads_all() -> CapabilitySet {
    let wanted = CapabilitySet::DAC_READ_SEARCH;
    let has = rustix::thread::capabilities(None).is_ok_and(|sets| sets.permitted.contains(wanted));
    // Root in a container may lack it.
    if has { wanted } else { CapabilitySet::DAC_OVERRIDE }
}

/// What lets somebody restore files with all that belongs to them.
fn gives_away() -> CapabilitySet {
    CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::FOWNER
        | CapabilitySet::FSETID
        | CapabilitySet::SETFCAP
        | CapabilitySet::MKNOD
}

/// The repository of a connector, as the store has it. It is read with the rights of the store's owner.
pub(crate) fn repository(store: &Store, name: &ConnectorName) -> Result<Repository> {
    let connector = store.existing_connector(name.as_str())?;
    let secret = store.secret(&connector)?;
    let layout = store.layout();
    let files = Files {
        key: layout.connector_key(name),
        secret: layout.connector_secret(name),
        known_hosts: layout.connector_known_hosts(name),
        cache: layout.backup_cache(),
        processes: layout.backup_processes(),
    };
    // Without one, restic works without a cache.
    let _ = DirBuilder::new().mode(0o700).create(&files.cache);
    Repository::of(&connector, &files, secret.as_ref())
}

impl StorageRoot<'_> {
    /// Copies what becomes a backup to the hidden name `parent`, by root where that is needed.
    pub(crate) fn copy_for_backup(
        self,
        parent: &str,
        original: Original<'_>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Copied> {
        if self.needs_sudo() {
            let words = match original {
                Original::Place(name) => ["copy", parent, name],
                Original::Volume(name) => ["copy-volume", parent, name],
            };
            let answer = self.by_sudo(HELPER, &words)?.answer()?;
            return understood(&answer);
        }
        let directory = match original {
            Original::Place(_) => None,
            Original::Volume(name) => volumes::own_directory_of(self.environment(), name),
        };
        copy(&self.storage()?, parent, original, directory, progress)
    }

    /// Makes a backup of what was copied, in the same way.
    pub(crate) fn save(
        self,
        store: &Store,
        connector: &ConnectorName,
        parent: &str,
        request: &BackupRequest,
    ) -> Result<Outcome<Saved>> {
        if self.needs_sudo() {
            return self.has_done(&["save", parent, connector.as_str()], request);
        }
        let repository = repository(store, connector)?;
        save(&self.storage()?, parent, request, &repository, store.owner().get())
    }

    /// Restores a backup to the hidden name `data`, in the same way; returns from how many files rights were taken.
    pub(crate) fn restore(
        self,
        store: &Store,
        connector: &ConnectorName,
        (parent, data): (&str, &str),
        wanted: &RestoreRequest,
    ) -> Result<Outcome<u64>> {
        if self.needs_sudo() {
            return self.has_done(&["restore", parent, connector.as_str(), data], wanted);
        }
        let repository = repository(store, connector)?;
        restore(&self.storage()?, (parent, data), wanted, &repository, store.owner().get())
    }

    /// Has the helper do something, which shows on a terminal how far it is.
    fn has_done<T: DeserializeOwned>(self, words: &[&str], given: &impl Serialize) -> Result<T> {
        let given = serde_json::to_string(given).map_err(Error::system("write", HELPER))?;
        understood(&self.by_sudo(HELPER, words)?.input(given).answer()?)
    }
}

fn understood<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    let said = &answer.stdout;
    if !answer.is_ok() {
        // Whoever called keeps the reason, where it is said.
        return Err(match serde_json::from_str::<Outcome<IgnoredAny>>(said) {
            Ok(Outcome::Failed(why)) => Error::refused(why),
            _ => process::ended(HELPER, answer.status),
        });
    }
    serde_json::from_str(said).map_err(Error::system("understand", HELPER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_backups_of_one_second_the_later_one_is_newer() {
        let copied = Moment::parse_rfc3339("2026-11-30T10:00:00Z").unwrap();
        let at = |now: &str| time_of(copied, now.parse().unwrap());
        assert_eq!(at("2026-11-30T10:00:00.25Z"), "2026-11-30 10:00:00.250000000");
        assert!(at("2026-11-30T10:00:00.25Z") < at("2026-11-30T10:00:00.5Z"));
        // It took longer, or the clock went back.
        assert_eq!(at("2026-11-30T10:00:07Z"), "2026-11-30 10:00:00.999999999");
        assert_eq!(at("2026-11-30T09:00:00Z"), "2026-11-30 10:00:00.000000000");
    }

    fn unreadable(status: i32, stderr: &str) -> Vec<String> {
        let answer = Answer { status, stdout: String::new(), stderr: stderr.to_owned() };
        Said::default().with_errors(&answer, ".destroyed-x").unreadable
    }

    #[test]
    fn what_could_not_be_read_is_named_where_restic_names_it() {
        let old = r#"{"message_type":"error","error":{"Op":"lstat","Path":"x","Err":36},"during":"archival","item":"/data/.destroyed-x/data/a/data/b"}"#;
        let new = r#"{"message_type":"error","error":{"message":"denied"},"during":"archival","item":"/s/.destroyed-x/data/c"}"#;
        assert_eq!(unreadable(INCOMPLETE, &format!("{old}\n{new}\n")), ["a/data/b", "c"]);
        assert_eq!(unreadable(INCOMPLETE, "Warning: at least one file\n"), [UNNAMED]);
        assert!(unreadable(0, "").is_empty());
    }
}
