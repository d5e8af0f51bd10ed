//! A disk that fails at every call that changes something: once, or from there on.

use crate::cases::CASES;
use crate::harness::strace::{self, CHANGING, KernelCall};
use crate::harness::{Host, Problems, rounds, say};
use crate::verdict::{Is, Stage};

const ERRORS: [&str; 4] = ["ENOSPC", "EIO", "EROFS", "EDQUOT"];

/// How a disk fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failing {
    Once,
    FromThenOn,
}

#[test]
fn a_command_that_fails_has_changed_nothing_and_says_so() {
    try_all(Failing::Once);
}

/// A disk that goes on failing may also keep the command from putting back what it did; then the next one,
/// on a disk that works again, must find its way to one of the two states.
#[test]
fn after_a_disk_that_goes_on_failing_nothing_is_half_done() {
    try_all(Failing::FromThenOn);
}

fn try_all(failing: Failing) {
    let (mut points, mut after) = (0, 0);
    let mut problems = Problems::default();
    for case in CASES {
        let stage = Stage::new(Host::for_anybody(), *case);
        for (number, call) in changing(&stage).into_iter().enumerate() {
            // A disk that goes on failing is tried at every second call; TRUST_ROUNDS=2 tries it at each.
            if failing == Failing::FromThenOn && number % 2 == 1 && rounds() == 1 {
                continue;
            }
            let errors = if rounds() > 1 { &ERRORS[..] } else { &ERRORS[number % 4..=number % 4] };
            for error in errors {
                points += 1;
                match fail(&stage, &call, error, failing) {
                    Ok(is) => after += usize::from(is == Is::After),
                    Err(problem) => problems.add(problem),
                }
            }
        }
    }
    let count = CASES.len();
    say(&match failing {
        Failing::Once => format!(
            "crash: {count} commands, an error at one of {points} calls; {after} times it did not matter"
        ),
        Failing::FromThenOn => format!(
            "crash: {count} commands, errors from one of {points} calls on; {after} times the change was done or finished later"
        ),
    });
    problems.must_be_none();
}

/// Fails a call. The command must either say that it failed and have changed nothing, or have succeeded.
fn fail(stage: &Stage, call: &KernelCall, error: &str, failing: Failing) -> Result<Is, String> {
    stage.reset();
    let more = if failing == Failing::Once { "" } else { "+" };
    let how = format!("error={error}:when={}{more}", call.index);
    let (answer, _) = strace::inject(&stage.host, stage.case.command, &call.name, &how);
    let what = format!("{error}{more} at {call}");
    let is = stage.judge(&what).map_err(|problem| format!("{problem}\n--- it said: {answer:?}"))?;
    let is_right = match answer.status {
        0 => is == Is::After,
        _ if failing == Failing::Once => answer.is_refusal() && is == Is::Before,
        // The message is written, too.
        _ => answer.is_refusal() || call.name == "write",
    };
    if !is_right {
        let name = stage.case.name;
        return Err(format!("{name}, {what}: the state is the one {is:?}, and it said {answer:?}"));
    }
    stage.go_on(&what, is)?;
    Ok(is)
}

fn changing(stage: &Stage) -> Vec<KernelCall> {
    let (answer, mut calls) = strace::record(&stage.host, stage.case.command, CHANGING);
    assert_eq!(answer.status, 0, "{}: {answer:?}", stage.case.name);
    calls.retain(|call| call.changes() && call.touches(stage.host.root()));
    calls
}
