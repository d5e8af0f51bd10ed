//! What is kept mounted by a process of its own: where that keeps its notes, and how it is asked for.
//!
//! The process, the supervisor, works as root (`src/privileged/mounting/supervisor.rs`). It is started through sudo, or by root itself.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::context::Context;
use crate::domain::{LONGEST_NAME, Result, number_of};
use crate::fs::{fuse, mount_points};
use crate::storage::StorageRoot;

/// Where the supervisors have what is forgotten at the next start of the host.
const RUN: &str = "/run/dokku-storage";

/// Where they have what is not: written data that the server does not have yet.
const CACHE: &str = "/var/cache/dokku-storage";

/// What is for root alone of what they have there.
pub(crate) const OWN: [&str; 2] = [RUN, CACHE];

pub(crate) const HELPER: &str = "mount-storage";

/// The places of one entry's supervisor.
#[derive(Debug, Clone)]
pub(crate) struct RuntimePaths {
    /// The directory of all supervisors of the same storage root.
    pub directory: PathBuf,
    /// The file that a supervisor holds locked, with its process id in it.
    pub lock: PathBuf,
    /// The file that a helper holds locked which is at work on what has the name (`src/privileged/sized.rs`).
    pub work: PathBuf,
    /// Why it could not mount it at the last try; not there once it could.
    pub reason: PathBuf,
    /// What the serving program says.
    pub log: PathBuf,
    /// The serving program's process id.
    pub served_by: PathBuf,
    /// The serving program's configuration.
    pub configuration: PathBuf,
    /// An empty directory that the serving program takes for its mount point.
    pub stand_in: PathBuf,
    /// The directory with what is called in the place of `fusermount`.
    pub programs: PathBuf,
    /// The directory of what was written and not sent yet.
    pub cache: PathBuf,
}

/// Whether somebody holds a file locked, which need not be there.
pub(super) fn is_locked(path: &Path) -> bool {
    let file = std::fs::File::open(path);
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
}

impl RuntimePaths {
    /// The places of an entry below a storage root, whose path is given without links.
    pub(crate) fn of(storage: &Path, name: &str) -> Self {
        let root = format!("{:016x}", number_of(storage.as_os_str().as_encoded_bytes()));
        let directory = Path::new(RUN).join(&root);
        // A directory's name may be as long as a file's can be.
        let short = format!("{:016x}", number_of(name.as_bytes()));
        let name = if name.len() > LONGEST_NAME { &short } else { name };
        let file = |suffix: &str| directory.join(format!("{name}.{suffix}"));
        Self {
            lock: file("lock"),
            work: file("work"),
            reason: file("reason"),
            log: file("log"),
            served_by: file("served-by"),
            configuration: file("conf"),
            stand_in: file("mount"),
            programs: directory.join("bin"),
            cache: Path::new(CACHE).join(root).join(name),
            directory,
        }
    }

    pub(crate) fn is_kept(&self) -> bool {
        is_locked(&self.lock)
    }

    /// How many files were written and not sent yet, and how many bytes they have, as rclone notes them. What cannot be read, or
    /// says nothing of it, counts as not sent.
    pub(crate) fn unsent(&self) -> (usize, u64) {
        let mut directories = vec![self.cache.join("vfsMeta")];
        let (mut count, mut bytes) = (0, 0);
        while let Some(directory) = directories.pop() {
            let found = match std::fs::read_dir(&directory) {
                Ok(found) => found,
                Err(error) => {
                    count += usize::from(!is_gone(&error));
                    continue;
                }
            };
            for entry in found {
                let kind = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
                match kind {
                    Ok((path, kind)) if kind.is_dir() => directories.push(path),
                    Ok((path, kind)) if kind.is_file() => match std::fs::read(path) {
                        Ok(note) => {
                            let note = serde_json::from_slice(&note).unwrap_or(Value::Null);
                            if note["Dirty"] != false {
                                count += 1;
                                bytes += note["Size"].as_u64().unwrap_or_default();
                            }
                        }
                        Err(error) => count += usize::from(!is_gone(&error)),
                    },
                    Ok(_) => {}
                    Err(error) => count += usize::from(!is_gone(&error)),
                }
            }
        }
        (count, bytes)
    }

    /// Why it could not be mounted at the last try.
    pub(crate) fn last_reason(&self) -> Option<String> {
        let reason = std::fs::read_to_string(&self.reason).ok()?;
        Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty())
    }
}

/// Whether there is nothing any more: what was sent may be removed at any moment.
fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

/// Whether what one sees at a path is a mount of a supervisor.
pub(crate) fn is_mounted(path: &Path) -> bool {
    mount_points::at(path).last().is_some_and(|point| point.source == fuse::SOURCE)
}

/// Keeps an entry mounted from now on; it may take a moment until it is.
pub(crate) fn start(name: &str, context: &Context) -> Result<()> {
    ask(&[name], context)
}

/// Mounts an entry anew, with what its connector says now.
pub(crate) fn again(name: &str, context: &Context) -> Result<()> {
    ask(&[name, "--again"], context)
}

/// Ends the keeping and takes the mount away, once all that was written is sent.
/// Fails where something was not sent in time; it stays mounted then.
pub(crate) fn stop(name: &str, context: &Context) -> Result<()> {
    ask(&[name, "--stop"], context)
}

fn ask(words: &[&str], context: &Context) -> Result<()> {
    StorageRoot::of(context).as_root(HELPER, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_read_counts_as_not_sent() {
        let root = tempfile::tempdir().unwrap();
        let cache = root.path().join("data");
        let places = RuntimePaths { cache, ..RuntimePaths::of(root.path(), "data") };
        assert_eq!(places.unsent(), (0, 0));
        let notes = places.cache.join("vfsMeta/remote/deep");
        std::fs::create_dir_all(&notes).unwrap();
        let note = |text: &str| std::fs::write(notes.join("note"), text).unwrap();
        for (text, unsent) in [
            (r#"{"Dirty":false,"Size":7}"#, (0, 0)),
            (r#"{"Dirty":true,"Size":7}"#, (1, 7)),
            (r#"{"Dirty":tr"#, (1, 0)),
            ("", (1, 0)),
            (r#"{"Size":7}"#, (1, 7)),
        ] {
            note(text);
            assert_eq!(places.unsent(), unsent, "{text}");
        }
        std::fs::rename(places.cache.join("vfsMeta"), root.path().join("before")).unwrap();
        std::fs::write(places.cache.join("vfsMeta"), "").unwrap();
        assert_eq!(places.unsent(), (1, 0));
    }
}
