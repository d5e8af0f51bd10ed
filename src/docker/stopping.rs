//! Stopping a container, and keeping it stopped.

use std::time::Duration;

use serde_json::json;

use crate::docker::containers::Container;
use crate::docker::{EngineAnswer, Environment, ask, ask_patiently, client, get};
use crate::domain::error::{Error, Result};
use crate::host::process::Program;

/// How long a container may take to stop where neither the app nor the container says so: Dokku's default, in seconds.
const DEFAULT_SECONDS: u32 = 30;

/// How much longer than that the engine may take to answer.
const GRACE: u64 = 20;

/// Stops a container as `docker stop` does, and takes its restart policy away first, as Dokku does when it retires one:
/// a container that starts again by itself would not have made way. One that is gone already is stopped.
///
/// `seconds` is how long it may take before it is killed; without, it is what the container was made with.
pub(crate) fn stop(
    environment: &Environment,
    container: &Container,
    seconds: Option<u32>,
) -> Result<()> {
    let id = &container.id;
    let seconds = seconds.or_else(|| own_seconds(environment, id)).unwrap_or(DEFAULT_SECONDS);
    let refused = |why: &str| {
        Error::refused(format!("Docker cannot stop {}: {why}; docker stop {id}", container.shown()))
    };
    let policy = json!({"RestartPolicy": {"Name": "no"}}).to_string();
    // It has no other meaning than that; where it is refused, stopping is what counts.
    let updated = ask(environment, "POST", &format!("/containers/{id}/update"), &policy);
    let path = format!("/containers/{id}/stop?t={seconds}");
    let patience = Duration::from_secs(u64::from(seconds) + GRACE);
    if updated.is_some()
        && let Some(answer) = ask_patiently(environment, "POST", &path, "", patience)
    {
        return match answer.status {
            204 | 304 | 404 => Ok(()),
            _ => Err(refused(&EngineAnswer::message(&answer))),
        };
    }
    let docker = client(environment);
    let _ = Program::new(&docker, &["update", "--restart=no", id]).run();
    let answer = Program::new(&docker, &["stop", "-t", &seconds.to_string(), id])
        .run()
        .map_err(|error| refused(&error.to_string()))?;
    if answer.status == 0 || answer.stderr.to_lowercase().contains("no such container") {
        return Ok(());
    }
    let said = answer.stderr.trim();
    Err(refused(if said.is_empty() { "it did not say why" } else { said }))
}

/// How long a container was given when it was made, in seconds.
fn own_seconds(environment: &Environment, id: &str) -> Option<u32> {
    if let Some(inspected) = get(environment, &format!("/containers/{id}/json")) {
        return inspected["Config"]["StopTimeout"].as_u64()?.try_into().ok();
    }
    let format = "{{.Config.StopTimeout}}";
    let answer = Program::new(client(environment), &["inspect", "-f", format, id]).run().ok()?;
    answer.stdout.trim().parse().ok()
}
