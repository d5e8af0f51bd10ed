//! `storage:migrate`: takes `-v` lines over from docker-options.

use clap::Parser;

use super::arguments;
use crate::context::Context;
use crate::domain::Result;
use crate::ops::apps;
use crate::ops::migrate::migrate;

#[derive(Debug, Parser)]
struct Arguments {
    /// --all: re-migrate every app on this install
    all: bool,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, positional) = arguments::parse::<Arguments>(words, context)?;
    let positional = if arguments.all { positional } else { positional.with_app(1, context) };
    positional.at_most(1)?;
    let name = positional.at(0);
    if arguments.all && !name.is_empty() {
        refuse!("storage:migrate accepts either an app name or --all, not both");
    }
    if !arguments.all && name.is_empty() {
        refuse!("storage:migrate requires an app name (or --all)");
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
