//! `storage:backups:check`: whether what is at a destination can be restored.

use crate::commands::arguments::{self, Named, without_app};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::backups::tidy;

/// Checks the repository, and compares some files of each entry's last backup with what was backed up.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, _) = without_app(words, context);
    let Named { name, .. } = arguments::parse::<Named<String>>(words, context)?;
    let connector = super::destination(&name, context)?;
    let checked = tidy::check(&connector, context)?;
    let plural = if checked.files == 1 { "" } else { "s" };
    context.out.headline(&format!(
        "Repository of connector {} is in order; {} file{plural} restored and compared",
        connector.name, checked.files
    ));
    Ok(())
}
