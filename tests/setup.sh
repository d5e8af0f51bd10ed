#!/usr/bin/env bash
# Makes a machine ready for test.sh: installs the Debian packages that are missing, makes the user `dokku`.
#
# Packages: bats, an SSH server (it is not started: the tests start one of their own), sudo, a static busybox
# for the test image, jq, shellcheck, gcc and g++, strace and valgrind, tools for file systems and to compare trees, git and curl; Docker where there is none; rclone and FUSE for object
# stores, Samba and an NFS server for shares, and Python for the stand-in host, with venv, into which an S3 server is put. No package
# starts a service. Needs root.
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
need valgrind valgrind
need mkfs.ext4 e2fsprogs
need mkfs.btrfs btrfs-progs
need mkfs.xfs xfsprogs
need setfattr attr
need setfacl acl
need rsync rsync
need git git
need curl curl
need xargs findutils
need docker docker.io
need rclone rclone
need restic restic
need promtool prometheus
need crontab cron
need fusermount3 fuse3
need smbd samba
{ [ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null; } || missing+=(python3-venv)
need ganesha.nfsd nfs-ganesha
{ compgen -G '/usr/lib/*/ganesha/libfsalvfs.so' >/dev/null; } || missing+=(nfs-ganesha-vfs)
{ [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1; } || missing+=(busybox-static)

if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo " !     missing: ${missing[*]}; install them with this system's package manager" >&2
    exit 1
  fi
  echo "-----> Installing ${missing[*]}"
  # The packages of servers would start them on this machine; the tests only want the programs. Docker is started below.
  guard=/usr/sbin/policy-rc.d
  if [ ! -e "$guard" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$guard"
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

# The S3 server of the tests, in a folder of its own below target/.
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
s3_server="$repository/target/s3-server-venv"
s3_packages=('moto[server,s3]==5.2.5' boto3==1.44.5)
if [ "$(cat "$s3_server/installed" 2>/dev/null)" != "${s3_packages[*]}" ]; then
  echo "-----> Installing an S3 server for the tests"
  # What is below target/ stays the repository's owner's.
  owner=$(stat -c %u:%g "$repository")
  install -d -o "${owner%:*}" -g "${owner#*:}" "$repository/target"
  rm -rf "$s3_server"
  log=$(mktemp)
  if ! { /usr/bin/python3 -m venv "$s3_server" &&
    "$s3_server/bin/pip" --disable-pip-version-check --no-input install "${s3_packages[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    exit 1
  fi
  rm -f "$log"
  echo "${s3_packages[*]}" >"$s3_server/installed"
  chown -R "$owner" "$s3_server"
fi
