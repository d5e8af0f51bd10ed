#!/usr/bin/env bats
# The triggers of Dokku's backups, as Dokku's user fires them, with root's helpers.
load helper

before_each() {
  OUT="$HOST/backup-$APP" IN="$HOST/restored-$APP"
  install -d -o dokku -g dokku "$OUT" "$IN"
}
after_each() { rm -rf "$OUT" "$IN"; }

export_app() { DOKKU_BACKUP_INCLUDE_STORAGE=1 trigger backup-app-export "$APP" "$OUT"; }

# all_in DIRECTORY FIND-TEST…: names in order, each with a NUL behind it. What a file system has of its own is not the entry's.
all_in() { find "$1" -name lost+found -prune -o "${@:2}" -print0 | LC_ALL=C sort -z; }

# everything_of DIRECTORY: names, kinds, owners, modes, links, times and content of all that is in it, ACLs and attributes.
everything_of() {
  (
    cd "$1" || return
    all_in . -name '*' | xargs -0r stat -c '%n %F %u:%g %a %h'
    all_in . -type l | xargs -0r readlink
    all_in . ! -type d | xargs -0r stat -c '%n %.Y'
    all_in . -type f | xargs -0r sha256sum
    all_in . ! -type l | xargs -0r getfacl -n -p
    all_in . ! -type l | xargs -0r getfattr -d -m '^user\.'
  )
}

fill() {
  local directory=$1
  mkdir -p "$directory/deep/er" "$directory/shared" "$directory/closed"
  echo precious >"$directory/deep/er/file"
  ln "$directory/deep/er/file" "$directory/again"
  ln -s deep/er/file "$directory/link"
  echo secret >"$directory/closed/secret"
  chown -R 1000:1001 "$directory/deep"
  chown -h 32767:32767 "$directory/link"
  touch -h -d '2002-03-04 05:06:07.891' "$directory/link"
  chown 0:0 "$directory/closed" "$directory/closed/secret"
  chmod 0700 "$directory/closed" && chmod 0600 "$directory/closed/secret"
  chmod 2775 "$directory/shared"
  setfattr -n user.origin -v somewhere "$directory/deep/er/file"
  setfattr -n 'user.a=b%' -v other "$directory/deep/er/file"
  touch -d '1950-01-02 03:04:05.678' "$directory/shared"/old
  truncate -s 16M "$directory/holes"
  touch -d '2001-02-03 04:05:06.789' "$directory/holes"
  setfacl -m u:2000:rw "$directory/deep/er/file"
  setfacl -d -m u:2000:rwx "$directory/shared"
  echo made >"$directory/shared/inherits"
}

@test "a backup has owners, modes, links, ACLs and attributes, and what it restores is the same" {
  dokku storage:create "$APP-data" --chown heroku >/dev/null
  dokku storage:mount "$APP" "$APP-data" --container-dir /data >/dev/null
  fill "$ROOT/$APP-data"
  everything_of "$ROOT/$APP-data" >"$HOST/tree-before"
  run export_app
  assert_success
  [ "$(stat -c %U:%a "$OUT/data/storage-data/$APP-data.tar.gz")" = dokku:600 ]
  # Nothing of the copy is left.
  [ -z "$(find "$ROOT" -maxdepth 1 -name '.staged-*' -o -maxdepth 1 -name '.filling-*')" ]

  dokku storage:unmount "$APP" "$APP-data"
  dokku storage:destroy "$APP-data" --force --destroy-host-dir --no-trash >/dev/null
  run trigger backup-global-import "$OUT"
  assert_success
  run trigger backup-app-import "$APP" "$OUT"
  assert_success
  everything_of "$ROOT/$APP-data" >"$HOST/tree-after"
  diff "$HOST/tree-before" "$HOST/tree-after"
  assert_equal 0 "$(stat -c %b "$ROOT/$APP-data/holes")"
  run dokku --quiet storage:list "$APP"
  assert_output "$ROOT/$APP-data:/data"
}

@test "what Dokku's own plugin writes is read, and the reverse" {
  dokku storage:create "$APP-data" --chown false >/dev/null
  dokku storage:mount "$APP" "$APP-data" --container-dir /data >/dev/null
  echo one >"$ROOT/$APP-data/file"
  run export_app
  assert_success
  # As Dokku's plugin unpacks it.
  tar -xzf "$OUT/data/storage-data/$APP-data.tar.gz" -C "$IN"
  [ "$(cat "$IN/file")" = one ]
  # As Dokku's plugin packs it.
  echo two >"$IN/file"
  chown -R 1000:1000 "$IN"
  tar -czf "$OUT/data/storage-data/$APP-data.tar.gz" -C "$IN" .
  dokku storage:unmount "$APP" "$APP-data"
  dokku storage:destroy "$APP-data" --force --destroy-host-dir --no-trash >/dev/null
  run trigger backup-app-import "$APP" "$OUT"
  assert_success
  [ "$(cat "$ROOT/$APP-data/file")" = two ]
  [ "$(stat -c %u:%g "$ROOT/$APP-data/file")" = 1000:1000 ]
}

