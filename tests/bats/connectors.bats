#!/usr/bin/env bats
# Connectors against real servers: an S3 server and samba on loopback, asked by rclone; a rotated password in Docker.
load helper
load support/s3
load support/sftp
load support/watched

# A loopback address of this run's own, so that samba can have the port of CIFS there.
SMB_SERVER="127.$((RUN_ID / 60000 % 200 + 1)).$((RUN_ID / 250 % 250)).$((RUN_ID % 250 + 1))"

before_all() {
  start_s3
  s3_bucket films
  s3_put films "a film.txt" film
  s3_put films 2024/b.txt b
  start_samba
}
after_all() {
  stop_samba
  stop_s3
}
before_each() { NAME="$APP-c"; } # the connector of this test
after_each() {
  drop_volumes
  [ -z "${SFTP:-}" ] || kill "$SFTP" 2>/dev/null || true
}

start_samba() {
  SMB="$SUITE/samba"
  export SMB
  mkdir -p "$SMB"/{share,state,private}
  echo film >"$SMB/share/film.txt"
  mkdir "$SMB/share/folder"
  {
    printf '[global]\nworkgroup = TESTS\nserver role = standalone server\nmap to guest = never\n'
    printf 'smb ports = 445\ninterfaces = %s/8\nbind interfaces only = yes\n' "$SMB_SERVER"
    printf 'load printers = no\ndisable spoolss = yes\ndisable netbios = yes\nlog file = %s/log\n' "$SMB"
    printf 'passdb backend = tdbsam:%s/private/passdb.tdb\nprivate dir = %s/private\n' "$SMB" "$SMB"
    printf '%s directory = '"$SMB"'/state\n' lock state cache pid
    printf 'ncalrpc dir = %s/state/ncalrpc\n[media]\npath = %s/share\n' "$SMB" "$SMB"
  } >"$SMB/smb.conf"
  smb_password "first one"
  (cd / && exec smbd --foreground --debug-stdout -s "$SMB/smb.conf") >"$SMB/out" 2>&1 3>&- 4>&- </dev/null &
  echo $! >"$SMB/pid"
  local try
  for try in $(seq 100); do
    (: <"/dev/tcp/$SMB_SERVER/445") 2>/dev/null && return
    sleep 0.1
  done
  fail "samba did not start after $try tries: $(cat "$SMB/out")"
}
stop_samba() {
  kill "$(cat "$SMB/pid")" 2>/dev/null || true
  pkill -f -- "--configfile=$SMB/smb.conf" || true # its helpers
}
smb_password() { printf '%s\n%s\n' "$1" "$1" | smbpasswd -c "$SMB/smb.conf" -s -a dokku >/dev/null 2>&1; }

# What is stored of a connector: modes and owners.
stored() { (cd "$DOKKU_LIB_ROOT/data/storage-registry/connectors" && stat -c '%a %U %n' "$1".*); }

# secret_nowhere SECRET: not in what was said last.
secret_nowhere() {
  assert_has_not "$1"
  [[ ${stderr:-} != *"$1"* ]] || fail "the secret is on standard error" "$(shown)"
}

# --- S3 ---------------------------------------------------------------------------------------------------

@test "s3: a bucket and its folders are listed, and the buckets that there are" {
  echo any-secret | dokku storage:connectors:create "$NAME" --type s3 --endpoint "$S3_ENDPOINT" --access-key-id any
  run dokku storage:connectors:test "$NAME"
  assert_success
  assert_has films
  run dokku storage:connectors:test "$NAME" films
  assert_success
  assert_has "lists films: 2 names"
  assert_has "a film.txt"
  run dokku storage:connectors:test "$NAME" films/2024
  assert_has b.txt
  secret_nowhere any-secret
}

@test "s3: a bucket that is not there, and no server, are told in their own words" {
  echo any-secret | dokku storage:connectors:create "$NAME" --type s3 --endpoint "$S3_ENDPOINT" --access-key-id any
  run_apart dokku storage:connectors:test "$NAME" no-such-bucket
  assert_refused
  assert_stderr_has "NoSuchBucket: The specified bucket does not exist"
  dokku storage:connectors:set "$NAME" endpoint http://127.0.0.1:1
  run_apart dokku storage:connectors:test "$NAME" films
  assert_refused
  assert_stderr_has "connection refused"
  secret_nowhere any-secret
}

