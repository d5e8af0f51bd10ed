//! `storage:backups:list`: which backups there are.

use super::Where;
use crate::commands::arguments::{self, Args, Output};
use crate::context::Context;
use crate::domain::{EntryName, Result, readable};
use crate::ops::backups::find::{self, Backup};
use crate::ops::{access, tell_problems};

#[derive(Debug, Args)]
struct Arguments {
    entry: String,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    output: Output,
}

/// Lists backups, oldest first. An entry that is gone has its backups still.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, _) = arguments::without_app(words, context);
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let format = arguments.output.format()?;
    let entry = match &*arguments.entry {
        "" => None,
        name => Some(EntryName::parse(name)?),
    };
    let (from, host) = arguments.place.given();
    let places = find::places(from, context)?;
    let (mut backups, mut problems) = find::all(&places, entry.as_ref(), context);
    if let Some(name) = &entry
        && backups.is_empty()
        && let Err(mistake) = access::entry(name.as_str(), context)
    {
        // A name that nothing has is a mistake.
        problems.insert(0, mistake);
    }
    backups.retain(|backup| host.is_none_or(|host| backup.host == host));
    if backups.is_empty() && !problems.is_empty() {
        // Nobody knows whether there are any.
        return tell_problems(&problems, context);
    }
    let headings = ["Backup", "Entry", "Created", "Size", "Files", "To", "Host"];
    context.out.list(format, &backups, (&headings, row), "There are no backups");
    tell_problems(&problems, context)
}

fn row(backup: &Backup) -> Vec<String> {
    let partial = if backup.whole { "" } else { " (partial)" };
    vec![
        backup.short_id().to_owned(),
        backup.subject().to_owned(),
        format!("{}{partial}", backup.created.shown()),
        backup.bytes.map_or_else(|| "-".to_owned(), readable),
        backup.files.map_or_else(|| "-".to_owned(), |files| files.to_string()),
        backup.connector.to_string(),
        backup.host.clone(),
    ]
}
