//! Judging host paths by the host's policy, after the links in them were resolved.

use std::path::Path;

use crate::domain::{AppName, Policy, Result};
use crate::fs::RealPath;

/// Refuses a host path, which leads to `real`, where the policy does not allow it; says where it leads to whom that may be shown.
/// The links in the directories of the policy are resolved, too.
pub(crate) fn judge(
    policy: &Policy,
    app: Option<&AppName>,
    path: &str,
    real: &RealPath,
    is_shown: impl FnOnce() -> bool,
) -> Result<()> {
    if !policy.restricts_paths() {
        return Ok(());
    }
    let directories = policy.directories(app);
    if directories.iter().any(|directory| real.is_within(&RealPath::of(Path::new(directory)))) {
        return Ok(());
    }
    let shown = if real.path() == Path::new(path) || !is_shown() {
        format!("{path:?}")
    } else {
        format!("{path:?} (which leads to {})", real.path().display())
    };
    let allowed = if directories.is_empty() {
        "mount it as host:container, which lands in the app's own directory".to_owned()
    } else {
        format!("allowed are paths below {}", directories.join(", "))
    };
    Err(refusal!(
        "host path {shown} is not allowed by this host's policy: {allowed} (dokku storage:policy:report)"
    ))
}
