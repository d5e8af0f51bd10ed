//! `storage:destroy`.

use crate::trash::{LATER, make_older};
use crate::{Session, assert_transcript};

#[test]
fn only_the_entry() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.host.write("lib/data/storage/data/kept", "");
    session.run(&["storage:destroy", "data", "--force"]);
    session.show_tree("lib/data");
    assert_transcript!(session);
}

#[test]
fn the_data_too() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.host.write("lib/data/storage/data/deep/file", "");
    session.run(&["storage:destroy", "data", "--force", "--destroy-host-dir"]);
    session.prepare(&["storage:create", "doomed", "--reclaim-policy", "Delete"]);
    session.run(&["storage:destroy", "doomed", "--force"]);
    make_older(&session.host, LATER);
    session.show_tree("lib/data");
    assert_transcript!(session);
}

#[test]
fn by_confirmation() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:create", "more"]);
    session.run_with("nothing on standard input", &["storage:destroy", "data"], |call| call);
    session.run_with("wrong name", &["storage:destroy", "data"], |call| call.stdin("date\n"));
    session.run_with("wrong name", &["storage:destroy", "data", "--destroy-host-dir"], |call| {
        call.stdin("more\n")
    });
    session.run_with("right name", &["storage:destroy", "data"], |call| call.stdin("data\n"));
    session.run_with("the global --force", &["storage:destroy", "more"], |call| {
        call.env("DOKKU_APPS_FORCE_DELETE", "1")
    });
    session.show_tree("lib/data/storage-registry");
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/a"]);
    session.prepare(&["storage:mount", "wiki", "data", "--container-dir", "/a"]);
    session.prepare(&["storage:create", "elsewhere", "{ROOT}/srv/x"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.run(&["storage:destroy"]);
    session.run(&["storage:destroy", "nope", "--force"]);
    session.run(&["storage:destroy", "data", "--force"]);
    session.run(&["storage:destroy", "elsewhere", "--force", "--destroy-host-dir"]);
    session.run(&["storage:destroy", "claim", "--force", "--destroy-host-dir"]);
    session.host.answer("storage-destroy.exit", "5");
    session.run(&["storage:destroy", "claim", "--force"]);
    session.run(&["storage:list-entries"]);
    assert_transcript!(session);
}

#[test]
fn an_entry_that_went_with_its_last_mount() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session.run(&["storage:mount", "blog", "/srv/a:/a"]);
    let name = "legacy-ad9cda397b";
    session.run(&["storage:destroy", name, "--force"]);
    session.run(&["storage:unmount", "blog", name, "--container-dir", "/a"]);
    session.run(&["storage:destroy", name]);
    session.run(&["storage:destroy", name, "--force"]);
    session.run_with("the global --force", &["storage:destroy", name], |call| {
        call.env("DOKKU_APPS_FORCE_DELETE", "1")
    });
    session.run_with("--quiet", &["storage:destroy", name, "--force"], |call| {
        call.env("DOKKU_QUIET_OUTPUT", "1")
    });
    for other in ["legacy-", "legacy-ad9cda397", "legacy-ad9cda397b5", "legacy-AD9CDA397B"] {
        session.run(&["storage:destroy", other, "--force"]);
    }
    session.run(&["storage:destroy", "legacy-data", "--force"]);
    session.run(&["storage:destroy", "ad9cda397b", "--force"]);
    session.run(&["storage:destroy", name, "more", "--force"]);
    // What is to be removed too is not removed by it.
    session.run(&["storage:destroy", name, "--force", "--destroy-host-dir"]);
    // An app says that it mounts it, and its file is missing: that is another matter.
    session.prepare(&["storage:mount", "wiki", "/srv/a:/a"]);
    std::fs::remove_file(
        session.host.path(&format!("lib/data/storage-registry/entries/{name}.json")),
    )
    .unwrap();
    session.run(&["storage:destroy", name, "--force"]);
    assert_transcript!(session);
}

#[test]
fn a_link_in_the_directorys_place() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.host.write("outside/precious", "");
    std::fs::remove_dir(session.host.path("lib/data/storage/data")).unwrap();
    let link = session.host.path("lib/data/storage/data");
    std::os::unix::fs::symlink(session.host.path("outside"), link).unwrap();
    session.run(&["storage:destroy", "data", "--force", "--destroy-host-dir"]);
    session.show_tree("outside");
    session.run(&["storage:list-entries"]);
    assert_transcript!(session);
}

#[test]
fn an_apps_mounts_that_cannot_be_read_are_named() {
    let session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:create", "data"]);
    let line = "{\"entry_name\":\"data\",\"container_path\":\n";
    session.host.write("lib/config/storage/wiki/mounts", line);
    let answer = session.call(&["storage:destroy", "data", "--force"]).run();
    assert_eq!(answer.status, 1, "{answer:?}");
    let place = "lib/config/storage/wiki/mounts line 1";
    assert!(answer.stderr.contains(place), "the broken file is not named: {answer:?}");
    let listed = session.call(&["storage:list-entries"]).run();
    assert!(listed.stdout.contains("data"), "{listed:?}");
}

#[test]
fn without_the_trash_nothing_is_said_to_be_gone_that_stays() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.host.write("lib/data/storage/data/file", "kept");
    let answer = session.call(&["storage:destroy", "data", "--force", "--no-trash"]).run();
    let is_told =
        answer.stderr.contains("stays at") && answer.stderr.contains("--destroy-host-dir");
    assert!(answer.status == 1 && is_told, "{answer:?}");
    session.prepare(&["storage:destroy", "data", "--force", "--no-trash", "--destroy-host-dir"]);
    assert!(!session.host.path("lib/data/storage/data").exists());
}

#[test]
fn nothing_is_forgotten_while_the_storage_root_is_away() {
    let session = Session::dokku(&[]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:snapshots:create", "data", "one"]);
    let [storage, away] = ["lib/data/storage", "lib/away"].map(|path| session.host.path(path));
    std::fs::rename(&storage, &away).unwrap();
    session.host.make_directory("lib/data/storage");
    for words in [
        &["storage:destroy", "data", "--force", "--destroy-host-dir"][..],
        &["storage:destroy", "data", "--force", "--destroy-host-dir", "--no-trash"],
        &["storage:snapshots:destroy", "data", "one", "--force"],
    ] {
        let answer = session.call(words).run();
        let is_told = answer.stderr.contains("is away: its disk is not mounted");
        let is_after_another = words[0] == "storage:destroy";
        assert!(answer.status == 1 && (is_told || is_after_another), "{words:?}: {answer:?}");
    }
    std::fs::remove_dir(&storage).unwrap();
    std::fs::rename(&away, &storage).unwrap();
    session.prepare(&["storage:snapshots:destroy", "data", "one", "--force"]);
    std::fs::rename(&storage, &away).unwrap();
    session.host.make_directory("lib/data/storage");
    let forget = ["storage:destroy", "data", "--force"];
    let words = [&forget[..], &["--destroy-host-dir"]].concat();
    for words in [&forget[..], &words] {
        let answer = session.call(words).run();
        assert!(answer.status == 1 && answer.stderr.contains("begin anew"), "{answer:?}");
    }
    // A host that was restored has not seen the disk yet.
    std::fs::remove_file(session.host.path("lib/data/storage-registry/.storage-root")).unwrap();
    let answer = session.call(&words).run();
    assert!(answer.stderr.contains("nor anything else in"), "{answer:?}");
    session.prepare(&forget);
}
