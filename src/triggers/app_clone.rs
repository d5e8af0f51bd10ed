//! `post-app-clone-setup`: a clone gets the same entries, copies of them, or empty ones of its own.

use super::both;
use crate::context::Context;
use crate::domain::Result;
use crate::ops::clone_app;

pub(crate) fn run(arguments: &[String], context: &mut Context) -> Result<()> {
    let (old, new) = both(arguments)?;
    clone_app::clone(&old, &new, context)
}
