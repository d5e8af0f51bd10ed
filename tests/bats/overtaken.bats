#!/usr/bin/env bats
# Another command does something between what a command looked at and what it does: while it waits for a lock, for its input, for an
# answer or for an image. And what is told to a user before it is known what they may see.
load helper
load support/acl
needs standin

before_each() {
  INPUT="$BATS_TEST_TMPDIR/input" ENTRY="$APP-e"
  make_acl
  mkfifo "$INPUT"
}
after_each() {
  rm -f "$SEEN"
  docker rm -f "$APP-left" >/dev/null 2>&1 || true
  docker volume rm -f "$ENTRY" >/dev/null 2>&1 || true
}

# standing NAME KEY COMMAND…: starts a command that has the lock of an entry, and has it stand still.
standing() {
  local waits
  NAME=$2 setsid "$DOKKU" "${@:3}" >"$BATS_TEST_TMPDIR/standing" 2>&1 3>&- &
  STANDING=$!
  for ((waits = 0; waits < 500; waits++)); do
    ! compgen -G "$ROOT/.destroyed-$1-*" >/dev/null || break
    sleep 0.01
  done
  kill -STOP -- "-$STANDING"
}

# Has the command go on, and waits for it and for one that is run meanwhile.
go_on() {
  kill -CONT -- "-$STANDING"
  wait "$STANDING" "${MEANWHILE:-$STANDING}" || true
}

# Has it end where it is, and waits for the one that is run meanwhile.
cut_off() {
  kill -9 -- "-$STANDING"
  wait "$STANDING" "$MEANWHILE" || true
}

# meanwhile COMMAND…: a command that comes to wait for something.
meanwhile() {
  "$DOKKU" "$@" >"$BATS_TEST_TMPDIR/meanwhile" 2>&1 3>&- &
  MEANWHILE=$!
  sleep 1.5
}

# given COMMAND…: the same for one that waits for its input, which is descriptor 8.
given() {
  "$DOKKU" "$@" <"$INPUT" >"$BATS_TEST_TMPDIR/meanwhile" 2>&1 3>&- &
  MEANWHILE=$!
  exec 8>"$INPUT"
  sleep 1.5
}

# answered TEXT: gives it its input, and waits for its end.
answered() {
  echo "$1" >&8
  exec 8>&-
  wait "$MEANWHILE" || true
}

full() { (cd "$1" && seq 9000 | split -l 1 -a 4 -d - f); }

another_makes_it() {
  as_admin storage:create "$APP-src" --scope "$HIDDEN"
  as_admin storage:mount "$HIDDEN" "$APP-src" --container-dir /src
  full "$ROOT/$APP-src"
  as_admin storage:snapshots:create "$APP-src" s
  standing "$ENTRY" admin storage:create "$ENTRY" --from "snapshot:$APP-src@s"
}

@test "an image that is kept is taken over, also where a destroy was killed before" {
  local waits pid
  as_admin storage:create "$ENTRY" --size 16M
  echo precious >"$ROOT/$ENTRY/file"
  sync "$ROOT/$ENTRY/file"
  exec 9>>"$REGISTRY/.lock"
  flock 9
  (exec 9>&- && NAME="admin" exec setsid "$DOKKU" storage:destroy "$ENTRY" --force --destroy-host-dir) >/dev/null 2>&1 3>&- &
  pid=$!
  for ((waits = 0; waits < 200; waits++)); do
    ! compgen -G "$IMAGES/.trash-$ENTRY-*.img" >/dev/null || break
    sleep 0.05
  done
  kill -9 -- "-$pid"
  wait "$pid" || true
  exec 9>&-
  as_admin storage:destroy "$ENTRY" --force
  as_admin storage:create "$ENTRY" --size 16M
  assert_equal precious "$(cat "$ROOT/$ENTRY/file")"
}

