//! `storage:wait`: whether an entry's storage is there.

use std::time::{Duration, Instant};

use super::arguments::{self, Args, parsed};
use crate::context::Context;
use crate::docker::{Found, volumes};
use crate::domain::{Entry, Error, Result, Source};
use crate::ops::usable::sentence;
use crate::ops::{access, restart, scheduler, usable};
use crate::types;

/// How long it waits for what may come by itself, unless somebody says.
const PATIENCE: u64 = 60;

/// The longest that can be asked for: a day.
const PATIENCE_MAX: u64 = 24 * 60 * 60;

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
struct Arguments {
    name: String,
    /// --timeout: seconds to wait (default 60)
    #[arg(help_heading = arguments::OWN)]
    timeout: Option<String>,
}

/// Succeeds once the entry's directory is there, what it mounts is mounted and answers, or the cluster has bound
/// its claim.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, _) = arguments::parse_some::<Arguments>(words, context)?;
    let entry = access::entry(&arguments.name, context)?;
    let patience = parsed(arguments.timeout.as_ref(), seconds)?;
    let begin = Instant::now();
    if !scheduler::is_elsewhere(&entry) {
        usable::attach_or_create(&entry, patience.map(Duration::from_secs), context)?;
    }
    while let Err(reason) = look(&entry, context)? {
        // Dokku's own command looks once; what a server or a helper brings is worth waiting for.
        let default = if reason.may_pass { PATIENCE } else { 0 };
        if begin.elapsed() >= Duration::from_secs(patience.unwrap_or(default)) {
            return Err(Error::refused(reason.sentence));
        }
        std::thread::sleep(PAUSE);
    }
    if scheduler::is_elsewhere(&entry) {
        context.out.headline(&format!("Storage entry {} is bound", entry.name));
    } else if entry.is_typed() {
        let readiness = match types::of(&entry).readiness() {
            "ready" => " is ready".to_owned(),
            other => format!(": {other}"),
        };
        context.out.headline(&format!("Storage entry {}{readiness}", entry.name));
        restart::say_what_is_down(&entry, context)?;
    }
    Ok(())
}

fn seconds(text: &str) -> Result<u64> {
    let seconds = text.parse().ok().filter(|&seconds| seconds <= PATIENCE_MAX);
    seconds.ok_or_else(|| {
        refusal!("--timeout {text:?} is not a number of seconds, {PATIENCE_MAX} at most")
    })
}

/// Why an entry cannot be used yet.
struct NotYet {
    sentence: String,
    may_pass: bool,
}

fn look(entry: &Entry, context: &Context) -> Result<Result<(), NotYet>> {
    let name = &entry.name;
    let not_yet = |sentence: String| Ok(Err(NotYet { sentence, may_pass: false }));
    if scheduler::is_elsewhere(entry) {
        let status = scheduler::status(entry)?;
        let status =
            if status.is_empty() { "not known to the scheduler".to_owned() } else { status };
        if status != "Bound" {
            return not_yet(format!("storage entry \"{name}\" is {status}, not Bound"));
        }
        return Ok(Ok(()));
    }
    if let Some(problem) = types::problem(entry, context) {
        let may_pass = problem.may_pass;
        return Ok(Err(NotYet { sentence: sentence(entry, &problem), may_pass }));
    }
    match &entry.host_path {
        Some(Source::Volume(volume))
            if volumes::find(&context.environment, volume.as_str()) == Found::Unknown =>
        {
            let sentence = format!(
                "Docker does not answer, so it is not known whether there is the volume {volume}"
            );
            Ok(Err(NotYet { sentence, may_pass: true }))
        }
        Some(Source::Path(path))
            if types::of(entry).place() == types::Place::Directory
                && !std::path::Path::new(path.as_str()).is_dir() =>
        {
            not_yet(format!("storage entry \"{name}\" host path {path} is not present"))
        }
        _ => Ok(Ok(())),
    }
}
