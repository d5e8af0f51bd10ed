//! `storage:backups:get`: a file of a backup, on standard output.

use super::Where;
use crate::commands::arguments::{self, Args};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::backups::browse;
use crate::ops::backups::find::Found;

#[derive(Debug, Args)]
struct Arguments {
    backup: String,
    path: Option<String>,
    #[command(flatten)]
    place: Where,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, _) = arguments::without_app(words, context);
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let Some(path) = &arguments.path else {
        refuse!("name a backup and a path in it; dokku storage:backups:ls BACKUP shows the paths");
    };
    let found = Found::of(&arguments.backup, arguments.place.given(), context)?;
    context.out.flush()?;
    browse::get(&found, path, context)
}
