#!/usr/bin/env bats
# Who uses a path or a volume, with real containers and volumes, and links that only root can follow.
load helper
needs docker

before_each() { BOX="$APP-box" SHELF="$APP-shelf"; }
after_each() {
  dokku storage:policy:set allowed-paths >/dev/null
  remove_test_containers
  drop_volumes
}

# refuses WORDS COMMAND…: refused for a reason with these words.
refuses() {
  run_apart "${@:2}"
  assert_refused || return
  assert_stderr_has "$1"
}
box() {
  dokku storage:create "$BOX"
  mkdir -p "$ROOT/$BOX/in"
  echo precious >"$ROOT/$BOX/in/data"
  chown -R dokku "$ROOT/$BOX"
}
# The two ways to destroy the box with its data are refused for a reason, and the remedy that is named works.
kept_until() {
  local words
  for words in "" --no-trash; do
    refuses "$1" dokku storage:destroy "$BOX" --force --destroy-host-dir $words || return
    assert_equal precious "$(cat "$ROOT/$BOX/in/data")" || return
  done
  eval "$(grep -oE '\((docker|dokku|umount) [^)]*\)' <<<"$stderr" | head -n 1 | tr -d '()')" >/dev/null
  dokku storage:destroy "$BOX" --force --destroy-host-dir
}
waits() { docker run -d --network none --label "$TEST_LABEL" --name "$APP-by-hand" "$@" "$TEST_IMAGE" sleep 1000 >/dev/null; }

@test "what a container has is not destroyed, whether it runs or not" {
  box
  waits -v "$ROOT/$BOX/in:/x:ro"
  kept_until "$APP-by-hand"
  box
  docker create --network none --label "$TEST_LABEL" --name "$APP-by-hand" -v "$ROOT/$BOX:/x" "$TEST_IMAGE" sleep 1 >/dev/null
  kept_until "the container $APP-by-hand, which does not run"
}

@test "what a volume leads to is not destroyed" {
  box
  docker volume create --opt type=none --opt o=bind --opt device="$ROOT/$BOX/in" "$SHELF" >/dev/null
  kept_until "the Docker volume $SHELF"
  box
  docker volume create --opt type=overlay --opt device=overlay --opt "o=lowerdir=/etc:$ROOT/$BOX" "$SHELF" >/dev/null
  kept_until "the Docker volume $SHELF"
}

@test "what a container of an app has is not destroyed until the app runs without it" {
  box
  dokku storage:mount "$APP" "$ROOT/$BOX/in:/x"
  deploy "$APP"
  dokku storage:unmount "$APP" "$ROOT/$BOX/in:/x"
  refuses "dokku ps:restart $APP" dokku storage:destroy "$BOX" --force --destroy-host-dir
  deploy "$APP"
  retire
  dokku storage:destroy "$BOX" --force --destroy-host-dir
}

@test "a container in the trash's place keeps the trash" {
  box
  dokku storage:destroy "$BOX" --force --destroy-host-dir
  local trashed
  trashed=$(echo "$ROOT"/.trash-"$BOX"-*)
  waits -v "$trashed:/x"
  refuses "$APP-by-hand" dokku storage:trash:empty "$BOX" --force
  [ -e "$trashed/in/data" ]
  docker rm -f "$APP-by-hand" >/dev/null
  dokku storage:trash:empty "$BOX" --force
  [ ! -e "$trashed" ]
}

@test "a monitor that reads the whole host hinders nobody" {
  box
  waits -v /:/host:ro
  dokku storage:destroy "$BOX" --force --destroy-host-dir --no-trash
  [ ! -e "$ROOT/$BOX" ]
}

@test "a clone that is for one app is not put where another has mounted meanwhile" {
  local job lock status=0 mounts="$DOKKU_LIB_ROOT/config/storage/$APP-2/mounts"
  dokku apps:create "$APP-2" >/dev/null
  dokku storage:create "$BOX" --scope "$APP"
  dokku storage:mount "$APP-2" "$ROOT/$BOX-2:/x"
  mv "$mounts" "$HOST/mounts"
  # It has looked when it waits for the store.
  lock="$DOKKU_LIB_ROOT/data/storage-registry/.lock"
  exec 7>>"$lock"
  flock 7
  dokku storage:clone "$BOX" "$BOX-2" >"$HOST/cloned" 2>&1 7>&- 3>&- &
  job=$!
  until grep -qE -- "-> FLOCK .*:$(stat -c %i "$lock") " /proc/locks; do sleep 0.05; done
  mv "$HOST/mounts" "$mounts"
  exec 7>&-
  wait "$job" || status=$?
  output=$(cat "$HOST/cloned")
  assert_status 1
  assert_has "leaves out who has it"
  [ ! -e "$ROOT/$BOX-2" ]
  dokku --force apps:destroy "$APP-2" >/dev/null
}

