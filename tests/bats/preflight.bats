#!/usr/bin/env bats
# A deploy that could not work stops before anything is replaced, and says for each problem what mends it.
load helper
needs docker

before_all() {
  USER_1000=$(make_image user-1000 "" 'USER 1000')
  export USER_1000
  mkdir -p "$SUITE/linked/app/real" "$SUITE/linked/etc"
  echo in >"$SUITE/linked/app/real/file"
  ln -s real "$SUITE/linked/app/to-directory"
  ln -s /app/real/file "$SUITE/linked/app/to-file"
  ln -s /not/there "$SUITE/linked/app/to-nothing"
  printf 'root:x:0:0:::\nmember:x:1000:1000:::\n' >"$SUITE/linked/etc/passwd"
  printf 'root:x:0:\nmember:x:1000:\nshared:x:2500:member\nother:x:2600:\n' >"$SUITE/linked/etc/group"
  LINKED=$(make_image linked "$SUITE/linked" 'USER member')
  export LINKED
}
after_each() { drop_volumes; } # that a remedy or the plugin made

# stopped WORD…: the next deploy stops, one line of what it says has all the words and the app's name, and the
# containers from before run on.
stopped() {
  local before
  before=$(what_runs "$APP")
  [ -n "$before" ] || fail "nothing runs before the deploy"
  run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_line_with " !     " "$APP" "$@"
  assert_equal "$(what_runs "$APP")" "$before"
}

# mended WORD…: the command that the line names is run, and the next deploy passes, into a new container.
mended() {
  local command before
  before=$(container "$APP")
  command=$(remedy "$@")
  echo "the remedy: $command"
  run eval "$command"
  assert_success
  run deploy "$APP"
  assert_success
  [ "$(container "$APP")" != "$before" ] || fail "the old container still runs"
}

# Adds a line to the app's mounts, as another program might.
add_line() { echo "$1" | sudo -u dokku tee -a "$DOKKU_LIB_ROOT/config/storage/$APP/mounts" >/dev/null; }

# --- sources that are missing ---------------------------------------------------------------------------------

@test "a missing directory of an entry" {
  deploy "$APP"
  dokku storage:create "$APP-data" --chown heroku --mode 0750
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  rm -r "$ROOT/$APP-data"
  stopped "$ROOT/$APP-data" "dokku storage:"
  [ ! -e "$ROOT/$APP-data" ] || fail "the directory was made"
  mended "$ROOT/$APP-data"
  assert_equal "1000:1000 750" "$(stat -c '%u:%g %a' "$ROOT/$APP-data")"
}

@test "a missing directory of a colon mount, in the storage root and elsewhere" {
  deploy "$APP"
  mkdir "$ROOT/$APP-colon" "$DIR/gone"
  dokku storage:mount "$APP" "$ROOT/$APP-colon:/colon"
  dokku storage:mount "$APP" "$DIR/gone:/gone"
  rmdir "$ROOT/$APP-colon" "$DIR/gone"
  stopped "$ROOT/$APP-colon" /colon "dokku storage:"
  stopped "$DIR/gone" "mkdir"
  run eval "$(remedy "$ROOT/$APP-colon")"
  assert_success
  stopped "$DIR/gone"
  assert_equal "" "$(lines_with "$ROOT/$APP-colon")"
  mended "$DIR/gone"
  inside "$APP" web test -d /gone
}

@test "a missing subpath" {
  deploy "$APP"
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-subpath "a/b c"
  stopped "$ROOT/$APP-data/a/b c"
  [ ! -e "$ROOT/$APP-data/a" ] || fail "the directory was made"
  mended "$ROOT/$APP-data/a/b c"
}

@test "a missing docker volume" {
  deploy "$APP"
  dokku storage:mount "$APP" "$APP-volume:/data"
  stopped "$APP-volume" "docker volume create"
  ! docker volume inspect "$APP-volume" >/dev/null 2>&1 || fail "the volume was made"
  mended "$APP-volume"
}

@test "a missing source of another process type, and of one-off containers" {
  deploy "$APP"
  mkdir "$DIR/worker" "$DIR/run"
  dokku storage:mount "$APP" "$DIR/worker:/worker" --process-type worker
  rmdir "$DIR/worker"
  stopped "$DIR/worker"
  dokku storage:unmount "$APP" "$DIR/worker:/worker"
  dokku storage:mount "$APP" "$DIR/run:/run-data" --phase run
  rmdir "$DIR/run"
  stopped "$DIR/run"
}

