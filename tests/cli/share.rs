//! `storage:share` and `storage:unshare`.

use crate::harness::stubs;
use crate::{Session, assert_transcript};

fn host() -> Session {
    let session = Session::dokku(&["blog", "shop", "wiki"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session
}

#[test]
fn now_and_later() {
    let mut session = host();
    session.run(&["storage:share", "blog", "shop", "--read-only"]);
    session.run(&["storage:share", "blog", "shop", "--read-only"]);
    session.run(&["storage:list", "shop"]);
    session.run(&["docker-args-deploy", "shop", "latest", "web"]);
    session.remark("what is mounted later is there too");
    session.prepare(&["storage:create", "more"]);
    session.prepare(&[
        "storage:mount",
        "blog",
        "more",
        "--container-dir",
        "/more",
        "--phase",
        "run",
    ]);
    session.run(&["storage:list", "shop", "--format", "table"]);
    session.run(&["storage:list", "shop", "--format", "json"]);
    session.run(&["storage:report", "shop"]);
    session.run(&["storage:app:report", "shop"]);
    session.run(&["storage-app-mounts", "shop", "deploy"]);
    session.run(&["docker-args-run", "shop", "latest"]);
    session.run(&["pre-release-builder", "herokuish", "shop", "dokku/shop:latest"]);
    session.remark("an app of its own is as it was");
    session.run(&["storage:list", "blog", "--format", "json"]);
    session.remark("the entries say who has them");
    session.run(&["storage:list-entries", "--format", "table"]);
    session.remark("writable from now on, and taken away");
    session.run(&["storage:share", "blog", "shop"]);
    session.run(&["docker-args-deploy", "shop", "latest", "web"]);
    session.run(&["storage:unmount", "shop", "data"]);
    session.run(&["storage:unshare", "blog", "shop"]);
    session.run(&["storage:unshare", "blog", "shop"]);
    session.run(&["docker-args-deploy", "shop", "latest", "web"]);
    session.show_tree("lib/config/storage");
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = host();
    session.prepare(&["storage:share", "blog", "shop"]);
    for words in [
        &["storage:share"][..],
        &["storage:share", "blog"],
        &["storage:share", "blog", "blog"],
        &["storage:share", "blog", "nope"],
        &["storage:share", "nope", "blog"],
        &["storage:share", "blog", "shop", "wiki"],
        &["storage:share", "shop", "blog"],
        &["storage:share", "shop", "wiki"],
        &["storage:share", "wiki", "blog"],
        &["storage:unshare", "wiki", "shop"],
        &["storage:unshare", "nope", "shop"],
    ] {
        session.run(words);
    }
    session.remark("one container path for two");
    session.prepare(&["storage:create", "other"]);
    session.prepare(&["storage:mount", "wiki", "other", "--container-dir", "/data"]);
    session.run(&["storage:share", "blog", "wiki"]);
    session.run(&["storage:share", "wiki", "shop"]);
    session.run(&["storage:mount", "shop", "other", "--container-dir", "/data"]);
    session.run(&["storage:mount", "shop", "/srv/x:/data"]);
    session.prepare(&["storage:mount", "shop", "other", "--container-dir", "/other"]);
    session.run(&["storage:mount", "blog", "other", "--container-dir", "/other"]);
    session.run_with("other at /data", &["storage:apply", "shop"], |call| {
        call.stdin(r#"[{"entry_name":"other","container_path":"/data"}]"#)
    });
    session.remark("older lines whose place is taken stay where they are");
    session.host.write("lib/config/docker-options/shop/_default_.deploy", "-v /srv/x:/data\n");
    session.run(&["storage:migrate", "shop"]);
    session.remark("what is listed can be applied");
    let listed = session.call(&["storage:list", "shop", "--format", "json"]).run().stdout;
    session.run_with("as listed", &["storage:apply", "shop"], |call| call.stdin(&listed));
    session.remark("another program's file is found at the deploy");
    let line = r#"{"entry_name":"other","container_path":"/data","phases":["deploy"]}"#;
    session.host.write("lib/config/storage/shop/mounts", format!("{line}\n"));
    session.run(&["pre-release-builder", "herokuish", "shop", "dokku/shop:latest"]);
    session.remark("in use through the other app");
    session.run(&["storage:destroy", "data", "--force"]);
    session.run(&["storage:set", "data", "exclusive", "true"]);
    session.run(&["storage:move", "data", "blog", "wiki"]);
    assert_transcript!(session);
}

#[test]
fn what_is_left_out() {
    let mut session = host();
    session.prepare(&["storage:create", "alone", "--exclusive"]);
    session.prepare(&["storage:mount", "blog", "alone", "--container-dir", "/alone"]);
    session.prepare(&["storage:create", "ours", "--scope", "blog"]);
    session.prepare(&["storage:mount", "blog", "ours", "--container-dir", "/ours"]);
    session.prepare(&["storage:create", "alias", "{ROOT}/lib/data/storage/alone"]);
    session.prepare(&["storage:mount", "blog", "alias", "--container-dir", "/alias"]);
    session.run(&["storage:share", "blog", "shop"]);
    session.run(&["storage:list", "shop"]);
    session.run(&["pre-release-builder", "herokuish", "shop", "dokku/shop:latest"]);
    session.run(&["docker-args-deploy", "shop", "latest", "web"]);
    session.remark("the exclusive entry has one app still");
    session.run(&["storage:set", "alone", "exclusive", "true"]);
    session.remark("to read a place by another name is allowed");
    session.run(&["storage:share", "blog", "shop", "--read-only"]);
    session.remark("a path that the policy forbids the app");
    session.prepare(&["storage:unshare", "blog", "shop"]);
    session.prepare(&["storage:mount", "blog", "/srv/blog:/srv"]);
    session.prepare(&["storage:policy:set", "allowed-paths", "/opt"]);
    session.run(&["storage:share", "blog", "shop"]);
    assert_transcript!(session);
}

#[test]
fn what_is_for_others_within_a_shared_entry_is_not_shared() {
    let mut session = Session::dokku(&["blog", "shop"]);
    session.prepare(&["storage:create", "base"]);
    let inner = "{ROOT}/lib/data/storage/base/in";
    session.prepare(&["storage:create", "inner", inner, "--scope", "blog"]);
    session.prepare(&["storage:share", "blog", "shop"]);
    session.run(&["storage:mount", "blog", "base", "--container-dir", "/base"]);
    session.run(&["docker-args-deploy", "shop", "latest", "web"]);
    session.run(&["storage:list", "shop"]);
    session.prepare(&["storage:unshare", "blog", "shop"]);
    session.run(&["storage:share", "blog", "shop", "--read-only"]);
    session.prepare(&["storage:set", "inner", "scope", "blog,shop"]);
    session.run(&["docker-args-deploy", "shop", "latest", "web"]);
    assert_transcript!(session);
}

#[test]
fn the_life_of_the_apps() {
    let mut session = host();
    session.prepare(&["storage:share", "blog", "shop", "--read-only"]);
    session.host.make_directory("home/journal");
    session.run(&["post-app-rename-setup", "blog", "journal"]);
    session.run(&["storage:list", "shop"]);
    session.host.make_directory("home/store");
    session.run(&["post-app-rename-setup", "shop", "store"]);
    session.run(&["storage:list", "store"]);
    session.remark("a clone shares as well");
    session.host.make_directory("home/copy");
    session.prepare(&["storage:app:set", "store", "clone", "copy"]);
    session.run(&["post-app-clone-setup", "store", "copy"]);
    session.run(&["storage:list", "copy"]);
    session.remark("without any mounts yet");
    session.prepare(&["storage:unshare", "journal", "store"]);
    session.prepare(&["storage:share", "wiki", "store"]);
    session.host.make_directory("home/notes");
    session.run(&["post-app-rename-setup", "wiki", "notes"]);
    session.run(&["storage:app:report", "store"]);
    session.run(&["post-delete", "journal"]);
    session.run(&["storage:list", "copy"]);
    session.run(&["storage:app:report", "copy"]);
    assert_transcript!(session);
}

#[test]
fn who_may() {
    let mut session = host();
    session.prepare(&["storage:share", "blog", "wiki"]);
    session.host.make_directory("lib/plugins/enabled/acl");
    stubs::script(&session.host.path("lib/plugins/enabled/acl/user-auth-app"), "#!/bin/sh\n");
    session.host.answer("user-auth-app", "wiki\n");
    session.run(&["storage:share", "blog", "shop"]);
    session.run(&["storage:unshare", "blog", "wiki"]);
    session.run(&["storage:list", "wiki"]);
    session.run(&["storage:app:report", "wiki"]);
    session.remark("the share gives no say over the entry");
    session.run(&["storage:info", "data"]);
    assert_transcript!(session);
}
