//! Reports of an app's mounts, and the flags that ask for a part of one.

use crate::context::Context;
use crate::domain::docker_args;
use crate::domain::{AppName, Phase, Result, or_empty};
use crate::ops::apps;
use crate::render::{Asked, Report};
use crate::store::{EntryCache, Mounts, Store};
use crate::types;
use std::borrow::Cow;

pub(crate) fn of_app(app: &AppName, context: &mut Context) -> Result<()> {
    let mounts = loaded(context.store.mounts(app));
    one(app, &mounts, &Asked::default(), context)
}

/// What an app mounts; a file that cannot be read is among its problems.
pub(crate) fn loaded(mounts: Result<Mounts>) -> Mounts {
    mounts.unwrap_or_else(|error| Mounts { problems: vec![error], ..Mounts::default() })
}

pub(crate) fn every_app(store: &Store, entries: &mut EntryCache) -> Result<Vec<(AppName, Mounts)>> {
    let mut with_mounts = |app: AppName| {
        let mounts = loaded(store.mounts_with(&app, entries));
        (app, mounts)
    };
    Ok(store.apps()?.into_iter().map(&mut with_mounts).collect())
}

/// Those of the apps that the caller may see.
pub(crate) fn visible<'a>(
    all: &'a [(AppName, Mounts)],
    context: &Context,
) -> Result<Vec<&'a (AppName, Mounts)>> {
    let names = all.iter().map(|(app, _)| app.clone()).collect();
    let seen = apps::visible(&context.environment, names)?;
    Ok(all.iter().filter(|(app, _)| seen.binary_search(app).is_ok()).collect())
}

pub(crate) fn one(
    app: &AppName,
    mounts: &Mounts,
    asked: &Asked,
    context: &mut Context,
) -> Result<()> {
    for problem in &mounts.problems {
        context
            .out
            .warn(&format!("Unable to load all storage attachments for \"{app}\": {problem}"));
    }
    warn_of_orphans(app, mounts, context);
    report(mounts, context)?.print(&mut context.out, app.as_str(), asked)
}

/// Says which attachments have no entry, and how to get rid of them.
pub(crate) fn warn_of_orphans(app: &AppName, mounts: &Mounts, context: &mut Context) {
    for orphan in &mounts.orphans {
        let name = &orphan.entry_name;
        context.out.warn(&format!(
            "Skipping attachment on \"{app}\": missing entry \"{name}\" (storage entry \"{name}\" does not exist; to drop the attachment: dokku storage:unmount {app} {name} --container-dir {})",
            docker_args::quoted(orphan.container_path.as_str())
        ));
    }
}

pub(crate) fn report<'a>(mounts: &'a Mounts, context: &Context) -> Result<Report<'a>> {
    let mut report = Report::default();
    for (index, mounted) in mounts.mounted.iter().enumerate() {
        let (entry, attachment) = (&mounted.entry, &mounted.attachment);
        let prefix = format!("attachment.{}.", index + 1);
        let mut add =
            |key: &str, value: Cow<'a, str>| report.add([prefix.as_str(), key].concat(), value);
        add("container-path", attachment.container_path.as_str().into());
        add("entry-name", entry.name.as_str().into());
        add("host-path", entry.shown_source().into());
        add("phases", attachment.phases.to_string().into());
        add("process-type", attachment.process_type.as_ref().into());
        add("readonly", if attachment.readonly { "true" } else { "false" }.into());
        add("subpath", or_empty(attachment.subpath.as_ref()).into());
        add("volume-chown", or_empty(attachment.volume_chown.as_ref()).into());
        add("volume-options", or_empty(attachment.volume_options.as_ref()).into());
        if let Some(from) = super::mounts::shared_from(mounted, context)? {
            add("shared-from", from.into());
        }
    }
    let sorted = mounts.sorted();
    for phase in Phase::ALL {
        let words: Vec<String> = sorted
            .iter()
            .filter(|m| m.attachment.phases.contains(phase))
            .flat_map(|m| types::of(&m.entry).words(&m.source(), &m.entry, &m.attachment))
            .collect();
        report.add(format!("{}-mounts", phase.as_str()), docker_args::line(&words));
    }
    Ok(report)
}
