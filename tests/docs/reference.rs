//! The reference page, and the headings of the other pages that it leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use dokku_storage::catalog::{CATALOG, Kind, Row};
use dokku_storage::testing::flags;

use crate::harness::Host;
use crate::{REFERENCE, pages, read, subcommands};

/// How the page begins.
const HEAD: &str = "\
# Reference

Every command with its arguments, what it does, and its flags. This page is written from the program itself; each command leads to the page
that explains it. On a Dokku host, commands begin with `dokku`; without Dokku, with `dokku-storage`.

Dokku's global flags work, too: `--quiet` leaves headlines out, `--app APP` names the app, `--force` confirms. Flags may stand anywhere before
`--`. The [exit statuses](scripting.md#exit-statuses) are the same for all commands.
";

/// The page.
pub fn page() -> String {
    let host = Host::new(&[]);
    let sections = sections();
    let mut text = HEAD.to_owned();
    let mut rows: Vec<&Row> = subcommands().collect();
    rows.sort_by_key(|row| command(row));
    for row in rows {
        let name = command(row);
        let synopsis = format!("{name} {}", row.arguments);
        let place = sections.get(&name).unwrap_or_else(|| {
            panic!("no heading in docs/ names `{name}`: write its section first");
        });
        let _ = write!(
            text,
            "\n## `{name}`\n\n```text\n{}\n```\n\n{}.",
            synopsis.trim_end(),
            row.summary
        );
        let _ = writeln!(text, " See [{}]({}).", place.title, place.target);
        let file = format!("subcommands/{}", row.name);
        // The list of commands has no help of its own.
        let help = if row.name == "default" {
            String::new()
        } else {
            let answer = host.call(&file).words([name.as_str(), "--help"]).run();
            answer.stdout + &answer.stderr
        };
        let flags = flags(&help);
        if !flags.is_empty() {
            text.push_str("\n| flag | description |\n| --- | --- |\n");
        }
        for flag in flags {
            let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
            let description = flag.description.replace('|', "\\|");
            let _ = writeln!(text, "| `{}{value}` | {description} |", flag.name);
        }
    }
    text.push_str("\n## The program itself\n\nWithout Dokku, the program has these as well.\n\n");
    text.push_str("| command | what it does |\n| --- | --- |\n");
    for row in CATALOG.of_kind(Kind::Own) {
        let call = format!("dokku-storage {} {}", row.name, row.arguments);
        let _ = writeln!(text, "| `{}` | {} |", call.trim_end(), row.summary);
    }
    text
}

/// The full name of a subcommand.
pub fn command(row: &Row) -> String {
    match row.name {
        "default" => "storage".to_owned(),
        name => format!("storage:{name}"),
    }
}

/// Where a command is explained.
#[derive(Debug)]
pub struct Place {
    title: String,
    target: String,
}

/// The first heading of the other pages in `docs/` that names each command.
pub fn sections() -> BTreeMap<String, Place> {
    let mut places = BTreeMap::new();
    for page in pages().into_iter().filter(|page| page.starts_with("docs/") && page != REFERENCE) {
        let text = read(&page);
        let page_title = text.lines().next().unwrap().trim_start_matches("# ").to_owned();
        for heading in headings(&text) {
            for name in heading.split('`').skip(1).step_by(2) {
                let file = page.trim_start_matches("docs/");
                let place = Place {
                    title: page_title.clone(),
                    target: format!("{file}#{}", anchor(heading)),
                };
                places.entry(name.to_owned()).or_insert(place);
            }
        }
    }
    places
}

/// The anchors of a page's headings.
pub fn anchors(text: &str) -> BTreeSet<String> {
    headings(text).map(anchor).collect()
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    let mut is_inside = false;
    text.lines().filter_map(move |line| {
        if line.starts_with("```") {
            is_inside = !is_inside;
        }
        (!is_inside && line.starts_with('#')).then(|| line.trim_start_matches('#').trim())
    })
}

/// The anchor that a heading gets where the pages are shown.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
