//! The plugn triggers: one file each, or one for a family of them.

pub mod app_life;
pub mod app_mounts;
pub mod docker_args;
pub mod install;
pub mod pre_deploy;
pub mod quiet;
pub mod report;
pub mod uninstall;

use crate::domain::names::AppName;
use crate::error::Result;

/// The app that a trigger was fired for. Dokku names it; whether it exists is Dokku's business.
fn app(words: &[String]) -> Result<AppName> {
    AppName::parse(words.first().map_or("", String::as_str))
}

fn word(words: &[String], index: usize) -> &str {
    words.get(index).map_or("", String::as_str)
}
