#!/usr/bin/env bats
# Scheduled backups: cron runs what is due, what was missed is caught up once, and whoever listens hears of it.
load helper
needs standin

before_all() {
  REPOSITORY="$HOST/backups"
  export REPOSITORY
  install -d -o dokku -g dokku -m 0700 "$REPOSITORY"
  # What the machine has, or a run that was killed has left, is set aside.
  if crontab -u dokku -l >"$HOST/crontab-before" 2>/dev/null; then
    touch "$HOST/had-crontab"
    crontab -u dokku -r
  fi
  # As Dokku does: the lines of all plugins go to the crontab of its user.
  add_trigger scheduler-cron-write <<FILE
#!/usr/bin/env bash
set -eo pipefail
{
  printf '%s\n' 'MAILTO=""' SHELL=/bin/bash "PATH=$HOST/bin:/usr/bin:/bin"
  plugn trigger cron-entries docker-local | while IFS=';' read -r schedule command log; do
    printf '%s %s &>> %s\n' "\$schedule" "\$command" "\$log"
  done
} | crontab -
FILE
  if ! cron_runs; then
    cron -f >/dev/null 2>&1 3>&- &
    echo $! >"$HOST/cron.pid"
  fi
}
# cron_runs: this machine has one; those of containers are seen, too.
cron_runs() {
  local pid
  for pid in $(pgrep -x cron); do
    [ "$(readlink "/proc/$pid/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ] || return 0
  done
  return 1
}
after_all() {
  if [ -e "$HOST/had-crontab" ]; then
    crontab -u dokku "$HOST/crontab-before"
  else
    crontab -u dokku -r 2>/dev/null || true
  fi
  [ ! -e "$HOST/cron.pid" ] || kill "$(cat "$HOST/cron.pid")"
}
before_each() {
  DATA="$APP-data" OFF="$APP-off"
  install -d -o dokku -g dokku -m 0700 "$REPOSITORY/$APP"
  dokku storage:connectors:create "$OFF" --type local --path "$REPOSITORY/$APP" >/dev/null
  dokku storage:create "$DATA" >/dev/null
  echo one >"$ROOT/$DATA/file"
}
after_each() {
  local name
  [ -z "${LISTENER:-}" ] || kill "$LISTENER" 2>/dev/null || true
  trigger post-delete "$APP"
  for name in $(dokku storage:list-entries --format json | jq -r '.[].name' | grep "^$APP-"); do
    dokku storage:destroy "$name" --force --destroy-host-dir --no-trash >/dev/null
  done
  dokku storage:backups:unschedule --all >/dev/null 2>&1 || true
  dokku storage:connectors:destroy "$OFF" --force >/dev/null
}

schedule_of() { echo "$REGISTRY/backups/schedules/$1.json"; }

# set_back_to DAYS SUBJECT: a schedule as if it had been set so many days ago, and had not run since.
set_back_to() {
  local file changed
  file=$(schedule_of "$2")
  changed=$(jq --arg since "$(date -u -d "$1 days ago" +%Y-%m-%dT%H:%M:%SZ)" '.created = $since | del(.last_begun)' "$file")
  printf '%s\n' "$changed" >"$file"
}

# count NAME: how many backups of an entry there are.
count() { dokku storage:backups:list "$1" --format json | jq length; }

crontab_has() { crontab -u dokku -l 2>/dev/null | grep -cF 'dokku storage:backups:run' || true; }

