#!/usr/bin/env bats
# Many commands at once: nothing that a command said it did is lost.
load helper

# Starts `dokku ARGUMENTS` for each line of standard input, all at once, and waits; notes each that fails.
all_at_once() {
  local line pids=() failed=0 pid
  while read -r line; do
    # shellcheck disable=SC2086
    dokku $line >>"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
  [ "$failed" -eq 0 ] || fail "$failed of ${#pids[@]} commands failed:" "$(sort "$BATS_TEST_TMPDIR/said" | uniq -c | head -n 20)"
}

mounts_file() { echo "$DOKKU_LIB_ROOT/config/storage/$APP/mounts"; }

@test "200 parallel storage:mount on one app leave 200 mounts" {
  for n in $(seq 200); do echo "storage:mount $APP /srv/data-$n:/data/$n"; done >"$BATS_TEST_TMPDIR/todo"
  all_at_once <"$BATS_TEST_TMPDIR/todo"

  assert_equal 200 "$(mounts_of "$APP" | jq length)"
  assert_equal 200 "$(mounts_of "$APP" | jq -r '.[].container_path' | sort -u | wc -l)"
  assert_equal 200 "$(wc -l <"$(mounts_file)")"
  assert_equal 200 "$(jq -s '[.[].entry_name] | unique | length' "$(mounts_file)")"
  # Each has its entry, whole and with the path that was asked for.
  assert_equal 200 "$(dokku storage:list-entries --format json | jq '[.[] | select(.host_path | startswith("/srv/data-"))] | length')"
  # And Docker would be given each of them.
  dokku storage:app:set "$APP" missing-source ignore
  assert_equal 200 "$(trigger docker-args-deploy "$APP" latest web 1 | split_words | grep -c '^/srv/data-')"
}

@test "mounts, unmounts and readers at once end as one by one would" {
  for n in $(seq 40); do echo "storage:mount $APP /srv/old-$n:/old/$n"; done >"$BATS_TEST_TMPDIR/todo"
  all_at_once <"$BATS_TEST_TMPDIR/todo"
  for n in $(seq 40); do
    echo "storage:unmount $APP /srv/old-$n:/old/$n"
    echo "storage:mount $APP /srv/new-$n:/new/$n"
    echo "storage:list $APP --format json"
    echo "storage:report $APP"
  done >"$BATS_TEST_TMPDIR/todo"
  all_at_once <"$BATS_TEST_TMPDIR/todo"
  assert_equal 40 "$(mounts_of "$APP" | jq length)"
  assert_equal 40 "$(mounts_of "$APP" | jq '[.[] | select(.container_path | startswith("/new/"))] | length')"
  # What was unmounted leaves no legacy entries behind, what is mounted keeps its own.
  assert_equal 0 "$(dokku storage:list-entries --format json | jq '[.[] | select(.host_path | startswith("/srv/old-"))] | length')"
  assert_equal 40 "$(dokku storage:list-entries --format json | jq '[.[] | select(.host_path | startswith("/srv/new-"))] | length')"
}

@test "one mount asked for 20 times at once: one is done, the others are refused" {
  local pids=() done_by=0 pid
  for _ in $(seq 20); do
    dokku storage:mount "$APP" /srv/once:/once >/dev/null 2>&1 3>&- &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do if wait "$pid"; then done_by=$((done_by + 1)); fi; done
  assert_equal 1 "$done_by"
  assert_equal 1 "$(mounts_of "$APP" | jq length)"
}

@test "parallel creates, each mounted by its own app" {
  for n in 1 2 3 4 5 6 7 8; do
    dokku apps:create "$APP-$n" >/dev/null
    echo "storage:create $APP-data-$n"
  done >"$BATS_TEST_TMPDIR/todo"
  all_at_once <"$BATS_TEST_TMPDIR/todo"
  for n in 1 2 3 4 5 6 7 8; do echo "storage:mount $APP-$n $APP-data-$n --container-dir /data"; done >"$BATS_TEST_TMPDIR/todo"
  all_at_once <"$BATS_TEST_TMPDIR/todo"
  for n in 1 2 3 4 5 6 7 8; do
    assert_equal "[\"$APP-data-$n\"]" "$(mounts_of "$APP-$n" | jq -c '[.[].entry_name]')"
  done
}

@test "nothing is left over: no temporary files, no lock that blocks" {
  dokku storage:mount "$APP" /srv/a:/a
  assert_equal mounts "$(find "$(dirname "$(mounts_file)")" -type f -printf '%f\n' | grep -v legacy-mounts-migrated)"
  assert_equal "" "$(find "$DOKKU_LIB_ROOT/data/storage-registry/entries" -type f ! -name '*.json')"
  timeout 5 "$DOKKU" storage:unmount "$APP" /srv/a:/a
}
