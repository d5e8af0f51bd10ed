//! The plugin's directory, assembled from the program under test by the program itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use assert_cmd::Command;
use tempfile::TempDir;

/// An assembled directory; it is removed with the last host that uses it.
#[derive(Debug)]
pub struct Plugin {
    above: TempDir,
}

static SHARED: Mutex<Weak<Plugin>> = Mutex::new(Weak::new());

impl Plugin {
    /// The directory that all hosts of this moment share.
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plugin) = shared.upgrade() {
            return plugin;
        }
        let plugin = Arc::new(Self::assemble());
        *shared = Arc::downgrade(&plugin);
        plugin
    }

    /// A directory of its own, for tests that change it.
    pub fn assemble() -> Self {
        Self::assemble_below("storage-plugin-")
    }

    /// A directory whose real path contains a name that begins like this.
    pub fn assemble_below(prefix: &str) -> Self {
        let plugin = Self { above: TempDir::with_prefix(prefix).unwrap() };
        let assembled = Command::new(super::program_under_test())
            .arg("assemble")
            .arg(plugin.directory())
            .arg("--repo")
            .arg(super::repository())
            .env_clear()
            .env("DOKKU_STORAGE_ROOT", plugin.above.path().join("store"))
            .output()
            .unwrap();
        assert!(
            assembled.status.success(),
            "assemble failed: {}",
            String::from_utf8_lossy(&assembled.stderr)
        );
        plugin
    }

    /// Where it is, links resolved.
    pub fn directory(&self) -> PathBuf {
        self.above.path().canonicalize().unwrap().join("storage")
    }
}
