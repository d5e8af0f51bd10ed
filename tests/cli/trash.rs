//! `storage:trash:*`: what is destroyed can be had back for a while.

use std::fs;

use crate::harness::{Host, is_root, say, stubs};
use crate::{Session, assert_transcript};

/// The directory of the trash's notes.
const NOTES: &str = "lib/data/storage-registry/trash";

/// Gives what is in the trash the id `NAME-SECONDS-1`, so that ids and times are the same in every run.
pub fn make_older(host: &Host, seconds: u64) {
    give_ids(host, seconds, 1);
}

/// Gives what is in the trash, and has no such id yet, the id `NAME-SECONDS-PROCESS`.
fn give_ids(host: &Host, seconds: u64, process: u32) {
    let notes = host.path(NOTES);
    for note in fs::read_dir(&notes).into_iter().flatten() {
        let path = note.unwrap().path();
        let id = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if ["-1", "-9", "-10"].iter().any(|process| id.ends_with(process)) {
            continue;
        }
        let name = id.rsplitn(3, '-').nth(2).unwrap();
        let new = format!("{name}-{seconds}-{process}");
        let text = fs::read_to_string(&path).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["id"] = new.clone().into();
        value["when"] = seconds.into();
        fs::write(notes.join(format!("{new}.json")), value.to_string()).unwrap();
        fs::remove_file(&path).unwrap();
        let place = |id: &str| host.path(&format!("lib/data/storage/.trash-{id}"));
        fs::rename(place(&id), place(&new)).unwrap();
    }
}

/// Where images are below the store of a test, which is all on one disk.
const IMAGES: &str = "storage-images";

/// A moment that lies in the year 2100: nothing destroyed then is over.
pub const LATER: u64 = 4_102_444_800;

fn destroyed(session: &mut Session, name: &str, seconds: u64) {
    session.prepare(&["storage:create", name, "--label", "made=once"]);
    session.host.write(&format!("lib/data/storage/{name}/file"), name);
    session.prepare(&["storage:destroy", name, "--force", "--destroy-host-dir"]);
    make_older(&session.host, seconds);
}

#[test]
fn of_two_that_were_destroyed_in_one_second_the_later_one_comes_back() {
    let session = Session::dokku(&["blog"]);
    for (process, text) in [(9, "older"), (10, "newer")] {
        session.prepare(&["storage:create", "data"]);
        session.host.write("lib/data/storage/data/file", text);
        session.prepare(&["storage:destroy", "data", "--force", "--destroy-host-dir"]);
        give_ids(&session.host, LATER, process);
    }
    session.prepare(&["storage:trash:restore", "data"]);
    let restored = fs::read_to_string(session.host.path("lib/data/storage/data/file")).unwrap();
    assert_eq!(restored, "newer");
}

#[test]
fn there_and_back() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:trash:list"]);
    session.run(&["storage:trash:list", "--format", "json"]);
    session.prepare(&["storage:create", "data", "--mode", "0750", "--annotation", "a=b"]);
    session.host.write("lib/data/storage/data/file", "kept");
    let before = fs::read(session.host.path("lib/data/storage-registry/entries/data.json"));
    session.run(&["storage:destroy", "data", "--force", "--destroy-host-dir"]);
    make_older(&session.host, LATER);
    session.show_tree("lib/data");
    session.run(&["storage:list-entries"]);
    session.run(&["storage:doctor"]);
    session.run(&["storage:trash:list"]);
    session.run(&["storage:trash:list", "--format", "json"]);
    session.run(&["storage:trash:restore", "data"]);
    session.show_tree("lib/data");
    let after = fs::read(session.host.path("lib/data/storage-registry/entries/data.json"));
    assert_eq!(before.unwrap(), after.unwrap());
    session.run(&["storage:trash:list", "--format", "xml"]);
    assert_transcript!(session);
}

#[test]
fn reclaim_policy_and_no_trash() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "doomed", "--reclaim-policy", "Delete"]);
    session.run(&["storage:destroy", "doomed", "--force"]);
    session.prepare(&["storage:create", "gone"]);
    session.run(&["storage:destroy", "gone", "--force", "--destroy-host-dir", "--no-trash"]);
    session.prepare(&["storage:policy:set", "trash-hours", "0"]);
    session.prepare(&["storage:create", "gone"]);
    session.run(&["storage:destroy", "gone", "--force", "--destroy-host-dir"]);
    session.remark("with no trash, what was in it is over too");
    session.show_tree("lib/data");
    assert_transcript!(session);
}

