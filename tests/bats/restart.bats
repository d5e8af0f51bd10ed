#!/usr/bin/env bats
# A restart, a change of scale and a one-off container fire few of a deploy's triggers, and get no less than a deploy does.
load helper
needs docker

before_all() {
  USER_1000=$(make_image user-1000 "" 'USER 1000')
  USER_IN_GROUP=$(make_group_image)
  export USER_1000 USER_IN_GROUP
}

# An image whose user 1000 is in the group 2500, by /etc/group alone.
make_group_image() {
  mkdir -p "$SUITE/group-files/etc"
  printf 'root:x:0:0:root:/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n' >"$SUITE/group-files/etc/passwd"
  printf 'root:x:0:\nweb:x:1000:\ndata:x:2500:web\n' >"$SUITE/group-files/etc/group"
  make_image group "$SUITE/group-files" 'USER web'
}

# refused WORD…: the restart is refused, one line of what it says has all the words, and what ran runs on.
refused() {
  local before
  before=$(what_runs "$APP")
  run dokku ps:restart "$APP"
  [ "$status" -ne 0 ] || fail "the restart was taken" "$(shown)"
  assert_line_with " !     " "$APP" "$@"
  assert_equal "$before" "$(what_runs "$APP")"
}

@test "a stock host: 20_events has files for our triggers, and hides no app" {
  [ -x "$DOKKU_LIB_ROOT/plugins/enabled/20_events/user-auth-app" ] || fail "this is no stock host"
  dokku storage:mount "$APP" "$DIR:/data"
  run dokku storage:list "$APP"
  assert_success
  assert_has "$DIR:/data"
  # A plugin that answers and fails still hides everything.
  add_trigger user-auth-app <<<$'#!/bin/sh\nexit 1'
  run dokku storage:list "$APP"
  assert_status 20
  drop_triggers
}

@test "no deprecation warning in a deploy, and no pre-deploy file" {
  [ ! -e "$DOKKU_LIB_ROOT/plugins/enabled/storage/pre-deploy" ] || fail "there is a pre-deploy file"
  dokku storage:mount "$APP" "$DIR:/data"
  run deploy "$APP"
  assert_success
  assert_has_not "Deprecated: " # Docker says of its own builder that it "is deprecated"
}

@test "a missing source stops a restart, and nothing makes it" {
  mkdir "$DIR/gone"
  dokku storage:mount "$APP" "$DIR/gone:/data"
  deploy "$APP"
  rmdir "$DIR/gone"
  refused "$DIR/gone" "does not exist" "mkdir -p $DIR/gone"
  [ ! -e "$DIR/gone" ] || fail "something made it"
  mkdir "$DIR/gone"
  run dokku ps:restart "$APP"
  assert_success
}

@test "missing-source create and ignore mean the same at a restart" {
  dokku storage:create "$APP-data" --chown heroku
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  deploy "$APP"
  rmdir "$ROOT/$APP-data"
  dokku storage:app:set "$APP" missing-source create
  run dokku ps:restart "$APP"
  assert_success
  assert_equal 1000:1000 "$(stat -c %u:%g "$ROOT/$APP-data")"
  mkdir "$DIR/gone"
  dokku storage:mount "$APP" "$DIR/gone:/gone"
  rmdir "$DIR/gone"
  dokku storage:app:set "$APP" missing-source ignore
  run dokku ps:restart "$APP"
  assert_success
  assert_equal 1 "$(lines_with "$DIR/gone does not exist" | wc -l)"
  [ -d "$DIR/gone" ] || fail "Docker did not do what it does"
}

@test "an unwritable directory stops a restart" {
  dokku storage:mount "$APP" "$DIR:/data"
  IMAGE=$USER_1000 deploy "$APP"
  chmod 0755 "$DIR"
  chown 0:0 "$DIR"
  refused "$DIR" "1000 cannot write"
  chmod 0777 "$DIR"
  run dokku ps:restart "$APP"
  assert_success
}

