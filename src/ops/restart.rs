//! Saying that a running app has to be restarted before it sees a change.

use crate::context::Context;
use crate::docker::containers;
use crate::domain::AppName;

/// Says it on one line, where the app runs.
pub(crate) fn say(app: &AppName, context: &mut Context) {
    if is_running(app, context) {
        context.out.detail_unless_quiet(&format!(
            "{app} is running without this change; to apply it: dokku ps:restart {app}"
        ));
    }
}

/// Whether the app has containers: Dokku notes them in the app's directory, and Docker knows them by label.
fn is_running(app: &AppName, context: &Context) -> bool {
    let Some(root) = context.environment.apps_root() else {
        return false;
    };
    let names = std::fs::read_dir(root.join(app.as_str())).into_iter().flatten().flatten();
    names.into_iter().any(|name| name.file_name().as_encoded_bytes().starts_with(b"CONTAINER"))
        || !containers::running(&context.environment, app).is_empty()
}
