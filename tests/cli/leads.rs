//! Where paths lead: by links that an app makes after it was looked, and by directories that are mounted at several places.

use std::fs;
use std::os::unix::fs::symlink;

use crate::Session;
use crate::harness::{Answer, as_root};
use crate::places::{container, host, limit, volume};

fn is_refused(session: &Session, words: &[&str], why: &str) {
    let answer = session.call(words).run();
    assert!(answer.status == 1 && answer.stderr.contains(why), "{words:?}: {answer:?}");
}

fn flags_of_a_deploy(session: &Session, app: &str) -> Answer {
    session.call(&["docker-args-deploy", app, "latest"]).run()
}

#[test]
fn a_link_that_an_app_makes_leads_to_nothing_of_the_hosts() {
    for is_limited in [false, true] {
        for target in ["/etc", "/", "/run/docker.sock", "/var/lib/docker", "{ROOT}/home", "{LIB}"] {
            let session = host(&["alpha", "beta"]);
            session.prepare(&["storage:create", "box"]);
            session.prepare(&["storage:mount", "beta", "box", "--container-dir", "/w"]);
            let part = session.host.path("lib/data/storage/box/part");
            fs::create_dir(&part).unwrap();
            session.prepare(&["storage:mount", "beta", "{LIB}/data/storage/box/part:/v"]);
            if is_limited {
                limit(&session, "beta\n");
            }
            let answer = flags_of_a_deploy(&session, "beta");
            assert!(answer.stdout.contains("box/part:/v"), "{answer:?}");
            fs::remove_dir(&part).unwrap();
            symlink(session.host.expand(target), &part).unwrap();
            let answer =
                session.call(&["pre-release-builder", "herokuish", "beta", "dokku/beta"]).run();
            assert!(answer.status == 1, "{target}: {answer:?}");
            let answer = flags_of_a_deploy(&session, "beta");
            assert!(!answer.stdout.contains("box/part:/v"), "{target}: {answer:?}");
        }
    }
}

#[test]
fn a_link_of_the_operators_is_followed() {
    let session = host(&["alpha"]);
    session.host.make_directory("disk/big");
    session.host.make_directory("lib/data/storage");
    symlink(session.host.path("disk/big"), session.host.path("lib/data/storage/big")).unwrap();
    session.prepare(&["storage:mount", "alpha", "{LIB}/data/storage/big:/x"]);
    limit(&session, "alpha\n");
    let answer = flags_of_a_deploy(&session, "alpha");
    assert!(answer.stdout.contains("/storage/big:/x"), "{answer:?}");
}

/// A host whose storage root is also at `/mnt`.
fn with_binds() -> Session {
    let mut session = host(&["alpha", "beta"]);
    session.host.make_directory("lib/data/storage");
    session.host.mount_over(&[("lib/data/storage", "/mnt")]);
    session.prepare(&["storage:create", "secret"]);
    session.prepare(&["storage:mount", "alpha", "secret", "--container-dir", "/x"]);
    session.host.write("lib/data/storage/secret/file", "secret");
    session
}

