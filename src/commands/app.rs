//! `storage:app:*`: what is decided for one app.

use super::arguments::{self, AppWord, Args, no_more_than};
use super::asked::ReportRequest;
use crate::context::Context;
use crate::domain::Result;
use crate::domain::app_settings::PROPERTIES;
use crate::ops::{app_settings, share};
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
    let changed = app_settings::set(&app, &property, &value, context)?;
    let what = match (changed, &*value) {
        (false, _) => format!("Storage {property} of {app} is so already"),
        (true, "") => format!("Storage {property} of {app} unset"),
        (true, value) => format!("Storage {property} of {app} set to {value}"),
    };
    context.out.headline(&what);
    Ok(())
}

/// The flags of the report. Each but the first prints its value alone.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
struct Reported {
    /// --format: output format: text or json
    #[arg(default_value = "text")]
    format: String,
    /// --storage-app-auto-volumes: whether the image's volumes get storage entries
    storage_app_auto_volumes: bool,
    /// --storage-app-builder: builder of the last deploy
    storage_app_builder: bool,
    /// --storage-app-clone: whether a clone of the app shares the data or copies it
    storage_app_clone: bool,
    /// --storage-app-image: image of the last deploy
    storage_app_image: bool,
    /// --storage-app-missing-source: what happens at a deploy where a host path is missing
    storage_app_missing_source: bool,
    /// --storage-app-shared-from: apps whose mounts the app shares
    storage_app_shared_from: bool,
    /// --storage-app-unwritable-source: what happens at a deploy where the app cannot write to a mount
    storage_app_unwritable_source: bool,
}

pub(crate) fn report(words: &[String], context: &mut Context) -> Result<()> {
    let request = ReportRequest::parse_own::<Reported>(words, context)?;
    let app = request.app(context).unwrap_or_default().existing(context)?;
    // The global --app takes no word's place.
    let named = usize::from(context.environment.app_name().is_none());
    no_more_than(&request.words, named)?;
    let settings = context.store.app_settings(&app)?;
    let mut report = Report::default();
    report.add("app-missing-source", settings.missing_source.to_string());
    report.add("app-unwritable-source", settings.unwritable_source.to_string());
    report.add("app-clone", settings.clone.to_string());
    report.add("app-auto-volumes", settings.auto_volumes.to_string());
    if !settings.shared_from.is_empty() {
        let shares = settings.shared_from.iter().map(|share| {
            let how = if share.read_only { " (read-only)" } else { "" };
            Ok(format!("{}{how}", share::name(&share.app, context)?))
        });
        let shares: Result<Vec<String>> = shares.collect();
        report.add("app-shared-from", shares?.join(", "));
    }
    report.add("app-image", settings.image);
    report.add("app-builder", settings.builder);
    report.print(&mut context.out, app.as_str(), &request.asked)
}
