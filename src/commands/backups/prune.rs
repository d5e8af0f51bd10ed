//! `storage:backups:prune`: removes what no backup needs any more.

use crate::commands::arguments;
use crate::context::Context;
use crate::domain::Result;
use crate::ops::backups::tidy;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let positional = arguments::positional(words, context)?;
    let (positional, _) = positional.without_app(context);
    positional.at_most(1)?;
    let connector = super::destination(positional.at(0), context)?;
    let said = tidy::prune(&connector, context)?;
    for line in said.lines().filter(|line| line.starts_with("total prune:")) {
        context.out.detail(line.trim_start_matches("total prune:").trim());
    }
    context.out.headline(&format!("Repository of connector {} pruned", connector.name));
    Ok(())
}
