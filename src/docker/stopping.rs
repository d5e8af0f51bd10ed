//! Stopping a container, and keeping it stopped.

use std::time::Duration;

use serde_json::{Value, json};

use crate::docker::{Container, Docker, Environment, Reply};
use crate::domain::Result;

/// How long a container may take to stop where neither the app nor the container says so: Dokku's default, in seconds.
const DEFAULT_SECONDS: u32 = 30;

/// How much longer than that the engine may take to answer.
const GRACE: u64 = 20;

/// When a container starts again by itself.
struct RestartPolicy {
    name: String,
    /// How often it is tried, at most; 0 where that has no end, and where it is no matter.
    most: u64,
}

impl RestartPolicy {
    fn no() -> Self {
        Self { name: "no".to_owned(), most: 0 }
    }

    /// The policy of an inspected container; none where it does not start again by itself, or Docker does not say.
    fn of(inspected: &Value) -> Option<Self> {
        let policy = &inspected["HostConfig"]["RestartPolicy"];
        let name = policy["Name"].as_str().filter(|name| !["", "no"].contains(name))?.to_owned();
        Some(Self { name, most: policy["MaximumRetryCount"].as_u64().unwrap_or(0) })
    }

    /// Whether it is ignored once the container is stopped, also when the engine starts again.
    fn heeds_stops(&self) -> bool {
        self.name == "unless-stopped"
    }

    fn option(&self) -> String {
        let most = if self.most == 0 { String::new() } else { format!(":{}", self.most) };
        format!("--restart={}{most}", self.name)
    }

    fn set(&self, docker: Docker<'_>, id: &str) -> bool {
        let policy = json!({"RestartPolicy": {"Name": self.name, "MaximumRetryCount": self.most}});
        let path = format!("/containers/{id}/update");
        docker.ask("POST", &path, &policy, &["update", &self.option(), id]).is_ok()
    }
}

/// Stops a container as `docker stop` does, and takes its restart policy away first, as Dokku does when it retires one:
/// a container that starts again by itself would not have made way. One that is gone already is stopped.
///
/// `seconds` is how long it may take before it is killed; without, it is what the container was made with.
///
/// Returns the option of `docker update` that sets the policy again, where it would start the container with the engine: it is for
/// whoever starts the container. Otherwise the policy is set again here, also where the container is not stopped.
pub(crate) fn stop(
    environment: &Environment,
    container: &Container,
    seconds: Option<u32>,
) -> Result<Option<String>> {
    let id = &container.id;
    let docker = Docker(environment);
    let words = ["inspect", "-f", "{{json .}}", id];
    let path = format!("/containers/{id}/json");
    let inspected = docker.get(&path, &words).found().unwrap_or_default();
    let policy = RestartPolicy::of(&inspected);
    let own_seconds = inspected["Config"]["StopTimeout"].as_u64();
    let own_seconds = own_seconds.and_then(|seconds| seconds.try_into().ok());
    let seconds = seconds.or(own_seconds).unwrap_or(DEFAULT_SECONDS);
    // It has no other meaning than that; where it is refused, stopping is what counts.
    RestartPolicy::no().set(docker, id);
    let path = format!("/containers/{id}/stop?t={seconds}");
    let patience = Duration::from_secs(u64::from(seconds) + GRACE);
    let reply = docker.engine("POST", &path, &Value::Null, patience).unwrap_or_else(|| {
        Reply::of_client(docker.client(&["stop", "-t", &seconds.to_string(), id]).run())
    });
    let is_stopped = matches!(reply.status, 200 | 204 | 304 | 404);
    let kept = policy.filter(|policy| {
        let is_right_now = !is_stopped || policy.heeds_stops();
        !(is_right_now && policy.set(docker, id))
    });
    let kept = kept.map(|policy| policy.option());
    if is_stopped {
        return Ok(kept);
    }
    let update = kept.map(|option| format!("docker update {option} {id}, then: "));
    let why = reply.message();
    Err(refusal!(
        "Docker cannot stop {}: {why}; {}docker stop {id}",
        container.shown(),
        update.unwrap_or_default()
    ))
}
