//! Judging host paths by the host's policy, after resolving the links in them.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::domain::error::{Error, Result};
use crate::domain::names::AppName;
use crate::domain::policy::Policy;

/// Refuses a host path that the policy does not allow. Links are resolved first, as far as the path exists,
/// in the path and in the directories of the policy alike.
pub(crate) fn judge(policy: &Policy, app: Option<&AppName>, path: &str) -> Result<()> {
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
        "mount it as host:container, which lands in the app's own directory".to_owned()
    } else {
        format!("allowed are paths below {}", folders.join(", "))
    };
    Err(Error::refused(format!(
        "host path {shown} is not allowed by this host's policy: {allowed} (dokku storage:policy:report)"
    )))
}

/// How many links a path may lead through, as in the kernel.
const MOST_LINKS: u32 = 40;

/// The path with every link resolved, also those that lead to nothing yet; names that do not exist stay as they
/// are. `..` is taken away first, by the names alone, which is what Docker does.
fn resolved(path: &Path) -> PathBuf {
    let mut ahead: Vec<OsString> = cleaned(path).iter().rev().map(OsString::from).collect();
    let mut real = PathBuf::new();
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        if name == ".." {
            real.pop();
            continue;
        }
        let next = real.join(&name);
        match std::fs::read_link(&next) {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    real = PathBuf::new();
                }
                ahead.extend(target.iter().rev().filter(|name| *name != ".").map(OsString::from));
            }
            _ => real = next,
        }
    }
    real
}

/// The path without `.` and `..`.
fn cleaned(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_to_where_they_lead_even_to_nothing() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        symlink("/not/there/yet", root.join("dangling")).unwrap();
        symlink("b/../c", root.join("relative")).unwrap();
        symlink(root.join("loop"), root.join("loop")).unwrap();
        assert_eq!(resolved(&root.join("dangling/x")), Path::new("/not/there/yet/x"));
        assert_eq!(resolved(&root.join("relative")), root.join("c"));
        assert_eq!(resolved(&root.join("none/../../etc")), root.parent().unwrap().join("etc"));
        assert!(resolved(&root.join("loop")).ends_with("loop"));
    }
}
