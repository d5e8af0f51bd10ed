//! `report`: the plugin's part of what Dokku shows.

use crate::context::Context;
use crate::domain::Result;
use crate::ops::apps;

pub(crate) fn app(arguments: &[String], context: &mut Context) -> Result<()> {
    let app = apps::existing(&context.environment, super::word(arguments, 0))?;
    crate::ops::report::of_app(&app, context)
}
