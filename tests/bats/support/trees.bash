# Trees with all that a file system can have, and their comparison.

# plant_odd DIR: makes a directory with modes, attributes, access lists and kinds of files that are seldom seen.
plant_odd() {
  mkdir -p "$1/empty" "$1/with acl"
  echo secret >"$1/mode-0000" && chmod 0000 "$1/mode-0000"
  echo run >"$1/setuid" && chmod 4711 "$1/setuid"
  printf x >"$1/"$'new\nline'
  printf y >"$1/star*[x]"
  mkfifo "$1/pipe"
  mknod "$1/whiteout" c 0 0
  chmod 1777 "$1/empty"
  chmod 2750 "$1"
  setfattr -n user.mine -v yes "$1/setuid" "$1"
  setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 "$1/setuid"
  setfacl -m u:4321:rw,g:4322:r "$1/setuid"
  setfacl -m u:4321:rwx -d -m u:4323:rx "$1/with acl"
  echo inherited >"$1/with acl/file"
}

# plant DIR: makes one.
plant() {
  local n
  for n in 1 2 3; do
    mkdir -p "$1/small/$n"
    for ((i = 0; i < 30; i++)); do echo "$n $i" >"$1/small/$n/$i"; done
    ln "$1/small/$n/7" "$1/small/linked-$n"
    ln -s "../nowhere-$n" "$1/small/$n/link"
  done
  ln -s /etc "$1/out"
  plant_odd "$1/odd"
  truncate -s 64M "$1/sparse"
  printf begin | dd of="$1/sparse" conv=notrunc status=none
  printf end | dd of="$1/sparse" bs=1M seek=63 conv=notrunc status=none
  chown -hR 1000:1001 "$1/small/1"
  chown 32767:32767 "$1" "$1/odd/pipe"
  chmod 2751 "$1"
  setfattr -n user.top -v yes "$1"
  find "$1/odd" "$1/small/2" -exec touch -h -d '2001-02-03 04:05:06.789' {} +
  touch -d '1999-09-09 09:09:09' "$1"
}

# seen DIR: all that find knows of a tree; how large a directory is, is its file system's own.
seen() (
  cd "$1" && find . \( -type d -printf '%P %y %m %U:%G %n - %T@\n' \) -o -printf '%P %y %m %U:%G %n %s %T@ %l\n' | sort
)

# same_tree DIR DIR: there is no difference between two trees, and what has holes has them still.
same_tree() {
  local difference file
  difference=$(rsync -aAXHn --checksum --delete --numeric-ids --devices --specials -i "$1/" "$2/")
  [ -z "$difference" ] || fail "the trees differ: $difference"
  # rsync does not look at what a link's or a pipe's time is to the nanosecond.
  difference=$(diff <(seen "$1") <(seen "$2")) || fail "the trees differ: $difference"
  while IFS= read -r file; do
    [ "$(stat -c %b "$2/$file")" -le "$(($(stat -c %b "$1/$file") + 256))" ] || fail "$file lost its holes"
  done < <(cd "$1" && find . -type f -size +1M)
}