# listen: notes the addresses that are asked for in $HOST/heard-$APP; sets PORT and LISTENER.
listen() {
  python3 -I -u - "$HOST/heard-$APP" >"$HOST/port-$APP" 3>&- <<'PROGRAM' &
import http.server, sys
class Listener(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(sys.argv[1], "a") as heard:
            heard.write(self.path + "\n")
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
print(server.server_port)
server.serve_forever()
PROGRAM
  LISTENER=$!
  until PORT=$(cat "$HOST/port-$APP") && [ -n "$PORT" ]; do sleep 0.1; done
}
heard() { xargs <"$HOST/heard-$APP"; }

@test "the crontab has one line while there is a schedule" {
  assert_equal 0 "$(crontab_has)"
  dokku storage:backups:schedule "$DATA" daily
  assert_equal 1 "$(crontab_has)"
  dokku storage:backups:schedule --app "$APP" weekly
  dokku storage:backups:schedule --all "0 3 * * mon"
  assert_equal 1 "$(crontab_has)"
  dokku storage:backups:unschedule "$DATA"
  dokku storage:backups:unschedule --all
  assert_equal 1 "$(crontab_has)"
  dokku storage:backups:unschedule --app "$APP"
  assert_equal 0 "$(crontab_has)"
}

@test "cron runs what is due every minute, and catches up once what was missed" {
  dokku storage:create "$APP-missed" >/dev/null
  dokku storage:backups:schedule "$DATA" "* * * * *"
  dokku storage:backups:schedule "$APP-missed" "30 4 * * *"
  set_back_to 9 "entry-$APP-missed"
  local tries=0
  until [ "$(count "$DATA")" -ge 2 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "cron did not run it twice: $(cat "$HOST/log/storage.log")"
    sleep 1
  done
  assert_equal 1 "$(count "$APP-missed")"
  grep -q "backing storage entry \"$DATA\" up to $OFF" "$HOST/log/storage.log"
  dokku storage:backups:schedules --format json | jq -e '.[] | .last_begun != null'
}

@test "a run is due once, keeps what the rules say, and checks the repository" {
  local day
  dokku storage:backups:schedule "$DATA" daily --keep-last 2
  run dokku storage:backups:run
  assert_success
  assert_equal "" "$output"
  for day in 1 2 3 4; do
    echo "$day" >"$ROOT/$DATA/file"
    set_back_to 3 "entry-$DATA"
    run dokku storage:backups:run
    assert_success
    [ "$day" != 1 ] || assert_has "Repository of connector $OFF checked, 1 of its files compared"
    [ "$day" != 3 ] || assert_has "1 older backup forgotten"
    run dokku storage:backups:run
    assert_equal "" "$output"
  done
  assert_equal 2 "$(count "$DATA")"
  assert_equal 4 "$(dokku storage:backups:get "$DATA@latest" file)"
  dokku storage:info "$DATA" | grep -q "Last backup:.*to $OFF"
}

@test "the rules of an app's schedule leave the entries with their own alone" {
  local day
  dokku storage:create "$APP-other" >/dev/null
  dokku storage:mount "$APP" "$DATA" --container-dir /a >/dev/null
  dokku storage:mount "$APP" "$APP-other" --container-dir /b >/dev/null
  dokku storage:backups:schedule "$DATA" yearly --keep-last 5
  dokku storage:backups:schedule --app "$APP" daily --keep-last 1
  for day in 1 2 3; do
    set_back_to 3 "app-$APP"
    dokku storage:backups:run
  done
  assert_equal "3 1" "$(count "$DATA") $(count "$APP-other")"
}

@test "the rules of a new entry leave the backups of a destroyed one of its name alone" {
  dokku storage:backups:create "$DATA" >/dev/null
  dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash >/dev/null
  dokku storage:create "$DATA" >/dev/null
  run dokku storage:info "$DATA"
  assert_has_not "Last backup"
  dokku storage:backups:schedule "$DATA" daily --keep-last 1
  for _ in 1 2 3; do
    set_back_to 3 "entry-$DATA"
    dokku storage:backups:run
  done
  assert_equal 2 "$(count "$DATA")"
}

@test "a failure is told: by the status, the ping, the doctor and the next success" {
  listen
  dokku storage:backups:schedule "$DATA" daily --ping-url "http://127.0.0.1:$PORT/a?b=c"
  set_back_to 3 "entry-$DATA"
  run dokku storage:backups:run
  assert_success
  assert_equal "/a/start?b=c /a?b=c" "$(heard)"
  mv "$REPOSITORY/$APP" "$REPOSITORY/$APP-away"
  set_back_to 3 "entry-$DATA"
  run dokku storage:backups:run
  assert_status 1
  assert_equal "/a/start?b=c /a?b=c /a/start?b=c /a/fail?b=c" "$(heard)"
  run dokku storage:doctor "$DATA"
  assert_status 1
  assert_has "failed-backup"
  # A run that failed waits for its next time.
  run dokku storage:backups:run
  assert_success
  assert_equal "" "$output"
  mv "$REPOSITORY/$APP-away" "$REPOSITORY/$APP"
  set_back_to 3 "entry-$DATA"
  run dokku storage:backups:run
  assert_success
  run dokku storage:doctor "$DATA"
  assert_has_not "failed-backup"
}

@test "a ping that nobody hears stops no backup" {
  dokku storage:backups:schedule "$DATA" daily --ping-url "http://127.0.0.1:9/a"
  set_back_to 3 "entry-$DATA"
  run dokku storage:backups:run
  assert_success
  assert_has "the ping of the schedule was not heard"
  assert_equal 1 "$(count "$DATA")"
}

@test "two runs at once make one backup" {
  dokku storage:backups:schedule "$DATA" daily
  set_back_to 3 "entry-$DATA"
  dokku storage:backups:run >"$DIR/one" 2>&1 3>&- &
  local first=$!
  dokku storage:backups:run >"$DIR/two" 2>&1 3>&-
  wait "$first"
  assert_equal 1 "$(count "$DATA")"
}

@test "a schedule goes with its entry, and a connector stays while one uses it" {
  dokku storage:backups:schedule "$DATA" daily
  run dokku storage:connectors:destroy "$OFF" --force
  assert_status 1
  assert_has "connector $OFF is where the scheduled backups of storage entry \"$DATA\" go"
  dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
  assert_equal "[]" "$(dokku storage:backups:schedules --format json)"
  assert_equal 0 "$(crontab_has)"
}
