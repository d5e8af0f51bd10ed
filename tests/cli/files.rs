//! The store's files: their modes and owners, and what survives a rewrite.

use crate::harness::as_root;
use crate::{Session, assert_transcript};

#[test]
fn modes() {
    let mut session = Session::dokku(&["blog"]);
    let words = ["storage:create", "data"];
    session.run_with("umask 000", &words, |call| call.around("umask 000; exec \"$@\""));
    let words = ["storage:mount", "blog", "data", "--container-dir", "/data"];
    session.run_with("umask 077", &words, |call| call.around("umask 077; exec \"$@\""));
    session.show_tree("lib/data");
    session.show_tree("lib/config");
    session.remark("a file that somebody opened up is closed when it is written again");
    let mounts = session.host.path("lib/config/storage/blog/mounts");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(mounts, open).unwrap();
    session.run(&["storage:mount", "blog", "/srv/a:/a"]);
    session.show_tree("lib/config");
    assert_transcript!(session);
}

#[test]
fn owners_where_root_calls() {
    if !as_root("files::owners_where_root_calls") {
        return;
    }
    let mut session = Session::dokku(&["blog"]);
    for words in [
        &["storage:create", "data", "--mode", "0750"][..],
        &["storage:mount", "blog", "data", "--container-dir", "/data"],
        &["storage:mount", "blog", "/srv/a:/a"],
        &["storage:migrate", "blog"],
    ] {
        let answer = session
            .call(words)
            .env("DOKKU_SYSTEM_USER", "daemon")
            .env("DOKKU_SYSTEM_GROUP", "daemon")
            .run();
        assert_eq!(answer.status, 0, "{answer:?}");
    }
    session.show_tree("lib/data");
    session.show_tree("lib/config");
    let lock = std::fs::metadata(session.host.path("lib/data/storage-registry/.lock")).unwrap();
    assert_ne!(std::os::unix::fs::MetadataExt::uid(&lock), 0, "the lock is root's");
    session.run_with("no such user", &["storage:create", "other"], |call| {
        call.env("DOKKU_SYSTEM_USER", "no-such-user")
    });
    assert_transcript!(session);
}

#[test]
fn unknown_fields_survive() {
    let mut session = Session::dokku(&["blog", "copy", "wiki"]);
    session.host.write(
        "lib/data/storage-registry/entries/data.json",
        session.host.expand(
            r#"{"name":"data","scheduler":"docker-local","host_path":"{ROOT}/srv/data","x_new":{"deep":[1,null,"é"]},"schema_version":7}"#,
        ),
    );
    session.host.write(
        "lib/config/storage/blog/mounts",
        "{\"entry_name\":\"data\",\"container_path\":\"/a\",\"phases\":[\"deploy\"],\"process_type\":\"_default_\",\"x_new\":[true]}\n{\"x_first\":1,\"entry_name\":\"data\",\"container_path\":\"/b\",\"phases\":[\"run\"]}\n",
    );
    session.run(&["storage:set", "data", "namespace", "prod"]);
    session.run(&["storage:labels:set", "data", "a", "b"]);
    session.run(&["storage:create", "data", "{ROOT}/srv/data", "--annotation", "c=d"]);
    session.show_file("lib/data/storage-registry/entries/data.json");
    session.run(&["storage:mount", "blog", "data", "--container-dir", "/a", "--volume-readonly"]);
    session.run(&["storage:mount", "blog", "/srv/new:/new"]);
    session.show_file("lib/config/storage/blog/mounts");
    session.run(&["storage:info", "data", "--format", "json"]);
    session.run(&["storage-app-mounts", "blog"]);
    session.host.write("lib/config/storage/blog/x-new-file", "of a newer Dokku\n");
    session.run(&["post-app-clone-setup", "blog", "copy"]);
    session.run(&["post-app-rename-setup", "blog", "wiki"]);
    session.show_file("lib/config/storage/copy/mounts");
    session.show_file("lib/config/storage/wiki/mounts");
    session.show_file("lib/config/storage/wiki/x-new-file");
    assert_transcript!(session);
}

