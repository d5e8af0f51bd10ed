//! The helper that restic runs for, under the real sudo, called by a user whose own repository it is to use.

use crate::harness::{Host, say};
use crate::sudo::{CONNECTOR, host, run};

/// A repository and a connector of the liar's.
const REPOSITORY: &str = r#"
    export DOKKU_LIB_ROOT="$root/lib" RESTIC_PASSWORD=key
    store="$root/lib/data/storage" connectors="$root/lib/data/storage-registry/connectors" mine="$root/evil/repository"
    liar mkdir -p "$connectors"
    printf '{"name":"mine","type":"local","path":"%s","schema_version":1}' "$mine" | liar tee "$connectors/mine.json" >/dev/null
    echo key | liar tee "$connectors/mine.key" >/dev/null
    liar env HOME=/nonexistent restic --no-cache -q -r "$mine" init >&2
    document='{"document":{"version":1},"host":"h","tags":[],"parent":null,"reads_all":false,"copied":0}'
    helper() { local name=$1; shift; liar sudo -n "$helpers/$name" "$@" 2>&1 || true; }
    save() { echo "$document" | helper backup-storage save "$1" mine; }
    copy() { helper backup-storage copy "$1" app; }
    echo ----
"#;

/// What the script says behind the setting up; `None` where this machine does not allow it, or has no restic.
fn said(host: &Host, script: &str) -> Option<String> {
    if !std::path::Path::new("/usr/bin/restic").exists() {
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci, "restic is missing, and CI=true: apt-get install restic");
        say("SKIPPED, NOT TESTED: restic is missing");
        return None;
    }
    let said = run(host, &format!("{REPOSITORY}\n{script}"))?;
    Some(said.split_once("----\n").unwrap().1.to_owned())
}

#[test]
fn a_backup_is_made_only_of_what_the_helper_has_copied() {
    let Some(host) = host() else { return };
    let script = r#"
        echo precious >"$root/outside/file"; chmod 0600 "$root/outside/file"
        mkdir -p "$root/evil/tar/data"; ln -s "$root/outside/file" "$root/evil/tar/entry.json"
        tar -C "$root/evil/tar" -c data entry.json >"$root/evil/unpacked.tar"
        helper copy-storage-dir --unpack .destroyed-x-1 <"$root/evil/unpacked.tar"
        stat -c '%u %a' "$store/.destroyed-x-1"
        save .destroyed-x-1
        cat "$root/outside/file"
        # An app's own directory, which is root's and which a container has.
        mkdir -m 0700 "$store/roots"; mkdir "$store/roots/data"
        liar mv "$store/roots" "$store/.destroyed-x-2"
        save .destroyed-x-2
        # One that root made, which had another name meanwhile.
        copy .destroyed-x-3 >/dev/null
        sleep 0.1
        liar mv "$store/.destroyed-x-3" "$store/other"; liar mv "$store/other" "$store/.destroyed-x-3"
        save .destroyed-x-3
        # As it is.
        copy .destroyed-x-4 >/dev/null
        save .destroyed-x-4 | cut -c 1-7
    "#;
    let Some(said) = said(&host, script) else { return };
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "0 700", "{said}");
    assert_eq!(lines[2], "precious", "{said}");
    for refused in [lines[1], lines[3], lines[4]] {
        assert!(refused.contains("is not a copy for a backup"), "{said}");
    }
    assert_eq!(lines[5], r#"{"Done""#, "{said}");
    say("security: 4 backups of directories that root's helpers made, or an app has");
}

