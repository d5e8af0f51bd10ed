# shellcheck shell=bash
# What holds of entries with a size, whatever was done at once or cut off.

exists() { [ -e "$DOKKU_LIB_ROOT/data/storage-registry/entries/$1.json" ]; }

# held_elsewhere DEVICE: a process in a mount namespace of its own has it: that of another suite has all that was mounted when it began.
held_elsewhere() {
  local own process
  own=$(readlink /proc/self/ns/mnt)
  while read -r process; do
    [ "$(readlink "${process%mountinfo}ns/mnt" || echo "$own")" = "$own" ] || return 0
  done < <(grep -ls -- " $1 " /proc/[0-9]*/mountinfo)
  return 1
}

# settled WORD…: after what the words say, the next command finds every entry whole, and nothing that belongs to none.
settled() {
  local name image kept waits
  # Any change clears what was left; what is registered can be attached.
  dokku storage:create "$APP-any" >/dev/null || fail "$*: no command goes on" || return
  dokku storage:destroy "$APP-any" --force --destroy-host-dir --no-trash >/dev/null || return
  for name in "$DATA" "$DATA-twin" "$DATA-from"; do
    ! exists "$name" || dokku storage:wait "$name" --timeout 20 >/dev/null || fail "$*: $name is not usable" || return
    [ "$name" != "$DATA-twin" ] || ! exists "$name" || assert_equal "kept" "$(cat "$ROOT/$name/file")" || return
  done
  for image in "$IMAGES"/* "$IMAGES"/.*; do
    [ -f "$image" ] || continue
    # What has another name is in the trash: the next command that needs this one ends it.
    [ "$(stat -c %h "$image")" = 1 ] || continue
    name=$(basename "$image" .img)
    exists "$name" || [ -e "$REGISTRY/trash/${name#.trash-}.json" ] || fail "$*: $image belongs to nothing" || return
  done
  # Whoever is just starting a container has all that is mounted for a moment. A device that it kept is attached again where its image
  # comes back, and has the name that the image had first: images are known by their inodes.
  for ((waits = 0; waits < 50; waits++)); do
    kept=$(losetup --noheadings --output NAME,BACK-INO,BACK-FILE | grep -F "$IMAGES" | grep -E '\(deleted\)|/\.' |
      grep -vwFf <(stat -c %i "$IMAGES"/*.img 2>/dev/null) |
      while read -r device image; do held_elsewhere "$device" || echo "$device $image"; done || true)
    [ -n "$kept" ] || break
    sleep 0.2
  done
  assert_equal "$*: " "$*: $kept" || return
  assert_equal "$*: " "$*: $(find "$ROOT" -maxdepth 1 -name '.destroyed-*')" || return
  # What was written last is in the entry, or in what a restore replaced.
  ! exists "$DATA" || [ ! -e "$HOST/written" ] || grep -rqsF "$(cat "$HOST/written")" "$ROOT/$DATA" "$ROOT/.snapshot-$DATA@"* ||
    fail "$*: what was written is nowhere"
}
