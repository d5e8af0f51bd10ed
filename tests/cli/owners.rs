//! Owners: what stands for one is the same everywhere that one is taken.

use crate::harness::as_root;
use crate::{Session, assert_transcript};

/// What stands for an owner, and the id that it is.
const OWNERS: [(&str, u32); 8] = [
    ("herokuish", 32767),
    ("heroku", 1000),
    ("paketo", 2000),
    ("packeto", 2000),
    ("root", 0),
    ("0", 0),
    ("65535", 65535),
    ("1000:33", 1000),
];

/// What Dokku says where it meets the old spelling.
const OLD: &str = "       Detected deprecated chown flag 'packeto'. Using 'paketo' instead. Please update your configuration.\n";

/// The commands that set an owner now, which `OWNER` stands for.
const NOW: [&str; 5] = [
    "storage:create new --chown OWNER",
    "storage:create there --chown OWNER",
    "storage:create file --type file --chown OWNER",
    "storage:set there chown OWNER",
    "storage:ensure-directory there --chown OWNER",
];

/// Those that note one for the next deploy.
const LATER: [&str; 4] = [
    "storage:mount blog there --container-dir /a --volume-chown OWNER",
    "storage:mount blog --container-dir /b --volume-chown OWNER",
    "storage:mount --replace blog there:/c:volume-chown=OWNER",
    "storage:mount --replace blog there:/d --volume-chown OWNER",
];

#[test]
fn every_spelling_is_taken_everywhere() {
    use std::os::unix::fs::MetadataExt;

    if !as_root("owners::every_spelling_is_taken_everywhere") {
        return;
    }
    for (owner, id) in OWNERS {
        let session = Session::dokku(&["blog"]);
        session.prepare(&["storage:create", "there"]);
        for line in NOW.iter().chain(&LATER) {
            let line = line.replace("OWNER", owner);
            let words: Vec<&str> = line.split(' ').collect();
            let answer = session.call(&words).run();
            assert_eq!(answer.status, 0, "{line}: {answer:?}");
            assert_eq!(answer.stdout.contains(OLD), owner == "packeto", "{line}: {answer:?}");
            let path = session.host.path(&format!("lib/data/storage/{}", words[1]));
            if let Ok(found) = std::fs::metadata(path) {
                assert_eq!(found.uid(), id, "{line}: {answer:?}");
            }
        }
    }
}

#[test]
fn what_is_none_is_refused_everywhere() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "there"]);
    for line in NOW.iter().chain(&LATER) {
        for owner in ["nobody", "65536"] {
            let line = line.replace("OWNER", owner);
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(session.run(&words).status, 1, "{line}");
        }
    }
    session.run(&["storage:list", "blog"]);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}
