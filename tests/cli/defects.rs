//! The known defects of Dokku 0.38.27's own plugin, one test each: here they are not. The fifth (the sudo helpers'
//! root and links) is in `helpers.rs`.

use crate::harness::as_root;
use crate::{Session, assert_transcript};

fn args(session: &Session, words: &[&str]) -> String {
    let answer = session.call(words).run();
    assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{words:?}");
    answer.stdout
}

/// 1: parallel mounts are lost, a crash truncates.
#[test]
fn parallel_mounts_are_all_there() {
    let session = Session::dokku(&["blog"]);
    let line = "for n in $(seq 40); do \"$@\" /srv/$n:/at/$n & done; wait";
    let answer = session.call(&["storage:mount", "blog"]).around(line).run();
    assert_eq!((answer.status, answer.stderr.as_str()), (0, ""));
    let listed = args(&session, &["storage:list", "blog"]);
    assert_eq!(listed.lines().count(), 1 + 40, "{listed}");
    let entries = args(&session, &["storage:list-entries"]);
    assert_eq!(entries.lines().count(), 1 + 40, "{entries}");
    let mut found = Session::dokku(&["blog"]);
    found.remark("a mount that was interrupted before its file was in place");
    found.prepare(&["storage:mount", "blog", "/srv/a:/a"]);
    found.host.write("lib/data/storage-registry/.change", "{\"entry_name\":\"tru");
    found.run(&["storage:list", "blog"]);
    found.run(&["storage:mount", "blog", "/srv/b:/b"]);
    found.show_tree("lib");
    assert_transcript!(found);
}

/// 2: options are smuggled into `docker create`; a lone quote stops every deploy.
#[test]
fn a_mount_is_one_word() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "ignore"]);
    session.run(&["storage:mount", "blog", "/tmp:/x --privileged"]);
    session.run(&["storage:create", "a", "{ROOT}/srv/my data"]);
    session.run(&["storage:create", "b", "{ROOT}/srv/x --privileged"]);
    session.run(&["storage:mount", "blog", "a", "--container-dir", "/x --privileged"]);
    session.run(&[
        "storage:mount",
        "blog",
        "a",
        "--container-dir",
        "/x",
        "--volume-options",
        "ro --pid=host",
    ]);
    session.run(&[
        "storage:mount",
        "blog",
        "a",
        "--container-dir",
        "/x",
        "--volume-subpath",
        "../../etc",
    ]);
    session.run(&["storage:mount", "blog", "a", "--container-dir", "/x"]);
    session.run(&["storage:mount", "blog", "/srv/o'clock:/y"]);
    session.run_with("split by xargs", &["docker-args-deploy", "blog", "latest", "web"], |call| {
        call.around("\"$@\" | xargs printf '<%s>\\n'")
    });
    assert_transcript!(session);
}

