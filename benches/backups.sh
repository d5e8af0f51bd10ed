#!/usr/bin/env bash
# Times backups: benches/backups.sh PLUGIN_DIR (as root)
#
# A tree of files is backed up to a directory of this host: the first time, unchanged, and with one file in a hundred changed;
# against `restic backup` of the same tree, and against `tar | zstd`. Each round has repositories of its own. Printed are the
# medians in seconds: of ours, of the upload in it (without the snapshot that is made first), and of restic alone; and the ratio of
# the upload to restic alone.
#
#   FILES=20000   how many files
#   MIB=1024      how much they hold together, of random bytes
#   ROUNDS=3      how many rounds
#   PLACE=DIR     where all of it is (default: /var/tmp); about four times as much as MIB
set -euo pipefail

if [ $# != 1 ] || ! [ -x "$1/dokku-storage" ] || [ "$(id -u)" != 0 ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2
  exit 2
fi
program=$(cd "$1" && pwd)/dokku-storage
files=${FILES:-20000} mib=${MIB:-1024} rounds=${ROUNDS:-3}
work=$(mktemp -d "${PLACE:-/var/tmp}/storage-backups-XXXXXX")
trap 'rm -rf "$work"' EXIT
export DOKKU_STORAGE_ROOT=$work/store RESTIC_PASSWORD=key RESTIC_CACHE_DIR=$work/cache
unset DOKKU_LIB_ROOT DOKKU_ROOT
data=$work/store/data/storage/data

make_tree() {
  local size=$((mib * 1024 * 1024 / files)) n
  for ((n = 0; n < files; n += 200)); do
    mkdir -p "$data/$((n / 200))"
    head -c $((size * 200)) /dev/urandom | split -a 3 -d -b "$size" - "$data/$((n / 200))/"
  done
}
change_some() {
  local n
  for ((n = 0; n < files; n += 100)); do head -c 1000 /dev/urandom >>"$data/$((n / 200))/000"; done
}

# timed NAME COMMAND…: adds the seconds that it takes to NAME's.
timed() {
  local name=$1 begin
  shift
  begin=$(date +%s.%N)
  "$@" >"$work/out" 2>"$work/said" || { cat "$work/said" >&2; return 1; }
  echo "$(date +%s.%N) - $begin" | bc >>"$work/$name"
}
median() { sort -n "$work/$1" | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

stored() { du -sm "$1" | cut -f1; }

"$program" storage:create data >/dev/null
make_tree
sync
for ((round = 1; round <= rounds; round++)); do
  mkdir "$work/ours" "$work/theirs"
  restic -q -r "$work/theirs" init
  "$program" storage:connectors:create "off$round" --type local --path "$work/ours" >/dev/null
  for what in first same changed; do
    [ "$what" != changed ] || change_some
    timed "theirs-$what" restic -q -r "$work/theirs" backup "$data"
    timed "ours-$what" "$program" storage:backups:create data --to "off$round" --format json
    jq '.[].upload_seconds' "$work/out" >>"$work/upload-$what"
    [ "$what" != first ] || timed tar sh -c "tar -C '$data' -c . | zstd -q -T0 -o '$work/tar.zst' -f"
  done
  echo "round $round: ours stores $(stored "$work/ours") MiB, restic $(stored "$work/theirs") MiB, tar $(stored "$work/tar.zst") MiB"
  rm -rf "$work/ours" "$work/theirs" "$work/tar.zst"
  "$program" storage:connectors:destroy "off$round" --force >/dev/null
done
printf '%-10s%10s%10s%10s%10s\n' what ours upload restic ratio
for what in first same changed; do
  upload=$(median "upload-$what") theirs=$(median "theirs-$what")
  printf '%-10s%10.2f%10.2f%10.2f%10.2f\n' "$what" "$(median "ours-$what")" "$upload" "$theirs" "$(echo "$upload / $theirs" | bc -l)"
done
printf '%-10s%10.2f\n' "tar|zstd" "$(median tar)"
