#!/usr/bin/env bats
# Declarative use: a document makes an app's mounts exactly what it says, in one step; what is so already stays as it is.
load helper
needs docker

apply() { dokku storage:apply "$APP" "${@:2}" <<<"$1"; }

# Everything that the store keeps.
store() { snapshot "$DOKKU_LIB_ROOT/data/storage-registry"; snapshot "$CONFIG"; }

# twice COMMAND…: the second time the same leaves the store as it is, and is a success, or says how it is already. $INPUT is its
# standard input.
twice() {
  local before
  run dokku "$@" <<<"${INPUT:-}"
  assert_success
  before=$(store)
  run dokku "$@" <<<"${INPUT:-}"
  assert_equal "$(store)" "$before" || fail "the second time changed the store: $*" "$(shown)"
  [ "$status" = 0 ] || assert_has "already" || fail "the second time: $*"
}
# gone COMMAND…: the same for a command that takes something away.
gone() {
  local before
  run dokku "$@"
  assert_success
  before=$(store)
  run dokku "$@"
  assert_equal "$(store)" "$before"
  [ "$status" = 0 ] || [[ $output =~ "does not exist"|"is not mounted"|"no storage entry serves" ]] || fail "the second time: $*" "$(shown)"
}

# Mounts with every attribute.
mount_everything() {
  mkdir -p "$DIR/part"
  dokku storage:create "$APP-one" --chown root
  dokku storage:create "$APP-two" "$DIR"
  dokku storage:mount "$APP" "$APP-one" --container-dir /one --volume-chown heroku --phase deploy
  dokku storage:mount "$APP" "$APP-one" --container-dir /ro --process-type web --volume-readonly
  dokku storage:mount "$APP" "$APP-two" --container-dir "/two words" --volume-subpath part --volume-options Z --phase build,run
  dokku storage:mount "$APP" "$DIR:/colon:ro,Z"
  dokku storage:mount "$APP" "$APP-volume:/volume:nocopy"
  dokku storage:needs:import "$APP" <<<'[{"id":"cache","path":"/cache","mode":"ro"}]'
  dokku storage:needs:link "$APP" cache "$APP-one"
}

@test "what storage:list prints changes nothing" {
  mount_everything
  local document before
  document=$(mounts_of "$APP") before=$(store)
  run apply "$document"
  assert_success
  assert_has Nothing
  assert_equal "$(store)" "$before"
  run apply "$document" --plan
  assert_success
  # An app that mounts nothing, and no mounts.
  dokku apps:create "$APP-bare"
  run dokku storage:apply "$APP-bare" <<<"$(mounts_of "$APP-bare")"
  assert_success
  [ ! -e "$CONFIG/$APP-bare/mounts" ] || fail "a file was made for nothing"
}

@test "mounts with every attribute are made again as they were, for this app and for another" {
  mount_everything
  local document
  document=$(mounts_of "$APP")
  run apply '[]'
  assert_success
  assert_equal "[]" "$(mounts_of "$APP")"
  run apply "$document"
  assert_success
  assert_equal "$(jq -S . <<<"$document")" "$(mounts_of "$APP" | jq -S .)"
  dokku apps:create "$APP-other"
  dokku storage:apply "$APP-other" <<<"$document"
  assert_equal "$(jq -S . <<<"$document")" "$(mounts_of "$APP-other" | jq -S .)"
}

@test "a mount that comes, one that goes and one that changes, in one step; the containers get exactly that" {
  mkdir -m 0777 "$DIR"/{a,b,c}
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$DIR/a:/a"
  dokku storage:mount "$APP" "$DIR/b:/b"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  deploy "$APP"
  local document inode
  document=$(jq -n --arg dir "$DIR" --arg data "$APP-data" '[
    {host_path: ($dir + "/a"), container_path: "/a"},
    {entry_name: $data, container_path: "/data", readonly: true},
    {host_path: ($dir + "/c"), container_path: "/c", phases: ["deploy"]}]')
  inode=$(stat -c %i "$CONFIG/$APP/mounts")
  run apply "$document" --plan
  assert_status 2
  assert_line_with + /c
  assert_line_with - /b
  assert_line_with '~' /data
  assert_equal "" "$(lines_with "at /a")"
  assert_equal "$inode" "$(stat -c %i "$CONFIG/$APP/mounts")"
  assert_equal "/a /b /data" "$(mounts_of "$APP" | jq -r '.[].container_path' | sort | xargs)"

  run apply "$document"
  assert_success
  assert_line_with "dokku ps:restart $APP"
  assert_equal "/a /c /data" "$(mounts_of "$APP" | jq -r '.[].container_path' | sort | xargs)"
  run apply "$document" --plan
  assert_success
  dokku ps:restart "$APP"
  assert_equal "/a true
/c true
/data false" "$(docker inspect --format '{{range .Mounts}}{{.Destination}} {{.RW}}{{println}}{{end}}' "$(container "$APP")" | sort | grep .)"
  # The entry that was made for the colon mount went with it, the data did not.
  assert_equal "" "$(dokku storage:list-entries --format json | jq -r --arg path "$DIR/b" '.[] | select(.host_path == $path) | .name')"
  [ -d "$DIR/b" ] || fail "the data is gone"
}

