#!/usr/bin/env bash
# Times what walks through directories: benches/trees.sh PLUGIN_DIR (as root)
#
# Ownership, usage, snapshots by copy and copies of trees of many files and of one large file, against the programs
# that people use for it. Each round runs ours and the others right after each other on the same tree, with what the
# kernel has cached. Printed are the medians, the median of the rounds' ratios (below 1: ours is faster), and the most
# memory that ours had resident.
#
#   SIZES="100000 1000000"   how many files the trees have, 1 KiB each, 100 a folder
#   COPIES=100000            trees of more files are not copied
#   LARGE=4096               the size of the one large file, in MiB
#   SHAPES="linked wide deep" the memory that odd trees take: a million names of files with two each, a folder with
#                            300,000 folders in it, and 10,000 folders in each other, each with 20 more
#   ROUNDS=5                 how many rounds
#   PLACE=DIR                where the trees are made (default: /var/tmp); about 5 GiB for each million files
set -euo pipefail

if [ $# != 1 ] || ! [ -x "$1/dokku-storage" ] || [ "$(id -u)" != 0 ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2
  exit 2
fi
program=$(cd "$1" && pwd)/dokku-storage
sizes=${SIZES-100000 1000000} most_copied=${COPIES:-100000} large=${LARGE:-4096} shapes=${SHAPES-linked wide deep} rounds=${ROUNDS:-5}
work=$(mktemp -d "${PLACE:-/var/tmp}/storage-trees-XXXXXX")
trap 'rm -rf "$work"' EXIT
export DOKKU_STORAGE_ROOT=$work/store
unset DOKKU_LIB_ROOT DOKKU_ROOT
data=$work/store/data/storage/data

ours() { "$program" "$@" >/dev/null; }

# make_tree COUNT: as many files in the entry's directory.
make_tree() {
  perl -e '
    my ($top, $count) = @ARGV;
    my $content = "x" x 1024;
    for my $file (0 .. $count - 1) {
      my $outer = "$top/" . int($file / 10000);
      my $folder = "$outer/" . int($file / 100);
      if ($file % 10000 == 0) { mkdir $outer or die "$outer: $!" }
      if ($file % 100 == 0) { mkdir $folder or die "$folder: $!" }
      open(my $handle, ">", "$folder/$file") or die "$folder/$file: $!";
      print $handle $content;
    }' "$data" "$1"
}

# took COMMAND…: how long it took, in ms.
took() {
  local before=$EPOCHREALTIME
  "$@" >/dev/null
  local after=$EPOCHREALTIME
  echo $(((${after/./} - ${before/./}) / 1000))
}

median() { sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

# compare WHAT PREPARE OURS OTHER…: names of functions; PREPARE is run before each and is not timed.
compare() {
  local what=$1 prepare=$2 name round
  shift 2
  local order=("$@")
  : >"$work/times"
  for ((round = 0; round < rounds; round++)); do
    # Who begins meets memory that the machine has not used lately: each begins in turn.
    for name in "${order[@]}"; do
      "$prepare" >/dev/null
      took "$name" >>"$work/times-$name"
    done
    order=("${order[@]:1}" "${order[0]}")
  done
  local memory
  "$prepare" >/dev/null
  memory=$(peak "$1")
  for name in "${@:2}"; do
    printf '%-34s %10.0f ms   %-18s %10.0f ms   ratio %6.3f   %6d KiB\n' "$what" "$(median <"$work/times-$1")" \
      "${name#other_}" "$(median <"$work/times-$name")" \
      "$(paste "$work/times-$1" "$work/times-$name" | awk '{ print $1 / ($2 > 0 ? $2 : 1) }' | median)" "$memory"
  done
  for name in "$@"; do rm -f "$work/times-$name"; done
}

# peak FUNCTION: the most memory that a call of ours has resident, in KiB.
peak() {
  local program_before=$program
  program=peak_of
  "$1"
  program=$program_before
  cat "$work/peak"
}
peak_of() { /usr/bin/time -f %M -o "$work/peak" "${program_before:?}" "$@"; }

nothing() { :; }
to_others() { chown -R 4000:4000 "$data"; }
to_right() { chown -R 1000:1000 "$data"; }
own() { ours storage:set data chown 1000 --chown-recursive; }
other_chown() { chown -R 1000:1000 "$data"; }
usage() { ours storage:usage data; }
other_du() { du -s "$data"; }
without_copies() {
  local copy="$work/copy"
  rm -rf "$copy"
  if [ -n "$(ls "$work/store/data/storage-registry/snapshots/data" 2>/dev/null)" ]; then
    ours storage:snapshots:destroy data copy --force
  fi
  if [ -e "$work/store/data/storage-registry/entries/second.json" ]; then
    ours storage:destroy second --destroy-host-dir --no-trash --force
  fi
}
snapshot() { ours storage:snapshots:create data copy; }
clone() { ours storage:clone data second; }
other_cp() { cp -a --reflink=auto "$data" "$work/copy"; }
other_cp_never() { cp -a --reflink=never "$data" "$work/copy"; }
other_rsync() { rsync -a "$data/" "$work/copy/"; }
other_tar() { mkdir "$work/copy" && tar -C "$data" -cf - . | tar -C "$work/copy" -xpf -; }

copies=(other_cp other_cp_never other_tar)
command -v rsync >/dev/null && copies+=(other_rsync)

linked() {
  make_tree 500000
  mkdir "$data/first"
  mv "$data"/[0-9]* "$data/first"
  cp -al "$data/first" "$data/second"
}
long="a folder whose name is rather long so that remembering it takes some memory"
wide() { perl -e 'my ($top, $name) = @ARGV; mkdir "$top/$name $_" or die "$_: $!" for 1 .. 300_000' "$data" "$long"; }
deep() {
  perl -e 'my ($top, $name) = @ARGV; chdir $top or die $!;
    for (1 .. 10_000) { mkdir "$name $_" or die $! for 1 .. 20; mkdir "d" or die $!; chdir "d" or die $! }' "$data" "$long"
}

# Old values of the options must not stay.
fresh() {
  rm -rf "$work/store"
  ours storage:create data
}

for size in $sizes; do
  fresh
  make_tree "$size"
  sync
  compare "ownership of $size, first time" to_others own other_chown
  compare "ownership of $size, again" to_right own other_chown
  compare "usage of $size" nothing usage other_du
  if [ "$size" -le "$most_copied" ]; then
    compare "snapshot of $size" without_copies snapshot "${copies[@]}"
    compare "clone of $size" without_copies clone "${copies[@]}"
  fi
  without_copies
done
for shape in $shapes; do
  fresh
  "$shape"
  for call in usage own snapshot; do
    printf '%-34s %6d KiB\n' "$call of a $shape tree" "$(peak "$call")"
  done
  ours storage:snapshots:destroy data copy --force
  ours storage:destroy data --destroy-host-dir --no-trash --force
done
if [ "$large" != 0 ]; then
  fresh
  head -c "${large}M" /dev/urandom >"$data/file"
  sync
  compare "clone of a file of $large MiB" without_copies clone "${copies[@]}"
  without_copies
fi
