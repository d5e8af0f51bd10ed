//! Sizes in bytes, as Docker writes them.

use std::fmt;

use crate::domain::Result;

/// A size in bytes, never 0. `64M` and `64MiB` are 64 × 1024 × 1024 bytes, as for `docker run --memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

const UNITS: [char; 5] = ['k', 'm', 'g', 't', 'p'];

/// A block of ext4, in bytes.
const BLOCK: u64 = 4096;

impl ByteSize {
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text).ok_or_else(|| {
            refusal!("size {text:?} must be more than 0 bytes, written as a number with k, M, G or T, such as 512M or 10G")
        })
    }

    fn read(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &lower[digits.len()..];
        let power = match unit.chars().next() {
            None | Some('b') => 0,
            Some(letter) => UNITS.iter().position(|&unit| unit == letter)? + 1,
        };
        let is_unit = match power {
            0 => ["", "b"].contains(&unit),
            _ => ["", "b", "i", "ib"].contains(&&unit[1..]),
        };
        let factor = 1024_u64.checked_pow(u32::try_from(power).ok()?)?;
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let is_written = is_unit && !whole.is_empty() && is_number(whole) && is_number(part);
        if !is_written || part.len() > 6 || (digits.contains('.') && part.is_empty()) {
            return None;
        }
        let scale = 10_u64.pow(u32::try_from(part.len()).ok()?);
        let part = if part.is_empty() { 0 } else { part.parse::<u64>().ok()? };
        let bytes = whole.parse::<u64>().ok()?.checked_mul(factor)?;
        let more = u128::from(part) * u128::from(factor) / u128::from(scale);
        let bytes = bytes.checked_add(u64::try_from(more).ok()?)?;
        (bytes > 0).then_some(Self(bytes))
    }

    /// A number of bytes; 0 becomes 1.
    pub fn of(bytes: u64) -> Self {
        Self(bytes.max(1))
    }

    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Whether it is more than that by a block at least: less is rounding.
    pub fn exceeds(self, bytes: u64) -> bool {
        self.0 >= bytes.saturating_add(BLOCK)
    }

    /// The same in whole blocks of a file system: rounded up.
    pub fn in_blocks(self) -> Self {
        Self(self.0.checked_next_multiple_of(BLOCK).unwrap_or(self.0))
    }
}

impl fmt::Display for ByteSize {
    /// The size with the largest unit in which it is a whole number (`64M`, `1536M`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, unit) in ["P", "T", "G", "M", "k"].iter().enumerate() {
            let factor = 1024_u64.pow(5 - u32::try_from(index).unwrap_or(0));
            if self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// A number of bytes with one digit behind the point, for people.
pub fn readable(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "k", "M", "G", "T", "P"];
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = tenths.div_ceil(1024);
        unit += 1;
    }
    if unit == 0 || tenths.is_multiple_of(10) {
        return format!("{}{}", tenths / 10, UNITS[unit]);
    }
    format!("{}.{}{}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        let bytes = |text: &str| ByteSize::parse(text).unwrap().bytes();
        assert_eq!(bytes("1048576"), 1 << 20);
        for text in ["64M", "64m", "64MB", "64Mi", "64MiB", "65536k", "0.0625G"] {
            assert_eq!(bytes(text), 64 << 20, "{text}");
        }
        assert_eq!(bytes("1.5G"), 3 << 29);
        for bad in
            ["", "0", "0G", "-1", "G", "1X", "1GG", "1 G", "1e9", "99999999999T", "1.G", ".5G", "ä"]
        {
            assert!(ByteSize::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_shown_with_their_largest_whole_unit() {
        let shown = |text: &str| ByteSize::parse(text).unwrap().to_string();
        assert_eq!(shown("64M"), "64M");
        assert_eq!(shown("1024M"), "1G");
        assert_eq!(shown("1.5G"), "1536M");
        assert_eq!(shown("1000"), "1000");
    }

    #[test]
    fn sizes_of_file_systems_are_whole_blocks() {
        let shown = |text: &str| ByteSize::parse(text).unwrap().in_blocks().to_string();
        assert_eq!(shown("12.3M"), "12596k");
        assert_eq!(shown("12596k"), "12596k");
        assert_eq!(shown("1"), "4k");
        assert_eq!(ByteSize::of(u64::MAX).in_blocks(), ByteSize::of(u64::MAX));
    }

    #[test]
    fn bytes_are_shown_with_one_digit() {
        assert_eq!(readable(0), "0B");
        assert_eq!(readable(1023), "1023B");
        assert_eq!(readable(1536), "1.5k");
        assert_eq!(readable(10 << 30), "10G");
    }
}