@test "an entry with a size and a file come back as they were" {
  dokku storage:create "$APP-sized" --size 64M >/dev/null
  echo 'key = 1' | dokku storage:create "$APP-file" --type file --from - --mode 0640 --chown 1000 >/dev/null
  dokku storage:mount "$APP" "$APP-sized" --container-dir /sized >/dev/null
  dokku storage:mount "$APP" "$APP-file" --container-dir /etc/app.conf >/dev/null
  setfacl -m u:2000:rw "$ROOT/$APP-file"
  setfattr -n 'user.a=b' -v other "$ROOT/$APP-file"
  touch -d '1950-01-02 03:04:05.678' "$ROOT/$APP-file"
  all_of_file() { stat -c '%u:%g %a %.Y' "$1" && getfacl -n -p "$1" && getfattr -d "$1"; }
  all_of_file "$ROOT/$APP-file" >"$HOST/file-before"
  fill "$ROOT/$APP-sized"
  everything_of "$ROOT/$APP-sized" >"$HOST/tree-before"
  run export_app
  assert_success

  for name in sized file; do
    dokku storage:unmount "$APP" "$APP-$name"
    dokku storage:destroy "$APP-$name" --force --destroy-host-dir --no-trash >/dev/null
  done
  run trigger backup-global-import "$OUT"
  assert_success
  run trigger backup-app-import "$APP" "$OUT"
  assert_success
  mountpoint -q "$ROOT/$APP-sized"
  everything_of "$ROOT/$APP-sized" >"$HOST/tree-after"
  diff "$HOST/tree-before" "$HOST/tree-after"
  [ "$(cat "$ROOT/$APP-file")" = 'key = 1' ]
  all_of_file "$ROOT/$APP-file" >"$HOST/file-after"
  diff "$HOST/file-before" "$HOST/file-after"
}

@test "what leads out of an archive is refused, and nothing is left of it" {
  dokku storage:create "$APP-data" --chown false >/dev/null
  dokku storage:mount "$APP" "$APP-data" --container-dir /data >/dev/null
  run export_app
  assert_success
  dokku storage:unmount "$APP" "$APP-data"
  dokku storage:destroy "$APP-data" --force --destroy-host-dir --no-trash >/dev/null
  ln -s /etc "$IN/out"
  tar -czf "$OUT/data/storage-data/$APP-data.tar.gz" -C "$IN" .
  run trigger backup-app-import "$APP" "$OUT"
  assert_status 1
  assert_has "leads out of the directory; nothing was imported"
  [ ! -e "$ROOT/$APP-data" ]
  run dokku storage:list-entries
  assert_has_not "$APP-data"
  # Nobody can have another user's ids by it, and the helper takes hidden names alone.
  run sudo -u dokku sudo -n "$HELPERS/storage/bin/copy-storage-dir" --unpack "$APP-data" </dev/null
  assert_status 1
}

@test "links that lead out, pipes and names of any bytes come back, and no others are let in" {
  dokku storage:create "$APP-data" --chown heroku >/dev/null
  dokku storage:mount "$APP" "$APP-data" --container-dir /data >/dev/null
  local data="$ROOT/$APP-data"
  mkdir -p "$data/releases/1" "$data/closed"
  ln -s /app/releases/1 "$data/current"
  ln -s ../../../elsewhere "$data/releases/up"
  ln -s "$(printf '/caf\351 "x"')" "$data/closed/$(printf 'na\377me')"
  mkfifo "$data/pipe"
  chown -h -R 1000:1001 "$data/current" "$data/pipe"
  chmod 0700 "$data/closed" && chown 0:0 "$data/closed"
  everything_of "$data" >"$HOST/tree-before"
  run export_app
  assert_success
  run jq -r '.[].path' "$OUT/data/storage-data/$APP-data.links.json"
  assert_has "current"
  dokku storage:unmount "$APP" "$APP-data"
  dokku storage:destroy "$APP-data" --force --destroy-host-dir --no-trash >/dev/null
  # One more link than the list has, and another target.
  cp "$OUT/data/storage-data/$APP-data.links.json" "$IN/list"
  jq 'map(select(.target != "/app/releases/1"))' "$IN/list" >"$OUT/data/storage-data/$APP-data.links.json"
  run trigger backup-app-import "$APP" "$OUT"
  assert_status 1
  assert_has "current\" is refused: it is a link to \"/app/releases/1\", which leads out of the directory; nothing was imported"
  cp "$IN/list" "$OUT/data/storage-data/$APP-data.links.json"
  run trigger backup-app-import "$APP" "$OUT"
  assert_success
  everything_of "$data" >"$HOST/tree-after"
  diff "$HOST/tree-before" "$HOST/tree-after"
  # Without such links there is no list.
  rm "$data/current" "$data/releases/up" && rm -r "$data/closed"
  run export_app
  assert_success
  [ ! -e "$OUT/data/storage-data/$APP-data.links.json" ]
}

