//! What is mounted or looked through for a caller who does not see every app is judged at that moment: an app may have led it
//! elsewhere since.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::Session;
use crate::harness::{Answer, Running, stubs};
use crate::places::{DOCKER, container, entry, host, limit, mounted, volume};

/// Where Docker's stand-in notes what it is to run.
const RUNS: &str = "stub/runs";

/// Has Docker's stand-in run a line of shell first.
fn first(session: &Session, line: &str) {
    let text = DOCKER.replacen('\n', &format!("\n{line}\n"), 1);
    stubs::script(&session.host.path("stub/bin/docker"), &text);
}

/// A host whose Docker notes what it is to run, where somebody sees `beta` alone.
fn limited() -> Session {
    let session = host(&["alpha", "beta"]);
    first(&session, r#"[ "$1" != run ] || echo "$@" >>"$STUB_DIR/runs""#);
    session.host.make_directory("backups");
    session.destination("disk", "{ROOT}/backups");
    session.prepare(&["storage:connectors:set", "disk", "scope", "beta"]);
    limit(&session, "beta\n");
    session
}

/// Mounts `box/part` before there is such a directory, registers it as `kept`, and makes it a link by a clone. Returns the name
/// of the entry that is mounted.
fn led_to(target: &str, session: &Session) -> String {
    session.prepare(&["storage:create", "other"]);
    let link = session.host.path("lib/data/storage/other/part");
    symlink(session.host.expand(target), link).unwrap();
    session.prepare(&["storage:mount", "beta", "{LIB}/data/storage/box/part:/x"]);
    entry(session, "kept", "{LIB}/data/storage/box/part");
    see_every_app(session);
    session.prepare(&["storage:clone", "other", "box"]);
    limit(session, "beta\n");
    legacy(session)
}

fn legacy(session: &Session) -> String {
    let entries = fs::read_dir(session.host.path("lib/data/storage-registry/entries")).unwrap();
    let mut names = entries.map(|file| file.unwrap().file_name().into_string().unwrap());
    let name = names.find(|name| name.starts_with("legacy-")).unwrap();
    name.trim_end_matches(".json").to_owned()
}

fn see_every_app(session: &Session) {
    session.host.answer("user-auth-app", "alpha\nbeta\n");
}

fn call(session: &Session, words: &[&str]) -> Answer {
    session.call(words).run()
}

#[test]
fn no_command_around_a_backup_has_what_a_link_leads_to() {
    let session = limited();
    let mounted = led_to("/etc", &session);
    for entry in [&*mounted, "kept"] {
        for (property, value) in [
            ("backup-image", "alpine:3"),
            ("backup-before", "cat /data/shadow"),
            ("backup-after", "cat /data/shadow"),
        ] {
            session.prepare(&["storage:set", entry, property, value]);
        }
        // A schedule has no caller, and sees every app.
        for seen in ["beta\n", "alpha\nbeta\n"] {
            session.host.answer("user-auth-app", seen);
            let answer = call(&session, &["storage:backups:create", entry, "--to", "disk"]);
            let is_theirs = entry != "kept" || seen != "beta\n";
            let why = if is_theirs { "cannot run" } else { "not open to your apps" };
            assert!(answer.status == 1 && answer.stderr.contains(why), "{answer:?}");
            assert!(!answer.stderr.contains("/etc"), "{answer:?}");
            assert_eq!(session.host.read(&session.host.path(RUNS)), None);
        }
        session.host.answer("user-auth-app", "beta\n");
        let answer = call(&session, &["storage:doctor", entry]);
        assert!(answer.stdout.contains("cannot be mounted"), "{answer:?}");
        assert!(!answer.stdout.contains("/etc"), "{answer:?}");
    }
}

#[test]
fn a_command_around_a_backup_has_its_entry() {
    let session = limited();
    session.prepare(&["storage:create", "own"]);
    session.prepare(&["storage:mount", "beta", "own", "--container-dir", "/x"]);
    session.prepare(&["storage:set", "own", "backup-image", "alpine:3"]);
    session.prepare(&["storage:set", "own", "backup-before", "true"]);
    session.prepare(&["storage:backups:create", "own", "--to", "disk"]);
    let runs = session.host.read(&session.host.path(RUNS)).unwrap();
    assert!(runs.contains("/storage/own:/data"), "{runs}");
}

#[test]
fn no_command_around_a_backup_has_what_lies_in_what_an_app_can_write_to() {
    let session = limited();
    session.prepare(&["storage:create", "box"]);
    session.host.make_directory("lib/data/storage/box/part");
    session.prepare(&["storage:create", "inner", "{LIB}/data/storage/box/part"]);
    session.prepare(&["storage:set", "inner", "backup-image", "alpine:3"]);
    session.prepare(&["storage:set", "inner", "backup-before", "true"]);
    session.prepare(&["storage:mount", "beta", "box", "--container-dir", "/w"]);
    see_every_app(&session);
    let answer = call(&session, &["storage:backups:create", "inner", "--to", "disk"]);
    assert!(answer.status == 1 && answer.stderr.contains("cannot run"), "{answer:?}");
    assert_eq!(session.host.read(&session.host.path(RUNS)), None);
}

#[test]
fn what_a_link_leads_to_is_not_counted() {
    let session = limited();
    see_every_app(&session);
    session.prepare(&["storage:create", "secret"]);
    session.prepare(&["storage:mount", "alpha", "secret", "--container-dir", "/x"]);
    session.host.write("lib/data/storage/secret/large", vec![1; 300_000]);
    session.host.answer("user-auth-app", "beta\n");
    let mounted = led_to("{LIB}/data/storage/secret", &session);
    for words in [&["storage:usage", &mounted][..], &["storage:usage", "--app", "beta"]] {
        let answer = call(&session, &[words, &["--format", "json"]].concat());
        let rows: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        assert!(rows[0]["used"].is_null() && rows[0]["inodes"].is_null(), "{rows}");
    }
    let answer = call(&session, &["storage:doctor", "beta"]);
    assert!(answer.status == 1 && answer.stdout.contains("not-allowed"), "{answer:?}");
    assert!(!answer.stdout.contains("secret"), "{answer:?}");
}

#[test]
fn what_a_link_of_ones_own_leads_to_is_counted() {
    let session = limited();
    session.prepare(&["storage:create", "other"]);
    session.host.write("lib/data/storage/other/real/file", "one");
    session.host.write("lib/data/storage/third/file", "one");
    symlink("real", session.host.path("lib/data/storage/other/part")).unwrap();
    session.prepare(&["storage:mount", "beta", "{LIB}/data/storage/other/part:/x"]);
    session.prepare(&["storage:mount", "beta", "{LIB}/data/storage/third/file:/y"]);
    let answer = call(&session, &["storage:usage", "--app", "beta", "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let files = |end: &str| {
        let of = |row: &&serde_json::Value| row["path"].as_str().unwrap().ends_with(end);
        rows.as_array().unwrap().iter().find(of).unwrap()["inodes"].clone()
    };
    assert_eq!((files("/part"), files("/third/file")), (2.into(), 1.into()), "{rows}");
}

/// Has a program wait, once it is called like that, as where an image is pulled first: until `stub/holds` is gone.
const PULLS: &str = r#": >"$STUB_DIR/pulls"; while [ -e "$STUB_DIR/holds" ]; do sleep 0.02; done"#;

/// A host with `box`, in which there is `part`, whose Docker and scheduler pull images for as long as `stub/holds` is there.
fn pulling() -> Session {
    let session = limited();
    first(&session, &format!(r#"[ "$1" != run ] || {{ {PULLS}; }}"#));
    let plugn = format!(
        "#!/bin/sh\ncase $2 in scheduler-storage-exec) {PULLS} ;; *) cat \"$STUB_DIR/answers/$2\" ;; esac\n"
    );
    stubs::script(&session.host.path("stub/bin/plugn"), &plugn);
    session.prepare(&["storage:create", "box"]);
    session.host.make_directory("lib/data/storage/box/part");
    session.host.write("stub/holds", "");
    session
}

fn start(session: &Session, line: &str) -> Running {
    let running = session.host.start(line);
    while !session.host.path("stub/pulls").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    running
}

const PART: [&str; 3] = ["storage:mount", "beta", "{LIB}/data/storage/box/part:/x"];

fn is_led_away(session: &Session) {
    let answer = call(session, &PART);
    let why = "could lead Docker elsewhere";
    assert!(answer.status == 1 && answer.stderr.contains(why), "{answer:?}");
}

/// Whether Docker is to mount the part, rather than to refuse a container.
fn is_mounted(session: &Session) -> bool {
    let answer = call(session, &["docker-args-deploy", "beta", "latest"]);
    let is_mounted = answer.stdout.contains("/box/part:/x");
    assert!(is_mounted || answer.stderr.contains("can write to now"), "{answer:?}");
    is_mounted
}

#[test]
fn what_storage_exec_is_about_to_have_is_writable_already() {
    let session = pulling();
    let running = start(&session, "storage:exec box -- sh");
    is_led_away(&session);
    // Who sees every app may; what was judged before is judged once more when Docker is to mount it.
    see_every_app(&session);
    session.prepare(&PART);
    assert!(!is_mounted(&session));
    fs::remove_file(session.host.path("stub/holds")).unwrap();
    assert_eq!(running.finish().status, 0);
    assert!(is_mounted(&session));
    // It may go on without the command that started it.
    let mount = r#"{"Source": "{LIB}/data/storage/box", "Destination": "/data", "RW": true}"#;
    container(&session, "left", "", mount);
    assert!(!is_mounted(&session));
    fs::remove_file(session.host.path("stub/containers/left")).unwrap();
    assert!(is_mounted(&session));
}

#[test]
fn a_command_of_ones_own_that_is_in_the_way_is_called_what_it_is() {
    let session = pulling();
    let mount = r#"{"Source": "{LIB}/data/storage/box", "Destination": "/data", "RW": true}"#;
    session.prepare(&["storage:snapshots:create", "box", "one"]);
    let running = start(&session, "storage:exec box -- sh");
    container(&session, "odd_name", "", mount);
    let destroy = ["storage:destroy", "box", "--force", "--destroy-host-dir"];
    let restore = ["storage:snapshots:restore", "box", "one"];
    let stop = [&restore[..], &["--stop"]].concat();
    let is_said = |seen: &str, words: &[&str]| {
        session.host.answer("user-auth-app", seen);
        let answer = call(&session, words);
        let said = "a storage:exec of storage entry \"box\"";
        assert_eq!(answer.status, 1, "{seen:?} {words:?}: {answer:?}");
        assert!(answer.stderr.contains(said), "{seen:?} {words:?}: {answer:?}");
        assert!(!answer.stderr.contains("cannot see"), "{seen:?} {words:?}: {answer:?}");
    };
    is_said("beta\n", &restore);
    is_said("beta\n", &stop);
    session.host.answer("user-auth-app", "alpha\nbeta\n");
    session.prepare(&["storage:snapshots:destroy", "box", "one", "--force"]);
    is_said("beta\n", &destroy);
    is_said("alpha\nbeta\n", &destroy);
    // Nothing else is taken for it.
    fs::remove_file(session.host.path("stub/holds")).unwrap();
    running.finish();
    session.host.answer("user-auth-app", "beta\n");
    let answer = call(&session, &destroy);
    assert!(answer.stderr.contains("apps that you cannot see, or something of"), "{answer:?}");
}

#[test]
fn what_storage_exec_starts_counts_after_its_end() {
    let session = pulling();
    let running = start(&session, "storage:exec box -- sh");
    // The scheduler goes on.
    assert!(running.finish_within(Duration::from_millis(50)).is_none());
    is_led_away(&session);
    fs::remove_file(session.host.path("stub/holds")).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    session.prepare(&PART);
}

#[test]
fn what_who_sees_every_app_runs_keeps_nobody_from_a_deploy() {
    let session = pulling();
    see_every_app(&session);
    session.prepare(&PART);
    let running = start(&session, "storage:exec box -- sh");
    assert!(is_mounted(&session));
    fs::remove_file(session.host.path("stub/holds")).unwrap();
    assert_eq!(running.finish().status, 0);
}

#[test]
fn what_a_command_around_a_backup_is_about_to_have_is_writable_already() {
    let session = pulling();
    see_every_app(&session);
    session.prepare(&["storage:set", "box", "backup-image", "alpine:3"]);
    session.prepare(&["storage:set", "box", "backup-before", "true"]);
    let running = start(&session, "storage:backups:create box --to disk");
    session.host.answer("user-auth-app", "beta\n");
    is_led_away(&session);
    see_every_app(&session);
    session.prepare(&PART);
    assert!(!is_mounted(&session));
    fs::remove_file(session.host.path("stub/holds")).unwrap();
    let answer = running.finish();
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(is_mounted(&session));
}

#[test]
fn a_volume_that_is_being_restored_is_nobodys() {
    let session = pulling();
    // A restore is at work on the name that the label says; here it is what `storage:exec` is at work on.
    let text = r#"{"Name": "pg", "Driver": "local", "Mountpoint": "/var/lib/docker/volumes/pg/_data", "Options": {}, "Labels": {"org.dokku-storage.restored": "container box"}}"#;
    session.host.write("stub/volumes/pg", text);
    let running = start(&session, "storage:exec box -- sh");
    let mount = ["storage:mount", "beta", "pg:/x"];
    let create = ["storage:create", "mine", "pg"];
    for seen in ["beta\n", "alpha\nbeta\n"] {
        session.host.answer("user-auth-app", seen);
        for words in [&mount[..], &create, &[&create[..], &["--type", "volume"]].concat()] {
            let answer = call(&session, words);
            let why = "is being restored; try again";
            assert!(answer.status == 1 && answer.stderr.contains(why), "{words:?}: {answer:?}");
        }
    }
    // Somebody registered it before there was such a volume.
    entry(&session, "early", "pg");
    mounted(&session, "beta", "early", "");
    let answer = call(&session, &["docker-args-deploy", "beta", "latest"]);
    assert!(!answer.stdout.contains("pg:/x"), "{answer:?}");
    fs::remove_file(session.host.path("stub/holds")).unwrap();
    assert_eq!(running.finish().status, 0);
    let answer = call(&session, &["docker-args-deploy", "beta", "latest"]);
    assert!(answer.stdout.contains("pg:/x"), "{answer:?}");
    // What a restore that was killed has left may be of a backup of others.
    let registry = session.host.path("lib/data/storage-registry");
    fs::remove_file(registry.join("entries/early.json")).unwrap();
    session.host.write("lib/config/storage/beta/mounts", "");
    session.host.answer("user-auth-app", "beta\n");
    let answer = call(&session, &mount);
    let why = "may have been killed; only who may see every app";
    assert!(answer.status == 1 && answer.stderr.contains(why), "{answer:?}");
    see_every_app(&session);
    session.prepare(&mount);
}

/// An entry over the connector `nas`, as `storage:create` would write it.
const MEDIA: &str = r#"{"name":"media","scheduler":"docker-local","host_path":"media","type":"cifs","connector":"nas","options":{"share":"media/films"},"schema_version":1}"#;

/// Has somebody else mount an export and a share, as `docs` and `media`.
fn on_a_server() -> Session {
    let session = limited();
    see_every_app(&session);
    let connector = ["storage:connectors:create", "nas", "--type", "cifs", "--server", "nas"];
    let words = [&connector[..], &["--username", "anna"]].concat();
    let answer = session.call(&words).stdin("a password").run();
    assert_eq!(answer.status, 0, "{answer:?}");
    session.host.write("lib/data/storage-registry/entries/media.json", MEDIA);
    nfs(&session, "docs", "nas", "/alice");
    for name in ["docs", "media"] {
        session.prepare(&["storage:mount", "alpha", name, "--container-dir", &format!("/{name}")]);
    }
    session
}

fn nfs(session: &Session, name: &str, server: &str, path: &str) {
    let answer = try_nfs(session, name, server, path);
    assert_eq!(answer.status, 0, "{answer:?}");
}

fn try_nfs(session: &Session, name: &str, server: &str, path: &str) -> Answer {
    let (server, path) = (format!("server={server}"), format!("path={path}"));
    let words = ["storage:create", name, "--type", "nfs", "--option", &server, "--option", &path];
    call(session, &words)
}

fn try_volume(session: &Session, name: &str, kind: &str, device: &str, flags: &str) -> Answer {
    let options = [format!("type={kind}"), format!("device={device}"), format!("o={flags}")];
    let mut words = vec!["storage:create", name, "--type", "volume"];
    words.extend(options.iter().flat_map(|option| ["--option", option]));
    call(session, &words)
}

#[test]
fn what_others_have_on_a_server_is_theirs_by_every_name() {
    let session = on_a_server();
    session.host.answer("user-auth-app", "beta\n");
    let is_refused = |answer: &Answer| answer.status == 1 && answer.stderr.contains("cannot see");
    for (server, path) in
        [("nas", "/alice"), ("NAS", "//alice/."), ("nas", "/"), ("nas", "/alice/a")]
    {
        let answer = try_nfs(&session, "mine", server, path);
        assert!(is_refused(&answer), "{server} {path}: {answer:?}");
    }
    for (kind, device, flags) in [
        ("nfs4", ":/alice", "addr=nas,rw"),
        ("nfs", "nas:/", "addr=10.0.0.1"),
        ("cifs", "//nas/Media", "username=bob,password=x"),
    ] {
        let answer = try_volume(&session, "mine", kind, device, flags);
        assert!(is_refused(&answer), "{device}: {answer:?}");
        let options = format!(r#"{{"type": "{kind}", "device": "{device}", "o": "{flags}"}}"#);
        volume(&session, "by-hand", &options);
        let answer = call(&session, &["storage:mount", "beta", "by-hand:/x"]);
        assert!(is_refused(&answer), "{device}: {answer:?}");
        fs::remove_file(session.host.path("stub/volumes/by-hand")).unwrap();
    }
    see_every_app(&session);
    session.prepare(&["storage:policy:set", "volume-options", "deny"]);
    session.host.answer("user-auth-app", "beta\n");
    let answer = try_nfs(&session, "mine", "nas", "/bob");
    assert!(answer.status == 1 && answer.stderr.contains("every app"), "{answer:?}");
    see_every_app(&session);
    session.prepare(&["storage:policy:set", "volume-options", "safe"]);
    session.host.answer("user-auth-app", "beta\n");
    nfs(&session, "mine", "nas", "/bob");
    session.prepare(&["storage:mount", "beta", "mine", "--container-dir", "/y"]);
    let answer = try_volume(&session, "music", "cifs", "//nas/media/music", "username=bob");
    assert_eq!(answer.status, 0, "{answer:?}");
}

#[test]
fn what_was_registered_before_others_had_it_is_judged_when_it_is_mounted() {
    let session = on_a_server();
    entry(&session, "mine", "mine");
    let file = "lib/data/storage-registry/entries/mine.json";
    let text = session.host.read(&session.host.path(file)).unwrap();
    let typed = r#""type":"nfs","options":{"server":"nas","path":"/"},"schema"#;
    session.host.write(file, text.replace(r#""schema"#, typed));
    let mount = ["storage:mount", "beta", "mine", "--container-dir", "/x"];
    session.host.answer("user-auth-app", "beta\n");
    assert_eq!(call(&session, &mount).status, 1);
    see_every_app(&session);
    session.prepare(&mount);
    let answer = call(&session, &["storage:doctor", "docs"]);
    assert!(answer.stdout.contains("beta mounts mine at /x"), "{answer:?}");
    // Nobody's data goes with the volume.
    session.prepare(&["storage:unmount", "alpha", "docs", "--container-dir", "/docs"]);
    session.prepare(&["storage:destroy", "docs", "--force"]);
}

#[test]
fn a_scope_and_an_exclusive_entry_hold_on_a_server() {
    let session = on_a_server();
    let file = session.host.path("lib/plugins/enabled/acl/user-auth-app");
    fs::remove_file(file).unwrap();
    nfs(&session, "mine", "nas", "/alice/a");
    let mount = ["storage:mount", "beta", "mine", "--container-dir", "/x"];
    for (property, value, why) in
        [("scope", "alpha", "which is for alpha only"), ("exclusive", "true", "is exclusive")]
    {
        session.prepare(&["storage:set", "docs", property, value]);
        let answer = call(&session, &mount);
        assert!(answer.status == 1 && answer.stderr.contains(why), "{property}: {answer:?}");
        session.prepare(&[
            "storage:set",
            "docs",
            property,
            if value == "true" { "false" } else { "" },
        ]);
    }
    session.prepare(&mount);
    for (property, value) in [("scope", "alpha"), ("exclusive", "true")] {
        let answer = call(&session, &["storage:set", "docs", property, value]);
        assert!(answer.status == 1 && answer.stderr.contains("beta"), "{property}: {answer:?}");
    }
}

#[test]
fn nothing_is_put_around_what_is_mounted() {
    let session = limited();
    session.prepare(&["storage:create", "other"]);
    symlink("/etc", session.host.path("lib/data/storage/other/part")).unwrap();
    session.prepare(&["storage:create", "gone"]);
    session.prepare(&["storage:destroy", "gone", "--force", "--destroy-host-dir"]);
    for name in ["box", "gone"] {
        let mount = format!("{{LIB}}/data/storage/{name}/part:/{name}");
        session.prepare(&["storage:mount", "beta", &mount]);
    }
    let calls: [&[&str]; 2] =
        [&["storage:clone", "other", "box"], &["storage:trash:restore", "gone"]];
    for (words, name) in calls.iter().zip(["box", "gone"]) {
        let answer = call(&session, words);
        let is_told = answer.stderr.contains("unmount what is in it first");
        assert!(answer.status == 1 && is_told, "{answer:?}");
        assert!(!session.host.path(&format!("lib/data/storage/{name}")).exists());
        let mount = format!("{{LIB}}/data/storage/{name}/part:/{name}");
        session.prepare(&["storage:unmount", "beta", &mount]);
        session.prepare(words);
    }
}

/// What Docker's stand-in does for an image that it has to get first: meanwhile a directory becomes a link.
const LINKS: &str = r#"
case "$1 $2" in
  "image inspect") exit 1 ;;
  pull*) rmdir "$STUB_DIR/../lib/data/storage/box/part" && ln -s /etc "$STUB_DIR/../lib/data/storage/box/part"; exit 0 ;;
  run*) echo "$@" >>"$STUB_DIR/runs" ;;
esac"#;

#[test]
fn an_image_is_there_before_anything_is_judged() {
    for words in [&["storage:exec", "NAME", "--", "ls"][..], &["storage:backups:create", "NAME"]] {
        let session = limited();
        session.host.make_directory("lib/data/storage/box/part");
        session.prepare(&["storage:mount", "beta", "{LIB}/data/storage/box/part:/x"]);
        let name = legacy(&session);
        session.prepare(&["storage:set", &name, "backup-image", "alpine:3"]);
        session.prepare(&["storage:set", &name, "backup-before", "true"]);
        first(&session, LINKS);
        let words: Vec<&str> =
            words.iter().map(|word| if *word == "NAME" { &*name } else { word }).collect();
        let answer = call(&session, &words);
        assert_eq!(answer.status, 1, "{words:?}: {answer:?}");
        assert!(answer.fired.iter().all(|fired| fired.name != "scheduler-storage-exec"));
        assert_eq!(session.host.read(&session.host.path(RUNS)), None, "{answer:?}");
    }
}

#[test]
fn no_command_around_a_backup_has_a_path_that_docker_would_make() {
    let session = limited();
    session.prepare(&["storage:mount", "beta", "{LIB}/data/storage/box/part:/x"]);
    let name = legacy(&session);
    session.prepare(&["storage:set", &name, "backup-image", "alpine:3"]);
    session.prepare(&["storage:set", &name, "backup-before", "true"]);
    let answer = call(&session, &["storage:backups:create", &name, "--to", "disk"]);
    assert!(answer.status == 1 && answer.stderr.contains("does not exist"), "{answer:?}");
    assert_eq!(session.host.read(&session.host.path(RUNS)), None, "{answer:?}");
}

#[test]
fn nothing_is_put_around_what_docker_is_about_to_mount() {
    let session = limited();
    session.prepare(&["storage:create", "other"]);
    symlink("/etc", session.host.path("lib/data/storage/other/part")).unwrap();
    let mount = "{LIB}/data/storage/box/part:/x";
    session.prepare(&["storage:mount", "beta", mount]);
    session.host.make_directory("lib/data/storage/box/part");
    session.prepare(&["docker-args-deploy", "beta", "latest", "web"]);
    session.prepare(&["storage:unmount", "beta", mount]);
    for directory in ["box/part", "box"] {
        fs::remove_dir(session.host.path(&format!("lib/data/storage/{directory}"))).unwrap();
    }
    let answer = call(&session, &["storage:clone", "other", "box"]);
    assert!(answer.stderr.contains("a deploy may still mount a part of"), "{answer:?}");
    assert!(!session.host.path("lib/data/storage/box").exists());
    // What did not come by then does not come any more, and goes with the next one.
    let noted = session.host.path("lib/data/storage-registry/.mounting");
    let link = fs::read_dir(&noted).unwrap().next().unwrap().unwrap().path();
    // Dokku's own plugin follows whatever link is in the registry, and changes owner and mode of what it leads to.
    assert!(link.is_file() && !link.is_symlink(), "{link:?}");
    let ends = fs::symlink_metadata(&link).unwrap().modified().unwrap();
    // Whatever the clock is set to meanwhile.
    let since_start = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let now = SystemTime::UNIX_EPOCH + Duration::try_from(since_start).unwrap();
    assert!(ends > now + Duration::from_secs(250) && ends <= now + Duration::from_secs(300));
    // What an older version noted, as a link, counts too, and the next install writes it as a file.
    let path = fs::read_to_string(&link).unwrap();
    let touched = |how: &[&std::ffi::OsStr], path: &std::path::Path| {
        assert_cmd::Command::new("touch").args(how).arg(path).assert().success();
    };
    let copy = link.with_extension("copy");
    fs::rename(&link, &copy).unwrap();
    symlink(&path, &link).unwrap();
    touched(&["-h".as_ref(), "-r".as_ref(), copy.as_os_str()], &link);
    fs::remove_file(&copy).unwrap();
    let answer = call(&session, &["storage:clone", "other", "box"]);
    assert!(answer.stderr.contains("a deploy may still mount a part of"), "{answer:?}");
    session.prepare(&["install"]);
    assert!(link.is_file() && !link.is_symlink(), "{link:?}");
    assert_eq!(fs::read_to_string(&link).unwrap(), path);
    assert_eq!(fs::symlink_metadata(&link).unwrap().modified().unwrap(), ends);
    let past = ["-h", "-d", "1 second ago"];
    assert_cmd::Command::new("touch").args(past).arg(&link).assert().success();
    session.prepare(&["storage:clone", "other", "box"]);
    session.prepare(&["storage:create", "own"]);
    session.host.make_directory("lib/data/storage/own/part");
    session.prepare(&["storage:mount", "beta", "own", "--container-dir", "/y"]);
    session.prepare(&["docker-args-deploy", "beta", "latest", "web"]);
    let left: Vec<_> = fs::read_dir(&noted).unwrap().map(|link| link.unwrap().path()).collect();
    assert!(left.len() == 1 && left[0] != link, "{left:?}");
    session.prepare(&["storage:unmount", "beta", "own", "--container-dir", "/y"]);
    let subpath =
        ["storage:mount", "beta", "own", "--container-dir", "/y", "--volume-subpath", "part"];
    // Its container may come yet, and could make the part a link.
    let answer = call(&session, &subpath);
    let told = "lies in something that is mounted writable";
    assert!(answer.status == 1 && answer.stderr.contains(told), "{answer:?}");
    assert_cmd::Command::new("touch").args(past).arg(&left[0]).assert().success();
    session.prepare(&subpath);
}

#[test]
fn nothing_is_put_around_what_a_container_has_that_does_not_run() {
    let session = limited();
    session.prepare(&["storage:create", "other"]);
    let mount = r#"{"Source": "{LIB}/data/storage/box/part", "Destination": "/x", "RW": false}"#;
    container(&session, "beta.web.1.stopped", "beta", mount);
    let answer = call(&session, &["storage:clone", "other", "box"]);
    let told = "the container beta.web.1.stopped of beta has a part of";
    assert!(answer.status == 1 && answer.stderr.contains(told), "{answer:?}");
    assert!(!session.host.path("lib/data/storage/box").exists());
    session.host.write("stub/silent", "");
    let answer = call(&session, &["storage:clone", "other", "box"]);
    assert!(answer.stderr.contains("Docker does not say"), "{answer:?}");
    see_every_app(&session);
    session.prepare(&["storage:clone", "other", "box"]);
}

#[test]
fn what_holds_something_that_docker_is_about_to_mount_is_not_mounted() {
    let session = limited();
    session.prepare(&["storage:create", "own"]);
    session.host.make_directory("lib/data/storage/own/part");
    let mount = ["storage:mount", "beta", "own", "--container-dir", "/y"];
    session.prepare(&[&mount[..], &["--volume-subpath", "part", "--phase", "build"]].concat());
    session.prepare(&["docker-args-build", "beta", "pack"]);
    session.prepare(&["storage:unmount", "beta", "own", "--container-dir", "/y"]);
    let answer = call(&session, &mount);
    assert!(answer.status == 1 && answer.stderr.contains("holds something that"), "{answer:?}");
    session.prepare(&[&mount[..], &["--volume-readonly"]].concat());
}

#[test]
fn what_is_mounted_is_judged_once_more_after_a_container_has_stopped_for_it() {
    let session = limited();
    session.prepare(&["storage:create", "own"]);
    session.prepare(&["storage:create", "one"]);
    session.prepare(&["storage:set", "one", "exclusive", "true"]);
    session.prepare(&["storage:mount", "beta", "one", "--container-dir", "/one"]);
    session.host.make_directory("lib/data/storage/own/part");
    let part =
        ["storage:mount", "beta", "own", "--container-dir", "/y", "--volume-subpath", "part"];
    session.prepare(&part);
    let mount = r#"{"Source": "{LIB}/data/storage/one", "Destination": "/one", "RW": true}"#;
    container(&session, "beta.web.1", "beta", mount);
    let led = r#"[ "$1" != stop ] || { rm "$STUB_DIR/containers/beta.web.1"; rmdir "$STUB_DIR/../lib/data/storage/own/part"; ln -s /etc "$STUB_DIR/../lib/data/storage/own/part"; }"#;
    first(&session, led);
    let answer = call(&session, &["docker-args-deploy", "beta", "latest", "web", "1"]);
    let told = answer.stderr.contains("leads out of storage entry \"own\"");
    assert!(answer.status == 1 && told && answer.stdout.is_empty(), "{answer:?}");
}

#[test]
fn a_link_in_what_an_app_can_write_to_is_nobodys_way_to_a_mount() {
    let session = limited();
    for name in ["box", "other"] {
        session.prepare(&["storage:create", name]);
    }
    session.host.make_directory("lib/data/storage/box/part");
    let [to_other, to_box] = ["lib/data/storage/box/part/link", "lib/data/storage/other/link"];
    symlink(session.host.path("lib/data/storage/other"), session.host.path(to_other)).unwrap();
    symlink(session.host.path("lib/data/storage/box/part"), session.host.path(to_box)).unwrap();
    session.prepare(&["storage:mount", "beta", "box", "--container-dir", "/data"]);
    // Where they lead is the caller's, and the app can have them lead elsewhere.
    let linked = "{LIB}/data/storage/box/part/link:/x";
    for words in [
        &["storage:mount", "beta", linked][..],
        &["storage:mount", "beta", "{LIB}/data/storage/other/link:/x"],
        &[
            "storage:mount",
            "beta",
            "box",
            "--container-dir",
            "/x",
            "--volume-subpath",
            "part/link/y",
        ],
    ] {
        let answer = call(&session, words);
        let told = answer.stderr.contains("lies in something that is mounted writable")
            || answer.stderr.contains("leads out of storage entry");
        assert!(answer.status == 1 && told, "{words:?}: {answer:?}");
    }
    session.prepare(&["storage:unmount", "beta", "box", "--container-dir", "/data"]);
    session.prepare(&["storage:mount", "beta", linked]);
    let answer = call(&session, &["storage:mount", "beta", "box", "--container-dir", "/data"]);
    assert!(answer.status == 1 && answer.stderr.contains("holds something that"), "{answer:?}");
    entry(&session, "kept", "{LIB}/data/storage/box/part/link");
    let answer = call(&session, &["storage:exec", "box", "--image", "alpine:3", "--", "ls"]);
    assert!(answer.status == 1 && answer.stderr.contains("holds something that"), "{answer:?}");
}

#[test]
fn a_part_that_becomes_a_link_and_back_is_not_mounted_beside_what_holds_it() {
    let session = limited();
    session.prepare(&["storage:create", "box"]);
    session.prepare(&["storage:mount", "beta", "box", "--container-dir", "/data"]);
    session.host.make_directory("lib/data/storage/box/part");
    let link = session.host.path("lib/data/storage/box/part/link");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                fs::create_dir(&link).unwrap();
                std::thread::sleep(Duration::from_micros(300));
                fs::remove_dir(&link).unwrap();
                symlink("/etc", &link).unwrap();
                std::thread::sleep(Duration::from_micros(300));
                fs::remove_file(&link).unwrap();
            }
        });
        for _ in 0..100 {
            let part = ["--container-dir", "/x", "--volume-subpath", "part/link"];
            let answer = call(&session, &[&["storage:mount", "beta", "box"], &part[..]].concat());
            if answer.status == 0 {
                is_over.store(true, Ordering::Relaxed);
            }
            assert_eq!(answer.status, 1, "{answer:?}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn the_labels_of_an_image_make_no_container_an_apps() {
    let session = limited();
    session.prepare(&["storage:create", "own"]);
    session.prepare(&["storage:mount", "beta", "own", "--container-dir", "/own"]);
    session.prepare(&["storage:set", "own", "backup-before", "true"]);
    let mount = r#"{"Source": "{LIB}/data/storage/own", "Destination": "/data", "RW": true}"#;
    // As Docker calls what storage:exec starts.
    container(&session, "quirky_curie", "beta", mount);
    let answer = call(&session, &["storage:backups:create", "own", "--to", "disk"]);
    assert!(answer.stderr.contains("has no running container to run in"), "{answer:?}");
    container(&session, "beta.web.1", "beta", mount);
    session.prepare(&["storage:backups:create", "own", "--to", "disk"]);
}

#[test]
fn a_copy_is_for_the_apps_that_have_its_original() {
    let session = limited();
    see_every_app(&session);
    session.prepare(&["storage:create", "box"]);
    session.prepare(&["storage:mount", "alpha", "box", "--container-dir", "/x"]);
    session.prepare(&["storage:snapshots:create", "box", "s"]);
    session.prepare(&["storage:backups:create", "box", "--to", "disk"]);
    let ways: [&[&str]; 4] = [
        &["storage:clone", "box", "copy"],
        &["storage:create", "copy", "--from", "snapshot:box@s"],
        &["storage:create", "copy", "--from", "backup:box@latest"],
        &["storage:backups:restore", "box@latest", "--as", "copy"],
    ];
    for way in ways {
        see_every_app(&session);
        let answer = call(&session, way);
        let told = "It is for alpha, as its original is; for others too: dokku storage:set copy scope alpha,APP";
        assert!(answer.status == 0 && answer.stdout.contains(told), "{way:?}: {answer:?}");
        let answer = call(&session, &["storage:mount", "beta", "copy", "--container-dir", "/y"]);
        assert!(answer.stderr.contains("to let it in: dokku storage:set copy scope alpha,beta"));
        limit(&session, "beta\n");
        for line in [
            &["storage:info", "copy"][..],
            &["storage:mount", "beta", "copy", "--container-dir", "/y"],
            &["storage:destroy", "copy", "--force", "--destroy-host-dir"],
            &["storage:exec", "copy", "--", "true"],
        ] {
            let answer = call(&session, line);
            let is_hidden = answer.status == 1 && answer.stderr.contains("does not exist");
            assert!(is_hidden, "{way:?}, {line:?}: {answer:?}");
        }
        limit(&session, "alpha\n");
        session.prepare(&["storage:mount", "alpha", "copy", "--container-dir", "/y"]);
        session.prepare(&["storage:unmount", "alpha", "copy", "--container-dir", "/y"]);
        session.prepare(&[
            "storage:destroy",
            "copy",
            "--force",
            "--destroy-host-dir",
            "--no-trash",
        ]);
    }
}
