//! Help, wrong flags and missing arguments, of every command that the catalog has.

use std::collections::BTreeSet;

use dokku_storage::catalog::{CATALOG, Kind, Row};

use crate::harness::{Call, repository};
use crate::{Session, assert_transcript};

fn commands() -> impl Iterator<Item = String> {
    CATALOG
        .of_kind(Kind::Subcommand)
        .chain(CATALOG.of_kind(Kind::Addition))
        .filter(|row| row.name != "default")
        .map(|row| format!("storage:{}", row.name))
}

/// Each command has a snapshot of its own in `snapshots/help/`: its help, and what it says where nothing is given.
#[test]
fn of_every_command() {
    let (mut session, mut empty) = (Session::dokku(&["blog"]), Session::dokku(&[]));
    let mut written = BTreeSet::new();
    for command in commands() {
        let answer = session.run(&[&command, "--help"]);
        // Dokku's reports have a help of Dokku's.
        if !["storage:report", "storage:annotations:report", "storage:labels:report"]
            .contains(&&*command)
        {
            let is_dokkus = CATALOG.find(Kind::Subcommand, command.trim_start_matches("storage:"));
            let (help, other) = match is_dokkus {
                Some(_) => (&answer.stderr, &answer.stdout),
                None => (&answer.stdout, &answer.stderr),
            };
            assert_eq!((answer.status, other.as_str()), (0, ""), "{command} --help");
            assert_help(&command, help);
        }
        empty.run(&[&command]);
        let transcript = session.take_transcript() + &empty.take_transcript();
        let name = command.trim_start_matches("storage:").replace(':', "-");
        insta::with_settings!({
            snapshot_path => "snapshots/help",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name.as_str(), transcript);
        });
        written.insert(format!("{name}.snap"));
    }
    let directory = repository().join("tests/cli/snapshots/help");
    let files = std::fs::read_dir(directory).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let kept: BTreeSet<String> = names.filter(|name| !name.contains(".snap.new")).collect();
    assert_eq!(kept, written, "tests/cli/snapshots/help has snapshots of other commands");
}

/// The synopsis, a sentence, each flag once with a description, and an example that is no longer than a line.
fn assert_help(command: &str, help: &str) {
    let parts: Vec<&str> = help.trim_end().split("\n\n").collect();
    let [usage, sentence, flags @ .., example] = parts.as_slice() else {
        panic!("{command} --help: {help}");
    };
    let row = CATALOG.subcommand(command.trim_start_matches("storage:")).unwrap();
    assert_eq!(*usage, format!("Usage: dokku {}", row.synopsis()));
    assert_eq!(*sentence, row.summary);
    let is_alone = ["policy:report", "backups:run"].contains(&row.name);
    assert!(!row.example.is_empty() || is_alone, "{command} has no example");
    let line = format!("Example:\n      dokku {command} {}", row.example);
    assert_eq!(*example, line.trim_end());
    let mut names = BTreeSet::new();
    for flags in flags {
        for line in flags.strip_prefix("Flags:\n").unwrap().lines() {
            let (flag, description) = line.trim_start().split_once("   ").unwrap_or_default();
            let (_, name) = flag.split_once("--").unwrap_or_default();
            let name = name.split(' ').next().unwrap_or_default();
            assert!(!name.is_empty(), "{command} --help has a line that is about no flag: {line}");
            assert!(names.insert(name), "{command} --help has --{name} twice");
            let description = description.trim();
            assert!(!description.is_empty(), "{command} --help does not describe --{name}");
            assert!(!description.starts_with("--"), "{command} --help repeats --{name}");
        }
    }
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
    session.run(&["storage:connectors:destroy", "minio", "--force=maybe"]);
    session.run(&["storage:connectors:destroy", "minio", "--no-such-flag"]);
    session.run(&["storage:connectors:destroy", "minio", "-f"]);
    session.run(&["storage:destroy", "blog", "--force=false"]);
    session.run(&["storage:list", "--format=json", "--format", "text", "blog"]);
    assert_transcript!(session);
}

/// The lines of these rows: what is called, in a column, and what it does.
fn table(rows: impl Iterator<Item = &'static Row>) -> String {
    let rows: Vec<&Row> = rows.collect();
    let width = rows.iter().map(|row| row.synopsis().len()).max().unwrap();
    let line = |row: &&Row| format!("    {:width$}  {}\n", row.synopsis(), row.summary);
    rows.iter().map(line).collect::<Vec<_>>().concat()
}

/// Runs a call that lists commands; the transcript gets one line in the place of what the catalog says.
fn list(
    session: &mut Session,
    words: &[&str],
    how: impl FnOnce(Call<'_>) -> Call<'_>,
    rows: &[&str],
) {
    let mut answer = how(session.call(words)).run();
    for rows in rows {
        assert!(answer.stdout.contains(rows), "{words:?} lacks:\n{rows}\n{answer:?}");
        answer.stdout = answer.stdout.replacen(rows, "    (what the catalog says)\n", 1);
    }
    session.note("", words, &answer);
}

#[test]
fn of_the_plugin() {
    let mut session = Session::dokku(&["blog"]);
    let (of_dokku, additions) = (table(CATALOG.of_dokku()), table(CATALOG.of_kind(Kind::Addition)));
    let rows = CATALOG.of_dokku().chain(CATALOG.of_kind(Kind::Addition));
    let line = |row: &Row| format!("    {}, {}\n", row.synopsis(), row.summary);
    let lines: String = rows.map(line).collect::<Vec<_>>().concat();
    for words in
        [&["storage"][..], &["storage:default"], &["storage:help"], &["commands", "storage"]]
    {
        list(&mut session, words, |call| call, &[&of_dokku]);
    }
    list(&mut session, &["storage:default", "--all"], |call| call, &[&of_dokku, &additions]);
    session.run(&["commands", "help"]);
    let from_a_program = "bash -c '\"$1\" \"$2\"; true' dokku \"$@\" --all";
    list(&mut session, &["commands", "help"], |call| call.around(from_a_program), &[&lines]);
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
    let rows = table(CATALOG.of_dokku().chain(CATALOG.of_kind(Kind::Addition)));
    session.run(&["--version"]);
    list(&mut session, &["--help"], |call| call, &[&rows]);
    list(&mut session, &[], |call| call, &[&rows]);
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
    let answer =
        Call::new(&session.host, link, Vec::new()).env("DOKKU_STORAGE_ROOT", "{ROOT}/store").run();
    assert_eq!((answer.status, answer.stdout.as_str()), (1, ""), "{answer:?}");
    assert!(answer.stderr.contains("no-such-trigger"), "{answer:?}");
}
