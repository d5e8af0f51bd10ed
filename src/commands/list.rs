//! `storage:list`: what an app mounts.

use super::arguments::{self, Shown};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::mounts::{ShownMount, colon_form, shared_from};
use crate::ops::{apps, tell_problems};
use crate::render::{Format, table};
use crate::store::Mounts;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, _) = arguments::parse_some::<Shown>(words, context)?;
    let format = arguments.output.format()?;
    if arguments.app.is_none() && format == Format::Json {
        return list_all(context);
    }
    let app = arguments.app.unwrap_or_default().existing(context)?;
    let mounts = context.store.mounts(&app)?.readable()?;
    crate::ops::report::warn_of_orphans(&app, &mounts, context);
    let rows = mounts.sorted();
    if format == Format::Json {
        let rows: Result<Vec<ShownMount>> = rows
            .into_iter()
            .map(|m| Ok(ShownMount::from(m).shared_from(shared_from(m, context)?)))
            .collect();
        context.out.json(&rows?);
        return Ok(());
    }
    if format == Format::Table {
        let mut headings = vec!["Entry", "Mount", "Phases", "Process type"];
        let has_shared = rows.iter().any(|m| m.shared_from.is_some());
        if has_shared {
            headings.push("Shared from");
        }
        let mut lines = Vec::new();
        for m in rows {
            let a = &m.attachment;
            let mut line = vec![
                m.entry.name.to_string(),
                colon_form(m),
                a.phases.to_string(),
                a.process_type.to_string(),
            ];
            if has_shared {
                line.push(shared_from(m, context)?.unwrap_or_default());
            }
            lines.push(line);
        }
        context.out.line(&table(&headings, &lines));
        return Ok(());
    }
    context.out.headline_unless_quiet(&format!("{app} volume bind-mounts:"));
    for mounted in rows {
        let line = colon_form(mounted);
        if context.out.is_quiet() {
            context.out.line(&line);
        } else {
            let shared = shared_from(mounted, context)?;
            let shared = shared.map(|from| format!(" (shared from {from})")).unwrap_or_default();
            context.out.detail(&format!("{line}{shared}"));
        }
    }
    Ok(())
}

/// The mounts of every app that the caller sees. What cannot be read is said, and the rest is listed.
fn list_all(context: &mut Context) -> Result<()> {
    let mut problems = Vec::new();
    let mut all = Vec::new();
    for app in apps::all(&context.environment, &context.store)? {
        match context.store.mounts(&app).and_then(Mounts::readable) {
            Ok(mounts) => all.push((app, mounts)),
            Err(problem) => problems.push(problem),
        }
    }
    for (app, mounts) in &all {
        crate::ops::report::warn_of_orphans(app, mounts, context);
    }
    let mut rows = Vec::new();
    for (app, mounts) in &all {
        for mounted in mounts.sorted() {
            let row = ShownMount::from(mounted).shared_from(shared_from(mounted, context)?);
            rows.push(ShownMount { app: Some(app), ..row });
        }
    }
    context.out.json(&rows);
    tell_problems(&problems, context)
}
