//! `post-delete` and `post-app-rename-setup`: what the store has of an app goes with it.

use super::{app, both};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::app_life;

pub(crate) fn delete(arguments: &[String], context: &mut Context) -> Result<()> {
    app_life::delete(&app(arguments, 0)?, context)
}

pub(crate) fn rename(arguments: &[String], context: &mut Context) -> Result<()> {
    let (old, new) = both(arguments)?;
    app_life::rename(&old, &new, context)
}
