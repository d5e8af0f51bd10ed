//! `storage:app:*`: what is decided for one app.

use clap::Parser;

use super::arguments::{self, at, no_more_than, with_app};
use crate::context::Context;
use crate::domain::app_settings::PROPERTIES;
use crate::domain::error::{Error, Result};
use crate::ops::apps;
use crate::ops::report::{Format, Request};
use crate::render::report::Report;

#[derive(Debug, Parser)]
struct Arguments {
    positional: Vec<String>,
}

/// Sets a property of an app, or takes it back to its default.
pub(crate) fn set(words: &[String], context: &mut Context) -> Result<()> {
    let arguments: Arguments = arguments::parse(words, context)?;
    let positional = with_app(arguments.positional, 3, context);
    let app = apps::existing(&context.environment, at(&positional, 0))?;
    no_more_than(&positional, 3)?;
    let (property, value) = (at(&positional, 1), at(&positional, 2));
    if property.is_empty() {
        let names: Vec<&str> = PROPERTIES.iter().map(|(name, _)| *name).collect();
        return Err(Error::refused(format!(
            "No property specified, there are: {}",
            names.join(", ")
        )));
    }
    let changed = context.store.change(|change| {
        let before = change.store().app_settings(&app)?;
        let mut settings = before.clone();
        settings.set(property, value)?;
        if settings == before {
            return Ok(false);
        }
        change.write_app_settings(&app, &settings)?;
        Ok(true)
    })?;
    let what = match (changed, value) {
        (false, _) => format!("Storage {property} of {app} is so already"),
        (true, "") => format!("Storage {property} of {app} unset"),
        (true, value) => format!("Storage {property} of {app} set to {value}"),
    };
    context.out.headline(&what);
    Ok(())
}

/// Shows what is decided for an app.
pub(crate) fn report(words: &[String], context: &mut Context) -> Result<()> {
    let request = Request::parse(words, context)?;
    let positional = with_app(request.positional.clone(), 1, context);
    let app = apps::existing(&context.environment, at(&positional, 0))?;
    let settings = context.store.app_settings(&app)?;
    let mut report = Report::default();
    report.add("app-missing-source", settings.missing_source.to_string());
    report.add("app-unwritable-source", settings.unwritable_source.to_string());
    report.add("app-clone", settings.clone.to_string());
    report.add("app-auto-volumes", settings.auto_volumes.to_string());
    if !settings.shared_from.is_empty() {
        let shares = settings.shared_from.iter().map(|share| {
            let how = if share.read_only { " (read-only)" } else { "" };
            Ok(format!("{}{how}", crate::ops::share::name(&share.app, context)?))
        });
        let shares: Result<Vec<String>> = shares.collect();
        report.add("app-shared-from", shares?.join(", "));
    }
    report.add("app-image", settings.image);
    report.add("app-builder", settings.builder);
    match (&request.flag, request.format) {
        (Some(flag), _) => report.print_value(&mut context.out, flag)?,
        (None, Format::Json) => report.print_json(&mut context.out),
        (None, Format::Text) => report.print_text(&mut context.out, app.as_str()),
    }
    Ok(())
}
