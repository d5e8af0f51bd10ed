//! `storage:app:*`: what is decided for one app.

use super::arguments::{self, AppWord, Args, no_more_than};
use super::asked::ReportRequest;
use crate::context::Context;
use crate::domain::Result;
use crate::domain::app_settings::PROPERTIES;
use crate::render::Report;

#[derive(Debug, Args)]
struct Arguments {
    app: AppWord,
    property: String,
    value: String,
}

pub(crate) fn set(words: &[String], context: &mut Context) -> Result<()> {
    let (Arguments { app, property, value }, rest) = arguments::parse_some(words, context)?;
    let app = app.existing(context)?;
    no_more_than(&rest, 0)?;
    if property.is_empty() {
        let names: Vec<&str> = PROPERTIES.iter().map(|(name, _)| *name).collect();
        refuse!("No property specified, there are: {}", names.join(", "));
    }
    let changed = context.store.change(|change| {
        let before = change.store().app_settings(&app)?;
        let mut settings = before.clone();
        settings.set(&property, &value)?;
        if settings == before {
            return Ok(false);
        }
        change.write_app_settings(&app, &settings)?;
        Ok(true)
    })?;
    let what = match (changed, &*value) {
        (false, _) => format!("Storage {property} of {app} is so already"),
        (true, "") => format!("Storage {property} of {app} unset"),
        (true, value) => format!("Storage {property} of {app} set to {value}"),
    };
    context.out.headline(&what);
    Ok(())
}

pub(crate) fn report(words: &[String], context: &mut Context) -> Result<()> {
    let request = ReportRequest::parse(words, context)?;
    let app = request.app(context).unwrap_or_default().existing(context)?;
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
    report.print(&mut context.out, app.as_str(), &request.asked)
}