@test "an image that is kept is taken over, also where it was restored and could not be attached" {
  local image
  as_admin storage:create "$ENTRY" --size 16M
  echo precious >"$ROOT/$ENTRY/file"
  sync "$ROOT/$ENTRY/file"
  as_admin storage:destroy "$ENTRY" --force --destroy-host-dir
  image=$(echo "$IMAGES/.trash-$ENTRY"-*.img)
  dd if="$image" of="$BATS_TEST_TMPDIR/head" bs=64k count=1 status=none
  dd if=/dev/zero of="$image" bs=64k count=1 conv=notrunc status=none
  as_admin storage:trash:restore "$ENTRY"
  as_admin storage:destroy "$ENTRY" --force
  # It is repaired.
  dd if="$BATS_TEST_TMPDIR/head" of="$IMAGES/$ENTRY.img" bs=64k count=1 conv=notrunc status=none
  as_admin storage:create "$ENTRY" --size 16M
  assert_equal precious "$(cat "$ROOT/$ENTRY/file")"
}

@test "what another is making is not given another scope by a create that waits" {
  another_makes_it
  meanwhile storage:create "$ENTRY" --scope "$APP"
  go_on
  run dokku storage:mount "$APP" "$ENTRY" --container-dir /mine
  assert_status 1
  assert_equal "$HIDDEN" "$(as_admin storage:info "$ENTRY" --format json | jq -r ".scope[0]")"
  grep -q "is taken; choose another" "$BATS_TEST_TMPDIR/meanwhile"
}

@test "what another is making keeps its owner and mode, whoever waits for it" {
  another_makes_it
  meanwhile storage:create "$ENTRY" --mode 0777 --chown 4321 --chown-recursive
  go_on
  assert_equal "0 644" "$(stat -c '%u %a' "$ROOT/$ENTRY/f0007")"
  as_admin storage:destroy "$ENTRY" --force --destroy-host-dir --no-trash
  standing "$ENTRY" admin storage:create "$ENTRY" --from "snapshot:$APP-src@s"
  meanwhile storage:ensure-directory "$ENTRY" --chown 4321 --chown-recursive
  go_on
  assert_equal 0 "$(stat -c %u "$ROOT/$ENTRY/f0007")"
}

@test "a clone that waits does not get what is another's by then" {
  dokku storage:create "$ENTRY"
  dokku storage:mount "$APP" "$ENTRY" --container-dir /e
  full "$ROOT/$ENTRY"
  standing "$ENTRY" bob storage:snapshots:create "$ENTRY" s1
  meanwhile storage:clone "$ENTRY" "$APP-mine"
  as_admin storage:move "$ENTRY" "$APP" "$HIDDEN" --no-stop
  echo secret >"$ROOT/$ENTRY/secret"
  go_on
  [ ! -e "$ROOT/$APP-mine" ]
}

@test "a clone of an app that waits does not get what is another's by then" {
  dokku storage:create "$ENTRY"
  dokku storage:mount "$APP" "$ENTRY" --container-dir /e
  full "$ROOT/$ENTRY"
  dokku storage:app:set "$APP" clone copy
  standing "$ENTRY" bob storage:snapshots:create "$ENTRY" s1
  meanwhile apps:clone --skip-deploy "$APP" "$APP-two"
  as_admin storage:move "$ENTRY" "$APP" "$HIDDEN" --no-stop
  as_admin storage:set "$ENTRY" scope "$HIDDEN"
  echo secret >"$ROOT/$ENTRY/secret"
  go_on
  [ ! -e "$ROOT/$APP-two-e/secret" ]
}

@test "content that comes late is not put in what is another's by then" {
  dokku storage:create "$ENTRY" --type file --from - <<<one
  dokku storage:mount "$APP" "$ENTRY" --container-dir /c
  given storage:set "$ENTRY" content -
  as_admin storage:move "$ENTRY" "$APP" "$HIDDEN" --no-stop
  as_admin storage:set "$ENTRY" content - <<<theirs
  answered mine
  assert_equal theirs "$(cat "$ROOT/$ENTRY")"
}

