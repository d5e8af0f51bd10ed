#!/usr/bin/env bash
# Installs dokku-storage: in the place of Dokku's own storage plugin where Dokku is, else for the user.
set -euo pipefail
umask 022

usage() {
  cat <<'TEXT'
Usage: ./install.sh [--uninstall | --assemble DIR | --help]

  (no argument)     on a Dokku host (as root): build, put the plugin in the place of Dokku's own storage
                    plugin by links alone, run its install trigger; elsewhere: install dokku-storage for
                    the user; then try the main job for real in a throw-away directory
                    (there with its completion for bash)
  --uninstall       put Dokku's own plugin back, or remove the user's dokku-storage; data stays
  --assemble DIR    only build, and write the complete plugin directory to DIR

Settings, from the environment:
  DOKKU_STORAGE_BINARY   a dokku-storage that is already built, instead of building one
  DOKKU_STORAGE_PREFIX   where the user's binary goes, below bin/ (default ~/.local; for root /usr/local)
  DOKKU_STORAGE_CRON     "no" leaves the user's crontab (or systemd's timers) as it is: no scheduled backups
  DOKKU_STORAGE_HELPERS  where root's helpers go on a Dokku host (default /usr/local/lib/dokku-storage)
  DOKKU_LIB_ROOT         Dokku's directory (default /var/lib/dokku)
  DOKKU_ROOT             the directory of its apps (default /home/dokku)
TEXT
}

say() { printf -- '-----> %s\n' "$*"; }
detail() { printf '       %s\n' "$*"; }
warn() { printf ' !     %s\n' "$*" >&2; }
fail() {
  warn "$*"
  exit 1
}

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lib=${DOKKU_LIB_ROOT:-/var/lib/dokku}
core="$lib/core-plugins/available/storage"
# Dokku tells a core plugin by "core-plugins" in its real path. Beside available/ and enabled/ nothing looks for plugins,
# and Dokku's package has nothing there that it would replace.
home="$lib/core-plugins/dokku-storage"
ours="$home/storage"
notes="$lib/dokku-storage" # what is not the plugin: our lock, and where the links pointed
former="$notes/storage" # where earlier installations have the plugin
memory="$notes/links-before"
links=("$lib/core-plugins/enabled/storage" "$lib/plugins/available/storage" "$lib/plugins/enabled/storage")
helpers=${DOKKU_STORAGE_HELPERS:-/usr/local/lib/dokku-storage}
sudoers=/etc/sudoers.d/${helpers##*/}
binary="" # set by find_or_build_binary
scratch=()
made_image_with="" # the docker command, once the smoke test has made an image of its own
at_exit() {
  local dir
  [ -z "$made_image_with" ] || "$made_image_with" image rm -f "$image" >/dev/null 2>&1 || true
  for dir in ${scratch[@]+"${scratch[@]}"}; do rm -rf "$dir"; done
}
trap at_exit EXIT

# --- the binary ---------------------------------------------------------------------------------------

# Runs the binary under its own name, by which it tells what to do, whatever the file is called.
as_itself() { (exec -a dokku-storage "$@"); }

# Whether a built binary is there, newer than everything that it is made of, and runs on this machine.
is_fresh() {
  [ -x "$1" ] && [ -z "$(find "$repo/src" "$repo/Cargo.toml" "$repo/Cargo.lock" -newer "$1" -print -quit)" ] &&
    as_itself "$1" --version >/dev/null 2>&1
}

# Runs a Rust tool in the repository: as the user who called sudo, where that is who has the toolchain.
rust() {
  if [ -n "$rust_user" ]; then
    (cd "$repo" && sudo -u "$rust_user" -H env "PATH=$rust_path" ${rust_env[@]+"${rust_env[@]}"} "$@")
  else
    (cd "$repo" && env "PATH=$rust_path" ${rust_env[@]+"${rust_env[@]}"} "$@")
  fi
}

find_toolchain() {
  rust_user="" rust_path="$PATH:${HOME:-/root}/.cargo/bin" rust_env=()
  PATH="$rust_path" command -v cargo >/dev/null && return
  if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ] && [ "${SUDO_USER:-}" != root ]; then
    local home
    home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    if [ -x "$home/.cargo/bin/cargo" ]; then
      rust_user=$SUDO_USER rust_path="$PATH:$home/.cargo/bin"
      return
    fi
  fi
  return 1
}

