//! `storage:exec`.

use crate::{Session, assert_transcript};

#[test]
fn through_the_scheduler() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.host.answer("scheduler-storage-exec", "what the command says\n");
    session.run(&["storage:exec", "data", "--", "ls", "-la", "/data"]);
    session.run(&["storage:exec", "data"]);
    session.run(&[
        "storage:exec",
        "claim",
        "--image",
        "busybox",
        "--as-user",
        "1000",
        "--",
        "sh",
        "-c",
        "echo 'a  b'",
        "--",
        "--rm",
    ]);
    session.run_with("no input", &["storage:exec", "data", "--", "true"], |call| {
        call.around("\"$@\" </dev/null")
    });
    session.host.answer("scheduler-storage-exec.exit", "42");
    session.run(&["storage:exec", "data", "--", "exit", "42"]);
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.run(&["storage:exec"]);
    session.run(&["storage:exec", "--", "ls"]);
    session.run(&["storage:exec", "nope", "--", "ls"]);
    session.run(&["storage:exec", "data", "--as-user", "root", "--", "ls"]);
    session.run(&["storage:exec", "data", "--as-user", "ada!", "--", "ls"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.run(&["storage:exec", "claim", "--as-user", "root", "--", "ls"]);
    session.run(&["storage:exec", "data", "--as-user=1 --privileged", "--", "ls"]);
    session.run(&["storage:exec", "data", "--image", "--privileged", "--", "ls"]);
    session.run(&["storage:exec", "data", "--image", "a b", "--", "ls"]);
    session.run(&["storage:exec", "data", "--privileged", "--", "ls"]);
    assert_transcript!(session);
}

#[test]
fn without_dokku() {
    let mut session = Session::standalone();
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:create", "volume", "pgdata"]);
    session.run(&["storage:exec", "data", "--as-user", "1000", "--", "ls", "-la", "/data"]);
    session.run_with("no input", &["storage:exec", "volume", "--image", "busybox"], |call| {
        call.around("\"$@\" </dev/null")
    });
    session.show_file("stub/docker-calls");
    session.host.answer("docker-run.exit", "7");
    session.run(&["storage:exec", "data", "--", "exit", "7"]);
    assert_transcript!(session);
}

/// Docker names all options of a mount that it cannot make, a password among them.
#[test]
fn a_password_in_docker_s_words_is_not_passed_on() {
    let options = "addr=10.0.0.1,username=anna,password=s3c ret: permission denied.\n";
    let refused = "docker: Error response from daemon: error while mounting volume '/v/_data': mount //nas/a, data:";
    let failing = "Error response from daemon: error while checking if volume exists, data:";
    let mut session = Session::standalone();
    session.prepare(&["storage:create", "data"]);
    for (command, said) in [("run", refused), ("volume", failing)] {
        session.host.answer(&format!("docker-{command}.errors"), &format!("{said} {options}"));
        session.host.answer(&format!("docker-{command}.exit"), "125");
    }
    session.run(&["storage:exec", "data"]);
    session.run(&["storage:create", "other", "--type", "volume"]);
    session.host.answer("docker-run.errors", "no more s3c ret, says password=s3c\n");
    session.run(&["storage:exec", "data"]);
    assert_transcript!(session);
}
