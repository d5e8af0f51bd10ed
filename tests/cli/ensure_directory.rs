//! `storage:ensure-directory`.

use crate::harness::as_root;
use crate::{Session, assert_transcript};

#[test]
fn every_owner() {
    if !as_root("ensure_directory::every_owner") {
        return;
    }
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:ensure-directory", "default"]);
    for owner in ["herokuish", "heroku", "paketo", "packeto", "root", "false", "0", "65535"] {
        session.run(&["storage:ensure-directory", "--chown", owner, &format!("Dir_{owner}")]);
    }
    session.run_with("quiet", &["storage:ensure-directory", "quiet"], |call| {
        call.env("DOKKU_QUIET_OUTPUT", "1")
    });
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn what_is_in_it_keeps_its_owners_unless_asked() {
    if !as_root("ensure_directory::what_is_in_it") {
        return;
    }
    let mut session = Session::dokku(&["blog"]);
    session.host.write("lib/data/storage/full/deep/file", "");
    session.run(&["storage:ensure-directory", "full", "--chown", "heroku"]);
    session.show_tree("lib/data/storage");
    session.run(&["storage:ensure-directory", "full", "--chown", "heroku", "--chown-recursive"]);
    session.show_tree("lib/data/storage");
    session.host.write("outside/linked", "");
    let inside = session.host.path("lib/data/storage/full/deep/linked");
    std::fs::hard_link(session.host.path("outside/linked"), inside).unwrap();
    session.run(&["storage:ensure-directory", "full", "--chown", "heroku", "--chown-recursive"]);
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = Session::dokku(&["blog"]);
    session.host.write("lib/data/storage/a-file", "");
    for words in [
        &[][..],
        &[""],
        &["@"],
        &["a/b"],
        &[".."],
        &["."],
        &["a b"],
        &["x", "--chown", "nobody"],
        &["x", "--chown", "65536"],
        &["x", "--chown", "-1"],
        &["x", "--chown", ""],
        &["a-file"],
        &["x", "--chown", "nobody", "/var/lib/dokku/data/storage/x"],
    ] {
        session.run(&[&["storage:ensure-directory"], words].concat());
    }
    session.remark("nothing of it was done");
    session.show_tree("lib/data");
    assert_transcript!(session);
}

#[test]
fn words_behind_the_name_are_ignored_as_dokku_does() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:ensure-directory", "x", "/var/lib/dokku/data/storage/x"]);
    session.run(&["storage:ensure-directory", "--chown", "false", "y", "z"]);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}
