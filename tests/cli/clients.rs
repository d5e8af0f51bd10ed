//! What clients of Dokku's storage call, with the arguments that they build, and what they read from the answers: docket (at afc63e4), ansible-dokku
//! (2fb06fb), aliksend's Terraform provider (7d2548f), dokku-acl (cacc182), and scripts. The calls are facts from their sources.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::{Answer, as_root, stubs};
use crate::{Session, assert_transcript};

/// Calls what stands behind `dokku` in a line, as Dokku hands it on.
fn dokku(session: &mut Session, line: &str) -> Answer {
    let words: Vec<&str> = line.split(' ').collect();
    match words.split_first() {
        Some((&"--quiet", rest)) => {
            session.run_with("--quiet", rest, |call| call.env("DOKKU_QUIET_OUTPUT", "1"))
        }
        _ => session.run(&words),
    }
}

/// The same for calls that have to succeed.
fn all(session: &mut Session, lines: &[&str]) {
    for line in lines {
        let answer = dokku(session, line);
        assert_eq!(answer.status, 0, "{line}: {answer:?}");
    }
}

mod docket {
    use super::*;

    /// The keys of an attachment that docket reads from a report.
    const READ: [&str; 9] = [
        "container-path",
        "entry-name",
        "host-path",
        "phases",
        "process-type",
        "readonly",
        "subpath",
        "volume-chown",
        "volume-options",
    ];

    /// The names and values of entries as docket reads them: all that it knows are texts, or maps of texts.
    fn entries(session: &mut Session) -> Vec<(String, String)> {
        let answer = dokku(session, "--quiet storage:list-entries --format json");
        let entries: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap();
        let texts = |entry: &Value| {
            let text = |key: &str| entry.get(key).map_or("", |value| value.as_str().unwrap());
            for key in ["size", "access_mode", "storage_class", "namespace", "reclaim_policy"] {
                text(key);
            }
            for key in ["annotations", "labels"] {
                let map = entry.get(key).map(|map| map.as_object().unwrap());
                assert!(map.is_none_or(|map| map.values().all(Value::is_string)), "{entry}");
            }
            (text("name").to_owned(), text("chown").to_owned())
        };
        entries.iter().map(texts).collect()
    }

