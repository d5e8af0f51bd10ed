//! `storage:mount --replace`, `storage:unmount --all` and several mounts at once.

use crate::{Session, assert_transcript};

const MOUNTS: &str = "lib/config/storage/blog/mounts";

fn host() -> Session {
    let session = Session::dokku(&["blog", "wiki"]);
    for name in ["data", "cache", "logs"] {
        session.prepare(&["storage:create", name]);
    }
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:mount", "blog", "/srv/a:/a"]);
    let web = ["storage:mount", "blog", "cache", "--container-dir", "/w", "--process-type", "web"];
    session.prepare(&web);
    session
}

#[test]
fn the_mounts_of_one_process_type_are_replaced() {
    let mut session = host();
    session.run(&["storage:mount", "--replace", "blog", "cache:/cache", "/srv/b:/b:ro,Z"]);
    session.show_file(MOUNTS);
    session.run(&["storage:mount", "--replace", "blog", "/srv/b:/b:ro,Z", "cache:/cache:rw"]);
    session.run(&[
        "storage:mount",
        "blog",
        "data:/data:volume-subpath=up,volume-chown=herokuish,phase=run,phase=deploy",
        "logs:/logs:noexec,ro",
        "--replace",
        "--process-type",
        "web",
    ]);
    session.show_file(MOUNTS);
    session.run(&[
        "storage:mount",
        "--replace",
        "blog",
        "data:/data",
        "logs:/logs",
        "--volume-readonly",
        "--phase",
        "deploy",
    ]);
    session.show_file(MOUNTS);
    session.run(&["storage:list-entries"]);
    assert_transcript!(session);
}

#[test]
fn a_wrong_pair_changes_nothing_and_is_named() {
    let mut session = host();
    for pairs in [
        &[][..],
        &["cache:/cache", "missing:/missing"],
        &["cache:/cache", "logs:/cache/"],
        &["cache:/cache", "logs:/w"],
        &["cache:/cache", "logs"],
        &["cache:/cache", "logs:logs"],
        &["cache:/cache", "logs:/logs:volume-subpth=up"],
        &["cache:/cache", "logs:/logs:volume-subpath=../up"],
        &["cache:/cache", "logs:/logs:ro,rw"],
        &["cache:/cache", "logs:/logs:-v,/:/host"],
        &["cache:/cache", "/var/lib/../../etc:/etc"],
        &["cache:/cache", "/srv/b --privileged:/b"],
        &["cache:/cache:volume-chown=root", "logs:/logs", "--volume-chown", "heroku"],
        &["cache:/cache", "logs:/logs:rw", "--volume-readonly"],
        &["cache:/cache", "--container-dir", "/cache"],
    ] {
        session.run(&[&["storage:mount", "--replace", "blog"], pairs].concat());
    }
    session.show_file(MOUNTS);
    session.run(&["storage:list-entries"]);
    assert_transcript!(session);
}

#[test]
fn several_mounts_go_in_one_step() {
    let mut session = host();
    session.run(&["storage:unmount", "blog", "data", "/srv/a:/a", "missing"]);
    session.run(&["storage:unmount", "blog", "data", "/srv/b:/b"]);
    session.run(&["storage:unmount", "blog", "data", "data"]);
    session.run(&["storage:unmount", "blog", "data", "cache", "--container-dir", "/data"]);
    session.run(&["storage:unmount", "wiki", "data", "cache"]);
    session.show_file(MOUNTS);
    session.run(&["storage:unmount", "blog", "data", "/srv/a:/a"]);
    session.show_file(MOUNTS);
    session.run(&["storage:unmount", "blog", "cache:/w"]);
    session.run(&["storage:list", "blog"]);
    session.run(&["storage:list-entries"]);
    assert_transcript!(session);
}

#[test]
fn all_mounts_go_and_having_none_is_no_error() {
    let mut session = host();
    session.run(&["storage:unmount", "--all", "blog", "data"]);
    session.run(&["storage:unmount", "--all", "blog", "--container-dir", "/data"]);
    session.run(&["storage:unmount", "--all"]);
    session.run(&["storage:unmount", "--all", "blog", "--process-type", "worker"]);
    session.run(&["storage:unmount", "--all", "blog", "--process-type", "web"]);
    session.show_file(MOUNTS);
    session.run(&["storage:unmount", "blog", "--all"]);
    session.run(&["storage:unmount", "--all", "blog"]);
    session.run(&["storage:unmount", "--all", "wiki"]);
    session.run(&["storage:list", "blog"]);
    session.run(&["storage:list-entries"]);
    assert_transcript!(session);
}
