#!/usr/bin/env bats
# Entries of type volume: Docker's own volumes, and those of a real volume plugin.
#
# The plugin (support/volume_plugin.py) is installed as a Docker plugin, in a container that the engine itself starts. A
# plugin that only has a socket in /run/docker/plugins could be found the same way, but the engine goes on asking for it,
# 15 seconds each time, until it is started anew.
load helper
needs docker

before_all() {
  export DRIVER="dokku-storage-test/shelf:$RUN_ID" SHELF=""
  local root="$HOST/shelf"
  mkdir -p "$root"/rootfs/{usr,data,run/docker/plugins,tmp,proc,sys,dev,etc}
  ln -s usr/lib "$root/rootfs/lib"
  [ ! -e /lib64 ] || ln -s usr/lib64 "$root/rootfs/lib64"
  cp "$REPO/tests/bats/support/volume_plugin.py" "$root/rootfs/"
  cat >"$root/config.json" <<'CONFIG'
{"description": "a shelf of volumes for tests", "documentation": "", "workdir": "/", "env": [], "args": {},
 "entrypoint": ["/usr/bin/python3", "/volume_plugin.py", "/run/docker/plugins/shelf.sock", "/data"],
 "interface": {"types": ["docker.volumedriver/1.0"], "socket": "shelf.sock"}, "network": {"type": "none"},
 "propagatedMount": "/data", "linux": {"capabilities": []},
 "mounts": [{"type": "bind", "source": "/usr", "destination": "/usr", "options": ["rbind", "ro"]}]}
CONFIG
  docker plugin create "$DRIVER" "$root" >/dev/null
  docker plugin enable "$DRIVER" >/dev/null
  SHELF="$(docker info --format '{{.DockerRootDir}}')/plugins/$(docker plugin inspect --format '{{.Id}}' "$DRIVER")/propagated-mount"
}
after_all() { [ -z "$SHELF" ] || docker plugin rm -f "$DRIVER" >/dev/null; }
before_each() {
  VOLUME="$APP-volume"
  ENTRY="$DOKKU_LIB_ROOT/data/storage-registry/entries/$VOLUME.json"
}
after_each() { drop_volumes; }

create() { dokku storage:create "$VOLUME" --type volume "$@"; }
mounted() { dokku storage:mount "$APP" "$VOLUME" --container-dir /data; }
# refuses WORDS FLAG…: the entry cannot be made, for a reason with these words, and nothing is left of it.
refuses() {
  run_apart create "${@:2}"
  assert_refused || return
  assert_stderr_has "$1" || return
  [ ! -e "$ENTRY" ] || fail "an entry is left" "$(cat "$ENTRY")"
}
# The calls that Docker made of the plugin about this test's volume, with what it was told.
told() { jq -c --arg name "$VOLUME" 'select(.Name == $name and .call == "VolumeDriver.'"$1"'") | .Opts' "$SHELF/log"; }

# --- Docker's own -------------------------------------------------------------------------------------------

@test "a volume is made; one container writes, another reads, and it stays when the entry goes" {
  create
  readable_by_dokku "$VOLUME" "$VOLUME" node type
  mounted
  deploy "$APP" web=1 worker=1
  inside "$APP" web sh -c 'echo written > /data/file'
  assert_equal written "$(inside "$APP" worker cat /data/file)"
  run dokku storage:exec "$VOLUME" --image "$TEST_IMAGE" -- cat /data/file
  assert_output written
  dokku storage:wait "$VOLUME"
  dokku storage:unmount "$APP" "$VOLUME" --container-dir /data
  deploy "$APP"
  dokku storage:destroy "$VOLUME" --force
  has_volume "$VOLUME"
}

@test "options reach the local driver, which mounts by them" {
  create --driver local --option type=tmpfs --option device=tmpfs --option o=size=1m
  readable_by_dokku "$VOLUME" "$VOLUME" options type
  assert_equal '{"Driver":"local","Options":{"device":"tmpfs","o":"size=1m","type":"tmpfs"}}' "$(volume_options "$VOLUME")"
  mounted
  deploy "$APP"
  assert_equal 1024 "$(inside "$APP" web df -k /data | awk 'END { print $2 }')"
}

@test "a volume that is there is adopted, unless something else was asked for" {
  docker volume create --opt type=tmpfs --opt device=tmpfs --opt o=size=2m "$VOLUME" >/dev/null
  refuses 'exists with other options (device=tmpfs o=size=2m type=tmpfs)' --option type=tmpfs --option device=tmpfs --option o=size=1m
  refuses "exists with driver local, not $DRIVER" --driver "$DRIVER"
  create --option type=tmpfs --option device=tmpfs --option o=size=2m
  dokku storage:destroy "$VOLUME" --force
  run create
  assert_has "Uses the Docker volume $VOLUME"
  assert_equal 'size=2m' "$(jq -r .options.o "$ENTRY")"
  # Under another name it is the same volume.
  dokku storage:create "$APP-other" "$VOLUME" --type volume
  assert_equal "$VOLUME" "$(dokku storage:info "$APP-other" --format json | jq -r .host_path)"
}

