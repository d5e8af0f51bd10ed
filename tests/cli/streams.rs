//! Output that cannot be written, input that is no text, a store that cannot be written.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use dokku_storage::catalog::{CATALOG, Kind};

use crate::harness::{as_root, program_under_test};
use crate::{Session, assert_transcript};

/// Calls with something to say on standard output.
const SPEAKERS: [&[&str]; 9] = [
    &["storage:list", "blog"],
    &["storage:list", "blog", "--format", "json"],
    &["storage:report", "blog"],
    &["storage:list-entries"],
    &["storage:info", "data"],
    &["docker-args-deploy", "blog", "latest", "web"],
    &["storage-app-mounts", "blog"],
    &["storage"],
    &["commands", "help"],
];

fn host() -> Session {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session
}

#[test]
fn a_reader_that_went_away() {
    let session = host();
    for words in SPEAKERS {
        let line = "\"$@\" | head -c 0; exit ${PIPESTATUS[0]}";
        let answer = session.call(words).around(&format!("sleep 0.1; {line}")).run();
        // It may have been quicker than its reader.
        assert!(matches!(answer.status, 0 | 141), "{words:?}: {answer:?}");
        assert_eq!(answer.stderr, "", "{words:?}");
        let closed = session.call(words).around("exec \"$@\" | true; exit ${PIPESTATUS[0]}").run();
        assert!(matches!(closed.status, 0 | 141), "{words:?}: {closed:?}");
        assert_eq!(closed.stderr, "", "{words:?}");
    }
    let words = ["storage:create", "more"];
    session.call(&words).around("\"$@\" | true").run();
    let listed = session.call(&["storage:info", "more"]).run();
    assert_eq!(listed.status, 0, "what was to be done is done: {listed:?}");
}

#[test]
fn a_full_disk_behind_standard_output() {
    let mut session = host();
    for words in SPEAKERS {
        let answer = session.call(words).around("\"$@\" >/dev/full").run();
        assert_eq!(answer.status, 1, "{words:?}: {answer:?}");
        assert!(answer.stderr.contains("unable to write"), "{words:?}: {answer:?}");
    }
    session
        .run_with(">/dev/full", &["storage:list", "blog"], |call| call.around("\"$@\" >/dev/full"));
    session.run_with("standard error too", &["storage:list", "nope"], |call| {
        call.around("\"$@\" >/dev/full 2>&1")
    });
    assert_transcript!(session);
}

#[test]
fn streams_that_are_closed() {
    let session = host();
    for words in SPEAKERS {
        for (closed, wanted) in [(">&-", None), ("2>&-", Some(0)), ("<&-", Some(0))] {
            let answer = session.call(words).around(&format!("\"$@\" {closed}")).run();
            let panicked = answer.stderr.contains("panicked") || answer.status == 101;
            assert!(!panicked, "{words:?} {closed}: {answer:?}");
            if let Some(wanted) = wanted {
                assert_eq!(answer.status, wanted, "{words:?} {closed}: {answer:?}");
            }
        }
    }
    let words = ["storage:mount", "blog", "/srv/a:/a"];
    let answer = session.call(&words).around("\"$@\" >&- 2>&- <&-").run();
    assert_eq!(answer.status, 0, "{answer:?}");
    let mounts = session.host.path("lib/config/storage/blog/mounts");
    let text = std::fs::read_to_string(mounts).unwrap();
    assert_eq!(text.lines().count(), 2, "the message went into a store file: {text}");
}

#[test]
fn arguments_that_are_no_text() {
    let session = host();
    let raw = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let files = CATALOG
        .of_kind(Kind::Subcommand)
        .map(|row| format!("subcommands/{}", row.name))
        .chain(CATALOG.of_kind(Kind::Trigger).map(|row| row.name.to_owned()))
        .chain(CATALOG.of_kind(Kind::Helper).map(|row| format!("bin/{}", row.name)));
    for file in files {
        let answer = session.host.call(&file).words(["x"]).raw_word(raw(b"/a:\xff")).run();
        assert_eq!((answer.status, answer.stdout.as_str()), (1, ""), "{file}: {answer:?}");
        assert!(answer.stderr.starts_with(" !     "), "{file}: {answer:?}");
        assert!(answer.stderr.contains("UTF-8"), "{file}: {answer:?}");
    }
    // What is not ours is still not ours, whatever it is.
    let answer = session.host.call("commands").words(["apps:list"]).raw_word(raw(b"\xff")).run();
    assert_eq!(answer.status, 10, "{answer:?}");
}

