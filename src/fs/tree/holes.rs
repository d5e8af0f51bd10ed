//! Holes in files: which files have some, and digging them again where zeros were written in their place.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;

use crate::fs::tree::{BENEATH, open_below};

/// The smallest hole, in bytes; others are not worth one.
const BLOCK: usize = 64 * 1024;

/// Whether a file has a hole. Where the file system compresses, there are fewer blocks and no holes.
pub(crate) fn has_holes(path: &Path, found: &Metadata) -> bool {
    if !found.is_file() || found.blocks() * 512 >= found.len() {
        return false;
    }
    let first =
        File::open(path).map_err(|_| Errno::IO).and_then(|file| seek(&file, SeekFrom::Hole(0)));
    first.is_ok_and(|first| first < found.len())
}

/// Makes holes of the zeros in a file below a directory. No link is followed.
pub(crate) fn dig(directory: &impl AsFd, path: &str) -> io::Result<()> {
    let name = std::ffi::CString::new(path)?;
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = BENEATH | rustix::fs::ResolveFlags::NO_XDEV;
    let mut file = File::from(open_below(directory, &name, flags, resolve)?);
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
        assert!(!has_holes(&path, &before));
        dig(&File::open(root.path()).unwrap(), "a").unwrap();
        let after = std::fs::metadata(&path).unwrap();
        assert!(has_holes(&path, &after), "{} blocks", after.blocks());
        assert_eq!(std::fs::read(&path).unwrap(), content);
        assert_eq!(before.modified().unwrap(), after.modified().unwrap());
        assert!(dig(&File::open(root.path()).unwrap(), "../x").is_err());
    }
}
