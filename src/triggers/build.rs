//! What a build tells: the app's source, in which it declares its needs, and the image that comes of it.

use std::io::{self, ErrorKind};
use std::path::Path;

use serde_json::Value;

use super::{app, word};
use crate::checks::prepare;
use crate::context::Context;
use crate::domain::needs::parse;
use crate::domain::plain::json_reason;
use crate::domain::{AppName, Result};
use crate::fs::{bounded, tree};
use crate::ops::{app_settings, needs};
use crate::store::{files, is_absent};

/// The largest `app.json` that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Reads what an app needs from the `app.json` in its source. Where that says nothing of storage any more, what it said goes;
/// what was imported stays.
pub(crate) fn extracted(arguments: &[String], context: &mut Context) -> Result<()> {
    let app = app(arguments, 0)?;
    match app_json(&app, Path::new(word(arguments, 1)), context)? {
        Ok((document, value)) => declared(&app, &document, &value, context)?,
        Err(unreadable) => must_need_nothing(&app, &unreadable, context)?,
    }
    prepare::build(&app, context)
}

fn declared(app: &AppName, document: &[u8], value: &Value, context: &mut Context) -> Result<()> {
    if value.get("storage").is_some() {
        let declared = parse(document).map_err(|reason| refusal!("{app}: app.json: {reason}"))?;
        needs::declare(app, &declared, true, context)?;
    } else if context.store.app_settings(app)?.needs_from_app_json {
        needs::declare(app, &[], false, context)?;
    }
    if value.pointer("/scripts/dokku/predeploy").is_some() {
        // It runs before the deploy is checked, and Dokku does not show why it does not start.
        needs::resolve(app, context)?;
        prepare::stop_for(&needs::missing(app, context)?)?;
    }
    Ok(())
}

/// Refuses a file that cannot be read where the app is known to need storage: what it needs now is not guessed. Dokku reads more
/// than this, so that others are only told.
fn must_need_nothing(app: &AppName, unreadable: &str, context: &mut Context) -> Result<()> {
    let knows_some = context.store.app_settings(app)?.needs_from_app_json
        || !context.store.needs(app)?.is_empty();
    refuse_if!(
        knows_some,
        "{app}: {unreadable}; so it is not known what storage the app needs now; mend the file, or, if it needs none any more: echo '[]' | dokku storage:needs:import {app}"
    );
    context.out.warn(&format!("{app}: {unreadable}; storage that it declares is not known"));
    Ok(())
}

/// The text of the app's `app.json`, wherever the app keeps it, and what it says; or why it cannot be read. Links are followed
/// within the source only: it is not ours. Where there is none, or nothing in it, it says nothing.
fn app_json(
    app: &AppName,
    source: &Path,
    context: &Context,
) -> Result<std::result::Result<(Vec<u8>, Value), String>> {
    let layout = context.store.layout();
    let chosen = files::read(&layout.property("app-json", app.as_str(), "appjson-path"))?;
    let name = String::from_utf8(chosen.unwrap_or_default()).unwrap_or_default();
    let name = if name.trim().is_empty() { "app.json" } else { name.trim() };
    if source.as_os_str().is_empty() {
        return Ok(Ok((Vec::new(), Value::Null)));
    }
    let value = document(source, name.trim_start_matches('/')).and_then(|document| {
        let value = if document.trim_ascii().is_empty() { Value::Null } else { read(&document)? };
        Ok((document, value))
    });
    Ok(value.map_err(|why| format!("{name} cannot be read: {why}")))
}

/// What is in a file of the source; nothing where it is not there.
fn document(source: &Path, name: &str) -> std::result::Result<Vec<u8>, String> {
    let why = |error: io::Error| error.to_string();
    if name.split('/').any(|part| part == "..") {
        return Err("it is not in the source".to_owned());
    }
    let file = match tree::open_within(source, Path::new(name)) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            return Err("it is a link that leads out of the source".to_owned());
        }
        other => other.map_err(why)?,
    };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err("it is not a regular file".to_owned());
    }
    let document = bounded::read(file, LARGEST).map_err(why)?;
    document.ok_or_else(|| format!("it has more than {} MiB", LARGEST / 1024 / 1024))
}

fn read(document: &[u8]) -> std::result::Result<Value, String> {
    if let Err(error) = std::str::from_utf8(document) {
        let before = &document[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        return Err(format!("line {line}: it is not UTF-8 text"));
    }
    serde_json::from_slice(document).map_err(|error| {
        let is_deep = error.to_string().starts_with("recursion limit");
        let reason = if is_deep { "it is nested too deep".to_owned() } else { json_reason(&error) };
        format!("line {}: {reason}", error.line())
    })
}

/// Notes what was built, and looks at the image.
pub(crate) fn released(arguments: &[String], context: &mut Context) -> Result<()> {
    let (builder, image) = (word(arguments, 0), word(arguments, 2));
    let name = word(arguments, 1);
    if name.is_empty() || image.is_empty() {
        return Ok(());
    }
    let app = AppName::parse(name)?;
    if app_settings::note_build(&app, builder, image, context)? {
        prepare::look_at_image(&app, image, context);
    }
    Ok(())
}

/// Checks what the app mounts before the image is released and containers start; the refusal stops the deploy.
pub(crate) fn checked(arguments: &[String], context: &mut Context) -> Result<()> {
    let app = app(arguments, 1)?;
    prepare::release(&app, word(arguments, 2), context)
}

/// Forgets what the deploy has checked. The new containers run: where that fails, it is said, and no more.
pub(crate) fn deployed(arguments: &[String], context: &mut Context) -> Result<()> {
    let app = app(arguments, 0)?;
    if let Err(error) = prepare::end(&app, context) {
        context.out.warn(&error.to_string());
    }
    context.store.forget_asked(&app);
    Ok(())
}
