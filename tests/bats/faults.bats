#!/usr/bin/env bats
# The whole life of an entry with a size, killed at any moment and with each of its programs failing; and many commands at once
# on entries with a size and without, through sudo, with a /proc that shows nobody else's processes.
#
# TRUST_ROUNDS=N makes N times as many kills, faults and commands.
load helper

ROUNDS=${TRUST_ROUNDS:-1}
# Root's PATH has it before the real ones, where sudo runs a helper.
SHADOW=/usr/local/sbin
PROGRAMS=(losetup mkfs.ext4 resize2fs e2fsck)
SHADOWED=("${PROGRAMS[@]}" sudo)
is_ours() { grep -qs "^# of dokku-storage's tests" "$SHADOW/$1"; }
before_each() {
  local program
  DATA="$APP-data"
  for program in "${SHADOWED[@]}"; do
    [ ! -e "$SHADOW/$program" ] || is_ours "$program" || skip "THIS MACHINE HAS A $SHADOW/$program OF ITS OWN"
  done
}
restore_programs() {
  local program
  for program in "${SHADOWED[@]}"; do ! is_ours "$program" || rm "$SHADOW/$program"; done
}
after_each() {
  restore_programs
  drop_entries
  [ -z "${HOLDER:-}" ] || kill "$HOLDER"
}

# fails PROGRAM NUMBER: lets a program fail at its call of this number, as where it is killed: before it did anything, or (an even number) after.
fails() {
  local real
  real=$(PATH=/usr/sbin:/sbin:/usr/bin type -P "$1")
  rm -f "$HOST/count"
  cat >"$SHADOW/$1" <<END
#!/bin/sh
# of dokku-storage's tests
echo >>"$HOST/count"
if [ "\$(wc -l <"$HOST/count")" = $2 ]; then echo "$1: it was told to fail" >&2; exit 1; fi
exec $real "\$@"
END
  chmod +x "$SHADOW/$1"
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

exists() { [ -e "$DOKKU_LIB_ROOT/data/storage-registry/entries/$1.json" ]; }

# settled WORD…: after what the words say, the next command finds every entry whole, and nothing that belongs to none.
settled() {
  local name image
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
  assert_equal "$*: " "$*: $(losetup -nlO BACK-FILE | grep -F "$IMAGES" | grep -E '\(deleted\)|/\.' || true)" || return
  assert_equal "$*: " "$*: $(find "$ROOT" -maxdepth 1 -name '.destroyed-*')" || return
  # What was written last is in the entry, or in what a restore replaced.
  ! exists "$DATA" || [ ! -e "$HOST/written" ] || grep -rqsF "$(cat "$HOST/written")" "$ROOT/$DATA" "$ROOT/.snapshot-$DATA@"* ||
    fail "$*: what was written is nowhere"
}

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
  fails "$program" "$number"
  dokku "$@"
}

@test "an entry with a size that is killed at any moment of its life is whole afterwards" {
  local kills=0 round
  for ((round = 0; round < ROUNDS; round++)); do lives killed; done
  echo "# faults: $kills commands on entries with a size were killed" >&3
}