@test "an answer is not about another snapshot that has the name by then" {
  dokku storage:create "$ENTRY"
  dokku storage:snapshots:create "$ENTRY" now
  given storage:snapshots:destroy "$ENTRY" now
  dokku storage:snapshots:destroy "$ENTRY" now --force
  sleep 1
  dokku storage:snapshots:create "$ENTRY" now
  answered now
  grep -q "is another one now" "$BATS_TEST_TMPDIR/meanwhile"
  given storage:snapshots:destroy "$ENTRY" now
  as_admin storage:mount "$HIDDEN" "$ENTRY" --container-dir /e
  answered now
  run as_admin storage:snapshots:list "$ENTRY"
  assert_has now
}

@test "a document that comes late changes nothing of what is another's by then" {
  as_admin storage:create "$ENTRY"
  as_admin storage:mount "$HIDDEN" "$ENTRY" --container-dir /data
  local command
  for command in apply needs:import; do
    touch "$SEEN"
    given "storage:$command" "$HIDDEN"
    rm "$SEEN"
    # What the access-control plugin said holds for some seconds.
    sleep 3
    answered "[]"
    grep -q "App $HIDDEN does not exist" "$BATS_TEST_TMPDIR/meanwhile"
  done
  run as_admin storage:list "$HIDDEN"
  assert_has /data
}

@test "storage:exec whose image comes late does not have what is another's by then" {
  needs_docker
  local waits
  dokku storage:create "$ENTRY"
  dokku storage:mount "$APP" "$ENTRY" --container-dir /e
  cat >"$HOST/slow-docker" <<X
#!/bin/bash
if [ "\$1" = pull ]; then touch "$HOST/pulling"; while [ ! -e "$HOST/go" ]; do sleep 0.1; done; exec docker tag "$TEST_IMAGE" "\$2"; fi
exec docker "\$@"
X
  chmod 755 "$HOST/slow-docker"
  chmod 777 "$HOST"
  docker_is "$HOST/slow-docker" dokku storage:exec "$ENTRY" --image "$APP-slow:1" -- cat /data/secret >"$BATS_TEST_TMPDIR/meanwhile" 2>&1 </dev/null 3>&- &
  MEANWHILE=$!
  for ((waits = 0; waits < 100; waits++)); do
    [ ! -e "$HOST/pulling" ] || break
    sleep 0.1
  done
  as_admin storage:move "$ENTRY" "$APP" "$HIDDEN" --no-stop
  as_admin storage:set "$ENTRY" scope "$HIDDEN"
  echo secret >"$ROOT/$ENTRY/secret"
  touch "$HOST/go"
  wait "$MEANWHILE" || true
  docker rmi "$APP-slow:1" >/dev/null 2>&1 || true
  run cat "$BATS_TEST_TMPDIR/meanwhile"
  assert_has_not secret
  assert_has "does not exist"
}

@test "an entry that storage:exec has is neither moved nor given another scope" {
  needs_docker
  local waits
  dokku storage:create "$ENTRY" --exclusive
  dokku storage:mount "$APP" "$ENTRY" --container-dir /e
  dokku storage:exec "$ENTRY" --image "$TEST_IMAGE" -- sh -c "touch /data/runs; n=0; until [ -e /data/over ] || [ \$((n += 1)) -gt 600 ]; do sleep 0.1; done" </dev/null >/dev/null 2>&1 3>&- &
  MEANWHILE=$!
  for ((waits = 0; waits < 100; waits++)); do
    [ ! -e "$ROOT/$ENTRY/runs" ] || break
    sleep 0.1
  done
  run as_admin storage:move "$ENTRY" "$APP" "$HIDDEN"
  assert_status 1
  assert_has "a storage:exec of storage entry \"$ENTRY\""
  run as_admin storage:set "$ENTRY" scope "$HIDDEN"
  assert_status 1
  touch "$ROOT/$ENTRY/over"
  wait "$MEANWHILE" || true
  # One whose client is gone goes on.
  docker run --detach --name "$APP-left" --volume "$ROOT/$ENTRY:/data" "$TEST_IMAGE" sleep 600 >/dev/null
  run as_admin storage:move "$ENTRY" "$APP" "$HIDDEN"
  assert_status 1
  assert_has "docker rm -f $APP-left"
  docker rm -f "$APP-left" >/dev/null
  as_admin storage:move "$ENTRY" "$APP" "$HIDDEN"
}

