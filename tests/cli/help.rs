//! Help, wrong flags and missing arguments, of every command that the catalog has.

use dokku_storage::catalog::{Kind, of_kind};

use crate::{Session, assert_transcript};

fn commands() -> impl Iterator<Item = String> {
    of_kind(Kind::Subcommand)
        .chain(of_kind(Kind::Addition))
        .filter(|row| row.name != "default")
        .map(|row| format!("storage:{}", row.name))
}

#[test]
fn of_every_command() {
    let mut session = Session::dokku(&["blog"]);
    for command in commands() {
        let answer = session.run(&[&command, "--help"]);
        // Reports take every flag for one that names a value.
        if command.ends_with(":report") {
            continue;
        }
        assert_eq!((answer.status, answer.stdout.as_str()), (0, ""), "{command} --help");
        assert!(answer.stderr.starts_with(&format!("Usage of {command}:\n")), "{command} --help");
    }
    assert_transcript!(session);
}

#[test]
fn an_unknown_flag_ends_in_status_2() {
    let mut session = Session::dokku(&["blog"]);
    for command in commands() {
        let answer = session.call(&[&command, "--no-such-flag"]).run();
        let wanted = if command.ends_with(":report") { 1 } else { 2 };
        assert_eq!((answer.status, answer.stdout.as_str()), (wanted, ""), "{command}: {answer:?}");
        assert!(answer.stderr.contains("no-such-flag") || wanted == 1, "{command}: {answer:?}");
    }
    session.run(&["storage:list", "blog", "--no-such-flag"]);
    session.run(&["storage:list", "blog", "--no-such-flag=x"]);
    session.run(&["storage:list", "blog", "-q"]);
    session.run(&["storage:list", "-qx", "blog"]);
    session.run(&["storage:list", "blog", "--format"]);
    session.run(&["storage:destroy", "blog", "--force=maybe"]);
    session.run(&["storage:destroy", "blog", "--force=false"]);
    session.run(&["storage:list", "--format=json", "--format", "text", "blog"]);
    assert_transcript!(session);
}

#[test]
fn nothing_given() {
    let mut session = Session::dokku(&[]);
    for command in commands() {
        session.run(&[&command]);
    }
    assert_transcript!(session);
}

#[test]
fn of_the_plugin() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage"]);
    session.run(&["storage:default"]);
    session.run(&["commands", "help"]);
    session.run_with("from a program with --all", &["commands", "help"], |call| {
        call.around("bash -c '\"$1\" \"$2\"; true' dokku \"$@\" --all")
    });
    session.run(&["storage:help"]);
    session.run(&["commands", "storage"]);
    session.run(&["commands", "storage:no-such-command"]);
    session.run(&["commands", "apps:list"]);
    session.run_with("another status", &["commands", "apps:list"], |call| {
        call.env("DOKKU_NOT_IMPLEMENTED_EXIT", "11")
    });
    assert_transcript!(session);
}

#[test]
fn of_the_program() {
    let mut session = Session::standalone();
    session.run(&["--version"]);
    session.run(&["--help"]);
    session.run(&[]);
    session.run(&["no-such-command"]);
    session.run(&["storage:no-such-command"]);
    session.run(&["storage:default"]);
    session.run(&["chown-storage-dir", "x", "0"]);
    assert_transcript!(session);
}

#[test]
fn called_by_a_name_that_is_none() {
    let session = Session::dokku(&["blog"]);
    let link = session.host.path("no-such-trigger");
    std::os::unix::fs::symlink(session.host.plugin().join("dokku-storage"), &link).unwrap();
    let answer = crate::harness::Call::new(&session.host, link, Vec::new())
        .env("DOKKU_STORAGE_ROOT", "{ROOT}/store")
        .run();
    assert_eq!((answer.status, answer.stdout.as_str()), (1, ""), "{answer:?}");
    assert!(answer.stderr.contains("no-such-trigger"), "{answer:?}");
}
