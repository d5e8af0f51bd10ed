//! `storage:prune`: what nothing uses is listed, and deleted where that is confirmed.

use std::fs::{self, File, FileTimes};
use std::time::{Duration, SystemTime};

use crate::harness::{program_under_test, stubs};
use crate::trash::{LATER, make_older};
use crate::{Session, assert_transcript};

/// A host with something of every kind that nothing uses, and of every kind that something does.
fn host() -> Session {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "mounted"]);
    session.prepare(&["storage:mount", "blog", "mounted", "--container-dir", "/m"]);
    session.prepare(&["storage:create", "idle"]);
    session.prepare(&["storage:create", "elsewhere", "{ROOT}/srv/elsewhere"]);
    session.prepare(&["storage:create", "plain", "plain-volume"]);
    session.host.write("lib/data/storage/idle/file", "idle");
    session.host.write("lib/data/storage/nobodys/file", "nobody's");
    session.host.write("lib/data/storage/odd.name/file", "");
    session.host.make_directory("lib/data/storage/in-options");
    let options = session.host.expand("-v {ROOT}/lib/data/storage/in-options:/x\n");
    session.host.write("lib/config/docker-options/blog/_default_.deploy", options);
    session.host.make_directory("home/gone");
    session.prepare(&["storage:create", "of-gone"]);
    session.prepare(&["storage:mount", "gone", "of-gone", "--container-dir", "/g"]);
    session.prepare(&["storage:mount", "gone", "/srv/of-gone:/x"]);
    fs::remove_dir(session.host.path("home/gone")).unwrap();
    session.host.write("lib/data/storage/.snapshot-lost@first/file", "snapshot");
    session.host.write("lib/data/storage-registry/snapshots/lost/first.json", "{}");
    session.host.make_directory("lib/data/storage/.snapshot-mounted@first");
    age(&session);
    session
}

/// Makes everything of the store as old as everything else.
fn age(session: &Session) {
    let directory = session.host.path("lib");
    let mut directories = vec![directory];
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_symlink() {
                continue;
            }
            if kind.is_dir() {
                directories.push(entry.path());
            }
            let file = File::open(entry.path()).unwrap();
            file.set_times(FileTimes::new().set_modified(time)).unwrap();
        }
    }
}

#[test]
fn what_nothing_uses_is_listed_and_stays() {
    let mut session = host();
    session.run(&["storage:prune"]);
    session
        .run_with("what is read is no terminal", &["storage:prune"], |call| call.stdin("prune\n"));
    session.run(&["storage:prune", "--format", "json"]);
    session.run(&["storage:prune", "--format", "json", "--yes"]);
    session.run(&["storage:prune", "idle"]);
    session.show_tree("lib/data/storage");
    session.fold_sizes();
    assert_transcript!(session);
}

#[test]
fn what_is_confirmed_is_deleted() {
    let mut session = host();
    session.run(&["storage:prune", "--yes"]);
    make_older(&session.host, LATER);
    session.show_tree("lib/data");
    session.show_tree("lib/config/storage");
    age(&session);
    session.remark("what only the app mounted that is gone is found now");
    session.run(&["storage:prune"]);
    session.run(&["storage:trash:restore", "nobodys"]);
    session.run(&["storage:trash:restore", "idle"]);
    session.show_tree("lib/data/storage");
    session.fold_sizes();
    assert_transcript!(session);
}

#[test]
fn without_a_trash_it_is_for_good() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:policy:set", "trash-hours", "0"]);
    session.prepare(&["storage:create", "idle"]);
    session.host.write("lib/data/storage/nobodys/file", "nobody's");
    age(&session);
    session.run(&["storage:prune"]);
    session.run(&["storage:prune", "--yes"]);
    session.run(&["storage:prune", "--yes"]);
    session.show_tree("lib/data");
    session.fold_sizes();
    assert_transcript!(session);
}

#[test]
fn what_cannot_be_read_may_be_about_anything() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    for name in ["one", "two"] {
        session.prepare(&["storage:create", name]);
    }
    let line = "{\"entry_name\":\"one\",\"container_path\":\n";
    session.host.write("lib/config/storage/wiki/mounts", line);
    age(&session);
    session.run(&["storage:prune", "--yes"]);
    session.host.write("lib/config/storage/wiki/mounts", b"\xff\n");
    session.prepare(&["storage:create", "two"]);
    age(&session);
    session.run(&["storage:prune"]);
    session.host.write("lib/config/storage/wiki/mounts", "");
    session.host.write("lib/data/storage-registry/entries/three.json", "{");
    session.host.make_directory("lib/data/storage/nobodys");
    age(&session);
    session.run(&["storage:prune", "--yes"]);
    session.fold_sizes();
    assert_transcript!(session);
}

#[test]
fn what_a_container_has_stays() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "idle"]);
    session.host.make_directory("lib/data/storage/nobodys");
    age(&session);
    session.host.answer("docker-ps", "0123456789abcdef\n");
    let mounts = session.host.expand(
        r#"[{"Id": "0123456789abcdef", "Config": {"Labels": null}, "Mounts": [
            {"Source": "{ROOT}/lib/data/storage/idle/part", "Destination": "/a", "RW": true},
            {"Source": "{ROOT}/lib/data/storage/nobodys", "Destination": "/b", "RW": false}]}]"#,
    );
    session.host.answer("docker-inspect", &mounts);
    session.run(&["storage:prune", "--yes"]);
    session.remark("one that cannot be looked at");
    session.host.answer("docker-inspect", "[]");
    session.run(&["storage:prune", "--yes"]);
    session.remark("Docker does not answer");
    session.host.answer("docker-ps.exit", "1");
    session.run(&["storage:prune", "--yes"]);
    session.show_tree("lib/data/storage");
    session.fold_sizes();
    assert_transcript!(session);
}

