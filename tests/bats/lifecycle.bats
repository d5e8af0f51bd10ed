#!/usr/bin/env bats
# What is declared is what the container gets: every attribute of a mount, seen from inside of real containers.
load helper
needs docker

before_all() {
  mkdir -p "$SUITE/named/etc"
  printf 'root:x:0:0:root:/:/bin/sh\nsomebody:x:1234:4321::/:/bin/sh\nherokuishuser:x:32767:32767::/:/bin/sh\n' >"$SUITE/named/etc/passwd"
  printf 'root:x:0:\nsomebodies:x:4321:\n' >"$SUITE/named/etc/group"
  USER_1000=$(make_image user-1000 "" 'USER 1000')
  USER_NAMED=$(make_image user-named "$SUITE/named" 'USER somebody')
  export USER_1000 USER_NAMED
}

owner() { stat -c %u:%g "$1"; }
refuses_write() {
  run inside "$APP" web sh -c "echo changed > $1"
  [ "$status" -ne 0 ] || fail "$1 can be written" "$(shown)"
}

# --- process types ----------------------------------------------------------------------------------------

@test "process types: each container has its own mounts and those of all, and no others" {
  for type in all web worker; do dokku storage:create "$APP-$type" --chown root; done
  dokku storage:mount "$APP" "$APP-all" --container-dir /all
  dokku storage:mount "$APP" "$APP-web" --container-dir /of-web --process-type web
  dokku storage:mount "$APP" "$APP-worker" --container-dir /of-worker --process-type worker
  deploy "$APP" web=2 worker=1
  local id type
  for id in $(running "$APP"); do
    type=$(docker inspect --format '{{index .Config.Labels "com.dokku.process-type"}}' "$id")
    docker exec "$id" sh -c "echo $type >> /of-$type/seen"
    assert_equal "/all /of-$type" "$(docker inspect --format '{{range .Mounts}}{{println .Destination}}{{end}}' "$id" | sort | xargs)"
  done
  assert_equal "web web" "$(xargs <"$ROOT/$APP-web/seen")"
  assert_equal "worker" "$(xargs <"$ROOT/$APP-worker/seen")"
  # A one-off container has no process type.
  run dokku run "$APP" sh -c 'test -d /all && ! test -e /of-web && ! test -e /of-worker'
  assert_success
}

@test "process types: one entry, readable for all and writable for one, at one path" {
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --process-type web --volume-readonly
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --process-type worker
  deploy "$APP" web=1 worker=1
  inside "$APP" worker sh -c 'echo from the worker > /data/a'
  assert_equal "from the worker" "$(inside "$APP" web cat /data/a)"
  refuses_write /data/a
}

# --- subpath, readonly, options -----------------------------------------------------------------------------

@test "a subpath of a directory, at deploy and in one-off containers" {
  dokku storage:create "$APP-data" --chown root
  mkdir -p "$ROOT/$APP-data/uploads/public pages" "$ROOT/$APP-data/secret"
  dokku storage:mount "$APP" "$APP-data" --container-dir /pages --volume-subpath "uploads/public pages"
  deploy "$APP"
  inside "$APP" web sh -c 'echo public > /pages/index'
  assert_equal public "$(cat "$ROOT/$APP-data/uploads/public pages/index")"
  run dokku run "$APP" find /pages
  assert_success
  assert_output "$(printf '/pages\n/pages/index')"
}

@test "a subpath cannot leave its entry" {
  dokku storage:create "$APP-data"
  local bad
  for bad in ../other /etc a/../../other ..; do
    run_apart dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-subpath "$bad"
    assert_refused
  done
  mkdir "$DIR/inside"
  ln -s "$HOST" "$DIR/inside/link"
  dokku storage:create "$APP-linked" "$DIR/inside"
  run dokku storage:mount "$APP" "$APP-linked" --container-dir /data --volume-subpath link
  if [ "$status" = 0 ]; then
    run deploy "$APP"
    [ "$status" -ne 0 ] || fail "a link led out of the entry" "$(shown)"
    assert_has "$DIR/inside"
  fi
}

@test "a subpath of a docker volume: mounted where the engine can, else refused at mount" {
  docker volume create --label "$TEST_LABEL" "$APP-volume" >/dev/null
  docker run --rm --network none -v "$APP-volume:/data" "$TEST_IMAGE" sh -c 'mkdir /data/part; echo part > /data/part/a; echo all > /data/a'
  dokku storage:create "$APP-data" "$APP-volume"
  run_apart dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-subpath part
  if [ "$(docker version --format '{{.Server.Version}}' | cut -d. -f1)" -lt 26 ]; then
    assert_refused
    assert_stderr_has "$APP-volume"
    assert_stderr_has 26
    assert_equal "[]" "$(mounts_of "$APP")"
  else
    assert_success
    deploy "$APP"
    assert_equal part "$(inside "$APP" web cat /data/a)"
  fi
}

