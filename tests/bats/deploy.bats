#!/usr/bin/env bats
# Real containers get what is mounted, and nothing else.
load helper
needs docker

# Names that a shell, xargs or Docker might take for something else.
ODD_NAMES=("with blanks" "it's" 'say "hi"' 'back\slash' '$HOME' '`id`' ';ls' '*' 'a&b|c' 'ümläut' '(x)' '#x' '~' 'a,b=c')

@test "a folder: what the container writes is on the host, and the other way round" {
  dokku storage:mount "$APP" "$DIR:/data"
  deploy "$APP"
  inside "$APP" web sh -c 'echo from the container > /data/a'
  assert_equal "from the container" "$(cat "$DIR/a")"
  echo from the host >"$DIR/b"
  assert_equal "from the host" "$(inside "$APP" web cat /data/b)"
  assert_equal "[\"$DIR:/data\"]" "$(docker inspect --format '{{json .HostConfig.Binds}}' "$(container "$APP")")"
}

@test "a read-only mount refuses writes" {
  echo kept >"$DIR/file"
  dokku storage:mount "$APP" "$DIR:/colon:ro"
  dokku storage:create "$APP-entry"
  dokku storage:mount "$APP" "$APP-entry" --container-dir /entry --volume-readonly
  deploy "$APP"
  for place in /colon /entry; do
    run inside "$APP" web sh -c "echo changed > $place/file"
    [ "$status" -ne 0 ] || fail "$place can be written" "$(shown)"
    assert_has "Read-only file system"
  done
  assert_equal kept "$(inside "$APP" web cat /colon/file)"
}

@test "a docker volume" {
  docker volume create --label "$TEST_LABEL" "$APP-volume" >/dev/null
  dokku storage:mount "$APP" "$APP-volume:/data"
  deploy "$APP"
  inside "$APP" web sh -c 'echo in the volume > /data/a'
  deploy "$APP"
  assert_equal "in the volume" "$(inside "$APP" web cat /data/a)"
  assert_equal "$APP-volume" "$(docker inspect --format '{{range .Mounts}}{{.Name}}{{end}}' "$(container "$APP")")"
}

@test "paths with blanks, quotes, backslashes and more reach docker as they are" {
  local n=0 name
  for name in "${ODD_NAMES[@]}"; do
    n=$((n + 1))
    mkdir "$DIR/$name"
    echo "$name" >"$DIR/$name/name"
    dokku storage:mount "$APP" "$DIR/$name:/data $n/$name"
  done
  deploy "$APP"
  n=0
  for name in "${ODD_NAMES[@]}"; do
    n=$((n + 1))
    assert_equal "$name" "$(inside "$APP" web cat "/data $n/$name/name")"
  done
  assert_equal false "$(docker inspect --format '{{.HostConfig.Privileged}}' "$(container "$APP")")"
  # The same in a one-off container.
  run dokku run "$APP" cat "/data 2/it's/name"
  assert_success
  assert_output "it's"
}

@test "process types get their own mounts and those of all" {
  mkdir -m 0777 "$DIR"/{all,web,worker}
  for type in all web worker; do dokku storage:create "$APP-$type" "$DIR/$type"; done
  dokku storage:mount "$APP" "$APP-all" --container-dir /all
  dokku storage:mount "$APP" "$APP-web" --container-dir /own --process-type web
  dokku storage:mount "$APP" "$APP-worker" --container-dir /own --process-type worker
  deploy "$APP" web=1 worker=1
  for type in web worker; do
    inside "$APP" "$type" sh -c "echo $type > /own/it; echo $type >> /all/both"
    assert_equal "$type" "$(cat "$DIR/$type/it")"
  done
  assert_equal "web worker" "$(sort "$DIR/all/both" | xargs)"
}

@test "two containers of one process type share the mount" {
  dokku storage:mount "$APP" "$DIR:/data"
  deploy "$APP" web=2
  local id
  for id in $(running "$APP"); do docker exec "$id" sh -c 'echo here >> /data/all'; done
  assert_equal 2 "$(wc -l <"$DIR/all")"
}

