//! `storage:policy:*` and the scope of entries.

use crate::{Session, assert_transcript};

#[test]
fn allowed_paths() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:mount", "blog", "/etc:/before"]);
    session.run(&["storage:policy:report"]);
    session.run(&["storage:policy:set", "allowed-paths", "/srv", "{ROOT}/lib/data/storage"]);
    session.run(&["storage:policy:report"]);
    session.run(&["storage:policy:report", "--format", "json"]);
    session.run(&["storage:policy:report", "--storage-policy-allowed-paths"]);
    session.run(&["storage:policy:report", "--storage-nope"]);
    session.run(&["storage:mount", "blog", "/srv/data:/data"]);
    session.run(&["storage:mount", "blog", "/etc:/etc-of-host"]);
    session.run(&["storage:mount", "blog", "/srvx:/x"]);
    session.run(&["storage:create", "outside", "/etc"]);
    session.run(&["storage:create", "inside"]);
    session.run(&["storage:policy:set", "allowed-paths"]);
    session.run(&["storage:policy:report"]);
    assert_transcript!(session);
}

#[test]
fn links_are_resolved() {
    let mut session = Session::dokku(&["blog"]);
    session.host.make_directory("allowed");
    let link = |name: &str, target: &str| {
        let target = session.host.expand(target);
        std::os::unix::fs::symlink(target, session.host.path(&format!("allowed/{name}"))).unwrap();
    };
    link("to-etc", "/etc");
    session.prepare(&["storage:policy:set", "allowed-paths", "{ROOT}/allowed"]);
    session.run(&["storage:mount", "blog", "{ROOT}/allowed/here:/a"]);
    session.run(&["storage:mount", "blog", "{ROOT}/allowed/to-etc:/b"]);
    session.run(&["storage:mount", "blog", "{ROOT}/allowed/to-etc/ssl:/c"]);
    assert_transcript!(session);
}

#[test]
fn a_jail() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:policy:set", "jail", "/containerdata/{app}"]);
    session.run(&["storage:policy:report"]);
    session.run(&["storage:mount", "blog", "/etc:/etc-of-mine"]);
    session.run(&["storage:mount", "blog", "/containerdata/blog/there:/there"]);
    session.run(&["storage:mount", "blog", "/containerdata/wiki/there:/other"]);
    session.run(&["storage:list", "blog"]);
    session.remark("it can be taken away as it was given");
    session.run(&["storage:unmount", "blog", "/etc:/etc-of-mine"]);
    session.run(&["storage:list", "blog"]);
    session.run(&["storage:policy:set", "jail"]);
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = Session::dokku(&["blog"]);
    for words in [
        &[][..],
        &["colour", "red"],
        &["allowed-paths", "relative"],
        &["allowed-paths", "/srv", "/srv/../etc"],
        &["jail", "relative/{app}"],
        &["jail", "/"],
        &["jail", "/a/{user}"],
        &["jail", "/a", "/b"],
    ] {
        session.run(&[&["storage:policy:set"], words].concat());
    }
    session.run(&["storage:policy:report"]);
    assert_transcript!(session);
}

#[test]
fn scope() {
    let mut session = Session::dokku(&["web-prod", "blog"]);
    session.run(&["storage:create", "data", "--scope", "web-*,wiki"]);
    session.run(&["storage:create", "bad", "--scope", "Web/*"]);
    session.run(&["storage:info", "data"]);
    session.run(&["storage:mount", "web-prod", "data", "--container-dir", "/data"]);
    session.run(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.run(&["storage:set", "data", "scope", "blog"]);
    session.run(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.run(&["storage:set", "data", "scope"]);
    session.show_file("lib/data/storage-registry/entries/data.json");
    assert_transcript!(session);
}

/// A host that allows `{ROOT}/allowed` alone.
fn host_that_allows_one_directory() -> Session {
    let session = Session::dokku(&["blog"]);
    session.host.make_directory("allowed");
    session.prepare(&["storage:policy:set", "allowed-paths", "{ROOT}/allowed"]);
    session
}

#[test]
fn a_link_to_what_is_not_there_yet_leads_there_too() {
    let session = host_that_allows_one_directory();
    let link = session.host.path("allowed/to-nothing");
    std::os::unix::fs::symlink(session.host.path("not/there/yet"), link).unwrap();
    for path in ["to-nothing", "to-nothing/below"] {
        let mount = format!("{{ROOT}}/allowed/{path}:/x");
        let answer = session.call(&["storage:mount", "blog", &mount]).run();
        assert_eq!(answer.status, 1, "{path}: {answer:?}");
    }
}

#[test]
fn dots_in_the_store_lead_nowhere_else() {
    let session = host_that_allows_one_directory();
    for path in ["allowed/../outside", "allowed/none/../../outside", "none/../allowed/../outside"] {
        session.host.write(
            "lib/data/storage-registry/entries/old.json",
            session.host.expand(&format!(
                r#"{{"name":"old","scheduler":"docker-local","host_path":"{{ROOT}}/{path}"}}"#
            )),
        );
        session.host.write(
            "lib/config/storage/blog/mounts",
            "{\"entry_name\":\"old\",\"container_path\":\"/x\",\"phases\":[\"run\"]}\n",
        );
        let answer = session.call(&["docker-args-run", "blog", "latest"]).run();
        // Dokku starts the container whatever the status is: Docker has to refuse it.
        assert_eq!(answer.status, 0, "{path}: {answer:?}");
        assert!(answer.stdout.ends_with("/.refused/old,target=/x"), "{path}: {answer:?}");
    }
}

#[test]
fn an_app_that_mounts_a_path_twice_is_named_once() {
    let session = Session::dokku(&["blog"]);
    for path in ["/a", "/b"] {
        session.prepare(&["storage:mount", "blog", &format!("/etc:{path}")]);
    }
    let answer = session.call(&["storage:policy:set", "jail", "/containerdata/{app}"]).run();
    let told = answer.stderr.matches("blog cannot be deployed with its mounts").count();
    assert_eq!((answer.status, told), (0, 1), "{answer:?}");
}
