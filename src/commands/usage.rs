//! `storage:usage`: how much entries hold, and how much they may.

use std::io::IsTerminal;

use super::arguments::{self, Args, Output, given};
use crate::context::Context;
use crate::docker::volumes;
use crate::domain::{Entry, Error, Result, readable};
use crate::ops::usage::{self, EntryUsage};
use crate::ops::{access, apps, tell_problems};
use crate::types;

/// How wide a bar is, in characters.
const BAR: usize = 20;

#[derive(Debug, Args)]
struct Arguments {
    name: String,
    /// --app: only the entries that this app mounts
    app: Option<String>,
    #[command(flatten)]
    output: Output,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, app) = arguments::without_app(words, context);
    let arguments = arguments::parse::<Arguments>(words, context)?;
    // An entry that is named says enough.
    let app = app.filter(|_| arguments.name.is_empty());
    let app = given(arguments.app.as_deref()).or(app);
    let format = arguments.output.format()?;
    let (entries, problems) = asked(&arguments.name, app, context)?;
    if let Some(problem) = entries.iter().find_map(|entry| types::away(entry, context)) {
        context.out.warn(&format!("{}; {}", problem.sentence, problem.remedy));
    }
    let of_docker = volumes::used(&context.environment, entries.iter().any(usage::is_volume));
    let mut rows = Vec::with_capacity(entries.len());
    for entry in &entries {
        rows.push(usage::of(entry, &of_docker, None, context)?);
    }
    let mut headings = vec!["Name", "Type", "Used", "Limit", "Share", "Free", "Files"];
    let shows_backups = rows.iter().any(|row| row.last_backup.is_some());
    if shows_backups {
        headings.push("Last backup");
    }
    let cells = |row: &EntryUsage| {
        let mut cells = cells(row);
        if shows_backups {
            cells.push(backup_cell(row));
        }
        cells
    };
    context.out.list(format, &rows, (&headings, cells), "No storage entries registered");
    tell_problems(&problems, context)
}

/// The entries that are asked about, and what of them cannot be read.
fn asked(name: &str, app: Option<&str>, context: &Context) -> Result<(Vec<Entry>, Vec<Error>)> {
    match (name, app) {
        ("", None) => {
            let found = crate::ops::entries::visible(false, context)?;
            let entries = found.entries.into_iter().map(|(entry, _)| entry);
            Ok((entries.collect(), found.problems))
        }
        ("", Some(app)) => {
            let app = apps::existing(&context.environment, app)?;
            let mounts = context.store.mounts(&app)?;
            let mut entries: Vec<Entry> = mounts.mounted.into_iter().map(|m| m.entry).collect();
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            entries.dedup_by(|a, b| a.name == b.name);
            Ok((entries, mounts.problems))
        }
        (name, None) => Ok((vec![access::entry(name, context)?], Vec::new())),
        (_, Some(_)) => Err(refusal!("name an entry or --app, not both")),
    }
}

fn cells(row: &EntryUsage) -> Vec<String> {
    let share = match row.percent() {
        Some(percent) if std::io::stdout().is_terminal() => format!("{} {percent}%", bar(percent)),
        Some(percent) => format!("{percent}%"),
        None => "-".to_owned(),
    };
    let inodes = match (row.inodes, row.inodes_limit.filter(|&most| most > 0)) {
        (Some(inodes), Some(most)) => format!("{inodes}/{most}"),
        (Some(inodes), None) => inodes.to_string(),
        _ => "-".to_owned(),
    };
    let bytes = |value: Option<u64>| value.map_or("-".to_owned(), readable);
    let [used, limit, free] = [row.used, row.limit, row.free].map(bytes);
    vec![row.name.to_string(), row.kind.to_owned(), used, limit, share, free, inodes]
}

fn backup_cell(row: &EntryUsage) -> String {
    match (row.last_backup, row.last_backup_bytes) {
        (Some(at), Some(bytes)) => format!("{}, {}", at.shown(), readable(bytes)),
        _ => "-".to_owned(),
    }
}

/// A bar of [`BAR`] characters that is as full as the entry.
fn bar(percent: u64) -> String {
    let full = usize::try_from(percent.min(100)).unwrap_or(100) * BAR / 100;
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full))
}
