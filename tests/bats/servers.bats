#!/usr/bin/env bats
# Entries whose data is on a server: nfs and cifs.
#
# The servers are real: nfs-ganesha with NFS 4 alone (no portmapper), and Samba's smbd, each on loopback and a port of its own. So
# are the Docker volumes, whose type, device and options are looked at. Whether a server can be reached is tested
# against these. What is not tested is the mount itself: that needs a kernel with nfs or cifs, and where the kernel has
# none, the tests see that this is said instead.
load helper
needs docker

before_all() {
  export SERVERS="$HOST/servers" CONNECTORS="$DOKKU_LIB_ROOT/data/storage-registry/connectors"
  export NFS_PORT SMB_PORT PASSWORD='pa s3cr3t"w'\''o\rd=1'
  mkdir -p "$SERVERS"/{nfs,recovery,smb,smb-state}
  NFS_PORT=$(free_port 21000)
  SMB_PORT=$(free_port 22000)
  cat >"$SERVERS/ganesha.conf" <<CONFIG
NFS_CORE_PARAM { NFS_Protocols = 4; NFS_Port = $NFS_PORT; Bind_addr = 127.0.0.1; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }
NFSv4 { Graceless = true; RecoveryRoot = "$SERVERS/recovery"; Minor_Versions = 1, 2; }
EXPORT { Export_Id = 1; Path = $SERVERS/nfs; Pseudo = /data; Access_Type = RW; Protocols = 4; Transports = TCP; SecType = sys; FSAL { Name = VFS; } }
CONFIG
  cat >"$SERVERS/smb.conf" <<CONFIG
[global]
  interfaces = 127.0.0.1/8
  bind interfaces only = yes
  smb ports = $SMB_PORT
  disable netbios = yes
  private dir = $SERVERS/smb-state
  lock directory = $SERVERS/smb-state
  state directory = $SERVERS/smb-state
  cache directory = $SERVERS/smb-state
  pid directory = $SERVERS/smb-state
  ncalrpc dir = $SERVERS/smb-state/ncalrpc
  log file = $SERVERS/smb.log
[media]
  path = $SERVERS/smb
  read only = no
CONFIG
}
before_each() {
  SHARE="$APP-share"
  ENTRY="$DOKKU_LIB_ROOT/data/storage-registry/entries/$SHARE.json"
}
after_each() {
  stop_nfs
  stop_smb
  drop_volumes
}

# free_port FROM: a port from there on at which nobody listens.
free_port() {
  local port=$(($1 + RANDOM % 900))
  while answers "$port"; do port=$((port + 1)); done
  echo "$port"
}
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
await() {
  for _ in $(seq 100); do
    if answers "$1"; then return; fi
    sleep 0.1
  done
  fail "no server answers on port $1" "$(tail -n 20 "$2")"
}

start_nfs() {
  ganesha.nfsd -F -N EVENT -L "$SERVERS/nfs.log" -f "$SERVERS/ganesha.conf" -p "$SERVERS/nfs.lock" >/dev/null 2>&1 3>&- &
  echo $! >"$SERVERS/nfs.pid"
  await "$NFS_PORT" "$SERVERS/nfs.log"
}
# smbd ends its whole process group when it ends, so it needs one of its own.
start_smb() {
  smbd --foreground -s "$SERVERS/smb.conf" >/dev/null 2>&1 3>&- &
  echo $! >"$SERVERS/smb.pid"
  await "$SMB_PORT" "$SERVERS/smb.log"
}
stop_server() {
  local file="$SERVERS/$1.pid" pid
  [ -s "$file" ] || return 0
  pid=$(cat "$file")
  rm -f "$file"
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 50); do
    if ! kill -0 "$pid" 2>/dev/null; then return; fi
    sleep 0.1
  done
  kill -KILL "$pid"
}
stop_nfs() { stop_server nfs; }
stop_smb() { stop_server smb; }

kernel_has() {
  grep -qE "[[:space:]]$1\$" /proc/filesystems || grep -qE "/$1\.ko" "/lib/modules/$(uname -r)"/modules.{dep,builtin} 2>/dev/null
}

