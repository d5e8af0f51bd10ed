//! Trying a property: how many inputs, and what is said about them.

use std::cell::Cell;
use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::harness::say;

/// How many inputs a property tries unless `PROPERTY_CASES` says otherwise.
const INPUTS: u32 = 2048;

/// Counts inputs while a property is tried.
#[derive(Debug, Default)]
pub struct Count {
    tried: Cell<u64>,
    accepted: Cell<u64>,
}

impl Count {
    /// Notes an input, and whether the program accepted it.
    pub fn note(&self, accepted: bool) {
        self.tried.set(self.tried.get() + 1);
        self.accepted.set(self.accepted.get() + u64::from(accepted));
    }
}

/// Tries a property whose cases hold up to `batch` inputs each, and says how many there were. A property of which
/// no input is accepted would say nothing, and fails.
pub fn try_all<S>(
    name: &str,
    batch: u32,
    inputs: &S,
    property: impl Fn(S::Value, &Count) -> Result<(), TestCaseError>,
) where
    S: Strategy,
    S::Value: Debug,
{
    let cases = (wanted() / batch).max(8);
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 1024, ..Config::default() };
    let count = Count::default();
    let outcome = TestRunner::new(config).run(inputs, |input| property(input, &count));
    let (tried, accepted) = (count.tried.get(), count.accepted.get());
    say(&format!("properties: {name}: {tried} inputs tried, {accepted} of them accepted"));
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
    assert!(accepted > 0 && tried > 0, "{name}: of {tried} inputs, {accepted} were accepted");
}

#[expect(clippy::disallowed_methods, reason = "a switch of the test program's own")]
fn wanted() -> u32 {
    std::env::var("PROPERTY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(INPUTS)
}
