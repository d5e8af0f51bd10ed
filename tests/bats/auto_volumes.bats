#!/usr/bin/env bats
# storage:app:set APP auto-volumes true: the volumes that an image declares become entries of the app's own.
load helper
needs docker

before_all() {
  local root="$SUITE/declares"
  mkdir -p "$root"/var/lib/db/sub "$root"/cache
  echo "from the image" >"$root/var/lib/db/seed"
  ln "$root/var/lib/db/seed" "$root/var/lib/db/sub/again"
  ln -s seed "$root/var/lib/db/link"
  chown -R 1000:1001 "$root/var/lib/db"
  chmod 0750 "$root/var/lib/db"
  chown 1234 "$root/cache"
  WITH_VOLUMES=$(make_image declares "$root" 'VOLUME /var/lib/db' 'VOLUME /cache' 'VOLUME ["/cache/"]' 'USER 1000')
  WITH_ODD=$(make_image declares-odd "$root" 'VOLUME /var/lib/db' 'VOLUME /a:b' 'VOLUME /up/../it' 'VOLUME /not/there' 'USER 1000')
  export WITH_VOLUMES WITH_ODD
}
before_each() {
  export IMAGE=$WITH_VOLUMES
  DB="$APP-var-lib-db"
  CACHE="$APP-cache"
  ANONYMOUS=$(anonymous)
}

on() { dokku storage:app:set "$APP" auto-volumes true >/dev/null; }
# The number of volumes without a name that containers of this image were made with: those of others come and go.
anonymous() {
  local volume count=0
  for volume in $(docker volume ls -q | grep -E '^[0-9a-f]{64}$'); do
    volume=$(docker volume inspect -f '{{.Mountpoint}}' "$volume" 2>/dev/null) || continue
    [ ! -e "$volume/sub/again" ] || count=$((count + 1))
  done
  echo "$count"
}
destinations() { docker inspect --format '{{range .Mounts}}{{println .Destination .Type}}{{end}}' "$(container "$APP" "${1:-web}")" | sort | xargs; }
nothing_is_left_of_filling() {
  assert_equal "" "$(docker ps -aq --filter label=org.dokku-storage.filling)"
  assert_equal "" "$(docker volume ls -q --filter label=org.dokku-storage.filling)"
  ! compgen -G "$ROOT/.destroyed-*" >/dev/null || fail "a hidden directory is left" "$(ls -A "$ROOT")"
}

@test "off unless it is set; what is set is shown" {
  dokku storage:mount "$APP" /srv:/srv:ro
  deploy "$APP"
  assert_equal "/cache volume /srv bind /var/lib/db volume" "$(destinations)"
  [ ! -e "$ENTRIES/$DB.json" ]
  run dokku storage:doctor "$APP" --format json
  assert_success
  assert_equal '["forgotten-volume /cache","forgotten-volume /var/lib/db"]' "$(jq -c '[.[] | .code + " " + .path]' <<<"$output")"
  run dokku storage:app:report "$APP" --storage-app-auto-volumes
  assert_output false
  on
  run dokku storage:app:report "$APP" --storage-app-auto-volumes
  assert_output true
  run dokku storage:doctor "$APP" --format json
  assert_output "[]"
  run dokku storage:app:set "$APP" auto-volumes yes
  assert_status 1
  assert_has 'it can be false, true'
}

@test "an app of another scheduler gets none" {
  on
  sudo -u dokku mkdir -p "$DOKKU_LIB_ROOT/config/scheduler/$APP"
  echo k3s | sudo -u dokku tee "$DOKKU_LIB_ROOT/config/scheduler/$APP/selected" >/dev/null
  deploy "$APP"
  [ ! -e "$ENTRIES/$DB.json" ]
  rm -r "$DOKKU_LIB_ROOT/config/scheduler/$APP"
  deploy "$APP"
  [ -e "$ENTRIES/$DB.json" ]
}

