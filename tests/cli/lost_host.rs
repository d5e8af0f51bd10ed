//! `storage:backups:restore-store` with a real restic: where the data of a lost host is then, and what a second run does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::Session;
use crate::backups::bury_a_file;
use crate::harness::{Answer, stubs};
use crate::schedules::run;

const STORAGE: &str = "lib/data/storage";

/// A host with these entries (name and path below the storage root), a file in each, and a destination.
fn host(entries: &[(&str, &str)]) -> Session {
    let session = Session::dokku(&["blog"]);
    for (name, place) in entries {
        session.host.write(&format!("{STORAGE}/{place}/file"), format!("{place}\n"));
        let path = format!("{{LIB}}/data/storage/{place}");
        session.prepare(&["storage:create", name, &path]);
    }
    session.host.make_directory("backups");
    session.destination("disk", "{ROOT}/backups");
    session
}

/// Has a backup of everything made, and loses the store and the data.
fn lose(session: &Session) {
    session.prepare(&["storage:backups:create", "--all"]);
    forget(session);
}

fn forget(session: &Session) {
    let key = run(session, "storage:backups:key disk").stdout;
    for directory in ["lib/data/storage-registry", "lib/config/storage", STORAGE] {
        remove(session, directory);
    }
    fs::create_dir_all(session.host.path(STORAGE)).unwrap();
    session.host.write("key", key);
    let create =
        "storage:connectors:create disk --type local --path {ROOT}/backups --key-file {ROOT}/key";
    session.prepare(&create.split(' ').collect::<Vec<_>>());
}

#[expect(clippy::disallowed_methods, reason = "it is the test's own")]
fn remove(session: &Session, directory: &str) {
    let directory = session.host.path(directory);
    if directory.exists() {
        fs::remove_dir_all(directory).unwrap();
    }
}

fn restore(session: &Session) -> (Answer, Value) {
    let answer = run(session, "storage:backups:restore-store --format json");
    let said = serde_json::from_str(&answer.stdout).unwrap_or_default();
    (answer, said)
}

fn content(session: &Session, place: &str) -> String {
    fs::read_to_string(session.host.path(&format!("{STORAGE}/{place}/file"))).unwrap_or_default()
}