#[test]
fn a_directory_that_is_mounted_elsewhere_is_the_same() {
    if !as_root("a directory that is mounted at two places") {
        return;
    }
    let session = with_binds();
    is_refused(
        &session,
        &["storage:destroy", "secret", "--destroy-host-dir", "--force"],
        "still mounted",
    );
    session.prepare(&["storage:snapshots:create", "secret", "first"]);
    let bound =
        r#"{"Type": "bind", "Source": "/mnt/secret/in", "Destination": "/data", "RW": true}"#;
    container(&session, "one", "", bound);
    let restore = ["storage:snapshots:restore", "secret", "first"];
    is_refused(&session, &restore, "mounted in running containers: one");
    fs::remove_file(session.host.path("stub/containers/one")).unwrap();
    volume(&session, "led", r#"{"type": "none", "o": "bind", "device": "/mnt/secret"}"#);
    limit(&session, "beta\n");
    let mine = ["storage:create", "mine"];
    for words in [
        &["storage:mount", "beta", "/mnt/secret:/y"][..],
        &["storage:mount", "beta", "/mnt/secret/file:/y"],
        &["storage:mount", "beta", "led:/y"],
        &[&mine[..], &["/mnt/secret"]].concat(),
        &[&mine[..], &["--from", "dir:/mnt/secret"]].concat(),
        &[&mine[..], &["--type", "file", "--from", "/mnt/secret/file"]].concat(),
        &[&mine[..], &["--type", "volume", "--option", "o=bind", "--option", "device=/mnt/secret"]]
            .concat(),
    ] {
        is_refused(&session, words, "cannot see");
    }
    session.prepare(&["storage:create", "own"]);
    session.prepare(&["storage:mount", "beta", "/mnt/own:/y"]);
}

#[test]
fn a_scope_and_an_exclusive_entry_hold_wherever_they_are_mounted() {
    if !as_root("a directory that is mounted at two places") {
        return;
    }
    let session = with_binds();
    session.prepare(&["storage:set", "secret", "scope", "alpha"]);
    is_refused(&session, &["storage:mount", "beta", "/mnt/secret:/y"], "which is for alpha only");
    session.prepare(&["storage:set", "secret", "scope", ""]);
    session.prepare(&["storage:set", "secret", "exclusive", "true"]);
    is_refused(&session, &["storage:mount", "beta", "/mnt/secret:/y"], "exclusive");
    session.prepare(&["storage:set", "secret", "exclusive", "false"]);
    session.prepare(&["storage:mount", "beta", "/mnt/secret:/y"]);
    session.prepare(&["storage:unmount", "alpha", "secret", "--container-dir", "/x"]);
    let destroy = ["storage:destroy", "secret", "--destroy-host-dir", "--force"];
    is_refused(&session, &destroy, "beta mounts /mnt/secret at /y");
    let unused = session.call(&["storage:prune"]).run();
    assert!(unused.stdout.contains("Left alone: entry secret, since beta mounts"), "{unused:?}");
}

#[test]
fn the_hosts_own_is_so_wherever_it_is_mounted() {
    if !as_root("a directory that is mounted at two places") {
        return;
    }
    let mut session = host(&["alpha", "beta"]);
    session.host.make_directory("real/etc");
    session.host.mount_over(&[("real", "/srv"), ("/etc", "/mnt"), ("/etc", "/srv/etc")]);
    limit(&session, "beta\n");
    session.prepare(&["storage:mount", "beta", "/srv/data:/x"]);
    let hosts = ["/mnt/ssl", "/srv", "/mnt", "/home/somebody", "/opt/tool", "/swapfile", "/tmp/x"];
    for path in hosts {
        is_refused(&session, &["storage:mount", "beta", &format!("{path}:/y")], "every app");
    }
    session.host.answer("user-auth-app", "alpha\nbeta\n");
    session.prepare(&["storage:policy:set", "allowed-paths", "/srv"]);
    session.host.answer("user-auth-app", "beta\n");
    is_refused(&session, &["storage:mount", "beta", "/srv/etc/ssl:/y"], "every app");
    session.host.answer("user-auth-app", "alpha\nbeta\n");
    session.prepare(&["storage:mount", "beta", "/srv/etc/ssl:/y"]);
}

#[test]
fn what_is_mounted_in_the_hosts_own_is_the_hosts() {
    if !as_root("a directory that is mounted at two places") {
        return;
    }
    let mut session = host(&["alpha", "beta"]);
    session.host.mount_over(&[("real", "/etc/ssl")]);
    session.prepare(&["storage:create", "keys", "/etc/ssl/keys"]);
    limit(&session, "beta\n");
    is_refused(&session, &["storage:mount", "beta", "keys", "--container-dir", "/x"], "every app");
}

#[test]
fn a_limited_caller_mounts_nothing_that_an_app_could_lead_elsewhere() {
    let why = "could lead Docker elsewhere";
    let session = host(&["alpha", "beta"]);
    limit(&session, "beta\n");
    for name in ["box", "other"] {
        session.prepare(&["storage:create", name]);
        session.host.make_directory(&format!("lib/data/storage/{name}/part"));
    }
    let part = "{LIB}/data/storage/box/part:/v";
    let subpath =
        ["storage:mount", "beta", "box", "--container-dir", "/v", "--volume-subpath", "part"];
    session.prepare(&["storage:mount", "beta", "box", "--container-dir", "/w"]);
    is_refused(&session, &["storage:mount", "beta", part], why);
    is_refused(&session, &subpath, why);
    session.prepare(&["storage:unmount", "beta", "box", "--container-dir", "/w"]);
    // A container from before still has it.
    let bound =
        r#"{"Type": "bind", "Source": "{LIB}/data/storage/box", "Destination": "/w", "RW": true}"#;
    container(&session, "beta.web.1", "beta", bound);
    is_refused(&session, &["storage:mount", "beta", part], why);
    fs::remove_file(session.host.path("stub/containers/beta.web.1")).unwrap();
    session.prepare(&subpath);
    is_refused(&session, &["storage:mount", "beta", "box", "--container-dir", "/w"], why);
    is_refused(&session, &["storage:exec", "box", "--", "ls"], why);
    session.prepare(&["storage:snapshots:create", "box", "first"]);
    is_refused(&session, &["storage:snapshots:restore", "box", "first"], why);
    session.prepare(&[
        "storage:mount",
        "beta",
        "box",
        "--container-dir",
        "/w",
        "--volume-readonly",
    ]);
    let both = ["other:/a", "{LIB}/data/storage/other/part:/b"];
    let together = [&["storage:mount", "--replace", "beta"][..], &both].concat();
    is_refused(&session, &together, why);
    session.host.answer("user-auth-app", "alpha\nbeta\n");
    session.prepare(&together);
}

#[test]
fn a_limited_caller_writes_to_nothing_that_holds_what_is_mounted() {
    let why = "could lead Docker elsewhere";
    let session = host(&["alpha", "beta"]);
    limit(&session, "beta\n");
    session.prepare(&["storage:create", "box"]);
    session.host.make_directory("lib/data/storage/box/part");
    session.prepare(&["storage:snapshots:create", "box", "first"]);
    session.prepare(&["storage:create", "inner", "{LIB}/data/storage/box/part"]);
    session.prepare(&["storage:mount", "beta", "inner", "--container-dir", "/v"]);
    let (exec, restore) =
        (["storage:exec", "box", "--", "ls"], ["storage:snapshots:restore", "box", "first"]);
    is_refused(&session, &exec, why);
    is_refused(&session, &restore, "is in use");
    session.prepare(&["storage:unmount", "beta", "inner", "--container-dir", "/v"]);
    // A program of the host that has all of it is in nobody's way.
    let wide = r#"{"Type": "bind", "Source": "/", "Destination": "/host", "RW": true}"#;
    container(&session, "one", "", wide);
    let mount = ["storage:mount", "beta", "inner", "--container-dir", "/v"];
    session.prepare(&mount);
    session.prepare(&["storage:unmount", "beta", "inner", "--container-dir", "/v"]);
    // One that storage:exec started.
    let bound = r#"{"Type": "bind", "Source": "{LIB}/data/storage/box", "Destination": "/data", "RW": true}"#;
    container(&session, "one", "", bound);
    is_refused(&session, &mount, why);
    is_refused(&session, &["storage:exec", "inner", "--", "ls"], why);
    fs::remove_file(session.host.path("stub/containers/one")).unwrap();
    let device = format!("device={}", session.host.path("lib/data/storage/box/part").display());
    let words = ["storage:create", "led", "--type", "volume", "--option", "type=none"];
    session.prepare(&[&words[..], &["--option", "o=bind", "--option", &device]].concat());
    session.prepare(&["storage:mount", "beta", "box", "--container-dir", "/w"]);
    is_refused(&session, &["storage:mount", "beta", "led", "--container-dir", "/v"], why);
    session.host.answer("user-auth-app", "alpha\nbeta\n");
    session.prepare(&["storage:mount", "beta", "led", "--container-dir", "/v"]);
}

#[test]
fn an_entry_that_an_operator_made_is_for_whom_it_is() {
    let session = host(&["alpha", "beta"]);
    for (name, path) in [("data", "/data/of-all"), ("home", "/home/of/all"), ("etc", "/etc/ssl")] {
        session.prepare(&["storage:create", name, path]);
    }
    limit(&session, "beta\n");
    session.prepare(&["storage:mount", "beta", "data", "--container-dir", "/x"]);
    session.prepare(&["storage:mount", "beta", "home", "--container-dir", "/y"]);
    is_refused(&session, &["storage:mount", "beta", "etc", "--container-dir", "/z"], "every app");
    is_refused(&session, &["storage:mount", "beta", "/data/other:/z"], "every app");
}

#[test]
fn an_app_that_runs_is_given_nothing_of_another() {
    for trigger in ["post-app-clone-setup", "post-app-rename-setup"] {
        let session = host(&["alpha", "beta"]);
        session.prepare(&["storage:create", "mine"]);
        session.prepare(&["storage:mount", "beta", "mine", "--container-dir", "/app"]);
        container(&session, "alpha.web.1", "alpha", "");
        is_refused(&session, &[trigger, "beta", "alpha"], "alpha is there already");
        assert!(flags_of_a_deploy(&session, "alpha").stdout.is_empty());
    }
}

#[test]
fn where_backups_are_is_for_who_sees_every_app() {
    let session = host(&["alpha", "beta"]);
    session.destination("disk", "/mnt/backups/of-all");
    limit(&session, "beta\n");
    for path in ["/mnt/backups/of-all", "/mnt/backups/of-all/data", "/mnt/backups"] {
        let create = ["storage:create", "mine", path];
        is_refused(&session, &["storage:mount", "beta", &format!("{path}:/y")], "every app");
        is_refused(&session, &create, "every app");
        is_refused(&session, &["storage:create", "mine", "--from", &format!("dir:{path}")], "");
    }
    session.prepare(&["storage:mount", "beta", "/mnt/backups/of-beta:/y"]);
    session.host.answer("user-auth-app", "alpha\nbeta\n");
    session.prepare(&["storage:mount", "beta", "/mnt/backups/of-all:/z"]);
}

#[test]
fn whether_there_is_an_app_takes_the_same_to_answer() {
    let session = host(&["alpha", "beta"]);
    limit(&session, "beta\n");
    let [hidden, missing] = ["alpha", "gamma"].map(|app| {
        let answer = session.call(&["storage:list", app]).run();
        (answer.status, answer.fired.len())
    });
    assert_eq!(hidden, missing);
}

#[test]
fn paths_that_are_written_together_are_told_apart() {
    let session = host(&["alpha"]);
    let both = ["storage:policy:set", "allowed-paths", "/srv/a,/srv/b"];
    is_refused(&session, &both, "allowed-paths /srv/a /srv/b");
}

/// The name of a colon mount's entry is short: another path can have the same, as can be found by trying many.
#[test]
fn a_path_with_the_short_name_of_another_mounts_itself_alone() {
    let session = host(&["alpha", "beta"]);
    session.host.make_directory("lib/data/storage/secret");
    session.host.make_directory("lib/data/storage/found");
    session.prepare(&["storage:mount", "alpha", "{LIB}/data/storage/found:/x"]);
    let entries = session.host.path("lib/data/storage-registry/entries");
    for file in fs::read_dir(entries).unwrap() {
        let file = file.unwrap().path();
        let text = fs::read_to_string(&file).unwrap().replace("storage/found", "storage/secret");
        fs::write(file, text).unwrap();
    }
    for is_limited in [false, true] {
        if is_limited {
            limit(&session, "beta\n");
        }
        let found = "{LIB}/data/storage/found";
        for words in [
            &["storage:mount", "beta", &format!("{found}:/x")][..],
            &["storage:mount", "beta", "--replace", &format!("{found}:/x")],
        ] {
            is_refused(&session, words, "cannot be mounted by its path");
        }
        assert!(!session.host.path("lib/config/storage/beta/mounts").exists());
    }
}

#[test]
fn what_containers_of_others_have_is_theirs() {
    let session = host(&["alpha", "beta"]);
    session.host.make_directory("lib/data/storage/left");
    volume(&session, "database", "null");
    container(
        &session,
        "db",
        "",
        r#"{"Type": "volume", "Name": "database", "Source": "/var/lib/docker/volumes/database/_data", "Destination": "/d", "RW": true}"#,
    );
    volume(&session, "of-alpha", "null");
    let bound = r#"{"Type": "bind", "Source": "{LIB}/data/storage/left", "Destination": "/l", "RW": true},
        {"Type": "volume", "Name": "of-alpha", "Source": "/var/lib/docker/volumes/of-alpha/_data", "Destination": "/d", "RW": true}"#;
    container(&session, "alpha.web.1", "alpha", bound);
    let project = r#"null, "Labels": {"com.docker.compose.project": "shop"}"#;
    volume(&session, "of-project", project);
    volume(&session, "free", "null");
    let all = ["database", "of-alpha", "of-project", "{LIB}/data/storage/left"];
    limit(&session, "beta\n");
    for source in all {
        let colon = format!("{source}:/x");
        is_refused(
            &session,
            &["storage:mount", "beta", &colon],
            "is in use by apps that you cannot",
        );
        let create = ["storage:create", "mine", source, "--type", "volume"];
        let create = if source.contains('/') { &create[..3] } else { &create[..] };
        is_refused(&session, create, "is in use by apps that you cannot");
    }
    session.prepare(&["storage:mount", "beta", "free:/x"]);
    // Who sees every app may mount them.
    limit(&session, "alpha\nbeta\n");
    for (number, source) in all.iter().enumerate() {
        session.prepare(&["storage:mount", "beta", &format!("{source}:/y{number}")]);
    }
}

#[test]
fn a_backup_is_imported_by_who_sees_every_app() {
    let session = host(&["alpha", "beta"]);
    session.host.write(
        "backup/data/storage-entries/mine.json",
        r#"{"name":"mine","scheduler":"docker-local","host_path":"/etc","schema_version":1}"#,
    );
    limit(&session, "beta\n");
    for words in [
        &["backup-global-import", "{ROOT}/backup"][..],
        &["backup-app-import", "beta", "{ROOT}/backup"],
    ] {
        is_refused(&session, words, "only who may see every app");
    }
    session.prepare(&["storage:list-entries"]);
    assert!(!session.host.path("lib/data/storage-registry/entries/mine.json").exists());
}

#[test]
fn a_backup_of_everything_has_what_the_caller_reaches() {
    let session = host(&["alpha", "beta"]);
    session.prepare(&["storage:create", "secret"]);
    session.prepare(&["storage:mount", "alpha", "secret", "--container-dir", "/x"]);
    session.prepare(&["storage:create", "mine"]);
    session.prepare(&["storage:mount", "beta", "mine", "--container-dir", "/x"]);
    let exported = |directory: &str| {
        session.host.make_directory(directory);
        session.prepare(&["backup-global-export", &format!("{{ROOT}}/{directory}")]);
        let is_there = |name: &str| {
            session.host.path(&format!("{directory}/data/storage-entries/{name}.json")).exists()
        };
        [is_there("secret"), is_there("mine")]
    };
    assert_eq!(exported("all"), [true, true]);
    limit(&session, "beta\n");
    assert_eq!(exported("some"), [false, true]);
}

#[test]
fn a_limited_caller_is_not_told_what_is_out_of_reach() {
    let session = host(&["alpha", "beta"]);
    session.prepare(&["storage:create", "secret"]);
    session.prepare(&["storage:mount", "alpha", "secret", "--container-dir", "/x"]);
    session.host.make_directory("lib/data/storage/secret/have");
    session.host.write("lib/data/storage/secret/file", "secret");
    session.host.make_directory("home/have");
    session.prepare(&["storage:create", "box"]);
    let links = session.host.path("lib/data/storage/box");
    symlink("../secret/have", links.join("have")).unwrap();
    symlink("../secret/file", links.join("file")).unwrap();
    symlink("../secret/none", links.join("none")).unwrap();
    limit(&session, "beta\n");
    for place in ["{LIB}/data/storage/secret", "{LIB}/data/storage/box", "{ROOT}/home"] {
        let said = |name: &str| {
            let from = format!("dir:{place}/{name}");
            let answer = session.call(&["storage:create", "new", "--from", &from]).run();
            assert!(answer.status == 1, "{from}: {answer:?}");
            answer.stderr.replace(&format!("/{name}"), "/NAME")
        };
        assert_eq!(said("have"), said("none"), "{place}");
        assert_eq!(said("file"), said("none"), "{place}");
    }
}

#[test]
fn a_limited_caller_is_not_told_where_a_link_leads() {
    let session = host(&["beta"]);
    session.prepare(&["storage:create", "box"]);
    session.host.make_directory("lib/data/storage/box/dir");
    session.host.make_directory("srv/allowed");
    let part = session.host.path("lib/data/storage/box/part");
    symlink(session.host.path("srv/target"), &part).unwrap();
    let mount =
        ["storage:mount", "beta", "box", "--container-dir", "/v", "--volume-subpath", "part"];
    let path = ["storage:mount", "beta", "{LIB}/data/storage/box/part:/w"];
    for is_limited in [false, true] {
        if is_limited {
            limit(&session, "");
            session.host.answer("user-auth-app", "beta\n");
            session.host.make_directory("home/dokku/alpha");
        }
        for words in [&mount[..], &path[..]] {
            let answer = session.call(words).run();
            if words == mount {
                assert!(answer.status == 1 && answer.stderr.contains("leads out"), "{answer:?}");
                assert_eq!(answer.stderr.contains("srv/target"), !is_limited, "{answer:?}");
            }
            assert!(!is_limited || !answer.stderr.contains("srv/target"), "{answer:?}");
        }
    }
}
