//! What is at a path, and who may do what with it: its mode, and the entries of its access control list.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use serde::{Deserialize, Serialize};

use crate::fs::tree;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FileKind {
    Nothing,
    File,
    Directory,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Looked {
    pub kind: FileKind,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
    /// Tag, permission bits and id of each entry; none where the mode says all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    acl: Vec<(u16, u16, u32)>,
}

/// The tags of an access control list (`linux/posix_acl.h`).
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;

const ACL: &str = "system.posix_acl_access";

impl Looked {
    const NOTHING: Self =
        Self { kind: FileKind::Nothing, uid: 0, gid: 0, mode: 0, acl: Vec::new() };

    /// What is at a path, with links followed.
    /// Fails where this process may not look, or the file system does not say.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(Self::NOTHING);
            }
            Err(error) => return Err(error),
        };
        let kind = if found.is_dir() {
            FileKind::Directory
        } else if found.is_file() {
            FileKind::File
        } else {
            FileKind::Other
        };
        let (uid, gid, mode) = (found.uid(), found.gid(), found.mode() & 0o7777);
        Ok(Self { kind, uid, gid, mode, acl: acl(path) })
    }

    /// Whether a user with these groups, who is not root, has these bits (4 to read, 2 to write, 1 to enter).
    pub(crate) fn grants(&self, wanted: u32, uid: u32, groups: &[u32]) -> bool {
        let has = |bits: u32| bits & wanted == wanted;
        if uid == self.uid {
            return has(self.mode >> 6);
        }
        // The bits of the group are the list's mask where there is one.
        let mask = match self.acl.iter().find(|(tag, ..)| *tag == MASK) {
            Some((_, bits, _)) => u32::from(*bits),
            None => 0o7,
        };
        let named = |kind: u16| self.acl.iter().filter(move |(tag, ..)| *tag == kind);
        if let Some((_, bits, _)) = named(USER).find(|(_, _, id)| *id == uid) {
            return has(u32::from(*bits) & mask);
        }
        let owning =
            named(OWNING_GROUP).next().map_or(self.mode >> 3, |(_, bits, _)| (*bits).into());
        let mut of_groups: Vec<u32> = named(GROUP)
            .filter(|(.., id)| groups.contains(id))
            .map(|(_, b, _)| (*b).into())
            .collect();
        if groups.contains(&self.gid) {
            of_groups.push(owning);
        }
        if of_groups.is_empty() { has(self.mode) } else { of_groups.iter().any(|b| has(b & mask)) }
    }
}

/// Whether there is something at a path, a link included: where that leads is not looked at. What the system does not let this
/// program see, or cannot read, is there: nobody is to take its place, or to forget it.
pub(crate) fn is_there(path: impl AsRef<Path>) -> bool {
    use std::io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    match std::fs::symlink_metadata(path).map_err(|error| error.kind()) {
        Err(NotFound | NotADirectory | InvalidFilename | InvalidInput) => false,
        Ok(_) | Err(_) => true,
    }
}

/// The entries of a path's list, as the kernel hands them out: a version, then eight bytes for each.
fn acl(path: &Path) -> Vec<(u16, u16, u32)> {
    let mut bytes = vec![0; 64 * 1024];
    let Ok(length) = rustix::fs::getxattr(path, ACL, &mut bytes[..]) else {
        return Vec::new();
    };
    let entries = bytes.get(4..length).unwrap_or_default().chunks_exact(8);
    let entry = |entry: &[u8]| {
        let two = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
        (two(0), two(2), u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]))
    };
    entries.map(entry).collect()
}

/// When what is at a path was made, where the file system knows. The standard library does not say it on every system.
pub(crate) fn made(path: &Path) -> Option<SystemTime> {
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME).ok()?;
    let seconds = u64::try_from(tree::birth(&found)?.tv_sec).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(mode: u32, acl: &[(u16, u16, u32)]) -> Looked {
        Looked { kind: FileKind::Directory, uid: 7, gid: 8, mode, acl: acl.to_vec() }
    }

    #[test]
    fn modes_are_read_as_the_kernel_does() {
        assert!(looked(0o300, &[]).grants(3, 7, &[]));
        assert!(!looked(0o077, &[]).grants(3, 7, &[8]));
        assert!(looked(0o030, &[]).grants(3, 1, &[2, 8]));
        assert!(!looked(0o703, &[]).grants(3, 1, &[8]));
        assert!(looked(0o703, &[]).grants(3, 1, &[2]));
    }

    #[test]
    fn what_cannot_be_seen_is_there() {
        let directory = std::env::temp_dir().join(format!("is-there-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        std::os::unix::fs::symlink("loop", directory.join("loop")).unwrap();
        std::fs::write(directory.join("file"), "").unwrap();
        let long = "n".repeat(300);
        for (name, expected) in [
            ("loop", true),
            ("loop/inside", true),
            ("file", true),
            ("file/inside", false),
            ("missing", false),
            (&long, false),
        ] {
            assert_eq!(is_there(directory.join(name)), expected, "{name}");
        }
        std::fs::remove_file(directory.join("loop")).unwrap();
        std::fs::remove_file(directory.join("file")).unwrap();
        std::fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn lists_are_read_as_the_kernel_does() {
        let list = [
            (1, 7, 0),
            (USER, 7, 1000),
            (OWNING_GROUP, 5, 0),
            (GROUP, 7, 2500),
            (MASK, 7, 0),
            (0x20, 0, 0),
        ];
        assert!(looked(0o770, &list).grants(3, 1000, &[]));
        assert!(looked(0o770, &list).grants(3, 1, &[2500]));
        assert!(looked(0o770, &list).grants(3, 1, &[8, 2500]));
        assert!(!looked(0o770, &list).grants(3, 1, &[8]));
        assert!(!looked(0o770, &list).grants(3, 1, &[]));
        let masked: Vec<_> =
            list.iter().map(|e| if e.0 == MASK { (MASK, 5, 0) } else { *e }).collect();
        assert!(!looked(0o750, &masked).grants(3, 1000, &[]));
        assert!(!looked(0o750, &masked).grants(3, 1, &[2500]));
    }
}
