//! `storage:list-entries`: what is registered.

use super::arguments::{self, Args, Output};
use crate::context::Context;
use crate::domain::{AppName, Entry, Result, or_empty};
use crate::ops::entries::visible;
use crate::ops::{access, tell_problems};
use crate::render::{Format, table};
use crate::types;

#[derive(Debug, Args)]
struct Arguments {
    /// --scheduler: filter to a single scheduler
    #[arg(default_value = "")]
    scheduler: String,
    #[command(flatten)]
    output: Output,
    /// --unused: only entries that no app mounts
    #[arg(help_heading = arguments::OWN)]
    unused: bool,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, _) = arguments::parse_some::<Arguments>(words, context)?;
    // Any other format is text, as in Dokku.
    let format = arguments.output.lenient();
    let apps_are_wanted = arguments.unused || format == Format::Table;
    let mut found = visible(apps_are_wanted, context)?;
    found.entries.retain(|(entry, _)| {
        arguments.scheduler.is_empty() || entry.scheduler == arguments.scheduler
    });
    if arguments.unused {
        found.entries.retain(|(_, apps)| apps.is_empty());
    }
    let source = |entry: &Entry| or_empty(entry.host_path.as_ref()).to_owned();
    if format == Format::Json {
        let entries: Vec<Entry> =
            found.entries.iter().map(|(entry, _)| access::shown(entry, context)).collect();
        context.out.json_pretty(&entries);
    } else if format == Format::Table {
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
    tell_problems(&found.problems, context)
}
