//! Where Dokku keeps what: the paths below `$DOKKU_LIB_ROOT`.

use std::path::{Path, PathBuf};

use crate::domain::{AppName, ConnectorName, EntryName, is_of};

/// Where the helpers are below what `install` puts outside the plugin; Dokku looks for a path that ends in this.
const HELPERS: &str = "storage/bin";

/// The name of this program where it is installed as a helper; the helpers are links to it.
const PROGRAM: &str = "dokku-storage";

/// The root-owned directory of what `install` puts outside the plugin. A host has one; a second plugin on the same host, as the
/// tests have, gets another (`DOKKU_STORAGE_HELPERS`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed(PathBuf);

impl Default for Installed {
    fn default() -> Self {
        Self("/usr/local/lib/dokku-storage".into())
    }
}

impl Installed {
    /// The directory at a path; none where that could not name a file of sudo's rules, too.
    pub(crate) fn at(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        (path.is_absolute() && is_of(name, "-")).then_some(Self(path))
    }

    /// The directory that the helper `name` is in, by its path.
    pub(crate) fn of_helper(path: &Path, name: &str) -> Option<Self> {
        let helpers = path.parent().filter(|_| path.ends_with(name))?;
        helpers
            .ends_with(HELPERS)
            .then(|| helpers.ancestors().nth(2))
            .flatten()
            .and_then(|path| Self::at(path.to_owned()))
    }

    /// The directory that a program is installed in.
    pub(crate) fn of_program(path: &Path) -> Option<Self> {
        Self::of_helper(path, PROGRAM)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The directory of the programs that sudo may run.
    pub(crate) fn helpers(&self) -> PathBuf {
        self.0.join(HELPERS)
    }

    /// The program that the helpers are links to.
    pub(crate) fn program(&self) -> PathBuf {
        self.helpers().join(PROGRAM)
    }

    /// The file that says where the store is.
    pub(crate) fn lib_root_file(&self) -> PathBuf {
        self.0.join("lib-root")
    }

    /// The file that says whose the store is: a uid and a gid, divided by a colon.
    pub(crate) fn owner_file(&self) -> PathBuf {
        self.0.join("owner")
    }

    /// The file that says where the storage root is, with every link in its path resolved.
    pub(crate) fn storage_root_file(&self) -> PathBuf {
        self.0.join("storage-root")
    }

    /// Where sudo reads which of the helpers Dokku's user may run as root.
    pub(crate) fn sudoers(&self) -> PathBuf {
        Path::new("/etc/sudoers.d").join(self.0.file_name().unwrap_or_default())
    }
}

/// What root types to have the `install` trigger run again: `plugin:trigger` runs it as Dokku's user.
pub(crate) const INSTALL_AGAIN: &str = "dokku plugin:install --core";

/// What begins the name of something in the registry that a change could not remove.
pub(crate) const LEFT_OVER: &str = ".left-";

/// What a file system has by itself.
pub(crate) const LOST_AND_FOUND: &str = "lost+found";

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

    pub fn connectors(&self) -> PathBuf {
        self.registry().join("connectors")
    }

    pub fn connector(&self, name: &ConnectorName) -> PathBuf {
        self.connectors().join(format!("{name}.json"))
    }

    /// A connector's secret: a line, or a file as `ssh` or `rclone` wants it.
    pub fn connector_secret(&self, name: &ConnectorName) -> PathBuf {
        self.connectors().join(format!("{name}.secret"))
    }

    /// The password of the backups that are sent over a connector.
    pub fn connector_key(&self, name: &ConnectorName) -> PathBuf {
        self.connectors().join(format!("{name}.key"))
    }

    /// The host keys of a connector's server, as `ssh` wants the file.
    pub fn connector_known_hosts(&self, name: &ConnectorName) -> PathBuf {
        self.connectors().join(format!("{name}.known-hosts"))
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

    /// What Docker is about to mount (`src/store/mounting.rs`).
    pub(crate) fn mounting(&self) -> PathBuf {
        self.root.join("data/storage-registry/.mounting")
    }

    /// The containers that commands have paused (`src/store/pausing.rs`).
    pub(crate) fn paused(&self) -> PathBuf {
        self.root.join("data/storage-registry/.paused")
    }

    /// The cache of what entries hold, for `storage:metrics`.
    pub(crate) fn usage_cache(&self) -> PathBuf {
        self.root.join("data/storage-registry/.usage")
    }

    /// The inode of the storage root in which something was seen last (`src/store/away.rs`).
    pub(crate) fn noted_storage_root(&self) -> PathBuf {
        self.root.join("data/storage-registry/.storage-root")
    }

    /// What restic caches of the repositories.
    pub(crate) fn backup_cache(&self) -> PathBuf {
        self.root.join("data/storage-registry/.backup-cache")
    }

    /// The numbers of the processes of restic that may have left a lock.
    pub(crate) fn backup_processes(&self) -> PathBuf {
        self.root.join("data/storage-registry/.backup-processes")
    }

    /// The cache of the entries that need not be read (`src/store/plain.rs`). The number is that of the fields it is about.
    pub fn plain(&self) -> PathBuf {
        self.root.join("data/storage-registry/.plain-1")
    }

    pub fn entries(&self) -> &Path {
        &self.entries
    }

    pub fn entry(&self, name: &EntryName) -> PathBuf {
        self.entries.join(format!("{name}.json"))
    }

    pub fn apps(&self) -> &Path {
        &self.apps
    }

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

    pub fn migrations(&self) -> PathBuf {
        self.root.join("data/storage-registry/migrations")
    }

    /// A property that another of Dokku's plugins keeps for an app (or `--global`).
    pub fn property(&self, plugin: &str, app: &str, name: &str) -> PathBuf {
        self.root.join("config").join(plugin).join(app).join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_told_by_the_path_of_a_helper() {
        let of = |path: &str| Installed::of_helper(Path::new(path), "mount-storage");
        let usual = Installed::default();
        assert_eq!(
            of(usual.helpers().join("mount-storage").to_str().unwrap()),
            Some(usual.clone())
        );
        assert_eq!(Installed::of_program(&usual.program()), Some(usual));
        let other = of("/opt/second/storage/bin/mount-storage").unwrap();
        assert_eq!(other.path(), Path::new("/opt/second"));
        assert_eq!(other.sudoers(), Path::new("/etc/sudoers.d/second"));
        for none in [
            "/opt/bin/mount-storage",
            "/opt/a.b/storage/bin/mount-storage",
            "storage/bin/mount-storage",
            "/opt/x/storage/bin/other",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