@test "options that the local driver does not take are refused in its words" {
  refuses 'invalid option: "flavour"' --option flavour=sweet
  ! has_volume "$VOLUME" || fail "a volume is left"
}

@test "reclaim policy Delete and --destroy-host-dir remove the volume with the entry" {
  create --reclaim-policy Delete
  dokku storage:destroy "$VOLUME" --force
  ! has_volume "$VOLUME" || fail "reclaim policy Delete left the volume"
  create
  run dokku storage:destroy "$VOLUME" --force --destroy-host-dir
  assert_has "Removed $VOLUME"
  ! has_volume "$VOLUME" || fail "--destroy-host-dir left the volume"
  create
  dokku storage:set "$VOLUME" reclaim-policy Delete
  run dokku storage:destroy "$VOLUME" <<<"$VOLUME"
  assert_has "removed along with its contents"
  ! has_volume "$VOLUME" || fail "the policy that was set later left the volume"
}

@test "a volume that a container uses is not removed, and the entry stays" {
  create --reclaim-policy Delete
  local id before
  id=$(docker run -d --network none --label "$TEST_LABEL" -v "$VOLUME:/x" "$TEST_IMAGE" sleep 1000)
  before=$(cat "$ENTRY")
  run_apart dokku storage:destroy "$VOLUME" --force
  assert_refused
  assert_stderr_has "(docker rm -f $(docker inspect --format '{{.Name}}' "$id" | tr -d /))"
  assert_equal "$before" "$(cat "$ENTRY")"
}

@test "a volume that an app mounts by another entry is not removed" {
  create --reclaim-policy Delete
  dokku storage:mount "$APP" "$VOLUME:/data"
  run_apart dokku storage:destroy "$VOLUME" --force
  assert_refused
  assert_stderr_has "$APP mounts $VOLUME at /data (dokku storage:unmount $APP $VOLUME:/data)"
  has_volume "$VOLUME"
  dokku storage:unmount "$APP" "$VOLUME:/data"
  dokku storage:destroy "$VOLUME" --force
}

@test "a volume that is gone stops a deploy, and the remedy brings it back" {
  create --option type=tmpfs --option device=tmpfs --option "o=size=1m,uid=5"
  mounted
  docker volume rm "$VOLUME" >/dev/null
  run deploy "$APP"
  assert_status 1
  assert_has "the Docker volume $VOLUME does not exist"
  run dokku storage:doctor "$APP" --format json
  assert_equal missing-volume "$(jq -r '.[].code' <<<"$output")"
  ! has_volume "$VOLUME" || fail "the deploy made an empty volume"
  assert_equal "create it again, empty: dokku storage:wait $VOLUME" "$(jq -r '.[].remedy' <<<"$output")"
  dokku storage:wait "$VOLUME"
  assert_equal '{"Driver":"local","Options":{"device":"tmpfs","o":"size=1m,uid=5","type":"tmpfs"}}' "$(volume_options "$VOLUME")"
  deploy "$APP"
}

@test "the remedy of a volume with a secret makes it with that secret" {
  create --option type=tmpfs --option device=tmpfs --option o=size=1m,password=Zq9
  mounted
  docker volume rm "$VOLUME" >/dev/null
  remedied() {
    run dokku storage:doctor "$APP" --format json
    assert_equal "$1" "$(jq -r '.[].code' <<<"$output")"
    ! grep -q Zq9 <<<"$output" || fail "the secret is shown" "$output"
    eval "$(jq -r '.[].remedy' <<<"$output" | sed 's/^[^:]*: //')"
    assert_equal 'size=1m,password=Zq9' "$(volume_options "$VOLUME" | jq -r .Options.o)"
  }
  remedied missing-volume
  docker volume rm "$VOLUME" >/dev/null
  docker volume create --opt type=tmpfs --opt device=tmpfs --opt 'o=size=1m,password=***' "$VOLUME" >/dev/null
  run dokku storage:doctor "$APP"
  assert_has "has another secret among its options than its entry notes"
  remedied wrong-volume
}

@test "names, drivers and options that could be something else are refused" {
  local text
  refuses 'driver "-v" is not the name of a driver' --driver=-v
  refuses 'driver "a b" is not' --driver 'a b'
  for text in novalue =x 'a b=c' $'a=b\nc'; do refuses option --option "$text"; done
  refuses 'was given twice' --option a=1 --option a=2
  refuses 'does not take --size' --size 1M
  for text in /srv ../x -x 'a b' a:b; do
    run_apart dokku storage:create "$VOLUME" --type volume -- "$text"
    assert_refused
    [ ! -e "$ENTRY" ] || fail "$text was taken"
  done
}

# --- a volume plugin ------------------------------------------------------------------------------------------