#[test]
fn the_document_of_a_backup_is_written_to_no_file_that_a_link_leads_to() {
    let Some(host) = host() else { return };
    // The same with root's own help: the note about the directory is right.
    let script = r#"
        echo precious >"$root/outside/file"; chmod 0600 "$root/outside/file"
        copy .destroyed-x-1 >/dev/null
        ln -s "$root/outside/file" "$store/.destroyed-x-1/entry.json"
        for note in /run/dokku-storage/closed/*-$(stat -c %i "$store/.destroyed-x-1"); do
            [ ! -e "$note" ] || { head -n 1 "$note"; stat -c %z "$store/.destroyed-x-1" | xargs -I TIME date -d TIME +%s.%N; } >"$note.new"
            [ ! -e "$note" ] || { sed -i 's/\.0*\([0-9]\)/.\1/' "$note.new"; mv "$note.new" "$note"; }
        done
        save .destroyed-x-1 | cut -c 1-7
        cat "$root/outside/file"
    "#;
    let Some(said) = said(&host, script) else { return };
    assert_eq!(said, "{\"Done\"\nprecious\n");
}

#[test]
fn what_becomes_a_backup_is_for_no_other_helper() {
    let Some(host) = host() else { return };
    let script = r#"
        copy .destroyed-x-1 >/dev/null
        liar mkdir -p "$store/.destroyed-mine/data"; liar ln -s /etc "$store/.destroyed-mine/data/folder"
        helper chown-storage-dir .destroyed-x-1 64123 --folder-only
        helper chown-storage-dir .destroyed-x-1 64123 --folder-only data
        helper chown-storage-dir .destroyed-x-1 64123
        helper chmod-storage-dir .destroyed-x-1 0777
        helper copy-storage-dir --graft .destroyed-mine .destroyed-x-1 data/folder
        helper copy-storage-dir --graft .destroyed-x-1 .destroyed-mine data/folder
        helper copy-storage-dir --move .destroyed-x-1 app/folder
        helper copy-storage-dir --pack .destroyed-x-1
        liar mv "$store/.destroyed-x-1" "$store/plain"
        helper chown-storage-dir plain 64123 --folder-only
        helper copy-storage-dir plain other
        helper copy-storage-dir --move .destroyed-mine plain/data/mine
        echo ----
        stat -c '%u %a' "$store/plain"; ls "$store/plain/data"
        helper destroy-storage-dir plain
        ls -d "$store/plain" 2>&1 | grep -c cannot
        # Its number may be another's now.
        liar mkdir "$store/plain"; chown 0 "$store/plain"; chmod 0700 "$store/plain"
        helper chown-storage-dir plain 64123 --folder-only
    "#;
    let Some(said) = said(&host, script) else { return };
    let (refused, rest) = said.split_once("----\n").unwrap();
    let refused: Vec<&str> = refused.lines().collect();
    assert_eq!(refused.len(), 11, "{said}");
    for line in refused {
        assert!(line.contains("it is being backed up or restored"), "{said}");
    }
    assert_eq!(rest, "0 700\nfolder\n1\n");
    say("security: 11 calls of helpers on a directory that becomes a backup");
}

#[test]
fn a_note_that_cannot_be_read_opens_nothing() {
    let Some(host) = host() else { return };
    // The directory can be opened, and nothing else after that.
    let script = r#"
        echo secret >"$store/app/secret"
        copy .destroyed-x-1 >/dev/null
        liar mkdir "$store/mine"
        for files in $(seq 7 24); do
            prlimit --nofile="$files:$files" setpriv --reuid 64123 --regid 64123 --init-groups --inh-caps=-all \
                sudo -n "$helpers/copy-storage-dir" --move .destroyed-x-1 "mine/moved-$files" >/dev/null 2>&1 || true
            prlimit --nofile="$files:$files" setpriv --reuid 64123 --regid 64123 --init-groups --inh-caps=-all \
                sudo -n "$helpers/chown-storage-dir" .destroyed-x-1 64123 --folder-only >/dev/null 2>&1 || true
        done
        stat -c '%u %a' "$store/.destroyed-x-1"
        find "$store/mine" -name secret
        # One process at a time has it.
        flock "$store/.destroyed-x-1" sleep 60 & locked=$!
        sleep 0.3
        save .destroyed-x-1
        kill "$locked"
    "#;
    let Some(said) = said(&host, script) else { return };
    assert!(said.starts_with("0 700\n"), "{said}");
    assert!(said.contains("somebody else is at work"), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn what_is_being_restored_is_for_no_other_helper() {
    let Some(host) = host() else { return };
    let script = r#"
        printf '#!/bin/sh\nid -u >"%s/evil/ran"; sleep 3; echo token\n' "$root" >"$root/evil/token"
        connector "$root/lib/data/storage-registry"
        { restore; echo; } >"$root/evil/said" & restored=$!
        timeout 20 cat "$root/evil/ran"
        helper chown-storage-dir .destroyed-e-1 64123 --folder-only
        helper chown-storage-dir .destroyed-e-1 64123 --folder-only restored
        stat -c '%u %a' "$store/.destroyed-e-1" "$store/.destroyed-e-1/restored"
        wait "$restored"
    "#;
    let Some(said) = said(&host, &format!("{CONNECTOR}\n{script}")) else { return };
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "64123", "{said}");
    for refused in &lines[1..3] {
        assert!(refused.contains("it is being backed up or restored"), "{said}");
    }
    assert_eq!(lines[3..], ["0 700", "0 700"], "{said}");
}

#[test]
fn no_caller_through_sudo_restores_set_uid_bits_or_devices() {
    let Some(host) = host() else { return };
    let script = r#"
        mkdir -p "$root/evil/tree/data"; cd "$root/evil/tree"
        cp /bin/true data/rootid; chmod 4755 data/rootid; mknod data/device c 1 3 2>/dev/null || true
        restic --no-cache -q -r "$mine" backup data >&2
        chown -R 64123:64123 "$mine"
        id=$(liar env HOME=/nonexistent restic --no-cache -r "$mine" snapshots --json | grep -o '"id":"[0-9a-f]*"' | cut -d '"' -f 4)
        restore() {
            echo "{\"id\":\"$id\",\"paths\":[],\"holes\":[],\"is_privileged\":$1}" | helper backup-storage restore "$2-around" mine "$2"
            find "$store/$2" -mindepth 1 -printf '%f %m %y\n' 2>/dev/null || true
        }
        restore true .destroyed-x-1
        echo ----
        restore false .destroyed-x-2
    "#;
    let Some(said) = said(&host, script) else { return };
    let (privileged, plain) = said.split_once("----\n").unwrap();
    assert!(
        privileged.contains("only root itself restores") && !privileged.contains("rootid"),
        "{said}"
    );
    assert!(plain.contains("rootid 755 f") && !plain.contains("device"), "{said}");
    say("security: set-uid bits and devices of a repository of the caller's");
}
