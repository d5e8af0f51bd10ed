#!/usr/bin/env bats
# Snapshots and clones of directories with a size, and new ones that are filled: on images (ext4 and xfs below them) and on
# subvolumes with a quota, with commands that are killed, and on file systems that are full.
load helper
load support/programs

before_each() { DATA="$APP-data"; }
after_each() {
  trigger post-delete "$APP"
  drop_entries
  if ! is_real && mountpoint -q "$ROOT"; then umount -l "$ROOT"; fi
  rm -f "$HOST/disk"
}

# on FILE-SYSTEM [MIB]: puts the storage root on a file system of this kind, on a loop device. On a real host it would hide the data of
# the host's apps.
on() {
  standin_only
  truncate -s "${2:-400}M" "$HOST/disk"
  case $1 in
    ext4) mkfs.ext4 -qF -m 0 "$HOST/disk" ;;
    *) mkfs."$1" -q "$HOST/disk" ;;
  esac
  mount -o loop "$HOST/disk" "$ROOT"
  rm -rf "$ROOT/lost+found"
  chown dokku:dokku "$ROOT"
  chmod 0755 "$ROOT"
}

# plant DIR: some of all that a tree can have.
plant() {
  local i
  mkdir -p "$1/small" "$1/odd/with acl"
  for ((i = 0; i < 100; i++)); do echo "$i" >"$1/small/$i"; done
  ln "$1/small/7" "$1/odd/linked"
  ln -s ../nowhere "$1/odd/link"
  echo run >"$1/odd/setuid" && chmod 4711 "$1/odd/setuid"
  mkfifo "$1/odd/pipe"
  setfattr -n user.mine -v yes "$1/odd/setuid"
  setfacl -m u:4321:rwx -d -m u:4323:rx "$1/odd/with acl"
  head -c 2000000 /dev/urandom >"$1/data"
  truncate -s 8M "$1/sparse"
  chown -hR 1000:1001 "$1/small"
  chown 32767:32767 "$1"
  chmod 0751 "$1"
  touch -d '1999-09-09 09:09:09' "$1/odd" "$1"
}

# same DIR DIR: there is no difference between two trees. xfs shows its ACLs by a second name, which is its own.
same() {
  local difference
  difference=$(rsync -aAXH --numeric-ids --checksum --delete --dry-run -n -i --filter='-x trusted.SGI_ACL_*' "$1/" "$2/")
  [ -z "$difference" ] || fail "$1 and $2 differ:" "$(head -n 20 <<<"$difference")"
}

made() { dokku storage:snapshots:list "$DATA" --format json | jq -r ".[] | select(.name == \"$1\").made"; }
moved() { dokku storage:snapshots:list "$DATA" --format json | jq -r '[.[].name | select(startswith("before-restore-"))][0] // ""'; }

# nothing_hidden: no directory, image or loop device of a command is left.
nothing_hidden() {
  assert_equal "" "$(find "$ROOT" "$IMAGES" -maxdepth 1 \( -name '.destroyed-*' -o -name '*.new' \) 2>/dev/null)"
  assert_equal "" "$(losetup -a | grep -F "$IMAGES/." || true)"
}