@test "s3: a wrong key is refused in the server's own words; rotated, both parts at once, it works" {
  local id secret
  read -r id secret <<<"$(s3_key "user-$APP")"
  echo not-the-secret | dokku storage:connectors:create "$NAME" --type s3 --endpoint "$S3_ENDPOINT" --access-key-id "$id"
  run_apart dokku storage:connectors:test "$NAME" films
  assert_refused
  assert_stderr_has SignatureDoesNotMatch
  secret_nowhere not-the-secret
  echo other | dokku storage:connectors:set "$NAME" --access-key-id AKIANOBODY
  run_apart dokku storage:connectors:test "$NAME" films
  assert_refused
  assert_stderr_has InvalidAccessKeyId
  echo "$secret" >"$HOST/secret"
  chown dokku "$HOST/secret"
  chmod 0600 "$HOST/secret"
  run dokku storage:connectors:set "$NAME" --access-key-id "$id" --secret-file "$HOST/secret"
  assert_success
  secret_nowhere "$secret"
  run dokku storage:connectors:test "$NAME" films
  assert_success
  s3_any_key
}

@test "a file that is not Dokku's user's to read is refused" {
  is_real && skip "Dokku's own wrapper decides who runs it"
  echo secret >"$HOST/roots-own"
  chmod 0600 "$HOST/roots-own"
  run_apart sudo -u dokku -E "$DOKKU" storage:connectors:create "$NAME" --type s3 --access-key-id any --secret-file "$HOST/roots-own"
  assert_refused
  assert_stderr_has "Permission denied"
}

# --- CIFS -------------------------------------------------------------------------------------------------

@test "cifs: shares and what is in one are listed; a wrong share and password are told in the server's own words" {
  smb_password "first one"
  echo "first one" | dokku storage:connectors:create "$NAME" --type cifs --server "$SMB_SERVER" --username dokku
  run dokku storage:connectors:test "$NAME"
  assert_success
  assert_has media
  run dokku storage:connectors:test "$NAME" media
  assert_success
  assert_has film.txt
  assert_has folder
  run_apart dokku storage:connectors:test "$NAME" no-such-share
  assert_refused
  assert_stderr_has "The specified share name cannot be found on the remote server"
  smb_password "second one"
  run_apart dokku storage:connectors:test "$NAME" media
  assert_refused
  assert_stderr_has "The attempted logon is invalid"
  echo "second one" | dokku storage:connectors:set "$NAME" secret
  run dokku storage:connectors:test "$NAME" media
  assert_success
  secret_nowhere "second one"
  dokku storage:connectors:set "$NAME" server 127.255.255.254
  run_apart dokku storage:connectors:test "$NAME" media
  assert_refused
  assert_stderr_has "connection refused"
}

@test "cifs: a rotated password is in the volume that the next container gets; the one before goes when nobody uses it" {
  needs_docker
  local entry="$APP-media" holder
  password_of() { docker volume inspect --format '{{.Options.o}}' "$1" | tr , '\n' | sed -n 's/^password=//p'; }
  echo "first one" | dokku storage:connectors:create "$NAME" --type cifs --server "$SMB_SERVER" --username dokku
  dokku storage:create "$entry" --type cifs --connector "$NAME" --option share=media
  assert_equal "first one" "$(password_of "$entry")"
  dokku storage:mount "$APP" "$entry" --container-dir /media
  # A container that was made with it keeps the volume, whether it runs or not.
  holder=$(docker create --label "$TEST_LABEL" -v "$entry:/media" "$TEST_IMAGE")
  run dokku storage:connectors:set "$NAME" secret <<<"second one"
  assert_success
  assert_has "$entry-2"
  assert_has "docker volume rm $entry"
  secret_nowhere "second one"
  assert_equal "second one" "$(password_of "$entry-2")"
  assert_equal "first one" "$(password_of "$entry")"
  run trigger docker-args-deploy "$APP" latest web 1
  assert_has "$entry-2:/media"
  run dokku storage:create "$entry" --type cifs --connector "$NAME" --option share=media
  assert_success
  # The same again makes nothing new, and clears away what was left.
  docker rm "$holder" >/dev/null
  run dokku storage:connectors:set "$NAME" secret <<<"second one"
  assert_success
  assert_has "Nothing changed"
  assert_equal "$entry-2" "$(docker volume ls -q | grep "^$entry")"
  # The first name is free again.
  run dokku storage:connectors:set "$NAME" secret <<<"third one"
  assert_success
  assert_equal "third one" "$(password_of "$entry")"
  assert_equal "$entry" "$(docker volume ls -q | grep "^$entry")"
}

