//! Killed at every call.

use crate::cases::CASES;
use crate::harness::strace::{self, CHANGING, KernelCall};
use crate::harness::{Host, Problems, say};
use crate::verdict::{Is, Stage};

const KILLED: i32 = 128 + 9;

#[test]
fn a_killed_command_was_carried_out_or_was_not() {
    let (mut points, mut before, mut after) = (0, 0, 0);
    let mut problems = Problems::default();
    for case in CASES {
        let stage = Stage::new(Host::for_anybody(), *case);
        let (answer, calls) = strace::record(&stage.host, case.command, CHANGING);
        assert_eq!(answer.status, 0, "{}: {answer:?}", case.name);
        // Between two calls that change something, all moments are the same on the disk.
        for call in calls.iter().filter(|call| call.changes()) {
            points += 1;
            match kill(&stage, call) {
                Ok(Is::Before) => before += 1,
                Ok(Is::After) => after += 1,
                Err(problem) => problems.add(problem),
            }
        }
    }
    say(&format!(
        "crash: {} commands killed at {points} calls: {before} times nothing was done, {after} times all",
        CASES.len()
    ));
    problems.must_be_none();
}

fn kill(stage: &Stage, call: &KernelCall) -> Result<Is, String> {
    stage.reset();
    let name = stage.case.name;
    let how = format!("signal=SIGKILL:when={}", call.index);
    let (answer, _) = strace::inject(&stage.host, stage.case.command, &call.name, &how);
    let what = format!("killed at {call}");
    // A reader locks only where a change has just been: how often, depends on the machine's speed.
    let is_missed = call.name == "flock" && answer.status == 0;
    if answer.status != KILLED && !is_missed {
        return Err(format!("{name}, {what}: it lives: {answer:?}"));
    }
    let is = stage.judge(&what)?;
    stage.go_on(&what, is)?;
    Ok(is)
}
