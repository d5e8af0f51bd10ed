//! Firing the triggers of other plugins.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::environment::Environment;
use super::process::{self, Answer};
use crate::domain::error::{Error, Result};

const PLUGN: &str = "plugn";

/// Dokku's plugin that logs events. It has a file for nearly every trigger, on every host, and answers none of them.
const LOGGER: &str = "20_events";

/// Whether an enabled plugin answers a trigger, by Dokku's own rule: any but `20_events`.
pub(crate) fn is_answered(environment: &Environment, trigger: &str) -> bool {
    let Some(plugins) = environment.enabled_plugins().and_then(|path| fs::read_dir(path).ok())
    else {
        return false;
    };
    plugins.flatten().filter(|plugin| plugin.file_name() != LOGGER).any(|plugin| {
        fs::metadata(plugin.path().join(trigger))
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// Fires a trigger and collects what is said on standard output.
pub(crate) fn output(trigger: &str, arguments: &[String]) -> Result<Answer> {
    process::output(PLUGN, &with_trigger(trigger, arguments)).map_err(|error| cannot_run(&error))
}

/// Fires a trigger with `input`, and collects what is said on standard output.
pub(crate) fn ask(trigger: &str, arguments: &[String], input: &str) -> Result<Answer> {
    process::ask(PLUGN, &with_trigger(trigger, arguments), input)
        .map_err(|error| cannot_run(&error))
}

/// Fires a trigger with `input`, lets it speak to the caller, and returns its status.
pub(crate) fn feed(trigger: &str, arguments: &[String], input: &str) -> Result<i32> {
    process::feed(PLUGN, &with_trigger(trigger, arguments), input)
        .map_err(|error| cannot_run(&error))
}

/// Fires a trigger with the caller's own input, output and errors, and returns its status.
pub(crate) fn hand_over(trigger: &str, arguments: &[String]) -> Result<i32> {
    process::hand_over(PLUGN, &with_trigger(trigger, arguments)).map_err(|error| cannot_run(&error))
}

/// How far up this looks for plugn.
const GENERATIONS: usize = 4;

/// Whether plugn fired the trigger that this process answers: it, or the shell it runs, is an ancestor.
pub(crate) fn is_ancestor() -> bool {
    let mut process = std::os::unix::process::parent_id();
    for _ in 0..GENERATIONS {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let mut words = line.split(|&byte| byte == 0);
        if words.any(|word| word == b"plugn" || word.ends_with(b"/plugn")) {
            return true;
        }
        // The field behind the name in parentheses and the state (proc(5)).
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        match parent.and_then(|parent| parent.parse().ok()) {
            Some(parent) if parent > 1 => process = parent,
            _ => return false,
        }
    }
    false
}

fn with_trigger(trigger: &str, arguments: &[String]) -> Vec<String> {
    let mut words = vec!["trigger".to_owned(), trigger.to_owned()];
    words.extend_from_slice(arguments);
    words
}

fn cannot_run(error: &std::io::Error) -> Error {
    Error::refused(format!("unable to run plugn ({error}); this needs a Dokku host"))
}
