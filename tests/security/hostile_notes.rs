//! The note in the lock file is finished by whoever comes next, root too: whatever stands in it, nothing
//! outside of the store may be touched.

use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use crate::harness::{Answer, Host, Problems, Running, Snapshot, is_root, say};

const LOCK: &str = "lib/data/storage-registry/.lock";
const NOBODY: u32 = 65_534;

/// A store with a link in it that leads outside; it belongs to somebody else where that is asked for.
fn host(of_nobody: bool) -> Host {
    let mut host = Host::bare();
    host.must(&["storage:create named", "storage:mount a named --container-dir /n"]);
    host.write("outside/file", "outside");
    host.write("outside/folder/file", "outside");
    fs::create_dir_all(host.path("outside/empty")).unwrap();
    host.write("lib/data/storage/named/file", "data");
    host.write("lib/config/storage/a/.planted", "{}");
    symlink(host.path("outside"), host.path("lib/data/storage/named/link")).unwrap();
    symlink(host.path("outside"), host.path("lib/config/storage/b")).unwrap();
    if of_nobody {
        host.set("DOKKU_SYSTEM_USER", "nobody");
        host.set("DOKKU_SYSTEM_GROUP", "nogroup");
        for inside in host.snapshot().0.keys().filter(|path| !path.starts_with("outside")) {
            lchown(host.path(&inside.to_string_lossy()), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(host.root(), open).unwrap();
    }
    host
}

/// Notes that reach for the outside, and notes that are none.
///
/// What the caller's own note says of links in the caller's own store, the caller could do anyway; only in
/// another's store they are ways to the outside, and so are directories, which entries may have anywhere.
fn notes(host: &Host, of_nobody: bool) -> Vec<Vec<u8>> {
    let inside = |path: &str| host.lib().join(path).to_string_lossy().into_owned();
    let outside = |path: &str| host.path("outside").join(path).to_string_lossy().into_owned();
    let mut notes = Vec::new();
    let ways = |path: &str| {
        let mut ways = vec![
            outside(path),
            inside(&format!("../outside/{path}")),
            inside(&format!("config/../../outside/{path}")),
        ];
        if of_nobody {
            ways.push(inside(&format!("data/storage/named/link/{path}")));
            ways.push(inside(&format!("config/storage/b/{path}")));
            ways.push(format!("{}/./data/storage/named/link/{path}", host.lib().display()));
        }
        ways
    };
    for victim in ways("file") {
        notes.push(json!({"steps": [{"remove": {"target": victim}}]}));
        notes.push(json!({"steps": [{"install": {"temporary": inside("config/storage/a/.planted"), "target": victim}}]}));
        notes.push(json!({"steps": [{"install": {"temporary": victim, "target": inside("config/storage/a/taken")}}]}));
        notes.push(json!({"preparing": {"files": [victim], "folders": []}}));
    }
    for victim in ways("folder") {
        notes.push(
            json!({"steps": [{"move": {"from": victim, "to": inside("data/storage/taken")}}]}),
        );
        notes.push(json!({"steps": [{"move": {"from": inside("data/storage/named"), "to": format!("{victim}-new")}}]}));
    }
    for victim in ways("empty") {
        notes.push(json!({"steps": [{"remove_folder": {"target": victim}}]}));
        if of_nobody {
            notes.push(json!({"preparing": {"files": [], "folders": [victim]}}));
        }
        notes.push(json!({"steps": [{"remove": {"target": victim}}]}));
    }
    notes.push(json!({"steps": [{"remove": {"target": "relative"}}, {"remove": {"target": ""}}, {"remove": {"target": "/"}}]}));
    notes.push(json!({"steps": [{"remove": {"target": inside("")}}, {"remove_folder": {"target": inside("data/storage-registry/..")}}]}));
    notes.push(json!({"steps": [{"explode": {"target": inside("x")}}]}));
    notes.push(json!({"steps": "none"}));
    notes.push(json!([1, 2, 3]));
    let mut texts: Vec<Vec<u8>> =
        notes.iter().map(|note| format!("{note}\n").into_bytes()).collect();
    let torn: Vec<Vec<u8>> =
        texts[..4].iter().map(|text| text[..text.len() - 2].to_vec()).collect();
    texts.extend(torn);
    texts.push(b"garbage\n".to_vec());
    texts.push(b"\0\0\0\0".to_vec());
    texts.push(b"\xff\xfe{}\n".to_vec());
    texts.push("[".repeat(200_000).into_bytes());
    texts.push(vec![b' '; 20 << 20]);
    texts.push(
        json!({"steps": vec![json!({"remove": {"target": inside("x")}}); 50_000]})
            .to_string()
            .into_bytes(),
    );
    texts
}

fn answer(host: &Host, line: &str) -> Option<Answer> {
    host.start(line).finish_within(Duration::from_secs(8))
}

#[test]
fn no_note_reaches_outside_of_the_store() {
    let mut problems = Problems::default();
    let mut tried = 0;
    for of_nobody in [false, true] {
        if of_nobody && !is_root() {
            say("SKIPPED, NOT TESTED: a store of somebody else needs root");
            continue;
        }
        let host = host(of_nobody);
        let start = host.snapshot();
        let before = Snapshot::of(&host.path("outside"));
        for note in notes(&host, of_nobody) {
            let text = String::from_utf8_lossy(&note).chars().take(200).collect::<String>();
            for line in ["storage:list a", "storage:mount a /srv/x:/x", "post-delete a"] {
                tried += 1;
                host.restore(&start);
                fs::write(host.path(LOCK), &note).unwrap();
                let place = format!("{text} (of nobody: {of_nobody}), {line}");
                match answer(&host, line) {
                    None => problems.add(format!("{place}: it hangs")),
                    Some(answer) if answer.status == 0 || answer.is_refusal() => {}
                    Some(answer) => problems.add(format!("{place}: {answer:?}")),
                }
                let difference = before.difference(&Snapshot::of(&host.path("outside")));
                if !difference.is_empty() {
                    problems.add(format!("{place}: outside changed\n{difference}"));
                }
                // Whatever it was: readers go on, and a writer that cannot says which file is in its way.
                for reader in
                    ["storage:list a", "docker-args-deploy a latest", "storage:list-entries"]
                {
                    let after = answer(&host, reader);
                    if after.as_ref().is_none_or(|answer| answer.status != 0) {
                        problems.add(format!("{place}: then {reader} fails: {after:?}"));
                    }
                }
                let after = answer(&host, "storage:create another");
                let names =
                    |a: &Answer| a.status == 0 || a.is_refusal() && a.stderr.contains(".lock");
                if !after.as_ref().is_some_and(names) {
                    problems.add(format!("{place}: then a writer: {after:?}"));
                }
            }
        }
    }
    say(&format!("security: {tried} calls that found a hostile note"));
    problems.must_be_none();
}

#[test]
fn a_lock_file_that_is_something_else_harms_nobody() {
    let shapes: [(&str, crate::hostile_files::Make); 6] = [
        ("a link to a file", |host, path| symlink(host.path("outside/file"), path).unwrap()),
        ("a link to an empty file", |host, path| {
            symlink(host.path("outside/nothing"), path).unwrap();
        }),
        ("a hard link", |host, path| fs::hard_link(host.path("outside/file"), path).unwrap()),
        ("a pipe", |_, path| {
            mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        }),
        ("a directory", |_, path| fs::create_dir(path).unwrap()),
        ("a link to /dev/zero", |_, path| symlink("/dev/zero", path).unwrap()),
    ];
    for (shape, make) in shapes {
        let host = host(false);
        host.write("outside/nothing", "");
        fs::remove_file(host.path(LOCK)).unwrap();
        make(&host, &host.path(LOCK));
        let before = Snapshot::of(&host.path("outside"));
        for line in [
            "storage:list a",
            "docker-args-deploy a latest",
            "storage:mount a /srv/x:/x",
            "post-delete a",
        ] {
            let Some(answer) = answer(&host, line) else {
                panic!("{shape}: {line} hangs");
            };
            assert!(answer.status == 0 || answer.is_refusal(), "{shape}: {line}: {answer:?}");
            let difference = before.difference(&Snapshot::of(&host.path("outside")));
            assert!(difference.is_empty(), "{shape}: {line}: {answer:?}\n{difference}");
        }
    }
}

/// Who may only read the store does not wait for a lock that somebody holds for ever.
#[test]
fn readers_do_not_wait_for_a_writer_that_stands_still() {
    let host = host(false);
    let lock = fs::File::open(host.path(LOCK)).unwrap();
    lock.lock().unwrap();
    fs::write(host.path(LOCK), "{\"preparing\":{\"files\":[],\"folders\":[]}}\n").unwrap();
    for line in [
        "storage:list a",
        "storage:report a",
        "storage:list-entries",
        "docker-args-deploy a latest",
    ] {
        let answer = answer(&host, line).unwrap_or_else(|| panic!("{line} waits"));
        assert_eq!(answer.status, 0, "{line}: {answer:?}");
    }
    let writer: Running = host.start("storage:mount a /srv/x:/x");
    std::thread::sleep(Duration::from_millis(300));
    drop(lock);
    assert_eq!(writer.finish().status, 0);
}
