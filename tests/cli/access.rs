//! Access control: where a plugin answers `user-auth-app`, only the apps it names exist for the caller.

use crate::harness::stubs;
use crate::{Session, assert_transcript};

/// A host with an access-control plugin that shows the caller only these apps.
fn host(seen: &str) -> Session {
    let session = Session::dokku(&["blog", "wiki"]);
    for (name, app) in [("of-blog", "blog"), ("of-wiki", "wiki"), ("of-both", "blog")] {
        session.prepare(&["storage:create", name]);
        session.prepare(&["storage:mount", app, name, "--container-dir", &format!("/{name}")]);
    }
    session.prepare(&["storage:mount", "wiki", "of-both", "--container-dir", "/both"]);
    session.prepare(&["storage:create", "free"]);
    session.host.make_directory("lib/plugins/enabled/acl");
    stubs::script(&session.host.path("lib/plugins/enabled/acl/user-auth-app"), "#!/bin/sh\n");
    session.host.answer("user-auth-app", seen);
    session
}

#[test]
fn apps() {
    let mut session = host("blog\n");
    for words in [
        &["storage:list", "blog"][..],
        &["storage:list", "wiki"],
        &["storage:mount", "wiki", "/srv/a:/a"],
        &["storage:unmount", "wiki", "of-wiki"],
        &["storage:report", "wiki"],
        &["storage:migrate", "wiki"],
        &["storage:report", "--storage-deploy-mounts"],
        &["storage:report", "--global"],
        &["storage:list", "--format", "json"],
        &["storage:migrate", "--all"],
    ] {
        session.run_with("alice over SSH", words, |call| {
            call.env("SSH_USER", "dokku").env("SSH_NAME", "alice")
        });
    }
    assert_transcript!(session);
}

#[test]
fn who_calls() {
    let mut session = host("");
    session.run(&["storage:list", "blog"]);
    session.run_with("NAME=key", &["storage:list", "blog"], |call| call.env("NAME", "key"));
    session.run_with("nobody", &["storage:list", "blog"], |call| call.without_env("USER"));
    assert_transcript!(session);
}

#[test]
fn entries() {
    let mut session = host("blog\n");
    session.run(&["storage:list-entries"]);
    session.run(&["storage:list-entries", "--format", "json"]);
    for words in [
        &["storage:info", "of-wiki"][..],
        &["storage:info", "of-both"],
        &["storage:info", "free"],
        &["storage:set", "of-wiki", "mode", "0700"],
        &["storage:annotations:set", "of-wiki", "a", "b"],
        &["storage:labels:report", "of-wiki"],
        &["storage:exec", "of-wiki", "--", "ls"],
        &["storage:wait", "of-wiki"],
        &["storage:destroy", "of-wiki", "--force"],
        &["storage:destroy", "of-both", "--force"],
        &["storage:mount", "blog", "of-wiki", "--container-dir", "/x"],
        &["storage:create", "of-wiki"],
    ] {
        session.run(words);
    }
    assert_transcript!(session);
}

#[test]
fn a_legacy_entry_of_others_is_gone_like_any_other() {
    let mut session = host("blog\n");
    session.host.answer("user-auth-app", "blog\nwiki\n");
    session.prepare(&["storage:mount", "wiki", "/srv/a:/a"]);
    session.host.answer("user-auth-app", "blog\n");
    for name in ["legacy-ad9cda397b", "legacy-0123456789"] {
        session.run(&["storage:destroy", name, "--force"]);
        session.run(&["storage:destroy", name]);
        session.run(&["storage:destroy", name, "--force", "--destroy-host-dir"]);
    }
    session.show_tree("lib/data/storage-registry/entries");
    assert_transcript!(session);
}

#[test]
fn an_access_control_plugin_that_fails_shows_nothing() {
    let mut session = host("blog\n");
    session.host.answer("user-auth-app.exit", "1");
    session.run(&["storage:list", "blog"]);
    session.run(&["storage:list-entries"]);
    assert_transcript!(session);
}

#[test]
fn the_whole_hosts_policy_is_not_for_who_sees_some_apps() {
    let mut session = host("blog\n");
    session.run(&["storage:policy:set", "allowed-paths", "/"]);
    session.run(&["storage:policy:report"]);
    assert_transcript!(session);
}

#[test]
fn triggers_are_dokkus_own_calls() {
    let mut session = host("");
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    session.run(&["storage-app-mounts", "blog"]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    assert_transcript!(session);
}
