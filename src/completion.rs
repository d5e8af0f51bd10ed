//! `completion bash`: prints what bash completes of this program. The commands come from the catalog, their flags from their help.

use crate::context::Context;
use crate::context::row::{Catalog, Kind, Row};
use crate::domain::Result;
use crate::host::Program;
use crate::types;

/// The part of the script that is the same whatever the catalog says.
const FUNCTIONS: &str = include_str!("completion.bash");

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    refuse_if!(words != ["bash"], "name the shell: dokku-storage completion bash");
    let script = script(context.catalog)?;
    context.out.text(&script);
    Ok(())
}

/// A flag, as the help of a command shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// With its dashes.
    pub name: String,
    /// What its value is; none where it takes no value.
    pub value: Option<String>,
    /// What it is for.
    pub description: String,
}

/// The flags in the help of a command: one on each line that begins with dashes.
pub fn flags(help: &str) -> Vec<Flag> {
    help.lines().filter_map(|line| flag(line.trim())).collect()
}

fn flag(line: &str) -> Option<Flag> {
    let (head, description) = line.strip_prefix("--").and(line.split_once("  "))?;
    let (name, value) = match head.split_once(' ') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (head, None),
    };
    let description = description.trim();
    // Dokku's own descriptions begin with the flag's name.
    let description = match description.split_once(": ") {
        Some((named, rest)) if named.starts_with(name) => rest,
        _ => description,
    };
    Some(Flag { name: name.to_owned(), value, description: description.to_owned() })
}

fn script(catalog: Catalog) -> Result<String> {
    let rows: Vec<&Row> = catalog.of_dokku().chain(catalog.of_kind(Kind::Addition)).collect();
    let own = catalog.of_kind(Kind::Own).map(|row| row.name.to_owned());
    let containers =
        catalog.of_kind(Kind::Trigger).filter(|row| row.name.starts_with("docker-args"));
    let commands: Vec<String> = rows
        .iter()
        .map(|row| row.command())
        .chain(containers.map(|row| row.name.to_owned()))
        .chain(own)
        .collect();
    let types: Vec<&str> = types::ALL.iter().map(|kind| kind.description().name).collect();
    let mut cases = Vec::new();
    for row in &rows {
        cases.push(case(row)?);
    }
    Ok(FUNCTIONS
        .replace("@commands@", &commands.join(" "))
        .replace("@types@", &types.join(" "))
        .replace("    @cases@) ;;", &cases.join("\n")))
}

/// What the script knows of a command.
fn case(row: &Row) -> Result<String> {
    let command = row.command();
    let help = Program::this("dokku-storage", &[&command, "--help"]).run()?;
    let flags = flags(if row.kind == Kind::Addition { &help.stdout } else { &help.stderr });
    let listed = |has_value: bool| {
        let names = flags.iter().filter(|flag| flag.value.is_some() == has_value);
        names.map(|flag| flag.name.as_str()).collect::<Vec<_>>().join(" ")
    };
    let positionals: Vec<String> =
        positionals(row.arguments).iter().map(|label| offer(row.name, label)).collect();
    Ok(format!(
        "    {command}) switches='{}' valued='{}' formats='{}' places=({}) ;;",
        listed(false),
        listed(true),
        formats(row.arguments),
        positionals.iter().map(|place| format!("'{place}'")).collect::<Vec<_>>().join(" "),
    ))
}

fn formats(synopsis: &str) -> String {
    let values = synopsis.split("--format ").nth(1).unwrap_or("text|json");
    values.split([']', ' ']).next().unwrap_or_default().replace('|', " ")
}

fn positionals(synopsis: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut words = synopsis.split(' ');
    while let Some(word) = words.next() {
        if word == "<" || word == "|" {
            break;
        }
        let is_open = word.starts_with('[') && !word.contains(']');
        let label = word.trim_matches(['[', ']']);
        if label.starts_with("--") {
            if is_open {
                words.find(|word| word.ends_with(']'));
            } else if !word.starts_with('[') {
                words.next();
            }
        } else if !label.is_empty() && !["flags", "<flag>"].contains(&label) {
            found.push(label);
            if label.ends_with("|--app") {
                // The flag's value.
                words.next();
            }
        }
    }
    found
}

/// What the script offers in the place of an argument: `@` and the name of a list, or words.
fn offer(command: &str, label: &str) -> String {
    let family = command.split(':').next().unwrap_or_default();
    let is_new = label == "<name>" && command.ends_with("create");
    let list = match (family, label) {
        _ if is_new => "",
        (_, "<connector>") => "@connectors",
        ("snapshots", "<name>") => "@snapshots",
        ("trash", _) => "@trash",
        ("types", _) => "@types",
        (_, "<name>" | "<entry>" | "<entry>|--app" | "<host-dir:container-dir>") => "@entries",
        (_, words) if !words.contains('<') => return words.replace('|', " "),
        _ => "",
    };
    list.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_from_help() {
        let help = "Usage of storage:x:\n      --all          --all: every app\n      --format string   the format (text, json)\n -> --not";
        let flag = |name: &str, value: Option<&str>, description: &str| Flag {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            description: description.to_owned(),
        };
        let wanted = [
            flag("--all", None, "every app"),
            flag("--format", Some("string"), "the format (text, json)"),
        ];
        assert_eq!(flags(help), wanted);
    }

    #[test]
    fn positional_arguments_are_read_from_the_synopsis() {
        for (synopsis, wanted) in [
            ("", &[][..]),
            ("<name> [<path>] [flags]", &["<name>", "<path>"]),
            ("<app> [--plan] < mounts.json", &["<app>"]),
            ("[--chown option] <directory>", &["<directory>"]),
            ("<name> [-- <cmd>...]", &["<name>"]),
            ("[<entry>|--app <app>] [--format text|json]", &["<entry>|--app"]),
            ("<entry>|--app <app>|--all <when> [flags]", &["<entry>|--app", "<when>"]),
            ("<backup>|<entry>@<day> [--as <name>|--in-place]", &["<backup>|<entry>@<day>"]),
            ("<name> --type <type> [flags]", &["<name>"]),
            ("<id>|<name> [--as <name>]", &["<id>|<name>"]),
            ("<name> <property> [<value>] | [flags]", &["<name>", "<property>", "<value>"]),
        ] {
            assert_eq!(positionals(synopsis), wanted, "{synopsis}");
        }
    }
}
