#!/usr/bin/env bats
# Several commands at once on what is behind one entry, commands whose programs fail, and images that are damaged: whoever
# was told that something is done finds it done, and what was written is still there.
load helper
load support/programs

before_each() {
  DATA="$APP-data"
  can_replace losetup
}
after_each() {
  restore_programs
  drop_entries
}
after_all() { remove_replaced losetup; }

entry_file() { echo "$DOKKU_LIB_ROOT/data/storage-registry/entries/$1.json"; }
size_of() { dokku storage:info "$1" --format json | jq -r .options.size; }

# at_once COMMAND… [-- COMMAND…]…: runs dokku commands at the same time; the output and the status of the first are in
# $HOST/1 and $HOST/1.status, and so on.
at_once() {
  local number=0 words=() jobs=()
  rm -f "$HOST"/[0-9] "$HOST"/[0-9].status
  while true; do
    if [ $# = 0 ] || [ "$1" = -- ]; then
      number=$((number + 1))
      { dokku "${words[@]}" >"$HOST/$number" 2>&1; echo $? >"$HOST/$number.status"; } 3>&- &
      jobs+=($!)
      words=()
      [ $# -gt 0 ] || break
    else
      words+=("$1")
    fi
    shift
  done
  wait "${jobs[@]}" # not for the timer of bats, too
}

status_of() { cat "$HOST/$1.status"; }

# whole NAME: the image is as long as its file system at least, and nothing is wrong with it.
whole() {
  local image="$IMAGES/$1.img" blocks
  umount "$ROOT/$1"
  # A process that has just been started may still have it.
  until [ -z "$(losetup -j "$image")" ]; do sleep 0.1; done
  blocks=$(dumpe2fs -h "$image" 2>/dev/null | awk '/^Block count:/ { c = $3 } /^Block size:/ { s = $3 } END { print c * s }')
  [ "$blocks" -le "$(stat -c %s "$image")" ] || fail "$image has $(stat -c %s "$image") bytes, its file system $blocks"
  e2fsck -fn "$image" >"$HOST/fsck" 2>&1 || fail "$(cat "$HOST/fsck")"
  dokku storage:wait "$1" >/dev/null
}

# fails NUMBER WORD: lets losetup fail where it is called with this word for the time of this number.
fails() {
  rm -f "$HOST/count"
  replace losetup <<END
case " \$* " in *" $2 "*)
  echo >>"$HOST/count"
  if [ "\$(wc -l <"$HOST/count")" = $1 ]; then echo "losetup: cannot find an unused loop device" >&2; exit 1; fi ;;
esac
exec $(real losetup) "\$@"
END
}

@test "two grows and a wait: one after the other, and the image is as long as what is in it" {
  local large
  for _ in 1 2 3; do
    dokku storage:create "$DATA" --size 16M
    echo kept >"$ROOT/$DATA/file"
    at_once storage:set "$DATA" size 100M -- storage:set "$DATA" size 200M -- storage:wait "$DATA" -- storage:snapshots:create "$DATA" s
    assert_equal "0 0 0" "$(status_of 2) $(status_of 3) $(status_of 4)"
    # The smaller one came first, or was refused.
    if [ "$(status_of 1)" != 0 ]; then grep -q "cannot shrink from 200M to 100M" "$HOST/1" || fail "$(cat "$HOST/1")"; fi
    assert_equal 200M "$(size_of "$DATA")"
    assert_equal 209715200 "$(stat -c %s "$IMAGES/$DATA.img")"
    whole "$DATA"
    large=$(df -B1 --output=size "$ROOT/$DATA" | tail -n 1)
    [ "$large" -gt 180000000 ] || fail "the file system has $large bytes"
    assert_equal kept "$(cat "$ROOT/$DATA/file" "$ROOT/.snapshot-$DATA@s/file" | sort -u)"
    dokku storage:snapshots:destroy "$DATA" s --force
    dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
  done
}

@test "the same create twice: one makes it, the other finds it" {
  for _ in 1 2 3 4; do
    at_once storage:create "$DATA" --size 16M -- storage:create "$DATA" --size 16M -- storage:create "$DATA-plain" -- storage:create "$DATA-plain"
    assert_equal "0 0 0 0" "$(status_of 1) $(status_of 2) $(status_of 3) $(status_of 4)"
    for name in "$DATA" "$DATA-plain"; do
      [ -f "$(entry_file "$name")" ] || fail "$(cat "$HOST"/[0-9])"
      dokku storage:wait "$name"
    done
    assert_equal "$DATA.img" "$(ls -A "$IMAGES")"
    dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
    dokku storage:destroy "$DATA-plain" --force --destroy-host-dir --no-trash
  done
}

@test "a destroy and a create at once: the new one keeps its image" {
  local trash
  for _ in 1 2 3 4; do
    for trash in --no-trash ""; do
      dokku storage:create "$DATA" --size 16M
      echo old >"$ROOT/$DATA/file"
      # shellcheck disable=SC2086 # none where there is no word
      at_once storage:destroy "$DATA" --force --destroy-host-dir $trash -- storage:create "$DATA" --size 16M -- storage:trash:empty --force
      assert_equal "0 0" "$(status_of 1) $(status_of 2)"
      if [ -f "$(entry_file "$DATA")" ]; then
        # The create came last.
        dokku storage:wait "$DATA"
        [ ! -e "$ROOT/$DATA/file" ] || fail "the new entry has the data of the destroyed one"
        echo new >"$ROOT/$DATA/file"
        whole "$DATA"
        assert_equal new "$(cat "$ROOT/$DATA/file")"
        dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
      fi
      dokku storage:trash:empty --force
      assert_equal "" "$(ls -A "$IMAGES")"
      assert_equal "" "$(losetup -a | grep -F "$IMAGES" || true)"
    done
  done
}

@test "the same destroy twice leaves nothing attached" {
  for _ in 1 2 3 4; do
    dokku storage:create "$DATA" --size 16M
    at_once storage:destroy "$DATA" --force -- storage:destroy "$DATA" --force || true
    assert_equal "0 1" "$(printf '%s\n' "$(status_of 1)" "$(status_of 2)" | sort | xargs)"
    assert_equal "" "$(grep -F "$ROOT/$DATA " /proc/mounts || true)"
  done
  dokku storage:create "$DATA" --size 16M
  dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
}

@test "what is in the trash keeps its image beside another entry of the name" {
  dokku storage:create "$DATA" --size 16M
  echo first >"$ROOT/$DATA/file"
  dokku storage:destroy "$DATA" --force --destroy-host-dir
  dokku storage:create "$DATA" --size 16M
  [ ! -e "$ROOT/$DATA/file" ] || fail "the new entry has the data of what is in the trash"
  echo second >"$ROOT/$DATA/file"
  run dokku storage:trash:restore "$DATA" --as "$DATA-first"
  assert_success
  assert_equal "first second" "$(cat "$ROOT/$DATA-first/file") $(cat "$ROOT/$DATA/file")"
  dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
  dokku storage:destroy "$DATA-first" --force --destroy-host-dir
  dokku storage:trash:restore "$DATA-first"
  assert_equal first "$(cat "$ROOT/$DATA-first/file")"
  assert_equal "$DATA-first.img" "$(ls -A "$IMAGES")"
  # Of what is removed for good nothing is left.
  dokku storage:destroy "$DATA-first" --force --destroy-host-dir
  dokku storage:trash:empty --force
  assert_equal "" "$(ls -A "$IMAGES")"
}

@test "what is in the trash and has lost its image is not restored" {
  dokku storage:create "$DATA" --size 16M
  dokku storage:destroy "$DATA" --force --destroy-host-dir
  rm "$IMAGES"/.trash-*.img
  run_apart dokku storage:trash:restore "$DATA"
  assert_refused
  assert_stderr_has "is gone, and the data with it"
  [ ! -e "$(entry_file "$DATA")" ]
  assert_equal 1 "$(dokku storage:trash:list --format json | jq length)"
  dokku storage:trash:empty --force
}

@test "an image of an older version's trash gets its name at installation" {
  dokku storage:create "$DATA" --size 16M
  echo kept >"$ROOT/$DATA/file"
  dokku storage:destroy "$DATA" --force --destroy-host-dir
  mv "$IMAGES"/.trash-*.img "$IMAGES/$DATA.img"
  dokku_environment "$DOKKU_LIB_ROOT/plugins/enabled/storage/install"
  dokku storage:create "$DATA" --size 16M
  assert_equal "" "$(ls -A "$ROOT/$DATA")"
  dokku storage:trash:restore "$DATA" --as "$DATA-old"
  assert_equal kept "$(cat "$ROOT/$DATA-old/file")"
}

@test "a restore whose image cannot be attached keeps what was there, and says so" {
  dokku storage:create "$DATA" --size 16M
  echo snapshot >"$ROOT/$DATA/file"
  dokku storage:snapshots:create "$DATA" good
  echo newest >"$ROOT/$DATA/file"
  local number
  for number in 1 2; do
    fails "$number" --find
    run_apart dokku storage:snapshots:restore "$DATA" good
    assert_status 1
    restore_programs
    dokku storage:wait "$DATA"
    moved=$(dokku storage:snapshots:list "$DATA" --format json | jq -r '[.[].name | select(startswith("before-restore-"))][0] // ""')
    if [ "$number" = 1 ]; then
      # The copy could not be filled: nothing was replaced.
      assert_equal "newest " "$(cat "$ROOT/$DATA/file") $moved"
    else
      assert_stderr_has "restored from snapshot good, but cannot be attached"
      assert_equal "snapshot newest" "$(cat "$ROOT/$DATA/file") $(cat "$ROOT/.snapshot-$DATA@$moved/file")"
    fi
  done
}

@test "a snapshot is whole where /proc shows nobody's processes but one's own" {
  dokku storage:create "$DATA"
  (cd "$ROOT/$DATA" && seq 8000 | xargs touch)
  local i
  for i in 1 2 3; do
    (
      until [ -e "$HOST/over" ]; do hidden_proc storage:create "$DATA-other" >/dev/null 2>&1; done
    ) 3>&- &
    hidden_proc storage:snapshots:create "$DATA" "s$i"
    touch "$HOST/over"
    wait "$!"
    rm "$HOST/over"
    assert_equal 8000 "$(find "$ROOT/.snapshot-$DATA@s$i" -type f | wc -l)"
  done
}

# hidden_proc COMMAND…: runs a dokku command where /proc has hidepid=2.
hidden_proc() {
  dokku_environment unshare --mount sh -c 'mount -t proc -o hidepid=2 proc /proc && exec "$@"' sh "$DOKKU" "$@"
}

# hold_all_work: locks whatever commands lock that work on something, until $HOST/over is there. The process is $holder.
hold_all_work() {
  exec 8>>"$DOKKU_LIB_ROOT/data/storage-registry/.work"
  # The place of a name in the file follows from the name alone; all of it is locked here, as no command does it.
  HOST="$HOST" python3 - 8 <<'END' 3>&- &
import fcntl, os, struct, sys, time
fcntl.fcntl(int(sys.argv[1]), 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
open(os.environ["HOST"] + "/locked", "w").close()
while not os.path.exists(os.environ["HOST"] + "/over"): time.sleep(0.05)
END
  holder=$!
  exec 8>&-
  until [ -e "$HOST/locked" ]; do sleep 0.05; done
}

@test "a waiting command says what it waits for, and gives up where it has --timeout" {
  dokku storage:create "$DATA" --size 16M
  umount "$ROOT/$DATA"
  local holder
  hold_all_work
  run_apart dokku storage:wait "$DATA" --timeout 2
  assert_refused
  assert_stderr_has "Waiting for another command that is at work on storage entry \"$DATA\""
  assert_stderr_has "--timeout SECONDS"
  (sleep 2; touch "$HOST/over") 3>&- &
  run_apart dokku storage:set "$DATA" size 24M
  assert_success
  assert_stderr_has "Waiting for another command"
  wait "$holder"
  rm "$HOST/locked" "$HOST/over"
}

@test "storage:exec waits for another command that is at work on the entry, and attaches it" {
  needs_docker
  local holder
  dokku storage:create "$DATA" --size 16M
  echo kept >"$ROOT/$DATA/file"
  umount "$ROOT/$DATA"
  hold_all_work
  (sleep 2; touch "$HOST/over") 3>&- &
  run_apart dokku storage:exec "$DATA" --image "$TEST_IMAGE" -- cat /data/file
  assert_success
  assert_equal kept "$output"
  assert_stderr_has "Waiting for another command that is at work on storage entry \"$DATA\""
  wait "$holder"
  rm "$HOST/locked" "$HOST/over"
}

# until_let_go IMAGE: waits until no loop device has an image that is unmounted.
until_let_go() {
  local waits
  for ((waits = 0; waits < 100; waits++)); do
    [ -n "$(losetup --noheadings --associated "$1")" ] || return 0
    sleep 0.1
  done
  fail "something keeps $1"
}

@test "an image that did not end cleanly is checked; one that is damaged is not attached, and doctor names it" {
  dokku storage:create "$DATA" --size 16M
  echo kept >"$ROOT/$DATA/file"
  umount "$ROOT/$DATA"
  until_let_go "$IMAGES/$DATA.img"
  debugfs -w -R "ssv state 2" "$IMAGES/$DATA.img" 2>/dev/null
  dokku storage:wait "$DATA"
  umount "$ROOT/$DATA"
  dumpe2fs -h "$IMAGES/$DATA.img" 2>/dev/null | grep -q "^Filesystem state: *clean$"
  # Whoever is just starting a container has all that is mounted for a moment: it is not looked at then.
  until_let_go "$IMAGES/$DATA.img"
  # The inode of the root directory, and the bitmaps.
  debugfs -w -R "ssv state 2" "$IMAGES/$DATA.img" 2>/dev/null
  debugfs -w -R "clri <2>" "$IMAGES/$DATA.img" 2>/dev/null
  run_apart dokku storage:wait "$DATA"
  assert_refused
  assert_stderr_has "e2fsck -f $IMAGES/$DATA.img"
  run dokku storage:doctor
  assert_has "$DATA"
  e2fsck -fy "$IMAGES/$DATA.img" >/dev/null || [ $? = 1 ]
  dokku storage:wait "$DATA"
  # What e2fsck says behind the path is quoted. The superblock is put back.
  umount "$ROOT/$DATA"
  until_let_go "$IMAGES/$DATA.img"
  dd if="$IMAGES/$DATA.img" of="$HOST/superblock" bs=1k skip=1 count=1 status=none
  dd if=/dev/zero of="$IMAGES/$DATA.img" bs=1k seek=1 count=1 conv=notrunc status=none
  run_apart dokku storage:wait "$DATA"
  assert_refused
  assert_stderr_has "is damaged (e2fsck: Bad magic number in super-block)"
  dd if="$HOST/superblock" of="$IMAGES/$DATA.img" bs=1k seek=1 conv=notrunc status=none
  # One that is gone is told as that.
  mv "$IMAGES/$DATA.img" "$HOST/away"
  run_apart dokku storage:wait "$DATA"
  assert_refused
  assert_stderr_has "is gone, and the data with it"
  run_apart dokku storage:create "$DATA" --size 16M
  assert_status 1
  assert_stderr_has "is gone, and the data with it"
  mv "$HOST/away" "$IMAGES/$DATA.img"
  dokku storage:wait "$DATA"
}

@test "a grow that fails leaves the image as long as its file system, whatever program failed" {
  dokku storage:create "$DATA" --size 16M
  echo kept >"$ROOT/$DATA/file"
  fails 1 --set-capacity
  run_apart dokku storage:set "$DATA" size 64M
  assert_refused
  restore_programs
  assert_equal 16M "$(size_of "$DATA")"
  whole "$DATA"
  dokku storage:set "$DATA" size 64M
  whole "$DATA"
  assert_equal kept "$(cat "$ROOT/$DATA/file")"
}

@test "images of an older version move to where only root can write, with the container that uses them" {
  needs_docker
  local older="$DOKKU_LIB_ROOT/data/storage-images"
  dokku storage:create "$DATA" --size 16M
  echo kept >"$ROOT/$DATA/file"
  dokku storage:mount "$APP" "$DATA" --container-dir /data
  deploy "$APP"
  mv "$IMAGES" "$older"
  run dokku_environment "$DOKKU_LIB_ROOT/plugins/enabled/storage/install"
  assert_success
  assert_has "Moved the images of entries with a size"
  [ ! -e "$older" ]
  assert_equal "0 700 $DATA.img" "$(stat -c '%u %a' "$IMAGES") $(ls -A "$IMAGES")"
  inside "$APP" web sh -c 'cat /data/file && echo more >>/data/file'
  dokku storage:snapshots:create "$DATA" s
  assert_equal "kept more" "$(xargs <"$ROOT/.snapshot-$DATA@s/file")"
}

@test "a link of root's that Dokku's user has put in the place of root's directories leads nowhere" {
  local target="$HOST/target" name
  mkdir -m 0750 "$target"
  echo roots >"$target/file"
  chmod 0600 "$target/file"
  for name in data/storage-images data/storage-registry config/storage; do
    mv "$DOKKU_LIB_ROOT/$name" "$HOST/aside" 2>/dev/null || true
    # It was made by a container's root user, in a directory that everybody may write.
    ln -s "$target" "$DOKKU_LIB_ROOT/$name"
    run dokku_environment "$DOKKU_LIB_ROOT/plugins/enabled/storage/install"
    run dokku storage:create "$DATA-$RANDOM" --size 16M
    assert_equal "0 750 0 600 file" "$(stat -c '%u %a' "$target") $(stat -c '%u %a' "$target/file") $(ls -A "$target")"
    rm "$DOKKU_LIB_ROOT/$name"
    [ ! -e "$HOST/aside" ] || mv "$HOST/aside" "$DOKKU_LIB_ROOT/$name"
  done
}

@test "a directory in which something is mounted stays whole, whoever asks for its removal" {
  dokku storage:create "$DATA"
  mkdir "$ROOT/$DATA/inner"
  echo kept >"$ROOT/$DATA/file"
  mount -t tmpfs none "$ROOT/$DATA/inner"
  echo theirs >"$ROOT/$DATA/inner/file"
  run sudo -u dokku sudo -n "$HELPERS/storage/bin/destroy-storage-dir" "$DATA"
  assert_status 1
  assert_has "$ROOT/$DATA/inner is a mount point"
  run dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
  assert_status 1
  assert_equal "kept theirs" "$(cat "$ROOT/$DATA/file" "$ROOT/$DATA/inner/file" | xargs)"
  umount "$ROOT/$DATA/inner"
  # The same for what is mounted at its top.
  mount -t tmpfs none "$ROOT/$DATA"
  echo theirs >"$ROOT/$DATA/file"
  run sudo -u dokku sudo -n "$HELPERS/storage/bin/destroy-storage-dir" "$DATA"
  assert_status 1
  assert_equal theirs "$(cat "$ROOT/$DATA/file")"
  umount "$ROOT/$DATA"
}

# traced WORD…: runs a program under strace. What it did to files is in $HOST/calls.
CHANGES=write,pwrite64,copy_file_range,sendfile,fallocate,ftruncate,mkdir,mkdirat,symlinkat,link,linkat,fsetxattr,lsetxattr,setxattr,utimensat
OWNERS=chown,fchown,fchownat,lchown,chmod,fchmod,fchmodat
traced() {
  dokku_environment strace -f -y -s 200 -e "trace=$CHANGES,$OWNERS,syncfs,fsync,fdatasync,rename,renameat,renameat2,execve" -o "$HOST/calls" "$@" \
    >/dev/null 2>"$HOST/said" || fail "$(cat "$HOST/said")"
}
executable() { echo "$DOKKU_LIB_ROOT/plugins/enabled/storage/$1"; }

# placed COUNT: that many hidden names of the storage root became names, and each was flushed after the last that was done to
# one, and after every program that was started: Docker may have written there.
placed() {
  awk -v wanted="$1" '
    /rename(at|at2)?\(.*\.destroyed-[^"]*", .*"/ && !/, "[^"]*\.destroyed-[^"]*"/ && !/\.img"/ { placed++; if (!flushed) exit bad = 1; next }
    /syncfs\(/ || /fsync\(.*\.destroyed-/ { flushed = 1; next }
    /\.lock>/ || /rename(at|at2)?\(/ { next }
    /execve\(/ || /\.destroyed-/ { flushed = 0 }
    END { exit bad || placed != wanted }' "$HOST/calls" || fail "not flushed, or not placed $1 times" "$(cat "$HOST/calls")"
}

# kept: the owners and the modes that were set are on the disk before the end.
kept() {
  awk '/(chown|fchownat|chmod|fchmodat)\(/ { set = 1; flushed = 0 } /syncfs\(|fsync\(/ { flushed = 1 } END { exit !(set && flushed) }' "$HOST/calls" ||
    fail "not flushed" "$(cat "$HOST/calls")"
}

@test "what was copied is on the disk before it has its name, whoever copied it" {
  local new="$DATA-new"
  dokku storage:create "$DATA"
  dokku storage:mount "$APP" "$DATA" --container-dir /data
  dokku storage:app:set "$APP" clone copy
  echo data >"$ROOT/$DATA/file"
  echo x=1 | dokku storage:create "$DATA-file" --type file --from -
  dokku storage:mount "$APP" "$DATA-file" --container-dir /file
  mkdir "$HOST/from"
  echo from >"$HOST/from/file"
  chown -R dokku:dokku "$HOST/from"
  traced "$DOKKU" storage:snapshots:create "$DATA" s
  placed 1
  traced "$DOKKU" storage:snapshots:create "$DATA-file" s
  placed 1
  traced "$DOKKU" storage:clone "$DATA" "$DATA-copy"
  placed 1
  traced "$DOKKU" storage:snapshots:restore "$DATA" s
  placed 1
  traced "$DOKKU" storage:snapshots:restore "$DATA-file" s
  placed 1
  traced "$DOKKU" storage:create "$new-1" --from "dir:$HOST/from"
  placed 1
  traced "$DOKKU" storage:create "$new-2" --from "snapshot:$DATA@s"
  placed 1
  traced "$DOKKU" storage:create "$new-3" --size 16M --from "dir:$HOST/from"
  placed 1
  echo x=2 >"$HOST/content"
  traced "$DOKKU" storage:set "$DATA-file" content "$HOST/content"
  placed 1
  traced "$DOKKU" storage:create "$new-file" --type file --from "$HOST/content"
  placed 1
  traced "$(executable post-app-clone-setup)" "$APP" "$APP-clone"
  placed 2
  assert_equal "data from data from x=2" "$(cat "$ROOT/$APP-clone-data/file" "$ROOT/$new-1/file" "$ROOT/$new-2/file" "$ROOT/$new-3/file" "$ROOT/$new-file" | xargs)"
}

@test "what Docker copied from an image is on the disk before it has its name" {
  needs_docker
  mkdir "$HOST/declares"
  mkdir -p "$HOST/declares/var/lib/db"
  echo "from the image" >"$HOST/declares/var/lib/db/seed"
  local image
  image=$(make_image flushed "$HOST/declares" 'VOLUME /var/lib/db' 'VOLUME /cache')
  dokku storage:app:set "$APP" auto-volumes true
  traced "$(executable pre-release-builder)" dockerfile "$APP" "$image"
  placed 2
  assert_equal "from the image" "$(cat "$ROOT/$APP-var-lib-db/seed")"
}

@test "an owner and a mode are on the disk before the answer" {
  traced "$DOKKU" storage:create "$DATA" --chown 1000 --mode 0750
  kept
  echo data >"$ROOT/$DATA/file"
  traced "$DOKKU" storage:set "$DATA" chown 2000
  kept
  traced "$DOKKU" storage:set "$DATA" chown 3000 --chown-recursive
  kept
  traced "$DOKKU" storage:set "$DATA" mode 0700
  kept
  assert_equal "3000 700 3000" "$(stat -c '%u %a' "$ROOT/$DATA") $(stat -c %u "$ROOT/$DATA/file")"
  traced "$DOKKU" storage:create "$DATA-sized" --size 16M --chown 1000 --mode 0750
  kept
  assert_equal "1000 750" "$(stat -c '%u %a' "$ROOT/$DATA-sized")"
  echo x=1 >"$HOST/content"
  traced "$DOKKU" storage:create "$DATA-file" --type file --from "$HOST/content" --chown 1000 --mode 0600
  kept
  traced "$DOKKU" storage:set "$DATA-file" chown 2000
  kept
  traced "$DOKKU" storage:set "$DATA-file" mode 0640
  kept
  assert_equal "2000 640" "$(stat -c '%u %a' "$ROOT/$DATA-file")"
}

@test "an import and a create at once: what was answered stays" {
  local out="$HOST/backup" answered
  install -d -o dokku -g dokku "$out"
  dokku storage:create "$DATA"
  dokku storage:mount "$APP" "$DATA" --container-dir /data
  echo kept >"$ROOT/$DATA/file"
  DOKKU_BACKUP_INCLUDE_STORAGE=1 trigger backup-app-export "$APP" "$out"
  dokku storage:unmount "$APP" "$DATA"
  dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
  # Its last look at the place is long before its data is there.
  dokku_environment strace -f -qq -e trace=rmdir -e inject=rmdir:delay_enter=3000000 -o "$HOST/calls" \
    "$(executable backup-app-import)" "$APP" "$out" >"$HOST/said" 2>&1 3>&- &
  until compgen -G "$ROOT/.destroyed-$DATA-*/file" >/dev/null || ! kill -0 $!; do sleep 0.02; done
  sleep 1
  dokku storage:create "$DATA"
  answered=$(stat -c %i "$ROOT/$DATA")
  wait $! || fail "$(cat "$HOST/said")"
  assert_equal "$answered" "$(stat -c %i "$ROOT/$DATA")"
  assert_equal kept "$(cat "$ROOT/$DATA/file")"
}

@test "what docker-options say while prune waits keeps the directory" {
  local options="$DOKKU_LIB_ROOT/config/docker-options/$APP" holder prune
  mkdir "$ROOT/$DATA"
  echo kept >"$ROOT/$DATA/file"
  chown -R dokku:dokku "$ROOT/$DATA"
  dokku storage:create "$DATA-used"
  dokku storage:mount "$APP" "$DATA-used" --container-dir /used
  hold_all_work
  dokku storage:prune --yes >"$HOST/said" 2>&1 3>&- &
  prune=$!
  until grep -q "Waiting for another command" "$HOST/said" || ! kill -0 "$prune"; do sleep 0.05; done
  sudo -u dokku mkdir -p "$options"
  echo "-v $ROOT/$DATA:/data" | sudo -u dokku tee "$options/_default_.deploy" >/dev/null
  touch "$HOST/over"
  wait "$holder"
  wait "$prune" || true
  rm "$HOST/locked" "$HOST/over"
  rm -r "$options"
  assert_equal kept "$(cat "$ROOT/$DATA/file")"
}

@test "that an image has lost its name is on the disk before the answer" {
  dokku storage:create "$DATA" --size 16M
  dokku_environment strace -f -y -e trace=fsync,unlinkat -o "$HOST/calls" "$DOKKU" storage:destroy "$DATA" --force --destroy-host-dir >/dev/null
  awk -v name="\"$DATA.img\"" 'index($0, "unlinkat(") && index($0, name) { gone = 1; flushed = 0 } /fsync\(.*storage-images>/ { flushed = 1 }
    END { exit !(gone && flushed) }' "$HOST/calls" || fail "$(cat "$HOST/calls")"
}

@test "where the data is on a disk of its own, the images stay there" {
  truncate -s 100M "$HOST/disk"
  mkfs.ext4 -qF "$HOST/disk"
  mkdir "$HOST/aside"
  mount -o loop "$HOST/disk" "$HOST/aside"
  cp -a "$DOKKU_LIB_ROOT/data/." "$HOST/aside/"
  chown dokku:dokku "$HOST/aside"
  mount --move "$HOST/aside" "$DOKKU_LIB_ROOT/data" || mount --bind "$HOST/aside" "$DOKKU_LIB_ROOT/data"
  # What is copied is another directory.
  begin_anew
  run dokku storage:create "$DATA" --size 16M
  assert_success
  [ -s "$DOKKU_LIB_ROOT/data/storage-images/$DATA.img" ] || fail "the image is on another disk than the data"
  run dokku_environment "$DOKKU_LIB_ROOT/plugins/enabled/storage/install"
  assert_success
  dokku storage:wait "$DATA"
  dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
  umount -l "$DOKKU_LIB_ROOT/data"
  ! mountpoint -q "$HOST/aside" || umount -l "$HOST/aside"
}

# stopped_helper WORD…: begins a dokku command whose helper works on all files of $DATA, stops the helper there and kills the
# command. The helper is $helper.
stopped_helper() {
  dokku "$@" >/dev/null 2>&1 3>&- &
  helper=''
  until [ -n "$helper" ]; do helper=$(pgrep -f "^[^ ]*chown-storage-dir $DATA " || true); done
  kill -STOP "$helper"
  pkill -9 -f "storage:set $DATA" || true
  wait $! || true
  [ -d "/proc/$helper" ] || fail "the helper had ended already"
}

@test "a helper that goes on after its command was killed undoes nothing that was answered since" {
  local helper
  dokku storage:create "$DATA" --chown 1000
  (cd "$ROOT/$DATA" && seq 120000 | xargs touch)
  stopped_helper storage:set "$DATA" chown 2000 --chown-recursive
  (run_apart dokku storage:set "$DATA" chown 3000 --chown-recursive; echo "$status" >"$HOST/status"; echo "$stderr" >"$HOST/said") 3>&- &
  sleep 2.5
  [ ! -e "$HOST/status" ] || fail "it did not wait" "$(cat "$HOST/said")"
  # sudo stops with it.
  kill -CONT "$helper" "$(ps -o ppid= -p "$helper" | tr -d ' ')"
  wait $!
  assert_equal 0 "$(cat "$HOST/status")"
  [[ $(cat "$HOST/said") == *"Waiting for another command that is at work on storage entry \"$DATA\""* ]] || fail "$(cat "$HOST/said")"
  timeout 20 tail --pid "$helper" -f /dev/null
  assert_equal "" "$(find "$ROOT/$DATA" ! -uid 3000 | head -n 3)"
}

@test "a helper whose command was killed before it began does nothing" {
  local orphan
  dokku storage:create "$DATA" --chown 1000
  replace_sudo <<END
case " \$* " in *" $DATA 2000:2000 "*) kill -9 \$PPID; until [ -e "$HOST/go" ]; do sleep 0.05; done ;; esac
exec /usr/bin/sudo "\$@"
END
  run dokku storage:set "$DATA" chown 2000
  [ "$status" -gt 1 ] || fail "it was not killed" "$(shown)"
  orphan=$(pgrep -f "$HOST/bin/sudo .* $DATA 2000:2000")
  restore_programs
  dokku storage:set "$DATA" chown 3000
  touch "$HOST/go"
  timeout 20 tail --pid "$orphan" -f /dev/null
  rm "$HOST/go"
  assert_equal 3000 "$(stat -c %u "$ROOT/$DATA")"
}

@test "what was removed is gone, also where the one who removed it was killed at the very end" {
  dokku storage:create "$DATA"
  replace_sudo <<END
case " \$* " in *"/destroy-storage-dir .destroyed-$DATA"*) /usr/bin/sudo "\$@"; kill -9 \$\$ ;; esac
exec /usr/bin/sudo "\$@"
END
  run dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
  restore_programs
  assert_success
  assert_has "Removed $ROOT/$DATA"
  [ ! -e "$ROOT/$DATA" ]
}

@test "images are found where they are, also once they belong elsewhere" {
  local elsewhere="$DOKKU_LIB_ROOT/data/storage-images"
  dokku storage:create "$DATA" --size 16M
  dokku storage:create "$DATA-old" --size 16M
  echo kept >"$ROOT/$DATA/file"
  echo thrown >"$ROOT/$DATA-old/file"
  umount "$ROOT/$DATA"
  run dokku storage:doctor
  assert_has_not "can be changed by others than root"
  # As chown -R does.
  chown dokku:dokku "$DOKKU_LIB_ROOT"
  run dokku storage:doctor
  assert_has "$DOKKU_LIB_ROOT can be changed by others than root"
  dokku storage:wait "$DATA" --timeout 20
  assert_equal kept "$(cat "$ROOT/$DATA/file")"
  dokku storage:set "$DATA" size 32M
  dokku storage:destroy "$DATA-old" --force --destroy-host-dir
  dokku storage:trash:restore "$DATA-old"
  assert_equal thrown "$(cat "$ROOT/$DATA-old/file")"
  dokku storage:destroy "$DATA-old" --force
  dokku storage:create "$DATA-old" --size 16M
  assert_equal thrown "$(cat "$ROOT/$DATA-old/file")"
  [ ! -e "$elsewhere/$DATA-old.img" ] || fail "there are two images"
  # One that an older version made there does not keep the plugin from being installed.
  mkdir -p "$elsewhere"
  : >"$elsewhere/$DATA.img"
  chown root:root "$DOKKU_LIB_ROOT"
  run dokku_environment "$DOKKU_LIB_ROOT/plugins/enabled/storage/install"
  assert_success
  assert_has "There are two images $DATA.img; the one in $DOKKU_LIB_ROOT/storage-images is used"
  dokku storage:snapshots:create "$DATA" s
  rm -r "$elsewhere"
  dokku storage:snapshots:destroy "$DATA" s --force
}
