//! `storage:migrate`.

use crate::harness::Problems;
use crate::{Session, assert_transcript, places};

const DEPLOY: &str = "lib/config/docker-options/blog/_default_.deploy";
const RUN: &str = "lib/config/docker-options/blog/_default_.run";

#[test]
fn lines_of_docker_options() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session
        .host
        .write(DEPLOY, "--link redis\n-v /srv/a:/a\n  -v  /srv/ro:/ro:ro \n-v vol-ume:/v\n");
    session.host.write(RUN, "-v /srv/a:/a\n");
    session.host.write("home/blog/DOCKER_OPTIONS_DEPLOY", "-v /srv/before:/before\n--privileged\n");
    session.run(&["storage:migrate", "blog"]);
    for path in [DEPLOY, RUN, "home/blog/DOCKER_OPTIONS_DEPLOY", "lib/config/storage/blog/mounts"] {
        session.show_file(path);
    }
    session.show_file("lib/config/storage/blog/legacy-mounts-migrated");
    session.show_tree("lib/config");
    session.run(&["storage:list-entries"]);
    session.run(&["storage:migrate", "--all"]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "ignore"]);
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    session.run(&["docker-args-run", "blog", "latest"]);
    assert_transcript!(session);
}

#[test]
fn lines_that_are_no_mount_stay() {
    let mut session = Session::dokku(&["blog"]);
    session.host.write(
        DEPLOY,
        "-v /srv/a:/a --privileged\n-v relative:x\n-v /srv/b:/same\n-v /srv/c:/same\n-v /srv/d\n-v $HOME:/x\n-v=/srv/e:/e\n--volume /srv/f:/f\n-v\t/srv/g:/g\n",
    );
    session.run(&["storage:migrate", "blog"]);
    session.show_file(DEPLOY);
    session.show_file("lib/config/storage/blog/mounts");
    assert_transcript!(session);
}

#[test]
fn lines_of_every_form_and_of_process_types() {
    let mut session = Session::dokku(&["blog"]);
    session.host.write(
        DEPLOY,
        "-v /srv/a:/a\n--volume /srv/b:/b:ro\n--volume=/srv/c:/c\n-v \"/srv/my data:/d\"\n--init\n\
         --mount type=bind,source=/srv/e,target=/e,readonly,bind-propagation=rslave\n\
         --mount type=volume,src=cache,dst=/f,volume-nocopy,volume-subpath=part\n",
    );
    let web = "lib/config/docker-options/blog/web.deploy";
    let worker = "lib/config/docker-options/blog/worker.deploy";
    session.host.write(web, "-v /srv/web:/p\n--memory 1g\n");
    session.host.write(worker, "-v /srv/worker:/p\n--mount type=bind,src=/srv/w,dst=/w\n");
    session.run(&["storage:migrate", "blog"]);
    for path in [DEPLOY, web, worker, "lib/config/storage/blog/mounts"] {
        session.show_file(path);
    }
    session.run(&["storage:migrate", "blog"]);
    assert_transcript!(session);
}

#[test]
fn what_is_left_is_named_with_the_command_that_does_the_same() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:mount", "blog", "/srv/x:/taken"]);
    session.host.write(
        DEPLOY,
        "--init -v /srv/a:/a:ro\n--mount type=bind,source=/srv/b,target=/b,volume-driver=x\n\
         --mount type=cluster,source=c,target=/c\n--mount type=bind,source=../d,target=/d\n\
         --mount type=tmpfs,target=/t\n--tmpfs /u\n--label\n-v /srv/e:/e\n-v\n/srv/f:/f\n-v /srv/g:/taken\n",
    );
    let build = "lib/config/docker-options/blog/_default_.build";
    session.host.write(build, "-v /srv/cache:/cache\n");
    let web = "lib/config/docker-options/blog/web.deploy";
    session.host.write(web, "-v /srv/h:/h -v /srv/i:/i\n-v /srv/j:/taken\n");
    session.run(&["storage:migrate", "blog"]);
    for path in [DEPLOY, build, web, "lib/config/storage/blog/mounts"] {
        session.show_file(path);
    }
    assert_transcript!(session);
}

#[test]
fn a_mount_that_is_there_gets_the_phase() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:mount", "blog", "/srv/a:/a:Z", "--phase", "run"]);
    session.host.write(DEPLOY, "-v /srv/a:/a:Z\n");
    session.run(&["storage:migrate", "blog"]);
    session.show_file("lib/config/storage/blog/mounts");
    assert_transcript!(session);
}

