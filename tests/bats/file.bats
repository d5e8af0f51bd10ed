#!/usr/bin/env bats
# Entries of type file: what containers read, who owns it, and what stops a deploy. The dokku user makes and changes
# them, root's helpers give them away.
load helper

before_all() {
  # Not 1000, which is the number of the user dokku on many hosts.
  USER_4321=$(make_image user-4321 "" 'USER 4321')
  export USER_4321
}
before_each() {
  CONF="$APP-conf"
  FILE="$ROOT/$CONF"
}

# create WORD…: the file entry of the test, with "one" in it.
create() { dokku storage:create "$CONF" --type file --from - "$@" <<<one; }

@test "a container reads the file, at its start and with new content after a restart" {
  needs_docker
  create
  dokku storage:mount "$APP" "$CONF" --container-dir /etc/app.conf --volume-readonly
  deploy "$APP"
  assert_equal one "$(inside "$APP" web cat /etc/app.conf)"
  run inside "$APP" web sh -c 'echo two > /etc/app.conf'
  [ "$status" -ne 0 ] || fail "the file can be written"
  run dokku storage:set "$CONF" content - <<<two
  assert_success
  assert_has "Storage entry $CONF has new content"
  assert_has "$APP is running without this change; to apply it: dokku ps:restart $APP"
  # What is mounted is the file that was there.
  assert_equal one "$(inside "$APP" web cat /etc/app.conf)"
  deploy "$APP"
  assert_equal two "$(inside "$APP" web cat /etc/app.conf)"
  run dokku storage:set "$CONF" content - <<<two
  assert_success
  assert_output "-----> Storage entry $CONF has this content already"
}

@test "a file of the app's user keeps owner and mode, is compared and replaced, and goes" {
  create --mode 0640 --chown herokuish
  assert_equal "32767:32767 640" "$(stat -c '%u:%g %a' "$FILE")"
  ! sudo -u dokku cat "$FILE" 2>/dev/null || fail "the dokku user can read it, which makes this test worthless"
  # The same content is found to be the same, though the caller cannot read the file.
  run create --mode 0640 --chown herokuish
  assert_success
  run dokku storage:create "$CONF" --type file --from - <<<two
  assert_status 1
  assert_has "already exists with other content; to replace it: dokku storage:set $CONF content PATH"
  run dokku storage:set "$CONF" content - <<<one
  assert_output "-----> Storage entry $CONF has this content already"
  dokku storage:set "$CONF" content - <<<two
  assert_equal "32767:32767 640 two" "$(stat -c '%u:%g %a' "$FILE") $(cat "$FILE")"
  dokku storage:set "$CONF" chown 2000:33
  dokku storage:set "$CONF" mode 0604
  assert_equal "2000:33 604" "$(stat -c '%u:%g %a' "$FILE")"
  run dokku storage:set "$CONF" mode 4755
  assert_status 1
  assert_equal "2000:33 604" "$(stat -c '%u:%g %a' "$FILE")"
  dokku storage:destroy "$CONF" --force --destroy-host-dir --no-trash
  [ ! -e "$FILE" ] || fail "the file is still there"
  assert_equal "" "$(find "$ROOT" -name ".*$CONF*")"
}

@test "a deploy stops where the file is gone, and where a directory is in its place" {
  needs_docker
  create
  dokku storage:mount "$APP" "$CONF" --container-dir /etc/app.conf
  dokku storage:app:set "$APP" missing-source create
  deploy "$APP"
  local before
  before=$(what_runs "$APP")
  rm "$FILE"
  run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the deploy was taken"
  assert_line_with " !     " "$APP" "$FILE does not exist" "dokku storage:set $CONF content PATH"
  [ ! -e "$FILE" ] || fail "something was made in the file's place"
  # Nor do one-off containers have Docker make a directory.
  run dokku run "$APP" true
  [ "$status" -ne 0 ] || fail "the one-off container was started" "$(shown)"
  [ ! -e "$FILE" ] || fail "something was made in the file's place"
  mkdir "$FILE"
  run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the deploy was taken"
  assert_line_with " !     " "$APP" "$FILE is not a file but a directory"
  assert_equal "$before" "$(what_runs "$APP")"
  rmdir "$FILE"
  dokku storage:set "$CONF" content - <<<again
  deploy "$APP"
  assert_equal again "$(inside "$APP" web cat /etc/app.conf)"
}

@test "a deploy stops where the image's user cannot read the file" {
  needs_docker
  export IMAGE=$USER_4321
  create --mode 0640
  dokku storage:mount "$APP" "$CONF" --container-dir /etc/app.conf
  run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the deploy was taken"
  assert_line_with "cannot read" "mode 0640" "--volume-chown auto"
  run eval "$(remedy "cannot read")"
  assert_success
  deploy "$APP"
  assert_equal one "$(inside "$APP" web cat /etc/app.conf)"
  # The image names no group, which is the group 0.
  assert_equal "4321:0 640" "$(stat -c '%u:%g %a' "$FILE")"
}

@test "a command in a container that has the file" {
  needs_docker
  create
  # On the stand-in host the program runs docker itself; this machine may have no bridge for the container's network.
  local docker
  if ! is_real; then
    docker=$(command -v docker)
    printf '#!/bin/sh\nif [ "$1" = run ]; then shift; set -- run --network none "$@"; fi\nexec %s "$@"\n' "$docker" >"$HOST/bin/docker"
    chmod 0755 "$HOST/bin/docker"
  fi
  run dokku storage:exec "$CONF" --image "$TEST_IMAGE" -- cat "/data/$CONF"
  rm -f "$HOST/bin/docker"
  assert_success
  assert_output one
}

