//! One command is stopped behind each of its looks at the store in turn, others run to their end meanwhile
//! or wait for its lock, and then it goes on: the end must be that of some order of them.

use std::time::{Duration, Instant};

use crate::harness::strace::{self, CHANGING, KernelCall, LOOKING};
use crate::harness::{Answer, Host, Problems, Running, Snapshot, rounds, say};
use crate::scenario::{CHANGES, Expected, Outcome, READERS, host, picture};

/// Of the pairs of changes, one in so many is tried by default.
const SHARE: usize = 7;

/// Of the places at which a command is stopped, one in so many, in turn with the pairs.
const STEP: usize = 4;

/// Sequences that come back to something like the beginning, so that what was read before looks right.
const THERE_AND_BACK: &[&[&str]] = &[
    &["storage:destroy idle --force", "storage:create idle {ROOT}/outside/elsewhere"],
    &[
        "storage:mount a idle --container-dir /one",
        "storage:unmount a idle",
        "storage:destroy idle --force",
        "storage:create idle {ROOT}/outside/elsewhere",
        "storage:mount a idle --container-dir /two",
    ],
    &["storage:unmount a /srv/y:/y", "storage:mount a /srv/y:/other"],
    &[
        "storage:unmount b busy",
        "storage:destroy busy --force",
        "storage:create busy {ROOT}/outside/elsewhere",
        "storage:mount b busy --container-dir /two",
    ],
    &["post-app-rename-setup a c", "post-app-rename-setup c a"],
    &["storage:destroy idle --force --destroy-host-dir", "storage:create idle --mode 0711"],
    &["storage:mount b idle --container-dir /idle", "post-delete b"],
    &[
        "storage:needs:import a < {ROOT}/outside/needs.json",
        "storage:set idle reclaim-policy Delete",
    ],
];

#[test]
fn a_change_that_is_overtaken_ends_as_some_order() {
    let mut tried = Tried::default();
    let mut number = 0;
    for stopped in CHANGES {
        for other in CHANGES {
            number += 1;
            if rounds() > 1 || number % SHARE == 0 {
                tried.all_schedules(stopped, &[other]);
            }
        }
    }
    tried.report("pairs of changes", true);
}

#[test]
fn a_change_is_not_fooled_by_others_that_come_full_circle() {
    let mut tried = Tried::default();
    for stopped in [
        "storage:destroy idle --force --destroy-host-dir",
        "storage:create idle --mode 0700",
        "storage:set idle mode 0700",
        "storage:mount a idle --container-dir /idle",
        "storage:unmount a /srv/y:/y",
        "storage:apply a < {ROOT}/outside/mounts.json",
        "storage:needs:link a db idle",
    ] {
        for others in THERE_AND_BACK {
            tried.all_schedules(stopped, others);
        }
    }
    tried.report("changes against sequences", true);
}

#[test]
fn a_reader_that_is_overtaken_sees_one_state() {
    let mut tried = Tried::default();
    for reader in READERS {
        for others in THERE_AND_BACK {
            // Readers make few calls; each counts.
            tried.step = 1;
            tried.all_schedules(reader, others);
        }
    }
    tried.report("readers against sequences", false);
}

#[test]
fn readers_see_no_half_of_a_change_that_is_stopped() {
    let mut tried = Tried::default();
    for (number, stopped) in CHANGES.iter().enumerate() {
        for (place, reader) in READERS.iter().enumerate() {
            if rounds() > 1 || (number + place) % 3 == 0 {
                tried.all_schedules(stopped, &[reader]);
            }
        }
    }
    tried.report("changes against readers", false);
}

/// What was tried, and what went wrong.
struct Tried {
    host: Host,
    start: Snapshot,
    pairs: usize,
    schedules: usize,
    waited: usize,
    problems: Problems,
    /// Of the places to stop, one in so many.
    step: usize,
}

impl Default for Tried {
    fn default() -> Self {
        let host = host();
        let start = host.snapshot();
        let problems = Problems::default();
        Self {
            host,
            start,
            pairs: 0,
            schedules: 0,
            waited: 0,
            problems,
            step: if rounds() > 1 { 1 } else { STEP },
        }
    }
}

impl Tried {
    /// Stops a command behind each of its calls, and runs the others, one after the other, in the gap.
    fn all_schedules(&mut self, stopped: &str, others: &[&str]) {
        let Self { host, start, .. } = self;
        host.restore(start);
        let (_, calls) = strace::record(host, stopped, &format!("{CHANGING},{LOOKING}"));
        let sequences: [&[&str]; 2] = [&[stopped], others];
        let mut expected = Expected::new(host, start, &sequences);
        self.pairs += 1;
        let places = calls.iter().filter(|call| is_of_interest(call, host)).enumerate();
        for (_, call) in places.filter(|(n, _)| (n + self.pairs).is_multiple_of(self.step)) {
            host.restore(start);
            let (outcome, has_waited) = schedule(host, stopped, others, call);
            self.schedules += 1;
            self.waited += usize::from(has_waited);
            let what = format!("{stopped}, stopped behind {call}, and {others:?}");
            if let Err(problem) = expected.compare(&what, outcome) {
                self.problems.add(problem);
            }
        }
    }

    fn report(self, what: &str, waits: bool) {
        say(&format!(
            "concurrency: {} {what}, {} schedules; in {} the other waited",
            self.pairs, self.schedules, self.waited
        ));
        // A command that was not stopped keeps nobody waiting.
        assert!(!waits || self.waited > 0, "nothing was stopped");
        self.problems.must_be_none();
    }
}

/// One schedule: its outcome, and whether one of the others had to wait for the lock.
fn schedule(host: &Host, stopped: &str, others: &[&str], call: &KernelCall) -> (Outcome, bool) {
    let mut answers: Vec<Answer> = Vec::new();
    let mut waiting = None;
    match strace::pause(host, stopped, call) {
        // It ended without making this call; that depends on what it finds in the store.
        Err(answer) => {
            answers.push(answer);
            answers.extend(others.iter().map(|line| host.run(line)));
        }
        Ok(paused) => {
            let mut rest = others.iter();
            for line in rest.by_ref() {
                let mut running = host.start(line);
                if is_kept_waiting(&mut running) {
                    waiting = Some(running);
                    break;
                }
                answers.push(running.finish());
            }
            let has_waited = waiting.is_some();
            let first = paused.start_again();
            answers.extend(waiting.map(Running::finish));
            answers.extend(rest.map(|line| host.run(line)));
            answers.insert(0, first.finish());
            return (Outcome { answers, files: picture(host) }, has_waited);
        }
    }
    (Outcome { answers, files: picture(host) }, false)
}

/// Waits until the process ends (false) or waits (true): for a lock, or, as readers do, for a while.
fn is_kept_waiting(running: &mut Running) -> bool {
    let begin = Instant::now();
    loop {
        if running.is_finished() {
            return false;
        }
        let since = begin.elapsed();
        let for_a_lock = since > Duration::from_millis(4) && running.is_waiting_for_a_lock();
        if for_a_lock || since > Duration::from_millis(60) {
            return true;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Calls between which another process can make a difference.
fn is_of_interest(call: &KernelCall, host: &Host) -> bool {
    call.touches(host.root())
        && !["fsync", "fdatasync", "fchmod", "read"].contains(&call.name.as_str())
}
