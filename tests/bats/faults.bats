#!/usr/bin/env bats
# The whole life of an entry with a size, killed at any moment and with each of its programs failing; and many commands at once
# on entries with a size and without, through sudo, with a /proc that shows nobody else's processes.
#
# TRUST_ROUNDS=N makes N times as many kills, faults and commands.
load helper
load support/programs
load support/whole

ROUNDS=${TRUST_ROUNDS:-1}
PROGRAMS=(losetup mkfs.ext4 resize2fs e2fsck)
before_each() {
  DATA="$APP-data"
  can_replace "${PROGRAMS[@]}"
}
after_each() {
  restore_programs
  drop_entries
  [ -z "${HOLDER:-}" ] || kill "$HOLDER"
}
after_all() { remove_replaced "${PROGRAMS[@]}"; }

# fails PROGRAM NUMBER [after]: lets a program fail at its call of this number, as where it is killed: before it did anything, or after.
fails() {
  local real work=""
  real=$(real "$1")
  [ -z "${3:-}" ] || work="$real \"\$@\"; "
  rm -f "$HOST/count"
  replace "$1" <<END
: >>"$HOST/called"
echo >>"$HOST/count"
if [ "\$(wc -l <"$HOST/count")" = $2 ]; then ${work}echo "$1: it was told to fail" >&2; exit 8; fi
exec $real "\$@"
END
}

# The life of an entry, a command a line; what a step needs is there whether the one before succeeded or not.
LIFE=(
  "storage:create DATA --size 16M"
  "storage:snapshots:create DATA one"
  "storage:set DATA size 24M"
  "storage:clone DATA DATA-twin"
  "storage:snapshots:restore DATA one"
  "storage:create DATA-from --size 16M --from snapshot:DATA@one"
  "storage:destroy DATA-twin --force --destroy-host-dir"
  "storage:trash:restore DATA-twin"
  "storage:destroy DATA-twin --force --destroy-host-dir --no-trash"
  "storage:destroy DATA-from --force --destroy-host-dir"
  "storage:trash:empty --force"
  "storage:snapshots:destroy DATA one --force"
)

# lives HOW…: the life of an entry, of which each command is disturbed first (`HOW… COMMAND…`) and then run to its end.
lives() {
  local line words count=0
  rm -f "$HOST/written"
  for line in "${LIFE[@]}"; do
    read -ra words <<<"${line//DATA/$DATA}"
    "$@" "${words[@]}" >"$HOST/disturbed" 2>&1 || true
    settled "$* ${words[*]}" || return
    restore_programs
    # It may have been carried out: then it finds that there is nothing to do, or is refused.
    dokku "${words[@]}" >/dev/null 2>&1 || true
    settled "${words[*]}" || return
    count=$((count + 1))
    if exists "$DATA"; then
      [ -e "$ROOT/$DATA/file" ] || echo kept >"$ROOT/$DATA/file"
      echo "$RANDOM-$count-written" >"$HOST/written"
      cp "$HOST/written" "$ROOT/$DATA/last"
      sync "$ROOT/$DATA/last"
    else
      fail "$DATA is not there after ${words[*]}" || return
    fi
  done
  for name in $(dokku storage:snapshots:list "$DATA" --format json | jq -r '.[].name'); do
    dokku storage:snapshots:destroy "$DATA" "$name" --force >/dev/null || return
  done
  dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash >/dev/null || return
  dokku storage:trash:empty --force >/dev/null || return
  assert_equal "" "$(ls -A "$IMAGES")"
}

# killed COMMAND…: runs a dokku command and ends it with all that it started, at a random moment.
killed() {
  local seconds pid
  seconds=$(awk -v r=$RANDOM 'BEGIN { printf "%.3f", r / 32768 * 0.45 }')
  setsid "$DOKKU" "$@" >/dev/null 2>&1 3>&- &
  pid=$!
  sleep "$seconds"
  kill -9 -- "-$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  while pgrep -g "$pid" >/dev/null; do sleep 0.02; done
  kills=$((kills + 1))
}

# faulty COMMAND…: runs a dokku command while one of its programs fails.
faulty() {
  fails "$program" "$number" "$when"
  dokku "$@"
}

@test "an entry with a size that is killed at any moment of its life is whole afterwards" {
  local kills=0 round
  for ((round = 0; round < ROUNDS; round++)); do lives killed; done
  echo "# faults: $kills commands on entries with a size were killed" >&3
}

