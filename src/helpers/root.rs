//! Below which folder the helpers work.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::host::environment::is_under_sudo;

/// The root-owned folder of what `install` puts outside the plugin.
pub const INSTALLED: &str = "/usr/local/lib/dokku-storage";

/// The root-owned file that says where Dokku keeps its state.
pub const LIB_ROOT_FILE: &str = "/usr/local/lib/dokku-storage/lib-root";

/// The storage root, as `install` noted it.
///
/// Where nothing is installed, the caller's environment counts, unless sudo started the program: what comes
/// through sudo is the word of somebody who is not root.
///
/// # Errors
/// Where the note is missing under sudo, or not only root's to write.
pub fn storage(context: &Context) -> Result<PathBuf> {
    let text = match fs::read_to_string(LIB_ROOT_FILE) {
        Ok(text) => text,
        Err(_) if !is_under_sudo() => return Ok(context.store.layout().storage().to_path_buf()),
        Err(error) => return Err(Error::system("read", LIB_ROOT_FILE)(error)),
    };
    for path in [Path::new(LIB_ROOT_FILE), Path::new(INSTALLED)] {
        let metadata = fs::symlink_metadata(path).map_err(Error::system("read", path))?;
        if metadata.uid() != 0 || metadata.mode() & 0o022 != 0 || metadata.is_symlink() {
            return Err(Error::refused(format!(
                "{} can be written by others than root; run dokku plugin:trigger install as root",
                path.display()
            )));
        }
    }
    let root = PathBuf::from(text.trim_end_matches('\n'));
    if root.is_absolute() {
        Ok(root.join("data/storage"))
    } else {
        Err(Error::refused(format!("{LIB_ROOT_FILE} does not hold an absolute path")))
    }
}
