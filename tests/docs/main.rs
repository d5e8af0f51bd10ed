//! The pages for operators: their examples, run as they stand there, in order, each page on a host of its own; the reference page, which
//! is written from the catalog and the commands' help; and whether the documents name what there is.
//!
//! `UPDATE_DOCS=1 cargo test --test docs` writes into the pages what the examples print now, and the reference page.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[path = "../harness/mod.rs"]
mod harness;

mod examples;
mod machine;
mod reference;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use dokku_storage::catalog::{CATALOG, Kind, Row};
use examples::{Example, examples};
use harness::{repository, say, source_files};
use machine::Machine;

/// The page that is written by this test.
const REFERENCE: &str = "docs/reference.md";

/// The most lines that README.md has.
const README_LINES: usize = 150;

#[test]
fn every_example_prints_what_it_says() {
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for page in pages() {
            let wrong = &wrong;
            scope.spawn(move || {
                let text = read(&page);
                let examples = examples(&text);
                if examples.is_empty() {
                    return;
                }
                let (updated, differences) = Machine::new().run_all(&page, &text, &examples);
                say(&format!("{page}: {} examples, {} differ", examples.len(), differences.len()));
                if wants_update() {
                    fs::write(repository().join(&page), updated).unwrap();
                } else {
                    wrong.lock().unwrap().extend(differences);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{}\nUPDATE_DOCS=1 cargo test --test docs writes these",
        wrong.join("\n")
    );
}

#[test]
fn every_command_has_a_section_with_an_example() {
    let examples: Vec<Example> = pages().iter().flat_map(|page| examples(&read(page))).collect();
    assert!(examples.len() >= 150, "examples were lost: {} are left", examples.len());
    let sections = reference::sections();
    for row in subcommands() {
        let name = reference::command(row);
        let is_run = |example: &Example| {
            let mut words = example.command.split([' ', '\n', ';', '|', '(', ')']);
            words.any(|word| word == name)
        };
        assert!(examples.iter().any(is_run), "no page has an example of {name}");
        assert!(sections.contains_key(&name), "no heading in docs/ names `{name}`");
    }
}

#[test]
fn the_reference_says_what_the_program_takes() {
    let written = reference::page();
    if wants_update() {
        fs::write(repository().join(REFERENCE), &written).unwrap();
    }
    assert!(
        read(REFERENCE) == written,
        "{REFERENCE} is not as the catalog and the flags are; UPDATE_DOCS=1 cargo test --test docs writes it"
    );
}

#[test]
fn every_trigger_and_finding_is_explained() {
    let all: String = pages().iter().map(|page| read(page)).collect();
    let triggers = CATALOG.of_kind(Kind::Trigger).map(|row| row.name.to_owned());
    let findings = findings();
    assert!(findings.len() >= 15, "only {} codes of findings were found", findings.len());
    for name in triggers.chain(findings) {
        assert!(all.contains(&format!("`{name}`")), "no page says what `{name}` is");
    }
}

#[test]
fn readme_stays_one_page() {
    let lines = read("README.md").lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines; {README_LINES} are its most");
    for page in pages().iter().filter(|page| page.starts_with("docs/")) {
        assert!(
            read("README.md").contains(&format!("({page})")),
            "README.md has no link to {page}"
        );
    }
}

#[test]
fn every_file_that_the_documents_name_is_there() {
    let own = ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let documents = pages().into_iter().chain(own.map(str::to_owned));
    let mut missing = Vec::new();
    for document in documents {
        let text = read(&document);
        let beside = Path::new(&document).parent().unwrap();
        let named = text.split('`').skip(1).step_by(2).filter(|name| is_ours(name));
        let named = named.map(|name| (repository().join(name), name));
        let is_here = |target: &&str| !target.contains("://") && !target.starts_with('#');
        let linked = linked(&text).filter(is_here).map(|target| {
            (repository().join(beside).join(target.split('#').next().unwrap()), target)
        });
        missing.extend(
            named
                .chain(linked)
                .filter(|(path, _)| !path.exists())
                .map(|(_, name)| format!("{document}: {name}")),
        );
    }
    assert!(missing.is_empty(), "the documents name what is not there:\n{}", missing.join("\n"));
}

#[test]
fn every_link_to_a_heading_finds_it() {
    let mut missing = Vec::new();
    for page in pages() {
        let text = read(&page);
        for target in linked(&text).filter(|target| !target.contains("://")) {
            let Some((file, anchor)) = target.split_once('#') else { continue };
            let file = match file {
                "" => page.clone(),
                file if page.starts_with("docs/") => format!("docs/{file}"),
                file => file.to_owned(),
            };
            if !reference::anchors(&read(&file)).contains(anchor) {
                missing.push(format!("{page}: {target}"));
            }
        }
    }
    assert!(missing.is_empty(), "links lead nowhere:\n{}", missing.join("\n"));
}

/// The pages for operators.
fn pages() -> Vec<String> {
    let docs = fs::read_dir(repository().join("docs")).unwrap();
    let names = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"));
    let mut pages: Vec<String> = names.map(|name| format!("docs/{name}")).collect();
    pages.push("README.md".to_owned());
    pages.sort_unstable();
    pages
}

/// The codes of findings that the source names where it makes them.
fn findings() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for path in source_files() {
        let text = fs::read_to_string(&path).unwrap();
        let made = text.split("Finding::new(").skip(1);
        codes.extend(made.filter_map(|rest| {
            let code = rest.trim_start().strip_prefix('"')?.split('"').next()?;
            Some(code.to_owned())
        }));
    }
    codes
}

/// Whether a name in a document is that of a file of the repository, one in particular.
fn is_ours(name: &str) -> bool {
    let directories = [
        "src/",
        "tests/",
        "fuzz/",
        "commands/",
        "subcommands/",
        "triggers/",
        ".ci/",
        ".github/",
        "docs/",
        "./",
    ];
    let file = Path::new(name);
    let is_document = file.extension().is_some_and(|extension| extension == "md");
    (directories.iter().any(|directory| name.starts_with(directory)) || is_document)
        && !name.contains(['*', '{', '<', '…', '\n', ' '])
        && !name.contains("NAME")
}

/// The targets of a document's links.
fn linked(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

fn subcommands() -> impl Iterator<Item = &'static Row> {
    CATALOG.of_kind(Kind::Subcommand).chain(CATALOG.of_kind(Kind::Addition))
}

fn read(document: &str) -> String {
    fs::read_to_string(repository().join(document)).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the environment of the test, not of the program")]
fn wants_update() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}
