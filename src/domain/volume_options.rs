//! The options after the second colon of Docker's `-v`.

use super::text::checked_text;
use crate::domain::error::{Error, Result};

/// Comma-separated options such as `Z` or `noexec,nosuid`; never empty, and never more than one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeOptions(String);
checked_text!(VolumeOptions);

impl VolumeOptions {
    /// Reads a list of options.
    pub fn parse(text: &str) -> Result<Self> {
        for option in text.split(',') {
            let valid = option
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'=' | b'-'));
            if !valid || option.is_empty() || option.starts_with(['-', '=', '.']) {
                return Err(Error::refused(format!(
                    "volume option {option:?} is not supported; options are words such as Z or nocopy, divided by commas"
                )));
            }
        }
        if text.len() > 1024 {
            return Err(Error::refused("volume options are limited to 1024 characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The others; none where this is the only one.
    pub fn without(&self, option: &str) -> Option<Self> {
        let others: Vec<&str> = self.0.split(',').filter(|o| *o != option).collect();
        (!others.is_empty()).then(|| Self(others.join(",")))
    }

    /// Whether one of the options is this one.
    pub fn contains(&self, option: &str) -> bool {
        self.0.split(',').any(|o| o == option)
    }
}
