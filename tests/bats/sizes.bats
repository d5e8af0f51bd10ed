#!/usr/bin/env bats
# Directories with a size: a limit that containers run into, growing, attaching, and what is left of it all. On real file
# systems on loop devices: ext4 and xfs (an image), btrfs (a subvolume with a quota).
load helper
needs docker

after_each() {
  local name
  # What is mounted by an app cannot be destroyed.
  ! is_real || return 0
  trigger post-delete "$APP"
  for name in $(dokku storage:list-entries --format json | jq -r '.[].name'); do
    dokku storage:destroy "$name" --force --destroy-host-dir --no-trash >/dev/null 2>&1 || true
  done
  local place
  for place in "$ROOT" "$IMAGES"; do
    if mountpoint -q "$place"; then umount -l "$place"; fi
  done
  [ -z "${LOOP_IMAGE:-}" ] || rm -f "$LOOP_IMAGE"
}

# on_file_system KIND: the storage root is on a file system of this kind. On a real host it would hide the data of the host's apps.
on_file_system() {
  standin_only
  LOOP_IMAGE="$HOST/$1.img"
  truncate -s 1G "$LOOP_IMAGE"
  case $1 in
    xfs) mkfs.xfs -q "$LOOP_IMAGE" ;;
    btrfs) mkfs.btrfs -q "$LOOP_IMAGE" ;;
  esac
  mount -o loop "$LOOP_IMAGE" "$ROOT"
  chown dokku:dokku "$ROOT"
  begin_anew
}

# Whether root may resize a file system that is in use: CAP_SYS_RESOURCE, capability 24 (capabilities(7)).
may_resize() {
  local bits
  bits=$(sed -n 's/^CapEff:\s*//p' /proc/self/status)
  ((0x$bits >> 24 & 1))
}

fill() { inside "$APP" web sh -c 'cat /dev/zero > /data/fill'; }
size_of() { df --output=size -k "$ROOT/$1" | tail -n 1 | tr -d ' '; }

@test "a container runs into the limit, and goes on after a grow" {
  run dokku storage:create "$APP-db" --size 32M
  assert_has "$ROOT/$APP-db holds 32M, of which $(df --output=used,avail -k "$ROOT/$APP-db" | awk 'NR == 2 { printf "%.1f", ($1 + $2) / 1024 }')M can be used"
  dokku storage:mount "$APP" "$APP-db" --container-dir /data
  deploy "$APP"
  run fill
  [ "$status" -ne 0 ]
  assert_has "No space left on device"
  [ "$(stat -c %s "$ROOT/$APP-db/fill")" -lt $((32 << 20)) ]
  run_apart dokku storage:set "$APP-db" size 64M
  if may_resize; then
    assert_success
  else
    assert_refused
    assert_stderr_has "CAP_SYS_RESOURCE is missing"
    inside "$APP" web cat /data/fill >/dev/null
    assert_equal 33554432 "$(stat -c %s "$IMAGES/$APP-db.img")"
    echo "# NOT TESTED: growing while a container uses it, since root may not resize a mounted file system here" >&3
    remove_test_containers
    dokku storage:set "$APP-db" size 64M
    deploy "$APP"
  fi
  inside "$APP" web sh -c 'dd if=/dev/zero of=/data/more bs=1M count=20 2>/dev/null'
  assert_equal 64M "$(dokku storage:info "$APP-db" --format json | jq -r .options.size)"
}