find_or_build_binary() {
  if [ -n "${DOKKU_STORAGE_BINARY:-}" ]; then
    { [ -f "$DOKKU_STORAGE_BINARY" ] && as_itself "$DOKKU_STORAGE_BINARY" --version >/dev/null 2>&1; } ||
      fail "DOKKU_STORAGE_BINARY is $DOKKU_STORAGE_BINARY, which does not run here: name a built dokku-storage, or unset it to build one"
    binary=$(readlink -f "$DOKKU_STORAGE_BINARY")
    return
  fi

  local target=${CARGO_TARGET_DIR:-target} built
  case $target in /*) ;; *) target="$repo/$target" ;; esac
  for built in "$target"/*-linux-musl*/release/dokku-storage "$target"/*-linux-gnu*/release/dokku-storage; do
    if is_fresh "$built"; then
      binary=$built
      return
    fi
  done

  if ! find_toolchain; then
    if is_fresh "$target/release/dokku-storage"; then
      binary="$target/release/dokku-storage"
      return
    fi
    fail "Rust is missing: install Rust 1.89 or newer with cargo (by rustup or your distribution's packages), or point DOKKU_STORAGE_BINARY at a built dokku-storage"
  fi
  command -v cc >/dev/null || fail "A C linker is missing: install one (on Debian: apt-get install gcc libc6-dev) and run this again"

  # A static binary starts fastest and runs on any host: musl where Rust has it, else static glibc.
  local host triple
  host=$(rust rustc -vV | sed -n 's/^host: //p')
  triple=${host/-gnu/-musl}
  if ! rust rustc --print target-libdir --target "$triple" 2>/dev/null | xargs -r test -d; then
    if ! rust timeout 60 rustup target add "$triple" >/dev/null 2>&1; then
      triple=$host
      rust_env+=("RUSTFLAGS=-C target-feature=+crt-static")
    fi
  fi
  say "Building dokku-storage for $triple"
  rust cargo build --release --locked --quiet --target "$triple" --bin dokku-storage --target-dir "$target" ||
    fail "cargo could not build dokku-storage: repair what it names above (Rust 1.89 or newer is needed), then run this again"
  binary="$target/$triple/release/dokku-storage"
}

# Writes the complete plugin directory to $1, readable by everyone, with root's helpers left to `install`.
assemble() {
  mkdir -p "$1"
  as_itself "$binary" assemble "$1" --repo "$repo" >/dev/null || fail "the plugin directory could not be written to $1"
}

# --- on a Dokku host ----------------------------------------------------------------------------------

# Runs one trigger file of a plugin directory in the environment that Dokku gives to it. What it leaves running does not hold our lock.
run_trigger() {
  local file=$1 distro=debian
  shift
  # shellcheck disable=SC1091
  [ ! -r /etc/os-release ] || distro=$(. /etc/os-release && printf '%s' "${ID:-debian}")
  env DOKKU_ROOT="$apps" DOKKU_HOST_ROOT="${DOKKU_HOST_ROOT:-$apps}" DOKKU_LIB_ROOT="$lib" \
    PLUGIN_PATH="$lib/plugins" PLUGIN_AVAILABLE_PATH="$lib/plugins/available" \
    PLUGIN_ENABLED_PATH="$lib/plugins/enabled" PLUGIN_CORE_PATH="$lib/core-plugins" \
    PLUGIN_CORE_AVAILABLE_PATH="$lib/core-plugins/available" \
    PLUGIN_CORE_ENABLED_PATH="$lib/core-plugins/enabled" \
    DOKKU_SYSTEM_USER="$system_user" DOKKU_SYSTEM_GROUP="$system_group" \
    DOCKER_BIN="${DOCKER_BIN:-docker}" DOKKU_API_VERSION=1 DOKKU_NOT_IMPLEMENTED_EXIT=10 DOKKU_VALID_EXIT=0 \
    DOKKU_DISTRO="${DOKKU_DISTRO:-$distro}" DOKKU_PID="$$" \
    DOKKU_LOGS_DIR="${DOKKU_LOGS_DIR:-/var/log/dokku}" \
    DOKKU_EVENTS_LOGFILE="${DOKKU_EVENTS_LOGFILE:-/var/log/dokku/events.log}" "$file" "$@" 9>&-
}

is_dokku_host() { [ -d "$core" ]; }

