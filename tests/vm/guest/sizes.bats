#!/usr/bin/env bats
# A directory with a size that grows while a container writes to it.
load machine

after_each() { drop_entries; }

@test "an entry grows while a container writes, and nothing of what it wrote is lost" {
  dokku storage:create "$APP-data" --size 24M --chown root
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  deploy "$APP"
  docker exec -d "$(container "$APP")" sh -c 'i=0; while [ $i -lt 4000 ]; do i=$((i+1)); head -c 8192 /dev/zero > /data/$i || echo $i >> /tmp/failed; echo $i > /tmp/at; done; touch /tmp/done'
  eventually 60 inside "$APP" web test -s /tmp/at
  dokku storage:set "$APP-data" size 48M
  dokku storage:set "$APP-data" size 96M
  # It sees what was grown a moment ago.
  run dokku storage:doctor
  assert_has_not "notes size"
  eventually 120 inside "$APP" web test -e /tmp/done
  assert_equal 4000 "$(inside "$APP" web sh -c 'ls /data | grep -c "^[0-9]*$"')"
  assert_equal "" "$(inside "$APP" web cat /tmp/failed 2>/dev/null || true)"
  [ "$(inside "$APP" web df -m /data | awk 'END { print $(NF - 4) }')" -gt 70 ]
}
