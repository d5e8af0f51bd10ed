//! `install` is killed at every call: what root reads is complete or not there, and the next `install` mends all.
//!
//! /usr/local/lib and /etc/sudoers.d are directories of the test's own while it runs.

use std::path::Path;

use crate::harness::strace::{self, CHANGING, KernelCall};
use crate::harness::{Host, Problems, Snapshot, as_root, say};

const OTHERS: &[(&str, &str)] = &[("local", "/usr/local/lib"), ("sudoers", "/etc/sudoers.d")];

#[test]
fn a_killed_install_leaves_nothing_half_written_for_root() {
    if !as_root("the install trigger") {
        return;
    }
    let memory = Path::new("/dev/shm");
    let mut host = if memory.is_dir() { Host::bare_below(memory) } else { Host::bare() };
    host.must(&["storage:create named", "storage:mount a /srv/y:/y"]);
    host.write("lib/config/docker-options/a/_default_.deploy", "-v /srv/x:/x\n--init\n");
    host.mount_over(OTHERS);
    let start = host.snapshot();
    if host.run("storage:list a").stderr.contains("unshare") {
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci, "unshare --mount is not allowed here, and CI=true");
        say("SKIPPED, NOT TESTED: mounting is not allowed here");
        return;
    }
    let (answer, calls) = strace::record(&host, "install", CHANGING);
    assert_eq!(answer.status, 0, "{answer:?}");
    let done = host.snapshot();
    let mut problems = Problems::default();
    let mut points = 0;
    for call in calls.iter().filter(|call| call.changes() && is_about_install(call, &host)) {
        points += 1;
        host.restore(&start);
        let kill = format!("signal=SIGKILL:when={}", call.index);
        let (answer, _) = strace::inject(&host, "install", &call.name, &kill);
        let what = format!("killed at {call}");
        // Where visudo was the one that was killed, install may say so.
        if answer.status != 128 + 9 && !answer.is_refusal() && answer.status != 0 {
            problems.add(format!("{what}: {answer:?}"));
        }
        if let Err(problem) = check(&host, &done) {
            problems.add(format!("{what}: {problem}"));
        }
    }
    say(&format!("crash: install killed at {points} calls, and run again"));
    problems.must_be_none();
}

fn is_about_install(call: &KernelCall, host: &Host) -> bool {
    call.touches(host.root())
        || ["/usr/local/lib/", "/etc/sudoers.d/"].iter().any(|place| call.line.contains(place))
}

/// What root and sudo read is whole where it is there; readers read; another `install` ends as ever.
fn check(host: &Host, done: &Snapshot) -> Result<(), String> {
    let now = host.snapshot();
    for (path, node) in &done.0 {
        let is_roots = path.starts_with("local") || path.starts_with("sudoers");
        let is_file = matches!(node, crate::harness::snapshot::Node::File { .. });
        if is_roots && is_file && now.0.get(path).is_some_and(|now| now != node) {
            return Err(format!("{} is half written", path.display()));
        }
    }
    for line in ["storage:list a", "storage:list-entries", "docker-args-deploy a latest"] {
        let answer = host.run(line);
        if answer.status != 0 || !answer.stderr.is_empty() {
            return Err(format!("{line}: {answer:?}"));
        }
    }
    let answer = host.run("install");
    let difference = done.difference(&host.snapshot());
    if answer.status != 0 || !difference.is_empty() {
        return Err(format!("another install: {answer:?}\n{difference}"));
    }
    Ok(())
}
