//! `storage:app:*`, and what a clone gets.

use crate::{Session, assert_transcript};

#[test]
fn set_and_report() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:app:report", "blog"]);
    session.run(&["storage:app:set", "blog", "missing-source", "create"]);
    session.run(&["storage:app:set", "blog", "missing-source", "create"]);
    session.run(&["storage:app:set", "blog", "clone", "copy"]);
    session.run(&["storage:app:report", "blog"]);
    session.run(&["storage:app:report", "blog", "--format", "json"]);
    session.run(&["storage:app:report", "blog", "--storage-app-clone"]);
    session.run(&["storage:app:set", "blog", "clone"]);
    session.show_tree("lib/config/storage");
    for words in [
        &["storage:app:set"][..],
        &["storage:app:set", "blog"],
        &["storage:app:set", "blog", "colour", "red"],
        &["storage:app:set", "blog", "clone", "twice"],
        &["storage:app:set", "nope", "clone", "copy"],
        &["storage:app:report"],
        &["storage:app:report", "nope"],
        &["storage:app:report", "blog", "--storage-nope"],
    ] {
        session.run(words);
    }
    assert_transcript!(session);
}

#[test]
fn a_missing_source_is_made_or_ignored() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data", "--mode", "0750"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    std::fs::remove_dir(session.host.path("lib/data/storage/data")).unwrap();
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "ignore"]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.show_tree("lib/data/storage");
    session.prepare(&["storage:app:set", "blog", "missing-source", "create"]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn a_clone_gets_what_was_decided() {
    let mut session = Session::dokku(&["blog", "shared", "copied", "emptied"]);
    session.prepare(&["storage:create", "blog-data"]);
    session.host.write("lib/data/storage/blog-data/deep/file", "what was there");
    session.prepare(&["storage:mount", "blog", "blog-data", "--container-dir", "/data"]);
    session.prepare(&["storage:mount", "blog", "/srv/elsewhere:/elsewhere"]);
    session.prepare(&["storage:create", "box"]);
    session.prepare(&["storage:mount", "blog", "box", "--container-dir", "/box"]);
    let path = session.host.path("lib/data/storage/box");
    let with_size = format!(
        r#"{{"name":"box","scheduler":"docker-local","host_path":"{}","type":"directory","options":{{"size":"64M"}},"schema_version":1}}"#,
        path.display()
    );
    session.host.write("lib/data/storage-registry/entries/box.json", with_size);
    session.run(&["post-app-clone-setup", "blog", "shared"]);
    session.prepare(&["storage:app:set", "blog", "clone", "copy"]);
    session.run(&["post-app-clone-setup", "blog", "copied"]);
    session.prepare(&["storage:app:set", "blog", "clone", "empty"]);
    session.run(&["post-app-clone-setup", "blog", "emptied"]);
    for app in ["shared", "copied", "emptied"] {
        session.run(&["storage:list", app]);
    }
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn the_node_of_an_entry() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.run(&["storage:set", "data", "node", "another-host"]);
    session.run(&["storage:info", "data"]);
    session.run(&["storage:set", "data", "node", "no host\nat all"]);
    session.run(&["storage:set", "data", "node"]);
    session.run(&["storage:info", "data"]);
    assert_transcript!(session);
}
