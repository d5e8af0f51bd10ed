//! `storage:annotations:*` and `storage:labels:*`: keys and values on an entry.

use std::collections::BTreeMap;

use super::arguments::{self, Args, no_more_than, word};
use super::asked::ReportRequest;
use crate::context::Context;
use crate::context::row::Row;
use crate::domain::{Entry, Result};
use crate::ops::access;
use crate::ops::update::{Follow, update};
use crate::render::Format;

/// Which of an entry's two maps is meant.
struct Map {
    plural: &'static str,
    singular: &'static str,
    label: &'static str,
    of: fn(&Entry) -> &BTreeMap<String, String>,
    of_mut: fn(&mut Entry) -> &mut BTreeMap<String, String>,
}

static ANNOTATIONS: Map = Map {
    plural: "annotations",
    singular: "annotation",
    label: "Annotation",
    of: |entry| &entry.annotations,
    of_mut: |entry| &mut entry.annotations,
};

static LABELS: Map = Map {
    plural: "labels",
    singular: "label",
    label: "Label",
    of: |entry| &entry.labels,
    of_mut: |entry| &mut entry.labels,
};

impl Map {
    /// The one that the command names.
    fn of(row: &Row) -> &'static Self {
        if row.name.starts_with(LABELS.plural) { &LABELS } else { &ANNOTATIONS }
    }
}

#[derive(Debug, Args)]
struct Arguments {
    name: String,
    key: String,
    value: String,
}

pub(crate) fn set(words: &[String], context: &mut Context) -> Result<()> {
    let map = Map::of(context.row);
    let (Arguments { name, key, value }, rest) = arguments::parse_some(words, context)?;
    refuse_if!(name.is_empty(), "storage entry name is required");
    refuse_if!(key.is_empty(), "No {} key specified", map.singular);
    no_more_than(&rest, 0)?;
    let entry = access::entry(&name, context)?;
    context.out.report_headline(&if value.is_empty() {
        format!("Unsetting {} {key}", map.singular)
    } else {
        format!("Setting {} {key} to {value}", map.singular)
    });
    let change = |entry: &mut Entry| {
        let values = (map.of_mut)(entry);
        if value.is_empty() {
            values.remove(&key);
        } else {
            values.insert(key.clone(), value.clone());
        }
        Ok(())
    };
    update(entry.name.as_str(), change, Follow::default(), context)
}

pub(crate) fn report(words: &[String], context: &mut Context) -> Result<()> {
    let map = Map::of(context.row);
    let request = ReportRequest::parse(words, context)?;
    let name = word(&request.words, 0);
    if !name.is_empty() {
        let entry = access::entry(name, context)?;
        return one(map, &entry, &request, context);
    }
    refuse_if!(
        request.asked.flag.is_some(),
        "{} requires a storage entry name when an info flag is specified",
        context.row.command()
    );
    let found = crate::ops::entries::visible(false, context)?;
    if found.entries.is_empty() && request.asked.format != Format::Json {
        context.out.headline_unless_quiet("No storage entries registered");
    }
    for (entry, _) in &found.entries {
        one(map, entry, &request, context)?;
    }
    crate::ops::entries::tell_problems(&found.problems, context)
}

fn one(map: &Map, entry: &Entry, request: &ReportRequest, context: &mut Context) -> Result<()> {
    let values = (map.of)(entry);
    if let Some(flag) = &request.asked.flag {
        let prefix = format!("--storage-{}.", map.plural);
        let value = flag.strip_prefix(&prefix).and_then(|key| values.get(key));
        let Some(value) = value else {
            let flags: Vec<String> = values.keys().map(|key| format!("{prefix}{key}")).collect();
            refuse!("Invalid flag passed, valid flags: {}", flags.join(", "));
        };
        context.out.line(value);
        return Ok(());
    }
    if request.asked.format == Format::Json {
        context.out.json(values);
        return Ok(());
    }
    context.out.report_headline(&format!("{} {} information", entry.name, map.plural));
    let labels: Vec<String> = values.keys().map(|key| format!("{} {key}:", map.label)).collect();
    let width = labels.iter().map(String::len).max().unwrap_or(0).max(31);
    for (label, value) in labels.iter().zip(values.values()) {
        context.out.details(&[&format!("{label:width$}"), value]);
    }
    Ok(())
}
