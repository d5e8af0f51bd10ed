//! `storage:backups:*` with a real restic and a directory as the destination: what is kept, and what is said.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use serde_json::Value;

use crate::Session;
use crate::harness::{Answer, say, stubs};
use crate::schedules::{is_refused, run};

/// A host with these apps, an entry `data`, and a destination.
fn host(apps: &[&str]) -> Session {
    let session = Session::dokku(apps);
    session.prepare(&["storage:create", "data"]);
    session.host.write("lib/data/storage/data/file", "one\n");
    session.host.make_directory("backups");
    session.destination("disk", "{ROOT}/backups");
    session
}

fn schedule_file(subject: &str) -> String {
    format!("lib/data/storage-registry/backups/schedules/{subject}.json")
}

/// Makes a schedule due.
fn set_back(session: &Session, subject: &str) {
    let file = session.host.path(&schedule_file(subject));
    let mut schedule: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    schedule["created"] = "2020-01-01T00:00:00Z".into();
    schedule.as_object_mut().unwrap().remove("last_begun");
    session.host.write(&schedule_file(subject), schedule.to_string());
}

/// Has what runs in a container wait until `goes-on` is there, and says by `started` that it does.
fn containers_wait(session: &Session) {
    let [started, goes_on] = ["started", "goes-on"].map(|name| session.host.path(name));
    let waits = format!(
        "[ \"$1\" != run ] || {{ : >'{}'; until [ -e '{}' ]; do sleep 0.05; done; }}\n",
        started.display(),
        goes_on.display()
    );
    before_docker_answers(session, &waits);
}

/// Calls something, does something else once a container of it waits, and has that go on.
fn while_a_container_waits(session: &Session, words: &[&str], does: impl FnOnce()) -> Answer {
    containers_wait(session);
    let call = session.call(words);
    std::thread::scope(|scope| {
        let call = scope.spawn(move || call.run());
        let started = session.host.path("started");
        while !started.exists() && !call.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(started.exists());
        does();
        session.host.write("goes-on", "");
        call.join().unwrap()
    })
}

fn listed(session: &Session) -> Vec<Value> {
    let answer = run(session, "storage:backups:list data --format json");
    assert_eq!(answer.status, 0, "{answer:?}");
    serde_json::from_str(&answer.stdout).unwrap()
}

/// Runs a schedule three times, and says how many backups of `data` there are then.
fn kept(session: &Session, subject: &str) -> usize {
    for _ in 0..3 {
        set_back(session, subject);
        session.prepare(&["storage:backups:run"]);
    }
    listed(session).len()
}

#[test]
fn nothing_is_forgotten_while_a_schedule_cannot_be_read() {
    let session = host(&[]);
    session.prepare(&["storage:backups:schedule", "data", "yearly", "--keep-last", "9"]);
    session.prepare(&["storage:backups:schedule", "--all", "daily", "--keep-last", "1"]);
    session.host.write(&schedule_file("entry-data"), "{");
    for _ in 0..2 {
        set_back(&session, "all");
        let answer = run(&session, "storage:backups:run");
        let said = "No older backup at connector disk is forgotten while a schedule cannot be read";
        assert!(answer.status == 1 && answer.stderr.contains(said), "{answer:?}");
    }
    assert_eq!(listed(&session).len(), 2);
}

