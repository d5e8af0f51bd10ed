//! The helpers and one file directly below the storage root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Host, as_root, say};
use crate::helper::{self, owner};

/// Ends what a thread goes on with, also where the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn host() -> Host {
    let host = Host::bare();
    helper::install(&host);
    host.write("lib/data/storage/conf", "content");
    host
}

fn mode(path: &std::path::Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_file_is_given_copied_and_removed() {
    if !as_root("the helpers' files") {
        return;
    }
    let host = host();
    let conf = host.path("lib/data/storage/conf");
    for words in [&["conf", "1000:33", "--folder-only"][..], &["conf", "1000:33"]] {
        std::os::unix::fs::chown(&conf, Some(0), Some(0)).unwrap();
        let answer = helper::run(&host, "chown-storage-dir", words);
        assert_eq!((answer.status, owner(&conf)), (0, (1000, 33)), "{answer:?}");
    }
    let answer = helper::run(&host, "chmod-storage-dir", &["conf", "0640"]);
    assert_eq!((answer.status, mode(&conf)), (0, 0o640), "{answer:?}");
    let answer = helper::run(&host, "copy-storage-dir", &["conf", "copy"]);
    let copy = host.path("lib/data/storage/copy");
    assert_eq!((answer.status, owner(&copy), mode(&copy)), (0, (1000, 33), 0o640), "{answer:?}");
    assert_eq!(fs::read(&copy).unwrap(), b"content");
    let before = host.snapshot();
    for words in [
        &["conf", "1000", "--folder-only", "part"][..],
        &["conf", "1000", "--make", "part"],
        &["conf", "1000", "--folder-only", "."],
    ] {
        let answer = helper::run(&host, "chown-storage-dir", words);
        assert!(answer.is_refusal(), "{words:?}: {answer:?}");
    }
    assert!(helper::run(&host, "copy-storage-dir", &["conf", "copy"]).is_refusal());
    assert_eq!(before.difference(&host.snapshot()), "");
    let answer = helper::run(&host, "destroy-storage-dir", &["conf"]);
    assert_eq!((answer.status, conf.exists()), (0, false), "{answer:?}");
}

/// Who can write a file and have root own it must not have it run as root.
#[test]
fn no_file_becomes_a_set_uid_program() {
    if !as_root("set-uid files") {
        return;
    }
    let host = host();
    let conf = host.path("lib/data/storage/conf");
    for bits in ["4755", "2755", "6755", "1755", "7777"] {
        let answer = helper::run(&host, "chmod-storage-dir", &["conf", bits]);
        assert!(answer.is_refusal() && mode(&conf) & 0o7000 == 0, "{bits}: {answer:?}");
    }
    for before in [1000, 0] {
        std::os::unix::fs::chown(&conf, Some(before), Some(before)).unwrap();
        fs::set_permissions(&conf, Permissions::from_mode(0o6755)).unwrap();
        let answer = helper::run(&host, "chown-storage-dir", &["conf", "0"]);
        assert_eq!((answer.status, mode(&conf)), (0, 0o755), "from {before}: {answer:?}");
    }
}

/// While the name turns into a link, a pipe and a second name of something outside, nothing outside changes.
#[test]
fn a_name_that_changes_leads_nowhere() {
    if !as_root("the helpers' files") {
        return;
    }
    let host = host();
    host.write("outside/precious", "precious");
    host.write("lib/data/storage/.spare", "content");
    let (conf, outside) = (host.path("lib/data/storage/conf"), host.path("outside/precious"));
    symlink(&outside, host.path("lib/data/storage/.link")).unwrap();
    fs::hard_link(&outside, host.path("lib/data/storage/.linked")).unwrap();
    let stop = AtomicBool::new(false);
    let mut done = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let place = |name: &str| {
                let next = host.path("lib/data/storage/.next");
                let _ = fs::remove_file(&next);
                let from = host.path("lib/data/storage").join(name);
                match fs::read_link(&from) {
                    Ok(target) => symlink(target, &next).unwrap(),
                    Err(_) if name == ".spare" => fs::write(&next, "content").unwrap(),
                    Err(_) => fs::hard_link(&from, &next).unwrap(),
                }
                // Two names of one file cannot be renamed to each other.
                let _ = fs::remove_file(&conf);
                fs::rename(&next, &conf).unwrap();
            };
            while !stop.load(Ordering::Relaxed) {
                [".link", ".spare", ".linked", ".spare"].into_iter().for_each(place);
            }
        });
        let _end = Stop(&stop);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(2) {
            for (helper, words) in [
                ("chown-storage-dir", &["conf", "1000"][..]),
                ("chmod-storage-dir", &["conf", "0606"]),
                ("copy-storage-dir", &["conf", "copy"]),
            ] {
                done += u32::from(helper::run(&host, helper, words).status == 0);
            }
            let copy = fs::read(host.path("lib/data/storage/copy")).unwrap_or_default();
            assert_ne!(copy, b"precious");
            let _ = fs::remove_file(host.path("lib/data/storage/copy"));
        }
    });
    assert_eq!((owner(&outside), mode(&outside)), ((0, 0), 0o644));
    assert!(done > 0, "no call met the file");
    say(&format!("security: {done} calls met a file whose name kept changing"));
}

/// A path that is allowed when it is judged may be a link to somewhere else when it is opened.
#[test]
fn no_content_comes_from_where_a_link_leads_meanwhile() {
    let host = Host::for_anybody();
    host.write("allowed/fine", "fine");
    host.write("outside/secret", "evil");
    let allowed = host.path("allowed");
    host.must(&[
        "storage:create conf --type file",
        &format!("storage:policy:set allowed-paths {}", allowed.display()),
    ]);
    let stop = AtomicBool::new(false);
    let (mut taken, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let next = allowed.join(".next");
            while !stop.load(Ordering::Relaxed) {
                for target in [host.path("outside/secret"), allowed.join("fine")] {
                    symlink(target, &next).unwrap();
                    fs::rename(&next, allowed.join("link")).unwrap();
                }
            }
        });
        let _end = Stop(&stop);
        let begin = Instant::now();
        let command = format!("storage:set conf content {}/link", allowed.display());
        while begin.elapsed() < Duration::from_secs(4) {
            match host.run(&command).status {
                0 => taken += 1,
                _ => refused += 1,
            }
            let content = fs::read_to_string(host.path("lib/data/storage/conf")).unwrap();
            assert_ne!(content, "evil", "after {taken} that were taken and {refused} refused");
        }
    });
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
    say(&format!("security: content from a changing link, {taken} times fine, {refused} refused"));
}