#[test]
fn names_that_are_taken() {
    let mut session = Session::dokku(&["blog"]);
    destroyed(&mut session, "data", LATER);
    destroyed(&mut session, "data", LATER + 60);
    session.prepare(&["storage:create", "data"]);
    session.run(&["storage:trash:restore", "data"]);
    session.run(&["storage:trash:restore", "data", "--as", "Not a name"]);
    session.run(&["storage:trash:restore", "data", "--as", "legacy-x"]);
    session.run(&["storage:trash:restore", "data", "--as", "newer"]);
    session.run(&["storage:info", "newer"]);
    session.prepare(&["storage:destroy", "data", "--force"]);
    session.run(&["storage:trash:restore", "data-4102444800-1"]);
    fs::remove_dir(session.host.path("lib/data/storage/data")).unwrap();
    session.run(&["storage:trash:restore", "data-4102444800-1"]);
    session.run(&["storage:trash:restore", "data-4102444800-1"]);
    session.run(&["storage:trash:restore", "data", "more"]);
    session.show_tree("lib/data");
    assert_transcript!(session);
}

#[test]
fn emptied() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:trash:empty"]);
    for (name, seconds) in [("one", 10), ("two", 20), ("two", 30), ("three", 40)] {
        destroyed(&mut session, name, LATER + seconds);
    }
    session.run_with("nothing on standard input", &["storage:trash:empty"], |call| call);
    session.run_with("right name", &["storage:trash:empty", "one"], |call| call.stdin("one\n"));
    session.run(&["storage:trash:empty", "two", "--force"]);
    session.run(&["storage:trash:empty", "two"]);
    session.run(&["storage:trash:empty", "--expired", "three"]);
    session.run_with("right word", &["storage:trash:empty"], |call| call.stdin("trash\n"));
    session.show_tree("lib/data");
    session.fold_sizes();
    assert_transcript!(session);
}

#[test]
fn what_is_over_goes() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["cron-entries", "docker-local"]);
    destroyed(&mut session, "old", LATER);
    destroyed(&mut session, "new", LATER);
    let notes = session.host.path(NOTES);
    let old = fs::read_to_string(notes.join("old-4102444800-1.json")).unwrap();
    let old = old.replace("\"when\":4102444800", "\"when\":1700000000");
    fs::write(notes.join("old-4102444800-1.json"), old).unwrap();
    session.run_with("logs elsewhere", &["cron-entries", "docker-local"], |call| {
        call.env("DOKKU_LOGS_DIR", "/srv/log")
    });
    session.run(&["cron-entries", "k3s"]);
    session.run(&["storage:trash:list"]);
    session.run(&["storage:trash:empty", "--expired"]);
    session.run(&["storage:trash:empty", "--expired"]);
    session.show_tree("lib/data");
    assert_transcript!(session);
}

#[test]
fn the_policy() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:policy:set", "trash-hours", "2 days"]);
    session.run(&["storage:policy:set", "trash-hours", "1", "2"]);
    session.run(&["storage:policy:set", "trash-hours", "72"]);
    session.run(&["storage:policy:report", "--storage-policy-trash-hours"]);
    destroyed(&mut session, "data", 1_700_000_000);
    session.run(&["storage:policy:set", "trash-hours"]);
    session.run(&["storage:policy:report"]);
    assert_transcript!(session);
}

#[test]
fn notes_and_directories_that_are_gone() {
    let mut session = Session::dokku(&["blog"]);
    for name in ["no-note", "bad-note", "no-data"] {
        destroyed(&mut session, name, LATER);
    }
    fs::remove_file(session.host.path(&format!("{NOTES}/no-note-{LATER}-1.json"))).unwrap();
    session.host.write(&format!("{NOTES}/bad-note-{LATER}-1.json"), "{");
    session.host.write(&format!("{NOTES}/strange.json"), "{");
    let data = format!("lib/data/storage/.trash-no-data-{LATER}-1");
    fs::remove_file(session.host.path(&data).join("file")).unwrap();
    fs::remove_dir(session.host.path(&data)).unwrap();
    session.run(&["storage:trash:list"]);
    session.run(&["storage:trash:restore", "no-data"]);
    session.run(&["storage:trash:restore", "no-note"]);
    session.run(&["storage:trash:restore", "bad-note"]);
    session.run(&["storage:trash:list"]);
    session.remark(
        "a note stays until it is long over, since the storage root may not be mounted yet",
    );
    session.prepare(&["storage:create", "more"]);
    session.show_tree("lib/data");
    assert_transcript!(session);
}

