//! Long random mixtures of everything, by several processes at once, with what must hold at the end.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;

use crate::harness::{Answer, Host, Random, rounds, say};

const WRITERS: u64 = 6;
const CALLS: usize = 120;
const MIXTURES: usize = 5;

const READERS: [&str; 9] = [
    "storage:list a --format json",
    "storage:list b",
    "storage:report",
    "storage:report --global --format json",
    "storage:list-entries --format json",
    "storage:list-entries --format table",
    "docker-args-deploy a latest",
    "docker-args-run b latest",
    "storage-app-mounts c deploy",
];

/// Commands that follow one another.
fn change(random: &mut Random) -> Vec<String> {
    let app = *random.one_of(&["a", "b", "c"]);
    let entry = *random.one_of(&["e1", "e2", "e3"]);
    let path = *random.one_of(&["/p", "/q", "/r", "/s"]);
    let source = *random.one_of(&["/srv/p", "/srv/q", "volume-v"]);
    let line = match random.below(22) {
        0..=4 => format!("storage:mount {app} {source}:{path}"),
        5..=8 => format!("storage:unmount {app} {source}:{path}"),
        9..=11 => format!("storage:mount {app} {entry} --container-dir {path}"),
        12 => format!("storage:unmount {app} {entry} --container-dir {path}"),
        13..=14 => format!("storage:create {entry} --annotation k=v"),
        15 => format!("storage:set {entry} reclaim-policy Retain"),
        16 => format!("storage:annotations:set {entry} k{} v", random.below(9)),
        17 => format!("storage:destroy {entry} --force"),
        18 => format!("storage:destroy {entry} --force --destroy-host-dir"),
        19 => format!("post-delete {app}"),
        20 => format!("storage:migrate {app}"),
        // Dokku renames to names that are free.
        _ => {
            let other = format!("renamed-{}", random.below(1_000_000));
            let rename = format!("post-app-rename-setup {app} {other}");
            return vec![rename, format!("post-delete {other}")];
        }
    };
    vec![line]
}

#[test]
fn a_mixture_of_everything_leaves_a_sound_store() {
    let (changes, refused, looks) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    for round in 0..MIXTURES * rounds() {
        let host = Host::for_anybody();
        fs::create_dir(host.path("home/c")).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (host, changes, refused) = (&host, &changes, &refused);
                    let mut random = Random::new(writer + 100 * u64::try_from(round).unwrap() + 1);
                    scope.spawn(move || {
                        for _ in 0..CALLS {
                            for line in change(&mut random) {
                                let answer = run(host, &line);
                                let is_fine = answer.status == 0 || answer.is_refusal();
                                assert!(is_fine, "{line}: {answer:?}");
                                let count = if answer.status == 0 { changes } else { refused };
                                count.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    })
                })
                .collect();
            let reader = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for line in READERS {
                        let answer = host.run(line);
                        assert_eq!(
                            (answer.status, answer.stderr.as_str()),
                            (0, ""),
                            "{line}: {answer:?}"
                        );
                        looks.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            let ended: Vec<_> =
                writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            is_over.store(true, Ordering::Relaxed);
            let ended_reader = reader.join();
            for result in ended.into_iter().chain([ended_reader]) {
                if let Err(panic) = result {
                    std::panic::resume_unwind(panic);
                }
            }
        });
        check(&host);
    }
    say(&format!(
        "concurrency: {} mixtures of {} changes and {} refusals by {WRITERS} writers, {} looks meanwhile",
        MIXTURES * rounds(),
        changes.into_inner(),
        refused.into_inner(),
        looks.into_inner()
    ));
}

/// Runs a command; the app that another gets its name from is there then.
fn run(host: &Host, line: &str) -> Answer {
    if line.starts_with("post-app-rename-setup") {
        let app = line.split(' ').next_back().unwrap_or_default();
        fs::create_dir_all(host.path("home").join(app)).unwrap();
    }
    host.run(line)
}

/// What holds in every store that commands one by one can make.
fn check(host: &Host) {
    let entries: BTreeSet<String> = fs::read_dir(host.path("lib/data/storage-registry/entries"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut mounted = BTreeSet::new();
    for app in ["a", "b", "c"] {
        let path = host.path(&format!("lib/config/storage/{app}/mounts"));
        let mut places = BTreeSet::new();
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            let attachment: Value = serde_json::from_str(line).unwrap();
            let file = format!("{}.json", attachment["entry_name"].as_str().unwrap());
            assert!(entries.contains(&file), "{app} mounts {file}, which is not there");
            let place = attachment["container_path"].to_string();
            assert!(places.insert(place.clone()), "{app} mounts twice at {place}");
            mounted.insert(file);
        }
    }
    for file in &entries {
        assert!(
            mounted.contains(file) || !file.starts_with("legacy-"),
            "{file} was left behind by the last mount of it"
        );
        let name = file.trim_end_matches(".json");
        let path = format!("lib/data/storage/{name}");
        assert!(file.starts_with("legacy-") || host.path(&path).is_dir(), "{path} is not there");
    }
    for path in host.snapshot().0.keys().map(|path| path.to_string_lossy()) {
        assert!(!path.ends_with(".new") && !path.contains(".destroyed-"), "{path} was left");
    }
    let lock = fs::metadata(host.path("lib/data/storage-registry/.lock")).unwrap();
    assert_eq!(lock.len(), 0, "a note was left");
}
