# An access-control plugin: whoever is not admin sees the app HIDDEN only while there is the file SEEN.

make_acl() {
  local acl="$DOKKU_LIB_ROOT/plugins/enabled/test-acl"
  HIDDEN="$APP-hidden" SEEN="$HOST/seen"
  dokku apps:create "$HIDDEN" >/dev/null
  mkdir -p "$acl"
  cat >"$acl/user-auth-app" <<ACL
#!/bin/sh
name=\$2
shift 2
for app; do
  case \$app in *-hidden) [ "\$name" != admin ] && [ ! -e "$SEEN" ] || echo "\$app" ;; *) echo "\$app" ;; esac
done
ACL
  chmod 0755 "$acl/user-auth-app"
}

as_admin() { NAME="admin" dokku "$@"; }

# own_destination NAME: a destination of backups that is open to the test's app.
own_destination() {
  install -d -o dokku -g dokku "$HOST/backups-$APP"
  as_admin storage:connectors:create "$1" --type local --path "$HOST/backups-$APP" >/dev/null
  as_admin storage:connectors:set "$1" scope "$APP" >/dev/null
}
