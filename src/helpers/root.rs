//! Below which folder the helpers work.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::host::environment::is_under_sudo;
use crate::host::ownership::STORAGE_ROOT_FILE;

/// The root-owned folder of what `install` puts outside the plugin.
pub const INSTALLED: &str = "/usr/local/lib/dokku-storage";

/// The storage root, as `install` noted it.
///
/// A copy in the plugin's own folder that root calls directly, not through sudo, works for root's own
/// environment: what comes through sudo is the word of somebody who is not root.
///
/// # Errors
/// Where the note is missing, or not only root's to write.
pub fn storage(context: &Context) -> Result<PathBuf> {
    let program = fs::read_link("/proc/self/exe").unwrap_or_default();
    if !program.starts_with(INSTALLED) && !is_under_sudo() {
        let root = context.store.layout().storage();
        return fs::canonicalize(root).map_err(Error::system("open", root));
    }
    noted()
}

/// The storage root that the installed helpers work below.
///
/// # Errors
/// Where the note is missing, or not only root's to write.
pub fn noted() -> Result<PathBuf> {
    let text =
        fs::read_to_string(STORAGE_ROOT_FILE).map_err(Error::system("read", STORAGE_ROOT_FILE))?;
    for path in [Path::new(STORAGE_ROOT_FILE), Path::new(INSTALLED)] {
        let metadata = fs::symlink_metadata(path).map_err(Error::system("read", path))?;
        if metadata.uid() != 0 || metadata.mode() & 0o022 != 0 || metadata.is_symlink() {
            return Err(Error::refused(format!(
                "{} can be written by others than root; run dokku plugin:trigger install as root",
                path.display()
            )));
        }
    }
    let root = PathBuf::from(text);
    if root.is_absolute() {
        Ok(root)
    } else {
        Err(Error::refused(format!("{STORAGE_ROOT_FILE} does not hold an absolute path")))
    }
}
