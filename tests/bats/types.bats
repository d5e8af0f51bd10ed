#!/usr/bin/env bats
# What can stand behind an entry: the table of types, directory, k3s, and tmpfs in real containers.
load helper
needs docker

after_each() { drop_volumes; }

# tmpfs_in APP PATH: what the kernel says of the tmpfs at a path in the app's container.
tmpfs_in() { inside "$1" web grep "^tmpfs $2 tmpfs " /proc/mounts; }

# --- the table ------------------------------------------------------------------------------------------

@test "types:list names each type with its reach, and says what is here" {
  run dokku storage:types:list
  assert_success
  for type in directory volume tmpfs k3s; do assert_line_with "$type" yes; done
  assert_line_with nfs anywhere
  assert_line_with k3s cluster
  run dokku storage:types:list --format json
  for type in directory volume tmpfs nfs cifs k3s; do
    jq -e --arg type "$type" 'any(.[]; .name == $type and (.reach | IN("host", "cluster", "anywhere")) and .summary != ""
      and (.available | type) == "boolean" and (.can | keys) == ["chown", "exclusive", "resize", "snapshot", "subpath"]
      and .available == all(.needs[]; .is_here) and all(.needs[]; .what != "" and .remedy != ""))' <<<"$output" >/dev/null ||
      fail "type $type is not told in full" "$(shown)"
  done
}

@test "types:info tells of each type what types:list has, with options and defaults" {
  run dokku storage:types:list --format json
  local all=$output type option
  for type in $(jq -r '.[].name' <<<"$all"); do
    run dokku storage:types:info "$type" --format json
    assert_success
    assert_equal "$(jq -cS --arg type "$type" '.[] | select(.name == $type)' <<<"$all")" "$(jq -cS . <<<"$output")"
    local told=$output
    run dokku storage:types:info "$type"
    assert_line_with "Storage type $type"
    for option in $(jq -r '.options[].name' <<<"$told"); do assert_line_with "Option:" "$option:"; done
  done
  run dokku storage:types:info nfs
  assert_line_with "server:" "(required)"
  assert_line_with "port:" "(default 2049)"
  run dokku storage:types:info volume
  assert_line_with "Option:" any
}

@test "a type that there is not is refused, with the nearest first" {
  run_apart dokku storage:types:info tmfs
  assert_refused
  assert_stderr_has '"tmfs" is not a type of storage; there are: tmpfs,'
  run_apart dokku storage:create "$APP-x" --type volumes
  assert_refused
  assert_stderr_has 'there are: volume,'
  [ ! -e "$DOKKU_LIB_ROOT/data/storage-registry/entries/$APP-x.json" ]
}

# --- directory and k3s --------------------------------------------------------------------------------------

@test "type directory is what an entry is without a type" {
  dokku storage:create "$APP-typed" --type directory --mode 0750
  dokku storage:create "$APP-plain" --mode 0750
  readable_by_dokku "$APP-typed" "$DOKKU_LIB_ROOT/data/storage/$APP-typed" mode node
  local entries="$DOKKU_LIB_ROOT/data/storage-registry/entries"
  assert_equal "$(sed "s/$APP-plain/$APP-typed/g" "$entries/$APP-plain.json")" "$(cat "$entries/$APP-typed.json")"
  assert_equal 750 "$(stat -c %a "$DOKKU_LIB_ROOT/data/storage/$APP-typed")"
}

@test "type k3s is scheduler k3s, and is refused what only a host has" {
  run_apart dokku storage:create "$APP-x" --type k3s
  assert_refused
  assert_stderr_has "requires --size"
  run_apart dokku storage:create "$APP-x" --type k3s --size 1Gi --mode 0750
  assert_refused
  run_apart dokku storage:create "$APP-x" --type tmpfs --scheduler k3s
  assert_refused
  assert_stderr_has "type tmpfs is for scheduler docker-local, not k3s"
}

# --- tmpfs --------------------------------------------------------------------------------------------------

@test "tmpfs: the container sees memory of this size, mode and owner, which is empty at every start" {
  dokku storage:create "$APP-cache" --type tmpfs --size 3M --mode 0750 --chown 1234
  dokku storage:mount "$APP" "$APP-cache" --container-dir /cache
  deploy "$APP"
  run tmpfs_in "$APP" /cache
  assert_has "size=3072k"
  assert_equal "750 1234 1234" "$(inside "$APP" web stat -c '%a %u %g' /cache)"
  assert_equal 3072 "$(inside "$APP" web df -k /cache | awk 'END { print $2 }')"
  inside "$APP" web sh -c 'echo kept > /cache/file'
  run inside "$APP" web dd if=/dev/zero of=/cache/big bs=1M count=4
  [ "$status" -ne 0 ] || fail "4 MB fit into 3" "$(shown)"
  assert_has "No space left"
  deploy "$APP"
  assert_equal "" "$(inside "$APP" web ls /cache)"
}

@test "tmpfs: no two containers share it" {
  dokku storage:create "$APP-cache" --type tmpfs --option size=1M
  dokku storage:mount "$APP" "$APP-cache" --container-dir /cache
  deploy "$APP" web=1 worker=1
  inside "$APP" web touch /cache/of-web
  assert_equal "" "$(inside "$APP" worker ls /cache)"
  assert_equal 1777 "$(inside "$APP" web stat -c %a /cache)"
}