#[test]
fn a_path_in_the_trash_that_is_mounted_stays() {
    let mut session = Session::dokku(&["blog"]);
    destroyed(&mut session, "data", LATER);
    // As an older version could.
    let path = format!("{{LIB}}/data/storage/.trash-data-{LATER}-1");
    crate::places::entry(&session, "old", &path);
    crate::places::mounted(&session, "blog", "old", "");
    session.run(&["storage:trash:empty", "--force"]);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn who_sees_not_every_app_sees_what_they_destroyed() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    destroyed(&mut session, "roots", LATER);
    session.host.make_directory("lib/plugins/enabled/acl");
    let acl = session.host.path("lib/plugins/enabled/acl/user-auth-app");
    stubs::script(&acl, "#!/bin/sh\n");
    session.host.answer("user-auth-app", "blog\n");
    session.prepare(&["storage:create", "mine"]);
    let words = ["storage:destroy", "mine", "--force", "--destroy-host-dir"];
    let answer = session.call(&words).env("SSH_NAME", "somebody").run();
    assert_eq!(answer.status, 0, "{answer:?}");
    make_older(&session.host, LATER);
    for key in ["somebody", "another"] {
        let note = format!("the key {key}");
        let mut run = |words: &[&str]| {
            session.run_with(&note, words, |call| call.env("SSH_NAME", key));
        };
        run(&["storage:trash:list"]);
        run(&["storage:trash:empty", "roots", "--force"]);
        run(&["storage:trash:restore", "roots"]);
        run(&["storage:trash:restore", "mine"]);
    }
    assert_transcript!(session);
}

#[test]
fn sizes_are_counted() {
    let mut session = Session::dokku(&["blog"]);
    destroyed(&mut session, "data", LATER);
    let place = session.host.path(&format!("lib/data/storage/.trash-data-{LATER}-1"));
    fs::write(place.join("file"), vec![1; 3 << 20]).unwrap();
    let answer = session.call(&["storage:trash:list", "--size", "--format", "json"]).run();
    let listed: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let bytes = listed[0]["bytes"].as_u64().unwrap();
    assert!((3 << 20..4 << 20).contains(&bytes), "{listed}");
    let answer = session.call(&["storage:trash:list", "--size"]).run();
    let line = answer.stdout.lines().nth(1).unwrap();
    assert!(line.contains("   3") && line.ends_with('M'), "{answer:?}");
    if !is_root() {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o000)).unwrap();
        session.host.write("stub/bin/sudo", "#!/bin/sh\nexit 1\n");
        let answer = session.call(&["storage:trash:list", "--size"]).run();
        assert!(answer.stdout.lines().nth(1).unwrap().ends_with(" ?"), "{answer:?}");
    }
}

#[test]
fn what_stays_in_the_trash_is_not_named_to_who_does_not_see_it() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    destroyed(&mut session, "secret", 1_700_000_000);
    // Nobody can say who uses what then.
    session.host.answer("docker-ps.exit", "1");
    session.host.make_directory("lib/plugins/enabled/acl");
    let acl = session.host.path("lib/plugins/enabled/acl/user-auth-app");
    stubs::script(&acl, "#!/bin/sh\n");
    session.host.answer("user-auth-app", "blog\n");
    let answer = session.call(&["storage:trash:empty", "--expired"]);
    let answer = answer.env("SSH_NAME", "another").run();
    assert!(answer.stderr.contains("something that you cannot see stays"), "{answer:?}");
    assert!(!answer.stderr.contains("secret"), "{answer:?}");
}

