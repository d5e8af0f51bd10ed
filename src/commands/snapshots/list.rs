//! `storage:snapshots:list`: which snapshots there are.

use crate::commands::arguments::{self, Named, Output};
use crate::context::Context;
use crate::domain::{EntryName, Result, Snapshot, readable};
use crate::ops::reach::Reach;
use crate::ops::{access, apps, tell_problems};

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let Named::<String, Output> { name, flags } = arguments::parse(words, context)?;
    let format = flags.format()?;
    let entries = match &*name {
        "" => touchable(context)?,
        name => vec![access::entry(name, context)?.name],
    };
    let (notes, problems) = context.store.read_consistently(|store| {
        let (mut notes, mut problems) = (Vec::new(), Vec::new());
        for entry in &entries {
            let (more, unreadable) = store.snapshots_of(entry)?;
            notes.extend(more);
            problems.extend(unreadable);
        }
        Ok((notes, problems))
    })?;
    if let Err(away) = context.store.must_not_be_away() {
        context.out.warn(&away.to_string());
    }
    let headings = ["Entry", "Name", "Created", "Made", "Size", "Files"];
    context.out.list(format, &notes, (&headings, row), "There are no snapshots");
    tell_problems(&problems, context)
}

fn row(note: &Snapshot) -> Vec<String> {
    vec![
        note.entry.to_string(),
        note.name.to_string(),
        note.created.shown(),
        note.made.as_str().to_owned(),
        note.bytes.map_or_else(|| "-".to_owned(), readable),
        note.files.map_or_else(|| "-".to_owned(), |files| files.to_string()),
    ]
}

/// The entries with snapshots that the caller may touch.
fn touchable(context: &Context) -> Result<Vec<EntryName>> {
    let reach =
        apps::are_restricted(&context.environment).then(|| Reach::of(context)).transpose()?;
    let mut names = Vec::new();
    for name in context.store.entries_with_snapshots()? {
        let may_touch = match context.store.entry(&name)? {
            Some(entry) => reach.as_ref().is_none_or(|reach| reach.has(&entry, context)),
            // What belongs to nobody is shown to who may see everything.
            None => access::must_see_every_app("", context).is_ok(),
        };
        if may_touch {
            names.push(name);
        }
    }
    Ok(names)
}
