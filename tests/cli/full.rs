//! A full disk: what frees space works.

use crate::Session;
use crate::harness::as_root;

/// A small disk in the store's place, filled to the last byte before each of the commands.
const SCRIPT: &str = r#"
    PATH=$PATH:/usr/sbin:/sbin
    mkdir -p "$DOKKU_STORAGE_ROOT"
    if [ "$2" = tmpfs ]; then
        mount -t tmpfs -o size=1m,mode=755 none "$DOKKU_STORAGE_ROOT"
    else
        truncate -s 4M "$DOKKU_STORAGE_ROOT.img"
        "mkfs.$2" -q -m 0 "$DOKKU_STORAGE_ROOT.img"
        mount -o loop "$DOKKU_STORAGE_ROOT.img" "$DOKKU_STORAGE_ROOT"
    fi
    for name in kept gone trashed; do
        "$1" storage:create "$name" >/dev/null
        head -c 40000 /dev/zero >"$DOKKU_STORAGE_ROOT/data/storage/$name/data"
    done
    "$1" storage:snapshots:create kept first >/dev/null
    "$1" storage:destroy trashed --force --destroy-host-dir >/dev/null
    fill() {
        sync
        cat /dev/zero >>"$DOKKU_STORAGE_ROOT/filler" 2>/dev/null || true
        for number in $(seq 200); do
            echo full >>"$DOKKU_STORAGE_ROOT/filler-$1-$number" 2>/dev/null || break
        done
        ! echo full 2>/dev/null >"$DOKKU_STORAGE_ROOT/last"
    }
    fill 1
    "$1" storage:trash:empty --force
    fill 2
    ! said=$("$1" storage:destroy gone --force --destroy-host-dir 2>&1)
    [[ $said == *"the disk of "*" has "*" free"* || $said == *"room for no more files"* ]]
    [[ $said == *"storage:destroy gone --force --destroy-host-dir --no-trash"* ]]
    [ -e "$DOKKU_STORAGE_ROOT/data/storage/gone/data" ]
    "$1" storage:destroy gone --force --destroy-host-dir --no-trash
    fill 3
    "$1" storage:snapshots:destroy kept first --force
    "$1" storage:policy:set trash-hours 0
    fill 4
    "$1" storage:prune --yes
    [ -z "$(ls "$DOKKU_STORAGE_ROOT/data/storage")" ]
"#;

fn frees_space_without_any(file_system: &str) {
    if !as_root("a full disk") {
        return;
    }
    let session = Session::standalone();
    let line = format!(
        "unshare --mount --propagation private bash -xeuc '{SCRIPT}' bash \"$1\" {file_system}"
    );
    let answer = session.call(&["storage:list-entries"]).around(&line).run();
    assert_eq!(answer.status, 0, "{answer:?}");
}

#[test]
fn what_frees_space_works_without_any_on_ext4() {
    frees_space_without_any("ext4");
}

#[test]
fn what_frees_space_works_without_any_on_tmpfs() {
    frees_space_without_any("tmpfs");
}

/// A small disk in the store's place, with an entry that takes more than half of it.
const LARGE: &str = r#"
    mkdir -p "$DOKKU_STORAGE_ROOT"
    mount -t tmpfs -o size=4m,mode=755 none "$DOKKU_STORAGE_ROOT"
    "$1" storage:create large >/dev/null
    head -c 3M /dev/urandom >"$DOKKU_STORAGE_ROOT/data/storage/large/data"
    ! "$1" storage:snapshots:create large first
    [ "$(ls -A "$DOKKU_STORAGE_ROOT/data/storage")" = large ]
"#;

#[test]
fn a_copy_that_does_not_fit_says_how_much_it_takes_and_how_much_was_free() {
    if !as_root("a full disk") {
        return;
    }
    let session = Session::standalone();
    let line = format!("unshare --mount --propagation private bash -euc '{LARGE}' bash \"$1\"");
    let answer = session.call(&["storage:list-entries"]).around(&line).run();
    assert_eq!(answer.status, 0, "{answer:?}");
    let said = answer.stderr;
    assert!(said.contains("all of it takes 3M, and ") && said.contains("k was free"), "{said}");
    assert!(!said.contains(".destroyed-"), "{said}");
}

/// A small disk in the store's place, with a sized entry and a snapshot of it, and so many kilobytes free.
const SIZED: &str = r#"
    PATH=$PATH:/usr/sbin:/sbin
    store=$DOKKU_STORAGE_ROOT
    mkdir -p "$store"
    truncate -s 64M "$store.img"
    mkfs.ext4 -qF -m 0 "$store.img"
    mount -o loop "$store.img" "$store"
    "$1" storage:create db --size 16M
    head -c 5M /dev/urandom >"$store/data/storage/db/data"
    "$1" storage:snapshots:create db one
    for left in 60 400 2000; do
        sync
        fallocate -l "$(($(df -k --output=avail "$store" | tail -n 1) - left))K" "$store/filler"
        said=$(! "$1" storage:snapshots:restore db one 2>&1)
        echo "$said" >&2
        [[ $said == *"the snapshot holds "*" and does not fit: the disk of "*" has "*" free; make room: "* ]]
        [ "$(wc -l <<<"$said")" = 1 ]
        [ "$(ls "$store/storage-images")" = db.img ]
        rm "$store/filler"
    done
    "$1" storage:snapshots:restore db one
    umount -l "$store/data/storage/db"
"#;

#[test]
fn a_restore_of_a_sized_entry_that_does_not_fit_says_so_in_one_sentence() {
    if !as_root("a full disk") {
        return;
    }
    let session = Session::standalone();
    let line = format!("unshare --mount --propagation private bash -euc '{SIZED}' bash \"$1\"");
    let answer = session.call(&["storage:list-entries"]).around(&line).run();
    assert_eq!(answer.status, 0, "{answer:?}");
}
