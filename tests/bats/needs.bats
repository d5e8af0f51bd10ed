#!/usr/bin/env bats
# What an app declares that it needs, the links that serve it, and the deploy that stops for what is not linked.
load helper
needs docker

before_all() {
  # The web process serves the pictures that it needs.
  mkdir -p "$SUITE/httpd/bin"
  printf '#!/bin/sh\n[ "$1" != web ] || exec httpd -f -p 5000 -h /pictures\nexec sleep 100000\n' >"$SUITE/httpd/bin/start"
  chmod 0755 "$SUITE/httpd/bin/start"
  HTTPD=$(make_image httpd "$SUITE/httpd")
  export HTTPD
}
before_each() {
  SOURCE="$HOST/$APP-source" # the app's source
  mkdir "$SOURCE"
}

# declare_needs NEEDS: writes an app.json with these needs into the source.
declare_needs() { jq -n --argjson needs "$1" '{name: "an app", storage: {needs: $needs}}' >"$SOURCE/app.json"; }

PICTURES='{"id":"pictures","description":"What visitors have sent","path":"/pictures","mode":"ro"}'
CACHE='{"id":"cache","description":"Small pictures","path":"/cache"}'
EXTRA='{"id":"extra","description":"Nice to have","path":"/extra","optional":true}'

linked() { dokku storage:needs:list "$APP" --format json | jq -c '[.[] | [.id, .entry]]'; }

# fetch APP PATH: asks the web process over its network.
fetch() { inside "$1" web wget -q -O - "http://127.0.0.1:5000/$2"; }

# --- app.json -----------------------------------------------------------------------------------------------

@test "a deploy stops for each need that is not linked, with its description and the command" {
  deploy "$APP"
  local before
  before=$(what_runs "$APP")
  declare_needs "[$PICTURES,$CACHE,$EXTRA]"
  run deploy_source "$APP" "$SOURCE"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_line_with " !     " "$APP" pictures /pictures "What visitors have sent" "dokku storage:needs:link $APP pictures"
  assert_line_with " !     " "$APP" cache /cache "Small pictures" "dokku storage:needs:link $APP cache"
  assert_has_not "Nice to have"
  assert_equal "$(what_runs "$APP")" "$before"

  # The command that was named, with an entry.
  dokku storage:create "$APP-pictures" --chown root
  dokku storage:create "$APP-cache" --chown root
  run dokku storage:needs:link "$APP" pictures "$APP-pictures"
  assert_success
  run deploy_source "$APP" "$SOURCE"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_equal "" "$(lines_with "What visitors")"
  dokku storage:needs:link "$APP" cache "$APP-cache"
  run deploy_source "$APP" "$SOURCE"
  assert_success
  inside "$APP" web sh -c 'test -d /pictures && echo a > /cache/a && ! test -e /extra'
}

@test "a need whose mode is ro is read-only, one without a mode is not" {
  declare_needs "[$PICTURES,$CACHE]"
  deploy_source "$APP" "$SOURCE" || true
  for name in pictures cache; do
    dokku storage:create "$APP-$name" --chown root
    dokku storage:needs:link "$APP" "$name" "$APP-$name"
  done
  deploy_source "$APP" "$SOURCE"
  run inside "$APP" web sh -c 'echo a > /pictures/a'
  [ "$status" -ne 0 ] || fail "a need that is only read can be written" "$(shown)"
  assert_has "Read-only file system"
  inside "$APP" web sh -c 'echo a > /cache/a'
  assert_equal '[["/cache",false],["/pictures",true]]' "$(mounts_of "$APP" | jq -c '[.[] | [.container_path, .readonly // false]]')"
}

@test "an optional need can be linked, and does not stop a deploy" {
  declare_needs "[$EXTRA]"
  run deploy_source "$APP" "$SOURCE"
  assert_success
  dokku storage:create "$APP-extra" --chown root
  dokku storage:needs:link "$APP" extra "$APP-extra"
  deploy_source "$APP" "$SOURCE"
  inside "$APP" web sh -c 'echo a > /extra/a'
}

@test "a later app.json: a link follows to the new path and mode; what is new stops the deploy" {
  declare_needs "[$CACHE]"
  deploy_source "$APP" "$SOURCE" || true
  dokku storage:create "$APP-cache" --chown root
  dokku storage:needs:link "$APP" cache "$APP-cache"
  deploy_source "$APP" "$SOURCE"
  inside "$APP" web sh -c 'echo kept > /cache/a'

  declare_needs '[{"id":"cache","description":"Small pictures","path":"/var/cache/app","mode":"ro"}]'
  deploy_source "$APP" "$SOURCE"
  assert_equal kept "$(inside "$APP" web cat /var/cache/app/a)"
  run inside "$APP" web sh -c 'test -e /cache || echo a > /var/cache/app/a'
  [ "$status" -ne 0 ] || fail "it is at the old path, or can be written" "$(shown)"

  declare_needs "[$CACHE,$PICTURES]"
  run deploy_source "$APP" "$SOURCE"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_has "What visitors have sent"
  assert_has_not "Small pictures"

  # Without the need, the deploy does not stop for it.
  declare_needs "[$CACHE]"
  run deploy_source "$APP" "$SOURCE"
  assert_success
}