@test "cifs: with the entry go all the volumes that it had; what others made stays" {
  needs_docker
  local entry="$APP-media" holder
  echo "first one" | dokku storage:connectors:create "$NAME" --type cifs --server "$SMB_SERVER" --username dokku
  dokku storage:create "$entry" --type cifs --connector "$NAME" --option share=media
  docker volume create --label "$TEST_LABEL" "$entry-2" >/dev/null
  holder=$(docker create --label "$TEST_LABEL" -v "$entry:/media" "$TEST_IMAGE")
  dokku storage:connectors:set "$NAME" secret <<<"second one"
  assert_equal "$entry $entry-2 $entry-3" "$(docker volume ls -q | grep "^$entry" | sort | xargs)"
  run_apart dokku storage:connectors:destroy "$NAME" --force
  assert_refused
  assert_stderr_has "$entry"
  run_apart dokku storage:destroy "$entry" --force
  assert_refused
  assert_stderr_has "volume is in use"
  docker rm "$holder" >/dev/null
  dokku storage:destroy "$entry" --force
  assert_equal "$entry-2" "$(docker volume ls -q | grep "^$entry" | sort | xargs)"
  run dokku storage:connectors:destroy "$NAME" --force
  assert_success
}

@test "cifs: an app that runs with the volume before is told to be restarted" {
  needs_docker
  local entry="$APP-media"
  echo "first one" | dokku storage:connectors:create "$NAME" --type cifs --server "$SMB_SERVER" --username dokku
  dokku storage:create "$entry" --type cifs --connector "$NAME" --option share=media
  deploy "$APP"
  dokku storage:mount "$APP" "$entry" --container-dir /media
  run dokku storage:connectors:set "$NAME" secret <<<"second one"
  assert_success
  assert_has "dokku ps:restart $APP"
}

# --- destinations of backups ----------------------------------------------------------------------------------

@test "local: a directory is listed with what is free, and refused where Dokku's user may not write" {
  local place="$HOST/place-$APP"
  install -d -o dokku -g dokku "$place" "$place/kept"
  dokku storage:connectors:create "$NAME" --type local --path "$place"
  run dokku storage:connectors:test "$NAME"
  assert_success
  assert_has "lists $place: 1 name"
  assert_has kept
  assert_has "free for backups"
  run_apart dokku storage:connectors:test "$NAME" more
  assert_refused
  assert_stderr_has "one place alone"
  chown root "$place"
  run_apart dokku storage:connectors:test "$NAME"
  assert_refused
  assert_stderr_has "chown dokku $place"
  rm -r "$place"
  run_apart dokku storage:connectors:test "$NAME"
  assert_refused
  assert_stderr_has "No such file or directory"
}

@test "sftp: the server is asked for its keys, and lets the connector's own key in; another server is refused" {
  local place="$HOST/sftp/$APP" key
  start_sftp
  install -d -o dokku -g dokku "$place" "$place/kept"
  run dokku storage:connectors:create "$NAME" --type sftp --server 127.0.0.1 --port "$SFTP_PORT" --username dokku --path "$place"
  assert_success
  assert_has "$(ssh-keygen -lf "$HOST/sftp/host_key.pub" | cut -d' ' -f2)"
  assert_equal "600 dokku $NAME.json 600 dokku $NAME.key 600 dokku $NAME.known-hosts 600 dokku $NAME.secret" "$(stored "$NAME" | xargs)"
  run_apart dokku storage:connectors:test "$NAME"
  assert_refused
  assert_stderr_has "Permission denied (publickey)"
  assert_stderr_has "add its public key to authorized_keys of dokku: ssh-ed25519 "
  dokku storage:connectors:info "$NAME" --format json | jq -r .public_key >"$HOST/sftp/authorized_keys"
  watched "$DOKKU" storage:connectors:test "$NAME"
  assert_success
  assert_has "lists 127.0.0.1:$place: 1 name"
  assert_has kept
  key=$(sed -n 2p "$DOKKU_LIB_ROOT/data/storage-registry/connectors/$NAME.secret")
  in_no_argument "$key" sftp
  secret_nowhere "$key"
  rmdir "$place/kept" "$place"
  run_apart dokku storage:connectors:test "$NAME"
  assert_refused
  assert_stderr_has "not found"
  # Somebody else answers there.
  ssh-keygen -q -t ed25519 -N '' -f "$HOST/sftp/other_key"
  run dokku storage:connectors:set "$NAME" --known-hosts-file - <<<"[127.0.0.1]:$SFTP_PORT $(cut -d' ' -f1,2 "$HOST/sftp/other_key.pub")"
  assert_success
  run_apart dokku storage:connectors:test "$NAME"
  assert_refused
  assert_stderr_has "Host key verification failed"
  assert_stderr_has "--known-hosts-file PATH"
  kill "$SFTP"
  run_apart dokku storage:connectors:test "$NAME"
  assert_refused
  assert_stderr_has "Connection refused"
}

