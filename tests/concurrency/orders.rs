//! Small sets of commands, really at the same time, against every order of them one by one.

use crate::harness::{Problems, Random, Running, rounds, say};
use crate::scenario::{CHANGES, Expected, Outcome, host, picture};

/// How many sets are tried, and how often each.
const SETS: usize = 10;
const TIMES: usize = 12;

#[test]
fn commands_at_the_same_time_end_as_some_order_of_them() {
    let host = host();
    let start = host.snapshot();
    let mut problems = Problems::default();
    let mut random = Random::new(7);
    for _ in 0..SETS * rounds() {
        let lines: Vec<&str> = (0..4).map(|_| *random.one_of(CHANGES)).collect();
        let sequences: Vec<&[&str]> = lines.iter().map(std::slice::from_ref).collect();
        let mut expected = Expected::new(&host, &start, &sequences);
        for _ in 0..TIMES {
            host.restore(&start);
            let running: Vec<Running> = lines.iter().map(|line| host.start(line)).collect();
            let answers = running.into_iter().map(Running::finish).collect();
            let outcome = Outcome { answers, files: picture(&host) };
            if let Err(problem) = expected.compare(&format!("{lines:#?}"), outcome) {
                problems.add(problem);
                break;
            }
        }
    }
    let sets = SETS * rounds();
    say(&format!(
        "concurrency: {sets} sets of 4 commands at once, {TIMES} times each, against all 24 orders"
    ));
    problems.must_be_none();
}
