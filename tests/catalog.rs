//! What is written from the catalog is as the catalog says: links, the assembled directory, the completion.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[path = "harness/mod.rs"]
mod harness;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use dokku_storage::catalog::{CATALOG, Kind};
use dokku_storage::testing::LINKS;
use harness::{Host, Plugin, repository};

/// The subcommands of Dokku 0.38.27.
const SUBCOMMANDS: [&str; 18] = [
    "annotations:report",
    "annotations:set",
    "create",
    "default",
    "destroy",
    "ensure-directory",
    "exec",
    "info",
    "labels:report",
    "labels:set",
    "list",
    "list-entries",
    "migrate",
    "mount",
    "report",
    "set",
    "unmount",
    "wait",
];

/// The triggers that a Dokku host fires and expects this plugin to answer.
const TRIGGERS: [&str; 18] = [
    "core-post-deploy",
    "core-post-extract",
    "cron-entries",
    "docker-args-build",
    "docker-args-deploy",
    "docker-args-run",
    "install",
    "post-app-clone-setup",
    "post-app-rename-setup",
    "post-delete",
    "post-deploy",
    "post-extract",
    "post-release-builder",
    "pre-release-builder",
    "report",
    "storage-app-mounts",
    "storage-list",
    "uninstall",
];

/// The helpers that sudo runs, each on one line of the sudoers file.
const HELPERS: [&str; 8] = [
    "backup-storage",
    "chmod-storage-dir",
    "chown-storage-dir",
    "copy-storage-dir",
    "destroy-storage-dir",
    "mount-storage",
    "size-storage-dir",
    "usage-storage-dir",
];

/// The directories of links: in the repository, and in the assembled directory.
const DIRECTORIES: [(&str, &str); 2] = [("subcommands", "subcommands"), ("triggers", "")];

fn names(kind: Kind) -> BTreeSet<String> {
    CATALOG.of_kind(kind).map(|row| row.name.to_owned()).collect()
}

/// The names of the links in a directory of the assembled directory.
fn links(directory: &str) -> BTreeSet<String> {
    let kinds = LINKS.into_iter().filter(|(_, sub, _)| *sub == directory);
    kinds.flat_map(|(kind, ..)| names(kind)).collect()
}

fn files(directory: &Path) -> BTreeSet<String> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_repository_has_a_link_for_every_row() {
    let written = tempfile::tempdir().unwrap();
    let answer = assert_cmd::Command::new(harness::program_under_test())
        .args(["links".as_ref(), written.path()])
        .env("DOKKU_STORAGE_ROOT", written.path().join("store"))
        .output()
        .unwrap();
    assert!(answer.status.success(), "{answer:?}");
    for (directory, sub) in DIRECTORIES {
        for above in [written.path(), repository()] {
            let directory = above.join(directory);
            assert_eq!(
                files(&directory),
                links(sub),
                "{} is not as the catalog says; remove it and write it again with: dokku-storage links .",
                directory.display()
            );
            for name in links(sub) {
                let target = fs::read_link(directory.join(&name)).unwrap();
                assert_eq!(target, Path::new("../dokku-storage"), "{name}");
            }
        }
    }
}

#[test]
fn the_assembled_directory_has_what_dokku_wants_and_no_more() {
    let plugin = Plugin::assemble();
    let directory = plugin.directory();
    let mut expected = links("");
    let plain =
        ["bin", "commands", "docker-with-input", "dokku-storage", "plugin.toml", "subcommands"];
    expected.extend(plain.map(str::to_owned));
    assert_eq!(files(&directory), expected);
    assert_eq!(files(&directory.join("subcommands")), links("subcommands"));
    assert_eq!(files(&directory.join("bin")), links("bin"));
    let program = directory.join("dokku-storage").canonicalize().unwrap();
    for sub in ["", "subcommands", "bin"] {
        for name in links(sub) {
            let link = directory.join(sub).join(&name);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "{}", link.display());
            assert_eq!(link.canonicalize().unwrap(), program, "{}", link.display());
        }
    }
    for (name, mode) in [
        ("dokku-storage", 0o755),
        ("commands", 0o755),
        ("docker-with-input", 0o755),
        ("plugin.toml", 0o644),
    ] {
        let file = fs::symlink_metadata(directory.join(name)).unwrap();
        assert!(file.is_file(), "{name} is a link or a directory");
        assert_eq!(file.permissions().mode() & 0o7777, mode, "{name}");
    }
    let text = fs::read_to_string(directory.join("plugin.toml")).unwrap();
    assert!(text.starts_with("[plugin]\n") && text.contains("description = "), "{text}");
}

