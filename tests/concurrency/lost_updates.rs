//! Nothing that was accepted gets lost, however many write at once.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::harness::{Answer, Host, Running, rounds, say};

/// Starts all of them at once; all must succeed.
fn together(host: &Host, lines: &[String]) {
    let running: Vec<Running> = lines.iter().map(|line| host.start(line)).collect();
    let answers: Vec<Answer> = running.into_iter().map(Running::finish).collect();
    for (line, answer) in lines.iter().zip(&answers) {
        assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{line}: {answer:?}");
    }
}

#[test]
fn two_hundred_mounts_on_one_app_are_two_hundred_mounts() {
    for _ in 0..rounds() {
        let host = Host::bare();
        let lines: Vec<String> =
            (0..200).map(|n| format!("storage:mount a /srv/{n}:/data/{n}")).collect();
        together(&host, &lines);
        let mounts = fs::read_to_string(host.path("lib/config/storage/a/mounts")).unwrap();
        let paths: BTreeSet<String> = mounts
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["container_path"].to_string())
            .collect();
        assert_eq!((mounts.lines().count(), paths.len()), (200, 200));
        let entries = fs::read_dir(host.path("lib/data/storage-registry/entries")).unwrap();
        assert_eq!(entries.count(), 200);

        let lines: Vec<String> =
            (0..200).map(|n| format!("storage:unmount a /srv/{n}:/data/{n}")).collect();
        together(&host, &lines);
        assert_eq!(fs::read_to_string(host.path("lib/config/storage/a/mounts")).unwrap(), "");
        let entries = fs::read_dir(host.path("lib/data/storage-registry/entries")).unwrap();
        assert_eq!(entries.count(), 0);
    }
    say(&format!("concurrency: {} parallel mounts and as many unmounts", 200 * rounds()));
}

#[test]
fn every_key_that_was_set_at_once_is_there() {
    let host = Host::bare();
    host.must(&["storage:create one"]);
    let lines: Vec<String> = (0..40)
        .flat_map(|n| {
            [
                format!("storage:annotations:set one a{n} {n}"),
                format!("storage:labels:set one l{n} {n}"),
            ]
        })
        .collect();
    together(&host, &lines);
    let entry = fs::read(host.path("lib/data/storage-registry/entries/one.json")).unwrap();
    let entry: Value = serde_json::from_slice(&entry).unwrap();
    for map in ["annotations", "labels"] {
        assert_eq!(entry[map].as_object().unwrap().len(), 40, "{map}");
    }
    say("concurrency: 80 keys set at once on one entry");
}

#[test]
fn one_of_many_that_create_the_same_entry_makes_it() {
    let host = Host::bare();
    let line = "storage:create same --annotation k=v".to_owned();
    let running: Vec<Running> = (0..40).map(|_| host.start(&line)).collect();
    let answers: Vec<Answer> = running.into_iter().map(Running::finish).collect();
    assert!(answers.iter().all(|answer| answer.status == 0), "{answers:#?}");
    let made = answers.iter().filter(|answer| !answer.stdout.contains("already exists")).count();
    assert_eq!(made, 1, "{answers:#?}");
    assert!(host.path("lib/data/storage/same").is_dir());
}

#[test]
fn one_of_many_that_mount_the_same_path_mounts_it() {
    let host = Host::bare();
    let running: Vec<Running> =
        (0..40).map(|n| host.start(&format!("storage:mount a /srv/{n}:/same"))).collect();
    let answers: Vec<Answer> = running.into_iter().map(Running::finish).collect();
    assert_eq!(answers.iter().filter(|answer| answer.status == 0).count(), 1, "{answers:#?}");
    assert_eq!(answers.iter().filter(|answer| answer.is_refusal()).count(), 39, "{answers:#?}");
    let entries = fs::read_dir(host.path("lib/data/storage-registry/entries")).unwrap();
    assert_eq!(entries.count(), 1);
}
