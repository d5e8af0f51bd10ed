# What a writer does, one step a line, as `label<TAB>command`; read by tests/vm/cuts.py, which calls `steps_N` for the writer N.
#
# Each step changes something that can be seen, and the last one leaves nothing: after it the first can follow.
# shellcheck disable=SC2016 # the commands are run elsewhere

step() { printf '%s\t%s\n' "$1" "$2"; }

# Directories: owner, mode, snapshots, copies, trash.
steps_0() {
  step create 'd create w0-a --chown heroku --mode 0750'
  step write 'put w0-a first'
  step write-many 'many w0-a'
  step snapshots:create 'd snapshots:create w0-a one'
  step write 'put w0-a second'
  step set-mode 'd set w0-a mode 0700'
  step set-chown 'd set w0-a chown 1234'
  step clone 'd clone w0-a w0-b'
  step snapshots:restore 'd snapshots:restore w0-a one'
  step create-from-snapshot 'd create w0-c --from snapshot:w0-a@one'
  step create-from-dir 'd create w0-e --from dir:/srv/host/srv/seed'
  step set-chown-recursive 'd set w0-b chown 4321 --chown-recursive'
  step destroy-to-trash 'd destroy w0-b --force --destroy-host-dir'
  step trash:restore 'd trash:restore w0-b --as w0-r'
  step destroy-no-trash 'd destroy w0-r --force --destroy-host-dir --no-trash'
  step destroy-keeping-data 'd destroy w0-c --force'
  step create-over-data 'd create w0-c'
  step prune-destroy 'd destroy w0-c --force --destroy-host-dir'
  step trash:empty 'd trash:empty w0-c --force'
  step ensure-directory 'd ensure-directory --chown root w0-d'
  step create-ensured 'd create w0-d'
  step destroy-ensured 'd destroy w0-d --force --destroy-host-dir --no-trash'
  step snapshots:destroy 'd snapshots:destroy w0-a one --force'
  step snapshots:destroy-before 'd snapshots:destroy w0-a "$(before w0-a)" --force'
  step destroy 'd destroy w0-a --force --destroy-host-dir --no-trash'
  step destroy 'd destroy w0-e --force --destroy-host-dir --no-trash'
}

# Directories with a size.
steps_1() {
  step create-size 'd create w1-s --size 16M --chown 1000'
  step write-sized 'put w1-s first'
  step snapshots:create-sized 'd snapshots:create w1-s one'
  step grow 'd set w1-s size 32M'
  step write-sized 'put w1-s second'
  step clone-sized 'd clone w1-s w1-t'
  step snapshots:restore-sized 'd snapshots:restore w1-s one'
  step grow-clone 'd set w1-t size 48M'
  step create-size-from-dir 'd create w1-u --size 16M --from dir:/srv/host/srv/seed'
  step destroy-sized-to-trash 'd destroy w1-t --force --destroy-host-dir'
  step trash:restore-sized 'd trash:restore w1-t'
  step destroy-sized-no-trash 'd destroy w1-t --force --destroy-host-dir --no-trash'
  step snapshots:destroy-sized 'd snapshots:destroy w1-s one --force'
  step snapshots:destroy-sized-before 'd snapshots:destroy w1-s "$(before w1-s)" --force'
  step destroy-sized 'd destroy w1-u --force --destroy-host-dir'
  step trash:empty-sized 'd trash:empty w1-u --force'
  step destroy-sized 'd destroy w1-s --force --destroy-host-dir --no-trash'
}

