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
