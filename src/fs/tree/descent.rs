//! Going down a tree of any depth with few descriptors, and coming back up to where one was.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, RawDir, SeekFrom, fstat, openat, seek};

use crate::fs::tree::DIRECTORY;

/// How many descriptors are kept open for the directories on the way down.
const KEPT_OPEN: usize = 8;

/// Room for the names that the kernel tells at once, in bytes.
const BUFFER: usize = 32 * 1024;

/// How many bytes of the names of directories are remembered before these are visited, and the rest is read afterwards.
const ENOUGH: usize = 16 * 1024;

/// From how many directories down on it is one directory that is visited before the rest is read: each directory on the way takes memory.
const DEEP: usize = 64;

/// The same as [`BUFFER`] there.
const SMALL_BUFFER: usize = 2 * 1024;

/// A directory on the way, and the one that is made of it where it is copied.
pub(super) struct Directory {
    pub opened: OwnedFd,
    pub copy: Option<OwnedFd>,
}

impl From<OwnedFd> for Directory {
    fn from(opened: OwnedFd) -> Self {
        Self { opened, copy: None }
    }
}

impl Directory {
    pub(super) fn descriptors(&self) -> usize {
        1 + usize::from(self.copy.is_some())
    }

    pub(super) fn copy(&self) -> io::Result<BorrowedFd<'_>> {
        self.copy.as_ref().map(AsFd::as_fd).ok_or_else(|| io::Error::other("it is not copied"))
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok((identity(&self.opened)?, self.copy.as_ref().map(identity).transpose()?))
    }

    /// Opens the directory that this one is in.
    fn above(&self) -> io::Result<Self> {
        let open = |directory: &OwnedFd| openat(directory, c"..", DIRECTORY, Mode::empty());
        Ok(Self { opened: open(&self.opened)?, copy: self.copy.as_ref().map(open).transpose()? })
    }
}

/// The names of directories in a directory that are still to be visited, one behind the other. It may hold a million of them: then
/// these are the next ones, and the directory is read on once they were visited.
#[derive(Default)]
pub(super) struct Names {
    list: Vec<u8>,
    is_more_to_read: bool,
}

impl Names {
    /// Whether the directory was not read to its end.
    pub(super) fn is_more_to_read(&self) -> bool {
        self.is_more_to_read
    }

    fn push(&mut self, name: &CStr) {
        self.list.extend_from_slice(name.to_bytes_with_nul());
    }

    fn last(&self) -> Option<CString> {
        let end = self.list.len().checked_sub(1)?;
        let begin = self.list[..end].iter().rposition(|&byte| byte == 0).map_or(0, |nul| nul + 1);
        CStr::from_bytes_with_nul(&self.list[begin..]).ok().map(CStr::to_owned)
    }

    fn pop(&mut self) -> Option<CString> {
        let name = self.last()?;
        self.list.truncate(self.list.len() - name.count_bytes() - 1);
        Some(name)
    }
}

/// Reads directories, in the same memory again and again.
#[derive(Default)]
pub(super) struct Reader(Vec<u8>);

impl Reader {
    /// Reads a directory so many directories down, from where it was read to, and looks at each name in it. Returns the names for which `look` says
    /// that they are directories to be visited: all of them, or so many that they have to be visited first.
    pub(super) fn read(
        &mut self,
        depth: usize,
        directory: &impl AsFd,
        mut look: impl FnMut(&CStr, FileType) -> io::Result<bool>,
    ) -> io::Result<Names> {
        let mut directories = Names::default();
        let is_deep = depth >= DEEP;
        let room = if is_deep { SMALL_BUFFER } else { BUFFER };
        self.0.reserve(BUFFER);
        let buffer: &mut [MaybeUninit<u8>] = self.0.spare_capacity_mut();
        let mut names = RawDir::new(directory.as_fd(), &mut buffer[..room]);
        while let Some(entry) = names.next() {
            let entry = match entry {
                // Somebody removed the directory meanwhile.
                Err(rustix::io::Errno::NOENT) => break,
                other => other?,
            };
            let name = entry.file_name();
            if name != c"." && name != c".." && look(name, entry.file_type())? {
                directories.push(name);
                if is_deep {
                    seek(directory, SeekFrom::Start(entry.next_entry_cookie()))?;
                    directories.is_more_to_read = true;
                    break;
                }
            }
            if names.is_buffer_empty() && directories.list.len() > ENOUGH {
                directories.is_more_to_read = true;
                break;
            }
        }
        Ok(directories)
    }
}

/// What a directory is, and what its copy is.
type Identity = ((u64, u64), Option<(u64, u64)>);

