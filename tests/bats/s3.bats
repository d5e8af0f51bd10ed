#!/usr/bin/env bats
# Buckets mounted on the host over a real S3 server: what a container writes is there, what ends comes back, and no deploy
# writes under an empty mount point.
load helper
load support/s3
needs docker

before_all() {
  start_s3
  s3_bucket films
  s3_put films "a film.txt" film
  s3_put films deep/er/b.txt b
}
after_all() { stop_s3; }
before_each() {
  NAME="$APP-films"
  printf secret | dokku storage:connectors:create "$APP-c" --type s3 --endpoint "$S3_ENDPOINT" --region us-east-1 --access-key-id tests >/dev/null
}
after_each() {
  local name
  trigger post-delete "$APP"
  for name in $(dokku storage:list-entries --format json | jq -r '.[].name' | grep "^$APP-"); do
    dokku storage:destroy "$name" --force >/dev/null || fail "$name cannot be destroyed"
  done
  assert_equal "" "$(findmnt -rno TARGET -S dokku-storage || true)"
  dokku storage:connectors:destroy "$APP-c" --force >/dev/null || true
}

create() { dokku storage:create "$NAME" --type s3 --connector "$APP-c" --option bucket=films "$@"; }

# eventually COMMAND…: within ten seconds the command succeeds.
eventually() {
  local try
  for try in $(seq 100); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  fail "not within $try tries: $*"
}
has_object() { s3_keys films | grep -qx "$1"; }
rclone_of() { pgrep -f "rclone mount store:films.*/$NAME.mount"; }
is_served_by_another() { [ -n "$(rclone_of)" ] && [ "$1" != "$(rclone_of)" ]; }
keeper_of() { pgrep -f "mount-storage $NAME --keep"; }

@test "what a container writes is an object, and the other way round" {
  create
  assert_equal "$ROOT/$NAME" "$(dokku storage:info "$NAME" --format json | jq -r .host_path)"
  dokku storage:mount "$APP" "$NAME" --container-dir /films
  run trigger docker-args-deploy "$APP" latest
  assert_output " -v $ROOT/$NAME:/films:rslave"
  deploy "$APP"
  assert_equal film "$(inside "$APP" web cat '/films/a film.txt')"
  assert_equal b "$(inside "$APP" web cat /films/deep/er/b.txt)"
  inside "$APP" web sh -c 'echo from the container > /films/written.txt'
  eventually has_object written.txt
  assert_equal "from the container" "$(s3_get films written.txt)"
}

