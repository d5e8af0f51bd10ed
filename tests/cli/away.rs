//! While the storage root's disk is not mounted, nothing is made below its mount point, and nothing answers as if it were empty.

use std::fs;

use dokku_storage::catalog::{CATALOG, Kind};

use crate::Session;
use crate::harness::Answer;

const STORAGE: &str = "lib/data/storage";

/// What is said of a storage root that is away.
const AWAY: &str = " is away: it";

/// What nothing may say then: that there is nothing, or that something is to be made.
const LIES: [&str; 11] = [
    "is empty",
    "There are no snapshots",
    "Nothing to prune",
    "Nothing is wrong",
    "mkdir",
    "dokku storage:create",
    "dokku storage:ensure-directory",
    "create it:",
    "missing-snapshot",
    "orphaned-entry",
    "exit status",
];

/// What says nothing of what is in the storage root, and makes nothing there: entries, mounts, policies and connectors, and what others
/// have. The rest says that it is away.
const UNTOUCHED: [&str; 50] = [
    "annotations:report",
    "annotations:set",
    "labels:report",
    "labels:set",
    "list",
    "list-entries",
    "migrate",
    "mount",
    "report",
    "set",
    "unmount",
    "default",
    "app:report",
    "app:set",
    "apply",
    "backup-auth",
    "backup-schedule",
    "backup-schedule-cat",
    "backup-unschedule",
    "backups:check",
    "backups:forget",
    "backups:get",
    "backups:list",
    "backups:ls",
    "backups:prune",
    "backups:schedule",
    "backups:schedules",
    "backups:unlock",
    "backups:unschedule",
    "backups:key",
    "connectors:create",
    "connectors:destroy",
    "connectors:info",
    "connectors:list",
    "connectors:set",
    "connectors:test",
    "move",
    "needs:import",
    "needs:link",
    "needs:list",
    "needs:unlink",
    "policy:report",
    "policy:set",
    "share",
    "types:info",
    "types:list",
    "backups:run",
    "docker-args-build",
    "docker-args-process-build",
    "post-release-builder",
];

/// A host with an entry that has a snapshot and a backup, a file, something in the trash, a mount by path, and nothing in the storage
/// root since its disk is not mounted.
fn host() -> Session {
    let session = Session::dokku(&["blog", "shop"]);
    session.prepare(&["storage:create", "blog-data"]);
    session.host.write(&format!("{STORAGE}/blog-data/file"), "one\n");
    session.host.make_directory("backups");
    session.destination("offsite", "{ROOT}/backups");
    for words in [
        &["storage:create", "conf", "--type", "file"][..],
        &["storage:create", "old"],
        &["storage:destroy", "old", "--force", "--destroy-host-dir"],
        &["storage:create", "loose"],
        &["storage:snapshots:create", "blog-data", "before-update"],
        &["storage:snapshots:create", "blog-data", "other"],
        &["storage:mount", "blog", "blog-data", "--container-dir", "/data"],
        &["storage:mount", "blog", "conf", "--container-dir", "/etc/conf"],
        &["storage:ensure-directory", "by-path"],
        &["storage:mount", "blog", "{ROOT}/lib/data/storage/by-path:/by-path"],
        &["storage:backups:create", "blog-data", "--to", "offsite"],
    ] {
        session.prepare(words);
    }
    session.host.write("home/blog/CONTAINER.web.1", "c0ffee\n");
    take_away(&session);
    session
}

fn take_away(session: &Session) {
    fs::rename(session.host.path(STORAGE), session.host.path("disk")).unwrap();
    session.host.make_directory(&format!("{STORAGE}/lost+found"));
}

/// What Docker makes for containers that start without the disk, and what an app writes there.
fn start_apps(session: &Session) {
    for path in ["blog-data/new", "by-path", "conf"] {
        session.host.make_directory(&format!("{STORAGE}/{path}"));
    }
}

fn bring_back(session: &Session) {
    fs::remove_dir(session.host.path(&format!("{STORAGE}/lost+found"))).unwrap();
    fs::remove_dir(session.host.path(STORAGE)).unwrap();
    fs::rename(session.host.path("disk"), session.host.path(STORAGE)).unwrap();
}