#[test]
fn unknown_numbers_survive() {
    let session = Session::dokku(&["blog"]);
    let unknown = r#""x_new":[12345678901234567890123,0.30000000000000004441,1e+400,-0.0]"#;
    let entry = "lib/data/storage-registry/entries/data.json";
    let text = format!(
        r#"{{"name":"data","scheduler":"docker-local","host_path":"/srv/data",{unknown}}}"#
    );
    session.host.write(entry, text);
    session.prepare(&["storage:labels:set", "data", "a", "b"]);
    let written = session.host.read(&session.host.path(entry)).unwrap();
    let compact: String = written.chars().filter(|c| !c.is_whitespace()).collect();
    assert!(compact.contains(unknown), "{written}");
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data", "--label", "a=b"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    let inode = |below: &str| {
        let path = session.host.path(below);
        std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap())
    };
    let files = ["lib/data/storage-registry/entries/data.json", "lib/config/storage/blog/mounts"];
    let before = files.map(inode);
    for words in [
        &["storage:create", "data"][..],
        &["storage:labels:set", "data", "a", "b"],
        &["storage:mount", "blog", "data", "--container-dir", "/data"],
        &["storage:migrate", "blog"],
        &["storage:list", "blog"],
    ] {
        let answer = session.call(words).run();
        assert_eq!(answer.status, 0, "{answer:?}");
    }
    assert_eq!(files.map(inode), before);
}

/// An entry that was made for a volume of blog's image, and whose backups run commands in blog's containers.
fn entry_of_blogs_image(session: &Session, policy: &str) {
    session.host.write(
        "lib/data/storage-registry/entries/data.json",
        format!(
            r#"{{"name":"data","scheduler":"docker-local","host_path":"/srv/data","reclaim_policy":"{policy}",
                "backup":{{"before":"a","apps":["wiki","blog"]}},"auto_volume":{{"app":"blog","path":"/v"}},"schema_version":1}}"#
        ),
    );
    session.host.write(
        "lib/config/storage/blog/mounts",
        "{\"entry_name\":\"data\",\"container_path\":\"/v\",\"phases\":[\"deploy\"]}\n",
    );
}

fn entry_now(session: &Session) -> serde_json::Value {
    let path = session.host.path("lib/data/storage-registry/entries/data.json");
    serde_json::from_str(&session.host.read(&path).unwrap()).unwrap()
}

#[test]
fn an_entry_follows_its_app_in_all_that_it_says_of_it() {
    let session = Session::dokku(&["blog", "wiki"]);
    entry_of_blogs_image(&session, "Delete");
    session.prepare(&["post-app-rename-setup", "blog", "news"]);
    let entry = entry_now(&session);
    assert_eq!(entry["auto_volume"]["app"], "news", "{entry}");
    assert_eq!(entry["backup"]["apps"], serde_json::json!(["wiki", "news"]), "{entry}");
    let session = Session::dokku(&["blog", "wiki"]);
    entry_of_blogs_image(&session, "Retain");
    session.prepare(&["post-delete", "blog"]);
    let entry = entry_now(&session);
    assert!(entry.get("auto_volume").is_none(), "{entry}");
    assert_eq!(entry["backup"]["apps"], serde_json::json!(["wiki"]), "{entry}");
}

#[test]
fn a_copy_of_an_images_volume_is_not_the_images() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    let path = session.host.path("lib/data/storage-registry/entries/data.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut entry: serde_json::Value = serde_json::from_str(&text).unwrap();
    entry["auto_volume"] = serde_json::json!({"app": "blog", "path": "/v"});
    entry["reclaim_policy"] = "Delete".into();
    std::fs::write(&path, entry.to_string()).unwrap();
    session.prepare(&["storage:clone", "data", "keep"]);
    session.prepare(&["storage:destroy", "data", "--force", "--destroy-host-dir"]);
    session.prepare(&["storage:trash:restore", "data", "--as", "again"]);
    session.prepare(&["post-delete", "blog"]);
    let list = session.call(&["storage:list-entries", "--format", "json"]).run().stdout;
    for name in ["keep", "again"] {
        assert!(list.contains(&format!("\"{name}\"")), "{list}");
    }
}
