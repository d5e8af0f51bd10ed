#!/usr/bin/env bats
# install.sh: into the place of Dokku's own plugin and back again, and for a user without Dokku.
load helper
needs standin

# Each test has a host of its own, as Dokku leaves it.
setup_file() { :; }
teardown_file() { :; }
setup() {
  skip_what_cannot_run
  bare_host
  CORE="$DOKKU_LIB_ROOT/core-plugins/available/storage"
  OURS="$DOKKU_LIB_ROOT/core-plugins/dokku-storage/storage"
  NOTES="$DOKKU_LIB_ROOT/dokku-storage" # the lock, and where the links pointed
  OLD="$NOTES/storage" # where the plugin was before
  LINKS=("$DOKKU_LIB_ROOT/core-plugins/enabled/storage" "$DOKKU_LIB_ROOT/plugins/available/storage" "$DOKKU_LIB_ROOT/plugins/enabled/storage")
  mkdir -p "$HOST/user"
}
teardown() {
  [ -n "${HOST:-}" ] || return 0
  rm -rf "$HELPERS" "$SUDOERS"
  drop_host
}

# install.sh with the binary that is built already, on this test's host.
install_sh() {
  DOKKU_STORAGE_BINARY="$BINARY" "$REPO/install.sh" "$@"
}

# The same as somebody without Dokku, with a home of their own.
install_for_user() {
  env -u DOKKU_ROOT -u DOKKU_STORAGE_ROOT DOKKU_LIB_ROOT="$HOST/no-dokku-here" HOME="$HOST/user" \
    DOKKU_STORAGE_CRON="${CRON:-no}" DOKKU_STORAGE_PREFIX="$HOST/user/.local" DOKKU_STORAGE_BINARY="$BINARY" PATH="$1:$PATH" "$REPO/install.sh" "${@:2}"
}

nothing_is_left() {
  local folder
  for folder in "$NOTES" "${OURS%/*}"; do [ ! -e "$folder" ] || fail "our folder is still there: $(find "$folder")"; done
}

# A snapshot in which links are Dokku's, whoever made them: their owner has no effect.
snapshot_as_dokkus() { snapshot "$1" | sed 's/ l 777 root:root / l 777 dokku:dokku /'; }

# An installation as it was made before: the folder beside its notes, the links to it.
install_the_old_way() {
  local link
  install_sh >/dev/null
  mv "$OURS" "$OLD"
  rm -rf "${OURS%/*}"
  for link in "${LINKS[@]}"; do ln -sfn "$OLD" "$link"; done
  dokku_environment "$OLD/install" >/dev/null
}

# Looks for the plugin while a command runs, which is told to be done by a file.
misses_during() {
  local stop="$HOST/stop" plugin="${LINKS[2]}" misses looks
  rm -f "$stop"
  (
    misses=0 looks=0
    while [ ! -e "$stop" ]; do
      looks=$((looks + 1))
      [ -x "$plugin/docker-args-deploy" ] || misses=$((misses + 1))
    done
    echo "$misses $looks" >"$HOST/misses"
  ) 3>&- &
  local watcher=$!
  "$@"
  touch "$stop"
  wait "$watcher"
  read -r misses looks <"$HOST/misses"
  [ "$looks" -gt 100 ] || fail "looked only $looks times"
  assert_equal 0 "$misses"
}

link_targets() { for link in "${LINKS[@]}"; do readlink "$link"; done; }