@test "the groups that the image gives its user count" {
  chown 0:2500 "$DIR"
  chmod 0775 "$DIR"
  dokku storage:mount "$APP" "$DIR:/data"
  IMAGE=$USER_IN_GROUP deploy "$APP"
  inside "$APP" web touch /data/written
  chmod 0755 "$DIR"
  refused "$DIR" "cannot write"
}

@test "a directory over a file of the image stops a restart" {
  touch "$DIR/passwd"
  dokku storage:mount "$APP" "$DIR/passwd:/etc/passwd:ro"
  deploy "$APP"
  rm "$DIR/passwd"
  mkdir "$DIR/passwd"
  refused "$DIR/passwd" "is a directory, and the image has a file at /etc/passwd"
}

@test "--volume-chown is applied at a restart" {
  dokku storage:create "$APP-data" --chown root
  IMAGE=$USER_1000 deploy "$APP"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-chown auto
  run dokku ps:restart "$APP"
  assert_success
  assert_equal 1000 "$(stat -c %u "$ROOT/$APP-data")"
  inside "$APP" web touch /data/written
  chown 0:0 "$ROOT/$APP-data"
  run dokku ps:restart "$APP"
  assert_success
  assert_equal 1000 "$(stat -c %u "$ROOT/$APP-data")"
}

@test "the policy stops a restart" {
  dokku storage:mount "$APP" "$DIR:/data"
  deploy "$APP"
  dokku storage:policy:set allowed-paths /nowhere
  refused "$DIR" "not allowed"
  dokku storage:policy:set allowed-paths
}

@test "ps:scale checks what the process type mounts, and only that" {
  mkdir "$DIR/worker"
  dokku storage:mount "$APP" "$DIR/worker:/data" --process-type worker
  deploy "$APP" web=1 worker=0
  rmdir "$DIR/worker"
  run dokku ps:restart "$APP" web
  assert_success
  run dokku ps:scale "$APP" worker=1
  [ "$status" -ne 0 ] || fail "the scale was taken" "$(shown)"
  assert_line_with "$DIR/worker" "does not exist"
  [ ! -e "$DIR/worker" ] || fail "something made it"
}

@test "in a deploy nothing is checked or said twice, and a restart starts no container to look into the image" {
  mkdir "$DIR/gone"
  dokku storage:mount "$APP" "$DIR/gone:/gone"
  dokku storage:mount "$APP" "$DIR:/data"
  rmdir "$DIR/gone"
  dokku storage:app:set "$APP" missing-source ignore
  run deploy "$APP" web=1 worker=1
  assert_success
  assert_equal 1 "$(lines_with "$DIR/gone does not exist" | wc -l)"
  [ ! -e "$DOKKU_LIB_ROOT/config/storage/$APP/checked" ] || fail "the note of the deploy is still there"
  dokku storage:unmount "$APP" "$DIR/gone:/gone"
  # A Docker client that notes its calls, for the plugin alone.
  mkdir -p "$HOST/noting"
  printf '#!/bin/sh\necho "$*" >>%s/docker-calls\nexec /usr/bin/docker "$@"\n' "$HOST/noting" >"$HOST/noting/docker"
  chmod 0755 "$HOST/noting/docker"
  touch "$HOST/noting/docker-calls"
  chmod 0666 "$HOST/noting/docker-calls"
  : | dokku_environment sudo -u dokku -E -H env PATH="$HOST/noting:$HOST/bin:$PATH" DOKKU_PID=$$ \
    "$DOKKU_LIB_ROOT/plugins/enabled/storage/docker-args-deploy" "$APP" latest web
  assert_equal "" "$(cat "$HOST/noting/docker-calls")"
}

@test "dokku run with a missing source starts no container, and nothing makes the source" {
  mkdir "$DIR/gone"
  dokku storage:mount "$APP" "$DIR/gone:/data"
  deploy "$APP"
  rmdir "$DIR/gone"
  run dokku run "$APP" touch /data/lost
  [ "$status" -ne 0 ] || fail "the container was started" "$(shown)"
  assert_line_with " !     " "$APP" "$DIR/gone" "does not exist"
  [ ! -e "$DIR/gone" ] || fail "something made it"
  run trigger docker-args-run "$APP" latest
  assert_has " --mount type=bind,source=$DIR/gone,target=/data"
}

