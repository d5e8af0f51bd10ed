//! Counting the files of a tree, to know how far copying it is.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FileType, RawDir};

use super::super::descent::{Descent, Names};
use super::super::open_folder;
use super::KEPT_OPEN;

/// How many files and folders are in a tree, as far as that can be seen; none where it is said to stop.
#[must_use]
pub fn count(folder: &Path, stop: &AtomicBool) -> Option<u64> {
    let top = OwnedFd::from(File::open(folder).ok()?);
    let mut way = Descent::keeping(KEPT_OPEN);
    let mut count = 1;
    let pending = names_in(&top, &mut count).ok()?;
    way.push(top, pending).ok()?;
    while way.is_inside() {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let Some(name) = way.next_pending() else {
            way.pop().ok()?;
            continue;
        };
        if let Ok(child) = open_folder(&way.current().ok()?, &name) {
            let pending = names_in(&child, &mut count).ok()?;
            way.push(child, pending).ok()?;
        }
    }
    Some(count)
}

/// Counts the names in a folder, and returns those of folders.
fn names_in(folder: &OwnedFd, count: &mut u64) -> io::Result<Names> {
    let mut folders = Names::default();
    let mut buffer = Vec::with_capacity(32 * 1024);
    let mut names = RawDir::new(folder, buffer.spare_capacity_mut());
    while let Some(entry) = names.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            *count += 1;
            if entry.file_type() == FileType::Directory {
                folders.push(name);
            }
        }
    }
    Ok(folders)
}