nfs() { dokku storage:create "$SHARE" --type nfs "$@"; }
here() { nfs --option server=127.0.0.1 --option path=/data --option port="$NFS_PORT"; }
cifs() { dokku storage:create "$SHARE" --type cifs "$@"; }
connector() {
  sudo -u dokku mkdir -p "$CONNECTORS"
  printf '{"name":"%s","type":"%s","server":"127.0.0.1","username":"anna","schema_version":1}' "$1" "${2:-cifs}" |
    sudo -u dokku sh -c 'umask 077; cat >"$1"' sh "$CONNECTORS/$1.json"
  printf '%s' "${3-$PASSWORD}" | sudo -u dokku sh -c 'umask 077; cat >"$1"' sh "$CONNECTORS/$1.secret"
}

# refuses WORDS COMMAND…: the entry cannot be made, for a reason with these words, and nothing is left of it.
refuses() {
  run_apart "${@:2}"
  assert_refused || return
  assert_stderr_has "$1" || return
  [ ! -e "$ENTRY" ] || fail "an entry is left" "$(cat "$ENTRY")" || return
  ! has_volume "$SHARE" || fail "a volume is left"
}

# The state of the entry by each command that tells it: a code where something is wrong, and words.
state_is() {
  local code=$1
  run_apart dokku storage:wait "$SHARE" --timeout 0
  [ -z "$code" ] || assert_refused || return
  [ -n "$code" ] || assert_success || return
  assert_stderr_has "$2" || return
  run dokku storage:doctor "$APP" --format json
  assert_equal "$code" "$(jq -r '.[].code' <<<"$output")" || return
  run deploy "$APP"
  [ -z "$code" ] || assert_status 1 || return
  assert_has "$2" || return
  run dokku storage:info "$SHARE"
  assert_line_with State: "$2"
}
# up FILE_SYSTEM: the server answers; what is left to be said is at most that this kernel cannot mount it.
up() {
  if kernel_has "$1"; then
    dokku storage:wait "$SHARE" --timeout 0
  else
    state_is missing-file-system "this host's kernel has no file system $1"
    assert_line_with State: linux-image
  fi
}

# --- nfs ----------------------------------------------------------------------------------------------------

@test "nfs: the volume has type, device and options as the kernel wants them" {
  nfs --option server=files.example.com --option path=/srv/data
  readable_by_dokku "$SHARE" "$SHARE" options type
  assert_equal '{"Driver":"local","Options":{"device":":/srv/data","o":"addr=files.example.com,nfsvers=4","type":"nfs"}}' "$(volume_options "$SHARE")"
  dokku storage:destroy "$SHARE" --force
  ! has_volume "$SHARE" || fail "the volume is left"
  nfs --option server=::1 --option 'path=/srv/my data,1' --option version=3 --option port=2050 --option mount-options=soft,,timeo=50
  assert_equal '{"Driver":"local","Options":{"device":":/srv/my data,1","o":"addr=::1,nfsvers=3,port=2050,soft,timeo=50","type":"nfs"}}' \
    "$(volume_options "$SHARE")"
  # The same again is no change; something else is refused.
  run nfs --option server=::1 --option 'path=/srv/my data,1' --option version=3 --option port=2050 --option mount-options=soft,,timeo=50
  assert_success
  run_apart nfs --option server=::1 --option path=/srv/other
  assert_status 1
  assert_stderr_has "already exists with other options"
}

@test "nfs: what is missing, unknown or out of range is refused, and nothing is left" {
  local value
  refuses 'needs --option path=…' nfs --option server=a
  refuses 'needs --option server=…' nfs --option path=/x
  refuses '"servr" is not an option of type nfs; there are: server,' nfs --option servr=a
  for value in '' 'a b' -a a,b a/b a@b; do refuses server nfs --option path=/x --option server="$value"; done
  for value in srv /a:b '' ' '; do refuses '' nfs --option server=a --option path="$value"; done
  for value in 2 5 4.3 v4 4,sec=krb5; do refuses "version \"$value\" is not" nfs --option server=a --option path=/x --option version="$value"; done
  for value in 0 65536 -1 x 1,2; do refuses "port \"$value\" is not" nfs --option server=a --option path=/x --option port="$value"; done
  for value in addr=b ' ADDR=b' soft,vers=3 nfsvers=3 port=1; do
    refuses 'is set by the type itself' nfs --option server=a --option path=/x --option mount-options="$value"
  done
  refuses 'does not take a path' nfs /srv --option server=a --option path=/x
  refuses 'does not take --size' nfs --option server=a --option path=/x --size 1G
  refuses 'does not take --connector' nfs --option server=a --option path=/x --connector c
  refuses 'not on this host' nfs --option server=a --option path=/x --reclaim-policy Delete
  docker volume create "$SHARE" >/dev/null
  run_apart nfs --option server=a --option path=/x
  assert_status 1
  assert_stderr_has "exists with driver local and other options (none)"
  [ ! -e "$ENTRY" ] || fail "an entry is left"
  has_volume "$SHARE"
}

