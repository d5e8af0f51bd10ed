//! Every arrow points down: a room of the house uses the rooms that ARCHITECTURE.md has below it, and no others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[path = "harness/mod.rs"]
mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use harness::{repository, source_files};

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

/// The rooms that a text names behind `crate::`, without its comments and its unit tests.
fn used(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap()).collect();
    let code = code.join("\n");
    let mut rooms = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
        let Some(list) = rest.strip_prefix('{') else {
            rooms.push(rest.split(|letter| !is_name(letter)).next().unwrap().to_owned());
            continue;
        };
        // `use crate::{commands, domain::{names, paths}}`: the names at the first depth.
        let (mut depth, mut name, mut is_first) = (0, String::new(), true);
        for letter in list.chars() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    rooms.push(std::mem::take(&mut name));
                    is_first = true;
                }
                letter if depth == 0 && is_name(letter) && is_first => name.push(letter),
                ':' => is_first = false,
                _ => {}
            }
        }
        rooms.push(name);
    }
    rooms.retain(|room| !room.is_empty());
    rooms
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

#[test]
fn what_is_used_is_found_in_every_form() {
    let text =
        "use crate::a::b;\nuse crate::{c, d::{e, f}, g};\n// crate::h\nlet x = crate::i::j();";
    assert_eq!(used(text), ["a", "c", "d", "g", "i"]);
    assert_eq!(used("#[cfg(test)]\nmod tests { use crate::a; }"), [""; 0]);
}
