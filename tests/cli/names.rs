//! Which app a command is about: as an argument, and with the global `--app`.

use crate::harness::Plugin;
use crate::{Session, assert_transcript};

#[test]
fn no_app_and_no_such_app() {
    let mut session = Session::dokku(&["blog"]);
    session.host.make_directory("home/.ssh");
    session.host.make_directory("home/ENV");
    session.host.write("home/a-file", "");
    for command in ["storage:list", "storage:mount", "storage:unmount"] {
        session.run(&[command]);
    }
    for app in ["nope", "a-file", ".ssh", "ENV", "../home/blog", "blog/", "", "BLOG", "bl og"] {
        session.run(&["storage:list", app]);
    }
    session.run(&["storage:report", "nope"]);
    session.run(&["storage:migrate", "nope"]);
    session.run(&["report", "nope"]);
    assert_transcript!(session);
}

#[test]
fn the_global_app_flag() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:create", "blog-data"]);
    let mut with_app = |words: &[&str]| {
        session.run_with("--app blog", words, |call| call.env("DOKKU_APP_NAME", "blog"));
    };
    with_app(&["storage:mount", "/srv/a:/a"]);
    with_app(&["storage:mount", "blog-data", "--container-dir", "/data"]);
    with_app(&["storage:list"]);
    with_app(&["storage:list", "--format", "json"]);
    with_app(&["storage:report"]);
    with_app(&["storage:report", "--storage-deploy-mounts"]);
    with_app(&["storage:unmount", "/srv/a:/a"]);
    with_app(&["storage:migrate"]);
    with_app(&["storage:unmount", "blog-data"]);
    assert_transcript!(session);
}

#[test]
fn the_app_is_not_taken_twice_where_dokku_inserted_it() {
    let mut session = Session::dokku(&["blog"]);
    let mut with_app = |words: &[&str]| {
        session.run_with("--app blog", words, |call| call.env("DOKKU_APP_NAME", "blog"));
    };
    with_app(&["storage:mount", "blog", "/srv/a:/a"]);
    with_app(&["storage:list", "blog"]);
    with_app(&["storage:report", "blog", "--storage-run-mounts"]);
    with_app(&["storage:unmount", "blog", "/srv/a:/a"]);
    assert_transcript!(session);
}

#[test]
fn below_core_plugins_dokku_has_always_inserted_the_app() {
    let plugin = Plugin::assemble_below("core-plugins-");
    let mut session = Session::with_plugin(plugin, &["blog"]);
    session.prepare(&["storage:create", "blog"]);
    let mut with_app = |words: &[&str]| {
        session.run_with("--app blog", words, |call| call.env("DOKKU_APP_NAME", "blog"));
    };
    with_app(&["storage:mount", "blog", "--container-dir", "/new"]);
    with_app(&["storage:mount", "blog", "blog", "--container-dir", "/data"]);
    with_app(&["storage:list", "blog"]);
    with_app(&["storage:unmount", "blog"]);
    with_app(&["storage:unmount", "blog", "blog"]);
    assert_transcript!(session);
}

/// Dokku inserts the app also where `--app` stands behind the command, and leaves that there.
#[test]
fn below_core_plugins_the_inserted_app_is_not_taken_for_an_entry() {
    let plugin = Plugin::assemble_below("core-plugins-");
    let session = Session::with_plugin(plugin, &["blog"]);
    session.prepare(&["storage:create", "blog"]);
    session.prepare(&["storage:create", "photos"]);
    session.prepare(&["storage:mount", "blog", "photos", "--container-dir", "/data"]);
    let names = |words: &[&str]| {
        let words = [&["storage:usage"], words, &["--format", "json"]].concat();
        let call = session.host.call("subcommands/usage").words(&words);
        let answer = call.env("DOKKU_APP_NAME", "blog").run();
        assert_eq!(answer.status, 0, "{words:?}: {answer:?}");
        let rows: Vec<serde_json::Value> = serde_json::from_str(&answer.stdout).unwrap();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["blog", "--app", "blog"]), ["photos"]);
    assert_eq!(names(&["blog"]), ["photos"]);
    assert_eq!(names(&["blog", "blog"]), ["blog"]);
    assert_eq!(names(&["photos"]), ["photos"]);
}

#[test]
fn an_entry_with_the_name_of_the_app() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "blog"]);
    session.run_with(
        "--app blog",
        &["storage:mount", "blog", "--container-dir", "/data"],
        |call| call.env("DOKKU_APP_NAME", "blog"),
    );
    session.run_with("--app blog", &["storage:unmount", "blog"], |call| {
        call.env("DOKKU_APP_NAME", "blog")
    });
    session.run(&["storage:list", "blog"]);
    assert_transcript!(session);
}

#[test]
fn arguments_too_many() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "blog-data"]);
    for words in [
        &["storage:mount", "blog", "/srv/a:/a", "--privileged"][..],
        &["storage:mount", "blog", "/srv/a:/a", "extra"],
        &["storage:mount", "blog", "/srv/a:/a", "--", "--privileged"],
        &["storage:unmount", "blog", "/srv/a:/a", "extra"],
        &["storage:list", "blog", "extra"],
        &["storage:report", "blog", "extra"],
        &["storage:create", "other", "/srv/other", "extra"],
        &["storage:destroy", "blog-data", "extra", "--force"],
        &["storage:info", "blog-data", "extra"],
        &["storage:set", "blog-data", "namespace", "a", "b"],
        &["storage:ensure-directory", "folder", "extra"],
        &["storage:list-entries", "extra"],
        &["storage:wait", "blog-data", "extra"],
        &["storage:annotations:set", "blog-data", "a", "b", "c"],
        &["storage:labels:report", "blog-data", "extra"],
        &["storage:migrate", "blog", "extra"],
    ] {
        session.run(words);
    }
    session.remark("nothing of it was done");
    session.run(&["storage:list-entries"]);
    session.show_tree("lib/config");
    assert_transcript!(session);
}
