//! How many names of each file with several a walk has found, in a map by inode.
//!
//! A file whose names were all found is forgotten, so the map holds those of which names are still to come or lie outside of
//! the tree. Each takes 17 bytes in a table that is at least 7/16 full: 39 bytes at most, and 58 for the moment in which the table grows.
//! The device is in the key, since a tree may hold subvolumes of btrfs, which number their files by themselves.

use std::collections::HashMap;

use rustix::fs::Statx;

/// The names that were found of files with several.
#[derive(Default)]
pub(super) struct Found(HashMap<Key, u32>);

/// A device, and an inode on it in two halves: so they take no more room than three numbers.
type Key = (u32, u32, u32);

impl Found {
    /// Counts a name of a file; returns how many were found by now.
    pub(super) fn one_more(&mut self, stat: &Statx) -> u32 {
        // As the kernel packs a device itself.
        let device = stat.stx_dev_major << 20 | stat.stx_dev_minor;
        let key = (device, (stat.stx_ino >> 32) as u32, (stat.stx_ino & 0xffff_ffff) as u32);
        let count = self.0.entry(key).or_default();
        *count += 1;
        let found = *count;
        if found >= stat.stx_nlink {
            self.0.remove(&key);
        }
        found
    }

    /// How many names were found of files of which others are missing.
    pub(super) fn of_incomplete(&self) -> u64 {
        self.0.values().map(|&count| u64::from(count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_counted_for_itself_and_forgotten_with_its_last_name() {
        let root = std::fs::File::open("/").unwrap();
        let flags = (rustix::fs::AtFlags::EMPTY_PATH, rustix::fs::StatxFlags::BASIC_STATS);
        let mut stat = rustix::fs::statx(root, c"", flags.0, flags.1).unwrap();
        let mut found = Found::default();
        for name in 1..=3 {
            for (device, number) in [(1, 0), (1, 1), (2, 1), (1, 1 << 40), (1, 1 << 40 | 1)] {
                (stat.stx_dev_minor, stat.stx_ino, stat.stx_nlink) = (device, number, 3);
                assert_eq!(found.one_more(&stat), name);
            }
            assert_eq!(found.of_incomplete(), if name < 3 { 5 * u64::from(name) } else { 0 });
        }
        assert!(found.0.is_empty());
        assert_eq!(size_of::<(Key, u32)>(), 16);
    }
}
