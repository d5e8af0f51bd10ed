#!/usr/bin/env bats
# What Prometheus is told: its own program reads it, and it is what the other commands say.
load helper

value() { grep -F "$1" <<<"$METRICS" | grep -v '^#' | awk '{ print $NF }'; }

@test "Prometheus' own program finds nothing wrong, and the numbers are those of storage:usage" {
  dokku storage:create "$APP-data" >/dev/null
  head -c 100000 /dev/zero >"$ROOT/$APP-data/a"
  dokku storage:snapshots:create "$APP-data" one >/dev/null
  METRICS=$(dokku storage:metrics)
  promtool check metrics <<<"$METRICS"
  assert_equal "$(dokku storage:usage "$APP-data" --format json | jq '.[0].used')" "$(value "entry_used_bytes{entry=\"$APP-data\"")"
  assert_equal 1 "$(value "snapshots{entry=\"$APP-data\"}")"
  [ "$(dokku storage:doctor --format json | jq '[.[] | select(.code == "unused-entry")] | length')" = "$(value 'findings{code="unused-entry"')" ]
  # For an hour, it is not counted again, and its age says so.
  head -c 900000 /dev/zero >"$ROOT/$APP-data/b"
  sleep 2
  local before
  before=$(value "entry_used_bytes{entry=\"$APP-data\"")
  METRICS=$(dokku storage:metrics)
  assert_equal "$before" "$(value "entry_used_bytes{entry=\"$APP-data\"")"
  [ "$(value "entry_usage_age_seconds{entry=\"$APP-data\"}")" -ge 2 ]
  sed -i 's/"at":[0-9]*/"at":7/g' "$DOKKU_LIB_ROOT/data/storage-registry/.usage"
  METRICS=$(dokku storage:metrics)
  [ "$(value "entry_used_bytes{entry=\"$APP-data\"")" -gt 900000 ]
  # The collector's file is replaced as a whole.
  mkdir "$DIR/collector" && chmod 0777 "$DIR/collector"
  dokku storage:metrics --textfile "$DIR/collector"
  promtool check metrics <"$DIR/collector/dokku_storage.prom"
  assert_equal 644 "$(stat -c %a "$DIR/collector/dokku_storage.prom")"
  assert_equal dokku_storage.prom "$(ls "$DIR/collector")"
  # Dokku's cron has it written, once the policy says where.
  run dokku storage:policy:set metrics-textfile "$DIR/collector"
  assert_success
  run trigger cron-entries docker-local
  assert_has "*/5 * * * *;dokku storage:metrics --textfile $DIR/collector;"
  run dokku storage:policy:report --storage-policy-metrics-textfile
  assert_output "$DIR/collector"
  chmod 0755 "$DIR/collector"
  run dokku storage:policy:set metrics-textfile "$DIR/collector"
  assert_status 1
  assert_has "cannot be written by dokku; let it: setfacl -m u:dokku:rwx $DIR/collector"
  dokku storage:policy:set metrics-textfile >/dev/null
  run trigger cron-entries docker-local
  assert_has_not "storage:metrics"
  run dokku storage:metrics --textfile /nowhere
  assert_status 1
  assert_has "is not a directory"
  dokku storage:snapshots:destroy "$APP-data" one --force >/dev/null
  # What is in the trash is counted once.
  dokku storage:destroy "$APP-data" --force --destroy-host-dir >/dev/null
  METRICS=$(dokku storage:metrics)
  [ "$(value "trash_bytes")" -ge 1000000 ]
  grep -q '"[.]trash-' "$DOKKU_LIB_ROOT/data/storage-registry/.usage"
  dokku storage:trash:empty "$APP-data" --force >/dev/null
  METRICS=$(dokku storage:metrics)
  assert_equal 0 "$(value "trash_bytes")"
}
