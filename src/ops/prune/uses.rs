//! What is used, by whom, as far as anybody can tell; what cannot be read may be about anything.

use std::path::Path;

use crate::context::Context;
use crate::docker::containers::{self, Container};
use crate::domain::entry::Entry;
use crate::domain::error::{Error, Result};
use crate::domain::names::{AppName, EntryName};
use crate::domain::paths::Source;
use crate::fs::mount_points;
use crate::storage::sized;
use crate::store::docker_options::OptionsFile;
use crate::store::{Entries, MountsFile, app_folders, overlap};

/// All that may use something.
pub(crate) struct Uses {
    /// The apps that there are.
    pub apps: Vec<AppName>,
    /// The apps of which only the store still has something.
    pub abandoned: Vec<AppName>,
    /// What is registered.
    pub entries: Entries,
    /// What each app mounts, the abandoned ones too: they may come back.
    mounts: Vec<(AppName, Result<MountsFile>)>,
    /// The `-v` lines that docker-options still has, each with its app.
    options: Vec<(AppName, String)>,
    /// Every container; none where Docker does not answer.
    containers: Option<Vec<Container>>,
}

impl Uses {
    /// Looks at everything.
    pub(crate) fn of_this_host(context: &Context) -> Result<Self> {
        let (apps, folders, entries, mounts) = context.store.snapshot(|store| {
            let apps = store.apps()?;
            let folders = app_folders(store.layout().apps())?;
            let mut all: Vec<&AppName> = apps.iter().chain(&folders).collect();
            all.sort_unstable();
            all.dedup();
            let mounts: Vec<_> =
                all.into_iter().map(|app| (app.clone(), store.mounts_file(app))).collect();
            Ok((apps, folders, store.entries()?, mounts))
        })?;
        let abandoned = folders.into_iter().filter(|app| !apps.contains(app)).collect();
        let mut options = Vec::new();
        for (app, _) in &mounts {
            let files = context.store.docker_options(app)?;
            let lines = files.iter().flat_map(OptionsFile::volume_lines);
            options.extend(lines.map(|line| (app.clone(), line.text)));
        }
        let containers = containers::every(&context.environment);
        Ok(Self { apps, abandoned, entries, mounts, options, containers })
    }

    /// What could not be read, and may be about anything.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        let unreadable = self.mounts.iter().filter_map(|(_, mounts)| match mounts {
            Ok(mounts) => mounts.problem().map(|problem| problem.to_string()),
            Err(error) => Some(error.to_string()),
        });
        unreadable.chain(self.entries.problems.iter().map(Error::to_string))
    }

    /// Whether an app mounts an entry of this name, or may mount it.
    pub(crate) fn is_mounted(&self, name: &EntryName) -> bool {
        self.mounts
            .iter()
            .any(|(_, mounts)| mounts.as_ref().map_or(true, |mounts| mounts.may_mention(name)))
    }

    /// Why a path of this host is not to be touched; `own` is the entry that it belongs to.
    pub(crate) fn of_path(
        &self,
        path: &Path,
        own: Option<&EntryName>,
        context: &Context,
    ) -> Option<String> {
        for entry in &self.entries.entries {
            if let Some(Source::Path(other)) = &entry.host_path
                && own != Some(&entry.name)
                && overlap(path, Path::new(other.as_str()))
                && self.is_mounted(&entry.name)
            {
                return Some(format!(
                    "storage entry \"{}\" has its path, and is mounted",
                    entry.name
                ));
            }
        }
        if let Some(problem) = self.entries.problems.first() {
            return Some(format!("an entry may refer to it that cannot be read ({problem})"));
        }
        let is_named = |text: &str| {
            let source = text.split(':').next().unwrap_or_default();
            source.starts_with('/') && overlap(path, Path::new(source))
        };
        if let Some((app, _)) = self.options.iter().find(|(_, text)| is_named(text)) {
            return Some(format!("docker-options of {app} mount it"));
        }
        let is_sized = |entry: &Entry| own == Some(&entry.name) && sized::size(entry).is_some();
        let is_own = |point: &Path| {
            mount_points::is_same(point, path) && self.entries.entries.iter().any(is_sized)
        };
        if let Some(point) = mount_points::below(path).iter().find(|point| !is_own(point)) {
            return Some(format!("something is mounted at {}", point.display()));
        }
        let seen = context.docker_path(&path.to_string_lossy());
        let is_in = |container: &&Container| {
            container.mounts.iter().filter(|mount| mount.name.is_empty()).any(|mount| {
                let source = Path::new(&mount.source);
                overlap(path, source) || overlap(Path::new(&seen), source)
            })
        };
        self.used_by(is_in)
    }

    /// Why a Docker volume is not to be touched; `own` is the entry that it belongs to.
    pub(crate) fn of_volume(&self, name: &str, own: Option<&EntryName>) -> Option<String> {
        let is_it =
            |source: &Source| matches!(source, Source::Volume(volume) if volume.as_str() == name);
        for entry in &self.entries.entries {
            if own != Some(&entry.name) && entry.host_path.as_ref().is_some_and(is_it) {
                return Some(format!("storage entry \"{}\" has it", entry.name));
            }
        }
        if let Some(problem) = self.entries.problems.first() {
            return Some(format!("an entry may refer to it that cannot be read ({problem})"));
        }
        let is_named = |text: &str| text.split(':').next() == Some(name);
        if let Some((app, _)) = self.options.iter().find(|(_, text)| is_named(text)) {
            return Some(format!("docker-options of {app} mount it"));
        }
        self.used_by(|container| container.mounts.iter().any(|mount| mount.name == name))
    }

    fn used_by(&self, is_in: impl Fn(&&Container) -> bool) -> Option<String> {
        let Some(containers) = &self.containers else {
            return Some("Docker does not answer, and a container may use it".to_owned());
        };
        containers
            .iter()
            .find(is_in)
            .map(|container| format!("the container {} has it", container.id))
    }
}