@test "owner, mode and size are the entry's own; nothing is in it" {
  dokku storage:create "$APP-db" --size 16M --chown heroku --mode 0750
  assert_equal "1000:1000 750" "$(stat -c '%u:%g %a' "$ROOT/$APP-db")"
  assert_equal "" "$(ls -A "$ROOT/$APP-db")"
  assert_equal "0:0 700" "$(stat -c '%u:%g %a' "$IMAGES")"
  [ "$(stat -c %b "$IMAGES/$APP-db.img")" -lt 32768 ] || fail "the image is not sparse"
  dokku storage:create "$APP-full" --size 16M --preallocate
  [ "$(stat -c %b "$IMAGES/$APP-full.img")" -ge 32768 ] || fail "the image was not preallocated"
  run dokku storage:create "$APP-db" --size 16M --chown heroku --mode 0750
  assert_success
  assert_has "already exists, leaving in place"
  run jq -c '[.name,.scheduler,.host_path,.schema_version,.size]' "$DOKKU_LIB_ROOT/data/storage-registry/entries/$APP-db.json"
  assert_output "[\"$APP-db\",\"docker-local\",\"$ROOT/$APP-db\",1,null]"
}

@test "an image that is preallocated keeps its room, and what it has lost is told of" {
  dokku storage:create "$APP-full" --size 24M --preallocate
  is_full() { [ "$(stat -c %b "$IMAGES/$APP-full.img")" -ge 49152 ] || fail "the image has lost blocks: $(stat -c %b "$IMAGES/$APP-full.img")"; }
  fstrim "$ROOT/$APP-full" || true
  is_full
  umount "$ROOT/$APP-full"
  dokku storage:wait "$APP-full"
  fstrim "$ROOT/$APP-full" || true
  is_full
  fallocate --punch-hole --offset 16M --length 4M "$IMAGES/$APP-full.img"
  run dokku storage:doctor
  assert_has "its image takes 20"
  assert_has "dokku storage:set $APP-full size 24M"
  dokku storage:set "$APP-full" size 24M
  is_full
}

@test "sizes that cannot be are refused, and nothing is left" {
  before=$(snapshot "$DOKKU_LIB_ROOT/data")
  for size in 0 0M -1 garbage 1k 7M 900T 99999999999999999999T '10 G' ''; do
    run_apart dokku storage:create "$APP-bad" --size "$size"
    [ -n "$size" ] || { assert_success; dokku storage:destroy "$APP-bad" --force --destroy-host-dir --no-trash; continue; }
    assert_refused
  done
  run_apart dokku storage:create "$APP-bad" /srv/elsewhere --size 16M
  assert_refused
  assert_stderr_has "default host path"
  mkdir "$ROOT/$APP-full"
  touch "$ROOT/$APP-full/file"
  run_apart dokku storage:create "$APP-full" --size 16M
  assert_refused
  assert_stderr_has "not an empty directory"
  rm -r "$ROOT/$APP-full"
  assert_equal "$before" "$(snapshot "$DOKKU_LIB_ROOT/data")"
}

@test "shrinking is refused with what it would take, and so is growing beyond the disk" {
  dokku storage:create "$APP-db" --size 32M
  run_apart dokku storage:set "$APP-db" size 16M
  assert_refused
  assert_stderr_has "cannot shrink from 32M to 16M"
  assert_stderr_has "copy the data into a new one: dokku storage:snapshots:create $APP-db now"
  run_apart dokku storage:create "$APP-db" --size 16M
  assert_refused
  assert_stderr_has "cannot shrink from 32M to 16M"
  run_apart dokku storage:create "$APP-db" --size 64M
  assert_refused
  assert_stderr_has "holds 32M; grow it: dokku storage:set $APP-db size 64M"
  run_apart dokku storage:set "$APP-db" size
  assert_refused
  assert_stderr_has "cannot be removed; grow it: dokku storage:set $APP-db size SIZE"
  run_apart dokku storage:set "$APP-db" size 900T
  assert_refused
  assert_stderr_has "do not fit"
  dokku storage:create "$APP-plain"
  run_apart dokku storage:set "$APP-plain" size 16M
  assert_refused
  assert_stderr_has "does not accept --size"
  assert_equal 33554432 "$(stat -c %s "$IMAGES/$APP-db.img")"
}

