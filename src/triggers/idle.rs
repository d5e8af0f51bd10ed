//! Triggers that are answered, and have nothing to do: nothing is left after a deploy.

use crate::context::Context;
use crate::domain::Result;

pub(crate) fn run(_arguments: &[String], _context: &mut Context) -> Result<()> {
    Ok(())
}
