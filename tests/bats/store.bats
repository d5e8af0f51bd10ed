#!/usr/bin/env bats
# The flat files: what Dokku's own code and other versions read and write, broken ones, owners and modes.
load helper

before_each() {
  OTHER="$APP-other"
  dokku apps:create "$OTHER"
  MOUNTS="$DOKKU_LIB_ROOT/config/storage/$APP/mounts"
}
after_each() { rm -f "$ENTRIES"/broken-*.json; }

# Writes a file as the user dokku, from standard input.
put() { sudo -u dokku sh -c 'mkdir -p "$(dirname "$1")" && umask 077 && cat > "$1"' - "$1"; }

@test "a broken line is named with its file and number; the app's other commands and other apps keep working" {
  dokku storage:mount "$APP" /srv/a:/a
  dokku storage:mount "$OTHER" /srv/b:/b
  echo '{"entry_name":"x", broken' | sudo -u dokku tee -a "$MOUNTS" >/dev/null
  local broken
  broken=$(sha256sum "$MOUNTS")

  run_apart dokku storage:list "$APP"
  assert_stderr_has "$MOUNTS"
  [[ $stderr =~ line\ 2 ]] || fail "the line is not named" "$(shown)"
  run_apart dokku storage:mount "$APP" /srv/c:/c
  assert_refused
  assert_stderr_has "$MOUNTS"
  assert_equal "$broken" "$(sha256sum "$MOUNTS")"
  run_apart trigger pre-release-builder dockerfile "$APP" "dokku/$APP:latest"
  if [ "$status" -eq 0 ]; then run_apart trigger docker-args-deploy "$APP" latest web 1; fi
  [ "$status" -ne 0 ] || fail "an app whose mounts cannot be read would be deployed without them" "$(shown)"

  run_apart dokku storage:list "$OTHER" --format json
  assert_success
  assert_equal "" "$stderr"
  dokku storage:mount "$OTHER" /srv/c:/c
  assert_equal 2 "$(mounts_of "$OTHER" | jq length)"
  run dokku storage:report
  assert_has "$OTHER storage information"
}

@test "a broken entry is named; other entries keep working" {
  dokku storage:create "$APP-good"
  printf '{\n  "name": "broken-%s",\n  "scheduler": 7\n}\n' "$APP" | put "$ENTRIES/broken-$APP.json"
  run_apart dokku storage:info "broken-$APP"
  assert_refused
  assert_stderr_has "$ENTRIES/broken-$APP.json"
  [[ $stderr =~ line\ 3 ]] || fail "the line is not named" "$(shown)"
  run_apart dokku storage:list-entries
  assert_has "$APP-good"
  assert_stderr_has "broken-$APP.json"
  run dokku storage:info "$APP-good"
  assert_success
  run dokku storage:mount "$APP" "$APP-good" --container-dir /good
  assert_success
}

@test "a missing entry: the app's other mounts stay, and deploys go on with a warning" {
  dokku storage:mount "$APP" /srv/kept:/kept
  dokku storage:create "$APP-lost"
  dokku storage:mount "$APP" "$APP-lost" --container-dir /lost
  rm "$ENTRIES/$APP-lost.json"
  dokku storage:app:set "$APP" missing-source ignore
  run_apart trigger docker-args-deploy "$APP" latest web
  assert_success
  assert_equal "/srv/kept:/kept" "$(split_words <<<"$output" | grep -v -- -v)"
  assert_stderr_has "$APP-lost"
  run_apart dokku storage:list "$APP"
  assert_success
  assert_has /srv/kept:/kept
  run dokku storage:unmount "$APP" "$APP-lost"
  assert_success
  assert_equal '["/kept"]' "$(mounts_of "$APP" | jq -c '[.[].container_path]')"
}

@test "fields that we do not know survive every rewrite" {
  put "$ENTRIES/$APP-data.json" <<JSON
{
  "name": "$APP-data",
  "scheduler": "docker-local",
  "host_path": "/srv/data",
  "from_tomorrow": {"deep": [1, 2.50, "ü"]},
  "schema_version": 1
}
JSON
  put "$MOUNTS" <<JSON
{"entry_name":"$APP-data","container_path":"/data","phases":["deploy","run"],"process_type":"_default_","from_tomorrow":{"a":[true,null]}}
JSON
  dokku storage:mount "$APP" /srv/more:/more
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-readonly
  dokku storage:set "$APP-data" namespace prod
  dokku storage:annotations:set "$APP-data" team billing
  assert_equal '{"a":[true,null]}' "$(jq -c 'select(.entry_name == "'"$APP-data"'") | .from_tomorrow' "$MOUNTS")"
  assert_equal true "$(jq -c 'select(.entry_name == "'"$APP-data"'") | .readonly' "$MOUNTS")"
  assert_equal '{"deep":[1,2.50,"ü"]}' "$(jq -c .from_tomorrow "$ENTRIES/$APP-data.json" | sed 's/2\.5,/2.50,/')"
  assert_equal prod "$(jq -r .namespace "$ENTRIES/$APP-data.json")"
}

@test "the files have the shape that Dokku's own plugin writes" {
  dokku storage:mount "$APP" /srv/ro:/ro:ro
  dokku storage:create "$APP-data"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --process-type web --phase deploy
  local legacy
  legacy="legacy-$(printf /srv/ro | sha1sum | cut -c1-10)"
  run cat "$MOUNTS"
  assert_output "{\"entry_name\":\"$legacy\",\"container_path\":\"/ro\",\"phases\":[\"deploy\",\"run\"],\"process_type\":\"_default_\",\"readonly\":true}
{\"entry_name\":\"$APP-data\",\"container_path\":\"/data\",\"phases\":[\"deploy\"],\"process_type\":\"web\"}"
  run cat "$ENTRIES/$legacy.json"
  assert_output "{
  \"name\": \"$legacy\",
  \"scheduler\": \"docker-local\",
  \"host_path\": \"/srv/ro\",
  \"schema_version\": 1
}"
}

