//! Carrying a scenario out.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::compare::{differences, same_text};
use crate::harness::{Answer, Host, Plugin};
use crate::scenario::{Scenario, Step};

/// Replays a scenario with a plugin; returns every difference, with the step where it was found.
pub fn replay(scenario: &Scenario, plugin: &Arc<Plugin>) -> Vec<String> {
    let host = host(scenario, plugin);
    let mut found = Vec::new();
    for (index, step) in scenario.steps.iter().enumerate() {
        for difference in differences(step, &run(step, &host)) {
            found.push(format!("  step {}: {}\n    {difference}", index + 1, step.shown()));
        }
    }
    for (path, expected) in &scenario.expect_files {
        let got = host.read(Path::new(&host.expand(path)));
        let is_same = match (expected, &got) {
            (Some(expected), Some(got)) => same_text(expected, got),
            (expected, got) => expected == got,
        };
        if !is_same {
            found.push(format!("  file {path}\n    expected {expected:?}\n         got {got:?}"));
        }
    }
    found
}

fn host(scenario: &Scenario, plugin: &Arc<Plugin>) -> Host {
    let apps: Vec<&str> = scenario.apps.iter().map(String::as_str).collect();
    let host = Host::with_plugin(Arc::clone(plugin), &apps);
    for directory in &scenario.dirs {
        fs::create_dir_all(host.expand(directory)).unwrap();
    }
    for (path, text) in &scenario.files {
        let path = host.expand(path);
        let path = Path::new(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, host.expand(text)).unwrap();
    }
    for (name, text) in &scenario.answers {
        host.answer(name, text);
    }
    host
}

fn run(step: &Step, host: &Host) -> Answer {
    if let Some(path) = &step.remove {
        remove(Path::new(&host.expand(path)));
        let silence = String::new;
        return Answer { status: 0, stdout: silence(), stderr: silence(), fired: Vec::new() };
    }
    let (file, words) = step.run.split_first().unwrap();
    let call = host.call(file).words(words).stdin(&step.stdin);
    step.env.iter().fold(call, |call, (name, value)| call.env(name, value)).run()
}

#[expect(clippy::disallowed_methods, reason = "a directory of the test's own making")]
fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else if path.exists() {
        fs::remove_file(path).unwrap();
    }
}
