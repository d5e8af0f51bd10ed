//! `storage:wait`.

use crate::{Session, assert_transcript};

#[test]
fn for_a_directory_and_for_a_claim() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:create", "volume", "pgdata"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.run(&["storage:wait"]);
    session.run(&["storage:wait", "nope"]);
    session.run(&["storage:wait", "data"]);
    session.run(&["storage:wait", "volume"]);
    std::fs::remove_dir(session.host.path("lib/data/storage/data")).unwrap();
    session.run(&["storage:wait", "data"]);
    for status in ["Bound\n", "Pending\n", "Lost\n", ""] {
        session.host.answer("storage-status", status);
        session.run(&["storage:wait", "claim"]);
    }
    session.host.answer("storage-status.exit", "3");
    session.run(&["storage:wait", "claim"]);
    assert_transcript!(session);
}
