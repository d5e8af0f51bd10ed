//! `destroy` and `mount` of the same entry at the same time: one of them is refused.

use std::fs;

use crate::harness::{Host, Running, rounds, say};

const ROUNDS: usize = 60;

#[test]
fn destroy_and_mount_at_once_one_is_refused() {
    let host = Host::for_anybody();
    host.must(&["storage:create x"]);
    host.write("lib/data/storage/x/file", "data");
    let start = host.snapshot();
    let (mut mounted, mut destroyed) = (0, 0);
    for round in 0..ROUNDS * rounds() {
        host.restore(&start);
        let mut lines = [
            "storage:mount a x --container-dir /x",
            "storage:destroy x --force --destroy-host-dir",
            "storage:mount b x --container-dir /x",
        ];
        lines.rotate_left(round % 3);
        let running: Vec<Running> = lines.iter().map(|line| host.start(line)).collect();
        let answers: Vec<_> = lines.iter().zip(running.into_iter().map(Running::finish)).collect();
        for (line, answer) in &answers {
            assert!(answer.status == 0 || answer.is_refusal(), "{line}: {answer:?}");
        }
        let did = |name: &str| answers.iter().any(|(l, a)| l.contains(name) && a.status == 0);
        assert!(did("mount") != did("destroy"), "{answers:#?}");
        let is_there = host.path("lib/data/storage-registry/entries/x.json").exists();
        assert_eq!(is_there, did("mount"), "{answers:#?}");
        let data = fs::read_to_string(host.path("lib/data/storage/x/file"));
        assert_eq!(data.is_ok(), is_there, "{answers:#?}");
        for app in ["a", "b"] {
            let mounts = fs::read_to_string(host.path(&format!("lib/config/storage/{app}/mounts")));
            let is_mounted = mounts.is_ok_and(|text| !text.is_empty());
            assert!(is_there || !is_mounted, "an attachment without an entry: {answers:#?}");
        }
        *if is_there { &mut mounted } else { &mut destroyed } += 1;
    }
    say(&format!(
        "concurrency: {} races of destroy and mounts: {mounted} mounted, {destroyed} destroyed",
        ROUNDS * rounds()
    ));
}
