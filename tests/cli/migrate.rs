//! `storage:migrate`.

use crate::{Session, assert_transcript};

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
