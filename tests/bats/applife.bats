#!/usr/bin/env bats
# The life of an app: what becomes of its mounts and its data when it is destroyed, renamed, cloned and reported.
load helper
needs docker

# The entry of a colon mount of this path.
legacy() { dokku storage:list-entries --format json | jq -r --arg path "$1" '.[] | select(.host_path == $path) | .name | select(startswith("legacy-"))'; }
paths_of() { mounts_of "$1" | jq -r '.[].container_path' | sort | xargs; }
# The source of the mount at a container path.
source_of() { docker inspect --format '{{range .Mounts}}{{.Destination}} {{.Name}}{{if not .Name}}{{.Source}}{{end}}{{println}}{{end}}' "$(container "$1")" | sed -n "s|^$2 ||p"; }

# --- destroy ------------------------------------------------------------------------------------------------

@test "apps:destroy: the attachments go, legacy entries that nobody uses go, named entries and all data stay" {
  mkdir -m 0777 "$DIR"/{own,shared}
  dokku storage:create "$APP-data" --chown root
  dokku apps:create "$APP-other"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  dokku storage:mount "$APP" "$DIR/own:/own"
  dokku storage:mount "$APP" "$DIR/shared:/shared"
  dokku storage:mount "$APP-other" "$DIR/shared:/elsewhere"
  dokku storage:app:set "$APP" missing-source create
  deploy "$APP"
  deploy "$APP-other"
  inside "$APP" web sh -c 'for d in /data /own /shared; do echo kept > $d/a; done'
  [ -n "$(legacy "$DIR/own")" ] || fail "no entry was made for the colon mount"
  dokku --force apps:destroy "$APP"

  [ ! -e "$CONFIG/$APP" ] || fail "the app's folder is still there"
  assert_equal "" "$(legacy "$DIR/own")"
  [ -n "$(legacy "$DIR/shared")" ] || fail "the entry that another app mounts is gone"
  run dokku storage:info "$APP-data"
  assert_success
  assert_equal "kept kept kept" "$(cat "$ROOT/$APP-data/a" "$DIR/own/a" "$DIR/shared/a" | xargs)"
  assert_equal kept "$(inside "$APP-other" web cat /elsewhere/a)"

  # A new app of the same name has none of it.
  dokku apps:create "$APP"
  assert_equal "[]" "$(mounts_of "$APP")"
  assert_equal fail "$(dokku storage:app:report "$APP" --storage-app-missing-source)"
  dokku --force apps:destroy "$APP-other"
  assert_equal "" "$(legacy "$DIR/shared")"
}

@test "apps:destroy of an app without mounts, and of one whose mounts cannot be read" {
  dokku --force apps:destroy "$APP"
  [ ! -e "$CONFIG/$APP" ] || fail "a folder was made"
  dokku apps:create "$APP"
  dokku storage:create "$APP-data"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  echo nonsense | sudo -u dokku tee -a "$CONFIG/$APP/mounts" >/dev/null
  run dokku --force apps:destroy "$APP"
  assert_success
  [ ! -e "$CONFIG/$APP" ] || fail "the app's folder is still there"
  run dokku storage:destroy "$APP-data" --force
  assert_success
}

# --- rename -------------------------------------------------------------------------------------------------

@test "apps:rename: mounts, needs and settings move, the old name has nothing; the same data" {
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  dokku storage:mount "$APP" "$DIR:/colon"
  dokku storage:needs:import "$APP" <<<'[{"id":"cache","path":"/cache"}]'
  dokku storage:needs:link "$APP" cache "$APP-data"
  dokku storage:app:set "$APP" missing-source create
  deploy "$APP"
  inside "$APP" web sh -c 'echo kept > /data/a'
  local document
  document=$(mounts_of "$APP")
  dokku apps:rename "$APP" "$APP-new"
  assert_equal "$(mounts_of "$APP-new")" "$document"
  assert_equal "[[\"cache\",\"$APP-data\"]]" "$(dokku storage:needs:list "$APP-new" --format json | jq -c '[.[] | [.id, .entry]]')"
  assert_equal create "$(dokku storage:app:report "$APP-new" --storage-app-missing-source)"
  [ ! -e "$CONFIG/$APP" ] || fail "the old name still has a folder"
  run deploy "$APP-new"
  assert_success
  assert_equal kept "$(inside "$APP-new" web cat /data/a)"
  dokku apps:create "$APP"
  assert_equal "[]" "$(mounts_of "$APP")"
}