# Files, mounts and settings.
steps_2() {
  step create-file 'printf "first=1\n" | d create w2-f --type file --chown 1000 --from -'
  step set-mode-file 'd set w2-f mode 0640'
  step set-chown-file 'd set w2-f chown 1234'
  step clone-file 'd clone w2-f w2-g'
  step snapshots:create-file 'd snapshots:create w2-f one'
  step set-content 'printf "second=2\n" | d set w2-f content -'
  step snapshots:restore-file 'd snapshots:restore w2-f one'
  step snapshots:destroy-file-before 'd snapshots:destroy w2-f "$(before w2-f)" --force'
  step create 'd create w2-a --scope "w2-*"'
  step write 'put w2-a first'
  step mount 'd mount w2-app w2-a --container-dir /data'
  step mount-file 'd mount w2-app w2-f --container-dir /app/settings --volume-readonly'
  step mount-path 'd mount w2-app /srv/host/srv/seed:/seed'
  step mount-auto 'd mount w2-app --container-dir /auto'
  step write 'put w2-app-data first'
  step unmount-auto 'd unmount w2-app w2-app-data --container-dir /auto'
  step destroy-auto 'd destroy w2-app-data --force --destroy-host-dir'
  step trash:empty 'd trash:empty w2-app-data --force'
  step docker-options 'option_of w2-app "-v /srv/host/srv/seed:/old"'
  step migrate 'd migrate w2-app'
  step unmount-migrated 'd unmount w2-app /srv/host/srv/seed:/old'
  step app:set 'd app:set w2-app missing-source create'
  step annotations:set 'd annotations:set w2-a vm.example/key value'
  step labels:set 'd labels:set w2-a vm.example/key value'
  step annotations:clear 'd annotations:set w2-a vm.example/key'
  step labels:clear 'd labels:set w2-a vm.example/key'
  step clone-app 't post-app-clone-setup w2-app w2-cloned'
  step rename-app 't post-app-rename-setup w2-cloned w2-renamed'
  step delete-app 't post-delete w2-renamed'
  step share 'd share w2-app w2-other'
  step unshare 'd unshare w2-app w2-other'
  step unmount 'd unmount w2-app w2-a --container-dir /data'
  step set-exclusive 'd set w2-a exclusive true'
  step mount 'd mount w2-app w2-a --container-dir /data'
  step move 'd move w2-a w2-app w2-other'
  step apply 'echo "[]" | d apply w2-app'
  step apply 'echo "[{\"entry_name\":\"w2-f\",\"container_path\":\"/x\"}]" | d apply w2-app'
  step needs:import 'echo "[{\"id\":\"uploads\",\"path\":\"/up\",\"optional\":true}]" | d needs:import w2-app'
  step needs:link 'd needs:link w2-app uploads w2-f'
  step needs:unlink 'd needs:unlink w2-app uploads'
  step needs:import-none 'echo "[]" | d needs:import w2-app'
  step connectors:create 'printf secret | d connectors:create w2-c --type cifs --server nas --username anna'
  step connectors:set 'printf other | d connectors:set w2-c username berta'
  step connectors:destroy 'd connectors:destroy w2-c --force'
  step policy:set 'd policy:set trash-hours 12'
  step policy:set-back 'd policy:set trash-hours 24'
  step app:set-back 'd app:set w2-app missing-source'
  step unmount-file 'd unmount w2-app w2-f --container-dir /x'
  step unmount 'd unmount w2-other w2-a --container-dir /data'
  step destroy-file-to-trash 'd destroy w2-g --force --destroy-host-dir'
  step trash:restore-file 'd trash:restore w2-g'
  step destroy-file 'd destroy w2-g --force --destroy-host-dir --no-trash'
  step snapshots:destroy-file 'd snapshots:destroy w2-f one --force'
  step destroy-file 'd destroy w2-f --force --destroy-host-dir --no-trash'
  step destroy 'd destroy w2-a --force --destroy-host-dir --no-trash'
}

# Backups, and what comes back from elsewhere. The repository is on the same disk: what is in it is flushed by restic.
steps_3() {
  step create 'd create w3-a --chown 1000'
  step write 'put w3-a first'
  step backups:create 'd backups:create w3-a --to w3-disk'
  step backups:schedule 'd backups:schedule w3-a daily --to w3-disk --keep-last 2'
  step write 'put w3-a second'
  step backups:create 'd backups:create w3-a --to w3-disk'
  step backups:restore 'd backups:restore w3-a@latest --as w3-b'
  step write 'put w3-a third'
  step backups:restore-in-place 'd backups:restore w3-a@latest --in-place --force'
  step snapshots:destroy-before 'd snapshots:destroy w3-a "$(before w3-a)" --force'
  step backups:forget 'd backups:forget "$(newest w3-a)" --force'
  step backups:unschedule 'd backups:unschedule w3-a'
  step backups:forget 'd backups:forget "$(newest w3-a)" --force'
  step destroy 'd destroy w3-a --force --destroy-host-dir --no-trash'
  step destroy 'd destroy w3-b --force --destroy-host-dir --no-trash'
  step create 'd create w3-i --mode 0750'
  step write 'put w3-i first'
  step create-size 'd create w3-j --size 16M'
  step write 'put w3-j first'
  step mount 'd mount w3-app w3-i --container-dir /i'
  step mount 'd mount w3-app w3-j --container-dir /j'
  step unmount 'exported w3-app && d unmount w3-app w3-i --container-dir /i'
  step unmount 'd unmount w3-app w3-j --container-dir /j'
  step destroy 'd destroy w3-i --force --destroy-host-dir --no-trash'
  step destroy-sized 'd destroy w3-j --force --destroy-host-dir --no-trash'
  step import 't backup-app-import w3-app /srv/host/srv/w3-out'
  step unmount 'd unmount w3-app w3-i --container-dir /i'
  step unmount 'd unmount w3-app w3-j --container-dir /j'
  step destroy 'd destroy w3-i --force --destroy-host-dir --no-trash'
  step destroy-sized 'd destroy w3-j --force --destroy-host-dir --no-trash'
}

# --- words of the steps, for the shell that runs them in the machine ------------------------------------------

