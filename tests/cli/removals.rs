//! Everything that removes data, beside what `places.rs` has: each asks everybody who may use it.

use std::fs;

use crate::Session;
use crate::harness::{Problems, as_root, stubs};
use crate::places::{
    Setup, UNKNOWN, USERS, container, each_user, entry, host, mounted, options, said_by_a_restore,
    volume, with_base,
};

const BASE: &str = "{LIB}/data/storage/base";
const SNAPSHOT: &str = "{LIB}/data/storage/.snapshot-base@first";

#[test]
fn a_snapshot_that_somebody_uses_is_not_destroyed() {
    let make = || {
        let session = with_base(&[]);
        session.prepare(&["storage:snapshots:create", "base", "first"]);
        (session, SNAPSHOT.to_owned())
    };
    let commands: &[&[&str]] = &[&["storage:snapshots:destroy", "base", "first", "--force"]];
    each_user(commands, USERS, make, true);
    each_user(commands, UNKNOWN, make, true);
    let (session, _) = make();
    session.prepare(commands[0]);
    assert!(!session.host.path("lib/data/storage/.snapshot-base@first").exists());
}

/// A host with an entry that was made for a volume of an image of `gone`, and goes with that app.
fn with_an_automatic_entry(policy: &str) -> Session {
    let session = with_base(&["--reclaim-policy", policy]);
    let file = "lib/data/storage-registry/entries/base.json";
    let text = fs::read_to_string(session.host.path(file)).unwrap();
    let mut noted: serde_json::Value = serde_json::from_str(&text).unwrap();
    noted["auto_volume"] = serde_json::json!({"app": "gone", "path": "/x"});
    session.host.write(file, noted.to_string());
    session.host.make_directory("home/dokku/gone");
    mounted(&session, "gone", "base", "");
    session
}

#[test]
fn what_somebody_uses_does_not_go_with_the_app_whose_it_was() {
    // What only the app itself had is not in the way: one that is not there any more is nobody else's.
    let users: Vec<_> = USERS
        .iter()
        .copied()
        .filter(|(user, ..)| *user != "an app that is not there any more")
        .collect();
    let make = || (with_an_automatic_entry("Delete"), BASE.to_owned());
    each_user(&[&["post-delete", "gone"]], &users, make, false);
    each_user(&[&["post-delete", "gone"]], UNKNOWN, make, false);
    let (session, _) = make();
    session.prepare(&["post-delete", "gone"]);
    assert!(!session.host.path("lib/data/storage/base").exists());
    let session = with_an_automatic_entry("Retain");
    session.prepare(&["post-delete", "gone"]);
    assert!(session.host.path("lib/data/storage/base/in/data").exists());
}

#[test]
fn what_somebody_else_uses_is_not_replaced_by_a_backup() {
    let mut problems = Problems::default();
    let make = || {
        let session = with_base(&[]);
        session.host.make_directory("backups");
        session.destination("disk", "{ROOT}/backups");
        session.prepare(&["storage:backups:create", "base", "--to", "disk"]);
        session.host.write("lib/data/storage/base/in/data", "newest");
        session
    };
    let restore = ["storage:backups:restore", "base@latest", "--in-place", "--force"];
    for (user, setup, needle) in USERS.iter().filter(|(user, ..)| !user.contains("stopped")) {
        let session = make();
        setup(&session, BASE);
        let needle = said_by_a_restore(needle);
        let answer = session.call(&restore).run();
        let data = fs::read_to_string(session.host.path("lib/data/storage/base/in/data"));
        let is_kept = data.is_ok_and(|data| data == "newest");
        if answer.status != 1 || !is_kept || !answer.stderr.contains(needle) {
            problems.add(format!("{user} ({needle}): {answer:?}"));
        }
    }
    problems.must_be_none();
    let session = make();
    session.prepare(&restore);
    let data = fs::read_to_string(session.host.path("lib/data/storage/base/in/data")).unwrap();
    assert_eq!(data, "precious");
}

