# What programs were given as arguments, where every user of the machine can read it.

# watched COMMAND…: the same as run, while the kernel tells of every program that the command starts. COMMAND is a program's path.
watched() {
  EXECUTED="$BATS_TEST_TMPDIR/executed"
  run strace -f -qq --signal=none -e trace=execve,execveat -s 65536 -o "$EXECUTED" "$@"
}

# in_no_argument SECRET PROGRAM: PROGRAM was started, and nothing that was started had SECRET in its arguments.
in_no_argument() {
  local as_shown=${1//\\/\\\\}
  as_shown=${as_shown//\"/\\\"}
  grep -qE "execve(at)?\(.*\"([^\"]*/)?$2\"" "$EXECUTED" || fail "$2 was not started:" "$(cat "$EXECUTED")" || return
  ! grep -qF -e "$as_shown" "$EXECUTED" || fail "the secret was an argument:" "$(grep -F -e "$as_shown" "$EXECUTED")"
}
