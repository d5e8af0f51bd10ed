#!/usr/bin/env bats
# What is refused, with one sentence and nothing changed on disk; above all what would smuggle options to Docker.
load helper

# Each test has an app with one mount and one entry, so that the store's directories are all there.
before_each() {
  ENTRY="$APP-data"
  dokku storage:create "$ENTRY" >/dev/null
  dokku storage:mount "$APP" /srv/there:/there
}

# Everything that a command of ours could have changed.
what_is_on_disk() {
  local place
  if is_real; then
    for place in "$HOST" "$DOKKU_LIB_ROOT/data" "$DOKKU_LIB_ROOT/config/storage" "$DOKKU_ROOT"; do snapshot "$place"; done
  else
    snapshot "$HOST"
  fi
}

# refuses [STATUS] ARGUMENTS…: the command is refused, and neither Dokku's folders nor the apps have changed.
refuses() {
  local wanted=1 before
  if [[ $1 == [0-9]* ]]; then
    wanted=$1
    shift
  fi
  before=$(what_is_on_disk)
  run_apart dokku "$@"
  assert_refused "$wanted" || fail "command: dokku $(printf '%q ' "$@")" || return
  diff <(echo "$before") <(what_is_on_disk) || fail "dokku $(printf '%q ' "$@") was refused, but changed the disk as shown"
}

@test "a mount string that carries an option for docker" {
  refuses storage:mount "$APP" "/tmp:/x --privileged"
  refuses storage:mount "$APP" "/tmp --privileged:/x"
  refuses storage:mount "$APP" "/tmp:/x:ro --pid=host"
  refuses storage:mount "$APP" "/tmp:/x:ro,--privileged"
  refuses storage:mount "$APP" "/tmp:/x' --privileged '"
  refuses storage:mount "$APP" '/tmp:/x" --privileged "'
  refuses storage:mount "$APP" '/tmp:/x\ --privileged'
  refuses storage:mount "$APP" $'/tmp:/x\t--privileged'
  refuses storage:mount "$APP" $'/tmp:/x\n--privileged'
  refuses storage:mount "$APP" "some-volume --privileged:/x"
  assert_equal 1 "$(mounts_of "$APP" | jq length)"
}

@test "the way out is named: the value and what is wrong with it" {
  run_apart dokku storage:mount "$APP" "/tmp:/x --privileged"
  assert_refused
  assert_stderr_has "--privileged"
  assert_equal 1 "$(wc -l <<<"$stderr")"
}

@test "options of a named mount that carry an option for docker" {
  refuses storage:mount "$APP" "$ENTRY" --container-dir "/x --privileged"
  refuses storage:mount "$APP" "$ENTRY" --container-dir $'/x\n--privileged'
  refuses storage:mount "$APP" "$ENTRY" --container-dir /x --volume-options "ro --pid=host"
  refuses storage:mount "$APP" "$ENTRY" --container-dir /x --volume-options "ro,--pid=host"
  refuses storage:mount "$APP" "$ENTRY" --container-dir /x --volume-options "ro'"
  refuses storage:mount "$APP" "$ENTRY" --container-dir /x --process-type "web --privileged"
  refuses storage:mount "$APP" "$ENTRY" --container-dir /x --volume-chown "1000 --privileged"
  refuses storage:mount "$APP" "$ENTRY" --container-dir /x --volume-chown "no-such-preset"
  refuses storage:mount "$APP" "$ENTRY" --container-dir /x --phase "deploy run"
}

@test "a subpath that leads out of its entry" {
  refuses storage:mount "$APP" "$ENTRY" --container-dir /x --volume-subpath ../../etc
  refuses storage:mount "$APP" "$ENTRY" --container-dir /x --volume-subpath a/../../../etc
  refuses storage:mount "$APP" "$ENTRY" --container-dir /x --volume-subpath /etc
}

@test "an entry whose path carries an option, leads elsewhere, or is none" {
  refuses storage:create "$APP-new" "/srv/a --privileged"
  refuses storage:create "$APP-new" $'/srv/a\n--privileged'
  refuses storage:create "$APP-new" "relative/path"
  refuses storage:create "$APP-new" "/srv/../etc"
  refuses storage:create "$APP-new" "/srv/a:/b"
  refuses storage:create "../$APP-new"
  refuses storage:create "$APP new"
  refuses storage:create ""
  run dokku storage:info "$APP-new"
  assert_status 1
}

@test "a refused create has not made its folder" {
  refuses storage:create "$APP-new" --mode rwx
  refuses storage:create "$APP-new" --chown nobody-we-know
  refuses storage:create "$APP-new" --scheduler nomad
  refuses storage:create "$APP-new" --annotation nokey
  refuses storage:create "$APP-new" "$HOST/elsewhere" --chown heroku
  refuses storage:ensure-directory "$APP/new"
  refuses storage:ensure-directory "$APP-new" --chown 65536
}