@test "a subpath: only that part of the entry" {
  mkdir -p "$DIR/uploads/public" "$DIR/secret"
  chmod -R 0777 "$DIR"
  dokku storage:create "$APP-entry" "$DIR"
  dokku storage:mount "$APP" "$APP-entry" --container-dir /data --volume-subpath uploads/public
  deploy "$APP"
  inside "$APP" web sh -c 'echo public > /data/page'
  assert_equal public "$(cat "$DIR/uploads/public/page")"
  assert_equal page "$(inside "$APP" web ls /data)"
}

@test "one file" {
  echo "one = 1" >"$DIR/settings.conf"
  dokku storage:mount "$APP" "$DIR/settings.conf:/etc/settings.conf:ro"
  deploy "$APP"
  assert_equal "one = 1" "$(inside "$APP" web cat /etc/settings.conf)"
}

@test "nested mounts" {
  mkdir -m 0777 "$DIR/outer" "$DIR/inner"
  dokku storage:mount "$APP" "$DIR/outer:/data"
  dokku storage:mount "$APP" "$DIR/inner:/data/cache"
  deploy "$APP"
  inside "$APP" web sh -c 'echo outer > /data/a; echo inner > /data/cache/a'
  assert_equal outer "$(cat "$DIR/outer/a")"
  assert_equal inner "$(cat "$DIR/inner/a")"
}

@test "phases: run mounts only in one-off containers, deploy mounts only in deployed ones" {
  dokku storage:create "$APP-run"
  dokku storage:create "$APP-deploy"
  dokku storage:mount "$APP" "$APP-run" --container-dir /run-only --phase run
  dokku storage:mount "$APP" "$APP-deploy" --container-dir /deploy-only --phase deploy
  deploy "$APP"
  inside "$APP" web test -d /deploy-only
  run inside "$APP" web test -d /run-only
  assert_status 1
  run dokku run "$APP" test -d /run-only
  assert_success
  run dokku run "$APP" test -d /deploy-only
  assert_status 1
}

@test "storage:exec: commands in the entry's data, input and exit status passed through" {
  dokku storage:create "$APP-entry"
  run dokku storage:exec "$APP-entry" --image "$TEST_IMAGE" -- sh -c 'cat > "/data/two words"' <<<"some input"
  assert_success
  assert_equal "some input" "$(cat "$DOKKU_LIB_ROOT/data/storage/$APP-entry/two words")"
  echo "from a file" >"$BATS_TEST_TMPDIR/input"
  run dokku storage:exec "$APP-entry" --image "$TEST_IMAGE" -- cat <"$BATS_TEST_TMPDIR/input"
  assert_output "from a file"
  run dokku storage:exec "$APP-entry" --image "$TEST_IMAGE" --as-user 1000 -- id -u </dev/null
  assert_success
  assert_has 1000
  # It begins where the image says, also without Dokku.
  run dokku storage:exec "$APP-entry" --image "$TEST_IMAGE" -- pwd </dev/null
  assert_output /app
  if ! is_real; then
    # The test machine's containers have no network.
    printf '#!/bin/sh\n[ "$1" != run ] || { shift; set -- run --network none "$@"; }\nexec docker "$@"\n' >"$BATS_TEST_TMPDIR/docker"
    chmod 0755 "$BATS_TEST_TMPDIR/docker"
    alone() {
      env -i PATH="$PATH" HOME="$HOST/alone" DOKKU_STORAGE_ROOT="$HOST/alone" DOCKER_BIN="$BATS_TEST_TMPDIR/docker" "$BINARY" "$@"
    }
    alone storage:create data
    run alone storage:exec data --image "$TEST_IMAGE" -- sh -c 'pwd; ls -d /data' </dev/null
    assert_output "$(printf '/app\n/data')"
  fi
  run dokku storage:exec "$APP-entry" --image "$TEST_IMAGE" -- sh -c 'exit 7' </dev/null
  assert_status 7
}