# --- clone --------------------------------------------------------------------------------------------------

@test "apps:clone shares by default, and says of each mount that both use the same data" {
  dokku storage:create "$APP-data" --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-readonly --process-type web
  dokku storage:mount "$APP" "$DIR:/colon"
  deploy "$APP"
  run dokku apps:clone "$APP" "$APP-clone"
  assert_success
  assert_line_with "$APP-clone" "$APP-data"
  assert_line_with "$APP-clone" "$DIR"
  [[ $output == *"same data"* || $output == *share* ]] || fail "it is not said that both use the same data" "$(shown)"
  assert_equal "$(mounts_of "$APP-clone")" "$(mounts_of "$APP")"
  deploy "$APP-clone"
  inside "$APP" web sh -c 'echo "from the original" > /colon/a'
  assert_equal "from the original" "$(inside "$APP-clone" web cat /colon/a)"
  # An app without mounts has nothing to say.
  dokku apps:create "$APP-bare"
  run dokku apps:clone "$APP-bare" "$APP-bare-clone"
  assert_success
  [[ ! $output =~ storage|mount|data ]] || fail "something is said" "$(shown)"
}

@test "clone copy: entries of its own with the data, its owners and modes; neither app sees what the other writes later" {
  dokku storage:create "$APP-data" --chown heroku --mode 0750
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  deploy "$APP"
  inside "$APP" web sh -c 'mkdir /data/d; echo text > /data/d/file; ln -s d/file /data/link; chown -R 70:71 /data/d; chmod 0600 /data/d/file'
  dokku storage:app:set "$APP" clone copy
  run dokku apps:clone "$APP" "$APP-clone"
  assert_success
  assert_equal /data "$(paths_of "$APP-clone")"
  deploy "$APP-clone"
  [ "$(source_of "$APP" /data)" != "$(source_of "$APP-clone" /data)" ] || fail "the clone has the original's data"
  assert_equal "text d/file" "$(inside "$APP-clone" web sh -c 'cat /data/link; readlink /data/link' | xargs)"
  assert_equal "70:71 600 1000:1000 750" "$(inside "$APP-clone" web stat -c '%u:%g %a' /data/d/file /data | xargs)"
  inside "$APP" web sh -c 'echo of the original > /data/later'
  inside "$APP-clone" web sh -c 'echo of the clone > /data/d/file'
  assert_equal text "$(inside "$APP" web cat /data/d/file)"
  run inside "$APP-clone" web test -e /data/later
  assert_status 1
  # It goes without the original's data going.
  dokku --force apps:destroy "$APP-clone"
  assert_equal text "$(inside "$APP" web cat /data/d/file)"
}

@test "clone empty: entries of its own, with the same owner and mode and nothing in them" {
  dokku storage:create "$APP-data" --chown heroku --mode 0750
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-readonly --process-type web
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --process-type worker
  deploy "$APP" web=1 worker=1
  inside "$APP" worker sh -c 'echo text > /data/file'
  dokku storage:app:set "$APP" clone empty
  run dokku apps:clone "$APP" "$APP-clone"
  assert_success
  deploy "$APP-clone" web=1 worker=1
  assert_equal "" "$(inside "$APP-clone" web ls -A /data)"
  assert_equal "1000:1000 750" "$(inside "$APP-clone" web stat -c '%u:%g %a' /data)"
  # Two mounts of one entry are two mounts of one entry, with their settings.
  inside "$APP-clone" worker sh -c 'echo of the clone > /data/mine'
  assert_equal "of the clone" "$(inside "$APP-clone" web cat /data/mine)"
  run inside "$APP-clone" web sh -c 'echo a > /data/mine'
  [ "$status" -ne 0 ] || fail "the read-only mount can be written" "$(shown)"
  run inside "$APP" web test -e /data/mine
  assert_status 1
}