fn names(session: &Session) -> Vec<String> {
    let found = fs::read_dir(session.host.path(STORAGE)).unwrap();
    let mut names: Vec<String> =
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn data_is_where_the_entries_say_again() {
    let session = host(&[("older", "old"), ("plain", "plain")]);
    session.host.write(&format!("{STORAGE}/leg/file"), "leg\n");
    session.prepare(&["storage:mount", "blog", "{LIB}/data/storage/leg:/leg"]);
    session.host.write(&format!("{STORAGE}/conf"), "conf\n");
    session.prepare(&["storage:mount", "blog", "{LIB}/data/storage/conf:/conf"]);
    lose(&session);
    let (answer, said) = restore(&session);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(said["populated"].as_array().unwrap().len(), 4, "{said}");
    let check = || {
        assert_eq!(names(&session), ["conf", "leg", "old", "plain"]);
        for place in ["leg", "old", "plain"] {
            assert_eq!(content(&session, place), format!("{place}\n"));
        }
        let conf = session.host.path(&format!("{STORAGE}/conf"));
        assert_eq!(fs::read_to_string(conf).unwrap(), "conf\n");
    };
    check();
    // Once more, what is here stays, and what is missing comes back.
    session.host.write(&format!("{STORAGE}/leg/file"), "newer\n");
    for place in ["old", "plain"] {
        remove(&session, &format!("{STORAGE}/{place}"));
    }
    let (answer, said) = restore(&session);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(said["populated"], serde_json::json!(["older", "plain"]));
    assert_eq!(said["kept"].as_array().unwrap().len(), 2, "{said}");
    assert_eq!(content(&session, "leg"), "newer\n");
    session.host.write(&format!("{STORAGE}/leg/file"), "leg\n");
    check();
}

#[test]
fn a_store_that_is_restored_goes_on_with_its_backups() {
    let session = host(&[("data", "data")]);
    lose(&session);
    let id = || {
        let id = session.host.path("lib/data/storage-registry/backups/store-id");
        fs::read_to_string(id).unwrap_or_default()
    };
    assert_eq!(id(), "");
    assert_eq!(restore(&session).0.status, 0);
    let restored = id();
    assert_eq!(restored.trim().len(), 16, "{restored}");
    session.prepare(&["storage:backups:create", "data"]);
    assert_eq!(id(), restored);
}

#[test]
fn the_last_backup_comes_back_and_one_without_missing_files_is_named() {
    let session = host(&[("data", "data")]);
    session.prepare(&["storage:backups:create", "--all"]);
    let listed = run(&session, "storage:backups:list data --format json").stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let whole = listed[0]["id"].as_str().unwrap()[..8].to_owned();
    session.host.write(&format!("{STORAGE}/data/file"), "later\n");
    bury_a_file(&session);
    assert_eq!(run(&session, "storage:backups:create --all").status, 1);
    forget(&session);
    let (answer, said) = restore(&session);
    assert_eq!(said["populated"], serde_json::json!(["data"]), "{answer:?}");
    assert_eq!(content(&session, "data"), "later\n");
    let named = format!("to have it, too: dokku storage:backups:restore {whole} --as NEW");
    for said in ["lacks files that could not be read", &named] {
        assert!(answer.stderr.contains(said), "{answer:?}");
    }
    session.prepare(&["storage:backups:restore", &whole, "--as", "whole"]);
    assert_eq!(content(&session, "whole"), "data\n");
}

#[test]
fn a_file_that_is_in_the_place_of_an_entry_stays() {
    let session = host(&[("older", "old")]);
    lose(&session);
    session.host.write(&format!("{STORAGE}/old"), "mine");
    let (answer, said) = restore(&session);
    let problem = said["problems"][0].as_str().unwrap();
    assert!(answer.status == 1 && problem.contains("is there already"), "{answer:?}");
    let mine = session.host.path(&format!("{STORAGE}/old"));
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    // It can be run again.
    fs::remove_file(&mine).unwrap();
    let (answer, said) = restore(&session);
    assert!(answer.status == 0 && said["scheduled"] == true, "{answer:?}");
    assert_eq!(content(&session, "old"), "old\n");
}

#[test]
fn entries_within_another_one_and_at_one_place_come_back() {
    let session = host(&[
        ("aa-up", "media/uploads"),
        ("inner", "media/inner"),
        ("media", "media"),
        ("same", "media"),
        ("zz-up", "media/uploads"),
    ]);
    session.host.write(&format!("{STORAGE}/media/index"), "index");
    session.prepare(&["storage:backups:schedule", "--all", "daily"]);
    lose(&session);
    let (answer, said) = restore(&session);
    assert!(answer.status == 0 && said["scheduled"] == true, "{answer:?}");
    assert_eq!(said["populated"].as_array().unwrap().len(), 5, "{said}");
    assert_eq!(names(&session), ["media"]);
    assert_eq!(content(&session, "media/uploads"), "media/uploads\n");
    assert_eq!(content(&session, "media/inner"), "media/inner\n");
    let index = session.host.path(&format!("{STORAGE}/media/index"));
    assert_eq!(fs::read_to_string(index).unwrap(), "index");
    let (answer, said) = restore(&session);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(said["kept"].as_array().unwrap().len(), 5, "{said}");
}

#[test]
fn what_is_within_another_entry_waits_for_it() {
    let session = host(&[("media", "media"), ("up", "media/uploads")]);
    lose(&session);
    session.host.write(&format!("{STORAGE}/media/file"), "mine");
    let (answer, said) = restore(&session);
    assert_eq!(answer.status, 1, "{answer:?}");
    let problems = said["problems"].to_string();
    assert!(problems.contains("up: its data is in that of storage entry media"), "{problems}");
    remove(&session, &format!("{STORAGE}/media"));
    let (answer, _) = restore(&session);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(content(&session, "media/uploads"), "media/uploads\n");
}

#[test]
fn data_that_the_backup_of_the_outer_entry_lacks_comes_from_its_own() {
    let session = host(&[("media", "media")]);
    session.prepare(&["storage:backups:create", "media"]);
    let up = format!("{STORAGE}/media/uploads/file");
    session.host.write(&up, "later\n");
    session.prepare(&["storage:create", "up", "{LIB}/data/storage/media/uploads"]);
    session.prepare(&["storage:backups:create", "up"]);
    // The last backup of the outer one is older.
    session.prepare(&["storage:backups:create", "--all"]);
    let media = run(&session, "storage:backups:list media --format json").stdout;
    let media: Vec<Value> = serde_json::from_str(&media).unwrap();
    let newest = media.last().unwrap()["id"].as_str().unwrap().to_owned();
    session.prepare(&["storage:backups:forget", &newest, "--force"]);
    forget(&session);
    let (answer, said) = restore(&session);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(said["populated"], serde_json::json!(["media", "up"]));
    assert_eq!(fs::read_to_string(session.host.path(&up)).unwrap(), "later\n");
}

#[test]
fn nothing_is_registered_while_the_backups_cannot_be_listed() {
    let mut session = host(&[("older", "old")]);
    lose(&session);
    // A restic that lists once, and then no more.
    let (real, listed) = (session.host.path("restic"), session.host.path("listed"));
    let places = ["/usr/local/bin/restic", "/usr/bin/restic"];
    let installed = places.into_iter().find(|place| Path::new(place).exists()).unwrap();
    session.host.write("restic", fs::read(installed).unwrap());
    fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' snapshots '*) mkdir '{}' 2>/dev/null || {{ echo 'no route to host' >&2; exit 1; }} ;; esac\nexec '{}' \"$@\"\n",
        listed.display(),
        real.display()
    );
    stubs::script(&session.host.path("once"), &script);
    session.host.replace(installed, "once");
    let (answer, _) = restore(&session);
    assert!(answer.status == 1 && answer.stderr.contains("no route to host"), "{answer:?}");
    assert!(listed.exists());
    assert_eq!(run(&session, "storage:list-entries --format json").stdout.trim(), "[]");
    fs::remove_dir(listed).unwrap();
    stubs::script(
        &session.host.path("once"),
        &format!("#!/bin/sh\nexec '{}' \"$@\"\n", real.display()),
    );
    let (answer, said) = restore(&session);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(said["populated"], serde_json::json!(["older"]));
}

/// An entry of another place whose path only looks like the storage root of a host.
#[test]
fn what_was_not_below_the_storage_root_is_where_it_was() {
    let session = host(&[("plain", "plain")]);
    session.host.write("srv/x/data/storage/far/file", "far\n");
    session.prepare(&["storage:create", "far", "{ROOT}/srv/x/data/storage/far"]);
    lose(&session);
    let (answer, _) = restore(&session);
    assert_eq!(answer.status, 0, "{answer:?}");
    let entry = session.host.path("lib/data/storage-registry/entries/far.json");
    let entry: Value = serde_json::from_slice(&fs::read(entry).unwrap()).unwrap();
    let path = session.host.path("srv/x/data/storage/far").display().to_string();
    assert_eq!(entry["host_path"], path);
}
