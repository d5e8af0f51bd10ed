#!/usr/bin/env bats
# Snapshots on real file systems: nothing is lost, blocks are shared where they can be, and nothing stays paused.
load helper
load support/trees

# How many small files a tree has; on ext4, where each is copied, ten times as many. SNAPSHOT_FILES=10000 tries the number
# of the promise, 100,000, which takes longer than a run of all tests may.
FILES=${SNAPSHOT_FILES:-1000}

before_each() { DATA="$APP-data"; }
after_each() {
  local name
  [ -z "${DATA:-}" ] || for name in $(dokku storage:snapshots:list "$DATA" --format json 2>/dev/null | jq -r '.[].name'); do
    dokku storage:snapshots:destroy "$DATA" "$name" --force >/dev/null || true
  done
  if mountpoint -q "$ROOT"; then
    umount "$ROOT" || umount -l "$ROOT"
    begin_anew
  fi
  rm -f "$HOST/disk"
}

# on FILE-SYSTEM: puts the storage root on a file system of this kind, on a loop device.
on() {
  local make=(mkfs."$1" -q)
  case $1 in
    ext4) make+=(-F -N $((FILES * 8 + 100000))) ;;
    xfs) make+=(-m reflink=1) ;;
  esac
  truncate -s 8G "$HOST/disk"
  "${make[@]}" "$HOST/disk" >/dev/null
  mount -o loop "$HOST/disk" "$ROOT"
  chown dokku:dokku "$ROOT"
  chmod 0755 "$ROOT"
  begin_anew
}

# plant DIR MIB: all that a tree can have, a sparse file of this size among it.
plant() {
  local n here i
  for ((n = 0; n < FILES / 100; n++)); do
    here="$1/small/$n"
    mkdir -p "$here"
    for ((i = 0; i < 100; i++)); do echo "$n $i" >"$here/$i"; done
    ln "$here/7" "$1/small/linked-$n"
    ln -s "../nowhere-$n" "$here/link"
  done
  plant_odd "$1/odd"
  truncate -s "$2M" "$1/sparse"
  printf begin | dd of="$1/sparse" conv=notrunc status=none
  printf middle | dd of="$1/sparse" bs=1M seek=$(($2 / 2)) conv=notrunc status=none
  printf end | dd of="$1/sparse" bs=1 seek=$(($2 * 1024 * 1024 - 3)) conv=notrunc status=none
  chown -hR 1000:1001 "$1/small/0" "$1/small/linked-0"
  chown 32767:32767 "$1" "$1/odd/pipe"
  chmod 0751 "$1"
  setfattr -n user.top -v yes "$1"
  find "$1/odd" "$1/small/1" -exec touch -h -d '2001-02-03 04:05:06.789' {} +
  touch -d '1999-09-09 09:09:09' "$1"
}

# same DIR DIR: there is no difference between two trees, and the holes are holes. The data of the sparse file is not
# compared, which takes long.
same() {
  local difference
  difference=$(rsync -aAXH --numeric-ids --checksum --delete --dry-run -i --exclude sparse "$1/" "$2/")
  difference+=$(rsync -aAX --numeric-ids --dry-run -i "$1/sparse" "$2/sparse")
  [ -z "$difference" ] || fail "$1 and $2 differ:" "$(head -n 20 <<<"$difference")"
  [ "$(du -k "$2/sparse" | cut -f1)" -lt 20000 ] || fail "the holes of the sparse file were filled" "$(du -k "$2/sparse")"
}

# there_and_back MIB: the whole way on the file system that is mounted: a snapshot, changes, back again.
there_and_back() {
  dokku storage:create "$DATA"
  plant "$ROOT/$DATA" "$1"
  run dokku storage:snapshots:create "$DATA" first
  assert_success
  echo "$output"
  same "$ROOT/$DATA" "$ROOT/.snapshot-$DATA@first"
  rm -rf "$ROOT/$DATA/small/1"
  echo changed >"$ROOT/$DATA/small/0/7"
  chmod 0700 "$ROOT/$DATA/odd"
  run dokku storage:snapshots:restore "$DATA" first
  assert_success
  same "$ROOT/.snapshot-$DATA@first" "$ROOT/$DATA"
  local before
  before=$(dokku storage:snapshots:list "$DATA" --format json | jq -r '.[] | select(.made == "moved").name')
  [[ $before == before-restore-* ]] || fail "what was there is no snapshot: $before"
  assert_equal changed "$(cat "$ROOT/.snapshot-$DATA@$before/small/linked-0")"
  [ ! -e "$ROOT/.snapshot-$DATA@$before/small/1" ]
  # A copy of a copy against the original.
  cmp "$ROOT/$DATA/sparse" "$ROOT/.snapshot-$DATA@$before/sparse"
}

made() { dokku storage:snapshots:list "$DATA" --format json | jq -r ".[] | select(.name == \"$1\").made"; }
used() { df --output=used -k "$ROOT" | tail -n 1; }

