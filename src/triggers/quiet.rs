//! Triggers that are answered and have nothing to say yet: nothing is scheduled, and nothing is read from
//! an app's source or taken from its image.

use crate::context::Context;

/// Says nothing, and that all is well.
///
/// # Errors
/// None.
pub fn run(_arguments: &[String], _context: &mut Context) -> anyhow::Result<()> {
    Ok(())
}
