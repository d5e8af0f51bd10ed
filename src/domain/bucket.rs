//! The names of buckets, and of directories in them.

use crate::domain::Result;

pub(crate) fn check_bucket(bucket: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
    refuse_if!(
        !(3..=63).contains(&bucket.len())
            || !bucket.chars().all(|c| is_plain(c) || c.is_ascii_uppercase())
            || bucket.starts_with(['-', '.', '_']),
        "bucket {bucket:?} must be 3 to 63 letters, digits, dots and dashes"
    );
    Ok(())
}

/// Refuses what is no directory in a bucket; slashes around it do not count.
pub(crate) fn check_prefix(prefix: &str) -> Result<()> {
    let is_odd = |part: &str| part == ".." || part == "." || part.is_empty();
    let inner = prefix.trim_matches('/');
    refuse_if!(
        inner.is_empty() || inner.split('/').any(is_odd),
        "prefix {prefix:?} is not a directory such as media/films"
    );
    Ok(())
}