@test "tmpfs: docker-args print --tmpfs in words that xargs splits as they were" {
  dokku storage:create "$APP-cache" --type tmpfs --size 1.5k
  dokku storage:mount "$APP" "$APP-cache" --container-dir "/it's a cache" --volume-options noexec,nr_inodes=9 --volume-readonly
  run trigger docker-args-deploy "$APP" latest web
  assert_success
  assert_equal "$(printf '%s\n' --tmpfs "/it's a cache:size=1536,mode=1777,ro,noexec,nr_inodes=9")" "$(split_words <<<"$output")"
  deploy "$APP"
  run inside "$APP" web grep 'nr_inodes=9' /proc/mounts
  assert_has "ro,"
  run inside "$APP" web touch "/it's a cache/file"
  assert_has "Read-only file system"
}

@test "tmpfs: Dokku's own plugin, which mounts host_path, gets a volume with the same in it" {
  dokku storage:create "$APP-cache" --type tmpfs --size 2M --mode 0700 --chown 55
  readable_by_dokku "$APP-cache" "tmpfs-$APP-cache" options type
  assert_equal '{"Driver":"local","Options":{"device":"tmpfs","o":"size=2097152,mode=0700,uid=55,gid=55","type":"tmpfs"}}' \
    "$(volume_options "tmpfs-$APP-cache")"
  run dokku storage:exec "$APP-cache" --image "$TEST_IMAGE" -- sh -c 'df -k /data | tail -n 1; stat -c "%a %u" /data'
  assert_success
  assert_line_with 2048 /data
  assert_line_with "700 55"
  docker volume rm "tmpfs-$APP-cache"
  dokku storage:wait "$APP-cache"
  has_volume "tmpfs-$APP-cache"
  dokku storage:destroy "$APP-cache" --force
  ! has_volume "tmpfs-$APP-cache" || fail "the volume is still there"
}

@test "tmpfs: what it cannot do is refused at once, and nothing is left" {
  local before size
  before=$(snapshot "$DOKKU_LIB_ROOT/data")
  for size in 0 0M -1 1X 12e3 M ' ' 99999999999P 1,uid=0; do
    run_apart dokku storage:create "$APP-x" --type tmpfs --size="$size"
    assert_refused
    assert_stderr_has "size \"$size\""
    run_apart dokku storage:create "$APP-x" --type tmpfs --option size="$size"
    assert_refused
  done
  refused 'say the same' --size 1M --option size=1M
  refused 'say the same' --mode 700 --option mode=700
  refused 'mode "999"' --mode 999
  refused 'there are: size, mode' --option sise=1M
  refused 'does not take a path' /srv
  refused 'does not take --driver' --driver local
  refused 'does not take --connector' --connector x
  refused 'keeps nothing' --reclaim-policy Delete
  assert_equal "$before" "$(snapshot "$DOKKU_LIB_ROOT/data")"
  ! has_volume "tmpfs-$APP-x" || fail "a volume is left"
}
refused() {
  run_apart dokku storage:create "$APP-x" --type tmpfs "${@:2}"
  assert_refused || return
  assert_stderr_has "$1"
}

@test "tmpfs: mounts that it cannot make are refused when they are asked for" {
  dokku storage:create "$APP-cache" --type tmpfs
  mount_refused 'cannot mount a part of it' --volume-subpath a
  mount_refused 'no owner that could be set' --volume-chown 1000
  mount_refused 'no owner that could be set' --volume-chown auto
  mount_refused 'volume option "Z" is not one of type tmpfs' --volume-options Z
  mount_refused 'there are: noexec,' --volume-options noexek
  mount_refused 'volume option "nr_inodes" is not' --volume-options nr_inodes
  mount_refused 'another --size' --volume-options size=1M
  mount_refused 'another --chown' --volume-options uid=0
  assert_equal '[]' "$(mounts_of "$APP" | jq -c .)"
  run_apart dokku storage:set "$APP-cache" reclaim-policy Delete
  assert_refused
  run_apart dokku storage:set "$APP-cache" mode 0700
  assert_refused
  assert_stderr_has "cannot be changed for type tmpfs"
  run_apart dokku storage:destroy "$APP-cache" --force --destroy-host-dir
  assert_refused
}
mount_refused() {
  run_apart dokku storage:mount "$APP" "$APP-cache" --container-dir /c "${@:2}"
  assert_refused || return
  assert_stderr_has "$1"
}

@test "tmpfs: created twice is the same entry; with something else in it, it is refused" {
  dokku storage:create "$APP-cache" --type tmpfs --size 1M
  run dokku storage:create "$APP-cache" --type tmpfs --size 1024k
  assert_success
  assert_has "already exists, leaving in place"
  run_apart dokku storage:create "$APP-cache" --type tmpfs --size 2M
  assert_status 1
  assert_stderr_has "already exists with other options"
  run_apart dokku storage:create "$APP-cache" --type nfs --option server=127.0.0.1 --option path=/x
  assert_status 1
  assert_stderr_has "already exists with type tmpfs"
  assert_has_not created
}
