//! A disk that is really full, and one that was really made read-only (needs root, which can mount).
//!
//! Unlike an injected error, a full disk takes the first half of what is written and goes on being full.

use std::fs;

use crate::cases::CASES;
use crate::harness::{Answer, Host, Problems, as_root, say};
use crate::verdict::{Is, Stage};

/// Run with mounts of its own: a small disk at $1/lib, filled up to so many free blocks, then the command.
const SCRIPT: &str = r#"
    root=$1 free=$2 program=$3
    shift 3
    mkdir "$root/kept"
    cp -a "$root/lib/." "$root/kept/"
    mount -t tmpfs -o size=256k,mode=755 none "$root/lib"
    cp -a "$root/kept/." "$root/lib/"
    if [ "$free" = read-only ]; then
        mount -o remount,ro "$root/lib"
    else
        dd if=/dev/zero of="$root/lib/filler" bs=4096 2>/dev/null || true
        truncate -s "-$((free * 4096))" "$root/lib/filler"
    fi
    status=0
    "$program" "$@" || status=$?
    rm -rf "$root/kept"
    mkdir "$root/kept"
    [ "$free" = read-only ] || rm "$root/lib/filler"
    cp -a "$root/lib/." "$root/kept/"
    # It has the inode of that disk's.
    rm -f "$root/kept/data/storage-registry/.storage-root"
    exit "$status"
"#;

#[test]
fn on_a_full_disk_or_a_read_only_one_nothing_is_half_done() {
    if !as_root("a full disk") {
        return;
    }
    let (mut runs, mut done) = (0, 0);
    let mut problems = Problems::default();
    for case in CASES {
        let stage = Stage::new(Host::bare(), *case);
        for free in ["0", "1", "2", "3", "4", "5", "6", "8", "read-only"] {
            stage.reset();
            let Some(answer) = run(&stage.host, free, case.command) else {
                say("SKIPPED, NOT TESTED: mounting is not allowed here");
                return;
            };
            runs += 1;
            match check(&stage, free, &answer) {
                Ok(is) => done += usize::from(is == Is::After),
                Err(problem) => problems.add(problem),
            }
        }
    }
    say(&format!(
        "crash: {runs} commands on full and read-only disks, {done} of them found room enough"
    ));
    problems.must_be_none();
}

fn check(stage: &Stage, free: &str, answer: &Answer) -> Result<Is, String> {
    let what = format!("free blocks: {free}");
    let is = stage.judge(&what).map_err(|problem| format!("{problem}\n--- it said: {answer:?}"))?;
    let is_right = match answer.status {
        0 => is == Is::After,
        _ => answer.is_refusal() && is == Is::Before,
    };
    if !is_right {
        let name = stage.case.name;
        return Err(format!("{name}, {what}: the state is the one {is:?}, and it said {answer:?}"));
    }
    stage.go_on(&what, is)?;
    Ok(is)
}

/// Runs the command on a small disk with so many free blocks, and takes what is on it back.
fn run(host: &Host, free: &str, line: &str) -> Option<Answer> {
    let mut command = host.program("unshare");
    command.args(["--mount", "--propagation", "private", "/bin/bash", "-euc", SCRIPT, "bash"]);
    command
        .arg(host.root())
        .arg(free)
        .arg(crate::harness::program_under_test())
        .args(host.words(line));
    let answer = crate::harness::Running::start(command, line).finish();
    if answer.stderr.contains("unshare failed") {
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci, "unshare --mount is not allowed here, and CI=true");
        return None;
    }
    fs::remove_dir_all(host.lib()).unwrap();
    fs::rename(host.path("kept"), host.lib()).unwrap();
    Some(answer)
}
