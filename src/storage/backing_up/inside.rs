//! What is in a copy that becomes a backup: how much, which files have holes, and a sample of them to compare the backup with.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::domain::backup::Sample;
use crate::domain::text::hex;
use crate::domain::{ByteSize, Moment, Result, number_of, quoted, readable};
use crate::fs::tree::{Closed, holes};

/// How many files a sample has.
const SAMPLE: usize = 8;

/// The largest file of a sample, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The most that the paths of files with holes take as JSON, in bytes: what restores them reads twice as much, and no more.
const MOST_OF_HOLES: usize = 32 * 1024 * 1024;

/// The most that the holes of all files may have, in bytes: restic reads them as zeros.
const MOST_IN_HOLES: u64 = 1 << 40;

#[derive(Default)]
pub(super) struct Inside {
    pub bytes: u64,
    /// The files with holes, as paths below the data.
    pub holes: Vec<String>,
    /// What is left of the room for those paths.
    room: Option<usize>,
    /// How many bytes all holes have.
    in_holes: u64,
    /// The file whose holes have most, and how many bytes.
    emptiest: (u64, String),
    pub sample: Vec<Sample>,
}

impl Inside {
    /// Looks through the copy that is called `data` in a directory that nobody else can enter. What cannot be read is left out:
    /// restic says so too. `seed` decides which files are in the sample. What has a path of more bytes than `longest` is not looked at,
    /// nor what is in it: `leave_out` takes it away.
    pub(super) fn of(
        closed: &Closed,
        data: &str,
        seed: Moment,
        longest: usize,
        leave_out: &mut dyn FnMut(&Path) -> Result<()>,
    ) -> Result<Self> {
        let mut inside = Self::default();
        let mut chosen = Vec::new();
        let mut see = |path: &Path, found: &Metadata| {
            let Some(name) = path.strip_prefix(data).ok().and_then(Path::to_str) else {
                return;
            };
            if !found.is_file() {
                return;
            }
            inside.bytes += found.len();
            if holes::has_holes(|| closed.read(path), found) {
                let empty = found.len().saturating_sub(found.blocks() * 512);
                inside.in_holes = inside.in_holes.saturating_add(empty);
                if empty > inside.emptiest.0 {
                    inside.emptiest = (empty, name.to_owned());
                }
                inside.note_holes(name);
            }
            if (1..=LARGEST).contains(&found.len()) {
                let rank = number_of(format!("{} {name}", seed.seconds()).as_bytes());
                chosen.push((rank, name.to_owned()));
                if chosen.len() > 64 * SAMPLE {
                    least(&mut chosen);
                }
            }
        };
        each(closed, data, longest, &mut see, leave_out)?;
        least(&mut chosen);
        inside.sample =
            chosen.into_iter().filter_map(|(_, name)| sampled(closed, data, name).ok()).collect();
        Ok(inside)
    }

    /// An app makes a million such files within no time.
    fn note_holes(&mut self, name: &str) {
        let room = self.room.get_or_insert(MOST_OF_HOLES);
        if has_room(name, room) {
            self.holes.push(name.to_owned());
        }
    }

    /// Refuses data whose holes take hours to read: an app makes them within no time, and other backups would wait.
    pub(super) fn must_be_readable(&self) -> Result<()> {
        let (most, (empty, name)) = (ByteSize::of(MOST_IN_HOLES), &self.emptiest);
        refuse_if!(
            self.in_holes > MOST_IN_HOLES,
            "the data has holes of {} in its files, {} of them in {}, and a backup reads through {most} at most; make the file smaller, or move it out of the entry",
            readable(self.in_holes),
            readable(*empty),
            quoted(name)
        );
        Ok(())
    }
}

/// As many of the files with holes as can be noted; the others come back with zeros in their place.
pub(crate) fn noted_holes(mut paths: Vec<String>) -> Vec<String> {
    let mut room = MOST_OF_HOLES;
    paths.retain(|path| has_room(path, &mut room));
    paths
}

/// Whether a path can be noted as JSON in what room is left, which is less then.
fn has_room(path: &str, room: &mut usize) -> bool {
    let length = serde_json::to_string(path).map_or(usize::MAX, |text| text.len() + 1);
    *room = room.saturating_sub(length);
    *room > 0
}

fn least(chosen: &mut Vec<(u64, String)>) {
    chosen.sort_unstable();
    chosen.truncate(SAMPLE);
}

/// Shows all that is in a directory but what has too long a path. Only the names of directories wait to be read.
fn each(
    closed: &Closed,
    top: &str,
    longest: usize,
    see: &mut dyn FnMut(&Path, &Metadata),
    leave_out: &mut dyn FnMut(&Path) -> Result<()>,
) -> Result<()> {
    let mut waiting = Vec::new();
    let mut meet = |path: &Path, waiting: &mut Vec<(usize, OsString)>| {
        if path.as_os_str().len() > longest {
            return leave_out(path);
        }
        if let Ok(found) = closed.locate(path).and_then(|file| file.metadata()) {
            see(path, &found);
            if found.is_dir() {
                let name = path.file_name().unwrap_or_default().to_owned();
                waiting.push((path.components().count(), name));
            }
        }
        Ok(())
    };
    let mut path = PathBuf::from(top);
    meet(&path, &mut waiting)?;
    while let Some((depth, name)) = waiting.pop() {
        while path.components().count() >= depth {
            path.pop();
        }
        path.push(name);
        let Ok(names) = closed.read(&path).map(rustix::fs::Dir::read_from) else {
            continue;
        };
        for name in names.into_iter().flatten().flatten() {
            let name = name.file_name().to_bytes();
            if name != b"." && name != b".." {
                path.push(OsStr::from_bytes(name));
                meet(&path, &mut waiting)?;
                path.pop();
            }
        }
    }
    Ok(())
}

fn sampled(closed: &Closed, data: &str, name: String) -> io::Result<Sample> {
    let path = if name.is_empty() { PathBuf::from(data) } else { Path::new(data).join(&name) };
    let mut file = closed.read(&path)?;
    let mut sum = Sha256::new();
    let bytes = io::copy(&mut file, &mut sum)?;
    let sha256 = hex(&sum.finalize());
    Ok(Sample { path: name, bytes, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_restores_can_be_told_of_the_holes_of_any_backup() {
        let few = vec!["a".to_owned(), "b/c".to_owned()];
        assert_eq!(noted_holes(few.clone()), few);
        // Each letter of it takes six as JSON.
        let odd = "\u{1}".repeat(200);
        let many = noted_holes(vec![odd; 100_000]);
        assert!(!many.is_empty());
        assert!(serde_json::to_string(&many).unwrap().len() <= MOST_OF_HOLES);
    }
}
