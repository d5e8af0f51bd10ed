//! `storage:annotations:*` and `storage:labels:*`.

use crate::{Session, assert_transcript};

#[test]
fn set_report_and_unset() {
    let mut session = Session::dokku(&["blog"]);
    for (command, report) in [
        ("storage:annotations:set", "storage:annotations:report"),
        ("storage:labels:set", "storage:labels:report"),
    ] {
        session.run(&[report]);
        session.prepare(&["storage:create", "data"]);
        session.run(&[command, "data", "team", "web & mail"]);
        session.run(&[command, "data", "dokku.com/quite-a-long-key-for-one-column", "x"]);
        session.run(&[report]);
        session.run(&[report, "data"]);
        session.run(&[report, "data", "--format", "json"]);
        let kind = report.split(':').nth(1).unwrap();
        session.run(&[report, "data", &format!("--storage-{kind}.team")]);
        session.run(&[report, "data", &format!("--storage-{kind}.nope")]);
        session.run(&[report, &format!("--storage-{kind}.team")]);
        session.run(&[command, "data", "team"]);
        session.run(&[command, "data", "team", ""]);
        session.run(&[report, "data", "--format", "json"]);
        session.run_with("quiet", &[command, "data", "a", "b"], |call| {
            call.env("DOKKU_QUIET_OUTPUT", "1")
        });
        session.run_with("quiet", &[report, "data"], |call| call.env("DOKKU_QUIET_OUTPUT", "1"));
        session.run(&[command]);
        session.run(&[command, "data"]);
        session.run(&[command, "nope", "team", "web"]);
        session.run(&[report, "nope"]);
        session.prepare(&["storage:destroy", "data", "--force"]);
    }
    assert_transcript!(session);
}

#[test]
fn the_cluster_is_told() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.run(&["storage:annotations:set", "claim", "team", "web"]);
    session.host.answer("storage-create.exit", "1");
    session.run(&["storage:labels:set", "claim", "team", "web"]);
    session.show_file("lib/data/storage-registry/entries/claim.json");
    assert_transcript!(session);
}
