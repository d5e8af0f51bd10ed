//! What a cut of the power leaves, when nothing is noted of it; how often a change flushes; and a store on two file
//! systems.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::harness::strace::{self, CHANGING, KernelCall};
use crate::harness::{Host, Snapshot};

const STAGING: &str = "lib/data/storage-registry/.change";

/// Leaves something in the staging place.
type Leave = fn(&Path);

/// Commands, how often each flushes, and whether it writes a note.
const FLUSHES: [(&str, usize, bool); 8] = [
    ("storage:create named", 4, true),
    ("storage:mount a named --container-dir /first", 4, true),
    ("storage:mount a named --container-dir /n", 2, false),
    ("storage:mount a named --container-dir /n --volume-readonly", 2, false),
    ("storage:mount a /srv/x:/x", 5, true),
    ("storage:unmount a /srv/x:/x", 5, true),
    ("storage:unmount a named --container-dir /n", 2, false),
    ("storage:set named reclaim-policy Delete", 2, false),
];

#[test]
fn a_change_of_one_file_flushes_twice_and_writes_no_note() {
    let host = Host::for_anybody();
    host.must(&["storage:mount b /srv/y:/y"]);
    for (line, flushes, is_noted) in FLUSHES {
        let (answer, calls) = strace::record(&host, line, CHANGING);
        assert_eq!(answer.status, 0, "{line}: {answer:?}");
        let of = |names: &[&str]| {
            let made = calls.iter().filter(|call| names.contains(&&*call.name));
            made.cloned().collect::<Vec<KernelCall>>()
        };
        let flushed = of(&["fsync", "fdatasync", "sync", "syncfs"]);
        assert_eq!(flushed.len(), flushes, "{line}: {flushed:#?}");
        let noted = of(&["write", "pwrite64"]);
        let noted = noted.iter().any(|call| call.touches(&host.path(LOCK)));
        assert_eq!(noted, is_noted, "{line}: {calls:#?}");
    }
}

/// An archive as Dokku's own plugin makes it.
#[expect(clippy::disallowed_methods, reason = "what is not the program's to make")]
fn pack(directory: &Path, to: &Path) {
    let words =
        [OsStr::new("-czf"), to.as_ref(), OsStr::new("-C"), directory.as_ref(), OsStr::new(".")];
    assert!(Command::new("tar").args(words).status().unwrap().success());
}

/// A rename may be on the disk before what nobody flushed.
#[test]
fn what_a_backup_restores_is_flushed_before_it_gets_its_place() {
    let host = Host::for_anybody();
    host.must(&["storage:create data", "storage:mount a data --container-dir /data"]);
    host.write("lib/data/storage/data/file", "precious");
    host.make_directory("backup");
    host.must(&["backup-app-export a {ROOT}/backup"]);
    host.make_directory("backup/data/storage-data");
    pack(&host.path("lib/data/storage/data"), &host.path("backup/data/storage-data/data.tar.gz"));
    host.must(&[
        "storage:unmount a data",
        "storage:destroy data --force --destroy-host-dir --no-trash",
    ]);
    let kinds = format!("{CHANGING},syncfs");
    let (answer, calls) = strace::record(&host, "backup-app-import a {ROOT}/backup", &kinds);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(fs::read_to_string(host.path("lib/data/storage/data/file")).unwrap(), "precious");
    let place = host.path("lib/data/storage/data");
    let place = format!("{}\"", place.display());
    let moved = calls.iter().position(|c| c.name.starts_with("rename") && c.line.contains(&place));
    let written =
        calls.iter().position(|c| c.name.contains("write") && c.line.contains("precious"));
    let (Some(moved), Some(written)) = (moved, written) else {
        panic!("it is not written, and then moved: {calls:#?}");
    };
    assert!(
        calls[written..moved].iter().any(|call| call.name == "syncfs"),
        "nothing is flushed between the two: {:#?}",
        &calls[written..moved]
    );
}

const LOCK: &str = "lib/data/storage-registry/.lock";

#[test]
fn what_is_staged_is_removed_by_the_next_change_and_read_by_nobody() {
    let leave: [(&str, Leave); 3] = [
        ("a file", |place| fs::write(place, "{\"name\": \"tor").unwrap()),
        ("what several steps need", |place| {
            fs::create_dir(place).unwrap();
            fs::write(place.join("0123456789abcdef-0.new"), "{\"name\": \"tor").unwrap();
            fs::create_dir(place.join("0123456789abcdef-1.old")).unwrap();
            fs::write(place.join("0123456789abcdef-1.old/mounts"), "").unwrap();
        }),
        ("a link", |place| symlink("/etc", place).unwrap()),
    ];
    for (what, leave) in leave {
        for next in ["storage:create fresh", "storage:mount a named --container-dir /m"] {
            let host = Host::for_anybody();
            host.must(&["storage:create named", "storage:mount a named --container-dir /n"]);
            let seen = host.run("storage:report a");
            leave(&host.path(STAGING));
            assert_eq!(host.run("storage:report a"), seen, "{what}");
            host.must(&[next]);
            assert!(fs::symlink_metadata(host.path(STAGING)).is_err(), "{what}, {next}");
        }
    }
}

/// The apps' mounts are on another file system: nothing can be renamed there from the staging place.
#[test]
fn a_store_on_two_file_systems_is_changed_and_left_clean() {
    let memory = Path::new("/dev/shm");
    let (here, there) = (Host::for_anybody(), tempfile::tempdir_in(memory));
    let Ok(there) = there else {
        crate::harness::say("SKIPPED, NOT TESTED: no /dev/shm");
        return;
    };
    fs::remove_dir(here.path("lib/config/storage")).unwrap();
    symlink(there.path(), here.path("lib/config/storage")).unwrap();
    here.must(&["storage:create named", "storage:mount a named --container-dir /n"]);
    let line = "storage:mount a named --container-dir /n --volume-readonly";
    let (answer, calls) = strace::record(&here, line, CHANGING);
    assert_eq!(answer.status, 0, "{answer:?}");
    // Nobody would find what is made beside the file: that it is going to be made is on the disk before.
    let first = |name: &str, part: &str| {
        let is_it = |call: &KernelCall| call.name.starts_with(name) && call.line.contains(part);
        calls.iter().position(is_it).unwrap_or_else(|| panic!("no {name} of {part}: {calls:#?}"))
    };
    assert!(first("fdatasync", ".lock") < first("open", ".mounts.new"), "{calls:#?}");
    here.must(&["storage:mount a /srv/x:/x", "storage:unmount a named", "post-delete a"]);
    for directory in [there.path(), here.root()] {
        let left: BTreeMap<_, _> = Snapshot::of(directory).0;
        let is_left = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name == ".change" || name.ends_with(".new") || name.ends_with(".old")
        };
        assert_eq!(left.keys().filter(|path| is_left(path)).count(), 0, "{left:#?}");
    }
    assert_eq!(fs::read(here.path(LOCK)).unwrap(), b"");
}
