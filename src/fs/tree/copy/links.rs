//! Hard links: the one thing that is remembered of a tree while it is copied, in memory up to a limit and in the copy itself
//! beyond it.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, ResolveFlags, Stat, linkat, mkdirat, openat2, unlinkat};
use rustix::io::Errno;

use crate::fs::tree::descent::Reader;
use crate::fs::tree::walk::lock;
use crate::fs::tree::{BENEATH, FOLDER, open_folder};

/// The most of a path that is given to the kernel at once, in bytes; it takes 4,095.
const LONGEST: usize = 4000;

/// How many bytes are kept in memory.
const MOST: usize = 2 << 20;

/// Into how many parts the files are divided, so that threads seldom wait for each other.
const PARTS: usize = 16;

/// What a file takes there beside its path, in bytes.
const EACH: usize = 96;

type Identity = (u64, u64);

/// Where the first name of a file with several was copied to, and how many names are still to come.
struct First {
    path: Vec<u8>,
    to_come: usize,
}

/// A directory at the top of the copy, which is there only while it is made: it has a name for each file of a part that there is
/// no room for in memory.
struct Beside {
    folder: OwnedFd,
    name: CString,
}

#[derive(Default)]
struct Known {
    files: HashMap<Identity, First>,
    bytes: usize,
    beside: Option<Beside>,
}

/// The files with several names that were found so far; one whose names are all copied is forgotten.
pub(crate) struct Links {
    /// The top of the copy.
    top: OwnedFd,
    /// The most of a part, in bytes.
    most: usize,
    parts: [Mutex<Known>; PARTS],
}

impl Links {
    /// None yet, of a copy with this top.
    pub(crate) fn below(top: OwnedFd) -> Self {
        Self { top, most: MOST / PARTS, parts: Default::default() }
    }

    /// Makes a file by its first name and returns what was made. By each other name it becomes a link to the first, and
    /// nothing is returned.
    pub(crate) fn first<T>(
        &self,
        to: BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
        stat: &Stat,
        create: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        if stat.st_nlink < 2 {
            return create().map(Some);
        }
        let identity = (stat.st_dev, stat.st_ino);
        // Another thread may find the second name before this one made the first.
        let mut known = lock(self.part_of(identity));
        if let Some(first) = known.files.get_mut(&identity) {
            link(self.top.as_fd(), &first.path, to, name)?;
            first.to_come = first.to_come.saturating_sub(1);
            if first.to_come == 0 {
                let taken = first.path.len() + EACH;
                known.files.remove(&identity);
                known.bytes -= taken;
            }
            return Ok(None);
        }
        if let Some(beside) = &known.beside {
            let made = linkat(&beside.folder, &beside_name(identity)?, to, name, AtFlags::empty());
            match made {
                Ok(()) => return Ok(None),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let made = create()?;
        if known.bytes > self.most && self.put_beside(&mut known, to, name, identity)? {
            return Ok(Some(made));
        }
        let to_come = usize::try_from(stat.st_nlink).unwrap_or(usize::MAX) - 1;
        known.bytes += path.len() + EACH;
        known.files.insert(identity, First { path: path.to_vec(), to_come });
        Ok(Some(made))
    }

    fn part_of(&self, (_, number): Identity) -> &Mutex<Known> {
        &self.parts[usize::try_from(number % PARTS as u64).unwrap_or(0)]
    }

    /// Gives a file that was made a name for the time of the copying; false where it has as many names as it can have.
    fn put_beside(
        &self,
        known: &mut Known,
        to: BorrowedFd<'_>,
        name: &CStr,
        identity: Identity,
    ) -> io::Result<bool> {
        let beside = match &mut known.beside {
            Some(beside) => beside,
            none => none.insert(Beside::make(&self.top)?),
        };
        match linkat(to, name, &beside.folder, &beside_name(identity)?, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::MLINK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the names away that were for the time of the copying, and returns the top of the copy.
    pub(crate) fn end(self) -> io::Result<OwnedFd> {
        let mut reader = Reader::default();
        for part in self.parts {
            let known = part.into_inner().unwrap_or_else(PoisonError::into_inner);
            let Some(beside) = known.beside else { continue };
            reader.read(0, &beside.folder, |name, _| {
                unlinkat(&beside.folder, name, AtFlags::empty())?;
                Ok(false)
            })?;
            unlinkat(&self.top, &beside.name, AtFlags::REMOVEDIR)?;
        }
        Ok(self.top)
    }
}

impl Beside {
    fn make(top: &OwnedFd) -> io::Result<Self> {
        // No name of the tree that is copied: nobody can guess it.
        let random = RandomState::new().build_hasher().finish();
        let name = CString::new(format!(".links-{random:016x}"))?;
        mkdirat(top, &name, Mode::RWXU)?;
        let folder = open_folder(top, &name)?;
        Ok(Self { folder, name })
    }
}

fn beside_name((device, number): Identity) -> io::Result<CString> {
    Ok(CString::new(format!("{device:x}-{number:x}"))?)
}

/// Links a path from the top, of any length, to a name in a directory.
fn link(top: BorrowedFd<'_>, path: &[u8], to: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    let mut folder: Option<OwnedFd> = None;
    let mut rest = path;
    while rest.len() > LONGEST {
        let Some(end) = rest[..LONGEST].iter().rposition(|&byte| byte == b'/') else { break };
        let from = folder.as_ref().map_or(top, AsFd::as_fd);
        let resolve = BENEATH | ResolveFlags::NO_XDEV;
        folder = Some(openat2(from, &rest[..end], FOLDER, Mode::empty(), resolve)?);
        rest = &rest[end + 1..];
    }
    let from = folder.as_ref().map_or(top, AsFd::as_fd);
    Ok(linkat(from, rest, to, name, AtFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_there_is_no_room_for_in_memory_is_linked_all_the_same() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        let open = |path| OwnedFd::from(fs::File::open(path).unwrap());
        let target = open(&to);
        let mut links = Links::below(open(&to));
        links.most = 60;
        for number in 0..200 {
            fs::write(from.join(format!("{number}")), "").unwrap();
            fs::hard_link(from.join(format!("{number}")), from.join("other")).unwrap();
            let stat = rustix::fs::stat(from.join("other")).unwrap();
            fs::remove_file(from.join("other")).unwrap();
            for (name, is_made) in [(format!("a{number}"), true), (format!("b{number}"), false)] {
                let create = || fs::write(to.join(&name), &name);
                let as_c = CString::new(name.clone()).unwrap();
                if !is_made && number < 50 {
                    // The first ones are never complete, and stay in memory.
                    continue;
                }
                let made = links.first(target.as_fd(), &as_c, name.as_bytes(), &stat, create);
                assert_eq!(made.unwrap().is_some(), is_made, "{name}");
            }
        }
        assert!(links.parts.iter().any(|part| lock(part).beside.is_some()));
        let bytes: usize = links.parts.iter().map(|part| lock(part).bytes).sum();
        assert!(bytes <= PARTS * (60 + EACH + 4), "{bytes} bytes");
        links.end().unwrap();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 50 + 2 * 150);
        for number in 50..200 {
            let number_of = |name: &str| fs::metadata(to.join(format!("{name}{number}"))).unwrap();
            assert_eq!(number_of("a").ino(), number_of("b").ino());
            assert_eq!(number_of("a").nlink(), 2);
        }
    }
}