# there_and_back: a snapshot, changes, and back again.
there_and_back() {
  dokku storage:create "$DATA" --size 24M
  plant "$ROOT/$DATA"
  run dokku storage:snapshots:create "$DATA" first
  assert_success
  same "$ROOT/$DATA" "$ROOT/.snapshot-$DATA@first"
  rm -rf "$ROOT/$DATA/small"
  echo changed >"$ROOT/$DATA/odd/setuid"
  cp -a --preserve=all "$ROOT/$DATA/." "$HOST/changed"
  run dokku storage:snapshots:restore "$DATA" first
  assert_success
  same "$ROOT/.snapshot-$DATA@first" "$ROOT/$DATA"
  assert_has "kept as snapshot $(moved)"
  same "$HOST/changed" "$ROOT/.snapshot-$DATA@$(moved)"
  rm -rf "$HOST/changed"
  nothing_hidden
  # What xfs alone calls its ACLs is not what they are called.
  assert_equal "" "$(getfattr -R -d -m trusted.SGI_ACL "$ROOT/$DATA" 2>/dev/null)"
  # It still holds 24M and no more.
  assert_equal ready "$(dokku storage:info "$DATA" | sed -n 's/ *State: *//p')"
  run dd if=/dev/zero of="$ROOT/$DATA/fill" bs=1M count=30
  [ "$status" -ne 0 ] || fail "30 MiB fit into 24M"
  rm "$ROOT/$DATA/fill"
  touch -d '1999-09-09 09:09:09' "$ROOT/$DATA"
}

@test "ext4: an image is kept and put back, bit for bit" {
  there_and_back
  assert_equal ext4 "$(findmnt -no FSTYPE "$ROOT/$DATA")"
  assert_equal copy "$(made first)"
  assert_equal 25165824 "$(stat -c %s "$IMAGES/$DATA.img")"
  # The place is a mount point as before: it comes back after a start of the host.
  umount "$ROOT/$DATA"
  run touch "$ROOT/$DATA/below"
  [ "$status" -ne 0 ] || fail "something was written under the mount point"
  run sudo -u dokku sudo -n "$HELPERS/storage/bin/copy-storage-dir" "$DATA" ".destroyed-$DATA-1-1"
  [ "$status" -ne 0 ] || fail "an empty mount point was taken for the data"
  assert_has "nothing is attached at $ROOT/$DATA"
  # What is not attached is attached for a snapshot.
  dokku storage:snapshots:create "$DATA" second
  same "$ROOT/.snapshot-$DATA@first" "$ROOT/.snapshot-$DATA@second"
}

@test "xfs: the same" {
  on xfs
  there_and_back
  assert_equal copy "$(made first)"
}

@test "btrfs: a subvolume is taken at once, and has its quota when it comes back" {
  on btrfs
  there_and_back
  assert_equal btrfs "$(made first)"
  btrfs subvolume show "$ROOT/$DATA" >/dev/null
  # What it holds is the entry's size of now, and nothing of it is for an entry without one.
  dokku storage:set "$DATA" size 48M
  dokku storage:snapshots:restore "$DATA" first
  dd if=/dev/zero of="$ROOT/$DATA/fill" bs=1M count=30 status=none
  rm "$ROOT/$DATA/fill"
  dokku storage:create "$DATA-plain" --from "snapshot:$DATA@first"
  dd if=/dev/zero of="$ROOT/$DATA-plain/fill" bs=1M count=60 status=none
  rm "$ROOT/$DATA-plain/fill"
  # One with another subvolume in it is copied, and comes back with a quota too.
  btrfs subvolume create "$ROOT/$DATA/inner" >/dev/null
  echo precious >"$ROOT/$DATA/inner/file"
  dokku storage:snapshots:create "$DATA" nested
  dokku storage:snapshots:restore "$DATA" nested
  assert_equal precious "$(cat "$ROOT/$DATA/inner/file")"
  run dd if=/dev/zero of="$ROOT/$DATA/fill" bs=1M count=60
  [ "$status" -ne 0 ] || fail "60 MiB fit into 48M"
  rm "$ROOT/$DATA/fill"
  dokku storage:clone "$DATA" "$DATA-twin"
  run dd if=/dev/zero of="$ROOT/$DATA-twin/fill" bs=1M count=60
  [ "$status" -ne 0 ] || fail "60 MiB fit into 48M"
  nothing_hidden
}

