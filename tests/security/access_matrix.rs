//! Every command, tried by somebody who may see some apps: on what is theirs, on what is others', on what is nobody's, and
//! for the whole host. Whatever is answered must be what is answered where nothing of the others is there at all.
//!
//! The table of SECURITY.md is what came of it; `UPDATE_DOCS=1 cargo test --test security access_matrix` writes it.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use dokku_storage::catalog::{CATALOG, Kind};

use crate::harness::{Answer, Host, Problems, Snapshot, as_root, repository, rounds, say, stubs};

/// The apps that the caller may see.
const SEEN: &str = "mine\nalso-mine\n";
const ALL: &str = "mine\nalso-mine\nzebra-app\nzebra-too\n";

/// Everything of others has this in its name: their apps, entries, paths, labels, snapshots.
const THEIRS: &str = "zebra";

/// How much longer an answer may take because of what is hidden.
const MOMENT: Duration = Duration::from_secs(1);

/// A command, and the lines that it is tried with. `APP` stands for an app and `ENTRY` for an entry of each kind. Where a
/// line begins with `!`, what is there and hidden has to be in its way: a name that is taken cannot be given again.
struct Row {
    command: &'static str,
    apps: &'static [&'static str],
    entries: &'static [&'static str],
    host: &'static [&'static str],
}

const fn row(
    command: &'static str,
    apps: &'static [&'static str],
    entries: &'static [&'static str],
    host: &'static [&'static str],
) -> Row {
    Row { command, apps, entries, host }
}

