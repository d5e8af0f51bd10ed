//! A tree from elsewhere without what could give somebody rights: device nodes go, and files lose their set-uid and set-gid
//! bits and their capabilities. Directories keep the set-gid bit, by which new files get their group.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, fremovexattr, fstat, statat, unlinkat};
use rustix::io::Errno;

use crate::domain::{Error, Result};
use crate::fs::tree::walk::{Met, Visitor, walk};
use crate::fs::tree::{BENEATH, Closed, DIRECTORY, open_below};

pub(super) const CAPABILITIES: &str = "security.capability";

/// Takes such rights from what is called `name` in a directory that nobody else can enter, and returns of how many names.
pub(crate) fn make_harmless(around: &Closed, name: &str) -> Result<u64> {
    let failed = || Error::system("look through", name);
    let text = CString::new(name).map_err(|error| failed()(error.into()))?;
    if !around.holds_directory(name)? {
        return weaken(around, &text).map(u64::from).map_err(failed());
    }
    let top = open_below(around, &text, DIRECTORY, BENEATH).map_err(failed())?;
    let own = walk(top.into(), &Harmless).map_err(failed())?;
    Ok(own.into_iter().sum())
}

struct Harmless;

impl Visitor for Harmless {
    type Own = u64;

    fn name(&self, met: Met<'_>, count: &mut u64) -> io::Result<bool> {
        let Met { directory, name, .. } = met;
        let stat = statat(&directory.opened, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let is_weakened = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return Ok(true),
            FileType::CharacterDevice | FileType::BlockDevice => {
                unlinkat(&directory.opened, name, AtFlags::empty())?;
                true
            }
            FileType::RegularFile => weaken(&directory.opened, name)?,
            _ => false,
        };
        *count += u64::from(is_weakened);
        Ok(false)
    }
}

/// Takes rights from a file; true where it had some.
fn weaken(directory: &impl AsFd, name: &CStr) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: OwnedFd = match open_below(directory, name, flags, BENEATH) {
        Ok(file) => file,
        // Of a file that its maker may not read, nobody took any rights over.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
        Err(error) => return Err(error),
    };
    let had = match fremovexattr(&file, CAPABILITIES) {
        Ok(()) => true,
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => false,
        Err(error) => return Err(error.into()),
    };
    let mode = Mode::from_raw_mode(fstat(&file)?.st_mode);
    let strong = Mode::SUID | Mode::SGID;
    if !mode.intersects(strong) {
        return Ok(had);
    }
    fchmod(&file, mode - strong)?;
    Ok(true)
}
