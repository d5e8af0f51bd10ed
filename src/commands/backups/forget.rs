//! `storage:backups:forget`: removes a backup.

use super::Where;
use crate::commands::arguments::{self, Args, Force};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::access;
use crate::ops::backups::find::Found;
use crate::ops::backups::tidy;

#[derive(Debug, Args)]
struct Arguments {
    backup: String,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    place: Where,
}

/// Forgets a backup. What it alone has is removed by `storage:backups:prune`.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, _) = arguments::without_app(words, context);
    let arguments = arguments::parse::<Arguments>(words, context)?;
    access::must_see_every_app("a destination is the host's", context)?;
    let found = Found::of(&arguments.backup, arguments.place.given(), context)?;
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
