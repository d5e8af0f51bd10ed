//! The plugn triggers: one file each, or one for a family of them.

pub mod app_clone;
pub mod app_life;
pub mod app_mounts;
pub mod build;
pub mod cron;
pub mod docker_args;
pub mod idle;
pub mod install;
pub mod report;
pub mod uninstall;

use crate::domain::names::AppName;
use crate::error::Result;

/// The app that a trigger was fired for; Dokku names it, and whether it exists is Dokku's business. A trigger
/// without an app is for nobody.
fn app(words: &[String]) -> Result<Option<AppName>> {
    match word(words, 0) {
        "" => Ok(None),
        name => AppName::parse(name).map(Some),
    }
}

fn word(words: &[String], index: usize) -> &str {
    words.get(index).map_or("", String::as_str)
}
