//! A folder of the storage root that becomes a second one, complete or not at all.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, RenameFlags, mkdirat, renameat_with};

use super::{
    BENEATH, Copied, FOLDER, Owners, btrfs, copy, enter, file, is_file, open_below,
    open_without_links, remove,
};
use crate::domain::snapshot::Made;
use crate::error::{Error, Result};

/// Copies the folder or the file `from` directly below `root` to `to`, which must not be there yet. The copy is made
/// under a hidden name and takes its own once it is complete. Where the file system can take a snapshot, it does.
///
/// # Errors
/// Where it cannot be copied; nothing is left of it then.
pub fn duplicate(
    root: &Path,
    from: &str,
    to: &str,
    hidden: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Copied> {
    if is_file(root, from) {
        file::duplicate_file(root, from, to, hidden)?;
        return Ok(Copied { copied: 1, ..Copied::default() });
    }
    let folder = enter(root, from)?;
    let source = Source { folder, by_file_system: true, owners: Owners::Kept };
    place(root, source, to, hidden, progress)
}

/// Copies a folder of anywhere to the folder `to` directly below `root`, in the same way; the owners too where they are to
/// be kept.
///
/// # Errors
/// Where it cannot be copied; nothing is left of it then.
pub fn take_in(
    root: &Path,
    from: OwnedFd,
    to: &str,
    hidden: &str,
    keeps_owners: bool,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Copied> {
    let owners = if keeps_owners { Owners::Kept } else { Owners::Callers };
    place(root, Source { folder: from, by_file_system: false, owners }, to, hidden, progress)
}

struct Source {
    folder: OwnedFd,
    by_file_system: bool,
    owners: Owners,
}

fn place(
    root: &Path,
    source: Source,
    to: &str,
    hidden: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Copied> {
    let path = root.join(to);
    let root_fd = open_without_links(&CWD, root).map_err(Error::system("open", root))?;
    let copied = if source.by_file_system && btrfs::snapshot(&source.folder, &root_fd, hidden) {
        Ok(Copied { made: Made::Btrfs, ..Copied::default() })
    } else {
        fill(&root_fd, source, hidden, progress)
    };
    let copied = copied.and_then(|copied| {
        renameat_with(&root_fd, hidden, &root_fd, to, RenameFlags::NOREPLACE)?;
        Ok(copied)
    });
    copied.map_err(|error| {
        let _ = remove(root, hidden);
        Error::system("copy to", path)(error)
    })
}

fn fill(
    root: &OwnedFd,
    source: Source,
    hidden: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> io::Result<Copied> {
    mkdirat(root, hidden, Mode::RWXU)?;
    let name = CString::new(hidden)?;
    let target = open_below(root, &name, FOLDER, BENEATH)?;
    copy(source.folder, target, source.owners, progress)
}
