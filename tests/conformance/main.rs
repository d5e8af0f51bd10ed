//! Dokku's own answers, replayed: what Dokku 0.38.27's storage plugin said to some three hundred calls.
//!
//! `cases.json` holds scenarios. Each is a throw-away host and steps; a step calls one file of the plugin's
//! directory and says which status, output and fired triggers are expected.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod compare;
#[path = "../harness/mod.rs"]
mod harness;
mod replay;
mod scenario;
mod wrong_expectations;

use std::fmt::Write;

use harness::{Plugin, say};
use scenario::Scenario;

#[test]
fn every_answer_is_dokkus() {
    let scenarios = Scenario::read_all(include_str!("cases.json"));
    // Kept until the end, so that it is assembled once.
    let plugin = Plugin::shared();
    let mut steps = 0;
    let mut failed = String::new();
    let mut failures = 0;
    for scenario in &scenarios {
        steps += scenario.steps.len();
        let differences = replay::replay(scenario, &plugin);
        if !differences.is_empty() {
            failures += 1;
            let _ = writeln!(failed, "{}", scenario.name);
            for difference in differences {
                let _ = writeln!(failed, "{difference}");
            }
        }
    }
    let passed = scenarios.len() - failures;
    say(&format!("conformance: {passed} of {} scenarios passed ({steps} steps)", scenarios.len()));
    assert!(failed.is_empty(), "answers that are not Dokku's:\n{failed}");
    assert!(scenarios.len() >= 55 && steps >= 298, "cases are missing from cases.json");
}