const ROWS: &[Row] = &[
    row("default", &[], &[], &["storage:help"]),
    row(
        "annotations:report",
        &[],
        &["annotations:report ENTRY", "annotations:report ENTRY --annotations.k"],
        &["annotations:report", "annotations:report --format json"],
    ),
    row("annotations:set", &[], &["annotations:set ENTRY k v", "annotations:set ENTRY k"], &[]),
    row(
        "create",
        &["create fresh --scope APP", "create fresh --needs APP"],
        &[
            "create fresh --from snapshot:ENTRY@one",
            "!create fresh --from dir:{LIB}/data/storage/ENTRY",
            "!create ENTRY",
            "!create ENTRY --type file",
            "!create fresh {LIB}/data/storage/ENTRY",
        ],
        &["create fresh", "!create fresh /srv/zebra", "!create fresh zebra-volume --type volume"],
    ),
    row(
        "destroy",
        &[],
        &[
            "destroy ENTRY --force",
            "destroy ENTRY --force --destroy-host-dir",
            "destroy ENTRY --force --destroy-host-dir --no-trash",
            "destroy ENTRY",
        ],
        &["destroy legacy-0123456789 --force", "destroy LEGACY --force", "destroy LEGACY"],
    ),
    row(
        "ensure-directory",
        &[],
        &["!ensure-directory ENTRY", "!ensure-directory --chown false ENTRY"],
        &["ensure-directory --chown false fresh"],
    ),
    row("exec", &[], &["exec ENTRY -- ls", "exec ENTRY --as-user 1000 -- ls"], &[]),
    row("info", &[], &["info ENTRY", "info ENTRY --format json"], &[]),
    row(
        "labels:report",
        &[],
        &["labels:report ENTRY", "labels:report ENTRY --labels.k"],
        &["labels:report", "labels:report --format json"],
    ),
    row("labels:set", &[], &["labels:set ENTRY k v"], &[]),
    row(
        "list",
        &["list APP", "list APP --format json", "list APP --format table"],
        &[],
        &["list --format json"],
    ),
    row(
        "list-entries",
        &[],
        &[],
        &[
            "list-entries",
            "list-entries --format json",
            "list-entries --format table",
            "list-entries --unused",
            "list-entries --scheduler docker-local",
        ],
    ),
    row("migrate", &["migrate APP"], &[], &["migrate --all"]),
    row(
        "mount",
        &[
            "mount APP free --container-dir /n",
            "mount APP /srv/new:/new",
            "!mount APP /srv/zebra:/place",
            "!mount APP /srv/zebra/below:/place",
            "!mount APP zebra-volume:/place",
            "mount APP --replace /srv/new:/new",
            "mount APP --container-dir /new",
        ],
        &[
            "mount mine --replace ENTRY:/n",
            "mount mine ENTRY --container-dir /n",
            "mount mine ENTRY:/n",
            "!mount mine {LIB}/data/storage/ENTRY:/n",
            "!mount mine {LIB}/data/storage/.snapshot-ENTRY@one:/n",
        ],
        &[],
    ),
    row(
        "report",
        &["report APP", "report APP --format json", "report APP --storage-deploy-mounts"],
        &[],
        &[
            "report",
            "report --global",
            "report --global --format json",
            "report --storage-run-mounts",
        ],
    ),
    row(
        "set",
        &["set mine-data scope APP"],
        &[
            "set ENTRY mode 0711",
            "set ENTRY chown 1000",
            "set ENTRY scope mine",
            "set ENTRY scope",
            "set ENTRY exclusive true",
            "set ENTRY reclaim-policy Delete",
            "set ENTRY size 20M",
            "set ENTRY nonsense 1",
        ],
        &["set together exclusive true", "set together scope mine", "set shared exclusive true"],
    ),
    row(
        "unmount",
        &[
            "unmount APP mine-data",
            "unmount APP /srv/zebra:/place",
            "unmount APP mine-data mine-file",
            "unmount APP --all",
        ],
        &["unmount mine ENTRY", "unmount mine ENTRY --container-dir /data"],
        &[],
    ),
    row("wait", &[], &["wait ENTRY", "wait ENTRY --timeout 1"], &[]),
    row("app:report", &["app:report APP", "app:report APP --format json"], &[], &[]),
    row("app:set", &["app:set APP missing-source create", "app:set APP nonsense"], &[], &[]),
    row(
        "apply",
        &[
            "apply APP < {ROOT}/outside/mounts.json",
            "apply APP --plan < {ROOT}/outside/mounts.json",
        ],
        &[
            "apply mine < {ROOT}/outside/mounts-ENTRY.json",
            "apply mine --plan < {ROOT}/outside/mounts-ENTRY.json",
        ],
        &["!apply mine --plan < {ROOT}/outside/place.json"],
    ),
    row("backup", &[], &["backup ENTRY", "backup ENTRY --to zebra-disk"], &[]),
    row("backup-auth", &[], &["backup-auth ENTRY"], &["backup-auth mine-data AKIA hidden"]),
    row(
        "backup-schedule",
        &[],
        &["backup-schedule ENTRY daily", "backup-schedule ENTRY daily --to zebra-disk"],
        &[],
    ),
    row("backup-schedule-cat", &[], &["backup-schedule-cat ENTRY"], &["backup-schedule-cat"]),
    row("backup-unschedule", &[], &["backup-unschedule ENTRY"], &[]),
    row("backups:run", &[], &[], &["backups:run"]),
    row(
        "backups:schedule",
        &["backups:schedule --app APP daily", "backups:schedule --app APP daily --to zebra-disk"],
        &["backups:schedule ENTRY daily", "backups:schedule ENTRY daily --to zebra-disk"],
        &["backups:schedule --all daily", "backups:schedule --all daily --to zebra-disk"],
    ),
    row("backups:schedules", &[], &[], &["backups:schedules", "backups:schedules --format json"]),
    row(
        "backups:unschedule",
        &["backups:unschedule --app APP"],
        &["backups:unschedule ENTRY"],
        &["backups:unschedule --all"],
    ),
    row("backups:check", &[], &[], &["backups:check", "backups:check zebra-disk"]),
    row(
        "backups:create",
        &["backups:create --app APP", "backups:create --app APP --to zebra-disk"],
        &["backups:create ENTRY", "backups:create ENTRY --to zebra-disk --format json"],
        &["backups:create --all", "backups:create --all --to zebra-disk"],
    ),
    row("backups:forget", &[], &["backups:forget ENTRY@latest --force"], &[]),
    row("backups:get", &[], &["backups:get ENTRY@latest a"], &["backups:get 12345678 a"]),
    row("backups:key", &[], &[], &["backups:key zebra-disk"]),
    row(
        "backups:list",
        &[],
        &["backups:list ENTRY", "backups:list ENTRY --from zebra-disk"],
        &["backups:list", "backups:list --format json", "backups:list --from zebra-disk"],
    ),
    row("backups:ls", &[], &["backups:ls ENTRY@latest"], &["backups:ls 12345678"]),
    row("backups:prune", &[], &[], &["backups:prune", "backups:prune zebra-disk"]),
    row(
        "backups:restore",
        &[],
        &[
            "backups:restore ENTRY@latest",
            "backups:restore ENTRY@latest --as fresh --from zebra-disk",
            "backups:restore ENTRY@latest --in-place --force",
        ],
        &["backups:restore 12345678 --as fresh"],
    ),
    row(
        "backups:restore-store",
        &[],
        &[],
        &["backups:restore-store", "backups:restore-store --from zebra-disk"],
    ),
    row("backups:unlock", &[], &[], &["backups:unlock", "backups:unlock zebra-disk --force"]),
    row("clone", &[], &["clone ENTRY fresh", "!clone mine-data ENTRY"], &[]),
    row(
        "connectors:create",
        &[],
        &[],
        &[
            "connectors:create new-nas --type cifs --server nas --username a < {ROOT}/outside/secret",
        ],
    ),
    row(
        "connectors:destroy",
        &[],
        &[],
        &["connectors:destroy zebra-nas --force", "connectors:destroy zebra-nas"],
    ),
    row(
        "connectors:info",
        &[],
        &[],
        &["connectors:info zebra-nas", "connectors:info zebra-nas --format json"],
    ),
    row("connectors:list", &[], &[], &["connectors:list", "connectors:list --format json"]),
    row("connectors:set", &[], &[], &["connectors:set zebra-nas server other"]),
    row("connectors:test", &[], &[], &["connectors:test zebra-nas"]),
    row(
        "doctor",
        &["doctor APP", "doctor APP --format json"],
        &["doctor ENTRY", "doctor ENTRY --format json"],
        &["doctor", "doctor --format json", "doctor --format table"],
    ),
    row("metrics", &[], &[], &["metrics", "metrics --textfile {ROOT}/outside"]),
    row(
        "move",
        &["move mine-data mine APP --no-stop", "move free APP mine --no-stop"],
        &["move ENTRY mine also-mine --no-stop"],
        &["move together mine also-mine --no-stop"],
    ),
    row("needs:import", &["needs:import APP < {ROOT}/outside/needs.json"], &[], &[]),
    row("needs:link", &["needs:link APP db free"], &["needs:link mine db ENTRY"], &[]),
    row("needs:list", &["needs:list APP", "needs:list APP --format json"], &[], &[]),
    row("needs:unlink", &["needs:unlink APP db"], &[], &[]),
    row("policy:report", &[], &[], &["policy:report", "policy:report --format json"]),
    row(
        "policy:set",
        &[],
        &[],
        &[
            "policy:set trash-hours 1",
            "policy:set allowed-paths /",
            "policy:set jail",
            "policy:set volume-options allow",
        ],
    ),
    row("prune", &[], &[], &["prune --yes", "prune", "prune --format json"]),
    row(
        "share",
        &["share APP also-mine", "share also-mine APP", "share APP also-mine --read-only"],
        &[],
        &["share mine also-mine"],
    ),
    row(
        "snapshots:create",
        &[],
        &["snapshots:create ENTRY new", "snapshots:create ENTRY one"],
        &[],
    ),
    row(
        "snapshots:destroy",
        &[],
        &["snapshots:destroy ENTRY one --force", "snapshots:destroy ENTRY one"],
        &[],
    ),
    row(
        "snapshots:list",
        &[],
        &["snapshots:list ENTRY", "snapshots:list ENTRY --format json"],
        &["snapshots:list", "snapshots:list --format json"],
    ),
    row(
        "snapshots:restore",
        &[],
        &["snapshots:restore ENTRY one", "snapshots:restore ENTRY nonsense"],
        &[],
    ),
    row(
        "trash:empty",
        &[],
        &[],
        &[
            "trash:empty --force",
            "trash:empty --expired --force",
            "trash:empty mine-gone --force",
            "trash:empty zebra-gone --force",
            "trash:empty THEIRS --force",
        ],
    ),
    row("trash:list", &[], &[], &["trash:list", "trash:list --size", "trash:list --format json"]),
    row(
        "trash:restore",
        &[],
        &["!trash:restore mine-gone --as ENTRY"],
        &[
            "trash:restore mine-gone",
            "trash:restore zebra-gone",
            "trash:restore THEIRS",
            "trash:restore zebra-gone --as fresh",
        ],
    ),
    row("types:info", &[], &[], &["types:info directory", "types:info volume --format json"]),
    row("types:list", &[], &[], &["types:list", "types:list --format json"]),
    row(
        "unshare",
        &["unshare APP also-mine", "unshare also-mine APP", "unshare mine APP"],
        &[],
        &[],
    ),
    row(
        "usage",
        &["usage --app APP"],
        &["usage ENTRY", "usage ENTRY --format json"],
        &["usage", "usage --format json"],
    ),
];

