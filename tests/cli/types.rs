//! `storage:types:*`, and what the types of entries refuse before anybody asks Docker.

use crate::{Session, assert_transcript};

#[test]
fn what_each_type_is() {
    let mut session = Session::dokku(&["blog"]);
    // The others say what of this host they need.
    for name in ["volume", "tmpfs", "k3s"] {
        session.run(&["storage:types:info", name]);
        session.run(&["storage:types:info", name, "--format", "json"]);
    }
    assert_transcript!(session);
}

#[test]
fn types_that_there_are_not() {
    let mut session = Session::dokku(&["blog"]);
    for words in [
        &["storage:types:info"][..],
        &["storage:types:info", ""],
        &["storage:types:info", "Volume"],
        &["storage:types:info", "nsf"],
        &["storage:types:info", "volume", "tmpfs"],
        &["storage:types:info", "volume", "--format", "yaml"],
        &["storage:types:list", "volume"],
        &["storage:types:list", "--format", ""],
        &["storage:create", "data", "--type", "volme"],
        &["storage:create", "data", "--type", "k3"],
        &["storage:create", "data", "--type", "s3 "],
        &["storage:create", "data", "--type", "--size", "1M"],
    ] {
        session.run(words);
    }
    session.show_tree("lib/data");
    assert_transcript!(session);
}

#[test]
fn flags_that_need_another_type() {
    let mut session = Session::dokku(&["blog"]);
    for words in [
        &["--driver", "local"][..],
        &["--option", "a=b"],
        &["--connector", "nas"],
        &["--from", "-"],
        &["--type", "directory", "--driver", "local"],
        &["--type", "directory", "--option", "a=b"],
        &["--type", "directory", "--scheduler", "k3s"],
        &["--type", "k3s", "--option", "a=b"],
        &["--type", "k3s"],
        &["--type", "volume", "--mode", "0700"],
        &["--type", "volume", "--chown", "1000"],
        &["--type", "volume", "--connector", "nas"],
        &["--type", "volume", "--size", "1G"],
        &["--type", "volume", "--scheduler", "k3s"],
        &["--type", "volume", "--scheduler", "swarm"],
        &["--type", "nfs", "--option", "server=a", "--option", "path=/x", "--mode", "0700"],
        &["--type", "nfs", "--option", "server=a", "--option", "path=/x", "--driver", "local"],
        &["--type", "cifs", "--option", "share=a", "--connector", "nas", "--from", "-"],
        &["--type", "tmpfs", "--access-mode", "ReadWriteOnce"],
        &["--type", "tmpfs", "--storage-class-name", "fast"],
        &["--type", "tmpfs", "--reclaim-policy", "Recycle"],
    ] {
        session.run(&[&["storage:create", "data"], words].concat());
    }
    session.run(&["storage:create", "data", "vol", "--type", "directory"]);
    session.run(&["storage:create", "data", "/srv", "--type", "volume"]);
    session.run(&["storage:create", "data", "/srv", "--type", "tmpfs"]);
    session.run(&["storage:create", "data", "/srv", "more", "--type", "volume"]);
    session.show_tree("lib/data");
    assert_transcript!(session);
}

#[test]
fn what_else_to_type() {
    let mut session = Session::dokku(&["blog"]);
    let entry = r#"{"name":"pg","scheduler":"docker-local","host_path":"pg","type":"volume","schema_version":1}"#;
    session.host.write("lib/data/storage-registry/entries/pg.json", entry);
    for words in [
        &["storage:set", "pg", "mode", "0755"][..],
        &["storage:set", "pg", "chown", "heroku"],
        &["storage:set", "pg", "size", "1G"],
        &["storage:set", "pg", "driver", "local"],
        &["storage:create", "data", "--preallocate"],
        &["storage:create", "data", "--type", "directory", "--preallocate"],
        &["storage:create", "data", "--type", "k3s", "--preallocate"],
        &["storage:create", "data", "--exclusive=no"],
        &["storage:create", "data", "--type", "cifs", "--option", "share=a"],
        &["storage:create", "data", "--type", "s3", "--option", "bucket=a"],
        &["storage:destroy", "data", "--force=no"],
        &["storage:policy:set", "jail", "/data/{foo}/x"],
        &["storage:policy:report", "--format", "yaml"],
        &["storage:app:report", "blog", "--format", "yaml"],
        &["storage:app:report", "blog", "--format"],
    ] {
        session.run(words);
    }
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.run(&["storage:create", "claim", "/srv/k", "--scheduler", "k3s", "--size", "1Gi"]);
    assert_transcript!(session);
}

#[test]
fn a_claim_without_dokku() {
    let mut session = Session::standalone();
    session.run(&["storage:create", "data", "--type", "k3s", "--size", "1G"]);
    session.run(&["storage:create", "data", "--scheduler", "k3s", "--size", "1G"]);
    let json = session.call(&["storage:types:list", "--format", "json"]).run().stdout;
    let types: serde_json::Value = serde_json::from_str(&json).unwrap();
    let k3s = types.as_array().unwrap().iter().find(|listed| listed["name"] == "k3s").unwrap();
    assert_eq!(k3s["available"], false);
    assert_transcript!(session);
}

