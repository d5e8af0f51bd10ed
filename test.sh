#!/usr/bin/env bash
# Runs every test of the project and says what passed: ./test.sh, or ./test.sh STEP… for some of the steps.
#
#   setup   Debian packages and the user that the tests need (as root; see tests/setup.sh)
#   fmt     cargo fmt --check
#   clippy  cargo clippy, warnings are errors
#   build   the release binary, built once as install.sh builds it and used by the bats suites
#   budget  instructions and system calls of each call against tests/budget/budget.txt
#   unit    cargo test: unit, conformance replay, command-line snapshots
#   fuzz    each fuzz target for some seconds, beside the other steps (FUZZ_SECONDS, 5 unless said otherwise)
#   shell   shellcheck over the shell files
#   bats    the plugin in a Dokku-like host, over SSH, with real containers (as root)
#   deny    cargo deny: advisories, licences, sources (built once, kept in ~/.cache/dokku-storage)
#   vm      only where it is named: a machine of its own in qemu, for what no other machine can run, and power cuts (as root; VM_CUTS=N
#           power cuts at random moments, 8 unless said otherwise; see tests/vm/run.py)
#   generate  not a test, and only run where it is named: writes what follows from the catalog (see tests/generate.sh)
#
# With CI=true nothing is skipped, what cannot run has failed; but for the advisories where their database cannot
# be fetched, which is said. Logs are in target/test-logs.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(setup fmt clippy build budget unit shell bats fuzz deny)
logs=$PWD/target/test-logs
mkdir -p "$logs"
passed=0 failed=0 summary=()
PATH="$PATH:${HOME:-/root}/.cargo/bin"
export INSTA_UPDATE=no CARGO_TERM_COLOR=never
# What is built from its beginning is built quicker without notes for the next build, and without what backtraces alone read. Where somebody
# works, what is there is used.
compgen -G "${CARGO_TARGET_DIR:-target}/debug/incremental/*" >/dev/null || export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_STRIP=debuginfo

started=$SECONDS

# note RESULT STEP TEXT: one line, now and in the summary.
note() {
  local line
  printf -v line '%-7s %-7s %s' "$1" "$2" "$3"
  printf '%s (%ds)\n' "$line" $((SECONDS - started))
  summary+=("$line")
}

pass() {
  passed=$((passed + ${3:-1}))
  note ok "$1" "$2"
}

# lose STEP TEXT [COUNT]: the step failed; its log is shown.
lose() {
  failed=$((failed + ${3:-1}))
  note FAILED "$1" "$2"
  sed 's/^/    /' "$logs/$1.log" | tail -n "${4:-60}"
}

# skip STEP TEXT: loud, and a failure where nothing may be skipped.
skip() {
  if [ "${CI:-}" = true ]; then
    echo "$2" >"$logs/$1.log"
    lose "$1" "cannot run, and CI=true: $2"
  else
    note SKIPPED "$1" "$2"
  fi
}

# simple STEP TEXT COMMAND…: a step that passes or fails as a whole.
simple() {
  local step=$1 text=$2
  shift 2
  if "$@" >"$logs/$step.log" 2>&1; then pass "$step" "$text"; else lose "$step" "$text"; fi
}

# Runs a command as root: directly, or by sudo where that asks nothing.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n -E env "PATH=$PATH" "$@"; fi
}
can_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

run_setup() {
  if can_be_root; then simple setup "packages and user" as_root tests/setup.sh; else skip setup "root is needed to install what the tests need"; fi
}

