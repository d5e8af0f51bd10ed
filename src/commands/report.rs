//! `storage:report`: what one app, every app, or every entry is about.

use serde::Serialize;

use super::asked::Request;
use crate::context::Context;
use crate::domain::{AppName, Entry, Result};
use crate::ops::apps;
use crate::ops::report::{loaded, one};
use crate::render::Format;
use crate::store::Mounts;
use crate::store::reading::EntryCache;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let request = Request::parse(words, context)?;
    if request.global {
        return global(&request, context);
    }
    let positional = request.positional.with_app(1, context);
    if !positional.is_empty() {
        let app = positional.app(0, context)?;
        let mounts = loaded(context.store.mounts(&app));
        return one(&app, &mounts, &request.asked, context);
    }
    let all: Vec<(AppName, Mounts)> = context.store.snapshot(|store| {
        let mut entries = EntryCache::default();
        let apps = store.apps()?.into_iter();
        Ok(apps
            .map(|app| {
                let mounts = loaded(store.mounts_with(&app, &mut entries));
                (app, mounts)
            })
            .collect())
    })?;
    let names = all.iter().map(|(app, _)| app.clone()).collect();
    let seen = apps::visible(&context.environment, names)?;
    if seen.is_empty() {
        context.out.warn("You haven't deployed any applications yet");
    }
    // Both are in order.
    for (app, mounts) in all.iter().filter(|(app, _)| seen.binary_search(app).is_ok()) {
        one(app, mounts, &request.asked, context)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct GlobalRow<'a> {
    entry: Entry,
    mounted_by: Vec<&'a str>,
}

fn global(request: &Request, context: &mut Context) -> Result<()> {
    let found = crate::ops::entries::visible(true, context)?;
    let rows: Vec<GlobalRow> = found
        .entries
        .iter()
        .map(|(entry, apps)| GlobalRow {
            entry: entry.shown(),
            mounted_by: apps.iter().map(AppName::as_str).collect(),
        })
        .collect();
    match request.asked.format {
        Format::Json => context.out.json_pretty(&rows),
        _ if rows.is_empty() => {
            context.out.headline_unless_quiet("No storage entries registered");
        }
        _ => {
            context.out.headline_unless_quiet("Storage report (global):");
            for row in &rows {
                let apps = match row.mounted_by.as_slice() {
                    [] => "—".to_owned(),
                    apps => apps.join(", "),
                };
                context.out.detail(&format!(
                    "{}\t{}\tmounted by: {apps}",
                    row.entry.name, row.entry.scheduler
                ));
            }
        }
    }
    crate::ops::entries::tell_problems(&found.problems, context)
}
