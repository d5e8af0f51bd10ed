# What the suites in the machine share beside tests/bats/helper.bash: one host that lasts, with the helpers in their usual
# place, where systemd has units for them.
#
# The host is made once, by `provision`, and is there after a restart of the machine too.
# shellcheck disable=SC2034 # used by the helper and the suites

TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../bats" && pwd)
# shellcheck disable=SC1091
source "$TESTS/helper.bash"

HELPERS=/usr/local/lib/dokku-storage SUDOERS=/etc/sudoers.d/dokku-storage
unset DOKKU_STORAGE_HELPERS
export HOST=/srv/host DOKKU_ROOT=/srv/host/home DOKKU_LIB_ROOT=/srv/host/lib DOKKU=/srv/host/bin/dokku
export SUITE=/srv/suite PLUGIN=/srv/plugin BINARY=/srv/plugin/dokku-storage HAVE_DOCKER=1
export TEST_LABEL=org.dokku-storage.test=vm TEST_IMAGE=dokku-storage-test:vm
RUN_ID=$(basename "${BATS_TEST_FILENAME:-provision}" .bats)
new_host_directory() {
  mkdir -p "$HOST/srv"
  chmod 0755 "$HOST"
  chmod 0777 "$HOST/srv"
}

setup_file() {
  name_paths
  before_all
}
teardown_file() {
  name_paths
  after_all
}
drop_host() { :; }

# eventually SECONDS COMMAND…: the command succeeds within that time.
eventually() {
  local end=$((SECONDS + $1))
  shift
  while ! "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "not within the time: $*" "$("$@" 2>&1)" || return
    sleep 0.3
  done
}
