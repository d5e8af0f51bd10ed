//! Pausing containers for as long as something takes, and letting them go on every way out.
//!
//! A process of its own pauses them. It waits for the end of a pipe that only the command holds, and lets them go then:
//! also where the command was killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::docker::Docker;
use crate::domain::{Error, Result};
use crate::host::{Environment, Program};

/// What the process says once all containers are paused.
pub(crate) const DONE: &str = "paused";

const NAME: &str = "keep-paused";

/// How long it is tried to let a container go where Docker does not answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// Containers that are paused until this is dropped.
pub(crate) struct Paused<'a> {
    environment: &'a Environment,
    ids: Vec<String>,
    watcher: Option<(Child, ChildStdin)>,
}

impl<'a> Paused<'a> {
    /// Pauses containers.
    /// Fails where one cannot be paused, with Docker's words; none is paused then.
    pub(crate) fn of(environment: &'a Environment, ids: Vec<String>) -> Result<Self> {
        if ids.is_empty() {
            return Ok(Self { environment, ids, watcher: None });
        }
        let mut child = Program::this(NAME, &[""; 0]).watch()?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            refuse!("unable to start {NAME}");
        };
        let mut said = String::new();
        let told = writeln!(input, "{}\n", ids.join("\n"))
            .and_then(|()| BufReader::new(output).read_line(&mut said));
        if told.is_ok() && said.trim() == DONE {
            return Ok(Self { environment, ids, watcher: Some((child, input)) });
        }
        drop(input);
        // What it had paused it let go itself, unless somebody ended it.
        if child.wait().is_ok_and(|status| status.code().is_none()) {
            resume_all(environment, &ids.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        match (told, said.trim()) {
            (Ok(_), "") => Err(refusal!("containers could not be paused; Docker does not say why")),
            (Ok(_), why) => Err(Error::refused(why)),
            (Err(error), _) => Err(Error::system("talk to", NAME)(error)),
        }
    }

    pub(crate) fn resume(mut self) -> Result<()> {
        self.detach()
    }

    fn detach(&mut self) -> Result<()> {
        let Some((mut child, input)) = self.watcher.take() else {
            return Ok(());
        };
        drop(input);
        if child.wait().is_ok_and(|status| status.success()) {
            return Ok(());
        }
        // Somebody ended it.
        let ids: Vec<&str> = self.ids.iter().map(String::as_str).collect();
        resume_all(self.environment, &ids)
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        // Who wants to know whether it fails, calls `resume`.
        let _ = self.detach();
    }
}

pub(crate) fn pause(environment: &Environment, id: &str) -> Result<()> {
    let path = format!("/containers/{id}/pause");
    let reply = Docker(environment).ask("POST", &path, &Value::Null, &["pause", id]);
    if reply.is_ok() {
        return Ok(());
    }
    let why = reply.message();
    Err(refusal!("Docker did not pause the container {id}: {why}"))
}

/// Lets containers go. One that is gone, or that somebody let go already, is none of our business any more.
pub(crate) fn resume_all(environment: &Environment, ids: &[&str]) -> Result<()> {
    let begin = Instant::now();
    let mut left = ids.to_vec();
    loop {
        left.retain(|id| !resume(environment, id));
        if left.is_empty() {
            return Ok(());
        }
        refuse_if!(
            begin.elapsed() > PATIENCE,
            "containers are still paused, since Docker does not answer; let them go with: docker unpause {}",
            left.join(" ")
        );
        std::thread::sleep(PAUSE);
    }
}

/// Whether a container is paused no more.
fn resume(environment: &Environment, id: &str) -> bool {
    let path = format!("/containers/{id}/unpause");
    let reply = Docker(environment).ask("POST", &path, &Value::Null, &["unpause", id]);
    let is_over = reply.message().to_lowercase().contains("is not paused");
    reply.is_ok() || reply.is_absent() || is_over
}
