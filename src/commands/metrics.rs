//! `storage:metrics`: what entries hold and how backups go, for Prometheus.

use std::collections::BTreeMap;

use super::arguments::{self, Args, given};
use crate::checks::doctor;
use crate::context::Context;
use crate::domain::{Entry, Moment, Result, Severity};
use crate::ops::backups::schedules;
use crate::ops::counts::Counts;
use crate::ops::usage::EntryUsage;
use crate::ops::{access, textfile, trash};
use crate::render::metrics::{Metrics, Sample};
use crate::storage::{Place, RuntimePaths};
use crate::types;

#[derive(Debug, Args)]
struct Arguments {
    /// --textfile: write to a file in this directory, for the textfile collector
    textfile: Option<String>,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Arguments>(words, context)?;
    access::must_see_every_app("the metrics are about every app", context)?;
    let directory = given(arguments.textfile.as_deref());
    if let Some(directory) = directory {
        textfile::must_be_writable(directory, context)?;
    }
    let mut metrics = Metrics::default();
    let entries = context.store.entries()?.entries;
    let mut counts = Counts::read(context)?;
    add_usage(&entries, &mut counts, &mut metrics, context)?;
    add_mounts(&entries, &mut metrics, context);
    add_snapshots(&mut metrics, context)?;
    add_trash(&mut counts, &mut metrics, context)?;
    counts.write(context);
    add_findings(&mut metrics, context)?;
    add_backups(&mut metrics, context)?;
    let text = metrics.into_text();
    if let Some(directory) = directory {
        return textfile::write(directory, &text);
    }
    context.out.text(&text);
    Ok(())
}

fn of(name: &impl ToString, value: f64) -> Sample<'static> {
    (vec![("entry", name.to_string())], value)
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn number(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn seconds(moment: Moment) -> f64 {
    moment.seconds() as f64
}

fn add_usage(
    entries: &[Entry],
    counts: &mut Counts,
    metrics: &mut Metrics,
    context: &Context,
) -> Result<()> {
    let rows = counts.of_entries(entries, context)?;
    let samples = |value: fn(&EntryUsage) -> Option<u64>| -> Vec<Sample<'_>> {
        let sample = |(row, _): &(EntryUsage, i64)| {
            let labels = vec![("entry", row.name.to_string()), ("type", row.kind.to_owned())];
            Some((labels, number(value(row)?)))
        };
        rows.iter().filter_map(sample).collect()
    };
    metrics.gauges("entry_used_bytes", "What an entry holds, in bytes.", &samples(|row| row.used));
    metrics.gauges(
        "entry_limit_bytes",
        "What an entry can hold, in bytes.",
        &samples(|row| row.limit),
    );
    metrics.gauges(
        "entry_free_bytes",
        "What is left for an entry, in bytes.",
        &samples(|row| row.free),
    );
    metrics.gauges("entry_files", "How many files an entry has.", &samples(|row| row.inodes));
    let ages: Vec<Sample<'_>> = rows
        .iter()
        .filter(|(row, _)| row.used.is_some())
        .map(|(row, age)| of(&row.name, number(age.unsigned_abs())))
        .collect();
    metrics.gauges("entry_usage_age_seconds", "How long ago an entry was counted.", &ages);
    Ok(())
}

/// Whether what is to be mounted on this host is, and what is not sent yet.
fn add_mounts(entries: &[Entry], metrics: &mut Metrics, context: &Context) {
    let (mut attached, mut unsent) = (Vec::new(), Vec::new());
    let storage = context.store.layout().storage();
    let storage = std::fs::canonicalize(storage).unwrap_or_else(|_| storage.to_path_buf());
    for entry in entries {
        let storage_type = types::of(entry);
        if !storage_type.must_be_mounted(entry) {
            continue;
        }
        let is_well = types::problem(entry, context).is_none();
        attached.push(of(&entry.name, f64::from(u8::from(is_well))));
        if storage_type.place() == Place::MountPoint {
            let (_, bytes) = RuntimePaths::of(&storage, entry.name.as_str()).unsent();
            unsent.push(of(&entry.name, number(bytes)));
        }
    }
    metrics.gauges(
        "entry_attached",
        "Whether a bucket or an image is mounted and answers.",
        &attached,
    );
    metrics.gauges(
        "entry_unsent_bytes",
        "What was written to a bucket and is not sent yet, in bytes.",
        &unsent,
    );
}

