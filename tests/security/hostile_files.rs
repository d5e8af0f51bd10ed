//! Store files that are pipes, directories, links, endless, huge or nonsense: nothing hangs, nothing breaks that
//! has nothing to do with them, and nothing outside of the store changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::program_under_test;
use crate::harness::{Answer, Host, Problems, Running, Snapshot, say};

/// Makes something at a path.
pub type Make = fn(&Host, &Path);

/// What is put in the place of a file.
const SHAPES: [(&str, Make); 14] = [
    ("a pipe", |_, path| {
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    }),
    ("a directory", |_, path| fs::create_dir(path).unwrap()),
    ("a folder with a file", |_, path| {
        fs::create_dir(path).unwrap();
        fs::write(path.join("file"), "x").unwrap();
    }),
    ("a link to a file outside", |host, path| symlink(host.path("outside/secret"), path).unwrap()),
    ("a link to a folder outside", |host, path| symlink(host.path("outside"), path).unwrap()),
    ("a link to /dev/zero", |_, path| symlink("/dev/zero", path).unwrap()),
    ("a link to itself", |_, path| symlink(path.file_name().unwrap(), path).unwrap()),
    ("a link to nowhere", |host, path| symlink(host.path("outside/nowhere"), path).unwrap()),
    ("a gigabyte of nothing", |_, path| fs::File::create(path).unwrap().set_len(1 << 30).unwrap()),
    ("bytes that are no text", |_, path| {
        fs::write(path, b"{\"entry_name\":\"\xff\xfe\"}\n\xc3\x28\n").unwrap();
    }),
    ("a hundred thousand brackets", |_, path| fs::write(path, "[".repeat(100_000)).unwrap()),
    ("control characters", |_, path| fs::write(path, "\u{1b}[2J\u{7}{\n\0\n").unwrap()),
    ("another shape of JSON", |_, path| {
        fs::write(path, "[1,{\"name\":3}]\nnull\n\"x\"\n").unwrap();
    }),
    ("nothing", |_, path| fs::write(path, "").unwrap()),
];

/// The files that commands read.
const FILES: [&str; 9] = [
    "lib/data/storage-registry/entries/victim.json",
    "lib/config/storage/a/mounts",
    "lib/config/storage/a/legacy-mounts-migrated",
    "lib/data/storage-registry/migrations/a",
    "lib/config/docker-options/a/_default_.deploy",
    "home/a/DOCKER_OPTIONS_RUN",
    "lib/config/scheduler/a/selected",
    "lib/config/scheduler/--global/selected",
    "lib/data/storage-registry/policy.json",
];

/// Commands that read them, or write them.
const LINES: [&str; 19] = [
    "storage:list a --format json",
    "storage:report a",
    "storage:report",
    "storage:list-entries --format json",
    "storage:info victim",
    "storage-app-mounts a",
    "docker-args-deploy a latest",
    "docker-args-run a latest",
    "pre-release-builder herokuish a dokku/a:latest",
    "storage:mount a /srv/z:/z",
    "storage:mount a victim --container-dir /victim2",
    "storage:unmount a /srv/z:/z",
    "storage:annotations:set victim k v",
    "storage:create victim",
    "storage:migrate a",
    "post-app-clone-setup a c",
    "post-app-rename-setup a d",
    "post-delete a",
    "storage:destroy victim --force",
];

/// What another app, and its entry, must go on answering.
const NEIGHBOURS: [&str; 3] = [
    "storage:list b --format json",
    "docker-args-deploy b latest",
    "storage:info neighbour --format json",
];