@test "a later app.json with a path that another mount has stops the deploy, and nothing changes" {
  declare_needs "[$CACHE]"
  deploy_source "$APP" "$SOURCE" || true
  for name in cache other; do dokku storage:create "$APP-$name" --chown root; done
  dokku storage:needs:link "$APP" cache "$APP-cache"
  dokku storage:mount "$APP" "$APP-other" --container-dir /other
  deploy_source "$APP" "$SOURCE"
  local before mounts
  before=$(what_runs "$APP") mounts=$(mounts_of "$APP")
  declare_needs '[{"id":"cache","path":"/other"}]'
  run deploy_source "$APP" "$SOURCE"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_line_with " !     " "$APP" /other "$APP-other"
  assert_equal "$(what_runs "$APP")" "$before"
  assert_equal "$(mounts_of "$APP")" "$mounts"
}

@test "an app.json that cannot be understood stops the deploy and says where; one without needs does nothing" {
  local bad
  for bad in '{"storage":{"needs":[{"id":"a b","path":"/a"}]}}' '{"storage":{"needs":[{"id":"a"}]}}' \
    '{"storage":{"needs":[{"id":"a","path":"/a"},{"id":"a","path":"/b"}]}}' '{"storage":{"needs":[{"id":"a","path":"/a --privileged"}]}}' \
    '{"storage":{"needs":{"id":"a"}}}'; do
    echo "$bad" >"$SOURCE/app.json"
    run deploy_source "$APP" "$SOURCE"
    [ "$status" -ne 0 ] || fail "the deploy was taken: $bad" "$(shown)"
    assert_line_with " !     " "$APP" app.json
  done
  assert_equal "[]" "$(dokku storage:needs:list "$APP" --format json | jq -c .)"
  echo '{"scripts":{}}' >"$SOURCE/app.json"
  run deploy_source "$APP" "$SOURCE"
  assert_success
}

# --- the commands -------------------------------------------------------------------------------------------

@test "needs:import for an app without a repository; a deploy keeps them" {
  run dokku storage:needs:import "$APP" <<<"{\"needs\":[$PICTURES,$CACHE]}"
  assert_success
  assert_equal '[["pictures",null],["cache",null]]' "$(linked)"
  run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  assert_has "What visitors have sent"
  run_apart dokku storage:needs:import "$APP" <<<'nonsense'
  assert_refused
  run_apart dokku storage:needs:import "$APP" <<<'[{"id":"a","path":"relative"}]'
  assert_refused
  assert_equal '[["pictures",null],["cache",null]]' "$(linked)"
  run dokku storage:needs:import "$APP" <<<'[]'
  assert_success
  run deploy "$APP"
  assert_success
}

@test "needs:list shows every need with what serves it, as text and JSON" {
  dokku storage:needs:import "$APP" <<<"[$PICTURES,$CACHE,$EXTRA]"
  dokku storage:create "$APP-pictures"
  dokku storage:needs:link "$APP" pictures "$APP-pictures"
  assert_equal "{\"id\":\"pictures\",\"description\":\"What visitors have sent\",\"path\":\"/pictures\",\"mode\":\"ro\",\"optional\":false,\"entry\":\"$APP-pictures\"}" \
    "$(dokku storage:needs:list "$APP" --format json | jq -c '.[0] | {id, description, path, mode, optional, entry}')"
  assert_equal '[["cache","rw",false,null],["extra","rw",true,null]]' \
    "$(dokku storage:needs:list "$APP" --format json | jq -c '[.[1:][] | [.id, .mode, .optional, .entry]]')"
  run dokku storage:needs:list "$APP"
  assert_success
  assert_line_with pictures /pictures ro "$APP-pictures" "What visitors have sent"
  assert_line_with cache /cache rw "Small pictures"
  assert_line_with extra optional "Nice to have"
}

