#!/usr/bin/env bats
# The plugin as people use it: over SSH, with a key whose forced command ends in `dokku`, as on a Dokku host.
load helper

before_all() { start_sshd; }
after_all() { [ -z "${SSHD:-}" ] || kill "$SSHD" 2>/dev/null || true; }

# An SSH server of this suite's own: on 127.0.0.1, with its own host key, settings and authorized key.
start_sshd() {
  local dir="$HOST/ssh" try pam=no
  # Without PAM, sshd lets nobody in whose password is locked, as it is on Dokku hosts.
  [[ $(getent shadow dokku | cut -d: -f2) != '!'* ]] || pam=yes
  mkdir -p "$dir" /run/sshd
  ssh-keygen -q -t ed25519 -N '' -f "$dir/host_key"
  ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
  local fingerprint
  fingerprint=$(ssh-keygen -lf "$dir/key.pub" | cut -d' ' -f2)
  printf 'command="FINGERPRINT=%s NAME=alice SSH_USER=dokku SSH_NAME=alice %s",no-agent-forwarding,no-port-forwarding,no-X11-forwarding %s\n' \
    "$fingerprint" "$DOKKU" "$(cat "$dir/key.pub")" >"$dir/authorized_keys"
  cat >"$dir/config" <<SETTINGS
ListenAddress 127.0.0.1
HostKey $dir/host_key
PidFile none
AuthorizedKeysFile $dir/authorized_keys
AllowUsers dokku
AuthenticationMethods publickey
UsePAM $pam
StrictModes no
PrintMotd no
SETTINGS
  for try in 1 2 3 4 5; do
    SSH_PORT=$((20000 + (RANDOM % 20000)))
    /usr/sbin/sshd -D -e -f "$dir/config" -p "$SSH_PORT" >"$dir/log" 2>&1 3>&- &
    SSHD=$!
    for _ in $(seq 50); do
      if grep -q "Server listening on 127.0.0.1" "$dir/log"; then
        echo "[127.0.0.1]:$SSH_PORT $(cat "$dir/host_key.pub")" >"$dir/known_hosts"
        export SSHD SSH_PORT
        return 0
      fi
      kill -0 "$SSHD" 2>/dev/null || break
      sleep 0.1
    done
  done
  fail "sshd did not start after $try tries:" "$(cat "$dir/log")"
}

# What a person types: ssh dokku@host COMMAND.
over_ssh() {
  ssh -F none -i "$HOST/ssh/key" -p "$SSH_PORT" -o BatchMode=yes -o IdentitiesOnly=yes \
    -o UserKnownHostsFile="$HOST/ssh/known_hosts" -o StrictHostKeyChecking=yes dokku@127.0.0.1 "$@"
}

deploy_over_ssh() { over_ssh git:from-image "$1" "$TEST_IMAGE"; }

@test "create, mount, deploy, write, replace the container, read it back, unmount, deploy, gone" {
  needs_docker
  run over_ssh storage:create "$APP-data"
  assert_success
  run over_ssh storage:mount "$APP" "$APP-data" --container-dir /data
  assert_success
  deploy_over_ssh "$APP"
  local first second
  first=$(container "$APP")
  inside "$APP" web sh -c 'echo "kept by the host" > /data/note'

  over_ssh ps:restart "$APP"
  second=$(container "$APP")
  [ "$first" != "$second" ] || fail "the container was not replaced"
  run inside "$APP" web cat /data/note
  assert_output "kept by the host"

  run over_ssh storage:unmount "$APP" "$APP-data"
  assert_success
  over_ssh ps:rebuild "$APP"
  run inside "$APP" web ls /data/note
  [ "$status" -ne 0 ] || fail "the data is still in the container after storage:unmount" "$(shown)"
  assert_equal "[]" "$(over_ssh storage:list "$APP" --format json)"
  # Unmounting keeps the data.
  assert_equal "kept by the host" "$(cat "$DOKKU_LIB_ROOT/data/storage/$APP-data/note")"
}

@test "storage:list --format json is what jq reads" {
  over_ssh storage:mount "$APP" /srv/uploads:/app/uploads:ro
  run_apart over_ssh storage:list "$APP" --format json
  assert_success
  assert_equal '["/srv/uploads","/app/uploads",true]' "$(jq -c '.[0] | [.host_path, .container_path, .readonly]' <<<"$output")"
  assert_equal "" "$stderr"
}

@test "exit statuses and messages come through" {
  run_apart over_ssh storage:list no-such-app
  assert_status 20
  assert_stderr_has " !     App no-such-app does not exist"
  run_apart over_ssh storage:mount "$APP" "'/tmp:/x --privileged'"
  assert_refused
  assert_equal "[]" "$(over_ssh storage:list "$APP" --format json)"
}

@test "a path with blanks, quoted twice as SSH needs it" {
  run over_ssh storage:mount "$APP" "'/srv/my data:/my data'"
  assert_success
  assert_equal "/my data" "$(over_ssh storage:list "$APP" --format json | jq -r '.[0].container_path')"
}

@test "storage:exec passes the client's standard input and the command's exit status" {
  needs_docker
  over_ssh storage:create "$APP-data"
  run over_ssh storage:exec "$APP-data" --image "$TEST_IMAGE" -- sh -c "'cat > /data/sent'" <<<"sent by the client"
  assert_success
  assert_equal "sent by the client" "$(cat "$DOKKU_LIB_ROOT/data/storage/$APP-data/sent")"
  run over_ssh storage:exec "$APP-data" --image "$TEST_IMAGE" -- sh -c "'exit 42'"
  assert_status 42
}

@test "a confirmation is read from the client" {
  over_ssh storage:create "$APP-data"
  run over_ssh storage:destroy "$APP-data" <<<"something else"
  assert_status 1
  run over_ssh storage:destroy "$APP-data" <<<"$APP-data"
  assert_success
  run over_ssh storage:info "$APP-data"
  assert_status 1
}

@test "the key's name reaches user-auth-app" {
  local acl="$DOKKU_LIB_ROOT/plugins/enabled/test-acl"
  mkdir "$acl"
  cat >"$acl/user-auth-app" <<'ACL'
#!/bin/sh
# alice sees everything but apps that end in -hidden
user=$1 name=$2
shift 2
for app; do case $app in *-hidden) [ "$name" = bob ] && echo "$app" ;; *) echo "$app" ;; esac; done
exit 0
ACL
  chmod 0755 "$acl" "$acl/user-auth-app"
  mkdir "$DOKKU_ROOT/$APP-hidden"
  run over_ssh storage:list "$APP"
  assert_success
  run over_ssh storage:list "$APP-hidden"
  assert_status 20
}
