//! `storage:prune`: finds what nothing uses, and deletes what is confirmed.

mod delete;
mod find;
mod uses;

use std::io::{BufRead, IsTerminal};

use clap::Parser;
use serde::{Serialize, Serializer};

use super::arguments::{self, no_more_than};
use crate::context::Context;
use crate::domain::moment::Moment;
use crate::domain::size::readable;
use crate::error::{Error, Result};
use crate::render::table::table;

#[derive(Debug, Parser)]
struct Arguments {
    /// --format: output format (text, json); json only lists
    #[arg(long, value_name = "string", default_value = "text")]
    format: String,
    /// --yes: delete all that is listed, without being asked
    #[arg(long)]
    yes: bool,
    positional: Vec<String>,
}

/// What kind of thing is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// An entry that no app mounts.
    Entry,
    /// A directory of the storage root that no entry refers to.
    Directory,
    /// A Docker volume that this plugin made, for an entry that is gone.
    Volume,
    /// A snapshot whose entry is gone.
    Snapshot,
    /// What the store has of an app that is gone.
    App,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Directory => "directory",
            Self::Volume => "volume",
            Self::Snapshot => "snapshot",
            Self::App => "app",
        }
    }
}

/// What becomes of the data where something is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Fate {
    /// It goes to the trash.
    #[serde(rename = "trash")]
    Trash,
    /// It is removed at once.
    #[serde(rename = "removed")]
    Removed,
    /// It stays where it is.
    #[serde(rename = "stays")]
    Stays,
}

impl Fate {
    fn as_str(self) -> &'static str {
        match self {
            Self::Trash => "to the trash",
            Self::Removed => "for good",
            Self::Stays => "its data stays",
        }
    }
}

/// When something was used last, as far as can be told, and by what.
#[derive(Debug, Clone, Copy, Serialize)]
struct LastUse {
    /// When.
    #[serde(serialize_with = "rfc3339")]
    when: Moment,
    /// What of it is that old.
    what: &'static str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a field over so")]
fn rfc3339<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&moment.to_rfc3339())
}

/// Something that nothing uses.
#[derive(Debug, Clone, Serialize)]
struct Unused {
    kind: Kind,
    name: String,
    /// The path, or the volume's name.
    place: String,
    /// What it takes, in bytes; none where that is not known.
    bytes: Option<u64>,
    last_use: Option<LastUse>,
    /// What becomes of its data.
    data: Fate,
    /// Why it is left alone all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_alone: Option<String>,
}

impl Unused {
    fn shown(&self) -> String {
        format!("{} {}", self.kind.as_str(), self.name)
    }
}

/// Lists what nothing uses, and deletes what is confirmed.
pub(crate) fn run(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let arguments: Arguments = arguments::parse("storage:prune", words, context)?;
    no_more_than(&arguments.positional, 0)?;
    let json = match arguments.format.as_str() {
        "text" => false,
        "json" if !arguments.yes => true,
        "json" => {
            return Err(Error::refused(
                "--format json only lists what nothing uses; leave it or --yes out",
            )
            .into());
        }
        _ => return Err(Error::refused("Invalid --format value specified").into()),
    };
    super::access::must_see_every_app("pruning is about every app", context)?;
    let found = find::unused(context)?;
    if json {
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
    if failed > 0 { Err(Error::Status(1).into()) } else { Ok(()) }
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

fn typed(question: &str, context: &mut Context) -> Result<String> {
    context.out.text(&format!("{question}> "));
    context.out.flush()?;
    let mut answer = String::new();
    // No answer is no confirmation.
    let _ = std::io::stdin().lock().read_line(&mut answer);
    Ok(answer.trim().to_owned())
}
