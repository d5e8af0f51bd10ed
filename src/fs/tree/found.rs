//! How many names of each file a walk has found, in memory that has a limit.
//!
//! Only files with several names are counted. Where there are too many of them for one walk, the tree is walked several
//! times, and each walk counts a part of them.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, Statx, openat};

use crate::fs::tree::FOLDER;

/// The most that is remembered at once: some 3 MiB.
pub(crate) const MOST: usize = 100_000;

/// How many files are counted together: those made one after the other have numbers one after the other.
const TOGETHER: u64 = 16;

/// How far each of them is counted, in bits.
const BITS: u64 = 4;

/// The most names of a file that is counted together with others.
const FEW: u32 = (1 << BITS) - 1;

/// A part of all files.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: u64,
    of: u64,
}

impl Part {
    /// All files.
    const ALL: Self = Self { number: 0, of: 1 };

    /// Two parts that are this one together.
    fn halves(self) -> [Self; 2] {
        let of = self.of * 2;
        [Self { number: self.number, of }, Self { number: self.number + self.of, of }]
    }

    fn has(self, (device, number): Key) -> bool {
        // Neighbours are spread evenly (Knuth's multiplicative hashing).
        let mixed = (number ^ device.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        mixed % self.of == self.number
    }
}

/// Has a tree walked once, and where there are too many files with several names for that, again for each part of them.
/// `walk` gets the top, opened anew, what counts the files of the part, `most` at once, and whether it is the first walk; it
/// says whether there were too many.
pub(crate) fn in_parts<E: From<io::Error>>(
    top: &OwnedFd,
    most: usize,
    mut walk: impl FnMut(OwnedFd, Found, bool) -> Result<bool, E>,
) -> Result<(), E> {
    let mut todo = vec![Part::ALL];
    let mut is_first = true;
    while let Some(part) = todo.pop() {
        // A descriptor of its own: a copy would stand where the walk before ended.
        let top = openat(top, c".", FOLDER, Mode::empty()).map_err(io::Error::from)?;
        if walk(top, Found::of(part, most), is_first)? {
            todo.extend(part.halves());
        }
        is_first = false;
    }
    Ok(())
}

/// A device, and the number of a file on it or of some files together.
type Key = (u64, u64);

/// The names that were found of the files of a part.
pub(crate) struct Found {
    part: Part,
    most: usize,
    /// The counts of files with few names, of some files together.
    few: HashMap<Key, u64>,
    many: HashMap<Key, u32>,
    is_full: bool,
}

impl Found {
    /// Nothing yet of this part.
    fn of(part: Part, most: usize) -> Self {
        Self { part, most, few: HashMap::new(), many: HashMap::new(), is_full: false }
    }

    /// Counts a name of a file with several; returns how many were found by now. A file whose names are all found is
    /// forgotten. None where the file is not of this part, or there are too many of them.
    pub(crate) fn one_more(&mut self, stat: &Statx) -> Option<u32> {
        let device = u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor);
        let together = (device, stat.stx_ino / TOGETHER);
        if self.is_full || !self.part.has(together) {
            return None;
        }
        let links = stat.stx_nlink;
        let found = if links > FEW {
            let key = (device, stat.stx_ino);
            let count = self.many.entry(key).or_default();
            *count += 1;
            let found = *count;
            if found >= links {
                self.many.remove(&key);
            }
            found
        } else {
            let place = stat.stx_ino % TOGETHER * BITS;
            let counts = self.few.entry(together).or_default();
            let before = *counts >> place & u64::from(FEW);
            let found = u32::try_from(before).unwrap_or(FEW) + 1;
            *counts &= !(u64::from(FEW) << place);
            if found < links {
                *counts |= u64::from(found) << place;
            } else if *counts == 0 {
                self.few.remove(&together);
            }
            found
        };
        if self.few.len() + self.many.len() > self.most {
            (self.few, self.many) = (HashMap::new(), HashMap::new());
            self.is_full = true;
            return None;
        }
        Some(found)
    }

    /// Whether there were too many: then what was counted is not to be used.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// How many names were found of files of which others are missing.
    pub(crate) fn of_incomplete(&self) -> u64 {
        let few = self.few.values().flat_map(|counts| {
            (0..TOGETHER).map(move |place| counts >> (place * BITS) & u64::from(FEW))
        });
        few.chain(self.many.values().map(|&count| count.into())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(number: u64, links: u32) -> Statx {
        let root = std::fs::File::open("/").unwrap();
        let flags = (rustix::fs::AtFlags::EMPTY_PATH, rustix::fs::StatxFlags::BASIC_STATS);
        let mut stat = rustix::fs::statx(root, c"", flags.0, flags.1).unwrap();
        (stat.stx_ino, stat.stx_nlink) = (number, links);
        stat
    }

    #[test]
    fn each_file_is_counted_for_itself() {
        let mut found = Found::of(Part::ALL, MOST);
        for links in [2, 3, 15, 16, 1000] {
            for name in 1..=links {
                for number in [0, 1, 15, 16, 1 << 40] {
                    assert_eq!(found.one_more(&stat(number, links)), Some(name));
                }
            }
            assert_eq!((found.few.len(), found.many.len(), found.of_incomplete()), (0, 0, 0));
        }
        for number in 0..10 {
            found.one_more(&stat(number, 15));
            found.one_more(&stat(number, 15));
            found.one_more(&stat(number, 16));
        }
        assert_eq!(found.of_incomplete(), 30);
        assert!(!found.is_full());
    }

    #[test]
    fn more_than_there_is_room_for_is_counted_part_by_part() {
        let numbers = (0..500).map(|number| number * TOGETHER);
        let (mut todo, mut walks, mut counted) = (vec![Part::ALL], 0, Vec::new());
        while let Some(part) = todo.pop() {
            walks += 1;
            let mut found = Found::of(part, 100);
            let in_part: Vec<u64> = numbers
                .clone()
                .filter(|&number| found.one_more(&stat(number, 2)) == Some(1))
                .collect();
            if found.is_full() {
                assert_eq!(found.of_incomplete(), 0);
                todo.extend(part.halves());
            } else {
                assert_eq!(found.of_incomplete(), in_part.len() as u64);
                counted.extend(in_part);
            }
        }
        counted.sort_unstable();
        assert_eq!(counted, numbers.collect::<Vec<_>>());
        assert!((9..=15).contains(&walks), "{walks} walks");
    }
}
