//! `storage:backups:schedule` and its kin: what is refused, who sees what, and what the crontab is given.

use serde_json::Value;

use crate::Session;
use crate::harness::{Answer, stubs};
use crate::places::DOCKER;

/// A host with two apps, an entry each, and two destinations; the second is open to the first app.
fn host() -> Session {
    let session = Session::dokku(&["blog", "wiki"]);
    for app in ["blog", "wiki"] {
        let name = format!("of-{app}");
        session.prepare(&["storage:create", &name]);
        session.prepare(&["storage:mount", app, &name, "--container-dir", "/data"]);
    }
    connector(&session, "disk", &[]);
    connector(&session, "open", &["--scope", "blog"]);
    session
}

fn connector(session: &Session, name: &str, more: &[&str]) {
    let create = ["storage:connectors:create", name, "--type", "local", "--path", "/mnt/backups"];
    session.prepare(&[&create[..], more].concat());
}

pub fn run(session: &Session, line: &str) -> Answer {
    let words: Vec<&str> = line.split(' ').collect();
    let answer = session.call(&words).run();
    crate::schemas::check(&words, &answer);
    answer
}

pub fn is_refused(session: &Session, line: &str, why: &str) {
    let answer = run(session, line);
    assert!(answer.status != 0 && answer.stderr.contains(why), "{line}: {answer:?}");
}

fn schedules(session: &Session) -> Vec<Value> {
    let answer = run(session, "storage:backups:schedules --format json");
    assert_eq!(answer.status, 0, "{answer:?}");
    serde_json::from_str(&answer.stdout).unwrap()
}

#[test]
fn what_cannot_be_scheduled_is_refused_and_changes_nothing() {
    let session = host();
    session.prepare(&["storage:create", "outside", "/srv/outside"]);
    for (line, why) in [
        ("storage:backups:schedule", "name an entry, --app APP, or --all"),
        ("storage:backups:schedule of-blog --to disk", "schedule is missing; write five fields"),
        ("storage:backups:schedule of-blog sometimes --to disk", "hourly, daily, weekly"),
        ("storage:backups:schedule of-blog 0 0 31 2 * --to disk", "never comes"),
        ("storage:backups:schedule of-blog 61 0 * * * --to disk", "\"61\" for the minute"),
        ("storage:backups:schedule of-blog daily", "name one with --to: disk, open"),
        ("storage:backups:schedule of-blog daily --to nope", "nope"),
        ("storage:backups:schedule nope daily --to disk", "\"nope\" does not exist"),
        ("storage:backups:schedule --app nope daily --to disk", "nope"),
        ("storage:backups:schedule --app blog --all daily --to disk", "name only one of an entry"),
        ("storage:backups:schedule outside daily --to disk", "outside"),
        ("storage:backups:schedule of-blog daily --to disk --keep-daily 0", "--keep-daily"),
        ("storage:backups:schedule of-blog daily --to disk --keep-last x", "--keep-last"),
        ("storage:backups:schedule of-blog daily --to disk --ping-url ftp://x", "--ping-url"),
        ("storage:backups:unschedule of-blog", "there is no schedule for storage entry"),
        ("storage:backups:unschedule --all", "there is no schedule for everything"),
        ("storage:backup-schedule-cat of-blog", "there is no schedule for storage entry"),
    ] {
        is_refused(&session, line, why);
    }
    assert!(schedules(&session).is_empty());
    assert_eq!(run(&session, "cron-entries docker-local").stdout, "");
}

