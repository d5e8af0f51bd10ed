//! Somebody swaps directories and files for links while root works in the tree: nothing outside ever changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::harness::snapshot::Node;
use crate::harness::{Host, Snapshot, as_root, rounds, say};
use crate::helper::{self, app, owner};

const PLACES: usize = 40;
const OWNERS: [u32; 2] = [1000, 2000];

/// Directories and files in the tree, each beside a link of the same shape to the outside, ready to be swapped.
fn plant(host: &Host, places: usize) -> Vec<(PathBuf, PathBuf)> {
    let app = app(host);
    // Absolute links are refused for several reasons; these only because they are links.
    let outside = Path::new("../../../../../outside");
    let mut pairs = Vec::new();
    for number in 0..places {
        let place = app.join(format!("place-{number}"));
        // A directory and a link to one.
        fs::create_dir_all(place.join("folder/sub/sub")).unwrap();
        fs::write(place.join("folder/sub/file"), "inside").unwrap();
        symlink(outside.join("folder"), place.join("folder-link")).unwrap();
        pairs.push((place.join("folder"), place.join("folder-link")));
        // A directory further down, in one that stays.
        fs::create_dir_all(place.join("stays/sub/sub")).unwrap();
        symlink(outside.join("folder/sub"), place.join("sub-link")).unwrap();
        pairs.push((place.join("stays/sub"), place.join("sub-link")));
        // A file and a link to one.
        fs::write(place.join("file"), "inside").unwrap();
        symlink(outside.join("folder/sub/file"), place.join("file-link")).unwrap();
        pairs.push((place.join("file"), place.join("file-link")));
        // A directory and a file.
        fs::create_dir(place.join("now-a-folder")).unwrap();
        fs::write(place.join("now-a-file"), "inside").unwrap();
        pairs.push((place.join("now-a-folder"), place.join("now-a-file")));
    }
    pairs
}

fn outside(host: &Host) -> Snapshot {
    fs::create_dir_all(host.path("outside/folder/sub/sub")).unwrap();
    for file in ["folder/file", "folder/sub/file", "folder/sub/sub/file"] {
        fs::write(host.path("outside").join(file), "outside").unwrap();
    }
    Snapshot::of(&host.path("outside"))
}

