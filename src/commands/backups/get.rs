//! `storage:backups:get`: a file of a backup, on standard output.

use clap::Parser;

use super::Where;
use crate::commands::arguments;
use crate::context::Context;
use crate::domain::Result;
use crate::ops::backups::browse;
use crate::ops::backups::find::Found;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    place: Where,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, positional) = arguments::parse::<Arguments>(words, context)?;
    let (positional, _) = positional.without_app(context);
    positional.at_most(2)?;
    refuse_if!(
        positional.len() < 2,
        "name a backup and a path in it; dokku storage:backups:ls BACKUP shows the paths"
    );
    let found = Found::of(positional.at(0), arguments.place.given(), context)?;
    context.out.flush()?;
    browse::get(&found, positional.at(1), context)
}