# As the stand-in's dispatcher calls a subcommand in the end: sudo and a shell for each call take software emulation seconds.
export DOKKU_ROOT=/srv/host/home DOKKU_HOST_ROOT=/srv/host/home DOKKU_LIB_ROOT=/srv/host/lib DOKKU_SYSTEM_USER=dokku DOKKU_SYSTEM_GROUP=dokku
export PLUGIN_PATH=$DOKKU_LIB_ROOT/plugins PLUGIN_AVAILABLE_PATH=$DOKKU_LIB_ROOT/plugins/available PLUGIN_ENABLED_PATH=$DOKKU_LIB_ROOT/plugins/enabled
export PLUGIN_CORE_PATH=$DOKKU_LIB_ROOT/core-plugins PLUGIN_CORE_AVAILABLE_PATH=$DOKKU_LIB_ROOT/core-plugins/available
export PLUGIN_CORE_ENABLED_PATH=$DOKKU_LIB_ROOT/core-plugins/enabled DOCKER_BIN=docker DOKKU_API_VERSION=1 DOKKU_NOT_IMPLEMENTED_EXIT=10
export DOKKU_VALID_EXIT=0 DOKKU_DISTRO=debian DOKKU_LOGS_DIR=/srv/host/log DOKKU_EVENTS_LOGFILE=/srv/host/log/events.log
export PATH="/srv/host/bin:$PATH" SSH_USER=root SSH_NAME=default DOKKU_PID=$$
d() { HOME=/ setpriv --reuid=dokku --regid=dokku --init-groups "$PLUGIN_ENABLED_PATH/storage/subcommands/$1" "storage:$1" "${@:2}"; }

# t TRIGGER WORD…: a trigger, as Dokku fires it.
t() { HOME=/ setpriv --reuid=dokku --regid=dokku --init-groups "$PLUGIN_ENABLED_PATH/storage/$1" "${@:2}" </dev/null; }

# finish WRITER: runs what the doctor says of owners and modes that a command had noted when it was cut off.
finish() { eval "$(d doctor --format json | jq -r --arg of "$1-" '.[] | select(.code == "unlike-noted" and (.entry | startswith($of))).remedy | sub("dokku storage:"; "d ")')"; }

# unlike ENTRY: whether the doctor says that an owner or a mode of the entry is not the one that is noted.
unlike() { d doctor --format json | jq -e --arg of "$1" 'any(.[]; .code == "unlike-noted" and .entry == $of)' >/dev/null; }

# put ENTRY TEXT: replaces a file in an entry, flushed.
put() {
  local file="/srv/host/lib/data/storage/$1/payload"
  { echo "$2"; seq 1 8000; } >"$file.tmp"
  sync "$file.tmp"
  mv "$file.tmp" "$file"
  sync "/srv/host/lib/data/storage/$1"
}

# many ENTRY: a directory with some files, flushed before it is in its place.
many() {
  local directory="/srv/host/lib/data/storage/$1/many" number
  rm -rf "$directory.tmp"
  mkdir "$directory.tmp"
  for number in 1 2 3 4 5 6 7 8; do echo "file $number" >"$directory.tmp/$number"; done
  sync "$directory.tmp"/* "$directory.tmp"
  mv "$directory.tmp" "$directory"
  sync "/srv/host/lib/data/storage/$1"
}

# option_of APP LINE: a line of docker-options for the deploy phase, as Dokku writes it, flushed.
option_of() {
  local directory="$DOKKU_LIB_ROOT/config/docker-options/$1"
  mkdir -p "$directory"
  echo "$2" >"$directory/.new"
  sync "$directory/.new"
  mv "$directory/.new" "$directory/_default_.deploy"
  chown -R dokku:dokku "$DOKKU_LIB_ROOT/config/docker-options"
  sync "$directory" "${directory%/*}" "$DOKKU_LIB_ROOT/config"
}

# before ENTRY: the snapshot that a restore has made.
before() { basename -s .json /srv/host/lib/data/storage-registry/snapshots/"$1"/before-restore-*; }

# newest ENTRY: its newest backup.
newest() { d backups:list "$1" --format json | jq -r '.[-1].id'; }

# exported APP: an export of the app with its data, flushed.
exported() {
  rm -rf /srv/host/srv/w3-out
  install -d -o dokku -g dokku /srv/host/srv/w3-out
  DOKKU_BACKUP_INCLUDE_STORAGE=1 t backup-app-export "$1" /srv/host/srv/w3-out
  sync -f /srv/host/srv/w3-out
}

# forget_copies WRITER: destroys the snapshots that restores have made of a writer's entries.
forget_copies() {
  local file
  for file in /srv/host/lib/data/storage-registry/snapshots/"$1"-*/before-restore-*.json; do
    d snapshots:destroy "$(basename "${file%/*}")" "$(basename -s .json "$file")" --force || return
  done
}
