//! Store files that cannot be read: named with their line; other apps and entries keep working.

use crate::{Session, assert_transcript};

fn host() -> Session {
    let session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:create", "good"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "good", "--container-dir", "/good"]);
    session.prepare(&["storage:mount", "wiki", "good", "--container-dir", "/good"]);
    session
}

const READERS: [&[&str]; 9] = [
    &["storage:list", "blog"],
    &["storage:report", "blog", "--storage-deploy-mounts"],
    &["docker-args-deploy", "blog", "latest", "web"],
    &["storage-app-mounts", "blog"],
    &["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"],
    &["storage:mount", "blog", "/srv/new:/new"],
    &["storage:unmount", "blog", "good", "--container-dir", "/good"],
    &["storage:list-entries"],
    &["storage:list", "wiki"],
];

#[test]
fn a_line_of_an_apps_mounts() {
    let mut session = host();
    session.host.write(
        "lib/config/storage/blog/mounts",
        "{\"entry_name\":\"good\",\"container_path\":\"/good\",\"phases\":[\"deploy\"]}\n\n{\"entry_name\":\"good\",\"container_\n",
    );
    for words in READERS {
        session.run(words);
    }
    session.remark("the broken line is still there");
    session.show_file("lib/config/storage/blog/mounts");
    assert_transcript!(session);
}

#[test]
fn values_that_cannot_be_mounted() {
    let mut session = host();
    for line in [
        r#"{"entry_name":"good","container_path":"/x --privileged:ro","phases":["deploy"]}"#,
        r#"{"entry_name":"good","container_path":"/x\n--privileged","phases":["deploy"]}"#,
        r#"{"entry_name":"good","container_path":"/x","phases":["deploy"],"volume_options":"ro --pid=host"}"#,
        r#"{"entry_name":"good","container_path":"/x","phases":["deploy"],"subpath":"../../etc"}"#,
        r#"{"entry_name":"good","container_path":"/x","phases":[]}"#,
        r#"{"entry_name":"good","container_path":"/x","phases":["stop"]}"#,
        r#"{"entry_name":"../good","container_path":"/x","phases":["deploy"]}"#,
        r#"{"container_path":"/x","phases":["deploy"]}"#,
        r#"["good"]"#,
        "null",
        "entry_name=good",
    ] {
        session.host.write("lib/config/storage/blog/mounts", format!("{line}\n"));
        session.remark(line);
        session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    }
    assert_transcript!(session);
}

#[test]
fn bytes_that_are_no_text() {
    let mut session = host();
    let text = b"{\"entry_name\":\"good\",\"container_path\":\"/a\",\"phases\":[\"deploy\"]}\n{\"entry_name\":\"\xff\"}\n";
    session.host.write("lib/config/storage/blog/mounts", text);
    for words in READERS {
        session.run(words);
    }
    assert_transcript!(session);
}

#[test]
fn an_entry() {
    let mut session = host();
    session.host.write(
        "lib/data/storage-registry/entries/good.json",
        "{\n  \"name\": \"good\",\n  \"scheduler\" \"docker-local\"\n}",
    );
    for words in READERS {
        session.run(words);
    }
    for words in [
        &["storage:info", "good"][..],
        &["storage:info", "data"],
        &["storage:set", "good", "mode", "0700"],
        &["storage:destroy", "good", "--force"],
        &["storage:create", "good"],
        &["storage:report", "--global"],
        &["storage:list-entries", "--format", "json"],
        &["storage:labels:report"],
    ] {
        session.run(words);
    }
    session.show_file("lib/data/storage-registry/entries/good.json");
    assert_transcript!(session);
}

