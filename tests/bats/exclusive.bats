#!/usr/bin/env bats
# Exclusive entries: one app at a time, one container at a time, with real containers.
load helper
needs docker

before_each() {
  OTHER="$APP-other" DATA="$APP-data"
  dokku apps:create "$OTHER" >/dev/null
  dokku storage:create "$DATA" --exclusive --chown root
  dokku storage:mount "$APP" "$DATA" --container-dir /data
}

# Notes what Docker does with containers of the app from now on, in $EVENTS.
watch_events() {
  EVENTS="$BATS_TEST_TMPDIR/events"
  docker events --since "$(date +%s.%N)" --filter type=container --filter "label=com.dokku.app-name=$APP" --filter event=start --filter event=die \
    --format '{{.Action}} {{index .Actor.Attributes "com.dokku.app-name"}} {{.ID}}' >"$EVENTS" 3>&- &
  WATCHER=$!
}
end_events() {
  sleep 1
  kill "$WATCHER"
  wait "$WATCHER" 2>/dev/null || true
}

# The most containers that ran at any time of what was noted, beginning with the number given.
most_at_once() { awk -v now="$1" -v most="$1" '$1 == "start" { now++ } $1 == "die" { now-- } now > most { most = now } END { print most }' "$EVENTS"; }

@test "two deploys never overlap: the old container dies before the new one starts" {
  watch_events
  deploy "$APP"
  first=$(container "$APP")
  run deploy "$APP"
  assert_success
  assert_has "$APP.web.1 stops before its successor starts: storage entry $DATA is exclusive"
  assert_has "dokku ps:start $APP"
  second=$(container "$APP")
  deploy "$APP"
  end_events
  assert_equal 1 "$(most_at_once 0)"
  died=$(grep -n "^die $APP $first" "$EVENTS" | cut -d: -f1)
  started=$(grep -n "^start $APP $second" "$EVENTS" | cut -d: -f1)
  [ "$died" -lt "$started" ] || fail "the old one was there when the new one started" "$(cat "$EVENTS")"
}

@test "an entry that is not exclusive has no downtime" {
  dokku storage:set "$DATA" exclusive false
  deploy "$APP"
  watch_events
  deploy "$APP"
  end_events
  assert_equal 2 "$(most_at_once 1)"
}

@test "a container that restarts by itself does not come back, and one that ignores the signal is killed" {
  deploy "$APP"
  old=$(container "$APP")
  docker update --restart=always "$old" >/dev/null
  dokku storage:mount "$APP" "$DATA" --container-dir /more
  : | dokku_environment sudo -u dokku -E -H env PATH="$HOST/bin:$PATH" plugn trigger docker-args-deploy "$APP" latest web 1 >/dev/null
  assert_equal "false no" "$(docker inspect --format '{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}' "$old")"
}

@test "what is refused stops nothing: scale, another finding, a second app" {
  deploy "$APP"
  before=$(what_runs "$APP")
  run deploy "$APP" web=2
  assert_status 1
  assert_has "$APP mounts storage entry \"$DATA\", which is exclusive, writable in 2 containers (web=2); dokku ps:scale $APP web=1"
  run deploy "$APP" web=1 worker=1
  assert_status 1
  assert_has "(web=1, worker=1)"
  run_apart trigger docker-args-deploy "$APP" latest web 2
  assert_refused
  assert_stderr_has "there cannot be a container web.2"
  dokku ps:scale --skip-deploy "$APP" web=1
  dokku storage:mount "$APP" "$HOST/missing:/missing"
  run deploy "$APP"
  assert_status 1
  assert_has "does not exist"
  assert_equal "$before" "$(what_runs "$APP")"
  run_apart dokku storage:mount "$OTHER" "$DATA" --container-dir /data
  assert_refused
  assert_stderr_has "mounted by $APP"
}

@test "only what is replaced stops: a deploy of another process type leaves the writer alone" {
  dokku storage:unmount "$APP" "$DATA"
  dokku storage:mount "$APP" "$DATA" --container-dir /data --process-type web
  deploy "$APP" web=1 worker=2
  writer=$(container "$APP" web)
  [ -n "$writer" ] || fail "the container of the first process type does not run any more"
  dokku ps:restart "$APP" worker
  assert_equal "$writer" "$(container "$APP" web)"
}

