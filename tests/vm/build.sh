#!/usr/bin/env bash
# Makes the machine that the cases run in: packages on this machine, a root file system of Debian's packages, a kernel, a key.
#
# build.sh DIR: writes disk.img, vmlinuz, initrd and key there, and does nothing where they were made by this very script.
set -euo pipefail
umask 022

directory=$1
made_by=$(sha256sum "${BASH_SOURCE[0]}" | cut -d ' ' -f 1)

need() { command -v "$1" >/dev/null || needed+=("$2"); }
# Installs what is missing; fails where nothing is.
install_needed() {
  needed=()
  need qemu-system-x86_64 qemu-system-x86
  need qemu-img qemu-utils
  need mmdebstrap mmdebstrap
  need mke2fs e2fsprogs
  need ssh openssh-client
  [ ${#needed[@]} -gt 0 ] || return 1
  echo "-----> Installing ${needed[*]}"
  local log
  log=$(mktemp)
  # The lists of a machine that has been up for long name versions that are gone.
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${needed[@]}"; } >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; exit 1; }
  rm -f "$log"
}
# Twice: a package can take away another one that was there in a version that does not fit.
if install_needed; then install_needed || true; fi

[ "$(cat "$directory/made-by" 2>/dev/null)" != "$made_by" ] || exit 0

packages=(
  linux-image-amd64 initramfs-tools systemd-sysv udev dbus kmod iproute2 iptables openssh-server sudo util-linux
  docker.io docker-cli uidmap busybox-static
  nfs-kernel-server nfs-common samba cifs-utils rclone fuse3
  e2fsprogs btrfs-progs xfsprogs acl attr rsync restic
  bats jq curl git python3 strace
)

echo "-----> Making a root file system of Debian's packages (minutes)"
mkdir -p "$directory"
rm -f "$directory/made-by"
work=$(mktemp -d "$directory/root-XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"
list=$(IFS=,; echo "${packages[*]}")
# Only what this machine has: an initramfs of all drivers takes software emulation half a minute to unpack.
# shellcheck disable=SC2016 # $1 is mmdebstrap's
mmdebstrap --quiet --variant=minbase --include="$list" --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"' \
  --essential-hook='echo MODULES=list >"$1/etc/initramfs-tools/conf.d/machine"' \
  --essential-hook='printf "%s\n" virtio_pci virtio_blk virtio_scsi sd_mod ext4 crc32c_generic >"$1/usr/share/initramfs-tools/modules.d/machine"' \
  trixie "$work/root"

root=$work/root
rm -f "$work/key"
ssh-keygen -q -t ed25519 -N '' -C dokku-storage-vm -f "$work/key"
install -D -m 0600 "$work/key.pub" "$root/root/.ssh/authorized_keys"
echo dokku-storage-vm >"$root/etc/hostname"
printf '127.0.0.1 localhost dokku-storage-vm\n10.0.2.2 far\n' >"$root/etc/hosts"
echo '/dev/vda / ext4 defaults 0 1' >"$root/etc/fstab"
printf '[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n' >"$root/etc/systemd/network/eth0.network"
mkdir -p "$root/etc/systemd/system/systemd-networkd-wait-online.service.d" "$root/srv"/{nfs,smb,open}
printf '[Service]\nExecStart=\nExecStart=/usr/lib/systemd/systemd-networkd-wait-online --interface=eth0 --timeout=20\n' \
  >"$root/etc/systemd/system/systemd-networkd-wait-online.service.d/eth0.conf"
# Names are not asked of anybody: a login would wait for an answer.
printf 'UseDNS no\nMaxSessions 30\nMaxStartups 30\n' >"$root/etc/ssh/sshd_config.d/machine.conf"
sed -i '/pam_motd\|pam_mail/d' "$root/etc/pam.d/sshd"

# The servers of the cases.
chmod 0777 "$root/srv"/{nfs,smb,open}
echo '/srv/nfs *(rw,no_root_squash,no_subtree_check,insecure,fsid=1)' >"$root/etc/exports"
cat >"$root/etc/samba/smb.conf" <<'CONFIG'
[global]
  server role = standalone server
  disable netbios = yes
  map to guest = Bad User
  smb ports = 445
  load printers = no
[media]
  path = /srv/smb
  read only = no
  valid users = anna
[open]
  path = /srv/open
  read only = no
  guest ok = yes
  guest only = yes
CONFIG
cat >"$work/inside" <<'INSIDE'
set -e
useradd --system --user-group --home-dir / --no-create-home --shell /bin/bash --password '*' dokku
usermod -a -G docker dokku
useradd --no-create-home anna
printf 'right-s3cr3t\nright-s3cr3t\n' | smbpasswd -s -a anna >/dev/null
systemctl -q enable systemd-networkd systemd-networkd-wait-online nfs-server smbd docker ssh
systemctl -q disable nmbd 2>/dev/null || true
systemctl -q mask samba-ad-dc apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service \
  dpkg-db-backup.timer man-db.timer logrotate.timer rpc-statd-notify.service systemd-timesyncd.service
INSIDE
chroot "$root" /bin/bash <"$work/inside"

cp "$root"/boot/vmlinuz-* "$work/vmlinuz"
cp "$root"/boot/initrd.img-* "$work/initrd"
echo "-----> Writing its disk"
truncate -s 4G "$work/disk.img"
mke2fs -q -t ext4 -m 0 -d "$root" "$work/disk.img"
for file in disk.img vmlinuz initrd key; do mv -f "$work/$file" "$directory/$file"; done
rm -rf "$directory"/booted*
echo "$made_by" >"$directory/made-by"
