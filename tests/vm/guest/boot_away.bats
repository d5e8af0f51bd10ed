#!/usr/bin/env bats
# After a start of the machine while the bucket's server is away: nothing waits for it, and nothing is written under it.
load machine

running() { [ "$(docker inspect --format '{{.State.Running}}' "$1")" = true ]; }

@test "the containers run, and have the directory and the one with a size" {
  eventually 120 running boot
  eventually 60 running boot-alone
  assert_equal plain "$(docker exec boot cat /plain/a)"
  assert_equal sized "$(docker exec boot cat /sized/a)"
  mountpoint -q "$ROOT/boot-sized"
}

@test "Docker did not wait for the server" {
  local docker machine
  docker=$(systemctl show -P ActiveEnterTimestampMonotonic docker)
  machine=$(systemctl show -P InactiveExitTimestampMonotonic dokku-storage-mount@boot-films)
  echo "docker after $((docker / 1000000)) s, the supervisor began after $((machine / 1000000)) s"
  [ $((docker - machine)) -lt 60000000 ]
}

@test "the bucket is said to be away, and nothing can be written where it will be" {
  run dokku storage:wait boot-films --timeout 1
  assert_status 1
  run dokku storage:doctor boot
  assert_status 1
  assert_has boot-films
  run docker exec boot sh -c 'echo lost > /films/lost'
  [ "$status" -ne 0 ]
}
