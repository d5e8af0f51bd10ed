//! `storage:backups:check`: whether what is at a destination can be restored.

use crate::commands::arguments;
use crate::context::Context;
use crate::domain::Result;
use crate::ops::backups::tidy;

/// Checks the repository, and compares some files of each entry's last backup with what was backed up.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let positional = arguments::positional(words, context)?;
    let (positional, _) = positional.without_app(context);
    positional.at_most(1)?;
    let connector = super::destination(positional.at(0), context)?;
    let checked = tidy::check(&connector, context)?;
    let plural = if checked.files == 1 { "" } else { "s" };
    context.out.headline(&format!(
        "Repository of connector {} is in order; {} file{plural} restored and compared",
        connector.name, checked.files
    ));
    Ok(())
}