@test "readonly: a directory, a subpath, a file and a docker volume refuse writes, by each way of saying it" {
  docker volume create --label "$TEST_LABEL" "$APP-volume" >/dev/null
  mkdir "$DIR/sub"
  echo kept | tee "$DIR/a" "$DIR/sub/a" >/dev/null
  dokku storage:create "$APP-data" "$DIR"
  dokku storage:mount "$APP" "$APP-data" --container-dir /flag --volume-readonly
  dokku storage:mount "$APP" "$APP-data" --container-dir /option --volume-options ro
  dokku storage:mount "$APP" "$APP-data" --container-dir /sub --volume-subpath sub --volume-readonly
  dokku storage:mount "$APP" "$DIR:/colon:ro"
  dokku storage:mount "$APP" "$DIR/a:/file:ro"
  dokku storage:mount "$APP" "$APP-volume:/volume:ro"
  deploy "$APP"
  for place in /flag/a /option/a /sub/a /colon/a /file /volume/a; do
    refuses_write "$place"
    assert_has "Read-only file system"
  done
  assert_equal kept "$(cat "$DIR/a")"
  run dokku run "$APP" sh -c 'echo changed > /flag/a'
  [ "$status" -ne 0 ] || fail "a one-off container can write" "$(shown)"
}

@test "options reach docker: a volume with nocopy stays empty, one without takes over the image's files" {
  for volume in copied empty; do docker volume create --label "$TEST_LABEL" "$APP-$volume" >/dev/null; done
  dokku storage:create "$APP-copied-entry" "$APP-copied"
  dokku storage:create "$APP-empty-entry" "$APP-empty"
  dokku storage:mount "$APP" "$APP-copied-entry" --container-dir /app
  dokku storage:mount "$APP" "$APP-empty-entry" --container-dir /etc --volume-options nocopy
  deploy "$APP"
  run inside "$APP" web test -f /app/Procfile
  assert_success
  run inside "$APP" web test -f /etc/passwd
  assert_status 1
}

# --- --volume-chown -----------------------------------------------------------------------------------------

