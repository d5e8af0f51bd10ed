//! `storage:backups:restore`: restores a backup to a new entry, or in an entry's place.

use super::Where;
use crate::commands::arguments::{self, Args, Force, parsed};
use crate::context::Context;
use crate::domain::{EntryName, Result, Subpath};
use crate::ops::access;
use crate::ops::backups::find::Found;
use crate::ops::backups::restore::{self, Options};
use crate::storage::EntryLock;

#[derive(Debug, Args)]
struct Arguments {
    backup: String,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    place: Where,
    /// --as: name of the new entry, by default the backup's where that is free
    r#as: Option<String>,
    /// --in-place: replace the data of the entry, and keep what it replaces as a snapshot
    in_place: bool,
    /// --path: only this file or directory of the data (repeatable)
    path: Vec<String>,
    /// --privileged: as root, restore device nodes and set-uid bits too, for an entry whose owner is root
    privileged: bool,
    /// --stop: stop the running containers that mount the entry (with --in-place)
    stop: bool,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, _) = arguments::without_app(words, context);
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let name = parsed(arguments.r#as.as_ref(), EntryName::parse_new)?;
    let paths = Subpath::outermost(&arguments.path)?;
    refuse_if!(
        arguments.stop && !arguments.in_place,
        "--stop goes with --in-place; a new entry is mounted by nobody"
    );
    refuse_if!(
        arguments.in_place && name.is_some(),
        "--in-place restores to the entry of the backup, --as to a new one; give one of them"
    );
    let found = Found::of(&arguments.backup, arguments.place.given(), context)?;
    let options = Options { paths, is_privileged: arguments.privileged, is_registered: false };
    let backup = found.backup.short_id();
    if !arguments.in_place {
        let entry = restore::to_new(&found, name, &options, context)?;
        context
            .out
            .headline(&format!("Storage entry {} restored from backup {backup}", entry.name));
        return Ok(());
    }
    let Some(name) = &found.backup.entry else {
        refuse!("backup {backup} is of the store; restore it: dokku storage:backups:restore-store");
    };
    access::entry(name.as_str(), context)?;
    let sentence = format!(
        "This command will replace the data of storage entry {name} with backup {backup} of {}; what is there is kept as a snapshot.",
        found.backup.created.shown()
    );
    arguments.force.or_ask_about(&sentence, name.as_str(), context)?;
    let _lock = EntryLock::take(name.as_str(), context)?;
    let entry = access::entry(name.as_str(), context)?;
    restore::in_place(&found, &entry, (&options, arguments.stop), context)?;
    context.out.headline(&format!("Storage entry {name} restored from backup {backup}"));
    Ok(())
}
