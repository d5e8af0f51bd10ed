#!/usr/bin/env bats
# What is destroyed with its data can be had back for a while; what nothing uses is found, and deleted once confirmed.
load helper

before_all() { dokku storage:policy:set trash-hours 48 >/dev/null; }
before_each() { NAME="$APP-data"; }
after_each() {
  if [ -n "${VOLUMES:-}" ]; then
    # shellcheck disable=SC2086
    docker volume rm -f $VOLUMES >/dev/null
  fi
  if mountpoint -q "${OWN_DISK:-/nowhere}"; then
    umount "$OWN_DISK"
    # It is another directory again.
    [ "$OWN_DISK" != "$ROOT" ] || begin_anew
  fi
  if [ -n "${LOOP:-}" ]; then losetup -d "$LOOP"; fi
}

# The ids of what is in the trash under a name, what was destroyed first at the beginning.
ids_of() { dokku storage:trash:list --format json | jq -r --arg name "$1" '.[] | select(.name == $name) | .id'; }

# Makes an entry with data of a user that dokku is not, and that dokku cannot read.
private_entry() {
  dokku storage:create "$1" --chown 1000 >/dev/null
  mkdir "$ROOT/$1/private"
  head -c 2M /dev/urandom >"$ROOT/$1/private/file"
  ln -s /etc/passwd "$ROOT/$1/link"
  chown -hR 1000:1000 "$ROOT/$1"
  chmod 0700 "$ROOT/$1/private"
}

# Makes what is in the trash as old as one hour less than, or one hour more than, it may be.
age() {
  local note
  for note in "$REGISTRY"/trash/"$1"-*.json; do
    jq ".when -= $2" "$note" >"$note.next"
    cat "$note.next" >"$note"
    rm "$note.next"
  done
}

@test "an app has its data back, with its owners, after its entry was destroyed" {
  needs_docker
  private_entry "$NAME"
  dokku storage:mount "$APP" "$NAME" --container-dir /data
  deploy "$APP" web=1
  run dokku storage:destroy "$NAME" --force --destroy-host-dir
  assert_status 1
  dokku storage:unmount "$APP" "$NAME"
  deploy "$APP" web=1
  retire
  local before
  before=$(snapshot "$ROOT/$NAME")
  cp "$REGISTRY/entries/$NAME.json" "$BATS_TEST_TMPDIR/entry.json"

  run dokku storage:destroy "$NAME" --force --destroy-host-dir
  assert_success
  assert_has "restore it: dokku storage:trash:restore $NAME"
  [ ! -e "$ROOT/$NAME" ] || fail "the directory is still there"
  run dokku storage:list-entries
  assert_has_not "$NAME"
  run dokku storage:trash:list --size
  assert_line_with "$NAME-" " 2" "M"

  run dokku storage:trash:restore "$NAME"
  assert_success
  diff <(echo "$before") <(snapshot "$ROOT/$NAME")
  diff "$BATS_TEST_TMPDIR/entry.json" "$REGISTRY/entries/$NAME.json"
  assert_equal "$(stat -c %U:%a "$REGISTRY/entries/$NAME.json")" dokku:600
  dokku storage:mount "$APP" "$NAME" --container-dir /data
  deploy "$APP" web=1
  inside "$APP" web test -s /data/private/file
}

@test "reclaim policy Delete goes to the trash, and --no-trash is for good" {
  private_entry "$NAME"
  dokku storage:set "$NAME" reclaim-policy Delete >/dev/null
  dokku storage:destroy "$NAME" --force
  assert_equal "$(ids_of "$NAME" | wc -l)" 1
  dokku storage:trash:restore "$NAME"
  run dokku storage:destroy "$NAME" --force --no-trash
  assert_success
  assert_has_not "storage:trash:restore"
  assert_equal "$(ids_of "$NAME")" ""
  run find "$ROOT" -name "*$NAME*"
  assert_output ""
}