# --- links behind what is closed --------------------------------------------------------------------------------

# A directory that Dokku's user cannot look into, with links in it.
closed() {
  mkdir "$1"
  mkdir "$1/real"
  ln -s /etc "$1/link"
  chown 1000:1000 "$1"
  chmod 0700 "$1"
}

@test "a link in a closed directory does not lead out of what the policy allows" {
  closed "$DIR/closed"
  dokku storage:policy:set allowed-paths "$DIR" "$ROOT"
  local path
  for path in "$DIR/closed/link" "$DIR/closed/link/ssl" "$DIR/closed/link/not/there"; do
    refuses "not allowed by this host's policy" dokku storage:mount "$APP" "$path:/x"
    refuses "not allowed by this host's policy" dokku storage:create "$BOX" "$path"
    refuses "not allowed by this host's policy" dokku storage:create "$SHELF" --type volume --option o=bind --option "device=$path"
  done
  dokku storage:mount "$APP" "$DIR/closed/real:/x"
  # What takes its place later is seen when a container starts.
  rmdir "$DIR/closed/real"
  ln -s /etc "$DIR/closed/real"
  run trigger docker-args-run "$APP" latest
  assert_has "/.refused/"
  run deploy "$APP"
  assert_status 1
  assert_has "not allowed by this host's policy"
}

@test "a link in a closed part of an entry does not lead out of it" {
  box
  closed "$ROOT/$BOX/closed"
  refuses "leads out of storage entry" dokku storage:mount "$APP" "$BOX" --container-dir /x --volume-subpath closed/link
  dokku storage:mount "$APP" "$BOX" --container-dir /x --volume-subpath closed/real
  rmdir "$ROOT/$BOX/closed/real"
  ln -s /etc "$ROOT/$BOX/closed/real"
  run trigger docker-args-run "$APP" latest
  assert_has "/.refused/"
}

@test "a link in a closed directory does not lead around what is exclusive" {
  dokku apps:create "$APP-2" >/dev/null
  mkdir "$DIR/closed"
  ln -s "$ROOT/$BOX" "$DIR/closed/link"
  chown 1000:1000 "$DIR/closed"
  chmod 0700 "$DIR/closed"
  dokku storage:create "$BOX" --exclusive
  dokku storage:mount "$APP" "$BOX" --container-dir /x
  refuses "\"$BOX\" is exclusive" dokku storage:mount "$APP-2" "$DIR/closed/link:/x"
  dokku storage:mount "$APP-2" "$DIR/closed/link:/x:ro"
  dokku storage:unmount "$APP-2" "$DIR/closed/link:/x:ro"
  dokku storage:unmount "$APP" "$BOX" --container-dir /x
  dokku storage:mount "$APP-2" "$DIR/closed/link:/x"
  refuses "\"$BOX\" is exclusive" dokku storage:mount "$APP" "$BOX" --container-dir /x
  dokku --force apps:destroy "$APP-2" >/dev/null
}

@test "who is behind a link in a closed directory is found" {
  box
  mkdir "$DIR/closed"
  ln -s "$ROOT/$BOX" "$DIR/closed/link"
  chown 1000:1000 "$DIR/closed"
  chmod 0700 "$DIR/closed"
  dokku storage:mount "$APP" "$DIR/closed/link:/x"
  refuses "dokku storage:unmount $APP $DIR/closed/link:/x" dokku storage:destroy "$BOX" --force --destroy-host-dir
  refuses "leaves out who has it" dokku storage:set "$BOX" scope other
}

@test "the helper says where paths lead, and nothing of what is there" {
  closed "$DIR/closed"
  ask() { sudo -u dokku sudo -n "$HELPERS/storage/bin/usage-storage-dir" "$@"; }
  assert_equal '["/etc/ssl","/not/there"]' "$(ask --resolve "$DIR/closed/link/ssl" /not/there)"
  run ask --resolve relative
  assert_status 1
  run ask --seen-by x /etc
  assert_status 1
}