@test "a volume plugin is told the options, a container writes through it, and Delete removes its volume" {
  create --driver "$DRIVER" --option tier=fast --option replicas=3 --reclaim-policy Delete
  readable_by_dokku "$VOLUME" "$VOLUME" driver options type
  assert_equal '{"replicas":"3","tier":"fast"}' "$(told Create | jq -cS .)"
  mounted
  deploy "$APP"
  inside "$APP" web sh -c 'echo on the shelf > /data/file'
  assert_equal "on the shelf" "$(cat "$SHELF/volumes/$VOLUME/file")"
  run dokku storage:info "$VOLUME"
  assert_line_with Driver: "$DRIVER"
  assert_line_with State: ready
  dokku storage:unmount "$APP" "$VOLUME" --container-dir /data
  remove_test_containers
  # The driver refuses in its own words; the entry stays until it lets go.
  touch "$SHELF/volumes/$VOLUME/nailed"
  run_apart dokku storage:destroy "$VOLUME" --force
  assert_refused
  assert_stderr_has "$VOLUME is nailed to the shelf"
  [ -e "$ENTRY" ]
  rm "$SHELF/volumes/$VOLUME/nailed"
  dokku storage:destroy "$VOLUME" --force
  [ ! -e "$SHELF/volumes/$VOLUME" ]
  ! has_volume "$VOLUME" || fail "Docker still has the volume"
}

@test "what the plugin refuses is said in its own words, and nothing is left" {
  refuses "the shelf is full, $VOLUME does not fit" --driver "$DRIVER" --option tier=refused
  refuses "this shelf has no option colour" --driver "$DRIVER" --option colour=red
  ! has_volume "$VOLUME" || fail "a volume is left"
  [ ! -e "$SHELF/volumes/$VOLUME" ]
}

@test "an option that is a secret reaches the plugin and nobody else" {
  # Dokku itself, where it is traced, shows what was typed: the trace is for the plugin alone.
  dokku_environment strace -f -qq -s 4096 -e trace=execve -o "$BATS_TEST_TMPDIR/calls" \
    sudo -u dokku -E env DOKKU_TRACE=1 "$DOKKU_LIB_ROOT/plugins/enabled/storage/subcommands/create" storage:create "$VOLUME" --type volume --driver "$DRIVER" --option api-token=s3cr3t-42 \
    >"$BATS_TEST_TMPDIR/said" 2>&1
  assert_equal '{"api-token":"s3cr3t-42"}' "$(told Create)"
  # Whoever types an option shows it; nothing that the command runs does.
  run grep 'execve("' "$BATS_TEST_TMPDIR/calls"
  assert_line_with storage:create s3cr3t-42
  assert_equal "" "$(lines_with s3cr3t-42 | grep -v storage:create || true)"
  assert_equal 600 "$(stat -c %a "$ENTRY")"
  mounted
  {
    dokku storage:info "$VOLUME"
    dokku storage:info "$VOLUME" --format json
    dokku storage:list-entries --format json
    dokku storage:report "$APP"
    dokku storage:doctor "$APP"
    DOKKU_TRACE=1 dokku storage:wait "$VOLUME"
    dokku storage:create "$VOLUME" --type volume --driver "$DRIVER" --option api-token=other
    DOCKER_HOST=tcp://127.0.0.1:1 dokku storage:create "$APP-b" --type volume --option api_key=s3cr3t-42
  } >>"$BATS_TEST_TMPDIR/said" 2>&1 || true
  run cat "$BATS_TEST_TMPDIR/said"
  assert_line_with 'api-token=***'
  assert_has_not s3cr3t
}

@test "a driver that is not there is refused at once, with what brings it" {
  refuses 'Docker has no volume driver "example/nothing"' --driver example/nothing
  assert_stderr_has "docker plugin install example/nothing"
  refuses 'it has: local' --driver lokal
  # Docker would look for it for 15 seconds; it is not asked.
  run strace -f -qq -s 64 -e trace=write,sendto -e signal=none sudo -u dokku -E "$DOKKU" storage:create "$VOLUME" --type volume --driver lokal
  assert_has 'GET /plugins'
  assert_has_not 'POST /volumes'
  ! has_volume "$VOLUME" || fail "a volume is left"
}

@test "while the plugin is down, wait, doctor and a deploy say so; they go on when it is back" {
  create --driver "$DRIVER" --option tier=slow
  mounted
  docker plugin disable -f "$DRIVER" >/dev/null
  run_apart dokku storage:wait "$VOLUME" --timeout 0
  assert_refused
  assert_stderr_has "found but disabled"
  assert_stderr_has "start the volume driver $DRIVER"
  run dokku storage:doctor "$APP" --format json
  assert_equal unreachable-driver "$(jq -r '.[].code' <<<"$output")"
  run deploy "$APP"
  assert_status 1
  assert_has "found but disabled"
  (sleep 1 && docker plugin enable "$DRIVER" >/dev/null) 3>&- &
  local enabling=$!
  run dokku storage:wait "$VOLUME" --timeout 20
  # Without a process, the clock of the test would be waited for, too.
  wait "$enabling"
  assert_success
  deploy "$APP"
  inside "$APP" web touch /data/file
}