check_dokku_host() {
  [ "$(id -u)" = 0 ] || fail "This is a Dokku host ($core is there): run this as root, for example with sudo"
  apps=${DOKKU_ROOT:-/home/dokku}
  system_user=${DOKKU_SYSTEM_USER:-dokku}
  system_group=${DOKKU_SYSTEM_GROUP:-$system_user}
  { getent passwd "$system_user" && getent group "$system_group"; } >/dev/null ||
    fail "There is no user and group $system_user:$system_group on this Dokku host: set DOKKU_SYSTEM_USER and DOKKU_SYSTEM_GROUP to the ones that Dokku runs as"
  local link
  for link in "${links[@]}"; do
    [ -L "$link" ] || [ ! -e "$link" ] ||
      fail "$link is not a link, as Dokku makes it, but a directory or file of its own: move it away and run this again"
  done
  mkdir -p "$notes"
  exec 9>"$notes/.lock"
  flock -n 9 || fail "Another install.sh is at work on this host: wait for it to end, then run this again"
}

# Makes link $2 point to $1 in one step, so that there is no moment at which the plugin is not there.
point() {
  mkdir -p "$(dirname "$2")"
  ln -sfn "$1" "$2.new-$$"
  mv -fT "$2.new-$$" "$2"
}

point_all() {
  local link
  for link in "${links[@]}"; do point "$1" "$link"; done
}

