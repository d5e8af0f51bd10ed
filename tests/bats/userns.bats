#!/usr/bin/env bats
# An engine with user namespaces: owners and checks go by how it really maps ids. It is started for this suite, beside
# the machine's own, with ranges that nobody would assume.
load helper
needs docker standin

before_all() {
  export ENGINE=""
  command -v dockerd >/dev/null || return 0
  mkdir "$HOST/engine"
  chmod 0711 "$HOST/engine"
  export UID_0=300000 GID_0=400000
  echo '{}' >"$HOST/engine/settings.json"
  # Without a bridge of its own an engine removes docker0, from under the machine's containers: so it has no network but its own.
  with_ranges unshare --net dockerd --config-file "$HOST/engine/settings.json" --host "unix://$HOST/engine/socket" --group docker \
    --data-root "$HOST/engine/data" --exec-root "$HOST/engine/exec" --pidfile "$HOST/engine/pid" --bridge none \
    --iptables=false --ip-forward=false --storage-driver "$(docker info --format '{{.Driver}}')" --userns-remap dokku:dokku \
    >"$HOST/engine/log" 2>&1 3>&- &
  export DOCKER_HOST="unix://$HOST/engine/socket"
  for _ in $(seq 50); do
    if docker info >/dev/null 2>&1; then ENGINE=started; break; fi
    sleep 0.2
  done
  [ -n "$ENGINE" ] || return 0
  make_test_image
  USER_1000=$(make_image user-1000 "" 'USER 1000')
  export USER_1000
}
after_all() {
  if [ -s "$HOST/engine/pid" ]; then
    local pid
    pid=$(cat "$HOST/engine/pid")
    kill "$pid"
    for _ in $(seq 50); do
      if ! kill -0 "$pid" 2>/dev/null; then break; fi
      sleep 0.2
    done
  fi
}
before_each() {
  [ -n "$ENGINE" ] || skip "NO ENGINE WITH USER NAMESPACES CAN BE STARTED HERE: $(tail -n 1 "$HOST/engine/log" 2>/dev/null)"
}

# with_ranges COMMAND…: runs it where the user dokku has these ranges. The machine's own files are not touched.
with_ranges() {
  # shellcheck disable=SC2016 # for the inner shell
  unshare --mount bash -c 'mount -t tmpfs -o mode=755 none /mnt && cp -a /etc/. /mnt/ &&
    echo "dokku:$UID_0:65536" >/mnt/subuid && echo "dokku:$GID_0:65536" >/mnt/subgid && mount --move /mnt /etc && exec "$@"' bash "$@"
}

# The helpers ask the host's own engine, whatever DOCKER_HOST says: here this suite's is that, for what dokku runs.
dokku() {
  # shellcheck disable=SC2016 # for the inner shell
  unshare --mount bash -c 'mount --bind "$0" /var/run/docker.sock && exec "$@"' "$HOST/engine/socket" "$DOKKU" "$@"
}

owner() { stat -c %u:%g "$1"; }
shifted() { echo "$((UID_0 + $1)):$((GID_0 + $2))"; }

@test "--chown: presets and uids are those inside of the container" {
  dokku storage:create "$APP-root" --chown root
  dokku storage:create "$APP-ids" --chown 1000:33
  dokku storage:ensure-directory --chown heroku "$APP-heroku"
  assert_equal "$(shifted 0 0) $(shifted 1000 33) $(shifted 1000 1000)" \
    "$(owner "$ROOT/$APP-root") $(owner "$ROOT/$APP-ids") $(owner "$ROOT/$APP-heroku")"
  dokku storage:mount "$APP" "$APP-root" --container-dir /data
  dokku storage:mount "$APP" "$APP-ids" --container-dir /ids --volume-readonly
  deploy "$APP"
  inside "$APP" web sh -c 'echo mine > /data/a'
  assert_equal "0:0 1000:33" "$(inside "$APP" web stat -c %u:%g /data/a /ids | xargs)"
}

@test "chown-storage-dir takes the ids of this engine, and no others that /etc/subuid has" {
  dokku storage:create "$APP-data" --chown root
  run dokku storage:ensure-directory --chown herokuish "$APP-data"
  assert_success
  assert_equal "$(shifted 32767 32767)" "$(owner "$ROOT/$APP-data")"
  give() { with_ranges sudo --user=dokku sudo -n "$HELPERS/storage/bin/chown-storage-dir" "$APP-data" "$1"; }
  # The machine's own engine maps nothing.
  run give "$UID_0:$GID_0"
  assert_status 1
  assert_has "Unsupported chown permissions"
  assert_equal "$(shifted 32767 32767)" "$(owner "$ROOT/$APP-data")"
}

@test "--volume-chown, auto too: a container of uid 1000 can write" {
  dokku storage:create "$APP-auto" --chown root
  dokku storage:create "$APP-heroku" --chown root
  dokku storage:mount "$APP" "$APP-auto" --container-dir /auto --volume-chown auto
  dokku storage:mount "$APP" "$APP-heroku" --container-dir /heroku --volume-chown heroku
  IMAGE=$USER_1000 deploy "$APP"
  inside "$APP" web sh -c 'echo mine > /auto/a; echo mine > /heroku/a'
  assert_equal "$(shifted 1000 0)" "$(owner "$ROOT/$APP-auto")"
  assert_equal "$(shifted 1000 1000)" "$(owner "$ROOT/$APP-heroku")"
}

@test "preflight and doctor: root inside is nobody outside, and what the message says mends it" {
  chmod 0755 "$DIR"
  dokku storage:mount "$APP" "$DIR:/data"
  run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_line_with "$APP" "$DIR" "$UID_0"
  run dokku storage:doctor "$APP"
  assert_status 1
  assert_has not-writable
  run deploy "$APP"
  eval "$(remedy "$DIR" chown)"
  run deploy "$APP"
  assert_success
  inside "$APP" web sh -c 'echo mine > /data/a'
  run dokku storage:doctor "$APP"
  assert_success
}

@test "missing-source create: the directory is the entry's, as the container sees it" {
  dokku storage:create "$APP-data" --chown heroku
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-subpath part
  dokku storage:app:set "$APP" missing-source create
  IMAGE=$USER_1000 deploy "$APP"
  assert_equal "$(shifted 1000 1000)" "$(owner "$ROOT/$APP-data/part")"
  inside "$APP" web sh -c 'echo mine > /data/a'
}