/// A full disk in the place of a storage root, where something is in the trash that somebody uses.
const FULL: &str = r#"
    store=$DOKKU_LIB_ROOT/data/storage
    cp -a "$store" "$store.before"
    mount -t tmpfs -o size=1m,mode=755 none "$store"
    cp -a "$store.before/." "$store"
    touch "$store/.new"
    head -c 2M /dev/zero >"$store/filler" 2>/dev/null || true
    "$@" || true
    ls -A "$store"/.trash-*/in/data
"#;

#[test]
fn what_somebody_uses_in_the_trash_makes_no_room() {
    if !as_root("a full disk") {
        return;
    }
    let line = format!("unshare --mount --propagation private bash -euc '{FULL}' bash \"$@\"");
    let mut problems = Problems::default();
    let call = |setup: Option<Setup>| {
        let session = with_base(&[]);
        session.prepare(&["storage:destroy", "base", "--force", "--destroy-host-dir"]);
        let names = fs::read_dir(session.host.path("lib/data/storage")).unwrap();
        let mut paths = names.flatten().map(|name| name.path());
        let place = paths.find(|path| path.to_string_lossy().contains("/.trash-")).unwrap();
        if let Some(setup) = setup {
            setup(&session, &place.to_string_lossy());
        }
        let words = ["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"];
        session.call(&words).around(&line).run()
    };
    for (user, setup, _) in USERS.iter().chain(UNKNOWN) {
        let answer = call(Some(*setup));
        if !answer.stdout.contains("/in/data") {
            problems.add(format!("{user}: {answer:?}"));
        }
    }
    problems.must_be_none();
    // Where nobody uses it, it goes.
    let answer = call(None);
    assert!(answer.stderr.contains("removed base-"), "{answer:?}");
    assert!(!answer.stdout.contains("/in/data"), "{answer:?}");
}

#[test]
fn what_takes_nothing_is_not_removed_to_make_room() {
    if !as_root("a full disk") {
        return;
    }
    let session = with_base(&[]);
    session.prepare(&["storage:create", "hollow"]);
    for name in ["hollow", "base"] {
        session.prepare(&["storage:destroy", name, "--force", "--destroy-host-dir"]);
    }
    session.host.make_directory("lib/plugins/enabled/acl");
    let acl = session.host.path("lib/plugins/enabled/acl/user-auth-app");
    stubs::script(&acl, "#!/bin/sh\nshift 2\nprintf '%s\\n' \"$@\"\n");
    let line = format!("unshare --mount --propagation private bash -euc '{FULL}' bash \"$@\"");
    let words = ["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"];
    let answer = session.call(&words).around(&line).run();
    // Whoever sees every app is told what it was.
    assert!(answer.stderr.contains("removed base-"), "{answer:?}");
    assert!(!answer.stderr.contains("removed hollow-"), "{answer:?}");
}

