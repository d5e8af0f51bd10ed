//! Who uses a path or a volume: nothing that somebody uses is removed, and nobody gets at what is others' by another name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::Session;
use crate::harness::{Answer, Problems, stubs};

/// Answers as Docker's client does, from a file for each container and each volume; `stub/silent` makes it fail.
pub const DOCKER: &str = r#"#!/bin/sh
[ ! -e "$STUB_DIR/silent" ] || { echo 'Cannot connect to the Docker daemon' >&2; exit 1; }
list() { [ ! -d "$STUB_DIR/$1" ] || ls "$STUB_DIR/$1"; }
all() {
  kind=$1 separator= status=0 open='[' close=']'
  shift
  # With a format, each is written by itself.
  case $1 in -f | --format) shift 2; open= close= ;; esac
  printf '%s' "$open"
  for name; do
    if [ -f "$STUB_DIR/$kind/$name" ]; then
      printf '%s' "$separator"; cat "$STUB_DIR/$kind/$name"; separator=,
    else
      echo "Error: No such volume: $name" >&2; status=1
    fi
  done
  printf '%s\n' "$close"
  return $status
}
case "$1 $2" in
  "volume ls") list volumes ;;
  "volume inspect") shift 2; all volumes "$@"; exit ;;
  "volume create")
    for name; do :; done
    mkdir -p "$STUB_DIR/volumes"
    printf '{"Name": "%s", "Driver": "local", "Mountpoint": "/var/lib/docker/volumes/%s/_data", "Options": {}}' \
      "$name" "$name" >"$STUB_DIR/volumes/$name" ;;
  "volume rm") rm "$STUB_DIR/volumes/$3" ;;
  ps\ *) case " $* " in *\ -aq\ *) list containers ;; *) list containers | grep -v stopped ;; esac ;;
  inspect\ *) shift; all containers "$@" ;;
  info\ *) echo '{"DockerRootDir": "/var/lib/docker"}' ;;
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
    let kind = if name.contains(".run.") { "run" } else { "deploy" };
    let labels = match app {
        "" => "null".to_owned(),
        app => format!(
            r#"{{"com.dokku.app-name": "{app}", "com.dokku.process-type": "web", "com.dokku.dyno": "web.1", "com.dokku.container-type": "{kind}"}}"#
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
    let text = format!(
        r#"{{"name":"{name}","scheduler":"docker-local","host_path":"{path}","schema_version":1}}"#
    );
    session.host.write(&format!("lib/data/storage-registry/entries/{name}.json"), text);
}

/// Has an app mount an entry, by hand.
pub fn mounted(session: &Session, app: &str, name: &str, options: &str) {
    let line = format!(
        "{{\"entry_name\":\"{name}\",\"container_path\":\"/x\",\"phases\":[\"deploy\",\"run\"]{options}}}\n"
    );
    session.host.write(&format!("lib/config/storage/{app}/mounts"), line);
}

pub fn options(session: &Session, file: &str, line: &str) {
    let line = format!("--memory 1g\n{}\n", session.host.expand(line));
    session.host.write(&format!("lib/config/docker-options/blog/{file}"), line);
}

pub type Setup = fn(&Session, &str);

/// Everything that can use a place: what it is, how it comes to be, and what a refusal names.
pub const USERS: &[(&str, Setup, &str)] = &[
    ("an entry at it", |s, place| entry(s, "other", place), "storage:destroy other"),
    (
        "an entry below it",
        |s, place| entry(s, "nested", &format!("{place}/in")),
        "storage:destroy nested",
    ),
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
        "an app for a process type",
        |s, place| {
            entry(s, "legacy-0123456789", place);
            mounted(s, "blog", "legacy-0123456789", ",\"process_type\":\"worker\"");
        },
        "storage:unmount blog ",
    ),
    (
        "an app by what another shares with it",
        |s, place| {
            entry(s, "shared", place);
            mounted(s, "blog", "shared", "");
            let from_blog = r#"{"shared_from":[{"app":"blog"}]}"#;
            s.host.write("lib/config/storage/carol/settings", from_blog);
        },
        "storage:unmount blog shared",
    ),
    (
        "an app that is not there any more",
        |s, place| {
            entry(s, "other", place);
            mounted(s, "gone", "other", "");
        },
        "plugin:trigger post-delete gone",
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
    (
        "-v",
        |s, place| options(s, "_default_.deploy", &format!("-v {place}:/x")),
        "docker-options:remove blog deploy",
    ),
    (
        "--volume=",
        |s, place| options(s, "_default_.run", &format!("--volume={place}/in:/x:ro")),
        "docker-options:remove blog run",
    ),
    (
        "--mount",
        |s, place| {
            options(s, "_default_.build", &format!("--mount type=bind,source={place},target=/x"));
        },
        "docker-options:remove blog build",
    ),
    (
        "of a process type",
        |s, place| options(s, "web.deploy", &format!("--init -v \"{place}:/x\"")),
        "docker-options:remove --process web blog deploy",
    ),
    (
        "a container",
        |s, place| {
            container(
                s,
                "by-hand",
                "",
                &format!(r#"{{"Source": "{place}", "Destination": "/x", "RW": false}}"#),
            );
        },
        "docker rm -f by-hand",
    ),
    (
        "a stopped container, below it",
        |s, place| {
            container(
                s,
                "stopped",
                "",
                &format!(r#"{{"Source": "{place}/in", "Destination": "/x", "RW": true}}"#),
            );
        },
        "docker rm -f stopped",
    ),
    (
        "a container of an app",
        |s, place| {
            container(
                s,
                "blog.web.1",
                "blog",
                &format!(r#"{{"Source": "{place}", "Destination": "/x", "RW": true}}"#),
            );
        },
        "ps:restart blog",
    ),
    (
        "a container that runs a command",
        |s, place| {
            container(
                s,
                "blog.run.7",
                "blog",
                &format!(r#"{{"Source": "{place}", "Destination": "/x", "RW": true}}"#),
            );
        },
        "run:stop --container blog.run.7",
    ),
    (
        "a volume's device",
        |s, place| {
            volume(s, "shelf", &format!(r#"{{"type": "none", "o": "bind", "device": "{place}"}}"#));
        },
        "docker volume rm shelf",
    ),
    (
        "a volume's lower directory",
        |s, place| {
            volume(
                s,
                "layers",
                &format!(
                    r#"{{"type": "overlay", "device": "overlay", "o": "lowerdir=/etc:{place}/in,upperdir=/u,workdir=/w"}}"#
                ),
            );
        },
        "docker volume rm layers",
    ),
    (
        "a container by a volume",
        |s, place| {
            volume(s, "shelf", &format!(r#"{{"o": "bind", "device": "{place}"}}"#));
            container(
                s,
                "by-volume",
                "",
                r#"{"Name": "shelf", "Source": "/var/lib/docker/volumes/shelf/_data", "Destination": "/x", "RW": true}"#,
            );
        },
        "docker rm -f by-volume",
    ),
];

/// Who cannot be asked may use anything.
pub const UNKNOWN: &[(&str, Setup, &str)] = &[
    (
        "an entry that cannot be read",
        |s, _| s.host.write("lib/data/storage-registry/entries/odd.json", "{"),
        "odd.json",
    ),
    (
        "docker-options that cannot be read",
        |s, _| s.host.write("lib/config/docker-options/blog/_default_.run", b"\xff\n"),
        "_default_.run",
    ),
    ("Docker does not answer", |s, _| s.host.write("stub/silent", ""), "Docker does not answer"),
];

/// A host with the entry `base`, which has data.
pub fn with_base(words: &[&str]) -> Session {
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
    data: &Path,
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

pub fn each_user(
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
    let named: Vec<_> = USERS
        .iter()
        .copied()
        .filter(|(_, _, by)| !by.contains("storage:") && !by.contains("plugin:"))
        .collect();
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
    let commands: &[&[&str]] =
        &[&["storage:trash:empty", "--force"], &["storage:trash:empty", "base", "--yes"]];
    each_user(commands, USERS, make, true);
    each_user(commands, UNKNOWN, make, true);
    each_user(&[&["storage:trash:empty", "--expired"]], USERS, make, false);
    each_user(&[&["storage:trash:empty", "--expired"]], UNKNOWN, make, false);
}

/// What a restore says where others would say this: it may stop containers.
pub fn said_by_a_restore(needle: &'static str) -> &'static str {
    match needle {
        "docker rm -f by-volume" => "docker volume rm shelf",
        needle if ["docker rm", "ps:", "run:"].iter().any(|word| needle.starts_with(word)) => {
            "--stop"
        }
        needle => needle,
    }
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
        let needle = said_by_a_restore(needle);
        if answer.status != 1 || moved(&session) || !answer.stderr.contains(needle) {
            problems.add(format!("{user} ({needle}): {answer:?}"));
        }
    }
    problems.must_be_none();
}

#[test]
fn what_only_reads_all_of_the_storage_root_hinders_nobody() {
    for (what, setup) in [
        (
            "an app",
            (|s, _| {
                entry(s, "legacy-0123456789", "{LIB}/data/storage");
                mounted(s, "blog", "legacy-0123456789", ",\"readonly\":true");
            }) as Setup,
        ),
        ("docker-options", |s, _| options(s, "_default_.deploy", "-v /:/host:ro")),
        ("a container", |s, _| {
            container(s, "monitor", "", r#"{"Source": "/", "Destination": "/host", "RW": false}"#);
        }),
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
        let words = session
            .host
            .program("sh")
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
    container(
        &session,
        "other",
        "",
        r#"{"Source": "{LIB}/data/storage/base-2", "Destination": "/x", "RW": true}"#,
    );
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

/// What the plugin has for itself in the storage root.
const RESERVED: &[&str] =
    &[".trash-base-1700000000-2", ".snapshot-base@first", ".destroyed-base-1-2", ".anything"];

#[test]
fn the_plugins_own_names_are_no_paths_for_anybody() {
    let mut problems = Problems::default();
    for (name, seen) in RESERVED.iter().zip(["", "blog\n", "", "blog\n"]) {
        let session = host(&["blog"]);
        let own = format!("{{LIB}}/data/storage/{name}");
        session.host.write(&format!("lib/data/storage/{name}/s"), "secret");
        session.prepare(&["storage:create", "conf", "--type", "file"]);
        symlink(session.host.expand(&own), session.host.path("link")).unwrap();
        symlink(session.host.expand(&own), session.host.path("lib/data/storage/linked")).unwrap();
        symlink(session.host.path("lib/data/storage"), session.host.path("root")).unwrap();
        volume(&session, "by-hand", &format!(r#"{{"o": "bind", "device": "{own}"}}"#));
        let layers =
            format!(r#"{{"type": "overlay", "device": "overlay", "o": "lowerdir={own}:/usr"}}"#);
        volume(&session, "layers", &layers);
        if !seen.is_empty() {
            limit(&session, seen);
        }
        let paths = [
            own.clone(),
            format!("{own}/"),
            format!("{own}/not/there"),
            format!("{{LIB}}/data//storage/./{name}"),
            "{ROOT}/link".to_owned(),
            "{ROOT}/link/x".to_owned(),
            format!("{{ROOT}}/root/{name}"),
        ];
        let device = |path: &String| format!("device={path}");
        let mut calls: Vec<(Vec<String>, String)> = Vec::new();
        let mut call = |words: &[&str], stdin: &str| {
            calls.push((words.iter().map(|word| (*word).to_owned()).collect(), stdin.to_owned()));
        };
        for path in &paths {
            call(&["storage:create", "new", path], "");
            call(&["storage:mount", "blog", &format!("{path}:/x")], "");
            call(&["storage:mount", "blog", &format!("{path}:/x:ro")], "");
            let document = format!(r#"[{{"host_path": "{path}", "container_path": "/x"}}]"#);
            call(&["storage:apply", "blog"], &document);
            let volume = ["storage:create", "new", "--type", "volume", "--option"];
            call(&[&volume[..], &["o=bind", "--option", &device(path)]].concat(), "");
        }
        for path in [&own, &paths[4]] {
            call(&["storage:create", "new", "--from", &format!("dir:{path}")], "");
            call(&["storage:create", "new", "--type", "file", "--from", &format!("{path}/s")], "");
            call(&["storage:set", "conf", "content", &format!("{path}/s")], "");
        }
        call(&["storage:ensure-directory", "linked"], "");
        call(&["storage:create", "linked"], "");
        for volume in ["by-hand", "layers"] {
            call(&["storage:mount", "blog", &format!("{volume}:/x")], "");
            call(&["storage:create", "new", volume], "");
            call(&["storage:create", "new", volume, "--type", "volume"], "");
        }
        for (words, stdin) in &calls {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let answer = session.call(&words).stdin(stdin).run();
            if answer.status != 1 || !answer.stderr.contains(" !     ") {
                problems.add(format!("{words:?}: {answer:?}"));
            }
        }
        let names = fs::read_dir(session.host.path("lib/data/storage-registry/entries")).unwrap();
        assert_eq!(names.count(), 1, "{name}");
    }
    problems.must_be_none();
}

#[test]
fn what_was_mounted_of_the_plugins_own_stops_a_deploy() {
    for name in RESERVED {
        let session = host(&["blog"]);
        session.host.make_directory(&format!("lib/data/storage/{name}"));
        entry(&session, "old", &format!("{{LIB}}/data/storage/{name}"));
        mounted(&session, "blog", "old", "");
        must_stop(&session, "begin with a dot");
    }
}

#[test]
fn the_remedy_for_the_plugins_own_is_not_to_allow_it() {
    let session = host(&["blog"]);
    session.host.make_directory("lib/data/storage/.trash-x-1-1");
    session.prepare(&["storage:policy:set", "allowed-paths", "/srv"]);
    entry(&session, "old", "{LIB}/data/storage/.trash-x-1-1");
    mounted(&session, "blog", "old", "");
    let answer = session.call(&["storage:doctor", "blog"]).run();
    let is_remedy = answer.stdout.contains("storage:policy:set");
    assert!(answer.stdout.contains("not-allowed") && !is_remedy, "{answer:?}");
}

/// No container of `blog` gets its mount, and why.
fn must_stop(session: &Session, reason: &str) {
    let answer =
        session.call(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]).run();
    assert!(answer.status == 1 && answer.stderr.contains(reason), "{answer:?}");
    for call in
        [&["docker-args-run", "blog", "latest"][..], &["docker-args-deploy", "blog", "latest"]]
    {
        let answer = session.call(call).run();
        assert!(answer.stdout.contains("/.refused/"), "{answer:?}");
    }
}

/// Options of volumes that lead where bob must not get.
const ELSEWHERE: &[&str] = &[
    r#""type": "none", "o": "bind", "device": "{LIB}/data/storage/alice-data""#,
    r#""o": "rbind,ro", "device": "{LIB}/data/storage/alice-data/below""#,
    r#""type": "tmpfs", "o": "bind", "device": "{ROOT}/link""#,
    r#""o": "bind", "device": "{LIB}/data/storage""#,
    r#""o": "bind", "device": "{LIB}""#,
    r#""o": "bind", "device": "/""#,
    r#""o": "bind", "device": "{LIB}/storage-images""#,
    r#""o": "bind", "device": "{LIB}/data/storage-registry""#,
    r#""o": "bind", "device": "{ROOT}/outside/../lib/data/storage/alice-data""#,
    r#""o": "bind", "device": "{ROOT}/scoped""#,
    r#""o": "bind", "device": "/srv/in-options/of-alice""#,
    r#""type": "ext4", "device": "/dev/vda""#,
    r#""type": "overlay", "device": "overlay", "o": "lowerdir=/etc,upperdir=/tmp/u,workdir=/tmp/w""#,
    r#""type": "proc", "device": "proc""#,
    r#""type": "nfs", "o": "bind,addr=127.0.0.1", "device": "/etc""#,
];

fn with_alices_data() -> Session {
    let session = host(&["alice", "bob"]);
    session.prepare(&["storage:create", "alice-data"]);
    session.prepare(&["storage:mount", "alice", "alice-data", "--container-dir", "/x"]);
    session.host.make_directory("lib/data/storage/alice-data/below");
    session.host.make_directory("scoped");
    session.prepare(&["storage:create", "scoped", "{ROOT}/scoped", "--scope", "alice"]);
    symlink(session.host.path("lib/data/storage/alice-data"), session.host.path("link")).unwrap();
    session.host.write("lib/config/docker-options/alice/_default_.run", "-v /srv/in-options:/x\n");
    session
}

/// Options as `--option`s.
fn flags(session: &Session, options: &str) -> Vec<String> {
    let json = session.host.expand(&format!("{{{options}}}"));
    let options: std::collections::BTreeMap<String, String> = serde_json::from_str(&json).unwrap();
    let flags =
        options.iter().map(|(key, value)| ["--option".to_owned(), format!("{key}={value}")]);
    flags.flatten().collect()
}

#[test]
fn a_volumes_options_lead_nobody_where_they_may_not_go() {
    let mut problems = Problems::default();
    for options in ELSEWHERE {
        let session = with_alices_data();
        volume(&session, "by-hand", &format!("{{{options}}}"));
        limit(&session, "bob\n");
        let given = flags(&session, options);
        let typed: Vec<&str> = ["storage:create", "wide", "--type", "volume"]
            .into_iter()
            .chain(given.iter().map(String::as_str))
            .collect();
        for words in [
            &typed[..],
            &["storage:create", "wide", "by-hand"],
            &["storage:create", "wide", "by-hand", "--type", "volume"],
            &["storage:mount", "bob", "by-hand:/x"],
            &["storage:mount", "bob", "by-hand:/x:ro"],
        ] {
            let answer = session.call(words).run();
            let said = answer.stderr.replace("alice-data", "");
            if answer.status != 1 || said.contains("alice") {
                problems.add(format!("{words:?} with {options}: {answer:?}"));
            }
        }
        // Whoever sees every app may do as the engine does, where no scope is against it.
        session.host.answer("user-auth-app", "alice\nbob\n");
        let answer = session.call(&["storage:mount", "alice", "by-hand:/y"]).run();
        if answer.status != 0 {
            problems.add(format!("who sees all, with {options}: {answer:?}"));
        }
        // A second entry for a place is for those whom the first one's scope has.
        let is_scoped = options.contains("scoped") || options.ends_with("\"/\"");
        let answer = session.call(&typed).run();
        if (answer.status == 0) == is_scoped {
            problems.add(format!("who sees all, with {options}: {answer:?}"));
        }
    }
    problems.must_be_none();
}

#[test]
fn a_volume_that_was_changed_by_hand_is_judged_at_the_deploy() {
    for (options, reason) in [
        (r#""o": "bind", "device": "{ROOT}/scoped""#, "which is for alice only"),
        (r#""type": "ext4", "device": "/dev/vda""#, "nobody who sees every app has looked"),
        (r#""o": "bind", "device": "{LIB}/data/storage/.trash-a-1-2""#, "begin with a dot"),
    ] {
        let session = host(&["blog"]);
        session.host.make_directory("scoped");
        session.prepare(&["storage:create", "scoped", "{ROOT}/scoped", "--scope", "alice"]);
        limit(&session, "blog\n");
        session.prepare(&["storage:mount", "blog", "later:/x"]);
        volume(&session, "later", &format!("{{{options}}}"));
        must_stop(&session, reason);
    }
}

/// A container that has a directory may put a link in the place of a part of it that is mounted, too.
#[test]
fn a_link_that_was_made_after_the_mount_is_judged_at_the_deploy_and_by_exec() {
    for (target, reason) in [
        ("{LIB}/data/storage/vault", "is in use by apps that you cannot see"),
        ("{LIB}/data/storage/open", "is in use by apps that you cannot see"),
        ("{LIB}/data/storage/open/in", "is in use by apps that you cannot see"),
        ("{LIB}/data/storage-registry", "where the plugin has its own files"),
        ("{LIB}/config/storage", "where the plugin has its own files"),
    ] {
        let session = host(&["alice", "blog"]);
        session.prepare(&["storage:create", "vault", "--scope", "alice"]);
        session.prepare(&["storage:create", "open"]);
        session.prepare(&["storage:mount", "alice", "open", "--container-dir", "/open"]);
        session.host.make_directory("lib/data/storage/open/in");
        session.host.make_directory("lib/data/storage/mine/part");
        limit(&session, "blog\n");
        session.prepare(&["storage:create", "part", "{LIB}/data/storage/mine/part"]);
        session.prepare(&["storage:mount", "blog", "part", "--container-dir", "/x"]);
        session.host.answer("scheduler-storage-exec", "");
        session.prepare(&["storage:exec", "part", "--", "ls"]);
        fs::remove_dir(session.host.path("lib/data/storage/mine/part")).unwrap();
        let place = session.host.path("lib/data/storage/mine/part");
        symlink(session.host.expand(target), place).unwrap();
        must_stop(&session, reason);
        let answer = session.call(&["storage:exec", "part", "--", "ls"]).run();
        assert_eq!(answer.status, 1, "{target}: {answer:?}");
        assert!(
            !answer.fired.iter().any(|fired| fired.name.contains("exec")),
            "{target}: {answer:?}"
        );
    }
}

#[test]
fn exec_goes_by_the_policy() {
    let session = host(&["blog"]);
    session.host.make_directory("allowed/part");
    session.prepare(&["storage:create", "part", "{ROOT}/allowed/part"]);
    session.prepare(&["storage:mount", "blog", "part", "--container-dir", "/x"]);
    session.prepare(&["storage:policy:set", "allowed-paths", "{ROOT}/allowed"]);
    session.prepare(&["storage:exec", "part", "--", "ls"]);
    fs::remove_dir(session.host.path("allowed/part")).unwrap();
    symlink("/etc", session.host.path("allowed/part")).unwrap();
    let answer = session.call(&["storage:exec", "part", "--", "ls"]).run();
    assert_eq!(answer.status, 1, "{answer:?}");
    assert!(answer.stderr.contains("/etc"), "{answer:?}");
}

/// What an entry is for, and what only docker-options mount, is out of reach by the entry's name too.
#[test]
fn an_entry_for_others_does_not_exist_for_a_limited_caller() {
    let session = host(&["alice", "blog"]);
    session.prepare(&["storage:create", "vault", "--scope", "alice"]);
    session.prepare(&["storage:create", "options"]);
    session.prepare(&["storage:snapshots:create", "vault", "s"]);
    session.prepare(&["storage:snapshots:create", "options", "s"]);
    let line = session.host.expand("-v {LIB}/data/storage/options:/o\n");
    session.host.write("lib/config/docker-options/alice/_default_.deploy", &line);
    limit(&session, "blog\n");
    for words in [
        &["storage:list-entries"][..],
        &["storage:list-entries", "--format", "json"],
        &["storage:usage", "--format", "json"],
        &["storage:snapshots:list"],
        &["storage:report"],
        &["storage:doctor"],
        &["storage:metrics"],
    ] {
        let answer = session.call(words).run();
        let said = answer.stdout + &answer.stderr;
        assert!(!said.contains("vault") && !said.contains("options"), "{words:?}: {said}");
    }
    for name in ["vault", "options"] {
        let from = format!("snapshot:{name}@s");
        for words in [
            &["storage:exec", name, "--", "ls"][..],
            &["storage:clone", name, "copy"],
            &["storage:snapshots:create", name, "more"],
            &["storage:create", "copy", "--from", &from],
            &["storage:set", name, "scope", "blog"],
            &["storage:set", name, "mode", "0777"],
            &["storage:mount", "blog", name, "--container-dir", "/x"],
            &["storage:destroy", name, "--force"],
        ] {
            let answer = session.call(words).run();
            assert_eq!(answer.status, 1, "{words:?}: {answer:?}");
        }
    }
}

#[test]
fn nothing_scoped_is_put_where_another_app_mounts() {
    let session = host(&["alice", "blog"]);
    session.prepare(&["storage:create", "vault", "--scope", "alice"]);
    session.prepare(&["storage:snapshots:create", "vault", "s"]);
    session.prepare(&["storage:create", "gone", "--scope", "alice"]);
    session.prepare(&["storage:destroy", "gone", "--force", "--destroy-host-dir"]);
    session.prepare(&["storage:mount", "blog", "{LIB}/data/storage/new:/x"]);
    for words in [
        &["storage:clone", "vault", "new"][..],
        &["storage:create", "new", "--from", "snapshot:vault@s"],
        &["storage:trash:restore", "gone", "--as", "new"],
    ] {
        let answer = session.call(words).run();
        assert_eq!(answer.status, 1, "{words:?}: {answer:?}");
        assert!(answer.stderr.contains("leaves out who has it"), "{words:?}: {answer:?}");
    }
}

#[test]
fn what_leads_nowhere_on_the_host_is_for_everybody() {
    for options in [
        r#""type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=5""#,
        r#""type": "nfs", "device": ":/exported", "o": "addr=192.0.2.1,rw""#,
        r#""o": "bind", "device": "/srv/of-bob""#,
    ] {
        let session = with_alices_data();
        volume(&session, "by-hand", &format!("{{{options}}}"));
        volume(&session, "plain", "null");
        limit(&session, "bob\n");
        session.prepare(&["storage:mount", "bob", "by-hand:/x"]);
        session.prepare(&["storage:mount", "bob", "plain:/y"]);
        session.prepare(&["storage:mount", "bob", "not-there-yet:/z"]);
        let given = flags(&session, options);
        let words: Vec<&str> = ["storage:create", "wide", "--type", "volume"]
            .into_iter()
            .chain(given.iter().map(String::as_str))
            .collect();
        session.prepare(&words);
    }
}

#[test]
fn the_policy_says_how_far_options_of_volumes_may_be_chosen() {
    let tmpfs = r#"{"type": "tmpfs", "device": "tmpfs"}"#;
    let device = r#"{"type": "ext4", "device": "/dev/vda"}"#;
    for (policy, takes_tmpfs, takes_device) in
        [("deny", false, false), ("safe", true, false), ("allow", true, true)]
    {
        let session = host(&["blog", "bob"]);
        session.prepare(&["storage:policy:set", "volume-options", policy]);
        let report = session.call(&["storage:policy:report", "--storage-policy-volume-options"]);
        assert_eq!(report.run().stdout.trim(), policy);
        volume(&session, "memory", tmpfs);
        volume(&session, "disk", device);
        limit(&session, "bob\n");
        for (name, takes) in [("memory", takes_tmpfs), ("disk", takes_device)] {
            let mount = format!("{name}:/{name}");
            let answer = session.call(&["storage:mount", "bob", &mount]).run();
            assert_eq!(answer.status == 0, takes, "{policy} {name}: {answer:?}");
        }
        session.prepare(&["storage:mount", "bob", "plain:/plain"]);
    }
    let session = host(&["blog"]);
    assert_eq!(session.call(&["storage:policy:set", "volume-options", "some"]).run().status, 1);
    session.prepare(&["storage:policy:set", "volume-options", "deny"]);
    session.prepare(&["storage:policy:set", "volume-options"]);
    let report = session.call(&["storage:policy:report", "--storage-policy-volume-options"]).run();
    assert_eq!(report.stdout.trim(), "safe");
}

#[test]
fn allowed_paths_and_the_jail_hold_for_volumes_too() {
    for policy in [["allowed-paths", "{ROOT}/allowed"], ["jail", "{ROOT}/allowed/{app}"]] {
        for options in [
            r#""o": "bind", "device": "/etc""#,
            r#""o": "bind", "device": "{ROOT}/allowed/to-etc""#,
            r#""type": "ext4", "device": "/dev/vda""#,
            r#""type": "overlay", "device": "overlay", "o": "lowerdir=/etc""#,
        ] {
            let session = host(&["blog"]);
            session.host.make_directory("allowed/blog");
            symlink("/etc", session.host.path("allowed/to-etc")).unwrap();
            session.prepare(&["storage:mount", "blog", "before:/x"]);
            session.prepare(&["storage:policy:set", policy[0], policy[1]]);
            volume(&session, "by-hand", &format!("{{{options}}}"));
            for words in [
                &["storage:mount", "blog", "by-hand:/y"][..],
                &["storage:create", "wide", "by-hand"],
                &["storage:create", "wide", "by-hand", "--type", "volume"],
            ] {
                let answer = session.call(words).run();
                assert!(
                    answer.status == 1
                        && answer.stderr.contains("not allowed by this host's policy"),
                    "{words:?}, {options}: {answer:?}"
                );
            }
            volume(&session, "before", &format!("{{{options}}}"));
            must_stop(&session, "not allowed by this host's policy");
        }
    }
    let session = host(&["blog"]);
    session.host.make_directory("allowed");
    session.prepare(&["storage:policy:set", "allowed-paths", "{ROOT}/allowed"]);
    volume(&session, "inside", r#"{"o": "bind", "device": "{ROOT}/allowed/x"}"#);
    session.prepare(&["storage:mount", "blog", "inside:/x"]);
}

#[test]
fn a_part_of_an_entry_does_not_lead_out_of_it() {
    let session = host(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    symlink("/etc", session.host.path("lib/data/storage/data/link")).unwrap();
    let mount = ["storage:mount", "blog", "data", "--container-dir", "/x", "--volume-subpath"];
    for part in ["link", "link/ssl", "link/not/there"] {
        let answer = session.call(&[&mount[..], &[part]].concat()).run();
        assert!(answer.status == 1 && answer.stderr.contains("leads out of"), "{answer:?}");
    }
    session.prepare(&[&mount[..], &["not/there/yet"]].concat());
    session.host.make_directory("lib/data/storage/data/not");
    symlink("/etc", session.host.path("lib/data/storage/data/not/there")).unwrap();
    must_stop(&session, "leads out of");
}

#[test]
fn a_volume_that_is_not_the_entrys_any_more_stops_the_deploy() {
    for before in [r#"{"o": "bind", "device": "{ROOT}"}"#, "{}"] {
        for after in
            [r#"{"o": "bind", "device": "/srv"}"#, r#"{"type": "tmpfs", "device": "tmpfs"}"#, "{}"]
        {
            let session = host(&["blog"]);
            volume(&session, "shelf", before);
            session.prepare(&["storage:create", "shelf", "--type", "volume"]);
            session.prepare(&["storage:mount", "blog", "shelf", "--container-dir", "/x"]);
            assert!(session.call(&["storage:info", "shelf"]).run().stdout.contains("ready"));
            volume(&session, "shelf", after);
            if before == after {
                session.prepare(&["storage:wait", "shelf"]);
                continue;
            }
            must_stop(&session, "docker volume rm shelf && dokku storage:wait shelf");
            let info = session.call(&["storage:info", "shelf"]).run().stdout;
            assert!(info.contains("not driver local and options"), "{info}");
            assert_eq!(session.call(&["storage:wait", "shelf", "--timeout", "0"]).run().status, 1);
            let doctor = session.call(&["storage:doctor", "blog", "--format", "json"]).run();
            assert!(doctor.stdout.contains(r#""code":"wrong-volume""#), "{doctor:?}");
        }
    }
}

#[test]
fn a_volume_bound_to_what_is_not_there_is_a_missing_source() {
    for typed in [true, false] {
        let session = host(&["blog"]);
        volume(&session, "shelf", r#"{"o": "bind", "device": "{ROOT}/gone"}"#);
        let create = if typed {
            vec!["storage:create", "box", "shelf", "--type", "volume"]
        } else {
            vec!["storage:create", "box", "shelf"]
        };
        session.prepare(&create);
        session.prepare(&["storage:mount", "blog", "box", "--container-dir", "/x"]);
        must_stop(&session, "/gone, which does not exist; create it: mkdir -p ");
        assert_eq!(session.call(&["storage:wait", "box", "--timeout", "0"]).run().status, 1);
        let doctor = session.call(&["storage:doctor", "blog", "--format", "json"]).run();
        assert!(doctor.stdout.contains(r#""code":"missing-source""#), "{doctor:?}");
        if typed {
            let info = session.call(&["storage:info", "box"]).run().stdout;
            assert!(info.contains("/gone, which does not exist"), "{info}");
        }
        session.host.make_directory("gone");
        session.prepare(&["storage:wait", "box"]);
    }
}

/// Ways in which `beta` gets at the place of `box`.
const BY_ANY_NAME: &[(&str, &str)] = &[
    ("at it", "{LIB}/data/storage/box:/x"),
    ("with a slash", "{LIB}/data/storage/box/:/x"),
    ("below it", "{LIB}/data/storage/box/sub:/x:ro"),
    ("behind a link", "{ROOT}/link/deep:/x"),
    ("above it", "{LIB}/data/storage:/x:ro"),
    ("by a volume", "shelf:/x"),
];

#[test]
fn a_scope_leaves_nobody_out_who_has_the_place() {
    for (what, mount) in BY_ANY_NAME {
        for is_new in [false, true] {
            let session = host(&["alpha", "beta"]);
            session.host.make_directory("lib/data/storage/box");
            symlink(session.host.path("lib/data/storage/box"), session.host.path("link")).unwrap();
            volume(&session, "shelf", r#"{"o": "bind", "device": "{LIB}/data/storage/box"}"#);
            if !is_new {
                session.prepare(&["storage:create", "box"]);
            }
            session.prepare(&["storage:mount", "beta", mount]);
            let words: &[&str] = if is_new {
                &["storage:create", "box", "--scope", "alpha"]
            } else {
                &["storage:set", "box", "scope", "alpha"]
            };
            let answer = session.call(words).run();
            let named = answer.stderr.contains("dokku storage:unmount beta ");
            assert!(answer.status == 1 && named, "{what}, {is_new}: {answer:?}");
            limit(&session, "alpha\n");
            let answer = session.call(words).run();
            assert!(!answer.stderr.contains("beta"), "{what}, {is_new}: {answer:?}");
            assert_eq!(answer.status, 1, "{what}, {is_new}: {answer:?}");
            fs::remove_file(session.host.path("lib/plugins/enabled/acl/user-auth-app")).unwrap();
            session.prepare(&["storage:unmount", "beta", mount]);
            session.prepare(words);
            // And the other way round.
            let answer = session.call(&["storage:mount", "beta", mount]).run();
            assert_eq!(answer.status, 1, "{what}, {is_new}: {answer:?}");
        }
    }
}

#[test]
fn an_entry_does_not_lead_around_the_scope_of_another() {
    for (name, path) in [
        ("around", "{LIB}/data/storage"),
        ("inside", "{LIB}/data/storage/box/in"),
        ("same", "{LIB}/data/storage/box"),
    ] {
        let session = host(&["alpha", "beta"]);
        session.prepare(&["storage:create", name, path]);
        session.prepare(&["storage:create", "box", "--scope", "alpha"]);
        let answer = session.call(&["storage:mount", "beta", name, "--container-dir", "/x"]).run();
        assert_eq!(answer.status, 1, "{name}: {answer:?}");
        session.prepare(&["storage:mount", "alpha", name, "--container-dir", "/x"]);
    }
    let session = host(&["alpha", "beta"]);
    session.prepare(&["storage:create", "base"]);
    session.prepare(&[
        "storage:create",
        "nested",
        "{LIB}/data/storage/base/in",
        "--scope",
        "alpha",
    ]);
    let answer = session.call(&["storage:mount", "beta", "base", "--container-dir", "/x"]).run();
    assert!(answer.status == 1 && answer.stderr.contains("alpha,beta"), "{answer:?}");
}

#[test]
fn an_exclusive_entrys_remedy_names_what_is_there() {
    let session = host(&["alpha", "beta"]);
    session.prepare(&["storage:create", "box", "--exclusive"]);
    session.prepare(&["storage:mount", "alpha", "{LIB}/data/storage/box/sub:/x"]);
    let answer = session.call(&["storage:mount", "beta", "box", "--container-dir", "/x"]).run();
    let remedy = session.host.expand("dokku storage:unmount alpha {LIB}/data/storage/box/sub:/x");
    assert!(answer.stderr.contains(&session.host.fold(&remedy)), "{answer:?}");
    // A volume that leads there holds it, too.
    let session = host(&["alpha", "beta"]);
    volume(&session, "shelf", r#"{"o": "bind", "device": "{LIB}/data/storage/box"}"#);
    session.prepare(&["storage:create", "box", "--exclusive"]);
    session.prepare(&["storage:mount", "alpha", "shelf:/x"]);
    let answer = session.call(&["storage:mount", "beta", "box", "--container-dir", "/x"]).run();
    assert!(answer.stderr.contains("dokku storage:unmount alpha shelf:/x"), "{answer:?}");
    session.prepare(&["storage:unmount", "alpha", "shelf:/x"]);
    session.prepare(&["storage:mount", "beta", "box", "--container-dir", "/x"]);
    assert_eq!(session.call(&["storage:mount", "alpha", "shelf:/x"]).run().status, 1);
}

#[test]
fn an_entry_that_nobody_mounts_does_not_lead_to_what_is_others() {
    let session = host(&["alice", "bob"]);
    session.prepare(&["storage:create", "base"]);
    session.prepare(&["storage:create", "around", "{LIB}/data/storage"]);
    session.prepare(&["storage:create", "nested", "{LIB}/data/storage/base/in"]);
    session.prepare(&["storage:mount", "alice", "nested", "--container-dir", "/x"]);
    volume(&session, "disk", r#"{"type": "ext4", "device": "/dev/vda"}"#);
    session.prepare(&["storage:create", "disk", "disk", "--type", "volume"]);
    limit(&session, "bob\n");
    for words in [
        &["storage:exec", "base", "--", "ls"][..],
        &["storage:exec", "around", "--", "ls"],
        &["storage:exec", "disk", "--", "ls"],
        &["storage:mount", "bob", "base", "--container-dir", "/x"],
        &["storage:mount", "bob", "around", "--container-dir", "/x"],
        &["storage:mount", "bob", "disk", "--container-dir", "/x"],
        &["storage:snapshots:create", "base", "first"],
        &["storage:clone", "base", "copied"],
        &["storage:destroy", "base", "--force", "--destroy-host-dir"],
    ] {
        let answer = session.call(words).run();
        assert!(answer.status == 1 && !answer.stderr.contains("alice"), "{words:?}: {answer:?}");
    }
}

/// What Docker keeps of a volume, by its path and by a link.
const KEPT: [&str; 3] = [
    "/var/lib/docker/volumes/vault/_data",
    "/var/lib/docker/volumes/vault/_data/in",
    "{ROOT}/kept",
];

fn with_a_volume(options: &[&str]) -> Session {
    let session = host(&["alpha", "beta"]);
    volume(&session, "vault", "null");
    symlink("/var/lib/docker/volumes/vault/_data", session.host.path("kept")).unwrap();
    let words = ["storage:create", "box", "vault", "--type", "volume"];
    session.prepare(&[&words, options].concat());
    session.prepare(&["storage:mount", "alpha", "box", "--container-dir", "/x"]);
    session
}

#[test]
fn what_docker_keeps_of_a_volume_is_the_volumes_by_any_path() {
    for path in KEPT {
        for options in [&["--scope", "alpha"][..], &["--exclusive"]] {
            let session = with_a_volume(options);
            let mount = format!("{path}:/x");
            let answer = session.call(&["storage:mount", "beta", &mount]).run();
            assert!(answer.status == 1, "{path} {options:?}: {answer:?}");
            assert!(answer.stderr.contains("\"box\""), "{path} {options:?}: {answer:?}");
        }
        let session = with_a_volume(&[]);
        session.prepare(&["storage:mount", "beta", &format!("{path}:/x")]);
        for words in [
            &["storage:set", "box", "scope", "alpha"],
            &["storage:set", "box", "exclusive", "true"],
        ] {
            let answer = session.call(words).run();
            assert!(answer.status == 1 && answer.stderr.contains("beta"), "{words:?}: {answer:?}");
        }
    }
}

#[test]
fn what_docker_and_the_plugin_keep_is_for_who_sees_every_app() {
    let everybodys = [
        "/var/lib/docker",
        "/var/lib",
        "/var/lib/docker/overlay2",
        "/var/lib/containerd",
        "/var/spool/cron",
        "/var/cache/dokku-storage/x",
        "/run/dokku-storage",
        "/proc",
        "/run/docker.sock",
        "/etc/sudoers.d",
        "/dev",
        "{ROOT}/home",
        "{ROOT}/home/.ssh",
        "{LIB}/plugins",
        "{LIB}/config",
    ];
    for path in everybodys.into_iter().chain(KEPT) {
        let session = with_a_volume(&[]);
        let mount = format!("{path}:/x");
        limit(&session, "beta\n");
        for words in [&["storage:mount", "beta", &mount][..], &["storage:create", "mine", path]] {
            let answer = session.call(words).run();
            assert!(
                answer.status == 1 && !answer.stderr.contains("alpha"),
                "{words:?}: {answer:?}"
            );
        }
        session.host.answer("user-auth-app", "alpha\nbeta\n");
        session.prepare(&["storage:mount", "beta", &mount]);
    }
}

#[test]
fn a_link_below_proc_is_no_path_for_anybody() {
    let session = host(&["alpha"]);
    symlink("/proc/self", session.host.path("me")).unwrap();
    for path in [
        "/proc/self/cwd",
        "/proc/thread-self/cwd/in",
        "/proc/1/root/etc",
        "/dev/fd/0",
        "{ROOT}/me/cwd",
    ] {
        for words in [
            &["storage:mount", "alpha", &format!("{path}:/x")][..],
            &["storage:create", "mine", path],
            &[
                "storage:create",
                "mine",
                "--type",
                "volume",
                "--option",
                "o=bind",
                "--option",
                &format!("device={path}"),
            ],
        ] {
            let answer = session.call(words).run();
            let is_told = answer.stderr.contains("leads through a link below /proc");
            assert!(answer.status == 1 && is_told, "{words:?}: {answer:?}");
        }
    }
    session.prepare(&["storage:mount", "alpha", "/proc:/host/proc:ro"]);
}

#[test]
fn the_policy_may_allow_what_is_the_hosts() {
    let session = host(&["alpha", "beta"]);
    session.prepare(&["storage:policy:set", "allowed-paths", "/etc/ssl"]);
    limit(&session, "beta\n");
    session.prepare(&["storage:mount", "beta", "/etc/ssl/certs:/x:ro"]);
    assert_eq!(session.call(&["storage:mount", "beta", "/proc:/y"]).run().status, 1);
}

#[test]
fn the_device_of_a_volume_is_judged_at_every_deploy() {
    let session = host(&["alice", "blog"]);
    session.prepare(&["storage:create", "secret"]);
    session.prepare(&["storage:mount", "alice", "secret", "--container-dir", "/x"]);
    session.prepare(&["storage:create", "mine"]);
    session.prepare(&["storage:mount", "blog", "mine:/x:ro", "--replace"]);
    session.host.make_directory("lib/data/storage/mine/part");
    let options = r#"{"type": "none", "o": "bind", "device": "{LIB}/data/storage/mine/part"}"#;
    volume(&session, "shelf", options);
    limit(&session, "blog\n");
    session.prepare(&["storage:create", "shelf", "shelf", "--type", "volume"]);
    session.prepare(&["storage:mount", "blog", "shelf", "--container-dir", "/y"]);
    fs::remove_dir(session.host.path("lib/data/storage/mine/part")).unwrap();
    symlink("../secret", session.host.path("lib/data/storage/mine/part")).unwrap();
    must_stop(&session, "in use by apps that you cannot see");
    let answer = session.call(&["storage:exec", "shelf", "--", "ls"]).run();
    assert_eq!(answer.status, 1, "{answer:?}");
    limit(&session, "alice\nblog\n");
    must_stop(&session, "/storage/secret, which is of storage entry \"secret\"; remove the link");
}

#[test]
fn an_app_that_is_there_keeps_its_storage_when_another_is_to_have_its_name() {
    for trigger in ["post-app-clone-setup", "post-app-rename-setup"] {
        let session = host(&["alice", "bob"]);
        session.prepare(&["storage:create", "secret"]);
        session.prepare(&["storage:create", "mine"]);
        session.prepare(&["storage:mount", "bob", "mine", "--container-dir", "/x"]);
        session.prepare(&["storage:mount", "alice", "secret", "--container-dir", "/x"]);
        let before = fs::read(session.host.path("lib/config/storage/alice/mounts")).unwrap();
        let answer = session.call(&[trigger, "bob", "alice"]).run();
        let is_told = answer.stderr.contains("alice has storage of its own");
        assert!(answer.status == 1 && is_told, "{trigger}: {answer:?}");
        let after = fs::read(session.host.path("lib/config/storage/alice/mounts")).unwrap();
        assert_eq!(before, after, "{trigger}");
        session.prepare(&["storage:unmount", "alice", "secret", "--container-dir", "/x"]);
        session.prepare(&[trigger, "bob", "alice"]);
    }
}

#[test]
fn a_rename_gives_nobody_what_another_app_has() {
    // bob has no mounts, but a sharer or a schedule; alice, which whoever asks may not see, has mounts.
    let session = host(&["alice", "bob", "carol"]);
    session.prepare(&["storage:create", "secret"]);
    session.prepare(&["storage:mount", "alice", "secret", "--container-dir", "/x"]);
    session.prepare(&["storage:share", "bob", "carol"]);
    let answer = session.call(&["post-app-rename-setup", "bob", "alice"]).run();
    assert!(
        answer.status == 1 && answer.stderr.contains("alice has storage of its own"),
        "{answer:?}"
    );
    let mounts = session.call(&["docker-args-deploy", "carol", "latest"]).run();
    assert!(!mounts.stdout.contains("secret"), "{mounts:?}");
}

#[test]
fn a_volume_is_its_datas_by_its_name() {
    for options in [&["--scope", "alpha"][..], &[]] {
        let session = host(&["alpha", "beta"]);
        volume(&session, "vault", "null");
        let words = ["storage:create", "box", "/var/lib/docker/volumes/vault/_data"];
        session.prepare(&[&words, options].concat());
        session.prepare(&["storage:mount", "alpha", "box", "--container-dir", "/x"]);
        if options.is_empty() {
            limit(&session, "beta\n");
        }
        let answer = session.call(&["storage:mount", "beta", "vault:/x"]).run();
        assert_eq!(answer.status, 1, "{options:?}: {answer:?}");
    }
}
