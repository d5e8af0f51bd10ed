//! Entries of a cluster: its plugin takes its time, and others do not wait meanwhile.

use std::fs;

use crate::harness::{Host, stubs};

/// A host whose apps are deployed by k3s, with a `plugn` that runs a line of shell for a trigger.
fn host(trigger: &str, line: &str) -> Host {
    let mut host = Host::bare();
    let program = crate::harness::program_under_test();
    let script = format!(
        "#!/bin/sh\n[ \"$2\" = {trigger} ] || exit 0\ncat >/dev/null\nset -- {program}\n{line}\n"
    );
    host.make_directory("bin");
    stubs::script(&host.path("bin/plugn"), &script);
    host.set("PATH", format!("{}:/usr/bin:/bin", host.path("bin").display()));
    host.write("lib/config/scheduler/--global/selected", "k3s");
    host
}

fn entry(host: &Host) -> bool {
    host.path("lib/data/storage-registry/entries/claim.json").exists()
}

fn mounts(host: &Host) -> String {
    fs::read_to_string(host.path("lib/config/storage/a/mounts")).unwrap_or_default()
}

/// While the cluster says no to a new entry, somebody mounts it.
#[test]
fn an_entry_that_the_cluster_refuses_leaves_no_attachment_behind() {
    let line = "\"$1\" storage:mount a claim --container-dir /c >&2; exit 1";
    let host = host("storage-create", line);
    let answer = host.run("storage:create claim --scheduler k3s --size 1Gi");
    assert!(answer.is_refusal(), "{answer:?}");
    assert!(entry(&host) || mounts(&host).is_empty(), "an attachment without an entry: {answer:?}");
}

/// While the cluster refuses a change of an entry, somebody else changes it: both must not be lost.
#[test]
fn a_change_that_the_cluster_refuses_takes_back_only_itself() {
    let line = "[ -e \"$HOME/flag\" ] || exit 0; rm \"$HOME/flag\"; \"$1\" storage:annotations:set claim mine 1 >&2; exit 1";
    let host = host("storage-create", line);
    host.must(&["storage:create claim --scheduler k3s --size 1Gi"]);
    host.write("flag", "");
    let answer = host.run("storage:set claim size 2Gi");
    assert!(answer.is_refusal(), "{answer:?}");
    let entry =
        fs::read_to_string(host.path("lib/data/storage-registry/entries/claim.json")).unwrap();
    assert!(entry.contains("1Gi") && !entry.contains("2Gi"), "{entry}");
    assert!(entry.contains("mine"), "what the other command set is gone: {entry}");
}

/// While the cluster removes the storage of an entry, somebody mounts it: one of them is refused, and the
/// storage is gone only where it was not the mount.
#[test]
fn an_entry_is_not_mounted_while_the_cluster_removes_its_storage() {
    let line = "\"$1\" storage:mount a claim --container-dir /c >&2; echo removed >>\"$HOME/removed\"; exit 0";
    let host = host("storage-destroy", line);
    host.must(&["storage:create claim --scheduler k3s --size 1Gi"]);
    let answer = host.run("storage:destroy claim --force");
    let (is_removed, is_mounted) = (host.path("removed").exists(), !mounts(&host).is_empty());
    assert!(
        !(is_removed && is_mounted),
        "the storage is gone and the entry is mounted (destroy: {answer:?})"
    );
    assert_eq!(answer.status == 0, !entry(&host), "{answer:?}");
}