@test "containers: a snapshot with --pause, and a restore that refuses or stops them" {
  needs_docker
  dokku storage:create "$DATA" --size 16M
  echo one >"$ROOT/$DATA/file"
  dokku storage:mount "$APP" "$DATA" --container-dir /data
  deploy "$APP"
  run dokku storage:snapshots:create "$DATA" good --pause
  assert_success
  assert_has "Paused "
  inside "$APP" web sh -c 'echo two >/data/file'
  run_apart dokku storage:snapshots:restore "$DATA" good
  assert_refused
  assert_stderr_has "running containers"
  run dokku storage:snapshots:restore "$DATA" good --stop
  assert_success
  assert_has "dokku ps:start $APP"
  deploy "$APP"
  assert_equal one "$(inside "$APP" web cat /data/file)"
  assert_equal two "$(cat "$ROOT/.snapshot-$DATA@$(moved)/file")"
}

@test "what something else uses is not replaced" {
  dokku storage:create "$DATA" --size 16M
  echo one >"$ROOT/$DATA/file"
  dokku storage:snapshots:create "$DATA" good
  echo two >"$ROOT/$DATA/file"
  exec 9>>"$ROOT/$DATA/file"
  run_apart dokku storage:snapshots:restore "$DATA" good
  exec 9>&-
  assert_status 1
  assert_stderr_has "something still uses $ROOT/$DATA"
  assert_equal two "$(cat "$ROOT/$DATA/file")"
  assert_equal "" "$(moved)"
  nothing_hidden
}

@test "a clone and a snapshot fill others, with a size and without, and each is its own" {
  dokku storage:create "$DATA" --size 24M --chown 1234 --mode 0750
  plant "$ROOT/$DATA"
  run dokku storage:clone "$DATA" "$DATA-twin"
  assert_success
  same "$ROOT/$DATA" "$ROOT/$DATA-twin"
  assert_equal 24M "$(dokku storage:info "$DATA-twin" --format json | jq -r .options.size)"
  [ "$(blkid -o value -s UUID "$IMAGES/$DATA.img")" != "$(blkid -o value -s UUID "$IMAGES/$DATA-twin.img")" ]
  echo own >"$ROOT/$DATA-twin/own"
  [ ! -e "$ROOT/$DATA/own" ]
  dokku storage:snapshots:create "$DATA" kept
  dokku storage:create "$DATA-plain" --from "snapshot:$DATA@kept"
  same "$ROOT/$DATA" "$ROOT/$DATA-plain"
  [ "$(stat -c %m "$ROOT/$DATA-plain")" != "$ROOT/$DATA-plain" ]
  dokku storage:create "$DATA-larger" --size 32M --from "snapshot:$DATA@kept" --chown 4321 --mode 0700 --preallocate
  assert_equal "4321:4321 700 4321:4321" "$(stat -c '%u:%g %a' "$ROOT/$DATA-larger") $(stat -c '%u:%g' "$ROOT/$DATA-larger/data")"
  cmp "$ROOT/$DATA/data" "$ROOT/$DATA-larger/data"
  [ "$(stat -c %b "$IMAGES/$DATA-larger.img")" -ge 65536 ] || fail "the image was not preallocated"
  assert_equal 1 "$(stat -c %h "$IMAGES/$DATA-larger.img")"
  nothing_hidden
}

