# shellcheck shell=bash disable=SC2034 # The variables are for the scripts that source this.
# Makes a store for measurements, and calls a plugin folder in it as Dokku does. Sourced by the other scripts.

# make_store ROOT APPS MOUNTS ENTRIES: a host below ROOT with apps app-00001…, each with so many mounts, and at least
# so many entries entry-00001…, each with a directory. The apps take the entries in turn.
make_store() {
  local root=$1 apps=$2 mounts=$3 entries=$4 app name number=0 mount
  mkdir -p "$root"/lib/{plugins/{available,enabled},core-plugins/{available,enabled},config/storage} "$root/home" \
    "$root"/lib/data/{storage,storage-registry/{entries,migrations}} "$root/bin"
  : >"$root/lib/data/storage-registry/.lock"
  # A store that nobody changes: right after a change, readers look twice.
  touch -d '2020-01-01' "$root/lib/data/storage-registry/.lock"
  for ((number = 1; number <= entries; number++)); do
    printf -v name 'entry-%05d' "$number"
    mkdir "$root/lib/data/storage/$name"
    printf '{\n  "name": "%s",\n  "scheduler": "docker-local",\n  "host_path": "%s",\n  "schema_version": 1\n}' \
      "$name" "$root/lib/data/storage/$name" >"$root/lib/data/storage-registry/entries/$name.json"
  done
  number=0
  for ((app = 1; app <= apps; app++)); do
    printf -v name 'app-%05d' "$app"
    mkdir "$root/home/$name" "$root/lib/config/storage/$name"
    for ((mount = 1; mount <= mounts; mount++)); do
      printf '{"entry_name":"entry-%05d","container_path":"/data/%d","phases":["deploy","run"],"process_type":"_default_"}\n' \
        $((number++ % entries + 1)) "$mount"
    done >"$root/lib/config/storage/$name/mounts"
    echo true >"$root/lib/config/storage/$name/legacy-mounts-migrated"
  done
  # What Dokku's own plugin asks where there is no plugn: nobody answers.
  printf '#!/bin/sh\nexit 0\n' >"$root/bin/plugn"
  # The first app was deployed.
  echo 0123456789ab >"$root/home/app-00001/CONTAINER.web.1"
  cp -p "$root/lib/config/storage/app-00001/mounts" "$root/app-before"
  cp -p "$root/lib/data/storage-registry/entries/entry-00001.json" "$root/entry-before"
  cat >"$root/reset" <<RESET
#!/bin/bash
cp -p "$root/app-before" "$root/lib/config/storage/app-00001/mounts"
cp -p "$root/entry-before" "$root/lib/data/storage-registry/entries/entry-00001.json"
rm -rf "$root/lib/data/storage/fresh" "$root"/lib/data/storage-registry/entries/{fresh,legacy-*}.json
RESET
  chmod 755 "$root/bin/plugn" "$root/reset"
  # Files that changed in the last seconds are not noted in the cache of entries (src/store/plain.rs).
  sleep 4
}

# environment_of ROOT: sets `environment` to the variables of a call, and no others.
environment_of() {
  local root=$1
  environment=(
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$root/bin" "HOME=$root/home" LANG=C.UTF-8 LC_ALL=C.UTF-8
    "USER=root" "DOKKU_ROOT=$root/home" "DOKKU_HOST_ROOT=$root/home" "DOKKU_LIB_ROOT=$root/lib" "PLUGIN_PATH=$root/lib/plugins"
    "PLUGIN_AVAILABLE_PATH=$root/lib/plugins/available" "PLUGIN_ENABLED_PATH=$root/lib/plugins/enabled"
    "PLUGIN_CORE_PATH=$root/lib/core-plugins" "PLUGIN_CORE_AVAILABLE_PATH=$root/lib/core-plugins/available"
    "PLUGIN_CORE_ENABLED_PATH=$root/lib/core-plugins/enabled" "DOKKU_SYSTEM_USER=root" "DOKKU_SYSTEM_GROUP=root"
    "DOCKER_BIN=docker" DOKKU_API_VERSION=1 DOKKU_NOT_IMPLEMENTED_EXIT=10 DOKKU_VALID_EXIT=0 DOKKU_PID=1 DOKKU_DISTRO=debian
    "DOKKU_LOGS_DIR=$root/log" "DOKKU_EVENTS_LOGFILE=$root/log/events.log"
  )
}

# call_of NAME: sets `call` to the words of a call behind the plugin's folder, and `is_change` where it changes the
# store: ROOT/reset makes that what it was.
call_of() {
  is_change=""
  case $1 in
    list) call=(subcommands/list storage:list app-00001) ;;
    list-json) call=(subcommands/list storage:list app-00001 --format json) ;;
    report-one) call=(subcommands/report storage:report app-00001) ;;
    report-all) call=(subcommands/report storage:report) ;;
    report-global) call=(subcommands/report storage:report --global) ;;
    list-entries) call=(subcommands/list-entries storage:list-entries) ;;
    docker-args-deploy) call=(docker-args-deploy app-00001 latest) ;;
    mount)
      call=(subcommands/mount storage:mount app-00001 entry-00300 --container-dir /mounted)
      is_change=yes
      ;;
    mount-path)
      call=(subcommands/mount storage:mount app-00001 /srv/mounted:/mounted)
      is_change=yes
      ;;
    unmount)
      call=(subcommands/unmount storage:unmount app-00001 entry-00001)
      is_change=yes
      ;;
    set)
      call=(subcommands/set storage:set entry-00001 reclaim-policy Delete)
      is_change=yes
      ;;
    create)
      call=(subcommands/create storage:create fresh)
      is_change=yes
      ;;
    *)
      echo " !     unknown call $1" >&2
      return 1
      ;;
  esac
}