#[test]
fn options_that_do_not_fit() {
    let mut session = Session::dokku(&["blog"]);
    for words in [
        &["--type", "tmpfs", "--option", "size"][..],
        &["--type", "tmpfs", "--option", "=1M"],
        &["--type", "tmpfs", "--option", "size=1M", "--option", "size=2M"],
        &["--type", "tmpfs", "--option", "moed=0700"],
        &["--type", "tmpfs", "--option", "size=0"],
        &["--type", "tmpfs", "--option", "size="],
        &["--type", "tmpfs", "--option", "mode=rwx"],
        &["--type", "tmpfs", "--size", "1M", "--option", "size=1M"],
        &["--type", "tmpfs", "--mode", "0700", "--option", "mode=0700"],
        &["--type", "tmpfs", "--reclaim-policy", "Delete"],
        &["--type", "volume", "--option", "a\nb=c"],
        &["--type", "volume", "--option", "a=b\u{7}c"],
        &["--type", "volume", "--driver", "a,b"],
        &["--type", "volume", "--driver=--opt"],
        &["--type", "nfs"],
        &["--type", "nfs", "--option", "server=a"],
        &["--type", "nfs", "--option", "path=/x", "--option", "sevrer=a"],
        &["--type", "nfs", "--option", "server=a,b", "--option", "path=/x"],
        &["--type", "nfs", "--option", "server=a", "--option", "path=x"],
        &["--type", "nfs", "--option", "server=a", "--option", "path=/x", "--option", "version=5"],
        &["--type", "nfs", "--option", "server=a", "--option", "path=/x", "--option", "port=70000"],
        &[
            "--type",
            "nfs",
            "--option",
            "server=a",
            "--option",
            "path=/x",
            "--option",
            "mount-options=soft, VERS=3",
        ],
        &["--type", "cifs"],
        &["--type", "cifs", "--option", "share=a"],
        &["--type", "cifs", "--option", "shar=a", "--connector", "nas"],
        &["--type", "cifs", "--option", "share=a", "--connector", "../nas"],
        &["--type", "cifs", "--option", "share=a", "--connector", "nas"],
    ] {
        session.run(&[&["storage:create", "data"], words].concat());
    }
    session.show_tree("lib/data");
    assert_transcript!(session);
}

#[test]
fn a_connector_that_does_not_fit() {
    let mut session = Session::dokku(&["blog"]);
    let connectors = "lib/data/storage-registry/connectors";
    for (name, text, secret) in [
        ("bucket", r#"{"name":"bucket","type":"s3","access_key_id":"AKIA"}"#, "s3cr3t"),
        ("other", r#"{"name":"nas","type":"cifs","server":"nas"}"#, "s3cr3t"),
        ("broken", r#"{"name":"broken","type":"#, "s3cr3t"),
        ("comma", r#"{"name":"comma","type":"cifs","server":"nas","username":"u"}"#, "s3cr3t,x"),
        ("lines", r#"{"name":"lines","type":"cifs","server":"nas","username":"u"}"#, "s3cr3t\nx"),
    ] {
        session.host.write(&format!("{connectors}/{name}.json"), text);
        session.host.write(&format!("{connectors}/{name}.secret"), secret);
        session.run(&[
            "storage:create",
            "data",
            "--type",
            "cifs",
            "--option",
            "share=a",
            "--connector",
            name,
        ]);
    }
    assert!(!session.transcript().contains("s3cr3t"));
    session.show_tree("lib/data/storage-registry/entries");
    assert_transcript!(session);
}

#[test]
fn properties_and_mounts_of_a_tmpfs() {
    let mut session = Session::dokku(&["blog"]);
    session.host.write(
        "lib/data/storage-registry/entries/cache.json",
        r#"{"name":"cache","scheduler":"docker-local","host_path":"tmpfs-cache","type":"tmpfs","options":{"size":"64M"},"schema_version":1}"#,
    );
    for property in
        [["mode", "0700"], ["chown", "1000"], ["size", "1G"], ["reclaim-policy", "Delete"]]
    {
        session.run(&["storage:set", "cache", property[0], property[1]]);
    }
    for flag in [
        ["--volume-options", "Z"],
        ["--volume-options", "noexe"],
        ["--volume-options", "size=1"],
        ["--volume-options", "nr_inodes"],
        ["--volume-chown", "1000"],
        ["--volume-subpath", "a"],
    ] {
        session.run(&["storage:mount", "blog", "cache", "--container-dir", "/c", flag[0], flag[1]]);
    }
    session.run(&[
        "storage:mount",
        "blog",
        "cache",
        "--container-dir",
        "/my cache",
        "--volume-options",
        "noexec,nr_inodes=9",
        "--volume-readonly",
    ]);
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    session.run(&["storage:report", "blog", "--storage-deploy-mounts"]);
    session.run(&["storage:destroy", "cache", "--destroy-host-dir", "--force"]);
    assert_transcript!(session);
}
