//! Who uses a path or a volume: nothing that somebody uses is removed, and nobody gets at what is others' by another name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::Session;
use crate::harness::{Answer, Problems, stubs};

/// Answers as Docker's client does, from a file for each container and each volume; `stub/silent` makes it fail.
const DOCKER: &str = r#"#!/bin/sh
[ ! -e "$STUB_DIR/silent" ] || { echo 'Cannot connect to the Docker daemon' >&2; exit 1; }
list() { [ ! -d "$STUB_DIR/$1" ] || ls "$STUB_DIR/$1"; }
all() {
  kind=$1 separator= status=0
  shift
  printf '['
  for name; do
    case $name in -*) continue ;; esac
    if [ -f "$STUB_DIR/$kind/$name" ]; then
      printf '%s' "$separator"; cat "$STUB_DIR/$kind/$name"; separator=,
    else
      echo "Error: No such volume: $name" >&2; status=1
    fi
  done
  printf ']\n'
  return $status
}
case "$1 $2" in
  "volume ls") list volumes ;;
  "volume inspect") shift 2; all volumes "$@"; exit ;;
  "volume create")
    for name; do :; done
    mkdir -p "$STUB_DIR/volumes"
    printf '{"Name": "%s", "Driver": "local", "Options": {}}' "$name" >"$STUB_DIR/volumes/$name" ;;
  ps\ *) case " $* " in *\ -aq\ *) list containers ;; *) list containers | grep -v stopped ;; esac ;;
  inspect\ *) shift; all containers "$@" ;;
esac
exit 0
"#;

/// A host whose Docker has what its files say.
pub fn host(apps: &[&str]) -> Session {
    let session = Session::dokku(apps);
    stubs::script(&session.host.path("stub/bin/docker"), DOCKER);
    session
}

/// Gives Docker a volume with these options, as JSON.
pub fn volume(session: &Session, name: &str, options: &str) {
    let text = format!(
        r#"{{"Name": "{name}", "Driver": "local", "Mountpoint": "/var/lib/docker/volumes/{name}/_data", "Options": {options}}}"#
    );
    session.host.write(&format!("stub/volumes/{name}"), session.host.expand(&text));
}

/// Gives Docker a container with a mount, as JSON.
pub fn container(session: &Session, name: &str, app: &str, mount: &str) {
    let labels = match app {
        "" => "null".to_owned(),
        app => format!(
            r#"{{"com.dokku.app-name": "{app}", "com.dokku.process-type": "web", "com.dokku.dyno": "web.1", "com.dokku.container-type": "deploy"}}"#
        ),
    };
    let text = format!(
        r#"{{"Id": "{name}", "Name": "/{name}", "State": {{"Status": "running"}}, "Config": {{"Labels": {labels}}}, "Mounts": [{mount}]}}"#
    );
    session.host.write(&format!("stub/containers/{name}"), session.host.expand(&text));
}

