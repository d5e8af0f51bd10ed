//! `storage:backups:prune`: removes what no backup needs any more.

use crate::commands::arguments::{self, Named, without_app};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::backups::tidy;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, _) = without_app(words, context);
    let Named { name, .. } = arguments::parse::<Named<String>>(words, context)?;
    let connector = super::destination(&name, context)?;
    let said = tidy::prune(&connector, None, context)?;
    for line in said.lines().filter(|line| line.starts_with("total prune:")) {
        context.out.detail(line.trim_start_matches("total prune:").trim());
    }
    context.out.headline(&format!("Repository of connector {} pruned", connector.name));
    Ok(())
}