@test "a missing source of a build mount stops the build" {
  standin_only
  dokku storage:create "$APP-cache" --chown root
  deploy "$APP"
  dokku storage:mount "$APP" "$APP-cache" --container-dir /build-data --phase build
  rmdir "$ROOT/$APP-cache"
  deploy() { deploy_source "$1" "$DIR"; } # a build begins with a source
  DOKKU_TEST_BUILDER=herokuish stopped "$ROOT/$APP-cache" "dokku storage:"
  DOKKU_TEST_BUILDER=herokuish mended "$ROOT/$APP-cache"
}

# --- what the image has ---------------------------------------------------------------------------------------

@test "a missing source stops a deploy before the image of the app that runs is built anew" {
  standin_only
  local released
  deploy "$APP"
  dokku storage:create "$APP-data"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  rmdir "$ROOT/$APP-data"
  released=$(fired pre-release-builder | wc -l)
  stopped "$ROOT/$APP-data" "dokku storage:"
  assert_equal "$released" "$(fired pre-release-builder | wc -l)"
  mended "$ROOT/$APP-data"
  assert_equal "$((released + 1))" "$(fired pre-release-builder | wc -l)"
}

@test "a directory where the image has a file" {
  deploy "$APP"
  mkdir "$DIR/passwd"
  dokku storage:mount "$APP" "$DIR/passwd:/etc/passwd"
  stopped "$DIR/passwd" /etc/passwd directory file "dokku storage:"
  mended "$DIR/passwd"
}

@test "a file where the image has a directory" {
  deploy "$APP"
  echo text >"$DIR/file"
  dokku storage:mount "$APP" "$DIR/file:/tmp"
  stopped "$DIR/file" /tmp directory file "dokku storage:"
  dokku storage:unmount "$APP" "$DIR/file:/tmp"
  dokku storage:mount "$APP" "$DIR/file:/bin"
  stopped "$DIR/file" /bin directory file
  mended "$DIR/file"
}

@test "the container of a look into an image that was killed is removed by the next look" {
  local left
  deploy "$APP"
  # No process has this number.
  left=$(docker create --network none --label org.dokku-storage.looking=4194305 "$TEST_IMAGE" true)
  echo text >"$DIR/file"
  dokku storage:mount "$APP" "$DIR/file:/bin"
  stopped "$DIR/file" /bin directory file
  if docker rm "$left"; then fail "the container was left"; fi
}

@test "a docker volume where the image has a file" {
  deploy "$APP"
  docker volume create --label "$TEST_LABEL" "$APP-volume" >/dev/null
  dokku storage:mount "$APP" "$APP-volume:/etc/passwd"
  stopped "$APP-volume" /etc/passwd file "dokku storage:"
}

@test "a user who cannot write to an entry's directory; --volume-chown mends it" {
  dokku storage:create "$APP-data" --chown root --mode 0755
  IMAGE=$USER_1000 deploy "$APP"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  IMAGE=$USER_1000 stopped "$ROOT/$APP-data" 1000 "dokku storage:mount"
  IMAGE=$USER_1000 mended "$ROOT/$APP-data"
  inside "$APP" web sh -c 'echo mine > /data/a'
  # What it only reads need not be its own.
  dokku storage:create "$APP-read" --chown root --mode 0755
  dokku storage:mount "$APP" "$APP-read" --container-dir /read --volume-readonly
  IMAGE=$USER_1000 run deploy "$APP"
  assert_success
}

@test "a user who cannot write to a host path, or to a directory of its own without the permission" {
  IMAGE=$USER_1000 deploy "$APP"
  mkdir -m 0755 "$DIR/data"
  dokku storage:mount "$APP" "$DIR/data:/data"
  IMAGE=$USER_1000 stopped "$DIR/data" 1000
  IMAGE=$USER_1000 mended "$DIR/data"
  inside "$APP" web sh -c 'echo mine > /data/a'
  chmod 0555 "$DIR/data"
  IMAGE=$USER_1000 stopped "$DIR/data" 1000
  # A group is a way, too.
  chown 5:0 "$DIR/data"
  chmod 0570 "$DIR/data"
  IMAGE=$USER_1000 run deploy "$APP"
  assert_success
}

