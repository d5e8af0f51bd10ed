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
fn herokuish_empties_the_apps_directory() {
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

/// The names of the notes in the app's directory that the mounts were printed.
fn notes(session: &Session) -> Vec<String> {
    let directory = session.host.path("lib/config/storage/blog");
    let names = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        names.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.starts_with(".asked"));
    names.sort();
    names
}

#[test]
fn the_mounts_are_printed_once_where_both_triggers_are_fired() {
    let session = Session::dokku(&["blog", "wiki"]);
    let own = std::process::id().to_string();
    let ask = |words: &[&str]| session.call(words).env("DOKKU_PID", &own).run();
    for app in ["blog", "wiki"] {
        session.prepare(&["storage:app:set", app, "missing-source", "ignore"]);
        session.prepare(&["storage:mount", app, "/srv/data:/data"]);
        session.prepare(&["storage:mount", app, "/srv/web:/web", "--process-type", "web"]);
        session.prepare(&["storage:mount", app, "/srv/cache:/build", "--phase", "build"]);
    }
    for (first, second) in [
        (
            &["docker-args-deploy", "blog", "latest", "web"][..],
            &["docker-args-process-deploy", "blog", "dockerfile", "latest", "web"][..],
        ),
        (
            &["docker-args-deploy", "blog", "latest", "web", "1"],
            &["docker-args-process-deploy", "blog", "dockerfile", "latest", "web", "1"],
        ),
        (
            &["docker-args-deploy", "blog", "latest"],
            &["docker-args-process-deploy", "blog", "dockerfile", "latest"],
        ),
        (
            &["docker-args-run", "blog", "latest"],
            &["docker-args-process-run", "blog", "dockerfile", "latest"],
        ),
        (
            &["docker-args-build", "blog", "herokuish"],
            &["docker-args-process-build", "blog", "herokuish"],
        ),
        (
            &["docker-args-build", "blog", "dockerfile"],
            &["docker-args-process-build", "blog", "dockerfile"],
        ),
    ] {
        let alone = ask(second);
        let printed = ask(first);
        assert_eq!((printed.status, &printed.stdout), (0, &alone.stdout), "{first:?}");
        assert_eq!(printed.stdout.is_empty(), first.ends_with(&["dockerfile"]), "{first:?}");
        // A deploy says only once what it checks; the build says each time what it cannot mount.
        assert_eq!(printed.stderr.contains("cannot mount"), first.ends_with(&["dockerfile"]));
        let again = ask(second);
        assert_eq!((again.status, again.stdout, again.stderr), (0, String::new(), String::new()));
        // What was taken is gone.
        assert_eq!(ask(second).stdout, printed.stdout, "{second:?}");
        assert_eq!(notes(&session), [""; 0]);
    }
    // Of another app, another process type, another container and another phase nothing has been printed.
    ask(&["docker-args-deploy", "blog", "latest", "web", "1"]);
    for other in [
        &["docker-args-process-deploy", "wiki", "dockerfile", "latest", "web", "1"][..],
        &["docker-args-process-deploy", "blog", "dockerfile", "latest", "worker", "1"],
        &["docker-args-process-deploy", "blog", "dockerfile", "latest", "web", "2"],
        &["docker-args-process-deploy", "blog", "dockerfile", "latest", "web"],
        &["docker-args-process-run", "blog", "dockerfile", "latest"],
    ] {
        assert!(ask(other).stdout.contains("/srv/data:/data"), "{other:?}");
    }
}

#[test]
fn a_mount_that_docker_refuses_is_printed_once() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:mount", "blog", "/srv/gone:/data"]);
    let own = std::process::id().to_string();
    let ask = |words: &[&str]| session.call(words).env("DOKKU_PID", &own).run();
    assert!(ask(&["docker-args-run", "blog", "latest"]).stdout.contains("/srv/gone"));
    let again = ask(&["docker-args-process-run", "blog", "dockerfile", "latest"]);
    assert_eq!((again.status, again.stdout, again.stderr), (0, String::new(), String::new()));
    assert!(
        ask(&["docker-args-process-run", "blog", "dockerfile", "latest"])
            .stdout
            .contains("/srv/gone")
    );
}

#[test]
fn what_another_process_was_told_does_not_count() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "ignore"]);
    session.prepare(&["storage:mount", "blog", "/srv/data:/data"]);
    let first = ["docker-args-deploy", "blog", "latest", "web"];
    let second = ["docker-args-process-deploy", "blog", "dockerfile", "latest", "web"];
    let own = std::process::id().to_string();
    let ask = |pid: &str, words: &[&str]| session.call(words).env("DOKKU_PID", pid).run().stdout;
    let mounts = ask(&own, &first);
    assert_eq!(ask("1", &second), mounts);
    // The note of an earlier process of the same number.
    let notes = notes(&session);
    let [note] = &notes[..] else { panic!("{notes:?}") };
    let note = session.host.path("lib/config/storage/blog").join(note);
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    std::fs::File::open(&note).unwrap().set_modified(old).unwrap();
    assert_eq!(ask(&own, &second), mounts);
    assert!(!note.exists());
    // Where no `dokku` process asks, nothing is noted.
    assert_eq!(session.call(&first).without_env("DOKKU_PID").run().stdout, mounts);
    assert_eq!(session.call(&second).without_env("DOKKU_PID").run().stdout, mounts);
    // What a process left that has ended goes with the next deploy; what a living one left stays.
    // Above the highest number that a kernel gives.
    ask("4194305", &first);
    ask(&own, &first);
    session.prepare(&["core-post-deploy", "blog", "5000", "127.0.0.1", "latest"]);
    assert_eq!(self::notes(&session), [format!(".asked.deploy.web.0.{own}")]);
}
