//! A directory that root made for a backup, while other helpers work: root's helpers are stopped behind each of their calls into the
//! kernel, and somebody renames what is in the storage root meanwhile, as the user of the store may.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::harness::strace::{self, CHANGING, KernelCall};
use crate::harness::{Host, as_root, say};
use crate::helper;

/// The directory that root made.
const CLOSED: &str = ".destroyed-closed-1";

/// A host with an app's directory, and another one with a secret in it; the helpers are cargo's program.
fn host() -> Option<Host> {
    if !as_root("a directory for a backup against renaming") {
        return None;
    }
    let host = Host::bare();
    fs::create_dir(host.path("bin")).unwrap();
    for name in ["backup-storage", "chown-storage-dir", "copy-storage-dir"] {
        symlink(env!("CARGO_BIN_EXE_dokku-storage"), host.path("bin").join(name)).unwrap();
    }
    fs::create_dir_all(at(&host, "app/folder")).unwrap();
    fs::create_dir_all(at(&host, "victim")).unwrap();
    // The first call makes what all others find.
    run(&host, "backup-storage copy .destroyed-first-1 app");
    fs::write(at(&host, "victim/secret"), "secret").unwrap();
    Some(host)
}

fn at(host: &Host, name: &str) -> PathBuf {
    host.path("lib/data/storage").join(name)
}

fn run(host: &Host, line: &str) -> i32 {
    let (name, words) = line.split_once(' ').unwrap();
    helper::run(host, name, &words.split(' ').collect::<Vec<_>>()).status
}

/// The calls of a helper behind which it is stopped: those about what is in the storage root, and the notes.
fn calls(host: &Host, line: &str) -> Vec<KernelCall> {
    let kinds = format!("{CHANGING},statx,syncfs,?fstat,?newfstatat");
    let (answer, mut calls) = strace::record(host, line, &kinds);
    assert_eq!(answer.status, 0, "{answer:?}");
    let is_close =
        |call: &KernelCall| call.line.contains(".destroyed-") || call.line.contains("closed/");
    calls.retain(is_close);
    calls
}

fn inode(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|found| found.ino())
}

/// Everything in a tree.
fn all_in(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_path_buf()];
    for child in fs::read_dir(directory).into_iter().flatten() {
        found.extend(all_in(&child.unwrap().path()));
    }
    found
}

/// Puts the one directory in the place of the other, if that is there.
fn exchange(one: &Path, other: &Path) {
    if renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_err() {
        fs::rename(one, other).unwrap();
    }
}

/// The name of what has this number in the storage root, where nobody but root can enter it.
fn closed_name(host: &Host, number: u64) -> Option<PathBuf> {
    let names = fs::read_dir(at(host, "")).unwrap().map(|name| name.unwrap().path());
    names.filter(|path| inode(path) == Some(number)).find(|path| {
        let found = fs::symlink_metadata(path).unwrap();
        (found.uid(), found.mode() & 0o777) == (0, 0o700)
    })
}

/// Stops a helper, which works on the hidden directory `.destroyed-x-N` or makes it, behind each of its calls; `with` says which name
/// the directory that is for a backup gets then.
fn is_never_entered(host: &Host, line: &str, with: impl Fn(&str) -> Option<String>) -> usize {
    let make = |name: &str| {
        fs::create_dir_all(at(host, name)).unwrap();
        fs::write(at(host, name).join("file"), "mine").unwrap();
    };
    assert_eq!(run(host, &format!("backup-storage copy {CLOSED} victim")), 0);
    let mut number = inode(&at(host, CLOSED)).unwrap();
    make(".destroyed-x-0");
    let calls = calls(host, &line.replace('N', "0"));
    for (index, call) in calls.iter().enumerate() {
        let name = format!(".destroyed-x-{}", index + 1);
        make(&name);
        let line = line.replace('N', &(index + 1).to_string());
        if let Ok(paused) = strace::pause(host, &line, call) {
            if let Some(place) = with(&name) {
                exchange(&at(host, CLOSED), &at(host, &place));
            }
            let answer = paused.start_again().finish();
            assert!(answer.status == 0 || answer.is_refusal(), "{line}, behind {call}: {answer:?}");
        }
        let Some(now) = closed_name(host, number) else {
            // Whoever may rename it may have it removed.
            let left = all_in(&at(host, "")).into_iter().find(|path| inode(path) == Some(number));
            assert_eq!(left, None, "{line}, behind {call}");
            fs::remove_dir_all(at(host, CLOSED)).unwrap();
            assert_eq!(run(host, &format!("backup-storage copy {CLOSED} victim")), 0);
            number = inode(&at(host, CLOSED)).unwrap();
            continue;
        };
        let inside: Vec<_> =
            fs::read_dir(&now).unwrap().map(|name| name.unwrap().file_name()).collect();
        assert_eq!(inside, ["data"], "{line}, behind {call}");
        if now != at(host, CLOSED) {
            exchange(&now, &at(host, CLOSED));
        }
    }
    calls.len()
}