@test "rclone: a remote of the configuration is listed; the configuration is no argument" {
  local place="$HOST/remote-$APP"
  install -d -o dokku -g dokku "$place" "$place/kept"
  printf '[box]\ntype = local\ndescription = Zq9-never-shown\n' |
    dokku storage:connectors:create "$NAME" --type rclone --remote "box:$place"
  watched "$DOKKU" storage:connectors:test "$NAME"
  assert_success
  assert_has "lists box:$place: 1 name"
  assert_has kept
  in_no_argument Zq9-never-shown rclone
  secret_nowhere Zq9-never-shown
  rmdir "$place/kept" "$place"
  run_apart dokku storage:connectors:test "$NAME"
  assert_refused
  assert_stderr_has "directory not found"
}

@test "rest: the server is asked with the password, which is no argument" {
  local port=$((20000 + RANDOM % 20000)) server answers='
import base64, http.server, sys
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        right = self.headers["Authorization"] == "Basic " + base64.b64encode(b"ada:a\"b\\c d").decode()
        self.send_response(404 if right and self.path == "/ada/config" else 401 if not right else 500)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()'
  /usr/bin/python3 -c "$answers" "$port" >/dev/null 2>&1 3>&- &
  server=$!
  for _ in $(seq 50); do ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break; sleep 0.1; done
  printf 'a"b\\c d' | dokku storage:connectors:create "$NAME" --type rest --endpoint "http://127.0.0.1:$port" --username ada --path ada
  watched "$DOKKU" storage:connectors:test "$NAME"
  assert_success
  assert_has "reaches http://127.0.0.1:$port/ada"
  assert_has "there are no backups yet"
  in_no_argument 'a"b\c d' curl
  printf wrong-password | dokku storage:connectors:set "$NAME" secret
  run_apart dokku storage:connectors:test "$NAME"
  assert_refused
  assert_stderr_has "the server answers 401"
  secret_nowhere wrong-password
  kill "$server"
  wait "$server" 2>/dev/null || true
  run_apart dokku storage:connectors:test "$NAME"
  assert_refused
  assert_stderr_has "Failed to connect"
}

# --- files and terminals -------------------------------------------------------------------------------------

@test "the files are Dokku's user's alone, also where root runs the command" {
  echo a | dokku storage:connectors:create "$NAME" --type s3 --access-key-id any
  assert_equal "600 dokku $NAME.json 600 dokku $NAME.secret" "$(stored "$NAME" | xargs)"
  echo b | as_dokku_runs_it env DOKKU_ROOT="$DOKKU_ROOT" DOKKU_LIB_ROOT="$DOKKU_LIB_ROOT" \
    "$DOKKU_LIB_ROOT/plugins/enabled/storage/subcommands/connectors:set" storage:connectors:set "$NAME" secret
  assert_equal b "$(cat "$DOKKU_LIB_ROOT/data/storage-registry/connectors/$NAME.secret")"
  assert_equal "600 dokku $NAME.json 600 dokku $NAME.secret" "$(stored "$NAME" | xargs)"
  assert_equal "755 dokku" "$(stat -c '%a %U' "$DOKKU_LIB_ROOT/data/storage-registry/connectors")"
}

# prompted KEYS COMMAND: types at the prompt of a command at a terminal, and shows the terminal's state afterwards.
prompted() {
  local screen="$BATS_TEST_TMPDIR/screen" keys="$BATS_TEST_TMPDIR/keys"
  mkfifo "$keys"
  script -qefc "$(printf '%q ' "${@:2}"); echo status \$?; stty -a" "$screen" <"$keys" >/dev/null 2>&1 3>&- &
  exec 7>"$keys"
  local try
  for try in $(seq 100); do
    if grep -q "(not shown)" "$screen" 2>/dev/null; then break; fi
    sleep 0.1
  done
  sleep 0.2
  printf '%b' "$1" >&7
  for try in $(seq 100); do
    if grep -q "echoke" "$screen" 2>/dev/null; then break; fi
    sleep 0.1
  done
  exec 7>&-
  wait $! || true
  [ "$try" -lt 100 ] || fail "the command did not end:" "$(cat "$screen")" || return
  output=$(tr -d '\r' <"$screen")
}

@test "at a terminal the secret is asked for and not shown" {
  prompted 'typed-secret\n' "$BINARY" storage:connectors:create "$NAME" --type s3 --access-key-id any
  assert_has "created"
  assert_has "status 0"
  secret_nowhere typed-secret
  assert_has "iexten echo echoe"
  assert_equal typed-secret "$(cat "$DOKKU_LIB_ROOT/data/storage-registry/connectors/$NAME.secret")"
}

@test "at a terminal Ctrl-C ends it, nothing is kept, and the terminal shows again what is typed" {
  prompted 'typed-sec\x03' "$BINARY" storage:connectors:create "$NAME" --type s3 --access-key-id any
  assert_has "status 130"
  secret_nowhere typed-sec
  assert_has "iexten echo echoe"
  [ ! -e "$DOKKU_LIB_ROOT/data/storage-registry/connectors/$NAME.json" ] || fail "a connector was made"
}
