//! `storage:usage`: how much entries hold, and how much they may.

use std::io::IsTerminal;
use std::path::Path;

use serde::Serialize;

use super::arguments::{self, Args, Output, given};
use crate::context::Context;
use crate::docker::volumes;
use crate::domain::{ByteSize, Entry, EntryName, Error, Moment, Result, readable};
use crate::fs::space::Fullness;
use crate::fs::{image, space};
use crate::ops::{access, apps, tell_problems};
use crate::storage::{self, Place, StorageRoot, sized};
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

#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub name: EntryName,
    #[serde(rename = "type")]
    pub kind: &'static str,
    path: String,
    pub used: Option<u64>,
    pub limit: Option<u64>,
    pub free: Option<u64>,
    pub inodes: Option<u64>,
    inodes_limit: Option<u64>,
    #[serde(with = "crate::domain::moment::written_if_any")]
    #[serde(skip_serializing_if = "Option::is_none")]
    last_backup: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_backup_bytes: Option<u64>,
}

impl Row {
    fn percent(&self) -> Option<u64> {
        let (used, limit) = (self.used?, self.limit?);
        Some(used.saturating_mul(100) / limit.max(1))
    }
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, app) = arguments::without_app(words, context);
    let arguments = arguments::parse::<Arguments>(words, context)?;
    // An entry that is named says enough.
    let app = app.filter(|_| arguments.name.is_empty());
    let app = given(arguments.app.as_deref()).or(app);
    let format = arguments.output.format()?;
    let (entries, problems) = asked(&arguments.name, app, context)?;
    let of_docker = volumes::used(&context.environment, entries.iter().any(is_volume));
    let mut rows = Vec::with_capacity(entries.len());
    for entry in &entries {
        rows.push(row(entry, &of_docker, None, context)?);
    }
    let mut headings = vec!["Name", "Type", "Used", "Limit", "Share", "Free", "Files"];
    let shows_backups = rows.iter().any(|row| row.last_backup.is_some());
    if shows_backups {
        headings.push("Last backup");
    }
    let cells = |row: &Row| {
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

pub(super) fn is_volume(entry: &Entry) -> bool {
    entry.is_volume() && types::of(entry).keeps_in_volume()
}

/// How much an entry holds; `known` is what was counted of it before, bytes and files, where that is new enough.
pub(super) fn row(
    entry: &Entry,
    of_docker: &[(String, u64)],
    known: Option<(u64, u64)>,
    context: &Context,
) -> Result<Row> {
    let path = Path::new(entry.shown_source());
    // What is wrong with the note of its backups is said by storage:doctor.
    let state = context.store.backup_state(Some(&entry.name)).unwrap_or_default();
    let last_run = state.and_then(|state| state.last_success);
    let mut row = Row {
        name: entry.name.clone(),
        kind: types::name_of(entry),
        path: entry.shown_source().to_owned(),
        used: None,
        limit: None,
        free: None,
        inodes: None,
        inodes_limit: None,
        last_backup: last_run.as_ref().map(|run| run.at),
        last_backup_bytes: last_run.map(|run| run.bytes),
    };
    if is_volume(entry) {
        row.used = of_docker.iter().find(|(name, _)| *name == row.path).map(|(_, used)| *used);
        return Ok(row);
    }
    match types::of(entry).place() {
        Place::File => row.used = std::fs::metadata(path).ok().map(|found| found.len()),
        Place::Directory => measure(&mut row, entry, (path, known), context)?,
        Place::MountPoint | Place::None => {}
    }
    Ok(row)
}

fn measure(
    row: &mut Row,
    entry: &Entry,
    (path, known): (&Path, Option<(u64, u64)>),
    context: &Context,
) -> Result<()> {
    let size = sized::size(entry);
    if size.is_some() && image::attached_at(path).is_some() {
        // A file system of its own: it knows.
        if let Ok(found) = Fullness::of(path) {
            row.used = Some(found.used);
            row.limit = Some(found.used + found.free);
            row.free = Some(found.free);
            row.inodes = Some(found.files);
            row.inodes_limit = Some(found.most_files);
        }
        return Ok(());
    }
    let is_ours = row.path == storage::root::default_path(context, entry.name.as_str());
    let name = is_ours.then_some(entry.name.as_str());
    let counted = match known {
        Some(known) => Some(known),
        None => StorageRoot::of(context).usage(name, path)?.map(|usage| (usage.bytes, usage.files)),
    };
    (row.used, row.inodes) = (counted.map(|(bytes, _)| bytes), counted.map(|(_, files)| files));
    let on_disk = space::free(path).ok();
    row.limit = size.map(ByteSize::bytes);
    row.free = match (row.limit, row.used) {
        (Some(limit), Some(used)) => Some(limit.saturating_sub(used)),
        _ => on_disk,
    };
    Ok(())
}

fn cells(row: &Row) -> Vec<String> {
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

fn backup_cell(row: &Row) -> String {
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
