//! Apps that share the mounts of another.

use crate::context::Context;
use crate::domain::{AppName, Result};
use crate::ops::access;

/// The name of an app, as far as the caller may see it.
pub(crate) fn name(app: &AppName, context: &Context) -> Result<String> {
    let names = access::names(vec![app.clone()], context)?;
    Ok(names.into_iter().next().map_or_else(String::new, |name| match name {
        name if name == app.as_str() => name,
        _ => "an app that you cannot see".to_owned(),
    }))
}