@test "the disk of the images is what has to have room, and a full one is told" {
  standin_only
  LOOP_IMAGE="$HOST/images.img"
  truncate -s 60M "$LOOP_IMAGE"
  mkfs.ext4 -q -m 0 "$LOOP_IMAGE"
  install -d -m 0700 "$IMAGES"
  mount -o loop "$LOOP_IMAGE" "$IMAGES"
  run_apart dokku storage:create "$APP-db" --size 64M
  assert_refused
  assert_stderr_has "64M do not fit: $IMAGES has"
  dokku storage:create "$APP-db" --size 32M
  dokku storage:mount "$APP" "$APP-db" --container-dir /data
  run_apart dokku storage:set "$APP-db" size 1G
  assert_refused
  assert_stderr_has "do not fit: $IMAGES has"
  run dokku storage:doctor
  assert_has_not full-disk
  fallocate -l "$(($(df --output=avail -B1 "$IMAGES" | tail -n 1) - 500000))" "$IMAGES/.full"
  run dokku storage:doctor
  assert_status 1
  assert_has full-disk "$IMAGES has only 1 % left" "dokku storage:trash:list --size"
  run deploy "$APP"
  assert_has "once it is full, what is written to storage entry \"$APP-db\" is lost"
  trigger post-delete "$APP"
  remove_test_containers
  dokku storage:destroy "$APP-db" --force --destroy-host-dir --no-trash
  umount "$IMAGES"
}

@test "what is not attached is attached before a deploy; where it cannot be, the deploy stops" {
  dokku storage:create "$APP-db" --size 16M
  dokku storage:mount "$APP" "$APP-db" --container-dir /data
  echo kept >"$ROOT/$APP-db/file"
  umount "$ROOT/$APP-db"
  run dokku storage:doctor "$APP"
  assert_status 1
  assert_has not-mounted
  deploy "$APP"
  assert_equal kept "$(inside "$APP" web cat /data/file)"
  running=$(what_runs "$APP")
  umount "$ROOT/$APP-db" || umount -l "$ROOT/$APP-db"
  mv "$IMAGES/$APP-db.img" "$IMAGES/aside"
  run deploy "$APP"
  [ "$status" -ne 0 ]
  assert_has "the image $IMAGES/$APP-db.img is gone, and the data with it"
  assert_equal "$running" "$(what_runs "$APP")"
  run trigger docker-args-deploy "$APP" latest web 1
  assert_status 1
  run touch "$ROOT/$APP-db/below"
  [ "$status" -ne 0 ] || fail "something was written under the mount point"
  mv "$IMAGES/aside" "$IMAGES/$APP-db.img"
  dokku storage:wait "$APP-db"
  assert_equal kept "$(cat "$ROOT/$APP-db/file")"
}

@test "destroying keeps the image, unless asked for; another entry of the name takes it over" {
  dokku storage:create "$APP-db" --size 16M
  echo kept >"$ROOT/$APP-db/file"
  run dokku storage:destroy "$APP-db" --force
  assert_success
  assert_has "Its data stays in an image of 16M; take it over: dokku storage:create $APP-db --size 16M"
  [ -s "$IMAGES/$APP-db.img" ]
  run_apart dokku storage:create "$APP-db"
  assert_refused
  assert_stderr_has "left its image, which holds 16M; take it over: dokku storage:create $APP-db --size 16M"
  run_apart dokku storage:create "$APP-db" --size 32M
  assert_refused
  assert_stderr_has "--size 16M"
  dokku storage:create "$APP-db" --size 16M
  assert_equal kept "$(cat "$ROOT/$APP-db/file")"
  loops=$(losetup -a | grep -c "$IMAGES" || true)
  assert_equal 1 "$loops"
  dokku storage:destroy "$APP-db" --force --destroy-host-dir --no-trash
  assert_equal "" "$(ls -A "$IMAGES")"
  assert_equal "" "$(losetup -a | grep "$IMAGES" || true)"
  [ ! -e "$ROOT/$APP-db" ]
}

