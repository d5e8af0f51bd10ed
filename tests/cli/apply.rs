//! `storage:apply`.

use crate::harness::stubs;
use crate::{Session, assert_transcript};

fn host() -> Session {
    let session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:mount", "blog", "/srv/a:/a"]);
    session
}

#[test]
fn what_the_list_prints_is_what_apply_reads() {
    let mut session = host();
    let words = ["storage:list", "blog", "--format", "json"];
    let listed = session.call(&words).run().stdout;
    session.run_with("its own list", &["storage:apply", "blog"], |call| call.stdin(&listed));
    session.run_with("for another app", &["storage:apply", "wiki"], |call| call.stdin(&listed));
    session.show_file("lib/config/storage/wiki/mounts");
    assert_transcript!(session);
}

#[test]
fn all_of_it_or_nothing() {
    let mut session = host();
    let document = r#"[
      {"entry_name": "data", "container_path": "/data", "readonly": true, "phases": ["deploy"]},
      {"host_path": "pgdata", "container_path": "/pg", "process_type": "web", "volume_options": "nocopy"}
    ]"#;
    session.run_with("--plan", &["storage:apply", "blog", "--plan"], |call| call.stdin(document));
    session.show_file("lib/config/storage/blog/mounts");
    session.run_with("the same", &["storage:apply", "blog"], |call| call.stdin(document));
    session.show_file("lib/config/storage/blog/mounts");
    session.run_with("again", &["storage:apply", "blog"], |call| call.stdin(document));
    session.run_with("again, --plan", &["storage:apply", "blog", "--plan"], |call| {
        call.stdin(document)
    });
    session.run(&["storage:list-entries"]);
    session.run_with("no mounts", &["storage:apply", "blog"], |call| call.stdin("[]"));
    session.show_file("lib/config/storage/blog/mounts");
    session.run(&["storage:list-entries"]);
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = host();
    for document in [
        "",
        "{}",
        "nonsense",
        r#"[{"container_path":"/x"}]"#,
        r#"[{"entry_name":"nope","container_path":"/x"}]"#,
        r#"[{"entry_name":"data"}]"#,
        r#"[{"entry_name":"data","container_path":"/x","colour":"red"}]"#,
        r#"[{"entry_name":"data","container_path":"/x --privileged"}]"#,
        r#"[{"entry_name":"data","container_path":"/x","phases":[]}]"#,
        r#"[{"entry_name":"data","container_path":"/x","phases":["stop"]}]"#,
        r#"[{"entry_name":"data","container_path":"/x","subpath":"../../etc"}]"#,
        r#"[{"entry_name":"data","container_path":"/x","volume_options":"ro --pid=host"}]"#,
        r#"[{"host_path":"/srv/a --privileged","container_path":"/x"}]"#,
        r#"[{"host_path":"/srv/../etc","container_path":"/x"}]"#,
        r#"[{"entry_name":"legacy-0123456789","host_path":"/etc","container_path":"/x"}]"#,
        r#"[{"entry_name":"data","container_path":"/x"},{"host_path":"/srv/b","container_path":"/x/"}]"#,
    ] {
        session.remark(if document.is_empty() { "(nothing)" } else { document });
        session.run_with("that", &["storage:apply", "blog"], |call| call.stdin(document));
    }
    session.run(&["storage:apply"]);
    session.run(&["storage:apply", "nope"]);
    session.remark("nothing has changed");
    session.run(&["storage:list", "blog"]);
    session.run(&["storage:list-entries"]);
    assert_transcript!(session);
}

#[test]
fn an_access_plugin_is_asked_as_often_for_many_mounts_as_for_one() {
    let session = host();
    let plugin = session.host.path("lib/plugins/enabled/acl/user-auth-app");
    session.host.make_directory("lib/plugins/enabled/acl");
    stubs::script(&plugin, "#!/bin/sh\n");
    session.host.answer("user-auth-app", "blog\n");
    let asked = |count: usize| {
        let mount = |n| format!("{{\"entry_name\":\"data\",\"container_path\":\"/data{n}\"}}");
        let document: Vec<String> = (0..count).map(mount).collect();
        let document = format!("[{}]", document.join(","));
        let answer = session.call(&["storage:apply", "blog"]).stdin(&document).run();
        assert_eq!(answer.status, 0, "{answer:?}");
        answer.fired.iter().filter(|fired| fired.name == "user-auth-app").count()
    };
    let once = asked(1);
    assert!(once > 0);
    assert_eq!(asked(20), once);
}

#[test]
fn too_many_mounts_or_needs_are_refused() {
    let session = host();
    let refused = |words: &[&str], list: String, said: &str| {
        let answer = session.call(words).stdin(&list).run();
        assert!(answer.status == 1 && answer.stderr.contains(said), "{answer:?}");
    };
    let list = |item: &dyn Fn(usize) -> String| {
        format!("[{}]", (0..1001).map(item).collect::<Vec<_>>().join(","))
    };
    let mounts = list(&|n| format!("{{\"entry_name\":\"data\",\"container_path\":\"/d{n}\"}}"));
    refused(&["storage:apply", "blog"], mounts, "a document has up to 1000 mounts, got 1001");
    let needs = list(&|n| format!("{{\"id\":\"n{n}\",\"path\":\"/n{n}\"}}"));
    refused(&["storage:needs:import", "blog"], needs, "an app has up to 1000 needs, got 1001");
}

#[test]
fn an_entry_that_is_elsewhere() {
    let mut session = host();
    for document in [
        r#"[{"entry_name": "data", "host_path": "/srv/other", "container_path": "/data"}]"#,
        r#"["data"]"#,
        r#"[{"entry_name": "data"}]"#,
    ] {
        session.run_with(document, &["storage:apply", "blog"], |call| call.stdin(document));
    }
    session.show_file("lib/config/storage/blog/mounts");
    assert_transcript!(session);
}
