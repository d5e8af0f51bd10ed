//! What is in the trash is taken out of it once, whoever else wants it or wants it gone.

use std::fs;

use crate::harness::{Host, Running, rounds, say};

const ROUNDS: usize = 20;

#[test]
fn of_several_that_restore_or_empty_one_has_it() {
    let host = Host::for_anybody();
    host.must(&["storage:create x --label made=once"]);
    host.write("lib/data/storage/x/folder/file", "data");
    let entry = host.path("lib/data/storage-registry/entries/x.json");
    let written = fs::read(&entry).unwrap();
    host.must(&["storage:destroy x --force --destroy-host-dir"]);
    let start = host.snapshot();
    let (mut restored, mut emptied) = (0, 0);
    for round in 0..ROUNDS * rounds() {
        host.restore(&start);
        let mut lines = [
            "storage:trash:restore x",
            "storage:trash:restore x",
            "storage:trash:restore x --as y",
            "storage:trash:empty x --force",
        ];
        lines.rotate_left(round % 4);
        let running: Vec<Running> = lines.iter().map(|line| host.start(line)).collect();
        let answers: Vec<_> = lines.iter().zip(running.into_iter().map(Running::finish)).collect();
        for (line, answer) in &answers {
            assert!(answer.status == 0 || answer.is_refusal(), "{line}: {answer:?}");
        }
        let did =
            |name: &str| answers.iter().filter(|(l, a)| l.contains(name) && a.status == 0).count();
        let is_there = |name: &str| {
            let data = fs::read(host.path(&format!("lib/data/storage/{name}/folder/file")));
            let note = host.path(&format!("lib/data/storage-registry/entries/{name}.json"));
            assert_eq!(data.is_ok(), note.exists(), "{name}: {answers:#?}");
            data.is_ok()
        };
        let (x, y) = (is_there("x"), is_there("y"));
        assert!(did("restore") <= 1, "{answers:#?}");
        assert_eq!(did("restore") == 1, x || y, "{answers:#?}");
        assert!(!x || fs::read(&entry).unwrap() == written, "the entry is another one");
        for path in host.snapshot().0.keys().map(|path| path.to_string_lossy()) {
            let is_left = path.contains(".trash-") || path.contains(".destroyed-");
            assert!(!is_left && !path.contains("/trash/"), "{path} was left: {answers:#?}");
        }
        *if x || y { &mut restored } else { &mut emptied } += 1;
    }
    say(&format!(
        "concurrency: {} races for the trash: {restored} restored, {emptied} emptied",
        ROUNDS * rounds()
    ));
}
