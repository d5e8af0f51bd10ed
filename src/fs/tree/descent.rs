//! Going down a tree of any depth with few descriptors, and coming back up to where one was.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, RawDir, SeekFrom, fstat, openat, seek};

use crate::fs::tree::FOLDER;

/// How many directories on the way down are kept open.
const KEPT_OPEN: usize = 12;

/// Room for the names that the kernel tells at once, in bytes.
const BUFFER: usize = 32 * 1024;

/// How many bytes of the names of directories are remembered before these are visited, and the rest is read afterwards.
const ENOUGH: usize = 16 * 1024;

/// From how many directories down on it is one directory that is visited before the rest is read: each directory on the way takes memory.
const DEEP: usize = 64;

/// The same as [`BUFFER`] there.
const SMALL_BUFFER: usize = 2 * 1024;

/// The names of directories in a directory that are still to be visited, one behind the other. It may hold a million of them: then
/// these are the next ones, and the directory is read on once they were visited.
#[derive(Default)]
pub(crate) struct Names {
    list: Vec<u8>,
    is_more_to_read: bool,
}

impl Names {
    /// Whether the directory was not read to its end.
    pub(crate) fn is_more_to_read(&self) -> bool {
        self.is_more_to_read
    }

    fn push(&mut self, name: &CStr) {
        self.list.extend_from_slice(name.to_bytes_with_nul());
    }

    /// Takes the last name.
    fn pop(&mut self) -> Option<CString> {
        let end = self.list.len().checked_sub(1)?;
        let begin = self.list[..end].iter().rposition(|&byte| byte == 0).map_or(0, |nul| nul + 1);
        let name = CStr::from_bytes_with_nul(&self.list[begin..]).ok()?.to_owned();
        self.list.truncate(begin);
        Some(name)
    }
}

/// Reads directories, in the same memory again and again.
#[derive(Default)]
pub(crate) struct Reader(Vec<u8>);

impl Reader {
    /// Reads a directory so many directories down, from where it was read to, and looks at each name in it. Returns the names for which `look` says
    /// that they are directories to be visited: all of them, or so many that they have to be visited first.
    pub(crate) fn read(
        &mut self,
        depth: usize,
        folder: &impl AsFd,
        mut look: impl FnMut(&CStr, FileType) -> io::Result<bool>,
    ) -> io::Result<Names> {
        let mut folders = Names::default();
        let is_deep = depth >= DEEP;
        let room = if is_deep { SMALL_BUFFER } else { BUFFER };
        self.0.reserve(BUFFER);
        let buffer: &mut [MaybeUninit<u8>] = self.0.spare_capacity_mut();
        let mut names = RawDir::new(folder.as_fd(), &mut buffer[..room]);
        while let Some(entry) = names.next() {
            let entry = match entry {
                // Somebody removed the directory meanwhile.
                Err(rustix::io::Errno::NOENT) => break,
                other => other?,
            };
            let name = entry.file_name();
            if name != c"." && name != c".." && look(name, entry.file_type())? {
                folders.push(name);
                if is_deep {
                    seek(folder, SeekFrom::Start(entry.next_entry_cookie()))?;
                    folders.is_more_to_read = true;
                    break;
                }
            }
            if names.is_buffer_empty() && folders.list.len() > ENOUGH {
                folders.is_more_to_read = true;
                break;
            }
        }
        Ok(folders)
    }
}

/// A directory on the way.
struct Stage {
    folder: Option<OwnedFd>,
    identity: (u64, u64),
    /// The names of directories in it that are still to be visited.
    pending: Names,
    /// How far it was read when it was closed, as the file system counts that.
    read_to: u64,
}

/// The way down from the top of a tree.
pub(crate) struct Descent {
    stages: Vec<Stage>,
    kept_open: usize,
}

impl Default for Descent {
    fn default() -> Self {
        Self::keeping(KEPT_OPEN)
    }
}

impl Descent {
    /// A way on which so many directories are kept open.
    pub(crate) fn keeping(kept_open: usize) -> Self {
        Self { stages: Vec::new(), kept_open }
    }

    /// Goes into a directory; far up the way, directories are closed.
    pub(crate) fn push(&mut self, folder: OwnedFd, pending: Names) -> io::Result<()> {
        let stat = fstat(&folder)?;
        self.stages.push(Stage {
            folder: Some(folder),
            identity: (stat.st_dev, stat.st_ino),
            pending,
            read_to: 0,
        });
        if let Some(far) = self.stages.len().checked_sub(self.kept_open + 1) {
            let far = &mut self.stages[far];
            if let Some(folder) = far.folder.take().filter(|_| far.pending.is_more_to_read) {
                far.read_to = seek(&folder, SeekFrom::Current(0))?;
            }
        }
        Ok(())
    }

    /// Whether the current directory is to be read on, now that all of its directories that were found are visited.
    pub(crate) fn is_more_to_read(&self) -> bool {
        self.stages.last().is_some_and(|stage| stage.pending.is_more_to_read)
    }

    /// How many directories down the current one is, the top being the first.
    pub(crate) fn depth(&self) -> usize {
        self.stages.len()
    }

    /// Has what was read of the current directory since visited, too.
    pub(crate) fn read_on(&mut self, names: Names) {
        if let Some(stage) = self.stages.last_mut() {
            stage.pending = names;
        }
    }

    /// The next directory to visit in the current one; `None` where there is none left.
    pub(crate) fn next_pending(&mut self) -> Option<CString> {
        self.stages.last_mut()?.pending.pop()
    }

    /// The current directory.
    pub(crate) fn current(&self) -> io::Result<BorrowedFd<'_>> {
        let folder = self.stages.last().and_then(|stage| stage.folder.as_ref());
        folder.map(AsFd::as_fd).ok_or_else(moved)
    }

    /// Leaves the current directory for the one above. One that was closed is opened again by its child, and
    /// must still be the same: somebody may have moved the child out of the tree.
    pub(crate) fn pop(&mut self) -> io::Result<()> {
        let Some(left) = self.stages.pop() else {
            return Ok(());
        };
        let Some(above) = self.stages.last_mut() else {
            return Ok(());
        };
        if above.folder.is_some() {
            return Ok(());
        }
        let child = left.folder.ok_or_else(moved)?;
        let folder = openat(&child, c"..", FOLDER, Mode::empty())?;
        let stat = fstat(&folder)?;
        if (stat.st_dev, stat.st_ino) != above.identity {
            return Err(moved());
        }
        if above.pending.is_more_to_read {
            seek(&folder, SeekFrom::Start(above.read_to))?;
        }
        above.folder = Some(folder);
        Ok(())
    }

    /// Whether there is a current directory.
    pub(crate) fn is_inside(&self) -> bool {
        !self.stages.is_empty()
    }
}

fn moved() -> io::Error {
    io::Error::other("a directory was moved while it was being visited; run the command again")
}

#[cfg(test)]
mod tests {
    use super::*;

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