/// Swaps all the pairs again and again until it is told to stop.
fn swap(pairs: &[(PathBuf, PathBuf)], is_over: &AtomicBool, swaps: &AtomicU64) {
    while !is_over.load(Ordering::Relaxed) {
        for (one, other) in pairs {
            if renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok() {
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[test]
fn a_swapped_link_leads_no_change_of_owner_outside() {
    if !as_root("a link swap against chown") {
        return;
    }
    let host = Host::bare();
    helper::install(&host);
    let pairs = plant(&host, PLACES);
    let before = outside(&host);
    let (is_over, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut runs, mut clean) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&pairs, &is_over, &swaps));
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(6) * u32::try_from(rounds()).unwrap() {
            let uid = OWNERS[runs % 2].to_string();
            let answer = helper::run(&host, "chown-storage-dir", &["app", &uid]);
            let difference = before.difference(&Snapshot::of(&host.path("outside")));
            if !difference.is_empty() || !(answer.status == 0 || answer.is_refusal()) {
                is_over.store(true, Ordering::Relaxed);
                panic!("after {runs} runs: {answer:?}\n{difference}");
            }
            runs += 1;
            clean += usize::from(answer.status == 0);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let answer = helper::run(&host, "chown-storage-dir", &["app", "3000"]);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_owned(&host.path("lib/data/storage/app"), 3000);
    let swaps = swaps.into_inner();
    say(&format!("security: {runs} chowns ({clean} undisturbed) during {swaps} swaps of links"));
}

fn assert_owned(path: &Path, uid: u32) {
    assert_eq!(owner(path), (uid, uid), "{}", path.display());
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for child in fs::read_dir(path).unwrap() {
            assert_owned(&child.unwrap().path(), uid);
        }
    }
}

#[test]
fn a_swapped_link_leads_no_removal_outside() {
    if !as_root("a link swap against a removal") {
        return;
    }
    let host = Host::bare();
    helper::install(&host);
    let before = outside(&host);
    let (mut runs, mut clean, mut swapped) = (0, 0, 0);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(5) * u32::try_from(rounds()).unwrap() {
        let pairs = plant(&host, 8);
        let (is_over, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
        let answer = std::thread::scope(|scope| {
            scope.spawn(|| swap(&pairs, &is_over, &swaps));
            let answer = helper::run(&host, "destroy-storage-dir", &["app"]);
            is_over.store(true, Ordering::Relaxed);
            answer
        });
        let difference = before.difference(&Snapshot::of(&host.path("outside")));
        assert!(difference.is_empty(), "after {runs} runs: {answer:?}\n{difference}");
        assert!(answer.status == 0 || answer.is_refusal(), "{answer:?}");
        runs += 1;
        clean += usize::from(answer.status == 0);
        swapped += swaps.into_inner();
        let answer = helper::run(&host, "destroy-storage-dir", &["app"]);
        assert_eq!((answer.status, app_is_there(&host)), (0, false), "{answer:?}");
    }
    say(&format!(
        "security: {runs} removals ({clean} undisturbed) during {swapped} swaps of links"
    ));
}

fn app_is_there(host: &Host) -> bool {
    host.path("lib/data/storage/app").exists()
}

/// A copy ends at the first disturbance, so one thing is swapped at a time.
#[test]
fn a_swapped_link_leads_no_copy_to_the_outside() {
    if !as_root("a link swap against a copy") {
        return;
    }
    let host = Host::bare();
    helper::install(&host);
    let pairs = plant(&host, 1);
    let before = outside(&host);
    let (mut runs, mut clean, mut swapped) = (0, 0, 0);
    for pair in &pairs {
        let (is_over, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
        let mut problem = None;
        std::thread::scope(|scope| {
            scope.spawn(|| swap(std::slice::from_ref(pair), &is_over, &swaps));
            let begin = Instant::now();
            let length = Duration::from_secs(2) * u32::try_from(rounds()).unwrap();
            while begin.elapsed() < length && problem.is_none() {
                let answer = helper::run(&host, "copy-storage-dir", &["app", "copy"]);
                let copied = Snapshot::of(&host.path("lib/data/storage/copy"));
                let taken = copied.0.iter().find(
                    |(_, node)| matches!(node, Node::File { content, .. } if content == b"outside"),
                );
                let difference = before.difference(&Snapshot::of(&host.path("outside")));
                let is_fine = answer.status == 0 || answer.is_refusal();
                if taken.is_some() || !is_fine || !difference.is_empty() {
                    problem =
                        Some(format!("after {runs} runs: {answer:?}, {taken:?}\n{difference}"));
                }
                runs += 1;
                clean += usize::from(answer.status == 0);
                helper::run(&host, "destroy-storage-dir", &["copy"]);
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert_eq!(problem, None);
        swapped += swaps.into_inner();
    }
    say(&format!("security: {runs} copies ({clean} to the end) during {swapped} swaps of links"));
}

/// A hard link to a file outside is moved about in the tree, to be counted twice.
#[test]
fn a_hard_link_that_moves_about_does_not_give_the_file_away() {
    if !as_root("a moving hard link against chown") {
        return;
    }
    let host = Host::bare();
    helper::install(&host);
    let app = app(&host);
    for number in 0..200 {
        fs::create_dir_all(app.join(format!("{number}"))).unwrap();
    }
    let outside = host.path("outside/file");
    fs::write(&outside, "outside").unwrap();
    fs::hard_link(&outside, app.join("0/link")).unwrap();
    let (is_over, moves) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut runs = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut place = 0;
            while !is_over.load(Ordering::Relaxed) {
                let next = (place + 67) % 200;
                let path = |place: usize| app.join(format!("{place}/link"));
                fs::rename(path(place), path(next)).unwrap();
                place = next;
                moves.fetch_add(1, Ordering::Relaxed);
            }
        });
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(4) * u32::try_from(rounds()).unwrap() {
            let uid = OWNERS[runs % 2].to_string();
            let answer = helper::run(&host, "chown-storage-dir", &["app", &uid]);
            runs += 1;
            if owner(&outside) != (0, 0) {
                is_over.store(true, Ordering::Relaxed);
                panic!(
                    "after {runs} runs the file outside belongs to {:?}: {answer:?}",
                    owner(&outside)
                );
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let moves = moves.into_inner();
    say(&format!("security: {runs} chowns during {moves} moves of a hard link to the outside"));
}
