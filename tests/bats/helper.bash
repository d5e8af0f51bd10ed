# What the suites share: a throw-away Dokku-like host, apps, containers, and assertions that show what they saw.
#
# A suite loads this file and has a host with our plugin for all of its tests, and for each test an app of its own. What else
# it has, it says:
#
#   needs docker standin        what none of its tests can run without: an engine, the stand-in host
#   before_all() { … }          what else is on its host (variables have to be exported), and
#   after_all() { … }           what has to go before the host does
#   before_each() { … }         what else a test has beside its app, and
#   after_each() { … }          what has to go once the apps of the test are gone
#
# With DOKKU_HOST=real the host is the Dokku that is installed on this machine. LANE tells apart what runs at the same time: test.sh
# runs some of the suites beside the others.
bats_require_minimum_version 1.5.0

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

is_real() { [ "${DOKKU_HOST:-}" = real ]; }

# Where the install trigger puts root's helpers and sudo's rules for them: beside those that the machine may have.
HELPERS=/usr/local/lib/dokku-storage
if ! is_real; then
  HELPERS+=-tests${LANE:-}
  export DOKKU_STORAGE_HELPERS=$HELPERS
fi
# shellcheck disable=SC2034 # used by the suites
SUDOERS=/etc/sudoers.d/${HELPERS##*/}

STANDIN_ONLY="only for the stand-in host" NO_DOCKER="NO DOCKER ENGINE ANSWERS"
standin_only() { ! is_real || skip "$STANDIN_ONLY"; }

# --- a suite and its tests ------------------------------------------------------------------------------

NEEDS=()
needs() { NEEDS=("$@"); }
# lacks: says why no test of this suite can run here; fails where they can.
lacks() {
  local need
  for need in "${NEEDS[@]}"; do
    case $need in
      docker) [ -n "$HAVE_DOCKER" ] || echo "$NO_DOCKER" ;;
      standin) ! is_real || echo "$STANDIN_ONLY" ;;
      *) echo "A SUITE CANNOT NEED $need" ;;
    esac
  done | grep -m 1 .
}

skip_what_cannot_run() {
  local reason
  if reason=$(lacks); then skip "$reason"; fi
}

before_all() { :; }
after_all() { :; }
before_each() { :; }
after_each() { :; }

# bats takes a skip for a failure here.
setup_file() {
  ! lacks >/dev/null || return 0
  make_host
  name_paths
  before_all
}
teardown_file() {
  [ -n "${HOST:-}" ] || return 0
  name_paths
  after_all
  drop_host
}
setup() {
  skip_what_cannot_run
  name_paths
  new_app
  DIR="$HOST/srv/$APP" # a directory on the host for this test, which everybody may write
  mkdir "$DIR"
  chmod 0777 "$DIR"
  before_each
}
teardown() {
  [ -n "${APP:-}" ] || return 0
  drop_apps
  after_each
}

# Where the store keeps what the suites look at.
# shellcheck disable=SC2034 # used by the suites
name_paths() {
  ROOT="$DOKKU_LIB_ROOT/data/storage"
  IMAGES="$DOKKU_LIB_ROOT/storage-images"
  REGISTRY="$DOKKU_LIB_ROOT/data/storage-registry"
  ENTRIES="$REGISTRY/entries"
  CONFIG="$DOKKU_LIB_ROOT/config/storage"
}

# Ends the whole run.
stop() {
  echo "# $*" >&3
  echo "$*" >&2
  exit 1
}

# --- the host -------------------------------------------------------------------------------------------

# Makes the directory of a host; its `srv` is for what tests mount.
new_host_directory() {
  HOST=$(mktemp -d /tmp/dokku-storage-host-XXXXXX)
  mkdir "$HOST/srv"
  chmod 0755 "$HOST"
  chmod 0777 "$HOST/srv"
}