    /// The attachments of an app as docket reads them, in the order of `READ`.
    fn attachments(session: &mut Session, app: &str) -> Vec<[String; 9]> {
        let answer = dokku(session, &format!("--quiet storage:report {app} --format json"));
        let report: BTreeMap<String, String> = serde_json::from_str(&answer.stdout).unwrap();
        let mut found: Vec<[String; 9]> = report
            .keys()
            .filter_map(|key| {
                let number = key.strip_prefix("attachment.")?.strip_suffix(".container-path")?;
                Some(READ.map(|key| {
                    report.get(&format!("attachment.{number}.{key}")).unwrap().to_owned()
                }))
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn entries_and_directories() {
        if !as_root("clients::docket::entries_and_directories") {
            return;
        }
        let mut session = Session::dokku(&["node-js-app"]);
        assert_eq!(entries(&mut session), []);
        let create = "--quiet storage:create --scheduler docker-local --chown herokuish --annotation team=web --label tier=gold node-js-app-data";
        all(&mut session, &[create]);
        let by_path = "--quiet storage:create --scheduler docker-local shared {ROOT}/srv/shared";
        all(&mut session, &[by_path]);
        let pair = |name: &str, owner: &str| (name.to_owned(), owner.to_owned());
        let both = [pair("node-js-app-data", "herokuish"), pair("shared", "")];
        assert_eq!(entries(&mut session), both);
        all(
            &mut session,
            &[
                "--quiet storage:ensure-directory --chown herokuish node-js-app",
                "--quiet storage:ensure-directory --chown root node-js-app",
                "--quiet storage:ensure-directory node-js-app",
                "--quiet storage:destroy --force node-js-app-data",
            ],
        );
        assert_eq!(entries(&mut session), both[1..]);
        session.show_tree("lib/data/storage");
        assert_transcript!(session);
    }

    #[test]
    fn mounts() {
        let mut session = Session::dokku(&["node-js-app", "other"]);
        session.prepare(&["storage:create", "node-js-app-data"]);
        assert!(attachments(&mut session, "node-js-app").is_empty());
        let named =
            "--quiet storage:mount node-js-app node-js-app-data --container-dir /app/storage";
        all(&mut session, &[named]);
        let of_host = "--quiet storage:mount node-js-app /var/lib/dokku/data/storage/node-js-app:/app/files --process-type worker --volume-subpath part";
        all(&mut session, &[of_host]);
        let found = attachments(&mut session, "node-js-app");
        assert_eq!(found[1][..2], ["/app/storage", "node-js-app-data"]);
        assert_eq!(found[1][3..], ["deploy,run", "_default_", "false", "", "", ""]);
        assert_eq!(
            found[0][2..5],
            ["/var/lib/dokku/data/storage/node-js-app", "deploy,run", "worker"]
        );
        assert_eq!(found[0][6], "part");

        session.remark(
            "options that differ: the entry of the report is mounted again, under its name",
        );
        let legacy = found[0][1].clone();
        assert!(legacy.starts_with("legacy-"), "{legacy}");
        let again = format!(
            "--quiet storage:mount node-js-app {legacy} --container-dir /app/files --process-type worker --volume-subpath part --volume-options Z"
        );
        all(&mut session, &[&again, &format!("{named} --volume-options noexec,nosuid")]);
        let found = attachments(&mut session, "node-js-app");
        assert_eq!([&*found[0][8], &*found[1][8]], ["Z", "noexec,nosuid"]);
        assert_eq!(found.len(), 2);

        session.remark("every flag at once, in an app of its own");
        let flags = "--quiet storage:mount other node-js-app-data --container-dir /app/storage --phase deploy --process-type web --volume-subpath up --volume-readonly --volume-chown 1000";
        all(&mut session, &[flags]);
        let found = attachments(&mut session, "other");
        assert_eq!(found[0][3..], ["deploy", "web", "true", "up", "1000", ""]);

        session.remark("a taken container path is refused, as the next Dokku does");
        let taken = format!("{named} --phase deploy --process-type web --volume-readonly");
        assert_eq!(dokku(&mut session, &taken).status, 1);

        session.remark("it unmounts by the name in the report, without the process type");
        all(
            &mut session,
            &[
                &format!("--quiet storage:unmount node-js-app {legacy} --container-dir /app/files"),
                "--quiet storage:unmount node-js-app node-js-app-data --container-dir /app/storage",
                "--quiet storage:unmount other node-js-app-data --container-dir /app/storage",
            ],
        );
        assert!(attachments(&mut session, "node-js-app").is_empty());
        assert!(attachments(&mut session, "other").is_empty());
        assert_transcript!(session);
    }

    #[test]
    fn lists_of_mounts() {
        let mut session = Session::dokku(&["node-js-app"]);
        session.prepare(&["storage:create", "data"]);
        session.prepare(&["storage:create", "cache"]);
        let set = "--quiet storage:mount --replace node-js-app data:/data:ro,phase=deploy,volume-chown=1000,volume-subpath=up cache:/cache";
        let of_web = "--quiet storage:mount --replace --process-type web node-js-app data:/web:rw";
        all(&mut session, &[set, of_web, set, of_web]);
        let found = attachments(&mut session, "node-js-app");
        assert_eq!(found.len(), 3);
        assert_eq!(found[1][3..], ["deploy", "_default_", "true", "up", "1000", ""]);
        assert_eq!(found[2][..2], ["/web", "data"]);
        let gone = "--quiet storage:unmount --all --process-type web node-js-app";
        all(&mut session, &[gone, gone, "--quiet storage:unmount --all node-js-app"]);
        assert!(attachments(&mut session, "node-js-app").is_empty());
        assert_transcript!(session);
    }
}

/// The lines of `storage:list` as ansible-dokku keeps them.
fn of_ansible(session: &mut Session, app: &str) -> Vec<String> {
    let answer = dokku(session, &format!("--quiet storage:list {app}"));
    assert_eq!(answer.status, 0, "{answer:?}");
    let lines = answer.stdout.trim_end_matches('\n').split('\n');
    lines.filter(|line| !line.is_empty()).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn ansible() {
    let mut session = Session::dokku(&["hello-world"]);
    assert!(of_ansible(&mut session, "hello-world").is_empty());
    for mount in [
        "/var/lib/dokku/data/storage/hello-world:/data",
        "/srv/static:/app/static:ro",
        "a-volume:/volume",
    ] {
        session.remark("what is not among the lines is mounted, and then it is one of them");
        assert!(!of_ansible(&mut session, "hello-world").contains(&mount.to_owned()));
        all(&mut session, &[&format!("--quiet storage:mount hello-world {mount}")]);
        assert!(of_ansible(&mut session, "hello-world").contains(&mount.to_owned()));
    }
    session.remark("an entry and a process type change nothing of a line's form");
    session.prepare(&["storage:create", "named", "{ROOT}/srv/named"]);
    let words = "storage:mount hello-world named --container-dir /named --process-type web";
    session.prepare(&words.split(' ').collect::<Vec<_>>());
    for mount in of_ansible(&mut session, "hello-world") {
        all(&mut session, &[&format!("--quiet storage:unmount hello-world {mount}")]);
        assert!(!of_ansible(&mut session, "hello-world").contains(&mount));
    }
    session.remark("a mount that is gone, and an app that is");
    dokku(&mut session, "--quiet storage:unmount hello-world /srv/static:/app/static");
    dokku(&mut session, "--quiet storage:list missing");
    assert_transcript!(session);
}

/// What `storage:list` has as Terraform's provider keeps it: by host path, without the storage root in front of it.
fn of_terraform(session: &mut Session, app: &str) -> BTreeMap<String, String> {
    let answer = dokku(session, &format!("--quiet storage:list {app}"));
    assert_eq!(answer.status, 0, "{answer:?}");
    let lines = answer.stdout.split('\n').filter(|line| !line.trim().is_empty());
    let pair = |line: &str| {
        let mut parts = line.split(':');
        let host_path = parts.next().unwrap().trim();
        let name = host_path.strip_prefix("{ROOT}/lib/data/storage/").unwrap_or(host_path);
        (name.to_owned(), parts.next().unwrap().to_owned())
    };
    lines.map(pair).collect()
}

#[test]
fn terraform() {
    if !as_root("clients::terraform") {
        return;
    }
    let mut session = Session::dokku(&["app", "other"]);
    let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect()
    };
    assert_eq!(of_terraform(&mut session, "app"), pairs(&[]));
    all(
        &mut session,
        &[
            "--quiet storage:ensure-directory data",
            "--quiet storage:mount app {LIB}/data/storage/data:/mnt",
            "--quiet storage:mount other /srv/other:/other",
        ],
    );
    assert_eq!(of_terraform(&mut session, "app"), pairs(&[("data", "/mnt")]));
    assert_eq!(of_terraform(&mut session, "other"), pairs(&[("/srv/other", "/other")]));
    session.remark("another path in the container: it unmounts and mounts");
    all(
        &mut session,
        &[
            "--quiet storage:unmount app {LIB}/data/storage/data:/mnt",
            "--quiet storage:ensure-directory data",
            "--quiet storage:mount app {LIB}/data/storage/data:/elsewhere",
        ],
    );
    session.remark("it takes a named entry for a path, and unmounts it so");
    session.prepare(&["storage:create", "named"]);
    session.prepare(&["storage:mount", "app", "named", "--container-dir", "/named"]);
    assert_eq!(of_terraform(&mut session, "app")["named"], "/named");
    all(&mut session, &["--quiet storage:unmount app {LIB}/data/storage/named:/named"]);
    assert_eq!(of_terraform(&mut session, "app"), pairs(&[("data", "/elsewhere")]));
    assert_transcript!(session);
}

/// Calls something as Dokku does for the SSH key `alice`; the status.
fn alice(session: &mut Session, line: &str) -> i32 {
    let words: Vec<&str> = line.split(' ').collect();
    let answer = session.run_with("alice over SSH", &words, |call| {
        call.env("SSH_USER", "dokku").env("SSH_NAME", "alice").env("NAME", "alice")
    });
    answer.status
}

#[test]
fn dokku_acl() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session.host.make_directory("lib/plugins/enabled/acl");
    let user_auth = session.host.path("lib/plugins/enabled/acl/user-auth");
    stubs::script(&user_auth, "#!/bin/sh\n");
    session.prepare(&["storage:create", "wiki-data"]);
    session.prepare(&["storage:mount", "wiki", "wiki-data", "--container-dir", "/data"]);
    session.prepare(&["storage:create", "wiki-own", "--scope", "wiki"]);
    for line in [
        "storage:mount blog /srv/blog:/data",
        "storage:list blog",
        "storage:list blog --format json",
        "storage:report blog",
        "storage:needs:list blog",
        "storage:app:report blog",
        "storage:unmount blog /srv/blog:/data",
    ] {
        assert_eq!(alice(&mut session, line), 0, "{line}");
    }
    // Nothing tells us what alice may see: a scope and the policy hold, and nothing else.
    assert_eq!(alice(&mut session, "storage:mount blog wiki-data --container-dir /theirs"), 0);
    assert_eq!(alice(&mut session, "storage:mount blog wiki-own --container-dir /own"), 1);
    assert_eq!(alice(&mut session, "storage:mount blog {LIB}/data/storage/wiki-own:/own"), 1);
    session.prepare(&["storage:policy:set", "allowed-paths", "/srv"]);
    assert_eq!(alice(&mut session, "storage:mount blog /etc:/host"), 1);
    assert_eq!(alice(&mut session, "storage:mount blog /srv/blog:/srv"), 0);
    assert_transcript!(session);
}

#[test]
fn scripts_of_deploys() {
    if !as_root("clients::scripts_of_deploys") {
        return;
    }
    let mut session = Session::dokku(&["app"]);
    all(
        &mut session,
        &[
            "storage:ensure-directory app {LIB}/data/storage/app",
            "storage:ensure-directory --chown heroku app {LIB}/data/storage/app",
            "--quiet storage:ensure-directory app --chown packeto",
            "storage:mount app {LIB}/data/storage/app:/data",
        ],
    );
    assert_eq!(dokku(&mut session, "storage:mount app {LIB}/data/storage/app:/data").status, 1);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}
