#!/usr/bin/env bats
# Before the machine starts again: apps with a directory, a size and a bucket, in containers that Docker starts at boot.
load machine

# S3 is on the other side of the network; run.py says where.
@test "an app with a directory, a directory with a size and a bucket runs" {
  dokku apps:create boot
  printf secret | dokku storage:connectors:create boot-s3 --type s3 --endpoint "$S3_ENDPOINT" --region us-east-1 --access-key-id tests
  dokku storage:create boot-plain --chown root
  dokku storage:create boot-sized --size 24M --chown root
  dokku storage:create boot-films --type s3 --connector boot-s3 --option bucket=films
  dokku storage:wait boot-films --timeout 60
  local words
  for name in plain sized films; do dokku storage:mount boot "boot-$name" --container-dir "/$name"; done
  mapfile -t words < <(trigger docker-args-deploy boot latest web | split_words)
  docker run -d --name boot --restart=always --network none "${words[@]}" "$TEST_IMAGE" start web
  docker run -d --name boot-alone --restart=always --network none -v "$ROOT/boot-plain:/plain" "$TEST_IMAGE" start web
  for name in plain sized films; do docker exec boot sh -c "echo $name > /$name/a"; done
  assert_equal film "$(docker exec boot cat '/films/a film.txt')"
  sync
}

@test "the units are enabled" {
  systemctl is-enabled dokku-storage-mount@boot-films dokku-storage-attach@boot-sized
}
