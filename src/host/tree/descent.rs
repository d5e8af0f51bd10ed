//! Going down a tree of any depth with few descriptors, and coming back up to where one was.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, fstat, openat};

use super::FOLDER;

/// How many folders on the way down are kept open.
const KEPT_OPEN: usize = 12;

/// Names of folders, one behind the other: a folder may hold a million of them.
#[derive(Default)]
pub struct Names(Vec<u8>);

impl Names {
    /// Adds a name.
    pub fn push(&mut self, name: &CStr) {
        self.0.extend_from_slice(name.to_bytes_with_nul());
    }

    /// Takes the last name.
    fn pop(&mut self) -> Option<CString> {
        let end = self.0.len().checked_sub(1)?;
        let begin = self.0[..end].iter().rposition(|&byte| byte == 0).map_or(0, |nul| nul + 1);
        let name = CStr::from_bytes_with_nul(&self.0[begin..]).ok()?.to_owned();
        self.0.truncate(begin);
        Some(name)
    }
}

/// A folder on the way, and the folders in it that are still to be visited.
struct Stage {
    folder: Option<OwnedFd>,
    identity: (u64, u64),
    /// The names of folders in it that are still to be visited.
    pending: Names,
}

/// The way down from the top of a tree.
pub struct Descent {
    stages: Vec<Stage>,
    kept_open: usize,
}

impl Default for Descent {
    fn default() -> Self {
        Self::keeping(KEPT_OPEN)
    }
}

impl Descent {
    /// A way on which so many folders are kept open.
    pub fn keeping(kept_open: usize) -> Self {
        Self { stages: Vec::new(), kept_open }
    }

    /// Goes into a folder; far up the way, folders are closed.
    pub fn push(&mut self, folder: OwnedFd, pending: Names) -> io::Result<()> {
        let stat = fstat(&folder)?;
        self.stages.push(Stage {
            folder: Some(folder),
            identity: (stat.st_dev, stat.st_ino),
            pending,
        });
        if let Some(far) = self.stages.len().checked_sub(self.kept_open + 1) {
            self.stages[far].folder = None;
        }
        Ok(())
    }

    /// The next folder to visit in the current one; `None` where there is none left.
    pub fn next_pending(&mut self) -> Option<CString> {
        self.stages.last_mut()?.pending.pop()
    }

    /// The current folder.
    ///
    /// # Errors
    /// Where the top was left.
    pub fn current(&self) -> io::Result<BorrowedFd<'_>> {
        let folder = self.stages.last().and_then(|stage| stage.folder.as_ref());
        folder.map(AsFd::as_fd).ok_or_else(moved)
    }

    /// Leaves the current folder for the one above. One that was closed is opened again by its child, and
    /// must still be the same: somebody may have moved the child out of the tree.
    pub fn pop(&mut self) -> io::Result<()> {
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
        above.folder = Some(folder);
        Ok(())
    }

    /// Whether there is a current folder.
    pub fn is_inside(&self) -> bool {
        !self.stages.is_empty()
    }
}

fn moved() -> io::Error {
    io::Error::other("a folder was moved while it was being visited; run the command again")
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
