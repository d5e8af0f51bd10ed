//! Arguments that try to get further than they should: each is refused in a sentence, and changes nothing.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::harness::{Answer, Host, say};

fn host() -> Host {
    let host = Host::bare();
    host.must(&["storage:create named", "storage:mount a named --container-dir /n"]);
    // What the names below would reach.
    host.write("home/.ssh/authorized_keys", "key");
    host.write("home/.ssh/mounts", "{}");
    host.write("x/file", "outside");
    host.write("lib/config/.ssh/mounts", "{}");
    host.write("lib/data/storage-registry/outside.json", r#"{"name":"outside","host_path":"/x"}"#);
    host
}

/// Runs calls that must be refused.
struct Refuse {
    host: Host,
    before: crate::harness::Snapshot,
    calls: usize,
}

impl Refuse {
    fn new() -> Self {
        let host = host();
        let before = host.snapshot();
        Self { host, before, calls: 0 }
    }

    fn call<W: AsRef<OsStr>>(&mut self, words: &[W]) {
        self.calls += 1;
        let shown: Vec<_> = words.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        let shown: String = format!("{shown:?}").chars().take(160).collect();
        let answer = self.host.run_words(words);
        check(&shown, &answer);
        let difference = self.before.difference(&self.host.snapshot());
        assert!(difference.is_empty(), "{shown} changed something:\n{difference}");
    }
}

/// A refusal: a status of 1, 2 or 20, a sentence with ` !     `, nothing that a terminal would obey.
fn check(what: &str, answer: &Answer) {
    assert!([1, 2, 20].contains(&answer.status), "{what}: {answer:?}");
    assert!(!answer.stderr.contains("panicked"), "{what}: {answer:?}");
    let says = answer.stderr.lines().any(|line| line.starts_with(" !     "));
    assert!(says || answer.status == 2, "{what}: no sentence: {answer:?}");
    let is_plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
    let said = format!("{}{}", answer.stdout, answer.stderr);
    assert!(said.chars().all(is_plain), "{what}: control characters in {answer:?}");
    assert!(said.len() < 20_000, "{what}: {} bytes of message", said.len());
}

fn huge() -> OsString {
    "a".repeat(64 * 1024).into()
}

fn words<const N: usize>(words: [&str; N]) -> Vec<OsString> {
    words.map(OsString::from).into()
}

#[test]
fn names_of_apps_lead_nowhere_else() {
    let mut refuse = Refuse::new();
    let mut names: Vec<OsString> = [
        "../x",
        "..",
        ".",
        ".ssh",
        "a/b",
        "a/../b",
        "/etc",
        "A",
        "-a",
        "--",
        "a b",
        "a\nb",
        "a\r",
        "a\u{1b}[2J",
        "a\u{202e}b",
        "ä",
        "",
        " ",
        "no-such-app",
        "a;id",
        "a'",
        "a\"",
        "$HOME",
        "*",
    ]
    .map(OsString::from)
    .into();
    names.push(huge());
    names.push(OsStr::from_bytes(b"a\xff").into());
    for name in &names {
        let of = |before: &[&str], after: &[&str]| -> Vec<OsString> {
            let before = before.iter().map(OsString::from);
            before.chain([name.clone()]).chain(after.iter().map(OsString::from)).collect()
        };
        refuse.call(&of(&["storage:list"], &[]));
        refuse.call(&of(&["storage:mount"], &["/srv/x:/x"]));
        refuse.call(&of(&["storage:mount"], &["named", "--container-dir", "/x"]));
        refuse.call(&of(&["storage:unmount"], &["named"]));
        refuse.call(&of(&["storage:migrate"], &[]));
        if !name.is_empty() {
            refuse.call(&of(&["storage:report"], &["--format", "json"]));
        }
        // Dokku names apps that exist to triggers; what cannot be one is refused. Without an app there is
        // nothing to do.
        if name != "no-such-app" && !name.is_empty() {
            refuse.call(&of(&["docker-args-deploy"], &["latest"]));
            refuse.call(&of(&["storage-app-mounts"], &[]));
            refuse.call(&of(&["post-delete"], &[]));
            refuse.call(&of(&["post-app-clone-setup", "a"], &[]));
            refuse.call(&of(&["post-app-rename-setup", "a"], &[]));
            refuse.call(&of(&["post-app-rename-setup"], &["b"]));
            refuse.call(&of(&["pre-release-builder", "herokuish"], &["latest"]));
        }
    }
    say(&format!(
        "security: {} calls with {} hostile app names refused",
        refuse.calls,
        names.len()
    ));
}

#[test]
fn names_of_entries_lead_nowhere_else() {
    let mut refuse = Refuse::new();
    let mut names: Vec<OsString> = [
        "../../etc/passwd",
        "../outside",
        "..",
        ".",
        "named/../named",
        "/etc/passwd",
        "NAMED",
        "named.json",
        "named\n",
        "na med",
        "-named",
        "named-",
        "--privileged",
        "legacy-0123456789",
        "a\u{1b}]0;x\u{7}",
        "ä",
        "named:x",
        "$(id)",
        "'",
        "\"",
        "no-such-entry",
    ]
    .map(OsString::from)
    .into();
    names.push(huge());
    names.push("a".repeat(46).into());
    names.push(OsStr::from_bytes(b"named\xff").into());
    for name in &names {
        let of = |before: &[&str], after: &[&str]| -> Vec<OsString> {
            let before = before.iter().map(OsString::from);
            before.chain([name.clone()]).chain(after.iter().map(OsString::from)).collect()
        };
        refuse.call(&of(&["storage:info"], &["--format", "json"]));
        refuse.call(&of(&["storage:destroy"], &["--force", "--destroy-host-dir"]));
        refuse.call(&of(&["storage:exec"], &["--", "id"]));
        refuse.call(&of(&["storage:set"], &["reclaim-policy", "Delete"]));
        refuse.call(&of(&["storage:annotations:set"], &["k", "v"]));
        refuse.call(&of(&["storage:labels:report"], &[]));
        refuse.call(&of(&["storage:wait"], &[]));
        refuse.call(&of(&["storage:unmount", "a"], &["--container-dir", "/nowhere"]));
        if name != "no-such-entry" {
            refuse.call(&of(&["storage:create"], &[]));
            refuse.call(&of(&["storage:create"], &["/srv/x"]));
        }
        if !name.to_string_lossy().contains(':') {
            refuse.call(&of(&["storage:mount", "a"], &["--container-dir", "/x"]));
        }
        refuse.call(&of(&["storage:ensure-directory"], &["--chown", "no-such-owner"]));
    }
    say(&format!(
        "security: {} calls with {} hostile entry names refused",
        refuse.calls,
        names.len()
    ));
}

#[test]
fn mounts_carry_nothing_along() {
    let mut refuse = Refuse::new();
    let long = |tail: &str| OsString::from(format!("/{}{tail}", "a".repeat(64 * 1024)));
    let mounts: Vec<OsString> = [
        "/tmp:/x --privileged",
        "/tmp --privileged:/x",
        "/tmp:/x:ro --pid=host",
        "/tmp:/x:ro,--pid=host",
        "/tmp:/x\n--privileged",
        "/tmp\n:/x",
        "/tmp:/x:/y",
        "/tmp:/../x",
        "/tmp/../etc:/x",
        "/tmp:x",
        "tmp/x:/x",
        "../x:/x",
        "/tmp:/",
        "/tmp://",
        "/tmp:",
        ":/x",
        ":",
        "::",
        "/tmp:/x:",
        "-v:/x",
        "--privileged:/x",
        "/tmp:/x:\"",
        "/tmp:/x:z z",
        "/tmp\u{1b}[2J:/x",
        "/tmp:/x\u{7f}",
        "/tmp:/x\u{0085}",
        "/tmp:/x:ro,rw",
        "x:/x",
        "/tmp:/x:bind-propagation=rshared;id",
    ]
    .into_iter()
    // An empty list of options is fine.
    .filter(|mount| *mount != "/tmp:/x:")
    .map(OsString::from)
    .chain([
        long(":/x"),
        OsStr::from_bytes(b"/tmp\xff:/x").into(),
        OsStr::from_bytes(b"/tmp:/x\xfe").into(),
    ])
    .chain([OsString::from(format!("/tmp:/{}", "a".repeat(64 * 1024)))])
    .collect();
    for mount in &mounts {
        refuse.call(&[OsString::from("storage:mount"), "a".into(), mount.clone()]);
    }
    for (flag, values) in [
        (
            "--container-dir",
            &["/x --privileged", "x", "/", "/../x", "/x\n/y", "/x:/y", "/x\u{0}"[..2].as_ref()]
                [..6],
        ),
        ("--volume-options", &["ro --pid=host", "ro,,--x", "\"", "ro\nrw", "z;id", "ro=$(id)"]),
        ("--volume-subpath", &["../../etc", "/etc", "a/../..", "..", "a\nb", "a --privileged"]),
        ("--volume-chown", &["nobody", "-1", "65536", "1000:70000", "$(id)", "0 0"]),
        ("--process-type", &["a b", "-x", "web\n", "../x", "w\u{1b}", "a/b"]),
        ("--phase", &["", "deploy run", "Deploy", "--x", "deploy,,run", "all\n"]),
    ] {
        for value in values {
            let mut call = words(["storage:mount", "a", "named"]);
            if flag != "--container-dir" {
                call.extend(words(["--container-dir", "/x"]));
            }
            // An empty phase is none.
            if value.is_empty() {
                continue;
            }
            call.extend([OsString::from(flag), OsString::from(value)]);
            refuse.call(&call);
        }
        let mut call = words(["storage:mount", "a", "named", "--container-dir", "/x"]);
        call.extend([OsString::from(flag), huge()]);
        refuse.call(&call);
        call.pop();
        call.push(OsStr::from_bytes(b"\xc3\x28").into());
        refuse.call(&call);
    }
    say(&format!("security: {} hostile mounts refused", refuse.calls));
}

#[test]
fn entries_take_only_what_fits() {
    let mut refuse = Refuse::new();
    for path in [
        "relative/path",
        "./x",
        "../x",
        "/srv/../etc",
        "/srv/x\n",
        "/srv/x --privileged",
        "/srv/x:ro",
        "-v",
        "x",
        "/srv/\u{1b}[31m",
        "/srv/\u{0085}",
        "~/x",
        "$HOME",
    ] {
        refuse.call(&words(["storage:create", "fresh", path]));
    }
    refuse.call(&[
        OsString::from("storage:create"),
        "fresh".into(),
        format!("/{}", "a/".repeat(40_000)).into(),
    ]);
    refuse.call(&[
        OsString::from("storage:create"),
        "fresh".into(),
        OsStr::from_bytes(b"/srv/\xff").into(),
    ]);
    for (flag, value) in [
        ("--chown", "nobody"),
        ("--chown", "-1"),
        ("--chown", "70000"),
        ("--mode", "9999"),
        ("--mode", "u+s"),
        ("--mode", "07777"),
        ("--scheduler", "nomad"),
        ("--scheduler", "../x"),
        ("--reclaim-policy", "delete"),
        ("--annotation", "novalue"),
        ("--annotation", "=x"),
        ("--label", "novalue"),
        ("--no-such-flag", "x"),
        ("--size", "0"),
        ("--size", "-1"),
        ("--size", "1G G"),
        ("--size", "99999999999P"),
        ("--type", "../x"),
        ("--option", "novalue"),
        ("--driver", "-v"),
        ("--connector", "../x"),
        ("--from", "/etc/passwd"),
    ] {
        refuse.call(&words(["storage:create", "fresh", flag, value]));
    }
    for (property, value) in [
        ("mode", "u+s"),
        ("chown", "x"),
        ("reclaim-policy", "x"),
        ("host_path", "/x"),
        ("name", "x"),
    ] {
        refuse.call(&words(["storage:set", "named", property, value]));
    }
    refuse.call(&words(["storage:ensure-directory", "../x"]));
    refuse.call(&words(["storage:ensure-directory", "a/b"]));
    refuse.call(&words(["storage:ensure-directory", ".ssh"]));
    refuse.call(&words(["storage:exec", "named", "--image", "--privileged", "--", "id"]));
    refuse.call(&words(["storage:exec", "named", "--as-user", "root; id", "--", "id"]));
    refuse.call(&words(["no-such-command"]));
    refuse.call(&words(["storage:../x"]));
    refuse.call(&words(["chown-storage-dir", "named", "0"]));
    refuse.call(&[OsStr::from_bytes(b"storage:\xff")]);
    say(&format!("security: {} calls with hostile values refused", refuse.calls));
}
