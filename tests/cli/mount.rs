//! `storage:mount`.

use crate::{Session, assert_transcript};

#[test]
fn host_path() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:mount", "blog", "/srv/data:/data"]);
    session.show_file("lib/config/storage/blog/mounts");
    session.show_file("lib/data/storage-registry/entries/legacy-eeb3f8ddfd.json");
    session.show_tree("lib/data/storage-registry");
    session.show_tree("lib/config");
    assert_transcript!(session);
}

#[test]
fn docker_volume() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:mount", "blog", "pgdata:/var/lib/postgresql"]);
    session.run(&["storage:list", "blog", "--format", "json"]);
    assert_transcript!(session);
}

#[test]
fn options_behind_the_second_colon() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:mount", "blog", "/srv/a:/a:ro"]);
    session.run(&["storage:mount", "blog", "/srv/b:/b:ro,Z"]);
    session.run(&["storage:mount", "blog", "/srv/c:/c:z,nosuid"]);
    session.run(&["storage:mount", "blog", "/srv/d:/d:"]);
    session.run(&["storage:mount", "blog", "/srv/e:/e:ro,rw"]);
    session.run(&["storage:mount", "blog", "/srv/f:/f:Z", "--volume-options", "z"]);
    session.run(&["storage:mount", "blog", "/srv/g:/g:Z", "--volume-readonly"]);
    session.show_file("lib/config/storage/blog/mounts");
    assert_transcript!(session);
}

#[test]
fn phases() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:mount", "blog", "vol-a:/a", "--phase", "build"]);
    session.run(&["storage:mount", "blog", "vol-b:/b", "--phase", "deploy"]);
    session.run(&["storage:mount", "blog", "vol-c:/c", "--phase", "run,build"]);
    session.run(&["storage:mount", "blog", "vol-d:/d", "--phase=deploy", "--phase=run"]);
    session.run(&["storage:mount", "blog", "vol-e:/e", "--phase", "stop"]);
    session.run(&["storage:mount", "blog", "vol-e:/e", "--phase", "deploy,"]);
    session.show_file("lib/config/storage/blog/mounts");
    for trigger in ["docker-args-build", "docker-args-deploy", "docker-args-run"] {
        session.run(&[trigger, "blog", "herokuish"]);
    }
    assert_transcript!(session);
}

#[test]
fn named_entry_with_every_attribute() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "blog-data"]);
    session.run(&[
        "storage:mount",
        "blog",
        "blog-data",
        "--container-dir",
        "/data",
        "--phase",
        "deploy",
        "--process-type",
        "worker",
        "--volume-options",
        "noexec,nosuid",
        "--volume-readonly",
        "--volume-subpath",
        "uploads/public",
        "--volume-chown",
        "herokuish",
    ]);
    session.show_file("lib/config/storage/blog/mounts");
    session.run(&["docker-args-deploy", "blog", "latest", "worker", "1"]);
    session.run(&["docker-args-deploy", "blog", "latest", "web", "1"]);
    assert_transcript!(session);
}

#[test]
fn again_updates_in_place() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "blog-data"]);
    let mount = ["storage:mount", "blog", "blog-data", "--container-dir", "/data"];
    session.run(&[&mount[..], &["--volume-readonly", "--volume-options", "Z"]].concat());
    session.run(&mount);
    session.remark("the same place, written otherwise");
    session.run(&["storage:mount", "blog", "blog-data", "--container-dir", "/data/"]);
    session.show_file("lib/config/storage/blog/mounts");
    assert_transcript!(session);
}

#[test]
fn what_is_there_already() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "blog-data"]);
    session.prepare(&["storage:mount", "blog", "/srv/a:/a"]);
    session.run(&["storage:mount", "blog", "/srv/a:/a"]);
    session.run(&["storage:mount", "blog", "/srv/a:/a/"]);
    session.run(&["storage:mount", "blog", "/srv/a:/a:ro"]);
    session.run(&["storage:mount", "blog", "/srv/b:/a"]);
    session.run(&["storage:mount", "blog", "blog-data", "--container-dir", "//a/."]);
    session.remark("nesting is fine, and so are other phases and other process types");
    session.run(&["storage:mount", "blog", "/srv/b:/a/b"]);
    session.run(&["storage:mount", "blog", "/srv/b:/a", "--phase", "build"]);
    session.run(&["storage:mount", "blog", "/srv/c:/c", "--process-type", "web"]);
    session.run(&["storage:mount", "blog", "/srv/d:/c", "--process-type", "worker"]);
    session.run(&["storage:mount", "blog", "/srv/e:/c"]);
    session.show_file("lib/config/storage/blog/mounts");
    assert_transcript!(session);
}

