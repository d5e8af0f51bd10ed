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

/// Runs a schedule three times, and says how many backups of `data` there are then.
fn kept(session: &Session, subject: &str) -> usize {
    for _ in 0..3 {
        set_back(session, subject);
        session.prepare(&["storage:backups:run"]);
    }
    listed(session).len()
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

#[test]
fn what_the_rules_of_one_app_keep_those_of_another_do_not_forget() {
    let session = host(&["blog", "wiki"]);
    for app in ["blog", "wiki"] {
        session.prepare(&["storage:mount", app, "data", "--container-dir", "/data"]);
    }
    session.prepare(&["storage:backups:schedule", "--app", "blog", "yearly", "--keep-last", "2"]);
    session.prepare(&["storage:backups:schedule", "--app", "wiki", "daily", "--keep-last", "1"]);
    assert_eq!(kept(&session, "app-wiki"), 2);
    // One without rules keeps all.
    session.prepare(&["storage:backups:schedule", "--app", "blog", "yearly"]);
    assert_eq!(kept(&session, "app-wiki"), 5);
}

#[test]
fn an_app_with_a_share_does_not_thin_the_backups_of_the_other() {
    let session = host(&["blog", "wiki"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:share", "blog", "wiki"]);
    session.prepare(&["storage:backups:schedule", "--app", "wiki", "daily", "--keep-last", "1"]);
    session.prepare(&["storage:backups:schedule", "--all", "yearly", "--keep-last", "2"]);
    assert_eq!(kept(&session, "app-wiki"), 2);
    session.prepare(&["storage:backups:schedule", "--app", "blog", "yearly", "--keep-last", "3"]);
    assert_eq!(kept(&session, "app-wiki"), 3);
}
