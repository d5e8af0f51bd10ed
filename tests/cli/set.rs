//! `storage:set`.

use crate::harness::as_root;
use crate::{Session, assert_transcript};

#[test]
fn properties_of_a_directory() {
    if !as_root("set::properties_of_a_directory") {
        return;
    }
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.run(&["storage:set", "data", "chown", "heroku"]);
    session.run(&["storage:set", "data", "mode", "2770"]);
    session.run(&["storage:set", "data", "reclaim-policy", "Delete"]);
    session.run(&["storage:set", "data", "namespace", "prod"]);
    session.show_file("lib/data/storage-registry/entries/data.json");
    session.show_tree("lib/data/storage");
    session.run(&["storage:set", "data", "chown"]);
    session.run(&["storage:set", "data", "mode", ""]);
    session.run(&["storage:set", "data", "reclaim-policy"]);
    session.run(&["storage:set", "data", "namespace"]);
    session.show_file("lib/data/storage-registry/entries/data.json");
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn by_flags() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data", "--label", "old=1"]);
    session.run(&["storage:set", "data", "--mode", "0700", "--label", "a=1", "--label", "b=2"]);
    session.run(&["storage:set", "data", "--annotation", "team=web"]);
    session.run(&["storage:set", "data", "--mode", ""]);
    session.show_file("lib/data/storage-registry/entries/data.json");
    assert_transcript!(session);
}

#[test]
fn on_a_cluster() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.run(&["storage:set", "claim", "size", "2Gi"]);
    session.host.answer("storage-create.exit", "4");
    session.run(&["storage:set", "claim", "size", "4Gi"]);
    session.remark("it is as it was");
    session.show_file("lib/data/storage-registry/entries/claim.json");
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:create", "elsewhere", "{ROOT}/srv/x"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    for words in [
        &[][..],
        &["data"],
        &["nope", "mode", "0755"],
        &["UPPER", "mode", "0755"],
        &["data", "colour", "red"],
        &["data", "host-path", "/etc"],
        &["data", "mode", "9"],
        &["data", "chown", "nobody"],
        &["data", "size", "1Gi"],
        &["data", "access-mode", "ReadWriteOnce"],
        &["data", "storage-class-name", "fast"],
        &["data", "reclaim-policy", "Recycle"],
        &["data", "mode", "0755", "--mode", "0700"],
        &["data", "size", "much"],
        &["elsewhere", "size", "1Gi"],
        &["elsewhere", "mode", "0755"],
        &["elsewhere", "chown", "heroku"],
        &["elsewhere", "reclaim-policy", "Delete"],
        &["claim", "size"],
        &["claim", "mode", "0755"],
        &["claim", "access-mode", "ReadWriteMany"],
        &["claim", "storage-class-name", "fast"],
    ] {
        session.run(&[&["storage:set"], words].concat());
    }
    session.remark("nothing of it was done");
    session.run(&["storage:list-entries", "--format", "json"]);
    assert_transcript!(session);
}