/// The columns of the table.
const COLUMNS: [&str; 6] = [
    "own app",
    "another’s app",
    "own entry",
    "another’s entry",
    "nobody’s entry",
    "the whole host",
];

/// Entries of others, each in a way of its own.
const THEIR_ENTRIES: [&str; 6] =
    ["zebra-data", "zebra-file", "zebra-cache", "zebra-alone", "zebra-got", "zebra-auto"];

/// A host with what is the caller's and nobody's, before and after others have come with theirs.
struct Trial {
    host: Host,
    without: Snapshot,
    with: Snapshot,
    /// What stands for itself in the lines.
    words: Vec<(&'static str, String)>,
    tried: usize,
}

impl Trial {
    fn new() -> Self {
        let mut host = Host::new(&["mine", "also-mine", "zebra-app", "zebra-too"]);
        for directory in ["srv/mine", "srv/zebra/below", "srv/new", "outside"] {
            host.make_directory(directory);
        }
        host.mount_over(&[("srv", "/srv")]);
        host.make_directory("lib/plugins/enabled/acl");
        stubs::script(&host.path("lib/plugins/enabled/acl/user-auth-app"), "#!/bin/sh\n");
        host.set("SSH_USER", "dokku");
        host.set("SSH_NAME", "alice");
        host.set("SSH_CLIENT", "127.0.0.1 40000 22");
        host.answer("user-auth-app", SEEN);
        write_documents(&host);
        host.must(&[
            "storage:create mine-data --label k=v",
            "storage:create mine-file --type file",
            "storage:create together",
            "storage:create shared",
            "storage:create free --annotation k=v",
            "storage:create mine-gone",
            "storage:mount mine mine-data --container-dir /data",
            "storage:mount mine mine-file --container-dir /file",
            "storage:mount mine together --container-dir /together",
            "storage:mount mine /srv/mine:/place",
            "storage:needs:import mine < {ROOT}/outside/needs.json",
            "storage:snapshots:create mine-data one",
            "storage:snapshots:create free one",
        ]);
        host.write("lib/data/storage/mine-gone/file", "mine");
        host.must(&["storage:destroy mine-gone --force --destroy-host-dir"]);
        let without = picture(&host);
        host.answer("user-auth-app", ALL);
        host.set("SSH_NAME", "zebra-admin");
        add_what_is_others(&host);
        let with = picture(&host);
        host.set("SSH_NAME", "alice");
        host.answer("user-auth-app", SEEN);
        let names = |directory: &str| -> Vec<String> {
            let files = fs::read_dir(host.path(directory)).unwrap();
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
        };
        let legacy = names("lib/data/storage-registry/entries")
            .into_iter()
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .find(|name| name.starts_with("legacy-") && !without.has_entry(name))
            .unwrap();
        let theirs = names("lib/data/storage")
            .into_iter()
            .find_map(|name| {
                name.strip_prefix(".trash-").map(str::to_owned).filter(|id| id.contains(THEIRS))
            })
            .unwrap();
        Self { host, without, with, words: vec![("LEGACY", legacy), ("THEIRS", theirs)], tried: 0 }
    }

