//! README's examples, run as they stand there, in order, in throw-away folders; and whether README and the
//! other documents name what there is.
//!
//! An example is a line `$ COMMAND` in a block marked `console`, with further lines of the command behind `> `
//! and what it prints below, on standard output and standard error together. A line `...` stands for any lines.
//! `dokku-storage` runs on a store of its own, `dokku` on a Dokku-like host, `ssh` goes to the same host.
//!
//! `UPDATE_README=1 cargo test --test readme` writes what the examples print now into README.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[path = "harness/mod.rs"]
mod harness;

use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;
use dokku_storage::catalog::{self, Kind, Row};
use dokku_storage::testing::type_names;
use harness::{Host, repository, say, stubs};

/// How long an example may take; one of them installs the program and tries it out.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where README says that things are, and where they are below the throw-away root.
const PLACES: [(&str, &str); 4] = [
    ("/var/lib/dokku", "lib"),
    ("/home/dokku", "home"),
    ("/home/ada", "ada"),
    ("/mnt/disk2", "disk2"),
];

/// Where README says that the repository is.
const REPOSITORY: &str = "/home/ada/dokku-storage";

/// The apps of README's host.
const APPS: [&str; 4] = ["blog", "gallery", "shop", "web-prod"];

/// Dokku's part: the environment, the global flags, and the file of the plugin that a command is.
const DOKKU: &str = r#"#!/bin/bash
root=$(dirname "$(dirname "$0")")
. "$root/dokku-environment"
export PATH="$root/bin:$PATH"
plugin=$PLUGIN_AVAILABLE_PATH/storage
arguments=("$@")
while [[ $1 == --* ]]; do
  case $1 in
    --quiet) export DOKKU_QUIET_OUTPUT=1 ;;
    --force) export DOKKU_APPS_FORCE_DELETE=1 ;;
    --app) export DOKKU_APP_NAME=$2; shift ;;
  esac
  shift
done
case $1 in
  storage) exec "$plugin/subcommands/default" "$@" ;;
  help | storage:help) "$plugin/commands" "$@" ;;
  storage:*) exec "$plugin/subcommands/${1#storage:}" "$@" ;;
  plugin:trigger) exec "$plugin/$2" "${@:3}" ;;
  *) echo "the stand-in for dokku has no $1" >&2; exit 1 ;;
esac
"#;