@test "each volume gets an entry, filled as the image has it, and keeps its data over deploys" {
  on
  run deploy "$APP" web=1 worker=1
  assert_success
  assert_has "Storage entry $DB made for the volume /var/lib/db of the image"
  assert_equal "/cache bind /var/lib/db bind" "$(destinations)"
  assert_equal "/cache bind /var/lib/db bind" "$(destinations worker)"
  assert_equal "1000:1001 750" "$(stat -c '%u:%g %a' "$ROOT/$DB")"
  assert_equal "from the image" "$(cat "$ROOT/$DB/seed")"
  assert_equal "from the image" "$(cat "$ROOT/$DB/sub/again")"
  assert_equal seed "$(readlink "$ROOT/$DB/link")"
  assert_equal "1234 0" "$(stat -c %u "$ROOT/$CACHE") $(find "$ROOT/$CACHE" -mindepth 1 | wc -l)"
  nothing_is_left_of_filling
  readable_by_dokku "$DB" "$ROOT/$DB" auto_volume node
  run dokku storage:info "$DB"
  assert_line_with "Reclaim policy:" Delete
  assert_line_with "Auto volume:" "$APP /var/lib/db"
  inside "$APP" web sh -c 'echo mine > /var/lib/db/seed; rm /var/lib/db/link'
  deploy "$APP" web=1
  assert_equal mine "$(inside "$APP" web cat /var/lib/db/seed)"
  [ ! -L "$ROOT/$DB/link" ] || fail "it was filled twice"
  assert_equal "2" "$(dokku storage:list "$APP" --format json | jq length)"
  run dokku run "$APP" cat /var/lib/db/seed
  assert_output mine
  # Looking at an image leaves no volumes of Docker's own behind. A real host takes files out of images, and does leave them.
  is_real || assert_equal "$ANONYMOUS" "$(anonymous)"
}

@test "what is mounted already covers a volume: an entry, a part of the phases, docker-options" {
  on
  dokku storage:create "$APP-mine" --chown 1000
  dokku storage:mount "$APP" "$APP-mine" --container-dir /var/lib/db/ --phase deploy
  dokku storage:mount "$APP" "$APP-mine" --container-dir /cache --phase run
  deploy "$APP"
  [ ! -e "$ENTRIES/$DB.json" ]
  run dokku storage:list "$APP" --format json
  assert_equal '["deploy"]' "$(jq -c --arg name "$CACHE" '[.[] | select(.entry_name == $name)][0].phases' <<<"$output")"
  assert_equal "/cache bind /var/lib/db bind" "$(destinations)"
  dokku storage:unmount "$APP" "$CACHE"
  dokku storage:unmount "$APP" "$APP-mine" --container-dir /cache
  dokku storage:unmount "$APP" "$APP-mine" --container-dir /var/lib/db/
  sudo -u dokku mkdir -p "$DOKKU_LIB_ROOT/config/docker-options/$APP"
  echo "--tmpfs /var/lib/db" | sudo -u dokku tee "$DOKKU_LIB_ROOT/config/docker-options/$APP/_default_.deploy" >/dev/null
  run deploy "$APP"
  assert_success
  assert_has "Storage entry $CACHE used again for the volume /cache"
  [ ! -e "$ENTRIES/$DB.json" ]
}

@test "the entries go with the app, to the trash; a name that returns begins anew" {
  on
  deploy "$APP"
  inside "$APP" web sh -c 'echo mine > /var/lib/db/seed'
  dokku storage:set "$CACHE" reclaim-policy Retain
  run dokku apps:destroy "$APP" --force
  assert_success
  assert_has "Storage entry $DB destroyed"
  [ ! -e "$ENTRIES/$DB.json" ]
  [ ! -e "$ROOT/$DB" ]
  [ -d "$ROOT/$CACHE" ]
  assert_equal null "$(jq .auto_volume "$ENTRIES/$CACHE.json")"
  run dokku storage:trash:restore "$DB"
  assert_success
  assert_equal mine "$(cat "$ROOT/$DB/seed")"
  dokku apps:create "$APP"
  on
  deploy "$APP"
  assert_equal "from the image" "$(inside "$APP" web cat /var/lib/db/seed)"
  assert_equal mine "$(cat "$ROOT/$DB/seed")"
}

@test "what others have had stays when the app goes" {
  on
  deploy "$APP"
  local other="$APP-other"
  dokku apps:create "$other"
  dokku storage:mount "$other" "$DB" --container-dir /data
  assert_equal null "$(jq -c .auto_volume "$ENTRIES/$DB.json")"
  dokku storage:unmount "$other" "$DB"
  dokku storage:mount "$other" "$CACHE" --container-dir /cache
  run dokku apps:destroy "$APP" --force
  assert_success
  [ -e "$ENTRIES/$DB.json" ]
  [ -e "$ENTRIES/$CACHE.json" ]
  assert_equal "from the image" "$(cat "$ROOT/$DB/seed")"
  dokku storage:unmount "$other" "$CACHE"
  dokku storage:destroy "$CACHE" --force
  dokku storage:destroy "$DB" --force
  dokku apps:destroy "$other" --force
}

@test "the entries follow the app to its new name" {
  on
  deploy "$APP"
  local new="$APP-new"
  dokku apps:rename "$APP" "$new"
  assert_equal "$new" "$(jq -r .auto_volume.app "$ENTRIES/$DB.json")"
  dokku storage:unmount "$new" "$DB"
  run deploy "$new"
  assert_has "Storage entry $DB used again"
  dokku apps:destroy "$new" --force
  [ ! -e "$ENTRIES/$DB.json" ]
  dokku apps:create "$APP"
}

