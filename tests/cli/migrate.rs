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