@test "move: what runs is stopped, the other app gets the entry with its data, and deploys" {
  deploy "$APP"
  deploy "$OTHER"
  inside "$APP" web sh -c 'echo kept > /data/file'
  old=$(container "$APP")
  run dokku storage:move "$DATA" "$APP" "$OTHER"
  assert_success
  assert_has "Stopped $APP.web.1"
  assert_has "-----> Storage entry $DATA moved from $APP to $OTHER"
  assert_has "dokku ps:restart $APP"
  assert_has "dokku ps:restart $OTHER"
  assert_equal false "$(docker inspect --format '{{.State.Running}}' "$old")"
  watch_events
  dokku ps:restart "$OTHER"
  end_events
  assert_equal kept "$(inside "$OTHER" web cat /data/file)"
  dokku ps:restart "$APP"
  run inside "$APP" web test -e /data
  assert_status 1
}

@test "move: a container of the old app that was started again is in the way, by name" {
  deploy "$APP"
  deploy "$OTHER"
  old=$(container "$APP")
  dokku storage:move "$DATA" "$APP" "$OTHER"
  docker start "$old" >/dev/null
  before=$(what_runs "$OTHER")
  run dokku ps:restart "$OTHER"
  assert_status 1
  assert_has "$APP.web.1 still runs with it; stop it first: dokku ps:stop $APP"
  assert_equal "$before" "$(what_runs "$OTHER")"
  run dokku storage:doctor "$OTHER"
  assert_has exclusive-held
  # The same move again finishes it.
  run dokku storage:move "$DATA" "$APP" "$OTHER"
  assert_success
  assert_has "Stopped $APP.web.1"
  assert_has "mounted on $OTHER already"
  dokku ps:restart "$OTHER"
}

@test "move: killed while it waits for a container, the next call finishes it" {
  mkdir -p "$DIR/deaf/bin"
  printf '#!/bin/sh\ntrap "" TERM\nwhile :; do sleep 1; done\n' >"$DIR/deaf/bin/start"
  chmod 0755 "$DIR/deaf/bin/start"
  IMAGE=$(make_image deaf "$DIR/deaf") deploy "$APP"
  old=$(container "$APP")
  mkdir -p "$DOKKU_LIB_ROOT/config/ps/$APP"
  echo 4 >"$DOKKU_LIB_ROOT/config/ps/$APP/stop-timeout-seconds"
  # The container does nothing about the signal, so the engine waits these seconds.
  pid="$BATS_TEST_TMPDIR/pid"
  # shellcheck disable=SC2016 # expanded by the shell that becomes the command
  dokku_environment bash -c 'echo $$ >"$0" && exec "$@"' "$pid" \
    "$DOKKU_LIB_ROOT/plugins/enabled/storage/subcommands/move" storage:move "$DATA" "$APP" "$OTHER" >/dev/null 2>&1 3>&- &
  sleep 1
  kill -9 "$(cat "$pid")"
  wait "$!" 2>/dev/null || true
  assert_equal true "$(docker inspect --format '{{.State.Running}}' "$old")"
  assert_equal 1 "$(mounts_of "$APP" | jq length)"
  assert_equal 0 "$(mounts_of "$OTHER" | jq length)"
  echo 1 >"$DOKKU_LIB_ROOT/config/ps/$APP/stop-timeout-seconds"
  run dokku storage:move "$DATA" "$APP" "$OTHER"
  assert_success
  assert_equal false "$(docker inspect --format '{{.State.Running}}' "$old")"
  assert_equal 0 "$(mounts_of "$APP" | jq length)"
  assert_equal 1 "$(mounts_of "$OTHER" | jq length)"
}

@test "doctor: several containers that can write" {
  dokku storage:set "$DATA" exclusive false
  deploy "$APP" web=2
  dokku storage:set "$DATA" exclusive true
  dokku ps:scale --skip-deploy "$APP" web=1
  run dokku storage:doctor "$APP"
  assert_status 1
  assert_has "2 running containers can write to it: $APP.web."
  assert_has "dokku ps:restart $APP"
  watch_events
  dokku ps:restart "$APP"
  end_events
  assert_equal 2 "$(most_at_once 2)"
  run dokku storage:doctor "$APP"
  assert_has_not exclusive-writers
}