@test "what a type looks at is not told to who may not see it" {
  mkdir -p "$DIR/of-theirs"
  as_admin storage:create "$ENTRY" --type volume --option type=none --option o=bind --option "device=$DIR/of-theirs"
  as_admin storage:mount "$HIDDEN" "$ENTRY" --container-dir /v
  run dokku storage:create "$APP-mine" "$ENTRY" --type volume --option type=tmpfs --option device=tmpfs
  assert_status 1
  assert_has_not of-theirs
  run dokku storage:create "$APP-mine" "$ENTRY" --type volume --driver other
  assert_status 1
  assert_has_not "driver local"
  as_admin storage:create "$ENTRY-plain"
  as_admin storage:mount "$HIDDEN" "$ENTRY-plain" --container-dir /p
  run dokku storage:create "$ENTRY-plain" --size 32M
  assert_status 1
  assert_has "is taken; choose another"
  printf secret | as_admin storage:connectors:create "$APP-nas" --type cifs --server nas --username anna
  local connector said=()
  for connector in "$APP-nas" "$APP-none"; do
    run dokku storage:create "$APP-share" --type cifs --connector "$connector" --option share=a
    assert_status 1
    said+=("$output")
  done
  assert_equal "${said[0]}" "${said[1]}"
  as_admin storage:connectors:destroy "$APP-nas" --force
}

@test "an entry does not tell of apps that one may not see" {
  local words
  as_admin storage:create "$ENTRY"
  as_admin storage:mount "$APP" "$ENTRY" --container-dir /e
  as_admin storage:mount "$HIDDEN" "$ENTRY" --container-dir /e
  as_admin storage:set "$ENTRY" backup-before true
  for words in "storage:info $ENTRY" "storage:info $ENTRY --format json" "storage:list-entries --format json" "storage:report --global --format json"; do
    # shellcheck disable=SC2086 # they are words
    run dokku $words
    assert_success
    assert_has_not "$HIDDEN"
  done
  as_admin storage:unmount "$HIDDEN" "$ENTRY" --container-dir /e
  # Who has it moved is told of the commands that move with it.
  run as_admin storage:move "$ENTRY" "$APP" "$HIDDEN" --no-stop
  assert_has "Its backup-before runs in containers of $HIDDEN now: true; to end that: dokku storage:set $ENTRY backup-before"
}

@test "an owner and a mode that are refused are not set" {
  dokku storage:create "$ENTRY" --mode 0700 --chown 1000
  echo x >"$ROOT/$ENTRY/file"
  chattr +i "$ROOT/$ENTRY/file"
  run dokku storage:set "$ENTRY" --mode 0777 --chown 2000 --chown-recursive
  assert_status 1
  assert_equal "1000 700" "$(stat -c '%u %a' "$ROOT/$ENTRY")"
  run dokku storage:create "$ENTRY" --mode 0777 --chown 2000 --chown-recursive
  assert_status 1
  assert_equal "1000 700" "$(stat -c '%u %a' "$ROOT/$ENTRY")"
  # What an app mounts is not taken back: the note and the directory say the same.
  dokku storage:mount "$APP" "$ENTRY" --container-dir /e
  run dokku storage:create "$ENTRY" --mode 0777 --chown 2000 --chown-recursive
  assert_status 1
  chattr -i "$ROOT/$ENTRY/file"
  assert_equal "$(as_admin storage:info "$ENTRY" --format json | jq -r '.chown + " " + .mode')" "$(stat -c '%u 0%a' "$ROOT/$ENTRY")"
}