    /// The answer to a line on the host as it was, how long it took, and what it has left there.
    fn answer(&self, start: &Snapshot, line: &str) -> (Answer, Duration, Snapshot) {
        start.restore(&self.host.lib());
        stubs::take_fired(&self.host.stubs());
        let begin = Instant::now();
        let answer = self.host.run(line);
        let took = begin.elapsed();
        let left = picture(&self.host);
        (folded(answer), took, left)
    }

    /// What the caller wrote: the line, and the document that it reads.
    fn typed(&self, line: &str) -> String {
        let document = line.split_once(" < ").map(|(_, path)| self.host.expand(path));
        let text = document.map(|path| fs::read_to_string(path).unwrap());
        format!("{line} {}", text.unwrap_or_default())
    }

    fn admin(&mut self, line: &str) -> Answer {
        self.host.answer("user-auth-app", ALL);
        let (answer, ..) = self.answer(&self.with, line);
        self.host.answer("user-auth-app", SEEN);
        answer
    }
}

trait HasEntry {
    fn has_entry(&self, name: &str) -> bool;
}

impl HasEntry for Snapshot {
    fn has_entry(&self, name: &str) -> bool {
        let end = format!("/{name}.json");
        self.0.keys().any(|path| path.to_string_lossy().ends_with(&end))
    }
}

fn write_documents(host: &Host) {
    host.write("outside/secret", "secret");
    host.write("outside/needs.json", r#"[{"id": "db", "path": "/db"}]"#);
    host.write("outside/mounts.json", r#"[{"entry_name": "free", "container_path": "/free"}]"#);
    host.write(
        "outside/place.json",
        host.expand(r#"[{"host_path": "/srv/zebra", "container_path": "/x"}]"#),
    );
    for name in ["mine-data", "mine-file", "free"].iter().chain(&THEIR_ENTRIES) {
        host.write(
            &format!("outside/mounts-{name}.json"),
            format!(r#"[{{"entry_name": "{name}", "container_path": "/x"}}]"#),
        );
    }
}

/// What somebody who sees every app has made.
fn add_what_is_others(host: &Host) {
    host.must(&[
        "storage:create zebra-data --label k=zebra-label --annotation k=zebra-note --chown 1000",
        "storage:create zebra-file --type file",
        "storage:create zebra-cache /srv/zebra-cache",
        "storage:create zebra-alone --exclusive",
        "storage:create zebra-got",
        "storage:create zebra-auto",
        "storage:create zebra-gone",
        "storage:mount zebra-app zebra-data --container-dir /data",
        "storage:mount zebra-app zebra-file --container-dir /zebra-file",
        "storage:mount zebra-app zebra-cache --container-dir /zebra-cache",
        "storage:mount zebra-app zebra-alone --container-dir /zebra-alone",
        "storage:mount zebra-too zebra-got --container-dir /zebra-got",
        "storage:mount zebra-app /srv/zebra:/place",
        "storage:mount zebra-app zebra-volume:/volume",
        "storage:share zebra-too zebra-app",
        "storage:snapshots:create zebra-data one",
        "storage:snapshots:create zebra-data zebra-snapshot",
        "storage:needs:import zebra-app < {ROOT}/outside/needs.json",
        "storage:needs:link zebra-app db zebra-data",
        "storage:app:set zebra-app clone copy",
        "storage:connectors:create zebra-disk --type local --path /mnt/zebra --key-file {ROOT}/outside/secret",
        "storage:backups:schedule zebra-data daily --to zebra-disk",
        "storage:backups:schedule --app zebra-app daily --to zebra-disk",
        "storage:backups:schedule --all daily --to zebra-disk",
        "storage:connectors:create zebra-nas --type cifs --server zebra-server --username zebra < {ROOT}/outside/secret",
    ]);
    host.write("lib/data/storage/zebra-gone/file", THEIRS);
    host.must(&["storage:destroy zebra-gone --force --destroy-host-dir"]);
    let entries = "lib/data/storage-registry/entries";
    // A volume of an image, which belongs to the app that it was made for.
    let file = host.path(&format!("{entries}/zebra-auto.json"));
    let entry = fs::read_to_string(&file).unwrap();
    let volume = r#"{"auto_volume": {"app": "zebra-app", "path": "/zebra"},"#;
    fs::write(&file, entry.replacen('{', volume, 1)).unwrap();
    host.write(
        "lib/config/docker-options/zebra-app/_default_.deploy",
        "-v /srv/zebra-old:/zebra-old\n",
    );
}

/// Dokku's directory, but for the lock files and the note of the clock, which readers make as well.
fn picture(host: &Host) -> Snapshot {
    let names = ["/.lock", "/.work", "/.clock"];
    Snapshot::of(&host.lib()).without(|path| names.iter().any(|name| path.ends_with(name)))
}

/// Without the numbers of times and processes.
fn folded(answer: Answer) -> Answer {
    let fold = |text: &str| {
        let mut words = String::new();
        let mut digits = String::new();
        let give = |digits: &mut String, words: &mut String| {
            words.push_str(if digits.len() > 3 { "N" } else { digits });
            digits.clear();
        };
        for letter in text.chars() {
            if letter.is_ascii_digit() {
                digits.push(letter);
                continue;
            }
            give(&mut digits, &mut words);
            words.push(letter);
        }
        give(&mut digits, &mut words);
        words
    };
    Answer { stdout: fold(&answer.stdout), stderr: fold(&answer.stderr), ..answer }
}

/// What a cell says of an answer.
fn verdict(answer: &Answer, is_for_all: bool, is_hidden: bool) -> &'static str {
    let text = format!("{}{}", answer.stdout, answer.stderr);
    match answer.status {
        _ if is_for_all => "yes",
        0 if is_hidden => "not there",
        0 => "own part",
        20 => "no such app",
        _ if text.contains("only who may see every app can do this") => "refused",
        _ if text.contains("does not exist") || text.contains("is not mounted") => "not there",
        _ if text.contains(" is taken") => "taken",
        _ => "refused",
    }
}

fn hidden_words_in(answer: &Answer, line: &str) -> bool {
    let mut text = format!("{}\n{}", answer.stdout, answer.stderr);
    let mut typed: Vec<&str> = line
        .split(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '-' | '_')))
        .filter(|word| word.contains(THEIRS))
        .collect();
    typed.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    for word in typed {
        text = text.replace(word, "");
    }
    text.contains(THEIRS)
}

/// One cell: its lines are tried where others have something, and where they have nothing.
fn cell(trial: &mut Trial, lines: &[String], is_hidden: bool, problems: &mut Problems) -> String {
    let mut verdicts: Vec<&str> = Vec::new();
    for line in lines {
        trial.tried += 1;
        let (is_in_the_way, line) = match line.strip_prefix('!') {
            Some(line) => (true, line),
            None => (false, line.as_str()),
        };
        let mut line = match line.strip_prefix("storage:") {
            Some(_) => line.to_owned(),
            None => format!("storage:{line}"),
        };
        for (word, value) in &trial.words {
            line = line.replace(word, value);
        }
        let (mut with, took, left) = trial.answer(&trial.with, &line);
        let (mut without, took_without, left_without) = trial.answer(&trial.without, &line);
        let mut is_for_all = !is_hidden && trial.admin(&line) == with;
        // How much is free on the disk may change between two commands.
        for _ in 0..3 {
            if line.starts_with("storage:usage") && !(with == without && is_for_all) {
                with = trial.answer(&trial.with, &line).0;
                without = trial.answer(&trial.without, &line).0;
                is_for_all = !is_hidden && trial.admin(&line) == with;
            }
        }
        let typed = folded(Answer { stdout: trial.typed(&line), ..Answer::default() }).stdout;
        if hidden_words_in(&with, &typed) {
            problems.add(format!("{line}\nshows what is others': {with:#?}"));
        }
        if !is_in_the_way && with != without {
            problems.add(format!("{line}\nwith {with:#?}\nwithout {without:#?}"));
        }
        let mut theirs = left.difference_to(&trial.with);
        let mine = left_without.difference_to(&trial.without);
        theirs.retain(|path| path.contains(THEIRS) && !mine.contains(path));
        if !theirs.is_empty() {
            problems.add(format!("{line}\nchanges what is others': {theirs:?}"));
        }
        let mut longer = took.saturating_sub(took_without);
        for _ in 0..3 {
            if longer < MOMENT {
                break;
            }
            longer = trial.answer(&trial.with, &line).1.saturating_sub(took_without);
        }
        if longer >= MOMENT {
            problems.add(format!("{line}\ntakes {longer:?} longer where others have something"));
        }
        verdicts.push(verdict(&with, is_for_all, is_hidden));
    }
    verdicts.dedup();
    let mut seen = BTreeSet::new();
    verdicts.retain(|verdict| seen.insert(*verdict));
    if verdicts.is_empty() { "–".to_owned() } else { verdicts.join(", ") }
}

trait DifferenceTo {
    fn difference_to(&self, other: &Snapshot) -> Vec<String>;
}

impl DifferenceTo for Snapshot {
    fn difference_to(&self, other: &Snapshot) -> Vec<String> {
        let paths: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let differs = paths.into_iter().filter(|path| self.0.get(*path) != other.0.get(*path));
        differs.map(|path| path.to_string_lossy().into_owned()).collect()
    }
}

fn filled(lines: &[&str], word: &str, names: &[&str]) -> Vec<String> {
    let of = |name: &&str| -> Vec<String> {
        lines.iter().map(|line| line.replace(word, name)).collect()
    };
    names.iter().flat_map(of).collect()
}

/// The lines of each column. Not each is tried with every entry of others, unless more rounds are wanted.
fn lines_of(row: &Row) -> [Vec<String>; 6] {
    let theirs = |(number, line): (usize, &&'static str)| {
        let others = &THEIR_ENTRIES[1..];
        let all = [THEIR_ENTRIES[0]].into_iter().chain(match rounds() {
            1 => vec![others[(number + 3) % others.len()]],
            _ => others.to_vec(),
        });
        filled(&[line], "ENTRY", &all.collect::<Vec<_>>())
    };
    [
        filled(row.apps, "APP", &["mine"]),
        filled(row.apps, "APP", &["zebra-app"]),
        filled(row.entries, "ENTRY", &["mine-data"]),
        row.entries.iter().enumerate().flat_map(theirs).collect(),
        filled(row.entries, "ENTRY", &["free"]),
        row.host.iter().map(|&line| line.to_owned()).collect(),
    ]
}

#[test]
fn who_may_see_some_apps_learns_nothing_of_others() {
    if !as_root("what somebody who sees some apps can do") {
        return;
    }
    let workers = 3;
    let part = |worker: usize| {
        let mut trial = Trial::new();
        let mut problems = Problems::default();
        let rows = ROWS.iter().enumerate().skip(worker).step_by(workers);
        let lines: Vec<(usize, String)> =
            rows.map(|(number, row)| (number, written(row, &mut trial, &mut problems))).collect();
        (lines, problems, trial.tried)
    };
    let parts: Vec<_> = std::thread::scope(|scope| {
        let started: Vec<_> =
            (0..workers).map(|worker| scope.spawn(move || part(worker))).collect();
        started.into_iter().map(|part| part.join().unwrap()).collect()
    });
    let (mut lines, mut tried) = (Vec::new(), 0);
    let mut problems = Problems::default();
    for (more, found, count) in parts {
        lines.extend(more);
        problems.extend(found);
        tried += count;
    }
    say(&format!(
        "security: {} commands in {tried} lines by somebody who sees some apps",
        ROWS.len()
    ));
    problems.must_be_none();
    lines.sort_unstable();
    let mut table = format!("| command | {} |\n|{}\n", COLUMNS.join(" | "), " --- |".repeat(7));
    table.extend(lines.into_iter().map(|(_, line)| line));
    // More entries of others may be told in more ways.
    if rounds() == 1 {
        compare(&table);
    }
}

/// The line of the table for a command.
fn written(row: &Row, trial: &mut Trial, problems: &mut Problems) -> String {
    let mut cells = Vec::new();
    for (lines, column) in lines_of(row).iter().zip(COLUMNS) {
        cells.push(cell(trial, lines, column.starts_with("another"), problems));
    }
    let name = match row.command {
        "default" => "storage".to_owned(),
        command => format!("storage:{command}"),
    };
    format!("| `{name}` | {} |\n", cells.join(" | "))
}

#[test]
fn what_cannot_be_read_is_kept_from_who_sees_some_apps() {
    if !as_root("what somebody who sees some apps can do") {
        return;
    }
    let trial = Trial::new();
    trial.with.restore(&trial.host.lib());
    trial.host.write("lib/data/storage-registry/entries/zebra-broken.json", "{ zebra");
    for line in
        ["list-entries", "report --global", "annotations:report", "info zebra-broken", "usage"]
    {
        let answer = trial.host.run(&format!("storage:{line}"));
        assert!(!hidden_words_in(&answer, line), "{line}: {answer:?}");
        assert_eq!(answer.status, i32::from(line.contains(THEIRS)), "{line}: {answer:?}");
    }
    trial.host.write("lib/data/storage-registry/entries/mine-data.json", "{ mine");
    for line in ["list-entries", "info mine-data"] {
        let answer = trial.host.run(&format!("storage:{line}"));
        assert!(!hidden_words_in(&answer, line), "{line}: {answer:?}");
        assert!(answer.status == 1 && answer.stderr.contains("mine-data.json"), "{answer:?}");
    }
    trial.host.answer("user-auth-app", ALL);
    let answer = trial.host.run("storage:list-entries");
    assert!(answer.status == 1 && answer.stderr.contains("zebra-broken"), "{answer:?}");
}

#[test]
fn scopes_and_users_are_named_as_far_as_they_are_seen() {
    if !as_root("what somebody who sees some apps can do") {
        return;
    }
    let trial = Trial::new();
    trial.with.restore(&trial.host.lib());
    trial.host.answer("user-auth-app", ALL);
    trial.host.must(&[
        "storage:set free scope zebra-app,mine",
        "storage:mount zebra-app together --container-dir /together",
    ]);
    let lines = [
        "info free",
        "info free --format json",
        "list-entries --format json",
        "report --global --format json",
        "info together",
    ];
    for line in lines {
        let answer = trial.host.run(&format!("storage:{line}"));
        assert!(answer.stdout.contains("zebra-app"), "{line}: {answer:?}");
    }
    trial.host.answer("user-auth-app", SEEN);
    for line in lines {
        let answer = trial.host.run(&format!("storage:{line}"));
        let is_told = answer.stdout.contains("apps that you cannot see");
        let with_users = !line.contains("report");
        assert!(!hidden_words_in(&answer, line), "{line}: {answer:?}");
        assert!(is_told || !with_users, "{line}: {answer:?}");
    }
    let users = trial.host.run("storage:info together").stdout;
    assert!(users.contains("mine, apps that you cannot see"), "{users}");
}

#[test]
fn every_command_is_tried() {
    let rows: Vec<&str> = ROWS.iter().map(|row| row.command).collect();
    let commands = CATALOG.of_kind(Kind::Subcommand).chain(CATALOG.of_kind(Kind::Addition));
    for row in commands {
        assert!(rows.contains(&row.name), "storage:{} has no row in this file", row.name);
    }
    for row in ROWS {
        assert!(CATALOG.subcommand(row.command).is_some(), "there is no storage:{}", row.command);
        let lines = lines_of(row).concat();
        assert!(!lines.is_empty(), "storage:{} is not tried", row.command);
        for line in lines.iter().map(|line| line.trim_start_matches('!')) {
            let begins = line.starts_with(row.command) || row.command == "default";
            assert!(begins, "{line} does not try {}", row.command);
        }
    }
}

const BEGIN: &str = "<!-- the access matrix -->\n";
const END: &str = "<!-- the end of the access matrix -->\n";

/// Compares the table with that of SECURITY.md, or writes it there.
fn compare(table: &str) {
    let path = repository().join("SECURITY.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (written, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
        return;
    }
    assert!(
        written == table,
        "the access matrix of SECURITY.md is not what the commands answer; UPDATE_DOCS=1 cargo test --test security access_matrix writes it:\n{table}"
    );
}
