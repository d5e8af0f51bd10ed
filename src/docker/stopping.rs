//! Stopping a container, and keeping it stopped.

use std::time::Duration;

use serde_json::{Value, json};

use crate::docker::{Container, Docker, Environment, Reply};
use crate::domain::Result;

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
    let refused =
        |why: &str| refusal!("Docker cannot stop {}: {why}; docker stop {id}", container.shown());
    let docker = Docker(environment);
    // It has no other meaning than that; where it is refused, stopping is what counts.
    let policy = json!({"RestartPolicy": {"Name": "no"}});
    docker.ask(
        "POST",
        &format!("/containers/{id}/update"),
        &policy,
        &["update", "--restart=no", id],
    );
    let path = format!("/containers/{id}/stop?t={seconds}");
    let patience = Duration::from_secs(u64::from(seconds) + GRACE);
    let reply = docker.engine("POST", &path, &Value::Null, patience).unwrap_or_else(|| {
        Reply::of_client(docker.client(&["stop", "-t", &seconds.to_string(), id]).run())
    });
    match reply.status {
        200 | 204 | 304 | 404 => Ok(()),
        _ => Err(refused(&reply.message())),
    }
}

/// How long a container was given when it was made, in seconds.
fn own_seconds(environment: &Environment, id: &str) -> Option<u32> {
    let words = ["inspect", "-f", "{{json .}}", id];
    let inspected = Docker(environment).get(&format!("/containers/{id}/json"), &words).found()?;
    inspected["Config"]["StopTimeout"].as_u64()?.try_into().ok()
}
