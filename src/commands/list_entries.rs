//! `storage:list-entries`: what is registered.

use std::collections::HashMap;

use clap::Parser;

use super::arguments;
use crate::context::Context;
use crate::domain::entry::Entry;
use crate::domain::error::{Error, Result};
use crate::domain::names::{AppName, EntryName};
use crate::domain::text::or_empty;
use crate::ops::apps;
use crate::render::table::table;
use crate::store::Store;
use crate::store::reading::Remembering;
use crate::types;

#[derive(Debug, Parser)]
struct Arguments {
    /// --scheduler: filter to a single scheduler
    #[arg(long, value_name = "string", default_value = "")]
    scheduler: String,
    /// --format: output format (text, json)
    #[arg(long, value_name = "string", default_value = "text")]
    format: String,
    /// --unused: only entries that no app mounts
    #[arg(long, help_heading = arguments::OWN)]
    unused: bool,
    positional: Vec<String>,
}

/// The entries that the caller may see, each with the apps of the caller that mount it.
pub(super) struct Visible {
    pub(super) entries: Vec<(Entry, Vec<AppName>)>,
    pub(super) problems: Vec<Error>,
}

/// Reads every entry once, and every app's file where it is wanted or decides. An entry that only apps mount which the
/// caller may not see is not there for the caller.
pub(super) fn visible(apps_are_wanted: bool, context: &Context) -> Result<Visible> {
    let apps_are_wanted = apps_are_wanted || apps::are_restricted(&context.environment);
    let (all, mut mounted_by, mut found) = context.store.snapshot(|store| {
        let all = if apps_are_wanted { store.apps()? } else { Vec::new() };
        let mounted_by = mounted_by(&all, store);
        Ok((all, mounted_by, store.entries()?))
    })?;
    let count = all.len();
    let seen = apps::visible(&context.environment, all)?;
    let sees_all = seen.len() == count;
    let mut entries = Vec::with_capacity(found.entries.len());
    for entry in found.entries.drain(..) {
        let mut apps = mounted_by.remove(&entry.name).unwrap_or_default();
        let is_free = apps.is_empty();
        if !sees_all {
            apps.retain(|app| seen.binary_search(app).is_ok());
        }
        if is_free || !apps.is_empty() {
            entries.push((entry, apps));
        }
    }
    Ok(Visible { entries, problems: found.problems })
}

/// The apps that mount each entry, or get it from another app.
fn mounted_by(apps: &[AppName], store: &Store) -> HashMap<EntryName, Vec<AppName>> {
    let mut mounted_by: HashMap<EntryName, Vec<AppName>> = HashMap::new();
    let mut entries = Remembering::default();
    for app in apps {
        let mut note = |name: &EntryName| {
            let apps = mounted_by.entry(name.clone()).or_default();
            if apps.last() != Some(app) {
                apps.push(app.clone());
            }
        };
        if let Ok(mounts) = store.mounts_file(app) {
            mounts.attachments().for_each(|attachment| note(&attachment.entry_name));
        }
        for share in store.app_settings(app).unwrap_or_default().shared_from {
            let shared = store.mounts_by(app, &share, &mut entries);
            shared.mounted.iter().for_each(|mounted| note(&mounted.entry.name));
        }
    }
    mounted_by
}

/// Says which files could not be read.
pub(super) fn tell_problems(problems: &[Error], context: &mut Context) -> Result<()> {
    for problem in problems {
        context.out.warn(&problem.to_string());
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Status(1)) }
}

/// Lists the entries, those of one scheduler where it is named.
pub(crate) fn run(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let arguments: Arguments = arguments::parse("storage:list-entries", words, context)?;
    // Any other format is text, as in Dokku.
    let json = arguments.format == "json";
    let apps_are_wanted = arguments.unused || arguments.format == "table";
    let mut found = visible(apps_are_wanted, context)?;
    found.entries.retain(|(entry, _)| {
        arguments.scheduler.is_empty() || entry.scheduler == arguments.scheduler
    });
    if arguments.unused {
        found.entries.retain(|(_, apps)| apps.is_empty());
    }
    let source = |entry: &Entry| or_empty(entry.host_path.as_ref()).to_owned();
    if json {
        let entries: Vec<Entry> = found.entries.iter().map(|(entry, _)| entry.shown()).collect();
        context.out.json_pretty(&entries);
    } else if arguments.format == "table" {
        let rows: Vec<_> = found
            .entries
            .iter()
            .map(|(entry, apps)| {
                let apps: Vec<&str> = apps.iter().map(AppName::as_str).collect();
                vec![
                    entry.name.to_string(),
                    entry.scheduler.clone(),
                    types::name_of(entry).to_owned(),
                    source(entry),
                    apps.join(", "),
                ]
            })
            .collect();
        context.out.line(&table(&["Name", "Scheduler", "Type", "Host path", "Mounted by"], &rows));
    } else if found.entries.is_empty() {
        context.out.headline_unless_quiet("No storage entries registered");
    } else {
        context.out.headline_unless_quiet("Storage entries:");
        for (entry, _) in &found.entries {
            context.out.detail(&format!("{}\t{}\t{}", entry.name, entry.scheduler, source(entry)));
        }
    }
    Ok(tell_problems(&found.problems, context)?)
}