/// Who has a file, but does not run.
const STOPPED: (&str, Setup, &str) = (
    "a stopped container",
    |s, place| {
        let mount = format!(r#"{{"Source": "{place}", "Destination": "/x", "RW": false}}"#);
        container(s, "stopped", "", &mount);
    },
    "docker rm -f stopped",
);

#[test]
fn a_file_that_somebody_uses_is_not_destroyed() {
    let mut problems = Problems::default();
    for (user, setup, needle) in USERS.iter().chain(UNKNOWN).chain([&STOPPED]) {
        for words in [&[][..], &["--no-trash"]] {
            let session = host(&["blog"]);
            session.prepare(&["storage:create", "conf", "--type", "file"]);
            setup(&session, "{LIB}/data/storage/conf");
            let destroy = ["storage:destroy", "conf", "--force", "--destroy-host-dir"];
            let answer = session.call(&[&destroy[..], words].concat()).run();
            let is_kept = session.host.path("lib/data/storage/conf").is_file();
            if answer.status != 1 || !is_kept || !answer.stderr.contains(needle) {
                problems.add(format!("{words:?} x {user}: {answer:?}"));
            }
        }
    }
    problems.must_be_none();
}

/// Everybody who may use a Docker volume, by its name or by where Docker keeps it.
const OF_A_VOLUME: &[(&str, Setup, &str)] = &[
    ("an entry of it", |s, _| entry(s, "other", "vault"), "storage:destroy other"),
    (
        "an entry where Docker keeps it",
        |s, _| entry(s, "other", "/var/lib/docker/volumes/vault/_data/in"),
        "storage:destroy other",
    ),
    (
        "an app by its name",
        |s, _| {
            entry(s, "legacy-0123456789", "vault");
            mounted(s, "blog", "legacy-0123456789", "");
        },
        "storage:unmount blog vault:/x",
    ),
    (
        "-v",
        |s, _| options(s, "_default_.deploy", "-v vault:/x:ro"),
        "docker-options:remove blog deploy",
    ),
    (
        "--mount",
        |s, _| options(s, "_default_.run", "--mount type=volume,source=vault,target=/x"),
        "docker-options:remove blog run",
    ),
    (
        "of a process type",
        |s, _| options(s, "web.deploy", "--volume vault:/x"),
        "docker-options:remove --process web blog deploy",
    ),
    (
        "a stopped container",
        |s, _| {
            let mount = r#"{"Name": "vault", "Source": "/var/lib/docker/volumes/vault/_data", "Destination": "/x", "RW": true}"#;
            container(s, "stopped", "", mount);
        },
        "docker rm -f stopped",
    ),
    (
        "a container where Docker keeps it",
        |s, _| {
            let mount = r#"{"Source": "/var/lib/docker/volumes/vault/_data/in", "Destination": "/x", "RW": false}"#;
            container(s, "by-hand", "", mount);
        },
        "docker rm -f by-hand",
    ),
    (
        "a volume's device",
        |s, _| {
            volume(s, "shelf", r#"{"o": "bind", "device": "/var/lib/docker/volumes/vault/_data"}"#);
        },
        "docker volume rm shelf",
    ),
];

#[test]
fn a_volume_that_somebody_uses_is_not_destroyed() {
    let mut problems = Problems::default();
    for (user, setup, needle) in OF_A_VOLUME.iter().chain(UNKNOWN) {
        for (words, policy) in [(&["--destroy-host-dir"][..], "Retain"), (&[], "Delete")] {
            let session = host(&["blog"]);
            let create = ["storage:create", "box", "vault", "--type", "volume", "--reclaim-policy"];
            session.prepare(&[&create[..], &[policy]].concat());
            setup(&session, "");
            let answer =
                session.call(&[&["storage:destroy", "box", "--force"], words].concat()).run();
            let is_kept = session.host.path("stub/volumes/vault").exists();
            if answer.status != 1 || !is_kept || !answer.stderr.contains(needle) {
                problems.add(format!("{words:?} x {user}: {answer:?}"));
            }
        }
    }
    problems.must_be_none();
    let session = host(&["blog"]);
    session.prepare(&["storage:create", "box", "vault", "--type", "volume"]);
    session.prepare(&["storage:destroy", "box", "--force", "--destroy-host-dir"]);
    assert!(!session.host.path("stub/volumes/vault").exists());
}

/// What is mounted in an entry is another file system: none of it goes with the entry.
#[test]
fn what_is_mounted_in_what_goes_stays() {
    if !as_root("a directory that is mounted in another") {
        return;
    }
    for words in [
        &["storage:destroy", "base", "--force", "--destroy-host-dir"][..],
        &["storage:destroy", "base", "--force", "--destroy-host-dir", "--no-trash"],
        &["storage:prune", "--yes"],
        &["storage:snapshots:destroy", "base", "first", "--force"],
        &["storage:snapshots:restore", "base", "first"],
    ] {
        let mut session = with_base(&[]);
        let is_snapshots = words[0].contains("snapshots");
        if is_snapshots {
            session.prepare(&["storage:snapshots:create", "base", "first"]);
        }
        session.host.write("disk/data", "of the disk");
        let place = if words[0].ends_with("snapshots:destroy") { SNAPSHOT } else { BASE };
        let target = session.host.expand(place);
        let before = fs::read_dir(&target).unwrap().count();
        session.host.mount_over(&[("disk", &format!("{target}/in"))]);
        let answer = session.call(words).run();
        assert!(session.host.path("disk/data").exists(), "{words:?}: {answer:?}");
        assert_eq!(fs::read_dir(&target).unwrap().count(), before, "{words:?}: {answer:?}");
        let is_told = answer.stdout.contains("mount") || answer.stderr.contains("mount");
        assert!(is_told, "{words:?}: {answer:?}");
    }
}
