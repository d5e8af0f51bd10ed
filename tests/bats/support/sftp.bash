# shellcheck shell=bash
# start_sftp: an SFTP server on loopback, for whoever is in its authorized_keys.
start_sftp() {
  local dir="$HOST/sftp" pam=no
  # Without PAM, sshd lets nobody in whose password is locked, as it is on Dokku hosts.
  [[ $(getent shadow dokku | cut -d: -f2) != '!'* ]] || pam=yes
  mkdir -p "$dir" /run/sshd
  chmod 0755 "$dir"
  ssh-keygen -q -t ed25519 -N '' -f "$dir/host_key"
  : >"$dir/authorized_keys"
  printf '%s\n' "ListenAddress 127.0.0.1" "HostKey $dir/host_key" "PidFile none" "AuthorizedKeysFile $dir/authorized_keys" \
    "AllowUsers dokku" "AuthenticationMethods publickey" "UsePAM $pam" "StrictModes no" "Subsystem sftp internal-sftp" >"$dir/config"
  for _ in 1 2 3 4 5; do
    SFTP_PORT=$((20000 + (RANDOM % 20000)))
    /usr/sbin/sshd -D -e -f "$dir/config" -p "$SFTP_PORT" >"$dir/log" 2>&1 3>&- &
    SFTP=$!
    for _ in $(seq 50); do
      ! grep -q "Server listening on 127.0.0.1" "$dir/log" || return 0
      kill -0 "$SFTP" 2>/dev/null || break
      sleep 0.1
    done
  done
  fail "sshd did not start: $(cat "$dir/log")"
}