@test "an entry with a size whose programs fail at any moment of its life is whole afterwards" {
  local program number faults=0 round pairs=()
  for program in "${PROGRAMS[@]}"; do for number in 1 2 3; do pairs+=("$program $number"); done; done
  local first=$RANDOM
  for ((round = 0; round < ROUNDS; round++)); do
    read -r program number <<<"${pairs[(first + round) % ${#pairs[@]}]}"
    echo "$program fails at call $number"
    lives faulty
    faults=$((faults + ${#LIFE[@]}))
  done
  echo "# faults: $faults commands ran while a program of theirs failed" >&3
}

@test "an entry with a size that cannot be mounted or unmounted is whole afterwards" {
  local call calls=(fsmount move_mount umount2) round first=$RANDOM
  # sudo does not work under strace: root does the same itself.
  refused() { dokku_environment strace -f -qq -o "$HOST/calls" -e trace="$call" -e inject="$call:error=EPERM:when=1" "$DOKKU" "$@"; }
  for ((round = 0; round < ROUNDS; round++)); do
    call=${calls[(first + round) % 3]}
    echo "$call fails"
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

# works NUMBER COUNT: so many commands of one worker, on what all have; what it wrote and could flush is noted.
works() {
  local number=$1 left=$2 name twin
  set +eET
  trap - ERR DEBUG
  RANDOM=$((number * 7919 + SEED))
  while [ $((left--)) -gt 0 ]; do
    name="$DATA-$((RANDOM % 2))" twin="$DATA-$number-$left"
    case $((RANDOM % 10)) in
      0) dokku storage:snapshots:create "$name" "s$number-$left" ;;
      1) dokku storage:snapshots:restore "$name" "$(dokku storage:snapshots:list "$name" --format json | jq -r '.[0].name // "none"')" ;;
      2) dokku storage:clone "$name" "$twin" ;;
      3) dokku storage:clone "$name" "$twin" && dokku storage:destroy "$twin" --force --destroy-host-dir ;;
      4) dokku storage:set "$name" size "$((16 + RANDOM % 16))M" ;;
      5) dokku storage:create "$twin" --size 16M ;;
      6) dokku storage:share "$APP" "$APP-$number"; dokku storage:unshare "$APP" "$APP-$number" ;;
      7) dokku storage:prune ;;
      8) dokku storage:wait "$name" --timeout 20; dokku storage:trash:list ;;
      9) hidden sh -c 'echo "${1##*/}" >"$1" && sync "$1"' sh "$ROOT/$name/token-$number-$left" &&
        echo "token-$number-$left" >>"$HOST/tokens" ;;
    esac
  done >>"$HOST/worker-$number" 2>&1 </dev/null
  # Which of them are refused is the moment's.
  return 0
}

# dies_after STEP COMMAND…: runs a dokku command whose sudo is killed right after the helper for images did this step.
dies_after() {
  local status=0
  cat >"$SHADOW/sudo" <<END
#!/bin/sh
# of dokku-storage's tests
/usr/bin/sudo "\$@" || exit
case " \$* " in *size-storage-dir*" $1 "*) kill -9 \$\$ ;; esac
END
  chmod +x "$SHADOW/sudo"
  shift
  sudo --user=dokku env PATH="$SHADOW:$PATH" "$DOKKU" "$@" || status=$?
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
    cat >"$SHADOW/$2" <<END
#!/bin/sh
# of dokku-storage's tests
case "\$1" in "$3"*) pkill -9 -f "storage:set $DATA size"; kill -9 "\$PPID"; exit 1 ;; esac
exec $(PATH=/usr/sbin:/sbin:/usr/bin type -P "$2") "\$@"
END
    chmod +x "$SHADOW/$2"
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
  cat >"$SHADOW/losetup" <<END
#!/bin/sh
# of dokku-storage's tests
if [ "\$1" = --set-capacity ] && [ ! -e "$HOST/ended" ]; then : >"$HOST/ended"; kill -9 "\$PPID"; exit 1; fi
exec $(PATH=/usr/sbin:/sbin:/usr/bin type -P losetup) "\$@"
END
  chmod +x "$SHADOW/losetup"
  run_apart dokku storage:set "$DATA" size 64M
  restore_programs
  assert_refused
  assert_equal "48M $((48 << 20))" "$(dokku storage:info "$DATA" --format json | jq -r .options.size) $(stat -c %s "$IMAGES/$DATA.img")"
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
  cat >"$SHADOW/sudo" <<END
#!/bin/sh
# of dokku-storage's tests
token=token-\$(wc -l <"$HOST/tokens")
if { echo "\$token" >"$ROOT/$DATA/\$token" && sync "$ROOT/$DATA/\$token"; } 2>/dev/null
then echo "\$token" >>"$HOST/tokens"; else echo refused >>"$HOST/tokens"; fi
exec /usr/bin/sudo "\$@"
END
  chmod +x "$SHADOW/sudo"
  sudo --user=dokku env PATH="$SHADOW:$PATH" "$DOKKU" "$@"
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
    cat >"$SHADOW/sudo" <<END
#!/bin/sh
# of dokku-storage's tests
case " \$* " in *copy-storage-dir*) if ! touch "$ROOT/$DATA/try" 2>/dev/null; then echo "$signal" >>"$HOST/killed"; kill -$signal \$PPID; fi ;; esac
exec /usr/bin/sudo "\$@"
END
    chmod +x "$SHADOW/sudo"
    # What runs the tests may ignore these signals.
    run sudo --user=dokku env --default-signal=INT,HUP PATH="$SHADOW:$PATH" "$DOKKU" storage:snapshots:restore "$DATA" one
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
  dokku storage:mount "$APP" "$DATA-1" --container-dir /data
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
