//! `storage-app-mounts` and the older `storage-list`: what an app mounts, for other plugins.

use serde::Serialize;

use super::{app, word};
use crate::context::Context;
use crate::domain::{Attachment, Entry, Error, Phase, Result};
use crate::ops::mounts::{ShownMount, colon_form};
use crate::ops::report::warn_of_orphans;
use crate::store::Mounts;

#[derive(Serialize)]
struct Pair<'a> {
    entry: Entry,
    attachment: &'a Attachment,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_from: Option<String>,
}

/// Prints the pairs of entry and attachment of a phase (deploy unless another is named) as JSON.
pub(crate) fn pairs(arguments: &[String], context: &mut Context) -> Result<()> {
    let (phase, mounts) = read(arguments, context)?;
    let pairs: Vec<Pair> = mounts
        .sorted()
        .into_iter()
        .filter(|mounted| mounted.attachment.phases.contains(phase))
        .map(|mounted| {
            let shared_from = mounted.shared_from.as_ref().map(ToString::to_string);
            Pair { entry: mounted.entry.shown(), attachment: &mounted.attachment, shared_from }
        })
        .collect();
    context.out.json(&pairs);
    Ok(())
}

/// Prints the mounts of a phase as `host:container[:options]`, or as JSON; warns that it is deprecated.
pub(crate) fn list(arguments: &[String], context: &mut Context) -> Result<()> {
    context.out.warn(
        "Deprecated: please use the 'storage-app-mounts' plugn trigger or the storage Go package directly instead of 'storage-list'",
    );
    let (phase, mounts) = read(arguments, context)?;
    let sorted = mounts.sorted();
    let rows = sorted.into_iter().filter(|mounted| mounted.attachment.phases.contains(phase));
    if word(arguments, 2) == "json" {
        let rows: Vec<ShownMount> = rows.map(ShownMount::from).collect();
        context.out.json(&rows);
        return Ok(());
    }
    for mounted in rows {
        context.out.line(&colon_form(mounted));
    }
    Ok(())
}

/// The phase that is asked for, and what the app mounts; nothing in a phase that there is not, as in Dokku.
fn read(arguments: &[String], context: &mut Context) -> Result<(Phase, Mounts)> {
    let phase = match word(arguments, 1) {
        "" => Ok(Phase::Deploy),
        phase => Phase::parse(phase),
    };
    let (app, phase) = match (app(arguments, 0), phase) {
        (Ok(app), Ok(phase)) => (app, phase),
        (Ok(_), Err(_)) | (Err(Error::Status(_)), _) => {
            return Ok((Phase::Deploy, Mounts::default()));
        }
        (Err(error), _) => return Err(error),
    };
    let mounts = context.store.mounts(&app)?.readable()?;
    warn_of_orphans(&app, &mounts, context);
    Ok((phase, mounts))
}
