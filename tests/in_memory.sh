#!/usr/bin/env bash
# Runs a command whose temporary files are in memory, and on which restic spends less: tests/in_memory.sh DIRECTORY COMMAND…
#
# DIRECTORY is where the memory is mounted: what the tests flush there, no power cut can take. test.sh calls this as root, in a mount
# namespace of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

memory=$1
shift

# What is mounted from images elsewhere stays mounted here, too, when it goes there: it is left out.
grep -E '^([^ ]+ ){2}7:' /proc/self/mountinfo | cut -d ' ' -f 5 | xargs -r -n 1 umount --lazy || true
mount -t tmpfs tests "$memory"

# A repository that is made in a directory gets a key that costs little (see cheap_key.py).
python=$PWD/target/s3-server-venv/bin/python
if [ -x /usr/bin/restic ] && [ ! -e /usr/local/bin/restic ] && "$python" -c 'import cryptography' 2>/dev/null; then
  mkdir "$memory/.real"
  cp /usr/bin/restic "$memory/.real/restic"
  cat >"$memory/.real/called" <<CALLED
#!/bin/sh
for word; do :; done
[ "\$word" = init ] || exec $memory/.real/restic "\$@"
$memory/.real/restic "\$@" || exit
case \$RESTIC_REPOSITORY in
  /*) exec $(printf %q "$python") -I $(printf %q "$PWD/tests/cheap_key.py") "\$RESTIC_REPOSITORY" "\$RESTIC_PASSWORD_FILE" ;;
esac
CALLED
  chmod 0755 "$memory/.real/called"
  mount --bind "$memory/.real/called" /usr/bin/restic
fi

TMPDIR=$memory exec "$@"