@test "what does not fit is refused with both numbers, and nothing is left" {
  mkdir -m 0755 "$HOST/large"
  head -c 20000000 /dev/urandom >"$HOST/large/data"
  dokku storage:create "$DATA" --size 32M
  cp "$HOST/large/data" "$ROOT/$DATA/data"
  dokku storage:snapshots:create "$DATA" kept
  local kind before
  for kind in "dir:$HOST/large" "snapshot:$DATA@kept"; do
    before=$(ls -A "$ROOT" "$IMAGES")
    run_apart dokku storage:create "$DATA-small" --size 16M --from "$kind" --chown 1000
    assert_status 1
    assert_stderr_has "holds 19.1M and does not fit into 16M"
    assert_equal "$before" "$(ls -A "$ROOT" "$IMAGES")"
    [ ! -e "$DOKKU_LIB_ROOT/data/storage-registry/entries/$DATA-small.json" ]
    nothing_hidden
  done
  # What is just too large for the file system that it is to be in.
  run_apart dokku storage:create "$DATA-small" --size 20M --from "snapshot:$DATA@kept"
  assert_status 1
  assert_stderr_has "does not fit into 20M, of which the file system needs some itself"
  rm -r "$HOST/large"
  # An image that is there is nobody's to fill.
  dokku storage:create "$DATA-gone" --size 32M
  dokku storage:destroy "$DATA-gone" --force
  rmdir "$ROOT/$DATA-gone"
  run_apart dokku storage:create "$DATA-gone" --size 32M --from "snapshot:$DATA@kept"
  assert_status 1
  assert_stderr_has "data of an earlier entry"
  [ -s "$IMAGES/$DATA-gone.img" ]
  rm "$IMAGES/$DATA-gone.img"
  nothing_hidden
}

@test "btrfs: its programs follow no link of Dokku's user" {
  on btrfs
  dokku storage:create "$DATA" --size 32M
  dokku storage:create "$DATA-other" --size 32M
  sudo -u dokku ln -s "$DATA-other" "$ROOT/$DATA-link"
  run sudo -u dokku sudo -n "$HELPERS/storage/bin/size-storage-dir" "$DATA-link" grow 64M
  [ "$status" -ne 0 ] || fail "a link was followed"
  btrfs subvolume show "$ROOT/$DATA-other" | grep -q 'Limit referenced:.*32.00MiB'
  # Who is quick puts a link where the snapshot goes.
  can_replace btrfs
  mkdir "$ROOT/$DATA-elsewhere"
  replace btrfs <<FILE
if [ "\$1 \$2" = "subvolume snapshot" ]; then
  sudo -u dokku ln -s "$ROOT/$DATA-elsewhere" "\$(readlink "\${4%/*}")/\${4##*/}" 2>>"$HOST/tried"
fi
exec "$(real btrfs)" "\$@"
FILE
  dokku storage:snapshots:create "$DATA" first
  remove_replaced btrfs
  grep -q "Permission denied" "$HOST/tried"
  assert_equal "" "$(ls "$ROOT/$DATA-elsewhere")"
  assert_equal btrfs "$(made first)"
  nothing_hidden
}

@test "btrfs: a storage root that was swapped for a link is not entered" {
  standin_only
  local data="$DOKKU_LIB_ROOT/data" helper="$HELPERS/storage/bin/size-storage-dir"
  truncate -s 400M "$HOST/disk"
  mkfs.btrfs -q "$HOST/disk"
  mkdir "$HOST/other"
  mount -o loop "$HOST/disk" "$HOST/other"
  mkdir -m 0700 "$HOST/other/private"
  sudo -u dokku mv "$ROOT" "$data/aside"
  sudo -u dokku ln -s "$HOST/other/private" "$ROOT"
  run sudo -u dokku sudo -n "$helper" "$DATA" new ".destroyed-$DATA-1" 64M
  sudo -u dokku rm "$ROOT"
  sudo -u dokku mv "$data/aside" "$ROOT"
  listed=$(btrfs subvolume list "$HOST/other")
  quotas=$(btrfs qgroup show "$HOST/other" 2>&1 || true)
  umount "$HOST/other"
  [ "$status" -ne 0 ] || fail "a link was followed"
  assert_equal "" "$listed"
  [[ $quotas == *"quotas not enabled"* ]] || fail "quotas were enabled behind a link: $quotas"
}