#[test]
fn a_volume_with_the_name_of_an_entry() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "blog-data"]);
    session.run(&["storage:mount", "blog", "blog-data:/data"]);
    assert_transcript!(session);
}

#[test]
fn on_another_scheduler() {
    let mut session = Session::dokku(&["blog"]);
    session.host.write("lib/config/scheduler/blog/selected", "k3s");
    session.prepare(&["storage:create", "local"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.run(&["storage:mount", "blog", "/srv/a:/a"]);
    session.run(&["storage:mount", "blog", "local", "--container-dir", "/a"]);
    session.run(&["storage:mount", "blog", "claim", "--container-dir", "/a"]);
    session.run(&["storage:list", "blog"]);
    session.run(&["storage:list", "blog", "--format", "json"]);
    session.remark("the cluster's plugin mounts it, not this host's Docker");
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    session.run(&["storage-app-mounts", "blog", "deploy"]);
    assert_transcript!(session);
}

#[test]
fn a_part_of_a_volume_needs_a_docker_that_can() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "vol", "pgdata"]);
    let mount = [
        "storage:mount",
        "blog",
        "vol",
        "--container-dir",
        "/data",
        "--volume-subpath",
        "a,b",
        "--volume-readonly",
    ];
    session.run_with("Docker does not answer", &mount, |call| call);
    session.host.answer("docker-version", "1.44\n");
    session.run_with("API 1.44", &mount, |call| call);
    session.host.answer("docker-version", "1.45\n");
    session.run_with("API 1.45", &mount, |call| call);
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    session.run(&["storage:list", "blog"]);
    assert_transcript!(session);
}

#[test]
fn what_docker_refuses() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    for path in ["/proc", "/proc/1", "/dev", "/sys", "/sys/kernel/x", "/./dev/../sys"] {
        session.run(&["storage:mount", "blog", "data", "--container-dir", path]);
    }
    session.run(&["storage:mount", "blog", "/srv/a:/proc"]);
    for path in ["/dev/shm", "/sys/fs/cgroup"] {
        session.run(&["storage:mount", "blog", "data", "--container-dir", path]);
    }
    session.run(&["storage:mount", "blog", "/srv/a:/config/e:"]);
    session.run(&["storage:mount", "blog", "volume:/config/e:"]);
    for options in ["nocopy", "z,Z", "private,rshared", "cached,consistent"] {
        let words = ["storage:mount", "blog", "data", "--container-dir", "/d"];
        session.run(&[&words[..], &["--volume-options", options]].concat());
        session.run(&["storage:mount", "blog", &format!("/srv/a:/d:{options}")]);
    }
    session.run(&["storage:mount", "blog", "some-volume:/d:rshared"]);
    session.run(&["storage:mount", "blog", "some-volume:/e:nocopy"]);
    session.show_file("lib/config/storage/blog/mounts");
    assert_transcript!(session);
}

#[test]
fn without_a_source() {
    let mut session = Session::dokku(&["blog", "my_app", "claims"]);
    session.run(&["storage:mount", "blog", "--container-dir", "/app/storage"]);
    session.run(&["storage:mount", "blog", "--container-dir", "/app/storage/"]);
    session.run(&["storage:mount", "blog", "--container-dir", "/cache", "--phase", "deploy"]);
    session.run(&["storage:mount", "blog", "--container-dir", "relative"]);
    session.run(&["storage:mount", "blog", "--container-dir", "/x", "--volume-subpath", "../x"]);
    session.run(&["storage:mount", "my_app", "", "--container-dir", "/data"]);
    session.show_file("lib/config/storage/blog/mounts");
    session.show_tree("lib/data/storage");
    session.run(&["storage:list-entries"]);
    session.host.write("lib/config/scheduler/claims/selected", "k3s");
    session.run(&["storage:mount", "claims", "--container-dir", "/data"]);
    session.run(&["storage:mount", "blog"]);
    assert_transcript!(session);
}

#[test]
fn a_claim_before_its_app_is_on_k3s() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.run(&["storage:mount", "blog", "claim", "--container-dir", "/data"]);
    session.remark("what runs on this host's Docker gets no container without it");
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    session.run(&["docker-args-run", "blog", "latest"]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog"]);
    session.run(&["storage:doctor", "blog"]);
    session.remark("and on k3s all is well");
    session.host.write("lib/config/scheduler/blog/selected", "k3s");
    session.run(&["docker-args-deploy", "blog", "latest", "web"]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog"]);
    session.run(&["storage:mount", "--replace", "blog", "claim:/claim"]);
    session.run(&["storage:app:report", "blog"]);
    assert_transcript!(session);
}
