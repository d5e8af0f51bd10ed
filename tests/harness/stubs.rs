//! Stand-ins for plugn, docker and sudo, and what plugn's stand-in noted.
//!
//! Each answers from files: `answers/NAME` is what it prints, `answers/NAME.exit` the status it ends with.

use std::fs;
use std::path::Path;

/// Notes each trigger as a directory `fired/N` with the files `name`, `arguments` (ended by NUL) and `stdin`.
/// Only what the triggers of storage entries are told on standard input is read.
const PLUGN: &str = r#"#!/bin/sh
[ "$1" = trigger ] || exit 0
name=$2
shift 2
number=1000
until mkdir "$STUB_DIR/fired/$number" 2>/dev/null; do number=$((number + 1)); done
note=$STUB_DIR/fired/$number
printf %s "$name" >"$note/name"
: >"$note/arguments"
[ $# -eq 0 ] || printf '%s\0' "$@" >"$note/arguments"
: >"$note/stdin"
case $name in
  storage-create | storage-destroy | storage-status) [ -t 0 ] || cat >"$note/stdin" ;;
esac
[ ! -f "$STUB_DIR/answers/$name" ] || cat "$STUB_DIR/answers/$name"
[ ! -f "$STUB_DIR/answers/$name.exit" ] || exit "$(cat "$STUB_DIR/answers/$name.exit")"
exit 0
"#;

/// Answers `docker info` from `answers/docker-info`, and likewise for its other commands; notes all but these questions. No
/// container runs after `docker stop` where `answers/docker-stop.ends` is there. `answers/docker-ps.all` is for `docker ps -a`.
const DOCKER: &str = r#"#!/bin/sh
case $1 in
  info | version) ;;
  *) printf '%s\n' "docker" "$@" >>"$STUB_DIR/docker-calls" ;;
esac
all=
[ "$1 $2" != "ps -aq" ] || [ ! -f "$STUB_DIR/answers/docker-ps.all" ] || all=.all
[ ! -f "$STUB_DIR/answers/docker-$1$all" ] || cat "$STUB_DIR/answers/docker-$1$all"
[ ! -f "$STUB_DIR/answers/docker-$1.errors" ] || cat "$STUB_DIR/answers/docker-$1.errors" >&2
[ ! -f "$STUB_DIR/answers/docker-$1.ends" ] || rm -f "$STUB_DIR/answers/docker-ps"
[ ! -f "$STUB_DIR/answers/docker-$1.exit" ] || exit "$(cat "$STUB_DIR/answers/docker-$1.exit")"
exit 0
"#;

/// Runs the command as who calls. Who is not root cannot give directorys away, which is then left out.
const SUDO: &str = r#"#!/bin/sh
while :; do case "$1" in -*) shift ;; *) break ;; esac; done
case $1 in */chown-storage-dir) [ "$(id -u)" = 0 ] || exit 0 ;; esac
exec "$@"
"#;

/// Writes the stand-ins below a directory.
pub fn write(directory: &Path) {
    for sub in ["bin", "answers", "fired"] {
        fs::create_dir_all(directory.join(sub)).unwrap();
    }
    for (name, text) in [("plugn", PLUGN), ("docker", DOCKER), ("sudo", SUDO)] {
        script(&directory.join("bin").join(name), text);
    }
}

/// Writes an executable file, by another process: a program that this one starts meanwhile in another thread would have the file
/// open to write for a moment, too, and nobody could run it ("text file busy").
pub fn script(path: &Path, text: &str) {
    let mut shell = assert_cmd::Command::new("/bin/sh");
    shell.args(["-c", r#"rm -f "$0" && cat >"$0" && chmod 0755 "$0""#]).arg(path);
    shell.write_stdin(text).assert().success();
}

/// A trigger that was fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it was told on standard input.
    pub stdin: String,
}

/// Takes the notes of the triggers fired so far, in order, and forgets them.
pub fn take_fired(directory: &Path) -> Vec<Fired> {
    let notes = directory.join("fired");
    let mut names: Vec<_> = fs::read_dir(&notes).unwrap().map(|n| n.unwrap().path()).collect();
    names.sort_unstable();
    let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let mut fired = Vec::new();
    for note in names {
        let arguments = text(&note.join("arguments"));
        fired.push(Fired {
            name: text(&note.join("name")),
            arguments: arguments.split_terminator('\0').map(str::to_owned).collect(),
            stdin: text(&note.join("stdin")),
        });
        for file in ["name", "arguments", "stdin"] {
            fs::remove_file(note.join(file)).unwrap();
        }
        fs::remove_dir(note).unwrap();
    }
    fired
}
