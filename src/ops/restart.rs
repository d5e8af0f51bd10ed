//! Saying that an app has to be restarted before it sees a change, or started, since what it mounts can be used again.

use crate::context::Context;
use crate::docker::containers;
use crate::domain::{AppName, Entry, Result};
use crate::ops::apps;

/// Says it on one line, where the app runs.
pub(crate) fn say(app: &AppName, context: &mut Context) {
    if is_running(app, context) {
        context.out.detail_unless_quiet(&format!(
            "{app} is running without this change; to apply it: dokku ps:restart {app}"
        ));
    }
}

/// Says which containers do not run of the apps that mount an entry, as far as the caller sees these. Docker does not start again
/// what it could not start when the host did.
pub(crate) fn say_what_is_down(entry: &Entry, context: &mut Context) -> Result<()> {
    if !context.environment.is_dokku() {
        return Ok(());
    }
    for app in apps::visible(&context.environment, context.store.apps_with(&entry.name)?)? {
        let deployed = containers::deployed(&context.environment, &app);
        let of_those = deployed.iter().filter(|container| !container.is_running);
        let mut down: Vec<&str> = of_those.map(|container| container.name.as_str()).collect();
        if down.is_empty() {
            continue;
        }
        down.sort_unstable();
        let is_all = down.len() == deployed.len();
        let (verb, command) = (
            if down.len() == 1 { "is" } else { "are" },
            if is_all { "ps:start" } else { "ps:restart" },
        );
        context.out.detail(&format!(
            "{} {verb} not running; to start: dokku {command} {app}",
            down.join(", ")
        ));
    }
    Ok(())
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
