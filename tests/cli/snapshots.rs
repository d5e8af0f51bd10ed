//! `storage:snapshots:*`, `storage:clone` and `storage:create --from`.

use crate::Session;
use crate::harness::stubs;

/// Compares a session's transcript, without the times in it, with its snapshot.
macro_rules! assert_timeless {
    ($session:expr) => {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(timeless($session.transcript()));
        })
    };
}

/// The text with the same digit for all in `2026-11-21T05:45:00Z` and `20261121-054500`.
fn timeless(text: &str) -> String {
    let shape = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
    };
    let mut timeless = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let time = ["0000-00-00T00:00:00Z", "0000-00-00 00:00 UTC", "00000000-000000"]
            .into_iter()
            .find(|time| rest.get(..time.len()).is_some_and(|here| shape(here) == *time));
        let length = time.map_or(next.len_utf8(), str::len);
        timeless.push_str(time.unwrap_or(&rest[..length]));
        rest = &rest[length..];
    }
    timeless
}

#[test]
fn a_snapshot_is_taken_listed_and_destroyed() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:snapshots:list"]);
    session.prepare(&["storage:create", "data"]);
    session.host.write("lib/data/storage/data/folder/file", "content");
    session.run(&["storage:snapshots:create", "data", "first"]);
    session.run(&["storage:snapshots:create", "data", "first"]);
    session.run(&["storage:snapshots:list", "data"]);
    session.run(&["storage:snapshots:list", "--format", "json"]);
    session.show_tree("lib/data");
    session.run(&["storage:destroy", "data", "--force"]);
    session.run_with("wrong name", &["storage:snapshots:destroy", "data", "first"], |call| {
        call.stdin("data\n")
    });
    session.run(&["storage:snapshots:destroy", "data", "first", "--force"]);
    session.run(&["storage:snapshots:list", "data"]);
    session.run(&["storage:destroy", "data", "--force"]);
    session.show_tree("lib/data");
    assert_timeless!(session);
}

#[test]
fn a_restore_keeps_what_it_replaces() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.host.write("lib/data/storage/data/file", "before");
    session.prepare(&["storage:snapshots:create", "data", "first"]);
    session.host.write("lib/data/storage/data/file", "after");
    session.run(&["storage:snapshots:restore", "data", "first"]);
    session.show_file("lib/data/storage/data/file");
    session.show_tree("lib/data/storage");
    session.remark("where the directory is gone, there is nothing to keep");
    std::fs::remove_file(session.host.path("lib/data/storage/data/file")).unwrap();
    std::fs::remove_dir(session.host.path("lib/data/storage/data")).unwrap();
    session.run(&["storage:snapshots:restore", "data", "first"]);
    session.show_file("lib/data/storage/data/file");
    assert_timeless!(session);
}

/// What Docker says of one running container of the app blog that has a directory mounted.
fn running(session: &Session, status: &str) {
    session.host.answer("docker-ps", "0123456789abcdef0123456789abcdef\n");
    let source = session.host.path("lib/data/storage/data");
    let inspected = serde_json::json!([{
        "Id": "0123456789abcdef0123456789abcdef",
        "Name": "/blog.web.1",
        "State": {"Status": status},
        "Config": {"Labels": {"com.dokku.app-name": "blog", "com.dokku.process-type": "web"}},
        "Mounts": [{"Source": source, "Destination": "/data", "RW": true}],
    }]);
    session.host.answer("docker-inspect", &inspected.to_string());
}

#[test]
fn running_containers_are_paused_or_stopped() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.run(&["storage:snapshots:create", "data", "idle", "--pause"]);
    running(&session, "running");
    session.run(&["storage:snapshots:create", "data", "first", "--pause"]);
    session.show_file("stub/docker-calls");
    session.run(&["storage:snapshots:restore", "data", "first"]);
    session.host.answer("docker-stop.ends", "");
    session.run(&["storage:snapshots:restore", "data", "first", "--stop"]);
    running(&session, "paused");
    session.run(&["storage:snapshots:create", "data", "second", "--pause"]);
    session.remark("where Docker refuses, there is no snapshot");
    running(&session, "running");
    session.host.answer("docker-pause.exit", "1");
    session.run(&["storage:snapshots:create", "data", "third", "--pause"]);
    session.remark("where Docker does not answer");
    session.host.answer("docker-ps.exit", "1");
    session.run(&["storage:snapshots:create", "data", "third", "--pause"]);
    session.run(&["storage:snapshots:restore", "data", "first", "--stop"]);
    session.prepare(&["storage:create", "other"]);
    session.prepare(&["storage:snapshots:create", "other", "first"]);
    session.run(&["storage:snapshots:restore", "other", "first"]);
    session.show_tree("lib/data/storage-registry/snapshots");
    assert_timeless!(session);
}

