#!/usr/bin/env bats
# storage:doctor finds each thing that can be wrong, as text and as JSON; and what a running app is told after a change.
load helper
needs docker

before_all() {
  USER_1000=$(make_image user-1000 "" 'USER 1000')
  export USER_1000
}
after_each() {
  # Later tests look at the whole host.
  is_real || for app in "$DOKKU_ROOT/$APP"*; do dokku --force apps:destroy "$(basename "$app")" >/dev/null; done
}

# look [APP]: asks doctor about an app, or about all, in both formats, into $json, $text and $status.
look() {
  run_apart dokku storage:doctor "$@" --format json
  json=$output
  jq -e 'all(.[]; .code != "" and .sentence != "" and .remedy != "")' <<<"$json" >/dev/null ||
    fail "no JSON, or a finding without a sentence or a remedy" "$(shown)" || return
  local by_json=$status
  run_apart dokku storage:doctor "$@"
  text=$output
  assert_status "$by_json"
}

# found CODE WORD…: there is one finding of the code whose sentence and remedy have all the words, in both formats.
found() {
  output=$(jq -r --arg code "$1" '.[] | select(.code == $code) | .sentence + " -> " + .remedy' <<<"$json")
  assert_line_with "${@:2}" || return
  # A finding as text is three lines: the code, the sentence, the remedy.
  output=$(paste -d ' ' - - - <<<"$text")
  assert_line_with "$@"
}

# finds STATUS CODE WORD…: asked about the app, doctor ends with the status and has found this.
finds() {
  look "$APP" || return
  assert_status "$1" || return
  found "${@:2}"
}
finds_not() {
  run_apart dokku storage:doctor "${2:-$APP}" --format json
  assert_equal "" "$(jq -r --arg code "$1" '.[] | select(.code == $code) | .sentence' <<<"$output")"
}
add_line() { echo "$1" | sudo -u dokku tee -a "$CONFIG/$APP/mounts" >/dev/null; }

# says_restart COMMAND…: one line of what it says names the restart.
says_restart() {
  run "$@"
  assert_success
  assert_equal 1 "$(grep -c restart <<<"$output")"
  assert_line_with "$APP" "dokku ps:restart $APP"
}
says_no_restart() {
  run "$@"
  assert_success
  assert_has_not restart
}

# --- healthy ------------------------------------------------------------------------------------------------

@test "a host on which all is well: nothing is found, and the exit status is 0" {
  dokku storage:create "$APP-data" --chown heroku
  docker volume create --label "$TEST_LABEL" "$APP-volume" >/dev/null
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-chown auto
  dokku storage:mount "$APP" "$APP-volume:/volume"
  dokku storage:mount "$APP" "$DIR:/colon:ro"
  IMAGE=$USER_1000 deploy "$APP"
  run_apart dokku storage:doctor "$APP" --format json
  assert_success
  assert_equal "[]" "$(jq -c . <<<"$output")"
  run_apart dokku storage:doctor "$APP"
  assert_success
  assert_has "Nothing is wrong"
  assert_equal "" "$stderr"
  is_real && return
  run_apart dokku storage:doctor
  assert_success
  run_apart dokku storage:doctor --format json
  assert_success
  assert_equal "[]" "$(jq -c . <<<"$output")"
}

@test "an app that is not there, another format: refused" {
  run_apart dokku storage:doctor no-such-app
  assert_refused 20
  run_apart dokku storage:doctor "$APP" --format yaml
  assert_refused
}

# --- each code ----------------------------------------------------------------------------------------------

@test "missing-source: a directory, and a subpath" {
  mkdir "$DIR/gone"
  dokku storage:mount "$APP" "$DIR/gone:/gone"
  rmdir "$DIR/gone"
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-subpath part
  finds 1 missing-source "$APP" "$DIR/gone" mkdir
  finds 1 missing-source "$APP" "$ROOT/$APP-data/part"
}

@test "missing-volume" {
  dokku storage:mount "$APP" "$APP-volume:/data"
  finds 1 missing-volume "$APP" "$APP-volume" "docker volume create"
}

@test "wrong-kind: a directory where the image has a file, and the reverse" {
  mkdir "$DIR/passwd"
  touch "$DIR/file"
  dokku storage:mount "$APP" "$DIR/passwd:/etc/passwd"
  run deploy "$APP"
  finds 1 wrong-kind "$APP" "$DIR/passwd" /etc/passwd
  dokku storage:mount "$APP" "$DIR/file:/bin"
  finds 1 wrong-kind "$APP" "$DIR/file" /bin
}