#[test]
fn a_directory_for_a_backup_in_the_place_of_another_is_not_entered() {
    let Some(host) = host() else { return };
    let same = |name: &str| Some(name.to_owned());
    let mut stops =
        is_never_entered(&host, "copy-storage-dir --move .destroyed-x-N app/one-N", same);
    fs::remove_dir_all(at(&host, CLOSED)).unwrap();
    stops += is_never_entered(&host, "chown-storage-dir .destroyed-x-N 1000", same);
    fs::remove_dir_all(at(&host, CLOSED)).unwrap();
    // The hidden name under which a copy is made.
    let newest = |_: &str| {
        let names = fs::read_dir(at(&host, "")).unwrap();
        let names = names.map(|name| name.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".destroyed-copy")).max()
    };
    stops += is_never_entered(&host, "copy-storage-dir app copy-N", newest);
    say(&format!(
        "security: {stops} stops of helpers with a directory for a backup in another's place"
    ));
}

#[test]
fn a_directory_that_is_being_made_for_a_backup_is_for_nobody_else() {
    let Some(host) = host() else { return };
    let line = "backup-storage copy .destroyed-y-N victim";
    let calls = calls(&host, &line.replace('N', "0"));
    let others = [
        "copy-storage-dir --move .destroyed-y-N app/moved-N",
        "chown-storage-dir .destroyed-y-N 1000",
        "chown-storage-dir plain-N 1000",
        // One that is like it, and was made before, comes in its place.
        "chown-storage-dir old-N 0 --folder-only",
    ];
    let mut stops = 0;
    for (kind, other) in others.iter().enumerate() {
        for call in &calls {
            stops += 1;
            let of_this = |line: &str| line.replace('N', &stops.to_string());
            let (line, other, name) = (of_this(line), of_this(other), of_this(".destroyed-y-N"));
            let old = at(&host, &of_this("old-N"));
            fs::create_dir(&old).unwrap();
            fs::set_permissions(&old, fs::Permissions::from_mode(0o700)).unwrap();
            let old_one = inode(&old);
            std::thread::sleep(Duration::from_millis(30));
            let Ok(paused) = strace::pause(&host, &line, call) else { continue };
            if kind == 3 && at(&host, &name).exists() {
                exchange(&old, &at(&host, &name));
            }
            let plain = at(&host, &of_this("plain-N"));
            let is_renamed = kind == 2 && fs::rename(at(&host, &name), &plain).is_ok();
            let _ = run(&host, &other);
            if is_renamed {
                fs::rename(&plain, at(&host, &name)).unwrap();
            }
            let answer = paused.start_again().finish();
            let shown = || format!("{line}, stopped behind {call}, with {other}: {answer:?}");
            let found = inode(&at(&host, &name));
            let is_closed = found.is_some_and(|number| closed_name(&host, number).is_some());
            let has_data = at(&host, &name).join("data/secret").exists();
            assert!(!has_data || is_closed, "{}", shown());
            assert!(!has_data || found != old_one, "{}", shown());
            assert!(answer.status != 0 || has_data || kind == 3, "{}", shown());
            // To whoever calls it for a command, the helper says why as JSON.
            let is_told = answer.stdout.starts_with("{\"Failed\":") && answer.stderr.is_empty();
            assert!(answer.status == 0 || is_told || answer.is_refusal(), "{}", shown());
            let leaked =
                all_in(&at(&host, "app")).into_iter().find(|path| path.ends_with("secret"));
            assert_eq!(leaked, None, "{}", shown());
        }
    }
    say(&format!("security: {stops} stops of a helper that makes a directory for a backup"));
}
