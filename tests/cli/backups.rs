//! `storage:backups:*` with a real restic and a directory as the destination: what is kept, and what is said.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use serde_json::Value;

use crate::Session;
use crate::harness::stubs;
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
    let [started, goes_on] = ["started", "goes-on"].map(|name| session.host.path(name));
    // The command after the copy takes until then.
    session.prepare(&["storage:set", "data", "backup-image", "busybox"]);
    session.prepare(&["storage:set", "data", "backup-after", "true"]);
    let waits = format!(
        "[ \"$1\" != run ] || {{ : >'{}'; until [ -e '{}' ]; do sleep 0.05; done; }}\n",
        started.display(),
        goes_on.display()
    );
    before_docker_answers(&session, &waits);
    let backed_up = std::thread::scope(|scope| {
        let backup = session.call(&["storage:backups:create", "data"]);
        let backup = scope.spawn(move || backup.run());
        while !started.exists() && !backup.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(started.exists());
        session.prepare(&["storage:destroy", "data", "--force"]);
        session.prepare(&["storage:create", "data"]);
        session.host.write("goes-on", "");
        backup.join().unwrap()
    });
    assert_eq!(backed_up.status, 0, "{backed_up:?}");
    let info = run(&session, "storage:info data");
    assert!(info.status == 0 && !info.stdout.contains("Last backup"), "{info:?}");
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
fn bury_a_file(session: &Session) {
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
    let said = "could not be read, and are not in the backup: ddd";
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
        if std::path::Path::new(file).exists() {
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
        until [ -n "$(ls "$locks")" ]; do sleep 0.05; done
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
    stubs::script(&script, &moves);
    let places = ["/usr/local/bin/restic", "/usr/bin/restic"];
    let place = places.into_iter().find(|place| std::path::Path::new(place).exists()).unwrap();
    session.host.replace_and_keep(place, &script, &restic);
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
