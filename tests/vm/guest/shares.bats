#!/usr/bin/env bats
# nfs and cifs mounted by containers, from the kernel's NFS server and from Samba: what is right, and what is wrong.
load machine

before_each() { SHARE="$APP-share"; }
after_each() {
  drop_volumes
  dokku storage:destroy "$SHARE" --force >/dev/null 2>&1 || true
  rm -rf /srv/nfs/* /srv/smb/* /srv/open/*
}

nfs() { dokku storage:create "$SHARE" --type nfs --option server=127.0.0.1 --option path="$1"; }
# connector SECRET WORD…: the Samba server; a guest has no secret.
connector() {
  local secret=(--secret-file -)
  [ -n "$1" ] || secret=()
  printf '%s\n' "$1" | dokku storage:connectors:create "$APP-nas" --type cifs --server 127.0.0.1 "${@:2}" "${secret[@]}" >/dev/null
}
cifs() { dokku storage:create "$SHARE" --type cifs --connector "$APP-nas" --option share="$1"; }
# wait and info say no more than they know.
says_not_known() {
  run dokku storage:wait "$SHARE" --timeout 2
  assert_success || return
  assert_has "not known until a container starts" || return
  run dokku storage:info "$SHARE"
  assert_line_with State: "not known until a container starts"
}
mounted() {
  dokku storage:mount "$APP" "$SHARE" --container-dir /data
  run deploy "$APP"
}

@test "nfs: what a container writes is on the server, and the other way round" {
  nfs /srv/nfs
  dokku storage:wait "$SHARE" --timeout 5
  echo server >/srv/nfs/a
  mounted
  assert_success
  assert_equal server "$(inside "$APP" web cat /data/a)"
  inside "$APP" web sh -c 'echo container > /data/b'
  assert_equal container "$(cat /srv/nfs/b)"
  assert_equal nfs4 "$(inside "$APP" web sh -c "grep ' /data ' /proc/mounts" | cut -d ' ' -f 3)"
}

@test "nfs: a wrong export fails when a container starts, and nobody says before that it is ready" {
  nfs /srv/nothing
  says_not_known
  mounted
  assert_status 1
}

@test "cifs: a user with a password, and files have the owner and mode that the entry says" {
  connector right-s3cr3t --username anna
  dokku storage:create "$SHARE" --type cifs --connector "$APP-nas" --option share=media --chown 1000
  dokku storage:wait "$SHARE" --timeout 5
  mounted
  assert_success
  inside "$APP" web sh -c 'echo container > /data/b'
  assert_equal container "$(cat /srv/smb/b)"
  assert_equal 1000:1000 "$(inside "$APP" web stat -c %u:%g /data/b)"
}

@test "cifs: as a guest" {
  connector ""
  cifs open
  mounted
  assert_success
  inside "$APP" web sh -c 'echo guest > /data/b'
  assert_equal guest "$(cat /srv/open/b)"
}

@test "cifs: a wrong password fails when a container starts, and nothing of ours prints it" {
  connector wrong-s3cr3t --username anna
  cifs media
  says_not_known
  assert_has_not s3cr3t
  mounted
  assert_status 1
  run dokku storage:doctor "$APP"
  assert_has_not s3cr3t
  run trigger docker-args-deploy "$APP" latest web
  assert_has_not s3cr3t
}

@test "cifs: a wrong share fails when a container starts" {
  connector right-s3cr3t --username anna
  cifs nothing
  says_not_known
  mounted
  assert_status 1
}
