//! What apps leave in their directories: set-uid programs, hard links, devices, pipes, mounts, depth and numbers.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, XattrFlags, getxattr, makedev, mkdirat, mknodat, open,
    openat, setxattr, statat,
};

use crate::harness::{Host, as_root, say};
use crate::helper::{self, app, owner};

/// Few descriptors, as some hosts have them.
const FEW: &str = "ulimit -n 128; exec \"$@\"";

fn host() -> Host {
    let host = Host::bare();
    helper::install(&host);
    host
}

#[test]
fn set_uid_bits_and_capabilities_do_not_survive_a_new_owner() {
    if !as_root("set-uid bits") {
        return;
    }
    let host = host();
    let app = app(&host);
    let mut files = Vec::new();
    for mode in [0o4755, 0o2755, 0o6755, 0o6711] {
        for before in [0, 1000] {
            let path = app.join(format!("{mode:o}-{before}"));
            fs::write(&path, "program").unwrap();
            chown(&path, Some(before), Some(before)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            files.push((path, mode, before));
        }
    }
    // cap_setuid=ep, as the kernel keeps it (version 2: magic and flag, then permitted and inheritable, twice).
    let able = app.join("able");
    fs::write(&able, "program").unwrap();
    let words: [u32; 5] = [0x0200_0001, 1 << 7, 0, 0, 0];
    let value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let can_have = setxattr(&able, "security.capability", &value, XattrFlags::empty()).is_ok();

    for uid in [32767, 0] {
        for (path, mode, before) in &files {
            chown(path, Some(*before), Some(*before)).unwrap();
            fs::set_permissions(path, Permissions::from_mode(*mode)).unwrap();
        }
        let answer = helper::run(&host, "chown-storage-dir", &["app", &uid.to_string()]);
        assert_eq!(answer.status, 0, "{answer:?}");
        for (path, mode, before) in &files {
            let now = fs::symlink_metadata(path).unwrap();
            assert_eq!((now.uid(), now.gid()), (uid, uid), "{}", path.display());
            if *before != uid {
                assert_eq!(now.mode() & 0o7777, mode & 0o777, "{}", path.display());
            }
        }
    }
    if can_have {
        let mut buffer = [0; 64];
        assert!(getxattr(&able, "security.capability", &mut buffer[..]).is_err());
    }
}

#[test]
fn hard_links_count_only_where_all_of_them_are_inside() {
    if !as_root("hard links") {
        return;
    }
    let host = host();
    let app = app(&host);
    fs::create_dir_all(app.join("a/b")).unwrap();
    fs::create_dir_all(app.join("c")).unwrap();
    fs::write(host.path("outside/shared"), "outside").unwrap();
    fs::hard_link(host.path("outside/shared"), app.join("a/shared")).unwrap();
    fs::hard_link(host.path("outside/shared"), app.join("c/shared-too")).unwrap();
    fs::write(app.join("a/own"), "inside").unwrap();
    fs::hard_link(app.join("a/own"), app.join("c/own")).unwrap();
    fs::hard_link(app.join("a/own"), app.join("a/b/own")).unwrap();
    // A link to a link, and one to a pipe.
    symlink("nowhere", app.join("a/link")).unwrap();
    fs::hard_link(app.join("a/link"), app.join("c/link")).unwrap();

    // What was linked at this very moment is left alone, as what moves about is.
    std::thread::sleep(Duration::from_millis(100));
    let answer = helper::run(&host, "chown-storage-dir", &["app", "1000"]);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(owner(&host.path("outside/shared")), (0, 0));
    for inside in ["a", "a/b", "c", "a/own", "c/own", "a/b/own", "a/link", "c/link"] {
        assert_eq!(owner(&app.join(inside)), (1000, 1000), "{inside}");
    }
    assert!(answer.stderr.contains(" !     2 files"), "what was left alone is said: {answer:?}");
}

#[test]
fn devices_pipes_and_sockets_stop_nobody() {
    if !as_root("device files") {
        return;
    }
    let host = host();
    let app = app(&host);
    let mode = Mode::from_raw_mode(0o666);
    mknodat(CWD, app.join("pipe"), FileType::Fifo, mode, 0).unwrap();
    let _socket = UnixListener::bind(app.join("socket")).unwrap();
    let device =
        mknodat(CWD, app.join("null"), FileType::CharacterDevice, mode, makedev(1, 3)).is_ok();
    symlink("/dev/null", app.join("link")).unwrap();
    let answer = helper::run(&host, "chown-storage-dir", &["app", "1000"]);
    assert_eq!(answer.status, 0, "{answer:?}");
    for name in ["pipe", "socket", "link"] {
        assert_eq!(owner(&app.join(name)), (1000, 1000), "{name}");
    }
    assert_eq!(owner(std::path::Path::new("/dev/null")).0, 0);
    let answer = helper::run(&host, "copy-storage-dir", &["app", "copy"]);
    assert_eq!(answer.status, 0, "{answer:?}");
    let copied = |name: &str| fs::symlink_metadata(host.path("lib/data/storage/copy").join(name));
    assert!(copied("link").unwrap().is_symlink(), "{answer:?}");
    assert!(copied("null").is_err(), "a device file was made: {answer:?}");
    for name in ["pipe", "socket"] {
        assert_eq!(copied(name).unwrap().uid(), 1000, "{name}");
    }
    if device {
        assert_eq!(owner(&app.join("null")), (0, 0), "a device file changed its owner");
    }
    let answer = helper::run(&host, "destroy-storage-dir", &["app"]);
    assert_eq!((answer.status, app.exists()), (0, false), "{answer:?}");
}

#[test]
fn what_is_mounted_in_the_tree_is_not_touched() {
    if !as_root("mounts in the tree") {
        return;
    }
    let host = host();
    let app = app(&host);
    fs::create_dir_all(app.join("folder/bound")).unwrap();
    fs::create_dir_all(app.join("memory")).unwrap();
    fs::write(app.join("file"), "covered").unwrap();
    fs::create_dir_all(host.path("outside/folder")).unwrap();
    fs::write(host.path("outside/folder/file"), "outside").unwrap();
    fs::write(host.path("outside/file"), "outside").unwrap();
    let shell = r#"
        mount --bind "$1/outside/folder" "$1/lib/data/storage/app/folder/bound"
        mount --bind "$1/outside/file" "$1/lib/data/storage/app/file"
        mount -t tmpfs none "$1/lib/data/storage/app/memory"
        touch "$1/lib/data/storage/app/memory/file"
        "$1/bin/chown-storage-dir" app 1000 || echo "chown $?"
        stat -c '%u %n' "$1/lib/data/storage/app/memory/file"
        "$1/bin/copy-storage-dir" app copy || echo "copy $?"
        find "$1/lib/data/storage/copy" -type f || true
        "$1/bin/destroy-storage-dir" app || echo "destroy $?"
        ls "$1/lib/data/storage/app/memory"
    "#;
    let Some(answer) = helper::with_own_mounts(&host, shell, &[host.root()]) else {
        return;
    };
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(!answer.stdout.contains("chown ") && !answer.stdout.contains("copy/"), "{answer:?}");
    assert!(answer.stdout.contains("0 ") && answer.stdout.ends_with("file\n"), "{answer:?}");
    assert!(answer.stdout.contains("destroy 1"), "what is mounted cannot be removed: {answer:?}");
    for untouched in ["outside", "outside/folder", "outside/folder/file", "outside/file"] {
        assert_eq!(owner(&host.path(untouched)), (0, 0), "{untouched}");
    }
    assert_eq!(owner(&app.join("folder")), (1000, 1000));
}

/// The directory at the end of a way of so many levels; directories that are not there are made.
fn descend(top: &std::path::Path, levels: usize, make: bool) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let name = CString::new("a-folder-deep-down").unwrap();
    let mut directory = open(top, flags, Mode::empty()).unwrap();
    for _ in 0..levels {
        if make {
            mkdirat(&directory, &name, Mode::from_raw_mode(0o755)).unwrap();
        }
        directory = openat(&directory, &name, flags, Mode::empty()).unwrap();
    }
    directory
}

