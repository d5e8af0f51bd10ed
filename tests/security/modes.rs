//! Whose the store's files are, and who can read them, whatever the caller's umask.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::harness::program_under_test;
use crate::harness::snapshot::Node;
use crate::harness::{Host, Running, is_root, say};

const LINES: [&str; 9] = [
    "storage:create one --annotation k=v",
    "storage:mount a one --container-dir /one",
    "storage:mount a /srv/x:/x",
    "storage:mount b volume:/v",
    "post-app-clone-setup a c",
    "storage:migrate a",
    "storage:unmount a /srv/x:/x",
    "storage:ensure-directory --chown false two",
    "storage:labels:set one k v",
];

#[test]
fn files_are_0600_and_directories_0755_whatever_the_umask() {
    let users: &[(&str, &str)] =
        if is_root() { &[("root", "root"), ("nobody", "nogroup")] } else { &[("root", "root")] };
    let mut seen = 0;
    for umask in ["0000", "0022", "0077"] {
        for (user, group) in users {
            let mut host = Host::bare();
            fs::remove_dir_all(host.path("lib")).unwrap();
            fs::create_dir(host.path("lib")).unwrap();
            host.set("DOKKU_SYSTEM_USER", user);
            host.set("DOKKU_SYSTEM_GROUP", group);
            host.write("lib/config/docker-options/a/_default_.deploy", "-v /srv/old:/old\n");
            if *user == "nobody" {
                give_to_nobody(&host);
            }
            for line in LINES {
                let mut command = host.program("/bin/sh");
                command.args(["-c", "umask $0; exec \"$@\"", umask, program_under_test()]);
                command.args(host.words(line));
                let answer = Running::start(command, line).finish();
                assert_eq!(answer.status, 0, "{line}: {answer:?}");
            }
            seen += check(&host, if *user == "nobody" { Some((65534, 65534)) } else { None });
        }
    }
    say(&format!("security: modes and owners of {seen} files and folders of the store"));
}

fn give_to_nobody(host: &Host) {
    for inside in host.snapshot().0.keys() {
        std::os::unix::fs::lchown(host.path(&inside.to_string_lossy()), Some(65534), Some(65534))
            .unwrap();
    }
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(host.root(), open).unwrap();
}

fn check(host: &Host, owner: Option<(u32, u32)>) -> usize {
    let mine = fs::metadata(host.root()).unwrap();
    let owner = owner.unwrap_or((mine.uid(), mine.gid()));
    let mut seen = 0;
    for (path, node) in host.snapshot().0 {
        let text = path.to_string_lossy();
        if !text.starts_with("lib/") || text.contains("docker-options") {
            continue;
        }
        seen += 1;
        match node {
            Node::Directory { mode, owner: now } => {
                assert_eq!((mode, now), (0o755, owner), "{text}");
            }
            Node::File { mode, owner: now, .. } => {
                assert_eq!((mode, now), (0o600, owner), "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    seen
}
