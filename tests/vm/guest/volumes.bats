#!/usr/bin/env bats
# Parts of Docker volumes, which need Docker 26.
load machine

before_each() {
  docker volume create --label "$TEST_LABEL" "$APP-volume" >/dev/null
  VOLUME=$(docker volume inspect --format '{{.Mountpoint}}' "$APP-volume")
  mkdir "$VOLUME/part"
  echo part >"$VOLUME/part/a"
  dokku storage:create "$APP-data" "$APP-volume" --type volume
}
after_each() {
  drop_entries
  drop_volumes
}

@test "a part of a volume is mounted, alone" {
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-subpath part
  deploy "$APP"
  assert_equal part "$(inside "$APP" web cat /data/a)"
  inside "$APP" web sh -c 'echo more > /data/b'
  assert_equal more "$(cat "$VOLUME/part/b")"
}

@test "a part that is not there stops the deploy, with what to do" {
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-subpath nothing
  run deploy "$APP"
  assert_status 1
  assert_line_with "$APP-data" nothing
  run dokku storage:doctor "$APP" --format json
  assert_equal missing-source "$(jq -r '.[].code' <<<"$output")"
}

@test "a part that leads out of the volume is refused" {
  ln -s /etc "$VOLUME/out"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-subpath out || return 0
  run deploy "$APP"
  assert_status 1
  assert_has out
}