#[test]
fn a_tree_deeper_than_any_path_works_with_few_descriptors() {
    const LEVELS: usize = 5000;
    if !as_root("deep trees") {
        return;
    }
    let host = host();
    let app = app(&host);
    drop(descend(&app, LEVELS, true));
    let answer = helper::run_in(&host, FEW, "chown-storage-dir", &["app", "1000"]);
    let bottom = descend(&app, LEVELS, false);
    let uid = statat(&bottom, "", AtFlags::EMPTY_PATH).unwrap().st_uid;
    drop(bottom);
    let copied = helper::run_in(&host, FEW, "copy-storage-dir", &["app", "copy"]);
    drop(descend(&host.path("lib/data/storage/copy"), LEVELS, false));
    let cleared = helper::run_in(&host, FEW, "destroy-storage-dir", &["copy"]);
    assert_eq!((copied.status, cleared.status), (0, 0), "{copied:?} {cleared:?}");
    let removed = helper::run_in(&host, FEW, "destroy-storage-dir", &["app"]);
    assert_eq!((answer.status, uid), (0, 1000), "{answer:?}");
    assert_eq!((removed.status, app.exists()), (0, false), "{removed:?}");
    say(&format!(
        "security: a tree of {LEVELS} levels given away and removed with 128 descriptors"
    ));
}