@test "on a Dokku host: links to ours, the core plugin untouched, and back again" {
  local links core
  links=$(link_targets)
  core=$(snapshot "$CORE")

  run install_sh
  assert_success
  for link in "${LINKS[@]}"; do
    assert_equal "$OURS" "$(readlink "$link")"
    assert_has "$link -> $OURS"
  done
  assert_has "install.sh --uninstall"
  assert_equal "$core" "$(snapshot "$CORE")"
  assert_equal "" "$(find "$OURS" ! -type l ! \( -user dokku -group dokku \))"
  for file in commands plugin.toml install docker-args-deploy subcommands/mount subcommands/annotations:set bin/chown-storage-dir; do
    [ -e "$OURS/$file" ] || fail "the plugin folder lacks $file"
  done
  [ -f "$SUDOERS" ] || fail "the install trigger has not written $SUDOERS"
  [ -d "$DOKKU_LIB_ROOT/data/storage" ] || fail "the install trigger has not made the storage root"

  # It works, as dokku calls it.
  "$HOST/bin/dokku" apps:create blog
  "$HOST/bin/dokku" storage:create blog-data
  "$HOST/bin/dokku" storage:mount blog blog-data --container-dir /data
  local data kept="$DOKKU_LIB_ROOT/data/storage-registry/kept.json"
  data=$(snapshot "$DOKKU_LIB_ROOT/config" && snapshot "$DOKKU_LIB_ROOT/data")

  run install_sh --uninstall
  assert_success
  assert_equal "$links" "$(link_targets)"
  assert_equal "$core" "$(snapshot "$CORE")"
  mv "$kept" "$HOST/kept.json"
  assert_equal "$data" "$(snapshot "$DOKKU_LIB_ROOT/config" && snapshot "$DOKKU_LIB_ROOT/data")"
  mv "$HOST/kept.json" "$kept"
  nothing_is_left
  [ ! -e "$SUDOERS" ] || fail "our $SUDOERS is still there"
  [ ! -e "$HELPERS/storage" ] || fail "our helpers are still there"
  run cat "$DOKKU_LIB_ROOT/core-install-ran"
  assert_output "user=root lib=$DOKKU_LIB_ROOT system=dokku:dokku"

  # What Dokku's plugin removed meanwhile comes back with ours.
  local entry="$DOKKU_LIB_ROOT/data/storage-registry/entries/blog-data.json"
  sed -i '/"node":/d' "$entry"
  run install_sh
  assert_success
  assert_has "Restored what Dokku's plugin had removed of storage entries: blog-data"
  grep -q '"node":' "$entry"
  [ ! -e "$kept" ]
}

@test "the main job is tried for real at the end, in a throw-away folder" {
  run install_sh
  assert_success
  for command in "storage:create smoke-data" "storage:mount smoke" "storage:list smoke" "storage:report smoke" "docker-args-run smoke"; do
    assert_has "dokku-storage $command"
  done
  if [ -n "$HAVE_DOCKER" ]; then assert_has "/proof on the host says: written in the container"; fi
  assert_equal "" "$(find "$DOKKU_LIB_ROOT/data/storage" -mindepth 1)"
  [ ! -d "$DOKKU_ROOT/smoke" ] || fail "an app was left over"
  [ -z "$HAVE_DOCKER" ] || assert_equal "" "$(docker image ls -q dokku-storage-smoke)"
}

@test "the first install names the mounts that Dokku's plugin made in every container, and --uninstall those it does not know" {
  local app file first
  for app in blog shop; do install -d -o dokku -g dokku "$DOKKU_ROOT/$app"; done
  file="$DOKKU_LIB_ROOT/config/storage/blog/mounts"
  install -d -o dokku -g dokku "$DOKKU_LIB_ROOT/config/storage" "${file%/*}" "$DOKKU_LIB_ROOT"/data/storage-registry{,/entries}
  echo "{\"name\":\"data\",\"scheduler\":\"docker-local\",\"host_path\":\"$DOKKU_LIB_ROOT/data/storage/data\",\"schema_version\":1}" \
    >"$DOKKU_LIB_ROOT/data/storage-registry/entries/data.json"
  {
    echo '{"entry_name":"data","container_path":"/a","phases":["deploy"],"process_type":"worker","subpath":"in","readonly":true}'
    echo '{"entry_name":"data","container_path":"/b","phases":["deploy","run"],"process_type":"_default_","volume_chown":"heroku"}'
    echo '{"entry_name":"data","container_path":"/c","phases":["deploy","run"],"process_type":"_default_"}'
  } >"$file"
  first=$(install_sh 2>&1)
  grep -qF "blog mounts storage entry \"data\" at /a: only containers of process type worker, only the part in" <<<"$first" || fail "$first"
  grep -qF "dokku storage:unmount blog data --container-dir /a --process-type worker && dokku storage:mount blog data --container-dir /a --volume-readonly --phase deploy" <<<"$first" || fail "$first"
  grep -qF "at /b: a deploy changes the owner to heroku." <<<"$first" || fail "$first"
  ! grep -qF "at /c" <<<"$first" || fail "$first"
  # An upgrade says nothing of it.
  ! install_sh 2>&1 | grep -F "at /a" || fail "an upgrade says it again"
  dokku_environment "$OURS/subcommands/share" storage:share blog shop >/dev/null
  run install_sh --uninstall
  assert_success
  assert_has 'shop has storage entry "data" at /c only by its share of blog'
  assert_has "dokku storage:mount shop data --container-dir /c"
  run install_sh
  assert_has "blog mounts storage entry \"data\" at /a"
}

