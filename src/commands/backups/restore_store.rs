//! `storage:backups:restore-store`: brings a host's storage back on a new one.

use super::Where;
use crate::commands::arguments::{self, Args, Output};
use crate::context::Context;
use crate::domain::{Error, Result};
use crate::ops::access;
use crate::ops::backups::find::Found;
use crate::ops::backups::stored::{self, Restored};
use crate::render::Format;

#[derive(Debug, Args)]
struct Arguments {
    backup: String,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    output: Output,
}

/// Restores entries with their data, mounts, connectors, policy and schedules. What is here stays as it is.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let format = arguments.output.format()?;
    access::must_see_every_app("the store is the host's", context)?;
    let found = Found::of_store(&arguments.backup, arguments.place.given(), context)?;
    // What is said on the way is no part of the document.
    context.out.speak_aside(format == Format::Json);
    let restored = stored::restore(&found, context)?;
    context.out.speak_aside(false);
    if format == Format::Json {
        context.out.json_pretty(&restored);
    } else {
        tell(&restored, &found, context);
    }
    if restored.problems.is_empty() { Ok(()) } else { Err(Error::Status(1)) }
}

fn tell(restored: &Restored, found: &Found, context: &mut Context) {
    let names = |names: &[crate::domain::EntryName]| {
        names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    if !restored.registered.is_empty() {
        context.out.detail(&format!(
            "Registered without data, which is elsewhere or has no backup: {}",
            names(&restored.registered)
        ));
    }
    if !restored.kept.is_empty() {
        context.out.detail(&format!("Here already: {}", names(&restored.kept)));
    }
    if !restored.missing_apps.is_empty() {
        let apps: Vec<String> = restored.missing_apps.iter().map(ToString::to_string).collect();
        context.out.warn(&format!(
            "These apps are not on this host, so that nothing is mounted in them: {}; create them (dokku apps:create APP) and run this command again",
            apps.join(", ")
        ));
    }
    if !restored.scheduled {
        context.out.warn(
            "Schedules are not restored yet, so that no backup is made of what is incomplete: this command restores them once all the rest is there",
        );
    }
    for problem in &restored.problems {
        context.out.warn(&format!("Not restored: {problem}"));
    }
    context.out.headline(&format!(
        "Store of host {} restored from backup {}, with the data of {} entries",
        found.backup.host,
        found.backup.short_id(),
        restored.populated.len()
    ));
}