@test "a destroy that waits, or waits for an answer, does not take what is another's by then" {
  needs_docker
  as_admin storage:create "$ENTRY"
  full "$ROOT/$ENTRY"
  standing "$APP-two" admin storage:clone "$ENTRY" "$APP-two"
  meanwhile storage:destroy "$ENTRY" --force --destroy-host-dir --no-trash
  as_admin storage:mount "$HIDDEN" "$ENTRY" --container-dir /e
  echo precious >"$ROOT/$ENTRY/precious"
  NAME="admin" deploy "$HIDDEN"
  as_admin storage:unmount "$HIDDEN" "$ENTRY" --container-dir /e
  go_on
  assert_equal precious "$(cat "$ROOT/$ENTRY/precious")"
  grep -q "does not exist" "$BATS_TEST_TMPDIR/meanwhile"
  docker rm -f "$(container "$HIDDEN")" >/dev/null
  # At the prompt.
  as_admin storage:set "$ENTRY" scope "$HIDDEN"
  touch "$SEEN"
  given storage:destroy "$ENTRY" --destroy-host-dir
  rm "$SEEN"
  # What the access-control plugin said holds for some seconds.
  sleep 3
  answered "$ENTRY"
  assert_equal precious "$(cat "$ROOT/$ENTRY/precious")"
  run dokku storage:trash:list
  assert_has_not "$ENTRY"
}

@test "a restore that takes long does not replace what is another's by then" {
  as_admin storage:create "$ENTRY"
  full "$ROOT/$ENTRY"
  as_admin storage:snapshots:create "$ENTRY" s
  standing "$ENTRY" bob storage:snapshots:restore "$ENTRY" s
  as_admin storage:mount "$HIDDEN" "$ENTRY" --container-dir /e
  echo theirs >"$ROOT/$ENTRY/f0001"
  go_on
  assert_equal theirs "$(cat "$ROOT/$ENTRY/f0001")"
  grep -q "does not exist" "$BATS_TEST_TMPDIR/standing"
}

@test "no backup is made, and none restored, of what is another's by then" {
  own_destination "$APP-disk"
  dokku storage:create "$ENTRY"
  dokku storage:mount "$APP" "$ENTRY" --container-dir /e
  full "$ROOT/$ENTRY"
  dokku storage:backups:create "$ENTRY"
  # Who waits for the entry.
  standing "$APP-two" admin storage:clone "$ENTRY" "$APP-two"
  meanwhile storage:backups:create "$ENTRY"
  as_admin storage:move "$ENTRY" "$APP" "$HIDDEN" --no-stop
  go_on
  grep -q "does not exist" "$BATS_TEST_TMPDIR/meanwhile"
  assert_equal 1 "$(as_admin storage:backups:list "$ENTRY" --format json | jq length)"
  # Who restores.
  as_admin storage:move "$ENTRY" "$HIDDEN" "$APP" --no-stop
  standing "$APP-three" bob storage:backups:restore "$ENTRY@latest" --as "$APP-three"
  as_admin storage:move "$ENTRY" "$APP" "$HIDDEN" --no-stop
  go_on
  [ ! -e "$ROOT/$APP-three" ] || fail "it was restored" "$(cat "$BATS_TEST_TMPDIR/standing")"
  # The destination is told to who may use it.
  as_admin storage:move "$ENTRY" "$HIDDEN" "$APP" --no-stop
  run dokku storage:info "$ENTRY"
  assert_has "to $APP-disk"
  as_admin storage:connectors:set "$APP-disk" scope "$HIDDEN"
  run dokku storage:info "$ENTRY"
  assert_has_not "$APP-disk"
  as_admin storage:connectors:destroy "$APP-disk" --force
}

