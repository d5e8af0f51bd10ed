//! `storage:list`: what an app mounts.

use clap::Parser;
use serde::Serialize;

use super::arguments::{self, at, with_app};
use crate::context::Context;
use crate::domain::attachment::Attachment;
use crate::domain::docker_args::{mounted_source, volume_argument};
use crate::domain::error::{Error, Result};
use crate::domain::names::ProcessType;
use crate::domain::phases::Phases;
use crate::ops::apps;
use crate::render::table::table;
use crate::store::Mounted;

#[derive(Debug, Parser)]
struct Arguments {
    /// --format: output format (text, json)
    #[arg(long, value_name = "string", default_value = "text")]
    format: String,
    positional: Vec<String>,
}

/// A mount as `--format json` shows it: Dokku's fields first, then those that make it complete.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    entry_name: &'a str,
    host_path: &'a str,
    container_path: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    readonly: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_options: Option<&'a str>,
    phases: &'a Phases,
    process_type: &'a ProcessType,
    #[serde(skip_serializing_if = "Option::is_none")]
    subpath: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_chown: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    need: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_from: Option<String>,
}

impl Row<'_> {
    /// Says from whom it is shared, where it is.
    pub(crate) fn shared_from(mut self, from: Option<String>) -> Self {
        self.shared_from = from;
        self
    }
}

/// The app that shares a mount, as far as the caller may see it.
pub(crate) fn shared_from(mounted: &Mounted, context: &Context) -> Result<Option<String>> {
    mounted.shared_from.as_ref().map(|from| super::share::name(from, context)).transpose()
}

impl<'a> From<&'a Mounted> for Row<'a> {
    fn from(mounted: &'a Mounted) -> Self {
        let Attachment {
            container_path,
            phases,
            process_type,
            subpath,
            readonly,
            volume_options,
            volume_chown,
            need,
            ..
        } = &mounted.attachment;
        Self {
            entry_name: mounted.entry.name.as_str(),
            host_path: mounted.entry.shown_source(),
            container_path: container_path.as_str(),
            readonly: *readonly,
            volume_options: volume_options.as_ref().map(AsRef::as_ref),
            phases,
            process_type,
            subpath: subpath.as_ref().map(AsRef::as_ref),
            volume_chown: volume_chown.as_ref().map(AsRef::as_ref),
            need: need.as_ref().map(AsRef::as_ref),
            shared_from: None,
        }
    }
}

/// A mount as `host:container[:options]`.
pub(crate) fn colon_form(mounted: &Mounted) -> String {
    let source = mounted_source(&mounted.entry, &mounted.attachment);
    volume_argument(&source, &mounted.attachment)
}

/// Lists the mounts of an app, of every phase.
pub(crate) fn run(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let arguments: Arguments = arguments::parse("storage:list", words, context)?;
    let positional = with_app(arguments.positional, 1, context);
    let app = apps::existing(&context.environment, at(&positional, 0))?;
    if !["text", "json", "table"].contains(&arguments.format.as_str()) {
        return Err(Error::refused("Invalid --format value specified").into());
    }
    let mounts = context.store.mounts(&app)?.readable()?;
    super::report::warn_of_orphans(&app, &mounts, context);
    let rows = mounts.sorted();
    if arguments.format == "json" {
        let rows: Result<Vec<Row>> = rows
            .into_iter()
            .map(|m| Ok(Row::from(m).shared_from(shared_from(m, context)?)))
            .collect();
        context.out.json(&rows?);
        return Ok(());
    }
    if arguments.format == "table" {
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
