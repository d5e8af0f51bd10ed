//! `storage:info`: one entry.

use clap::Parser;

use super::arguments::{self, at};
use crate::context::Context;
use crate::domain::error::{Error, Result};
use crate::domain::text::or_empty;
use crate::ops::access;
use crate::types;

#[derive(Debug, Parser)]
struct Arguments {
    /// --format: output format (text, json)
    #[arg(long, value_name = "string", default_value = "text")]
    format: String,
    positional: Vec<String>,
}

/// Shows an entry.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments: Arguments = arguments::parse(words, context)?;
    let name = at(&arguments.positional, 0);
    if name.is_empty() {
        return Err(Error::refused("storage entry name is required"));
    }
    let entry = access::entry(name, context)?;
    if arguments.format == "json" {
        context.out.json_pretty(&entry.shown());
        return Ok(());
    }
    context.out.headline_unless_quiet(&format!("Storage entry {}", entry.name));
    let rows = [
        ("Scheduler", entry.scheduler.clone()),
        ("Host path", or_empty(entry.host_path.as_ref()).to_owned()),
        ("Size", entry.size.clone()),
        ("Access mode", entry.access_mode.clone()),
        ("Storage class", entry.storage_class.clone()),
        ("Namespace", entry.namespace.clone()),
        ("Chown", or_empty(entry.chown.as_ref()).to_owned()),
        ("Mode", or_empty(entry.mode.as_ref()).to_owned()),
        ("Reclaim policy", entry.reclaim_policy.clone()),
        ("Scope", entry.scope.to_string()),
        ("Exclusive", if entry.exclusive { "true" } else { "" }.to_owned()),
        ("Auto volume", entry.auto_volume.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("Node", entry.node.clone()),
        ("Type", entry.kind.clone()),
        ("Driver", entry.driver.clone()),
        ("Connector", or_empty(entry.connector.as_ref()).to_owned()),
    ];
    let row = |label: &str, value: &str| format!("{:18}{value}", format!("{label}:"));
    for (label, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        context.out.detail(&row(label, value));
    }
    for (key, value) in entry.shown().options {
        context.out.detail(&row("Option", &format!("{key}={value}")));
    }
    if !entry.kind.is_empty() {
        let state = match types::of(&entry).problem(&entry, context) {
            None => "ready".to_owned(),
            Some(problem) => format!("{}; {}", problem.sentence, problem.remedy),
        };
        context.out.detail(&row("State", &state));
    }
    Ok(())
}