@test "--volume-chown with a preset, a uid and uid:gid: done at deploy, and that user can write" {
  local owner wanted
  for owner in heroku=1000:1000 paketo=2000:2000 herokuish=32767:32767 1234=1234:1234 1234:4321=1234:4321; do
    wanted=${owner#*=} owner=${owner%%=*}
    dokku storage:create "$APP-${owner/:/-}" --chown root
    dokku storage:mount "$APP" "$APP-${owner/:/-}" --container-dir "/${owner/:/-}" --volume-chown "$owner"
    assert_equal 0:0 "$(owner "$ROOT/$APP-${owner/:/-}")"
  done
  deploy "$APP"
  for owner in heroku=1000:1000 paketo=2000:2000 herokuish=32767:32767 1234=1234:1234 1234:4321=1234:4321; do
    wanted=${owner#*=} owner=${owner%%=*}
    assert_equal "$wanted" "$(owner "$ROOT/$APP-${owner/:/-}")"
    run docker exec --user "$wanted" "$(container "$APP")" sh -c "echo mine > /${owner/:/-}/a"
    assert_success
  done
}

@test "--volume-chown auto: a container of uid 1000 can write" {
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-chown auto
  IMAGE=$USER_1000 deploy "$APP"
  assert_equal 1000 "$(inside "$APP" web id -u)"
  inside "$APP" web sh -c 'echo mine > /data/a'
  assert_equal "1000 mine" "$(stat -c %u "$ROOT/$APP-data/a") $(cat "$ROOT/$APP-data/a")"
}

@test "--volume-chown auto: a user by name, with the group of the image's passwd; only the part that is mounted" {
  dokku storage:create "$APP-data" --chown root
  mkdir -p "$ROOT/$APP-data/part" "$ROOT/$APP-data/other"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-subpath part --volume-chown auto
  IMAGE=$USER_NAMED deploy "$APP"
  inside "$APP" web sh -c 'echo mine > /data/a'
  assert_equal 1234:4321 "$(owner "$ROOT/$APP-data/part")"
  assert_equal "0:0 0:0" "$(owner "$ROOT/$APP-data/other") $(owner "$ROOT/$APP-data")"
}

@test "--volume-chown auto: an image without a user stays root's, one of herokuish is herokuishuser's" {
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-chown auto
  deploy "$APP"
  assert_equal 0:0 "$(owner "$ROOT/$APP-data")"
  local image
  # Dokku starts the containers of such an image with its /start.
  cp -a "$SUITE/named" "$BATS_TEST_TMPDIR/herokuish"
  printf '#!/bin/sh\nexec sleep 100000\n' >"$BATS_TEST_TMPDIR/herokuish/start"
  chmod 0755 "$BATS_TEST_TMPDIR/herokuish/start"
  image=$(make_image herokuish "$BATS_TEST_TMPDIR/herokuish" 'ENV USER=herokuishuser')
  IMAGE=$image deploy "$APP"
  assert_equal 32767:32767 "$(owner "$ROOT/$APP-data")"
}

@test "--volume-chown changes the directory only, not what others own in it" {
  dokku storage:create "$APP-data" --chown root
  mkdir "$ROOT/$APP-data/database"
  chown 70:70 "$ROOT/$APP-data/database"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-chown heroku
  deploy "$APP"
  assert_equal "1000:1000 70:70" "$(owner "$ROOT/$APP-data") $(owner "$ROOT/$APP-data/database")"
}

# --- phases -------------------------------------------------------------------------------------------------

@test "phases: each kind of container has the mounts of its phase" {
  local phase words
  for phase in build deploy run; do
    dokku storage:create "$APP-$phase" --chown root
    dokku storage:mount "$APP" "$APP-$phase" --container-dir "/in-$phase" --phase "$phase"
  done
  dokku storage:create "$APP-all" --chown root
  dokku storage:mount "$APP" "$APP-all" --container-dir /in-all --phase build --phase deploy --phase run
  DOKKU_TEST_BUILDER=herokuish deploy "$APP"
  assert_equal "/in-all /in-deploy" "$(docker inspect --format '{{range .Mounts}}{{println .Destination}}{{end}}' "$(container "$APP")" | sort | xargs)"
  run dokku run "$APP" sh -c 'echo /in-*'
  assert_output "/in-all /in-run"
  for builder in herokuish pack; do
    mapfile -t words < <(trigger docker-args-build "$APP" "$builder" | split_words)
    run docker run --rm --network none "${words[@]}" "$TEST_IMAGE" sh -c "echo $builder >> /in-build/seen; echo /in-*"
    assert_output "/in-all /in-build"
  done
  assert_equal "herokuish pack" "$(xargs <"$ROOT/$APP-build/seen")"
}

@test "build mounts: a builder that cannot mount is said with the path, and the deploy goes on" {
  dokku storage:create "$APP-cache" --chown root
  dokku storage:mount "$APP" "$APP-cache" --container-dir /build-cache --phase build --phase deploy
  local builder
  for builder in dockerfile nixpacks railpack lambda; do
    run_apart trigger docker-args-build "$APP" "$builder"
    assert_success
    assert_output ""
    assert_equal 1 "$(grep -c . <<<"$stderr")"
    assert_stderr_has "$APP"
    assert_stderr_has "/build-cache"
    assert_stderr_has "$builder"
  done
  DOKKU_TEST_BUILDER=dockerfile run deploy "$APP"
  assert_success
  assert_line_with dockerfile /build-cache
  inside "$APP" web test -d /build-cache
}

@test "build mounts: at /app or below it refused for herokuish, fine for pack" {
  dokku storage:create "$APP-cache" --chown root
  local place
  for place in /app /app/ /app/node_modules //app/x; do
    run_apart dokku storage:mount "$APP" "$APP-cache" --container-dir "$place" --phase build
    assert_refused
    assert_stderr_has herokuish
    run_apart dokku storage:mount "$APP" "$DIR:$place" --phase build,deploy
    assert_refused
  done
  assert_equal "[]" "$(mounts_of "$APP")"
  dokku storage:mount "$APP" "$APP-cache" --container-dir /application --phase build
  dokku storage:mount "$APP" "$APP-cache" --container-dir /app/data --phase deploy
  is_real && return
  sudo -u dokku mkdir -p "$DOKKU_LIB_ROOT/config/builder/$APP"
  echo pack | sudo -u dokku tee "$DOKKU_LIB_ROOT/config/builder/$APP/selected" >/dev/null
  dokku storage:mount "$APP" "$APP-cache" --container-dir /app/cache --phase build
  run trigger docker-args-build "$APP" pack
  assert_has "/app/cache"
  # Where the app is built with herokuish all the same, the deploy stops.
  DOKKU_TEST_BUILDER=herokuish run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_line_with "$APP" /app/cache herokuish
}

# --- Dokku in a container -------------------------------------------------------------------------------------

@test "DOKKU_LIB_HOST_ROOT: sources below Dokku's folder are mounted as the host's docker sees them" {
  ln -s "$DOKKU_LIB_ROOT" "$HOST/$APP-seen"
  dokku storage:create "$APP-data" --chown root
  mkdir "$ROOT/$APP-data/part"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  dokku storage:mount "$APP" "$APP-data" --container-dir /part --volume-subpath part
  dokku storage:mount "$APP" "$DIR:/elsewhere"
  DOKKU_LIB_HOST_ROOT="$HOST/$APP-seen" deploy "$APP"
  local seen="$HOST/$APP-seen/data/storage/$APP-data"
  assert_equal "$DIR:/elsewhere $seen/part:/part $seen:/data" "$(docker inspect --format '{{range .HostConfig.Binds}}{{println .}}{{end}}' "$(container "$APP")" | sort | xargs)"
  inside "$APP" web sh -c 'echo here > /data/a'
  assert_equal here "$(cat "$ROOT/$APP-data/a")"
  DOKKU_LIB_HOST_ROOT="$HOST/$APP-seen" run dokku run "$APP" cat /data/a
  assert_output here
  DOKKU_LIB_HOST_ROOT="$HOST/$APP-seen" run dokku storage:doctor "$APP"
  assert_has_not stale-container
}
