#!/usr/bin/env bats
# Containers that commands pause: several need one, and what a killed command leaves.
load helper

before_each() { DATA="$APP-data"; }
after_each() {
  local entry name
  for entry in "$DATA" "$DATA-too"; do
    for name in $(dokku storage:snapshots:list "$entry" --format json 2>/dev/null | jq -r '.[].name'); do
      dokku storage:snapshots:destroy "$entry" "$name" --force >/dev/null || true
    done
  done
}

# begin ENTRY: begins a snapshot with --pause; its process, which leads a group of its own, is in `$HOST/pid`.
begin() {
  rm -f "$HOST/pid"
  setsid --fork sh -c 'echo $$ >"$1"; exec "$2" storage:snapshots:create "$3" "begun-$4" --pause' sh "$HOST/pid" "$DOKKU" "$1" "$RANDOM" >/dev/null 2>&1 3>&-
  while [ ! -s "$HOST/pid" ]; do sleep 0.05; done
}

@test "--pause: a container that two commands need paused goes on after the last of them" {
  local first second n
  deployed_with 800
  dokku storage:create "$DATA-too"
  dd if=/dev/zero of="$ROOT/$DATA-too/more" bs=1M count=1200 status=none
  dokku storage:mount "$APP" "$DATA-too" --container-dir /too
  deploy "$APP"
  begin "$DATA"
  first=$(cat "$HOST/pid")
  wait_for true
  kill -STOP -- "-$first"
  begin "$DATA-too"
  second=$(cat "$HOST/pid")
  for ((n = 0; n < 200; n++)); do
    [ -z "$(find "$ROOT" -path '*/.destroyed-*/more')" ] || break
    sleep 0.02
  done
  kill -STOP -- "-$second"
  kill -CONT -- "-$first"
  while kill -0 "$first" 2>/dev/null; do sleep 0.05; done
  sleep 0.3
  assert_equal true "$(paused)"
  kill -CONT -- "-$second"
  wait_for false
  while kill -0 "$second" 2>/dev/null; do sleep 0.05; done
  inside "$APP" web touch /too/alive
}

@test "--pause: what a killed command left paused is told of, and goes on with the next run" {
  local next group words
  deployed_with 1200
  for next in "storage:backups:run" "storage:snapshots:create $DATA next --pause"; do
    begin "$DATA"
    wait_for true
    group=$(cat "$HOST/pid")
    kill -9 "$(pgrep -P "$(pgrep -d, -g "$group")" -f keep-paused)"
    kill -9 -- "-$group"
    sleep 0.3
    assert_equal true "$(paused)"
    run dokku storage:doctor "$APP"
    assert_has "docker unpause $(container "$APP" | cut -c 1-12)"
    read -ra words <<<"$next"
    run dokku "${words[@]}"
    assert_success
    assert_equal false "$(paused)"
    [[ $next != *--pause ]] || assert_has "Paused "
    run dokku storage:doctor "$APP"
    assert_has_not "docker unpause"
  done
}
