//! Pausing containers for as long as something takes, and letting them go on every way out.
//!
//! A process of its own pauses them ([`Kept`]). It waits for the end of a pipe that only the command holds, and lets them go then:
//! also where the command was killed.
//!
//! Commands that need the same container paused keep it so beside each other, each with its lock, and the last one lets it go. What
//! is paused is noted before: whoever finds a container noted on which nobody has the lock lets it go ([`let_go`]). A container
//! that somebody paused by hand is not noted, and stays paused. One process at a time judges and changes what is paused.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::docker::{Container, Docker};
use crate::domain::{Error, Result};
use crate::host::{Environment, Program};
use crate::store::{Store, Work};

/// What the process says once all containers are paused, before their ids.
const DONE: &str = "paused:";

/// What stands behind the id of a container that was paused when it was looked for.
const ALREADY: &str = " paused";

const NAME: &str = "keep-paused";

/// How long it is tried to let a container go where Docker does not answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// What is held by who changes what is paused.
const TURN: &str = "pausing";

/// Containers that are paused until this is dropped.
pub(crate) struct Paused<'a> {
    environment: &'a Environment,
    store: Store,
    ids: Vec<String>,
    watcher: Option<(Child, ChildStdin)>,
}

impl<'a> Paused<'a> {
    /// Pauses running containers, but for those that somebody paused by hand.
    /// Fails where one cannot be paused, with Docker's words; none is paused then.
    pub(crate) fn of(
        environment: &'a Environment,
        store: &Store,
        containers: &[Container],
    ) -> Result<Self> {
        let mut paused = Self { environment, store: store.clone(), ids: Vec::new(), watcher: None };
        if containers.is_empty() {
            return Ok(paused);
        }
        let mut child = Program::this(NAME, &[""; 0]).watch()?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            refuse!("unable to start {NAME}");
        };
        let line = |container: &Container| {
            format!("{}{}\n", container.id, if container.is_paused { ALREADY } else { "" })
        };
        let lines: String = containers.iter().map(line).collect();
        let mut said = String::new();
        let told =
            writeln!(input, "{lines}").and_then(|()| BufReader::new(output).read_line(&mut said));
        if let (Ok(_), Some(ids)) = (&told, said.strip_prefix(DONE)) {
            paused.ids = ids.split_whitespace().map(str::to_owned).collect();
            paused.watcher = Some((child, input));
            return Ok(paused);
        }
        drop(input);
        // What it had paused it let go itself, unless somebody ended it.
        if child.wait().is_ok_and(|status| status.code().is_none()) {
            let ids: Vec<&str> = containers.iter().map(|container| &*container.id).collect();
            resume_all(environment, store, &ids)?;
        }
        match (told, said.trim()) {
            (Ok(_), "") => Err(refusal!("containers could not be paused; Docker does not say why")),
            (Ok(_), why) => Err(Error::refused(why)),
            (Err(error), _) => Err(Error::system("talk to", NAME)(error)),
        }
    }

    /// Whether a container is among them.
    pub(crate) fn has(&self, container: &Container) -> bool {
        self.ids.contains(&container.id)
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
        resume_all(self.environment, &self.store, &ids)
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        // Who wants to know whether it fails, calls `resume`.
        let _ = self.detach();
    }
}

/// Containers that this process keeps paused.
pub(crate) struct Kept<'a> {
    environment: &'a Environment,
    store: &'a Store,
    held: Vec<(String, Work)>,
}

impl<'a> Kept<'a> {
    /// Pauses containers: one a line, as [`Paused::of`] writes them.
    /// Fails where one cannot be paused; none is kept then.
    pub(crate) fn of(
        environment: &'a Environment,
        store: &'a Store,
        lines: &[String],
    ) -> Result<Self> {
        let mut kept = Self { environment, store, held: Vec::new() };
        for line in lines {
            let (id, was_paused) = match line.strip_suffix(ALREADY) {
                Some(id) => (id, true),
                None => (&**line, false),
            };
            if let Err(error) = kept.pause(id, was_paused) {
                kept.resume()?;
                return Err(error);
            }
        }
        Ok(kept)
    }

    /// What the command is told.
    pub(crate) fn said(&self) -> String {
        let ids: Vec<&str> = self.held.iter().map(|(id, _)| &**id).collect();
        format!("{DONE} {}", ids.join(" "))
    }

