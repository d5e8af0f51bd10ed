#!/usr/bin/env bats
# What `dokku` sees of the plugin: its help, the file `commands`, and which words are ours.
load helper

before_all() { make_other_plugin; }
after_all() { rm -rf "$DOKKU_LIB_ROOT/plugins/enabled/zz-other"; }

# A plugin with a `commands` file of the old kind, without subcommands.
make_other_plugin() {
  local plugin="$DOKKU_LIB_ROOT/plugins/enabled/zz-other"
  mkdir "$plugin"
  cat >"$plugin/commands" <<'OTHER'
#!/bin/sh
case $1 in
  other:hello) echo "hello $2" ;;
  help) echo "    other, Says hello" ;;
  *) exit "$DOKKU_NOT_IMPLEMENTED_EXIT" ;;
esac
OTHER
  chmod 0755 "$plugin" "$plugin/commands"
}

# Takes the binary out of the installed plugin while a command runs.
without_binary() {
  local binary="$DOKKU_LIB_ROOT/core-plugins/dokku-storage/storage/dokku-storage" result=0
  mv "$binary" "$binary.away"
  "$@" || result=$?
  mv "$binary.away" "$binary"
  return "$result"
}

@test "dokku help has one line for the plugin" {
  run dokku help
  assert_success
  # Dokku prints in columns what the plugin's file has behind a comma.
  assert_line_with "    storage" "Manage mounted volumes"
  assert_has_not "storage:mount"
}

@test "dokku help --all lists every command" {
  run dokku help --all
  assert_success
  for command in annotations:report annotations:set create destroy ensure-directory exec info labels:report labels:set \
    list list-entries migrate mount report set unmount wait; do
    assert_has "    storage:$command "
  done
}

@test "dokku storage:help and dokku storage show the long help" {
  run dokku storage:help
  assert_success
  assert_has "Usage: dokku storage[:COMMAND]"
  assert_has "storage:mount "
  local help=$output
  run dokku storage
  assert_success
  assert_output "$help"
}

@test "every command shows its own help" {
  for command in mount unmount create list exec; do
    run dokku "storage:$command" --help
    assert_success
    assert_has "storage:$command"
  done
}

@test "an unknown storage command is refused and names itself" {
  run_apart dokku storage:nonsense
  assert_refused
  assert_stderr_has "storage:nonsense"
}

@test "another plugin's command goes through our commands file" {
  run dokku other:hello world
  assert_success
  assert_output "hello world"
}

@test "a command that nobody has is refused by dokku, not by us" {
  run_apart dokku nobody:has-this
  assert_refused
  assert_stderr_has 'is not a dokku command'
}

@test "commands is a file, and exits 10 for what is not ours" {
  local commands="$DOKKU_LIB_ROOT/plugins/enabled/storage/commands"
  [ -f "$commands" ] && [ ! -L "$commands" ] && [ -x "$commands" ]
  for word in something-else apps:list storages storages:x ""; do
    run "$commands" $word
    assert_status 10
    assert_output ""
  done
  run env DOKKU_NOT_IMPLEMENTED_EXIT=11 "$commands" something-else
  assert_status 11
}

@test "without the binary, commands exits 10, help lists nothing, and other plugins' commands still work" {
  local commands="$DOKKU_LIB_ROOT/plugins/enabled/storage/commands"
  for word in storage:help storage:mount something-else; do
    run without_binary "$commands" "$word"
    assert_status 10
    assert_output ""
  done
  run without_binary "$commands" help
  assert_success
  assert_output ""
  run without_binary dokku other:hello world
  assert_success
  assert_output "hello world"
  run without_binary dokku help
  assert_success
  assert_line_with other "Says hello"
}

@test "the binary calls itself by version, and an unknown name is an error" {
  run "$BINARY" --version
  assert_success
  assert_has "$(sed -n 's/^version = "\(.*\)"/\1/p' "$REPO/Cargo.toml" | head -n 1)"
  ln -s "$BINARY" "$BATS_TEST_TMPDIR/no-such-trigger"
  run_apart "$BATS_TEST_TMPDIR/no-such-trigger" "$APP"
  [ "$status" -ne 0 ] || fail "an unknown name was taken" "$(shown)"
  assert_stderr_has "no-such-trigger"
}

@test "plugin.toml has the version of Cargo.toml" {
  version() { sed -n 's/^version = "\(.*\)"/\1/p' "$1" | head -n 1; }
  assert_equal "$(version "$REPO/Cargo.toml")" "$(version "$REPO/plugin.toml")"
}

@test "--quiet leaves only the data" {
  dokku storage:mount "$APP" /srv/a:/a
  run dokku --quiet storage:list "$APP"
  assert_success
  assert_output "/srv/a:/a"
}

@test "--app names the app for commands that take one" {
  dokku --app "$APP" storage:mount /srv/a:/a
  run dokku --app "$APP" storage:list --format json
  assert_success
  assert_equal /a "$(jq -r '.[].container_path' <<<"$output")"
  run_apart dokku --app no-such-app storage:list
  assert_refused 20
}