@test "--chown and --mode: a container of that user can write" {
  dokku storage:create "$APP-entry" --chown heroku --mode 0750
  assert_equal "1000:1000 750" "$(stat -c '%u:%g %a' "$DOKKU_LIB_ROOT/data/storage/$APP-entry")"
  run dokku storage:exec "$APP-entry" --image "$TEST_IMAGE" --as-user 1000 -- sh -c 'echo mine > /data/a' </dev/null
  assert_success
  dokku storage:set "$APP-entry" mode 0700
  assert_equal "1000:1000 700" "$(stat -c '%u:%g %a' "$DOKKU_LIB_ROOT/data/storage/$APP-entry")"
}

@test "ensure-directory for each preset" {
  local preset
  for preset in herokuish:32767 heroku:1000 paketo:2000 root:0 1234:1234; do
    run dokku storage:ensure-directory --chown "${preset%:*}" "$APP-${preset%:*}"
    assert_success
    assert_equal "${preset#*:}:${preset#*:}" "$(stat -c %u:%g "$DOKKU_LIB_ROOT/data/storage/$APP-${preset%:*}")"
  done
  run dokku storage:ensure-directory --chown false "$APP-false"
  assert_success
  assert_equal dokku:dokku "$(stat -c %U:%G "$DOKKU_LIB_ROOT/data/storage/$APP-false")"
}

@test "destroy removes the folder only where that was asked for, whoever owns what is in it" {
  dokku storage:create "$APP-keep"
  dokku storage:create "$APP-drop"
  run dokku storage:exec "$APP-drop" --image "$TEST_IMAGE" -- sh -c 'mkdir -p /data/a/b; echo root > /data/a/b/c; chmod -R go-rwx /data/a' </dev/null
  assert_success
  dokku storage:destroy "$APP-keep" --force
  dokku storage:destroy "$APP-drop" --force --destroy-host-dir
  [ -d "$DOKKU_LIB_ROOT/data/storage/$APP-keep" ] || fail "the folder is gone without --destroy-host-dir"
  [ ! -e "$DOKKU_LIB_ROOT/data/storage/$APP-drop" ] || fail "the folder is still there"
}

@test "apps:clone and apps:rename take the mounts along, apps:destroy forgets them, data stays" {
  dokku storage:create "$APP-entry"
  dokku storage:mount "$APP" "$APP-entry" --container-dir /data
  dokku storage:mount "$APP" "$DIR:/colon"
  dokku apps:clone "$APP" "$APP-clone"
  assert_equal 2 "$(mounts_of "$APP-clone" | jq length)"
  dokku apps:rename "$APP-clone" "$APP-renamed"
  assert_equal 2 "$(mounts_of "$APP-renamed" | jq length)"
  deploy "$APP-renamed"
  inside "$APP-renamed" web sh -c 'echo kept > /data/a; echo kept > /colon/a'

  dokku --force apps:destroy "$APP-renamed"
  assert_equal kept "$(cat "$DOKKU_LIB_ROOT/data/storage/$APP-entry/a")"
  assert_equal kept "$(cat "$DIR/a")"
  assert_equal 2 "$(mounts_of "$APP" | jq length)"
  dokku --force apps:destroy "$APP"
  # The colon mount's entry goes with its last app, the one that somebody made stays.
  assert_equal "[\"$APP-entry\"]" "$(dokku storage:list-entries --format json |
    jq -c --arg dir "$DIR" --arg entry "$APP-entry" '[.[] | select(.host_path == $dir or .name == $entry) | .name]')"
  [ ! -e "$DOKKU_LIB_ROOT/config/storage/$APP" ] || fail "the destroyed app's folder is still there"
}