@test "a file system that is read-only" {
  mkdir "$DIR/data"
  mount -t tmpfs tests "$DIR/data"
  dokku storage:mount "$APP" "$DIR/data:/data"
  deploy "$APP"
  mount -o remount,ro "$DIR/data"
  stopped "$DIR/data" "read-only" "findmnt -T $DIR/data"
  mount -o remount,rw "$DIR/data"
  run deploy "$APP"
  assert_success
  umount --lazy "$DIR/data"
}

@test "groups of the image, and access control lists, are ways to write" {
  mkdir -m 0775 "$DIR/data"
  chown root:2500 "$DIR/data"
  dokku storage:mount "$APP" "$DIR/data:/data"
  IMAGE=$LINKED run deploy "$APP"
  assert_success
  inside "$APP" web sh -c 'echo mine > /data/a'
  chown root:2600 "$DIR/data"
  IMAGE=$LINKED stopped "$DIR/data" 1000
  setfacl -m u:1000:rwx "$DIR/data"
  IMAGE=$LINKED run deploy "$APP"
  assert_success
  inside "$APP" web sh -c 'echo mine > /data/b'
  setfacl -m m::rx "$DIR/data"
  IMAGE=$LINKED stopped "$DIR/data" 1000
  run inside "$APP" web sh -c 'echo mine > /data/c'
  [ "$status" -ne 0 ] || fail "the kernel lets it write"
}

# options FILE LINE…: the app's docker-options of a process type and phase, such as `_default_.deploy`.
options() {
  local directory="$DOKKU_LIB_ROOT/config/docker-options/$APP"
  sudo -u dokku mkdir -p "$directory"
  printf '%s\n' "${@:2}" | sudo -u dokku tee "$directory/$1" >/dev/null
}

@test "docker-options say who runs: what is judged is what the kernel then allows" {
  local line judged allowed
  IMAGE=$LINKED deploy "$APP"
  mkdir "$DIR/data"
  dokku storage:mount "$APP" "$DIR/data:/data"
  while read -r owner mode line; do
    chown "$owner" "$DIR/data"
    chmod "$mode" "$DIR/data"
    options _default_.deploy "$line"
    judged=yes allowed=yes
    rm -f "$DIR/data/a" "$CONFIG/$APP/checked" # as if each were a deploy of its own
    run_apart trigger docker-args-deploy "$APP" latest web
    [ "$status" = 0 ] || judged=no
    # shellcheck disable=SC2086 # words
    docker run --rm --network none $line -v "$DIR/data:/data" "$LINKED" sh -c 'echo > /data/a' 2>/dev/null || allowed=no
    assert_equal "$allowed: $owner $mode $line" "$judged: $owner $mode $line"
    [ "$judged" = yes ] || assert_stderr_has "$DIR/data"
  done <<'CASES'
1001:0 0755 --user 1001
1000:0 0755 --user 1001
1001:0 0755 --env A=b
0:33 0770 -u 1001:33
0:33 0770 -u=1001
0:33 0770 --user 1001 --group-add 33
0:2600 0775 --group-add other
0:2600 0775 --env=--group-add=other
0:0 0755 --user root
1000:1000 0755 --user 0 --cap-drop ALL
1000:1000 0755 --user 0 --cap-drop=all --cap-add dac_override
1000:1000 0755 --user=0:0 --cap-drop DAC_OVERRIDE
0:0 0755 --userns host -u 0
CASES
}

@test "--volume-chown auto is the user whom docker-options name, for the app and for a process type" {
  dokku storage:create "$APP-data" --chown root
  dokku storage:create "$APP-own" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-chown auto
  dokku storage:mount "$APP" "$APP-own" --container-dir /own --process-type worker --volume-chown auto
  options _default_.deploy "--user 1001:7"
  options worker.deploy "--user 1002"
  IMAGE=$LINKED deploy "$APP"
  assert_equal "1001:7 1002:0" "$(stat -c %u:%g "$ROOT/$APP-data" "$ROOT/$APP-own" | xargs)"
}

