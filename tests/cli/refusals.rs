//! Hostile mounts: what is refused, and what is merely unusual and reaches Docker as exactly one word.

use crate::{Session, assert_transcript};

#[test]
fn options_that_ride_along() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    for mount in [
        "/tmp:/x --privileged",
        "/tmp --privileged:/x",
        "/tmp:/x\t--privileged",
        "/tmp:/x\n--privileged",
        "/tmp:/x\u{a0}--privileged",
        "/tmp:/x:ro --pid=host",
        "/tmp:/x:ro,--pid=host",
        "/tmp:/x:'ro'",
        "/tmp:/x \"--privileged\"",
        "/tmp:/x '--privileged'",
        "/tmp:/x \\--privileged",
        "/tmp:/x -v /:/host",
        "vol --privileged:/x",
        "-v:/x",
        "--volume=/:/host",
        "/tmp:/x:",
        "/tmp:/x::",
        "/tmp:/x:/y",
        "/tmp:/x:ro:z",
        "/tmp/../etc:/x",
        "/tmp:/x/../../etc",
        "/tmp:/",
        "/tmp:/.",
        "/tmp:",
        ":",
        "::",
        ":/x",
        "a:/x",
        "/:/host",
    ] {
        session.run(&["storage:mount", "blog", mount]);
    }
    for (flag, value) in [
        ("--container-dir", "/x --privileged"),
        ("--container-dir", "x"),
        ("--container-dir", "/"),
        ("--container-dir", "/x:ro"),
        ("--container-dir", "/a/../../etc"),
        ("--container-dir", "/x\r"),
        ("--container-dir", ""),
    ] {
        session.run(&["storage:mount", "blog", "data", flag, value]);
    }
    for (flag, value) in [
        ("--volume-options", "ro --pid=host"),
        ("--volume-options", "ro,,z"),
        ("--volume-options", "ro:rw"),
        ("--volume-options", "-v"),
        ("--volume-options", "ro,rw"),
        ("--volume-subpath", "../../etc"),
        ("--volume-subpath", "/etc"),
        ("--volume-subpath", "a --privileged"),
        ("--volume-subpath", "a:b"),
        ("--volume-subpath", "."),
        ("--process-type", "web --privileged"),
        ("--process-type", "--privileged"),
        ("--volume-chown", "root --privileged"),
        ("--volume-chown", "nobody"),
        ("--phase", "deploy --privileged"),
    ] {
        session.run(&["storage:mount", "blog", "data", "--container-dir", "/x", flag, value]);
    }
    session.remark("what is left of it");
    session.show_file("lib/config/storage/blog/mounts");
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    assert_transcript!(session);
}

#[test]
fn unusual_paths_are_one_word() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "ignore"]);
    for mount in [
        "/srv/my data:/my data",
        "/srv/it's:/it's",
        "/srv/say \"hi\":/say \"hi\"",
        "/srv/back\\slash:/back\\slash",
        "/srv/$HOME;`id`|&<>(){}[]*?!#~^=%,@+:/shell",
        "/srv/ähnlich:/日本語",
        "/srv/-dash:/--privileged",
        "/srv/ leading:/ leading",
        "/srv/trailing :/trailing ",
        "/srv/'':/''",
    ] {
        session.run(&["storage:mount", "blog", mount]);
    }
    session.run(&["storage:list", "blog"]);
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    session.run_with("split by xargs", &["docker-args-deploy", "blog", "latest", "web"], |call| {
        call.around("\"$@\" | xargs printf '%s\\n'")
    });
    assert_transcript!(session);
}

#[test]
fn values_of_64_kib() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    let long = "x".repeat(64 * 1024);
    let path = format!("/{long}");
    session.run(&["storage:mount", "blog", &format!("{path}:/x")]);
    session.run(&["storage:mount", "blog", &format!("/x:{path}")]);
    session.run(&["storage:mount", "blog", &format!("/x:/x:{long}")]);
    session.run(&["storage:mount", "blog", &format!("{long}:/x")]);
    session.run(&["storage:mount", "blog", &long, "--container-dir", "/x"]);
    session.run(&["storage:mount", &long, "/x:/x"]);
    session.run(&["storage:create", &long]);
    session.run(&["storage:create", "a", &path]);
    session.run(&["storage:create", "a", "--label", &format!("k={long}")]);
    session.run(&["storage:ensure-directory", &long]);
    session.run(&["storage:list", &long]);
    assert_transcript!(session);
}

#[test]
fn words_that_are_missing() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    for words in [
        &["storage:wait", ""][..],
        &["storage:exec", ""],
        &["storage:move", "", "blog", "wiki"],
        &["storage:needs:unlink", "blog", ""],
        &["storage:backups:schedule", "data", ""],
        &["storage:backups:schedule", "data"],
        &["storage:backups:forget", ""],
        &["storage:connectors:info", ""],
        &["storage:mount", "blog", "/srv/a", "--container-dir", "/a"],
    ] {
        session.run(words);
    }
    assert_transcript!(session);
}

#[test]
fn words_that_are_too_many() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    for words in [
        &["storage:needs:list", "blog", "more"][..],
        &["storage:snapshots:list", "data", "more"],
        &["storage:app:report", "blog", "more"],
        &["storage:backups:list", "data", "more"],
        &["storage:backups:ls", "data@latest", "uploads", "more"],
        &["storage:backups:schedules", "more"],
        &["storage:backup-schedule-cat", "data", "more"],
        &["storage:connectors:list", "more"],
        &["storage:connectors:info", "offsite", "more"],
        &["storage:backups:list", "nope"],
    ] {
        session.run(words);
    }
    assert_transcript!(session);
}

#[test]
fn a_clone_of_a_name_that_is_taken() {
    let mut session = Session::dokku(&[]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:create", "copy"]);
    session.run(&["storage:clone", "data", "copy"]);
    session.host.make_directory("lib/data/storage/left");
    session.run(&["storage:clone", "data", "left"]);
    assert_transcript!(session);
}