@test "btrfs: what does not fit into the quota is refused too" {
  on btrfs
  mkdir -m 0755 "$HOST/large"
  head -c 20000000 /dev/urandom >"$HOST/large/data"
  run_apart dokku storage:create "$DATA" --size 16M --from "dir:$HOST/large" --chown 1000
  rm -r "$HOST/large"
  assert_status 1
  assert_stderr_has "does not fit into 16M"
  assert_equal "" "$(ls -A "$ROOT")"
  assert_equal "" "$(btrfs subvolume list "$ROOT")"
  dokku storage:create "$DATA"
  head -c 20000000 /dev/urandom >"$ROOT/$DATA/data"
  dokku storage:snapshots:create "$DATA" kept
  run_apart dokku storage:create "$DATA-small" --size 16M --from "snapshot:$DATA@kept"
  assert_status 1
  assert_stderr_has "holds 19.1M and does not fit into 16M"
  dokku storage:create "$DATA-large" --size 32M --from "snapshot:$DATA@kept"
  run dd if=/dev/zero of="$ROOT/$DATA-large/fill" bs=1M count=30
  [ "$status" -ne 0 ] || fail "30 MiB more fit into 32M"
  nothing_hidden
}

# killed DELAY COMMAND…: a command with all that it starts, ended after a while. sudo ends a helper of its own a little
# later, since that runs in a group of its own.
killed() {
  local delay=$1
  shift
  setsid --fork sh -c 'echo $$ >"$1"; shift; exec "$@"' sh "$HOST/pid" "$DOKKU" "$@" >/dev/null 2>&1 3>&-
  until [ -s "$HOST/pid" ]; do sleep 0.005; done
  sleep "$delay"
  kill -9 -- "-$(cat "$HOST/pid")" 2>/dev/null || true
  while pgrep -g "$(cat "$HOST/pid")" >/dev/null; do sleep 0.02; done
  while pgrep -f "^$HELPERS/.*$DATA" >/dev/null; do sleep 0.02; done
  rm "$HOST/pid"
}

@test "a snapshot, a restore and a create that are killed leave what was there, or what is to be" {
  dokku storage:create "$DATA" --size 24M
  plant "$ROOT/$DATA"
  dokku storage:snapshots:create "$DATA" first
  cp -a --preserve=all "$ROOT/$DATA/." "$HOST/original"
  local delay
  for delay in 0.03 0.08 0.12 0.17 0.3; do
    echo "$delay" >"$ROOT/$DATA/changed"
    cp -a --preserve=all "$ROOT/$DATA/." "$HOST/changed"
    killed "$delay" storage:snapshots:restore "$DATA" first
    dokku storage:wait "$DATA"
    if [ -e "$ROOT/$DATA/changed" ]; then
      same "$HOST/changed" "$ROOT/$DATA"
    else
      same "$HOST/original" "$ROOT/$DATA"
      same "$HOST/changed" "$ROOT/.snapshot-$DATA@$(moved)"
    fi
    if [ -n "$(moved)" ]; then dokku storage:snapshots:destroy "$DATA" "$(moved)" --force; fi
    killed "$delay" storage:snapshots:create "$DATA" next
    if [ -n "$(made next)" ]; then
      same "$ROOT/$DATA" "$ROOT/.snapshot-$DATA@next"
      dokku storage:snapshots:destroy "$DATA" next --force
    fi
    killed "$delay" storage:create "$DATA-new" --size 24M --from "snapshot:$DATA@first"
    dokku storage:create "$DATA-any"
    if [ -e "$DOKKU_LIB_ROOT/data/storage-registry/entries/$DATA-new.json" ]; then
      dokku storage:wait "$DATA-new"
      same "$HOST/original" "$ROOT/$DATA-new"
      dokku storage:destroy "$DATA-new" --force --destroy-host-dir --no-trash
    fi
    assert_equal "$DATA.img" "$(ls -A "$IMAGES")"
    nothing_hidden
    dokku storage:destroy "$DATA-any" --force --destroy-host-dir --no-trash
    rm -rf "$HOST/changed"
  done
  rm -rf "$HOST/original"
  assert_equal 1 "$(losetup -a | grep -c "$IMAGES")"
}

