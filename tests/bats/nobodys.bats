#!/usr/bin/env bats
# What no app mounts now: an entry that was others' or is to be theirs, that is still in their containers, or that is theirs by another
# name.
load helper
load support/acl
needs docker standin

before_all() {
  mkdir -p "$SUITE/declares/ret"
  WITH_VOLUME=$(make_image declares-ret "$SUITE/declares" 'VOLUME /ret')
  export WITH_VOLUME
}
before_each() {
  ENTRY="$APP-e"
  make_acl
}
after_each() {
  rm -f "$SEEN"
  NAME="admin" drop_entries
}

# does_not_exist: nothing can be done with the entry by who does not see it.
does_not_exist() {
  local words
  for words in "info $ENTRY" "wait $ENTRY" "usage $ENTRY" "snapshots:create $ENTRY s2" "snapshots:list $ENTRY" "create $APP-copy --from snapshot:$ENTRY@s" \
    "clone $ENTRY $APP-clone" "set $ENTRY mode 0700" "set $ENTRY chown 4444" "set $ENTRY scope $APP" "annotations:set $ENTRY a.example/b c" \
    "mount $APP $ENTRY --container-dir /e" "exec $ENTRY --image $TEST_IMAGE -- cat /data/secret" "destroy $ENTRY --force --destroy-host-dir --no-trash"; do
    # shellcheck disable=SC2086 # they are words
    run dokku storage:${words}
    [ "$status" -ne 0 ] || fail "it was not refused: $words" "$(shown)"
    [[ $output == *"does not exist"* || $output == *"is not a snapshot"* || $output == *"no snapshot"* ]] || fail "it says something else: $words" "$(shown)"
    assert_has_not "$HIDDEN"
  done
  assert_equal "secret 755" "$(cat "$ROOT/$ENTRY/secret") $(stat -c %a "$ROOT/$ENTRY")"
}

@test "an entry is for the apps of its scope, also before and after they are there" {
  as_admin storage:create "$ENTRY" --scope "$APP-later" --mode 0755
  echo secret >"$ROOT/$ENTRY/secret"
  as_admin storage:snapshots:create "$ENTRY" s
  does_not_exist
  as_admin storage:info "$ENTRY"
  # Nobody makes what they would not see.
  run dokku storage:create "$APP-mine" --scope "$APP-later"
  assert_status 1
  assert_has "you see no app of scope $APP-later"
  dokku storage:create "$APP-mine" --scope "$APP"
  run dokku storage:set "$APP-mine" scope "$HIDDEN"
  assert_status 1
  assert_has "you see no app of scope $HIDDEN"
  dokku apps:create "$APP-later" >/dev/null
  dokku storage:info "$ENTRY"
}

@test "an entry that containers of a hidden app still have is that app's" {
  as_admin storage:create "$ENTRY" --mode 0755
  as_admin storage:mount "$HIDDEN" "$ENTRY" --container-dir /e
  echo secret >"$ROOT/$ENTRY/secret"
  NAME="admin" deploy "$HIDDEN"
  as_admin storage:snapshots:create "$ENTRY" s
  as_admin storage:unmount "$HIDDEN" "$ENTRY" --container-dir /e
  does_not_exist
  # It is nobody's once they are gone.
  docker rm -f "$(container "$HIDDEN")" >/dev/null
  dokku storage:info "$ENTRY"
}

@test "an entry that a storage:exec has gets no app" {
  local waits words
  as_admin storage:create "$ENTRY"
  as_admin storage:create "$ENTRY-other"
  echo '[{"id": "uploads", "path": "/up"}]' | as_admin storage:needs:import "$HIDDEN"
  dokku storage:exec "$ENTRY" --image "$TEST_IMAGE" -- sh -c "touch /data/runs; n=0; until [ -e /data/over ] || [ \$((n += 1)) -gt 600 ]; do sleep 0.1; done" </dev/null >/dev/null 2>&1 3>&- &
  for ((waits = 0; waits < 100; waits++)); do
    [ ! -e "$ROOT/$ENTRY/runs" ] || break
    sleep 0.1
  done
  for words in "mount $HIDDEN $ENTRY --container-dir /e" "mount $HIDDEN $ROOT/$ENTRY:/e" "mount $HIDDEN --replace $ENTRY:/e" "needs:link $HIDDEN uploads $ENTRY"; do
    # shellcheck disable=SC2086 # they are words
    run as_admin storage:${words}
    assert_status 1 || fail "$words"
    [[ $output == *"storage:exec of storage entry \"$ENTRY\""* || $output == *"which is no app's, has $ROOT/$ENTRY at /data; end it"* ]] || fail "$words" "$(shown)"
  done
  run as_admin storage:apply "$HIDDEN" <<<"[{\"entry_name\":\"$ENTRY\",\"container_path\":\"/e\"}]"
  assert_status 1
  assert_has "storage:exec of storage entry \"$ENTRY\""
  as_admin storage:mount "$HIDDEN" "$ENTRY-other" --container-dir /other
  touch "$ROOT/$ENTRY/over"
  wait $!
  as_admin storage:mount "$HIDDEN" "$ENTRY" --container-dir /e
}