@test "not-writable" {
  dokku storage:create "$APP-data" --chown root --mode 0755
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  IMAGE=$USER_1000 run deploy "$APP"
  finds 1 not-writable "$APP" "$ROOT/$APP-data" 1000 --volume-chown
  chmod 0777 "$ROOT/$APP-data"
  finds_not not-writable
}

@test "hidden-content: a note, which needs nobody" {
  dokku storage:mount "$APP" "$DIR:/app"
  deploy "$APP"
  finds 0 hidden-content "$APP" "$DIR" /app
}

@test "path-collision" {
  dokku storage:create "$APP-one" --chown root
  dokku storage:create "$APP-two" --chown root
  dokku storage:mount "$APP" "$APP-one" --container-dir /data
  add_line "{\"entry_name\":\"$APP-two\",\"container_path\":\"/data\",\"phases\":[\"deploy\"],\"process_type\":\"web\"}"
  finds 1 path-collision "$APP" "$APP-one" "$APP-two" /data "dokku storage:unmount"
}

@test "other-node" {
  dokku storage:create "$APP-data"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  dokku storage:set "$APP-data" node the-other-node
  finds 1 other-node "$APP" "$APP-data" the-other-node "dokku storage:set"
}

@test "missing-need" {
  dokku storage:needs:import "$APP" <<<'[{"id":"assets","description":"the pictures","path":"/pictures"}]'
  finds 1 missing-need "$APP" assets "the pictures" "dokku storage:needs:link"
}

@test "missing-entry" {
  dokku storage:create "$APP-data"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  rm "$ENTRIES/$APP-data.json"
  finds 1 missing-entry "$APP" "$APP-data" /data "dokku storage:unmount"
}

@test "unreadable-file: a line of the app's mounts, and an entry" {
  dokku storage:create "$APP-data"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  add_line 'no JSON at all'
  finds 1 unreadable-file "$CONFIG/$APP/mounts"
  echo '{"name":' >"$ENTRIES/$APP-data.json"
  look
  assert_status 1
  found unreadable-file "$ENTRIES/$APP-data.json"
  rm "$ENTRIES/$APP-data.json" "$CONFIG/$APP/mounts"
}

@test "docker-options-line" {
  local options="$DOKKU_LIB_ROOT/config/docker-options/$APP"
  sudo -u dokku mkdir -p "$options"
  printf -- '-v %s:/old\n--memory 64m\n' "$DIR" | sudo -u dokku tee "$options/_default_.deploy" >/dev/null
  finds 1 docker-options-line "$APP" "$DIR:/old" "dokku storage:migrate"
  dokku storage:migrate "$APP"
  finds_not docker-options-line
}

@test "stale-container: a mount that came, went, became readonly or was made of another source" {
  mkdir -m 0777 "$DIR"/{a,b}
  dokku storage:create "$APP-data" "$DIR/a"
  dokku storage:mount "$APP" "$APP-data" --container-dir /kept
  dokku storage:mount "$APP" "$DIR/a:/data"
  dokku storage:create "$APP-memory" --type tmpfs
  dokku storage:mount "$APP" "$APP-memory" --container-dir /memory --process-type web
  deploy "$APP" web=1 worker=1
  finds_not stale-container
  dokku storage:mount "$APP" "$APP-data" --container-dir /new --process-type worker
  finds 1 stale-container "$APP" worker /new "dokku ps:restart"
  run_apart dokku storage:doctor "$APP" --format json
  assert_equal 1 "$(jq '[.[] | select(.code == "stale-container")] | length' <<<"$output")"
  dokku storage:unmount "$APP" "$APP-data" --container-dir /new
  finds_not stale-container
  dokku storage:mount "$APP" "$APP-data" --container-dir /kept --volume-readonly
  finds 1 stale-container "$APP" web /kept
  dokku storage:unmount "$APP" "$DIR/a:/data"
  finds 1 stale-container "$APP" web "$DIR/a" /data
  finds 1 stale-container "$APP" web /kept
  dokku storage:mount "$APP" "$APP-data" --container-dir /kept
  dokku storage:mount "$APP" "$DIR/b:/data"
  finds 1 stale-container "$APP" web "$DIR/b" /data
  dokku ps:restart "$APP"
  finds_not stale-container
  dokku storage:unmount "$APP" "$APP-memory" --container-dir /memory --process-type web
  dokku storage:destroy "$APP-memory" --force
}

@test "several-writers: two containers of one process type" {
  dokku storage:mount "$APP" "$DIR:/data"
  touch "$DIR/app.sqlite3"
  deploy "$APP" web=2
  finds 1 several-writers "$APP" "$DIR" app.sqlite3
  deploy "$APP" web=1
  finds_not several-writers
}

