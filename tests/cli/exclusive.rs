//! Exclusive entries, and `storage:move`.

use crate::harness::Problems;
use crate::{Session, assert_transcript};

fn host() -> Session {
    let session = Session::dokku(&["blog", "shop", "wiki"]);
    session.prepare(&["storage:create", "data", "--exclusive"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session
}

/// What `docker ps` and `docker inspect` answer about containers: the app, the process and its number, and the source
/// of its one writable mount.
fn runs(session: &Session, containers: &[(&str, &str, &str)]) {
    let ids: Vec<String> = (0..containers.len()).map(|n| format!("{n}").repeat(64)).collect();
    let inspected: Vec<String> = containers
        .iter()
        .zip(&ids)
        .map(|((app, dyno, source), id)| {
            let process_type = dyno.split('.').next().unwrap();
            let labels = format!(
                r#"{{"com.dokku.app-name":"{app}","com.dokku.process-type":"{process_type}","com.dokku.dyno":"{dyno}"}}"#
            );
            let mount = format!(r#"{{"Source":"{source}","Destination":"/data","RW":true}}"#);
            format!(
                r#"{{"Id":"{id}","Name":"/{app}.{dyno}","Config":{{"Labels":{labels}}},"Mounts":[{mount}]}}"#
            )
        })
        .collect();
    session.host.answer("docker-ps", &ids.join("\n"));
    let inspected = session.host.expand(&format!("[{}]", inspected.join(",")));
    session.host.answer("docker-inspect", &inspected);
}

/// What `docker stop` was called with, each time.
fn stops(session: &Session) -> Vec<String> {
    let calls = std::fs::read_to_string(session.host.path("stub/docker-calls")).unwrap();
    let calls = calls.split("docker\n").filter_map(|call| call.strip_prefix("stop\n"));
    calls.map(|words| words.trim().replace('\n', " ")).collect()
}

const DATA: &str = "{ROOT}/lib/data/storage/data";

#[test]
fn one_app_at_a_time() {
    let mut session = host();
    session.run(&["storage:info", "data"]);
    session.run(&["storage:info", "data", "--format", "json"]);
    session.run(&["storage:mount", "shop", "data", "--container-dir", "/data"]);
    session.remark("again by the same app, and at another place");
    session.run(&[
        "storage:mount",
        "blog",
        "data",
        "--container-dir",
        "/data",
        "--volume-readonly",
    ]);
    session.run(&["storage:mount", "blog", "data", "--container-dir", "/more"]);
    session.remark("its place by another name: to write is refused, to read is not");
    session.run(&["storage:mount", "shop", "{ROOT}/lib/data/storage/data:/data"]);
    session.run(&["storage:mount", "shop", "{ROOT}/lib/data/storage/data/part:/data"]);
    session.run(&["storage:mount", "shop", "{ROOT}/lib/data/storage:/all"]);
    session.run(&["storage:mount", "shop", "{ROOT}/lib/data/storage:/all:ro"]);
    session.prepare(&["storage:create", "alias", "{ROOT}/lib/data/storage/data"]);
    session.run(&["storage:mount", "wiki", "alias", "--container-dir", "/data"]);
    session.remark("by a document, a need and docker-options");
    session.run_with("data at /data", &["storage:apply", "shop"], |call| {
        call.stdin(r#"[{"entry_name":"data","container_path":"/data"}]"#)
    });
    session
        .call(&["storage:needs:import", "wiki"])
        .stdin(r#"[{"id":"up","path":"/up","optional":true}]"#)
        .run();
    session.run(&["storage:needs:link", "wiki", "up", "data"]);
    let line = session.host.expand("-v {ROOT}/lib/data/storage/data:/data\n-v /srv/x:/x\n");
    session.host.write("lib/config/docker-options/wiki/_default_.deploy", line);
    session.run(&["storage:migrate", "wiki"]);
    session.show_tree("lib/config");
    assert_transcript!(session);
}

#[test]
fn set_and_created_again() {
    let mut session = Session::dokku(&["blog", "shop"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:mount", "shop", "data", "--container-dir", "/data"]);
    session.run(&["storage:set", "data", "exclusive", "true"]);
    session.run(&["storage:create", "data", "--exclusive"]);
    session.run(&["storage:set", "data", "exclusive", "perhaps"]);
    session.prepare(&["storage:unmount", "shop", "data"]);
    session.run(&["storage:set", "data", "exclusive", "true"]);
    session.run(&["storage:create", "data", "--label", "a=b"]);
    session.run(&["storage:mount", "shop", "data", "--container-dir", "/data"]);
    session.run(&["storage:set", "data", "exclusive", "false"]);
    session.run(&["storage:mount", "shop", "data", "--container-dir", "/data"]);
    session.remark("types that cannot be");
    session.run(&["storage:create", "scratch", "--type", "tmpfs", "--exclusive"]);
    session.run(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi", "--exclusive"]);
    session.show_tree("lib/data/storage-registry/entries");
    assert_transcript!(session);
}

#[test]
fn a_clone_does_not_get_it() {
    let mut session = host();
    session.host.make_directory("home/copy");
    session.prepare(&["storage:create", "shared"]);
    session.prepare(&["storage:mount", "blog", "shared", "--container-dir", "/shared"]);
    session.run(&["post-app-clone-setup", "blog", "copy"]);
    session.run(&["storage:list", "copy"]);
    session.remark("a copy is an entry of its own");
    session.host.make_directory("home/other");
    session.prepare(&["storage:app:set", "blog", "clone", "empty"]);
    session.run(&["post-app-clone-setup", "blog", "other"]);
    session.run(&["storage:list", "other"]);
    assert_transcript!(session);
}

#[test]
fn who_cannot_see_the_holder_is_not_told_its_name() {
    let mut session = host();
    session.host.write("lib/plugins/enabled/acl/user-auth-app", "#!/bin/sh\n");
    let file = session.host.path("lib/plugins/enabled/acl/user-auth-app");
    crate::harness::stubs::script(&file, "#!/bin/sh\n");
    session.host.answer("user-auth-app", "shop\nwiki\n");
    session.prepare(&["storage:create", "mine", "/srv/outside"]);
    session.run(&["storage:mount", "shop", "data", "--container-dir", "/data"]);
    session.remark("an entry of which the caller sees one app, but not the other");
    session.host.answer("user-auth-app", "blog\nshop\n");
    session.prepare(&["storage:set", "data", "exclusive", "false"]);
    session.host.answer("user-auth-app", "blog\nshop\nwiki\n");
    session.prepare(&["storage:mount", "wiki", "data", "--container-dir", "/data"]);
    session.host.answer("user-auth-app", "blog\nshop\n");
    session.run(&["storage:set", "data", "exclusive", "true"]);
    assert_transcript!(session);
}

#[test]
fn the_scale() {
    let mut session = host();
    let scale = "lib/config/ps/blog/scale";
    session.host.write(scale, "web=2\nworker=0");
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.run(&["docker-args-deploy", "blog", "latest", "web", "2"]);
    session.run(&["docker-args-deploy", "blog", "latest", "web", "1"]);
    session.remark("two process types, by Dokku's ps plugin");
    let file = session.host.path("lib/plugins/enabled/ps/ps-current-scale");
    session.host.make_directory("lib/plugins/enabled/ps");
    crate::harness::stubs::script(&file, "#!/bin/sh\n");
    session.host.answer("ps-current-scale", "web=1\nworker=1");
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.run(&["storage:doctor", "blog"]);
    session.remark("one of which only reads");
    session.prepare(&["storage:unmount", "blog", "data"]);
    let mount = ["storage:mount", "blog", "data", "--container-dir", "/data", "--process-type"];
    session.prepare(&[&mount[..], &["web"]].concat());
    session.prepare(&[&mount[..], &["worker", "--volume-readonly"]].concat());
    session.host.answer("ps-current-scale", "web=1\nworker=3");
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.run(&["docker-args-deploy", "blog", "latest", "worker", "3"]);
    assert_transcript!(session);
}

#[test]
fn what_runs_makes_way() {
    let mut session = host();
    runs(&session, &[("blog", "web.1", DATA), ("shop", "web.1", "/srv/shop")]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    session.run(&["docker-args-deploy", "blog", "latest", "web", "1"]);
    session.host.write("lib/config/ps/blog/stop-timeout-seconds", "7");
    session.run(&["docker-args-deploy", "blog", "latest", "web", "1"]);
    assert_eq!(stops(&session), ["-t 30 000000000000", "-t 7 000000000000"]);
    session.remark("what another app has, and what cannot be stopped");
    runs(&session, &[("blog", "web.1", DATA), ("shop", "web.1", DATA), ("gone", "web.1", DATA)]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.run(&["docker-args-deploy", "blog", "latest", "web", "1"]);
    session.run(&["storage:doctor", "blog"]);
    runs(&session, &[("blog", "web.1", DATA)]);
    session.host.answer("docker-stop.exit", "1");
    session.run(&["docker-args-deploy", "blog", "latest", "web", "1"]);
    session.remark("Docker does not answer");
    session.host.answer("docker-ps.exit", "1");
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.run(&["docker-args-deploy", "blog", "latest", "web", "1"]);
    assert_transcript!(session);
}

#[test]
fn moved() {
    let mut session = host();
    session.prepare(&[
        "storage:mount",
        "blog",
        "data",
        "--container-dir",
        "/ro",
        "--volume-readonly",
    ]);
    runs(&session, &[("blog", "web.1", DATA), ("wiki", "web.1", "/srv/wiki")]);
    session.run(&["storage:move", "data", "blog", "shop"]);
    session.show_tree("lib/config/storage");
    session.remark("again, with what was started meanwhile");
    session.run(&["storage:move", "data", "blog", "shop"]);
    runs(&session, &[]);
    session.run(&["storage:move", "data", "blog", "shop"]);
    session.remark("and back, where nothing runs");
    session.run(&["storage:move", "data", "shop", "blog"]);
    session.remark("an entry that several may have");
    session.prepare(&["storage:create", "shared"]);
    session.prepare(&["storage:mount", "blog", "shared", "--container-dir", "/shared"]);
    session.prepare(&["storage:mount", "wiki", "shared", "--container-dir", "/shared"]);
    session.run(&["storage:move", "shared", "blog", "shop", "--no-stop"]);
    session.run(&["storage:move", "shared", "wiki", "shop"]);
    session.show_tree("lib/config/storage");
    assert_eq!(stops(&session), ["-t 30 000000000000"; 3]);
    assert_transcript!(session);
}

#[test]
fn moves_that_are_refused() {
    let mut session = host();
    session.prepare(&["storage:create", "other"]);
    session.prepare(&["storage:mount", "shop", "other", "--container-dir", "/data"]);
    session.run(&["storage:move", "data", "blog"]);
    session.run(&["storage:move", "data", "blog", "blog"]);
    session.run(&["storage:move", "data", "blog", "nope"]);
    session.run(&["storage:move", "nope", "blog", "shop"]);
    session.run(&["storage:move", "data", "wiki", "shop"]);
    session.run(&["storage:move", "data", "blog", "shop", "--no-stop"]);
    session.remark("the place in the container is taken, with a container that stays");
    runs(&session, &[("blog", "web.1", DATA)]);
    session.run(&["storage:move", "data", "blog", "shop"]);
    session.remark("the scope leaves the app out");
    session.prepare(&["storage:set", "data", "scope", "blog"]);
    session.run(&["storage:move", "data", "blog", "wiki"]);
    session.prepare(&["storage:set", "data", "scope", ""]);
    session.remark("a container cannot be stopped");
    session.host.answer("docker-stop.exit", "1");
    session.run(&["storage:move", "data", "blog", "wiki"]);
    session.host.answer("docker-ps.exit", "1");
    session.run(&["storage:move", "data", "blog", "wiki"]);
    session.show_tree("lib/config/storage");
    assert_transcript!(session);
}

/// How an entry becomes one that is exclusive: what is there before, and the command.
const WAYS: &[(&[&[&str]], &[&str])] = &[
    (&[], &["storage:create", "new", "--exclusive"]),
    (&[], &["storage:create", "new", "--exclusive", "--size", "16M"]),
    (&[], &["storage:create", "new", "--exclusive", "--from", "dir:{ROOT}/from"]),
    (
        &[&["storage:create", "old"], &["storage:snapshots:create", "old", "first"]],
        &["storage:create", "new", "--exclusive", "--from", "snapshot:old@first"],
    ),
    (&[&["storage:create", "new"]], &["storage:create", "new", "--exclusive"]),
    (&[&["storage:create", "new"]], &["storage:set", "new", "exclusive", "true"]),
    (&[&["storage:create", "old", "--exclusive"]], &["storage:clone", "old", "new"]),
    (
        &[
            &["storage:create", "new", "--exclusive"],
            &["storage:destroy", "new", "--force", "--destroy-host-dir"],
        ],
        &["storage:trash:restore", "new"],
    ),
    (
        &[
            &["storage:create", "old", "--exclusive"],
            &["storage:destroy", "old", "--force", "--destroy-host-dir"],
        ],
        &["storage:trash:restore", "old", "--as", "new"],
    ),
    (
        &[&["storage:create", "old", "--exclusive"], &["storage:backups:create", "old"]],
        &["storage:backups:restore", "old@latest", "--as", "new"],
    ),
];

#[test]
fn what_several_apps_have_does_not_become_exclusive() {
    let mut problems = Problems::default();
    for (before, way) in WAYS {
        let session = Session::dokku(&["alpha", "beta"]);
        session.host.make_directory("from");
        session.host.make_directory("backups");
        session.destination("disk", "{ROOT}/backups");
        before.iter().for_each(|words| session.prepare(words));
        for app in ["alpha", "beta"] {
            session.prepare(&["storage:mount", app, "{ROOT}/lib/data/storage/new/in:/x"]);
        }
        let answer = session.call(way).run();
        let is_refused = answer.status == 1 && answer.stderr.contains("cannot be exclusive");
        let info = session.call(&["storage:info", "new", "--format", "json"]).run();
        if !is_refused || info.stdout.contains(r#""exclusive":true"#) {
            problems.add(format!("{way:?}: {answer:?}"));
        }
        let left = session.host.path("lib/data/storage/new");
        let is_new = !before.iter().any(|words| words == &["storage:create", "new"]);
        if is_new && left.exists() {
            problems.add(format!("{way:?} leaves a directory"));
        }
        session.prepare(&["storage:unmount", "beta", "{ROOT}/lib/data/storage/new/in:/x"]);
        if !way.contains(&"--size") {
            session.prepare(way);
        }
    }
    problems.must_be_none();
}

#[test]
fn the_doctor_finds_an_exclusive_entry_in_a_place_that_several_have() {
    let mut session = Session::dokku(&["alpha", "beta", "gamma"]);
    session.prepare(&["storage:create", "above", "{ROOT}/lib/data/storage"]);
    session.prepare(&["storage:mount", "alpha", "above", "--container-dir", "/all"]);
    session.prepare(&["storage:mount", "beta", "{ROOT}/lib/data/storage/box/in:/x"]);
    session.prepare(&["storage:mount", "gamma", "{ROOT}/lib/data/storage/box:/x:ro"]);
    session.prepare(&["storage:create", "box"]);
    session.host.make_directory("lib/data/storage/box/in");
    let file = "lib/data/storage-registry/entries/box.json";
    let text = session.host.read(&session.host.path(file)).unwrap();
    // As another program, or an older version, could have it.
    let exclusive = text.trim_start().replacen('{', r#"{"exclusive": true,"#, 1);
    session.host.write(file, session.host.expand(&exclusive));
    session.run(&["storage:doctor"]);
    for app in ["alpha", "beta", "gamma"] {
        session.run(&["pre-release-builder", "herokuish", app, "dokku/app:latest"]);
    }
    session.remark("after the remedy");
    session.prepare(&["storage:unmount", "beta", "{ROOT}/lib/data/storage/box/in:/x"]);
    session.run(&["pre-release-builder", "herokuish", "alpha", "dokku/app:latest"]);
    assert_transcript!(session);
}
