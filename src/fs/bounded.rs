//! Reading what somebody gives, who may give too much of it, or nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;

use crate::domain::{Error, Result};

/// All that there is to read; none where that is more than so many bytes.
pub(crate) fn read(from: impl Read, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= most))
}

/// Opens a regular file, as it is `shown`, to read it. What is none, such as a pipe, keeps nobody waiting.
pub(crate) fn open(path: &str, shown: &str) -> Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(Error::system("read", path))?;
    let is_file = file.metadata().map_err(Error::system("read", path))?.is_file();
    refuse_if!(!is_file, "{shown} is not a regular file");
    Ok(file)
}
