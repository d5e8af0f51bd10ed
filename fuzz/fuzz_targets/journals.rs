//! The note that a killed command left, of any content: it is settled or refused, nothing outside of the store changes,
//! and a second look finds nothing more to do.
#![no_main]

mod scratch;

use std::fs;
use std::path::{Path, PathBuf};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use scratch::{directory, with_store};
use serde_json::{Value, json};

/// A path as it may stand in a note.
#[derive(Debug, Arbitrary)]
enum Place {
    Entry(u8),
    Prepared(u8),
    App(u8),
    Aside(u8),
    Outside,
    UpAndOutside,
    ByLink,
    Lock,
    Root,
    Relative(u8),
}

#[derive(Debug, Arbitrary)]
enum Piece {
    Install(Place, Place, Option<Place>),
    Remove(Place, Option<Place>),
    Move(Place, Place),
    Discard(Place, Place),
    SetMode(Place, u32, u32),
}

#[derive(Debug, Arbitrary)]
enum Line {
    Preparing(Vec<Place>),
    Steps(Vec<Piece>),
    Cut(Vec<Piece>, u8),
    Other(Vec<u8>),
}

impl Place {
    fn path(&self, root: &Path) -> PathBuf {
        let outside = directory().join("outside/precious");
        match self {
            Self::Entry(n) => root.join(format!("data/storage-registry/entries/e{}.json", n % 4)),
            Self::Prepared(n) => {
                root.join(format!("data/storage-registry/entries/.e{}.json.new", n % 4))
            }
            Self::App(n) => root.join(format!("config/storage/app{}", n % 4)),
            Self::Aside(n) => root.join(format!("config/storage/.app{}", n % 4)),
            Self::Outside => outside,
            Self::UpAndOutside => root.join("data/../../outside/precious"),
            Self::ByLink => PathBuf::from("/nonexistent/precious"),
            Self::Lock => root.join("data/storage-registry/.lock"),
            Self::Root => root.to_path_buf(),
            Self::Relative(n) => PathBuf::from(format!("root/data/storage/d{}", n % 4)),
        }
    }
}

impl Piece {
    fn json(&self, root: &Path) -> Value {
        let path = |place: &Place| json!(place.path(root));
        let maybe = |place: &Option<Place>| json!(place.as_ref().map(|place| place.path(root)));
        match self {
            Self::Install(temporary, target, before) => {
                json!({"install": {"temporary": path(temporary), "target": path(target), "before": maybe(before)}})
            }
            Self::Remove(target, before) => {
                json!({"remove": {"target": path(target), "before": maybe(before)}})
            }
            Self::Move(from, to) => json!({"move": {"from": path(from), "to": path(to)}}),
            Self::Discard(target, aside) => {
                json!({"discard": {"target": path(target), "aside": path(aside)}})
            }
            Self::SetMode(target, mode, before) => {
                json!({"set_mode": {"target": path(target), "mode": mode & 0o777, "before": before & 0o777}})
            }
        }
    }
}

impl Line {
    fn bytes(&self, root: &Path) -> Vec<u8> {
        let steps = |pieces: &[Piece]| {
            let steps: Vec<Value> = pieces.iter().map(|piece| piece.json(root)).collect();
            json!({ "steps": steps }).to_string().into_bytes()
        };
        match self {
            Self::Preparing(files) => {
                let files: Vec<PathBuf> = files.iter().map(|place| place.path(root)).collect();
                json!({"preparing": {"files": files, "directories": []}}).to_string().into_bytes()
            }
            Self::Steps(pieces) => steps(pieces),
            Self::Cut(pieces, at) => {
                let bytes = steps(pieces);
                bytes[..bytes.len() * usize::from(*at) / 256].to_vec()
            }
            // Without a slash it cannot name a place on this machine.
            Self::Other(bytes) => {
                bytes.iter().copied().filter(|byte| !b"/\\".contains(byte)).collect()
            }
        }
    }
}

fuzz_target!(|lines: Vec<Line>| {
    let outside = directory().join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("precious"), "precious").unwrap();
    with_store(|root, store| {
        for app in 0..2 {
            fs::create_dir_all(root.join(format!("config/storage/app{app}"))).unwrap();
            fs::write(root.join(format!("data/storage-registry/entries/e{app}.json")), "{}")
                .unwrap();
            fs::write(root.join(format!("data/storage-registry/entries/.e{app}.json.new")), "{}")
                .unwrap();
        }
        let lock = store.layout().lock();
        let _ = fs::remove_dir_all(&lock);
        let note: Vec<Vec<u8>> = lines.iter().map(|line| line.bytes(root)).collect();
        fs::write(&lock, note.join(&b'\n')).unwrap();
        // A note about the lock itself, or about all of the store, can leave anything in the lock's place.
        let names_lock = |line: &Line| {
            let text = format!("{line:?}");
            text.contains("Lock") || text.contains("Root")
        };
        if store.recover().is_ok() && !lines.iter().any(names_lock) {
            assert!(fs::read(&lock).unwrap_or_default().is_empty(), "the note is still there");
            store.recover().unwrap();
        }
    });
    let left: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [outside.join("precious")], "something outside has changed");
    assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "precious");
});