/// 3: process type, subpath and owner are stored and ignored; two mounts claim one container path.
#[test]
fn what_is_stored_is_done() {
    if !as_root("defects::what_is_stored_is_done") {
        return;
    }
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.host.make_directory("lib/data/storage/data/part");
    session.prepare(&[
        "storage:mount",
        "blog",
        "data",
        "--container-dir",
        "/data",
        "--process-type",
        "worker",
        "--volume-subpath",
        "part",
        "--volume-chown",
        "heroku",
    ]);
    session.run(&["docker-args-deploy", "blog", "latest", "web", "1"]);
    session.run(&["docker-args-deploy", "blog", "latest", "worker", "1"]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.show_tree("lib/data/storage");
    session.run(&["storage:mount", "blog", "/srv/x:/data/"]);
    assert_transcript!(session);
}

/// 4: a missing host path is made by Docker, as root, as a directory.
#[test]
fn a_missing_path_stops_the_deploy() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:mount", "blog", "{ROOT}/srv/settings.json:/app/settings.json"]);
    let answer =
        session.call(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]).run();
    assert_eq!((answer.status, answer.stdout.as_str()), (1, ""), "{answer:?}");
    for word in ["blog", "{ROOT}/srv/settings.json", "/app/settings.json", "mkdir"] {
        assert!(answer.stderr.contains(word), "{word} is not named: {answer:?}");
    }
    assert!(!session.host.path("srv").exists(), "something was made");
    session.host.write("srv/settings.json", "{}");
    assert_eq!(
        args(&session, &["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]),
        ""
    );
}

/// 6: `chown -R` always, on everything.
#[test]
fn only_the_directory_itself_changes_its_owner() {
    if !as_root("defects::only_the_directory") {
        return;
    }
    let mut session = Session::dokku(&["blog"]);
    session.host.write("lib/data/storage/data/of-another-uid", "");
    session.run(&["storage:ensure-directory", "data"]);
    session.run(&["storage:create", "data", "--chown", "heroku"]);
    session.run(&["storage:set", "data", "chown", "paketo"]);
    session.show_tree("lib/data/storage");
    session.run(&["storage:set", "data", "chown", "paketo", "--chown-recursive"]);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

/// 7: entries of colon mounts are left behind.
#[test]
fn entries_of_colon_mounts_go_with_the_last_mount() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:mount", "blog", "/srv/a:/a"]);
    session.prepare(&["storage:mount", "blog", "/srv/b:/b"]);
    session.prepare(&["storage:mount", "wiki", "/srv/b:/b"]);
    session.run(&["storage:unmount", "blog", "/srv/a:/a"]);
    session.run(&["post-delete", "blog"]);
    session.run(&["storage:list-entries"]);
    session.run(&["post-delete", "wiki"]);
    session.run(&["storage:list-entries"]);
    assert_transcript!(session);
}

/// 8: refused commands leave directories behind; a missing entry file stops every deploy of the app.
#[test]
fn a_refusal_leaves_nothing_and_a_missing_entry_stops_nothing() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:create", "a", "--mode", "rwx"]);
    session.run(&["storage:create", "a", "{ROOT}/deep/path", "--chown", "heroku"]);
    session.host.answer("storage-create.exit", "1");
    session.run(&[
        "storage:create",
        "a",
        "{ROOT}/deep/path",
        "--scheduler",
        "k3s",
        "--size",
        "1Gi",
    ]);
    session.run(&["storage:ensure-directory", "a", "--chown", "nobody"]);
    session.show_tree("lib/data/storage");
    session.show_tree("deep");
    session.prepare(&["storage:create", "lost"]);
    session.prepare(&["storage:mount", "blog", "lost", "--container-dir", "/lost"]);
    session.prepare(&["storage:create", "good", "{ROOT}/srv/good"]);
    session.prepare(&["storage:mount", "blog", "good", "--container-dir", "/good"]);
    std::fs::remove_file(session.host.path("lib/data/storage-registry/entries/lost.json")).unwrap();
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    session.run(&["docker-args-run", "blog", "latest"]);
    session.run(&["storage-app-mounts", "blog"]);
    assert_transcript!(session);
}

/// 9: a report with two flags prints nothing and succeeds; the list hides mounts of the run phase.
#[test]
fn nothing_is_silently_left_out() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:mount", "blog", "/srv/run:/run", "--phase", "run"]);
    session.prepare(&["storage:mount", "blog", "/srv/build:/build", "--phase", "build"]);
    session.run(&["storage:report", "blog", "--storage-run-mounts", "--storage-deploy-mounts"]);
    session.run(&["storage:list", "blog"]);
    session.run(&["storage:list", "blog", "--format", "json"]);
    assert_transcript!(session);
}

/// 10: the uid offset of user namespaces is assumed.
#[test]
fn the_uid_offset_is_what_docker_says() {
    if !as_root("defects::the_uid_offset") {
        return;
    }
    let mut session = Session::dokku(&["blog"]);
    session.run_with("Docker says nothing", &["storage:ensure-directory", "a"], |call| call);
    session.host.answer("docker-info", "true /var/lib/docker/100000.200000\n");
    session.run_with("100000.200000", &["storage:ensure-directory", "b"], |call| call);
    session.host.answer("docker-info", " /var/lib/docker\n");
    session.run_with("no user namespaces", &["storage:ensure-directory", "c"], |call| call);
    session.host.answer("docker-info.exit", "1");
    session.run_with("Docker does not answer", &["storage:ensure-directory", "d"], |call| call);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}