@test "an entry with a size whose programs fail at any moment of its life is whole afterwards" {
  local program number when faults=0 round pairs=()
  for program in "${PROGRAMS[@]}"; do
    for number in 1 2 3 "1 after" "2 after"; do pairs+=("$program $number"); done
  done
  local first=$RANDOM
  for ((round = 0; round < ROUNDS; round++)); do
    read -r program number when <<<"${pairs[(first + round) % ${#pairs[@]}]}"
    echo "$program fails at call $number $when"
    lives faulty
    faults=$((faults + ${#LIFE[@]}))
  done
  [ -e "$HOST/called" ] || fail "no program was called"
  echo "# faults: $faults commands ran while a program of theirs failed" >&3
}

@test "an entry with a size that cannot be mounted or unmounted is whole afterwards" {
  local call at calls=(fsmount:1 move_mount:1 umount2:1 fsconfig:1 fspick:1 fsconfig:3 umount2:2 move_mount:2) round first=$RANDOM
  # sudo does not work under strace: root does the same itself.
  refused() { dokku_environment strace -f -qq -o "$HOST/calls" -e trace="$call" -e inject="$call:error=EPERM:when=$at" "$DOKKU" "$@"; }
  for ((round = 0; round < ROUNDS; round++)); do
    IFS=: read -r call at <<<"${calls[(first + round) % ${#calls[@]}]}"
    echo "$call fails at call $at"
    lives refused
  done
}

# In a place of its own, where /proc shows nobody's processes but one's own, and whose mounts nobody else sees.
hide() {
  unshare --mount --propagation private sh -c 'mount -t proc -o hidepid=2 proc /proc && : >"$1" && exec sleep 1000' sh "$HOST/hidden" 3>&- &
  HOLDER=$!
  until [ -e "$HOST/hidden" ]; do sleep 0.05; done
}
hidden() { nsenter --mount="/proc/$HOLDER/ns/mnt" "$@"; }

# works NUMBER COUNT: so many commands of one worker, on what all have; what it wrote and could flush is noted. What all have is
# destroyed into the trash and comes back, or the trash is emptied meanwhile: not both, since that is how data is removed.
works() {
  local number=$1 left=$2 name twin
  set +eET
  trap - ERR DEBUG
  RANDOM=$((number * 7919 + SEED))
  local size=("--size=16M" "--mode=0755")
  while [ $((left--)) -gt 0 ]; do
    name="$DATA-$((RANDOM % 2))" twin="$DATA-$number-$left"
    case $((RANDOM % 13)) in
      0) dokku storage:snapshots:create "$name" "s$number-$left" ;;
      1) dokku storage:snapshots:restore "$name" "$(dokku storage:snapshots:list "$name" --format json | jq -r '.[0].name // "none"')" ;;
      2) dokku storage:clone "$name" "$twin" ;;
      3) dokku storage:clone "$name" "$twin" && dokku storage:destroy "$twin" --force --destroy-host-dir ;;
      4) dokku storage:set "$name" size "$((16 + RANDOM % 16))M" ;;
      5) dokku storage:create "$twin" --size 16M ;;
      6) dokku storage:share "$APP" "$APP-$number"; dokku storage:unshare "$APP" "$APP-$number" ;;
      7) dokku storage:prune ;;
      8) dokku storage:wait "$name" --timeout 20; dokku storage:trash:list ;;
      9)
        if [ $((SEED % 2)) = 0 ]; then
          dokku storage:destroy "$name" --force --destroy-host-dir && dokku storage:create "$name" "${size[${name##*-}]}"
        else
          dokku storage:trash:empty --force
        fi
        ;;
      10) dokku storage:trash:restore "$(dokku storage:trash:list --format json | jq -r '.[0].id // "none"')" --as "$twin" ;;
      11) dokku storage:set "$name" mode "075$((RANDOM % 6))"; dokku storage:snapshots:create "$twin" && dokku storage:snapshots:destroy "$twin" none --force ;;
      *) hidden sh -c 'echo "${1##*/}" >"$1" && sync "$1"' sh "$ROOT/$name/token-$number-$left" &&
        echo "token-$number-$left" >>"$HOST/tokens" ;;
    esac
  done >>"$HOST/worker-$number" 2>&1 </dev/null
  # Which of them are refused is the moment's.
  return 0
}

# dies_after STEP COMMAND…: runs a dokku command whose sudo is killed right after the helper for images did this step.
dies_after() {
  local status=0
  replace_sudo <<END
/usr/bin/sudo "\$@" || exit
case " \$* " in *size-storage-dir*" $1 "*) kill -9 \$\$ ;; esac
END
  shift
  sudo --user=dokku "$DOKKU" "$@" || status=$?
  restore_programs
  return "$status"
}

