//! `storage:needs:*`, and what an app declares in its `app.json`.

use crate::harness::Answer;
use crate::{Session, assert_transcript, places};

const NEEDS: &str = r#"{"storage":{"needs":[
  {"id":"uploads","description":"what visitors send","path":"/app/uploads"},
  {"id":"assets","description":"","path":"/app/assets","mode":"ro"},
  {"id":"cache","path":"/app/cache","optional":true}
]}}"#;

fn host() -> Session {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "uploads-prod"]);
    session.prepare(&["storage:create", "uploads-test"]);
    session
}

#[test]
fn import_link_unlink() {
    let mut session = host();
    session.run(&["storage:needs:list", "blog"]);
    session.run_with("needs.json", &["storage:needs:import", "blog"], |call| call.stdin(NEEDS));
    session.run_with("the same", &["storage:needs:import", "blog"], |call| call.stdin(NEEDS));
    session.run(&["storage:needs:list", "blog"]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.run(&["storage:needs:link", "blog", "uploads", "uploads-prod"]);
    session.run(&["storage:needs:link", "blog", "uploads", "uploads-prod"]);
    session.run(&["storage:needs:link", "blog", "assets", "uploads-test"]);
    session.run(&["storage:needs:list", "blog"]);
    session.run(&["storage:needs:list", "blog", "--format", "json"]);
    session.run(&["storage:list", "blog"]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.run(&["storage:needs:link", "blog", "uploads", "uploads-test"]);
    session.run(&["storage:needs:unlink", "blog", "assets"]);
    session.run(&["storage:needs:unlink", "blog", "assets"]);
    session.run(&["storage:list", "blog"]);
    session.show_tree("lib/config/storage");
    assert_transcript!(session);
}

#[test]
fn links_follow_what_is_declared() {
    let mut session = host();
    session.host.write("work/app.json", NEEDS);
    session.run(&["core-post-extract", "blog", "{ROOT}/work", "abc"]);
    session.prepare(&["storage:needs:link", "blog", "uploads", "uploads-prod"]);
    session.host.write(
        "work/app.json",
        r#"{"storage":{"needs":[{"id":"uploads","path":"/srv/uploads","mode":"ro"}]}}"#,
    );
    session.run(&["core-post-extract", "blog", "{ROOT}/work", "def"]);
    session.show_file("lib/config/storage/blog/mounts");
    session.prepare(&["storage:mount", "blog", "/srv/x:/elsewhere"]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "create"]);
    session
        .host
        .write("work/app.json", r#"{"storage":{"needs":[{"id":"uploads","path":"/elsewhere"}]}}"#);
    session.remark("where something else is mounted there");
    session.run(&["core-post-extract", "blog", "{ROOT}/work", "ghi"]);
    session.run(&["storage:needs:list", "blog"]);
    session.remark("an app.json that says nothing of storage any more");
    session.host.write("work/app.json", r#"{"scripts":{}}"#);
    session.run(&["core-post-extract", "blog", "{ROOT}/work", "jkl"]);
    session.run(&["storage:needs:list", "blog"]);
    session.remark("what was imported stays");
    session.run_with("needs.json", &["storage:needs:import", "blog"], |call| call.stdin(NEEDS));
    session.run(&["core-post-extract", "blog", "{ROOT}/work", "jkl"]);
    session.run(&["storage:needs:list", "blog"]);
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = host();
    for document in [
        "",
        "[",
        "3",
        r#"{"storage":[]}"#,
        r#"{"storage":{"needs":{}}}"#,
        r#"[{"id":"a b","path":"/a"}]"#,
        r#"[{"id":"a","path":"a"}]"#,
        r#"[{"id":"a","path":"/a --privileged"}]"#,
        r#"[{"id":"a","path":"/a/../b"}]"#,
        r#"[{"id":"a","path":"/a"},{"id":"a","path":"/b"}]"#,
        r#"[{"id":"a","path":"/a"},{"id":"b","path":"/a/."}]"#,
        r#"[{"id":"a","path":"/a","mode":"rx"}]"#,
    ] {
        session.remark(if document.is_empty() { "(nothing)" } else { document });
        session.run_with("that", &["storage:needs:import", "blog"], |call| call.stdin(document));
    }
    session.prepare(&["storage:create", "small", "--scope", "wiki"]);
    session.call(&["storage:needs:import", "blog"]).stdin(NEEDS).run();
    session.run(&["storage:needs:link", "blog"]);
    session.run(&["storage:needs:link", "blog", "uploads"]);
    session.run(&["storage:needs:link", "blog", "nope", "uploads-prod"]);
    session.run(&["storage:needs:link", "blog", "uploads", "nope"]);
    session.run(&["storage:needs:link", "blog", "uploads", "small"]);
    session.run(&["storage:needs:link", "nope", "uploads", "uploads-prod"]);
    session.run(&["storage:needs:unlink", "blog"]);
    session.run(&["storage:needs:list", "nope"]);
    session.run(&["storage:needs:list", "blog", "--format", "yaml"]);
    session.show_file("lib/config/storage/blog/mounts");
    assert_transcript!(session);
}

#[test]
fn an_app_json_that_is_no_plain_file() {
    let session = host();
    session.host.make_directory("work");
    let extract = || {
        let call = session.call(&["core-post-extract", "blog", "{ROOT}/work", "abc"]);
        call.run()
    };
    let path = session.host.path("work/app.json");
    session.host.write("secret.json", NEEDS);
    std::os::unix::fs::symlink(session.host.path("secret.json"), &path).unwrap();
    let answer = extract();
    assert!(!answer.stdout.contains("uploads") && !answer.stderr.contains("uploads"));
    let listed = session.call(&["storage:needs:list", "blog"]).run();
    assert!(
        !listed.stdout.contains("uploads"),
        "a link out of the source was followed: {listed:?}"
    );
    std::fs::remove_file(&path).unwrap();
    let made = assert_cmd::Command::new("mkfifo").arg(&path).output().unwrap();
    assert!(made.status.success());
    assert!([0, 1].contains(&extract().status), "a pipe is waited for");
    std::fs::remove_file(&path).unwrap();
    session.host.make_directory("work/app.json");
    assert!([0, 1].contains(&extract().status));
}

#[test]
fn an_app_json_that_is_a_link_inside_the_source() {
    let session = host();
    session.host.write("work/config/app.json", r#"{"scripts":{}}"#);
    let path = session.host.path("work/app.json");
    std::os::unix::fs::symlink("config/app.json", path).unwrap();
    let answer = session.call(&["core-post-extract", "blog", "{ROOT}/work", "abc"]).run();
    assert_eq!((answer.status, answer.stdout.as_str()), (0, ""), "the deploy stops: {answer:?}");
}

/// Dokku reads some of them: those deploys go on where the app is not known to need storage.
#[test]
fn an_app_json_that_cannot_be_read_drops_no_need() {
    let large = format!(r#"{{"description":"{}",{}"#, " ".repeat(1024 * 1024), &NEEDS.trim()[1..]);
    let deep = format!(r#"{{"a":{}{},{}"#, "[".repeat(200), "]".repeat(200), &NEEDS.trim()[1..]);
    let mut latin = b"{\n\"description\":\"caf\xe9\",".to_vec();
    latin.extend_from_slice(&NEEDS.trim().as_bytes()[1..]);
    for (document, why) in [
        (latin, "app.json cannot be read: line 2: it is not UTF-8 text"),
        (large.into_bytes(), "app.json cannot be read: it has more than 1 MiB"),
        (deep.into_bytes(), "app.json cannot be read: line 1: it is nested too deep"),
        (b"{".to_vec(), "app.json cannot be read: line 1: the JSON ends too early"),
    ] {
        let session = host();
        let extract = || session.call(&["core-post-extract", "blog", "{ROOT}/work", "a"]).run();
        session.host.write("work/app.json", &document);
        let answer = extract();
        assert_eq!(answer.status, 0, "{answer:?}");
        assert!(answer.stderr.contains(why), "{answer:?}");
        session.host.write("work/app.json", NEEDS);
        assert_eq!(extract().status, 0);
        let declared = session.call(&["storage:needs:list", "blog"]).run();
        session.host.write("work/app.json", &document);
        let answer = extract();
        assert_eq!(answer.status, 1, "{answer:?}");
        assert!(answer.stderr.contains(why), "{answer:?}");
        assert_eq!(session.call(&["storage:needs:list", "blog"]).run(), declared);
        // As the refusal says.
        assert_eq!(session.call(&["storage:needs:import", "blog"]).stdin("[]").run().status, 0);
        assert_eq!(extract().status, 0);
    }
}

/// Dokku runs it before the plugin can stop the deploy.
#[test]
fn a_task_before_the_deploy_does_not_start_without_what_the_app_needs() {
    let session = host();
    session.call(&["storage:needs:import", "blog"]).stdin(NEEDS).run();
    let task = ["docker-args-deploy", "blog", "latest"];
    let answer = session.call(&task).run();
    assert!(answer.stdout.contains("/.refused/"), "{answer:?}");
    assert!(answer.stderr.contains("dokku storage:needs:link blog uploads ENTRY"), "{answer:?}");
    session.prepare(&["storage:needs:link", "blog", "uploads", "uploads-prod"]);
    session.prepare(&["storage:needs:link", "blog", "assets", "uploads-test"]);
    let answer = session.call(&task).run();
    assert!(answer.stdout.contains("/app/uploads") && answer.stderr.is_empty(), "{answer:?}");
}

/// Where there is such a task, the build stops: Dokku does not show why the task does not start.
#[test]
fn a_build_stops_where_a_task_before_the_deploy_could_not_start() {
    let session = host();
    for (scripts, status) in [("{}", 0), (r#"{"dokku":{"predeploy":"true"}}"#, 1)] {
        let needs = NEEDS.trim_start_matches('{');
        session.host.write("work/app.json", format!("{{\"scripts\":{scripts},{needs}"));
        let answer = session.call(&["core-post-extract", "blog", "{ROOT}/work", "abc"]).run();
        assert_eq!(answer.status, status, "{answer:?}");
        let names = answer.stderr.contains("dokku storage:needs:link blog uploads ENTRY");
        assert_eq!(names, status == 1, "{answer:?}");
    }
}

/// Declares one need, by an `app.json` at a deploy or by `storage:needs:import`.
fn declare(session: &Session, by_app_json: bool, need: &str) -> Answer {
    if by_app_json {
        session.host.write("work/app.json", format!(r#"{{"storage":{{"needs":[{need}]}}}}"#));
        return session.call(&["core-post-extract", "beta", "{ROOT}/work", "abc"]).run();
    }
    session.call(&["storage:needs:import", "beta"]).stdin(&format!("[{need}]")).run()
}

const READS: &str = r#"{"id":"d","path":"/d","mode":"ro"}"#;

const WRITES: &str = r#"{"id":"d","path":"/d2"}"#;

/// Links a need of `beta` that only reads to an entry.
fn linked_to(session: &Session, entry: &str) {
    assert_eq!(declare(session, false, READS).status, 0);
    session.prepare(&["storage:needs:link", "beta", "d", entry]);
}

/// Declares the need writable, and returns what was said where it was refused and nothing was changed.
fn refused(session: &Session, by_app_json: bool) -> String {
    let files = ["mounts", "needs"].map(|name| format!("lib/config/storage/beta/{name}"));
    let read = || files.clone().map(|file| session.host.read(&session.host.path(&file)));
    let before = read();
    let answer = declare(session, by_app_json, WRITES);
    let remedy = "dokku storage:needs:unlink beta d";
    assert!(answer.status == 1 && answer.stderr.contains(remedy), "{by_app_json}: {answer:?}");
    assert_eq!(read(), before, "{by_app_json}");
    answer.stderr
}

fn written(session: &Session, by_app_json: bool) {
    let answer = declare(session, by_app_json, WRITES);
    assert_eq!(answer.status, 0, "{answer:?}");
    let mounts = session.host.read(&session.host.path("lib/config/storage/beta/mounts")).unwrap();
    assert!(mounts.contains("/d2") && !mounts.contains("readonly"), "{mounts}");
}

#[test]
fn what_is_read_becomes_writable_only_where_it_could_be_mounted_so() {
    for by_app_json in [true, false] {
        let session = places::host(&["alpha", "beta"]);
        session.prepare(&["storage:create", "box", "--exclusive"]);
        session.prepare(&["storage:mount", "alpha", "box", "--container-dir", "/x"]);
        session.prepare(&["storage:create", "other", "{LIB}/data/storage/box/sub"]);
        linked_to(&session, "other");
        assert!(refused(&session, by_app_json).contains("is exclusive and mounted by alpha"));
        session.prepare(&["storage:unmount", "alpha", "box"]);
        written(&session, by_app_json);
        // What the policy does not allow any more.
        let session = places::host(&["alpha", "beta"]);
        session.prepare(&["storage:create", "other", "/srv/other"]);
        linked_to(&session, "other");
        session.prepare(&["storage:policy:set", "allowed-paths", "/mnt"]);
        assert!(refused(&session, by_app_json).contains("/mnt"));
        session.prepare(&["storage:policy:set", "allowed-paths", "/srv"]);
        written(&session, by_app_json);
    }
}

#[test]
fn an_app_json_makes_nothing_writable_where_not_everybody_sees_every_app() {
    for by_app_json in [true, false] {
        let session = places::host(&["alpha", "beta"]);
        session.prepare(&["storage:create", "base"]);
        session.prepare(&["storage:create", "inner", "{LIB}/data/storage/base/in"]);
        session.prepare(&["storage:mount", "beta", "inner", "--container-dir", "/i"]);
        linked_to(&session, "base");
        places::limit(&session, "beta\n");
        let why = if by_app_json { "does not say who" } else { "who may see every app" };
        let said = refused(&session, by_app_json);
        assert!(said.contains(why), "{said}");
        session.host.answer("user-auth-app", "alpha\nbeta\n");
        if by_app_json {
            // The remedy.
            refused(&session, true);
            session.prepare(&["storage:needs:unlink", "beta", "d"]);
            assert_eq!(declare(&session, true, WRITES).status, 0);
            session.prepare(&["storage:needs:link", "beta", "d", "base"]);
        }
        written(&session, by_app_json);
    }
}