@test "ext4: a snapshot and what is restored of it are the same as the original" {
  FILES=$((FILES * 10))
  on ext4
  there_and_back 1024
  assert_equal copy "$(made first)"
}

@test "xfs: the same, with shared blocks" {
  on xfs
  dokku storage:create "$DATA-big"
  dd if=/dev/urandom of="$ROOT/$DATA-big/data" bs=1M count=200 status=none
  sync -f "$ROOT"
  local before
  before=$(used)
  run dokku storage:clone "$DATA-big" "$DATA-twin"
  assert_has "share their blocks"
  sync -f "$ROOT"
  [ $(($(used) - before)) -lt 50000 ] || fail "200 MiB that are shared took $(($(used) - before)) KiB"
  cmp "$ROOT/$DATA-big/data" "$ROOT/$DATA-twin/data"
  there_and_back 64
  assert_equal reflink "$(made first)"
}

@test "btrfs: the same, with shared blocks" {
  on btrfs
  there_and_back 64
  assert_equal reflink "$(made first)"
}

@test "btrfs: a directory that is a subvolume is taken at once, and removed again" {
  on btrfs
  btrfs subvolume create "$ROOT/$DATA" >/dev/null
  chown dokku:dokku "$ROOT/$DATA"
  there_and_back 64
  assert_equal btrfs "$(made first)"
  run btrfs subvolume list "$ROOT"
  assert_line_with "$DATA@first"
  dokku storage:snapshots:destroy "$DATA" first --force
  run btrfs subvolume list "$ROOT"
  assert_has_not "$DATA@first"
  [ ! -e "$ROOT/.snapshot-$DATA@first" ]
  # What btrfs would leave out of a snapshot is copied.
  btrfs subvolume create "$ROOT/$DATA/inner" >/dev/null
  echo precious >"$ROOT/$DATA/inner/file"
  dokku storage:snapshots:create "$DATA" nested
  assert_equal reflink "$(made nested)"
  assert_equal precious "$(cat "$ROOT/.snapshot-$DATA@nested/inner/file")"
}

@test "a snapshot is as protected as the data, and becomes a new entry" {
  dokku storage:create "$DATA"
  echo data >"$ROOT/$DATA/file"
  chown -R 1000:1000 "$ROOT/$DATA"
  chmod 0700 "$ROOT/$DATA"
  dokku storage:snapshots:create "$DATA" kept
  assert_equal "700 1000:1000" "$(stat -c '%a %u:%g' "$ROOT/.snapshot-$DATA@kept")"
  run_apart dokku storage:destroy "$DATA" --force
  assert_refused
  assert_stderr_has "dokku storage:snapshots:destroy $DATA kept"
  run dokku storage:create "$DATA-new" --from "snapshot:$DATA@kept"
  assert_success
  assert_equal "700 1000:1000 data" "$(stat -c '%a %u:%g' "$ROOT/$DATA-new") $(cat "$ROOT/$DATA-new/file")"
  dokku storage:create "$DATA-given" --from "snapshot:$DATA@kept" --chown 32767
  assert_equal "32767:32767 32767:32767" "$(stat -c '%u:%g' "$ROOT/$DATA-given" "$ROOT/$DATA-given/file" | xargs)"
  mkdir -m 0755 "$HOST/outside"
  echo outside >"$HOST/outside/file"
  echo root >"$HOST/outside/for-root" && chmod 0600 "$HOST/outside/for-root"
  # What root may read is not read for somebody else.
  run_apart dokku storage:create "$DATA-dir" --from "dir:$HOST/outside" --chown 32767
  assert_refused
  assert_stderr_has for-root
  rm "$HOST/outside/for-root"
  run_apart dokku storage:create "$DATA-dir" --from "dir:$HOST/outside"
  assert_refused
  assert_stderr_has "its owner 0:0 cannot be kept"
  assert_stderr_has "choose one owner for what you can read: --chown OWNER"
  dokku storage:create "$DATA-dir" --from "dir:$HOST/outside" --chown 32767
  assert_equal "32767:32767 outside" "$(stat -c '%u:%g' "$ROOT/$DATA-dir/file") $(cat "$ROOT/$DATA-dir/file")"
  run ls -A "$ROOT"
  assert_has_not .destroyed-
}

@test "a program with a lease on every file holds up a copy for seconds, and is told" {
  local pid begun
  dokku storage:create "$APP-leased" >/dev/null
  # It never gives one up: the kernel would take each after 45 seconds.
  python3 -c '
import fcntl, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
files = [open(f"{sys.argv[1]}/file-{number}", "w") for number in range(4)]
for file in files:
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
open(sys.argv[2], "w").close()
signal.pause()' "$ROOT/$APP-leased" "$DIR/leased" &
  pid=$!
  until [ -e "$DIR/leased" ]; do sleep 0.1; done
  begun=$SECONDS
  run dokku storage:snapshots:create "$APP-leased" one
  kill -9 "$pid"
  assert_status 1
  assert_has "unable to copy $ROOT/$APP-leased: file-"
  assert_has "a program has a lease on it"
  [ $((SECONDS - begun)) -lt 40 ] || fail "it took $((SECONDS - begun)) s"
  dokku storage:snapshots:create "$APP-leased" one
}