@test "a clone whose image is attached when its command fails leaves nothing" {
  dokku storage:create "$DATA" --size 16M
  echo kept >"$ROOT/$DATA/file"
  run_apart dies_after attach storage:clone "$DATA" "$DATA-twin"
  assert_status 1
  dokku storage:create "$APP-any"
  assert_equal "$DATA.img" "$(ls -A "$IMAGES")"
  dokku storage:clone "$DATA" "$DATA-twin"
  assert_equal kept "$(cat "$ROOT/$DATA-twin/file")"
}

@test "what a program says in several lines is told in several lines" {
  can_replace losetup
  replace losetup <<'END'
printf 'losetup: first\nlosetup: second\n' >&2
exit 1
END
  run dokku storage:create "$DATA" --size 16M
  restore_programs
  assert_status 1
  assert_line_with " !     " "losetup: first"
  grep -qx " !     losetup: second" <<<"$output" || fail "it is told otherwise" "$output"
  assert_equal "" "$(ls -A "$IMAGES")"
}

@test "a create whose program is killed on the way leaves nothing in the way of another size" {
  local step
  for step in kept new close adopt attach; do
    run_apart dies_after "$step" storage:create "$DATA" --size 16M
    assert_status 1
    assert_stderr_has "size-storage-dir was ended by signal 9 before it was done; run the command again"
    dokku storage:create "$DATA" --size 32M
    dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
    assert_equal "" "$(ls -A "$IMAGES")"
  done
}

@test "growing that is cut off is told of, and finished by the next attach or the same command" {
  limit() { df --output=size -k "$ROOT/$DATA" | tail -n 1 | tr -d ' '; }
  # cut_off SIZE PROGRAM WORD: ends the command and its helper where they call a program with a word.
  cut_off() {
    replace "$2" <<END
case "\$1" in "$3"*) pkill -9 -f "storage:set $DATA size"; kill -9 "\$PPID"; exit 1 ;; esac
exec $(real "$2") "\$@"
END
    dokku storage:set "$DATA" size "$1" >/dev/null 2>&1 || true
    restore_programs
  }
  dokku storage:create "$DATA" --size 16M
  cut_off 32M losetup --set-capacity
  assert_equal "32M" "$(dokku storage:info "$DATA" --format json | jq -r .options.size)"
  [ "$(limit)" -lt 16384 ]
  run dokku storage:doctor
  assert_has "\"$DATA\" notes size 32M, and $ROOT/$DATA has 16M"
  assert_has "dokku storage:set $DATA size 32M"
  # The host starts again.
  umount "$ROOT/$DATA"
  dokku storage:wait "$DATA" --timeout 20
  [ "$(limit)" -gt 16384 ]
  run dokku storage:doctor
  assert_has_not "notes size"
  cut_off 48M resize2fs /
  run dokku storage:doctor
  assert_has "\"$DATA\" notes size 48M, and $ROOT/$DATA has 32M"
  [ "$(limit)" -lt 32768 ]
  # What it has can be noted again.
  run_apart dokku storage:set "$DATA" size 31M
  assert_refused
  assert_stderr_has "cannot shrink from 32M to 31M"
  dokku storage:set "$DATA" size 32M
  cut_off 48M losetup --set-capacity
  dokku storage:set "$DATA" size 48M
  [ "$(limit)" -gt 32768 ]
  run dokku storage:doctor
  assert_has_not "notes size"
  # The helper alone is ended: the size is as it was, and so is the image.
  replace losetup <<END
if [ "\$1" = --set-capacity ] && [ ! -e "$HOST/ended" ]; then : >"$HOST/ended"; kill -9 "\$PPID"; exit 1; fi
exec $(real losetup) "\$@"
END
  run_apart dokku storage:set "$DATA" size 64M
  restore_programs
  assert_refused
  assert_equal "48M $((48 << 20))" "$(dokku storage:info "$DATA" --format json | jq -r .options.size) $(stat -c %s "$IMAGES/$DATA.img")"
}

@test "a grow whose helper ends after the file system has grown notes what it holds" {
  dokku storage:create "$DATA" --size 16M
  replace resize2fs <<END
$(real resize2fs) "\$@" || exit
if [ ! -e "$HOST/grown" ]; then : >"$HOST/grown"; kill -9 "\$PPID"; fi
END
  run_apart dokku storage:set "$DATA" size 64M
  restore_programs
  assert_refused
  dokku storage:wait "$DATA"
  assert_equal "64M $((64 << 20))" "$(dokku storage:info "$DATA" --format json | jq -r .options.size) $(stat -c %s "$IMAGES/$DATA.img")"
  run dokku storage:doctor
  assert_has_not "notes size"
}