@test "what no import takes is named by the export" {
  dokku storage:create "$APP-data" --chown heroku >/dev/null
  dokku storage:create "$APP-file" --type file --from - <<<hello >/dev/null
  dokku storage:mount "$APP" "$APP-data" --container-dir /data >/dev/null
  dokku storage:mount "$APP" "$APP-file" --container-dir /file >/dev/null
  local name
  for name in "$APP-data/foreign" "$APP-file"; do
    echo mine >"$ROOT/$name"
    chown 100000 "$ROOT/$name"
    run export_app
    assert_status 1
    assert_has "$APP: the data of storage entry \"${name%/*}\" cannot be in the backup, since no import would take it"
    # Of an id that no header of an archive has room for.
    chown 3000000 "$ROOT/$name"
    run export_app
    assert_status 1
    assert_has "cannot be in the backup, since no import would take it"
    chown 1000 "$ROOT/$name"
  done
  run export_app
  assert_success
}

@test "data below a directory of the storage root, and what is within another entry" {
  local deep="$ROOT/$APP-deep"
  install -d -o 1000 -g 1000 -m 0700 "$deep" "$deep/up" "$deep/up/loads" "$ROOT/$APP-outer" "$ROOT/$APP-outer/in"
  echo precious >"$deep/up/loads/file"
  echo other >"$deep/other"
  echo inner >"$ROOT/$APP-outer/in/file"
  dokku storage:mount "$APP" "$deep/up/loads:/deep" >/dev/null
  dokku storage:mount "$APP" "$ROOT/$APP-outer/in:/inner" >/dev/null
  dokku storage:mount "$APP" "$ROOT/$APP-outer:/outer" >/dev/null
  everything_of "$deep/up/loads" >"$HOST/tree-before"
  run export_app
  assert_success
  assert_equal "$(find "$OUT/data/storage-data" -name '*.gz' | wc -l)" 2
  dokku --quiet storage:list "$APP" | sort >"$HOST/mounts"
  dokku storage:unmount "$APP" --all >/dev/null
  rm -rf "$deep" "$ROOT/$APP-outer"
  run trigger backup-app-import "$APP" "$OUT"
  assert_success
  everything_of "$deep/up/loads" >"$HOST/tree-after"
  diff "$HOST/tree-before" "$HOST/tree-after"
  [ ! -e "$deep/other" ]
  [ "$(cat "$ROOT/$APP-outer/in/file")" = inner ]
  dokku --quiet storage:list "$APP" | sort | diff "$HOST/mounts" -
  # Dokku's own plugin has an archive of each; what is here already stays.
  local data="$OUT/data/storage-data" inner
  inner=$(basename "$(grep -l '/in"' "$OUT"/data/storage-entries/*)" .json)
  tar -czf "$data/$inner.tar.gz" -C "$ROOT/$APP-outer/in" .
  rm -rf "$deep/up/loads" "$ROOT/$APP-outer"
  run trigger backup-app-import "$APP" "$OUT"
  assert_success
  [ "$(cat "$deep/up/loads/file")" = precious ]
  [ "$(cat "$ROOT/$APP-outer/in/file")" = inner ]
}

@test "an entry whose image is there stays registered where an import cannot restore it" {
  dokku storage:create "$APP-sized" --size 16M >/dev/null
  dokku storage:mount "$APP" "$APP-sized" --container-dir /sized >/dev/null
  run export_app
  assert_success
  umount "$ROOT/$APP-sized"
  chattr -i "$ROOT/$APP-sized"
  rmdir "$ROOT/$APP-sized"
  run trigger backup-app-import "$APP" "$OUT"
  assert_status 1
  run dokku storage:list-entries
  assert_has "$APP-sized"
  [ -f "$IMAGES/$APP-sized.img" ] || fail "the image is gone"
}

@test "what is registered stays as it is where only its data is missing" {
  dokku storage:create "$APP-sized" --size 16M >/dev/null
  dokku storage:mount "$APP" "$APP-sized" --container-dir /sized >/dev/null
  echo kept >"$ROOT/$APP-sized/file"
  run export_app
  assert_success
  dokku storage:set "$APP-sized" scope "$APP" >/dev/null
  umount "$ROOT/$APP-sized"
  chattr -i "$ROOT/$APP-sized"
  rmdir "$ROOT/$APP-sized"
  rm "$IMAGES/$APP-sized.img"
  run trigger backup-app-import "$APP" "$OUT"
  assert_success
  [ "$(cat "$ROOT/$APP-sized/file")" = kept ]
  run dokku storage:info "$APP-sized" --format json
  [ "$(jq -r '.scope[0]' <<<"$output")" = "$APP" ] || fail "$output"
}