#[test]
fn no_file_of_the_store_can_hang_or_mislead_a_command() {
    let host = Host::bare();
    host.must(&[
        "storage:create victim",
        "storage:create neighbour",
        "storage:mount a victim --container-dir /victim",
        "storage:mount b neighbour --container-dir /neighbour",
    ]);
    host.write("outside/secret", "{\"secret\": \"a-secret-word\"}\n");
    let outside = Snapshot::of(&host.path("outside"));
    let start = host.snapshot();
    let neighbours: Vec<Answer> = NEIGHBOURS.iter().map(|line| host.run(line)).collect();
    let mut problems = Problems::default();
    let mut calls = 0;
    for file in FILES {
        for (shape, make) in SHAPES {
            reset(&host, &start);
            let path = host.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&path);
            make(&host, &path);
            let place = format!("{file} is {shape}");
            for line in LINES {
                calls += 1;
                match run(&host, line) {
                    None => problems.add(format!("{place}: {line} hangs")),
                    Some(answer) => {
                        if let Err(problem) = judge(&answer) {
                            problems.add(format!("{place}: {line}: {problem}: {answer:?}"));
                        }
                    }
                }
                if !file.contains("--global") && !file.contains("policy") {
                    for (line, expected) in NEIGHBOURS.iter().zip(&neighbours) {
                        let answer = run(&host, line);
                        if answer.as_ref() != Some(expected) {
                            problems.add(format!("{place}: {line}: {answer:?}"));
                        }
                    }
                }
            }
            let difference = outside.difference(&Snapshot::of(&host.path("outside")));
            if !difference.is_empty() {
                problems.add(format!("{place}: changed outside:\n{difference}"));
            }
        }
    }
    reset(&host, &start);
    say(&format!(
        "security: {calls} calls with {} files replaced by {} things each",
        FILES.len(),
        SHAPES.len()
    ));
    problems.must_be_none();
}

/// Runs a call that must end soon and may not take much memory; `None` where it hangs.
fn run(host: &Host, line: &str) -> Option<Answer> {
    let mut command = host.program("/bin/sh");
    command
        .args(["-c", "ulimit -v 1000000; exec \"$@\"", "sh", program_under_test()])
        .args(host.words(line));
    Running::start(command, line).finish_within(Duration::from_secs(5))
}

fn judge(answer: &Answer) -> Result<(), &'static str> {
    let said = format!("{}{}", answer.stdout, answer.stderr);
    let is_plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
    let is_refusal = answer.is_refusal() || (answer.status == 1 && !answer.stderr.is_empty());
    match () {
        () if said.contains("panicked") => Err("it panics"),
        () if said.contains("a-secret-word") => Err("it tells what is in a file outside"),
        () if !said.chars().all(is_plain) => Err("it says control characters"),
        () if said.len() > 20_000 => Err("it says too much"),
        () if answer.status != 0 && !is_refusal => Err("it is no refusal"),
        () => Ok(()),
    }
}

/// Puts everything back, whatever is in its place.
fn reset(host: &Host, start: &Snapshot) {
    for inside in ["lib", "home"] {
        fs::remove_dir_all(host.path(inside)).unwrap();
        fs::create_dir(host.path(inside)).unwrap();
    }
    host.restore(start);
}

/// The directory of an app in the store, swapped for a link: its owner may write there, but what is there stays.
#[test]
fn a_link_in_the_place_of_an_apps_directory_leads_to_no_removal() {
    let host = Host::bare();
    host.must(&["storage:create named"]);
    host.write(
        "outside/mounts",
        "{\"entry_name\":\"named\",\"container_path\":\"/n\",\"phases\":[\"run\"]}\n",
    );
    host.write("outside/precious", "data");
    host.write("outside/folder/precious", "data");
    symlink(host.path("outside"), host.path("lib/config/storage/a")).unwrap();
    let precious =
        || ["outside/precious", "outside/folder/precious"].map(|p| host.path(p).exists());
    for line in [
        "storage:list a",
        "storage:mount a /srv/x:/x",
        "storage:unmount a named",
        "storage:migrate a",
        "post-app-rename-setup a b",
        "post-delete a",
    ] {
        let answer = host.run(line);
        assert_eq!(precious(), [true, true], "{line}: {answer:?}");
    }
}

/// A link in the place of a directory that is to be removed or given away.
#[test]
fn a_link_in_the_place_of_a_directory_is_not_followed() {
    let host = Host::bare();
    host.must(&["storage:create named"]);
    host.write("outside/precious", "data");
    fs::remove_dir(host.path("lib/data/storage/named")).unwrap();
    symlink(host.path("outside"), host.path("lib/data/storage/named")).unwrap();
    let outside = Snapshot::of(&host.path("outside"));
    for line in [
        "storage:set named mode 0777",
        "storage:create named --mode 0700",
        "storage:create named --chown 1000",
        "storage:ensure-directory --chown 1000 named",
        "storage:destroy named --force --destroy-host-dir",
    ] {
        let answer = host.run(line);
        let difference = outside.difference(&Snapshot::of(&host.path("outside")));
        assert!(difference.is_empty(), "{line}: {answer:?}\n{difference}");
        assert!(answer.is_refusal(), "{line}: {answer:?}");
    }
}