# Its lines are shown as they come: it takes long.
run_vm() {
  if ! can_be_root || ! command -v apt-get >/dev/null; then
    skip vm "root and apt-get are needed (sudo ./test.sh vm)"
    return
  fi
  local ok bad
  ./install.sh --assemble target/test-plugin >"$logs/vm.log" 2>&1 || { lose vm "release binary and plugin directory"; return; }
  as_root tests/setup.sh >"$logs/vm.log" 2>&1 || { lose vm "packages"; return; }
  as_root nice tests/vm/run.py target/test-plugin 2>&1 | tee "$logs/vm.log"
  ok=$(grep -c '^ok ' "$logs/vm.log") bad=$(grep -c '^not ok ' "$logs/vm.log")
  if [ "$bad" = 0 ] && tail -n 1 "$logs/vm.log" | grep -qx "$ok passed, 0 failed"; then
    pass vm "$ok passed" "$ok"
  else
    passed=$((passed + ok)) failed=$((failed + (bad > 0 ? bad : 1)))
    note FAILED vm "$ok passed, $bad failed"
    [ "$bad" = 0 ] || sed -n '/^not ok /,/^ok /p' "$logs/vm.log" | grep -v '^ok '
  fi
}

run_generate() { simple generate "modules, links, pages and help" tests/generate.sh; }

run_fmt() { simple fmt "cargo fmt --check" cargo fmt --check; }

run_clippy() { simple clippy "cargo clippy" cargo clippy --quiet --locked --all-targets -- -D warnings; }

# The end of the release build is one thread's work: the other core lints and builds the tests meanwhile.
build_run=""
prepare_build() {
  beside build ./install.sh --assemble target/test-plugin
  build_run=$!
}

run_build() {
  [ -n "$build_run" ] || prepare_build
  # What cannot be built is told by the step itself.
  ! wants unit || cargo test --quiet --locked --no-run >"$logs/unit-build.log" 2>&1
  if ended "$build_run" build; then pass build "release binary and plugin directory"; else lose build "release binary and plugin directory"; fi
  build_run=""
}

# Costs are counted, not timed, so this may run beside anything.
run_budget() {
  if ! command -v valgrind >/dev/null || ! command -v strace >/dev/null; then
    skip budget "valgrind and strace are needed (Debian: apt-get install valgrind strace)"
    return
  fi
  [ -x target/test-plugin/dokku-storage ] || run_build
  simple budget "cost of calls" tests/budget/check.sh target/test-plugin
}

# Adds up what cargo test says of each of its programs.
sum_of() { awk -v what="$1;" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i == what) sum += $(i - 1) } END { print sum + 0 }' "$logs/unit.log"; }

