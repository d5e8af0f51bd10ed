#!/usr/bin/env bash
# Times whole calls: benches/calls.sh PLUGIN_DIR [OTHER_PLUGIN_DIR]
#
# Both plugin folders work on the same store (200 apps with 5 mounts each, 500 entries). Each round times every call of
# the one, of the other and /bin/true right after each other with hyperfine, so that whatever else the machine does
# meets all of them. Printed are medians over the rounds, and the medians of the rounds' ratios: of PLUGIN_DIR to
# OTHER_PLUGIN_DIR, and to /bin/true. Below 1 is faster. Behind them, each call's system calls, its children's included,
# by class and for each plugin folder: counted in one run (strace), since they do not depend on what else the machine does.
#
#   ROUNDS=15   how many rounds
#   RUNS=20     how often each call is run in a round (the slow ones: a fifth of that)
#   CALLS="…"   only these: list list-json report-one report-all report-global list-entries docker-args-deploy mount
#               mount-path unmount set create
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=benches/store.sh
. "$here/store.sh"

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2
  exit 2
fi
for tool in hyperfine jq strace; do
  command -v "$tool" >/dev/null || {
    echo " !     $tool is missing (Debian: apt-get install $tool)" >&2
    exit 1
  }
done
plugins=()
for folder in "$@"; do
  [ -x "$folder/subcommands/list" ] || {
    echo " !     $folder is no assembled plugin folder: ./install.sh --assemble DIR makes one" >&2
    exit 1
  }
  plugins+=("$(cd "$folder" && pwd)")
done
rounds=${ROUNDS:-15} runs=${RUNS:-20}
read -ra calls <<<"${CALLS:-list list-json report-one report-all report-global list-entries docker-args-deploy mount mount-path unmount set create}"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
make_store "$root" 200 5 500
environment_of "$root"

# round CALL: a line with the medians, in ms, of each plugin and of /bin/true; behind them the ratios of the first plugin
# to /bin/true and to the other plugin.
round() {
  local count=$runs prepare=() commands=() folder
  call_of "$1"
  case $1 in report-all | report-global | list-entries | mount | mount-path | create) count=$((runs / 5 + 1)) ;; esac
  [ -z "$is_change" ] || prepare=(--prepare "$root/reset")
  for folder in "${plugins[@]}"; do commands+=("$folder/${call[*]}"); done
  env -i "${environment[@]}" hyperfine -N --style none --warmup 1 --runs "$count" "${prepare[@]}" \
    --export-json "$root/times" "${commands[@]}" /bin/true >"$root/said" 2>&1 || { cat "$root/said" >&2; return 1; }
  jq -r '[.results[].median * 1000] | . + [.[0] / .[-1], .[0] / .[1]] | @tsv' "$root/times"
}

for call_name in "${calls[@]}"; do
  "$root/reset"
  : >"$root/rounds-$call_name"
done
for ((i = 0; i < rounds; i++)); do
  for call_name in "${calls[@]}"; do round "$call_name" >>"$root/rounds-$call_name"; done
done

# median FILE COLUMN
median() { cut -f "$2" "$1" | sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

last=${#plugins[@]}
printf '%-20s %10s' call ms
[ "$last" = 1 ] || printf ' %10s %10s' 'other ms' 'to other'
printf ' %10s %10s\n' 'true ms' 'to true'
for call_name in "${calls[@]}"; do
  file="$root/rounds-$call_name"
  printf '%-20s %10.2f' "$call_name" "$(median "$file" 1)"
  [ "$last" = 1 ] || printf ' %10.2f %10.3f' "$(median "$file" 2)" "$(median "$file" $((last + 3)))"
  printf ' %10.2f %10.2f\n' "$(median "$file" $((last + 1)))" "$(median "$file" $((last + 2)))"
done

# classes TRACE: how many calls of each class.
classes() {
  awk '
    match($0, /^[0-9]+ +[a-z0-9_]+\(/) { name = $2; sub(/\(.*/, "", name); count[class(name)]++; all++ }
    function class(name) {
      if (name ~ /^(fsync|fdatasync|sync|syncfs|msync|sync_file_range)$/) return "flush"
      if (name ~ /^(open|openat|openat2|creat)$/) return "open"
      if (name ~ /^(read|readv|pread64|preadv|getdents|getdents64|readlink|readlinkat)$/) return "read"
      if (name ~ /^(write|writev|pwrite64|pwritev|truncate|ftruncate|fallocate)$/) return "write"
      if (name ~ /^(rename|link|symlink|unlink|mkdir)(at2?)?$|^rmdir$/) return "name"
      if (name ~ /^(stat|lstat|fstat|newfstatat|fstatat64|statx|access|faccessat2?)$/) return "stat"
      return "other"
    }
    END {
      for (i = split("flush open read write name stat other", order); i > 0; i--) line = sprintf(" %7d", count[order[i]]) line
      printf "%s %7d\n", line, all
    }' "$1"
}

printf '\n%-20s %-6s %7s %7s %7s %7s %7s %7s %7s %7s\n' 'system calls' plugin flush open read write name stat other all
for call_name in "${calls[@]}"; do
  call_of "$call_name"
  for folder in "${plugins[@]}"; do
    which=first
    [ "$folder" = "${plugins[0]}" ] || which=other
    "$root/reset"
    env -i "${environment[@]}" strace -f -o "$root/traced" "$folder/${call[0]}" "${call[@]:1}" >"$root/said" 2>&1 ||
      { cat "$root/said" >&2; exit 1; }
    printf '%-20s %-6s%s\n' "$call_name" "$which" "$(classes "$root/traced")"
  done
done