@test "twice is once; an upgrade replaces the folder" {
  install_sh >/dev/null
  echo "left by an older version" >"$OURS/old-file"
  local links
  links=$(cat "$NOTES/links-before")
  run install_sh
  assert_success
  [ ! -e "$OURS/old-file" ] || fail "a file of the version before is still there"
  assert_equal "$links" "$(cat "$NOTES/links-before")"
  assert_equal "$(printf '%s\n' "$OURS" "$OURS" "$OURS")" "$(link_targets)"
  assert_equal ".lock links-before" "$(find "$NOTES" -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort | xargs)"
  assert_equal storage "$(find "${OURS%/*}" -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort | xargs)"
  run install_sh --uninstall
  assert_success
  assert_equal "$CORE" "$(readlink "${LINKS[1]}")"
}

@test "--uninstall twice, and before any install, says that there is nothing to do" {
  run install_sh --uninstall
  assert_success
  assert_has "Nothing to do"
  install_sh >/dev/null
  install_sh --uninstall >/dev/null
  local before
  before=$(snapshot "$HOST")
  run install_sh --uninstall
  assert_success
  assert_has "Nothing to do"
  assert_equal "$before" "$(snapshot "$HOST")"
}

@test "links that were relative come back as they were" {
  ln -sfn ../available/storage "${LINKS[0]}"
  ln -sfn ../../core-plugins/available/storage "${LINKS[1]}"
  ln -sfn ../available/storage "${LINKS[2]}"
  install_sh >/dev/null
  run install_sh --uninstall
  assert_success
  assert_equal "$(printf '%s\n' ../available/storage ../../core-plugins/available/storage ../available/storage)" "$(link_targets)"
  assert_equal "$CORE" "$(readlink -f "${LINKS[2]}")"
}

@test "--uninstall works without the binary and without its memory of the links" {
  install_sh >/dev/null
  rm -rf "$OURS/dokku-storage" "$NOTES/links-before"
  run install_sh --uninstall
  assert_success
  assert_equal "$(printf '%s\n' "$CORE" "$CORE" "$DOKKU_LIB_ROOT/plugins/available/storage")" "$(link_targets)"
  [ ! -e "$SUDOERS" ] || fail "our $SUDOERS is still there"
  [ ! -e "$HELPERS/storage" ] || fail "our helpers are still there"
  [ -s "$DOKKU_LIB_ROOT/core-install-ran" ] || fail "the core plugin's install trigger was not run"
  assert_has_not "no copy was made"
  install_sh >/dev/null
  echo '{}' >"$DOKKU_LIB_ROOT/data/storage-registry/entries/blog.json"
  rm -rf "$OURS/dokku-storage"
  run install_sh --uninstall
  assert_success
  assert_has "no copy was made"
}

@test "--uninstall leaves a sudoers file alone that is not ours" {
  install_sh >/dev/null
  echo "# somebody else's" >"$SUDOERS"
  run install_sh --uninstall
  assert_success
  assert_equal "# somebody else's" "$(cat "$SUDOERS")"
}

@test "an install trigger that fails puts the links back" {
  local links
  links=$(link_targets)
  # A file where the trigger needs a folder.
  rm -rf "$DOKKU_LIB_ROOT/data"
  touch "$DOKKU_LIB_ROOT/data"
  run install_sh
  assert_status 1
  assert_has "the links point to Dokku's own plugin again"
  assert_equal "$links" "$(link_targets)"
  [ ! -e "$OURS" ] || fail "our folder is still there"
}

@test "a deploy that runs during an upgrade finds the plugin at every moment" {
  install_sh >/dev/null
  upgrades() { for _ in 1 2 3; do DOCKER_BIN=no-such-docker install_sh >/dev/null 2>&1; done; }
  misses_during upgrades
}

@test "an older installation moves to the core plugins, and a deploy finds it at every moment" {
  local links
  links=$(link_targets)
  install_the_old_way
  "$HOST/bin/dokku" storage:create blog-data
  moves() { DOCKER_BIN=no-such-docker install_sh >"$HOST/moved.log" 2>&1; }
  misses_during moves
  assert_equal "$(printf '%s\n' "$OURS" "$OURS" "$OURS")" "$(link_targets)"
  [ ! -e "$OLD" ] || fail "the folder is still in the old place"
  assert_equal "$HELPERS/storage/bin/chown-storage-dir" "$(readlink "$OURS/bin/chown-storage-dir")"
  run "$HOST/bin/dokku" storage:list-entries
  assert_has blog-data
  run install_sh --uninstall
  assert_success
  assert_equal "$links" "$(link_targets)"
  nothing_is_left
}

@test "an older installation can be uninstalled as it is, and stays where the new one fails" {
  local links
  links=$(link_targets)
  install_the_old_way
  # A file where the trigger needs a folder.
  mv "$DOKKU_LIB_ROOT/data" "$DOKKU_LIB_ROOT/data-away"
  touch "$DOKKU_LIB_ROOT/data"
  run install_sh
  assert_status 1
  assert_has "that was installed before"
  assert_equal "$(printf '%s\n' "$OLD" "$OLD" "$OLD")" "$(link_targets)"
  [ -x "$OLD/docker-args-deploy" ] && [ ! -e "${OURS%/*}" ] || fail "not as it was before"
  rm "$DOKKU_LIB_ROOT/data"
  mv "$DOKKU_LIB_ROOT/data-away" "$DOKKU_LIB_ROOT/data"
  run install_sh --uninstall
  assert_success
  assert_equal "$links" "$(link_targets)"
  nothing_is_left
  [ ! -e "$SUDOERS" ] || fail "our $SUDOERS is still there"
}

@test "Dokku takes ours for the core plugin: help, --app, plugin:list" {
  install_sh >/dev/null
  # What `dokku help` does to find core plugins.
  run find -L "$DOKKU_LIB_ROOT/plugins/enabled" -name commands
  assert_line_with "${LINKS[2]}/commands"
  [[ $(readlink -f "${LINKS[2]}/commands") == *core-plugins* ]] || fail "help lists it among the community's"
  [ -L "${LINKS[0]}" ] || fail "plugin:list has it for no core plugin"
  grep -qx "version = \"$("$BINARY" --version | awk '{print $NF}')\"" "${LINKS[1]}/plugin.toml" || fail "plugin:list has another version"
  # With --app Dokku inserts the app itself; an entry of the app's name is still an entry.
  "$HOST/bin/dokku" apps:create blog
  "$HOST/bin/dokku" storage:create blog
  DOKKU_APP_NAME=blog "$HOST/bin/dokku" storage:mount blog --container-dir /data
  DOKKU_APP_NAME=blog run "$HOST/bin/dokku" storage:list
  assert_has "/lib/data/storage/blog:/data"
  # Nothing else takes the folder for a plugin of its own.
  [ ! -e "$DOKKU_LIB_ROOT/core-plugins/available/dokku-storage" ] || fail "it is among the core plugins that plugn looks at"
  [ ! -e "$DOKKU_LIB_ROOT/core-plugins/enabled/dokku-storage" ] || fail "it is among the core plugins that are enabled"
}

@test "what an upgrade of Dokku's package does to core plugins leaves ours alone" {
  install_sh >/dev/null
  local before folder name
  before=$(snapshot_as_dokkus "$OURS")
  # The package's files come anew; then as its postinst: plugins that are missing are linked, dangling links and foreign owners go.
  rm -rf "$CORE"
  cp -a "$REPO/tests/bats/host/plugins/core-storage" "$CORE"
  for folder in "$DOKKU_LIB_ROOT"/core-plugins/available/*/; do
    name=$(basename "$folder")
    [ -d "$DOKKU_LIB_ROOT/plugins/available/$name" ] || ln -s "$folder" "$DOKKU_LIB_ROOT/plugins/available/$name"
  done
  find -L "$DOKKU_LIB_ROOT/core-plugins" -type l -delete
  find -L "$DOKKU_LIB_ROOT/plugins" -type l -delete
  chown dokku:dokku -R "$DOKKU_LIB_ROOT/plugins" "$DOKKU_LIB_ROOT/core-plugins"
  assert_equal "$before" "$(snapshot_as_dokkus "$OURS")"
  assert_equal "$(printf '%s\n' "$OURS" "$OURS" "$OURS")" "$(link_targets)"
}

@test "an upgrade of Dokku's package, and root by plugin:install --core, run our install trigger, and the links stay" {
  install_sh >/dev/null
  rm -rf "$SUDOERS" "$HELPERS"
  run "$HOST/bin/dokku" plugin:install --core
  assert_success
  [ -f "$SUDOERS" ] || fail "$SUDOERS was not written"
  assert_equal "$(printf '%s\n' "$OURS" "$OURS" "$OURS")" "$(link_targets)"
  [ ! -e "$DOKKU_LIB_ROOT/core-install-ran" ] || fail "the core plugin's install trigger ran too"
}

@test "what a trigger leaves running does not hold install.sh's lock" {
  install_sh >/dev/null
  # Dokku's own trigger runs at the end of --uninstall, in the same way as ours.
  printf '#!/bin/sh\nsetsid sleep 60 >/dev/null 2>&1 3>&- &\necho $! >"%s"\n' "$HOST/left" >"$CORE/install"
  install_sh --uninstall >/dev/null
  run find "/proc/$(cat "$HOST/left")/fd" -lname '*.lock*'
  kill "$(cat "$HOST/left")"
  assert_success
  assert_output ""
}

@test "a directory for the helpers that sudo could not have rules for is refused" {
  local place
  for place in helpers /usr/local/lib/of.others; do
    run env DOKKU_STORAGE_HELPERS="$place" DOKKU_STORAGE_BINARY="$BINARY" "$REPO/install.sh"
    assert_status 1
    assert_line_with " !     " "DOKKU_STORAGE_HELPERS is $place"
    [ ! -e "$place" ] || fail "$place was made"
  done
}

@test "without root, on a Dokku host: one sentence" {
  cp "$REPO/install.sh" "$HOST/user/"
  run_apart sudo -u dokku env DOKKU_LIB_ROOT="$DOKKU_LIB_ROOT" DOKKU_STORAGE_BINARY="$BINARY" "$HOST/user/install.sh"
  assert_refused
  assert_stderr_has "as root"
  assert_equal 1 "$(wc -l <<<"$stderr")"
}

@test "a folder where Dokku has a link is not touched" {
  rm "${LINKS[1]}"
  mkdir "${LINKS[1]}"
  local before
  before=$(snapshot "$DOKKU_LIB_ROOT")
  run_apart install_sh
  assert_refused
  assert_stderr_has "${LINKS[1]}"
  assert_equal "$before" "$(snapshot "$DOKKU_LIB_ROOT")"
}

@test "elsewhere: installs for the user, tries the main job, and can be removed again" {
  run install_for_user "$HOST/user/.local/bin"
  assert_success
  assert_has "installed $HOST/user/.local/bin/dokku-storage"
  assert_has_not "not on your PATH"
  assert_has "dokku-storage docker-args-run smoke"
  if [ -n "$HAVE_DOCKER" ]; then assert_has "/proof on the host says: written in the container"; fi
  # The user's own store has not been touched by that, and bash completes the program.
  [ ! -e "$HOST/user/.local/share/dokku-storage" ] || fail "the user's store was touched"
  bash -c 'source "$1" && complete -p dokku-storage' bash "$HOST/user/.local/share/bash-completion/completions/dokku-storage"

  # Where this machine is a Dokku host, its Dokku is out of sight: elsewhere there is none.
  local without=()
  [ ! -d /var/lib/dokku ] || without=(unshare --mount sh -c 'mount -t tmpfs tmpfs /var/lib && exec "$@"' sh)
  alone() { "${without[@]}" env -i PATH="$PATH" HOME="$HOST/user" "$HOST/user/.local/bin/dokku-storage" "$@"; }
  alone storage:create blog-data
  alone storage:mount blog blog-data --container-dir /data
  run alone docker-args-run blog
  assert_success
  assert_has "-v $HOST/user/.local/share/dokku-storage/"

  run install_for_user "$HOST/user/.local/bin"
  assert_success
  local store
  store=$(snapshot "$HOST/user/.local/share/dokku-storage")
  run install_for_user "$HOST/user/.local/bin" --uninstall
  assert_success
  [ ! -e "$HOST/user/.local/bin/dokku-storage" ] || fail "the binary is still there"
  assert_equal "" "$(find "$HOST/user/.local/share/bash-completion" -type f)"
  assert_equal "$store" "$(snapshot "$HOST/user/.local/share/dokku-storage")"
  run install_for_user "$HOST/user/.local/bin" --uninstall
  assert_success
  assert_has "Nothing to do"
}

@test "elsewhere: says when the folder is not on the PATH, and when it cannot be written" {
  run install_for_user /nowhere
  assert_success
  assert_has "not on your PATH"
  touch "$HOST/a-file"
  run_apart env DOKKU_LIB_ROOT="$HOST/no-dokku-here" DOKKU_STORAGE_PREFIX="$HOST/a-file" DOKKU_STORAGE_BINARY="$BINARY" "$REPO/install.sh"
  assert_refused
  assert_stderr_has "DOKKU_STORAGE_PREFIX"
}

@test "--assemble writes the complete plugin folder, and only that" {
  local before
  before=$(snapshot "$DOKKU_LIB_ROOT")
  run install_sh --assemble "$HOST/plugin"
  assert_success
  run install_sh --assemble "$HOST/plugin"
  assert_success
  assert_equal "$before" "$(snapshot "$DOKKU_LIB_ROOT")"
  [ -f "$HOST/plugin/commands" ] && [ ! -L "$HOST/plugin/commands" ]
  for file in commands plugin.toml dokku-storage install uninstall docker-args-build docker-args-deploy docker-args-run storage-list \
    storage-app-mounts post-delete post-app-clone-setup post-app-rename-setup pre-release-builder bin/chown-storage-dir bin/chmod-storage-dir \
    bin/destroy-storage-dir subcommands/default subcommands/mount subcommands/labels:report; do
    [ -e "$HOST/plugin/$file" ] || fail "the plugin folder lacks $file"
  done
  # Links lead to the folder itself, so that it can be moved.
  assert_equal "" "$(find "$HOST/plugin" -type l -lname '/*')"
}

@test "what is missing or wrong is told in one sentence" {
  # No Rust and no binary: a copy of the repository without target, a PATH without cargo.
  mkdir -p "$HOST/clone" "$HOST/tools" "$HOST/no-rust"
  cp -a "$REPO/install.sh" "$REPO/Cargo.toml" "$REPO/Cargo.lock" "$REPO/src" "$HOST/clone/"
  find /usr/bin /usr/sbin /bin /sbin -maxdepth 1 ! -name 'cargo*' ! -name 'rust*' -exec ln -sft "$HOST/no-rust" {} +
  run_apart env -u SUDO_USER -u CARGO_TARGET_DIR -u DOKKU_STORAGE_BINARY HOME="$HOST/user" PATH="$HOST/no-rust" \
    DOKKU_LIB_ROOT="$HOST/no-dokku-here" "$HOST/clone/install.sh"
  assert_refused
  assert_stderr_has "Rust is missing"
  assert_equal 1 "$(wc -l <<<"$stderr")"

  run_apart env DOKKU_STORAGE_BINARY=/no/such/file "$REPO/install.sh" --assemble "$HOST/plugin"
  assert_refused
  assert_stderr_has "/no/such/file"

  printf '#!/bin/sh\necho Plan9\n' >"$HOST/tools/uname"
  chmod 0755 "$HOST/tools/uname"
  run_apart env PATH="$HOST/tools:$PATH" "$REPO/install.sh"
  assert_refused
  assert_stderr_has "Linux"

  run_apart install_sh --nonsense
  assert_refused
  assert_stderr_has "--nonsense"
  run_apart install_sh --assemble
  assert_refused
  run install_sh --help
  assert_success
  assert_has "Usage:"
}

@test "without Dokku, the user's crontab runs scheduled backups, and has its other lines still" {
  local crontab="$HOST/user/crontab" line="$HOST/user/.local/bin/dokku-storage storage:backups:run"
  mkdir "$HOST/user/bin"
  cat >"$HOST/user/bin/crontab" <<FILE
#!/usr/bin/env bash
if [ "\$1" = -l ]; then cat "$crontab"; else cat >"$crontab.new" && mv "$crontab.new" "$crontab"; fi
FILE
  chmod 0755 "$HOST/user/bin/crontab"
  echo '0 4 * * * true' >"$crontab"
  CRON=yes install_for_user "$HOST/user/bin"
  CRON=yes run install_for_user "$HOST/user/bin"
  assert_success
  assert_has "Your crontab runs scheduled backups"
  assert_equal "2 1" "$(wc -l <"$crontab") $(grep -cF "* * * * * $line" "$crontab")"
  HOME="$HOST/user" DOKKU_LIB_ROOT="$HOST/no-dokku-here" sh -c "$(sed -n 's/^\* \* \* \* \* //p' "$crontab")"
  CRON=yes install_for_user "$HOST/user/bin" --uninstall
  assert_equal '0 4 * * * true' "$(cat "$crontab")"
}