@test "where process types have other users, a mount of all of them is warned of, and stops where none can write" {
  mkdir -m 0755 "$DIR/data"
  chown 1001 "$DIR/data"
  dokku storage:mount "$APP" "$DIR/data:/data"
  options web.deploy "--user 1001"
  IMAGE=$LINKED run deploy "$APP"
  assert_success
  assert_line_with " !     " "$DIR/data" "user 1000 cannot write"
  options web.deploy "--user 1003"
  IMAGE=$LINKED stopped "$DIR/data" "cannot write"
  options _default_.deploy "--user 1001"
  options web.deploy "--init"
  IMAGE=$LINKED run deploy "$APP"
  assert_success
  assert_has_not "cannot write"
}

# --- links, and what Dokku may not look at -------------------------------------------------------

@test "links of the image are followed, as the runtime does" {
  echo text >"$DIR/file"
  mkdir -m 0777 "$DIR/directory"
  IMAGE=$LINKED deploy "$APP"
  dokku storage:mount "$APP" "$DIR/file:/app/to-directory"
  IMAGE=$LINKED stopped "$DIR/file" /app/to-directory directory file
  dokku storage:unmount "$APP" "$DIR/file:/app/to-directory"
  dokku storage:mount "$APP" "$DIR/directory:/app/to-file"
  IMAGE=$LINKED stopped "$DIR/directory" /app/to-file directory file
  dokku storage:unmount "$APP" "$DIR/directory:/app/to-file"
  dokku storage:mount "$APP" "$DIR/directory:/app/to-directory"
  dokku storage:mount "$APP" "$DIR/file:/app/to-file"
  dokku storage:mount "$APP" "$DIR/directory:/app/to-nothing"
  IMAGE=$LINKED run deploy "$APP"
  assert_success
}

@test "a mount within a read-only one needs a place to be mounted at" {
  mkdir "$DIR/parent" "$DIR/child"
  echo text >"$DIR/file"
  dokku storage:mount "$APP" "$DIR/parent:/work:ro"
  deploy "$APP"
  dokku storage:mount "$APP" "$DIR/child:/work/out"
  stopped "$DIR/child" read-only "$DIR/parent/out"
  mended "$DIR/parent/out"
  dokku storage:mount "$APP" "$DIR/file:/work/config"
  stopped "$DIR/file" "touch $DIR/parent/config"
  mkdir "$DIR/parent/config"
  stopped "$DIR/file" directory "$DIR/parent/config"
  rmdir "$DIR/parent/config"
  touch "$DIR/parent/config"
  run deploy "$APP"
  assert_success
  # Where it can be written, the runtime makes it.
  dokku storage:mount "$APP" "$DIR/file:/work/out/deeper/file"
  run deploy "$APP"
  assert_success
}

@test "a source that is a link to nothing: the remedy makes what it leads to" {
  deploy "$APP"
  ln -s "$DIR/gone/in" "$DIR/link"
  dokku storage:mount "$APP" "$DIR/link:/data" || true
  rm -rf "$DIR/gone"
  stopped "$DIR/link" "$DIR/gone/in"
  mended "$DIR/link"
  rm -rf "$DIR/gone"
  dokku storage:app:set "$APP" missing-source create
  run deploy "$APP"
  assert_success
  [ -d "$DIR/gone/in" ] || fail "what the link leads to was not made"
}

@test "a source below a directory that Dokku's user may not enter is looked at all the same" {
  mkdir -p "$DIR/closed/data"
  dokku storage:mount "$APP" "$DIR/closed/data:/data"
  deploy "$APP"
  rmdir "$DIR/closed/data"
  chmod 0700 "$DIR/closed"
  stopped "$DIR/closed/data" "mkdir"
  [ ! -e "$DIR/closed/data" ] || fail "the directory was made"
  run dokku storage:doctor "$APP"
  assert_has missing-source
  mkdir -m 0755 "$DIR/closed/data"
  IMAGE=$USER_1000 stopped "$DIR/closed/data" 1000
}

@test "a part of a Docker volume that is missing" {
  deploy "$APP"
  docker volume create --label "$TEST_LABEL" "$APP-volume" >/dev/null
  dokku storage:create "$APP-entry" "$APP-volume" --type volume
  mkdir "$DIR/other"
  dokku storage:mount "$APP" "$DIR/other:/other"
  # Docker before 26 has no parts of volumes, and "storage:mount" refuses them there.
  add_line "{\"entry_name\":\"$APP-entry\",\"container_path\":\"/data\",\"phases\":[\"deploy\"],\"process_type\":\"_default_\",\"subpath\":\"a/b\"}"
  stopped "$APP-volume" a/b "mkdir -p"
  dokku storage:app:set "$APP" missing-source create
  stopped "$APP-volume" a/b "mkdir -p"
  run eval "$(remedy "$APP-volume" a/b)"
  assert_success
  run dokku storage:doctor "$APP"
  assert_has_not missing-source
}

