//! `storage:trash:restore`: puts a directory back, and registers its entry again.

use crate::commands::arguments::{self, Args, given, no_more_than};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::{crontab, trash};

#[derive(Debug, Args)]
struct Arguments {
    word: String,
    /// --as: name of the restored entry
    #[arg(long = "as")]
    new_name: Option<String>,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, rest) = arguments::parse_some::<Arguments>(words, context)?;
    let word = &*arguments.word;
    if word.is_empty() {
        refuse!("Please specify what to restore: an id or a name of dokku storage:trash:list");
    }
    no_more_than(&rest, 0)?;
    let in_crontab = crontab::lines(context);
    let restored = trash::restore(word, given(arguments.new_name.as_deref()), context)?;
    if let Some(entry) = &restored.entry {
        context.out.headline(&format!("Storage entry {} restored", entry.name));
    } else {
        let name = &restored.name;
        context
            .out
            .detail(&format!("It had no storage entry; dokku storage:create {name} registers it"));
        context.out.headline(&format!("Directory {name} restored"));
    }
    trash::empty_expired(context)?;
    // The last that was in the trash, and the first that has a schedule.
    crontab::follow(&in_crontab, context);
    Ok(())
}
