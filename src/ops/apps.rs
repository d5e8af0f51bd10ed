//! Which apps there are for this caller.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::domain::{AppName, Error, Result};
use crate::host::{Environment, plugn};
use crate::store::Store;

const ACCESS: &str = "user-auth-app";

/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(3);

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
    let granted = granted(environment, arguments)?;
    let granted: std::collections::HashSet<&str> = granted.split_whitespace().collect();
    Ok(apps.into_iter().filter(|app| granted.contains(app.as_str())).collect())
}

/// What the plugin says to a question, which is not asked again at once: its answer takes long. Who waited for something meanwhile
/// may see less by now.
fn granted(environment: &Environment, question: Vec<String>) -> Result<String> {
    let mut answers = environment.granted.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((when, known)) = answers.get(&question)
        && when.elapsed() < HOLDS
    {
        return Ok(known.clone());
    }
    let answer = plugn::trigger(ACCESS, &question).run()?;
    let granted = if answer.status == 0 { answer.stdout } else { String::new() };
    answers.insert(question, (Instant::now(), granted.clone()));
    Ok(granted)
}

/// Whether an access-control plugin decides which apps a caller sees.
pub(crate) fn are_restricted(environment: &Environment) -> bool {
    let is_answered = || plugn::is_answered(environment, ACCESS);
    environment.is_dokku() && *environment.is_restricted.get_or_init(is_answered)
}
