#!/usr/bin/env bash
# Shows what a call costs per app as the apps become more: benches/scale.sh PLUGIN_DIR
#
# Stores of 100, 1,000 and 10,000 apps with 5 mounts each, of as many entries as apps. The rounds go through all
# stores in turn, so that whatever else the machine does meets each of them. Printed are the medians, the time per app,
# and that against the smallest store: 1 is linear.
#
#   APPS="100 1000 10000"   the stores
#   ROUNDS=7                how many rounds
#   CALLS="…"               report-all report-global list-entries, and those that should not grow: list mount
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=benches/store.sh
. "$here/store.sh"

if [ $# != 1 ] || ! [ -x "$1/subcommands/list" ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2
  exit 2
fi
plugin=$(cd "$1" && pwd)
rounds=${ROUNDS:-7}
read -ra sizes <<<"${APPS:-100 1000 10000}"
read -ra calls <<<"${CALLS:-report-all report-global list-entries list mount}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for size in "${sizes[@]}"; do make_store "$work/$size" "$size" 5 $((size > 300 ? size : 300)); done

# In small stores a call is over soon: it is made several times.
for ((round = 0; round < rounds; round++)); do
  for name in "${calls[@]}"; do
    call_of "$name"
    for size in "${sizes[@]}"; do
      environment_of "$work/$size"
      prepare=()
      [ -z "$is_change" ] || prepare=(--prepare "$work/$size/reset")
      runs=$((2000 / size + 2))
      env -i "${environment[@]}" hyperfine -N --style none --warmup 1 --runs $((runs > 20 ? 20 : runs)) "${prepare[@]}" \
        --export-json "$work/times" "$plugin/${call[*]}" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
      jq '.results[0].median * 1000' "$work/times" >>"$work/times-$name-$size"
    done
  done
done

median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

printf '%-16s %8s %12s %16s %10s\n' call apps ms 'µs per app' 'to first'
for name in "${calls[@]}"; do
  for size in "${sizes[@]}"; do
    awk -v name="$name" -v size="$size" -v first="${sizes[0]}" -v ms="$(median "$work/times-$name-$size")" \
      -v least="$(median "$work/times-$name-${sizes[0]}")" \
      'BEGIN { printf "%-16s %8d %12.2f %16.1f %10.2f\n", name, size, ms, ms * 1000 / size, (ms / size) / (least / first) }'
  done
done