is_ours() {
  local target
  target=$(readlink "$1") || return 1
  [[ $target == "$home"/* || $target == "$notes"/* ]]
}

# Notes where the links point before we change them: once, and never our own.
remember_links() {
  local link
  [ ! -e "$memory" ] || return 0
  for link in "${links[@]}"; do
    if [ -L "$link" ] && ! is_ours "$link"; then printf '%s\t%s\n' "$link" "$(readlink "$link")"; fi
  done >"$memory.new"
  mv -f "$memory.new" "$memory"
}

# Points the links to what they were before us, and to where Dokku points them if that is not known.
put_links_back() {
  local link target
  for link in "${links[@]}"; do
    target=""
    [ ! -f "$memory" ] || target=$(awk -F '\t' -v link="$link" '$1 == link { print $2; exit }' "$memory")
    if [ -z "$target" ]; then
      target=$core
      [ "$link" != "$lib/plugins/enabled/storage" ] || target="$lib/plugins/available/storage"
    fi
    point "$target" "$link"
  done
}

show_links() {
  local link
  for link in "${links[@]}"; do detail "$link -> $(readlink "$link")"; done
}

run_core_install() {
  [ -x "$core/install" ] || return 0
  run_trigger "$core/install" || warn "Dokku's own storage plugin failed in its install trigger: run it again with dokku plugin:install --core, or reinstall the dokku package"
}

install_on_dokku() {
  check_dokku_host
  find_or_build_binary

  # The new directory is made beside the old one. While it takes the old one's place, the links point to a
  # copy of the old one: a deploy that runs meanwhile finds the one or the other, always whole.
  # An installation in the place of before stays whole until the links point to the new one.
  local fresh old=""
  mkdir -p "$home"
  chown "$system_user:$system_group" "$home"
  fresh=$(mktemp -d "$home/.fresh-XXXXXX")
  scratch+=("$fresh")
  chmod 0755 "$fresh"
  assemble "$fresh"
  chown -R "$system_user:$system_group" "$fresh"
  remember_links
  if [ -d "$ours" ]; then
    old=$(mktemp -d "$home/.old-XXXXXX")
    cp -aT "$ours" "$old"
    local link
    for link in "${links[@]}"; do
      if is_ours "$link"; then point "$old" "$link"; fi
    done
    rm -rf "$ours"
  fi
  mv -T "$fresh" "$ours"
  point_all "$ours"

  say "Running the plugin's install trigger"
  if ! run_trigger "$ours/install"; then
    if [ -z "$old" ] && [ -d "$former" ]; then
      point_all "$former"
      rm -rf "$home"
      run_trigger "$former/install" || true
      fail "The install trigger failed (see above): the links point to the dokku-storage that was installed before"
    fi
    if [ -n "$old" ]; then
      point_all "$old"
      rm -rf "$ours"
      cp -aT "$old" "$ours"
      point_all "$ours"
      rm -rf "$old"
      run_trigger "$ours/install" || true
      fail "The install trigger failed (see above): the links point to the dokku-storage that was installed before"
    fi
    put_links_back
    remove_helpers
    rm -rf "$home" "$notes"
    run_core_install
    fail "The install trigger failed (see above): the links point to Dokku's own plugin again"
  fi
  rm -rf "$home"/.fresh-* "$home"/.old-* "$former" "$notes"/.fresh-* "$notes"/.old-*

  say "dokku-storage stands in the place of Dokku's storage plugin"
  show_links
  detail "Dokku's own plugin is untouched in $core"
  try_main_job "$ours/dokku-storage"
  say "Done. To go back to Dokku's own plugin: sudo $repo/install.sh --uninstall"
}

# Takes away what the install trigger put outside of Dokku's directory; without the binary, by hand.
remove_helpers() {
  local plugin
  for plugin in "$ours" "$former"; do
    [ -x "$plugin/uninstall" ] || continue
    run_trigger "$plugin/uninstall" storage || warn "the plugin's uninstall trigger failed (see above); going on without it"
    return
  done
  ! compgen -G "$lib/data/storage-registry/entries/*.json" >/dev/null ||
    warn "the program is gone, so no copy was made of what only it notes of entries: Dokku's plugin removes that from those that it changes"
  rm -rf "$helpers"
  if [ -f "$sudoers" ] && grep -qF "$helpers/" "$sudoers"; then rm -f "$sudoers"; fi
}

uninstall_on_dokku() {
  check_dokku_host
  local link linked=false
  for link in "${links[@]}"; do
    if is_ours "$link"; then linked=true; fi
  done
  if [ "$linked" = false ] && [ ! -d "$ours" ] && [ ! -d "$former" ] && [ ! -e "$memory" ]; then
    rm -rf "$home" "$notes"
    say "Nothing to do: Dokku's own storage plugin is in place"
    show_links
    return
  fi
  if compgen -G "$lib/data/storage-registry/backups/schedules/*.json" >/dev/null; then
    warn "scheduled backups end; their line in Dokku's crontab goes when Dokku writes it again, with the next deploy"
  fi
  put_links_back
  remove_helpers
  rm -rf "$home" "$notes"
  run_core_install
  say "Dokku's own storage plugin is back, storage entries, mounts and data are as they were"
  show_links
}

# --- elsewhere ----------------------------------------------------------------------------------------

# Prints where the user's files go: the binary below bin/, its completion below share/.
user_prefix() {
  local prefix=${DOKKU_STORAGE_PREFIX:-}
  if [ -z "$prefix" ]; then
    prefix=/usr/local
    if [ "$(id -u)" != 0 ]; then
      [ -n "${HOME:-}" ] || fail "HOME is not set: set it, or set DOKKU_STORAGE_PREFIX to the directory to install to"
      prefix=$HOME/.local
    fi
  fi
  printf '%s' "$prefix"
}

# Where bash looks for completions that belong to programs below the prefix.
completion_below() { printf '%s' "$1/share/bash-completion/completions/dokku-storage"; }

install_for_user() {
  local prefix file completion
  prefix=$(user_prefix)
  file=$prefix/bin/dokku-storage completion=$(completion_below "$prefix")
  find_or_build_binary
  { mkdir -p "${file%/*}" && [ -w "${file%/*}" ]; } 2>/dev/null ||
    fail "${file%/*} cannot be written: set DOKKU_STORAGE_PREFIX to a directory of yours"
  install -m 0755 "$binary" "$file.new-$$"
  mv -fT "$file.new-$$" "$file"
  say "There is no Dokku on this machine: installed $file for use on its own"
  if mkdir -p "${completion%/*}" 2>/dev/null && as_itself "$file" completion bash >"$completion.new-$$"; then
    mv -fT "$completion.new-$$" "$completion"
  else
    warn "${completion%/*} cannot be written: bash does not complete dokku-storage"
  fi
  case ":$PATH:" in
    *":${file%/*}:"*) ;;
    *) warn "${file%/*} is not on your PATH: add it with  export PATH=\"${file%/*}:\$PATH\"" ;;
  esac
  schedule_runs "$file"
  try_main_job "$file"
  say "Done. Try: dokku-storage storage:help. To remove it: $repo/install.sh --uninstall"
}

# Sets units, where the user's units of systemd are, and systemctl.
find_units() {
  if [ "$(id -u)" = 0 ]; then
    systemctl=(systemctl) units=/etc/systemd/system
  else
    systemctl=(systemctl --user) units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
  fi
}

# The user's crontab without our line, which ends with the path of the binary $1.
crontab_without() { crontab -l 2>/dev/null | grep -vF "storage:backups:run # $1" || true; }

# Has something look every minute for scheduled backups that are due: cron, else systemd.
schedule_runs() {
  local file=$1 store=""
  [ "${DOKKU_STORAGE_CRON:-yes}" != no ] || return 0
  [ -z "${DOKKU_STORAGE_ROOT:-}" ] || store="DOKKU_STORAGE_ROOT=$(printf %q "$DOKKU_STORAGE_ROOT") "
  if command -v crontab >/dev/null; then
    if { crontab_without "$file" && printf '* * * * * %s%q storage:backups:run # %s\n' "$store" "$file" "$file"; } | crontab -; then
      say "Your crontab runs scheduled backups; what they say is mailed to you by cron"
      return
    fi
  elif [ -d /run/systemd/system ]; then
    find_units
    if mkdir -p "$units" && printf '%s\n' '[Unit]' 'Description=Backups of dokku-storage that are due' '[Service]' Type=oneshot Environment=HOME=%h \
      ${DOKKU_STORAGE_ROOT:+"Environment=\"DOKKU_STORAGE_ROOT=$DOKKU_STORAGE_ROOT\""} "ExecStart=\"$file\" storage:backups:run" \
      >"$units/dokku-storage-backups.service" &&
      printf '%s\n' '[Unit]' 'Description=Look for backups of dokku-storage that are due' '[Timer]' 'OnCalendar=minutely' \
        'AccuracySec=1s' '[Install]' 'WantedBy=timers.target' >"$units/dokku-storage-backups.timer" &&
      "${systemctl[@]}" daemon-reload && "${systemctl[@]}" enable --now dokku-storage-backups.timer >/dev/null 2>&1; then
      say "A timer of systemd runs scheduled backups; what they say is in the journal"
      return
    fi
  fi
  warn "Nothing here runs scheduled backups: have something run this every minute:  $store$file storage:backups:run"
}

unschedule_runs() {
  [ "${DOKKU_STORAGE_CRON:-yes}" != no ] || return 0
  if command -v crontab >/dev/null && crontab -l 2>/dev/null | grep -qF "storage:backups:run # $1"; then
    crontab_without "$1" | crontab - || warn "your crontab still has a line with storage:backups:run: remove it with  crontab -e"
  fi
  find_units
  if [ -e "$units/dokku-storage-backups.timer" ]; then
    "${systemctl[@]}" disable --now dokku-storage-backups.timer >/dev/null 2>&1 || true
    rm -f "$units"/dokku-storage-backups.{timer,service}
    "${systemctl[@]}" daemon-reload >/dev/null 2>&1 || true
  fi
}

uninstall_for_user() {
  local prefix file completion
  prefix=$(user_prefix)
  file=$prefix/bin/dokku-storage completion=$(completion_below "$prefix")
  if [ ! -e "$file" ] && [ ! -L "$file" ]; then
    say "Nothing to do: there is no $file"
    return
  fi
  unschedule_runs "$file"
  rm -f "$file" "$completion" 2>/dev/null || fail "$file cannot be removed: run this as the user who owns it, for example with sudo"
  local store=${DOKKU_STORAGE_ROOT:-${XDG_DATA_HOME:-${HOME:-/root}/.local/share}/dokku-storage}
  say "Removed $file; the store ($store) is untouched"
}

# --- the main job, for real, in a throw-away directory ------------------------------------------------------

# Runs the binary on a store of its own, without Dokku's settings: the machine's own store is not touched.
try() { env -i "PATH=$PATH" "HOME=$trial" "DOKKU_STORAGE_ROOT=$trial/store" "$program" "$@"; }

# One step: shows the command, runs it, shows what it prints.
step() {
  local status=0 shown
  detail "$ dokku-storage $*"
  shown=$(try "$@" 2>&1) || status=$?
  [ -z "$shown" ] || printf '%s\n' "$shown" | sed 's/^/         /'
  [ "$status" = 0 ] || fail "The main job failed here with exit status $status: please report it, with what is printed above"
}

try_main_job() {
  program=$1 trial=$(mktemp -d)
  scratch+=("$trial")
  chmod 0755 "$trial"
  say "Trying the main job in a throw-away directory"
  step storage:create smoke-data
  step storage:mount smoke smoke-data --container-dir /data
  step storage:list smoke
  step storage:report smoke
  step docker-args-run smoke
  try_container
}

# Splits what docker-args-run printed into words as Dokku's schedulers do, by xargs.
mount_words() { try docker-args-run smoke | xargs -r printf '%s\0'; }

try_container() {
  local docker=${DOCKER_BIN:-docker} directory words answer
  if ! command -v "$docker" >/dev/null || ! timeout 20 "$docker" info >/dev/null 2>&1; then
    warn "No Docker engine answers here: the part with a real container is skipped"
    return
  fi
  if ! find_image "$docker"; then
    warn "There is no static busybox and no image with a shell here: the part with a real container is skipped (on Debian: apt-get install busybox-static)"
    return
  fi
  mapfile -d '' -t words < <(mount_words)
  directory=$(try storage:list smoke --format json | sed -n 's/.*"host_path": *"\([^"]*\)".*/\1/p')
  chmod 0777 "$directory" # under user namespaces the container's root is nobody in particular here
  detail "$ docker run --rm ${words[*]} $image sh -c 'echo written in the container > /data/proof'"
  if ! "$docker" run --rm --network none --name "dokku-storage-smoke-$$" --entrypoint /bin/sh "${words[@]}" \
    "$image" -c 'echo written in the container > /data/proof'; then
    fail "The container failed (see above): does the Docker engine run on this machine?"
  fi
  answer=$(cat "$directory/proof" 2>/dev/null || true)
  [ "$answer" = "written in the container" ] ||
    fail "The container ran, but what it wrote is not in $directory: does the Docker engine run on this machine?"
  detail "$directory/proof on the host says: $answer"
}

# Sets image: one made from a static busybox (no registry is asked), else one that the engine has.
find_image() {
  local docker=$1 shell
  shell=$(static_busybox) || true
  if [ -n "$shell" ]; then
    mkdir -p "$trial/image/bin" "$trial/image/tmp"
    cp "$shell" "$trial/image/bin/busybox"
    ln -sf busybox "$trial/image/bin/sh"
    image="dokku-storage-smoke:$$" made_image_with=$docker
    tar -C "$trial/image" -c . | "$docker" import - "$image" >/dev/null
    return
  fi
  while read -r image; do
    if "$docker" run --rm --network none --entrypoint /bin/sh "$image" -c true >/dev/null 2>&1; then return 0; fi
  done < <("$docker" image ls -q | head -n 5)
  return 1
}

# Prints the path of a static busybox: the machine's own, or Debian's, unpacked but not installed.
static_busybox() {
  local file
  for file in "$(command -v busybox || true)" /bin/busybox; do
    if [ -x "$file" ] && ! ldd "$file" >/dev/null 2>&1; then
      printf '%s' "$file"
      return
    fi
  done
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  mkdir -p "$trial/deb"
  (
    cd "$trial/deb"
    chmod 0777 . # apt fetches as a user of its own
    timeout 60 apt-get download -qq busybox-static || { [ "$(id -u)" = 0 ] && apt-get update -qq && apt-get download -qq busybox-static; }
    dpkg-deb -x busybox-static*.deb .
  ) >/dev/null 2>&1 || return 1
  file=$(find "$trial/deb" -name busybox -type f -perm -u+x | head -n 1)
  [ -n "$file" ] && printf '%s' "$file"
}

# --- what is asked for ----------------------------------------------------------------------------------

[ "$(uname -s)" = Linux ] || fail "dokku-storage runs on Linux only, this is $(uname -s): use it on the machine that runs Docker"

case ${1:-} in
  "")
    if is_dokku_host; then install_on_dokku; else install_for_user; fi
    ;;
  --uninstall)
    [ $# = 1 ] || fail "--uninstall takes no argument: see $0 --help"
    if is_dokku_host; then uninstall_on_dokku; else uninstall_for_user; fi
    ;;
  --assemble)
    [ -n "${2:-}" ] || fail "--assemble takes the directory to write to: $0 --assemble DIR"
    find_or_build_binary
    assemble "$2"
    say "The plugin directory is in $2"
    ;;
  --help | -h) usage ;;
  *) fail "Unknown argument $1: see $0 --help" ;;
esac
