//! Firing the triggers of other plugins.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::environment::Environment;
use super::process::Program;

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

pub(crate) fn trigger(name: &str, arguments: &[String]) -> Program {
    let words: Vec<&str> =
        ["trigger", name].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    Program::new("plugn", &words).remedy("this needs a Dokku host")
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
