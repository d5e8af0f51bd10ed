#!/usr/bin/env bats
# New entries filled from a real git repository and a real HTTP server: all of it, or nothing.
load helper

before_all() {
  SERVED="$HOST/served"
  mkdir -p "$SERVED/cgi-bin" "$HOST/tree/folder"
  printf '#!/bin/sh\nGIT_PROJECT_ROOT=%s GIT_HTTP_EXPORT_ALL=1 exec git -c safe.directory=* http-backend\n' "$SERVED" >"$SERVED/cgi-bin/git"
  chmod 0755 "$SERVED" "$SERVED/cgi-bin/git"
  make_repository >/dev/null 2>&1
  make_archives
  cat >"$HOST/server.py" <<'PYTHON'
import http.server, os, sys, time
class Handler(http.server.CGIHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/slow":
            return super().do_GET()
        self.send_response(200)
        self.end_headers()
        for _ in range(600):
            self.wfile.write(b"x" * 1000)
            time.sleep(0.1)
os.chdir(sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], file=open(sys.argv[2], "w"), flush=True)
server.serve_forever()
PYTHON
  /usr/bin/python3 "$HOST/server.py" "$SERVED" "$HOST/port" >/dev/null 2>&1 3>&- &
  echo $! >"$HOST/server.pid"
  for _ in $(seq 50); do
    [ ! -s "$HOST/port" ] || break
    sleep 0.1
  done
  URL="http://127.0.0.1:$(cat "$HOST/port")"
  export URL SERVED
}
after_all() { kill "$(cat "$HOST/server.pid")"; }
before_each() { DATA="$APP-data"; }

make_repository() {
  local git=(git -C "$HOST/work" -c user.name=a -c user.email=a@example.com)
  git init -q -b main "$HOST/work"
  echo main >"$HOST/work/file"
  "${git[@]}" add . && "${git[@]}" commit -qm one && "${git[@]}" tag v1
  "${git[@]}" checkout -qb other
  echo other >"$HOST/work/file"
  "${git[@]}" commit -qam two
  "${git[@]}" rev-parse HEAD >"$HOST/commit"
  "${git[@]}" checkout -qb hostile main
  ln -s ../../outside "$HOST/work/link"
  "${git[@]}" add . && "${git[@]}" commit -qm three
  "${git[@]}" checkout -q main
  git clone -q --bare "$HOST/work" "$SERVED/site.git"
  git -C "$SERVED/site.git" config uploadpack.allowAnySHA1InWant true
  chmod -R a+rX "$SERVED"
}

make_archives() {
  local tree="$HOST/tree"
  echo content >"$tree/folder/file"
  ln -s folder/file "$tree/link"
  tar -C "$tree" -czf "$SERVED/good.tar.gz" .
  tar -C "$tree/folder" -cf "$SERVED/dots.tar" --transform 's,^,../../,' -P file
  mknod "$tree/device" c 1 3
  tar -C "$tree" -cf "$SERVED/device.tar" device
  ln -s /etc "$tree/out"
  tar -C "$tree" -cf "$SERVED/out.tar" out
  echo x >"$tree/setuid" && chmod 4755 "$tree/setuid"
  tar -C "$tree" -cf "$SERVED/setuid.tar" folder setuid
  echo plain >"$SERVED/plain.txt"
}

# nothing_is_left: no entry, no directory, and no hidden one.
nothing_is_left() {
  [ ! -e "$DOKKU_LIB_ROOT/data/storage-registry/entries/$DATA.json" ] || fail "the entry is registered"
  assert_equal "" "$(find "$ROOT" -mindepth 1 -maxdepth 1 \( -name "$DATA*" -o -name '.destroyed-*' \))"
}

@test "a branch, a tag, a commit and what is checked out fill an entry, without the history" {
  local of n=0 expected
  for of in "" "#main" "#v1" "#other" "#$(cat "$HOST/commit")"; do
    n=$((n + 1))
    run dokku storage:create "$DATA-$n" --from "git+$URL/cgi-bin/git/site.git$of"
    assert_success
    assert_has "without its history"
    expected=main
    [ "$n" -lt 4 ] || expected=other
    assert_equal "$expected" "$(cat "$ROOT/$DATA-$n/file")"
    [ ! -e "$ROOT/$DATA-$n/.git" ]
    assert_equal "dokku 755" "$(stat -c '%U %a' "$ROOT/$DATA-$n")"
    assert_equal dokku "$(stat -c %U "$ROOT/$DATA-$n/file")"
  done
}