#[test]
fn nothing_is_forgotten_for_an_hour_after_the_clock_leapt() {
    let session = host(&[]);
    session.prepare(&["storage:backups:schedule", "data", "daily", "--keep-last", "1"]);
    let clock = "lib/data/storage-registry/.clock";
    session.host.write(clock, r#"{"now": "2038-01-19T03:14:07Z"}"#);
    for _ in 0..2 {
        set_back(&session, "entry-data");
        let answer = run(&session, "storage:backups:run");
        let said = "No older backup at connector disk is forgotten for an hour";
        assert!(answer.status == 0 && answer.stderr.contains(said), "{answer:?}");
    }
    assert_eq!(listed(&session).len(), 2);
    fs::remove_file(session.host.path(clock)).unwrap();
    assert_eq!(kept(&session, "entry-data"), 1);
}

#[test]
fn what_the_rules_of_one_app_keep_those_of_another_do_not_forget() {
    let session = host(&["blog", "wiki"]);
    for app in ["blog", "wiki"] {
        session.prepare(&["storage:mount", app, "data", "--container-dir", "/data"]);
    }
    session.prepare(&["storage:backups:schedule", "--app", "blog", "yearly", "--keep-last", "2"]);
    session.prepare(&["storage:backups:schedule", "--app", "wiki", "daily", "--keep-last", "1"]);
    assert_eq!(kept(&session, "app-wiki"), 2);
    // One without rules keeps all.
    session.prepare(&["storage:backups:schedule", "--app", "blog", "yearly"]);
    assert_eq!(kept(&session, "app-wiki"), 5);
}

#[test]
fn an_app_with_a_share_does_not_thin_the_backups_of_the_other() {
    let session = host(&["blog", "wiki"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:share", "blog", "wiki"]);
    session.prepare(&["storage:backups:schedule", "--app", "wiki", "daily", "--keep-last", "1"]);
    session.prepare(&["storage:backups:schedule", "--all", "yearly", "--keep-last", "2"]);
    assert_eq!(kept(&session, "app-wiki"), 2);
    session.prepare(&["storage:backups:schedule", "--app", "blog", "yearly", "--keep-last", "3"]);
    assert_eq!(kept(&session, "app-wiki"), 3);
}

/// Has Docker's stand-in run a line of shell first.
fn before_docker_answers(session: &Session, line: &str) {
    let docker = session.host.path("stub/bin/docker");
    let answers = fs::read_to_string(&docker).unwrap();
    stubs::script(&docker, &answers.replacen('\n', &format!("\n{line}"), 1));
}

/// A running container that mounts `data`, and writes once more before it stops.
fn run_a_writer(session: &Session) {
    session.host.answer("docker-ps", "0123456789abcdef0123456789abcdef\n");
    session.host.answer("docker-stop.ends", "");
    let data = session.host.path("lib/data/storage/data");
    let inspected = serde_json::json!([{
        "Id": "0123456789abcdef0123456789abcdef",
        "Name": "/blog.web.1",
        "State": {"Status": "running"},
        "Config": {"Labels": {"com.dokku.app-name": "blog", "com.dokku.process-type": "web"}},
        "Mounts": [{"Source": data, "Destination": "/data", "RW": true}],
    }]);
    session.host.answer("docker-inspect", &inspected.to_string());
    let writes = format!("[ \"$1\" != stop ] || echo last >>'{}/other'\n", data.display());
    before_docker_answers(session, &writes);
}

#[test]
fn a_restore_of_a_part_keeps_what_a_container_writes_until_it_stops() {
    let session = host(&["blog"]);
    session.prepare(&["storage:backups:create", "data"]);
    session.host.write("lib/data/storage/data/file", "two\n");
    session.host.write("lib/data/storage/data/other", "first\n");
    run_a_writer(&session);
    let line = "storage:backups:restore data@latest --in-place --force --path file --stop";
    let answer = run(&session, line);
    assert_eq!(answer.status, 0, "{answer:?}");
    let read = |name: &str| {
        fs::read_to_string(session.host.path(&format!("lib/data/storage/data/{name}"))).unwrap()
    };
    assert_eq!((&*read("file"), &*read("other")), ("one\n", "first\nlast\n"));
}

#[test]
fn a_restore_ends_where_docker_does_not_answer_any_more() {
    let session = host(&["blog"]);
    session.prepare(&["storage:backups:create", "data"]);
    session.host.write("lib/data/storage/data/file", "two\n");
    // It answers once.
    let once = "[ \"$1\" != ps ] || mkdir \"$STUB_DIR/asked\" 2>/dev/null || exit 1\n";
    before_docker_answers(&session, once);
    for path in ["", " --path file"] {
        let _ = fs::remove_dir(session.host.path("stub/asked"));
        let line = format!("storage:backups:restore data@latest --in-place --force{path}");
        is_refused(&session, &line, "Docker does not answer any more");
    }
    let file = session.host.path("lib/data/storage/data/file");
    assert_eq!(fs::read_to_string(file).unwrap(), "two\n");
}

#[test]
fn a_backup_of_a_destroyed_entry_is_not_noted_for_the_next_one() {
    let session = host(&[]);
    // The command after the copy takes until then.
    session.prepare(&["storage:set", "data", "backup-image", "busybox"]);
    session.prepare(&["storage:set", "data", "backup-after", "true"]);
    let backed_up = while_a_container_waits(&session, &["storage:backups:create", "data"], || {
        session.prepare(&["storage:destroy", "data", "--force"]);
        session.prepare(&["storage:create", "data"]);
    });
    assert_eq!(backed_up.status, 0, "{backed_up:?}");
    let info = run(&session, "storage:info data");
    assert!(info.status == 0 && !info.stdout.contains("Last backup"), "{info:?}");
}

#[test]
fn a_backup_of_what_was_set_meanwhile_has_what_was_set() {
    let session = host(&[]);
    session.prepare(&["storage:set", "data", "backup-image", "busybox"]);
    session.prepare(&["storage:set", "data", "backup-before", "true"]);
    let backed_up = while_a_container_waits(&session, &["storage:backups:create", "data"], || {
        session.prepare(&["storage:set", "data", "scope", "blog"]);
    });
    assert_eq!(backed_up.status, 0, "{backed_up:?}");
    assert_eq!(listed(&session).len(), 1);
    session.prepare(&["storage:backups:restore", "data@latest", "--as", "again"]);
    let info = run(&session, "storage:info again");
    assert!(info.stdout.contains("blog"), "{info:?}");
}

#[test]
fn what_is_created_is_listed_with_the_same_size() {
    let session = host(&[]);
    let created = run(&session, "storage:backups:create data --format json");
    let created: Vec<Value> = serde_json::from_str(&created.stdout).unwrap();
    let listed = listed(&session);
    for key in ["id", "bytes", "files", "created"] {
        assert_eq!(created[0][key], listed[0][key], "{key}");
    }
}

/// A file whose path is longer than the kernel takes: who goes by descriptors copies it, and restic cannot read it.
pub fn bury_a_file(session: &Session) {
    let name = "d".repeat(250);
    let data = session.host.path("lib/data/storage/data");
    let mut directory = open(&data, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..17 {
        mkdirat(&directory, &name, Mode::from_raw_mode(0o755)).unwrap();
        directory = openat(&directory, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    openat(&directory, "buried", flags, Mode::from_raw_mode(0o644)).unwrap();
}

#[test]
fn a_backup_with_files_that_restic_cannot_read_is_not_whole() {
    let session = host(&[]);
    session.prepare(&["storage:backups:schedule", "data", "daily", "--keep-last", "1"]);
    assert_eq!(kept(&session, "entry-data"), 1);
    let whole = listed(&session)[0]["id"].clone();
    bury_a_file(&session);
    let created = run(&session, "storage:backups:create data --format json");
    assert_eq!(created.status, 1, "{created:?}");
    let said = "could not be read, and are not in the backup: …ddd";
    assert!(created.stderr.contains(said), "{created:?}");
    let created: Vec<Value> = serde_json::from_str(&created.stdout).unwrap();
    assert!(!created[0]["unreadable"].as_array().unwrap().is_empty(), "{created:?}");
    let found = listed(&session);
    let wholes: Vec<&Value> = found.iter().map(|backup| &backup["whole"]).collect();
    assert_eq!(wholes, [true, false]);
    assert_eq!(found[1]["id"], created[0]["id"]);
    assert!(run(&session, "storage:doctor data").stdout.contains("failed-backup"));
    // The rules keep the one that has all files.
    set_back(&session, "entry-data");
    assert_eq!(run(&session, "storage:backups:run").status, 1);
    assert!(listed(&session).iter().any(|backup| backup["id"] == whole));
}

/// Another host of the same name, with an entry `data` of its own, at the first one's destination.
fn neighbour(first: &Session) -> Session {
    let session = Session::dokku(&[]);
    session.prepare(&["storage:create", "data"]);
    session.host.write("lib/data/storage/data/file", "two\n");
    session.host.write("key", run(first, "storage:backups:key disk").stdout);
    let path = first.host.path("backups").display().to_string();
    let create = ["storage:connectors:create", "disk", "--type", "local", "--path", &path];
    session.prepare(&[&create[..], &["--key-file", "{ROOT}/key"]].concat());
    session
}

#[test]
fn hosts_of_one_name_leave_each_others_backups_alone() {
    let first = host(&[]);
    let second = neighbour(&first);
    let (sessions, long_ago) = ([&first, &second], std::time::SystemTime::UNIX_EPOCH);
    let back_up = |session: &Session| {
        let file = session.host.path("lib/data/storage/data/file");
        fs::File::options().write(true).open(file).unwrap().set_modified(long_ago).unwrap();
        let made = run(session, "storage:backups:create data --format json").stdout;
        let made: Vec<Value> = serde_json::from_str(&made).unwrap();
        made[0]["id"].as_str().unwrap().to_owned()
    };
    let [oldest, theirs] = sessions.map(back_up);
    // A file of the same size and time is that of the entry still.
    let latest = |session: &Session| run(session, "storage:backups:get data@latest file").stdout;
    assert_eq!(sessions.map(latest), ["one\n", "two\n"]);
    let newest = back_up(&first);
    second.prepare(&["storage:backups:schedule", "data", "daily", "--keep-last", "1"]);
    set_back(&second, "entry-data");
    second.prepare(&["storage:backups:run"]);
    let left = ids(&first);
    assert!(left.len() == 3 && left.contains(&oldest) && left.contains(&newest), "{left:?}");
    assert!(!left.contains(&theirs));
    assert_eq!(sessions.map(latest), ["one\n", "two\n"]);
    // Who is neither of them has to say which.
    let third = neighbour(&first);
    is_refused(&third, "storage:backups:get data@latest file", "name a backup by its id");
    let line = format!("storage:backups:get {oldest} file");
    assert_eq!(run(&third, &line).stdout, "one\n");
}

#[test]
fn a_copy_of_a_machine_forgets_no_backup_of_the_other() {
    if !Path::new("/etc/machine-id").exists() {
        return say("skipped: this machine has no id");
    }
    let session = host(&[]);
    let id = || {
        fs::read_to_string(session.host.path("lib/data/storage-registry/backups/store-id")).unwrap()
    };
    session.prepare(&["storage:backups:create", "data"]);
    let (before, theirs) = (id(), ids(&session));
    session.prepare(&["storage:backups:schedule", "data", "daily", "--keep-last", "1"]);
    // As if the store was made on another machine.
    session.host.write("lib/data/storage-registry/backups/machine", "0123\n");
    set_back(&session, "entry-data");
    let answer = run(&session, "storage:backups:run");
    assert!(answer.status == 0 && answer.stderr.contains("or a copy of it"), "{answer:?}");
    assert_ne!(id(), before);
    let after = id();
    assert_eq!(kept(&session, "entry-data"), 2);
    assert!(ids(&session).contains(&theirs[0]));
    assert_eq!(id(), after);
}

#[test]
fn what_is_said_can_be_typed() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    for (line, why) in [
        ("storage:backups:create data", "there is no destination for backups; create one, as in: "),
        ("storage:backups:ls data@latest", "create its connector with its key, as in: "),
        (
            "storage:backups:restore-store",
            "this host has no destination for backups; create the connector of the lost host with its key, as in: ",
        ),
    ] {
        is_refused(&session, line, why);
        is_refused(&session, line, "storage:connectors:create NAME --type local --path DIRECTORY");
    }
    for line in ["data --all", "data --app blog", "--all --app blog"] {
        let line = format!("storage:backups:create {line}");
        is_refused(&session, &line, "name only one of an entry, --app and --all");
    }
    let session = host(&[]);
    session.prepare(&["storage:backups:create", "data"]);
    let line = "storage:backups:restore-store";
    is_refused(
        &session,
        line,
        "there is no backup of the store at disk; name another destination with --from",
    );
    is_refused(
        &session,
        &format!("{line} --host old"),
        "there is no backup of the store of host old at disk",
    );
    is_refused(&session, "storage:backups:get data@latest no/such", "has nothing at \"no/such\"");
}

/// The same host without restic.
fn without_restic() -> Session {
    let mut session = host(&[]);
    for file in ["/usr/local/bin/restic", "/usr/bin/restic"] {
        if Path::new(file).exists() {
            session.host.hide(file);
        }
    }
    session
}

const NO_RESTIC: &str = "restic is not here; install it";

#[test]
fn that_there_are_no_backups_is_said_only_where_somebody_looked() {
    let session = without_restic();
    for line in ["storage:backups:list", "storage:backups:list data --format json"] {
        let answer = run(&session, line);
        assert!(answer.status == 1 && answer.stdout.is_empty(), "{line}: {answer:?}");
        assert!(answer.stderr.contains(NO_RESTIC), "{line}: {answer:?}");
    }
    let answer = run(&session, "storage:backups:list nope");
    let first = answer.stderr.lines().next().unwrap_or_default();
    assert!(first.contains("storage entry \"nope\" does not exist"), "{answer:?}");
}

#[test]
fn a_backup_that_is_refused_is_not_noted_and_a_run_that_cannot_begin_is() {
    let session = without_restic();
    let note = session.host.path("lib/data/storage-registry/backups/entries/data.json");
    is_refused(&session, "storage:backups:create data", NO_RESTIC);
    is_refused(&session, "storage:backups:create --all", NO_RESTIC);
    assert!(!note.exists());
    session.prepare(&["storage:backups:schedule", "data", "daily"]);
    set_back(&session, "entry-data");
    is_refused(&session, "storage:backups:run", NO_RESTIC);
    let noted = fs::read_to_string(note).unwrap();
    assert!(noted.contains("last_failure") && noted.contains("restic is not here"), "{noted}");
}

#[test]
fn a_file_with_holes_that_nobody_may_write_comes_back() {
    let mut session = Session::standalone();
    session.host.make_directory("backups");
    session.host.hand_over(4321);
    session.prepare(&["storage:create", "data"]);
    session.destination("disk", "{ROOT}/backups");
    let data = session.host.path("store/data/storage/data");
    let sparse = data.join("sparse");
    fs::File::create(&sparse).unwrap().set_len(8 << 20).unwrap();
    session.host.hand_over(4321);
    fs::set_permissions(&sparse, fs::Permissions::from_mode(0o444)).unwrap();
    session.prepare(&["storage:backups:create", "data"]);
    let answer = run(&session, "storage:backups:restore data@latest --as copy");
    assert_eq!(answer.status, 0, "{answer:?}");
    let found = fs::metadata(session.host.path("store/data/storage/copy/sparse")).unwrap();
    assert_eq!((found.len(), found.mode() & 0o7777), (8 << 20, 0o444));
    assert!(found.blocks() * 512 < found.len(), "{} blocks", found.blocks());
}

/// Another connector to the repository of `disk`, at a path that looks like another one.
fn connect_again(session: &Session) {
    let key = run(session, "storage:backups:key disk").stdout;
    session.host.write("disk-key", key);
    std::os::unix::fs::symlink("backups", session.host.path("usb")).unwrap();
    let create = ["storage:connectors:create", "usb", "--type", "local", "--path"];
    let flags = ["{ROOT}/usb", "--key-file", "{ROOT}/disk-key"];
    session.prepare(&[&create[..], &flags].concat());
}

#[test]
fn the_rules_of_all_connectors_to_a_repository_count_together() {
    let session = host(&[]);
    connect_again(&session);
    let daily = ["storage:backups:schedule", "data", "daily", "--to", "disk", "--keep-last", "3"];
    session.prepare(&daily);
    let weekly = ["storage:backups:schedule", "--all", "weekly", "--to", "usb"];
    session.prepare(&[&weekly[..], &["--keep-last", "1"]].concat());
    for subject in ["entry-data", "entry-data", "all", "all", "entry-data"] {
        set_back(&session, subject);
        session.prepare(&["storage:backups:run"]);
    }
    let counted = |line: &str| {
        let answer = run(&session, line);
        serde_json::from_str::<Vec<Value>>(&answer.stdout).unwrap().len()
    };
    assert_eq!(counted("storage:backups:list data --from disk --format json"), 3);
    // And one of the store.
    assert_eq!(counted("storage:backups:list --from usb --format json"), 4);
}

#[test]
fn commands_wait_for_each_other_over_all_connectors_to_a_repository() {
    let session = host(&[]);
    connect_again(&session);
    for connector in ["disk", "usb"] {
        session.prepare(&["storage:backups:create", "data", "--to", connector]);
    }
    let processes = session.host.path("lib/data/storage-registry/.backup-processes");
    let started = || fs::read_to_string(&processes).unwrap();
    let before = started();
    let [first, second] = ["disk", "usb"].map(|connector| {
        let call = session.call(&["storage:backups:check", connector]);
        move || call.run()
    });
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        while started() == before && !first.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let signal = |signal: &str, process: &str| {
            assert_cmd::Command::new("kill").args([signal, process]).ok().is_ok()
        };
        let started = started();
        let process = started.lines().last().unwrap();
        assert!(signal("-STOP", process));
        let second = scope.spawn(second);
        std::thread::sleep(std::time::Duration::from_secs(6));
        assert!(signal("-CONT", process));
        let answers = [first.join().unwrap(), second.join().unwrap()];
        let waits = "Waiting for another command that works on the repository of connector usb";
        assert!(answers[1].stderr.contains(waits), "{answers:?}");
        assert_eq!(answers.map(|answer| answer.status), [0, 0]);
    });
}

/// The ids of what is listed, oldest first.
fn ids(session: &Session) -> Vec<String> {
    listed(session).iter().map(|backup| backup["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_rules_of_what_is_back_from_the_trash_leave_those_of_its_name_alone() {
    let session = host(&[]);
    let back_up_and_destroy = |way: &[&str]| {
        session.prepare(&["storage:backups:create", "data"]);
        session.prepare(&["storage:backups:create", "data"]);
        // Nobody can say whose a backup of that very second is.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let destroy = ["storage:destroy", "data", "--force", "--destroy-host-dir"];
        session.prepare(&[&destroy[..], way].concat());
    };
    back_up_and_destroy(&[]);
    session.prepare(&["storage:create", "data"]);
    back_up_and_destroy(&["--no-trash"]);
    session.prepare(&["storage:trash:restore", "data"]);
    let before = ids(&session);
    session.prepare(&["storage:backups:schedule", "data", "daily", "--keep-last", "2"]);
    set_back(&session, "entry-data");
    session.prepare(&["storage:backups:run"]);
    let after = ids(&session);
    // Its own last one, those of the other entry, and the new one.
    assert_eq!((&after[..3], after.len()), (&before[1..], 4));
}

/// An entry of two apps with a command before its backups.
fn with_a_command(apps: &[&str]) -> Session {
    let session = Session::dokku(apps);
    session.prepare(&["storage:create", "blog-data"]);
    for app in ["blog", "wiki"] {
        session.prepare(&["storage:mount", app, "blog-data", "--container-dir", "/data"]);
    }
    session.prepare(&["storage:set", "blog-data", "backup-before", "true"]);
    assert_eq!(apps_of_commands(&session, "blog-data"), ["blog", "wiki"]);
    session
}

/// In whose containers the commands around an entry's backups run.
fn apps_of_commands(session: &Session, entry: &str) -> Vec<String> {
    let info = run(session, &format!("storage:info {entry} --format json"));
    let info: Value = serde_json::from_str(&info.stdout).unwrap();
    let apps = info["backup"]["apps"].as_array().unwrap();
    apps.iter().map(|app| app.as_str().unwrap().to_owned()).collect()
}

#[test]
fn commands_around_backups_follow_an_entry_that_moves_to_another_app() {
    let session = with_a_command(&["blog", "shop", "wiki"]);
    session.prepare(&["storage:move", "blog-data", "blog", "shop"]);
    assert_eq!(apps_of_commands(&session, "blog-data"), ["shop", "wiki"]);
    session.prepare(&["storage:move", "blog-data", "shop", "wiki"]);
    assert_eq!(apps_of_commands(&session, "blog-data"), ["wiki"]);
}

#[test]
fn commands_around_backups_of_a_clones_copy_run_in_the_clone() {
    let session = with_a_command(&["blog", "copy", "wiki"]);
    session.prepare(&["storage:app:set", "blog", "clone", "copy"]);
    session.prepare(&["post-app-clone-setup", "blog", "copy"]);
    assert_eq!(apps_of_commands(&session, "copy-data"), ["copy"]);
    assert_eq!(apps_of_commands(&session, "blog-data"), ["blog", "wiki"]);
}

/// Leaves the lock of a restic that is killed, as if it was one of a host of that name, in a directory; returns its process.
fn leave_lock(session: &Session, host: &str, directory: &str) -> String {
    let script = r#"
        locks=$1/backups/locks key=$1/lib/data/storage-registry/connectors/disk.key
        mkfifo "$1/fifo-$2"
        unshare --uts sh -ec 'hostname "$1"; exec restic -q -r "$2" --password-file "$3" --no-cache backup --stdin <"$4"' \
          sh "$2" "$1/backups" "$key" "$1/fifo-$2" >/dev/null 2>&1 &
        exec 7>"$1/fifo-$2"
        # It is written under another name first.
        until ls "$locks" | grep -qx '[0-9a-f]\{64\}'; do sleep 0.05; done
        kill -9 $!
        wait $! || :
        mkdir -p "$3"
        mv "$locks"/* "$3"
        echo $!"#;
    let mut shell = assert_cmd::Command::new("sh");
    shell.args(["-ec", script, "sh"]).arg(session.host.path("")).arg(host);
    let done = shell.arg(session.host.path(directory)).assert().success();
    String::from_utf8(done.get_output().stdout.clone()).unwrap()
}

/// Has a script called in the place of restic, which is at `restic` then.
fn call_instead_of_restic(session: &mut Session, script: &Path, restic: &Path, text: &str) {
    stubs::script(script, text);
    let places = ["/usr/local/bin/restic", "/usr/bin/restic"];
    let place = places.into_iter().find(|place| Path::new(place).exists()).unwrap();
    session.host.replace_and_keep(place, script, restic);
}

/// Whether restic, or what stands in for it, is called with a word for this host.
fn is_called(session: &Session, word: &str) -> bool {
    let root = session.host.path("").display().to_string();
    let has = |process: &Path, file: &str, what: &str| {
        let text = fs::read(process.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&text).contains(what)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|process| process.path());
    processes.into_iter().any(|process| {
        has(&process, "environ", &format!("RESTIC_PASSWORD_FILE={root}"))
            && has(&process, "cmdline", &format!("\0{word}\0"))
    })
}

#[test]
fn what_is_read_is_not_pruned_meanwhile() {
    let mut session = host(&[]);
    session.prepare(&["storage:backups:create", "--all"]);
    let [script, restic, word, goes_on] =
        ["script", "restic", "word", "goes-on"].map(|it| session.host.path(it));
    let waits = format!(
        "#!/bin/sh\ncase \" $* \" in *\" $(cat '{}') \"*) until [ -e '{}' ]; do sleep 0.05; done ;; esac\nexec '{}' \"$@\"\n",
        word.display(),
        goes_on.display(),
        restic.display()
    );
    call_instead_of_restic(&mut session, &script, &restic, &waits);
    let prune = "storage:backups:prune disk";
    let reads = "works on the repository of connector disk, or reads it";
    for (first, word, second, why) in [
        ("storage:backups:get data@latest file", "dump", prune, reads),
        ("storage:backups:restore data@latest --as copy", "restore", prune, reads),
        ("storage:backups:restore-store", "restore", prune, reads),
        (prune, "prune", "storage:backups:get data@latest file", "prunes the repository"),
    ] {
        session.host.write("word", word);
        let [first_call, second_call] = [first, second].map(|line| {
            let call = session.call(&line.split(' ').collect::<Vec<_>>());
            move || call.run()
        });
        std::thread::scope(|scope| {
            let first_call = scope.spawn(first_call);
            while !is_called(&session, word) && !first_call.is_finished() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let second_call = scope.spawn(second_call);
            std::thread::sleep(std::time::Duration::from_secs(6));
            session.host.write("goes-on", "");
            let answers = [first_call.join().unwrap(), second_call.join().unwrap()];
            let said = format!("Waiting for another command that {why}");
            assert!(answers[1].stderr.contains(&said), "{first}, {second}: {answers:?}");
            assert_eq!(answers.map(|answer| answer.status), [0, 0], "{first}, {second}");
        });
        fs::remove_file(&goes_on).unwrap();
    }
}

#[test]
fn a_lock_that_another_host_takes_while_one_of_ours_is_cleared_away_stays() {
    let mut session = host(&[]);
    session.prepare(&["storage:backups:create", "data"]);
    let [script, restic, others] = ["script", "restic", "others"].map(|it| session.host.path(it));
    leave_lock(&session, "elsewhere", "others");
    let here = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let process = leave_lock(&session, here.trim(), "own");
    let locks = session.host.path("backups/locks");
    for lock in fs::read_dir(session.host.path("own")).unwrap() {
        let lock = lock.unwrap();
        fs::rename(lock.path(), locks.join(lock.file_name())).unwrap();
    }
    let noted = session.host.path("lib/data/storage-registry/.backup-processes");
    let processes = fs::read_to_string(noted).unwrap();
    session.host.write("lib/data/storage-registry/.backup-processes", processes + &process);
    // It comes when restic is called to remove the other one.
    let moves = format!(
        "#!/bin/sh\ncase \" $* \" in *' unlock '*) mv '{}'/* '{}' 2>/dev/null ;; esac\nexec '{}' \"$@\"\n",
        others.display(),
        locks.display(),
        restic.display()
    );
    call_instead_of_restic(&mut session, &script, &restic, &moves);
    is_refused(&session, "storage:backups:prune disk", "is locked by host elsewhere (process");
    assert_eq!(fs::read_dir(&locks).unwrap().count(), 1);
}

#[test]
fn holes_that_take_hours_to_read_are_refused_by_name() {
    let session = host(&[]);
    for (name, size) in [("sparse", 800 << 30), ("emptiest", 900_u64 << 30)] {
        let path = session.host.path("lib/data/storage/data").join(name);
        fs::File::create(path).unwrap().set_len(size).unwrap();
    }
    is_refused(
        &session,
        "storage:backups:create data",
        "1.7T in its files, 900G of them in emptiest",
    );
    fs::remove_file(session.host.path("lib/data/storage/data/emptiest")).unwrap();
    fs::remove_file(session.host.path("lib/data/storage/data/sparse")).unwrap();
    session.prepare(&["storage:backups:create", "data"]);
    let left = fs::read_dir(session.host.path("lib/data/storage")).unwrap().flatten();
    let left: Vec<_> = left.map(|it| it.file_name()).filter(|it| it != "data").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_schedule_that_is_set_again_keeps_its_times() {
    let session = host(&[]);
    let set = |when: &str| session.prepare(&["storage:backups:schedule", "data", when]);
    let noted = || {
        let schedule = fs::read(session.host.path(&schedule_file("entry-data"))).unwrap();
        serde_json::from_slice::<Value>(&schedule).unwrap()["last_begun"].clone()
    };
    set("daily");
    set_back(&session, "entry-data");
    set("daily");
    session.prepare(&["storage:backups:run"]);
    assert_eq!(listed(&session).len(), 1);
    let begun = noted();
    assert!(begun.is_string(), "{begun}");
    set("daily");
    assert_eq!(noted(), begun);
    // Nothing was missed by times that were others then.
    set_back(&session, "entry-data");
    set("weekly");
    session.prepare(&["storage:backups:run"]);
    assert_eq!(listed(&session).len(), 1);
}

#[test]
fn commands_around_two_backups_of_an_entry_take_turns() {
    let session = host(&[]);
    let log = session.host.path("log");
    session.prepare(&["storage:set", "data", "backup-image", "busybox"]);
    for property in ["backup-before", "backup-after"] {
        session.prepare(&["storage:set", "data", property, property]);
    }
    // A first backup makes the repository.
    session.prepare(&["storage:backups:create", "data"]);
    let notes = format!(
        "[ \"$1\" != run ] || {{ eval \"command=\\${{$#}}\"; echo \"$command\" >>'{0}'; sleep 1.5; echo ended >>'{0}'; }}\n",
        log.display()
    );
    before_docker_answers(&session, &notes);
    let answers = std::thread::scope(|scope| {
        let backups = [0, 1].map(|_| {
            let call = session.call(&["storage:backups:create", "data"]);
            scope.spawn(move || call.run())
        });
        backups.map(|backup| backup.join().unwrap())
    });
    assert_eq!(answers.each_ref().map(|answer| answer.status), [0, 0], "{answers:?}");
    let commands = ["backup-before", "ended", "backup-after", "ended"].repeat(2).join("\n");
    assert_eq!(fs::read_to_string(log).unwrap().trim(), commands);
    let waits = "Waiting for another command that backs up storage entry \"data\"";
    assert!(answers.iter().any(|answer| answer.stderr.contains(waits)), "{answers:?}");
}

/// An entry `data` with commands around its backups, one of which was killed in the first one. A file has what was run; the
/// second command fails while `fails` is there.
fn cut_off_before_the_second_command() -> Session {
    let session = host(&[]);
    session.prepare(&["storage:set", "data", "backup-image", "busybox"]);
    for property in ["backup-before", "backup-after"] {
        session.prepare(&["storage:set", "data", property, property]);
    }
    session.host.write("cut", "");
    let notes = format!(
        "[ \"$1\" != run ] || {{ eval \"command=\\${{$#}}\"; echo \"$command\" >>'{0}/log'; printf '%s\\n' \"$@\" >'{0}/words'; ! rm '{0}/cut' || kill -9 $PPID; [ ! -e '{0}/fails' ] || exit 7; }}\n",
        session.host.root().display()
    );
    before_docker_answers(&session, &notes);
    let answer = run(&session, "storage:backups:create data");
    assert_eq!((answer.status, &*ran(&session)), (137, "backup-before"), "{answer:?}");
    session
}

fn ran(session: &Session) -> String {
    let ran = fs::read_to_string(session.host.path("log")).unwrap_or_default();
    let _ = fs::remove_file(session.host.path("log"));
    ran.trim().replace('\n', " ")
}

#[test]
fn the_command_after_a_copy_is_owed_where_the_backup_was_killed() {
    let session = cut_off_before_the_second_command();
    let is_owed = || run(&session, "storage:doctor").stdout.contains("owed-command");
    assert!(is_owed());
    let answer = run(&session, "storage:backups:run");
    assert!(answer.status == 0 && answer.stderr.contains("cut off"), "{answer:?}");
    assert_eq!(ran(&session), "backup-after");
    assert!(!is_owed());
    session.prepare(&["storage:backups:run"]);
    assert_eq!(ran(&session), "");
}

#[test]
fn the_next_backup_runs_the_command_that_one_owes() {
    let session = cut_off_before_the_second_command();
    let answer = run(&session, "storage:backups:create data");
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(ran(&session), "backup-after backup-before backup-after");
    session.prepare(&["storage:backups:run"]);
    assert_eq!(ran(&session), "");
}

#[test]
fn a_command_that_is_owed_and_fails_is_told_and_not_run_again() {
    let session = cut_off_before_the_second_command();
    session.host.write("fails", "");
    for expected in ["backup-after", ""] {
        session.call(&["storage:backups:run"]).run();
        assert_eq!(ran(&session), expected);
    }
    let doctor = run(&session, "storage:doctor").stdout;
    assert!(doctor.contains("backup-after of storage entry \"data\" failed"), "{doctor}");
}

/// The same, and the container that the first command runs in goes on.
fn cut_off_and_running() -> Session {
    let session = cut_off_before_the_second_command();
    let words = fs::read_to_string(session.host.path("words")).unwrap();
    let name = words.lines().find(|word| word.starts_with("dokku-storage-hook-")).unwrap();
    session.host.answer("docker-ps.all", "0123456789abcdef0123456789abcdef\n");
    let inspected = serde_json::json!([{
        "Id": "0123456789abcdef0123456789abcdef",
        "Name": format!("/{name}"),
        "State": {"Status": "running"},
        "Config": {"Labels": {}},
    }]);
    session.host.answer("docker-inspect", &inspected.to_string());
    session
}

#[test]
fn a_command_after_a_copy_waits_for_the_one_before_it() {
    let session = cut_off_and_running();
    let runs =
        "backup-before of storage entry \"data\" still runs in container dokku-storage-hook-";
    for command in ["storage:backups:run", "storage:backups:create data"] {
        let answer = run(&session, command);
        assert!(answer.status == 1 && answer.stderr.contains(runs), "{answer:?}");
        assert_eq!(ran(&session), "");
    }
    let doctor = run(&session, "storage:doctor").stdout;
    assert!(doctor.contains("owed-command") && doctor.contains(runs), "{doctor}");
    session.host.answer("docker-ps.all", "");
    session.prepare(&["storage:backups:create", "data"]);
    assert_eq!(ran(&session), "backup-after backup-before backup-after");
}

#[test]
fn a_command_that_goes_on_for_too_long_is_ended() {
    let session = cut_off_and_running();
    let file = session.host.path("lib/data/storage-registry/backups/entries/data.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    state["begun"]["at"] = "2020-01-01T00:00:00Z".into();
    fs::write(&file, state.to_string()).unwrap();
    let all = session.host.path("stub/answers/docker-ps.all");
    let removes = format!("[ \"$1 $2\" != 'rm --force' ] || : >'{}'\n", all.display());
    before_docker_answers(&session, &removes);
    session.prepare(&["storage:backups:run"]);
    assert_eq!(ran(&session), "backup-after");
    assert_eq!(fs::read_to_string(all).unwrap(), "");
}

#[test]
fn what_is_owed_goes_with_its_entry() {
    let session = cut_off_before_the_second_command();
    session.prepare(&["storage:destroy", "data", "--force"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:set", "data", "backup-image", "busybox"]);
    session.prepare(&["storage:set", "data", "backup-after", "another"]);
    session.prepare(&["storage:backups:run"]);
    assert_eq!(ran(&session), "");
}

#[test]
fn the_doctor_names_one_of_several_destinations() {
    let session = host(&[]);
    let doctor = || run(&session, "storage:doctor data").stdout;
    let remedy = "dokku storage:backups:schedule data daily";
    let alone = doctor();
    assert!(alone.contains(remedy) && !alone.contains("--to"), "{alone}");
    session.destination("other", "{ROOT}/backups");
    let several = doctor();
    assert!(several.contains(&format!("{remedy} --to disk")), "{several}");
    session.prepare(&["storage:backups:schedule", "data", "daily", "--to", "disk"]);
}

#[test]
fn a_destination_that_hangs_holds_up_no_other() {
    let session = host(&[]);
    session.host.make_directory("other-backups");
    session.destination("other", "{ROOT}/other-backups");
    session.prepare(&["storage:create", "able"]);
    session.prepare(&["storage:set", "data", "backup-image", "busybox"]);
    session.prepare(&["storage:set", "data", "backup-before", "true"]);
    for (entry, connector) in [("data", "disk"), ("able", "other")] {
        session.prepare(&["storage:backups:schedule", entry, "daily", "--to", connector]);
        set_back(&session, &format!("entry-{entry}"));
    }
    let answer = while_a_container_waits(&session, &["storage:backups:run"], || {
        // The run of the next minute.
        session.prepare(&["storage:backups:run"]);
        let made = run(&session, "storage:backups:list able --format json").stdout;
        assert_eq!(serde_json::from_str::<Vec<Value>>(&made).unwrap().len(), 1);
        assert!(listed(&session).is_empty());
    });
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(listed(&session).len(), 1);
}

#[test]
fn commands_around_a_scheduled_backup_hold_up_no_other_at_its_destination() {
    let session = host(&[]);
    session.prepare(&["storage:create", "able"]);
    session.prepare(&["storage:set", "data", "backup-image", "busybox"]);
    session.prepare(&["storage:set", "data", "backup-before", "true"]);
    for entry in ["data", "able"] {
        session.prepare(&["storage:backups:schedule", entry, "daily"]);
    }
    set_back(&session, "entry-data");
    let answer = while_a_container_waits(&session, &["storage:backups:run"], || {
        set_back(&session, "entry-able");
        session.prepare(&["storage:backups:run"]);
        let made = run(&session, "storage:backups:list able --format json").stdout;
        assert_eq!(serde_json::from_str::<Vec<Value>>(&made).unwrap().len(), 1);
        assert!(listed(&session).is_empty());
        // What is under way is not begun once more.
        set_back(&session, "entry-data");
        let again = run(&session, "storage:backups:run");
        assert_eq!((again.status, &*again.stdout), (0, ""), "{again:?}");
    });
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(listed(&session).len(), 1);
}

#[test]
fn entries_with_commands_around_their_backups_hold_up_no_other() {
    let session = host(&["blog", "wiki"]);
    session.prepare(&["storage:create", "able"]);
    for (app, entry) in [("blog", "able"), ("wiki", "data")] {
        session.prepare(&["storage:mount", app, entry, "--container-dir", "/data"]);
    }
    session.prepare(&["storage:set", "able", "backup-image", "busybox"]);
    session.prepare(&["storage:set", "able", "backup-before", "true"]);
    // It fails; when it is run, the others have their backups.
    let others = ["entries/data", "store"].map(|subject| {
        let state = format!("lib/data/storage-registry/backups/{subject}.json");
        format!("grep -q last_success '{}'", session.host.path(&state).display())
    });
    let fails = format!("[ \"$1\" != run ] || {{ {} && exit 7; exit 8; }}\n", others.join(" && "));
    before_docker_answers(&session, &fails);
    let answer = run(&session, "storage:backups:create --all");
    assert!(answer.status == 1 && answer.stderr.contains("with status 7"), "{answer:?}");
    let failed = run(&session, "storage:doctor able");
    assert!(failed.stdout.contains("dokku storage:backups:create able --to disk"), "{failed:?}");
    for subject in ["able", "data"] {
        session.prepare(&["storage:backups:schedule", subject, "daily"]);
    }
    session.prepare(&["storage:backups:schedule", "--all", "daily"]);
    for subject in ["entry-able", "entry-data", "all"] {
        set_back(&session, subject);
    }
    let answer = run(&session, "storage:backups:run");
    let subjects = answer.stdout.lines().filter_map(|line| line.split_once(": backing "));
    let subjects: Vec<&str> = subjects.map(|(_, subject)| subject).collect();
    assert_eq!(subjects.len(), 3, "{answer:?}");
    assert!(subjects[0].contains("data") && subjects[2].contains("able"), "{answer:?}");
}
