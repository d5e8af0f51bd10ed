//! `storage:migrate`: takes `-v` lines over from docker-options.

use clap::Parser;

use super::arguments::{self, at, no_more_than};
use crate::context::Context;
use crate::domain::error::{Error, Result};
use crate::ops::apps;
use crate::ops::migrate::migrate;

#[derive(Debug, Parser)]
struct Arguments {
    /// --all: re-migrate every app on this install
    #[arg(long)]
    all: bool,
    positional: Vec<String>,
}

/// Takes the lines of one app, or of every app of the caller.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments: Arguments = arguments::parse(words, context)?;
    let mut positional = arguments.positional;
    if !arguments.all {
        positional = arguments::with_app(positional, 1, context);
    }
    no_more_than(&positional, 1)?;
    let name = at(&positional, 0);
    if arguments.all && !name.is_empty() {
        return Err(Error::refused(
            "storage:migrate accepts either an app name or --all, not both",
        ));
    }
    if !arguments.all && name.is_empty() {
        return Err(Error::refused("storage:migrate requires an app name (or --all)"));
    }
    if arguments.all {
        let apps = apps::all(&context.environment, &context.store)?;
        for app in &apps {
            migrate(app, context)?;
        }
        if !apps.is_empty() {
            context.out.headline(&format!("Re-migrated {} app(s)", apps.len()));
        }
        return Ok(());
    }
    let app = apps::existing(&context.environment, name)?;
    migrate(&app, context)?;
    context.out.headline(&format!("Re-migrated {app}"));
    Ok(())
}
