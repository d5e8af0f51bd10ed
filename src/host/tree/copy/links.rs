//! Hard links: the one thing that is remembered of a tree while it is copied.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;

use rustix::fs::{AtFlags, Mode, ResolveFlags, Stat, linkat, openat2};

use super::super::walk::lock;
use super::super::{BENEATH, FOLDER};

/// The most of a path that is given to the kernel at once, in bytes; it takes 4,095.
const LONGEST: usize = 4000;

/// Where the first name of a file with several was copied to, and how many names are still to come.
struct First {
    path: Vec<u8>,
    to_come: usize,
}

/// The files with several names that were found so far; one whose names are all copied is forgotten.
#[derive(Default)]
pub struct Links(Mutex<HashMap<(u64, u64), First>>);

impl Links {
    /// Makes a file by its first name and returns what was made. By each other name it becomes a link to the first, and
    /// nothing is returned.
    pub fn first<T>(
        &self,
        top: &OwnedFd,
        to: &OwnedFd,
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
        let mut links = lock(&self.0);
        if let Some(first) = links.get_mut(&identity) {
            link(top, &first.path, to, name)?;
            first.to_come = first.to_come.saturating_sub(1);
            if first.to_come == 0 {
                links.remove(&identity);
            }
            return Ok(None);
        }
        let made = create()?;
        let to_come = usize::try_from(stat.st_nlink).unwrap_or(usize::MAX) - 1;
        links.insert(identity, First { path: path.to_vec(), to_come });
        Ok(Some(made))
    }
}

/// Links a path from the top, of any length, to a name in a folder.
fn link(top: &OwnedFd, path: &[u8], to: &OwnedFd, name: &CStr) -> io::Result<()> {
    let mut folder: Option<OwnedFd> = None;
    let mut rest = path;
    while rest.len() > LONGEST {
        let Some(end) = rest[..LONGEST].iter().rposition(|&byte| byte == b'/') else { break };
        let from = folder.as_ref().unwrap_or(top);
        let resolve = BENEATH | ResolveFlags::NO_XDEV;
        folder = Some(openat2(from, &rest[..end], FOLDER, Mode::empty(), resolve)?);
        rest = &rest[end + 1..];
    }
    let from = folder.as_ref().unwrap_or(top);
    Ok(linkat(from.as_fd(), rest, to, name, AtFlags::empty())?)
}
