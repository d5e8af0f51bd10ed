//! `storage:prune`: finds what nothing uses, and deletes what is confirmed.

use std::io::IsTerminal;

use super::arguments::{self, Args, Output};
use crate::context::Context;
use crate::domain::{Error, Result, readable};
use crate::ops::access;
use crate::ops::confirmation::typed;
use crate::ops::prune::{Unused, delete, find};
use crate::render::{Format, table};

#[derive(Debug, Args)]
struct Arguments {
    #[command(flatten)]
    output: Output,
    /// --yes: delete everything listed without confirmation
    yes: bool,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let is_json = arguments.output.format()? == Format::Json;
    if is_json && arguments.yes {
        refuse!("--format json only lists what nothing uses; leave it or --yes out");
    }
    access::must_see_every_app("pruning is about every app", context)?;
    let found = find::unused(context)?;
    if is_json {
        context.out.json(&found);
        return Ok(());
    }
    let (left, unused): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|unused| unused.left_alone.is_some());
    tell(&unused, &left, context);
    if unused.is_empty() {
        return Ok(());
    }
    let chosen = choose(unused, arguments.yes, context)?;
    let (mut deleted, mut failed) = (0, 0);
    for unused in &chosen {
        match delete::one(unused, context) {
            Ok(()) => deleted += 1,
            Err(error) => {
                context.out.warn(&format!("{} stays: {error}", unused.shown()));
                failed += 1;
            }
        }
    }
    if deleted > 0 {
        context.out.headline(&format!("Deleted {deleted} of what nothing used"));
    }
    if failed > 0 { Err(Error::Status(1)) } else { Ok(()) }
}

fn tell(unused: &[Unused], left: &[Unused], context: &mut Context) {
    if unused.is_empty() {
        context.out.headline_unless_quiet("Nothing to prune");
    } else {
        let rows: Vec<Vec<String>> = unused.iter().map(row).collect();
        let headings = ["Kind", "Name", "Size", "Last used", "Deleted", "Where"];
        context.out.line(&table(&headings, &rows));
        let bytes: u64 = unused.iter().filter_map(|unused| unused.bytes).sum();
        let rest =
            if unused.iter().any(|unused| unused.bytes.is_none()) { " and more" } else { "" };
        context.out.detail(&format!("Together: {}{rest}", readable(bytes)));
    }
    for unused in left {
        let reason = unused.left_alone.as_deref().unwrap_or_default();
        context.out.detail(&format!("Left alone: {}, since {reason}", unused.shown()));
    }
}

fn row(unused: &Unused) -> Vec<String> {
    let last_use = unused
        .last_use
        .map_or("?".to_owned(), |last| format!("{} ({})", last.when.shown(), last.what));
    vec![
        unused.kind.as_str().to_owned(),
        unused.name.clone(),
        unused.bytes.map_or("?".to_owned(), readable),
        last_use,
        unused.data.as_str().to_owned(),
        unused.place.clone(),
    ]
}

/// Those that are to be deleted: all where that was said, at a terminal what is typed, otherwise none.
fn choose(unused: Vec<Unused>, yes: bool, context: &mut Context) -> Result<Vec<Unused>> {
    if yes || context.environment.is_forced() {
        return Ok(unused);
    }
    if !std::io::stdin().is_terminal() {
        context.out.detail("Nothing was deleted; to delete all of it: dokku storage:prune --yes");
        return Ok(Vec::new());
    }
    context.out.warn("WARNING: Potentially Destructive Action");
    context.out.warn("To delete all of it, type \"prune\"; to be asked for each, type \"each\"");
    match typed("", context)?.as_str() {
        "prune" => Ok(unused),
        "each" => {
            let mut chosen = Vec::new();
            for unused in unused {
                let question = format!("{}: to delete it, type \"delete\" ", unused.shown());
                if typed(&question, context)? == "delete" {
                    chosen.push(unused);
                }
            }
            Ok(chosen)
        }
        _ => {
            context.out.error_line("Nothing was deleted.");
            Err(Error::Status(1))
        }
    }
}
