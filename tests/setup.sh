#!/usr/bin/env bash
# Makes a machine ready for test.sh: installs the Debian packages that are missing, makes the user `dokku`.
#
# Packages: bats, an SSH server (it is not started: the tests start one of their own), sudo, a static busybox
# for the test image, jq, shellcheck, gcc and g++, strace; Docker where there is none. Needs root.
set -euo pipefail

if [ "$(id -u)" != 0 ]; then
  echo " !     tests/setup.sh needs root: run it with sudo" >&2
  exit 1
fi

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need bats bats
need /usr/sbin/sshd openssh-server
need ssh-keygen openssh-client
need sudo sudo
need jq jq
need shellcheck shellcheck
need cc gcc
need c++ g++
need strace strace
need xargs findutils
need docker docker.io
{ [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1; } || missing+=(busybox-static)

if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo " !     missing: ${missing[*]}; install them with this system's package manager" >&2
    exit 1
  fi
  echo "-----> Installing ${missing[*]}"
  # The SSH server's package would start a server on this machine; the tests only want the program.
  guard=/usr/sbin/policy-rc.d
  if [ ! -e "$guard" ]; then
    cat >"$guard" <<'POLICY'
#!/bin/sh
case $1 in ssh*) exit 101 ;; esac
POLICY
    chmod +x "$guard"
    trap 'rm -f "$guard"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  if ! { apt-get install -y -q --no-install-recommends "${missing[@]}" ||
    { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; }; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    exit 1
  fi
  rm -f "$log"
fi

# The user that Dokku runs as, with a shell for SSH and no password. On a Dokku host it is there already.
if ! getent passwd dokku >/dev/null; then
  echo "-----> Making the user dokku"
  useradd --system --user-group --home-dir / --no-create-home --shell /bin/bash --password '*' dokku
fi
if getent group docker >/dev/null; then usermod -a -G docker dokku; fi

# Where Docker has just been installed, or this machine starts no services, its engine has to be started.
if ! docker info >/dev/null 2>&1 && command -v service >/dev/null && service docker start >/dev/null 2>&1; then
  for _ in $(seq 40); do
    if docker info >/dev/null 2>&1; then break; fi
    sleep 0.5
  done
fi
