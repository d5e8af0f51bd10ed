//! `storage:list`.

use crate::{Session, assert_transcript};

fn blog() -> Session {
    let session = Session::dokku(&["blog", "empty"]);
    session.prepare(&["storage:create", "blog-data"]);
    session.prepare(&["storage:mount", "blog", "/srv/a:/a:ro"]);
    session.prepare(&["storage:mount", "blog", "vol-ume:/b", "--phase", "run"]);
    session.prepare(&["storage:mount", "blog", "/srv/cache:/build-cache", "--phase", "build"]);
    session.prepare(&[
        "storage:mount",
        "blog",
        "blog-data",
        "--container-dir",
        "/it's my data",
        "--process-type",
        "web",
        "--volume-subpath",
        "part one",
        "--volume-chown",
        "heroku",
    ]);
    session
}

#[test]
fn every_format() {
    let mut session = blog();
    session.run(&["storage:list", "blog"]);
    session.run(&["storage:list", "blog", "--format", "text"]);
    session.run(&["storage:list", "blog", "--format", "json"]);
    session.run(&["storage:list", "blog", "--format", "yaml"]);
    assert_transcript!(session);
}

#[test]
fn table() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:mount", "blog", "/srv/a:/a:ro"]);
    session.prepare(&["storage:mount", "blog", "vol-ume:/b", "--process-type", "web"]);
    session.prepare(&["storage:mount", "blog", "/srv/ähnlich:/c", "--phase", "run"]);
    session.run(&["storage:list", "blog", "--format=table"]);
    assert_transcript!(session);
}

#[test]
fn nothing_mounted() {
    let mut session = blog();
    session.run(&["storage:list", "empty"]);
    session.run(&["storage:list", "empty", "--format", "json"]);
    session.run(&["storage:list", "empty", "--format", "table"]);
    assert_transcript!(session);
}

#[test]
fn quiet() {
    let mut session = blog();
    for words in [&["storage:list", "blog"][..], &["storage:list", "empty"]] {
        session.run_with("quiet", words, |call| call.env("DOKKU_QUIET_OUTPUT", "1"));
    }
    assert_transcript!(session);
}

#[test]
fn all_apps() {
    let mut session = Session::dokku(&["blog", "shop", "wiki"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "wiki", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:mount", "blog", "/srv/a:/a:ro"]);
    session.run(&["storage:list", "--format", "json"]);
    session.run(&["storage:list"]);
    session.host.write("lib/config/storage/shop/mounts", "nonsense\n");
    session.run(&["storage:list", "--format", "json"]);
    assert_transcript!(session);
}
