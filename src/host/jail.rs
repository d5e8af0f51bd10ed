//! Judging host paths by the host's policy, after resolving the links in them.

use std::path::{Path, PathBuf};

use crate::domain::names::AppName;
use crate::domain::policy::Policy;
use crate::error::{Error, Result};

/// Refuses a host path that the policy does not allow. Links are resolved first, as far as the path exists,
/// in the path and in the folders of the policy alike.
///
/// # Errors
/// Names the path, where it leads, and the folders that are allowed.
pub fn judge(policy: &Policy, app: Option<&AppName>, path: &str) -> Result<()> {
    if !policy.restricts_paths() {
        return Ok(());
    }
    let leads_to = resolved(Path::new(path));
    let folders = policy.folders(app);
    if folders.iter().any(|folder| leads_to.starts_with(resolved(Path::new(folder)))) {
        return Ok(());
    }
    let shown = if leads_to == Path::new(path) {
        format!("{path:?}")
    } else {
        format!("{path:?} (which leads to {})", leads_to.display())
    };
    let allowed = if folders.is_empty() {
        "mount it as host:container, which lands in the app's own folder".to_owned()
    } else {
        format!("allowed are paths below {}", folders.join(", "))
    };
    Err(Error::refused(format!(
        "host path {shown} is not allowed by this host's policy: {allowed} (dokku storage:policy:report)"
    )))
}

/// The path with every link resolved; names that do not exist yet stay as they are.
fn resolved(path: &Path) -> PathBuf {
    for existing in path.ancestors() {
        if let Ok(real) = std::fs::canonicalize(existing) {
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    path.to_path_buf()
}