@test "paths that are none" {
  refuses storage:mount "$APP" "relative:/x"$'\x01'
  refuses storage:mount "$APP" "./a:/x"
  refuses storage:mount "$APP" "/srv/a:x"
  refuses storage:mount "$APP" "/srv/a:"
  refuses storage:mount "$APP" ":/x"
  refuses storage:mount "$APP" "/srv/a"
  refuses storage:mount "$APP" "/srv/../etc:/x"
  refuses storage:mount "$APP" "/srv/a:/x/../../etc"
  refuses storage:mount "$APP" "/srv/a:/"
  refuses storage:mount "$APP" "/srv/a:/x:ro:ro"
  refuses storage:mount "$APP" "/srv/$(printf 'x%.0s' $(seq 5000)):/x"
  refuses storage:mount "$APP" $'/srv/\xff:/x'
  refuses storage:mount "$APP" ""
  refuses storage:mount "$APP"
}

@test "two mounts that claim one container path" {
  refuses storage:mount "$APP" /srv/other:/there
  refuses storage:mount "$APP" /srv/other:/there/
  refuses storage:mount "$APP" /srv/other://there
  refuses storage:mount "$APP" "$ENTRY" --container-dir /there
  refuses storage:mount "$APP" /srv/there:/there
}

@test "an app that does not exist: exit status 20 everywhere" {
  refuses 20 storage:mount no-such-app /srv/a:/a
  refuses 20 storage:unmount no-such-app /srv/a:/a
  refuses 20 storage:mount no-such-app "$ENTRY" --container-dir /a
  refuses 20 storage:list no-such-app
  refuses 20 storage:migrate no-such-app
  run_apart dokku storage:report no-such-app
  assert_status 20
  assert_stderr_has "App no-such-app does not exist"
}

@test "names of apps that are none never become paths" {
  # A real host has apps beside the test's.
  local before
  before=$(mounts_files)
  for name in ../home . .. "a b" 'a;b' A "-x" "" "x/y"; do
    run_apart dokku storage:mount -- "$name" /srv/a:/a
    [ "$status" -ne 0 ] || fail "the app $name was taken" "$(shown)"
    [ -n "$stderr" ] || fail "nothing was said about the app $name" "$(shown)"
  done
  assert_equal "$before" "$(mounts_files)"
}
mounts_files() { find "$DOKKU_LIB_ROOT/config" -path '*storage*' -name mounts | LC_ALL=C sort; }

@test "unknown flags, missing values and too many arguments" {
  for arguments in "storage:mount $APP /srv/a:/a --no-such-flag" "storage:list $APP --format" "storage:list $APP --format yaml" \
    "storage:mount $APP /srv/a:/a /srv/b:/b" "storage:report $APP --storage-nope" "storage:set $ENTRY colour blue" \
    "storage:unmount $APP /srv/nope:/nope" "storage:destroy no-such-entry --force" "storage:exec no-such-entry -- ls"; do
    before=$(what_is_on_disk)
    # shellcheck disable=SC2086
    run_apart dokku $arguments
    [ "$status" -ne 0 ] || fail "dokku $arguments was taken" "$(shown)"
    [ -n "$stderr" ] || fail "dokku $arguments said nothing on standard error" "$(shown)"
    diff <(echo "$before") <(what_is_on_disk)
  done
}

@test "destroying an entry that is mounted" {
  dokku storage:mount "$APP" "$ENTRY" --container-dir /data
  refuses storage:destroy "$ENTRY" --force
}

@test "storage:report with two flags says something" {
  run dokku storage:report "$APP" --storage-deploy-mounts --storage-run-mounts
  [ "$status" -ne 0 ] || [ -n "$output" ] || fail "nothing was printed, and the exit status is 0"
}

@test "storage:list shows mounts of the run phase too" {
  dokku storage:mount "$APP" "$ENTRY" --container-dir /only-in-run --phase run
  run mounts_of "$APP"
  assert_has /only-in-run
}

