#!/usr/bin/env bats
# The stand-in host itself: it fires what was recorded on a real Dokku host, and does about failures what Dokku does.
load helper
needs docker standin

# The host has Dokku's own plugin.
make_host() {
  bare_host
  export DOKKU="$HOST/bin/dokku"
}
# Which apps there are is each test's own.
setup() {
  skip_what_cannot_run
  : >"$HOST/log/triggers.jsonl"
}
teardown() {
  [ -n "${HOST:-}" ] || return 0
  drop_triggers
  rm -rf "${HOST:?}/home"/* "$HOST/lib/config"/*
  remove_test_containers
}

TRACES="$REPO/tests/bats/host/traces"

# plays COMMAND…: runs it as the recorder did, and compares what it fired with the recording of a command of that name.
plays() {
  local name=$1
  [ "$1" != --force ] || name=$2
  : >"$HOST/log/triggers.jsonl"
  "$DOKKU" "$@" </dev/null >"$HOST/output" 2>&1 || fail "$* failed:" "$(cat "$HOST/output")"
  compare "$TRACES/lifecycle.json" "$name"
}
compare() {
  "$REPO/tests/bats/host/compare" "$1" "$2" "$HOST/log/triggers.jsonl" "IMAGE=$TEST_IMAGE" OTHER=a-first OTHER=b-second APP=m-app NEW=n-new CLONE=o-clone
}

# fails_in TRIGGER: from now on this trigger fails, in a plugin behind the others.
fails_in() { printf '#!/bin/sh\necho " !     %s is against it" >&2\nexit 1\n' "$1" | add_trigger "$1"; }
# The number of times that the output has a line.
times() { grep -cxF -- "$1" <<<"$output" || true; }

# An app that runs, and what runs of it.
running_app() {
  new_app
  deploy "$APP"
  BEFORE=$(what_runs "$APP")
}
still_runs() { assert_equal "$BEFORE" "$(what_runs "$APP")"; }
is_replaced() {
  local ids
  ids=$(docker ps -q --no-trunc --filter "label=com.dokku.app-name=$APP")
  [[ -n $ids && $BEFORE != *"$ids"* ]] || fail "the container was not replaced"
}

# --- what is fired ------------------------------------------------------------------------------------------

@test "every recorded command fires what a real host fires" {
  dokku apps:create a-first
  dokku apps:create b-second
  plays apps:create m-app
  dokku ps:scale --skip-deploy m-app web=1 worker=0
  plays git:from-image m-app "$TEST_IMAGE"
  plays ps:restart m-app
  plays ps:rebuild m-app
  plays ps:stop m-app
  plays ps:start m-app
  plays ps:scale m-app worker=1
  plays run m-app true
  plays enter m-app web true
  plays config:set m-app A=b
  plays apps:rename m-app n-new
  plays apps:clone n-new o-clone
  plays report n-new
  plays ps:restore n-new
  plays plugin:install --core
  plays --force apps:destroy o-clone
  assert_equal 16 "$(jq length "$TRACES/lifecycle.json")"
}

@test "a recording that differs is told: order, arguments, input and what is missing" {
  local change
  dokku apps:create a-first
  dokku apps:create b-second
  plays apps:create m-app
  dokku ps:scale --skip-deploy m-app web=1 worker=0
  plays git:from-image m-app "$TEST_IMAGE"
  for change in '.[56:57] |= map(.args[2] = "other")' '.[24:25] |= map(.stdin = "character device")' 'del(.[31])' '.[30:32] |= reverse' \
    '.[40:41] |= map(.depth = 1)' '.[3:4] |= map(.uid = "root")'; do
    jq "(to_entries[] | select(.key | startswith(\"git:from-image\")) | .key) as \$key | .[\$key] |= ($change)" \
      "$TRACES/lifecycle.json" >"$BATS_TEST_TMPDIR/changed.json"
    run compare "$BATS_TEST_TMPDIR/changed.json" git:from-image
    assert_status 1
    assert_has "--- recorded"
  done
}

@test "the stand-in plays its recordings: a host with changed ones fires something else" {
  local standin=$HOST
  mkdir "$BATS_TEST_TMPDIR/traces"
  cp "$TRACES/plugins.json" "$BATS_TEST_TMPDIR/traces/"
  jq '."apps:create APP" |= reverse' "$TRACES/lifecycle.json" >"$BATS_TEST_TMPDIR/traces/lifecycle.json"
  cp "$BATS_TEST_TMPDIR/traces/lifecycle.json" "$HOST/bin/traces/lifecycle.json"
  run plays apps:create m-app
  cp "$TRACES/lifecycle.json" "$standin/bin/traces/lifecycle.json"
  assert_status 1
  assert_has "--- recorded"
}

@test "the plugins of a real host, with links to nothing where they have no work" {
  local plugin file count=0
  while read -r plugin file; do
    [ -x "$DOKKU_LIB_ROOT/plugins/enabled/$plugin/$file" ] || fail "$plugin lacks $file"
    count=$((count + 1))
  done < <(jq -r 'to_entries[] | .key as $plugin | .value[] | "\($plugin) \(.)"' "$TRACES/plugins.json")
  [ "$count" -gt 500 ] || fail "only $count files"
  run "$DOKKU_LIB_ROOT/plugins/enabled/20_events/user-auth-app" dokku default app
  assert_success
  assert_output ""
  run "$DOKKU_LIB_ROOT/plugins/enabled/git/commands" storage:list
  assert_status 10
  assert_equal "$DOKKU_LIB_ROOT/plugins/available/git" "$(readlink "$DOKKU_LIB_ROOT/plugins/enabled/git")"
  assert_equal "$DOKKU_LIB_ROOT/core-plugins/available/git" "$(readlink -f "$DOKKU_LIB_ROOT/plugins/enabled/git")"
  run dokku no-such:command
  assert_status 1
}

@test "any scale: each process type and each of its containers has its calls, web first" {
  new_app
  deploy "$APP" worker=1 clock=0 web=2
  assert_equal "$(printf '%s\n' "$APP latest web" "$APP latest web 1" "$APP latest web 2" "$APP latest worker" "$APP latest worker 1" "$APP latest clock")" \
    "$(fired docker-args-deploy)"
  assert_equal 3 "$(docker ps -q --filter "label=com.dokku.app-name=$APP" | wc -l)"
  : >"$HOST/log/triggers.jsonl"
  dokku ps:scale "$APP" web=1 clock=2
  assert_equal "$(printf '%s\n' "$APP latest web" "$APP latest web 1" "$APP latest clock" "$APP latest clock 1" "$APP latest clock 2")" \
    "$(fired docker-args-deploy)"
  assert_equal 1 "$(fired scheduler-register-retired | wc -l)"
  assert_equal "clock clock web worker" "$(docker ps -q --filter "label=com.dokku.app-name=$APP" |
    xargs docker inspect --format '{{index .Config.Labels "com.dokku.process-type"}}' | sort | xargs)"
}

# --- what a trigger gets ------------------------------------------------------------------------------------

@test "the image has its name and another id from pre-release-builder to post-release-builder" {
  new_app
  for trigger in pre-release-builder post-release-builder; do
    printf '#!/bin/sh\ndocker image inspect -f "{{.Id}} {{index .Config.Labels \\"com.dokku.image-stage\\"}}" "$3" >"%s"\n' "$HOST/log/$trigger" | add_trigger "$trigger"
  done
  deploy "$APP"
  read -r before stage <"$HOST/log/pre-release-builder"
  assert_equal build "$stage"
  read -r after stage <"$HOST/log/post-release-builder"
  assert_equal release "$stage"
  [ "$before" != "$after" ] || fail "the image was not labelled anew"
}

@test "plugin:trigger runs a trigger as the user dokku: install fails there, and plugin:install --core runs it as root" {
  printf '#!/bin/sh\nid -un >"%s"\n' "$HOST/log/user" | add_trigger post-create
  dokku plugin:trigger post-create some-app
  assert_equal dokku "$(cat "$HOST/log/user")"
  run dokku plugin:trigger install
  assert_status 1
  assert_has 00_dokku-standard
  : >"$HOST/log/triggers.jsonl"
  dokku plugin:install --core
  assert_equal root "$(jq -r 'select(.trigger == "install") | .uid' "$HOST/log/triggers.jsonl")"
}

@test "a deploy works in the source's directory, which is gone afterwards; DOKKU_PID stays one number" {
  new_app
  local trigger
  for trigger in core-post-extract post-deploy; do
    printf '#!/bin/sh\necho "$(pwd) $DOKKU_PID" >"%s"\n' "$HOST/log/$trigger" | add_trigger "$trigger"
  done
  deploy "$APP"
  read -r directory pid <"$HOST/log/core-post-extract"
  assert_equal "$directory $pid" "$(cat "$HOST/log/post-deploy")"
  [[ $directory == /tmp/dokku-$pid-* && ! -e $directory ]] || fail "$directory"
}

@test "scheduler-storage-exec runs in the image's own working directory" {
  jq -n --arg path "$HOST/home" '{name: "data", scheduler: "docker-local", host_path: $path}' |
    sudo -u dokku tee "$(sudo -u dokku mkdir -p "$DOKKU_LIB_ROOT/data/storage-registry/entries" && echo "$DOKKU_LIB_ROOT/data/storage-registry/entries/data.json")" >/dev/null
  run "$DOKKU_LIB_ROOT/plugins/enabled/scheduler-docker-local/scheduler-storage-exec" docker-local data "$TEST_IMAGE" --interactive=false --tty=false -- pwd
  assert_success
  assert_output /app
}

# --- what fails ---------------------------------------------------------------------------------------------

@test "docker-args-deploy fails: so do a restart, with its line a second time, and a rebuild; the old containers run on" {
  running_app
  fails_in docker-args-deploy
  run dokku ps:restart "$APP"
  assert_status 1
  assert_equal "1 1" "$(times " !     docker-args-deploy is against it") $(times " !      !     docker-args-deploy is against it")"
  still_runs
  run dokku ps:rebuild "$APP"
  assert_status 1
  assert_equal "1 0" "$(times " !     docker-args-deploy is against it") $(times " !      !     docker-args-deploy is against it")"
  still_runs
}

@test "docker-args-run fails: the container runs all the same, without what it would have mounted" {
  running_app
  fails_in docker-args-run
  run dokku run "$APP" echo it runs
  assert_success
  assert_has "it runs"
  run dokku run "$APP" sh -c 'exit 7'
  assert_status 7
}

@test "docker-args-build and post-extract fail: the build goes on" {
  running_app
  fails_in docker-args-build
  fails_in post-extract
  run dokku ps:rebuild "$APP"
  assert_success
  is_replaced
}

@test "core-post-extract, pre-release-builder, post-release-builder, pre-deploy fail: the deploy stops, the old containers run on" {
  local trigger
  running_app
  for trigger in core-post-extract pre-release-builder post-release-builder pre-deploy; do
    fails_in "$trigger"
    run dokku ps:rebuild "$APP"
    assert_status 1
    still_runs
    assert_equal "" "$(fired docker-args-deploy | sed 1,2d)"
    case $trigger in
      pre-release-builder) assert_equal 2 "$(times " !     $trigger is against it")" ;;
      pre-deploy) assert_equal "0 2" "$(times " !     $trigger is against it") $(times " !      !     $trigger is against it")" ;;
      *) assert_equal 1 "$(times " !     $trigger is against it")" ;;
    esac
    assert_equal 1 "$(fired builds-record-finalize | tail -n 1 | cut -d' ' -f3)"
    drop_triggers
  done
  # These are not fired by a restart.
  fails_in pre-release-builder
  run dokku ps:restart "$APP"
  assert_success
  is_replaced
}

@test "deploy and scheduler-deploy fail: that is reported, after the new containers run" {
  local trigger
  for trigger in deploy scheduler-deploy; do
    running_app
    fails_in "$trigger"
    run dokku ps:restart "$APP"
    assert_status 1
    assert_equal 1 "$(times " !     $trigger is against it")"
    is_replaced
    drop_triggers
    dokku --force apps:destroy "$APP"
  done
}

@test "a deploy task of app.json whose docker-args-deploy fails runs without mounts" {
  new_app
  mkdir "$HOST/source"
  echo '{"scripts":{"dokku":{"predeploy":"echo the task runs"}}}' >"$HOST/source/app.json"
  printf '#!/bin/sh\n[ -n "$3" ] || exit 1\n' | add_trigger docker-args-deploy
  run deploy_source "$APP" "$HOST/source"
  assert_success
  assert_has "the task runs"
  assert_equal "$APP latest" "$(fired docker-args-deploy | head -n 1)"
}

@test "what cannot be split, and a source that is not there, start no container" {
  running_app
  printf '#!/bin/sh\necho " --label=a=it'"'"'s"\n' | add_trigger docker-args-deploy
  run dokku ps:restart "$APP"
  assert_status 1
  still_runs
  printf '#!/bin/sh\necho " --mount type=bind,source=/no/such/place,target=/b"\n' | add_trigger docker-args-deploy
  run dokku ps:restart "$APP"
  assert_status 1
  still_runs
}