# --- paths and nodes ------------------------------------------------------------------------------------------

@test "container paths that collide, in a file that another program wrote" {
  dokku storage:create "$APP-one" --chown root
  dokku storage:create "$APP-two" --chown root
  dokku storage:mount "$APP" "$APP-one" --container-dir /data
  deploy "$APP"
  add_line "{\"entry_name\":\"$APP-two\",\"container_path\":\"/data/\",\"phases\":[\"deploy\"],\"process_type\":\"web\"}"
  stopped "$APP-one" "$APP-two" /data "dokku storage:unmount"
  mended "$APP-one" "$APP-two"
  assert_equal 1 "$(mounts_of "$APP" | jq length)"
}

@test "a -v line of docker-options at the container path of a mount" {
  dokku storage:mount "$APP" "$DIR:/data"
  deploy "$APP"
  local options="$DOKKU_LIB_ROOT/config/docker-options/$APP"
  sudo -u dokku mkdir -p "$options"
  echo "-v $DIR:/data" | sudo -u dokku tee "$options/_default_.deploy" >/dev/null
  stopped "$DIR" /data docker-options
  echo "-v $DIR:/elsewhere" | sudo -u dokku tee "$options/_default_.deploy" >/dev/null
  run deploy "$APP"
  assert_success
}

@test "a store file that cannot be read: no container comes up without its data" {
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  deploy "$APP"
  add_line '{"entry_name":'
  local before
  before=$(what_runs "$APP")
  run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_has "$DOKKU_LIB_ROOT/config/storage/$APP/mounts"
  assert_equal "$(what_runs "$APP")" "$before"
}

@test "paths that several phases or process types share without meeting do not collide" {
  local name
  for name in web worker run; do dokku storage:create "$APP-$name" --chown root; done
  dokku storage:mount "$APP" "$APP-web" --container-dir /data --process-type web --phase deploy
  add_line "{\"entry_name\":\"$APP-worker\",\"container_path\":\"/data\",\"phases\":[\"deploy\"],\"process_type\":\"worker\"}"
  add_line "{\"entry_name\":\"$APP-run\",\"container_path\":\"/data\",\"phases\":[\"run\"],\"process_type\":\"_default_\"}"
  run deploy "$APP" web=1 worker=1
  assert_success
}

@test "an entry whose data is on another node" {
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  deploy "$APP"
  dokku storage:set "$APP-data" node the-other-node
  stopped "$APP-data" the-other-node "dokku storage:set"
  mended the-other-node
  assert_equal "$(uname -n)" "$(dokku storage:info "$APP-data" --format json | jq -r .node)"
}

# --- all at once ----------------------------------------------------------------------------------------------

@test "several problems are all said, a line each: first those for which no image is needed" {
  IMAGE=$USER_1000 deploy "$APP"
  mkdir -m 0777 "$DIR"/{missing,passwd}
  mkdir -m 0755 "$DIR/read-only"
  dokku storage:create "$APP-node" --chown heroku
  dokku storage:mount "$APP" "$DIR/missing:/missing"
  dokku storage:mount "$APP" "$DIR/passwd:/etc/passwd"
  dokku storage:mount "$APP" "$DIR/read-only:/read-only"
  dokku storage:mount "$APP" "$APP-volume:/volume"
  dokku storage:mount "$APP" "$APP-node" --container-dir /node
  dokku storage:set "$APP-node" node the-other-node
  rmdir "$DIR/missing"
  add_line "{\"entry_name\":\"$APP-node\",\"container_path\":\"/missing\",\"phases\":[\"deploy\"],\"process_type\":\"_default_\"}"
  IMAGE=$USER_1000 stopped "$DIR/missing" "mkdir"
  assert_line_with " !     " "$APP" "$APP-volume" "docker volume create"
  assert_line_with " !     " "$APP" "$APP-node" the-other-node
  assert_line_with " !     " "$APP" "/missing" "dokku storage:unmount"
  dokku storage:unmount "$APP" --all
  dokku storage:mount "$APP" "$DIR/passwd:/etc/passwd"
  dokku storage:mount "$APP" "$DIR/read-only:/read-only"
  IMAGE=$USER_1000 stopped "$DIR/passwd" /etc/passwd
  assert_line_with " !     " "$APP" "$DIR/read-only" 1000
}