#[test]
fn a_schedule_is_replaced_shown_and_ended() {
    let session = host();
    let line = "storage:backups:schedule of-blog 0 3 * * mon --to disk --keep-daily 7 --pause";
    let set = run(&session, line);
    let said =
        "-----> Backups of storage entry \"of-blog\" to disk scheduled on Mondays at 03:00\n";
    assert!(set.status == 0 && set.stdout.starts_with(said), "{set:?}");
    run(&session, "storage:backups:schedule --app wiki @daily --to open --ping-url http://a.b/c");
    run(&session, "storage:backups:schedule --all weekly --to disk");
    let found = schedules(&session);
    let subjects: Vec<_> = found.iter().map(|one| one["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["all", "app-wiki", "entry-of-blog"]);
    assert_eq!(found[2]["keep"], serde_json::json!({"daily": 7}));
    let cat = run(&session, "storage:backup-schedule-cat");
    assert_eq!(
        cat.stdout,
        "0 0 * * 0 dokku storage:backups:create --all --to disk\n\
         0 0 * * * dokku storage:backups:create --app wiki --to open\n\
         0 3 * * mon dokku storage:backups:create of-blog --to disk --pause\n"
    );
    assert_eq!(run(&session, "storage:backup-schedule of-blog hourly --to open").status, 0);
    let found = schedules(&session);
    assert_eq!((&found[2]["connector"], &found[2]["keep"]), (&"open".into(), &Value::Null));
    let line = "* * * * *;dokku storage:backups:run;{ROOT}/log/storage.log\n";
    assert_eq!(run(&session, "cron-entries docker-local").stdout, line);
    assert_eq!(run(&session, "cron-entries k3s").stdout, "");
    for line in ["--all", "--app wiki", "of-blog"] {
        assert_eq!(run(&session, &format!("storage:backups:unschedule {line}")).status, 0);
    }
    assert_eq!(run(&session, "cron-entries docker-local").stdout, "");
}

#[test]
fn a_schedule_goes_with_what_it_is_about() {
    let session = host();
    run(&session, "storage:backups:schedule of-blog daily --to disk");
    run(&session, "storage:backups:schedule --app blog daily --to disk");
    is_refused(
        &session,
        "storage:connectors:destroy disk --force",
        "connector disk is where the scheduled backups of app blog, storage entry \"of-blog\" go",
    );
    session.prepare(&["post-app-rename-setup", "blog", "news"]);
    assert_eq!(schedules(&session)[0]["subject"], "app-news");
    session.prepare(&["post-delete", "news"]);
    session.prepare(&["storage:destroy", "of-blog", "--force"]);
    assert!(schedules(&session).is_empty());
    session.prepare(&["storage:connectors:destroy", "disk", "--force"]);
}

#[test]
fn dokkus_crontab_is_written_at_once() {
    let session = host();
    session.host.make_directory("lib/plugins/enabled/cron");
    let trigger = session.host.path("lib/plugins/enabled/cron/scheduler-cron-write");
    stubs::script(&trigger, "#!/bin/sh\n");
    let fired = |answer: &Answer| {
        answer.fired.iter().filter(|one| one.name == "scheduler-cron-write").count()
    };
    let run = |line: &str| run(&session, line);
    assert_eq!(fired(&run("storage:backups:schedule of-blog daily --to disk")), 1);
    assert_eq!(fired(&run("storage:backups:schedule --app blog daily --to disk")), 1);
    assert_eq!(fired(&run("storage:backups:unschedule of-blog")), 0);
    assert_eq!(fired(&run("storage:backups:unschedule --app blog")), 1);
}

#[test]
fn who_sees_one_app_schedules_what_is_theirs_to_what_is_open() {
    let mut session = host();
    run(&session, "storage:backups:schedule of-wiki daily --to disk");
    run(&session, "storage:backups:schedule --all weekly --to disk");
    run(&session, "storage:backups:schedule --app blog daily --to open --keep-last 9");
    session.host.make_directory("lib/plugins/enabled/acl");
    stubs::script(&session.host.path("lib/plugins/enabled/acl/user-auth-app"), "#!/bin/sh\n");
    session.host.answer("user-auth-app", "blog\n");
    // Cron is not somebody who came over SSH.
    assert_eq!(run(&session, "storage:backups:run").status, 0);
    session.host.set("SSH_CLIENT", "127.0.0.1 40000 22");
    for (line, why) in [
        ("storage:backups:schedule of-wiki daily", "does not exist"),
        ("storage:backups:schedule --app wiki daily", "wiki"),
        ("storage:backups:schedule --all daily", "--all is about the whole host"),
        ("storage:backups:schedule of-blog daily --to disk", "is not open to your apps"),
        ("storage:backups:unschedule of-wiki", "does not exist"),
        ("storage:backups:unschedule --all", "--all is about the whole host"),
        ("storage:backups:schedule of-blog daily --keep-last 1", "--keep- rules forget backups"),
        ("storage:backups:run", "schedules are run for the whole host"),
    ] {
        is_refused(&session, line, why);
    }
    // Who sees everything has said what is kept of the app's backups; that stays with another schedule.
    assert_eq!(run(&session, "storage:backups:schedule --app blog weekly").status, 0);
    let found = schedules(&session);
    let keep = serde_json::json!({"last": 9});
    assert!(found.len() == 1 && found[0]["keep"] == keep, "{found:?}");
    assert_eq!(run(&session, "storage:backups:unschedule --app blog").status, 0);
    assert!(schedules(&session).is_empty());
    assert_eq!(run(&session, "storage:backups:schedule of-blog daily").status, 0);
    let found = schedules(&session);
    assert!(found.len() == 1 && found[0]["connector"] == "open", "{found:?}");
    // Where the destination is taken away, the schedule goes there no more.
    for (file, old, new) in [
        (
            "backups/schedules/entry-of-blog.json",
            found[0]["created"].as_str().unwrap(),
            "2020-01-01T00:00:00Z",
        ),
        ("connectors/open.json", "[\n    \"blog\"\n  ]", "[]"),
    ] {
        let inside = format!("lib/data/storage-registry/{file}");
        let text = std::fs::read_to_string(session.host.path(&inside)).unwrap();
        assert!(text.contains(old), "{text}");
        session.host.write(&inside, text.replace(old, new));
    }
    session.host.set("SSH_CLIENT", "");
    is_refused(&session, "storage:backups:run", "connector open is no longer open to the apps of");
}

#[test]
fn credentials_are_refused_and_not_repeated() {
    let session = host();
    for line in [
        "storage:backup-auth of-blog AKIAEXAMPLE zQ9-secret",
        "storage:backup-auth of-blog AKIAEXAMPLE -zQ9-secret eu-central-1",
        "storage:backup-auth of-blog",
    ] {
        is_refused(&session, line, "dokku storage:connectors:create NAME --type s3");
        assert!(!run(&session, line).stderr.contains("zQ9"), "{line}");
    }
}

#[test]
fn a_schedule_that_cannot_be_read_is_told_and_can_be_ended() {
    let session = host();
    run(&session, "storage:backups:schedule of-blog daily --to disk");
    session.host.write("lib/data/storage-registry/backups/schedules/entry-of-blog.json", "{");
    for line in ["storage:backups:schedules", "storage:backups:run", "storage:doctor"] {
        let answer = run(&session, line);
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert!(answer.status == 1 && said.contains("entry-of-blog.json"), "{line}: {answer:?}");
    }
    assert_eq!(run(&session, "storage:backups:unschedule of-blog").status, 0);
    assert_eq!(run(&session, "storage:backups:schedules").status, 0);
}

#[test]
fn a_rename_does_not_replace_the_schedule_of_an_app_that_is_there() {
    let session = host();
    session.prepare(&["storage:unmount", "blog", "of-blog", "--container-dir", "/data"]);
    session.prepare(&["storage:unmount", "wiki", "of-wiki", "--container-dir", "/data"]);
    for (app, often) in [("blog", "hourly"), ("wiki", "daily")] {
        session.prepare(&["storage:backups:schedule", "--app", app, often, "--to", "disk"]);
    }
    let before = schedules(&session);
    is_refused(&session, "post-app-rename-setup wiki blog", "blog has storage of its own");
    is_refused(&session, "post-app-clone-setup wiki blog", "blog has storage of its own");
    assert_eq!(schedules(&session), before);
    session.prepare(&["storage:backups:unschedule", "--app", "blog"]);
    session.prepare(&["post-app-rename-setup", "wiki", "blog"]);
    assert_eq!(schedules(&session).len(), 1);
}

#[test]
fn a_schedule_stays_with_an_entry_that_cannot_be_removed() {
    let session = host();
    let docker = session.host.stubs().join("bin/docker");
    stubs::script(&docker, DOCKER);
    session.prepare(&["storage:create", "shelf", "--type", "volume", "--reclaim-policy", "Delete"]);
    session.host.write(
        "lib/data/storage-registry/backups/schedules/entry-shelf.json",
        r#"{"subject":"entry-shelf","expression":"0 3 * * *","connector":"disk","created":"2026-11-21T05:45:00Z"}"#,
    );
    let before = schedules(&session);
    assert_eq!(before.len(), 1);
    stubs::script(
        &docker,
        &DOCKER.replace("\"volume rm\") rm", "\"volume rm\") echo in use >&2; exit 1; rm"),
    );
    is_refused(&session, "storage:destroy shelf --force", "in use");
    assert_eq!(schedules(&session), before);
}

#[test]
fn a_schedule_is_restored_from_the_trash_with_its_entry() {
    let session = host();
    let state = "lib/data/storage-registry/backups/entries/notes.json";
    let is_noted = || session.host.path(state).exists();
    let destroy = || {
        session.prepare(&["storage:destroy", "notes", "--force", "--destroy-host-dir"]);
        assert!(schedules(&session).is_empty() && !is_noted());
    };
    session.prepare(&["storage:create", "notes"]);
    run(&session, "storage:backups:schedule notes daily --to disk --keep-daily 7");
    session.host.write(state, r#"{"entry":"notes","since":"2026-11-21T05:45:00Z"}"#);
    let before = schedules(&session);
    destroy();
    let answer = run(&session, "storage:trash:restore notes");
    assert!(answer.stdout.contains("backed up to disk again"), "{answer:?}");
    assert_eq!(schedules(&session), before);
    assert!(is_noted());
    destroy();
    run(&session, "storage:trash:restore notes --as other");
    let found = schedules(&session);
    assert!(found.len() == 1 && found[0]["subject"] == "entry-other", "{found:?}");
    assert!(!is_noted());
    session.prepare(&["storage:destroy", "other", "--force", "--destroy-host-dir"]);
    session.prepare(&["storage:connectors:destroy", "disk", "--force"]);
    let answer = run(&session, "storage:trash:restore other");
    let words = "schedule it: dokku storage:backups:schedule other \"";
    assert!(answer.status == 0 && answer.stderr.contains(words), "{answer:?}");
    assert!(schedules(&session).is_empty());
}

#[test]
fn what_is_scheduled_of_a_colon_mount_outlives_the_mount() {
    let session = host();
    session.prepare(&["storage:mount", "blog", "{LIB}/data/storage/of-old:/old"]);
    let list = run(&session, "storage:list blog --format json").stdout;
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    let name = list.iter().filter_map(|mount| mount["entry_name"].as_str());
    let name = name.filter(|name| name.starts_with("legacy-")).max().unwrap().to_owned();
    session.prepare(&["storage:backups:schedule", &name, "daily", "--to", "disk"]);
    session.prepare(&["storage:unmount", "blog", "{LIB}/data/storage/of-old:/old"]);
    let listed = schedules(&session);
    assert!(listed.iter().any(|it| it.to_string().contains(&name)), "{name}: {listed:?}");
    session.prepare(&["storage:mount", "wiki", "{LIB}/data/storage/of-old:/old"]);
    assert!(run(&session, "storage:list wiki --format json").stdout.contains(&name));
    session.prepare(&["storage:backups:unschedule", &name]);
    session.prepare(&["storage:unmount", "wiki", "{LIB}/data/storage/of-old:/old"]);
    assert_eq!(session.call(&["storage:info", &name]).run().status, 1);
}
