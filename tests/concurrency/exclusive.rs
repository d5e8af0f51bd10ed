//! Many apps that mount an exclusive entry at the same time: one of them gets it.

use std::fs;

use crate::harness::{Host, Running, rounds, say};

const ROUNDS: usize = 30;
const APPS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// The apps whose files say that they mount the entry or its place.
fn holders(host: &Host) -> Vec<&'static str> {
    let holds = |app: &&str| {
        let mounts = fs::read_to_string(host.path(&format!("lib/config/storage/{app}/mounts")));
        mounts.is_ok_and(|text| !text.trim().is_empty())
    };
    APPS.into_iter().filter(|app| holds(app)).collect()
}

#[test]
fn of_many_mounts_of_an_exclusive_entry_one_wins() {
    let host = Host::for_anybody();
    for app in APPS {
        fs::create_dir_all(host.path(&format!("home/{app}"))).unwrap();
    }
    host.must(&["storage:create x --exclusive"]);
    let start = host.snapshot();
    let place = host.path("lib/data/storage/x");
    let mut won = std::collections::BTreeMap::new();
    for round in 0..ROUNDS * rounds() {
        host.restore(&start);
        let mut lines: Vec<String> = APPS
            .iter()
            .enumerate()
            .map(|(number, app)| match number % 4 {
                3 => format!("storage:mount {app} {}:/x", place.display()),
                _ => format!("storage:mount {app} x --container-dir /x"),
            })
            .collect();
        lines.rotate_left(round % APPS.len());
        let running: Vec<Running> = lines.iter().map(|line| host.start(line)).collect();
        let answers: Vec<_> = lines.iter().zip(running.into_iter().map(Running::finish)).collect();
        let holding = holders(&host);
        let mounted = answers.iter().filter(|(_, answer)| answer.status == 0).count();
        assert_eq!((mounted, holding.len()), (1, 1), "{answers:#?}");
        for (line, answer) in &answers {
            assert!(answer.status == 0 || answer.is_refusal(), "{line}: {answer:?}");
            assert!(
                answer.status == 0 || answer.stderr.contains("is exclusive and mounted by"),
                "{line}: {answer:?}"
            );
        }
        *won.entry(holding.join("+")).or_insert(0) += 1;
    }
    say(&format!(
        "concurrency: {} races for an exclusive entry, won by {won:?}",
        ROUNDS * rounds()
    ));
}

#[test]
fn it_becomes_exclusive_or_gets_a_second_app() {
    let host = Host::for_anybody();
    host.must(&["storage:create x", "storage:mount a x --container-dir /x"]);
    let start = host.snapshot();
    let (mut exclusive, mut shared) = (0, 0);
    for round in 0..ROUNDS * rounds() {
        host.restore(&start);
        let mut lines = ["storage:set x exclusive true", "storage:mount b x --container-dir /x"];
        lines.rotate_left(round % 2);
        let running: Vec<Running> = lines.iter().map(|line| host.start(line)).collect();
        let answers: Vec<_> = lines.iter().zip(running.into_iter().map(Running::finish)).collect();
        let did = |name: &str| answers.iter().any(|(l, a)| l.contains(name) && a.status == 0);
        assert!(did("set") != did("mount"), "{answers:#?}");
        *if did("set") { &mut exclusive } else { &mut shared } += 1;
    }
    say(&format!(
        "concurrency: an entry became exclusive {exclusive} times and was shared {shared} times"
    ));
}
