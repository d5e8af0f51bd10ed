#!/usr/bin/env bash
# What each call may cost: tests/budget/check.sh PLUGIN_DIR
#
# Counts the instructions of each call (valgrind) and its calls into the kernel (strace), its children's included,
# and compares them with budget.txt. More than 10 % above the budget fails. Neither number depends on how fast the
# machine is, or on what else it does; the instructions depend on the compiler and the target, so budget.txt names them.
#
# UPDATE_BUDGET=1 writes budget.txt anew.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=benches/store.sh
. "$here/../../benches/store.sh"

if [ $# != 1 ] || ! [ -x "$1/subcommands/list" ]; then
  echo "Usage: $0 PLUGIN_DIR (./install.sh --assemble DIR makes one)" >&2
  exit 2
fi
calls=(list list-json report-one report-all report-global list-entries docker-args-deploy mount create)
budget=$here/budget.txt

# Everything below a path of one length, since paths are copied and walked. The environment has nothing else in it.
root=$(mktemp -d /tmp/dokku-storage-budget-XXXXXX)
trap 'rm -rf "$root"' EXIT
make_store "$root" 200 5 500
cp -a "$1" "$root/plugin"
environment_of "$root"

instructions_of() {
  env -i "${environment[@]}" valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>"$root/said" >/dev/null ||
    { cat "$root/said" >&2; return 1; }
  sed -n 's/^==[0-9]*== Collected : //p' "$root/said"
}

system_calls_of() {
  env -i "${environment[@]}" strace -f -o "$root/traced" "$@" >/dev/null
  grep -cE '^[0-9]+ +[a-z0-9_]+\(' "$root/traced"
}

measured() {
  local name words instructions system_calls
  for name in "${calls[@]}"; do
    call_of "$name"
    words=("$root/plugin/${call[0]}" "${call[@]:1}")
    # The first change notes which entries need not be read again.
    if [ -n "$is_change" ]; then
      env -i "${environment[@]}" "${words[@]}" >/dev/null
      "$root/reset"
    fi
    instructions=$(instructions_of "${words[@]}")
    [ -z "$is_change" ] || "$root/reset"
    system_calls=$(system_calls_of "${words[@]}")
    [ -z "$is_change" ] || "$root/reset"
    printf '%-20s %12d %12d\n' "$name" "$instructions" "$system_calls"
  done
}

toolchain="$(rustc -V 2>/dev/null || echo 'rustc unknown') for $(uname -m)"
measured >"$root/measured"

if [ -n "${UPDATE_BUDGET:-}" ]; then
  {
    echo "# What each call may cost: see check.sh. Measured with"
    echo "# $toolchain"
    printf '%-20s %12s %12s\n' '# call' instructions 'system calls'
    cat "$root/measured"
  } >"$budget"
  cat "$budget"
  exit
fi

known=$(sed -n '2s/^# //p' "$budget")
[ "$known" = "$toolchain" ] ||
  echo "The budget is for $known, this is $toolchain: instructions may differ (UPDATE_BUDGET=1 writes it anew)"
awk '
  FILENAME == ARGV[1] { if ($1 !~ /^#/) { instructions[$1] = $2; calls[$1] = $3 } next }
  {
    if (!($1 in calls)) { printf "%s is not in the budget\n", $1; bad = 1; next }
    more = $2 > 1.1 * instructions[$1] || $3 > 1.1 * calls[$1]
    less = $2 < 0.9 * instructions[$1] || $3 < 0.9 * calls[$1]
    printf "%-20s %12d of %12d instructions, %6d of %6d system calls%s\n", $1, $2, instructions[$1], $3, calls[$1], \
      more ? ": TOO MANY" : (less ? ": lower the budget" : "")
    bad = bad || more
    seen[$1] = 1
  }
  END {
    for (name in calls) if (!(name in seen)) { printf "%s is in the budget and was not measured\n", name; bad = 1 }
    exit bad
  }' "$budget" "$root/measured"
