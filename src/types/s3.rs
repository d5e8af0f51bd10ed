//! `s3`: a bucket of an object store, mounted on this host by rclone and kept mounted.
//!
//! The entry's path is a mount point in the storage root. A process of root's keeps it mounted (`src/privileged/mounting/`);
//! rclone itself has the rights of the store's owner only.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::domain::bucket::{check_bucket, check_prefix};
use crate::domain::docker_args;
use crate::domain::{Attachment, ByteSize, Entry, Problem, Result, Source, VolumeOptions};
use crate::fs::{fuse, mount_points};
use crate::host::{Environment, is_root, process, rclone};
use crate::storage::{Place, RuntimePaths, keeping, root};
use crate::types::{
    Abilities, Choice, Description, NewEntry, Reach, Removal, Requirement, StorageType,
};

pub(crate) struct S3;

/// How long a new entry has to be mounted.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long a mount has to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// How a mount that comes later reaches containers that run (`mount_namespaces(7)`).
const PROPAGATION: &str = "rslave";

const DESCRIPTION: Description = Description {
    name: "s3",
    summary: "a bucket of an object store, mounted on this host by rclone and kept mounted",
    reach: Reach::Anywhere,
    caveat: "no POSIX file system: no locks between hosts, no links, no owners, and a file is on the server a moment after it was closed; databases, SQLite among them, do not belong here; exclusive counts the apps of this host alone",
    options: &[
        Choice::required("bucket", "the bucket's name"),
        Choice::optional(
            "prefix",
            "a directory in the bucket; all of it where there is none",
            None,
        ),
        Choice::optional(
            "cache-size",
            "how much of what was read stays on this host, such as 1G; no limit where it is not given",
            None,
        ),
    ],
    flags: &["--chown"],
    connector: Some("s3"),
    can: Abilities { exclusive: true, ..Abilities::NONE },
    ..Description::PLAIN
};

impl StorageType for S3 {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn requirements(&self, environment: &Environment) -> Vec<Requirement> {
        let mut needs = vec![
            Requirement {
                what: "rclone".to_owned(),
                is_here: rclone::program().is_ok(),
                remedy: process::installing("rclone").unwrap_or_default(),
            },
            Requirement {
                what: "FUSE in this host's kernel".to_owned(),
                is_here: Path::new(fuse::DEVICE).exists(),
                remedy: "load it: modprobe fuse".to_owned(),
            },
        ];
        if !environment.is_dokku() {
            needs.push(Requirement {
                what: "root".to_owned(),
                is_here: is_root(),
                remedy: "run the command with sudo".to_owned(),
            });
        }
        needs
    }

    fn plan(&self, entry: &mut Entry, request: &NewEntry, context: &mut Context) -> Result<()> {
        entry.options.clone_from(&request.options);
        entry.connector.clone_from(&request.connector);
        check_options(entry)?;
        self.check_reclaim_policy(entry)?;
        let path = root::default_path(context, entry.name.as_str());
        entry.host_path = Some(Source::parse(&path)?);
        super::must_be_here(self, &context.environment)?;
        refuse_if!(
            context.environment.host_lib_root()?.is_some(),
            "type s3 mounts on the host, which Dokku in a container cannot; use a Docker volume plugin: --type volume --driver"
        );
        let connector = super::connector(entry, &context.store)?;
        let secret = context.store.secret(&connector)?;
        rclone::configuration(&connector, secret.as_ref())?;
        is_free(entry, Path::new(&path), context)
    }

