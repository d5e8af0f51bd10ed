//! `storage:connectors:destroy`: forgets a connector, and its secret.

use crate::commands::arguments::{self, Force, Named, no_more_than};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::connectors::{destroy, must_be_unused};

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (Named::<String, Force> { name: typed, flags }, rest) =
        arguments::parse_some(words, context)?;
    let name = super::existing(&typed, context)?.name;
    no_more_than(&rest, 0)?;
    must_be_unused(&name, &context.store)?;
    flags.or_ask("connector", name.as_str(), context)?;
    destroy(&name, context)?;
    context.out.headline(&format!("Connector {name} destroyed"));
    Ok(())
}