@test "the loop device of an image that is gone ends with the next command" {
  dokku storage:create "$DATA" --size 16M
  truncate -s 16M "$IMAGES/.gone.img"
  losetup --find "$IMAGES/.gone.img"
  rm "$IMAGES/.gone.img"
  sudo -u dokku mkdir "$ROOT/.destroyed-$DATA-1-4194305" # of a process that there is not
  dokku storage:create "$DATA-any"
  assert_equal 1 "$(losetup -a | grep -c "$IMAGES")"
}

@test "the file of an entry leads root to nothing of its own" {
  local size=(sudo -u dokku sudo -n "$HELPERS/storage/bin/size-storage-dir" "$DATA")
  local entry="$REGISTRY/entries/$DATA.json"
  dokku storage:create "$DATA" --size 16M
  cp "$entry" "$HOST/entry"
  echo '"TOPSECRET"' >"$HOST/secret"
  chmod 0600 "$HOST/secret"
  "${size[@]}" detach
  ln -sfn "$HOST/secret" "$entry"
  run "${size[@]}" attach
  assert_has_not TOPSECRET
  assert_success
  mountpoint -q "$ROOT/$DATA"
  rm "$entry"
  install -o dokku -g dokku -m 0600 "$HOST/entry" "$entry"
}

@test "a create that is killed right before its entry is registered leaves no image" {
  local hidden=".destroyed-$DATA-1-4194305" # a process that there is not
  local size=(sudo -u dokku sudo -n "$HELPERS/storage/bin/size-storage-dir" "$DATA")
  sudo -u dokku mkdir "$ROOT/$hidden"
  "${size[@]}" new "$hidden" 16M
  "${size[@]}" close "$hidden"
  "${size[@]}" adopt "$hidden"
  # And one that was killed while it made the file system.
  : >"$IMAGES/.$hidden.img.new"
  assert_equal 2 "$(stat -c %h "$IMAGES/$DATA.img")"
  dokku storage:create "$DATA-any"
  assert_equal "" "$(ls -A "$IMAGES")"
  nothing_hidden
  # One that is registered stays.
  dokku storage:create "$DATA" --size 16M
  echo kept >"$ROOT/$DATA/file"
  sudo -u dokku mkdir "$ROOT/$hidden"
  ln "$IMAGES/$DATA.img" "$IMAGES/$hidden.img"
  dokku storage:create "$DATA-other"
  assert_equal "$DATA.img" "$(ls -A "$IMAGES")"
  assert_equal kept "$(cat "$ROOT/$DATA/file")"
}

@test "on a disk that is full a snapshot is refused, of a directory and of an image, and nothing is left" {
  on ext4 64
  dokku storage:create "$DATA"
  dokku storage:create "$DATA-sized" --size 16M
  head -c 30000000 /dev/urandom >"$ROOT/$DATA/data"
  head -c 5000000 /dev/urandom >"$ROOT/$DATA-sized/data"
  local before
  before=$(find "$ROOT" | sort)
  run dokku storage:snapshots:create "$DATA" first
  assert_status 1
  assert_has "No space left on device"
  assert_equal "$before" "$(find "$ROOT" | sort)"
  head -c 100000000 /dev/zero >"$ROOT/$DATA/more" || true
  run dokku storage:snapshots:create "$DATA-sized" first
  assert_status 1
  assert_has "No space left on device"
  assert_equal "[]" "$(dokku storage:snapshots:list --format json)"
  rm "$ROOT/$DATA/more"
  assert_equal "$before" "$(find "$ROOT" | sort)"
}

