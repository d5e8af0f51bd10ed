//! Counting the files of a tree, to know how far copying it is.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::FileType;

use crate::fs::tree::copy::KEPT_OPEN;
use crate::fs::tree::descent::{Descent, Reader};
use crate::fs::tree::open_folder;

/// How many files and directories are in a tree, as far as that can be seen; none where it is said to stop.
pub(crate) fn count(folder: &Path, stop: &AtomicBool) -> Option<u64> {
    let top = OwnedFd::from(File::open(folder).ok()?);
    let mut way = Descent::keeping(KEPT_OPEN);
    let mut reader = Reader::default();
    let mut count = 1;
    let mut names = |way: &Descent, folder: BorrowedFd<'_>| {
        reader.read(way.depth(), &folder, |_, kind| {
            count += 1;
            Ok(kind == FileType::Directory)
        })
    };
    let pending = names(&way, top.as_fd()).ok()?;
    way.push(top, pending).ok()?;
    while way.is_inside() {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let Some(name) = way.next_pending() else {
            if way.is_more_to_read() {
                let pending = names(&way, way.current().ok()?).ok()?;
                way.read_on(pending);
            } else {
                way.pop().ok()?;
            }
            continue;
        };
        if let Ok(child) = open_folder(&way.current().ok()?, &name) {
            let pending = names(&way, child.as_fd()).ok()?;
            way.push(child, pending).ok()?;
        }
    }
    Some(count)
}
