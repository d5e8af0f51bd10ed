//! What is decided for one app, and what its last build was.

use crate::context::Context;
use crate::domain::{AppName, Result};

/// Sets a property, or unsets it with the empty value; false where it is so already.
pub(crate) fn set(app: &AppName, property: &str, value: &str, context: &Context) -> Result<bool> {
    context.store.change(|change| {
        let before = change.store().app_settings(app)?;
        let mut settings = before.clone();
        settings.set(property, value)?;
        if settings == before {
            return Ok(false);
        }
        change.write_app_settings(app, &settings)?;
        Ok(true)
    })
}

/// Notes which image was built, and by which builder: the next deploy is checked against it. False where the app has
/// nothing to do with storage: only others get a directory in the store.
pub(crate) fn note_build(
    app: &AppName,
    builder: &str,
    image: &str,
    context: &Context,
) -> Result<bool> {
    let now = context.store.app_settings(app)?;
    if !context.store.layout().app(app).exists() {
        return Ok(false);
    }
    if now.image != image || now.builder != builder {
        context.store.change(|change| {
            let mut settings = change.store().app_settings(app)?;
            image.clone_into(&mut settings.image);
            builder.clone_into(&mut settings.builder);
            change.write_app_settings(app, &settings)
        })?;
    }
    Ok(true)
}