@test "a clone gets a copy of its own" {
  create --mode 0640 --chown heroku
  dokku storage:mount "$APP" "$CONF" --container-dir /etc/app.conf
  local mode clone
  for mode in copy empty; do
    clone="$APP-$mode"
    dokku storage:app:set "$APP" clone "$mode"
    dokku apps:create "$clone"
    trigger post-app-clone-setup "$APP" "$clone"
    assert_equal "1000:1000 640 one" "$(stat -c '%u:%g %a' "$ROOT/$clone-conf") $(cat "$ROOT/$clone-conf")"
  done
  dokku storage:set "$CONF" content - <<<two
  assert_equal one "$(cat "$ROOT/$APP-copy-conf")"
}

@test "a policy keeps other paths of the host from being read" {
  mkdir -p "$HOST/srv/allowed"
  echo fine >"$HOST/srv/allowed/fine"
  ln -s /etc/passwd "$HOST/srv/allowed/link"
  dokku storage:policy:set allowed-paths "$HOST/srv/allowed"
  for path in /etc/passwd "$HOST/srv/allowed/link"; do
    run_apart dokku storage:create "$CONF" --type file --from "$path"
    assert_refused
    assert_stderr_has "is not allowed by this host's policy"
    [ ! -e "$FILE" ] || fail "the file was made"
  done
  dokku storage:create "$CONF" --type file --from "$HOST/srv/allowed/fine"
  assert_equal "fine $(id -u dokku)" "$(cat "$FILE") $(stat -c %u "$FILE")"
  dokku storage:policy:set allowed-paths
}

# same FILE FILE: there is no difference between two files.
same() { assert_equal "" "$(rsync -aAXH --numeric-ids --checksum --dry-run -n -i "$1" "$2")"; }

snapshots() { dokku storage:snapshots:list "$CONF" --format json | jq -r ".[] | select($1).name"; }

drop_snapshots() {
  local name
  for name in $(snapshots true); do dokku storage:snapshots:destroy "$CONF" "$name" --force >/dev/null; done
}

@test "a snapshot of a file is all of it, comes back, and fills others" {
  create --mode 0640 --chown heroku
  setfattr -n user.mine -v yes "$FILE"
  setfacl -m u:4321:rw "$FILE"
  touch -d '2001-02-03 04:05:06.789' "$FILE"
  run dokku storage:snapshots:create "$CONF" first
  assert_success
  same "$FILE" "$ROOT/.snapshot-$CONF@first"
  assert_equal '["copy",4,1]' "$(dokku storage:snapshots:list "$CONF" --format json | jq -c '.[0]|[(.made|sub("reflink";"copy")),.bytes,.files]')"
  run_apart dokku storage:destroy "$CONF" --force
  assert_refused
  assert_stderr_has "dokku storage:snapshots:destroy $CONF first"
  dokku storage:clone "$CONF" "$CONF-twin"
  same "$FILE" "$ROOT/$CONF-twin"
  dokku storage:create "$CONF-from" --type file --from "snapshot:$CONF@first"
  same "$FILE" "$ROOT/$CONF-from"
  dokku storage:create "$CONF-given" --type file --from "snapshot:$CONF@first" --chown 2000 --mode 0604
  assert_equal "2000:2000 604 one" "$(stat -c '%u:%g %a' "$ROOT/$CONF-given") $(cat "$ROOT/$CONF-given")"
  run_apart dokku storage:create "$CONF-dir" --from "snapshot:$CONF@first"
  assert_refused
  assert_stderr_has "is a file; add --type file"
  dokku storage:set "$CONF" content - <<<two
  dokku storage:set "$CONF" mode 0600
  run dokku storage:snapshots:restore "$CONF" first
  assert_success
  # The mode is the entry's own.
  assert_equal "one 600" "$(cat "$FILE") $(stat -c %a "$FILE")"
  dokku storage:set "$CONF" mode 0660
  same "$ROOT/.snapshot-$CONF@first" "$FILE"
  assert_equal "two 600" "$(cd "$ROOT" && cat ".snapshot-$CONF@$(snapshots '.made=="moved"')") $(stat -c %a "$ROOT/.snapshot-$CONF@$(snapshots '.made=="moved"')")"
  # One that is gone comes back.
  rm "$FILE"
  dokku storage:snapshots:restore "$CONF" first
  same "$ROOT/.snapshot-$CONF@first" "$FILE"
  run dokku storage:doctor
  assert_has_not "missing-snapshot"
  drop_snapshots
  # Nor does a directory become a file.
  dokku storage:create "$CONF-dir"
  dokku storage:snapshots:create "$CONF-dir" first
  run_apart dokku storage:create "$CONF-file" --type file --from "snapshot:$CONF-dir@first"
  assert_refused
  assert_stderr_has "is a directory; leave --type file out"
  dokku storage:snapshots:destroy "$CONF-dir" first --force
  assert_equal "" "$(find "$ROOT" -name ".*$CONF*")"
}

@test "a file that containers have is not restored under them" {
  needs_docker
  create
  dokku storage:mount "$APP" "$CONF" --container-dir /etc/app.conf
  deploy "$APP"
  dokku storage:snapshots:create "$CONF" first --pause
  dokku storage:set "$CONF" content - <<<two
  deploy "$APP"
  assert_equal two "$(inside "$APP" web cat /etc/app.conf)"
  run_apart dokku storage:snapshots:restore "$CONF" first
  assert_refused
  assert_stderr_has "running containers"
  run dokku storage:snapshots:restore "$CONF" first --stop
  assert_success
  assert_has "dokku ps:start $APP"
  deploy "$APP"
  assert_equal one "$(inside "$APP" web cat /etc/app.conf)"
  drop_snapshots
}