@test "the serving program has no rights of root's, and nobody sees the secret" {
  create --chown heroku
  assert_equal dokku "$(ps -o user= -p "$(rclone_of)")"
  assert_equal root "$(ps -o user= -p "$(keeper_of)")"
  assert_equal "1000:1000" "$(stat -c %u:%g "$ROOT/$NAME/a film.txt")"
  assert_equal "nodev,nosuid" "$(findmnt -no OPTIONS "$ROOT/$NAME" | tr , '\n' | grep -xE 'nosuid|nodev' | LC_ALL=C sort | paste -sd,)"
  run bash -c "tr '\\0' '\\n' </proc/$(rclone_of)/cmdline; tr '\\0' '\\n' </proc/$(rclone_of)/environ; dokku() { '$DOKKU' \"\$@\"; }; dokku storage:info $NAME; dokku storage:info $NAME --format json; dokku storage:report --global --format json; dokku storage:doctor; cat /run/dokku-storage/*/$NAME.log"
  assert_has_not secret
  run sudo -u nobody cat /run/dokku-storage/*/"$NAME.conf"
  [ "$status" -ne 0 ]
}

@test "a directory that a container has gets no bucket in its place" {
  install -d -o dokku -g dokku "$ROOT/$NAME"
  dokku storage:mount "$APP" "$ROOT/$NAME:/x"
  deploy "$APP"
  run create
  assert_status 1
  assert_has "$APP.web.1 has $ROOT/$NAME, in whose place something else would be put; stop it first: dokku ps:stop $APP"
  docker rm -f "$(container "$APP")" >/dev/null
  dokku storage:unmount "$APP" "$ROOT/$NAME:/x"
  create
}

@test "the serving program is killed: running containers see the mount again" {
  create
  dokku storage:mount "$APP" "$NAME" --container-dir /films
  deploy "$APP"
  for round in 1 2; do
    killed=$(rclone_of)
    kill -9 "$killed"
    eventually inside "$APP" web cat '/films/a film.txt'
    [ "$killed" != "$(rclone_of)" ]
    inside "$APP" web sh -c "echo $round > /films/round$round"
    eventually has_object "round$round"
  done
  assert_equal 1 "$(keeper_of | wc -l)"
  kill -9 "$(rclone_of)" "$(keeper_of)"
  run dokku storage:doctor "$APP"
  assert_status 1
  assert_has "stops the next deploy"
  dokku storage:wait "$NAME" --timeout 20
  eventually inside "$APP" web cat '/films/round2'
}

@test "a container that was started after a remount sees the next one, too" {
  create
  kill -9 "$(rclone_of)"
  dokku storage:wait "$NAME"
  dokku storage:mount "$APP" "$NAME" --container-dir /films
  deploy "$APP"
  kill -9 "$(rclone_of)"
  eventually inside "$APP" web cat '/films/a film.txt'
}

@test "what a bucket refuses is said in the server's words, and nothing is left" {
  before=$(snapshot "$DOKKU_LIB_ROOT/data")
  run_apart dokku storage:create "$NAME" --type s3 --connector "$APP-c" --option bucket=nosuch
  assert_status 1
  assert_stderr_has "does not exist"
  run_apart dokku storage:create "$NAME" --type s3 --connector "$APP-c"
  assert_refused
  assert_stderr_has "--option bucket="
  run_apart dokku storage:create "$NAME" --type s3 --connector nosuch --option bucket=films
  assert_refused
  run_apart dokku storage:create "$NAME" --type s3 --connector "$APP-c" --option bukket=films
  assert_refused
  assert_stderr_has "there are: bucket,"
  mkdir "$ROOT/$NAME"
  touch "$ROOT/$NAME/file"
  run_apart create
  assert_refused
  assert_stderr_has "not an empty directory"
  rm -r "${ROOT:?}/$NAME"
  run_apart create --reclaim-policy Delete
  assert_refused
  assert_equal "$before" "$(snapshot "$DOKKU_LIB_ROOT/data")"
}

@test "a folder of a bucket; a part of a mount is refused" {
  create --option prefix=deep/er
  assert_equal b.txt "$(ls "$ROOT/$NAME")"
  run_apart dokku storage:mount "$APP" "$NAME" --container-dir /films --volume-subpath x
  assert_refused
  run_apart dokku storage:mount "$APP" "$NAME" --container-dir /films --volume-chown heroku
  assert_refused
}

@test "a key is rotated: the mount takes it up, what was not sent yet is sent" {
  read -r id key <<<"$(s3_key "$APP")"
  printf %s "$key" | dokku storage:connectors:set "$APP-c" --access-key-id "$id" --secret-file - >/dev/null
  create
  read -r id key <<<"$(s3_key "$APP-2")"
  served_by=$(rclone_of)
  run_apart bash -c "printf wrong | '$DOKKU' storage:connectors:set '$APP-c' --access-key-id wrong --secret-file -"
  assert_status 1
  assert_stderr_has "InvalidAccessKeyId"
  assert_equal "$served_by" "$(rclone_of)"
  assert_equal film "$(cat "$ROOT/$NAME/a film.txt")"
  printf %s "$key" | dokku storage:connectors:set "$APP-c" --access-key-id "$id" --secret-file -
  eventually is_served_by_another "$served_by"
  dokku storage:wait "$NAME"
  echo rotated >"$ROOT/$NAME/rotated"
  s3_any_key
  eventually has_object rotated
}

@test "destroying sends what was written, takes the mount away and keeps the bucket" {
  create
  dokku storage:mount "$APP" "$NAME" --container-dir /films
  run_apart dokku storage:destroy "$NAME" --force
  assert_refused
  dokku storage:unmount "$APP" "$NAME" --container-dir /films
  run_apart dokku storage:destroy "$NAME" --force --destroy-host-dir
  assert_refused
  run_apart dokku storage:connectors:destroy "$APP-c" --force
  assert_refused
  assert_stderr_has "$NAME"
  echo late >"$ROOT/$NAME/late"
  dokku storage:destroy "$NAME" --force
  has_object late
  [ ! -e "$ROOT/$NAME" ]
  assert_equal "" "$(rclone_of || true)$(keeper_of || true)"
}

# The last one: the server ends here, and another has other objects.
@test "a deploy stops while it is not mounted, and nothing is written under the mount point" {
  create
  dokku storage:mount "$APP" "$NAME" --container-dir /films
  deploy "$APP"
  running=$(what_runs "$APP")
  stop_s3
  kill -9 "$(rclone_of)"
  run deploy "$APP"
  [ "$status" -ne 0 ]
  assert_line_with "$APP" "$ROOT/$NAME" "refused"
  assert_equal "$running" "$(what_runs "$APP")"
  run trigger docker-args-deploy "$APP" latest web
  assert_status 1
  # Dokku starts one-off containers whatever the status is: Docker has to refuse them.
  run trigger docker-args-run "$APP" latest
  assert_success
  assert_has " --mount type=bind,source=$ROOT/.refused/$NAME,target=/films"
  run_apart dokku storage:wait "$NAME" --timeout 1
  assert_refused
  # Whoever creates it again, as tools do, takes nothing from the containers that run.
  run create
  [ "$status" -ne 0 ]
  [ -n "$(keeper_of)" ] || fail "nobody keeps it mounted any more"
  run touch "$ROOT/$NAME/below"
  [ "$status" -ne 0 ]
  # moto keeps everything in memory: what was there is gone with it.
  start_s3 "${S3_ENDPOINT##*:}"
  s3_bucket films
  s3_put films "a film.txt" again
  dokku storage:wait "$NAME" --timeout 60
  assert_equal again "$(inside "$APP" web cat '/films/a film.txt')"
  deploy "$APP"
}
