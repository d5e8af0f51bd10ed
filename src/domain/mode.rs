//! The permissions of a directory, as `chmod` takes them.

use crate::domain::Result;
use crate::domain::text::checked_text;

/// A directory's mode: three or four octal digits, kept as four (`0750`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode(String);
checked_text!(Mode);

impl Mode {
    pub fn parse(text: &str) -> Result<Self> {
        let octal = text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        if octal && (text.len() == 3 || text.len() == 4) {
            Ok(Self(format!("{text:0>4}")))
        } else {
            Err(refusal!(
                "Unsupported directory mode {text:?}. Value must be a 3 or 4 digit octal mode, such as 0755"
            ))
        }
    }

    /// The permission bits, set-uid, set-gid and sticky included.
    pub fn bits(&self) -> u32 {
        self.0.bytes().fold(0, |bits, digit| bits * 8 + u32::from(digit - b'0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_get_a_leading_zero() {
        let mode = Mode::parse("750").unwrap();
        assert_eq!((mode.as_str(), mode.bits()), ("0750", 0o750));
        assert_eq!(Mode::parse("2775").unwrap().bits(), 0o2775);
        for bad in ["", "8", "75", "07777", "999", "rwx", "+755"] {
            assert!(Mode::parse(bad).is_err(), "{bad:?}");
        }
    }
}