struct Stage {
    /// None where it was closed.
    directory: Option<Directory>,
    identity: Identity,
    /// The names of directories in it that are still to be visited, behind them the one that is being visited.
    pending: Names,
    /// How far it was read when it was closed, as the file system counts that.
    read_to: u64,
}

/// The way down from the top of a tree.
#[derive(Default)]
pub(super) struct Descent(Vec<Stage>);

impl Descent {
    /// Goes into a directory; far up the way, directories are closed.
    pub(super) fn push(&mut self, directory: Directory, pending: Names) -> io::Result<()> {
        let (identity, kept) = (directory.identity()?, KEPT_OPEN / directory.descriptors());
        self.0.push(Stage { directory: Some(directory), identity, pending, read_to: 0 });
        if let Some(far) = self.0.len().checked_sub(kept + 1).map(|far| &mut self.0[far])
            && let Some(directory) = far.directory.take()
            && far.pending.is_more_to_read
        {
            far.read_to = seek(&directory.opened, SeekFrom::Current(0))?;
        }
        Ok(())
    }

    /// Whether the current directory is to be read on, now that all of its directories that were found are visited.
    pub(super) fn is_more_to_read(&self) -> bool {
        self.0.last().is_some_and(|stage| stage.pending.is_more_to_read)
    }

    /// How many directories down the current one is, the top being the first.
    pub(super) fn depth(&self) -> usize {
        self.0.len()
    }

    /// Has what was read of the current directory since visited, too.
    pub(super) fn read_on(&mut self, names: Names) {
        if let Some(stage) = self.0.last_mut() {
            stage.pending = names;
        }
    }

    /// The next directory to visit in the current one, or the one that is being visited; `None` where there is none left.
    pub(super) fn pending(&self) -> Option<CString> {
        self.0.last()?.pending.last()
    }

    /// Has the directory that was pending visited, and returns its name.
    pub(super) fn visited(&mut self) -> Option<CString> {
        self.0.last_mut()?.pending.pop()
    }

    pub(super) fn current(&self) -> io::Result<&Directory> {
        self.0.last().and_then(|stage| stage.directory.as_ref()).ok_or_else(moved)
    }

    /// Leaves the current directory for the one above. One that was closed is opened again by its child, and
    /// must still be the same, and so must its copy: somebody may have moved the child out of the tree.
    pub(super) fn pop(&mut self) -> io::Result<()> {
        let left = self.0.pop().and_then(|stage| stage.directory);
        let Some(above) = self.0.last_mut().filter(|above| above.directory.is_none()) else {
            return Ok(());
        };
        let directory = left.ok_or_else(moved)?.above()?;
        if directory.identity()? != above.identity {
            return Err(moved());
        }
        if above.pending.is_more_to_read {
            seek(&directory.opened, SeekFrom::Start(above.read_to))?;
        }
        above.directory = Some(directory);
        Ok(())
    }

    /// Whether there is a current directory.
    pub(super) fn is_inside(&self) -> bool {
        !self.0.is_empty()
    }
}

/// The file system and the number of what is open.
pub(super) fn identity(opened: &OwnedFd) -> io::Result<(u64, u64)> {
    let stat = fstat(opened)?;
    Ok((stat.st_dev, stat.st_ino))
}

fn moved() -> io::Error {
    io::Error::other("a directory was moved while it was being visited; run the command again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_was_moved_is_not_left_upwards() {
        let root = tempfile::tempdir().unwrap();
        let way = "a/b/c/d/e/f";
        let open = |path: std::path::PathBuf| OwnedFd::from(std::fs::File::open(path).unwrap());
        for is_moved in [false, true] {
            let [from, to] =
                ["from", "to"].map(|name| root.path().join(format!("{name}{is_moved}")));
            let mut descent = Descent::default();
            for tree in [&from, &to] {
                std::fs::create_dir_all(tree.join(way)).unwrap();
            }
            for end in (1..=way.len()).step_by(2) {
                let [opened, copy] = [&from, &to].map(|tree| open(tree.join(&way[..end])));
                descent.push(Directory { opened, copy: Some(copy) }, Names::default()).unwrap();
            }
            if is_moved {
                std::fs::rename(to.join("a/b/c"), to.join("c")).unwrap();
            }
            let popped: io::Result<Vec<()>> = (0..5).map(|_| descent.pop()).collect();
            assert_eq!(popped.is_err(), is_moved);
        }
    }

    #[test]
    fn names_come_back_last_first() {
        let mut names = Names::default();
        assert_eq!(names.pop(), None);
        for name in [c"a", c"", c"long name", c"z"] {
            names.push(name);
        }
        let back: Vec<CString> = std::iter::from_fn(|| names.pop()).collect();
        assert_eq!(back, [c"z", c"long name", c"", c"a"].map(CStr::to_owned));
    }
}