/// `dokku plugin:list` shows it.
#[test]
fn plugin_toml_says_the_version_of_the_program() {
    let wanted = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
    let has = |text: &str| text.lines().filter(|line| line.starts_with("version")).eq([&wanted]);
    let text = fs::read_to_string(repository().join("plugin.toml")).unwrap();
    assert!(has(&text), "plugin.toml lacks the version of Cargo.toml, {wanted}:\n{text}");
    // A repository that is not the program's own.
    let other = tempfile::TempDir::with_prefix("storage-other-").unwrap();
    fs::create_dir(other.path().join("commands")).unwrap();
    let commands = fs::read(repository().join("commands/commands")).unwrap();
    fs::write(other.path().join("commands/commands"), commands).unwrap();
    fs::write(other.path().join("plugin.toml"), text.replace(&wanted, "version = \"9.9.9\""))
        .unwrap();
    let directory = other.path().join("storage");
    assert_cmd::Command::new(harness::program_under_test())
        .arg("assemble")
        .arg(&directory)
        .arg("--repo")
        .arg(other.path())
        .env("DOKKU_STORAGE_ROOT", other.path())
        .assert()
        .success();
    let assembled = fs::read_to_string(directory.join("plugin.toml")).unwrap();
    assert_eq!(assembled, text);
}

#[test]
fn the_commands_file_works_without_the_program() {
    let plugin = std::sync::Arc::new(Plugin::assemble());
    let host = Host::with_plugin(std::sync::Arc::clone(&plugin), &[]);
    let asked = |words: &[&str]| host.call("commands").words(words).run();
    assert_eq!(asked(&["storage:help"]).status, 0);
    assert_eq!(asked(&["other:command"]).status, 10);
    fs::remove_file(plugin.directory().join("dokku-storage")).unwrap();
    for words in [&["other:command"][..], &["storage:help"], &["storage"], &[]] {
        let answer = asked(words);
        assert_eq!((answer.status, answer.stdout.as_str()), (10, ""), "{words:?}: {answer:?}");
    }
    // `dokku help` ends with the first plugin that does not exit 0.
    let help = asked(&["help"]);
    assert_eq!((help.status, help.stdout.as_str()), (0, ""), "{help:?}");
}

#[test]
fn every_row_has_a_name_of_its_own_and_says_what_it_does() {
    let mut seen = BTreeSet::new();
    for row in CATALOG.0 {
        assert!(seen.insert((format!("{:?}", row.kind), row.name)), "{} is there twice", row.name);
        assert!(!row.summary.is_empty(), "{}", row.name);
    }
}

/// `dokku help --all` makes columns of what is between commas.
#[test]
fn no_description_of_a_command_has_a_comma() {
    let rows = || CATALOG.of_dokku().chain(CATALOG.of_kind(Kind::Addition));
    assert!(rows().count() > 60);
    for row in rows() {
        let line = format!("{}, {}", row.synopsis(), row.summary);
        assert_eq!(line.matches(',').count(), 1, "{line}");
    }
}

#[test]
fn all_that_a_dokku_host_calls_is_there() {
    for (kind, wanted) in [(Kind::Subcommand, &SUBCOMMANDS[..]), (Kind::Trigger, &TRIGGERS[..])] {
        for name in wanted {
            assert!(names(kind).contains(*name), "{kind:?} {name} is missing");
        }
    }
    assert_eq!(names(Kind::Helper), HELPERS.map(str::to_owned).into());
    // A plugin with this trigger would decide which apps a caller sees.
    assert!(!names(Kind::Trigger).contains("user-auth-app"));
}

/// A plugin directory may be copied with a program that follows links, as some ways of packing do.
#[test]
fn a_directory_copied_without_its_links_still_works() {
    let plugin = Plugin::assemble();
    let copy = tempfile::TempDir::with_prefix("storage-copy-").unwrap();
    copy_without_links(&plugin.directory(), &copy.path().join("storage"));
    let list = copy.path().join("storage/subcommands/list-entries");
    assert!(!fs::symlink_metadata(&list).unwrap().is_symlink(), "the copy has links after all");
    let store = copy.path().join("store");
    let shown = assert_cmd::Command::new(&list)
        .args(["storage:list-entries", "--format", "json"])
        .env_clear()
        .env("DOKKU_STORAGE_ROOT", store)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "[]\n");
}

