//! A store in a throw-away directory, made once for a whole run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use dokku_storage::testing::{Layout, Owner, Store};
use tempfile::TempDir;

static DIRECTORY: OnceLock<TempDir> = OnceLock::new();

/// The directory. A fuzz target ends without a return, so that `run.sh` has to remove it.
pub fn directory() -> &'static Path {
    DIRECTORY.get_or_init(|| TempDir::with_prefix("storage-fuzz-").unwrap()).path()
}

/// Runs `test` with the root of a store and the store.
#[allow(dead_code, reason = "one of the targets only needs the folder")]
pub fn with_store(test: impl FnOnce(&Path, &Store)) {
    let root: PathBuf = directory().join("root");
    let layout = Layout::new(root.clone());
    fs::create_dir_all(layout.entries()).unwrap();
    fs::create_dir_all(root.join("config/docker-options/blog")).unwrap();
    test(&root, &Store::new(layout, Owner::caller(), Some(root.join("home"))));
}
