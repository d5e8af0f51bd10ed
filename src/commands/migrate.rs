//! `storage:migrate`: takes `-v` lines over from docker-options.

use super::arguments::{self, Args, no_more_than};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::apps;
use crate::ops::migrate::migrate;

#[derive(Debug, Args)]
struct Arguments {
    app: Option<String>,
    /// --all: re-migrate every app on this install
    all: bool,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (Arguments { mut app, all }, mut rest) = arguments::parse_some(words, context)?;
    let global =
        context.environment.app_name().filter(|global| !all && app.as_ref() != Some(global));
    if let Some(global) = global {
        rest.splice(..0, app.replace(global));
    }
    no_more_than(&rest, 0)?;
    let name = app.unwrap_or_default();
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
