#!/usr/bin/env bats
# Every two commands at once on one entry with a size, through sudo.
#
# TRUST_ROUNDS=N tries N twentieths of them.
load helper
load support/whole

ROUNDS=${TRUST_ROUNDS:-1}
before_each() { DATA="$APP-data"; }
after_each() { drop_entries; }

# What touches what is behind an entry with a size, or takes it away: each is tried at once with each, itself included.
PAIRED=(
  "storage:create DATA --size 16M"
  "storage:set DATA size 24M"
  "storage:set DATA mode 0750"
  "storage:snapshots:create DATA two"
  "storage:snapshots:restore DATA one"
  "storage:snapshots:destroy DATA one --force"
  "storage:clone DATA DATA-twin"
  "storage:create DATA-from --size 16M --from snapshot:DATA@one"
  "storage:destroy DATA --force"
  "storage:destroy DATA --force --destroy-host-dir"
  "storage:destroy DATA --force --destroy-host-dir --no-trash"
  "storage:trash:restore DATA"
  "storage:trash:restore DATA-twin"
  "storage:trash:empty --force"
  "storage:prune --yes"
  "storage:wait DATA --timeout 20"
  "storage:mount APP DATA --container-dir /data"
)

# behind NUMBER LINE: runs a dokku command in the background, whose status comes to be in a file.
behind() {
  local words status=0
  words=${2//DATA/$DATA}
  read -ra words <<<"${words//APP/$APP}"
  dokku "${words[@]}" >"$HOST/said-$1" 2>&1 </dev/null || status=$?
  echo "$status" >"$HOST/status-$1"
}
succeeded() { [ "$(cat "$HOST/status-$1")" = 0 ]; }

# paired STATE LINE LINE: two commands at once, where the entry is there with a snapshot, alone, or in the trash.
paired() {
  local case="$*" both="$2|$3" lines=("$2" "$3") name number
  dokku storage:create "$DATA" --size 16M >/dev/null
  echo kept >"$ROOT/$DATA/file"
  dokku storage:snapshots:create "$DATA" one >/dev/null
  dokku storage:clone "$DATA" "$DATA-twin" >/dev/null
  dokku storage:destroy "$DATA-twin" --force --destroy-host-dir >/dev/null
  echo newest >"$ROOT/$DATA/newest"
  sync "$ROOT/$DATA/newest"
  [ "$1" = there ] || dokku storage:snapshots:destroy "$DATA" one --force >/dev/null
  [ "$1" != trashed ] || dokku storage:destroy "$DATA" --force --destroy-host-dir >/dev/null
  behind 1 "$2" 3>&- &
  behind 2 "$3" 3>&-
  wait $!
  ! grep -hE 'panicked|cannot be removed|no command|Unexpected' "$HOST"/said-[12] || fail "$case: it ended wrongly" || return
  # Where nothing else ends it, what was answered is there.
  if [ "$1" = there ] && ! [[ $both =~ destroy|prune|trash ]]; then
    for number in 1 2; do
      succeeded $number || continue
      case "${lines[number - 1]}" in
        *" size 24M") assert_equal "$case: 24M" "$case: $(dokku storage:info "$DATA" --format json | jq -r .options.size)" || return ;;
        *" mode 0750") assert_equal "$case: 750" "$case: $(stat -c %a "$ROOT/$DATA")" || return ;;
        *" DATA two") dokku storage:snapshots:list "$DATA" --format json | jq -e 'any(.[]; .name == "two")' >/dev/null || fail "$case: no snapshot" || return ;;
        *" DATA-twin") assert_equal "$case: kept" "$case: $(cat "$ROOT/$DATA-twin/file")" || return ;;
        *"@one") assert_equal "$case: kept" "$case: $(cat "$ROOT/$DATA-from/file")" || return ;;
      esac
    done
  fi
  # What a destroy leaves at its place is the next entry's of that size.
  if [[ $both == *"destroy DATA --force|"* || $both == *"destroy DATA --force" ]] && [ -e "$IMAGES/$DATA.img" ] && ! exists "$DATA"; then
    [ "$(stat -c %h "$IMAGES/$DATA.img")" != 1 ] || dokku storage:create "$DATA" --size "$(($(stat -c %s "$IMAGES/$DATA.img") >> 20))M" >/dev/null || fail "$case: it cannot be had again" || return
  fi
  settled "$case" || return
  # What was flushed before is there, or comes back from the trash, but where it was removed for good.
  [[ $both != *no-trash* ]] || return 0
  [[ $both != *trash:empty* || ($1 != trashed && ! $both =~ destroy|prune) ]] || return 0
  for name in $(dokku storage:trash:list --format json | jq -r '.[].id'); do
    dokku storage:trash:restore "$name" --as "back-${name//[^a-z0-9]/-}" >/dev/null || fail "$case: $name cannot be restored" || return
  done
  grep -rqsxF newest "$ROOT" || fail "$case: what was flushed is nowhere" "$(cat "$HOST"/said-[12])"
}

# try_all STATE…: a twentieth of all pairs, chance says which, and all of them in 20 rounds.
try_all() {
  local one other state cases=() line number count=0 first=$((RANDOM % 20))
  for ((one = 0; one < ${#PAIRED[@]}; one++)); do
    for ((other = one; other < ${#PAIRED[@]}; other++)); do
      line="${PAIRED[one]}|${PAIRED[other]}"
      state=$1
      # Nothing takes an entry away that has snapshots.
      [ "$state" = trashed ] || [[ ! $line =~ destroy\ DATA|prune ]] || state=alone
      cases+=("$state|$line")
    done
  done
  for ((number = 0; number < ${#cases[@]}; number++)); do
    [ $(((number + first) % 20)) -lt "$ROUNDS" ] || continue
    IFS='|' read -r state one other <<<"${cases[number]}"
    paired "$state" "$one" "$other"
    dokku storage:unmount "$APP" "$DATA" --container-dir /data >/dev/null 2>&1 || true
    drop_entries
    assert_equal "$state $one, $other: " "$state $one, $other: $(ls -A "$IMAGES")"
    count=$((count + 1))
  done
  echo "# pairs: $count of ${#cases[@]} pairs of commands at once on an entry with a size" >&3
}

@test "each two commands at once on an entry with a size lose nothing, and what they answer is so" {
  try_all there
}

@test "each two commands at once lose nothing where an entry with a size is in the trash" {
  try_all trashed
}
