//! Which apps there are for this caller.

use crate::domain::{AppName, Error, Result};
use crate::host::{Environment, plugn};
use crate::store::Store;

const ACCESS: &str = "user-auth-app";

/// The app of that name, where it exists and the caller may see it.
///
/// Without Dokku every valid name is an app.
pub(crate) fn existing(environment: &Environment, name: &str) -> Result<AppName> {
    let app = AppName::parse(name)?;
    if !environment.is_dokku() {
        return Ok(app);
    }
    let is_there = environment.has_app(&app);
    // What is asked takes time, which must not tell whether there is such an app.
    let seen = if is_there || are_restricted(environment) {
        visible(environment, vec![app])?
    } else {
        Vec::new()
    };
    let app = seen.into_iter().next().filter(|_| is_there);
    app.ok_or_else(|| Error::UnknownApp(name.to_owned()))
}

/// Every app that the caller may see, in order.
pub(crate) fn all(environment: &Environment, store: &Store) -> Result<Vec<AppName>> {
    visible(environment, store.apps()?)
}

/// Those of the apps that the caller may see. Where an access-control plugin fails, that is none.
pub(crate) fn visible(environment: &Environment, apps: Vec<AppName>) -> Result<Vec<AppName>> {
    if apps.is_empty() || !are_restricted(environment) {
        return Ok(apps);
    }
    let mut arguments = environment.caller().to_vec();
    arguments.extend(apps.iter().map(ToString::to_string));
    let answer = plugn::trigger(ACCESS, &arguments).run()?;
    if answer.status != 0 {
        return Ok(Vec::new());
    }
    let granted: std::collections::HashSet<&str> = answer.stdout.split_whitespace().collect();
    Ok(apps.into_iter().filter(|app| granted.contains(app.as_str())).collect())
}

/// Whether an access-control plugin decides which apps a caller sees.
pub(crate) fn are_restricted(environment: &Environment) -> bool {
    let is_answered = || plugn::is_answered(environment, ACCESS);
    environment.is_dokku() && *environment.is_restricted.get_or_init(is_answered)
}
