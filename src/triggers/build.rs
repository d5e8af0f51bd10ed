//! What a build tells: the app's source, in which it declares its needs, and the image that comes of it.

use std::io::{ErrorKind, Read};
use std::path::Path;

use super::{app, word};
use crate::checks::{prepare, sources};
use crate::context::Context;
use crate::domain::needs::parse;
use crate::domain::{AppName, Error, MissingSource, Phase, Result};
use crate::fs::tree;
use crate::ops::{app_settings, needs};
use crate::store::{files, is_absent};

/// The largest `app.json` that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Reads what an app needs from the `app.json` in its source. Where that says nothing of storage any more, what it said goes;
/// what was imported stays.
pub(crate) fn extracted(arguments: &[String], context: &mut Context) -> Result<()> {
    let app = app(arguments, 0)?;
    let document = app_json(&app, Path::new(word(arguments, 1)), context)?.unwrap_or_default();
    let value = serde_json::from_slice::<serde_json::Value>(&document).unwrap_or_default();
    if value.get("storage").is_some() {
        let declared = parse(&document).map_err(|reason| refusal!("{app}: app.json: {reason}"))?;
        needs::declare(&app, &declared, true, context)?;
    } else if context.store.app_settings(&app)?.needs_from_app_json {
        needs::declare(&app, &[], false, context)?;
    }
    if value.pointer("/scripts/dokku/predeploy").is_some() {
        // It runs before the deploy is checked, and Dokku does not show why it does not start.
        needs::resolve(&app, context)?;
        prepare::stop_for(&needs::missing(&app, context)?)?;
    }
    check_build_mounts(&app, context)
}

/// Refuses a build whose mounts have no source: Docker would make a directory of it, as root.
fn check_build_mounts(app: &AppName, context: &Context) -> Result<()> {
    if context.store.app_settings(app)?.missing_source != MissingSource::Fail {
        return Ok(());
    }
    let mounts = context.store.mounts(app)?;
    let in_build = mounts.mounted.iter().filter(|mounted| {
        mounted.entry.is_docker_local() && mounted.attachment.phases.contains(Phase::Build)
    });
    let missing = in_build.filter_map(|mounted| sources::missing(app, mounted, context));
    let lines: Vec<String> = missing.map(|finding| finding.line()).collect();
    if lines.is_empty() { Ok(()) } else { Err(Error::refused(lines.join("\n"))) }
}

/// The text of the app's `app.json`, wherever the app keeps it. Links are followed within the source only: it is
/// not ours.
fn app_json(app: &AppName, source: &Path, context: &Context) -> Result<Option<Vec<u8>>> {
    let layout = context.store.layout();
    let chosen = files::read(&layout.property("app-json", app.as_str(), "appjson-path"))?;
    let name = String::from_utf8(chosen.unwrap_or_default()).unwrap_or_default();
    let name = if name.trim().is_empty() { "app.json" } else { name.trim() };
    let path = source.join(name.trim_start_matches('/'));
    if name.split('/').any(|part| part == "..") || source.as_os_str().is_empty() {
        return Ok(None);
    }
    let opened = tree::open_within(source, Path::new(name.trim_start_matches('/')));
    let file = match opened {
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            refuse!(
                "{app}: {} is a link that leads out of the source; put the file itself there",
                path.display()
            );
        }
        other => other.map_err(Error::system("read", &path))?,
    };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        refuse!("{app}: {} is not a regular file", path.display());
    }
    let mut document = Vec::new();
    file.take(LARGEST).read_to_end(&mut document).map_err(Error::system("read", &path))?;
    Ok(Some(document))
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