@test "link and unlink: what there is not is refused, another entry takes the first one's place" {
  dokku storage:needs:import "$APP" <<<"[$CACHE]"
  dokku storage:create "$APP-one" --chown root
  dokku storage:create "$APP-two" --chown root
  run_apart dokku storage:needs:link "$APP" cache "$APP-none"
  assert_refused
  run_apart dokku storage:needs:link "$APP" nothing "$APP-one"
  assert_refused
  assert_stderr_has cache
  run_apart dokku storage:needs:link "$APP" cache
  assert_refused
  run_apart dokku storage:needs:link no-such-app cache "$APP-one"
  assert_refused 20
  dokku storage:needs:link "$APP" cache "$APP-one"
  dokku storage:needs:link "$APP" cache "$APP-two"
  assert_equal "[[\"cache\",\"$APP-two\"]]" "$(linked)"
  assert_equal 1 "$(mounts_of "$APP" | jq length)"
  deploy "$APP"
  inside "$APP" web sh -c 'echo mine > /cache/a'
  run dokku storage:needs:unlink "$APP" cache
  assert_success
  assert_line_with "dokku ps:restart $APP"
  assert_equal '[["cache",null]]' "$(linked)"
  assert_equal mine "$(cat "$ROOT/$APP-two/a")"
  run deploy "$APP"
  [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
  run_apart dokku storage:needs:unlink "$APP" cache
  assert_refused
}

# --- the question at a terminal -------------------------------------------------------------------------------

@test "at a terminal, needs:link asks for what is not linked yet; an empty answer leaves it" {
  dokku storage:needs:import "$APP" <<<"[$PICTURES,$CACHE]"
  dokku storage:create "$APP-pictures"
  dokku storage:create "$APP-cache"
  run at_terminal "\n$APP-cache\n" "$DOKKU" storage:needs:link "$APP"
  assert_success
  assert_has "What visitors have sent"
  assert_has "Small pictures"
  assert_has "$APP-pictures"
  assert_equal "[[\"pictures\",null],[\"cache\",\"$APP-cache\"]]" "$(linked)"
  run at_terminal "$APP-pictures\n" "$DOKKU" storage:needs:link "$APP"
  assert_success
  assert_has_not "Small pictures"
  assert_equal "[[\"pictures\",\"$APP-pictures\"],[\"cache\",\"$APP-cache\"]]" "$(linked)"
}

@test "at a terminal, an answer that is no entry is refused and changes nothing" {
  dokku storage:needs:import "$APP" <<<"[$CACHE]"
  run at_terminal "no-such-entry\n" "$DOKKU" storage:needs:link "$APP"
  assert_has no-such-entry
  assert_equal '[["cache",null]]' "$(linked)"
}

@test "without a terminal, needs:link without a need says what to name, and does not wait" {
  dokku storage:needs:import "$APP" <<<"[$CACHE]"
  run_apart timeout 10 "$DOKKU" storage:needs:link "$APP" </dev/null
  assert_refused
  assert_stderr_has "dokku storage:needs:link $APP"
}

@test "at a terminal, a deploy asks, and goes on with the answer" {
  dokku storage:create "$APP-cache" --chown root
  declare_needs "[$CACHE]"
  run at_terminal "$APP-cache\n" "$DOKKU" git:from-image --build-dir "$SOURCE" "$APP" "$TEST_IMAGE"
  assert_success
  assert_has "Small pictures"
  inside "$APP" web sh -c 'echo a > /cache/a'
  assert_equal a "$(cat "$ROOT/$APP-cache/a")"
}

# --- environments ---------------------------------------------------------------------------------------------

@test "one need, linked to other entries in web-dev and web-prod, and served by a real web server" {
  local place app
  declare_needs "[$PICTURES]"
  for place in dev prod; do
    app="$APP-web-$place"
    dokku apps:create "$app"
    dokku storage:create "$APP-$place" --chown root
    echo "the pictures of $place" >"$ROOT/$APP-$place/index.html"
    IMAGE=$HTTPD run deploy_source "$app" "$SOURCE"
    [ "$status" -ne 0 ] || fail "the deploy was taken" "$(shown)"
    assert_line_with "dokku storage:needs:link $app pictures"
    dokku storage:needs:link "$app" pictures "$APP-$place"
    IMAGE=$HTTPD deploy_source "$app" "$SOURCE"
  done
  for place in dev prod; do
    assert_equal "the pictures of $place" "$(fetch "$APP-web-$place" index.html)"
    # What comes later is served, too.
    echo "new in $place" >"$ROOT/$APP-$place/new.html"
    assert_equal "new in $place" "$(fetch "$APP-web-$place" new.html)"
  done
  # Linked to the other one, it serves that after the restart that was named.
  run dokku storage:needs:link "$APP-web-dev" pictures "$APP-prod"
  assert_success
  run eval "$(remedy ps:restart)"
  assert_success
  assert_equal "the pictures of prod" "$(fetch "$APP-web-dev" index.html)"
}