# as_dokkus_plugin_writes NAME: the file of an entry has the fields that Dokku's own plugin knows, and no other.
as_dokkus_plugin_writes() {
  jq '{name, scheduler, host_path, reclaim_policy: "Retain", schema_version}' "$ENTRIES/$1.json" >"$HOST/entry"
  cat "$HOST/entry" >"$ENTRIES/$1.json"
}

@test "a stay with Dokku's own plugin, which removes the size, loses nothing" {
  standin_only
  local ours="$DOKKU_LIB_ROOT/plugins/enabled/storage"
  dokku storage:create "$APP-db" --size 16M --scope "$APP"
  dokku storage:mount "$APP" "$APP-db" --container-dir /data
  echo kept >"$ROOT/$APP-db/file"
  dokku_environment "$ours/uninstall" storage
  assert_equal "dokku:dokku 600" "$(stat -c '%U:%G %a' "$REGISTRY/kept.json")"
  as_dokkus_plugin_writes "$APP-db"
  umount "$ROOT/$APP-db"
  run dokku_environment "$ours/install"
  assert_success
  assert_has "Restored what Dokku's plugin had removed of storage entries: $APP-db"
  [ ! -e "$REGISTRY/kept.json" ]
  assert_equal '16M directory Retain' "$(jq -r '"\(.options.size) \(.type) \(.reclaim_policy)"' "$ENTRIES/$APP-db.json")"
  assert_equal kept "$(cat "$ROOT/$APP-db/file")"
  run dokku_environment "$ours/install"
  assert_has_not Restored
  deploy "$APP"
  assert_equal kept "$(inside "$APP" web cat /data/file)"
}

@test "an entry whose size is lost stops deploys, and takes its image over" {
  standin_only
  dokku storage:create "$APP-db" --size 16M
  dokku storage:mount "$APP" "$APP-db" --container-dir /data
  echo kept >"$ROOT/$APP-db/file"
  as_dokkus_plugin_writes "$APP-db"
  local remedy="take the image over: dokku storage:create $APP-db --size 16M" before
  # It is told while the data is still there.
  run dokku storage:doctor "$APP"
  assert_has hidden-image
  umount "$ROOT/$APP-db"
  for before in "storage:doctor $APP" "storage:doctor" "storage:wait $APP-db"; do
    # shellcheck disable=SC2086 # these are words
    run dokku $before
    assert_status 1
    assert_has "$remedy"
  done
  run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the app was deployed without its data"
  assert_has "$remedy"
  run_apart dokku storage:snapshots:create "$APP-db"
  assert_refused
  assert_stderr_has "storage:wait $APP-db"
  run_apart dokku storage:create "$APP-db" --size 32M
  assert_refused
  assert_stderr_has "$remedy"
  dokku storage:create "$APP-db" --size 16M
  assert_equal kept "$(cat "$ROOT/$APP-db/file")"
  deploy "$APP"
  assert_equal kept "$(inside "$APP" web cat /data/file)"
  # One that no app mounts is named, too.
  dokku storage:create "$APP-other" --size 16M
  as_dokkus_plugin_writes "$APP-other"
  umount "$ROOT/$APP-other"
  run dokku storage:doctor
  assert_has "dokku storage:create $APP-other --size 16M"
}

@test "a size that is no whole number of blocks is rounded up, and the image is taken over with it" {
  dokku storage:create "$APP-db" --size 12.3M
  assert_equal 12596k "$(dokku storage:info "$APP-db" --format json | jq -r .options.size)"
  assert_equal $((12596 << 10)) "$(stat -c %s "$IMAGES/$APP-db.img")"
  dokku storage:set "$APP-db" size 12.4M
  assert_equal 12700k "$(dokku storage:info "$APP-db" --format json | jq -r .options.size)"
  assert_equal $((12700 << 10)) "$(stat -c %s "$IMAGES/$APP-db.img")"
  echo kept >"$ROOT/$APP-db/file"
  dokku storage:destroy "$APP-db" --force
  dokku storage:create "$APP-db" --size 12.4M
  assert_equal kept "$(cat "$ROOT/$APP-db/file")"
}