@test "a reference that is not there and a link that leads out leave nothing" {
  run_apart dokku storage:create "$DATA" --from "git+$URL/cgi-bin/git/site.git#nowhere"
  assert_status 1
  assert_stderr_has "nowhere"
  nothing_is_left
  run_apart dokku storage:create "$DATA" --from "git+$URL/cgi-bin/git/site.git#hostile"
  assert_status 1
  assert_stderr_has 'member "link"'
  nothing_is_left
}

@test "an archive is unpacked with its sum checked, and given to whom --chown says" {
  run dokku storage:create "$DATA" --from "$URL/good.tar.gz" --sha256 "$(sha256sum "$SERVED/good.tar.gz" | cut -d ' ' -f 1)" --chown 1234
  assert_success
  assert_equal content "$(cat "$ROOT/$DATA/link")"
  assert_equal "1234:1234" "$(stat -c %u:%g "$ROOT/$DATA/folder/file")"
  run dokku storage:create "$DATA-file" --from "$URL/plain.txt?key=secret"
  assert_success
  assert_has_not secret
  assert_equal plain "$(cat "$ROOT/$DATA-file/plain.txt")"
}

@test "an archive that leads out, or has a device or a set-uid file, is refused whole" {
  local name
  for name in dots device out setuid; do
    run_apart dokku storage:create "$DATA" --from "$URL/$name.tar"
    assert_status 1
    assert_stderr_has "is refused: "
    nothing_is_left
  done
}

@test "a wrong sum and a status of the server are said, and leave nothing" {
  run_apart dokku storage:create "$DATA" --from "$URL/good.tar.gz" --sha256 "$(printf '%064d' 0)"
  assert_status 1
  assert_stderr_has "$(sha256sum "$SERVED/good.tar.gz" | cut -d ' ' -f 1), and not 0000"
  nothing_is_left
  run_apart dokku storage:create "$DATA" --from "$URL/none.tar"
  assert_status 1
  assert_stderr_has "404"
  nothing_is_left
}

@test "what a killed download leaves is cleared by the next command" {
  local pid hidden=""
  "$DOKKU" storage:create "$DATA" --from "$URL/slow" >/dev/null 2>&1 3>&- &
  local creating=$!
  for _ in $(seq 100); do
    hidden=$(find "$ROOT" -maxdepth 1 -name ".destroyed-$DATA-*")
    [ -z "$hidden" ] || break
    sleep 0.1
  done
  pid=${hidden##*-}
  [ -n "$pid" ] || fail "it did not begin"
  kill -9 "$pid"
  # Without a process, the clock of the test would be waited for, too.
  wait "$creating" || true
  run dokku storage:create "$DATA-next"
  assert_success
  assert_equal "" "$(find "$ROOT" -maxdepth 1 -name '.destroyed-*')"
  [ ! -e "$DOKKU_LIB_ROOT/data/storage-registry/entries/$DATA.json" ]
}

@test "what comes from the web or git is within the size, or is not there at all" {
  local of
  for of in "git+$URL/cgi-bin/git/site.git#v1" "$URL/good.tar.gz" "$URL/plain.txt"; do
    run dokku storage:create "$DATA" --size 16M --from "$of" --chown 1234
    assert_success
    assert_equal "$ROOT/$DATA" "$(findmnt -no TARGET "$ROOT/$DATA")"
    assert_equal "1234:1234 755" "$(stat -c '%u:%g %a' "$ROOT/$DATA")"
    [ ! -e "$ROOT/$DATA/.git" ]
    [ -e "$ROOT/$DATA/file" ] || [ -e "$ROOT/$DATA/folder/file" ] || [ -e "$ROOT/$DATA/plain.txt" ]
    dokku storage:destroy "$DATA" --force --destroy-host-dir --no-trash
    assert_equal "" "$(find "$IMAGES" -name "*$DATA*")"
  done
  mkdir "$HOST/large"
  head -c 18000000 /dev/urandom >"$HOST/large/data"
  tar -C "$HOST/large" -czf "$SERVED/large.tar.gz" data
  rm -r "$HOST/large"
  for of in "$URL/large.tar.gz" "$URL/dots.tar" "git+$URL/cgi-bin/git/site.git#nowhere"; do
    run_apart dokku storage:create "$DATA" --size 16M --from "$of"
    assert_status 1
    [ "$of" != "$URL/large.tar.gz" ] || assert_stderr_has "holds 17.2M and does not fit into 16M"
    nothing_is_left
    assert_equal "" "$(find "$IMAGES" -name "*$DATA*")"
  done
}
