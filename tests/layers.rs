//! Every arrow points down: a room of the house uses the rooms that ARCHITECTURE.md has below it, and no others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[path = "harness/mod.rs"]
mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use harness::{repository, source_files};

/// The rooms that doors are in.
const DOORS: [&str; 3] = ["commands", "triggers", "privileged"];

/// The rows of ARCHITECTURE.md's table, from the top; a row is the rooms on one floor.
fn floors() -> BTreeMap<String, usize> {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let table = text.split("| rooms |").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut floors = BTreeMap::new();
    for (floor, row) in table.lines().skip(2).enumerate() {
        for room in row.split('|').nth(1).unwrap().split(',') {
            floors.insert(room.trim().trim_matches('`').to_owned(), floor);
        }
    }
    floors
}

/// Every source file, with its room.
fn files() -> Vec<(String, PathBuf)> {
    let src = repository().join("src");
    let with_room = |path: PathBuf| {
        let first = path.strip_prefix(&src).unwrap().iter().next().unwrap();
        (first.to_str().unwrap().trim_end_matches(".rs").to_owned(), path)
    };
    source_files().into_iter().map(with_room).collect()
}

/// The paths at the beginning of a text, and what is behind them: `a::{b, c::d as e}` is `a::b` and `a::c::d`.
fn paths(text: &str) -> (Vec<String>, &str) {
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut all = Vec::new();
        loop {
            let (some, behind) = paths(rest.trim_start());
            all.extend(some);
            // Not the name that one gets here.
            rest = behind.trim_start_matches(|letter| letter != ',' && letter != '}');
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => return (all, rest.strip_prefix('}').unwrap_or(rest)),
            }
        }
    }
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let (name, rest) = text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()));
    let Some(rest) = rest.strip_prefix("::") else {
        return (vec![name.to_owned()], rest);
    };
    let (below, rest) = paths(rest);
    (below.into_iter().map(|path| format!("{name}::{path}")).collect(), rest)
}

/// The paths that a text names behind a word such as `crate::`, without its comments and its unit tests.
fn named(text: &str, behind: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap()).collect();
    code.join("\n").split(behind).skip(1).flat_map(|rest| paths(rest).0).collect()
}

/// The rooms that a text names.
fn used(text: &str) -> Vec<String> {
    let room = |path: String| path.split("::").next().unwrap().to_owned();
    named(text, "crate::").into_iter().map(room).filter(|room| !room.is_empty()).collect()
}

/// The file of a module, or of the module that something is in: the longest part of the path that is one.
fn file_of(path: &str) -> Option<PathBuf> {
    let file = |path: &str| {
        let path = repository().join("src").join(path.replace("::", "/"));
        [path.with_extension("rs"), path.join("mod.rs")].into_iter().find(|path| path.is_file())
    };
    file(path).or_else(|| file_of(path.rsplit_once("::")?.0))
}

/// The module that a file is.
fn module(path: &Path) -> String {
    let path = path.strip_prefix(repository().join("src")).unwrap().with_extension("");
    let path = path.to_str().unwrap();
    path.strip_suffix("/mod").unwrap_or(path).replace('/', "::")
}

/// The modules that a file names from itself, from above it, and from the crate's root.
fn uses(path: &Path) -> Vec<PathBuf> {
    let (text, module) = (fs::read_to_string(path).unwrap(), module(path));
    let above = module.rsplit_once("::").map_or("", |(above, _)| above);
    let below = |from: &str, behind| {
        let found = named(&text, behind).into_iter();
        found.map(|path| format!("{from}::{path}")).collect::<Vec<_>>()
    };
    let all = [named(&text, "crate::"), below(above, "super::"), below(&module, "use ")];
    all.concat().iter().filter_map(|path| file_of(path)).collect()
}

#[test]
fn every_room_has_a_floor() {
    let floors = floors();
    let unknown: Vec<_> =
        files().into_iter().filter(|(room, _)| !floors.contains_key(room)).collect();
    assert!(unknown.is_empty(), "ARCHITECTURE.md has no floor for: {unknown:?}");
}

#[test]
fn no_arrow_points_up_or_to_the_side() {
    let floors = floors();
    let mut wrong = Vec::new();
    for (room, path) in files() {
        for used in used(&fs::read_to_string(&path).unwrap()) {
            let Some(floor) = floors.get(&used) else {
                continue; // a macro, or a name in the crate's root
            };
            let is_down = *floor > floors[&room];
            // The rooms at the top are one crate root.
            if used != room && !is_down && !matches!(room.as_str(), "lib" | "main") {
                let path = path.strip_prefix(repository()).unwrap().display();
                wrong.push(format!("{path} uses crate::{used}"));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "arrows that do not point down:\n{}", wrong.join("\n"));
}

/// A door is a file of [`DOORS`] whose function a row of the catalog names; what is below its directory is a part of it.
#[test]
fn no_door_uses_another() {
    let catalog = fs::read_to_string(repository().join("src/catalog.rs")).unwrap();
    let mut called = named(&catalog, "=> ");
    called.retain(|path| DOORS.iter().any(|room| path.starts_with(&format!("{room}::"))));
    let door = |path: &String| {
        let file = file_of(path).unwrap();
        let function = format!("fn {}(", path.rsplit_once("::").unwrap().1);
        assert!(fs::read_to_string(&file).unwrap().contains(&function), "{path} is no full path");
        file
    };
    let doors: BTreeSet<PathBuf> = called.iter().map(door).collect();
    assert!(doors.len() > 50, "{doors:?}");
    let mut wrong = BTreeSet::new();
    for (_, path) in files().into_iter().filter(|(room, _)| DOORS.contains(&room.as_str())) {
        let is_part =
            |door: &Path| door.ends_with("mod.rs") && path.starts_with(door.parent().unwrap());
        for door in uses(&path) {
            if door != path && doors.contains(&door) && !is_part(&door) {
                wrong.insert(format!("{} uses {}", module(&path), module(&door)));
            }
        }
    }
    assert!(wrong.is_empty(), "doors that use other doors: {wrong:#?}");
}

#[test]
fn no_door_changes_the_store() {
    let doors = files().into_iter().filter(|(room, _)| DOORS.contains(&room.as_str()));
    let changes = |path: &PathBuf| fs::read_to_string(path).unwrap().contains(".change(");
    let wrong: Vec<PathBuf> = doors.map(|(_, path)| path).filter(changes).collect();
    assert!(wrong.is_empty(), "what changes the store belongs into an operation: {wrong:#?}");
}

#[test]
fn what_is_used_is_found_in_every_form() {
    let text =
        "use crate::a::b;\nuse crate::{c, d::{e, f}, g};\n// crate::h\nlet x = crate::i::j();";
    assert_eq!(used(text), ["a", "c", "d", "d", "g", "i"]);
    assert_eq!(named(text, "crate::")[..4], ["a::b", "c", "d::e", "d::f"]);
    assert_eq!(used("#[cfg(test)]\nmod tests { use crate::a; }"), [""; 0]);
}