#[test]
fn many_files_and_many_deep_branches_work_with_few_descriptors() {
    if !as_root("wide trees") {
        return;
    }
    let host = host();
    let app = app(&host);
    for number in 0..20_000 {
        fs::write(app.join(format!("file-{number}")), "").unwrap();
    }
    for number in 0..200 {
        let branch = app.join(format!("branch-{number}"));
        fs::create_dir(&branch).unwrap();
        drop(descend(&branch, 40, true));
    }
    let answer = helper::run_in(&host, FEW, "chown-storage-dir", &["app", "1000"]);
    let files = (0..20_000).filter(|n| owner(&app.join(format!("file-{n}"))).0 == 1000).count();
    let branches = (0..200).filter(|number| {
        let bottom = descend(&app.join(format!("branch-{number}")), 40, false);
        statat(&bottom, "", AtFlags::EMPTY_PATH).unwrap().st_uid == 1000
    });
    assert_eq!((answer.status, files, branches.count()), (0, 20_000, 200), "{answer:?}");
    let removed = helper::run_in(&host, FEW, "destroy-storage-dir", &["app"]);
    assert_eq!((removed.status, app.exists()), (0, false), "{removed:?}");
    say("security: 20,000 files and 200 branches of 40 levels with 128 descriptors");
}

#[test]
fn an_interrupted_change_of_owner_is_finished_by_the_next() {
    if !as_root("an interrupted chown") {
        return;
    }
    let host = host();
    let app = app(&host);
    for number in 0..4_000 {
        let directory = app.join(format!("{}", number % 40));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{number}")), "").unwrap();
    }
    let count = |uid: u32| {
        let in_directory = |directory: fs::DirEntry| {
            let files = fs::read_dir(directory.path()).unwrap();
            files.filter(|file| file.as_ref().unwrap().metadata().unwrap().uid() == uid).count()
        };
        fs::read_dir(&app).unwrap().map(|directory| in_directory(directory.unwrap())).sum::<usize>()
    };
    let mut partly = 0;
    for round in 0..30_u32 {
        let uid = 1000 + round;
        let mut command = host.program(host.path("bin/chown-storage-dir"));
        command.args(["app", &uid.to_string()]);
        let running = crate::harness::Running::start(command, "chown-storage-dir");
        let begin = Instant::now();
        if running.finish_within(Duration::from_millis(u64::from(round % 15) + 2)).is_none() {
            partly += usize::from((1..4_000).contains(&count(uid)));
        }
        assert!(begin.elapsed() < Duration::from_secs(20));
        let answer = helper::run(&host, "chown-storage-dir", &["app", &uid.to_string()]);
        assert_eq!((answer.status, count(uid)), (0, 4_000), "{answer:?}");
    }
    say(&format!("security: 30 chowns killed, {partly} of them half-way, and run again"));
}
