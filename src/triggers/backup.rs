//! `backup-app-export`, `backup-app-import`, `backup-global-export` and `backup-global-import`: storage's part of Dokku's backups.
//!
//! What is said goes to standard error, and nothing is restarted.

use std::path::PathBuf;

use super::{app, word};
use crate::context::Context;
use crate::domain::{Error, Result};
use crate::ops::archive;

pub(crate) fn export_app(arguments: &[String], context: &mut Context) -> Result<()> {
    let app = app(arguments, 0)?;
    let directory = directory(arguments, 1)?;
    let with_data = context.environment.backs_data_up();
    context.out.speak_aside(true);
    archive::export_app(&app, &directory, with_data, context)
}

pub(crate) fn import_app(arguments: &[String], context: &mut Context) -> Result<()> {
    let app = app(arguments, 0)?;
    let directory = directory(arguments, 1)?;
    // Dokku creates the app before it fires this. What is left of a name that is no app would be the next one's.
    if context.environment.is_dokku() && !context.environment.has_app(&app) {
        return Err(Error::UnknownApp(app.to_string()));
    }
    context.out.speak_aside(true);
    archive::import_app(&app, &directory, context)
}

pub(crate) fn export_global(arguments: &[String], context: &mut Context) -> Result<()> {
    archive::export_global(&directory(arguments, 0)?, context)
}

pub(crate) fn import_global(arguments: &[String], context: &mut Context) -> Result<()> {
    archive::import_global(&directory(arguments, 0)?, context)
}

/// The backup's directory. Dokku makes it.
fn directory(arguments: &[String], index: usize) -> Result<PathBuf> {
    let directory = PathBuf::from(word(arguments, index));
    if directory.is_absolute() && directory.is_dir() {
        return Ok(directory);
    }
    Err(refusal!("{:?} is not the directory of a backup", word(arguments, index)))
}
