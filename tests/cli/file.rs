//! Entries of type file.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::harness::{Running, as_root, say, stubs};
use crate::{Session, assert_transcript};

const CREATE: [&str; 4] = ["storage:create", "conf", "--type", "file"];
const STORED: &str = "lib/data/storage/conf";

fn host() -> Session {
    let session = Session::dokku(&["blog", "wiki"]);
    session.host.write("srv/one.conf", "one = 1\n");
    session.host.write("srv/two.conf", "two = 2\n");
    session
}

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn made_mounted_and_destroyed() {
    let mut session = host();
    session.run(&[&CREATE[..], &["--from", "{ROOT}/srv/one.conf", "--mode", "0640"]].concat());
    session.show_tree("lib/data/storage");
    session.show_file(STORED);
    session.show_file("lib/data/storage-registry/entries/conf.json");
    session.remark("the same again, from standard input, and with another mode");
    session.run(&[&CREATE[..], &["--from", "{ROOT}/srv/one.conf", "--mode", "0640"]].concat());
    session.run_with("one = 1", &[&CREATE[..], &["--from", "-"]].concat(), |call| {
        call.stdin("one = 1\n")
    });
    session.run(&[&CREATE[..], &["--mode", "0600"]].concat());
    session.show_tree("lib/data/storage");
    session.remark("with other content it is refused");
    session.run(&[&CREATE[..], &["--from", "{ROOT}/srv/two.conf"]].concat());
    session.show_file(STORED);
    session.run(&["storage:info", "conf"]);
    session.run(&["storage:list-entries", "--format", "table"]);
    session.run(&["storage:wait", "conf"]);
    session.run(&["storage:mount", "blog", "conf", "--container-dir", "/etc/app.conf"]);
    session.run(&[
        "storage:mount",
        "wiki",
        "conf",
        "--container-dir",
        "/etc/app.conf",
        "--volume-subpath",
        "part",
    ]);
    session.run(&["docker-args-deploy", "blog", "latest"]);
    session.run(&["storage:destroy", "conf", "--force", "--destroy-host-dir"]);
    session.run(&["storage:unmount", "blog", "conf"]);
    session.run(&["storage:mount", "wiki", "{ROOT}/lib/data/storage/conf:/colon"]);
    session.run(&["storage:destroy", "conf", "--force", "--destroy-host-dir"]);
    session.run(&["storage:unmount", "wiki", "{ROOT}/lib/data/storage/conf:/colon"]);
    session.run(&["storage:destroy", "conf", "--force"]);
    session.remark("the file stays, and can be taken as it is, or not with other content");
    session.run(&[&CREATE[..], &["--from", "{ROOT}/srv/two.conf"]].concat());
    session.run(&[&CREATE[..], &["--reclaim-policy", "Delete"]].concat());
    session.show_file(STORED);
    session.run_with("no", &["storage:destroy", "conf"], |call| call.stdin("no\n"));
    session.run_with("conf", &["storage:destroy", "conf"], |call| call.stdin("conf\n"));
    crate::trash::make_older(&session.host, crate::trash::LATER);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn content_is_replaced() {
    let mut session = host();
    session.prepare(&[&CREATE[..], &["--mode", "0640"]].concat());
    session.prepare(&["storage:mount", "blog", "conf", "--container-dir", "/etc/app.conf"]);
    session.host.write("home/blog/CONTAINER.web.1", "0123");
    session.run(&["storage:set", "conf", "content", "{ROOT}/srv/one.conf"]);
    session.run(&["storage:set", "conf", "content", "{ROOT}/srv/one.conf"]);
    session.show_file(STORED);
    session.run_with("three", &["storage:set", "conf", "content", "-"], |call| call.stdin("three"));
    session.show_file(STORED);
    session.show_tree("lib/data/storage");
    session.run_with("nothing", &["storage:set", "conf", "content", "-"], |call| call.stdin(""));
    session.show_file(STORED);
    session.run(&["storage:set", "conf", "mode", "0604"]);
    session.run(&["storage:set", "conf", "mode", "4755"]);
    session.run(&["storage:set", "conf", "size", "1G"]);
    session.run(&["storage:set", "conf", "node", "other"]);
    session.run(&["storage:set", "conf", "node"]);
    session.show_tree("lib/data/storage");
    session.remark("where the file is gone, it is made with the entry's mode");
    fs::remove_file(session.host.path(STORED)).unwrap();
    session.run(&["storage:set", "conf", "mode", "0640"]);
    session.run(&["storage:set", "conf", "content", "{ROOT}/srv/two.conf"]);
    session.show_tree("lib/data/storage");
    session.prepare(&["storage:create", "folder"]);
    session.run(&["storage:set", "folder", "content", "{ROOT}/srv/one.conf"]);
    session.run(&["storage:set", "conf", "content"]);
    session.run(&["storage:set", "nope", "content", "{ROOT}/srv/one.conf"]);
    assert_transcript!(session);
}

#[test]
fn owners() {
    if !as_root("file::owners") {
        return;
    }
    let mut session = host();
    session.run(
        &[&CREATE[..], &["--from", "{ROOT}/srv/one.conf", "--chown", "heroku", "--mode", "0640"]]
            .concat(),
    );
    session.show_tree("lib/data/storage");
    session.run(&["storage:set", "conf", "chown", "2000:33"]);
    session.remark("a new content has the owner and the mode of the file, not of the entry");
    session.run(&["storage:set", "conf", "content", "{ROOT}/srv/two.conf"]);
    session.show_tree("lib/data/storage");
    session.run(&["storage:set", "conf", "chown", "heroku", "--chown-recursive"]);
    session.run(&[&CREATE[..], &["--chown", "heroku", "--chown-recursive"]].concat());
    session.run(&["storage:mount", "blog", "conf", "--container-dir", "/c", "--volume-chown", "5"]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = host();
    session.host.make_directory("srv/folder");
    let file = fs::File::create(session.host.path("srv/large")).unwrap();
    file.set_len(64 * 1024 * 1024 + 1).unwrap();
    symlink("large", session.host.path("srv/link-to-large")).unwrap();
    for words in [
        &["--from", "relative.conf"][..],
        &["--from", "{ROOT}/srv/none.conf"],
        &["--from", "{ROOT}/srv/folder"],
        &["--from", "/dev/zero"],
        &["--from", "{ROOT}/srv/../srv/one.conf"],
        &["--from", "{ROOT}/srv/large"],
        &["--from", "{ROOT}/srv/link-to-large"],
        &["--mode", "4755"],
        &["--mode", "2644"],
        &["--mode", "rw"],
        &["--chown", "nobody"],
        &["--chown-recursive"],
        &["{ROOT}/srv/one.conf"],
        &["--size", "1G"],
        &["--driver", "local"],
        &["--option", "a=b"],
    ] {
        session.run(&[&CREATE[..], words].concat());
    }
    session.run(&["storage:create", "plain", "--from", "{ROOT}/srv/one.conf"]);
    session.remark("nothing of it was done");
    session.run(&["storage:list-entries"]);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn what_is_in_its_place() {
    let mut session = host();
    let stored = session.host.path(STORED);
    session.host.make_directory("lib/data/storage/conf/inside");
    session.run(&CREATE);
    fs::remove_dir(stored.join("inside")).unwrap();
    fs::remove_dir(&stored).unwrap();
    symlink("../../../srv/one.conf", &stored).unwrap();
    session.run(&CREATE);
    fs::remove_file(&stored).unwrap();
    fs::hard_link(session.host.path("srv/one.conf"), &stored).unwrap();
    session.run(&CREATE);
    fs::remove_file(&stored).unwrap();
    session.prepare(&CREATE);
    session.prepare(&["storage:mount", "blog", "conf", "--container-dir", "/etc/app.conf"]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "create"]);
    for what in ["nothing", "a directory", "a link"] {
        let _ = fs::remove_file(&stored);
        session.remark(what);
        match what {
            "a directory" => fs::create_dir(&stored).unwrap(),
            "a link" => symlink("../../../srv/one.conf", &stored).unwrap(),
            _ => {}
        }
        session.run(&["storage:wait", "conf"]);
        session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
        session.run(&["docker-args-deploy", "blog", "latest"]);
        session.run(&["storage:doctor", "blog"]);
        session.run(&["storage:exec", "conf", "--", "cat"]);
        if what != "nothing" {
            session.run(&["storage:set", "conf", "content", "{ROOT}/srv/two.conf"]);
            session.prepare(&["storage:unmount", "blog", "conf"]);
            session.run(&["storage:destroy", "conf", "--force", "--destroy-host-dir"]);
            let mount = ["storage:mount", "blog", "conf", "--container-dir", "/etc/app.conf"];
            session.prepare(&mount);
        }
        if what == "a directory" {
            fs::remove_dir(&stored).unwrap();
        }
    }
    session.remark("what the link leads to is as it was");
    session.show_file("srv/one.conf");
    assert_transcript!(session);
}

#[test]
fn a_container_with_the_file() {
    let mut session = host();
    session.prepare(&CREATE);
    session.run(&["storage:exec", "conf", "--image", "busybox", "--", "cat", "/data/conf"]);
    session.show_file("stub/docker-calls");
    assert_transcript!(session);
}

#[test]
fn clones_get_a_copy() {
    let mut session = host();
    session.prepare(&[&CREATE[..], &["--from", "{ROOT}/srv/one.conf", "--mode", "0640"]].concat());
    session.prepare(&["storage:mount", "blog", "conf", "--container-dir", "/etc/app.conf"]);
    for (mode, clone) in [("copy", "copied"), ("empty", "emptied")] {
        session.host.make_directory(&format!("home/{clone}"));
        session.prepare(&["storage:app:set", "blog", "clone", mode]);
        session.run(&["post-app-clone-setup", "blog", clone]);
        session.show_file(&format!("lib/data/storage/{clone}-conf"));
        session.show_file(&format!("lib/data/storage-registry/entries/{clone}-conf.json"));
    }
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn by_a_document() {
    let mut session = host();
    session.prepare(&CREATE);
    let document =
        r#"[{"entry_name": "conf", "container_path": "/etc/app.conf", "readonly": true}]"#;
    session.run_with("document", &["storage:apply", "blog"], |call| call.stdin(document));
    let document = r#"[{"entry_name": "conf", "container_path": "/etc/x", "subpath": "part"}]"#;
    session.run_with("document", &["storage:apply", "blog"], |call| call.stdin(document));
    session.run(&["docker-args-deploy", "blog", "latest"]);
    assert_transcript!(session);
}

#[test]
fn the_doctor_knows_what_each_type_has() {
    let mut session = host();
    session.prepare(&CREATE);
    session.prepare(&["storage:create", "kept", "--type", "file", "--reclaim-policy", "Delete"]);
    session.prepare(&["storage:create", "folder"]);
    session.host.write(
        "lib/data/storage-registry/entries/memory.json",
        r#"{"name": "memory", "host_path": "tmpfs-memory", "type": "tmpfs"}"#,
    );
    session.host.make_directory("lib/data/storage/memory");
    fs::remove_file(session.host.path(STORED)).unwrap();
    session.run(&["storage:doctor"]);
    assert_transcript!(session);
}

#[test]
fn only_what_could_be_mounted_is_read() {
    let mut session = host();
    session.host.write("allowed/fine.conf", "fine");
    symlink("../srv/one.conf", session.host.path("allowed/out.conf")).unwrap();
    session.prepare(&["storage:policy:set", "allowed-paths", "{ROOT}/allowed"]);
    for from in ["{ROOT}/srv/one.conf", "{ROOT}/allowed/out.conf", "/etc/passwd"] {
        session.run(&[&CREATE[..], &["--from", from]].concat());
    }
    session.run(&[&CREATE[..], &["--from", "{ROOT}/allowed/fine.conf"]].concat());
    session.run(&["storage:set", "conf", "content", "{ROOT}/allowed/out.conf"]);
    session.show_file(STORED);
    session.prepare(&["storage:policy:set", "allowed-paths"]);
    session.prepare(&["storage:policy:set", "jail", "{ROOT}/jail/{app}"]);
    session.run(&["storage:set", "conf", "content", "{ROOT}/srv/one.conf"]);
    session.prepare(&["storage:policy:set", "jail"]);
    session.remark(
        "a file of an entry that only another's app mounts, and one whose scope is narrower",
    );
    session.prepare(&["storage:create", "of-wiki", "{ROOT}/wiki"]);
    session.prepare(&["storage:mount", "wiki", "of-wiki", "--container-dir", "/w"]);
    session.prepare(&["storage:create", "narrow", "{ROOT}/narrow", "--scope", "wiki"]);
    session.host.write("wiki/secret", "secret");
    session.host.write("narrow/secret", "secret");
    symlink("wiki/secret", session.host.path("innocent")).unwrap();
    session.run(&["storage:set", "conf", "content", "{ROOT}/narrow/secret"]);
    session.host.make_directory("lib/plugins/enabled/acl");
    stubs::script(&session.host.path("lib/plugins/enabled/acl/user-auth-app"), "#!/bin/sh\n");
    session.host.answer("user-auth-app", "blog\n");
    for from in ["{ROOT}/wiki/secret", "{ROOT}/innocent"] {
        session.run_with("alice", &["storage:set", "conf", "content", from], |call| {
            call.env("SSH_USER", "dokku").env("SSH_NAME", "alice")
        });
    }
    session.show_file(STORED);
    assert_transcript!(session);
}

#[test]
fn without_dokku() {
    let mut session = Session::standalone();
    session.host.write("one.conf", "one = 1\n");
    session.run(&[&CREATE[..], &["--from", "{ROOT}/one.conf"]].concat());
    session.run(&["storage:mount", "blog", "conf", "--container-dir", "/etc/app.conf"]);
    session.run(&["docker-args-run", "blog"]);
    session.run(&["storage:exec", "conf", "--", "cat", "/data/conf"]);
    session.show_file("stub/docker-calls");
    assert_eq!(mode_of(&session.host.path("store/data/storage/conf")), 0o644);
    assert_transcript!(session);
}

#[test]
fn new_content_keeps_attributes_and_access_control_list() {
    let session = host();
    session.prepare(&[&CREATE[..], &["--from", "{ROOT}/srv/one.conf", "--mode", "0600"]].concat());
    let file = session.host.path(STORED);
    let call = |program: &str, words: &[&str]| {
        let mut command = session.host.program(program);
        command.args(words).arg(&file);
        Running::start(command, program).finish()
    };
    if call("setfacl", &["-m", "u:4321:r"]).status != 0 {
        return say("SKIPPED, NOT TESTED: setfacl does not work here");
    }
    assert_eq!(call("setfattr", &["-n", "user.mine", "-v", "yes"]).status, 0);
    let lists = || {
        let words = ["--only-values", "-n", "user.mine"];
        call("getfacl", &["-cpn"]).stdout + &call("getfattr", &words).stdout
    };
    let before = lists();
    assert!(before.contains("user:4321:r--") && before.ends_with("yes"), "{before}");
    session.prepare(&["storage:set", "conf", "content", "{ROOT}/srv/two.conf"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "two = 2\n");
    assert_eq!(lists(), before);
}
