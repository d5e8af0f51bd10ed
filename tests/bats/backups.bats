#!/usr/bin/env bats
# Backups: what was there comes back, to a new entry, in place, and on another host; whatever ends in the middle, nothing is left.
load helper
load support/trees
load support/s3
load support/sftp
load support/watched

before_all() {
  REPOSITORY="$HOST/backups"
  export REPOSITORY
  install -d -o dokku -g dokku -m 0700 "$REPOSITORY"
}
before_each() {
  DATA="$APP-data" OFF="$APP-off"
  install -d -o dokku -g dokku -m 0700 "$REPOSITORY/$APP"
  dokku storage:connectors:create "$OFF" --type local --path "$REPOSITORY/$APP" >/dev/null
  dokku storage:create "$DATA" --chown heroku >/dev/null
}
after_each() {
  local name
  # A test that failed has not ended its server.
  [ -z "${SFTP:-}" ] || kill "$SFTP" 2>/dev/null || true
  trigger post-delete "$APP"
  for name in $(dokku storage:list-entries --format json | jq -r '.[].name' | grep "^$APP-"); do
    forget_snapshots "$name"
    dokku storage:destroy "$name" --force --destroy-host-dir --no-trash >/dev/null 2>&1 ||
      dokku storage:destroy "$name" --force >/dev/null || fail "$name cannot be destroyed"
  done
  drop_volumes
  dokku storage:connectors:destroy "$OFF" --force >/dev/null || true
  assert_equal "" "$(find "$ROOT" -maxdepth 1 -name '.destroyed-*')"
}

forget_snapshots() {
  local snapshot
  for snapshot in $(dokku storage:snapshots:list "$1" --format json | jq -r '.[].name'); do
    dokku storage:snapshots:destroy "$1" "$snapshot" --force >/dev/null
  done
}

# works_on WORD: the processes with this word in their arguments.
works_on() { pgrep -f -- "$1" || true; }

last() { dokku storage:backups:list "$DATA" --format json | jq -r '.[-1].id'; }

@test "a tree comes back as it was, with owners, links, holes, attributes and times" {
  plant "$ROOT/$DATA"
  run dokku storage:backups:create "$DATA"
  assert_success
  assert_has "Storage entry $DATA backed up to $OFF"
  run dokku storage:backups:restore "$DATA@latest" --as "$APP-copy"
  assert_success
  # Set-uid bits, capabilities and device nodes are rights, which no backup gives.
  chmod u-s "$ROOT/$DATA/odd/setuid"
  setfattr -x security.capability "$ROOT/$DATA/odd/setuid"
  rm "$ROOT/$DATA/odd/whiteout"
  touch -d '2001-02-03 04:05:06.789' "$ROOT/$DATA/odd" "$ROOT/$APP-copy/odd"
  same_tree "$ROOT/$DATA" "$ROOT/$APP-copy"
}

@test "a restore in place replaces the data in one step, keeps what it replaces, and asks" {
  echo old >"$ROOT/$DATA/a"
  mkdir "$ROOT/$DATA/sub" && echo one >"$ROOT/$DATA/sub/b"
  dokku storage:backups:create "$DATA"
  echo new >"$ROOT/$DATA/a" && echo two >"$ROOT/$DATA/sub/b" && echo more >"$ROOT/$DATA/c"
  run dokku storage:backups:restore "$DATA@latest" --in-place </dev/null
  assert_status 1
  assert_has "To proceed, type \"$DATA\""
  assert_equal new "$(cat "$ROOT/$DATA/a")"
  # Another entry's name before an id is a mistake.
  local id
  id=$(dokku storage:backups:list "$DATA" --format json | jq -r '.[0].id[:8]')
  run dokku storage:backups:restore "$APP-other@$id" --in-place --force
  assert_status 1
  assert_has "backup $id is of storage entry \"$DATA\", not of \"$APP-other\""
  run dokku storage:backups:restore "$DATA@latest" --in-place --force --path sub --path ./sub/ --path sub/b
  assert_success
  assert_equal "new one more" "$(cat "$ROOT/$DATA/a" "$ROOT/$DATA/sub/b" "$ROOT/$DATA/c" | xargs)"
  run dokku storage:backups:restore "$DATA@latest" --in-place --force
  assert_success
  assert_equal "old one" "$(cat "$ROOT/$DATA/a" "$ROOT/$DATA/sub/b" | xargs)"
  [ ! -e "$ROOT/$DATA/c" ]
  local kept
  kept=$(dokku storage:snapshots:list "$DATA" --format json | jq -r '.[-1].name')
  assert_equal "new one more" "$(cd "$ROOT/.snapshot-$DATA@$kept" && cat a sub/b c | xargs)"
}

@test "a restore of a part is refused where the copy of the rest would lack something" {
  echo old >"$ROOT/$DATA/a"
  dokku storage:backups:create "$DATA"
  echo new >"$ROOT/$DATA/a"
  mknod "$ROOT/$DATA/null" c 1 3
  run dokku storage:backups:restore "$DATA@latest" --in-place --force --path a
  assert_status 1
  assert_has "1 device files or mount points in storage entry \"$DATA\" would be lost"
  assert_equal new "$(cat "$ROOT/$DATA/a")"
  [ -c "$ROOT/$DATA/null" ]
  rm "$ROOT/$DATA/null"
  dokku storage:backups:restore "$DATA@latest" --in-place --force --path a
  assert_equal old "$(cat "$ROOT/$DATA/a")"
}