@test "what was in the trash for as long as the policy says is removed, and nothing before" {
  # A real host may have something of others in its trash.
  local before
  before=$(trigger cron-entries docker-local)
  is_real || assert_equal "" "$before"
  private_entry "$NAME"
  private_entry "$NAME-2"
  dokku storage:destroy "$NAME" --force --destroy-host-dir
  dokku storage:destroy "$NAME-2" --force --destroy-host-dir
  age "$NAME" $((47 * 3600))
  age "$NAME-2" $((49 * 3600))
  run trigger cron-entries docker-local
  assert_has ";dokku storage:trash:empty --expired;"
  local line command
  line=$output
  command=$(cut -d ';' -f 2 <<<"$line")
  # shellcheck disable=SC2086 # as cron's shell splits it
  run "$DOKKU" ${command#dokku }
  assert_success
  assert_equal "$(ids_of "$NAME" | wc -l)" 1
  assert_equal "$(ids_of "$NAME-2")" ""
  run find "$ROOT" "$REGISTRY" -name "*$NAME-2*"
  assert_output ""
  dokku storage:trash:empty "$NAME" --yes
  run trigger cron-entries docker-local
  assert_output "$before"
}

@test "at a terminal the trash is emptied by who types the word" {
  private_entry "$NAME"
  dokku storage:destroy "$NAME" --force --destroy-host-dir
  run at_terminal 'no\n' "$DOKKU" storage:trash:empty "$NAME"
  assert_status 1
  assert_line_with "$NAME-" " 2" "M"
  assert_equal "$(ids_of "$NAME" | wc -l)" 1
  run at_terminal "$NAME\n" "$DOKKU" storage:trash:empty "$NAME"
  assert_success
  assert_equal "$(ids_of "$NAME")" ""
}

# small_disk [DIRECTORY]: puts the data of the store, or what is in another of its directories, on a file system of 64 MiB of its own.
small_disk() {
  OWN_DISK=${1:-$DOKKU_LIB_ROOT/data}
  LOOP=$(losetup -f)
  truncate -s 64M "$HOST/disk.img"
  mkfs.ext4 -q -m 0 "$HOST/disk.img"
  losetup "$LOOP" "$HOST/disk.img"
  cp -a "$OWN_DISK" "$HOST/data"
  mount "$LOOP" "$OWN_DISK"
  cp -a "$HOST/data/." "$OWN_DISK/"
  chown dokku:dokku "$OWN_DISK"
  rm -r "$HOST/data"
  # What is copied is another directory.
  begin_anew
}

@test "before the disk fills up, what was destroyed first goes first" {
  standin_only
  small_disk
  local number
  for number in 1 2 3; do
    dokku storage:create "$NAME-$number" --chown 1000 >/dev/null
    head -c 10M /dev/zero >"$ROOT/$NAME-$number/file"
    dokku storage:destroy "$NAME-$number" --force --destroy-host-dir
    age "$NAME-$number" $((10 - number))
  done
  assert_equal "$(dokku storage:trash:list --format json | jq length)" 3
  head -c "$(($(df --output=avail -B1 "$ROOT" | tail -n 1) - 1048576))" /dev/zero >"$ROOT/filler"

  # A deploy makes room by one of them.
  run trigger pre-release-builder dockerfile "$APP" "dokku/$APP:latest"
  assert_success
  assert_line_with "has only" "% left" "$NAME-1-"
  assert_equal "$(ids_of "$NAME-1")" ""
  assert_equal "$(ids_of "$NAME-2" | wc -l)" 1
  run trigger pre-release-builder dockerfile "$APP" "dokku/$APP:latest"
  assert_output ""

  # On a disk that is really full, the trash can still be emptied.
  local block
  for block in 1M 1k; do dd if=/dev/zero of="$ROOT/filler-$block" bs="$block" 2>/dev/null || true; done
  assert_equal "$(df --output=avail "$ROOT" | tail -n 1 | tr -d ' ')" 0
  run dokku storage:trash:empty "$NAME-2" --yes
  assert_success
  assert_equal "$(ids_of "$NAME-2")" ""
  [ "$(df --output=avail -B1M "$ROOT" | tail -n 1)" -ge 9 ] || fail "there is no room again"
  run find "$REGISTRY/trash" -name "$NAME-2*"
  assert_output ""
}

@test "room is made by what is on the disk that lacks it" {
  standin_only
  small_disk "$ROOT"
  local name
  dokku storage:create "$NAME-sized" --size 16M
  for name in old new; do
    dokku storage:create "$NAME-$name"
    head -c 10M /dev/zero >"$ROOT/$NAME-$name/file"
  done
  dokku storage:destroy "$NAME-sized" --force --destroy-host-dir
  dokku storage:destroy "$NAME-old" --force --destroy-host-dir
  age "$NAME-sized" 9
  age "$NAME-old" 8
  head -c "$(($(df --output=avail -B1 "$ROOT" | tail -n 1) - 1048576))" /dev/zero >"$ROOT/filler"
  run dokku storage:destroy "$NAME-new" --force --destroy-host-dir
  assert_success
  assert_line_with "has only" "% left" "$NAME-old-"
  assert_equal "1 0 1" "$(ids_of "$NAME-sized" | wc -l) $(ids_of "$NAME-old" | wc -l) $(ids_of "$NAME-new" | wc -l)"
  rm "$ROOT/filler"
  dokku storage:trash:empty --force
}

@test "what an entry with a size holds comes back, and goes with the trash" {
  dokku storage:create "$NAME" --size 16M --chown 1000
  echo kept >"$ROOT/$NAME/file"
  dokku storage:destroy "$NAME" --force --destroy-host-dir
  [ ! -e "$ROOT/$NAME" ] && [ -s "$(echo "$IMAGES"/.trash-"$NAME"-*.img)" ] || fail "the image is gone, or the directory is not"
  dokku storage:trash:restore "$NAME" --as "$NAME-2"
  assert_equal "$(cat "$ROOT/$NAME-2/file")" kept
  dokku storage:destroy "$NAME-2" --force --destroy-host-dir
  dokku storage:trash:restore "$NAME-2" --as "$NAME"
  assert_equal "$(cat "$ROOT/$NAME/file")" kept
  mountpoint -q "$ROOT/$NAME" || fail "nothing is attached"
  dokku storage:destroy "$NAME" --force --destroy-host-dir
  dokku storage:trash:empty "$NAME" --force
  [ -z "$(find "$IMAGES" -name "*$NAME*")" ] || fail "the image is still there"
}

@test "the doctor knows the trash" {
  private_entry "$NAME"
  dokku storage:destroy "$NAME" --force --destroy-host-dir
  run dokku storage:doctor
  assert_has_not "$NAME"
}

@test "prune lists what nothing uses, deletes it when that was said, and nothing else" {
  needs_docker
  VOLUMES="$NAME-left $NAME-held $NAME-idle $NAME-foreign $NAME-served"
  private_entry "$NAME"
  dokku storage:mount "$APP" "$NAME" --container-dir /data
  private_entry "$NAME-unused"
  private_entry "$NAME-held"
  mkdir "$ROOT/$NAME-nobodys"
  local volume
  for volume in left held; do
    dokku storage:create "$NAME-$volume-v" "$NAME-$volume" --type volume >/dev/null
    dokku storage:destroy "$NAME-$volume-v" --force
  done
  dokku storage:create "$NAME-idle-v" "$NAME-idle" --type volume >/dev/null
  docker volume create "$NAME-foreign" >/dev/null
  # A volume that leads to a server, and that another entry has, too.
  dokku storage:create "$NAME-served" --type nfs --option server=127.0.0.1 --option path=/data >/dev/null 2>&1
  dokku storage:create "$NAME-adopted" "$NAME-served" --type volume >/dev/null
  # What a container has that is no app's, and does not even run.
  docker create --label "$TEST_LABEL" -v "$ROOT/$NAME-held/private:/held" -v "$NAME-held:/volume" "$TEST_IMAGE" true >/dev/null

  run dokku storage:prune
  assert_success
  assert_line_with "entry" "$NAME-unused " " 2" "M " "to the trash"
  assert_line_with "entry" "$NAME-idle-v " "for good" "$NAME-idle"
  assert_line_with "directory" "$NAME-nobodys" "to the trash"
  assert_line_with "volume" "$NAME-left" "for good"
  assert_line_with "Left alone: entry $NAME-held," "the container"
  assert_line_with "Left alone: entry $NAME-served," "$NAME-adopted"
  assert_has "dokku storage:prune --yes"
  assert_has_not "$NAME-foreign"
  assert_has_not "volume $NAME-held"
  [ -d "$ROOT/$NAME-unused" ] || fail "it is gone without a word"

  run dokku storage:prune --yes
  assert_success
  [ ! -e "$ROOT/$NAME-unused" ] && [ ! -e "$ROOT/$NAME-nobodys" ] || fail "something is left" "$(ls "$ROOT")"
  [ -d "$ROOT/$NAME/private" ] && [ -d "$ROOT/$NAME-held/private" ] || fail "too much is gone" "$(ls "$ROOT")"
  assert_equal "$(docker volume ls -q --filter "name=$NAME-" | sort | tr '\n' ' ')" "$NAME-foreign $NAME-held $NAME-served "
  dokku storage:trash:restore "$NAME-unused"
  [ -s "$ROOT/$NAME-unused/private/file" ] || fail "its data is not back"
}

@test "at a terminal, prune asks for all or for each" {
  local name
  for name in a b; do private_entry "$NAME-$name"; done
  run at_terminal 'no\n' "$DOKKU" storage:prune
  assert_status 1
  assert_has "Nothing was deleted"
  # It asks for what other tests left, too.
  local answers="each\n"
  while read -r name; do
    if [ "$name" = "$NAME-b" ]; then answers+="delete\n"; else answers+="no\n"; fi
  done < <(dokku storage:prune --format json | jq -r '.[] | select(.left_alone == null) | .name')
  run at_terminal "$answers" "$DOKKU" storage:prune
  assert_success
  [ -d "$ROOT/$NAME-a" ] && [ ! -e "$ROOT/$NAME-b" ] || fail "another one is gone" "$(ls "$ROOT")"
  run at_terminal 'prune\n' "$DOKKU" storage:prune
  assert_success
  [ ! -e "$ROOT/$NAME-a" ] || fail "it is still there"
}