# Makes a host with our plugin in it and runs its install trigger; sets HOST, DOKKU_ROOT and DOKKU_LIB_ROOT.
make_host() {
  if is_real; then
    new_host_directory
    DOKKU=$(type -P dokku) || fail "DOKKU_HOST=real, but there is no dokku on the PATH"
    export HOST DOKKU DOKKU_ROOT=/home/dokku DOKKU_LIB_ROOT=/var/lib/dokku
    note_what_is_set
    return
  fi
  bare_host
  export DOKKU="$HOST/bin/dokku"
  local ours="$DOKKU_LIB_ROOT/core-plugins/dokku-storage/storage" link
  mkdir -p "${ours%/*}"
  cp -a "$PLUGIN" "$ours"
  chown -R dokku:dokku "$ours"
  for link in core-plugins/enabled plugins/available plugins/enabled; do
    ln -sfn "$ours" "$DOKKU_LIB_ROOT/$link/storage"
  done
  as_dokku_runs_it "$ours/install" >"$HOST/install.log" 2>&1 || fail "the install trigger failed: $(cat "$HOST/install.log")"
}

# What a real host has set for all apps, so that a suite can leave it as it was.
note_what_is_set() {
  local registry="$DOKKU_LIB_ROOT/data/storage-registry"
  mkdir "$HOST/before"
  ls -A "$registry/connectors" >"$HOST/before/connectors" 2>/dev/null || true
  [ ! -e "$registry/policy.json" ] || cp -a "$registry/policy.json" "$HOST/before"
}
set_back() {
  local registry="$DOKKU_LIB_ROOT/data/storage-registry" name
  [ -d "$HOST/before" ] || return 0
  find "$registry/connectors" -mindepth 1 -printf '%f\n' 2>/dev/null | while IFS= read -r name; do
    grep -Fxq -- "$name" "$HOST/before/connectors" || rm -f "$registry/connectors/$name"
  done
  rm -f "$registry/policy.json"
  [ ! -e "$HOST/before/policy.json" ] || cp -a "$HOST/before/policy.json" "$registry"
}

# Makes a host as Dokku leaves it, with (a stand-in of) its own storage plugin.
bare_host() {
  new_host_directory
  export HOST DOKKU_ROOT="$HOST/home" DOKKU_LIB_ROOT="$HOST/lib"
  mkdir -p "$HOST/bin" "$HOST/log" "$DOKKU_ROOT" "$DOKKU_LIB_ROOT"/{config,data} \
    "$DOKKU_LIB_ROOT"/{plugins,core-plugins}/{available,enabled}
  cp -r "$REPO"/tests/bats/host/{dokku,plugn,lifecycle} "$HOST/bin/"
  cp -r "$REPO/tests/bats/host/traces" "$HOST/bin/traces"
  /usr/bin/python3 -I -m compileall -q "$HOST/bin/lifecycle"
  touch "$HOST/log/triggers.jsonl"
  cat >"$HOST/dokkurc" <<SETTINGS
export DOKKU_TEST_ROOT=$HOST DOKKU_ROOT=$DOKKU_ROOT DOKKU_LIB_ROOT=$DOKKU_LIB_ROOT
export DOKKU_TEST_LABEL=$TEST_LABEL
SETTINGS
  "$REPO/tests/bats/host/make-plugins" "$REPO/tests/bats/host" "$DOKKU_LIB_ROOT"
  chmod 0755 "$HOST"
  chmod -R u=rwX,go=rX "$HOST/bin" "$DOKKU_LIB_ROOT"
  chown -R dokku:dokku "$DOKKU_ROOT" "$DOKKU_LIB_ROOT" "$HOST/log"
  # What is in it is Dokku's, the directory itself is root's.
  chown root:root "$DOKKU_LIB_ROOT"
}