    fn pause(&mut self, id: &str, was_paused: bool) -> Result<()> {
        let (environment, store) = (self.environment, self.store);
        let _turn = turn(store)?;
        let work = store.work_beside(&name(id))?;
        let is_ours = store.is_noted_paused(id);
        if !is_ours && was_paused && is_still_paused(environment, id) {
            return Ok(());
        }
        store.note_paused(id)?;
        let path = format!("/containers/{id}/pause");
        let reply = Docker(environment).ask("POST", &path, &Value::Null, &["pause", id]);
        let is_already = reply.message().to_lowercase().contains("already paused");
        if is_already && !is_ours {
            // Somebody did right now.
            return store.forget_paused(id);
        }
        // Where Docker does not answer, it may do it all the same.
        self.held.push((id.to_owned(), work));
        refuse_if!(
            !reply.is_ok() && !is_already,
            "Docker did not pause the container {id}: {}",
            reply.message()
        );
        Ok(())
    }

    /// Lets those go that nobody else keeps paused.
    pub(crate) fn resume(self) -> Result<()> {
        let Self { environment, store, held } = self;
        let ids: Vec<String> = held.into_iter().map(|(id, _)| id).collect();
        resume_all(environment, store, &ids.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// Lets containers go that are noted, and that nobody keeps paused. One that is gone, or that somebody let go already, is none
/// of our business any more.
fn resume_all(environment: &Environment, store: &Store, ids: &[&str]) -> Result<()> {
    let begin = Instant::now();
    let mut left = ids.to_vec();
    loop {
        let mut still = Vec::new();
        for id in left {
            if !resume(environment, store, id)? {
                still.push(id);
            }
        }
        left = still;
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

/// Lets those containers go whose commands were killed, or got no answer from Docker; their ids.
/// Fails where Docker does not let one go.
pub(crate) fn let_go(environment: &Environment, store: &Store) -> Result<Vec<String>> {
    let left = left(store)?;
    for id in &left {
        refuse_if!(
            !resume(environment, store, id)?,
            "a command that was cut off left the container {id} paused, and Docker does not answer; let it go with: docker unpause {id}"
        );
    }
    Ok(left)
}

/// The containers that are noted, and that nobody keeps paused.
pub(crate) fn left(store: &Store) -> Result<Vec<String>> {
    let mut left = store.noted_paused()?;
    let mut problem = None;
    left.retain(|id| match store.is_at_work(&name(id)) {
        Ok(is_at_work) => !is_at_work,
        Err(error) => {
            problem = Some(error);
            false
        }
    });
    problem.map_or(Ok(left), Err)
}

/// Lets one go unless somebody keeps it; false where Docker does not.
fn resume(environment: &Environment, store: &Store, id: &str) -> Result<bool> {
    let _turn = turn(store)?;
    let alone = store.work_alone(&name(id))?;
    if alone.is_none() || !store.is_noted_paused(id) {
        return Ok(true);
    }
    let path = format!("/containers/{id}/unpause");
    let reply = Docker(environment).ask("POST", &path, &Value::Null, &["unpause", id]);
    let is_over = reply.message().to_lowercase().contains("is not paused");
    let is_resumed = reply.is_ok() || reply.is_absent() || is_over;
    if is_resumed {
        store.forget_paused(id)?;
    }
    Ok(is_resumed)
}

/// Whether a container that was paused a moment ago is so still, unless Docker says that it is not.
fn is_still_paused(environment: &Environment, id: &str) -> bool {
    let words = ["inspect", "--format", "{{.State.Paused}}", id];
    let found = Docker(environment).get(&format!("/containers/{id}/json"), &words).found();
    found.is_none_or(|found| found != "false" && found["State"]["Paused"] != false)
}

/// Waits until nobody else changes what is paused, which takes no longer than Docker takes to answer.
fn turn(store: &Store) -> Result<Work> {
    loop {
        if let Some(work) = store.work_alone(TURN)? {
            return Ok(work);
        }
        std::thread::sleep(PAUSE / 10);
    }
}

/// What a container is called among what is at work.
fn name(id: &str) -> String {
    format!("paused {id}")
}
