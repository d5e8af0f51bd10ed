# Programs that a suite has others in place of, for root's helpers and for the plugin itself.
#
# Other suites run on the same machine meanwhile, with helpers in places of their own. So what root's helpers find before the real
# program is the same for all of them: support/replaced, which looks beside the helper that calls it. A `#!` line names it, so that
# it works also where somebody starts it in the moment in which it goes.

# Root's PATH has it before the real ones, where sudo runs a helper.
SHADOW=/usr/local/sbin

is_ours() { grep -qs "^# of dokku-storage's tests" "$SHADOW/$1"; }

# can_replace PROGRAM…: skips a test where the machine has programs of its own there.
can_replace() {
  local program
  for program in "$@"; do
    [ ! -e "$SHADOW/$program" ] || is_ours "$program" || skip "THIS MACHINE HAS A $SHADOW/$program OF ITS OWN"
  done
}

# real PROGRAM: where the real one is.
real() { PATH=/usr/sbin:/sbin:/usr/bin type -P "$1"; }

# replace PROGRAM: what it does from now on where a helper of this suite calls it, as a shell script on standard input.
replace() {
  mkdir -p "$HELPERS/programs"
  script "$HELPERS/programs/$1"
  is_ours "$1" || printf "#!%s\n# of dokku-storage's tests\n" "$REPO/tests/bats/support/replaced" | written_at "$SHADOW/$1"
}

# replace_sudo: what sudo does from now on where the plugin calls it on this host, as a shell script on standard input.
replace_sudo() { script "$HOST/bin/sudo"; }

script() { { printf '#!/bin/sh\n'; cat; } | written_at "$1"; }

# Nobody finds half of it.
written_at() {
  cat >"$1.new"
  chmod 0755 "$1.new"
  mv "$1.new" "$1"
}

restore_programs() { rm -rf "$HELPERS/programs" "$HOST/bin/sudo"; }

# remove_replaced PROGRAM…: what no suite needs any more.
remove_replaced() {
  local program
  restore_programs
  for program in "$@"; do ! is_ours "$program" || rm "$SHADOW/$program"; done
}
