//! `storage:wait`.

use crate::{Session, assert_transcript};

#[test]
fn for_a_directory_and_for_a_claim() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:create", "volume", "pgdata"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.run(&["storage:wait"]);
    session.run(&["storage:wait", "nope"]);
    session.run(&["storage:wait", "data"]);
    session.run(&["storage:wait", "volume"]);
    std::fs::remove_dir(session.host.path("lib/data/storage/data")).unwrap();
    session.run(&["storage:wait", "data"]);
    for status in ["Bound\n", "Pending\n", "Lost\n", ""] {
        session.host.answer("storage-status", status);
        session.run(&["storage:wait", "claim"]);
    }
    session.host.answer("storage-status.exit", "3");
    session.run(&["storage:wait", "claim"]);
    assert_transcript!(session);
}

/// As on a host that started while the storage of a type was away: Docker could not start what mounts it.
#[test]
fn what_did_not_start_without_the_entry_is_named_for_who_sees_the_app() {
    let session = Session::dokku(&["blog", "shop"]);
    session.prepare(&["storage:create", "conf", "--type", "file"]);
    for app in ["blog", "shop"] {
        session.prepare(&["storage:mount", app, "conf", "--container-dir", "/conf"]);
    }
    let container = |app: &str, dyno: &str, name: &str, status: &str| {
        let labels = format!(
            r#"{{"com.dokku.app-name":"{app}","com.dokku.process-type":"web","com.dokku.dyno":"{dyno}","com.dokku.container-type":"deploy"}}"#
        );
        format!(
            r#"{{"Id":"{name}","Name":"/{app}.{name}","State":{{"Status":"{status}"}},"Config":{{"Labels":{labels}}}}}"#
        )
    };
    let said = |containers: &[String]| {
        session.host.answer("docker-ps", &vec!["id"; containers.len()].join("\n"));
        session.host.answer("docker-inspect", &format!("[{}]", containers.join(",")));
        let answer = session.call(&["storage:wait", "conf"]).run();
        assert_eq!(answer.status, 0, "{answer:?}");
        answer.stdout
    };
    let running = container("blog", "web.1", "web.1", "running");
    let down = container("blog", "web.2", "web.2", "exited");
    // Dokku renames what it replaced.
    let replaced = container("blog", "web.1", "web.1.1700000000", "exited");
    assert!(!said(&[running.clone(), replaced]).contains("running"));
    let one = said(&[running, down.clone()]);
    assert!(one.contains("blog.web.2 is not running; to start: dokku ps:restart blog"), "{one}");
    let all = said(&[container("blog", "web.1", "web.1", "created"), down.clone()]);
    let sentence = "blog.web.1, blog.web.2 are not running; to start: dokku ps:start blog";
    assert!(all.contains(sentence), "{all}");
    crate::places::limit(&session, "shop\n");
    let hidden = said(&[down]);
    assert!(hidden.contains("is ready") && !hidden.contains("blog"), "{hidden}");
}
