//! `storage:migrate`: takes `-v` lines over from docker-options.

use clap::Args;

use super::arguments::{self, with_app};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::apps;
use crate::ops::migrate::migrate;

#[derive(Debug, Args)]
struct Arguments {
    app: String,
    /// --all: re-migrate every app on this install
    all: bool,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (Arguments { all, .. }, _) = arguments::parse_with_rest(words, context)?;
    let words = if all { words.into() } else { with_app::<Arguments>(words, context)? };
    let Arguments { app: name, .. } = arguments::parse(&words, context)?;
    if all && !name.is_empty() {
        refuse!("storage:migrate accepts either an app name or --all, not both");
    }
    if !all && name.is_empty() {
        refuse!("storage:migrate requires an app name (or --all)");
    }
    if all {
        let apps = apps::all(&context.environment, &context.store)?;
        for app in &apps {
            migrate(app, context)?;
        }
        if !apps.is_empty() {
            context.out.headline(&format!("Re-migrated {} app(s)", apps.len()));
        }
        return Ok(());
    }
    let app = apps::existing(&context.environment, &name)?;
    migrate(&app, context)?;
    context.out.headline(&format!("Re-migrated {app}"));
    Ok(())
}