@test "nfs: a server that is down is told by wait, doctor, info and before a deploy, and is waited for" {
  here
  dokku storage:mount "$APP" "$SHARE" --container-dir /data
  state_is unreachable-server "127.0.0.1 does not answer on port $NFS_PORT"
  start_nfs
  up nfs
  stop_nfs
  if kernel_has nfs; then
    (sleep 1 && start_nfs) 3>&- &
    dokku storage:wait "$SHARE" --timeout 20
    wait "$!"
  else
    # It waits while the server is down, and not for a kernel, unless it is told to.
    local began=$SECONDS
    run dokku storage:wait "$SHARE" --timeout 2
    [ $((SECONDS - began)) -ge 2 ] || fail "it did not wait" "$(shown)"
    assert_has "does not answer"
    (sleep 1 && start_nfs) 3>&- &
    starting=$! began=$SECONDS
    run dokku storage:wait "$SHARE"
    assert_has "no file system nfs"
    [ $((SECONDS - began)) -lt 20 ] || fail "it waited for a kernel"
    # Without a process, the clock of the test would be waited for, too.
    wait "$starting"
  fi
  stop_nfs
}

@test "nfs: the volume is made again where somebody removed it; the data is not ours to remove" {
  here
  dokku storage:mount "$APP" "$SHARE" --container-dir /data
  docker volume rm "$SHARE" >/dev/null
  run dokku storage:doctor "$APP" --format json
  assert_equal missing-volume "$(jq -r '.[].code' <<<"$output")"
  run dokku storage:wait "$SHARE" --timeout 0
  has_volume "$SHARE"
  docker volume rm "$SHARE" >/dev/null
  run deploy "$APP"
  assert_has "does not answer"
  has_volume "$SHARE"
  dokku storage:unmount "$APP" "$SHARE" --container-dir /data
  run_apart dokku storage:destroy "$SHARE" --force --destroy-host-dir
  assert_refused
  assert_stderr_has "not on this host"
  run_apart dokku storage:set "$SHARE" reclaim-policy Delete
  assert_refused
  run_apart dokku storage:set "$SHARE" chown 1000
  assert_refused
  dokku storage:destroy "$SHARE" --force
}

# --- cifs ---------------------------------------------------------------------------------------------------

@test "cifs: the volume has the share, what the connector says, and the password" {
  printf '%s\n' "$PASSWORD" | dokku storage:connectors:create nas --type cifs --server 127.0.0.1 --username anna
  cifs --connector nas --option share=media/films --option port="$SMB_PORT" --option mount-options=nobrl,seal --chown 1000
  readable_by_dokku "$SHARE" "$SHARE" connector options type
  local common="addr=127.0.0.1,vers=3.0,port=$SMB_PORT,username=anna,file_mode=0664,dir_mode=0775,uid=1000,gid=1000,nobrl,seal"
  assert_equal "$(jq -ncS --arg o "$common,password=$PASSWORD" '{Driver: "local", Options: {device: "//127.0.0.1/media/films", o: $o, type: "cifs"}}')" \
    "$(volume_options "$SHARE")"
  dokku storage:destroy "$SHARE" --force
  cifs --connector nas --option share=/media --option version=2.1 --option file-mode=600 --option dir-mode=0700
  assert_equal "addr=127.0.0.1,vers=2.1,username=anna,file_mode=0600,dir_mode=0700,password=$PASSWORD" \
    "$(docker volume inspect --format '{{.Options.o}}' "$SHARE")"
  assert_equal 600 "$(stat -c %a "$ENTRY")"
  assert_equal "" "$(grep -F s3cr3t "$ENTRY" || true)"
}

