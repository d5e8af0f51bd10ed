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

use crate::domain::{AppName, Result};

/// The app that a trigger was fired for; Dokku names it, and whether it exists is Dokku's business. A trigger
/// without an app is for nobody.
fn app(words: &[String], index: usize) -> Result<Option<AppName>> {
    match word(words, index) {
        "" => Ok(None),
        name => AppName::parse(name).map(Some),
    }
}

fn word(words: &[String], index: usize) -> &str {
    words.get(index).map_or("", String::as_str)
}
