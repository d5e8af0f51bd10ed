//! `storage:report`: what one app, every app, or every entry is about.

use serde::Serialize;

use super::asked::ReportRequest;
use crate::context::Context;
use crate::domain::{AppName, Entry, Result};
use crate::ops::report::{every_app, loaded, one, visible};
use crate::render::Format;
use crate::store::EntryCache;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let request = ReportRequest::parse(words, context)?;
    if request.global {
        return global(&request, context);
    }
    if let Some(app) = request.app(context) {
        let app = app.existing(context)?;
        let mounts = loaded(context.store.mounts(&app));
        return one(&app, &mounts, &request.asked, context);
    }
    let all =
        context.store.read_consistently(|store| every_app(store, &mut EntryCache::default()))?;
    let seen = visible(&all, context)?;
    if seen.is_empty() {
        context.out.warn("You haven't deployed any applications yet");
    }
    for (app, mounts) in seen {
        one(app, mounts, &request.asked, context)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct GlobalRow<'a> {
    entry: Entry,
    mounted_by: Vec<&'a str>,
}

fn global(request: &ReportRequest, context: &mut Context) -> Result<()> {
    let found = crate::ops::entries::visible(true, context)?;
    let rows: Vec<GlobalRow> = found
        .entries
        .iter()
        .map(|(entry, apps)| GlobalRow {
            entry: crate::ops::access::shown(entry, context),
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
