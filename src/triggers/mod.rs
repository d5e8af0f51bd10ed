//! The plugn triggers: one file each, or one for a family of them.

pub(crate) mod app_clone;
pub(crate) mod app_life;
pub(crate) mod app_mounts;
pub(crate) mod backup;
pub(crate) mod build;
pub(crate) mod cron;
pub(crate) mod docker_args;
pub(crate) mod idle;
pub(crate) mod install;
pub(crate) mod report;
pub(crate) mod uninstall;

use crate::domain::text::word;
use crate::domain::{AppName, Error, Result};

/// The app that a trigger was fired for; Dokku names it, and whether it exists is Dokku's business. A trigger
/// without an app is for nobody, and ends well.
fn app(words: &[String], index: usize) -> Result<AppName> {
    match word(words, index) {
        "" => Err(Error::Status(0)),
        name => AppName::parse(name),
    }
}

/// The old and the new name of an app.
fn both(arguments: &[String]) -> Result<(AppName, AppName)> {
    let new = app(arguments, 1)?;
    Ok((app(arguments, 0)?, new))
}