    fn create(&self, entry: &Entry, request: &NewEntry, context: &mut Context) -> Result<()> {
        let name = entry.name.as_str();
        keeping::start(name, context)?;
        let begin = Instant::now();
        loop {
            let Some(problem) = self.problem(entry, context) else {
                return Ok(());
            };
            // What the server refuses it will go on refusing.
            let reason = places(entry, context).and_then(|places| places.last_reason());
            if reason.is_some() || begin.elapsed() >= PATIENCE {
                // Below containers that run, it stays.
                if !request.is_registered
                    && let Err(error) = keeping::stop(name, context)
                {
                    context.out.warn(&error.to_string());
                }
                refuse!(
                    "storage entry \"{name}\" cannot be mounted: {}",
                    reason.unwrap_or(problem.sentence)
                );
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn place(&self) -> Place {
        Place::MountPoint
    }

    fn words(&self, source: &str, entry: &Entry, attachment: &Attachment) -> [String; 2] {
        let mut attachment = attachment.clone();
        let given = attachment.volume_options.as_ref();
        if !given.is_some_and(VolumeOptions::says_propagation) {
            let options =
                given.map_or(PROPAGATION.to_owned(), |given| format!("{given},{PROPAGATION}"));
            attachment.volume_options = VolumeOptions::parse(&options).ok();
        }
        docker_args::words(source, entry, &attachment)
    }

    fn problem(&self, entry: &Entry, context: &Context) -> Option<Problem> {
        let path = entry.shown_source();
        let reason = || places(entry, context).and_then(|places| places.last_reason());
        let because = |sentence: String| match reason() {
            Some(reason) => format!("{sentence}: {reason}"),
            None => sentence,
        };
        let remedy = format!("mount it: dokku storage:wait {}", entry.name);
        let (code, sentence) = if !keeping::is_mounted(Path::new(path)) {
            ("not-mounted", because(format!("{path} is not mounted")))
        } else if let Some(error) = does_not_answer(path) {
            ("no-answer", because(format!("{path} is mounted and does not answer ({error})")))
        } else {
            return None;
        };
        Some(Problem { code, sentence, remedy, may_pass: true })
    }

    fn attach(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        keeping::start(entry.name.as_str(), context)?;
        // It may be at it right now; what the server refuses is known soon, too.
        let has_reason = || places(entry, context).is_some_and(|p| p.last_reason().is_some());
        let begin = Instant::now();
        while self.problem(entry, context).is_some() && begin.elapsed() < ANSWER && !has_reason() {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn removal(&self, entry: &Entry, asked: bool, _context: &mut Context) -> Result<Removal> {
        super::refuse_to_remove(entry, "--destroy-host-dir", asked)?;
        // The mount point, which has nothing in it.
        Ok(Removal::Place)
    }

    fn detach(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        keeping::stop(entry.name.as_str(), context)
    }

    fn connector_changed(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        let Some(places) = places(entry, context) else {
            return Ok(());
        };
        // Each is written anew whenever something comes of it.
        let state = || [&places.reason, &places.served_by].map(|file| changed(file));
        let before = state();
        keeping::again(entry.name.as_str(), context)?;
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let [reason, served] = state();
            if let (Some(words), true) = (places.last_reason(), reason != before[0]) {
                refuse!(
                    "storage entry \"{}\" does not take up the new values: {words}",
                    entry.name
                );
            }
            if served.is_some() && served != before[1] && self.problem(entry, context).is_none() {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Err(refusal!(
            "storage entry \"{}\" is not mounted with the new values yet; dokku storage:wait {} waits for it",
            entry.name,
            entry.name
        ))
    }
}

fn changed(file: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(file).and_then(|found| found.modified()).ok()
}

/// What rclone is to show of an entry's remote.
pub(crate) fn remote_path(entry: &Entry) -> String {
    let prefix = entry.option("prefix").trim_matches('/');
    let separator = if prefix.is_empty() { "" } else { "/" };
    format!("{}:{}{separator}{prefix}", rclone::REMOTE, entry.option("bucket"))
}

fn places(entry: &Entry, context: &Context) -> Option<RuntimePaths> {
    let storage = std::fs::canonicalize(context.store.layout().storage()).ok()?;
    Some(RuntimePaths::of(&storage, entry.name.as_str()))
}

fn check_options(entry: &Entry) -> Result<()> {
    let bucket = entry.option("bucket");
    check_bucket(bucket)?;
    let prefix = entry.option("prefix");
    if !prefix.is_empty() {
        check_prefix(prefix)?;
    }
    let size = entry.option("cache-size");
    if !size.is_empty() {
        ByteSize::parse(size)?;
    }
    Ok(())
}

/// Refuses a mount point that has something in it, or on it, which is not this entry's.
fn is_free(entry: &Entry, path: &Path, context: &Context) -> Result<()> {
    let mounted = mount_points::at(path);
    let is_known =
        context.store.entry(&entry.name)?.is_some_and(|known| known.type_name == entry.type_name);
    if is_known {
        return Ok(());
    }
    if let Some(point) = mounted.last() {
        refuse!("{} is mounted at {} already; unmount it first", point.source, path.display());
    }
    let mut names = std::fs::read_dir(path).into_iter().flatten();
    refuse_if!(
        names.next().is_some()
            || std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir()),
        "{} is there and not an empty directory; the mount would hide it",
        path.display()
    );
    Ok(())
}

/// Why a mount does not answer; none where it does.
fn does_not_answer(path: &str) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    // Whoever asks is kept waiting as long as the server does not answer.
    std::thread::spawn(move || {
        let read = std::fs::read_dir(&path).and_then(|mut names| names.next().transpose());
        sender.send(read.map(drop))
    });
    match receiver.recv_timeout(ANSWER) {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {} s", ANSWER.as_secs())),
    }
}
