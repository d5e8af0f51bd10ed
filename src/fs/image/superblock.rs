//! How much an ext4 says that it holds, read from its superblock.
//!
//! The fields are those of the kernel's documentation (filesystems/ext4/super.rst), little endian, from byte 1024.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const BEGIN: u64 = 1024;
const MAGIC: u16 = 0xef53;
/// The feature of file systems whose number of blocks has 64 bits (`INCOMPAT_64BIT`).
const WIDE: u32 = 0x80;

/// The size of the file system in an image, in bytes.
pub(super) fn size(image: &File) -> io::Result<u64> {
    let mut block = [0_u8; 1024];
    image.read_exact_at(&mut block, BEGIN)?;
    let word = |at: usize| {
        let bytes = block.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_le_bytes(bytes.unwrap_or_default())
    };
    if word(0x38).to_le_bytes()[..2] != MAGIC.to_le_bytes() {
        return Err(io::Error::other("there is no ext4 in it"));
    }
    let high = if word(0x60) & WIDE == 0 { 0 } else { u64::from(word(0x150)) << 32 };
    let blocks = high | u64::from(word(0x4));
    Ok(blocks.saturating_mul(1024_u64.checked_shl(word(0x18)).unwrap_or(u64::MAX)))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test asks the real programs")]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_large_as_mkfs_made_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(size(file.as_file()).is_err());
        for bytes in [8 << 20, 100 << 20] {
            file.as_file().set_len(0).unwrap();
            file.as_file().set_len(bytes).unwrap();
            let path = file.path();
            let made =
                std::process::Command::new("mkfs.ext4").args(["-q", "-F"]).arg(path).status();
            assert!(made.unwrap().success());
            assert_eq!(size(file.as_file()).unwrap(), bytes);
        }
    }
}
