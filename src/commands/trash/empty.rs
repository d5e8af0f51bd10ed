//! `storage:trash:empty`: removes for good what is in the trash.

use crate::commands::arguments::{self, Args};
use crate::context::Context;
use crate::domain::{Error, Result, Trashed};
use crate::ops::trash::{called, empty_expired, remove, shown_size, usage, visible};
use crate::ops::{Places, confirmation};
use crate::render::table;
use crate::storage::clear_staged;

#[derive(Debug, Args)]
struct Arguments {
    word: String,
    /// --force: remove without confirmation
    force: bool,
    /// --yes: remove without confirmation
    yes: bool,
    /// --expired: remove only what has expired, without confirmation
    expired: bool,
}

/// Empties the trash, or removes what a word names, after it was confirmed.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let word = &*arguments.word;
    if arguments.expired {
        if !word.is_empty() {
            refuse!("--expired is about all that is in the trash; leave {word:?} out");
        }
        // What a command was removing when the power went, is removed within the hour.
        clear_staged(context);
        // It would go anyway, whoever asks.
        let count = empty_expired(context)?;
        if count > 0 {
            context.out.headline_unless_quiet(&format!("Removed {count} from the trash for good"));
        }
        return Ok(());
    }
    let trash = visible(context)?;
    let items = if word.is_empty() { trash } else { called(word, trash)? };
    if items.is_empty() {
        context.out.headline_unless_quiet("The trash is empty");
        return Ok(());
    }
    if !arguments.force && !arguments.yes && !context.environment.is_forced() {
        tell(&items, context)?;
        let (kind, name) = if word.is_empty() {
            ("all that is in the", "trash")
        } else {
            ("what is in the trash as", word)
        };
        confirmation::ask(kind, name, context)?;
    }
    let places = Places::of_this_host(context)?;
    let mut is_whole = true;
    for item in &items {
        match remove(item, &places, context) {
            Ok(true) => context.out.detail(&format!("Removed {}", item.id)),
            Ok(false) => {
                context.out.detail(&format!("{} is not in the trash any more", item.id));
            }
            Err(error) => {
                context.out.warn(&error.to_string());
                is_whole = false;
            }
        }
    }
    if !is_whole {
        return Err(Error::Status(1));
    }
    context.out.headline(&if word.is_empty() {
        "Trash emptied".to_owned()
    } else {
        format!("{word} removed from the trash")
    });
    Ok(())
}

fn tell(items: &[Trashed], context: &mut Context) -> Result<()> {
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| vec![item.id.to_string(), item.when.shown(), shown_size(usage(item, context))])
        .collect();
    context.out.line(&table(&["Id", "Destroyed", "Size"], &rows));
    context.out.flush()
}