# --- volumes that change ------------------------------------------------------------------------------------------

@test "a volume that took the place of the entry's stops the deploy, and the remedy brings it back" {
  dokku storage:create "$SHELF" --type volume --option type=none --option o=bind --option "device=$DIR"
  dokku storage:mount "$APP" "$SHELF" --container-dir /data
  docker volume rm "$SHELF" >/dev/null
  docker volume create "$SHELF" >/dev/null
  run deploy "$APP"
  assert_status 1
  assert_has "the Docker volume $SHELF has driver local and options none, not driver local and options device=$DIR o=bind type=none"
  run dokku storage:info "$SHELF"
  assert_line_with State: "docker volume rm $SHELF && dokku storage:wait $SHELF"
  run dokku storage:doctor "$APP" --format json
  assert_equal wrong-volume "$(jq -r '.[] | select(.severity == "stops").code' <<<"$output")"
  run_apart dokku storage:wait "$SHELF" --timeout 0
  assert_refused
  eval "$(grep -o 'docker volume rm.*' <<<"$stderr")" >/dev/null
  deploy "$APP"
  inside "$APP" web sh -c 'echo written >/data/file'
  assert_equal written "$(cat "$DIR/file")"
}

@test "a volume whose device is gone is a missing source" {
  mkdir "$DIR/gone"
  dokku storage:create "$SHELF" --type volume --option type=none --option o=bind --option "device=$DIR/gone"
  dokku storage:mount "$APP" "$SHELF" --container-dir /data
  rmdir "$DIR/gone"
  run deploy "$APP"
  assert_status 1
  assert_has "leads to $DIR/gone, which does not exist; create it: mkdir -p $DIR/gone"
  run dokku storage:doctor "$APP" --format json
  assert_equal missing-source "$(jq -r '.[] | select(.severity == "stops").code' <<<"$output")"
  mkdir "$DIR/gone"
  deploy "$APP"
}

# --- what doctor shows ----------------------------------------------------------------------------------------------

@test "stale-container: what was replaced under a running container" {
  box
  dokku storage:create "$APP-conf" --type file --from - <<<first
  dokku storage:mount "$APP" "$BOX" --container-dir /data
  dokku storage:mount "$APP" "$APP-conf" --container-dir /conf
  deploy "$APP"
  run dokku storage:doctor "$APP" --format json
  assert_equal 0 "$(jq '[.[] | select(.code == "stale-container")] | length' <<<"$output")"
  mv "$ROOT/$BOX" "$ROOT/moved-$BOX"
  mkdir "$ROOT/$BOX"
  run dokku storage:doctor "$APP"
  assert_line_with "$APP" "has at /data what was at $ROOT/$BOX before it was replaced"
  deploy "$APP"
  rm -r "$ROOT/moved-$BOX"
  dokku storage:set "$APP-conf" content - <<<second
  run dokku storage:doctor "$APP"
  assert_line_with "$APP" "has at /conf what was at $ROOT/$APP-conf before it was replaced"
  deploy "$APP"
  run dokku storage:doctor "$APP" --format json
  assert_equal 0 "$(jq '[.[] | select(.code == "stale-container")] | length' <<<"$output")"
}

@test "doctor shows who uses an entry, and by which name" {
  box
  dokku storage:mount "$APP" "$BOX" --container-dir /data
  dokku storage:mount "$APP" "$ROOT/$BOX/in:/in"
  dokku storage:create "$APP-nested" "$ROOT/$BOX/in/nested"
  docker volume create --opt type=none --opt o=bind --opt device="$ROOT/$BOX" "$SHELF" >/dev/null
  waits -v "$SHELF:/x"
  run dokku storage:doctor "$BOX"
  assert_success
  assert_line_with "$APP mounts $ROOT/$BOX at /data as storage entry"
  assert_line_with "$APP mounts $ROOT/$BOX/in at /in"
  assert_line_with "storage entry \"$APP-nested\" has $ROOT/$BOX/in/nested"
  assert_line_with "the Docker volume $SHELF leads there"
  assert_line_with "the container $APP-by-hand has it"
  run dokku storage:doctor "$BOX" --format json
  assert_equal 5 "$(jq '[.[] | select(.code == "used-by")] | length' <<<"$output")"
  run_apart dokku storage:doctor "$APP-nothing"
  assert_status 20
}
