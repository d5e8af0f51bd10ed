//! Without Dokku.

use std::os::unix::fs::PermissionsExt;

use crate::harness::{Call, is_root, program_under_test};
use crate::{Session, assert_transcript};

#[test]
fn the_tour() {
    let mut session = Session::standalone();
    session.run(&["storage:create", "blog-data"]);
    session.run(&["storage:mount", "blog", "blog-data", "--container-dir", "/data"]);
    session.run(&["storage:mount", "blog", "/srv/it's here:/x:ro"]);
    session.run(&["storage:mount", "blog", "blog-data:/volume"]);
    session.run(&["storage:list", "blog"]);
    session.run(&["storage:list", "another-app"]);
    session.run(&["storage:report", "blog"]);
    session.run(&["storage:report"]);
    session.run(&["docker-args-run", "blog"]);
    session.run(&["docker-args-deploy", "blog", "", "web"]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.run(&["storage:unmount", "blog", "/srv/it's here:/x"]);
    session.run(&["storage:migrate", "--all"]);
    session.run(&["post-delete", "blog"]);
    session.run(&["storage:list-entries"]);
    session.show_tree("store");
    assert_transcript!(session);
}

#[test]
fn names_are_still_checked() {
    let mut session = Session::standalone();
    for app in ["", "..", "a/b", "Blog", ".ssh"] {
        session.run(&["storage:mount", app, "/srv/a:/a"]);
    }
    session.show_tree("store");
    assert_transcript!(session);
}

#[test]
fn reading_makes_nothing() {
    let mut session = Session::standalone();
    for words in [
        &["storage:list", "blog"][..],
        &["storage:list-entries"],
        &["storage:report"],
        &["docker-args-run", "blog"],
        &["storage:info", "nope"],
        &["storage:unmount", "blog", "nope"],
        &["storage:mount", "blog", "nope", "--container-dir", "/x"],
        &["storage:mount", "blog", "/srv/a:b"],
        &["storage:create", "NOPE"],
    ] {
        session.run(words);
        assert!(!session.host.path("store").exists(), "{words:?} made the store");
    }
    assert_transcript!(session);
}

#[test]
fn where_the_store_is() {
    let session = Session::standalone();
    let dokku_is_here = std::path::Path::new("/var/lib/dokku/core-plugins").is_dir();
    let place = |variables: &[(&str, &str)]| {
        let call = Call::new(&session.host, program_under_test().into(), Vec::new());
        let call = variables.iter().fold(call, |call, (name, value)| call.env(name, value));
        call.words(["storage:mount", "blog", "/srv/a:/a"]).run()
    };
    let store = ("DOKKU_STORAGE_ROOT", "{ROOT}/a");
    assert_eq!(place(&[store, ("HOME", "{ROOT}/b")]).status, 0);
    assert!(session.host.path("a/config/storage/blog/mounts").is_file());
    assert_eq!(place(&[("DOKKU_STORAGE_ROOT", "relative")]).status, 0);
    assert!(session.host.path("relative/config/storage/blog/mounts").is_file());
    if dokku_is_here {
        return;
    }
    assert_eq!(place(&[("HOME", "{ROOT}/b")]).status, 0);
    assert!(session.host.path("b/.local/share/dokku-storage/config/storage/blog/mounts").is_file());
    assert_eq!(place(&[("HOME", "{ROOT}/b"), ("XDG_DATA_HOME", "{ROOT}/c")]).status, 0);
    assert!(session.host.path("c/dokku-storage/config/storage/blog/mounts").is_file());
    let answer = place(&[]);
    assert_eq!(answer.status, 1, "{answer:?}");
    assert!(answer.stderr.contains("DOKKU_STORAGE_ROOT"), "{answer:?}");
}

#[test]
fn what_to_type_is_a_command_of_this_host() {
    let mut session = Session::standalone();
    session.run(&["storage:create", "blog-data"]);
    session.run(&["storage:mount", "blog", "nope", "--container-dir", "/data"]);
    session.run(&["storage:mount", "blog", "blog-data", "/data"]);
    session.run(&["storage:mount", "blog", "blog-data:/data"]);
    session.run(&["storage:destroy", "blog-data", "--destroy-host-dir", "--force"]);
    session.prepare(&["storage:create", "wiki-data"]);
    session.prepare(&["storage:mount", "wiki", "wiki-data", "--container-dir", "/wiki"]);
    std::fs::remove_dir(session.host.path("store/data/storage/wiki-data")).unwrap();
    session.run(&["storage:doctor", "wiki"]);
    session.run(&["storage:doctor", "wiki", "--format", "json"]);
    // What somebody wrote stays as it is.
    session.run(&["storage:create", "shop-data"]);
    session.run(&["storage:annotations:set", "shop-data", "note", "dokku storage:list"]);
    session.run(&["storage:annotations:report", "shop-data"]);
    assert_transcript!(session);
}

#[test]
fn a_directory_without_writing_is_removed_with_the_rest() {
    let session = Session::standalone();
    let line = if is_root() {
        "chown -R daemon:daemon . && exec setpriv --reuid daemon --regid daemon --clear-groups -- \"$@\""
    } else {
        "exec \"$@\""
    };
    let run = |words: &[&str]| {
        let answer = session.call(words).around(line).run();
        assert_eq!(answer.status, 0, "{words:?}: {answer:?}");
    };
    run(&["storage:create", "data"]);
    let data = session.host.path("store/data/storage/data");
    for (directory, mode) in [("closed/in/deep", 0o555), ("closed/in", 0o555), ("closed", 0)] {
        std::fs::create_dir_all(data.join(directory)).unwrap();
        std::fs::write(data.join(directory).join("file"), "").unwrap();
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(data.join(directory), mode).unwrap();
    }
    run(&["storage:destroy", "data", "--force", "--destroy-host-dir", "--no-trash"]);
    let left = std::fs::read_dir(session.host.path("store/data/storage")).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}
