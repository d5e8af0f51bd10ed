//! `storage:doctor`.

use crate::{Session, assert_transcript};

#[test]
fn nothing_is_wrong() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:doctor"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.run(&["storage:doctor", "blog"]);
    session.run(&["storage:doctor", "blog", "--format", "json"]);
    assert_transcript!(session);
}

#[test]
fn what_is_wrong_is_said_with_what_mends_it() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:create", "lost"]);
    session.prepare(&["storage:create", "missing"]);
    session.prepare(&["storage:create", "unused"]);
    session.prepare(&["storage:mount", "blog", "lost", "--container-dir", "/lost"]);
    session.prepare(&["storage:mount", "blog", "missing", "--container-dir", "/missing"]);
    std::fs::remove_file(session.host.path("lib/data/storage-registry/entries/lost.json")).unwrap();
    std::fs::remove_dir(session.host.path("lib/data/storage/missing")).unwrap();
    let options = "lib/config/docker-options/blog/_default_.deploy";
    session.host.write(options, "-v /srv/old:/old\n");
    session.host.write("lib/config/storage/wiki/mounts", "{\"entry_name\":\"tru\n");
    let needs = r#"[{"id":"uploads","description":"what visitors send","path":"/up"}]"#;
    session.call(&["storage:needs:import", "blog"]).stdin(needs).run();
    session.run(&["storage:doctor"]);
    session.run(&["storage:doctor", "blog", "--format", "json"]);
    session.run(&["storage:doctor", "nope"]);
    session.run(&["storage:doctor", "blog", "--format", "yaml"]);
    assert_transcript!(session);
}