fn add_snapshots(metrics: &mut Metrics, context: &Context) -> Result<()> {
    let (mut counts, mut bytes) = (Vec::new(), Vec::new());
    for name in context.store.entries_with_snapshots()? {
        let (notes, _) = context.store.snapshots_of(&name)?;
        counts.push(of(&name, number(notes.len() as u64)));
        bytes.push(of(&name, number(notes.iter().filter_map(|note| note.bytes).sum())));
    }
    metrics.gauges("snapshots", "How many snapshots an entry has.", &counts);
    metrics.gauges(
        "snapshot_bytes",
        "What an entry's snapshots hold, as far as it was counted, in bytes.",
        &bytes,
    );
    Ok(())
}

fn add_trash(counts: &mut Counts, metrics: &mut Metrics, context: &Context) -> Result<()> {
    // Nothing is known of the trash of a storage root that is away, which is a finding.
    if context.store.away().is_some() {
        return Ok(());
    }
    let trash = trash::visible(context)?;
    let bytes = counts.of_trash(&trash, context);
    metrics.gauges(
        "trash_items",
        "How many destroyed entries are in the trash.",
        &[(Vec::new(), number(trash.len() as u64))],
    );
    metrics.gauges(
        "trash_bytes",
        "What destroyed entries in the trash hold, as far as it can be counted, in bytes.",
        &[(Vec::new(), number(bytes))],
    );
    Ok(())
}

fn add_findings(metrics: &mut Metrics, context: &Context) -> Result<()> {
    let mut counts: BTreeMap<(&'static str, &'static str), u64> = BTreeMap::new();
    for finding in doctor::everything(context)? {
        let severity = match finding.severity {
            Severity::Stops => "stops",
            Severity::Person => "person",
            Severity::Note => "note",
        };
        *counts.entry((finding.code, severity)).or_default() += 1;
    }
    let samples: Vec<Sample<'_>> = counts
        .into_iter()
        .map(|((code, severity), count)| {
            (vec![("code", code.to_owned()), ("severity", severity.to_owned())], number(count))
        })
        .collect();
    metrics.gauges("findings", "What storage:doctor finds, by code.", &samples);
    Ok(())
}

fn add_backups(metrics: &mut Metrics, context: &Context) -> Result<()> {
    let (mut states, _) = context.store.backup_states()?;
    states.extend(context.store.backup_state(None)?);
    // The store has no name of its own; no entry can have an empty one.
    let name = |state: &crate::domain::BackupState| {
        state.entry.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    let runs = states.iter().filter_map(|state| Some((name(state), state.last_success.as_ref()?)));
    let (mut at, mut bytes) = (Vec::new(), Vec::new());
    for (name, run) in runs {
        at.push(of(&name, seconds(run.at)));
        bytes.push(of(&name, number(run.bytes)));
    }
    let failed = states
        .iter()
        .filter_map(|state| Some(of(&name(state), seconds(state.last_failure.as_ref()?.at))));
    metrics.gauges(
        "backup_last_success_timestamp_seconds",
        "When an entry's last good backup was made; of the store, where the entry has no name.",
        &at,
    );
    metrics.gauges(
        "backup_last_success_bytes",
        "What an entry's last good backup holds, in bytes.",
        &bytes,
    );
    metrics.gauges(
        "backup_last_failure_timestamp_seconds",
        "When a backup of an entry failed last.",
        &failed.collect::<Vec<_>>(),
    );
    let (planned, _) = schedules::visible(context)?;
    let due = planned.iter().filter_map(|planned| {
        let subject = vec![("subject", planned.schedule.subject.name())];
        Some((subject, seconds(planned.next?)))
    });
    metrics.gauges(
        "backup_next_timestamp_seconds",
        "When a scheduled backup is due; in the past where it is late.",
        &due.collect::<Vec<_>>(),
    );
    let (repositories, _) = context.store.repository_states()?;
    let checks = || {
        repositories.iter().filter_map(|state| {
            let labels = vec![("connector", state.connector.to_string())];
            Some((labels, state.checked.as_ref()?))
        })
    };
    let checked: Vec<Sample<'_>> =
        checks().map(|(labels, checked)| (labels, seconds(checked.at))).collect();
    let ok: Vec<Sample<'_>> =
        checks().map(|(labels, checked)| (labels, f64::from(u8::from(checked.ok)))).collect();
    metrics.gauges(
        "backup_check_timestamp_seconds",
        "When a destination was checked last.",
        &checked,
    );
    metrics.gauges(
        "backup_check_ok",
        "Whether the last check of a destination found it in order.",
        &ok,
    );
    Ok(())
}
