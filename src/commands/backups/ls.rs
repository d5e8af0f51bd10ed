//! `storage:backups:ls`: what is in a backup.

use super::Where;
use crate::commands::arguments::{self, Args, Output};
use crate::context::Context;
use crate::domain::{Result, readable};
use crate::ops::backups::browse::{self, Inside};
use crate::ops::backups::find::Found;
use crate::render::harmless;

#[derive(Debug, Args)]
struct Arguments {
    backup: String,
    path: String,
    #[command(flatten)]
    place: Where,
    /// --recursive: list what is in the directories too
    recursive: bool,
    #[command(flatten)]
    output: Output,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, _) = arguments::without_app(words, context);
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let format = arguments.output.format()?;
    let found = Found::of(&arguments.backup, arguments.place.given(), context)?;
    let inside = browse::ls(&found, &arguments.path, arguments.recursive, context)?;
    let headings = ["Mode", "Owner", "Size", "Changed", "Path"];
    context.out.list(format, &inside, (&headings, row), "There is nothing in it");
    Ok(())
}

fn row(inside: &Inside) -> Vec<String> {
    vec![
        inside.permissions.clone(),
        format!("{}:{}", inside.uid, inside.gid),
        if inside.kind == "file" { readable(inside.bytes) } else { "-".to_owned() },
        inside.changed.shown(),
        harmless(&inside.path).into_owned(),
    ]
}
