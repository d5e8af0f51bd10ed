//! Who owns a directory: Dokku's presets per builder, or a uid.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// An owner as `--chown` takes it: a preset, a uid from 0 to 65535, or `false` for leaving it alone.
///
/// A stored value that is none of these is kept and leaves ownership alone: Dokku's own plugin stores some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ownership(String);

/// The uid of a builder's user inside the app's containers.
const PRESETS: [(&str, u32); 5] =
    [("herokuish", 32767), ("heroku", 1000), ("packeto", 2000), ("paketo", 2000), ("root", 0)];

impl Ownership {
    /// Reads what `--chown` was given.
    ///
    /// # Errors
    /// For anything but a preset, a uid or `false`.
    pub fn parse(text: &str) -> Result<Self> {
        let known = text == "false" || PRESETS.iter().any(|(name, _)| *name == text);
        if known || uid(text).is_some() {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::refused(format!(
                "Unsupported chown permissions\n{text:?} is neither a uid from 0 to 65535 nor one of herokuish, heroku, paketo, root, false"
            )))
        }
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The uid, and gid, inside the container; `None` where ownership is left alone.
    #[must_use]
    pub fn container_id(&self) -> Option<u32> {
        PRESETS.iter().find(|(name, _)| *name == self.0).map(|(_, id)| *id).or_else(|| uid(&self.0))
    }

    /// Whether this is `packeto`, the old spelling of `paketo`.
    #[must_use]
    pub fn is_old_spelling(&self) -> bool {
        self.0 == "packeto"
    }
}

impl AsRef<str> for Ownership {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

fn uid(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let value = text.parse::<u16>().ok().filter(|_| digits)?;
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_and_uids() {
        let id = |text: &str| Ownership::parse(text).unwrap().container_id();
        assert_eq!(id("herokuish"), Some(32767));
        assert_eq!(id("heroku"), Some(1000));
        assert_eq!(id("packeto"), id("paketo"));
        assert_eq!(id("root"), Some(0));
        assert_eq!(id("65535"), Some(65535));
        assert_eq!(id("false"), None);
        for bad in ["", "nobody", "65536", "-1", "+1", "1000:1000", " 1"] {
            assert!(Ownership::parse(bad).is_err(), "{bad:?}");
        }
    }
}