# in_memory COMMAND…: as tests/in_memory.sh does, where root can have that.
in_memory() {
  local directory="" status=0
  if [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then directory=$(mktemp -d /tmp/XXXX); fi
  if [ -z "$directory" ]; then "$@"; return; fi
  unshare --mount tests/in_memory.sh "$directory" "$@" || status=$?
  rmdir "$directory"
  return "$status"
}

# Some tests of the command line wait for minutes: the other test programs run meanwhile.
cli_run=""
run_unit() {
  local status=0 ok bad path name others=(--lib --bins)
  # What is installed is tried where it is there; it is quicker, too.
  [ ! -x target/test-plugin/dokku-storage ] || ! wants build || export DOKKU_STORAGE_BINARY=$PWD/target/test-plugin/dokku-storage
  for path in tests/*.rs tests/*/main.rs; do
    name=${path#tests/} name=${name%.rs} name=${name%/main}
    [ "$name" = cli ] || others+=(--test "$name")
  done
  beside unit-cli in_memory cargo test --locked --test cli
  cli_run=$!
  in_memory cargo test --locked --no-fail-fast "${others[@]}" >"$logs/unit.log" 2>&1 || status=$?
  ended "$cli_run" unit-cli || status=$?
  cli_run=""
  cat "$logs/unit-cli.log" >>"$logs/unit.log"
  ok=$(sum_of passed) bad=$(sum_of failed)
  if [ "$status" = 0 ]; then
    pass unit "cargo test: $ok passed" "$ok"
  else
    passed=$((passed + ok))
    # What failed, with what it said, and not the rest.
    sed -n '/^failures:$/,/^test result:/p; /^error/p' "$logs/unit.log" >"$logs/unit-failed.log"
    mv "$logs/unit.log" "$logs/unit-all.log"
    mv "$logs/unit-failed.log" "$logs/unit.log"
    lose unit "cargo test: $ok passed, $bad failed" $((bad > 0 ? bad : 1)) 200
  fi
}

run_shell() {
  if ! command -v shellcheck >/dev/null; then
    skip shell "shellcheck is missing"
    return
  fi
  simple shell "shellcheck of what is measured" shellcheck -x benches/*.sh tests/budget/check.sh
  simple shell "shellcheck" shellcheck install.sh test.sh .ci/run commands/* src/completion.bash tests/*.sh tests/bats/*.bash \
    tests/bats/support/*.bash tests/bats/support/replaced tests/bats/*.bats tests/bats/host/dokku tests/bats/host/plugn tests/bats/host/plugins/*/[is]* tests/bats/host/plugins/ps/* \
    tests/vm/*.sh tests/vm/guest/*.bash tests/vm/guest/*.bats tests/vm/guest/provision
}

# beside STEP COMMAND…: starts a command whose end is waited for later. Its status goes to a file: a shell forgets that of a
# process whose number was given to another one meanwhile.
beside() {
  local step=$1
  shift
  rm -f "$logs/$step.status"
  { "$@" >"$logs/$step.log" 2>&1; echo $? >"$logs/$step.status"; } &
}

# ended PROCESS STEP: waits for it; its status.
ended() {
  wait "$1" 2>/dev/null
  return "$(cat "$logs/$2.status" 2>/dev/null || echo 1)"
}

# The suites mostly wait, and so run beside the tests of cargo, in three lanes. In one is what uses the things that a machine has once:
# programs that a suite replaces, loop devices, the crontab, volume drivers. In another one are those that deploy most; all take about as long.
declare -A lanes=(
  [once]="at_once backups faults metrics pairs schedules sized sizes volumes"
  [deploys]="applife deploy install needs preflight refusals restart standin"
)
declare -A bats_runs=()
prepare_bats() {
  command -v bats >/dev/null && can_be_root || return 0
  local path name lane
  local -A paths=()
  for path in tests/bats/*.bats; do
    name=$(basename "$path" .bats)
    for lane in "${!lanes[@]}" bats; do [[ " ${lanes[$lane]:-$name} " != *" $name "* ]] || break; done
    paths[$lane]+=" $path"
  done
  for lane in "${!paths[@]}"; do
    name=-$lane
    [ "$lane" != bats ] || name=""
    # shellcheck disable=SC2086 # the paths are words
    beside "$lane" as_root env "BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-900}" "LANE=$name" bats --timing ${paths[$lane]}
    bats_runs[$lane]=$!
  done
}

run_bats() {
  if [ ${#bats_runs[@]} = 0 ]; then
    skip bats "bats and root are needed (sudo ./test.sh)"
    return
  fi
  local status=0 ok bad skipped lane
  for lane in "${!bats_runs[@]}"; do
    ended "${bats_runs[$lane]}" "$lane" || status=$?
  done
  for lane in "${!lanes[@]}"; do cat "$logs/$lane.log" >>"$logs/bats.log"; done
  bats_runs=()
  skipped=$(grep -c '^ok .* # skip' "$logs/bats.log")
  ok=$(($(grep -c '^ok ' "$logs/bats.log") - skipped))
  bad=$(grep -c '^not ok ' "$logs/bats.log")
  grep -E '^# .*(SKIPPED|NO DOCKER)' "$logs/bats.log"
  [ "$skipped" = 0 ] || sed -n 's/^ok \(.*\) # skip\(.*\)/    SKIPPED \1:\2/p' "$logs/bats.log"
  if [ "$status" = 0 ] && [ "$bad" = 0 ]; then
    pass bats "$ok passed, $skipped skipped" "$ok"
  else
    passed=$((passed + ok))
    sed '/^ok /d' "$logs/bats.log" >"$logs/bats-failed.log"
    note FAILED bats "$ok passed, $bad failed, $skipped skipped"
    failed=$((failed + (bad > 0 ? bad : 1)))
    sed 's/^/    /' "$logs/bats-failed.log" | head -n 200
  fi
}

# Building the fuzz targets takes minutes in which the bats suites mostly wait.
fuzz_run=""
prepare_fuzz() {
  command -v c++ >/dev/null || return 0
  beside fuzz nice fuzz/run.sh "${FUZZ_SECONDS:-5}"
  fuzz_run=$!
}

run_fuzz() {
  if [ -z "$fuzz_run" ]; then
    skip fuzz "a C++ compiler is needed (Debian: apt-get install g++)"
    return
  fi
  if ended "$fuzz_run" fuzz; then pass fuzz "$(tail -n 1 "$logs/fuzz.log")"; else lose fuzz "fuzz/run.sh"; fi
  fuzz_run=""
}

# cargo-deny takes a minute to build: once a machine, beside the other steps.
deny_root="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dokku-storage/tools"
deny_build=""
prepare_deny() {
  command -v cargo-deny >/dev/null && return
  [ ! -x "$deny_root/bin/cargo-deny" ] || return 0
  beside deny-build nice cargo install --locked --debug --quiet --no-default-features --version 0.20.2 --root "$deny_root" cargo-deny
  deny_build=$!
}

run_deny() {
  local deny
  if [ -n "$deny_build" ] && ! ended "$deny_build" deny-build; then
    cp "$logs/deny-build.log" "$logs/deny.log"
    lose deny "cargo-deny cannot be built"
    return
  fi
  deny=$(command -v cargo-deny || echo "$deny_root/bin/cargo-deny")
  simple deny "cargo deny check bans licenses sources" "$deny" --log-level warn check bans licenses sources
  if "$deny" --log-level warn check advisories >"$logs/deny.log" 2>&1; then
    pass deny "cargo deny check advisories"
  elif grep -qE 'failed to (fetch|load|clone)' "$logs/deny.log" && ! grep -q '^error\[' "$logs/deny.log"; then
    note SKIPPED deny "NOT CHECKED: advisories; the RustSec database cannot be fetched from this machine"
  else
    lose deny "cargo deny check advisories"
  fi
}

wants() { [[ " ${steps[*]} " == *" $1 "* ]]; }

finish() {
  local job
  for job in $deny_build $build_run $cli_run $fuzz_run "${bats_runs[@]}"; do
    pkill -TERM -P "$job" 2>/dev/null
    kill "$job" 2>/dev/null
  done
}
trap finish EXIT

for step in "${steps[@]}"; do
  if ! declare -F "run_$step" >/dev/null; then
    echo " !     unknown step $step: setup fmt clippy build budget unit shell bats fuzz deny vm generate" >&2
    exit 1
  fi
done
if ! command -v cargo >/dev/null; then
  echo " !     cargo is missing: install Rust 1.89 or newer, then run this again" >&2
  exit 1
fi
for step in "${steps[@]}"; do
  # What the linker needs comes with the setup.
  [ "$step" = setup ] || [ -n "$deny_build" ] || ! wants deny || prepare_deny
  case $step in
    clippy | build) [ -n "$build_run" ] || ! wants build || prepare_build ;;
  esac
  # What follows the builds mostly waits.
  case $step in
    unit | shell | bats) [ ${#bats_runs[@]} -gt 0 ] || ! wants bats || prepare_bats ;;
  esac
  case $step in
    unit | shell | bats | fuzz) [ -n "$fuzz_run" ] || ! wants fuzz || prepare_fuzz ;;
  esac
  "run_$step"
done

echo
echo "Summary, after $((SECONDS - started)) s:"
printf '  %s\n' "${summary[@]}"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
