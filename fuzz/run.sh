#!/usr/bin/env bash
# Runs the fuzz targets, each for some seconds, and says how many inputs were tried.
#
#   fuzz/run.sh [SECONDS] [TARGET…]     10 seconds and every target unless said otherwise
#
# What was found interesting is kept in fuzz/corpus/TARGET and tried again by the next run; an input that breaks something
# is left in fuzz/artifacts/TARGET, and tried alone with fuzz/target/…/release/TARGET FILE.
#
# Any compiler will do: the coverage that libFuzzer works with is part of all of them, and a sanitizer, which needs a
# nightly one, has nothing to look for in a crate that forbids unsafe code. So cargo-fuzz is not needed either: the flags
# below are what its `build --sanitizer none` passes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=${1:-10}
case $seconds in
  '' | *[!0-9]* | 0)
    echo " !     fuzz/run.sh: \"$seconds\" is no number of seconds" >&2
    exit 1
    ;;
esac
shift $(($# > 0 ? 1 : 0))
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' Cargo.toml)

if ! command -v c++ >/dev/null; then
  echo " !     libFuzzer is built with a C++ compiler; install one (Debian: apt-get install g++)" >&2
  exit 1
fi
export RUST_BACKTRACE=0

log=$(mktemp)
memory=${TMPDIR:-/tmp}
[ ! -w /dev/shm ] || memory=/dev/shm
scratch=$(mktemp -d -p "$memory" storage-fuzz-XXXXXX)
trap 'rm -rf "$log" "$scratch"' EXIT
echo "-----> Building the fuzz targets"
flags=(-Cpasses=sancov-module -Cdebug-assertions -Ccodegen-units=1 --cfg fuzzing)
for flag in sanitizer-coverage-{level=4,inline-8bit-counters,pc-table,trace-compares,stack-depth} simplifycfg-branch-fold-threshold=0; do
  flags+=("-Cllvm-args=-$flag")
done
host=$(rustc -vV | sed -n 's/^host: //p')
# With --target, the flags are not for build scripts.
if ! RUSTFLAGS="${flags[*]}" cargo build --release --bins --target "$host" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi

built=${CARGO_TARGET_DIR:-target}/$host/release

total=0 failed=()
for target in "${targets[@]}"; do
  mkdir -p "corpus/$target" "artifacts/$target"
  folders=("corpus/$target")
  [ ! -d "seeds/$target" ] || folders+=("seeds/$target")
  # What the commands print would drown what libFuzzer says.
  mute=0
  [ "$target" != arguments ] || mute=3
  status=0
  TMPDIR=$scratch "$built/$target" "${folders[@]}" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
    -rss_limit_mb=4096 -dict=storage.dict -close_fd_mask="$mute" -print_final_stats=1 \
    -artifact_prefix="artifacts/$target/" >"$log" 2>&1 || status=$?
  tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
  total=$((total + ${tried:-0}))
  if [ "$status" -eq 0 ] && [ -n "$tried" ]; then
    printf '       %-16s %10s inputs\n' "$target" "$tried"
  else
    failed+=("$target")
    { grep -a -A 6 -m 1 'panicked at\|ERROR: libFuzzer' "$log" || tail -n 20 "$log"; } | cut -c 1-1000 >&2
    grep -a -o 'artifacts/[a-z_]*/[^ ]*' "$log" | tail -n 1 >&2 || true
    printf ' !     %s failed after %s inputs\n' "$target" "${tried:-0}" >&2
  fi
done
echo "-----> $total inputs tried by ${#targets[@]} targets"
[ ${#failed[@]} -eq 0 ]