@test "clone copy and empty: a host path or a docker volume is not shared silently" {
  local way
  docker volume create --label "$TEST_LABEL" "$APP-volume" >/dev/null
  dokku storage:mount "$APP" "$DIR:/colon"
  dokku storage:mount "$APP" "$APP-volume:/volume"
  deploy "$APP"
  for way in copy empty; do
    dokku storage:app:set "$APP" clone "$way"
    run dokku apps:clone "$APP" "$APP-$way"
    assert_success
    local mounts
    mounts=$(mounts_of "$APP-$way")
    # Either the clone has another source there, or none, or what it shares is said.
    for source in "$DIR" "$APP-volume"; do
      [ -z "$(jq -r --arg source "$source" '.[] | select(.host_path == $source)' <<<"$mounts")" ] || assert_has "$source"
    done
  done
}

@test "a clone of a clone, and an entry's scope: what the clone may not have it does not get" {
  dokku storage:create "$APP-data" --chown root --scope "$APP"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  run dokku apps:clone "$APP" "$APP-clone"
  assert_success
  assert_has "$APP-data"
  assert_equal "[]" "$(mounts_of "$APP-clone")"
  dokku storage:create "$APP-free" --chown root
  dokku storage:mount "$APP-clone" "$APP-free" --container-dir /free
  dokku storage:app:set "$APP-clone" clone empty
  dokku apps:clone "$APP-clone" "$APP-two"
  run dokku apps:clone "$APP-two" "$APP-three"
  assert_success
  assert_equal /free "$(paths_of "$APP-three")"
}

@test "clone: needs are the clone's own, and its links" {
  dokku storage:needs:import "$APP" <<<'[{"id":"cache","description":"Small pictures","path":"/cache"}]'
  dokku storage:create "$APP-cache" --chown root
  dokku storage:needs:link "$APP" cache "$APP-cache"
  dokku apps:clone "$APP" "$APP-clone"
  assert_equal '["cache"]' "$(dokku storage:needs:list "$APP-clone" --format json | jq -c '[.[].id]')"
  dokku storage:needs:unlink "$APP-clone" cache
  assert_equal "[[\"cache\",\"$APP-cache\"]]" "$(dokku storage:needs:list "$APP" --format json | jq -c '[.[] | [.id, .entry]]')"
}

@test "files of root's in a deleted app's store do not stop later changes" {
  dokku storage:create "$APP-data"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  mkdir "$CONFIG/$APP/roots"
  echo kept >"$CONFIG/$APP/roots/file"
  dokku --force apps:destroy "$APP"
  dokku storage:create "$APP-other"
  dokku storage:create "$APP-third"
  run dokku storage:doctor
  assert_has "was to be removed, but has files of another user"
  assert_has "look at it, then remove it: sudo rm -r $REGISTRY/.left-"
  [ ! -e "$REGISTRY/.change" ] || fail "the staging place is still there"
  rm -r "$REGISTRY"/.left-*
}

# --- report ---------------------------------------------------------------------------------------------------

@test "dokku report shows the app's storage" {
  dokku storage:create "$APP-data"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  dokku storage:mount "$APP" "$DIR:/colon:ro"
  run dokku report "$APP"
  assert_success
  assert_line_with "$APP" storage
  assert_has "$ROOT/$APP-data:/data"
  assert_has "$DIR:/colon:ro"
}
