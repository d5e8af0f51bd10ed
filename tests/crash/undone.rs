//! Killed while it puts back what it did before a call failed: two misfortunes in one command.

use crate::cases::{CASES, Case};
use crate::harness::strace::{self, CHANGING, KernelCall};
use crate::harness::{Host, Problems, rounds, say};
use crate::verdict::{Is, Stage};

/// The commands with several steps; the others have little to put back.
const NAMES: [&str; 3] = ["unmount a path that nobody else mounts", "migrate", "rename an app"];

#[test]
fn killed_while_putting_back_it_was_carried_out_or_was_not() {
    let (mut points, mut after) = (0, 0);
    let mut problems = Problems::default();
    for case in CASES.iter().filter(|case| NAMES.contains(&case.name)) {
        let stage = Stage::new(Host::for_anybody(), *case);
        for failing in late_calls(&stage, case) {
            stage.reset();
            let error = format!("inject={}:error=EIO:when={}", failing.name, failing.index);
            let (_, calls) = strace::record_with(&stage.host, case.command, CHANGING, &error);
            let failed = calls.iter().position(|call| call.line.contains("(INJECTED)"));
            let rest = failed.map_or(&[][..], |failed| &calls[failed + 1..]);
            // strace has one rule for each name.
            for call in rest.iter().filter(|call| call.name != failing.name) {
                points += 1;
                match kill(&stage, &error, &failing, call) {
                    Ok(is) => after += usize::from(is == Is::After),
                    Err(problem) => problems.add(problem),
                }
            }
        }
    }
    say(&format!(
        "crash: {} commands killed at {points} calls while putting back; {after} times all was done in the end",
        NAMES.len()
    ));
    problems.must_be_none();
}

/// The calls behind the first that puts something in its place; by default some of them.
fn late_calls(stage: &Stage, case: &Case) -> Vec<KernelCall> {
    let (_, calls) = strace::record(&stage.host, case.command, CHANGING);
    stage.reset();
    let is_step = |call: &KernelCall| {
        ["rename", "renameat", "renameat2", "unlink", "unlinkat"].contains(&&*call.name)
    };
    let first = calls.iter().position(is_step).unwrap_or(calls.len());
    let late = calls[first..]
        .iter()
        .skip(1)
        .filter(|call| call.changes() && call.touches(stage.host.root()));
    late.enumerate()
        .filter(|(n, _)| rounds() > 1 || n % 3 == 0)
        .map(|(_, call)| call.clone())
        .collect()
}

fn kill(stage: &Stage, error: &str, failing: &KernelCall, call: &KernelCall) -> Result<Is, String> {
    stage.reset();
    let kill = format!("inject={}:signal=SIGKILL:when={}", call.name, call.index);
    let kinds = format!("{},{}", failing.name, call.name);
    let (answer, calls) =
        strace::run(&stage.host, stage.case.command, &[&format!("trace={kinds}"), error, &kill]);
    let what = format!("EIO at {failing}, then killed at {call}");
    if answer.status != 128 + 9 && strace::is_made(&calls, call) {
        return Err(format!("{}, {what}: it lives: {answer:?}", stage.case.name));
    }
    let is = stage.judge(&what)?;
    stage.go_on(&what, is)?;
    Ok(is)
}
