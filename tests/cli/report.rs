//! `storage:report` and the trigger `report`.

use crate::{Session, assert_transcript};

fn host() -> Session {
    let session = Session::dokku(&["blog", "empty"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "/srv/my data:/a:ro,Z"]);
    session.prepare(&["storage:mount", "blog", "/srv/cache:/build-cache", "--phase", "build"]);
    session.prepare(&[
        "storage:mount",
        "blog",
        "data",
        "--container-dir",
        "/data",
        "--phase",
        "deploy",
        "--process-type",
        "web",
        "--volume-subpath",
        "part",
        "--volume-chown",
        "heroku",
    ]);
    session
}

#[test]
fn one_app() {
    let mut session = host();
    session.run(&["storage:report", "blog"]);
    session.run(&["storage:report", "blog", "--format", "json"]);
    session.run(&["storage:report", "blog", "--format", "stdout"]);
    session.run(&["storage:report", "empty"]);
    session.run(&["report", "blog"]);
    session.run_with("quiet", &["storage:report", "empty"], |call| {
        call.env("DOKKU_QUIET_OUTPUT", "1")
    });
    assert_transcript!(session);
}

#[test]
fn one_flag() {
    let mut session = host();
    for flag in [
        "--storage-deploy-mounts",
        "--storage-run-mounts",
        "--storage-build-mounts",
        "--storage-attachment.1.entry-name",
        "--storage-attachment.3.phases",
        "--storage-attachment.9.phases",
        "--storage-nope",
        "--nope",
        "-x",
    ] {
        session.run(&["storage:report", "blog", flag]);
    }
    session.run(&["storage:report", "--storage-deploy-mounts", "empty"]);
    session.run(&["storage:report", "--storage-deploy-mounts"]);
    session.run(&["storage:report", "blog", "--storage-run-mounts", "--format", "json"]);
    session.run(&["storage:report", "blog", "--format", "yaml"]);
    session.run(&["storage:report", "blog", "--format"]);
    assert_transcript!(session);
}

#[test]
fn every_app() {
    let mut session = host();
    session.run(&["storage:report"]);
    session.run(&["storage:report", "--format", "json"]);
    let mut session_without_apps = Session::dokku(&[]);
    session_without_apps.run(&["storage:report"]);
    session.remark("without apps");
    let text = session_without_apps.transcript().to_owned();
    session.remark(&text);
    assert_transcript!(session);
}

#[test]
fn every_entry() {
    let mut session = host();
    session.run(&["storage:report", "--global"]);
    session.run(&["storage:report", "--global", "--format", "json"]);
    session.run(&["storage:report", "--global", "--storage-deploy-mounts"]);
    session.run(&["storage:report", "--global", "blog"]);
    assert_transcript!(session);
}
