#!/usr/bin/env bats
# Sharing: an app gets whatever another mounts, in real containers.
load helper
needs docker

before_each() {
  OTHER="$APP-other" DATA="$APP-data"
  dokku apps:create "$OTHER" >/dev/null
  dokku storage:create "$DATA" --chown root
  dokku storage:mount "$APP" "$DATA" --container-dir /data
}

@test "an app reads what the other writes, and cannot write; a later mount comes with the next deploy" {
  run dokku storage:share "$APP" "$OTHER" --read-only
  assert_success
  assert_has "$OTHER shares the storage of $APP, read-only"
  deploy "$APP"
  deploy "$OTHER"
  inside "$APP" web sh -c 'echo told >/data/said'
  assert_equal told "$(inside "$OTHER" web cat /data/said)"
  run inside "$OTHER" web sh -c 'echo no >/data/said'
  assert_status 1
  dokku storage:create "$APP-more" --chown root
  dokku storage:mount "$APP" "$APP-more" --container-dir /more
  deploy "$OTHER"
  run inside "$OTHER" web sh -c 'test -d /more && touch /more/x'
  assert_status 1
  assert_has "ead-only"
  dokku storage:share "$APP" "$OTHER"
  deploy "$OTHER"
  inside "$OTHER" web touch /more/x
  run dokku storage:destroy "$DATA" --force
  assert_status 1
  assert_has "$OTHER"
  dokku storage:unshare "$APP" "$OTHER"
  deploy "$OTHER"
  run inside "$OTHER" web test -e /data
  assert_status 1
}