# Every file of the store is 0600, every folder 0755, all of it belongs to dokku.
assert_owners_and_modes() {
  local wrong
  wrong=$(find "$DOKKU_LIB_ROOT/config/storage" "$DOKKU_LIB_ROOT/data/storage-registry" \
    \( -type f ! -perm 0600 -o -type d ! -perm 0755 -o ! -user dokku -o ! -group dokku \) -printf '%p is %m, %u:%g\n')
  assert_equal "" "$wrong"
  wrong=$(find "$DOKKU_LIB_ROOT/config" "$DOKKU_LIB_ROOT/data" -maxdepth 1 \( ! -user dokku -o ! -group dokku \) -printf '%p is %u:%g\n')
  assert_equal "" "$wrong"
}

@test "files are 0600, folders 0755, all of it dokku's" {
  dokku storage:create "$APP-data"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  dokku storage:mount "$APP" /srv/a:/a
  dokku storage:migrate "$APP"
  assert_owners_and_modes
  assert_equal dokku:dokku "$(stat -c %U:%G "$DOKKU_LIB_ROOT/data/storage/$APP-data")"
}

@test "also after root ran a command, and after the install trigger" {
  local plugin="$DOKKU_LIB_ROOT/plugins/enabled/storage"
  (
    umask 077
    cd /
    as_dokku_runs_it "$plugin/subcommands/create" storage:create "$APP-root"
    as_dokku_runs_it "$plugin/subcommands/mount" storage:mount "$APP" "$APP-root" --container-dir /root-data
    as_dokku_runs_it "$plugin/subcommands/mount" storage:mount "$APP" /srv/root:/colon
    mkdir -p "$DOKKU_LIB_ROOT/config/docker-options/$OTHER"
    echo "-v /srv/old:/old" >"$DOKKU_LIB_ROOT/config/docker-options/$OTHER/_default_.deploy"
    chown -R dokku:dokku "$DOKKU_LIB_ROOT/config/docker-options"
    rm -rf "$DOKKU_LIB_ROOT/config/storage/$OTHER"
    as_dokku_runs_it "$plugin/install"
  )
  assert_owners_and_modes
  assert_equal dokku:dokku "$(stat -c %U:%G "$DOKKU_LIB_ROOT/data/storage/$APP-root")"
  assert_equal 2 "$(mounts_of "$APP" | jq length)"
  # What the install trigger migrated is there, and dokku can go on working with it.
  assert_equal '["/old"]' "$(mounts_of "$OTHER" | jq -c '[.[].container_path]')"
  dokku storage:unmount "$OTHER" /srv/old:/old
  dokku storage:unmount "$APP" "$APP-root"
}

@test "folders that an older version left without read permission or owned by root are put right by install" {
  mkdir -p "$DOKKU_LIB_ROOT/config/storage/$APP"
  echo '{"entry_name":"'"$APP"'-x","container_path":"/x","phases":["deploy"],"process_type":"_default_"}' >"$MOUNTS"
  chown -R root:root "$DOKKU_LIB_ROOT/config/storage/$APP"
  chmod 0644 "$MOUNTS"
  as_dokku_runs_it "$DOKKU_LIB_ROOT/plugins/enabled/storage/install"
  run dokku storage:mount "$APP" /srv/a:/a
  assert_success
  assert_equal dokku:dokku "$(stat -c %U:%G "$MOUNTS")"
}

@test "empty lines, no final newline, Windows line ends and a byte order that nobody promised" {
  printf '\n{"phases":["run"],"container_path":"/data","entry_name":"%s"}\r\n\n{"entry_name":"%s","container_path":"/b","phases":["deploy"],"process_type":"_default_"}' \
    "$APP-data" "$APP-data" | put "$MOUNTS"
  printf '{"name":"%s","scheduler":"docker-local","host_path":"/srv/data","schema_version":1}' "$APP-data" | put "$ENTRIES/$APP-data.json"
  assert_equal '["/b","/data"]' "$(mounts_of "$APP" | jq -c '[.[].container_path] | sort')"
}

@test "stored lines that would smuggle options are not handed to docker" {
  printf '{"name":"%s","scheduler":"docker-local","host_path":"/srv/data","schema_version":1}' "$APP-data" | put "$ENTRIES/$APP-data.json"
  printf '{"entry_name":"%s","container_path":"/x --privileged","phases":["deploy"],"process_type":"_default_"}\n' "$APP-data" | put "$MOUNTS"
  run_apart trigger docker-args-deploy "$APP" latest web 1
  # Either the line is refused, or it is one word; never an option.
  run split_words <<<"$output"
  for word in "${lines[@]}"; do
    [ "$word" != --privileged ] || fail "docker would get --privileged" "$(shown)"
  done
}

@test "storage:wait, info and list-entries read what other programs wrote meanwhile" {
  printf '{"name":"%s","scheduler":"docker-local","host_path":"%s","schema_version":1}' "$APP-late" "$DOKKU_LIB_ROOT/data/storage/$APP-late" | put "$ENTRIES/$APP-late.json"
  run dokku storage:wait "$APP-late"
  assert_status 1
  sudo -u dokku mkdir "$DOKKU_LIB_ROOT/data/storage/$APP-late"
  run dokku storage:wait "$APP-late"
  assert_success
}
