//! `storage:info` and `storage:list-entries`.

use crate::{Session, assert_transcript};

fn host() -> Session {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data", "--mode", "0750", "--label", "a=b"]);
    session.prepare(&["storage:create", "volume", "pgdata"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:mount", "blog", "/srv/x:/x"]);
    session
}

#[test]
fn info() {
    let mut session = host();
    for name in ["data", "volume", "claim", "legacy-8a7de79596"] {
        session.run(&["storage:info", name]);
    }
    session.run(&["storage:info", "data", "--format", "json"]);
    session.run(&["storage:info", "data", "--format", "yaml"]);
    session
        .run_with("quiet", &["storage:info", "data"], |call| call.env("DOKKU_QUIET_OUTPUT", "1"));
    session.run(&["storage:info"]);
    session.run(&["storage:info", "nope"]);
    session.run(&["storage:info", "../../../etc/passwd"]);
    assert_transcript!(session);
}

#[test]
fn list_entries() {
    let mut session = host();
    session.run(&["storage:list-entries"]);
    session.run(&["storage:list-entries", "--scheduler", "k3s"]);
    session.run(&["storage:list-entries", "--scheduler", "nomad"]);
    session.run(&["storage:list-entries", "--scheduler", "docker-local", "--format", "json"]);
    session.run(&["storage:list-entries", "--format", "yaml"]);
    session
        .run_with("quiet", &["storage:list-entries"], |call| call.env("DOKKU_QUIET_OUTPUT", "1"));
    assert_transcript!(session);
}

#[test]
fn table() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:create", "volume", "pgdata"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.prepare(&["storage:mount", "blog", "volume", "--container-dir", "/data"]);
    session.prepare(&["storage:mount", "wiki", "volume", "--container-dir", "/data"]);
    session.prepare(&["storage:mount", "blog", "/srv/x:/x"]);
    session.run(&["storage:list-entries", "--format", "table"]);
    assert_transcript!(session);
}

#[test]
fn no_entries() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:list-entries"]);
    session.run(&["storage:list-entries", "--format", "json"]);
    session.run(&["storage:list-entries", "--format", "table"]);
    session
        .run_with("quiet", &["storage:list-entries"], |call| call.env("DOKKU_QUIET_OUTPUT", "1"));
    assert_transcript!(session);
}

#[test]
fn what_an_image_holds_that_is_not_attached_is_not_known() {
    let session = Session::dokku(&[]);
    session.prepare(&["storage:create", "plain"]);
    session.prepare(&["storage:create", "data"]);
    let path = session.host.path("lib/data/storage/data");
    session.host.write(
        "lib/data/storage-registry/entries/data.json",
        format!(
            r#"{{"name":"data","scheduler":"docker-local","host_path":"{}","type":"directory","options":{{"size":"64M"}},"schema_version":1}}"#,
            path.display()
        ),
    );
    let asked = session.call(&["storage:usage", "data", "--format", "json"]).run();
    let rows: serde_json::Value = serde_json::from_str(&asked.stdout).unwrap();
    for column in ["used", "limit", "free", "inodes", "inodes_limit"] {
        assert!(rows[0][column].is_null(), "{column}: {rows}");
    }
    let metrics = session.call(&["storage:metrics"]).run().stdout;
    let has = |name: &str, entry: &str| metrics.contains(&format!("{name}{{entry=\"{entry}\""));
    for name in ["used_bytes", "free_bytes", "files", "usage_age_seconds"] {
        let name = format!("dokku_storage_entry_{name}");
        assert!(has(&name, "plain") && !has(&name, "data"), "{name}: {metrics}");
    }
    assert!(has("dokku_storage_entry_attached", "data"), "{metrics}");
}