/// Copies a directory, with a file in the place of each link. As the program is large, its files are names of the same data.
fn copy_without_links(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path().canonicalize().unwrap(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_without_links(&source, &target);
        } else {
            fs::hard_link(source, target).unwrap();
        }
    }
}

/// What a real bash completes, where nothing is typed behind the line.
fn completed(store: &Path, line: &str) -> Vec<String> {
    let script = format!(
        "source <({program} completion bash) || exit\n\
         complete -p dokku-storage >/dev/null || exit\n\
         COMP_LINE={line:?} COMP_POINT=${{#COMP_LINE}} COMP_WORDS=({program})\n\
         _dokku_storage\n\
         [ ${{#COMPREPLY[@]}} = 0 ] || printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        program = harness::program_under_test(),
    );
    let answer = assert_cmd::Command::new("bash")
        .args(["--norc", "-c", &script])
        .env("DOKKU_STORAGE_ROOT", store)
        .output()
        .unwrap();
    assert!(answer.status.success() && answer.stderr.is_empty(), "{line}: {answer:?}");
    let said = String::from_utf8(answer.stdout).unwrap();
    said.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_names() {
    let store = tempfile::TempDir::with_prefix("storage-completion-").unwrap();
    for words in [
        &["storage:create", "blog-data"][..],
        &["storage:create", "blog-media"],
        &["storage:create", "notes"],
        &["storage:snapshots:create", "notes", "monday"],
        &["storage:connectors:create", "offsite", "--type", "local", "--path", "/srv/backups"],
    ] {
        let mut program = assert_cmd::Command::new(harness::program_under_test());
        program.args(words).env("DOKKU_STORAGE_ROOT", store.path()).assert().success();
    }
    for (typed, wanted) in [
        ("sto", &[][..]),
        ("ver", &["version"]),
        // Bash has what is before the last colon already.
        ("storage:cl", &["clone"]),
        ("storage:snapshots:", &["create", "destroy", "list", "restore"]),
        ("storage:unmount blog --", &["--all", "--container-dir", "--process-type"]),
        ("storage:destroy --no", &["--no-trash"]),
        ("storage:create x --type t", &["tmpfs"]),
        ("storage:list blog --format ", &["text", "json"]),
        ("storage:info blog-", &["blog-data", "blog-media"]),
        ("storage:info --format json no", &["notes"]),
        ("storage:mount blog no", &["notes"]),
        ("storage:mount --container-dir ", &[]),
        ("storage:mount --volume-readonly blog no", &["notes"]),
        ("storage:create blog", &[]),
        ("storage:types:info tm", &["tmpfs"]),
        ("storage:snapshots:restore notes ", &["monday"]),
        ("storage:policy:set tr", &["trash-hours"]),
        ("storage:backups:key ", &["offsite"]),
        ("storage:backup-auth ", &["offsite"]),
        ("storage:backups:check ", &["offsite"]),
        ("storage:connectors:info ", &["offsite"]),
        ("storage:connectors:create ", &[]),
        ("storage:backups:create no", &["notes"]),
        ("storage:backups:create notes ", &[]),
        ("storage:backups:create notes --to ", &["offsite"]),
        ("storage:backups:list --from ", &["offsite"]),
        ("storage:usage no", &["notes"]),
        ("storage:needs:link blog uploads no", &["notes"]),
        ("storage:no-such-command ", &[]),
        ("completion ", &["bash"]),
    ] {
        let wanted: Vec<String> = match typed {
            "sto" => CATALOG
                .of_kind(Kind::Subcommand)
                .filter(|row| row.name != "default")
                .chain(CATALOG.of_kind(Kind::Addition))
                .map(|row| format!("storage:{}", row.name))
                .collect(),
            _ => wanted.iter().map(|&word| word.to_owned()).collect(),
        };
        assert_eq!(completed(store.path(), &format!("dokku-storage {typed}")), wanted, "{typed}");
    }
}
