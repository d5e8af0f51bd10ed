//! The machine that the examples of a page run on: a user's home, and a Dokku host. `dokku-storage` runs on a store of its own, `dokku`
//! on the host, `ssh` goes to the same host.

use std::time::Duration;

use assert_cmd::Command;
use dokku_storage::testing::type_names;

use crate::examples::{Example, matches};
use crate::harness::{Host, program_under_test, repository, stubs};

/// How long an example may take; one of them installs the program and tries it out.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the pages say that things are, and where they are below the throw-away root.
const PLACES: [(&str, &str); 4] = [
    ("/var/lib/dokku", "lib"),
    ("/home/dokku", "home"),
    ("/home/ada", "ada"),
    ("/mnt/disk2", "disk2"),
];

/// Where the pages say that the repository is.
const REPOSITORY: &str = "/home/ada/dokku-storage";

/// The apps of the pages' host.
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
/// directory. As Dokku's, it gives Docker no input of its own.
const PLUGN: &str = r#"#!/bin/bash
if [[ $2 == scheduler-storage-exec ]]; then
  data=$DOKKU_LIB_ROOT/data/storage/$4
  while [[ $# -gt 0 && $1 != -- ]]; do shift; done
  exec "${DOCKER_BIN:-docker}" run "$data" "${@:2}" </dev/null
fi
exec "$STUB_DIR/bin/plugn" "$@"
"#;

/// A connection to the host's forced command.
const SSH: &str = "#!/bin/bash\nSSH_USER=dokku SSH_NAME=ada exec dokku \"${@:2}\"\n";

/// The host's Docker, as far as volumes go: it keeps them as files, and has two from before. What the scheduler runs in a container
/// runs beside the data.
const DOCKER: &str = r#"#!/bin/bash
kept=$STUB_DIR/volumes
if [[ $1 == run ]]; then
  data=$2 words=()
  cd /proc || exit # where nobody can write
  for word in "${@:3}"; do
    [[ $word != /data && $word != /data/* ]] || word=$data${word#/data}
    words+=("$word")
  done
  exec "${words[@]}"
fi
[[ $1 == volume ]] || exit 0
name=${*: -1}
case $2 in
  inspect)
    found=$(cat "$kept/$name" 2>/dev/null) && { [[ $3 == -f ]] && echo "$found" || echo "[$found]"; } || { echo "Error: No such volume: $name" >&2; exit 1; } ;;
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
    printf '{"Name":"%s","Driver":"%s","Options":{%s}}' "$name" "$driver" "${options#,}" >"$kept/$name"
    ;;
esac
"#;

/// What rclone would list of the bucket that the pages speak of.
const RCLONE: &str = "#!/bin/bash\nprintf '%s\\n' covers/ list.txt\n";

/// The repository's `install.sh`, kept away from a Dokku and from the programs of this machine.
const INSTALL: &str = r#"#!/bin/bash
export DOKKU_LIB_ROOT=$HOME/no-dokku-here DOKKU_STORAGE_PREFIX=$HOME/.local DOCKER_BIN=no-docker-here DOKKU_STORAGE_CRON=no
exec @repository@/install.sh "$@"
"#;

/// What an app declares that it needs.
const APP_JSON: &str = r#"{"storage": {"needs": [
  {"id": "assets", "description": "pictures of the site", "path": "/srv/assets", "mode": "ro"},
  {"id": "drafts", "description": "unpublished pages", "path": "/srv/drafts", "optional": true}
]}}
"#;

/// The pages' host has what every type needs, which the host of the test may not have.
fn with_all_types(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        [name, _, "no", ..] if type_names().contains(&name) => line.replacen(" no  ", " yes ", 1),
        _ => line.to_owned(),
    }
}

/// A machine of the pages.
#[derive(Debug)]
pub struct Machine {
    host: Host,
}

impl Machine {
    /// One that nothing was done on yet.
    pub fn new() -> Self {
        let host = Host::new(&APPS);
        let environment = host.call("subcommands/default").around("export -p").run().stdout;
        host.write("dokku-environment", host.expand(&environment));
        for directory in ["ada/dokku-storage", "bin", "disk2"] {
            host.make_directory(directory);
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

    /// Runs the examples of a page in order; returns the page with what they print now, and each difference.
    pub fn run_all(&self, page: &str, text: &str, examples: &[Example]) -> (String, Vec<String>) {
        let mut updated: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut changes = Vec::new();
        let mut differences = Vec::new();
        for Example { number, command, expected, lines } in examples {
            let (got, is_success) = self.run(command);
            let Some(expected) = expected else {
                if !is_success {
                    let printed = got.join("\n");
                    differences
                        .push(format!("{page}:{number}: $ {command}\n--- failed\n{printed}\n"));
                }
                continue;
            };
            if !matches(expected, &got) {
                let (expected, printed) = (expected.join("\n"), got.join("\n"));
                differences.push(format!(
                    "{page}:{number}: $ {command}\n--- page\n{expected}\n--- printed\n{printed}\n"
                ));
                changes.push((lines.clone(), got));
            }
        }
        for (lines, got) in changes.into_iter().rev() {
            updated.splice(lines, got);
        }
        (updated.join("\n") + "\n", differences)
    }

    /// Runs a command in a shell; the lines that it prints, and whether it succeeded.
    fn run(&self, command: &str) -> (Vec<String>, bool) {
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
            .env("DOKKU_STORAGE_BINARY", program_under_test())
            .current_dir(self.host.path("ada/dokku-storage"))
            .timeout(PATIENCE)
            .output()
            .unwrap();
        let mut text = String::from_utf8(output.stdout).unwrap();
        for (shown, real) in PLACES {
            text = text.replace(&below(real), shown);
        }
        text = text.replace(repository().to_str().unwrap(), REPOSITORY);
        // The pages' host has a name of its own.
        let node = dokku_storage::testing::node();
        text = text
            .replace(&format!("\"node\": \"{node}\""), "\"node\": \"dokku-host\"")
            .replace(&format!("Node:             {node}"), "Node:             dokku-host");
        let lines = text.lines().map(|line| with_all_types(line.trim_end())).collect();
        (lines, output.status.success())
    }
}
