//! Killed at every call.

use crate::cases::CASES;
use crate::harness::strace::{self, CHANGING, KernelCall};
use crate::harness::{Host, Problems, say};
use crate::verdict::{Is, Stage};

const KILLED: i32 = 128 + 9;

#[test]
fn a_killed_command_was_carried_out_or_was_not() {
    let (mut points, mut before, mut after, mut missed) = (0, 0, 0, 0);
    let mut problems = Problems::default();
    for case in CASES {
        let stage = Stage::new(Host::for_anybody(), *case);
        let (answer, calls) = strace::record(&stage.host, case.command, CHANGING);
        assert_eq!(answer.status, 0, "{}: {answer:?}", case.name);
        // Between two calls that change something, all moments are the same on the disk.
        for call in calls.iter().filter(|call| call.changes()) {
            points += 1;
            match kill(&stage, call) {
                Ok(Killed { is_missed: true, .. }) => missed += 1,
                Ok(Killed { is: Is::Before, .. }) => before += 1,
                Ok(Killed { is: Is::After, .. }) => after += 1,
                Err(problem) => problems.add(problem),
            }
        }
    }
    say(&format!(
        "crash: {} commands killed at {points} calls: {before} times nothing was done, {after} times all; {missed} times \
         the call was not made",
        CASES.len()
    ));
    assert!(missed * 50 <= points, "{missed} of {points} calls were not made again");
    problems.must_be_none();
}

/// The state after a command was to be killed.
struct Killed {
    is: Is,
    /// The call was not made, and the command has ended.
    is_missed: bool,
}

fn kill(stage: &Stage, call: &KernelCall) -> Result<Killed, String> {
    stage.reset();
    let name = stage.case.name;
    let how = format!("signal=SIGKILL:when={}", call.index);
    let (answer, calls) = strace::inject(&stage.host, stage.case.command, &call.name, &how);
    let what = format!("killed at {call}");
    let is_missed = answer.status == 0 && !strace::is_made(&calls, call);
    if answer.status != KILLED && !is_missed {
        return Err(format!("{name}, {what}: it lives: {answer:?}"));
    }
    let is = stage.judge(&what)?;
    if is_missed && is == Is::Before {
        return Err(format!("{name}, {what}: it was not done, and it said {answer:?}"));
    }
    stage.go_on(&what, is)?;
    Ok(Killed { is, is_missed })
}