#[test]
fn an_image_whose_note_is_damaged_is_not_restored_and_can_be_removed() {
    if !is_root() {
        return say("skipped: only root looks at images");
    }
    let session = Session::dokku(&["blog"]);
    let id = format!("sized-{LATER}-1");
    session.host.make_directory(&format!("lib/data/storage/.trash-{id}"));
    session.host.write(&format!("{NOTES}/{id}.json"), "{");
    let image = format!("lib/{IMAGES}/.trash-{id}.img");
    session.host.write(&image, "data");
    let answer = session.call(&["storage:trash:restore", "sized"]).run();
    let words = format!("the note of {id} cannot be read, and its data is in an image");
    assert!(answer.status == 1 && answer.stderr.contains(&words), "{answer:?}");
    assert!(session.host.path(&image).exists());
    session.prepare(&["storage:trash:empty", &id, "--force"]);
    assert!(!session.host.path(&image).exists());
    assert!(!session.host.path(&format!("lib/data/storage/.trash-{id}")).exists());
}

#[test]
fn what_is_not_seen_while_the_storage_root_is_away_is_not_forgotten() {
    let session = Session::dokku(&["blog"]);
    for name in ["data", "over"] {
        session.prepare(&["storage:create", name, "--label", "made=once"]);
        session.prepare(&["storage:destroy", name, "--force", "--destroy-host-dir"]);
    }
    let notes = session.host.path(NOTES);
    let ids = || {
        let names = fs::read_dir(&notes).into_iter().flatten();
        names.map(|note| note.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let over = ids().into_iter().find(|id| id.starts_with("over-")).unwrap();
    fs::rename(notes.join(&over), notes.join("over-1000000000-1.json")).unwrap();
    let [storage, away] = ["lib/data/storage", "lib/away"].map(|path| session.host.path(path));
    fs::rename(&storage, &away).unwrap();
    fs::create_dir(&storage).unwrap();
    session.prepare(&["storage:trash:empty", "--expired"]);
    assert_eq!(ids().len(), 2, "nothing is known of what is over: {:?}", ids());
    // The operator begins anew.
    fs::write(storage.join(".new"), "").unwrap();
    session.prepare(&["storage:create", "other"]);
    // Clears what is staged.
    session.prepare(&["storage:snapshots:create", "other"]);
    assert_eq!(ids().len(), 1, "only what is long over goes: {:?}", ids());
    let plain = |path: &std::path::Path, name: &str| path.join(name);
    for found in fs::read_dir(&storage).unwrap() {
        let name = found.unwrap().file_name().into_string().unwrap();
        fs::rename(plain(&storage, &name), plain(&away, &name)).unwrap();
    }
    fs::remove_dir(&storage).unwrap();
    fs::rename(&away, &storage).unwrap();
    // Which of both is right now, only the operator knows.
    fs::write(storage.join(".new"), "").unwrap();
    session.prepare(&["storage:trash:restore", "data"]);
    let info = session.call(&["storage:info", "data", "--format", "json"]).run();
    assert!(info.stdout.contains("\"made\": \"once\""), "{}", info.stdout);
    session.prepare(&["storage:destroy", "data", "--force", "--destroy-host-dir"]);
    session.prepare(&["storage:trash:empty", "data", "--force"]);
    assert_eq!(ids(), [""; 0], "who removes it removes its note");
}

/// Sets flags of a file, or takes them away; false where that cannot be done here.
fn chattr(flags: &str, path: &std::path::Path) -> bool {
    let chattr = assert_cmd::Command::new("chattr").arg(flags).arg(path).ok();
    is_root() && chattr.is_ok()
}

#[test]
fn what_is_immutable_is_removed_by_root() {
    let session = Session::dokku(&["blog"]);
    let file = |name: &str| session.host.path(&format!("lib/data/storage/data/{name}"));
    session.prepare(&["storage:create", "data"]);
    for name in ["file", "append", "below/file", "empty/file"] {
        session.host.write(&format!("lib/data/storage/data/{name}"), name);
    }
    fs::remove_file(file("empty/file")).unwrap();
    let set = [("+i", "file"), ("+a", "append"), ("+i", "empty"), ("+a", "below")];
    if !set.iter().all(|(flags, name)| chattr(flags, &file(name))) {
        say("SKIPPED, NOT TESTED: no flags of files can be set here");
        return;
    }
    session.prepare(&["storage:snapshots:create", "data", "one"]);
    let answer = session.call(&["storage:snapshots:create", "data", "two"]).run();
    assert!(answer.stderr.contains("4 extended attributes, or flags of chattr,"), "{answer:?}");
    for name in ["one", "two"] {
        session.prepare(&["storage:snapshots:destroy", "data", name, "--force"]);
    }
    session.prepare(&["storage:destroy", "data", "--force", "--destroy-host-dir"]);
    session.prepare(&["storage:trash:empty", "--force"]);
    assert_eq!(fs::read_dir(session.host.path("lib/data/storage")).unwrap().count(), 0);
}

#[test]
fn what_could_not_be_removed_is_said_to_be_incomplete() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    let files = ["a/one", "b/linked", "c/three"];
    for name in files {
        session.host.write(&format!("lib/data/storage/data/{name}"), name);
    }
    let linked = session.host.path("lib/data/storage/data/b/linked");
    fs::hard_link(&linked, session.host.path("elsewhere")).unwrap();
    // It has a name elsewhere, and is not touched.
    if !chattr("+i", &linked) {
        say("SKIPPED, NOT TESTED: no flags of files can be set here");
        return;
    }
    session.prepare(&["storage:destroy", "data", "--force", "--destroy-host-dir"]);
    make_older(&session.host, LATER);
    let is_said = |session: &Session, words: &[&str]| {
        let answer = session.call(words).run();
        let is_said = answer.stderr.contains("not permitted; some of its files may be gone");
        assert!(answer.status == 1 && is_said, "{answer:?}");
    };
    is_said(&session, &["storage:trash:empty", "--force"]);
    session.run(&["storage:trash:list"]);
    session.run(&["storage:trash:list", "--format", "json"]);
    session.run(&["storage:trash:restore", "data"]);
    is_said(&session, &["storage:destroy", "data", "--force", "--destroy-host-dir", "--no-trash"]);
    assert!(chattr("-i", &session.host.path("elsewhere")));
    assert_transcript!(session);
}

/// Notes that the clock was last looked at at one moment, and leapt at another.
fn note_clock(session: &Session, now: &str, leapt: Option<&str>) {
    let note = serde_json::json!({"now": now, "leapt": leapt});
    let mut note = note.as_object().unwrap().clone();
    note.retain(|_, value| !value.is_null());
    session.host.write(CLOCK, serde_json::Value::from(note).to_string());
}

const CLOCK: &str = "lib/data/storage-registry/.clock";

#[test]
fn a_clock_that_leapt_removes_nothing_for_its_age() {
    let mut session = Session::dokku(&["blog"]);
    destroyed(&mut session, "data", 1_700_000_000);
    let place = session.host.path("lib/data/storage/.trash-data-1700000000-1");
    let expire = || {
        session.prepare(&["storage:trash:empty", "--expired"]);
        place.exists()
    };
    let now = seconds_now();
    let hours = |hours: i64| rfc3339(now + hours * 3600);
    // It was right long ago, or was ahead until now.
    for looked in [hours(-40 * 24), hours(5)] {
        note_clock(&session, &looked, None);
        assert!(expire() && expire(), "{looked}");
    }
    // It goes on since then, but not for long enough.
    note_clock(&session, &hours(-1), Some(&hours(-47)));
    assert!(expire());
    session.host.write(CLOCK, "{");
    assert!(expire());
    note_clock(&session, &hours(-1), Some(&hours(-49)));
    assert!(!expire());
}

#[test]
fn what_a_wrong_clock_dated_does_not_stay_for_ever() {
    let mut session = Session::dokku(&["blog"]);
    destroyed(&mut session, "data", LATER);
    let place = session.host.path(&format!("lib/data/storage/.trash-data-{LATER}-1"));
    let now = seconds_now();
    for (leapt, stays) in [(-47, true), (-49, false)] {
        note_clock(&session, &rfc3339(now - 3600), Some(&rfc3339(now + leapt * 3600)));
        session.prepare(&["storage:trash:empty", "--expired"]);
        assert_eq!(place.exists(), stays);
    }
}

fn seconds_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs().try_into().unwrap()
}

/// A time as the store's files have it.
fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}