@test "cifs: no password in any output, any program's arguments, or any file but its own" {
  connector nas
  strace -f -qq -s 4096 -e trace=execve -o "$BATS_TEST_TMPDIR/calls" sudo -u dokku -E env DOKKU_TRACE=1 "$DOKKU" \
    storage:create "$SHARE" --type cifs --connector nas --option share=media --option port="$SMB_PORT" >"$BATS_TEST_TMPDIR/said" 2>&1
  dokku storage:mount "$APP" "$SHARE" --container-dir /data
  {
    dokku storage:info "$SHARE"
    dokku storage:info "$SHARE" --format json
    dokku storage:list-entries --format json
    dokku storage:report "$APP"
    dokku storage:list "$APP" --format json
    dokku storage:doctor "$APP"
    dokku storage:doctor --format json
    DOKKU_TRACE=1 dokku storage:wait "$SHARE" --timeout 0
    DOKKU_TRACE=1 trigger docker-args-deploy "$APP" latest web
    DOKKU_TRACE=1 deploy "$APP"
    # The volume is there with another password, and is adopted by another entry.
    connector nas cifs other-s3cr3t
    dokku storage:wait "$SHARE" --timeout 0
    dokku storage:create "$APP-adopted" "$SHARE" --type volume
    dokku storage:info "$APP-adopted"
    dokku storage:create "$APP-refused" "$SHARE" --type volume --option o=x
  } >>"$BATS_TEST_TMPDIR/said" 2>&1 || true
  run cat "$BATS_TEST_TMPDIR/said"
  assert_has 'password=***'
  assert_has_not s3cr3t
  # Where the engine's socket is not to be used, the client would have to be told it as an argument: refused.
  docker volume rm "$SHARE" >/dev/null
  docker_is /usr/bin/docker strace -f -qq -s 4096 -e trace=execve -o "$BATS_TEST_TMPDIR/more-calls" sudo -u dokku -E "$DOKKU" \
    storage:wait "$SHARE" --timeout 0 >"$BATS_TEST_TMPDIR/said" 2>&1 || true
  run cat "$BATS_TEST_TMPDIR/said"
  assert_has 'its options hold a secret'
  run cat "$BATS_TEST_TMPDIR/calls" "$BATS_TEST_TMPDIR/more-calls"
  assert_line_with execve storage:create media
  assert_line_with execve docker volume inspect
  assert_has_not s3cr3t
  rm "$DOKKU_LIB_ROOT/data/storage-registry/entries/$APP-adopted.json" # holds what it was adopted with
  assert_equal "$CONNECTORS/nas.secret" "$(grep -rlF s3cr3t "$DOKKU_LIB_ROOT" "$DOKKU_ROOT" "$HOST/log")"
}

@test "cifs: what is missing, unknown or cannot be mounted is refused, and nothing is left" {
  local value
  connector nas
  connector bucket s3
  connector comma cifs 'a,uid=0'
  connector none cifs
  rm "$CONNECTORS/none.secret"
  refuses 'to create one: dokku storage:connectors:create NAME --type cifs --server SERVER --username USERNAME' cifs --option share=m
  refuses 'connector "nobody" does not exist' cifs --connector nobody --option share=m
  refuses 'connector "bucket" is of type s3, and type cifs needs one of type cifs' cifs --connector bucket --option share=m
  refuses 'has a comma in it' cifs --connector comma --option share=m
  [[ $stderr != *uid=0* ]] || fail "the password is told" "$(shown)"
  refuses 'connector none has no password' cifs --connector none --option share=m
  refuses 'needs --option share=…' cifs --connector nas
  refuses '"shares" is not an option of type cifs; there are: share,' cifs --connector nas --option shares=m
  for value in '' / ../x a/../b 'a\b' a:b 'a*'; do refuses share cifs --connector nas --option share="$value"; done
  for value in 1.0 3.5 3,sec=none; do refuses "version \"$value\"" cifs --connector nas --option share=m --option version="$value"; done
  refuses 'port "0"' cifs --connector nas --option share=m --option port=0
  refuses 'mode "999"' cifs --connector nas --option share=m --option file-mode=999
  for value in password=x PASS=x soft,username=b credentials=/etc/shadow uid=0 ip=1.2.3.4; do
    refuses 'is set by the type itself' cifs --connector nas --option share=m --option mount-options="$value"
  done
  refuses 'not on this host' cifs --connector nas --option share=m --reclaim-policy Delete
  refuses 'does not take --driver' cifs --connector nas --option share=m --driver local
}

@test "cifs: a server that is down is told by wait, doctor, info and before a deploy" {
  connector nas
  cifs --connector nas --option share=media --option port="$SMB_PORT"
  dokku storage:mount "$APP" "$SHARE" --container-dir /data
  state_is unreachable-server "127.0.0.1 does not answer on port $SMB_PORT"
  start_smb
  up cifs
  stop_smb
  state_is unreachable-server "does not answer"
  rm "$CONNECTORS/nas.json"
  run dokku storage:doctor "$APP" --format json
  assert_equal missing-connector "$(jq -r '.[].code' <<<"$output")"
}