@test "-v lines of docker-options are taken over and still reach the container" {
  local options="$DOKKU_LIB_ROOT/config/docker-options/$APP"
  sudo -u dokku mkdir -p "$options"
  printf -- '-v %s:/old\n--memory 64m\n' "$DIR" | sudo -u dokku tee "$options/_default_.deploy" "$options/_default_.run" >/dev/null
  dokku storage:migrate "$APP"
  assert_equal "--memory 64m" "$(cat "$options/_default_.deploy")"
  deploy "$APP"
  inside "$APP" web sh -c 'echo migrated > /old/a'
  assert_equal migrated "$(cat "$DIR/a")"
}

@test "build mounts: for builders that can mount; for others a warning and nothing for docker" {
  dokku storage:mount "$APP" "$DIR:/data"
  dokku storage:create "$APP-cache"
  dokku storage:mount "$APP" "$APP-cache" --container-dir /build-cache --phase build
  for builder in herokuish pack; do
    assert_equal "-v $DOKKU_LIB_ROOT/data/storage/$APP-cache:/build-cache" "$(trigger docker-args-build "$APP" "$builder" | xargs)"
  done
  run_apart trigger docker-args-build "$APP" dockerfile
  assert_success
  assert_output ""
  [ -n "$stderr" ] || fail "no warning for a builder that cannot mount"
  DOKKU_TEST_BUILDER=dockerfile deploy "$APP"
  run inside "$APP" web test -d /build-cache
  assert_status 1
}

@test "a deploy that cannot start its container leaves the old one running" {
  dokku storage:mount "$APP" "$DIR:/data"
  deploy "$APP"
  local before
  before=$(container "$APP")
  run dokku git:from-image "$APP" no-such-image-here
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_equal "$before" "$(container "$APP")"
}

@test "a host path that is missing stops the deploy before anything is replaced; docker does not make it" {
  dokku storage:mount "$APP" "$DIR:/data"
  deploy "$APP"
  local before
  before=$(container "$APP")
  dokku storage:mount "$APP" "$DIR/missing:/missing"
  run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_has "$DIR/missing"
  assert_has "$APP"
  assert_equal "$before" "$(container "$APP")"
  [ ! -e "$DIR/missing" ] || fail "$DIR/missing was made"
  mkdir "$DIR/missing"
  run deploy "$APP"
  assert_success
}

@test "--volume-chown is done at deploy: a container of that user can write" {
  dokku storage:create "$APP-entry" --chown root
  dokku storage:mount "$APP" "$APP-entry" --container-dir /data --volume-chown heroku
  deploy "$APP"
  assert_equal 1000:1000 "$(stat -c %u:%g "$DOKKU_LIB_ROOT/data/storage/$APP-entry")"
  docker exec --user 1000 "$(container "$APP")" sh -c 'echo mine > /data/a'
}

@test "--chown of a full directory leaves alone what is in it, unless that is asked for" {
  dokku storage:create "$APP-entry"
  local dir="$DOKKU_LIB_ROOT/data/storage/$APP-entry"
  mkdir "$dir/database"
  touch "$dir/database/of-another"
  chown -R 70:70 "$dir/database"
  dokku storage:set "$APP-entry" chown heroku
  assert_equal 1000:1000 "$(stat -c %u:%g "$dir")"
  assert_equal "70:70 70:70" "$(stat -c %u:%g "$dir/database" "$dir/database/of-another" | xargs)"
  dokku storage:set "$APP-entry" --chown heroku --chown-recursive
  assert_equal "1000:1000 1000:1000" "$(stat -c %u:%g "$dir/database" "$dir/database/of-another" | xargs)"
}

@test "where Dokku runs in a container, docker is told the host's path" {
  dokku storage:create "$APP-entry"
  dokku storage:mount "$APP" "$APP-entry" --container-dir /data
  dokku storage:mount "$APP" "$DIR:/elsewhere"
  run env DOKKU_LIB_HOST_ROOT=/on/the/host "$BASH" -c "$(declare -f trigger dokku_environment); trigger docker-args-deploy $APP latest web 1"
  assert_has "-v /on/the/host/data/storage/$APP-entry:/data"
  assert_has "-v $DIR:/elsewhere"
}