@test "what was waited for is not put into a place that another app mounts by then" {
  dokku storage:create "$APP-big"
  full "$ROOT/$APP-big"
  dokku storage:create "$ENTRY"
  echo mine >"$ROOT/$ENTRY/file"
  dokku storage:destroy "$ENTRY" --force --destroy-host-dir
  standing "$ENTRY" admin storage:clone "$APP-big" "$ENTRY"
  meanwhile storage:trash:restore "$ENTRY"
  as_admin storage:mount "$HIDDEN" "$ROOT/$ENTRY:/theirs"
  cut_off
  [ ! -e "$ROOT/$ENTRY" ] || fail "it was put back" "$(cat "$BATS_TEST_TMPDIR/meanwhile")"
  grep -q "in use by apps that you cannot see" "$BATS_TEST_TMPDIR/meanwhile" || fail "$(cat "$BATS_TEST_TMPDIR/meanwhile")"
  as_admin storage:unmount "$HIDDEN" "$ROOT/$ENTRY:/theirs"
  dokku storage:snapshots:create "$APP-big" s
  standing "$ENTRY" bob storage:create "$ENTRY" --from "snapshot:$APP-big@s"
  as_admin storage:mount "$HIDDEN" "$ROOT/$ENTRY:/theirs"
  go_on
  [ ! -e "$ROOT/$ENTRY" ] || fail "it was made" "$(cat "$BATS_TEST_TMPDIR/standing")"
}

@test "an app that is no more the caller's gets no entry by a move or an answer" {
  needs_docker
  local keys="$BATS_TEST_TMPDIR/keys" screen="$BATS_TEST_TMPDIR/screen" waits
  dokku storage:create "$ENTRY"
  dokku storage:mount "$APP" "$ENTRY" --container-dir /e
  deploy "$APP"
  mkdir -p "$DOKKU_LIB_ROOT/config/ps/$APP"
  echo 6 >"$DOKKU_LIB_ROOT/config/ps/$APP/stop-timeout-seconds"
  touch "$SEEN"
  # The container does nothing about the signal, so the engine waits these seconds.
  "$DOKKU" storage:move "$ENTRY" "$APP" "$HIDDEN" >"$BATS_TEST_TMPDIR/meanwhile" 2>&1 3>&- &
  MEANWHILE=$!
  sleep 1.5
  rm "$SEEN"
  wait "$MEANWHILE" || true
  assert_equal "[]" "$(as_admin storage:list "$HIDDEN" --format json)"
  grep -q "$HIDDEN does not exist" "$BATS_TEST_TMPDIR/meanwhile"
  echo '[{"id": "uploads", "path": "/up"}]' | as_admin storage:needs:import "$HIDDEN"
  dokku storage:create "$ENTRY-mine"
  touch "$SEEN"
  mkfifo "$keys"
  script -qefc "$(printf '%q ' "$DOKKU" storage:needs:link "$HIDDEN")" "$screen" <"$keys" >/dev/null 2>&1 3>&- &
  MEANWHILE=$!
  exec 8>"$keys"
  for ((waits = 0; waits < 100; waits++)); do
    if grep -q "Which entry" "$screen" 2>/dev/null; then break; fi
    sleep 0.1
  done
  rm "$SEEN"
  sleep 3
  answered "$ENTRY-mine"
  assert_equal "[]" "$(as_admin storage:list "$HIDDEN" --format json)"
}

@test "what is made of an entry while it gets a scope does not lack that" {
  dokku storage:create "$ENTRY"
  full "$ROOT/$ENTRY"
  dokku storage:snapshots:create "$ENTRY" s
  standing "$ENTRY" admin storage:snapshots:create "$ENTRY" s2
  meanwhile storage:clone "$ENTRY" "$APP-copy"
  as_admin storage:set "$ENTRY" scope "$APP"
  go_on
  [ ! -e "$ROOT/$APP-copy" ] || fail "it was cloned"
  grep -q "was changed meanwhile" "$BATS_TEST_TMPDIR/meanwhile"
  standing "$APP-from" bob storage:create "$APP-from" --from "snapshot:$ENTRY@s"
  as_admin storage:set "$ENTRY" exclusive true
  MEANWHILE=""
  go_on
  [ ! -e "$ROOT/$APP-from" ] || fail "it was made"
}