#[test]
fn volumes_that_are_left_over() {
    let mut session = crate::places::host(&["blog"]);
    session.prepare(&["storage:create", "kept", "kept-volume"]);
    for name in ["kept-volume", "left-volume", "in-options"] {
        crate::places::volume(&session, name, "null");
    }
    session.host.write("lib/config/docker-options/blog/_default_.run", "-v in-options:/x\n");
    age(&session);
    session.run(&["storage:prune"]);
    session.run(&["storage:prune", "--yes"]);
    session.show_tree("stub/volumes");
    session.fold_sizes();
    assert_transcript!(session);
}

#[test]
fn an_empty_directory_of_apps_is_not_believed() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/d"]);
    fs::remove_dir(session.host.path("home/blog")).unwrap();
    session.run(&["storage:prune", "--yes"]);
    session.show_tree("lib/config/storage");
    session.fold_sizes();
    assert_transcript!(session);
}

#[test]
fn it_is_for_who_sees_every_app() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:create", "idle"]);
    session.host.make_directory("lib/plugins/enabled/acl");
    let acl = session.host.path("lib/plugins/enabled/acl/user-auth-app");
    stubs::script(&acl, "#!/bin/sh\n");
    session.host.answer("user-auth-app", "blog\n");
    session.run(&["storage:prune", "--yes"]);
    session.show_tree("lib/data/storage");
    session.fold_sizes();
    assert_transcript!(session);
}

#[test]
fn what_was_changed_since_it_was_listed_stays() {
    let session = Session::dokku(&["blog"]);
    for name in ["first", "second"] {
        session.prepare(&["storage:create", name]);
    }
    // Somebody changes the second one while the first is deleted, for which Docker is asked again.
    let docker = r#"#!/bin/sh
[ "$1" = ps ] || exit 0
[ -e "$STUB_DIR/asked" ] || { touch "$STUB_DIR/asked"; exit 0; }
file="$STUB_DIR/../lib/data/storage-registry/entries/second.json"
grep -q labels "$file" || sed -i 's/^{/{"labels":{"kept":"yes"},/' "$file"
"#;
    stubs::script(&session.host.stubs().join("bin/docker"), docker);
    let answer = session.call(&["storage:prune", "--yes"]).run();
    let words = "entry second stays: storage entry \"second\" was changed meanwhile";
    assert!(answer.status == 1 && answer.stderr.contains(words), "{answer:?}");
    assert!(session.host.path("lib/data/storage/second").exists());
    assert!(!session.host.path("lib/data/storage/first").exists());
}

#[test]
fn an_entry_with_snapshots_is_left_alone() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "idle"]);
    session.prepare(&["storage:snapshots:create", "idle", "first"]);
    let words = "dokku storage:snapshots:destroy idle first";
    let answer = session.call(&["storage:prune", "--yes"]).run();
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.stdout.contains("Left alone: entry idle, since"), "{answer:?}");
    assert!(answer.stdout.contains(words), "{answer:?}");
    let answer = session.call(&["storage:doctor"]).run();
    assert!(answer.stdout.contains(&format!("-> {words}")), "{answer:?}");
    let destroy: Vec<&str> = words.split(' ').skip(1).chain(["--force"]).collect();
    session.prepare(&destroy);
    let answer = session.call(&["storage:prune", "--yes"]).run();
    assert!(answer.stdout.contains("Storage entry idle destroyed"), "{answer:?}");
}

#[test]
fn nobody_registers_a_volume_while_it_is_removed() {
    let session = crate::places::host(&["blog"]);
    crate::places::volume(&session, "left-volume", "null");
    let meanwhile = r#""volume rm")
    "$PROGRAM" storage:create again "$3" --type volume >"$STUB_DIR/said-$3" 2>&1
    "$PROGRAM" storage:mount blog "$3:/data" >>"$STUB_DIR/said-$3" 2>&1
    rm"#;
    let docker = crate::places::DOCKER.replace("\"volume rm\") rm", meanwhile);
    assert!(docker.contains("PROGRAM"));
    stubs::script(&session.host.path("stub/bin/docker"), &docker);
    age(&session);
    let must = |words: &[&str]| {
        let answer = session.call(words).env("PROGRAM", program_under_test()).run();
        assert_eq!(answer.status, 0, "{answer:?}");
    };
    must(&["storage:prune", "--yes"]);
    session.prepare(&["storage:create", "shelf", "--type", "volume", "--reclaim-policy", "Delete"]);
    must(&["storage:destroy", "shelf", "--force"]);
    for volume in ["left-volume", "shelf"] {
        assert!(!session.host.path(&format!("stub/volumes/{volume}")).exists());
        let said = fs::read_to_string(session.host.path(&format!("stub/said-{volume}"))).unwrap();
        let refused = format!("another command is at work on the Docker volume {volume};");
        assert_eq!(said.matches(&refused).count(), 2, "{said}");
    }
}

#[test]
fn what_a_file_system_has_by_itself_is_not_offered() {
    let session = Session::dokku(&[]);
    session.host.make_directory("lib/data/storage/lost+found");
    for command in ["storage:prune", "storage:doctor"] {
        let answer = session.call(&[command]).run();
        assert!(answer.status == 0 && !answer.stdout.contains("lost+found"), "{answer:?}");
    }
}
