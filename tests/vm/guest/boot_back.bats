#!/usr/bin/env bats
# The bucket's server is back: what was started without it has it, without a restart.
load machine

@test "the container that was started without the bucket sees it" {
  dokku storage:wait boot-films --timeout 90
  eventually 60 docker exec boot test -e '/films/a film.txt'
  assert_equal film "$(docker exec boot cat '/films/a film.txt')"
  assert_equal films "$(docker exec boot cat /films/a)"
}

@test "nothing is wrong, and the containers are those that Docker started at boot" {
  run dokku storage:doctor boot
  assert_success
  assert_equal 0 "$(docker inspect --format '{{.RestartCount}}' boot)"
}