@test "--pause: containers stand still as long as the snapshot takes, whatever ends it" {
  on ext4
  deployed_with 800 # which takes a moment
  run dokku storage:snapshots:create "$DATA" still --pause
  assert_success
  assert_has "Paused "
  assert_equal false "$(paused)"
  # Killed with all that it started, but for what lets the containers go.
  setsid --fork sh -c 'echo $$ >"$1"; exec "$2" storage:snapshots:create "$3" killed --pause' sh "$HOST/pid" "$DOKKU" "$DATA" >/dev/null 2>&1 3>&-
  wait_for true
  kill -9 -- "-$(cat "$HOST/pid")"
  wait_for false
  while pgrep -g "$(cat "$HOST/pid")" >/dev/null; do sleep 0.05; done
  inside "$APP" web touch /data/alive
  assert_equal "" "$(made killed)"
  run dokku storage:snapshots:create "$DATA" again
  assert_success
  run ls -A "$ROOT"
  assert_has_not .destroyed-
  # One that somebody else paused stays so.
  docker pause "$(container "$APP")" >/dev/null
  run dokku storage:snapshots:create "$DATA" beside --pause
  assert_success
  assert_has_not "Paused "
  assert_equal true "$(paused)"
  docker unpause "$(container "$APP")" >/dev/null
}

@test "what is restored has the owner and the mode that its entry has now" {
  local name
  dokku storage:create "$DATA" --mode 0700 --chown 1000
  dokku storage:create "$DATA-sized" --size 32M --mode 0700 --chown 1000
  dokku storage:create "$DATA-plain"
  for name in "$DATA" "$DATA-sized" "$DATA-plain"; do
    touch "$ROOT/$name/in"
    chown 1001:1002 "$ROOT/$name/in"
    dokku storage:snapshots:create "$name" first
    if [ "$name" != "$DATA-plain" ]; then
      dokku storage:set "$name" mode 0750
      dokku storage:set "$name" chown 2000:2001
    else
      chmod 0711 "$ROOT/$name"
    fi
    run dokku storage:snapshots:restore "$name" first
    assert_success
    assert_equal 1001:1002 "$(stat -c %u:%g "$ROOT/$name/in")"
  done
  assert_equal "750 2000:2001" "$(stat -c '%a %u:%g' "$ROOT/$DATA")"
  assert_equal "750 2000:2001" "$(stat -c '%a %u:%g' "$ROOT/$DATA-sized")"
  # Where nothing is noted, they are those of the snapshot.
  assert_equal 755 "$(stat -c %a "$ROOT/$DATA-plain")"
}

@test "a restore leaves running containers alone, or stops them" {
  on ext4
  deployed_with 1
  dokku storage:snapshots:create "$DATA" good
  inside "$APP" web sh -c 'echo new >/data/new'
  run_apart dokku storage:snapshots:restore "$DATA" good
  assert_refused
  assert_stderr_has "running containers"
  assert_stderr_has "--stop"
  [ -e "$ROOT/$DATA/new" ]
  run dokku storage:snapshots:restore "$DATA" good --stop
  assert_success
  assert_has "dokku ps:start $APP"
  assert_equal "" "$(docker ps -q --filter "label=com.dokku.app-name=$APP")"
  [ ! -e "$ROOT/$DATA/new" ]
  cmp "$ROOT/.snapshot-$DATA@good/data" "$ROOT/$DATA/data"
}

@test "a restore says which containers were started while it replaced the directory" {
  local job lock id status=0
  on ext4
  deployed_with 1
  dokku storage:snapshots:create "$DATA" good
  id=$(container "$APP")
  docker stop --time 0 "$id" >/dev/null
  # It has looked for containers when it waits for the store.
  lock="$DOKKU_LIB_ROOT/data/storage-registry/.lock"
  exec 7>>"$lock"
  flock 7
  dokku storage:snapshots:restore "$DATA" good >"$HOST/restored" 2>&1 7>&- 3>&- &
  job=$!
  until grep -qE -- "-> FLOCK .*:$(stat -c %i "$lock") " /proc/locks; do sleep 0.05; done
  docker start "$id" >/dev/null
  exec 7>&-
  wait "$job" || status=$?
  output=$(cat "$HOST/restored")
  assert_status 1
  assert_has "storage entry \"$DATA\" is restored from snapshot good, but containers were started meanwhile and may still use what was there: "
  assert_has "restart them: dokku ps:restart $APP"
  # What it writes is kept.
  inside "$APP" web sh -c 'echo late >/data/late'
  assert_equal late "$(cat "$ROOT/.snapshot-$DATA@before-restore-"*/late)"
}