#[test]
fn an_environment_that_is_no_text() {
    let session = host();
    for line in [
        "env DOKKU_APP_NAME=$'\\xff' \"$@\"",
        "env DOKKU_QUIET_OUTPUT=$'\\xff' \"$@\"",
        "env SSH_NAME=$'\\xff' \"$@\"",
    ] {
        let answer = session.call(&["storage:list", "blog"]).around(line).run();
        assert!(matches!(answer.status, 0 | 1), "{line}: {answer:?}");
    }
}

#[test]
fn a_store_that_can_only_be_read() {
    if !as_root("streams::a_store_that_can_only_be_read") {
        return;
    }
    let mut session = host();
    let readonly = "unshare --mount bash -c 'mount --bind lib lib && mount -o remount,bind,ro lib && exec \"$@\"' bash \"$@\"";
    for words in [
        &["storage:list", "blog"][..],
        &["docker-args-deploy", "blog", "latest", "web"],
        &["storage:report", "blog", "--storage-run-mounts"],
        &["storage:mount", "blog", "/srv/a:/a"],
        &["storage:unmount", "blog", "data"],
        &["storage:create", "more"],
        &["storage:set", "data", "namespace", "x"],
        &["storage:ensure-directory", "folder"],
        &["storage:destroy", "data", "--force"],
        &["storage:migrate", "blog"],
        &["post-delete", "blog"],
        &["storage:policy:set", "allowed-paths", "/srv"],
    ] {
        session.run_with("read-only", words, |call| call.around(readonly));
    }
    assert_transcript!(session);
}

#[test]
fn a_disk_that_is_full() {
    if !as_root("streams::a_disk_that_is_full") {
        return;
    }
    let mut session = Session::dokku(&["blog"]);
    // A tmpfs of one page, which the store's directories alone do not fill; then nothing more fits.
    let full = "unshare --mount bash -c 'mount -t tmpfs -o size=4k,mode=755 none lib/config &&
        mkdir -p lib/config/storage/blog && head -c 4096 /dev/zero >lib/config/filler; \"$@\"; status=$?
        ls -A lib/config/storage/blog; exit $status' bash \"$@\"";
    session.run_with("no space left", &["storage:mount", "blog", "/srv/a:/a"], |call| {
        call.around(full)
    });
    session.show_tree("lib/data");
    assert_transcript!(session);
}

/// Runs a program at a terminal that is stopped (Ctrl-S) from the beginning, with a lease on a file for a second, so that it has
/// something to show meanwhile.
const STOPPED: &str = "
import fcntl, os, pty, signal, sys, termios, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = open(sys.argv[1], 'w')
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
pid, terminal = pty.fork()
if pid == 0:
    termios.tcflow(0, termios.TCOOFF)
    os.execvp(sys.argv[2], sys.argv[2:])
time.sleep(1)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
os.waitpid(pid, 0)
";

#[test]
fn a_terminal_that_takes_nothing_holds_up_nobody_for_ever() {
    let session = host();
    session.host.write("lib/data/storage/data/leased", "");
    let mut python = session.host.program("/usr/bin/python3");
    python.args(["-c", STOPPED]).arg(session.host.path("lib/data/storage/data/leased"));
    python.env("TERM", "xterm").arg(program_under_test());
    python.args(["storage:snapshots:create", "data", "one"]);
    let began = Instant::now();
    let mut child = python.spawn().unwrap();
    // It stands still with the entry's lock while it shows how much is copied.
    while !session.host.path("lib/data/storage-registry/.work").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(3));
    let mut second = session.host.program(program_under_test());
    let status = second.args(["storage:snapshots:create", "data", "two"]).status().unwrap();
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < Duration::from_secs(200), "{:?}", began.elapsed());
    child.kill().unwrap();
    child.wait().unwrap();
    session.prepare(&["storage:snapshots:create", "data", "one"]);
}