@test "what a restore replaced is kept where nobody says whether it was replaced" {
  dokku storage:create "$DATA" --size 16M
  echo first >"$ROOT/$DATA/file"
  dokku storage:snapshots:create "$DATA" one
  echo newest >"$ROOT/$DATA/file"
  run_apart dies_after replace storage:snapshots:restore "$DATA" one
  assert_status 1
  assert_stderr_has "what was there is kept as snapshot before-restore-"
  dokku storage:wait "$DATA"
  assert_equal newest "$(cat "$ROOT/.snapshot-$DATA@before-restore-"*/file)"
}

# writes_between COMMAND…: runs a dokku command while a program of the host writes to the entry before each of its helpers.
writes_between() {
  : >"$HOST/tokens"
  chmod 0666 "$HOST/tokens"
  replace_sudo <<END
token=token-\$(wc -l <"$HOST/tokens")
if { echo "\$token" >"$ROOT/$DATA/\$token" && sync "$ROOT/$DATA/\$token"; } 2>/dev/null
then echo "\$token" >>"$HOST/tokens"; else echo refused >>"$HOST/tokens"; fi
exec /usr/bin/sudo "\$@"
END
  sudo --user=dokku "$DOKKU" "$@"
  restore_programs
}

@test "what a program of the host writes to an entry with a size during a restore is kept, or cannot be written" {
  dokku storage:create "$DATA" --size 16M
  chmod 0777 "$ROOT/$DATA"
  dokku storage:snapshots:create "$DATA" one
  writes_between storage:snapshots:restore "$DATA" one
  grep -q token "$HOST/tokens"
  grep -q refused "$HOST/tokens"
  while read -r token; do
    [ "$token" = refused ] || grep -rqsxF "$token" "$ROOT" || fail "$token was flushed and is nowhere"
  done <"$HOST/tokens"
  dokku storage:wait "$DATA"
  echo more >"$ROOT/$DATA/more"
}

@test "a restore that is killed while it copies leaves an entry with a size writable" {
  local n signal
  : >"$HOST/killed"
  chmod 0666 "$HOST/killed"
  dokku storage:create "$DATA" --size 16M
  chmod 0777 "$ROOT/$DATA"
  dokku storage:snapshots:create "$DATA" one
  for signal in KILL INT HUP; do
    replace_sudo <<END
case " \$* " in *copy-storage-dir*) if ! touch "$ROOT/$DATA/try" 2>/dev/null; then echo "$signal" >>"$HOST/killed"; kill -$signal \$PPID; fi ;; esac
exec /usr/bin/sudo "\$@"
END
    # What runs the tests may ignore these signals.
    run sudo --user=dokku env --default-signal=INT,HUP "$DOKKU" storage:snapshots:restore "$DATA" one
    restore_programs
    [ "$status" -gt 1 ] || fail "it was not killed" "$(shown)"
    for ((n = 0; n < 100; n++)); do
      ! touch "$ROOT/$DATA/$signal" || break
      sleep 0.05
    done
    [ -e "$ROOT/$DATA/$signal" ] || fail "$signal left it read-only"
  done
  assert_equal 3 "$(wc -l <"$HOST/killed")"
  dokku storage:snapshots:restore "$DATA" one
}

@test "an entry with a size in which somebody writes is not restored, and goes on" {
  dokku storage:create "$DATA" --size 16M
  dokku storage:snapshots:create "$DATA" one
  exec 7>"$ROOT/$DATA/open"
  run_apart dokku storage:snapshots:restore "$DATA" one
  exec 7>&-
  assert_status 1
  assert_stderr_has "something still uses $ROOT/$DATA"
  echo more >"$ROOT/$DATA/more"
  # Nobody writes, but somebody is there: what was made read-only is writable again.
  exec 7<"$ROOT/$DATA/more"
  run_apart dokku storage:snapshots:restore "$DATA" one
  assert_status 1
  assert_stderr_has "something still uses $ROOT/$DATA"
  echo again >"$ROOT/$DATA/more"
  exec 7<&-
  assert_equal one "$(dokku storage:snapshots:list "$DATA" --format json | jq -r '.[].name')"
  dokku storage:snapshots:restore "$DATA" one
  [ ! -e "$ROOT/$DATA/more" ] || fail "it was not restored"
}