#[test]
fn the_older_flag() {
    let mut session = Session::dokku(&["blog"]);
    session.host.write("lib/data/storage-registry/migrations/blog", "");
    session.run(&["storage:migrate", "blog"]);
    session.show_file("lib/config/storage/blog/legacy-mounts-migrated");
    session.show_file("lib/data/storage-registry/migrations/blog");
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session.run(&["storage:migrate"]);
    session.run(&["storage:migrate", "blog", "--all"]);
    session.run(&["storage:migrate", "nope"]);
    session.host.write(DEPLOY, [b"-v /srv/a:/a\n\xff\n".as_slice()].concat());
    session.run(&["storage:migrate", "blog"]);
    session.run(&["storage:migrate", "wiki"]);
    session.show_tree("lib/config/storage");
    assert_transcript!(session);
}

type SetUp = fn(&Session);

/// What `storage:mount` refuses `blog`, by a host of its own; the line is in docker-options.
const REFUSED: &[(&str, SetUp, &str)] = &[
    (
        "-v {LIB}/data/storage/.trash-x-1-1:/x",
        |s| s.host.make_directory("lib/data/storage/.trash-x-1-1"),
        "begin with a dot",
    ),
    (
        "--mount type=bind,source=/etc,target=/x",
        |s| s.prepare(&["storage:policy:set", "allowed-paths", "/srv"]),
        "below /srv",
    ),
    ("-v /etc:/x", |s| s.prepare(&["storage:policy:set", "jail", "/srv/apps"]), "below /srv/apps"),
    (
        "-v by-hand:/x",
        |s| {
            s.prepare(&["storage:policy:set", "allowed-paths", "/srv"]);
            places::volume(s, "by-hand", r#"{"o": "bind", "device": "/etc"}"#);
        },
        "below /srv",
    ),
    (
        "-v {LIB}/data/storage/scoped/in:/x",
        |s| s.prepare(&["storage:create", "scoped", "--scope", "wiki"]),
        "which is for wiki only",
    ),
    ("-v /etc:/x", |s| places::limit(s, "blog\n"), "the host's own"),
    (
        "-v {LIB}/data/storage/theirs:/x:ro",
        |s| {
            s.prepare(&["storage:create", "theirs"]);
            s.prepare(&["storage:mount", "wiki", "theirs", "--container-dir", "/x"]);
            places::limit(s, "blog\n");
        },
        "in use by apps that you cannot see",
    ),
    (
        "-v by-hand:/x",
        |s| {
            let overlay = r#"{"type": "overlay", "device": "overlay", "o": "lowerdir=/srv"}"#;
            places::volume(s, "by-hand", overlay);
            places::limit(s, "blog\n");
        },
        "who may see every app",
    ),
];

#[test]
fn what_could_not_be_mounted_stays_in_docker_options() {
    let mut problems = Problems::default();
    for (line, set_up, why) in REFUSED {
        let session = places::host(&["blog", "wiki"]);
        set_up(&session);
        let text = session.host.expand(&format!("{line}\n-v /srv/apps/blog/fine:/fine\n"));
        session.host.write(DEPLOY, text);
        let doctor = session.call(&["storage:doctor", "blog"]).run();
        let answer = session.call(&["storage:migrate", "blog"]).run();
        let said = format!(
            "Left in docker-options of blog: {}: ",
            session.host.fold(&session.host.expand(line))
        );
        let is_named = answer.stderr.contains(&said) && answer.stderr.contains(why);
        let left = session.host.read(&session.host.path(DEPLOY)).unwrap_or_default();
        if answer.status != 0
            || !is_named
            || session.host.fold(left.trim()) != session.host.fold(&session.host.expand(line))
        {
            problems.add(format!("{line}, {why}: {answer:?}, left {left:?}"));
        }
        if !doctor.stdout.contains(why) {
            problems.add(format!("{line}: the doctor does not say {why}: {doctor:?}"));
        }
    }
    problems.must_be_none();
}

#[test]
fn what_is_seen_of_a_volume_is_noted_where_it_is_taken_over() {
    let session = places::host(&["blog"]);
    let overlay = r#"{"type": "overlay", "device": "overlay", "o": "lowerdir=/srv"}"#;
    places::volume(&session, "by-hand", overlay);
    places::limit(&session, "blog\n");
    session.host.write(DEPLOY, "-v by-hand:/x\n");
    session.prepare(&["storage:migrate", "blog"]);
    let answer = session.call(&["docker-args-deploy", "blog", "latest", "web"]).run();
    assert!(answer.stdout.contains("by-hand:/x"), "{answer:?}");
}
