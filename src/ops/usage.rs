//! How full an entry is.

use crate::domain::Entry;
use crate::fs::image;
use crate::fs::space::Fullness;
use crate::storage::sized;
use std::path::Path;

/// From how many percent on a deploy says that an entry is nearly full.
pub(crate) const NEARLY_FULL: u64 = 90;

/// How full an entry with a size is, in percent, where that is a look at its file system alone.
pub(crate) fn share_of(entry: &Entry) -> Option<u64> {
    let path = Path::new(entry.shown_source());
    sized::size(entry)?;
    image::attached_at(path)?;
    let found = Fullness::of(path).ok()?;
    Some(found.used.saturating_mul(100) / (found.used + found.free).max(1))
}