@test "commands around backups that were set before another's app mounted the entry do not run" {
  mkdir "$HOST/backups-$APP"
  chown dokku:dokku "$HOST/backups-$APP"
  as_admin storage:connectors:create "$APP-disk" --type local --path "$HOST/backups-$APP"
  dokku storage:create "$ENTRY"
  dokku storage:set "$ENTRY" backup-image "$TEST_IMAGE"
  dokku storage:set "$ENTRY" backup-before 'rm -rf /data/*'
  run as_admin storage:mount "$HIDDEN" "$ENTRY" --container-dir /e
  assert_success
  assert_has "were set before $HIDDEN mounted it; look at them"
  echo precious >"$ROOT/$ENTRY/file"
  run as_admin storage:backups:create "$ENTRY" --to "$APP-disk"
  assert_status 1
  assert_has "it was set before an app that has the entry now mounted it"
  assert_equal precious "$(cat "$ROOT/$ENTRY/file")"
  # Who sees every app sets it for whoever mounts it.
  as_admin storage:set "$ENTRY" backup-before 'echo ran >/data/ran'
  dokku apps:create "$APP-third" >/dev/null
  as_admin storage:mount "$APP-third" "$ENTRY" --container-dir /e
  as_admin storage:backups:create "$ENTRY" --to "$APP-disk"
  assert_equal ran "$(cat "$ROOT/$ENTRY/ran")"
  as_admin storage:connectors:destroy "$APP-disk" --force
}

@test "the commands of an app that is gone are not those of the next one of its name" {
  dokku apps:create "$APP-gone" >/dev/null
  dokku storage:create "$ENTRY"
  dokku storage:mount "$APP-gone" "$ENTRY" --container-dir /e
  dokku storage:set "$ENTRY" backup-before true
  dokku storage:unmount "$APP-gone" "$ENTRY" --container-dir /e
  dokku storage:create "$ENTRY-trashed"
  dokku storage:mount "$APP-gone" "$ENTRY-trashed" --container-dir /t
  dokku storage:set "$ENTRY-trashed" backup-before true
  dokku storage:unmount "$APP-gone" "$ENTRY-trashed" --container-dir /t
  dokku storage:destroy "$ENTRY-trashed" --force --destroy-host-dir
  trigger post-delete "$APP-gone"
  dokku storage:trash:restore "$ENTRY-trashed"
  assert_equal "[null,null]" "$(jq -cs 'map(.backup.apps)' "$ENTRIES/$ENTRY.json" "$ENTRIES/$ENTRY-trashed.json")"
}

@test "an entry with a size whose place an app mounts by its path is not destroyed" {
  as_admin storage:create "$ENTRY" --size 16M
  as_admin storage:mount "$HIDDEN" "$ROOT/$ENTRY:/p"
  echo db >"$ROOT/$ENTRY/db"
  run as_admin storage:destroy "$ENTRY" --force
  assert_status 1
  assert_has "cannot be destroyed, since $ROOT/$ENTRY is in use: $HIDDEN mounts $ROOT/$ENTRY at /p"
  assert_equal db "$(cat "$ROOT/$ENTRY/db")"
  as_admin storage:unmount "$HIDDEN" "$ROOT/$ENTRY:/p"
  as_admin storage:destroy "$ENTRY" --force
}

@test "a directory that a container has gets no size in its place" {
  mkdir "$ROOT/$ENTRY"
  chown dokku:dokku "$ROOT/$ENTRY"
  as_admin storage:mount "$APP" "$ROOT/$ENTRY:/x"
  deploy "$APP"
  run as_admin storage:create "$ENTRY" --size 16M
  assert_status 1
  assert_has "$APP.web.1 has $ROOT/$ENTRY, in whose place something else would be put; stop it first: dokku ps:stop $APP"
  docker exec "$(container "$APP")" touch /x/file
  docker rm -f "$(container "$APP")" >/dev/null
  rm "$ROOT/$ENTRY/file"
  as_admin storage:create "$ENTRY" --size 16M
}

@test "a store that comes back mounts nothing that two apps may not have" {
  mkdir "$HOST/backups-$APP"
  chown dokku:dokku "$HOST/backups-$APP"
  as_admin storage:connectors:create "$APP-disk" --type local --path "$HOST/backups-$APP"
  as_admin storage:create "$ENTRY" --exclusive
  as_admin storage:create "$ENTRY-more"
  as_admin storage:mount "$HIDDEN" "$ENTRY" --container-dir /e
  as_admin storage:mount "$HIDDEN" "$ENTRY-more" --container-dir /more
  as_admin storage:backups:create --all --to "$APP-disk"
  as_admin storage:unmount "$HIDDEN" --all
  as_admin storage:mount "$APP" "$ENTRY" --container-dir /e
  run as_admin storage:backups:restore-store --from "$APP-disk"
  assert_status 1
  assert_has "$HIDDEN: storage entry \"$ENTRY\" is exclusive and mounted by $APP"
  assert_equal "$ENTRY" "$(dokku storage:list "$APP" --format json | jq -r '.[].entry_name')"
  assert_equal "$ENTRY-more" "$(as_admin storage:list "$HIDDEN" --format json | jq -r '.[].entry_name')"
  as_admin storage:connectors:destroy "$APP-disk" --force
}