@test "a backup that lacks what is mounted in the entry is not whole" {
  mkdir "$ROOT/$DATA/uploads"
  mount -t tmpfs tmpfs "$ROOT/$DATA/uploads"
  echo picture >"$ROOT/$DATA/uploads/a"
  run dokku storage:backups:create "$DATA"
  umount "$ROOT/$DATA/uploads"
  assert_status 1
  assert_has "what is mounted at uploads"
  assert_equal false "$(dokku storage:backups:list "$DATA" --format json | jq '.[0].whole')"
  run dokku storage:doctor "$DATA"
  assert_has "what is mounted at uploads"
}

@test "a tree that is too deep to be restored keeps nothing else from being" {
  echo good >"$ROOT/$DATA/good"
  (cd "$ROOT/$DATA" && for _ in $(seq 300); do mkdir deep_directory && cd deep_directory && echo x >file || exit; done)
  local name
  name=$(printf 'n%.0s' $(seq 255))
  (cd "$ROOT/$DATA" && for _ in $(seq 17); do mkdir "$name" && cd "$name" || exit; done)
  run dokku storage:backups:create "$DATA"
  assert_status 1
  assert_has "whose path is too long to be restored"
  run dokku storage:backups:restore "$DATA@latest" --as "$APP-copy"
  assert_success
  assert_equal good "$(cat "$ROOT/$APP-copy/good")"
  assert_equal x "$(cat "$ROOT/$APP-copy/deep_directory/deep_directory/file")"
  [ -e "$ROOT/$DATA/deep_directory" ]
}

@test "a restore of a part is refused where a file is on the way to it, by the part's own path" {
  mkdir "$ROOT/$DATA/sub"
  echo old >"$ROOT/$DATA/sub/b"
  dokku storage:backups:create "$DATA"
  rm -r "$ROOT/$DATA/sub"
  echo new >"$ROOT/$DATA/sub"
  run dokku storage:backups:restore "$DATA@latest" --in-place --force --path sub/b
  assert_status 1
  assert_has "unable to put what is restored at sub/b: Not a directory"
  assert_has_not .destroyed
  assert_equal new "$(cat "$ROOT/$DATA/sub")"
  dokku storage:backups:restore "$DATA@latest" --in-place --force --path sub
  assert_equal old "$(cat "$ROOT/$DATA/sub/b")"
}

@test "a restore that goes on holds nothing that others detach or unmount" {
  local n backup restic held disk="$HOST/shared/disk"
  head -c 40M /dev/urandom >"$ROOT/$DATA/big"
  dokku storage:backups:create "$DATA" >/dev/null
  backup=$(last)
  dokku storage:create "$APP-sized" --size 16M >/dev/null
  dokku storage:snapshots:create "$APP-sized" one
  mkdir -p "$HOST/shared"
  mount --bind "$HOST/shared" "$HOST/shared"
  mount --make-private "$HOST/shared"
  mount --make-shared "$HOST/shared"
  mkdir "$disk"
  mount -t tmpfs disk "$disk"
  dokku storage:backups:restore "$DATA@latest" --as "$APP-copy" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
  for ((n = 0; n < 1000; n++)); do
    restic=$(works_on "restic restore .* $backup" | head -n 1)
    [ -z "$restic" ] || break
  done
  kill -STOP "$restic" || fail "restic did not restore" "$(cat "$BATS_TEST_TMPDIR/out")"
  run dokku storage:snapshots:restore "$APP-sized" one
  umount "$disk"
  grep -q " $disk " "/proc/$restic/mountinfo" && held=yes || held=no
  kill -CONT "$restic"
  wait "$!"
  umount "$HOST/shared"
  assert_success
  assert_equal no "$held"
  cmp "$ROOT/$DATA/big" "$ROOT/$APP-copy/big"
}

@test "a file, a directory with a size and a Docker volume are backed up and restored" {
  needs_docker
  dokku storage:create "$APP-file" --type file --from - --chown 1234 <<<hello
  dokku storage:create "$APP-sized" --size 64M >/dev/null
  echo sized >"$ROOT/$APP-sized/a"
  dokku storage:create "$APP-vol" --type volume >/dev/null
  docker run --rm -v "$APP-vol:/data" "$TEST_IMAGE" sh -c 'echo volume >/data/a && chown 5:6 /data/a /data && chmod 750 /data'
  local name
  for name in file sized vol; do
    run dokku storage:backups:create "$APP-$name"
    assert_success
    run dokku storage:backups:restore "$APP-$name@latest" --as "$APP-$name-2"
    assert_success
  done
  assert_equal "hello 1234" "$(cat "$ROOT/$APP-file-2") $(stat -c %u "$ROOT/$APP-file-2")"
  assert_equal sized "$(cat "$ROOT/$APP-sized-2/a")"
  assert_equal "$(stat -fc %b "$ROOT/$APP-sized")" "$(stat -fc %b "$ROOT/$APP-sized-2")"
  assert_equal "volume 5:6 750" "$(docker run --rm -v "$APP-vol-2:/data" "$TEST_IMAGE" sh -c 'echo $(cat /data/a) $(stat -c "%u:%g %a" /data)')"
  # In place, an image is replaced as a whole.
  echo changed >"$ROOT/$APP-sized/a"
  run dokku storage:backups:restore "$APP-sized@latest" --in-place --force
  assert_success
  assert_equal sized "$(cat "$ROOT/$APP-sized/a")"
  # Of a part, the rest stays.
  echo changed >"$ROOT/$APP-sized/a" && echo more >"$ROOT/$APP-sized/b"
  run dokku storage:backups:restore "$APP-sized@latest" --in-place --force --path a
  assert_success
  assert_equal "sized more" "$(cat "$ROOT/$APP-sized/a" "$ROOT/$APP-sized/b" | xargs)"
  run dokku storage:backups:restore "$APP-vol@latest" --in-place --force
  assert_status 1
  assert_has "--as NEW"
}

