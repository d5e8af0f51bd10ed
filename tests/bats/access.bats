#!/usr/bin/env bats
# Access-control plugins decide which apps exist for a caller: a `user-auth-app` trigger is asked in every command.
load helper

# Two apps with a mount each; the plugin `acl` hides the second, except from the key named admin.
before_each() {
  HIDDEN="$APP-hidden"
  dokku apps:create "$HIDDEN"
  dokku storage:mount "$APP" "/srv/seen-$APP:/seen"
  dokku storage:mount "$HIDDEN" "/srv/hidden-$APP:/hidden"
  local acl="$DOKKU_LIB_ROOT/plugins/enabled/test-acl"
  mkdir "$acl"
  cat >"$acl/user-auth-app" <<'ACL'
#!/bin/sh
# USER NAME APP…: prints the apps that this caller may see
printf '%s\n' "$1 $2" >>"${0%/*}/asked"
name=$2
shift 2
for app; do
  case $app in *-hidden) [ "$name" != admin ] || echo "$app" ;; *) echo "$app" ;; esac
done
ACL
  chmod 0755 "$acl/user-auth-app"
  touch "$acl/asked"
  chmod 0777 "$acl" "$acl/asked"
}

as_admin() { NAME="admin" dokku "$@"; }

@test "a hidden app does not exist for any command" {
  local before
  before=$(snapshot "$DOKKU_LIB_ROOT/config")
  for arguments in "storage:list $HIDDEN" "storage:list $HIDDEN --format json" "storage:report $HIDDEN" \
    "storage:mount $HIDDEN /srv/a:/a" "storage:unmount $HIDDEN /srv/hidden-$APP:/hidden" "storage:migrate $HIDDEN"; do
    # shellcheck disable=SC2086
    run_apart dokku $arguments
    assert_status 20 || fail "command: dokku $arguments"
    assert_stderr_has "App $HIDDEN does not exist" || fail "command: dokku $arguments"
    assert_has_not /hidden
  done
  diff <(echo "$before") <(snapshot "$DOKKU_LIB_ROOT/config")
}

@test "listings show only the apps that the caller may see" {
  run dokku storage:report
  assert_success
  assert_has "$APP storage information"
  assert_has_not "$HIDDEN"
  run dokku storage:report --global --format json
  assert_success
  assert_has_not "$HIDDEN"
  run as_admin storage:report
  assert_has "$HIDDEN storage information"
}

@test "the trigger is asked with the user and the key's name" {
  NAME="key-name" dokku storage:list "$APP"
  run cat "$DOKKU_LIB_ROOT/plugins/enabled/test-acl/asked"
  assert_has "$(id -un) key-name"
}

@test "who may see the app works with it as ever" {
  run as_admin storage:list "$HIDDEN"
  assert_success
  assert_has "/srv/hidden-$APP:/hidden"
  run as_admin storage:unmount "$HIDDEN" "/srv/hidden-$APP:/hidden"
  assert_success
}

@test "a trigger that fails or prints nothing lets no one in" {
  printf '#!/bin/sh\nexit 1\n' >"$DOKKU_LIB_ROOT/plugins/enabled/test-acl/user-auth-app"
  run dokku storage:list "$APP"
  [ "$status" -ne 0 ] || fail "the app was shown though user-auth-app failed" "$(shown)"
  assert_has_not "/srv/seen"
  printf '#!/bin/sh\nexit 0\n' >"$DOKKU_LIB_ROOT/plugins/enabled/test-acl/user-auth-app"
  run dokku storage:list "$APP"
  assert_status 20
}

@test "names that the trigger invents do not become apps" {
  printf '#!/bin/sh\nshift 2\nfor a; do echo "$a"; done\necho ../outside\necho no-such-app\n' >"$DOKKU_LIB_ROOT/plugins/enabled/test-acl/user-auth-app"
  run dokku storage:list no-such-app
  assert_status 20
  run dokku storage:report
  assert_success
  assert_has_not no-such-app
  assert_has_not outside
}

@test "deploys of a hidden app go on: triggers are not asked for access" {
  mkdir -p "/srv/hidden-$APP"
  run trigger docker-args-deploy "$HIDDEN" latest web 1
  rmdir "/srv/hidden-$APP"
  assert_success
  assert_has "/srv/hidden-$APP:/hidden"
}