@test "usage tells used, limit and files; a deploy warns above 90 %" {
  dokku storage:create "$APP-db" --size 16M
  dokku storage:create "$APP-plain"
  head -c 100000 /dev/zero >"$ROOT/$APP-plain/file"
  dokku storage:mount "$APP" "$APP-db" --container-dir /data
  run dokku storage:usage "$APP-plain" --format json
  assert_equal '["directory",true,null,2]' "$(jq -c '.[0]|[.type,(.used>=100000),.limit,.inodes]' <<<"$output")"
  run dokku storage:usage --app "$APP"
  assert_success
  assert_line_with "$APP-db" "%"
  assert_has_not "$APP-plain"
  deploy "$APP"
  run fill
  run deploy "$APP"
  assert_success
  assert_line_with "$APP-db" "% full" "dokku storage:set $APP-db size"
  run at_terminal '' "$DOKKU" storage:usage "$APP-db"
  assert_has "[###"
}

@test "a directory that dokku may not read is counted all the same" {
  dokku storage:create "$APP-db" --chown heroku
  chmod 0700 "$ROOT/$APP-db"
  head -c 100000 /dev/zero >"$ROOT/$APP-db/file"
  run dokku storage:usage "$APP-db" --format json
  assert_equal 2 "$(jq '.[0].inodes' <<<"$output")"
}

@test "on xfs it is an image too" {
  on_file_system xfs
  dokku storage:create "$APP-db" --size 16M
  assert_equal ext4 "$(findmnt -no FSTYPE "$ROOT/$APP-db")"
  dokku storage:mount "$APP" "$APP-db" --container-dir /data
  deploy "$APP"
  run fill
  assert_has "No space left on device"
}

@test "on btrfs it is a subvolume with a quota" {
  on_file_system btrfs
  dokku storage:create "$APP-db" --size 16M --chown heroku
  btrfs subvolume show "$ROOT/$APP-db" >/dev/null
  assert_equal 1000:1000 "$(stat -c %u:%g "$ROOT/$APP-db")"
  dokku storage:mount "$APP" "$APP-db" --container-dir /data
  deploy "$APP"
  run fill
  [ "$status" -ne 0 ]
  assert_has "Disk quota exceeded"
  dokku storage:set "$APP-db" size 32M
  inside "$APP" web sh -c 'dd if=/dev/zero of=/data/more bs=1M count=8 2>/dev/null'
  run dokku storage:usage "$APP-db" --format json
  assert_equal 33554432 "$(jq '.[0].limit' <<<"$output")"
  remove_test_containers
  dokku storage:unmount "$APP" "$APP-db" --container-dir /data
  dokku storage:destroy "$APP-db" --force --destroy-host-dir --no-trash
  [ ! -e "$ROOT/$APP-db" ]
  assert_equal "" "$(btrfs subvolume list "$ROOT")"
}

@test "a create that is killed leaves nothing that another one stumbles over" {
  for delay in 0.01 0.03 0.06 0.1 0.2; do
    dokku storage:create "$APP-db" --size 16M >/dev/null 2>&1 &
    creating=$!
    sleep "$delay"
    pkill -9 -f "storage:create $APP-db" || true
    wait "$creating" || true
    dokku storage:create "$APP-db" --size 16M
    dokku storage:wait "$APP-db"
    echo x >"$ROOT/$APP-db/file"
    dokku storage:destroy "$APP-db" --force --destroy-host-dir --no-trash
    assert_equal "" "$(find "$ROOT" "$IMAGES" -mindepth 1 -maxdepth 1 -name "*$APP*")"
  done
}

@test "the first entry of a host without Dokku can have a size" {
  alone() { env -u DOKKU_LIB_ROOT -u DOKKU_ROOT DOKKU_STORAGE_ROOT="$HOST/alone" "$BINARY" "$@"; }
  alone storage:create first --size 16M
  mountpoint -q "$HOST/alone/data/storage/first"
  alone storage:destroy first --force --destroy-host-dir --no-trash
}