@test "sudo helpers take their root from no caller, follow no link and leave the root itself alone" {
  local helper="$DOKKU_LIB_ROOT/plugins/enabled/storage/bin"
  mkdir -p "$HOST/evil/data/storage/victim" "$HOST/outside"
  ln -s "$HOST/outside" "$DOKKU_LIB_ROOT/data/storage/$APP-link"
  local before
  before=$(snapshot "$HOST/evil" && snapshot "$HOST/outside")
  run env DOKKU_LIB_ROOT="$HOST/evil" "$helper/chown-storage-dir" victim 1000
  run env DOKKU_LIB_ROOT="$HOST/evil" "$helper/chmod-storage-dir" victim 0777
  run env DOKKU_LIB_ROOT="$HOST/evil" "$helper/destroy-storage-dir" victim
  run "$helper/chown-storage-dir" "$APP-link" 1000
  [ "$status" -ne 0 ] || fail "chown followed a link" "$(shown)"
  run "$helper/chmod-storage-dir" "$APP-link" 0777
  [ "$status" -ne 0 ] || fail "chmod followed a link" "$(shown)"
  run "$helper/destroy-storage-dir" "$APP-link"
  for name in .. . "" / a/b "../storage"; do
    run "$helper/destroy-storage-dir" "$name"
    assert_status 1
  done
  diff <(echo "$before") <(snapshot "$HOST/evil" && snapshot "$HOST/outside")
  rm -f "$DOKKU_LIB_ROOT/data/storage/$APP-link"
}

@test "what sudo may run is root's alone" {
  [ -f "$SUDOERS" ] || fail "there is no $SUDOERS"
  assert_equal "root:root" "$(stat -c %U:%G "$SUDOERS")"
  visudo -cf "$SUDOERS"
  for name in chown-storage-dir chmod-storage-dir destroy-storage-dir; do
    assert_equal 1 "$(grep -cE "storage/bin/$name\$" "$SUDOERS")"
    local path
    path=$(grep -oE "/[^ ]*storage/bin/$name" "$SUDOERS")
    # Neither the file nor any folder above it can be written by anybody but root.
    while :; do
      assert_equal root "$(stat -c %U "$path")"
      [ $((0$(stat -L -c %a "$path") & 022)) -eq 0 ] || fail "$path can be written by others"
      [ "$path" != / ] || break
      path=$(dirname "$path")
    done
  done
  run sudo -u dokku -n sudo -n /bin/true
  [ "$status" -ne 0 ] || fail "dokku may run more than the helpers"
}

@test "an ownership that sudo does not let us set: nothing is left of the command" {
  local before arguments
  mv "$SUDOERS" "$BATS_TEST_TMPDIR/away"
  before=$(what_is_on_disk)
  # Not heroku: its user may have the number of dokku, who needs no sudo for that.
  for arguments in "storage:create $APP-new --chown herokuish" "storage:ensure-directory $APP-new" "storage:set $ENTRY chown herokuish"; do
    # shellcheck disable=SC2086
    run_apart dokku $arguments
    if [ "$status" -ne 1 ] || ! diff <(echo "$before") <(what_is_on_disk); then
      mv "$BATS_TEST_TMPDIR/away" "$SUDOERS"
      fail "dokku $arguments" "$(shown)"
      return
    fi
    assert_stderr_has "sudo"
  done
  mv "$BATS_TEST_TMPDIR/away" "$SUDOERS"
}

@test "a directory that cannot be made is refused, and hinders nothing afterwards" {
  local number=0 place long
  long=$(printf 'a%.0s' $(seq 300))
  mkdir -m 0750 "$HOST/closed"
  mkdir "$HOST/read-only"
  mount -t tmpfs -o ro none "$HOST/read-only"
  ln -s loop "$HOST/srv/loop"
  for place in "$HOST/closed/x/y" "$HOST/read-only/x" "$HOST/srv/$long/x" "$HOST/srv/loop/x" /proc/x; do
    for command in "storage:create $APP-bad $place" "storage:mount $APP $place:/data"; do
      # shellcheck disable=SC2086 # the words of a command
      run dokku $command
      number=$((number + 1))
      dokku storage:create "$APP-$number" || fail "after: $command"
      dokku storage:unmount "$APP" "$place:/data" >/dev/null 2>&1 || true
    done
    run dokku storage:doctor
    assert_has_not "unfinished-change"
  done
  umount "$HOST/read-only"
}

@test "the doctor names a change that cannot be finished, and what waits for it" {
  local lock="$REGISTRY/.lock"
  dokku storage:create "$APP-one"
  # A change was cut off that had prepared a file in a directory that is root's by now.
  mkdir "$DOKKU_ROOT/closed"
  touch "$DOKKU_ROOT/closed/.DOCKER_OPTIONS_RUN.new"
  chmod 0755 "$DOKKU_ROOT/closed"
  printf '{"preparing":{"files":["%s"],"folders":[]}}\n' "$DOKKU_ROOT/closed/.DOCKER_OPTIONS_RUN.new" >"$lock"
  run dokku storage:create "$APP-two"
  assert_status 1
  run dokku storage:doctor
  assert_has "unfinished-change"
  assert_has "$lock"
  rm -r "$DOKKU_ROOT/closed"
  dokku storage:create "$APP-two"
}