@test "what has no directory any more is not said to be in the trash" {
  dokku storage:create "$ENTRY-other"
  dokku storage:create "$ENTRY"
  rmdir "$ROOT/$ENTRY"
  run dokku storage:destroy "$ENTRY" --force --destroy-host-dir
  assert_success
  assert_has "There was no $ROOT/$ENTRY"
  assert_has_not "in the trash"
}

@test "a volume of an image is its app's no more once another app has had it" {
  dokku storage:app:set "$APP" auto-volumes true
  IMAGE=$WITH_VOLUME deploy "$APP"
  as_admin storage:move "$APP-ret" "$APP" "$HIDDEN" --no-stop
  echo topsecret >"$ROOT/$APP-ret/secret"
  as_admin storage:unmount "$HIDDEN" "$APP-ret" --container-dir /ret
  as_admin storage:set "$APP-ret" scope "$HIDDEN"
  IMAGE=$WITH_VOLUME run deploy "$APP"
  assert_success
  assert_has "Storage entry $APP-ret-2 made"
  assert_equal "" "$(inside "$APP" web ls /ret)"
  # Nor is one that the app's scope leaves out by now.
  dokku storage:unmount "$APP" "$APP-ret-2" --container-dir /ret
  as_admin storage:set "$APP-ret-2" scope "$HIDDEN"
  IMAGE=$WITH_VOLUME run deploy "$APP"
  assert_success
  assert_has "Storage entry $APP-ret-3 made"
  # It is used again, and goes with the app, as long as it is.
  dokku storage:unmount "$APP" "$APP-ret-3" --container-dir /ret
  IMAGE=$WITH_VOLUME run deploy "$APP"
  assert_has "Storage entry $APP-ret-3 used again"
  docker rm -f "$(container "$APP")" >/dev/null
  trigger post-delete "$APP"
  [ ! -e "$ROOT/$APP-ret-3" ]
  assert_equal topsecret "$(cat "$ROOT/$APP-ret/secret")"
  [ -d "$ROOT/$APP-ret-2" ]
}

@test "nothing is made for an app where a hidden one mounts what is not there yet" {
  as_admin storage:mount "$HIDDEN" "$ROOT/$APP-ret:/theirs"
  as_admin storage:mount "$HIDDEN" "$ROOT/$APP-two-e/sub:/sub"
  dokku storage:app:set "$APP" auto-volumes true
  IMAGE=$WITH_VOLUME run deploy "$APP"
  assert_success
  assert_has "Storage entry $APP-ret-2 made"
  [ ! -e "$ROOT/$APP-ret" ]
  dokku storage:create "$ENTRY"
  dokku storage:mount "$APP" "$ENTRY" --container-dir /e
  dokku storage:app:set "$APP" clone copy
  run dokku apps:clone --skip-deploy "$APP" "$APP-two"
  assert_success
  assert_has "$APP-two has storage entry $APP-two-e-2"
  [ ! -e "$ROOT/$APP-two-e" ]
  trigger post-delete "$APP-two"
  as_admin storage:unmount "$HIDDEN" --all
}

@test "what is told of an entry that a hidden app has too is not about that app" {
  own_destination "$APP-disk"
  dokku storage:create "$ENTRY"
  dokku storage:mount "$APP" "$ENTRY" --container-dir /e
  as_admin storage:mount "$HIDDEN" "$ENTRY" --container-dir /e
  NAME="admin" deploy "$HIDDEN"
  # Nor is it held up.
  run dokku storage:snapshots:create "$ENTRY" s --pause
  assert_status 1
  assert_has "some that you cannot see; only who may see every app can do this"
  assert_has_not "$HIDDEN"
  run dokku storage:backups:create "$ENTRY" --pause
  assert_status 1
  assert_has_not "$HIDDEN"
  as_admin storage:snapshots:create "$ENTRY" s --pause
  # What a command says in its container.
  as_admin storage:set "$ENTRY" backup-before 'echo row of the database >&2; false'
  run dokku storage:backups:create "$ENTRY"
  assert_status 1
  assert_has "failed with status 1"
  assert_has_not "row of"
  run dokku storage:doctor "$ENTRY"
  assert_has "failed with status 1"
  assert_has_not "row of"
  as_admin storage:connectors:destroy "$APP-disk" --force
  # What is at a place that the user may not look at.
  mkdir -p "$DIR/closed/x"
  as_admin storage:create "$APP-m" "$DIR/closed/x"
  as_admin storage:mount "$APP" "$APP-m" --container-dir /m --volume-readonly
  as_admin storage:create "$APP-topsecret" "$DIR/closed/x" --exclusive
  as_admin storage:mount "$HIDDEN" "$APP-topsecret" --container-dir /x
  chown root:root "$DIR/closed"
  chmod 0700 "$DIR/closed"
  run dokku storage:mount "$APP" "$APP-m" --container-dir /y
  assert_status 1
  assert_has_not topsecret
}
