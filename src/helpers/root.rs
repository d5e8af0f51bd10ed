//! Below which folder the helpers work.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::host::environment::is_under_sudo;
use crate::host::ownership::{LIB_ROOT_FILE, STORAGE_ROOT_FILE};
use crate::store::{Layout, Owner, Store};

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
    if is_own_call() {
        let root = context.store.layout().storage();
        return fs::canonicalize(root).map_err(Error::system("open", root));
    }
    noted()
}

/// The store, found in the same way.
///
/// # Errors
/// As [`storage`].
pub fn store(context: &Context) -> Result<Store> {
    if is_own_call() {
        return Ok(context.store.clone());
    }
    let layout = Layout::new(noted_in(LIB_ROOT_FILE)?);
    // The store belongs to Dokku's user, whatever the caller says who that is.
    let registry = layout.registry();
    let found = fs::metadata(&registry).map_err(Error::system("read", registry))?;
    let owner = match (found.uid(), found.gid()) {
        (0, _) => Owner::caller(),
        (uid, gid) => Owner::ids(uid, gid),
    };
    Ok(Store::new(layout, owner, None))
}

/// Whether root itself calls a copy of the program for its own environment.
#[must_use]
pub fn is_own_call() -> bool {
    let program = fs::read_link("/proc/self/exe").unwrap_or_default();
    !program.starts_with(INSTALLED) && !is_under_sudo()
}

/// The storage root that the installed helpers work below.
///
/// # Errors
/// Where the note is missing, or not only root's to write.
pub fn noted() -> Result<PathBuf> {
    noted_in(STORAGE_ROOT_FILE)
}

fn noted_in(file: &str) -> Result<PathBuf> {
    let text = fs::read_to_string(file).map_err(Error::system("read", file))?;
    for path in [Path::new(file), Path::new(INSTALLED)] {
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
        Err(Error::refused(format!("{file} does not hold an absolute path")))
    }
}