@test "a clone with copies has volumes of its own" {
  on
  dokku storage:app:set "$APP" clone copy
  deploy "$APP"
  local clone="$APP-clone"
  dokku apps:clone "$APP" "$clone"
  assert_equal "$clone" "$(jq -r .auto_volume.app "$ENTRIES/$clone-var-lib-db.json")"
  dokku apps:destroy "$APP" --force
  [ -e "$ENTRIES/$clone-var-lib-db.json" ]
  dokku apps:destroy "$clone" --force
  [ ! -e "$ENTRIES/$clone-var-lib-db.json" ]
  dokku apps:create "$APP"
}

@test "odd volumes: a path that cannot be mounted is said, one that the image does not have belongs to its user" {
  on
  IMAGE=$WITH_ODD run deploy "$APP"
  assert_has '/a:b' 'gets no storage entry'
  assert_has '"/up/../it" of the image gets no storage entry'
  assert_equal 1000 "$(stat -c %u "$ROOT/$APP-not-there")"
  [ -e "$ENTRIES/$DB.json" ]
}

@test "a deploy that stops makes nothing; a disk that is full leaves nothing" {
  on
  dokku storage:mount "$APP" /no/such/folder:/x
  run deploy "$APP"
  assert_status 1
  [ ! -e "$ENTRIES/$DB.json" ]
  dokku storage:unmount "$APP" /no/such/folder:/x
  # Docker is asked through a client that fails at the copy.
  local bin="$HOST/docker-full"
  printf '#!/bin/sh\ncase "$*" in "create "*org.dokku-storage.filling*) echo "no space left on device" >&2; exit 1 ;; esac\nexec docker "$@"\n' >"$bin"
  chmod 0755 "$bin"
  run docker_is "$bin" deploy "$APP"
  assert_status 1
  assert_has "Docker did not copy what" "no space left on device"
  [ ! -e "$ENTRIES/$DB.json" ]
  assert_equal "[]" "$(dokku storage:list "$APP" --format json | jq -c .)"
  nothing_is_left_of_filling
}

@test "killed while it is filled: nothing is registered, and the next deploy clears up and goes on" {
  on
  local bin="$HOST/docker-slow" reached="$ROOT/../reached" pid
  printf '#!/bin/sh\ncase "$*" in "create "*org.dokku-storage.filling*) docker "$@"; touch %s; sleep 100 ;; esac\nexec docker "$@"\n' "$reached" >"$bin"
  chmod 0755 "$bin"
  docker_is "$bin" deploy "$APP" >/dev/null 2>&1 3>&- &
  pid=$!
  for _ in $(seq 600); do
    [ ! -e "$reached" ] || break
    sleep 0.1
  done
  [ -e "$reached" ] || fail "it was never filled"
  pkill -KILL -f "pre-release-builder dockerfile $APP"
  wait "$pid" || true
  [ ! -e "$ENTRIES/$DB.json" ]
  [ -n "$(docker volume ls -q --filter label=org.dokku-storage.filling)" ] || fail "the kill came too late"
  deploy "$APP"
  assert_equal "from the image" "$(inside "$APP" web cat /var/lib/db/seed)"
  nothing_is_left_of_filling
}

@test "a volume that somebody else has under the name is not populated" {
  on
  # Docker says nothing where there is one by the time that it is made.
  local bin="$HOST/docker-taken" left
  cat >"$bin" <<'FILE'
#!/bin/sh
for last; do :; done
case "$1 $2 $last" in "volume create dokku-storage-filling-"*) exec docker volume create "$last" ;; esac
exec docker "$@"
FILE
  chmod 0755 "$bin"
  run docker_is "$bin" deploy "$APP"
  left=$(docker volume ls -q --filter name=dokku-storage-filling-)
  xargs -r docker volume rm <<<"$left" >/dev/null
  assert_status 1
  assert_has "somebody else made the Docker volume"
  [ ! -e "$ENTRIES/$DB.json" ]
  nothing_is_left_of_filling
}

@test "what a clone of the app gets, or the trash gives back, is the app's no more" {
  on
  deploy "$APP"
  dokku apps:clone --skip-deploy "$APP" "$APP-b"
  dokku storage:unmount "$APP-b" "$DB" --container-dir /var/lib/db
  dokku storage:unmount "$APP" "$CACHE" --container-dir /cache
  docker rm -f "$(container "$APP")" >/dev/null
  assert_equal null "$(jq -c .auto_volume "$ENTRIES/$DB.json")"
  dokku storage:unmount "$APP-b" "$CACHE" --container-dir /cache
  dokku storage:destroy "$CACHE" --force --destroy-host-dir
  dokku storage:trash:restore "$CACHE"
  assert_equal null "$(jq -c .auto_volume "$ENTRIES/$CACHE.json")"
  dokku apps:destroy "$APP-b" --force
}
