//! `docker-args-build`, `docker-args-deploy`, `docker-args-run`.

use crate::{Session, assert_transcript};

#[test]
fn builders() {
    let mut session = Session::dokku(&["blog", "empty"]);
    session.prepare(&["storage:create", "cache"]);
    let cache =
        ["storage:mount", "blog", "cache", "--container-dir", "/build-cache", "--phase", "build"];
    session.prepare(&cache);
    session.prepare(&["storage:mount", "blog", "/srv/data:/data"]);
    for builder in ["herokuish", "pack", "dockerfile", "nixpacks", "railpack", "lambda", "null"] {
        session.run(&["docker-args-build", "blog", builder]);
        session.run(&["docker-args-build", "empty", builder]);
    }
    assert_transcript!(session);
}

#[test]
fn herokuish_empties_the_apps_folder() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "cache"]);
    for place in ["/cache", "/app", "/app/cache", "//app/./x", "/application", "/opt/app"] {
        let mount = ["storage:mount", "blog", "cache", "--container-dir", place];
        session.run(&[&mount[..], &["--phase", "build"]].concat());
    }
    session.run(&["docker-args-build", "blog", "herokuish"]);
    assert_transcript!(session);
}

#[test]
fn process_types() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "ignore"]);
    session.prepare(&["storage:mount", "blog", "/srv/all:/all"]);
    session.prepare(&["storage:mount", "blog", "/srv/web:/own", "--process-type", "web"]);
    session.prepare(&["storage:mount", "blog", "/srv/worker:/own", "--process-type", "worker"]);
    session.run(&["docker-args-deploy", "blog", "latest"]);
    for words in [
        &["docker-args-deploy", "blog", "latest", "web"][..],
        &["docker-args-deploy", "blog", "latest", "web", "1"],
        &["docker-args-deploy", "blog", "latest", "worker", "2"],
        &["docker-args-deploy", "blog", "latest", "other", "1"],
        &["docker-args-run", "blog", "latest"],
        &["docker-args-build", "blog", "herokuish"],
    ] {
        session.run(words);
    }
    assert_transcript!(session);
}

#[test]
fn apps_that_mount_nothing_and_apps_that_are_none() {
    let mut session = Session::dokku(&["blog"]);
    for words in [
        &["docker-args-deploy", "blog", "latest", "web"][..],
        &["docker-args-run", "blog", "latest"],
        &["docker-args-deploy", "nope", "latest"],
        &["docker-args-deploy"],
        &["docker-args-deploy", "../blog", "latest"],
    ] {
        session.run(words);
    }
    assert_transcript!(session);
}

#[test]
fn dokku_in_a_container() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "ignore"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:create", "deep", "{ROOT}/lib/data/storage/x/y"]);
    session.prepare(&["storage:mount", "blog", "deep", "--container-dir", "/xy"]);
    session.prepare(&["storage:create", "library", "{ROOT}/library"]);
    session.prepare(&["storage:mount", "blog", "library", "--container-dir", "/other"]);
    session.prepare(&["storage:mount", "blog", "/srv/elsewhere:/elsewhere"]);
    session.prepare(&["storage:mount", "blog", "vol-ume:/volume"]);
    let words = ["docker-args-deploy", "blog", "latest", "web"];
    session.run(&words);
    session.run_with("DOKKU_LIB_HOST_ROOT=/host/lib", &words, |call| {
        call.env("DOKKU_LIB_HOST_ROOT", "/host/lib")
    });
    session.run_with("the same root", &words, |call| call.env("DOKKU_LIB_HOST_ROOT", "{ROOT}/lib"));
    session.run_with("a root with a blank", &words, |call| {
        call.env("DOKKU_LIB_HOST_ROOT", "/host lib/it's --privileged")
    });
    assert_transcript!(session);
}

#[test]
fn a_host_root_that_docker_cannot_take() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    for root in ["/host:lib", "/host\n--privileged", "relative"] {
        let call = session.call(&["docker-args-deploy", "blog", "latest", "web"]);
        let answer = call.env("DOKKU_LIB_HOST_ROOT", root).run();
        assert_eq!((answer.status, answer.stdout.as_str()), (1, ""), "{root:?}: {answer:?}");
        assert!(answer.stderr.contains("DOKKU_LIB_HOST_ROOT"), "{root:?}: {answer:?}");
    }
}

#[test]
fn a_part_of_a_directory() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "ignore"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&[
        "storage:mount",
        "blog",
        "data",
        "--container-dir",
        "/data",
        "--volume-subpath",
        "up loads/public",
    ]);
    let words = ["docker-args-deploy", "blog", "latest", "web"];
    session.run(&words);
    session.remark("an app put a link into its directory");
    session.host.make_directory("outside");
    session.host.make_directory("lib/data/storage/data/up loads");
    std::os::unix::fs::symlink(
        session.host.path("outside"),
        session.host.path("lib/data/storage/data/up loads/public"),
    )
    .unwrap();
    session.run(&words);
    assert_transcript!(session);
}

/// Dokku takes every word of standard output for an option.
#[test]
fn what_is_made_on_the_way_is_not_said_on_standard_output() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&[
        "storage:mount",
        "blog",
        "data",
        "--container-dir",
        "/d",
        "--phase",
        "build",
    ]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "create"]);
    // Where another client is named, only of a released app containers can start.
    session.prepare(&["post-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    std::fs::remove_dir(session.host.path("lib/data/storage/data")).unwrap();
    let answer = session.call(&["docker-args-build", "blog", "herokuish"]).run();
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.stdout.starts_with(" -v "), "{answer:?}");
    assert!(answer.stderr.contains("Created"), "{answer:?}");
}

/// A container must not start without its data because the way to refuse it fails, too.
#[test]
fn a_refusal_needs_nothing_that_can_fail() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:mount", "blog", "/srv/all:/all"]);
    let call = session.call(&["docker-args-run", "blog", "latest"]);
    let answer = call.env("DOKKU_LIB_HOST_ROOT", "no/absolute/path").run();
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.stdout.starts_with(" --mount type=bind,source="), "{answer:?}");
}