# --- missing-source -------------------------------------------------------------------------------------------

@test "missing-source create: the directory is made with the entry's ownership and mode, and the volume" {
  dokku storage:create "$APP-data" --chown heroku --mode 0750
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  dokku storage:mount "$APP" "$APP-volume:/volume"
  dokku storage:mount "$APP" "$DIR/colon:/colon"
  rmdir "$ROOT/$APP-data"
  rmdir "$DIR/colon" 2>/dev/null || true
  run dokku storage:app:set "$APP" missing-source create
  assert_success
  run deploy "$APP"
  assert_success
  assert_has "$ROOT/$APP-data"
  assert_equal "1000:1000 750" "$(stat -c '%u:%g %a' "$ROOT/$APP-data")"
  inside "$APP" web sh -c 'echo a > /data/a; echo a > /volume/a; echo a > /colon/a'
  assert_equal "a a" "$(cat "$ROOT/$APP-data/a" "$DIR/colon/a" | xargs)"
}

@test "missing-source create: a subpath gets the entry's ownership, too" {
  dokku storage:create "$APP-data" --chown heroku
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-subpath a/b
  dokku storage:app:set "$APP" missing-source create
  IMAGE=$USER_1000 run deploy "$APP"
  assert_success
  assert_equal "1000:1000" "$(stat -c '%u:%g' "$ROOT/$APP-data/a/b")"
  inside "$APP" web sh -c 'echo mine > /data/a'
}

@test "missing-source create makes no directory where the image has a file" {
  deploy "$APP"
  dokku storage:mount "$APP" "$DIR/passwd:/etc/passwd"
  rmdir "$DIR/passwd" 2>/dev/null || true
  dokku storage:app:set "$APP" missing-source create
  stopped "$DIR/passwd" /etc/passwd
  [ ! -e "$DIR/passwd" ] || fail "a directory was made where a file is meant"
}

@test "missing-source create makes nothing where the deploy stops for something else" {
  deploy "$APP"
  dokku storage:mount "$APP" "$DIR/one:/one"
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  dokku storage:set "$APP-data" node the-other-node
  rmdir "$DIR/one" 2>/dev/null || true
  dokku storage:app:set "$APP" missing-source create
  stopped the-other-node
  [ ! -e "$DIR/one" ] || fail "$DIR/one was made"
}

@test "missing-source ignore: the deploy goes on and says so; fail is the default and can be had back" {
  mkdir "$DIR/gone"
  dokku storage:mount "$APP" "$DIR/gone:/gone"
  deploy "$APP"
  rmdir "$DIR/gone"
  stopped "$DIR/gone"
  dokku storage:app:set "$APP" missing-source ignore
  run deploy "$APP"
  assert_success
  assert_line_with "$APP" "$DIR/gone"
  rmdir "$DIR/gone"
  dokku storage:app:set "$APP" missing-source fail
  stopped "$DIR/gone"
  run_apart dokku storage:app:set "$APP" missing-source nonsense
  assert_refused
  assert_stderr_has "fail, create, ignore"
  run dokku storage:app:set "$APP" missing-source
  assert_success
  stopped "$DIR/gone"
}

@test "unwritable-source ignore: the deploy goes on, for an app that need not write" {
  mkdir -m 0755 "$DIR/data"
  dokku storage:mount "$APP" "$DIR/data:/data"
  IMAGE=$USER_1000 run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_line_with "$APP" "$DIR/data" 1000
  dokku storage:app:set "$APP" unwritable-source ignore
  IMAGE=$USER_1000 run deploy "$APP"
  assert_success
  assert_equal "0:0 755" "$(stat -c '%u:%g %a' "$DIR/data")"
}

@test "an app without mounts, and one whose mounts are all there, are not held up" {
  run deploy "$APP"
  assert_success
  assert_has_not " !     "
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  run deploy "$APP"
  assert_success
  assert_has_not " !     "
  # Nothing of the check is left behind.
  assert_equal 0 "$(docker ps -aq --filter status=created --filter "ancestor=$TEST_IMAGE" | wc -l)"
}