#[test]
fn a_container_keeps_its_restart_policy_where_it_is_not_stopped_and_else_is_said_how_to_set_it_again()
 {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:snapshots:create", "data", "first"]);
    running(&session, "running");
    let answers = session.host.path("stub/answers/docker-inspect");
    let listed = std::fs::read_to_string(&answers).unwrap();
    session.host.answer("docker-inspect", &listed.replace("com.dokku.app-name", "of"));
    let docker = session.host.path("stub/bin/docker");
    let stub = std::fs::read_to_string(&docker).unwrap();
    let restore = |name: &str, stops: bool| {
        let policy = format!(
            r#"{{"HostConfig":{{"RestartPolicy":{{"Name":"{name}","MaximumRetryCount":3}}}}}}"#
        );
        let line =
            format!(r#"case $* in "inspect -f {{{{json .}}}} "*) echo '{policy}'; exit ;; esac"#);
        stubs::script(&docker, &stub.replacen('\n', &format!("\n{line}\n"), 1));
        session.host.answer("docker-ps", "0123456789abcdef0123456789abcdef\n");
        session.host.answer(if stops { "docker-stop.ends" } else { "docker-stop.exit" }, "1");
        session.host.write("stub/docker-calls", "");
        let answer = session.call(&["storage:snapshots:restore", "data", "first", "--stop"]).run();
        let calls = std::fs::read_to_string(session.host.path("stub/docker-calls")).unwrap();
        (answer, calls.replace('\n', " "))
    };
    let again = "docker update --restart=on-failure:3 0123456789ab";
    let (answer, calls) = restore("on-failure", false);
    assert_ne!(answer.status, 0);
    assert!(calls.contains(again), "{calls}");
    std::fs::remove_file(session.host.path("stub/answers/docker-stop.exit")).unwrap();
    // It would start with the engine.
    let (answer, calls) = restore("on-failure", true);
    assert!(!calls.contains(again), "{calls}");
    let said = "docker update --restart=on-failure:3 blog.web.1 && docker start blog.web.1";
    assert!(answer.stdout.contains(said), "{}", answer.stdout);
    // It would not.
    let (answer, calls) = restore("unless-stopped", true);
    assert!(calls.contains("docker update --restart=unless-stopped"), "{calls}");
    assert!(answer.stdout.contains(": docker start blog.web.1"), "{}", answer.stdout);
}

#[test]
fn a_container_that_is_being_started_is_seen_by_a_restore() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.host.write("lib/data/storage/data/file", "before");
    session.prepare(&["storage:snapshots:create", "data", "first"]);
    running(&session, "created");
    let id = std::fs::read(session.host.path("stub/answers/docker-ps")).unwrap();
    session.host.answer("docker-ps.all", str::from_utf8(&id).unwrap());
    session.host.answer("docker-ps", "");
    let answer = std::thread::scope(|scope| {
        let restore = session.call(&["storage:snapshots:restore", "data", "first"]);
        let restore = scope.spawn(move || restore.run());
        let is_replaced = || {
            let mut found = std::fs::read_dir(session.host.path("lib/data/storage")).unwrap();
            found.any(|found| {
                found.unwrap().file_name().to_string_lossy().contains("@before-restore")
            })
        };
        while !is_replaced() && !restore.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        running(&session, "running");
        restore.join().unwrap()
    });
    assert!(
        answer.status == 1 && answer.stderr.contains("containers were started meanwhile"),
        "{answer:?}"
    );
}