/// Registers an entry by hand, as an older version or another program could.
pub fn entry(session: &Session, name: &str, path: &str) {
    let path = session.host.expand(path);
    let text =
        format!(r#"{{"name":"{name}","scheduler":"docker-local","host_path":"{path}","schema_version":1}}"#);
    session.host.write(&format!("lib/data/storage-registry/entries/{name}.json"), text);
}

/// Has an app mount an entry, by hand.
fn mounted(session: &Session, app: &str, name: &str, options: &str) {
    let line = format!(
        "{{\"entry_name\":\"{name}\",\"container_path\":\"/x\",\"phases\":[\"deploy\",\"run\"]{options}}}\n"
    );
    session.host.write(&format!("lib/config/storage/{app}/mounts"), line);
}

fn options(session: &Session, file: &str, line: &str) {
    let line = format!("--memory 1g\n{}\n", session.host.expand(line));
    session.host.write(&format!("lib/config/docker-options/blog/{file}"), line);
}

type Setup = fn(&Session, &str);

/// Everything that can use a place: what it is, how it comes to be, and what a refusal names.
const USERS: &[(&str, Setup, &str)] = &[
    ("an entry at it", |s, place| entry(s, "other", place), "storage:destroy other"),
    ("an entry below it", |s, place| entry(s, "nested", &format!("{place}/in")), "storage:destroy nested"),
    ("an entry above it", |s, _| entry(s, "above", "{LIB}/data/storage"), "storage:destroy above"),
    (
        "an entry behind a link",
        |s, place| {
            symlink(s.host.expand(place), s.host.path("link")).unwrap();
            entry(s, "linked", "{ROOT}/link/not/there/yet");
        },
        "storage:destroy linked",
    ),
    (
        "an app by its path",
        |s, place| {
            entry(s, "legacy-0123456789", place);
            mounted(s, "blog", "legacy-0123456789", "");
        },
        "storage:unmount blog ",
    ),
    (
        "an app by a path below it",
        |s, place| {
            entry(s, "nested", &format!("{place}/in"));
            mounted(s, "blog", "nested", ",\"readonly\":true");
        },
        "storage:unmount blog nested --container-dir /x",
    ),
    (
        "an app that can write to all of the storage root",
        |s, _| {
            entry(s, "legacy-0123456789", "{LIB}/data/storage/");
            mounted(s, "blog", "legacy-0123456789", "");
        },
        "storage:unmount blog ",
    ),
    ("-v", |s, place| options(s, "_default_.deploy", &format!("-v {place}:/x")), "docker-options:remove blog deploy"),
    ("--volume=", |s, place| options(s, "_default_.run", &format!("--volume={place}/in:/x:ro")), "docker-options:remove blog run"),
    (
        "--mount",
        |s, place| options(s, "_default_.build", &format!("--mount type=bind,source={place},target=/x")),
        "docker-options:remove blog build",
    ),
    ("of a process type", |s, place| options(s, "web.deploy", &format!("--init -v \"{place}:/x\"")), "docker-options:remove --process web blog deploy"),
    (
        "a container",
        |s, place| container(s, "by-hand", "", &format!(r#"{{"Source": "{place}", "Destination": "/x", "RW": false}}"#)),
        "docker rm -f by-hand",
    ),
    (
        "a stopped container, below it",
        |s, place| container(s, "stopped", "", &format!(r#"{{"Source": "{place}/in", "Destination": "/x", "RW": true}}"#)),
        "docker rm -f stopped",
    ),
    (
        "a container of an app",
        |s, place| container(s, "blog.web.1", "blog", &format!(r#"{{"Source": "{place}", "Destination": "/x", "RW": true}}"#)),
        "ps:restart blog",
    ),
    (
        "a volume's device",
        |s, place| volume(s, "shelf", &format!(r#"{{"type": "none", "o": "bind", "device": "{place}"}}"#)),
        "docker volume rm shelf",
    ),
    (
        "a volume's lower directory",
        |s, place| volume(s, "layers", &format!(r#"{{"type": "overlay", "device": "overlay", "o": "lowerdir=/etc:{place}/in,upperdir=/u,workdir=/w"}}"#)),
        "docker volume rm layers",
    ),
    (
        "a container by a volume",
        |s, place| {
            volume(s, "shelf", &format!(r#"{{"o": "bind", "device": "{place}"}}"#));
            container(s, "by-volume", "", r#"{"Name": "shelf", "Source": "/var/lib/docker/volumes/shelf/_data", "Destination": "/x", "RW": true}"#);
        },
        "docker rm -f by-volume",
    ),
];

/// Who cannot be asked may use anything.
const UNKNOWN: &[(&str, Setup, &str)] = &[
    ("an entry that cannot be read", |s, _| s.host.write("lib/data/storage-registry/entries/odd.json", "{"), "odd.json"),
    ("docker-options that cannot be read", |s, _| s.host.write("lib/config/docker-options/blog/_default_.run", b"\xff\n"), "_default_.run"),
    ("Docker does not answer", |s, _| s.host.write("stub/silent", ""), "Docker does not answer"),
];

/// A host with the entry `base`, which has data.
fn with_base(words: &[&str]) -> Session {
    let session = host(&["blog"]);
    session.prepare(&[&["storage:create", "base"], words].concat());
    session.host.make_directory("lib/data/storage/base/in");
    session.host.write("lib/data/storage/base/in/data", "precious");
    session
}

/// What is in the trash.
fn trashed(session: &Session) -> PathBuf {
    let names = fs::read_dir(session.host.path("lib/data/storage")).unwrap();
    let mut paths = names.map(|name| name.unwrap().path());
    paths.find(|path| path.to_string_lossy().contains("/.trash-")).unwrap()
}

/// Whether the data is where it was.
fn must_be_refused(
    what: &str,
    needle: &str,
    data: &PathBuf,
    answer: &Answer,
    problems: &mut Problems,
) {
    let said = format!("{}{}", answer.stdout, answer.stderr);
    if !data.exists() {
        problems.add(format!("{what}: the data is gone: {answer:?}"));
    } else if !said.contains(needle) {
        problems.add(format!("{what}: {needle:?} is not said: {answer:?}"));
    }
}

fn each_user(
    commands: &[&[&str]],
    users: &[(&str, Setup, &str)],
    make: impl Fn() -> (Session, String),
    must_fail: bool,
) {
    let mut problems = Problems::default();
    for command in commands {
        for (user, setup, needle) in users {
            let (session, place) = make();
            let data = PathBuf::from(session.host.expand(&place)).join("in/data");
            assert!(data.exists());
            setup(&session, &place);
            let what = format!("{command:?} x {user}");
            let answer = session.call(command).run();
            must_be_refused(&what, needle, &data, &answer, &mut problems);
            if must_fail && answer.status != 1 {
                problems.add(format!("{what}: status {}", answer.status));
            }
        }
    }
    problems.must_be_none();
}

#[test]
fn what_somebody_uses_is_not_destroyed() {
    let make = || (with_base(&[]), "{LIB}/data/storage/base".to_owned());
    let commands: &[&[&str]] = &[
        &["storage:destroy", "base", "--force", "--destroy-host-dir"],
        &["storage:destroy", "base", "--force", "--destroy-host-dir", "--no-trash"],
    ];
    each_user(commands, USERS, make, true);
    each_user(commands, UNKNOWN, make, true);
}

#[test]
fn what_somebody_uses_does_not_go_by_its_reclaim_policy() {
    let make =
        || (with_base(&["--reclaim-policy", "Delete"]), "{LIB}/data/storage/base".to_owned());
    let commands: &[&[&str]] = &[&["storage:destroy", "base", "--force"]];
    each_user(commands, USERS, make, true);
    each_user(commands, UNKNOWN, make, true);
}

#[test]
fn what_somebody_uses_is_not_pruned() {
    let make = || (with_base(&[]), "{LIB}/data/storage/base".to_owned());
    let commands: &[&[&str]] = &[&["storage:prune", "--yes"]];
    each_user(commands, USERS, make, false);
    each_user(commands, UNKNOWN, make, false);
    // A directory that is no entry's.
    let make = || {
        let session = host(&["blog"]);
        session.host.write("lib/data/storage/nobodys/in/data", "precious");
        (session, "{LIB}/data/storage/nobodys".to_owned())
    };
    // An entry that refers to it makes it that entry's, which prune does not list.
    let named: Vec<_> =
        USERS.iter().copied().filter(|(_, _, needle)| !needle.contains("storage:")).collect();
    each_user(commands, &named, make, false);
}

#[test]
fn what_somebody_uses_stays_in_the_trash() {
    let make = || {
        let session = with_base(&[]);
        session.prepare(&["storage:destroy", "base", "--force", "--destroy-host-dir"]);
        let place = trashed(&session).to_string_lossy().into_owned();
        session.host.write("lib/data/storage-registry/policy.json", r#"{"trash_hours": 0}"#);
        (session, place)
    };
    let commands: &[&[&str]] = &[&["storage:trash:empty", "--force"], &["storage:trash:empty", "base", "--yes"]];
    each_user(commands, USERS, make, true);
    each_user(commands, UNKNOWN, make, true);
    each_user(&[&["storage:trash:empty", "--expired"]], USERS, make, false);
    each_user(&[&["storage:trash:empty", "--expired"]], UNKNOWN, make, false);
}

#[test]
fn what_somebody_else_uses_is_not_restored_over() {
    let make = || {
        let session = with_base(&[]);
        session.prepare(&["storage:snapshots:create", "base", "first"]);
        (session, "{LIB}/data/storage/base".to_owned())
    };
    let moved = |session: &Session| {
        let names = fs::read_dir(session.host.path("lib/data/storage")).unwrap();
        names.flatten().any(|name| name.file_name().to_string_lossy().contains("before-restore"))
    };
    let mut problems = Problems::default();
    // Containers that do not run see what is there when they start.
    for (user, setup, needle) in USERS.iter().filter(|(user, ..)| !user.contains("stopped")) {
        let (session, place) = make();
        setup(&session, &place);
        let answer = session.call(&["storage:snapshots:restore", "base", "first"]).run();
        let needle = match *needle {
            "docker rm -f by-volume" => "docker volume rm shelf",
            needle if needle.starts_with("docker rm") || needle.starts_with("ps:") => "--stop",
            needle => needle,
        };
        if answer.status != 1 || moved(&session) || !answer.stderr.contains(needle) {
            problems.add(format!("{user} ({needle}): {answer:?}"));
        }
    }
    problems.must_be_none();
}

#[test]
fn what_only_reads_all_of_the_storage_root_hinders_nobody() {
    for (what, setup) in [
        ("an app", (|s, _| {
            entry(s, "legacy-0123456789", "{LIB}/data/storage");
            mounted(s, "blog", "legacy-0123456789", ",\"readonly\":true");
        }) as Setup),
        ("docker-options", |s, _| options(s, "_default_.deploy", "-v /:/host:ro")),
        ("a container", |s, _| container(s, "monitor", "", r#"{"Source": "/", "Destination": "/host", "RW": false}"#)),
    ] {
        let session = with_base(&[]);
        setup(&session, "");
        let answer = session
            .call(&["storage:destroy", "base", "--force", "--destroy-host-dir", "--no-trash"])
            .run();
        assert_eq!(answer.status, 0, "{what}: {answer:?}");
        assert!(!session.host.path("lib/data/storage/base").exists());
    }
}

#[test]
fn the_remedies_of_refusals_work() {
    let session = with_base(&[]);
    let place = session.host.expand("{LIB}/data/storage/base");
    session.prepare(&["storage:mount", "blog", &format!("{place}/in:/x y")]);
    session.prepare(&["storage:create", "nested", &format!("{place}/in")]);
    let destroy = ["storage:destroy", "base", "--force", "--destroy-host-dir"];
    for _ in 0..2 {
        let answer = session.call(&destroy).run();
        assert_eq!(answer.status, 1, "{answer:?}");
        let typed = answer.stderr.split("dokku storage:").nth(1).unwrap();
        let typed = typed.split(')').next().unwrap();
        // As a shell reads it.
        let line = format!("storage:{}", session.host.expand(typed));
        let words = std::process::Command::new("sh")
            .args(["-c", &format!("printf '%s\\n' {line}")])
            .output()
            .unwrap();
        let words = String::from_utf8(words.stdout).unwrap();
        let mut words: Vec<&str> = words.lines().collect();
        words.push("--force");
        words.retain(|word| words_allow(word, typed));
        session.prepare(&words);
    }
    session.prepare(&destroy);
}

/// `--force` is for what asks for a confirmation.
fn words_allow(word: &str, typed: &str) -> bool {
    word != "--force" || typed.starts_with("destroy")
}

#[test]
fn nobody_uses_it_and_it_goes() {
    let session = with_base(&[]);
    entry(&session, "beside", "{LIB}/data/storage/base-2");
    volume(&session, "plain", "null");
    volume(&session, "beside", r#"{"o": "bind", "device": "{LIB}/data/storage/bas"}"#);
    container(&session, "other", "", r#"{"Source": "{LIB}/data/storage/base-2", "Destination": "/x", "RW": true}"#);
    options(&session, "_default_.deploy", "-v {LIB}/data/storage/base-2:/x");
    session.prepare(&["storage:destroy", "base", "--force", "--destroy-host-dir"]);
    session.prepare(&["storage:trash:empty", "--force"]);
}

#[test]
fn a_removal_for_a_limited_caller_names_nobody_else() {
    for (user, setup, _) in USERS {
        let session = host(&["blog", "bob"]);
        session.prepare(&["storage:create", "base"]);
        session.host.write("lib/data/storage/base/in/data", "");
        setup(&session, "{LIB}/data/storage/base");
        limit(&session, "bob\n");
        let answer =
            session.call(&["storage:destroy", "base", "--force", "--destroy-host-dir"]).run();
        assert_eq!(answer.status, 1, "{user}: {answer:?}");
        assert!(!answer.stderr.contains("blog"), "{user}: {answer:?}");
        for hosts in ["by-hand", "by-volume", "shelf", "layers"] {
            assert!(!answer.stderr.contains(hosts), "{user}: {answer:?}");
        }
    }
}

/// Has an access-control plugin show the caller only these apps.
pub fn limit(session: &Session, seen: &str) {
    session.host.make_directory("lib/plugins/enabled/acl");
    stubs::script(&session.host.path("lib/plugins/enabled/acl/user-auth-app"), "#!/bin/sh\n");
    session.host.answer("user-auth-app", seen);
}
