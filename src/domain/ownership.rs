//! Who owns a directory: Dokku's presets per builder, or a uid.

use serde::{Deserialize, Serialize};

use crate::domain::Result;
use crate::domain::text::text;

/// An owner as `--chown` takes it: a preset, `UID` or `UID:GID` from 0 to 65535, or `false` for leaving it
/// alone; for a mount also `auto`, the user of the app's image.
///
/// A stored value that is none of these is kept and leaves ownership alone: Dokku's own plugin stores some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ownership(String);
text!(Ownership);

/// The owner that is the user of the app's image.
const AUTO: &str = "auto";

/// The uid of a builder's user inside the app's containers.
const PRESETS: [(&str, u32); 5] =
    [("herokuish", 32767), ("heroku", 1000), ("packeto", 2000), ("paketo", 2000), ("root", 0)];

impl Ownership {
    pub fn parse(text: &str) -> Result<Self> {
        let owner = Self(text.to_owned());
        if text == "false" || owner.container_ids().is_some() {
            Ok(owner)
        } else {
            Err(refusal!(
                "Unsupported chown permissions\n{text:?} is neither a uid from 0 to 65535, nor UID:GID, nor one of herokuish, heroku, paketo, root, false"
            ))
        }
    }

    pub fn parse_for_mount(text: &str) -> Result<Self> {
        if text == AUTO { Ok(Self(text.to_owned())) } else { Self::parse(text) }
    }

    /// The uid and the gid inside the container; `None` where ownership is left alone, or not known yet.
    pub fn container_ids(&self) -> Option<(u32, u32)> {
        if let Some((_, id)) = PRESETS.iter().find(|(name, _)| *name == self.0) {
            return Some((*id, *id));
        }
        match self.0.split_once(':') {
            Some((uid, gid)) => Some((id(uid)?, id(gid)?)),
            None => id(&self.0).map(|id| (id, id)),
        }
    }

    /// Whether the owner is the user of the app's image.
    pub fn is_auto(&self) -> bool {
        self.0 == AUTO
    }

    /// Whether this is `packeto`, the old spelling of `paketo`.
    pub fn is_old_spelling(&self) -> bool {
        self.0 == "packeto"
    }
}

fn id(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let value = text.parse::<u16>().ok().filter(|_| digits)?;
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_and_uids() {
        let ids = |text: &str| Ownership::parse(text).unwrap().container_ids();
        let id = |text: &str| ids(text).map(|(uid, _)| uid);
        assert_eq!(id("herokuish"), Some(32767));
        assert_eq!(id("heroku"), Some(1000));
        assert_eq!(id("packeto"), id("paketo"));
        assert_eq!(id("root"), Some(0));
        assert_eq!(id("65535"), Some(65535));
        assert_eq!(id("false"), None);
        assert_eq!(ids("1000:33"), Some((1000, 33)));
        for bad in ["", "nobody", "65536", "-1", "+1", "1000:", ":1", "1:2:3", " 1", "auto"] {
            assert!(Ownership::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Ownership::parse_for_mount("auto").unwrap().is_auto());
    }
}