@test "who is just ending is waited for: a writer, and a loop device that a killed command left" {
  dokku storage:create "$DATA" --size 16M
  dokku storage:snapshots:create "$DATA" one
  sleep 2 7>"$ROOT/$DATA/open" 3>&- &
  run dokku storage:snapshots:restore "$DATA" one
  assert_success
  umount "$ROOT/$DATA"
  losetup --find "$IMAGES/$DATA.img"
  # It ends by itself before the helper ends it.
  replace losetup <<END
[ "\$1" != --detach ] || $(real losetup) "\$@"
exec $(real losetup) "\$@"
END
  run dokku storage:wait "$DATA" --timeout 10
  restore_programs
  assert_success
  assert_equal 1 "$(losetup -nlO BACK-FILE | grep -cF "$IMAGES/$DATA.img")"
}

@test "an entry with a size whose file system is read-only is not ready, and is writable once somebody waits for it" {
  dokku storage:create "$DATA" --size 16M
  mount -o remount,ro "$ROOT/$DATA"
  run dokku storage:doctor
  assert_has "the file system of $ROOT/$DATA is read-only"
  dokku storage:mount "$APP" "$DATA" --container-dir /data
  run dokku storage:info "$DATA"
  assert_has "read-only"
  run dokku storage:doctor
  assert_has "$DATA"
  assert_has "read-only"
  dokku storage:wait "$DATA"
  echo more >"$ROOT/$DATA/more"
}

@test "a helper that goes on after its command was killed is waited for, no longer than somebody wants" {
  local work begin=$SECONDS
  dokku storage:create "$DATA" --size 16M
  work=$(find /run/dokku-storage -name "$DATA.work")
  umount "$ROOT/$DATA"
  exec 7>"$work"
  flock 7
  run_apart dokku storage:info "$DATA"
  assert_has "is not attached"
  run_apart dokku storage:wait "$DATA" --timeout 2
  exec 7>&-
  assert_status 1
  assert_stderr_has "Waiting for another command that is at work on storage entry \"$DATA\""
  assert_stderr_has "a helper whose command was killed is at work on storage entry \"$DATA\""
  [ $((SECONDS - begin)) -lt 20 ] || fail "it waited for $((SECONDS - begin)) s"
  # What it waits for another command counts, too.
  exec 7>"$work"
  flock 7
  dokku storage:wait "$DATA" --timeout 6 >/dev/null 2>&1 3>&- &
  sleep 0.5
  begin=$(date +%s%3N)
  run_apart dokku storage:wait "$DATA" --timeout 8
  exec 7>&-
  assert_status 1
  [ $(($(date +%s%3N) - begin)) -lt 12000 ] || fail "it waited for $(($(date +%s%3N) - begin)) ms"
  wait $! || true
  dokku storage:wait "$DATA"
}

@test "many commands at once, through sudo and with hidepid, lose nothing that was written" {
  local number token name workers=4
  SEED=$RANDOM
  hide
  dokku() { dokku_environment nsenter --mount="/proc/$HOLDER/ns/mnt" "$DOKKU" "$@"; }
  echo "SEED=$SEED"
  : >"$HOST/tokens"
  chmod 0666 "$HOST/tokens"
  dokku storage:create "$DATA-0" --size 16M
  dokku storage:create "$DATA-1"
  # What an app mounts is not destroyed.
  if [ $((SEED % 2)) = 1 ]; then
    dokku storage:mount "$APP" "$DATA-0" --container-dir /sized
    dokku storage:mount "$APP" "$DATA-1" --container-dir /data
  fi
  for ((number = 0; number < workers; number++)); do dokku apps:create "$APP-$number" >/dev/null; done
  local jobs=()
  for ((number = 0; number < workers; number++)); do
    works "$number" $((12 * ROUNDS)) 3>&- &
    jobs+=($!)
  done
  wait "${jobs[@]}"
  for name in $(dokku storage:list-entries --format json | jq -r '.[].name'); do
    dokku storage:wait "$name" --timeout 20 >/dev/null
  done
  for name in $(dokku storage:trash:list --format json | jq -r '.[].id'); do
    dokku storage:trash:restore "$name" --as "back-${name//[^a-z0-9]/-}" >/dev/null || fail "$name cannot be restored"
  done
  while read -r token; do
    hidden grep -rqsxF "$token" "$ROOT" || fail "$token was flushed and is nowhere" "$(cat "$HOST"/worker-*)"
  done <"$HOST/tokens"
  if grep -hE 'panicked|cannot be removed|no command|Unexpected' "$HOST"/worker-*; then fail "a command ended wrongly"; fi
  run dokku storage:doctor
  assert_has_not "unfinished-change"
  assert_has_not "left-over"
  assert_equal "" "$(find "$ROOT" "$IMAGES" -maxdepth 1 -name '.destroyed-*')"
  echo "# faults: $((workers * 12 * ROUNDS)) commands at once, $(wc -l <"$HOST/tokens") tokens" >&3
}
