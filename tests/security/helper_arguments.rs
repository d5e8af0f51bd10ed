//! The helpers check their own arguments, whoever calls them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::harness::{Answer, Host, as_root, say};
use crate::helper::{self, app};

fn host() -> Host {
    let host = Host::bare();
    helper::install(&host);
    let app = app(&host);
    fs::create_dir_all(app.join("inside")).unwrap();
    // It is there on every host on which a command copied something.
    host.write("lib/data/storage-registry/.work", "");
    host.write("outside/file", "outside");
    host.write("outside/linked", "outside");
    fs::hard_link(host.path("outside/linked"), host.path("lib/data/storage/a-linked-file"))
        .unwrap();
    let pipe = host.path("lib/data/storage/a-pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, pipe, rustix::fs::Mode::RWXU).unwrap();
    symlink(host.path("outside"), host.path("lib/data/storage/a-link")).unwrap();
    symlink("app", host.path("lib/data/storage/an-inner-link")).unwrap();
    host
}

/// Each call must be refused in one sentence, without a change.
fn refuse(host: &Host, helper: &str, calls: &[Vec<OsString>]) {
    let before = host.snapshot();
    for words in calls {
        let answer = helper::run(host, helper, words);
        let shown: String = format!("{words:?}").chars().take(120).collect();
        assert_refused(&format!("{helper} {shown}"), &answer);
        let difference = before.difference(&host.snapshot());
        assert!(difference.is_empty(), "{helper} {shown} changed something:\n{difference}");
    }
}

fn assert_refused(what: &str, answer: &Answer) {
    assert!(answer.is_refusal(), "{what}: {answer:?}");
    let is_plain = |c: char| c == '\n' || !c.is_control();
    assert!(answer.stderr.chars().all(is_plain), "{what} says control characters: {answer:?}");
    assert!(answer.stderr.len() < 2_000, "{what}: {} bytes of message", answer.stderr.len());
}

/// Names that lead out of the storage root, or are none.
fn names() -> Vec<OsString> {
    let mut names: Vec<OsString> = [
        "",
        ".",
        "..",
        "../x",
        "../../etc",
        "app/..",
        "app/inside",
        "/",
        "/etc",
        "a b",
        "app\n",
        "\napp",
        "app/",
        "./app",
        "app;id",
        "$(id)",
        "*",
        "ap?",
        "äpp",
        "app\u{202e}",
        "a\\b",
        ".hidden",
        ".ssh",
        "a-linked-file",
        "a-pipe",
        "a-link",
        "an-inner-link",
        "no-such-folder",
        ".destroyed-../x",
        ".destroyed-",
        ".destroyed-/etc",
        ".destroyed-.destroyed-a",
        ".snapshot-",
        ".snapshot-app",
        ".snapshot-app@",
        ".snapshot-@one",
        ".snapshot-app@one",
        ".snapshot-app@../app",
        ".snapshot-../../etc@one",
        ".snapshot-app@one/inside",
        ".destroyed-.snapshot-app@one",
    ]
    .map(OsString::from)
    .into();
    names.push("a".repeat(256).into());
    names.push("a".repeat(64 * 1024).into());
    names.push(OsStr::from_bytes(b"app\xff").into());
    names
}

#[test]
fn chown_takes_a_name_and_an_id_and_nothing_else() {
    if !as_root("the helpers' arguments") {
        return;
    }
    let host = host();
    let mut calls: Vec<Vec<OsString>> =
        names().into_iter().map(|name| vec![name, "1000".into()]).collect();
    for id in [
        "",
        "-1",
        "+1",
        "65536",
        "100000",
        "231072",
        "4294967295",
        "4294967296",
        "99999999999999999999",
        "1000x",
        " 1000",
        "1000 ",
        "0x10",
        "1e3",
        "١",
        "root",
        "1000:",
        ":1000",
        "1000:1000:1000",
        "1000:70000",
        "1000\n0",
        "-R",
        "--recursive",
    ] {
        calls.push(vec!["app".into(), id.into()]);
    }
    calls.push(vec![]);
    calls.push(vec!["app".into()]);
    for extra in ["--folder", "-R", "/etc", "1000", "--folder-only --recursive"] {
        calls.push(vec!["app".into(), "1000".into(), extra.into()]);
    }
    calls.push(["app", "1000", "--folder-only", "more"].map(OsString::from).into());
    refuse(&host, "chown-storage-dir", &calls);
    say(&format!("security: {} calls of chown-storage-dir refused", calls.len()));
}

#[test]
fn chmod_takes_a_name_and_a_mode_and_nothing_else() {
    if !as_root("the helpers' arguments") {
        return;
    }
    let host = host();
    let mut calls: Vec<Vec<OsString>> =
        names().into_iter().map(|name| vec![name, "0700".into()]).collect();
    for mode in
        ["", "7", "75", "00755", "888", "u+s", "a=rwx", "-R", "0x1ff", " 755", "755\n", "+755"]
    {
        calls.push(vec!["app".into(), mode.into()]);
    }
    calls.push(vec![]);
    calls.push(vec!["app".into()]);
    calls.push(["app", "0755", "more"].map(OsString::from).into());
    refuse(&host, "chmod-storage-dir", &calls);
    say(&format!("security: {} calls of chmod-storage-dir refused", calls.len()));
}

#[test]
fn copy_takes_two_names_and_nothing_else() {
    if !as_root("the helpers' arguments") {
        return;
    }
    let host = host();
    let mut calls: Vec<Vec<OsString>> = Vec::new();
    for name in names() {
        calls.push(vec![name.clone(), "fresh".into()]);
        // A directory that is not there yet is what is wanted.
        if name != "no-such-folder" && name != ".destroyed-" {
            calls.push(vec!["app".into(), name]);
        }
    }
    calls.push(vec!["app".into(), "app".into()]);
    calls.push(vec!["app".into()]);
    calls.push(vec![]);
    calls.push(["app", "fresh", "more"].map(OsString::from).into());
    // Into a directory that is there: only a hidden one, which is empty.
    fs::create_dir_all(host.path("lib/data/storage/.destroyed-full-1-1/inside")).unwrap();
    for words in [
        ["app", "app", "--into"],
        ["app", "fresh", "--into"],
        ["app", ".destroyed-none-1-1", "--into"],
        ["app", ".destroyed-../app", "--into"],
        [".destroyed-../../outside", ".destroyed-none-1-1", "--into"],
        ["../outside", ".destroyed-none-1-1", "--into"],
    ] {
        calls.push(words.map(OsString::from).into());
    }
    // A part of a directory, to a hidden one that is not there yet.
    symlink("/etc", host.path("lib/data/storage/app/out")).unwrap();
    for part in [
        "app/../app",
        "app//etc",
        "app/.",
        "app/",
        "app/none",
        "app/out",
        "app/out/ssl",
        "/etc",
        "../lib/data",
    ] {
        calls.push([part, ".destroyed-none-1-1"].map(OsString::from).into());
        // To a place within another one comes what is hidden, and nothing goes through a link.
        calls.push(["--move", "app", part].map(OsString::from).into());
        if part != "app/none" {
            calls.push(["--move", ".destroyed-full-1-1", part].map(OsString::from).into());
        }
    }
    for words in [
        &["--move", ".destroyed-full-1-1", "fresh"][..],
        &["--move", ".destroyed-full-1-1", ".destroyed-none-1-1/x"],
        &["--move", ".destroyed-full-1-1", "app/out/x"],
        &["--move", ".destroyed-full-1-1"],
        &["--move", ".destroyed-none-1-1", "app/x"],
        &["--move", "../outside", "app/x"],
        &["--pack", "app"],
        &["--pack", ".destroyed-none-1-1"],
        &["--unpack", "fresh"],
        &["--unpack", ".destroyed-../x"],
    ] {
        calls.push(words.iter().map(OsString::from).collect());
    }
    refuse(&host, "copy-storage-dir", &calls);
    let full = ["app", ".destroyed-full-1-1", "--into"];
    let answer = helper::run(&host, "copy-storage-dir", &full);
    assert_refused("copying into a folder with something in it", &answer);
    assert!(answer.stderr.contains("is not empty"), "{answer:?}");
    say(&format!("security: {} calls of copy-storage-dir refused", calls.len()));
}

#[test]
fn destroy_takes_a_name_and_nothing_else() {
    if !as_root("the helpers' arguments") {
        return;
    }
    let host = host();
    // A directory that is not there is removed already, and of a file with several names one is only a name.
    let absent = ["no-such-folder", ".destroyed-", "a-linked-file"];
    let mut calls: Vec<Vec<OsString>> = names()
        .into_iter()
        .filter(|name| !absent.iter().any(|absent| name == absent))
        .map(|name| vec![name])
        .collect();
    calls.push(vec![]);
    calls.push(["app", "more"].map(OsString::from).into());
    calls.push(["--force", "app"].map(OsString::from).into());
    refuse(&host, "destroy-storage-dir", &calls);
    let answer = helper::run(&host, "destroy-storage-dir", &["no-such-folder"]);
    assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{answer:?}");
    say(&format!("security: {} calls of destroy-storage-dir refused", calls.len()));
}

#[test]
fn size_takes_an_entry_and_hidden_names_of_its_own() {
    if !as_root("the helpers' arguments") {
        return;
    }
    let host = host();
    let mut calls: Vec<Vec<OsString>> = Vec::new();
    for verb in ["new", "close", "adopt", "replace", "limit"] {
        for hidden in [
            "",
            "app",
            "../app",
            ".destroyed-",
            ".destroyed-app",
            ".destroyed-apps-1-1",
            ".destroyed-other-1-1",
            ".destroyed-app-../x",
            ".destroyed-app-1/../../app",
            ".snapshot-app@one",
            ".trash-app-1-1",
            "/etc",
        ] {
            let mut words: Vec<OsString> = ["app", verb, hidden].map(OsString::from).into();
            if ["new", "limit"].contains(&verb) {
                words.push("16M".into());
            }
            calls.push(words);
        }
        calls.push(["../app", verb, ".destroyed-app-1-1", "16M"].map(OsString::from).into());
        let many = ["app", verb, ".destroyed-app-1-1", "16M", "more", "--preallocate"];
        calls.push(many.map(OsString::from).into());
    }
    for words in [
        ["app", "link", "other", ".trash-app-1-1"],
        ["app", "link", "app", ".trash-app"],
        ["app", "link", "app", "../app"],
        ["app", "link", ".destroyed-other-1-1", "app"],
        ["app", "link", ".trash-../x-1-1", "app"],
        ["app", "kept", "1", "more"],
        ["app", "drop", "app", ""],
        ["app", "state", "other", ""],
        ["app", "hold", "other", ""],
    ] {
        calls.push(words.map(OsString::from).into());
    }
    refuse(&host, "size-storage-dir", &calls);
    say(&format!("security: {} calls of size-storage-dir refused", calls.len()));
}

#[test]
fn usage_takes_a_name_and_nothing_else() {
    if !as_root("the helpers' arguments") {
        return;
    }
    let host = host();
    let mut calls: Vec<Vec<OsString>> = names().into_iter().map(|name| vec![name]).collect();
    for name in
        [".trash-", ".trash-app", ".trash-../app-1-2", ".trash-.trash-a-1-2", ".trash-a-1-2"]
    {
        calls.push(vec![name.into()]);
    }
    calls.push(vec![]);
    calls.push(["app", "more"].map(OsString::from).into());
    refuse(&host, "usage-storage-dir", &calls);
    let answer = helper::run(&host, "usage-storage-dir", &["app"]);
    let numbers = answer.stdout.split_whitespace().filter(|word| word.parse::<u64>().is_ok());
    assert_eq!((answer.status, numbers.count()), (0, 3), "{answer:?}");
    say(&format!("security: {} calls of usage-storage-dir refused", calls.len()));
}

#[test]
fn where_paths_lead_and_nothing_of_what_is_there() {
    let host = Host::bare();
    helper::install(&host);
    let closed = host.path("outside/closed");
    fs::create_dir(&closed).unwrap();
    symlink("/etc", closed.join("link")).unwrap();
    let link = closed.join("link/passwd").to_str().unwrap().to_owned();
    let answer = helper::run(&host, "usage-storage-dir", &["--resolve", &link, "/none/../x"]);
    assert_eq!((answer.status, answer.stdout.trim()), (0, r#"["/etc/passwd","/x"]"#));
    let own = std::process::id().to_string();
    let words = ["--seen-by", &own, "/etc/passwd", "/not-there", "/proc/self/root/etc"];
    let answer = helper::run(&host, "usage-storage-dir", &words);
    assert!(answer.status == 0 && answer.stdout.trim().ends_with(",null,null]"), "{answer:?}");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let answer = helper::run(&host, "usage-storage-dir", &["--look", &link, "/none"]);
    assert!(answer.stdout.starts_with(r#"[{"kind":"file","uid":0,"#), "{answer:?}");
    for words in [
        &["--look", "relative"][..],
        &["--resolve", "relative"],
        &["--resolve", "--seen-by"],
        &["--seen-by"],
        &["--seen-by", "../1", "/etc"],
        &["--seen-by", "-1", "/etc"],
        &["--seen", "1"],
    ] {
        let answer = helper::run(&host, "usage-storage-dir", words);
        assert_eq!(answer.status, 1, "{words:?}: {answer:?}");
    }
}