@test "what has its data on a server is refused before anybody is asked" {
  dokku storage:create "$APP-nfs" --type nfs --option server=127.0.0.1 --option path=/x >/dev/null
  run dokku storage:backups:create "$APP-nfs"
  assert_status 1
  assert_has "has its data on a server; make a backup there"
  assert_equal "" "$(ls -A "$REPOSITORY/$APP")"
  # Those that are not named are left out; directories are told.
  dokku storage:create "$APP-away" "$DIR" >/dev/null
  run dokku storage:backups:create "$APP-away"
  assert_status 1
  # So is what is not there yet, and so are volumes without data of their own: anybody can have one.
  dokku storage:mount "$APP" "$ROOT/$APP-unmade:/unmade" >/dev/null
  if [ -n "$HAVE_DOCKER" ]; then
    dokku storage:create "$APP-led" --type volume --option type=none --option o=bind --option "device=$DIR" >/dev/null
    dokku storage:mount "$APP" "$APP-none:/none" >/dev/null
  fi
  echo a >"$ROOT/$DATA/a"
  run dokku storage:backups:create --all
  assert_success
  assert_has "storage entry \"$APP-away\" is not in the backup: $DIR is outside of the storage root"
  assert_has "is not in the backup: host path $ROOT/$APP-unmade of storage entry"
  assert_has_not "$APP-nfs"
  assert_has "Storage entry $DATA backed up"
  # What was backed up once is missed.
  mv "$ROOT/$DATA" "$ROOT/$DATA.away"
  run dokku storage:backups:create --all
  assert_status 1
  assert_has "$ROOT/$DATA of storage entry \"$DATA\" does not exist"
  assert_equal "host path $ROOT/$DATA of storage entry \"$DATA\" does not exist; create it: mkdir -p $ROOT/$DATA" "$(jq -r .last_failure.message "$REGISTRY/backups/entries/$DATA.json")"
  mv "$ROOT/$DATA.away" "$ROOT/$DATA"
  if [ -n "$HAVE_DOCKER" ]; then
    assert_has "storage entry \"$APP-led\" is not in the backup: the driver or the options of the Docker volume $APP-led say where its data is"
    assert_has "the Docker volume $APP-none is not there yet"
    run dokku storage:backups:create "$APP-led"
    assert_status 1
  fi
}

@test "whatever is killed in the middle, nothing is left of it, and the next backup is whole" {
  local moment
  mkdir "$ROOT/$DATA/many"
  head -c 60M /dev/urandom >"$ROOT/$DATA/big"
  for n in $(seq 300); do echo "$n" >"$ROOT/$DATA/many/$n"; done
  dokku storage:backups:create "$DATA" >/dev/null
  for moment in 0.1 0.3 0.5 0.7 0.9 1.1 1.3 1.5 1.8 2.1; do
    head -c 8M /dev/urandom >>"$ROOT/$DATA/big"
    dokku storage:backups:create "$DATA" --pause >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    sleep "$moment"
    case $moment in
      *[37]) pkill -9 -f "restic .*entry=$DATA" || true ;;
      *[15]) pkill -9 -f "storage:backups:create $DATA" || true ;;
      *) pkill -9 -f "backup-storage save $OFF" || true ;;
    esac
    wait "$!" || true
    for _ in $(seq 100); do
      [ -n "$(works_on "entry=$DATA")$(works_on "backup-storage save $OFF")" ] || break
      sleep 0.1
    done
  done
  run dokku storage:backups:create "$DATA"
  assert_success
  assert_equal "" "$(find "$ROOT" -maxdepth 1 -name '.destroyed-*')"
  assert_equal "" "$(docker ps -q --filter status=paused 2>/dev/null || true)"
  run dokku storage:backups:check "$OFF"
  assert_success
  run dokku storage:backups:restore "$DATA@latest" --as "$APP-copy"
  assert_success
  same_tree "$ROOT/$DATA" "$ROOT/$APP-copy"
}

@test "a lock that a killed restic left on this host goes, one of another host is named and goes by hand" {
  echo a >"$ROOT/$DATA/a"
  dokku storage:backups:create "$DATA"
  local lock="$REPOSITORY/$APP/locks" key name
  key=$(dokku storage:backups:key "$OFF")
  leave_own_lock "$lock"
  run dokku storage:backups:prune "$OFF"
  assert_success
  assert_has "Removed a lock of this host's"
  # A host of the same name may be another one, whose process nobody sees here.
  for name in "$(uname -n)" elsewhere; do
    leave_lock "$key" "$name"
    run dokku storage:backups:prune "$OFF"
    assert_status 1
    assert_has "is locked by host $name (process"
    assert_has "dokku storage:backups:unlock $OFF"
    run dokku storage:backups:unlock "$OFF" --force
    assert_success
    run dokku storage:backups:prune "$OFF"
    assert_success
  done
}