@test "a bad document changes nothing, and says what is wrong in it" {
  mount_everything
  local before document bad word
  before=$(store)
  while read -r word bad; do
    document=$(jq -c --argjson bad "$bad" '[{entry_name: "'"$APP-one"'", container_path: "/new"}] + [$bad]' <<<null)
    run_apart apply "$document"
    assert_refused
    assert_stderr_has "$word"
    run_apart apply "$document" --plan
    assert_refused
    assert_equal "$(store)" "$before"
  done <<BAD
no-such-entry {"entry_name":"no-such-entry","container_path":"/x"}
host_path {"container_path":"/x"}
container_path {"entry_name":"$APP-one"}
/new {"entry_name":"$APP-two","container_path":"/new/"}
option {"host_path":"/tmp","container_path":"/x --privileged"}
absolute {"entry_name":"$APP-one","container_path":"x"}
subpath {"entry_name":"$APP-one","container_path":"/x","subpath":"../../etc"}
dinner {"entry_name":"$APP-one","container_path":"/x","phases":["dinner"]}
phase {"entry_name":"$APP-one","container_path":"/x","phases":[]}
where {"entry_name":"$APP-one","container_path":"/x","readonly":"yes"}
contradict {"entry_name":"$APP-one","container_path":"/x","readonly":true,"volume_options":"rw"}
chown {"entry_name":"$APP-one","container_path":"/x","volume_chown":"nobody-at-all"}
BAD
  for bad in "" nonsense '{}' '[1]' 'null' "$(mounts_of "$APP")trailing"; do
    run_apart apply "$bad"
    assert_refused
    assert_equal "$(store)" "$before"
  done
}

@test "a field that apply does not know is refused, not left out silently" {
  dokku storage:create "$APP-one"
  run_apart apply "[{\"entry_name\":\"$APP-one\",\"container_path\":\"/x\",\"read_only\":true}]"
  assert_refused
  assert_stderr_has read_only
}

@test "two applies at the same time: one after the other, nothing mixed" {
  local n jobs=()
  for n in 1 2 3 4 5 6; do
    mkdir -m 0777 "$DIR/$n"
    apply "[{\"host_path\":\"$DIR/$n\",\"container_path\":\"/a$n\"},{\"host_path\":\"$DIR/$n\",\"container_path\":\"/b$n\"}]" >/dev/null &
    jobs+=($!)
  done
  wait "${jobs[@]}" # not for the timer of bats, too
  run jq -r '[.[].container_path] | sort | join(" ")' <<<"$(mounts_of "$APP")"
  [[ $output =~ ^/a([1-6])\ /b([1-6])$ && ${BASH_REMATCH[1]} = "${BASH_REMATCH[2]}" ]] || fail "mixed" "$(shown)"
}

# --- every other command, twice -----------------------------------------------------------------------------

@test "each command twice: the second changes nothing, and says so" {
  twice storage:ensure-directory "$APP-folder"
  twice storage:create "$APP-one" --chown heroku --mode 0750
  twice storage:create "$APP-two" "$DIR" --scope "$APP"
  twice storage:mount "$APP" "$APP-one" --container-dir /one --process-type web --volume-readonly
  twice storage:mount "$APP" "$DIR:/colon"
  twice storage:set "$APP-one" chown paketo
  twice storage:set "$APP-one" node the-other-node
  twice storage:annotations:set "$APP-one" key value
  twice storage:labels:set "$APP-one" key value
  twice storage:app:set "$APP" missing-source create
  twice storage:app:set "$APP" clone copy
  run dokku storage:app:set "$APP" clone copy
  assert_has already
  INPUT='[{"id":"cache","path":"/cache"}]' twice storage:needs:import "$APP"
  twice storage:needs:link "$APP" cache "$APP-two"
  twice storage:migrate "$APP"
  INPUT=$(mounts_of "$APP") twice storage:apply "$APP"
  INPUT="[{\"entry_name\":\"$APP-one\",\"container_path\":\"/one\"},{\"host_path\":\"$DIR\",\"container_path\":\"/colon\"},{\"entry_name\":\"$APP-two\",\"container_path\":\"/cache\",\"need\":\"cache\"}]" \
    twice storage:apply "$APP"
  gone storage:needs:unlink "$APP" cache
  gone storage:unmount "$APP" "$DIR:/colon"
  gone storage:unmount "$APP" "$APP-one"
  gone storage:annotations:set "$APP-one" key
  gone storage:destroy "$APP-one" --force
}