/// What plugn would find in other plugins: a scheduler that runs a command where the entry's data is at `/data`, and that sets no working
/// directory.
const PLUGN: &str = r#"#!/bin/bash
if [[ $2 == scheduler-storage-exec ]]; then
  data=$DOKKU_LIB_ROOT/data/storage/$4
  while [[ $# -gt 0 && $1 != -- ]]; do shift; done
  cd /proc || exit # where nobody can write
  words=()
  for word in "${@:2}"; do
    [[ $word != /data && $word != /data/* ]] || word=$data${word#/data}
    words+=("$word")
  done
  exec "${words[@]}"
fi
exec "$STUB_DIR/bin/plugn" "$@"
"#;

/// A connection to the host's forced command.
const SSH: &str = "#!/bin/bash\nSSH_USER=dokku SSH_NAME=ada exec dokku \"${@:2}\"\n";

/// The host's Docker, as far as volumes go: it keeps them as files, and has two from before.
const DOCKER: &str = r#"#!/bin/bash
kept=$STUB_DIR/volumes
[[ $1 == volume ]] || exit 0
name=${*: -1}
case $2 in
  inspect) cat "$kept/$name" 2>/dev/null || { echo "Error: No such volume: $name" >&2; exit 1; } ;;
  rm) rm -f "$kept/$name" ;;
  create)
    driver=local options=
    for ((at = 3; at < $#; at += 2)); do
      value=${@:at+1:1}
      case ${!at} in
        --driver) driver=$value ;;
        --opt) options+=",\"${value%%=*}\":\"${value#*=}\"" ;;
      esac
    done
    printf '[{"Name":"%s","Driver":"%s","Options":{%s}}]' "$name" "$driver" "${options#,}" >"$kept/$name"
    ;;
esac
"#;

/// What rclone would list of the bucket that README speaks of.
const RCLONE: &str = "#!/bin/bash\nprintf '%s\\n' covers/ list.txt\n";

/// The repository's `install.sh`, kept away from a Dokku and from the programs of this machine.
const INSTALL: &str = r#"#!/bin/bash
export DOKKU_LIB_ROOT=$HOME/no-dokku-here DOKKU_STORAGE_PREFIX=$HOME/.local DOCKER_BIN=no-docker-here
exec @repository@/install.sh "$@"
"#;

/// What an app declares that it needs.
const APP_JSON: &str = r#"{"storage": {"needs": [
  {"id": "assets", "description": "pictures of the site", "path": "/srv/assets", "mode": "ro"},
  {"id": "drafts", "description": "unpublished pages", "path": "/srv/drafts", "optional": true}
]}}
"#;

struct Example {
    /// The line of its command, counted from 1.
    number: usize,
    command: String,
    expected: Vec<String>,
    /// The lines of the file that hold what is expected, counted from 0.
    lines: Range<usize>,
}

#[test]
fn every_example_prints_what_it_says() {
    let path = repository().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let examples = examples(&readme);
    let machine = Machine::new();
    let mut wrong = String::new();
    let mut updated: Vec<String> = readme.lines().map(str::to_owned).collect();
    let mut changes = Vec::new();
    for example in &examples {
        let got = machine.run(&example.command);
        if !matches(&example.expected, &got) {
            let (expected, printed) = (example.expected.join("\n"), got.join("\n"));
            let Example { number, command, .. } = example;
            let _ = writeln!(
                wrong,
                "README.md:{number}: $ {command}\n--- README\n{expected}\n--- printed\n{printed}\n"
            );
            changes.push((example.lines.clone(), got));
        }
    }
    say(&format!("readme: {} examples were run, {} differ", examples.len(), changes.len()));
    if wants_update() {
        for (lines, got) in changes.into_iter().rev() {
            updated.splice(lines, got);
        }
        fs::write(path, updated.join("\n") + "\n").unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{wrong}UPDATE_README=1 cargo test --test readme writes these down");
    assert!(examples.len() >= 60, "examples were lost: {} are left", examples.len());
}

#[test]
fn every_command_has_an_example() {
    let readme = read("README.md");
    let examples = examples(&readme);
    for row in subcommands() {
        let name = match row.name {
            "default" => "storage".to_owned(),
            name => format!("storage:{name}"),
        };
        let is_run = |example: &Example| {
            let mut words = example.command.split([' ', '\n', ';', '|', '(', ')']);
            words.any(|word| word == name)
        };
        assert!(examples.iter().any(is_run), "README has no example of {name}");
    }
}

#[test]
fn every_flag_and_property_stands_beside_its_command() {
    let readme = read("README.md");
    let host = Host::new(&[]);
    let mut checked = 0;
    for row in subcommands().filter(|row| row.name != "default") {
        let heading = format!("### `storage:{}", row.name);
        let start = readme
            .lines()
            .position(|line| {
                line.starts_with(&heading) && line[heading.len()..].starts_with([' ', '`'])
            })
            .unwrap_or_else(|| panic!("README has no heading {heading}`"));
        let section: Vec<&str> =
            readme.lines().skip(start + 1).take_while(|line| !line.starts_with('#')).collect();
        let section = section.join("\n");
        let help = host.call(&format!("subcommands/{}", row.name)).words(["x", "--help"]).run();
        for flag in help.stderr.lines().filter_map(|line| line.trim().strip_prefix("--")) {
            let flag = format!("`--{}", flag.split(' ').next().unwrap());
            assert!(section.contains(&flag), "README says nothing of {flag}` below {heading}`");
            checked += 1;
        }
    }
    assert!(checked >= 30, "only {checked} flags were found");
}

#[test]
fn every_trigger_stands_in_readme() {
    let readme = read("README.md");
    for row in catalog::of_kind(Kind::Trigger) {
        let name = format!("`{}`", row.name);
        assert!(readme.contains(&name), "README says nothing of the trigger {name}");
    }
}

#[test]
fn every_file_that_the_documents_name_is_there() {
    let mut missing = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let text = read(document);
        let named = text.split('`').skip(1).step_by(2).chain(linked(&text));
        for name in named.filter(|name| is_ours(name)) {
            let path = name.split(['#', ' ']).next().unwrap();
            if !repository().join(path).exists() {
                missing.push(format!("{document}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "the documents name what is not there:\n{}", missing.join("\n"));
}

/// Whether a name in a document is that of a file of the repository, one in particular.
fn is_ours(name: &str) -> bool {
    let folders =
        ["src/", "tests/", "fuzz/", "commands/", "subcommands/", "triggers/", ".ci/", "./"];
    let file = Path::new(name.split('#').next().unwrap());
    let is_document = file.extension().is_some_and(|extension| extension == "md");
    (folders.iter().any(|folder| name.starts_with(folder)) || is_document)
        && !name.contains(['*', '{', '<', '…', '\n'])
        && !name.contains("NAME")
}

/// The targets of a document's links.
fn linked(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

fn subcommands() -> impl Iterator<Item = &'static Row> {
    catalog::of_kind(Kind::Subcommand).chain(catalog::of_kind(Kind::Addition))
}

fn read(document: &str) -> String {
    fs::read_to_string(repository().join(document)).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the environment of the test, not of the program")]
fn wants_update() -> bool {
    std::env::var_os("UPDATE_README").is_some()
}

/// The examples of a document, in order.
fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut is_inside = false;
    for (index, line) in text.lines().enumerate() {
        if let Some(kind) = line.strip_prefix("```") {
            is_inside = kind == "console";
        } else if is_inside && let Some(command) = line.strip_prefix("$ ") {
            found.push(Example {
                number: index + 1,
                command: command.to_owned(),
                expected: Vec::new(),
                lines: index + 1..index + 1,
            });
        } else if is_inside {
            let example = found.last_mut().unwrap();
            match line.strip_prefix("> ") {
                Some(more) if example.expected.is_empty() => {
                    example.command.push('\n');
                    example.command.push_str(more);
                    example.lines = index + 1..index + 1;
                }
                _ => {
                    example.expected.push(line.to_owned());
                    example.lines.end = index + 1;
                }
            }
        }
    }
    found
}

/// Whether what was printed is what is expected; a line `...` stands for any number of lines. Columns may be of
/// other widths, since paths are longer or shorter below the throw-away root.
fn matches(expected: &[String], got: &[String]) -> bool {
    match expected.split_first() {
        None => got.is_empty(),
        Some((line, rest)) if line == "..." => {
            (0..=got.len()).any(|skipped| matches(rest, &got[skipped..]))
        }
        Some((line, rest)) => got
            .split_first()
            .is_some_and(|(first, others)| is_same(line, first) && matches(rest, others)),
    }
}

fn is_same(expected: &str, got: &str) -> bool {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    indentation(expected) == indentation(got)
        && expected.split_whitespace().eq(got.split_whitespace())
}

/// README's host has what every type needs, which the host of the test may not have.
fn with_all_types(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        [name, _, "no", ..] if type_names().contains(&name) => line.replacen(" no  ", " yes ", 1),
        _ => line.to_owned(),
    }
}

/// README's machine: a user's home, and a Dokku host.
struct Machine {
    host: Host,
}

impl Machine {
    fn new() -> Self {
        let host = Host::new(&APPS);
        let environment = host.call("subcommands/default").around("export -p").run().stdout;
        host.write("dokku-environment", host.expand(&environment));
        for folder in ["ada/dokku-storage", "bin", "disk2"] {
            host.make_directory(folder);
        }
        let install = INSTALL.replace("@repository@", repository().to_str().unwrap());
        for (name, text) in [
            ("bin/dokku", DOKKU),
            ("bin/plugn", PLUGN),
            ("bin/rclone", RCLONE),
            ("bin/ssh", SSH),
            ("stub/bin/docker", DOCKER),
            ("ada/dokku-storage/install.sh", &install),
        ] {
            stubs::script(&host.path(name), text);
        }
        host.answer("storage-status", "Bound\n");
        for volume in ["gallery-cache", "claims-volume"] {
            host.write(&format!("stub/volumes/{volume}"), r#"[{"Driver":"local"}]"#);
        }
        host.write("ada/dokku-storage/app.json", APP_JSON);
        for secret in ["key-secret", "next-secret"] {
            host.write(&format!("ada/dokku-storage/{secret}"), format!("{secret} of no server\n"));
        }
        // A mount from before Dokku had a storage plugin.
        host.write(
            "lib/config/docker-options/shop/_default_.deploy",
            "-v /srv/shop:/app/data\n--memory 1g\n",
        );
        Self { host }
    }

    /// Runs a command in a shell and returns the lines that it prints.
    fn run(&self, command: &str) -> Vec<String> {
        let below = |name: &str| self.host.path(name).to_str().unwrap().to_owned();
        let mut line = command.to_owned();
        for (shown, real) in PLACES {
            line = line.replace(shown, &below(real));
        }
        let path = [
            below("ada/.local/bin"),
            below("bin"),
            below("stub/bin"),
            "/usr/local/bin:/usr/bin:/bin".to_owned(),
        ];
        let output = Command::new("bash")
            .args(["-c", &format!("exec 2>&1\n{line}")])
            .env_clear()
            .env("PATH", path.join(":"))
            .env("HOME", below("ada"))
            .env("LC_ALL", "C.UTF-8")
            .env("DOKKU_STORAGE_ROOT", below("ada/.local/share/dokku-storage"))
            .env("DOKKU_STORAGE_BINARY", harness::PROGRAM)
            .current_dir(self.host.path("ada/dokku-storage"))
            .timeout(PATIENCE)
            .output()
            .unwrap();
        let mut text = String::from_utf8(output.stdout).unwrap();
        for (shown, real) in PLACES {
            text = text.replace(&below(real), shown);
        }
        text = text.replace(repository().to_str().unwrap(), REPOSITORY);
        // README's host has a name of its own.
        let node = dokku_storage::testing::node();
        text = text
            .replace(&format!("\"node\": \"{node}\""), "\"node\": \"dokku-host\"")
            .replace(&format!("Node:             {node}"), "Node:             dokku-host");
        text.lines().map(|line| with_all_types(line.trim_end())).collect()
    }
}
