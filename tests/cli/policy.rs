//! `storage:policy:*` and the scope of entries.

use crate::harness::stubs;
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

/// Its mounts deploy under the new name, and a new app of the old name gets nothing.
#[test]
fn a_renamed_app_takes_its_name_in_scopes_along() {
    let session = Session::dokku(&["blog", "wiki", "shop", "store"]);
    session.host.make_directory("backups");
    session.destination("disk", "{ROOT}/backups");
    session.prepare(&["storage:connectors:set", "disk", "scope", "blog"]);
    session.prepare(&["storage:create", "data", "--scope", "wiki,blog"]);
    session.prepare(&["storage:create", "later", "--scope", "blog"]);
    session.prepare(&["storage:create", "open"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.prepare(&["post-app-rename-setup", "blog", "shop"]);
    let scope = |file: &str| {
        let bytes = std::fs::read(session.host.path(&format!("lib/data/{file}.json"))).unwrap();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["scope"].clone()
    };
    assert_eq!(scope("storage-registry/entries/data"), serde_json::json!(["wiki", "shop"]));
    assert_eq!(scope("storage-registry/entries/later"), serde_json::json!(["shop"]));
    assert_eq!(scope("storage-registry/entries/open"), serde_json::Value::Null);
    assert_eq!(scope("storage-registry/connectors/disk"), serde_json::json!(["shop"]));
    session.prepare(&["pre-release-builder", "herokuish", "shop", "x"]);
    let refused =
        session.call(&["storage:mount", "blog", "data", "--container-dir", "/data"]).run();
    assert!(refused.stderr.contains("is for wiki,shop and not for blog"), "{refused:?}");
    // One that mounts nothing is in scopes, too.
    session.prepare(&["storage:unmount", "shop", "data", "--container-dir", "/data"]);
    session.prepare(&["post-app-rename-setup", "shop", "store"]);
    assert_eq!(scope("storage-registry/entries/later"), serde_json::json!(["store"]));
}

/// Whoever makes an app of the name may be somebody else.
#[test]
fn who_gets_the_name_of_an_app_that_is_gone_gets_nothing_that_was_for_it() {
    let session = Session::dokku(&["blog", "wiki"]);
    session.host.make_directory("backups");
    session.destination("disk", "{ROOT}/backups");
    session.prepare(&["storage:connectors:set", "disk", "scope", "blog"]);
    session.prepare(&["storage:create", "both", "--scope", "wiki,blog"]);
    session.prepare(&["storage:create", "alone", "--scope", "blog"]);
    session.prepare(&["storage:create", "gone", "--scope", "blog"]);
    session.prepare(&["storage:destroy", "gone", "--force", "--destroy-host-dir"]);
    let mount = |name: &str| {
        session.call(&["storage:mount", "blog", name, "--container-dir", &format!("/{name}")]).run()
    };
    // Where everybody sees every app, it is the same people's.
    session.prepare(&["post-delete", "blog"]);
    assert_eq!(mount("alone").status, 0);
    session.prepare(&["storage:unmount", "blog", "alone", "--container-dir", "/alone"]);
    session.host.make_directory("lib/plugins/enabled/acl");
    stubs::script(&session.host.path("lib/plugins/enabled/acl/user-auth-app"), "#!/bin/sh\n");
    session.host.answer("user-auth-app", "blog\n");
    let deleted = session.call(&["post-delete", "blog"]).run();
    let told = "let an app in: dokku storage:set alone scope APP";
    assert!(deleted.status == 0 && deleted.stderr.contains(told), "{deleted:?}");
    for name in ["both", "alone"] {
        let refused = mount(name);
        let said = format!("storage entry \"{name}\" does not exist");
        assert!(refused.status == 1 && refused.stderr.contains(&said), "{refused:?}");
    }
    let backup = session.call(&["storage:backups:create", "--app", "blog"]).run();
    assert!(backup.stderr.contains("there is no destination for backups"), "{backup:?}");
    let restored = session.call(&["storage:trash:restore", "gone"]).run();
    assert!(restored.stderr.contains("you would not see it then; ask"), "{restored:?}");
    // Who sees every app does what the command says.
    session.host.answer("user-auth-app", "blog\nwiki\n");
    session.prepare(&["storage:trash:restore", "gone"]);
    let refused = mount("gone");
    assert!(refused.stderr.contains("is for _blog and not for blog"), "{refused:?}");
    session.prepare(&["storage:set", "alone", "scope", "blog"]);
    assert_eq!(mount("alone").status, 0);
}

#[test]
fn what_comes_back_from_the_trash_is_for_the_app_that_was_renamed() {
    let session = Session::dokku(&["blog", "shop"]);
    session.prepare(&["storage:create", "data", "--scope", "blog"]);
    session.prepare(&["storage:destroy", "data", "--force", "--destroy-host-dir"]);
    session.prepare(&["post-app-rename-setup", "blog", "shop"]);
    session.prepare(&["storage:trash:restore", "data"]);
    let mount =
        |app: &str| session.call(&["storage:mount", app, "data", "--container-dir", "/data"]).run();
    let refused = mount("blog");
    assert!(refused.stderr.contains("is for shop and not for blog"), "{refused:?}");
    assert_eq!(mount("shop").status, 0);
}

/// What leaves a renamed app out is what the remedy mends first; the mount stays.
#[test]
fn what_leaves_a_renamed_app_out_lets_it_in_again() {
    let session = Session::dokku(&["blog", "blog-a", "shop", "wiki"]);
    session.prepare(&["storage:policy:set", "jail", "{ROOT}/jail/{app}"]);
    session.prepare(&["storage:create", "data", "--scope", "blog*"]);
    session.prepare(&["storage:mount", "blog-a", "data", "--container-dir", "/data"]);
    session.host.make_directory("jail/blog/x");
    session.prepare(&["storage:mount", "blog", "{ROOT}/jail/blog/x:/x"]);
    let remedied = |old: &str, new: &str, first: &[&str]| {
        session.prepare(&["post-app-rename-setup", old, new]);
        let answer = session.call(&["pre-release-builder", "herokuish", new, "x"]).run();
        let told = format!("dokku {}", first.join(" "));
        let unmount = format!(", or dokku storage:unmount {new}");
        let is_first = answer.stderr.find(&told).zip(answer.stderr.find(&unmount));
        assert!(
            answer.status == 1 && is_first.is_some_and(|(told, unmount)| told < unmount),
            "{answer:?}"
        );
        session.prepare(first);
        session.prepare(&["pre-release-builder", "herokuish", new, "x"]);
    };
    remedied("blog-a", "shop", &["storage:set", "data", "scope", "blog*,shop"]);
    remedied("blog", "wiki", &["storage:policy:set", "allowed-paths", "{ROOT}/jail/blog/x"]);
}