#[test]
fn new_entries_are_filled() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&[
        "storage:create",
        "data",
        "--mode",
        "0750",
        "--label",
        "l=1",
        "--scope",
        "blog",
        "--reclaim-policy",
        "Delete",
    ]);
    session.host.write("lib/data/storage/data/folder/file", "content");
    session.host.write("outside/folder/file", "content");
    session.prepare(&["storage:snapshots:create", "data", "first"]);
    session.run(&["storage:clone", "data", "twin"]);
    session.run(&["storage:info", "twin", "--format", "json"]);
    session.run(&["storage:create", "fresh", "--from", "snapshot:data@first", "--mode", "0711"]);
    session.run(&["storage:info", "fresh"]);
    session.run(&["storage:create", "taken", "--from", "dir:{ROOT}/outside/folder"]);
    session.show_tree("lib/data/storage");
    session.remark("only new ones");
    session.run(&["storage:create", "fresh", "--from", "snapshot:data@first"]);
    session.run(&["storage:clone", "data", "twin"]);
    session.prepare(&["storage:ensure-directory", "--chown", "false", "there"]);
    session.run(&["storage:create", "there", "--from", "snapshot:data@first"]);
    assert_timeless!(session);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data", "--scope", "blog"]);
    session.prepare(&["storage:create", "elsewhere", "{ROOT}/srv/x"]);
    session.prepare(&["storage:create", "volume", "some-volume"]);
    for (name, kind) in [("scratch", "tmpfs"), ("share", "nfs")] {
        let text = format!(r#"{{"name":"{name}","host_path":"{kind}-{name}","type":"{kind}"}}"#);
        session.host.write(&format!("lib/data/storage-registry/entries/{name}.json"), &text);
    }
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    for entry in ["", "nope", "elsewhere", "volume", "scratch", "share", "claim"] {
        session.run(&["storage:snapshots:create", entry]);
    }
    session.run(&["storage:snapshots:create", "data", "No_Name"]);
    session.run(&["storage:snapshots:create", "data", "a", "b"]);
    session.run(&["storage:snapshots:restore", "data"]);
    session.run(&["storage:snapshots:restore", "data", "nope"]);
    session.run(&["storage:snapshots:destroy", "data", "../data"]);
    session.run(&["storage:snapshots:list", "nope"]);
    session.run(&["storage:snapshots:list", "--format", "yaml"]);
    session.run(&["storage:clone", "data"]);
    session.run(&["storage:clone", "data", "legacy-x"]);
    session.run(&["storage:clone", "volume", "other"]);
    session.prepare(&["storage:snapshots:create", "data", "first"]);
    session.run(&["storage:snapshots:restore", "data", "nope"]);
    for from in ["tape:0", "snapshot:data", "snapshot:data@nope", "snapshot:nope@first", "dir:x"] {
        session.run(&["storage:create", "fresh", "--from", from]);
    }
    session.run(&["storage:create", "fresh", "--from", "dir:{ROOT}/nothing"]);
    session.run(&["storage:create", "fresh", "--from", "dir:{ROOT}/lib/data"]);
    session.run(&["storage:create", "fresh", "{ROOT}/srv/y", "--from", "snapshot:data@first"]);
    session.remark("a snapshot is for whom its entry is for");
    session.run(&[
        "storage:create",
        "fresh",
        "--from",
        "dir:{ROOT}/lib/data/storage/.snapshot-data@first",
    ]);
    session.run(&["storage:create", "fresh", "{ROOT}/lib/data/storage/.snapshot-data@first"]);
    session.remark("the policy holds for what is copied too");
    session.host.write("outside/file", "");
    session.prepare(&["storage:policy:set", "allowed-paths", "/srv"]);
    session.run(&["storage:create", "fresh", "--from", "dir:{ROOT}/outside"]);
    session.run(&["storage:list-entries"]);
    assert_timeless!(session);
}

#[test]
fn the_doctor_knows_snapshots() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:snapshots:create", "data", "first"]);
    session.prepare(&["storage:snapshots:create", "data", "second"]);
    session.run(&["storage:doctor"]);
    let snapshot = |name: &str| session.host.path(&format!("lib/data/storage/.snapshot-{name}"));
    std::fs::rename(snapshot("data@first"), snapshot("data@other")).unwrap();
    session.run(&["storage:doctor"]);
    session.run(&["storage:snapshots:destroy", "data", "first", "--force"]);
    assert_timeless!(session);
}

#[test]
fn what_cannot_be_fetched_is_refused_at_once() {
    let mut session = Session::dokku(&["blog"]);
    for from in [
        "git+ssh://git@example.com/a",
        "git+https://me:secret@example.com/a",
        "https://me:secret@example.com/a",
        "git+https://example.com/a#--upload-pack=x",
        "git+--upload-pack=x",
        "https://-x/a",
        "ftp://example.com/a",
    ] {
        session.run(&["storage:create", "data", "--from", from]);
    }
    session.run(&["storage:create", "data", "--from", "https://example.com/a", "--sha256", "abc"]);
    session.run(&["storage:create", "data", "--sha256", &"a".repeat(64)]);
    session.show_tree("lib/data");
    assert_timeless!(session);
}

#[test]
fn files_have_snapshots_too() {
    let mut session = Session::dokku(&["blog"]);
    session.host.write("one.conf", "one\n");
    session.prepare(&["storage:create", "conf", "--type", "file", "--from", "{ROOT}/one.conf"]);
    session.prepare(&["storage:create", "data"]);
    session.run(&["storage:snapshots:create", "conf", "first"]);
    session.prepare(&["storage:snapshots:create", "data", "first"]);
    session.run(&["storage:clone", "conf", "twin"]);
    let from = ["--from", "snapshot:conf@first"];
    session.run(&["storage:create", "other", "--type", "file", "--mode", "0600", from[0], from[1]]);
    session.remark("a file does not become a directory, nor a directory a file");
    session.run(&["storage:create", "wrong", from[0], from[1]]);
    session.run(&["storage:create", "wrong", "--type", "file", "--from", "snapshot:data@first"]);
    session.remark("back again");
    session.host.write("two.conf", "two\n");
    session.prepare(&["storage:set", "conf", "content", "{ROOT}/two.conf"]);
    session.run(&["storage:snapshots:restore", "conf", "first"]);
    session.show_file("lib/data/storage/conf");
    session.run(&["storage:doctor"]);
    session.show_tree("lib/data/storage");
    assert_timeless!(session);
}