@test "several-writers: two process types, each with a mount of its own" {
  dokku storage:create "$APP-data" "$DIR"
  dokku storage:mount "$APP" "$APP-data" --container-dir /web --process-type web
  dokku storage:mount "$APP" "$APP-data" --container-dir /worker --process-type worker
  touch "$DIR/PG_VERSION"
  deploy "$APP" web=1 worker=1
  finds 1 several-writers "$APP" "$DIR" PG_VERSION
  dokku storage:mount "$APP" "$APP-data" --container-dir /web --process-type web --volume-readonly
  dokku ps:restart "$APP"
  finds_not several-writers
}

@test "several-writers: two apps" {
  dokku apps:create "$APP-other"
  touch "$DIR/dump.rdb"
  for app in "$APP" "$APP-other"; do
    dokku storage:mount "$app" "$DIR:/data"
    deploy "$app"
  done
  finds 1 several-writers "$APP" "$DIR" dump.rdb
}

@test "unused-entry, orphaned-entry, unused-directory, abandoned-app: notes about the whole host" {
  dokku storage:create "$APP-unused"
  dokku storage:create "$APP-orphaned"
  dokku storage:create "$APP-used"
  dokku storage:mount "$APP" "$APP-used" --container-dir /data
  rm -r "${ROOT:?}/$APP-orphaned"
  mkdir "$ROOT/$APP-stray"
  sudo -u dokku mkdir -p "$CONFIG/$APP-left"
  echo "{\"entry_name\":\"$APP-used\",\"container_path\":\"/data\",\"phases\":[\"deploy\"],\"process_type\":\"_default_\"}" |
    sudo -u dokku tee "$CONFIG/$APP-left/mounts" >/dev/null
  look
  found unused-entry "$APP-unused" "dokku storage:destroy"
  found orphaned-entry "$APP-orphaned" "dokku storage:destroy"
  found unused-directory "$ROOT/$APP-stray"
  found abandoned-app "$CONFIG/$APP-left"
  assert_equal "" "$(jq -r --arg name "$APP-used" '.[] | select(.entry == $name) | .code' <<<"$json")"
  assert_equal note "$(jq -r --arg name "$APP" '.[] | select(.code | test("^(unused|orphaned|abandoned)-")) | .severity' <<<"$json" | sort -u)"
  # About one app they are not said.
  run_apart dokku storage:doctor "$APP"
  assert_success
  rm -r "${ROOT:?}/$APP-stray" "${CONFIG:?}/$APP-left"
}

@test "without docker the rest is still found, and that it is away" {
  mkdir "$DIR/gone"
  dokku storage:mount "$APP" "$DIR/gone:/gone"
  rmdir "$DIR/gone"
  DOCKER_HOST=unix:///nowhere run_apart dokku storage:doctor "$APP" --format json
  assert_status 1
  assert_equal "missing-source docker-silent" "$(jq -r '.[].code' <<<"$output" | paste -sd ' ')"
}

# --- the line about the restart -----------------------------------------------------------------------------

@test "after a mount or an unmount of an app that runs, one line says which command restarts it" {
  dokku storage:create "$APP-data"
  deploy "$APP"
  says_restart dokku storage:mount "$APP" "$DIR:/colon"
  says_restart dokku storage:mount "$APP" "$APP-data" --container-dir /data
  says_restart dokku storage:unmount "$APP" "$APP-data" --container-dir /data
  says_restart dokku storage:unmount "$APP" "$DIR:/colon"
  dokku storage:mount "$APP" "$DIR:/colon"
  run eval "$(says_restart dokku storage:mount "$APP" "$APP-data" --container-dir /data >&2 && remedy ps:restart)"
  assert_success
  assert_equal "/colon /data" "$(docker inspect --format '{{range .Mounts}}{{println .Destination}}{{end}}' "$(container "$APP")" | sort | xargs)"
}

@test "nothing is said of a restart where the app does not run, or nothing was changed" {
  dokku storage:create "$APP-data" --chown root
  says_no_restart dokku storage:mount "$APP" "$DIR:/colon"
  says_no_restart dokku storage:mount "$APP" "$APP-data" --container-dir /data
  says_no_restart dokku storage:unmount "$APP" "$DIR:/colon"
  deploy "$APP"
  says_no_restart dokku storage:mount "$APP" "$APP-data" --container-dir /data
  run dokku storage:unmount "$APP" "$DIR:/colon"
  assert_has_not restart
}