@test "dokku run with a store that cannot be read starts no container" {
  dokku storage:mount "$APP" "$DIR:/data"
  deploy "$APP"
  echo nonsense >>"$DOKKU_LIB_ROOT/config/storage/$APP/mounts"
  run dokku run "$APP" true
  [ "$status" -ne 0 ] || fail "the container was started" "$(shown)"
  assert_has "config/storage/$APP/mounts"
}

@test "a source that goes away while a deploy runs is refused by Docker" {
  mkdir "$DIR/race"
  dokku storage:mount "$APP" "$DIR/race:/data"
  deploy "$APP"
  local before
  before=$(what_runs "$APP")
  add_trigger app-json-process-deploy-parallelism <<<"#!/bin/sh
rm -rf '$DIR/race'"
  run dokku ps:restart "$APP"
  drop_triggers
  [ "$status" -ne 0 ] || fail "the restart was taken" "$(shown)"
  assert_line_with "$DIR/race" "does not exist"
  assert_equal "$before" "$(what_runs "$APP")"
  [ ! -e "$DIR/race" ] || fail "something made it"
}

@test "more or fewer arguments than known: served as far as possible" {
  dokku storage:mount "$APP" "$DIR:/data"
  run trigger docker-args-deploy "$APP"
  assert_success
  assert_has "$DIR:/data"
  run trigger docker-args-deploy "$APP" latest web 1 and more
  assert_success
  assert_has "$DIR:/data"
  run trigger pre-release-builder dockerfile "$APP"
  assert_success
  run trigger pre-release-builder
  assert_success
}

@test "a source that only root can look at: Docker mounts it, and makes nothing where it is gone" {
  mkdir -m 0700 "$DIR/closed"
  mkdir -m 0777 "$DIR/closed/data"
  dokku storage:mount "$APP" "$DIR/closed/data:/data:rprivate"
  deploy "$APP"
  inside "$APP" web sh -c 'echo kept > /data/a'
  assert_equal kept "$(cat "$DIR/closed/data/a")"
  local before
  before=$(what_runs "$APP")
  mv "$DIR/closed/data" "$DIR/away"
  run dokku ps:restart "$APP"
  [ "$status" -ne 0 ] || fail "the restart was taken" "$(shown)"
  assert_line_with "$DIR/closed/data" "does not exist"
  assert_equal "$before" "$(what_runs "$APP")"
  run dokku run "$APP" ls /data
  [ "$status" -ne 0 ] || fail "a container ran without its data" "$(shown)"
  [ ! -e "$DIR/closed/data" ] || fail "something made it"
  # Who wants Docker to make it has it made.
  dokku storage:app:set "$APP" missing-source ignore
  run dokku run "$APP" ls -d /data
  assert_success
  [ -d "$DIR/closed/data" ]
}

@test "a source that only root can look at, and that goes away last of all, is refused by Docker" {
  mkdir -m 0700 "$DIR/closed"
  mkdir -m 0777 "$DIR/closed/data"
  dokku storage:mount "$APP" "$DIR/closed/data:/data"
  deploy "$APP"
  local before
  before=$(what_runs "$APP")
  # After our trigger, before the container: the number of the container is the fourth word.
  add_trigger docker-args-deploy <<<"#!/bin/sh
[ -z \"\$4\" ] || mv '$DIR/closed' '$DIR/away'"
  run dokku ps:restart "$APP"
  drop_triggers
  [ "$status" -ne 0 ] || fail "the restart was taken" "$(shown)"
  assert_line_with "$DIR/closed/data" "does not exist"
  assert_equal "$before" "$(what_runs "$APP")"
  [ ! -e "$DIR/closed" ] || fail "something made it"
}
