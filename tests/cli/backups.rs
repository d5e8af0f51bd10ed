//! `storage:backups:*` with a real restic and a directory as the destination: what is kept, and what is said.

use std::fs;

use serde_json::Value;

use crate::Session;
use crate::harness::Answer;

/// A host with these apps, an entry `data`, and a destination.
fn host(apps: &[&str]) -> Session {
    let session = Session::dokku(apps);
    session.prepare(&["storage:create", "data"]);
    session.host.write("lib/data/storage/data/file", "one\n");
    session.host.make_directory("backups");
    let create = ["storage:connectors:create", "disk", "--type", "local", "--path"];
    session.prepare(&[&create[..], &["{ROOT}/backups"]].concat());
    session
}

fn run(session: &Session, line: &str) -> Answer {
    let words: Vec<&str> = line.split(' ').collect();
    let answer = session.call(&words).run();
    crate::schemas::check(&words, &answer);
    answer
}

fn schedule_file(subject: &str) -> String {
    format!("lib/data/storage-registry/backups/schedules/{subject}.json")
}

/// Makes a schedule due.
fn set_back(session: &Session, subject: &str) {
    let file = session.host.path(&schedule_file(subject));
    let mut schedule: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    schedule["created"] = "2020-01-01T00:00:00Z".into();
    schedule.as_object_mut().unwrap().remove("last_begun");
    session.host.write(&schedule_file(subject), schedule.to_string());
}

fn listed(session: &Session) -> Vec<Value> {
    let answer = run(session, "storage:backups:list data --format json");
    assert_eq!(answer.status, 0, "{answer:?}");
    serde_json::from_str(&answer.stdout).unwrap()
}

#[test]
fn nothing_is_forgotten_while_a_schedule_cannot_be_read() {
    let session = host(&[]);
    session.prepare(&["storage:backups:schedule", "data", "yearly", "--keep-last", "9"]);
    session.prepare(&["storage:backups:schedule", "--all", "daily", "--keep-last", "1"]);
    session.host.write(&schedule_file("entry-data"), "{");
    for _ in 0..2 {
        set_back(&session, "all");
        let answer = run(&session, "storage:backups:run");
        let said = "No older backup at connector disk is forgotten while a schedule cannot be read";
        assert!(answer.status == 1 && answer.stderr.contains(said), "{answer:?}");
    }
    assert_eq!(listed(&session).len(), 2);
}