#[test]
fn entries_of_all_kinds_of_wrong() {
    let mut session = host();
    for text in [
        "",
        "{}",
        "null",
        "[]",
        r#"{"name":"other"}"#,
        r#"{"name":"good","host_path":"relative path"}"#,
        r#"{"name":"good","host_path":"/a:b"}"#,
        r#"{"name":"good","scheduler":7,"host_path":"/a"}"#,
        r#"{"name":"good","host_path":"/a","labels":{"a":1}}"#,
        r#"{"name":"good","host_path":"/a","chown":"nobody"}"#,
        r#"{"name":"good","host_path":"/a","mode":"rwx"}"#,
        "{\"name\":\"good\",\"host_path\":\"/a\"}{}",
    ] {
        session.host.write("lib/data/storage-registry/entries/good.json", text);
        session.remark(if text.is_empty() { "(empty)" } else { text });
        session.run(&["storage:info", "good"]);
    }
    session.host.write("lib/data/storage-registry/entries/good.json", b"{\"name\":\"\xff\"}");
    session.run(&["storage:info", "good"]);
    session.remark("what is no entry's file is left alone");
    session.host.write("lib/data/storage-registry/entries/README", "hello");
    session.host.write("lib/data/storage-registry/entries/.good.json.swp", "hello");
    session.host.write("lib/data/storage-registry/entries/good.json", "{\"name\":\"good\"}");
    session.run(&["storage:list-entries"]);
    assert_transcript!(session);
}

#[test]
fn what_go_writes_is_read() {
    let mut session = host();
    session.prepare(&["storage:app:set", "blog", "missing-source", "ignore"]);
    session.host.write(
        "lib/data/storage-registry/entries/good.json",
        "{\"name\":\"good\",\"scheduler\":\"docker-local\",\"host_path\":\"/srv/a \\u0026 b\",\"labels\":null,\"size\":\"\",\"schema_version\":1}\r\n",
    );
    session.host.write(
        "lib/config/storage/blog/mounts",
        "{\"entry_name\":\"good\",\"container_path\":\"/a\\u003cb\",\"phases\":[\"deploy\",\"deploy\"],\"process_type\":\"\",\"subpath\":\"\",\"volume_chown\":null}\r\n\r\n",
    );
    session.run(&["storage:list", "blog", "--format", "json"]);
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    session.run(&["storage:info", "good", "--format", "json"]);
    assert_transcript!(session);
}

#[test]
fn a_missing_entry() {
    let mut session = host();
    std::fs::remove_file(session.host.path("lib/data/storage-registry/entries/good.json")).unwrap();
    for words in READERS {
        session.run(words);
    }
    assert_transcript!(session);
}

/// What an entry with this file becomes for Docker.
fn docker_args_of(entry: &str) -> crate::harness::Answer {
    let session = host();
    session.host.write("lib/data/storage-registry/entries/good.json", entry);
    session.call(&["docker-args-run", "blog", "latest"]).run()
}

#[test]
fn an_entry_without_a_source_is_not_a_volume() {
    let answer = docker_args_of(r#"{"name":"good","scheduler":"docker-local"}"#);
    // Dokku starts the container whatever the status is: Docker has to refuse it.
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.stdout.starts_with(" --mount type=bind,source="), "{answer:?}");
    assert!(answer.stdout.ends_with("/.refused/blog,target=/storage"), "{answer:?}");
    assert!(answer.stderr.contains("entries/good.json"), "{answer:?}");
}

#[test]
fn an_entry_without_a_scheduler_is_this_hosts() {
    let answer = docker_args_of(r#"{"name":"good","host_path":"/srv/good"}"#);
    assert_eq!((answer.status, answer.stdout.as_str()), (0, " -v /srv/good:/good"), "{answer:?}");
}

#[test]
fn an_entry_that_this_host_cannot_mount_is_said() {
    let answer = docker_args_of(r#"{"name":"good","scheduler":"nomad","host_path":"/srv/good"}"#);
    assert_eq!(answer.stdout, "", "{answer:?}");
    assert!(answer.stderr.contains("good") && answer.stderr.contains("nomad"), "{answer:?}");
}

#[test]
fn an_entry_that_cannot_be_read_is_told_once() {
    let mut session = host();
    session.prepare(&["storage:unmount", "wiki", "good"]);
    session.prepare(&["storage:destroy", "data", "--force"]);
    session.host.write("lib/data/storage-registry/entries/good.json", "{");
    session.run(&["storage:usage"]);
    session.run(&["storage:usage", "--app", "blog"]);
    session.run(&["storage:doctor"]);
    assert_transcript!(session);
}
