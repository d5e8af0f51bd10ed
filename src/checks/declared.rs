//! The volumes that an image declares (`VOLUME`): what nothing is mounted at is forgotten with the container.

use super::image::names;
use crate::context::Context;
use crate::docker::images;
use crate::domain::{
    AppName, ContainerPath, DOCKER_LOCAL, Finding, Phase, Phases, Result, Severity,
};
use crate::ops::scheduler;
use crate::store::{Mounts, OptionsFile, Store};

/// What an app has mounted, through storage and through docker-options.
#[derive(Default)]
pub(crate) struct Covered {
    mounts: Mounts,
    options: Vec<OptionsFile>,
}

impl Covered {
    pub(crate) fn of(app: &AppName, store: &Store) -> Result<Self> {
        Ok(Self { mounts: store.mounts(app)?.readable()?, options: store.docker_options(app)? })
    }

    /// The phases in which nothing is mounted at a path; none where there is something when the app runs.
    pub(crate) fn free_phases(&self, path: &ContainerPath) -> Option<Phases> {
        let is_free = |phase: &Phase| {
            let mounted = self.mounts.mounted.iter().map(|mounted| &mounted.attachment);
            let mut attachments = mounted.chain(&self.mounts.orphans);
            let mut options = self.options.iter().filter(|file| file.is_current);
            !attachments.any(|a| a.phases.contains(*phase) && a.container_path == *path)
                && !options.any(|file| file.phase == *phase && file.mounts_at(path))
        };
        let phases: Vec<Phase> = [Phase::Deploy, Phase::Run].into_iter().filter(is_free).collect();
        phases.contains(&Phase::Deploy).then(|| Phases::or_default(phases))
    }
}

/// Volumes whose data goes with the container, unless the next deploy makes entries for them.
pub(crate) fn forgotten(app: &AppName, context: &Context) -> Vec<Finding> {
    let settings = context.store.app_settings(app);
    let is_elsewhere = scheduler::of_app(app, context) != DOCKER_LOCAL;
    if is_elsewhere || settings.is_ok_and(|settings| settings.auto_volumes) {
        return Vec::new();
    }
    let volumes = images::volumes(&context.environment, &names(app, "", context));
    if volumes.is_empty() {
        return Vec::new();
    }
    let mut paths: Vec<ContainerPath> = Vec::new();
    for path in volumes.iter().filter_map(|path| ContainerPath::parse(path).ok()) {
        if path.must_start().is_err() {
            continue;
        }
        // An image can name a path twice, `/data` and `/data/`.
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let Ok(covered) = Covered::of(app, &context.store) else {
        // What cannot be read is told already.
        return Vec::new();
    };
    let is_free = |path: &ContainerPath| covered.free_phases(path).is_some();
    let finding = |path: ContainerPath| {
        let sentence = format!(
            "the image of {app} declares a volume at {path}, and nothing is mounted there: what the app writes there is gone with the next deploy"
        );
        let remedy = format!(
            "mount something there, or have entries made for all of them: dokku storage:app:set {app} auto-volumes true"
        );
        let finding = Finding::new("forgotten-volume", Severity::Note, sentence, remedy);
        finding.of_app(app).at(path.as_str())
    };
    paths.into_iter().filter(is_free).map(finding).collect()
}
