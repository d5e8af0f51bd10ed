//! Where Dokku keeps what: the paths below `$DOKKU_LIB_ROOT`.

use std::path::{Path, PathBuf};

use crate::domain::names::{AppName, EntryName};

/// The root-owned directory of what `install` puts outside the plugin.
pub(crate) const INSTALLED: &str = "/usr/local/lib/dokku-storage";

/// The root-owned directory of the programs that sudo may run; Dokku looks for a path that ends in `storage/bin`.
pub(crate) const HELPERS: &str = "/usr/local/lib/dokku-storage/storage/bin";

/// The root-owned file that says where the store is.
pub(crate) const LIB_ROOT_FILE: &str = "/usr/local/lib/dokku-storage/lib-root";

/// The root-owned file that says where the storage root is, with every link in its path resolved.
pub(crate) const STORAGE_ROOT_FILE: &str = "/usr/local/lib/dokku-storage/storage-root";

/// What root types to have the `install` trigger run again: `plugin:trigger` runs it as Dokku's user.
pub(crate) const INSTALL_AGAIN: &str = "dokku plugin:install --core";

/// What begins the name of something in the registry that a change could not remove.
pub(crate) const LEFT_OVER: &str = ".left-";

/// The paths of one store.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    apps: PathBuf,
    entries: PathBuf,
    storage: PathBuf,
}

impl Layout {
    /// The layout below a root, which is `$DOKKU_LIB_ROOT` on a Dokku host.
    pub fn new(root: PathBuf) -> Self {
        Self {
            apps: root.join("config/storage"),
            entries: root.join("data/storage-registry/entries"),
            storage: root.join("data/storage"),
            root,
        }
    }

    /// The root of all of it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The storage root: the recommended place for host directories.
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// The directory that an entry, or `storage:ensure-directory`, has of itself.
    pub fn directory(&self, name: &str) -> PathBuf {
        self.storage.join(name)
    }

    /// The directory of the plugin's own state.
    pub fn registry(&self) -> PathBuf {
        self.root.join("data/storage-registry")
    }

    /// The directory of the images of sized directories.
    pub fn images(&self) -> PathBuf {
        self.root.join("storage-images")
    }

    /// The lock and, while something is being changed, the note of what.
    pub fn lock(&self) -> PathBuf {
        self.root.join("data/storage-registry/.lock")
    }

    /// The file of the locks of those who are at work on something for longer.
    pub fn work(&self) -> PathBuf {
        self.root.join("data/storage-registry/.work")
    }

    /// Where a change has what is only there while it goes on: one name for all, so that what a killed or cut off
    /// change left is found by it.
    pub fn staging(&self) -> PathBuf {
        self.root.join("data/storage-registry/.change")
    }

    /// The directory of the entry files.
    pub fn entries(&self) -> &Path {
        &self.entries
    }

    /// An entry's file.
    pub fn entry(&self, name: &EntryName) -> PathBuf {
        self.entries.join(format!("{name}.json"))
    }

    /// The directory of the apps' attachments.
    pub fn apps(&self) -> &Path {
        &self.apps
    }

    /// An app's directory.
    pub fn app(&self, app: &AppName) -> PathBuf {
        self.apps.join(app.as_str())
    }

    /// An app's attachments, one a line.
    pub fn mounts(&self, app: &AppName) -> PathBuf {
        let mut path = PathBuf::with_capacity(self.apps.as_os_str().len() + 64);
        path.push(&self.apps);
        path.push(app.as_str());
        path.push("mounts");
        path
    }

    /// `true` once the app's `-v` lines were taken over from docker-options.
    pub fn migrated(&self, app: &AppName) -> PathBuf {
        self.app(app).join("legacy-mounts-migrated")
    }

    /// The older place of the same flag.
    pub fn migrated_before(&self, app: &AppName) -> PathBuf {
        self.migrations().join(app.as_str())
    }

    /// The directory of the older flags.
    pub fn migrations(&self) -> PathBuf {
        self.root.join("data/storage-registry/migrations")
    }

    /// A property that another of Dokku's plugins keeps for an app (or `--global`).
    pub fn property(&self, plugin: &str, app: &str, name: &str) -> PathBuf {
        self.root.join("config").join(plugin).join(app).join(name)
    }
}
