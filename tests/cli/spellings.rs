//! Every command that names a source, with every way to spell what the caller must not have: what an app of somebody else mounts,
//! a scoped entry, the host's own, and what the plugin has hidden. None of them gets it, and none tells whose it is.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::Session;
use crate::harness::Problems;
use crate::places::{host, limit, mounted, volume};

/// What `bob` must not get at: what it is, and where it is.
const HIDDEN: &[(&str, &str)] = &[
    ("another's entry", "{LIB}/data/storage/alice-data"),
    ("a part of another's entry", "{LIB}/data/storage/alice-data/below"),
    ("a scoped entry", "{ROOT}/scoped"),
    ("the plugin's own files", "{LIB}/data/storage-registry"),
    ("a snapshot", "{LIB}/data/storage/.snapshot-alice-data@first"),
    ("what is in the trash", "{LIB}/data/storage/.trash-alice-gone-1700000000-2"),
    ("what is about to be removed", "{LIB}/data/storage/.destroyed-alice-data-1-2"),
    ("the host's own", "/etc"),
];

/// A host where `alice` has data, and `bob` the entry `mine`, in which there are links to a place.
fn with_links_to(place: &str) -> Session {
    let session = host(&["alice", "bob", "bob-too"]);
    session.prepare(&["storage:create", "alice-data"]);
    session.prepare(&["storage:mount", "alice", "alice-data", "--container-dir", "/x"]);
    session.host.make_directory("lib/data/storage/alice-data/below");
    session.host.make_directory("scoped");
    session.prepare(&["storage:create", "scoped", "{ROOT}/scoped", "--scope", "alice"]);
    for name in [
        ".snapshot-alice-data@first",
        ".trash-alice-gone-1700000000-2",
        ".destroyed-alice-data-1-2",
    ] {
        session.host.make_directory(&format!("lib/data/storage/{name}"));
    }
    for directory in ["alice-data", "alice-data/below"] {
        session.host.write(&format!("lib/data/storage/{directory}/file"), "secret");
    }
    session.host.write("scoped/file", "secret");
    session.prepare(&["storage:create", "mine"]);
    session.prepare(&["storage:create", "conf", "--type", "file"]);
    session.prepare(&[
        "storage:mount",
        "bob",
        "mine",
        "--container-dir",
        "/mine",
        "--volume-readonly",
    ]);
    let place = session.host.expand(place);
    let own = session.host.path("lib/data/storage/mine");
    symlink(&place, session.host.path("link")).unwrap();
    symlink(&place, own.join("link")).unwrap();
    fs::create_dir(own.join("closed")).unwrap();
    symlink(&place, own.join("closed/link")).unwrap();
    symlink(&place, session.host.path("lib/data/storage/linked")).unwrap();
    volume(
        &session,
        "by-hand",
        &format!(r#"{{"type": "none", "o": "bind", "device": "{place}"}}"#),
    );
    let layers =
        format!(r#"{{"type": "overlay", "device": "overlay", "o": "lowerdir={place}:/usr"}}"#);
    volume(&session, "layers", &layers);
    session
}

/// The ways to spell a place by a path, as whoever calls may write them.
fn paths(place: &str) -> Vec<String> {
    let last = place.rfind('/').unwrap();
    vec![
        place.to_owned(),
        format!("{place}/"),
        format!("{place}/."),
        format!("{}/{}", &place[..last], &place[last..]),
        format!("{place}/not/there/yet"),
        "{ROOT}/link".to_owned(),
        "{ROOT}/link/in".to_owned(),
        "{LIB}/data/storage/mine/link".to_owned(),
        "{LIB}/data/storage/mine/closed/link".to_owned(),
        "{LIB}/data/storage/linked".to_owned(),
    ]
}

/// A call, and what it reads.
type Line = (Vec<String>, String);

/// Every command that takes a path.
fn with_path(path: &str) -> Vec<Line> {
    let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let plain = |line: &[&str]| (words(line), String::new());
    let document = format!(r#"[{{"host_path": "{path}", "container_path": "/y"}}]"#);
    let colon = format!("{path}:/y");
    let device = format!("device={path}");
    let typed = ["storage:create", "new", "--type", "volume", "--option"];
    let mut calls = vec![
        plain(&["storage:create", "new", path]),
        plain(&["storage:create", "new", path, "--exclusive"]),
        plain(&["storage:create", "new", "--from", &format!("dir:{path}")]),
        plain(&["storage:create", "new", "--size", "16M", "--from", &format!("dir:{path}")]),
        plain(&["storage:create", "new", "--type", "file", "--from", &format!("{path}/file")]),
        plain(&["storage:set", "conf", "content", &format!("{path}/file")]),
        plain(&["storage:mount", "bob", &colon]),
        plain(&["storage:mount", "bob", &format!("{path}:/y:ro")]),
        plain(&["storage:mount", "bob", &format!("{path}/file:/y:ro")]),
        plain(&["storage:mount", "bob", &colon, "--process-type", "worker"]),
        plain(&["storage:mount", "bob", &colon, "--phase", "run"]),
        plain(&["storage:mount", "--replace", "bob", &colon]),
        plain(&["storage:mount", "--replace", "bob", &colon, "--process-type", "worker"]),
        (words(&["storage:apply", "bob"]), document.clone()),
        plain(&[&typed[..], &["o=bind", "--option", &device]].concat()),
        plain(
            &[&typed[..], &["type=none", "--option", "o=rbind,ro", "--option", &device]].concat(),
        ),
        plain(
            &[
                &typed[..],
                &["type=overlay", "--option", "device=overlay", "--option"],
                &[&format!("o=lowerdir={path}:/usr")],
            ]
            .concat(),
        ),
    ];
    calls.push((words(&["storage:apply", "bob", "--plan"]), document));
    calls
}

/// Every command that takes a name, of an entry, a volume or a part.
fn with_names() -> Vec<Line> {
    let mut calls = Vec::new();
    let mut call = |line: &[&str]| {
        calls.push((line.iter().map(|word| (*word).to_owned()).collect(), String::new()));
    };
    for volume in ["by-hand", "layers"] {
        call(&["storage:mount", "bob", &format!("{volume}:/y")]);
        call(&["storage:mount", "bob", &format!("{volume}:/y:ro")]);
        call(&["storage:mount", "--replace", "bob", &format!("{volume}:/y")]);
        call(&["storage:create", "new", volume]);
        call(&["storage:create", "new", volume, "--type", "volume"]);
    }
    for part in ["link", "link/in", "closed/link", "closed/../link"] {
        call(&["storage:mount", "bob", "mine", "--container-dir", "/y", "--volume-subpath", part]);
    }
    call(&["storage:create", "linked"]);
    call(&["storage:ensure-directory", "linked"]);
    calls
}

/// Calls each; none may succeed, say whose it is but by what was typed or is `shown`, or leave anything behind.
fn must_all_be_refused(
    (what, shown): (&str, &str),
    session: &Session,
    calls: &[Line],
    problems: &mut Problems,
) {
    let entries = || {
        let files = fs::read_dir(session.host.path("lib/data/storage-registry/entries")).unwrap();
        let mut names: Vec<_> = files.flatten().map(|file| file.file_name()).collect();
        names.sort();
        names
    };
    let mounts = || session.host.read(&session.host.path("lib/config/storage/bob/mounts"));
    let before = (entries(), mounts());
    for (words, stdin) in calls {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // What was typed may be said again.
        let typed = session.host.expand(&format!("{}{stdin}", words.join(" ")));
        let answer = session.call(&words).stdin(stdin).run();
        let said = format!("{}{}", answer.stdout, answer.stderr);
        let said = if shown.is_empty() {
            said
        } else {
            said.replace(&session.host.fold(&session.host.expand(shown)), "")
        };
        let is_told = said.contains("alice") && !typed.contains("alice");
        let is_plan = words.contains(&"--plan");
        if answer.status == 0 || is_told || said.contains("secret") {
            problems.add(format!("{what}, {words:?}: {answer:?}"));
        } else if !answer.stderr.contains(" !     ") && !is_plan {
            problems.add(format!("{what}, {words:?} has no sentence: {answer:?}"));
        }
        if before != (entries(), mounts()) {
            problems.add(format!("{what}, {words:?} left something: {answer:?}"));
            return;
        }
    }
}

#[test]
fn no_command_takes_what_is_others_however_it_is_spelled() {
    let mut problems = Problems::default();
    for (number, (what, place)) in HIDDEN.iter().enumerate() {
        let session = with_links_to(place);
        limit(&session, "bob\nbob-too\n");
        // Whoever runs these is root here: what is closed to dokku is seen through a helper there.
        let closed = session.host.path("lib/data/storage/mine/closed");
        fs::set_permissions(closed, fs::Permissions::from_mode(0o700)).unwrap();
        let mut calls: Vec<Line> = paths(place).iter().flat_map(|path| with_path(path)).collect();
        // Every command with every spelling of the first, and a part of them, another one each time, for the others.
        let mut index = 0;
        calls.retain(|_| {
            index += 1;
            number == 0 || (index + number) % 5 == 0
        });
        calls.extend(with_names());
        must_all_be_refused((what, ""), &session, &calls, &mut problems);
    }
    problems.must_be_none();
}

#[test]
fn no_command_takes_what_is_others_by_an_entry() {
    let mut problems = Problems::default();
    for (what, place) in HIDDEN {
        // Registered before by somebody who sees every app, or by an older version.
        let session = with_links_to(place);
        let needs = r#"{"storage":{"needs":[{"id":"uploads","path":"/y"}]}}"#;
        session.call(&["storage:needs:import", "bob"]).stdin(needs).run();
        crate::places::entry(&session, "around", place);
        crate::places::entry(&session, "by-link", "{LIB}/data/storage/mine/link");
        crate::places::entry(&session, "by-volume", "by-hand");
        limit(&session, "bob\nbob-too\n");
        let mut calls: Vec<Line> = Vec::new();
        for name in ["around", "by-link", "by-volume"] {
            let document = format!(r#"[{{"entry_name": "{name}", "container_path": "/y"}}]"#);
            for line in [
                &["storage:mount", "bob", name, "--container-dir", "/y"][..],
                &["storage:mount", "bob", name, "--container-dir", "/y", "--volume-subpath", "in"],
                &["storage:mount", "--replace", "bob", &format!("{name}:/y")],
                &["storage:needs:link", "bob", "uploads", name],
                &["storage:exec", name, "--", "ls"],
                &["storage:clone", name, "new"],
                &["storage:snapshots:create", name, "second"],
                &["storage:move", name, "alice", "bob"],
            ] {
                let words = line.iter().map(|word| (*word).to_owned()).collect();
                calls.push((words, String::new()));
            }
            calls.push((vec!["storage:apply".to_owned(), "bob".to_owned()], document));
        }
        must_all_be_refused((what, place), &session, &calls, &mut problems);
    }
    problems.must_be_none();
}

#[test]
fn what_was_mounted_of_others_is_neither_shared_nor_moved_on() {
    let mut problems = Problems::default();
    for (what, place) in HIDDEN {
        let session = with_links_to(place);
        crate::places::entry(&session, "around", place);
        mounted(&session, "bob", "around", "");
        limit(&session, "bob\nbob-too\n");
        for words in [
            &["storage:share", "bob", "bob-too"][..],
            &["storage:move", "around", "bob", "bob-too"],
        ] {
            let answer = session.call(words).run();
            let deploy = session
                .call(&["pre-release-builder", "herokuish", "bob-too", "dokku/bob-too"])
                .run();
            let flags = session.call(&["docker-args-deploy", "bob-too", "latest"]).run();
            let has_it = flags.stdout.contains(&format!("{}:/x", session.host.expand(place)));
            let is_told = [&answer, &deploy].iter().all(|answer| answer.stderr.contains(" !     "));
            if has_it || (answer.status == 0 && !is_told) {
                problems.add(format!("{what}, {words:?}: {answer:?} {deploy:?} {flags:?}"));
            }
            for said in [&answer.stderr, &deploy.stderr, &flags.stderr] {
                let said = said.replace(&session.host.fold(&session.host.expand(place)), "");
                if said.contains("alice") {
                    problems.add(format!("{what}, {words:?} tells: {said}"));
                }
            }
        }
    }
    problems.must_be_none();
}
