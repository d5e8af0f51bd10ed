//! Readers and triggers, all the while that others write.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Answer, Host, rounds, say};

const READERS: [&str; 6] = [
    "storage:list a --format json",
    "storage:list a",
    "storage:list-entries --format json",
    "storage:report a",
    "docker-args-deploy a latest",
    "storage-app-mounts a",
];

/// Runs `change` until the readers have looked long enough; each reader's answer must be among its answers
/// in the states that there are.
fn look_while(host: &Host, states: &[&str], change: impl Fn() + Sync) -> (usize, usize) {
    let mut expected: Vec<Vec<Answer>> = vec![Vec::new(); READERS.len()];
    for state in [""].iter().chain(states) {
        if !state.is_empty() {
            host.must(&[state]);
        }
        for (reader, expected) in READERS.iter().zip(&mut expected) {
            let answer = host.run(reader);
            assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{reader}: {answer:?}");
            expected.push(answer);
        }
    }
    let (is_over, changes, looks) =
        (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                change();
                changes.fetch_add(1, Ordering::Relaxed);
            }
        });
        let begin = Instant::now();
        let length = Duration::from_secs(3) * u32::try_from(rounds()).unwrap();
        while begin.elapsed() < length {
            for (reader, expected) in READERS.iter().zip(&expected) {
                let answer = host.run(reader);
                looks.fetch_add(1, Ordering::Relaxed);
                if !expected.contains(&answer) {
                    is_over.store(true, Ordering::Relaxed);
                    panic!("{reader} saw what never was: {answer:#?}, not one of {expected:#?}");
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    (changes.into_inner(), looks.into_inner())
}

#[test]
fn readers_see_a_colon_mount_or_they_do_not() {
    let host = Host::bare();
    host.must(&["storage:mount a /srv/other:/other"]);
    let (mount, unmount) = ("storage:mount a /srv/x:/x", "storage:unmount a /srv/x:/x");
    let (changes, looks) = look_while(&host, &[mount, unmount], || {
        for line in [mount, unmount] {
            let answer = host.run(line);
            assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{line}: {answer:?}");
        }
    });
    say(&format!("concurrency: {looks} looks during {changes} mounts and unmounts"));
}

#[test]
fn readers_see_a_killed_change_done_or_not_done() {
    let host = Host::bare();
    host.must(&["storage:mount a /srv/other:/other"]);
    let (mount, unmount) = ("storage:mount a /srv/x:/x", "storage:unmount a /srv/x:/x");
    let (changes, kills) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (rounds, looks) = look_while(&host, &[mount, unmount], || {
        for line in [mount, unmount] {
            let begin = Instant::now();
            host.run(line);
            // Undone, and done again for so long at most.
            let usual = begin.elapsed();
            host.run(if line == mount { unmount } else { mount });
            let running = host.start(line);
            let part = running.id() % 16;
            changes.fetch_add(1, Ordering::Relaxed);
            if running.finish_within(usual * part / 12).is_none() {
                kills.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let (changes, kills) = (changes.into_inner(), kills.into_inner());
    assert!(rounds > 0);
    say(&format!(
        "concurrency: {looks} looks during {changes} mounts and unmounts, {kills} of them killed somewhere"
    ));
}

/// Reading a directory while files in it are replaced may miss or repeat one, on some file systems.
#[test]
fn no_entry_is_missed_or_shown_twice_while_entries_are_rewritten() {
    for parent in ["/tmp", "/dev/shm", "/var/tmp"].map(Path::new) {
        if !parent.is_dir() {
            continue;
        }
        let host = Host::bare_below(parent);
        for number in 0..60 {
            host.must(&[&format!("storage:create entry-{number}")]);
        }
        let names = |answer: &Answer| -> Vec<String> {
            assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{answer:?}");
            let entries: Vec<serde_json::Value> = serde_json::from_str(&answer.stdout).unwrap();
            entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
        };
        let all = names(&host.run("storage:list-entries --format json"));
        assert_eq!(all.len(), 60);
        let is_over = AtomicBool::new(false);
        let mut looks = 0;
        std::thread::scope(|scope| {
            for offset in [0, 30] {
                let (host, is_over) = (&host, &is_over);
                scope.spawn(move || {
                    let mut number = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        number += 1;
                        let name = format!("entry-{}", (number * 7 + offset) % 60);
                        host.must(&[&format!("storage:annotations:set {name} k {number}")]);
                    }
                });
            }
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_secs(2) * u32::try_from(rounds()).unwrap() {
                let seen = names(&host.run("storage:list-entries --format json"));
                looks += 1;
                if seen != all {
                    is_over.store(true, Ordering::Relaxed);
                    panic!("on {}: {seen:?}", parent.display());
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        say(&format!(
            "concurrency: {looks} listings on {} while entries are rewritten",
            parent.display()
        ));
    }
}

/// Readers that come one after the other, without a gap, keep no writer away for long.
#[test]
fn writers_get_their_turn_among_many_readers() {
    let host = Host::bare();
    host.must(&["storage:create one", "storage:mount a one --container-dir /one"]);
    let is_over = AtomicBool::new(false);
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    host.run("storage:list-entries --format json");
                    host.run("storage:report --global");
                }
            });
        }
        let begin = Instant::now();
        let mut number = 0;
        while begin.elapsed() < Duration::from_secs(3) * u32::try_from(rounds()).unwrap() {
            number += 1;
            let started = Instant::now();
            let line = format!("storage:annotations:set one k {number}");
            let answer = host.start(&line).finish_within(Duration::from_secs(20));
            slowest = slowest.max(started.elapsed());
            if answer.is_none() {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(slowest < Duration::from_secs(5), "a writer waited {slowest:?}");
    say(&format!("concurrency: among 8 readers without a gap the slowest change took {slowest:?}"));
}

/// A reader whose output nobody reads holds up nobody.
#[test]
fn a_reader_that_cannot_print_keeps_no_writer_waiting() {
    let host = Host::bare();
    for number in 0..900 {
        let name = format!("a-rather-long-name-of-an-entry-number-{number}");
        let entry = format!(
            "{{\"name\":\"{name}\",\"scheduler\":\"docker-local\",\"host_path\":\"/srv/{name}\"}}"
        );
        host.write(&format!("lib/data/storage-registry/entries/{name}.json"), entry);
        let line = format!(
            "{{\"entry_name\":\"{name}\",\"container_path\":\"/{name}\",\"phases\":[\"deploy\"]}}\n"
        );
        host.write(&format!("home/app-{number}/x"), "");
        host.write(&format!("lib/config/storage/app-{number}/mounts"), line);
    }
    host.must(&["storage:create one"]);
    for reader in [
        "storage:list-entries --format json",
        "storage:report",
        "storage:report --global",
        "storage:list-entries --format table",
    ] {
        let mut command = host.program(crate::harness::program_under_test());
        let mut stuck =
            command.args(host.words(reader)).stdout(std::process::Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(400));
        let is_stuck = stuck.try_wait().unwrap().is_none();
        let line = "storage:annotations:set one k v";
        let answer = host.start(line).finish_within(Duration::from_secs(5));
        stuck.kill().unwrap();
        stuck.wait().unwrap();
        assert!(is_stuck, "{reader}: its output fits into the pipe; the test needs more of it");
        assert_eq!(answer.map(|answer| answer.status), Some(0), "{line} waits for {reader}");
    }
}
