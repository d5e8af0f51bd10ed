//! The volumes that an image declares (`VOLUME`): what nothing is mounted at is forgotten with the container.

use super::image::names;
use super::{Finding, Severity};
use crate::commands::scheduler;
use crate::context::Context;
use crate::domain::entry::DOCKER_LOCAL;
use crate::domain::names::AppName;
use crate::domain::paths::ContainerPath;
use crate::domain::phases::{Phase, Phases};
use crate::error::Result;
use crate::host::docker::images;
use crate::store::Store;

/// The phases in which nothing is mounted at a path; none where there is something when the app runs.
///
/// # Errors
/// Where the app's mounts or its docker-options cannot be read.
pub fn free_phases(app: &AppName, path: &ContainerPath, store: &Store) -> Result<Option<Phases>> {
    let mounts = store.mounts(app)?.readable()?;
    let options = store.docker_options(app)?;
    let is_free = |phase: &Phase| {
        let mounted = mounts.mounted.iter().map(|mounted| &mounted.attachment);
        let orphans = mounts.orphans.iter();
        let mut attachments = mounted.chain(orphans);
        !attachments.any(|a| a.phases.contains(*phase) && a.container_path == *path)
            && !options.iter().any(|f| f.is_current && f.phase == *phase && f.mounts_at(path))
    };
    let phases: Vec<Phase> = [Phase::Deploy, Phase::Run].into_iter().filter(is_free).collect();
    Ok(phases.contains(&Phase::Deploy).then(|| Phases::or_default(phases)))
}

/// Volumes whose data goes with the container, unless the next deploy makes entries for them.
#[must_use]
pub fn forgotten(app: &AppName, context: &Context) -> Vec<Finding> {
    let settings = context.store.app_settings(app);
    let is_elsewhere = scheduler::of_app(app, context) != DOCKER_LOCAL;
    if is_elsewhere || settings.is_ok_and(|settings| settings.auto_volumes) {
        return Vec::new();
    }
    let volumes = images::volumes(&context.environment, &names(app, "", context));
    let paths = volumes.iter().filter_map(|path| ContainerPath::parse(path).ok());
    // What cannot be read is told already.
    let is_free =
        |path: &ContainerPath| matches!(free_phases(app, path, &context.store), Ok(Some(_)));
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
    paths.filter(is_free).map(finding).collect()
}
