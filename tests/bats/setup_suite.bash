# Runs once before and after all suites: the plugin folder, the test image, and what the machine had before.

# The install trigger writes to places that a machine has once: another run of these suites has to end first. Suites that run
# beside others have places of their own (see LANE in helper.bash).
TURN=/run/dokku-storage-tests${LANE:-}
# When a process started: its number may be another's later.
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
is_gone() {
  [ -s "$TURN/pid" ] || return 1
  kill -0 "$(cat "$TURN/pid")" 2>/dev/null || return 0
  [ -s "$TURN/started" ] && [ "$(started "$(cat "$TURN/pid")")" != "$(cat "$TURN/started")" ]
}
take_turn() {
  local told=""
  until mkdir "$TURN" 2>/dev/null; do
    if is_gone; then
      rm -rf "$TURN"
    elif [ -z "$told" ]; then
      told=1
      echo "# waiting for another run of these suites to end" >&3
    fi
    sleep 1
  done
  started "$$" >"$TURN/started"
  echo "$$" >"$TURN/pid"
}

# Removes from Docker what suites left there that were killed. A plugin that does not answer any more would cost 15 seconds for
# each look at the volumes.
clear_docker() {
  local name run seconds=$SECONDS
  for run in $(docker ps -a --filter label=org.dokku-storage.test --format '{{.Label "org.dokku-storage.test"}}' | sort -u); do
    [ ! -e "/proc/$run" ] || continue
    docker ps -aq --filter "label=org.dokku-storage.test=$run" | xargs -r docker rm -f -v >/dev/null
    remove_app_images "org.dokku-storage.test=$run"
  done
  for name in $(docker plugin ls --format '{{.Name}}' | grep '^dokku-storage-test/'); do
    [ ! -e "/proc/${name##*:}" ] || continue
    docker plugin rm -f "$name" >/dev/null || echo "# the plugin $name, which another run left, cannot be removed" >&3
  done
  docker volume inspect dokku-storage-test-nothing >/dev/null 2>&1 || true
  [ $((SECONDS - seconds)) -lt 10 ] ||
    echo "# DOCKER IS SLOW: it took $((SECONDS - seconds)) s to look at its volumes; is one of its volume drivers down?" >&3
}

setup_suite() {
  local tests
  tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  # shellcheck disable=SC1091
  source "$tests/helper.bash"

  [ "$(id -u)" = 0 ] || stop "these suites make users, links and SSH servers: run them as root"
  take_turn
  "$REPO/tests/setup.sh" >&2 || stop "tests/setup.sh failed"
  RUN_ID=$$
  export RUN_ID TEST_LABEL="org.dokku-storage.test=$RUN_ID" TEST_IMAGE="dokku-storage-test:$RUN_ID"
  SUITE=$(mktemp -d /tmp/dokku-storage-suite-XXXXXX)
  chmod 0755 "$SUITE"
  export SUITE PLUGIN="$SUITE/plugin"

  # The binary is built at most once; install.sh is not asked to build again afterwards.
  "$REPO/install.sh" --assemble "$PLUGIN" >"$SUITE/assemble.log" 2>&1 ||
    stop "install.sh --assemble failed: $(cat "$SUITE/assemble.log")"
  export BINARY="$PLUGIN/dokku-storage"

  if docker info >/dev/null 2>&1; then
    export HAVE_DOCKER=1
    clear_docker
    make_test_image || stop "docker import failed"
  else
    export HAVE_DOCKER=""
    [ "${CI:-}" != true ] || stop "CI=true, and no Docker engine answers: the container tests must run"
    echo "# NO DOCKER ENGINE ANSWERS: the tests with real containers are SKIPPED" >&3
  fi
}

teardown_suite() {
  [ -n "${SUITE:-}" ] || return 0
  if [ -n "${HAVE_DOCKER:-}" ]; then
    local ids
    ids=$(docker ps -aq --filter "label=$TEST_LABEL")
    # shellcheck disable=SC2086
    [ -z "$ids" ] || docker rm -f -v $ids >/dev/null
    remove_app_images "$TEST_LABEL"
    ids=$(docker volume ls -q --filter "label=$TEST_LABEL")
    # shellcheck disable=SC2086
    [ -z "$ids" ] || docker volume rm $ids >/dev/null
    docker image ls --format '{{.Repository}}:{{.Tag}}' | grep -E "^dokku-storage-test[a-z0-9-]*:$RUN_ID$" |
      xargs -r docker image rm -f >/dev/null 2>&1 || true
  fi
  is_real || rm -rf "$HELPERS" "$SUDOERS"
  rm -rf "$SUITE" "$TURN"
}
