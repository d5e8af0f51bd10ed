//! The flat files: where they are, how they are read, and the one way in which they are changed.
//!
//! Readers take no lock: every file is replaced as a whole. Writers go through [`Store::change`], which
//! holds the one lock of the store, lets everything be checked first and then carries out all steps or none.
//!
//! # What is broken, and what happens then
//!
//! Decisions, and why:
//!
//! - **An entry's file is missing.** `docker-args-*` print the other mounts and warn, and `pre-release-builder`
//!   warns with the file, the app and the command that drops the mount; the deploy goes on. Stopping would take an
//!   app down for a file that nobody may be able to bring back, and Dokku's own plugin was worse there: every
//!   deploy of the app failed. A missing *path* is different: Docker would make an empty root-owned directory in
//!   its place, so it stops the deploy.
//! - **A line or an entry cannot be read.** Triggers and changes of that app fail and name file and line: an app
//!   must not come up without its data. Other apps and entries go on. Lists print what they can, then the problem,
//!   and end with status 1; reports print the problem as a warning.
//! - **The policy cannot be read.** Nothing is mounted: what is allowed is not guessed.
//! - **`user-auth-app` fails.** No app is visible.
//! - **Docker does not answer** when ids are mapped: no user namespaces are assumed, with a warning. When a
//!   volume's part is to be mounted: refused, because it is not known whether the engine can.

mod apps;
mod asked;
mod away;
mod backups;
mod carrying;
mod change;
mod clock;
mod connectors;
pub(crate) mod docker_options;
pub(crate) mod entries;
mod exclusive;
pub(crate) mod files;
mod journal;
mod json;
mod kept;
pub(crate) mod mounting;
mod mounts;
mod pausing;
mod plain;
mod policy;
pub(crate) mod reading;
mod rights;
mod shares;
mod snapshots;
mod trash;
mod work;

use std::path::{Path, PathBuf};

pub(crate) use asked::Asked;
pub(crate) use away::AWAY;
pub(crate) use backups::STORE_ID;
pub(crate) use change::{Change, Flushed, OWN_DIRECTORIES, work_on_volume};
pub(crate) use docker_options::{OptionMount, OptionsFile, VolumeLine};
pub(crate) use entries::{Entries, changed_meanwhile, no_such_entry};
pub use files::Owner;
pub(crate) use files::is_absent;
pub(crate) use mounts::Line;
pub use mounts::MountsFile;
pub(crate) use reading::{EntryCache, Mounted, Mounts};
pub(crate) use rights::Rights;
pub(crate) use work::Work;

use crate::domain::{AppName, Error, Layout, Result};

#[derive(Debug, Clone)]
pub struct Store {
    layout: Layout,
    owner: Owner,
    apps_root: Option<PathBuf>,
}

impl Store {
    /// Opens the store. Nothing is read or made yet.
    pub fn new(layout: Layout, owner: Owner, apps_root: Option<PathBuf>) -> Self {
        Self { layout, owner, apps_root }
    }

    /// The directory of Dokku's apps (`$DOKKU_ROOT`); none without Dokku.
    pub fn apps_root(&self) -> Option<&Path> {
        self.apps_root.as_deref()
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Every app there is, whoever asks: the directories of `$DOKKU_ROOT`, or without Dokku those of the store.
    pub fn apps(&self) -> Result<Vec<AppName>> {
        app_directories(self.apps_root().unwrap_or(self.layout.apps()))
    }

    /// The apps of which only the store still has something.
    pub(crate) fn abandoned_apps(&self) -> Result<Vec<AppName>> {
        let apps = self.apps()?;
        let mut known = app_directories(self.layout.apps())?;
        known.retain(|app| apps.binary_search(app).is_err());
        Ok(known)
    }
}

/// The directories below `root` that can be apps, in order; none where there is no such directory.
pub(crate) fn app_directories(root: &Path) -> Result<Vec<AppName>> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::system("read", root)(error)),
    };
    let mut apps = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::system("read", root))?;
        let name = entry.file_name();
        let Some(app) = name.to_str().and_then(|name| AppName::parse(name).ok()) else {
            continue;
        };
        let is_directory = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => entry.path().is_dir(),
            Ok(kind) => kind.is_dir(),
            Err(_) => false,
        };
        if is_directory {
            apps.push(app);
        }
    }
    apps.sort_unstable();
    Ok(apps)
}
