//! Holes in files: which files have some, and digging them again where zeros were written in their place.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{FallocateFlags, Mode, OFlags, SeekFrom, fallocate, fchmod, fstat, seek};
use rustix::io::Errno;

use crate::fs::tree::{BENEATH, open_below};

/// The smallest hole, in bytes; others are not worth one.
const BLOCK: usize = 64 * 1024;

/// Whether a file has a hole. Where the file system compresses, there are fewer blocks and no holes.
pub(crate) fn has_holes(open: impl FnOnce() -> io::Result<File>, found: &Metadata) -> bool {
    if !found.is_file() || found.blocks() * 512 >= found.len() {
        return false;
    }
    let first = open().map_err(|_| Errno::IO).and_then(|file| seek(&file, SeekFrom::Hole(0)));
    first.is_ok_and(|first| first < found.len())
}

/// Makes holes of the zeros in a file below a directory, where this process may write it or make itself able to. No link is
/// followed.
pub(crate) fn dig(directory: &impl AsFd, path: &str) -> io::Result<()> {
    let name = std::ffi::CString::new(path)?;
    let open = |access| {
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve = BENEATH | rustix::fs::ResolveFlags::NO_XDEV;
        open_below(directory, &name, flags, resolve).map(File::from)
    };
    let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    match open(OFlags::RDWR) {
        Err(error) if is_denied(&error) => {}
        opened => return dig_in(opened?),
    }
    // Without holes, it is whole all the same.
    let Ok(readable) = open(OFlags::RDONLY) else {
        return Ok(());
    };
    let mode = Mode::from_raw_mode(fstat(&readable)?.st_mode);
    if fchmod(&readable, mode | Mode::WUSR).is_err() {
        return Ok(());
    }
    let dug = match open(OFlags::RDWR) {
        Err(error) if is_denied(&error) => Ok(()),
        opened => opened.and_then(dig_in),
    };
    fchmod(&readable, mode)?;
    dug
}

fn dig_in(mut file: File) -> io::Result<()> {
    let times = {
        let found = file.metadata()?;
        if !found.is_file() {
            return Ok(());
        }
        std::fs::FileTimes::new().set_accessed(found.accessed()?).set_modified(found.modified()?)
    };
    let punched = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    loop {
        let length = read_block(&mut file, &mut block)?;
        if length == 0 {
            break;
        }
        if block[..length].iter().all(|&byte| byte == 0) {
            match fallocate(&file, punched, at, length as u64) {
                Ok(()) => {}
                // Not every file system has holes.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => break,
                Err(error) => return Err(error.into()),
            }
        }
        at += length as u64;
    }
    file.set_times(times)
}

/// Reads a block as far as the file goes.
fn read_block(file: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < block.len() {
        match file.read(&mut block[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_become_holes_again_and_nothing_else_does() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        let mut content = vec![0; 40 * BLOCK];
        content[20 * BLOCK + 5] = 7;
        std::fs::write(&path, &content).unwrap();
        let before = std::fs::metadata(&path).unwrap();
        assert!(!has_holes(|| File::open(&path), &before));
        dig(&File::open(root.path()).unwrap(), "a").unwrap();
        let after = std::fs::metadata(&path).unwrap();
        assert!(has_holes(|| File::open(&path), &after), "{} blocks", after.blocks());
        assert_eq!(std::fs::read(&path).unwrap(), content);
        assert_eq!(before.modified().unwrap(), after.modified().unwrap());
        assert!(dig(&File::open(root.path()).unwrap(), "../x").is_err());
    }

    #[test]
    fn a_file_that_its_owner_may_only_read_has_its_holes_and_its_mode() {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
        use std::os::unix::fs::PermissionsExt;
        // They are this thread's alone. Root has none of these either where it may not read a file.
        let mut own = capabilities(None).unwrap();
        own.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        set_capabilities(None, own).unwrap();
        let root = tempfile::tempdir().unwrap();
        let directory = File::open(root.path()).unwrap();
        for (mode, has) in [(0o444, true), (0o400, true), (0o000, false)] {
            let path = root.path().join(format!("{mode:o}"));
            std::fs::write(&path, vec![0; 4 * BLOCK]).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            dig(&directory, &format!("{mode:o}")).unwrap();
            let after = std::fs::metadata(&path).unwrap();
            assert_eq!(after.mode() & 0o7777, mode);
            assert_eq!(after.blocks() * 512 < after.len(), has, "{mode:o}");
        }
    }
}