# leave_lock KEY [HOST]: a restic that is killed while it backs something up leaves a lock in the test's repository.
# leave_own_lock DIR: kills a restic that a command of ours started, once it has locked the repository.
leave_own_lock() {
  local try pid
  for try in $(seq 20); do
    dokku storage:backups:check "$OFF" >/dev/null 2>&1 3>&- &
    pid=$!
    until [ -n "$(ls "$1")" ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
    kill -9 "$(tail -n 1 "$REGISTRY/.backup-processes")" 2>/dev/null || true
    wait "$pid" || true
    [ -z "$(ls "$1")" ] || return 0
  done
  fail "no lock was left in $try tries"
}

leave_lock() {
  local fifo="$BATS_TEST_TMPDIR/fifo-$2" pid
  mkfifo "$fifo"
  RESTIC_PASSWORD="$1" unshare --uts sh -c "hostname $2 && exec setpriv --reuid dokku --regid dokku --clear-groups \
    restic -q -r '$REPOSITORY/$APP' --no-cache backup --stdin <'$fifo'" 3>&- &
  pid=$!
  exec 7>"$fifo"
  for _ in $(seq 100); do
    [ -z "$(find "$REPOSITORY/$APP/locks" -regextype posix-extended -regex ".*/[0-9a-f]{64}")" ] || break
    sleep 0.1
  done
  kill -9 "$pid"
  wait "$pid" || true
  exec 7>&-
}

@test "hooks run in the app's container, and one that fails stops the backup with its output" {
  needs_docker
  dokku storage:mount "$APP" "$DATA" --container-dir /data >/dev/null
  deploy "$APP" >/dev/null
  dokku storage:set "$DATA" backup-before 'echo dumped by $HOSTNAME >/data/dump' >/dev/null
  dokku storage:set "$DATA" backup-after 'rm /data/dump' >/dev/null
  run dokku storage:backups:create "$DATA"
  assert_success
  [ ! -e "$ROOT/$DATA/dump" ] || fail "backup-after did not run"
  assert_has "backed up"
  assert_equal "dumped by $(inside "$APP" web hostname)" "$(dokku storage:backups:get "$DATA@latest" dump)"
  dokku storage:set "$DATA" backup-before 'touch /data/dump; echo the database is down; exit 3' >/dev/null
  run dokku storage:backups:create "$DATA"
  assert_status 1
  assert_has "failed with status 3: the database is down; there is no backup"
  [ ! -e "$ROOT/$DATA/dump" ] || fail "what backup-before had begun was not ended"
  assert_equal 1 "$(dokku storage:backups:list "$DATA" --format json | jq length)"
  # They follow an app that gets another name.
  trigger post-app-rename-setup "$APP" "$APP-new"
  assert_equal "$APP-new" "$(dokku storage:info "$DATA" --format json | jq -r '.backup.apps[]')"
  # Dokku ends the containers of the old name.
  docker rm -f "$(container "$APP")" >/dev/null
  trigger post-app-rename-setup "$APP-new" "$APP"
  deploy "$APP" >/dev/null
  # What was made is not thrown away for what comes after.
  dokku storage:set "$DATA" backup-before '' >/dev/null
  dokku storage:set "$DATA" backup-after 'echo cannot unlock; exit 4' >/dev/null
  run dokku storage:backups:create "$DATA"
  assert_status 1
  assert_has "is made, but backup-after of storage entry \"$DATA\" failed with status 4: cannot unlock"
  assert_equal 2 "$(dokku storage:backups:list "$DATA" --format json | jq length)"
  # In a container of the entry's own, the app need not run.
  dokku storage:set "$DATA" backup-image "$TEST_IMAGE" >/dev/null
  dokku storage:set "$DATA" backup-before 'ls /data >/data/names' >/dev/null
  dokku storage:set "$DATA" backup-after '' >/dev/null
  run dokku storage:backups:create "$DATA"
  assert_success
  assert_equal names "$(dokku storage:backups:get "$DATA@latest" names)"
}

@test "a command after the copy waits for one before it that outlives its backup" {
  needs_docker
  dokku storage:mount "$APP" "$DATA" --container-dir /data >/dev/null
  deploy "$APP" >/dev/null
  local log="$ROOT/$DATA/log" image pid
  for image in '' "$TEST_IMAGE"; do
    rm -f "$ROOT/$DATA"/{log,ends}
    dokku storage:set "$DATA" backup-image "$image" >/dev/null
    dokku storage:set "$DATA" backup-before 'echo before >>/data/log; until [ -e /data/ends ]; do sleep 0.1; done; echo ends >>/data/log' >/dev/null
    dokku storage:set "$DATA" backup-after 'echo after >>/data/log' >/dev/null
    dokku storage:backups:create "$DATA" >/dev/null 2>&1 3>&- &
    pid=$!
    until [ -s "$log" ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    kill -9 "$(jq -r '.begun.name | split("-") | last' "$REGISTRY/backups/entries/$DATA.json")"
    wait "$pid" || true
    run dokku storage:backups:run
    assert_status 1
    assert_has "backup-before of storage entry \"$DATA\" still runs in container"
    run dokku storage:backups:create "$DATA"
    assert_status 1
    assert_has "still runs in container"
    run dokku storage:doctor "$DATA"
    assert_has "still runs in container"
    assert_equal before "$(cat "$log")"
    touch "$ROOT/$DATA/ends"
    for _ in $(seq 100); do
      ! dokku storage:backups:run >/dev/null 2>&1 || break
      sleep 0.1
    done
    assert_equal "before ends after" "$(xargs <"$log")"
  done
}

@test "the helper reads with root's rights only what root has copied" {
  standin_only
  local mine="$ROOT/.destroyed-mine-$APP" helper="$HELPERS/storage/bin/backup-storage"
  local request='{"document":{"version":1},"host":"h","tags":[],"parent":null,"reads_all":false,"copied":0}'
  as_dokku() { sudo -u dokku sudo -n "$helper" "$@" <<<"$request"; }
  sudo -u dokku mkdir "$mine"
  sudo -u dokku ln -s /etc "$mine/data"
  run as_dokku save "${mine##*/}" "$OFF"
  assert_has "can be entered by others"
  # What it copies is the storage root's, and goes to a hidden name.
  for words in "copy .destroyed-a-$APP ../../etc" "copy .destroyed-a-$APP /etc" "copy $APP-plain $DATA" "save $DATA $OFF" \
    "restore .destroyed-a-$APP ../../x .destroyed-b-$APP" "copy-volume .destroyed-a-$APP /etc" "other .destroyed-a-$APP"; do
    # shellcheck disable=SC2086
    run as_dokku $words
    assert_status 1 || fail "backup-storage $words"
  done
  rm -r "$mine"
}

@test "device nodes and set-uid bits come back for root itself alone" {
  standin_only
  plant "$ROOT/$DATA"
  dokku storage:set "$DATA" chown root >/dev/null
  dokku storage:backups:create "$DATA" >/dev/null
  run_apart dokku storage:backups:restore "$DATA@latest" --as "$APP-copy" --privileged
  assert_status 1
  assert_stderr_has "only root may; as root, type: $HELPERS/storage/bin/dokku-storage storage:backups:restore BACKUP --privileged"
  run dokku storage:info "$APP-copy"
  assert_status 1
  as_dokku_runs_it env DOKKU_LIB_ROOT="$DOKKU_LIB_ROOT" DOKKU_ROOT="$DOKKU_ROOT" \
    "$HELPERS/storage/bin/dokku-storage" storage:backups:restore "$DATA@latest" --as "$APP-copy" --privileged
  [ -u "$ROOT/$APP-copy/odd/setuid" ]
}

@test "no secret is an argument, and none is in the output" {
  local key
  key=$(dokku storage:backups:key "$OFF")
  watched "$DOKKU" storage:backups:create "$DATA"
  assert_success
  in_no_argument "$key" restic
  assert_has_not "$key"
}

@test "what is wrong with a destination is said, and nothing is left" {
  echo a >"$ROOT/$DATA/a"
  # Somebody else's repository.
  local other="$REPOSITORY/$APP-other"
  install -d -o dokku -g dokku "$other"
  sudo -u dokku env RESTIC_PASSWORD=theirs restic -q -r "$other" init >/dev/null
  dokku storage:connectors:set "$OFF" path "$other" >/dev/null
  run dokku storage:backups:create "$DATA"
  assert_status 1
  assert_has "it is somebody else's, or has another key; give its key: dokku storage:connectors:set $OFF --key-file PATH"
  # A directory that cannot be written.
  dokku storage:connectors:set "$OFF" path /nowhere/at/all >/dev/null 2>&1 || true
  dokku storage:connectors:set "$OFF" path "$REPOSITORY/$APP" >/dev/null
  dokku storage:backups:create "$DATA"
  # The disk with the repository is not mounted.
  mv "$REPOSITORY/$APP" "$REPOSITORY/$APP-away"
  install -d -o dokku -g dokku "$REPOSITORY/$APP"
  run dokku storage:backups:create "$DATA"
  assert_status 1
  assert_has "is gone from its place; mount the disk it is on"
  assert_equal "" "$(ls -A "$REPOSITORY/$APP")"
  rmdir "$REPOSITORY/$APP"
  mv "$REPOSITORY/$APP-away" "$REPOSITORY/$APP"
  run dokku storage:backups:create "$DATA"
  assert_success
  run dokku storage:backups:restore "$DATA@2020-01-01"
  assert_status 1
  assert_has "there is no backup of $DATA before 2020-01-02"
}

@test "a host is lost, and a new one has the storage again" {
  plant "$ROOT/$DATA"
  dokku storage:mount "$APP" "$DATA" --container-dir /data >/dev/null
  dokku storage:create "$APP-other" >/dev/null
  echo other >"$ROOT/$APP-other/a"
  dokku apps:create "$APP-gone" >/dev/null
  dokku storage:mount "$APP-gone" "$APP-other" --container-dir /data >/dev/null
  dokku storage:backups:schedule --all weekly >/dev/null
  run dokku storage:backups:create --all
  assert_success
  local before key
  before=$(mounts_of "$APP")
  key=$(dokku storage:backups:key "$OFF")
  mv "$ROOT/$DATA" "$BATS_TEST_TMPDIR/lost"
  lose_everything
  rm -r "${DOKKU_ROOT:?}/$APP-gone"
  run dokku storage:backups:restore-store
  assert_status 1
  run dokku storage:connectors:create "$OFF" --type local --path "$REPOSITORY/$APP" --key-file - <<<"$key"
  assert_success
  assert_has_not "$key"
  run dokku storage:backups:restore-store
  assert_success
  assert_equal "$before" "$(mounts_of "$APP")"
  assert_equal other "$(cat "$ROOT/$APP-other/a")"
  chmod u-s "$BATS_TEST_TMPDIR/lost/odd/setuid"
  setfattr -x security.capability "$BATS_TEST_TMPDIR/lost/odd/setuid"
  rm "$BATS_TEST_TMPDIR/lost/odd/whiteout"
  touch -d '2001-02-03 04:05:06.789' "$BATS_TEST_TMPDIR/lost/odd" "$ROOT/$DATA/odd"
  same_tree "$BATS_TEST_TMPDIR/lost" "$ROOT/$DATA"
  # While an app is missing, nothing is backed up by itself: it would be half a store.
  assert_has "These apps are not on this host, so that nothing is mounted in them: $APP-gone"
  assert_equal "[]" "$(dokku storage:backups:schedules --format json)"
  dokku apps:create "$APP-gone" >/dev/null
  run dokku storage:backups:restore-store
  assert_success
  assert_has "Here already"
  assert_equal 1 "$(dokku storage:list "$APP-gone" --format json | jq length)"
  assert_equal 1 "$(dokku storage:backups:schedules --format json | jq length)"
  dokku storage:backups:unschedule --all >/dev/null
  trigger post-delete "$APP-gone"
  rm -r "${DOKKU_ROOT:?}/$APP-gone"
}

@test "data that outlived the registry stays as it is, and is registered and mounted again" {
  local before key
  dokku storage:create "$APP-sized" --size 16M >/dev/null
  dokku storage:create "$APP-empty" --chown 1000 >/dev/null
  dokku storage:mount "$APP" "$DATA" --container-dir /data >/dev/null
  dokku storage:mount "$APP" "$APP-sized" --container-dir /sized >/dev/null
  echo was >"$ROOT/$DATA/a" && echo was >"$ROOT/$APP-sized/a" && echo was >"$ROOT/$APP-empty/a"
  dokku storage:backups:create --all >/dev/null
  before=$(mounts_of "$APP")
  key=$(dokku storage:backups:key "$OFF")
  echo newer >"$ROOT/$DATA/a" && echo newer >"$ROOT/$APP-sized/a" && rm "$ROOT/$APP-empty/a"
  rm -rf "$REGISTRY" "$DOKKU_LIB_ROOT/config/storage"
  trigger install
  dokku storage:connectors:create "$OFF" --type local --path "$REPOSITORY/$APP" --key-file - <<<"$key" >/dev/null
  run dokku storage:backups:restore-store
  assert_success
  assert_has "Here already"
  assert_equal "newer newer was" "$(cat "$ROOT/$DATA/a" "$ROOT/$APP-sized/a" "$ROOT/$APP-empty/a" | xargs)"
  assert_equal "$before" "$(mounts_of "$APP")"
  dokku storage:wait "$APP-sized"
}

@test "what apps began anew is not taken for data that outlived the registry" {
  needs_docker
  local key
  dokku storage:create "$APP-empty" --chown root >/dev/null
  echo precious >"$ROOT/$DATA/a" && echo precious >"$ROOT/$APP-empty/a"
  dokku storage:backups:create --all >/dev/null
  key=$(dokku storage:backups:key "$OFF")
  sleep 1
  lose_everything
  docker run -d --network none --label "$TEST_LABEL" --name "$APP-again" -v "$ROOT/$DATA:/a" -v "$ROOT/$APP-empty:/b" "$TEST_IMAGE" sleep 1000 >/dev/null
  docker exec "$APP-again" touch /a/initdb
  dokku storage:connectors:create "$OFF" --type local --path "$REPOSITORY/$APP" --key-file - <<<"$key" >/dev/null
  run dokku storage:backups:restore-store
  assert_status 1
  assert_has "$ROOT/$DATA is there already" "$ROOT/$APP-empty, in whose place something else would be put"
  docker exec "$APP-again" touch /b/new
  docker rm -f "$APP-again" >/dev/null
  rm -r "${ROOT:?}/$DATA" "${ROOT:?}/$APP-empty/new"
  run dokku storage:backups:restore-store
  assert_success
  assert_equal "precious precious" "$(cat "$ROOT/$DATA/a" "$ROOT/$APP-empty/a" | xargs)"
}

@test "a lost host has data again where each entry had it" {
  install -d -o 1000 -g 1000 -m 0700 "$ROOT/$APP-leg" "$ROOT/$APP-outer" "$ROOT/$APP-outer/in" "$ROOT/$APP-deep" "$ROOT/$APP-deep/up"
  local name key before
  for name in leg outer outer/in deep/up; do
    echo "$name" >"$ROOT/$APP-$name/file"
    chmod 0600 "$ROOT/$APP-$name/file"
    dokku storage:mount "$APP" "$ROOT/$APP-$name:/$name" >/dev/null
  done
  dokku storage:create "$APP-outer" >/dev/null
  before=$(mounts_of "$APP")
  run dokku storage:backups:create --all
  assert_success
  key=$(dokku storage:backups:key "$OFF")
  rm -r "${ROOT:?}/$APP-deep"
  lose_everything
  dokku storage:connectors:create "$OFF" --type local --path "$REPOSITORY/$APP" --key-file - <<<"$key" >/dev/null
  run dokku storage:backups:restore-store
  assert_success
  assert_equal "$before" "$(mounts_of "$APP")"
  for name in leg outer outer/in deep/up; do
    assert_equal "$name" "$(cat "$ROOT/$APP-$name/file")"
    assert_equal 1000:700 "$(stat -c %u:%a "$ROOT/$APP-$name")"
  done
  assert_equal "" "$(find "$ROOT" -maxdepth 1 -name 'legacy-*')"
  # Once more, with what only root can see gone.
  rm -r "${ROOT:?}/$APP-leg"
  run dokku storage:backups:restore-store
  assert_success
  assert_has "Here already"
  assert_equal leg "$(cat "$ROOT/$APP-leg/file")"
  trigger post-delete "$APP"
  rm -r "${ROOT:?}/$APP-leg" "${ROOT:?}/$APP-deep"
}

@test "a Docker volume that a lost store has left is its entry's again, with what is in it now" {
  needs_docker
  dokku storage:create "$APP-vol" --type volume >/dev/null
  docker run --rm -v "$APP-vol:/data" "$TEST_IMAGE" sh -c 'echo before >/data/a'
  docker volume create "$APP-hand" >/dev/null
  dokku storage:create "$APP-hand" --type volume >/dev/null
  run dokku storage:backups:create --all
  assert_success
  docker run --rm -v "$APP-vol:/data" "$TEST_IMAGE" sh -c 'echo after >/data/a'
  local key
  key=$(dokku storage:backups:key "$OFF")
  lose_everything
  dokku storage:connectors:create "$OFF" --type local --path "$REPOSITORY/$APP" --key-file - <<<"$key" >/dev/null
  run dokku storage:backups:restore-store
  assert_status 1
  # It may be anybody's.
  assert_has "the Docker volume $APP-hand exists already; to take it as it is: dokku storage:create $APP-hand $APP-hand --type volume"
  dokku storage:create "$APP-hand" "$APP-hand" --type volume
  run dokku storage:backups:restore-store
  assert_success
  assert_has "Here already" "$APP-vol"
  assert_equal after "$(docker run --rm -v "$APP-vol:/data" "$TEST_IMAGE" cat /data/a)"
  dokku storage:destroy "$APP-vol" --force --destroy-host-dir
  dokku storage:destroy "$APP-hand" --force --destroy-host-dir
}

# lose_everything: the store and the data of the host are gone.
lose_everything() {
  rm -rf "$DOKKU_LIB_ROOT/data/storage-registry" "$DOKKU_LIB_ROOT/config/storage" "$ROOT"
  mkdir -p "$ROOT" && chown dokku:dokku "$ROOT"
  trigger install
}

@test "SQLite that is being written comes back whole, from an S3 server that goes away in the middle once" {
  needs_docker
  start_s3
  s3_bucket backups
  printf secret | dokku storage:connectors:create "$APP-s3" --type s3 --endpoint "$S3_ENDPOINT" --region us-east-1 \
    --access-key-id tests --bucket backups --prefix "hosts/one" >/dev/null
  # A container with this machine's Python, and so with a real SQLite.
  local writer
  writer=$(docker run -d -v "$ROOT/$DATA:/data" -v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro "$TEST_IMAGE" /usr/bin/python3 -c '
import sqlite3, os
db = sqlite3.connect("/data/app.db")
db.execute("PRAGMA journal_mode=WAL")
db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)")
while True:
    for _ in range(20):
        db.execute("INSERT INTO t (body) VALUES (?)", (os.urandom(2000),))
    db.commit()
')
  sleep 2
  run dokku storage:backups:create "$DATA" --to "$APP-s3" --pause
  assert_success
  assert_equal running "$(docker inspect -f '{{.State.Status}}' "$writer")"
  # The server goes away while something is sent, and comes back.
  head -c 40M /dev/urandom >"$ROOT/$DATA/big"
  (sleep 1.5; kill -STOP "$(head -n 1 "$S3_FOLDER/pid")"; sleep 4; kill -CONT "$(head -n 1 "$S3_FOLDER/pid")") 3>&- &
  run dokku storage:backups:create "$DATA" --to "$APP-s3" --pause
  assert_success
  docker rm -f "$writer" >/dev/null
  run dokku storage:backups:restore "$DATA@latest" --from "$APP-s3" --as "$APP-copy"
  assert_success
  assert_equal ok "$(python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone()[0])' "$ROOT/$APP-copy/app.db")"
  [ "$(s3_keys backups | grep -c ^hosts/one/)" -gt 3 ]
  # One that stays away is a sentence, and leaves nothing.
  xargs kill <"$S3_FOLDER/pid"
  run dokku storage:backups:create "$DATA" --to "$APP-s3"
  assert_status 1
  assert_has "cannot be reached"
  dokku storage:connectors:destroy "$APP-s3" --force >/dev/null
}

@test "what has not changed is not sent again, and one file in a hundred is about one in a hundred" {
  local n
  for n in $(seq 0 9); do
    mkdir "$ROOT/$DATA/$n"
    head -c 20M /dev/urandom | split -a 3 -d -b 100K - "$ROOT/$DATA/$n/"
  done
  assert_equal "$DATA" "$(dokku storage:backups:create "$DATA" --format json 2>/dev/null | jq -r '.[].entry')"
  for n in $(seq 0 9); do for f in 000 100; do head -c 100K /dev/urandom >"$ROOT/$DATA/$n/$f"; done; done
  local sent bytes
  read -r sent bytes < <(dokku storage:backups:create "$DATA" --format json | jq -r '.[] | "\(.sent) \(.bytes)"')
  [ $((sent * 1000 / bytes)) -lt 20 ] || fail "$sent of $bytes bytes were sent"
  [ $((sent * 1000 / bytes)) -ge 9 ] || fail "only $sent of $bytes bytes were sent"
}

@test "another host that has the connector and its key restores what this one backed up, over SFTP" {
  start_sftp
  run dokku storage:connectors:create "$APP-sftp" --type sftp --server 127.0.0.1 --port "$SFTP_PORT" --username dokku \
    --path "$HOST/sftp/$APP"
  assert_success
  install -d -o dokku -g dokku "$HOST/sftp/$APP"
  run dokku storage:backups:create "$DATA" --to "$APP-sftp"
  assert_status 1
  assert_has "does not let connector $APP-sftp in; add the connector's public key to authorized_keys"
  dokku storage:connectors:info "$APP-sftp" --format json | jq -r .public_key >"$HOST/sftp/authorized_keys"
  plant "$ROOT/$DATA"
  run dokku storage:backups:create "$DATA" --to "$APP-sftp"
  assert_success
  # The other host is a store of its own, without Dokku.
  local key secret="$BATS_TEST_TMPDIR/secret" other="$HOST/other-$APP" ours="$DOKKU_LIB_ROOT/data/storage-registry/connectors/$APP-sftp"
  key=$(dokku storage:backups:key "$APP-sftp")
  cp "$ours.secret" "$secret"
  there() { env -u DOKKU_LIB_ROOT -u DOKKU_ROOT DOKKU_STORAGE_ROOT="$other" "$PLUGIN/dokku-storage" "$@"; }
  PLUGIN="$DOKKU_LIB_ROOT/plugins/enabled/storage"
  run there storage:connectors:create box --type sftp --server 127.0.0.1 --port "$SFTP_PORT" --username dokku \
    --path "$HOST/sftp/$APP" --secret-file "$secret" --known-hosts-file "$ours.known-hosts" --key-file - <<<"$key"
  assert_success
  run there storage:create moved --from "backup:$DATA@latest"
  assert_success
  chmod u-s "$ROOT/$DATA/odd/setuid"
  setfattr -x security.capability "$ROOT/$DATA/odd/setuid"
  rm "$ROOT/$DATA/odd/whiteout"
  touch -d '2001-02-03 04:05:06.789' "$ROOT/$DATA/odd" "$other/data/storage/moved/odd"
  same_tree "$ROOT/$DATA" "$other/data/storage/moved"
  # A host key that has changed is refused.
  ssh-keygen -q -t ed25519 -N '' -f "$HOST/sftp/other_key"
  sed -i "s|ssh-ed25519 .*|$(cut -d' ' -f1,2 "$HOST/sftp/other_key.pub")|" "$ours.known-hosts"
  run dokku storage:backups:create "$DATA" --to "$APP-sftp"
  assert_status 1
  assert_has "is not the server that connector $APP-sftp knows"
  kill "$SFTP"
  dokku storage:connectors:destroy "$APP-sftp" --force >/dev/null
}

@test "who sees some apps backs up and restores what is theirs, at destinations that are open to them" {
  local hidden="$APP-hidden" acl="$DOKKU_LIB_ROOT/plugins/enabled/test-acl"
  dokku apps:create "$hidden" >/dev/null
  dokku storage:create "$APP-theirs" >/dev/null
  echo theirs >"$ROOT/$APP-theirs/a"
  echo mine >"$ROOT/$DATA/a"
  dokku storage:mount "$APP" "$DATA" --container-dir /data >/dev/null
  dokku storage:mount "$hidden" "$APP-theirs" --container-dir /data >/dev/null
  mkdir "$acl"
  printf '#!/bin/sh\nname=$2; shift 2\nfor app; do case $app in *-hidden) [ "$name" != admin ] || echo "$app" ;; *) echo "$app" ;; esac; done\n' >"$acl/user-auth-app"
  chmod 0755 "$acl/user-auth-app"
  admin() { NAME="admin" dokku "$@"; }
  run dokku storage:backups:create "$DATA"
  assert_status 1
  assert_has "there is no destination for backups"
  admin storage:connectors:set "$OFF" scope "$APP" >/dev/null
  run dokku storage:backups:create "$DATA"
  assert_success
  admin storage:backups:create "$APP-theirs" --to "$OFF" >/dev/null
  local id
  id=$(admin storage:backups:list "$APP-theirs" --format json | jq -r '.[-1].id')
  run dokku storage:backups:list
  assert_has "$DATA"
  assert_has_not theirs
  for words in "backups:create $APP-theirs" "backups:restore $id --as $APP-stolen" "backups:ls $id" "backups:get $id a" \
    "backups:restore $APP-theirs@latest --as $APP-stolen" "create $APP-stolen --from backup:$id" "backups:forget $id --force" \
    "backups:key $OFF" "backups:restore-store" "backups:create --all" "backups:prune $OFF"; do
    # shellcheck disable=SC2086
    run dokku storage:$words
    assert_status 1 || fail "dokku storage:$words"
    assert_has_not "$hidden" || fail "dokku storage:$words"
  done
  [ ! -e "$ROOT/$APP-stolen" ]
  run dokku storage:backups:restore "$DATA@latest" --as "$APP-mine"
  assert_success
  assert_equal mine "$(cat "$ROOT/$APP-mine/a")"
  # An entry that only another's app mounts now is not there, and neither are its backups, though an app of the caller's was in them.
  dokku storage:unmount "$APP" "$DATA" --container-dir /data >/dev/null
  admin storage:mount "$hidden" "$DATA" --container-dir /mine >/dev/null
  assert_equal "[]" "$(dokku storage:backups:list --format json)"
  run dokku storage:backups:get "$DATA@latest" a
  assert_status 1
  assert_has_not mine
  rm -r "$acl"
  trigger post-delete "$hidden"
}

@test "two restores to the same new volume at once make one, and a volume that is there stays" {
  needs_docker
  local first second=0
  dokku storage:create "$APP-vol" --type volume >/dev/null
  docker run --rm -v "$APP-vol:/data" "$TEST_IMAGE" sh -c 'echo volume >/data/a'
  dokku storage:backups:create "$APP-vol" >/dev/null
  dokku storage:backups:restore "$APP-vol@latest" --as "$APP-vol-2" >"$DIR/one" 2>&1 3>&- &
  first=$!
  dokku storage:backups:restore "$APP-vol@latest" --as "$APP-vol-2" >"$DIR/two" 2>&1 3>&- || second=$?
  if wait "$first"; then first=0; else first=1; fi
  assert_equal 1 "$((first + second))"
  assert_equal volume "$(docker run --rm -v "$APP-vol-2:/data" "$TEST_IMAGE" cat /data/a)"
  # What a restore that was killed left is named.
  docker volume create --label org.dokku-storage.restored=x "$APP-vol-3" >/dev/null
  run dokku storage:backups:restore "$APP-vol@latest" --as "$APP-vol-3"
  assert_status 1
  assert_has "docker volume rm $APP-vol-3"
  docker volume rm "$APP-vol-3" >/dev/null
  run dokku storage:backups:restore "$APP-vol@latest" --as "$APP-vol-3"
  assert_success
}