@test "what was written where no image is attached is not hidden, and what to type has both" {
  dokku storage:create "$DATA" --size 16M
  dokku storage:mount "$APP" "$DATA" --container-dir /data
  echo kept >"$ROOT/$DATA/file"
  umount "$ROOT/$DATA"
  chattr -i "$ROOT/$DATA"
  echo strange >"$ROOT/$DATA/strange"
  run dokku storage:wait "$DATA" --timeout 1
  assert_status 1
  assert_has "$ROOT/$DATA has files of its own, which its image would hide"
  run_apart dokku storage:doctor --format json
  assert_status 1
  assert_equal hidden-files "$(jq -r --arg entry "$DATA" '.[] | select(.entry == $entry).code' <<<"$output")"
  # What it says, as it is typed.
  local remedy
  remedy=$(jq -r --arg entry "$DATA" '.[] | select(.entry == $entry).remedy' <<<"$output")
  remedy=${remedy#*as root: }
  eval "${remedy/, then: /; }"
  assert_equal kept "$(cat "$ROOT/$DATA/file")"
  assert_equal strange "$(cat "$ROOT/$DATA.found/strange")"
  rm -r "$ROOT/$DATA.found"
}

@test "doctor says why a backup could not be made" {
  on ext4 64
  install -d -o dokku -g dokku "$HOST/backups"
  dokku storage:connectors:create "$APP-disk" --type local --path "$HOST/backups" >/dev/null
  dokku storage:create "$DATA"
  head -c 40000000 /dev/zero >"$ROOT/$DATA/data"
  run dokku storage:backups:create "$DATA"
  assert_status 1
  assert_has "No space left on device"
  run dokku storage:doctor
  assert_has "No space left on device"
  dokku storage:connectors:destroy "$APP-disk" --force
}

@test "an entry with snapshots stays; without them it goes to the trash and comes back" {
  dokku storage:create "$DATA" --size 16M
  echo kept >"$ROOT/$DATA/file"
  dokku storage:snapshots:create "$DATA" first
  run_apart dokku storage:destroy "$DATA" --force --destroy-host-dir
  assert_refused
  assert_stderr_has "dokku storage:snapshots:destroy $DATA first"
  dokku storage:snapshots:restore "$DATA" first
  for name in first "$(moved)"; do dokku storage:snapshots:destroy "$DATA" "$name" --force; done
  dokku storage:destroy "$DATA" --force --destroy-host-dir
  local image
  image=$(echo "$IMAGES"/.trash-"$DATA"-*.img)
  [ -s "$image" ]
  assert_equal "$(dokku storage:trash:list --size --format json | jq '.[] | select(.name == "'"$DATA"'").bytes')" $(($(stat -c %b "$image") * 512))
  dokku storage:trash:restore "$DATA"
  assert_equal kept "$(cat "$ROOT/$DATA/file")"
  run dokku storage:usage "$DATA" --format json
  assert_equal true "$(jq '.[0].limit > 10000000 and .[0].limit < 16777216' <<<"$output")"
}

@test "a destroy that is cut off before the image has one name alone leaves nothing once the trash is empty" {
  dokku storage:create "$DATA" --size 16M >/dev/null
  dokku storage:destroy "$DATA" --force --destroy-host-dir >/dev/null
  local image
  image=$(echo "$IMAGES"/.trash-"$DATA"-*)
  ln "$image" "$IMAGES/$DATA.img"
  run dokku storage:trash:empty --force
  assert_success
  assert_equal "" "$(ls -A "$IMAGES")"
}

@test "what is attached below a mount that hides it is not what one sees, and is attached there, too" {
  dokku storage:create "$DATA" --size 16M
  echo kept >"$ROOT/$DATA/file"
  install -d -o dokku -g dokku "$HOST/other" "$HOST/other/$DATA"
  mount --bind "$HOST/other" "$ROOT"
  run dokku storage:wait "$DATA" --timeout 1
  assert_status 1
  assert_has "is another directory than before"
  begin_anew
  run dokku storage:info "$DATA"
  assert_has "is not attached"
  dokku storage:wait "$DATA" --timeout 10
  assert_equal kept "$(cat "$ROOT/$DATA/file")"
  umount "$ROOT/$DATA"
  umount "$ROOT"
  begin_anew
  dokku storage:create "$APP-any"
  rm -f "$ROOT/.new"
  chattr -i "$HOST/other/$DATA"
  rm -r "$HOST/other"
}

@test "another disk in the place of the storage root's is not taken for it" {
  on ext4
  dokku storage:create "$DATA"
  umount "$ROOT"
  truncate -s 20M "$HOST/another"
  mkfs.ext4 -qF "$HOST/another"
  mount -o loop "$HOST/another" "$ROOT"
  install -d -o 1000 "$ROOT/$DATA"
  run dokku storage:wait "$DATA"
  assert_status 1
  assert_has "is another directory than before"
  umount "$ROOT"
  rm "$HOST/another"
  mount -o loop "$HOST/disk" "$ROOT"
  dokku storage:wait "$DATA"
}

@test "A sized entry in the trash is not forgotten while the storage root is not mounted, and none is put there then" {
  on ext4
  local there="$APP-there"
  for entry in "$DATA" "$there"; do
    dokku storage:create "$entry" --size 32m
    echo kept >"$ROOT/$entry/file"
  done
  dokku storage:destroy "$DATA" --force --destroy-host-dir
  umount "$ROOT/$there"
  umount "$ROOT"
  dokku storage:trash:empty --expired
  run dokku storage:create "$APP-other"
  assert_status 1
  assert_has "begin anew: touch $ROOT/.new"
  # Who does that all the same, and mounts the disk later:
  touch "$ROOT/.new"
  dokku storage:create "$APP-other"
  dokku storage:snapshots:create "$APP-other"
  dokku storage:snapshots:destroy "$APP-other" "$(dokku storage:snapshots:list "$APP-other" --format json | jq -r '.[0].name')" --force
  run dokku storage:destroy "$there" --force --destroy-host-dir
  assert_status 1
  assert_has "there is no $ROOT/$there, without which the data of storage entry \"$there\" would not be found in the trash"
  run dokku storage:wait "$there" --timeout 1
  assert_status 1
  assert_has "there is no $ROOT/$there, where the data of storage entry \"$there\" is attached; make it: dokku storage:create $there"
  dokku storage:create "$there"
  assert_equal kept "$(cat "$ROOT/$there/file")"
  umount "$ROOT/$there"
  dokku storage:destroy "$APP-other" --force --destroy-host-dir --no-trash
  mount -o loop "$HOST/disk" "$ROOT"
  run dokku storage:trash:restore "$DATA"
  assert_status 1
  assert_has "is another directory than before"
  begin_anew
  dokku storage:trash:restore "$DATA"
  assert_equal kept "$(cat "$ROOT/$DATA/file")"
  dokku storage:wait "$there"
  assert_equal kept "$(cat "$ROOT/$there/file")"
  dokku storage:destroy "$there" --force --destroy-host-dir
  dokku storage:trash:restore "$there"
  assert_equal kept "$(cat "$ROOT/$there/file")"
}

@test "prune tells what the image of an entry takes, attached or not" {
  local path="[.[] | select(.name == \"$DATA\")][0].bytes"
  dokku storage:create "$DATA" --size 16M
  dd if=/dev/urandom of="$ROOT/$DATA/file" bs=1M count=3 conv=fsync status=none
  run dokku storage:prune --format json
  [ "$(jq "$path" <<<"$output")" -ge 3145728 ] || fail "$output"
  umount "$ROOT/$DATA"
  run dokku storage:prune --format json
  [ "$(jq "$path" <<<"$output")" -ge 3145728 ] || fail "$output"
}

@test "the owner and the mode of what is detached are those of the data, not of the mount point" {
  dokku storage:create "$DATA" --size 16M
  echo kept >"$ROOT/$DATA/file"
  umount "$ROOT/$DATA"
  chattr -i "$ROOT/$DATA"
  run dokku storage:set "$DATA" mode 0711
  assert_success
  assert_equal "711 kept" "$(stat -c %a "$ROOT/$DATA") $(cat "$ROOT/$DATA/file")"
}
