//! `storage:backups:forget`: removes a backup.

use clap::Parser;

use super::Where;
use crate::commands::arguments::{self, Force};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::access;
use crate::ops::backups::find::Found;
use crate::ops::backups::tidy;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    place: Where,
}

/// Forgets a backup. What it alone has is removed by `storage:backups:prune`.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, positional) = arguments::parse::<Arguments>(words, context)?;
    let (positional, _) = positional.without_app(context);
    positional.at_most(1)?;
    access::must_see_every_app("a destination is the host's", context)?;
    let found = Found::of(positional.at(0), arguments.place.given(), context)?;
    let backup = found.backup.short_id();
    let kind =
        format!("the backup of {} of {}:", found.backup.subject(), found.backup.created.shown());
    arguments.force.or_ask(&kind, backup, context)?;
    tidy::forget(&found.connector, std::slice::from_ref(&found.backup.id), context)?;
    context.out.headline(&format!("Backup {backup} forgotten"));
    context.out.detail_unless_quiet(&format!(
        "Its room is free after: dokku storage:backups:prune {}",
        found.connector.name
    ));
    Ok(())
}