fn names(session: &Session) -> Vec<String> {
    let found = fs::read_dir(session.host.path(STORAGE)).unwrap();
    let mut names: Vec<String> =
        found.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn told(answer: &Answer) -> String {
    format!("{}{}", answer.stdout, answer.stderr)
}

/// The arguments of a row's example, and more of them where the example is not about what is there.
fn examples(name: &str, example: &str) -> Vec<String> {
    let mut all = vec![example.to_owned()];
    let more: &[&str] = match name {
        "create" => &[
            "blog-data",
            "new",
            "new --type file",
            "new {ROOT}/lib/data/storage/new/er",
            "conf --type file",
        ],
        "clone" => &["conf conf-copy"],
        "destroy" => &[
            "loose",
            "loose --force",
            "loose --force --destroy-host-dir",
            "loose --force --destroy-host-dir --no-trash",
        ],
        "exec" => &["conf -- cat", "blog-data"],
        "info" => &["blog-data", "conf"],
        "set" => &["blog-data chown 1000", "conf content -"],
        "wait" => &["blog-data", "conf", "conf --timeout 1"],
        "doctor" => &["", "blog-data", "--format json"],
        "mount" => &["shop new --container-dir /new --create", "shop new:/new"],
        "metrics" => &[""],
        "prune" => &["", "--yes"],
        "trash:list" | "snapshots:list" => &["", "--format json"],
        "trash:restore" => &["old"],
        "trash:empty" => &["--force", "old --force", "--expired"],
        "snapshots:destroy" => &["blog-data before-update --force"],
        "snapshots:create" => &["blog-data new", "conf new"],
        "snapshots:restore" => &["blog-data before-update"],
        "usage" => &["", "blog-data"],
        "backups:create" => &["--all --to offsite", "--app blog --to offsite"],
        "backups:restore" => &["blog-data@latest --in-place", "blog-data@latest --as new"],
        "backup-app-export" | "backup-app-import" => &["blog {ROOT}/export"],
        "backup-global-export" => &["{ROOT}/export"],
        "post-app-clone-setup" => &["blog shop"],
        "docker-args-deploy" => &["blog latest web", "blog latest web 1", "blog latest"],
        "docker-args-process-deploy" => &["blog herokuish latest web"],
        "docker-args-process-run" => &["blog herokuish latest"],
        "docker-args-run" => &["blog latest"],
        "docker-args-build" => &["blog herokuish"],
        "pre-release-builder" => &["herokuish blog dokku/blog:latest"],
        _ => &[],
    };
    all.extend(more.iter().map(|&more| more.to_owned()));
    all
}

#[test]
fn no_command_makes_or_forgets_anything_or_says_that_there_is_nothing() {
    nothing_is_made_or_forgotten(&host());
}

#[test]
fn nor_where_containers_started_without_the_disk() {
    let session = host();
    start_apps(&session);
    nothing_is_made_or_forgotten(&session);
}

fn nothing_is_made_or_forgotten(session: &Session) {
    let there = names(session);
    let before = session.host.snapshot();
    let mut wrong = Vec::new();
    for row in CATALOG.0.iter().filter(|row| row.name != "install" && row.name != "uninstall") {
        if !matches!(row.kind, Kind::Subcommand | Kind::Addition | Kind::Trigger) {
            continue;
        }
        for policy in ["", "create", "ignore"] {
            let is_deploy = row.name.starts_with("docker-args") || row.name.contains("release");
            if !policy.is_empty() {
                if !is_deploy {
                    continue;
                }
                session.prepare(&["storage:app:set", "blog", "missing-source", policy]);
            }
            for example in examples(row.name, row.example) {
                if row.kind == Kind::Trigger && example.is_empty() {
                    continue;
                }
                let example = example
                    .split(" <")
                    .next()
                    .unwrap()
                    .split(" >")
                    .next()
                    .unwrap()
                    .replace('"', "")
                    .replace("/var/lib/prometheus/node-exporter", "{ROOT}");
                let command = row.command();
                let words: Vec<&str> =
                    std::iter::once(&*command).chain(example.split_whitespace()).collect();
                let answer = session.call(&words).stdin("x\n").run();
                let said = told(&answer);
                let shown = words.join(" ");
                let mut add =
                    |what: &str| wrong.push(format!("{shown} ({policy}) {what}:\n{said}"));
                if names(session) != there {
                    add("makes something");
                }
                let is_trigger = row.kind == Kind::Trigger && !is_deploy;
                let lists_commands = row.name == "default";
                if !is_trigger && !lists_commands && LIES.iter().any(|lie| said.contains(lie)) {
                    add("lies");
                }
                let is_about_it = !is_trigger && !UNTOUCHED.contains(&row.name);
                let is_said = said.contains(AWAY) || said.contains("\"storage-away\"");
                let is_quiet = example.contains("--expired")
                    || example.contains("--textfile")
                    || command == "storage:info" && example.contains("json");
                if is_about_it && answer.status == 0 && !is_said && !is_quiet {
                    add("says nothing of it");
                }
                if is_about_it && said.trim() == "[]" {
                    add("says that there is nothing");
                }
                session.host.restore(&before);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn it_is_said_once_and_a_failed_backup_says_it_too() {
    let session = host();
    let answer = session.call(&["storage:doctor", "--format", "json"]).run();
    let findings: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let codes: Vec<&str> =
        findings.as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect();
    assert_eq!(codes.iter().filter(|&&code| code == "storage-away").count(), 1, "{codes:?}");
    let release = ["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"];
    let answer = session.call(&release).run();
    assert_eq!((answer.status, answer.stderr.matches(AWAY).count()), (1, 1), "{answer:?}");
    let answer = session.call(&["storage:backups:create", "blog-data", "--to", "offsite"]).run();
    assert_eq!(answer.status, 1, "{answer:?}");
    let state = session.host.path("lib/data/storage-registry/backups/entries/blog-data.json");
    let state: serde_json::Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
    let reason = state["last_failure"]["message"].as_str().unwrap();
    assert!(reason.contains(AWAY), "{reason}");
    // The last good one stays the last good one.
    assert_eq!(state["last_success"]["files"], 2);
    bring_back(&session);
    session.prepare(&["storage:backups:create", "blog-data", "--to", "offsite"]);
    session.prepare(&["storage:trash:restore", "old"]);
    session.prepare(&["storage:snapshots:destroy", "blog-data", "other", "--force"]);
}

#[test]
fn it_is_away_where_the_registry_is_on_the_missing_disk_too() {
    let session = host();
    bring_back(&session);
    fs::rename(session.host.path("lib/data"), session.host.path("disk")).unwrap();
    session.host.make_directory("lib/data");
    let lost = " is away: apps mount storage entries, and ";
    for words in [
        &["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"][..],
        &["docker-args-deploy", "blog", "latest", "web"],
        &["docker-args-run", "blog", "latest"],
        &["storage:create", "blog-data"],
        &["storage:ensure-directory", "blog-data"],
        &["storage:doctor"],
    ] {
        let answer = session.call(words).run();
        // What Dokku does not end at a refusal of gets a mount that Docker refuses.
        let stops = answer.status != 0 || answer.stdout.contains("/.refused/");
        assert!(stops && told(&answer).contains(lost), "{words:?} {answer:?}");
        assert!(!session.host.path(STORAGE).exists(), "{words:?}");
    }
    // What a command leaves there is no registry, and none begins one.
    session.prepare(&["storage:policy:report"]);
    let answer = session.call(&["storage:mount", "shop", "/srv:/srv"]).run();
    assert!(answer.status == 1 && answer.stderr.contains(lost), "{answer:?}");
    session.host.make_directory("lib/data/storage-registry/entries");
    let answer = session.call(&["storage:create", "blog-data"]).run();
    assert!(answer.stderr.contains("mkdir -p ") && answer.status == 1, "{answer:?}");
    session.host.make_directory(STORAGE);
    session.host.write(&format!("{STORAGE}/.new"), "");
    session.prepare(&["storage:create", "blog-data"]);
    session.prepare(&["storage:create", "another"]);
    fs::rename(session.host.path("lib/data"), session.host.path("begun-anew")).unwrap();
    fs::rename(session.host.path("disk"), session.host.path("lib/data")).unwrap();
    session.prepare(&["docker-args-deploy", "blog", "latest", "web"]);
}

#[test]
fn who_begins_anew_says_so_and_what_was_emptied_or_is_new_is_not_away() {
    let session = host();
    let again = ["storage:create", "blog-data"];
    let answer = session.call(&again).run();
    assert!(answer.status == 1 && answer.stderr.contains("touch "), "{answer:?}");
    // Nobody could find the data any more of an entry that was forgotten.
    let forget = ["storage:destroy", "loose", "--force"];
    let answer = session.call(&forget).run();
    assert!(answer.status == 1 && answer.stderr.contains(AWAY), "{answer:?}");
    session.host.write(&format!("{STORAGE}/.new"), "");
    session.prepare(&forget);
    session.prepare(&again);
    assert!(!names(&session).contains(&".new".to_owned()));
    // What is emptied by hand is the directory that it was.
    for name in ["blog-data", "lost+found"] {
        let path = session.host.path(&format!("{STORAGE}/{name}"));
        if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) }.unwrap();
    }
    session.prepare(&again);
    // A new disk is empty before there are entries.
    let session = Session::dokku(&[]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:destroy", "data", "--force", "--destroy-host-dir", "--no-trash"]);
    take_away(&session);
    session.prepare(&["storage:create", "data"]);
}

#[test]
fn an_older_copy_of_the_data_below_the_mount_point_is_not_the_storage_root() {
    let session = Session::dokku(&[]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:snapshots:create", "data", "first"]);
    // The data is copied to a disk, which is mounted over it.
    let [root, below, disk] = [STORAGE, "below", "disk"].map(|path| session.host.path(path));
    fs::rename(&root, &below).unwrap();
    for name in ["data", ".snapshot-data@first"] {
        session.host.make_directory(&format!("{STORAGE}/{name}"));
    }
    session.prepare(&["storage:create", "more"]);
    // The host starts without it.
    fs::rename(&root, &disk).unwrap();
    fs::rename(&below, &root).unwrap();
    let answer = asked(&session, "data");
    assert!(answer.status == 1 && answer.stderr.contains(AWAY), "{answer:?}");
    fs::rename(&root, &below).unwrap();
    fs::rename(&disk, &root).unwrap();
    assert_eq!(asked(&session, "data").status, 0);
}

/// The status and the errors of a command that needs the storage root.
fn asked(session: &Session, entry: &str) -> Answer {
    session.call(&["storage:wait", entry, "--timeout", "1"]).run()
}

#[test]
fn a_single_entry_that_docker_made_anew_and_an_app_took_over_is_not_the_one_of_before() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    take_away(&session);
    session.host.make_directory(&format!("{STORAGE}/data/files"));
    let answer = asked(&session, "data");
    assert!(answer.status == 1 && answer.stderr.contains(AWAY), "{answer:?}");
    assert!(answer.stderr.contains("another directory than before"), "{answer:?}");
    // A second look does not get used to it.
    assert_eq!(session.call(&["storage:ensure-directory", "more"]).run().status, 1);
    assert_eq!(asked(&session, "data").status, 1);
    // Nobody sees now where it leads.
    let path = format!("{}:/x", session.host.path(&format!("{STORAGE}/link")).display());
    let answer = session.call(&["storage:mount", "blog", &path]).run();
    assert!(answer.status == 1 && answer.stderr.contains(AWAY), "{answer:?}");
    session.host.write(&format!("{STORAGE}/.new"), "");
    let said = fs::File::open(session.host.path(&format!("{STORAGE}/.new"))).unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(90_000);
    said.set_modified(long_ago).unwrap();
    assert_eq!(asked(&session, "data").status, 1);
    session.host.write(&format!("{STORAGE}/.new"), "again");
    assert_eq!(asked(&session, "data").status, 0);
    assert_eq!(names(&session), ["data", "lost+found"]);
    session.prepare(&["storage:ensure-directory", "more"]);
    assert_eq!(names(&session), ["data", "lost+found", "more"]);
    assert_eq!(asked(&session, "data").status, 0);
}

#[test]
fn what_was_copied_to_another_disk_is_known_by_its_snapshots() {
    let session = Session::dokku(&[]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:snapshots:create", "data", "first"]);
    take_away(&session);
    for name in ["data", ".snapshot-data@first"] {
        session.host.make_directory(&format!("{STORAGE}/{name}"));
    }
    assert_eq!(asked(&session, "data").status, 0);
    session.prepare(&["storage:ensure-directory", "more"]);
    assert_eq!(asked(&session, "data").status, 0);
}

#[test]
fn a_copy_whose_disk_goes_meanwhile_is_not_made() {
    for words in
        [&["storage:snapshots:create", "data", "one"][..], &["storage:clone", "data", "two"]]
    {
        let session = Session::dokku(&[]);
        session.prepare(&["storage:create", "data"]);
        for number in 0..4000 {
            session.host.write(&format!("{STORAGE}/data/{number}"), "");
        }
        let root = session.host.path(STORAGE);
        let call = session.call(words);
        let answer = std::thread::scope(|scope| {
            let running = scope.spawn(move || call.run());
            let is_copying = || {
                let names = fs::read_dir(&root).unwrap();
                names
                    .flatten()
                    .any(|name| name.file_name().to_string_lossy().starts_with(".destroyed-"))
            };
            while !is_copying() && !running.is_finished() {}
            take_away(&session);
            running.join().unwrap()
        });
        assert!(answer.status == 1 && answer.stderr.contains(AWAY), "{words:?}: {answer:?}");
        bring_back(&session);
        let listed = session.call(&["storage:snapshots:list", "--format", "json"]).run();
        assert_eq!(listed.stdout.trim(), "[]", "{listed:?}");
        let answer = session.call(&["storage:info", "two"]).run();
        assert_eq!(answer.status, 1, "{answer:?}");
    }
}
