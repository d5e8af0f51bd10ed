#!/usr/bin/env bats
# The machine's own engine with user namespaces: what `root` and 1000 are in a container, other users are on the host.
load machine

restart_docker() {
  systemctl reset-failed docker
  systemctl restart docker
  eventually 60 docker info
}
before_all() {
  echo 'dokku:300000:65536' >/etc/subuid
  echo 'dokku:400000:65536' >/etc/subgid
  echo '{"userns-remap": "dokku"}' >/etc/docker/daemon.json
  restart_docker
  make_test_image
  USER_1000=$(make_image user-1000 "" 'USER 1000')
  export USER_1000
}
after_all() {
  rm -f /etc/docker/daemon.json
  restart_docker
}
after_each() { drop_entries; }

owner() { stat -c %u:%g "$1"; }

@test "owners are those inside of the container, by the engine that runs" {
  dokku storage:create "$APP-data" --chown 1000:33
  assert_equal 301000:400033 "$(owner "$ROOT/$APP-data")"
  dokku storage:mount "$APP" "$APP-data" --container-dir /data
  IMAGE=$USER_1000 deploy "$APP"
  inside "$APP" web sh -c 'echo mine > /data/a'
  assert_equal 1000:33 "$(inside "$APP" web stat -c %u:%g /data)"
}

@test "--volume-chown auto: the image's user can write, also to a directory with a size" {
  dokku storage:create "$APP-data" --size 24M
  dokku storage:mount "$APP" "$APP-data" --container-dir /data --volume-chown auto
  IMAGE=$USER_1000 deploy "$APP"
  inside "$APP" web sh -c 'echo mine > /data/a'
  assert_equal 301000 "$(stat -c %u "$ROOT/$APP-data/a")"
}

@test "a directory of the host's root stops the deploy, with the chown that mends it" {
  chmod 0755 "$DIR"
  chown root:root "$DIR"
  dokku storage:mount "$APP" "$DIR:/data"
  run deploy "$APP"
  assert_status 1
  assert_line_with "$DIR" 300000
  eval "$(remedy "$DIR" chown)"
  deploy "$APP"
  inside "$APP" web sh -c 'echo mine > /data/a'
}