# What is left mounted, what may not be written while nothing is mounted there, and the supervisors' directories go too.
drop_host() {
  local point number
  [ -n "${HOST:-}" ] || return 0
  findmnt -rno TARGET | grep "^$HOST/" | LC_ALL=C sort -r | while IFS= read -r point; do umount -l "$point"; done
  number=$(printf %s "$HOST/lib/data/storage" | sha1sum | cut -c1-16)
  rm -rf "/run/dokku-storage/$number" "/var/cache/dokku-storage/$number"
  ! is_real || set_back
  [ ! -d "$HOST/lib/data/storage" ] || chattr -f -i "$HOST"/lib/data/storage/* 2>/dev/null || true
  rm -rf "$HOST"
}

# The environment that Dokku gives to every call, for calling a file of the plugin without the dispatcher.
dokku_environment() {
  env DOKKU_HOST_ROOT="$DOKKU_ROOT" PLUGIN_PATH="$DOKKU_LIB_ROOT/plugins" \
    PLUGIN_AVAILABLE_PATH="$DOKKU_LIB_ROOT/plugins/available" PLUGIN_ENABLED_PATH="$DOKKU_LIB_ROOT/plugins/enabled" \
    PLUGIN_CORE_PATH="$DOKKU_LIB_ROOT/core-plugins" PLUGIN_CORE_AVAILABLE_PATH="$DOKKU_LIB_ROOT/core-plugins/available" \
    PLUGIN_CORE_ENABLED_PATH="$DOKKU_LIB_ROOT/core-plugins/enabled" DOKKU_SYSTEM_USER=dokku DOKKU_SYSTEM_GROUP=dokku \
    DOCKER_BIN=docker DOKKU_NOT_IMPLEMENTED_EXIT=10 DOKKU_VALID_EXIT=0 DOKKU_PID=$$ DOKKU_DISTRO=debian \
    DOKKU_LOGS_DIR="$HOST/log" DOKKU_EVENTS_LOGFILE="$HOST/log/events.log" PATH="$HOST/bin:$PATH" "$@"
}
as_dokku_runs_it() { dokku_environment "$@"; }

# A trigger as the user dokku, with a pipe as its standard input.
trigger() { : | dokku_environment sudo -u dokku -E -H env PATH="$HOST/bin:$PATH" "$DOKKU_LIB_ROOT/plugins/enabled/storage/$1" "${@:2}"; }

dokku() { "$DOKKU" "$@"; }

# docker_is PROGRAM COMMAND…: runs a command while the host's settings name this client of Docker.
docker_is() {
  local settings="$DOKKU_ROOT/.dokkurc" result=0
  mkdir -p "$settings"
  echo "export DOCKER_BIN=$1" >"$settings/test-docker"
  "${@:2}" || result=$?
  rm -f "$settings/test-docker"
  return "$result"
}

# Destroys every snapshot and every entry with its data, and empties the trash. On a real host `drop_apps` has destroyed the test's.
drop_entries() {
  ! is_real || return 0
  local name entry
  for name in $(dokku storage:snapshots:list --format json | jq -r '.[]|"\(.entry)@\(.name)"'); do
    dokku storage:snapshots:destroy "${name%@*}" "${name#*@}" --force >/dev/null || true
  done
  for entry in $(dokku storage:list-entries --format json | jq -r '.[].name'); do
    dokku storage:destroy "$entry" --force --destroy-host-dir --no-trash >/dev/null 2>&1 || true
  done
  dokku storage:trash:empty --force >/dev/null
}

# --- apps -----------------------------------------------------------------------------------------------

# Makes an app of this test's own and sets APP to its name; entries of a test begin with its name too.
new_app() {
  APP="t$RUN_ID-${BATS_TEST_NUMBER:-0}"
  dokku apps:create "$APP" >/dev/null
  ! is_real || dokku checks:set "$APP" wait-to-retire 1 >/dev/null
}

# Removes the apps and entries of this test.
drop_apps() {
  local name
  [ -n "${APP:-}" ] || return 0
  rm -rf "${DOKKU_LIB_ROOT:?}/plugins/enabled/test-acl"
  if [ -n "$HAVE_DOCKER" ]; then remove_test_containers; fi
  is_real || return 0
  for name in $(basename -a /home/dokku/"$APP"*); do dokku --force apps:destroy "$name" >/dev/null 2>&1 || true; done
  for name in $(dokku storage:snapshots:list --format json | jq -r '.[]|"\(.entry)@\(.name)"' | grep "^$APP-"); do
    dokku storage:snapshots:destroy "${name%@*}" "${name#*@}" --force >/dev/null 2>&1 || true
  done
  for name in $(dokku storage:list-entries --format json | jq -r '.[].name' | grep "^$APP-"); do
    dokku storage:destroy "$name" --force --destroy-host-dir --no-trash >/dev/null 2>&1 ||
      dokku storage:destroy "$name" --force >/dev/null 2>&1 || true # its data is on a server
  done
  for name in $(dokku storage:trash:list --format json | jq -r '.[] | select(.name | startswith($app)) | .id' --arg app "$APP-"); do
    dokku storage:trash:empty "$name" --yes >/dev/null 2>&1 || true
  done
  for name in $(dokku storage:connectors:list --format json | jq -r '.[].name' | grep "^$APP-"); do
    dokku storage:connectors:destroy "$name" --force >/dev/null 2>&1 || true
  done
  # What an entry has left that a test destroyed.
  rm -rf --one-file-system "$DOKKU_LIB_ROOT/data/storage/$APP"{,-*} || true
}

remove_test_containers() {
  local ids
  ids=$(docker ps -aq --filter "label=$TEST_LABEL")
  # A real host does not label them: those of the test's apps.
  ! is_real || ids+=" $(docker ps -a --format '{{.ID}} {{.Label "com.dokku.app-name"}}' | sed -nE "s/ $APP(-.*)?\$//p")"
  # shellcheck disable=SC2086
  [ -z "${ids// /}" ] || docker rm -f -v $ids >/dev/null
  remove_app_images "$TEST_LABEL"
}

# remove_app_images LABEL: the images that the stand-in made for apps.
remove_app_images() { docker image ls -aq --filter "label=$1" | sort -u | xargs -r docker image rm -f >/dev/null 2>&1 || true; }

# deploy APP [TYPE=COUNT…]: puts the test image, or the one that IMAGE names, into containers, on either kind of host.
deploy() {
  local app=$1 image=${IMAGE:-$TEST_IMAGE}
  shift
  [ $# -eq 0 ] || dokku ps:scale --skip-deploy "$app" "$@"
  # A real host does not take the image again that it has taken; it has not where the first deploy was refused.
  if is_real && [ "$(dokku git:report "$app" --git-source-image)" = "$image" ] && compgen -G "/home/dokku/$app/refs/heads/*" >/dev/null; then
    dokku ps:rebuild "$app"
  else
    dokku git:from-image "$app" "$image"
  fi
}

# retire: what deploys of the test's app have replaced goes. A real host has it for a while, with its mounts.
retire() {
  is_real || return 0
  sleep 3
  dokku ps:retire "$APP"
}

# deploy_source APP DIR: deploys the image with a directory as the app's source.
deploy_source() {
  local words=(git:from-image --build-dir "$2" "$1" "${IMAGE:-$TEST_IMAGE}") said="$BATS_TEST_TMPDIR/deployed" result=0
  if ! is_real; then
    dokku "${words[@]}"
    return
  fi
  # A real host does not take the source again that it has taken.
  dokku "${words[@]}" >"$said" 2>&1 || result=$?
  cat "$said"
  if grep -q "No changes detected" "$said"; then dokku ps:rebuild "$1"; else return "$result"; fi
}

# add_trigger NAME [PLUGIN]: reads a trigger's file from standard input, into an enabled plugin (`test-plugin`, unless another is named).
add_trigger() {
  local directory="$DOKKU_LIB_ROOT/plugins/enabled/${2:-test-plugin}"
  mkdir -p "$directory"
  cat >"$directory/$1"
  chmod -R u=rwX,go=rX "$directory"
  chmod 0755 "$directory/$1"
}
drop_triggers() { rm -rf "$DOKKU_LIB_ROOT/plugins/enabled/${1:-test-plugin}"; }

# fired TRIGGER: the arguments of each time that the stand-in fired a trigger, a line each.
fired() { jq -r --arg trigger "$1" 'select(.trigger == $trigger) | .args | join(" ")' "$HOST/log/triggers.jsonl"; }

# --- containers -----------------------------------------------------------------------------------------

needs_docker() { [ -n "$HAVE_DOCKER" ] || skip "$NO_DOCKER"; }

# deployed_with MIB: the app, with the entry "$DATA" mounted that has so much in it.
deployed_with() {
  needs_docker
  dokku storage:create "$DATA"
  dd if=/dev/zero of="$ROOT/$DATA/data" bs=1M count="$1" status=none
  dokku storage:mount "$APP" "$DATA" --container-dir /data
  deploy "$APP"
}

# paused: whether the app's container is.
paused() { docker inspect --format '{{.State.Paused}}' "$(container "$APP")"; }

# wait_for true|false: until the container is paused, or is no more.
wait_for() {
  local n
  for ((n = 0; n < 100; n++)); do
    if [ "$(paused)" = "$1" ]; then return; fi
    sleep 0.05
  done
  fail "the container is not paused=$1 after five seconds"
}

# A shell, a web and a worker process that only wait; no registry is asked.
make_test_image() {
  local root="$SUITE/image"
  mkdir -p "$root"/{bin,tmp,app,etc}
  cp /bin/busybox "$root/bin/busybox"
  chroot "$root" /bin/busybox --install -s /bin
  printf '#!/bin/sh\nexec sleep 100000\n' >"$root/bin/start"
  printf 'web: start web\nworker: start worker\n' >"$root/app/Procfile"
  echo root:x:0:0:root:/:/bin/sh >"$root/etc/passwd"
  chmod 0755 "$root/bin/start"
  chmod 1777 "$root/tmp"
  tar -C "$root" -c . | docker import --change 'WORKDIR /app' --change 'CMD ["start","web"]' - "$TEST_IMAGE" >/dev/null
}

# Removes the Docker volumes that this test's entries have left.
drop_volumes() {
  local names
  [ -n "$HAVE_DOCKER" ] || return 0
  names=$(docker volume ls -q | grep -E "^(tmpfs-)?$APP-" || true)
  # shellcheck disable=SC2086
  [ -z "$names" ] || docker volume rm $names >/dev/null
}

# has_volume NAME: there is a Docker volume of exactly that name.
has_volume() { docker volume inspect "$1" >/dev/null 2>&1; }

# volume_options NAME: a Docker volume's driver and options, as JSON in the order of their names.
volume_options() { docker volume inspect "$1" | jq -cS '.[0] | {Driver, Options}'; }

# readable_by_dokku NAME HOST_PATH [FIELD…]: the entry's file has what Dokku's own plugin needs, nothing that it would refuse,
# and beside that only these fields.
readable_by_dokku() {
  local file="$DOKKU_LIB_ROOT/data/storage-registry/entries/$1.json" extra
  jq -e --arg name "$1" --arg path "$2" '.name == $name and .scheduler == "docker-local" and .host_path == $path
    and .schema_version == 1 and all(.size, .access_mode, .storage_class, .namespace; . == null)' "$file" >/dev/null ||
    fail "Dokku's own plugin cannot read this:" "$(cat "$file")" || return
  extra=$(jq -r 'del(.name, .scheduler, .host_path, .schema_version, .reclaim_policy, .chown) | keys | sort | join(" ")' "$file")
  assert_equal "${*:3}" "$extra"
}

# make_image NAME DIR [CHANGE…]: the test image with the files of a folder (none for "") and changes such as 'USER 1000';
# prints what it is called. Without an engine there is none.
make_image() {
  [ -n "$HAVE_DOCKER" ] || return 0
  local image="dokku-storage-test-$1:$RUN_ID" root="$SUITE/image" change changes=(--change 'WORKDIR /app' --change 'CMD ["start","web"]')
  if docker image inspect "$image" >/dev/null 2>&1; then
    echo "$image"
    return
  fi
  if [ -n "$2" ]; then
    root="$SUITE/image-$1"
    cp -a "$SUITE/image" "$root"
    cp -a "$2/." "$root"
  fi
  for change in "${@:3}"; do changes+=(--change "$change"); done
  tar -C "$root" -c . | docker import "${changes[@]}" - "$image" >/dev/null || stop "docker import failed"
  echo "$image"
}

# running APP [TYPE]: the ids of an app's containers that run, of all process types or of one. What a deploy has replaced runs on
# for a while on a real host, with a longer name.
running() {
  local type=${2:-[a-z0-9-]+}
  if is_real; then
    docker ps --no-trunc --filter "label=com.dokku.app-name=$1" --format '{{.ID}} {{.Names}}' | sed -nE "s/ $1\.$type\.[0-9]+\$//p"
  else
    docker ps -q --no-trunc --filter "label=com.dokku.app-name=$1" ${2:+--filter "label=com.dokku.process-type=$2"}
  fi
}

# container APP [TYPE]: the id of the one running container of a process type.
container() {
  local ids
  ids=$(running "$1" "${2:-web}")
  [ "$(wc -w <<<"$ids")" = 1 ] || fail "expected one container of $1, process type ${2:-web}, found: ${ids:-none}"
  echo "$ids"
}

# inside APP TYPE COMMAND…: runs a command in the running container.
inside() {
  local id
  id=$(container "$1" "$2") || return
  docker exec "$id" "${@:3}"
}

# what_runs APP: the containers of an app, when they were started, and their mounts.
what_runs() {
  local ids
  ids=$(running "$1" | LC_ALL=C sort)
  # shellcheck disable=SC2086
  [ -z "$ids" ] || docker inspect --format '{{.Id}} {{.State.StartedAt}} {{.State.Running}} {{json .HostConfig.Binds}}' $ids
}

# begin_anew: says that nothing of what was in the storage root comes back.
begin_anew() { touch "$ROOT/.new"; }

# --- what a suite says ------------------------------------------------------------------------------------

fail() {
  printf '%s\n' "$@" >&2
  return 1
}

shown() {
  printf 'exit status: %s\noutput:\n%s\n' "${status:-}" "${output:-}"
  [ -z "${stderr:-}" ] || printf 'standard error:\n%s\n' "$stderr"
}

assert_success() { [ "$status" -eq 0 ] || fail "expected success" "$(shown)"; }
assert_status() { [ "$status" -eq "$1" ] || fail "expected exit status $1" "$(shown)"; }
assert_output() { [ "$output" = "$1" ] || fail "expected output: $1" "$(shown)"; }
assert_has() { [[ $output == *"$1"* ]] || fail "expected in the output: $1" "$(shown)"; }
assert_has_not() { [[ $output != *"$1"* ]] || fail "not expected in the output: $1" "$(shown)"; }
assert_equal() { [ "$1" = "$2" ] || fail "expected: $1" "but got:  $2"; }

# Lines of the output, each of which has all the words.
lines_with() {
  local line word
  while IFS= read -r line; do
    for word; do [[ $line == *"$word"* ]] || continue 2; done
    printf '%s\n' "$line"
  done <<<"$output"
}
assert_line_with() { [ -n "$(lines_with "$@")" ] || fail "expected one line of the output with all of: $(printf '[%s] ' "$@")" "$(shown)"; }

# remedy WORD…: the command that the first line of the output with all the words names as the way out.
remedy() {
  lines_with "$@" | head -n 1 | grep -oE '(dokku [a-z]+:[a-z]|docker volume create|mkdir -p|chown [0-9])[^,(;]*' | head -n 1 | grep . ||
    fail "no command is named in a line with: $*" "$(shown)"
}

# at_terminal ANSWERS COMMAND…: runs a command with a terminal as its standard input, at which the answers are typed.
at_terminal() { printf '%b' "$1" | script -qefc "$(printf '%q ' "${@:2}")" /dev/null; }

# Like bats' `run`, with standard error apart, in $stderr, as it is: `run --separate-stderr` drops leading blanks.
run_apart() {
  status=0
  output=$("$@" 2>"$BATS_TEST_TMPDIR/stderr") || status=$?
  stderr=$(tr -d '\0' <"$BATS_TEST_TMPDIR/stderr")
}

# A refusal: exit status 1 (or another), a line that begins with ` !     ` on standard error, nothing on standard
# output. For use after run_apart.
assert_refused() {
  assert_status "${1:-1}" || return
  [[ $stderr == " !     "* ]] || fail "expected a line that begins with ' !     ' on standard error" "$(shown)" || return
  [ -z "$output" ] || fail "expected nothing on standard output" "$(shown)"
}
assert_stderr_has() { [[ $stderr == *"$1"* ]] || fail "expected on standard error: $1" "$(shown)"; }

# Prints everything below a folder: names, kinds, modes, owners, link targets and checksums. Only the lock files
# are left out, which the first command that changes something makes.
snapshot() {
  find "$1" ! -path '*/data/storage-registry/.lock' ! -path '*/data/storage-registry/.work' -printf '%P %y %m %u:%g %l\n' | LC_ALL=C sort
  find "$1" -type f ! -path '*/data/storage-registry/.lock' ! -path '*/data/storage-registry/.work' -exec sha256sum {} + | LC_ALL=C sort -k2
}

# The mounts of an app as JSON.
mounts_of() { dokku storage:list "$1" --format json; }

# Splits words as Dokku's schedulers do, one a line.
split_words() { xargs -r printf '%s\n'; }
