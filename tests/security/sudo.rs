//! The helpers under the real sudo, as the `install` trigger sets it up, called by a user who lies.
//!
//! All of it happens with mounts of its own: /usr/local/lib, /etc/sudoers.d and the files with users and
//! groups are the test's, and gone when it ends.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::chown;
use std::path::Path;

use crate::harness::program_under_test;
use crate::harness::{Host, Running, as_root, say};
use crate::helper;

pub const UID: u32 = 64_123;

/// Before the call: users, sudo's rules, the helpers. Then the words of the test itself follow.
const SET_UP: &str = r#"
    root=$1 program=$2
    mount -t tmpfs -o mode=755 none /usr/local/lib
    mount -t tmpfs -o mode=755 none /etc/sudoers.d
    for file in passwd group shadow; do mount --bind "$root/etc/$file" "/etc/$file"; done
    export DOKKU_SYSTEM_USER=liar DOKKU_SYSTEM_GROUP=liar
    PLUGIN_AVAILABLE_PATH="$root/plugins" "$program" install >&2
    helpers=/usr/local/lib/dokku-storage/storage/bin
    liar() { setpriv --reuid 64123 --regid 64123 --init-groups --inh-caps=-all "$@"; }
"#;

/// A host of the user `liar`, and the test's own users and groups.
pub fn host() -> Option<Host> {
    if !as_root("the helpers under sudo") {
        return None;
    }
    if !Path::new("/usr/bin/sudo").exists() {
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci, "sudo is missing, and CI=true: apt-get install sudo");
        say("SKIPPED, NOT TESTED: sudo is missing");
        return None;
    }
    let host = Host::bare();
    let with = |file: &str, line: &str| {
        let text = fs::read_to_string(format!("/etc/{file}")).unwrap();
        host.write(&format!("etc/{file}"), format!("{}\n{line}\n", text.trim_end()));
    };
    with("passwd", "liar:x:64123:64123::/nonexistent:/bin/sh");
    with("group", "liar:x:64123:");
    with("shadow", "liar:*:19000:0:99999:7:::");
    for directory in ["lib/data/storage/app/folder", "evil/data/storage/victim", "outside/victim"] {
        fs::create_dir_all(host.path(directory)).unwrap();
    }
    // The whole of Dokku's directory is the user's, as on a host.
    for directory in
        ["lib", "lib/data", "lib/config", "lib/config/storage", "lib/data/storage", "evil"]
    {
        chown(host.path(directory), Some(UID), Some(UID)).unwrap();
    }
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(host.root(), open).unwrap();
    Some(host)
}

/// Sets up, runs the script, and returns what it printed; `None` where this machine does not allow it.
pub fn run(host: &Host, script: &str) -> Option<String> {
    let shell = format!("{SET_UP}\n{script}");
    let words = [host.root().as_os_str(), program_under_test().as_ref()];
    let answer = helper::with_own_mounts(host, &shell, &words)?;
    assert_eq!(answer.status, 0, "{answer:?}");
    Some(answer.stdout)
}

#[test]
fn root_believes_nothing_of_the_callers_environment() {
    let Some(host) = host() else { return };
    let script = r#"
        export DOKKU_LIB_ROOT="$root/evil" DOKKU_ROOT="$root/evil" DOKKU_STORAGE_ROOT="$root/evil" HOME="$root/evil"
        try() { if liar "$@" >/dev/null 2>&1; then echo "yes: $*"; else echo "no: $*"; fi; }
        try sudo -n "$helpers/chown-storage-dir" victim 1000
        try sudo -n -E "$helpers/chown-storage-dir" victim 1000
        try sudo -n DOKKU_LIB_ROOT="$root/evil" "$helpers/chown-storage-dir" victim 1000
        try sudo -n "$helpers/destroy-storage-dir" ../../../evil/data/storage/victim
        try sudo -n "$helpers/chmod-storage-dir" victim 0777
        try sudo -n "$helpers/dokku-storage" storage:list-entries
        try sudo -n "$program" storage:list-entries
        echo ----
        try sudo -n "$helpers/chown-storage-dir" app 1000
        try sudo -n "$helpers/destroy-storage-dir" victim
        stat -c '%u %a' "$root/evil/data/storage/victim" "$root/lib/data/storage/app/folder"
        # The variable that sudo sets is enough for a copy elsewhere not to believe the environment either.
        ln -s "$program" "$root/outside/chown-storage-dir"
        mkdir "$root/outside/bin"; mv "$root/outside/chown-storage-dir" "$root/outside/bin/"
        SUDO_UID=64123 "$root/outside/bin/chown-storage-dir" victim 1000 >/dev/null 2>&1 || true
        stat -c '%u' "$root/evil/data/storage/victim"
    "#;
    let Some(said) = run(&host, script) else { return };
    let (refused, allowed) = said.split_once("----\n").unwrap();
    assert!(!refused.contains("yes: "), "{said}");
    let lines: Vec<&str> = allowed.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["yes", "yes", "0 755", "1000 755", "0"], "{said}");
    say("security: 9 calls through sudo by a user whose environment lies");
}

#[test]
fn a_storage_root_that_was_swapped_for_a_link_is_not_entered() {
    let Some(host) = host() else { return };
    let script = r#"
        export DOKKU_LIB_ROOT="$root/lib"
        try() { if liar sudo -n "$helpers/$@" >/dev/null 2>&1; then echo "yes: $*"; else echo "no: $*"; fi; }
        # Only the last part.
        liar mv "$root/lib/data/storage" "$root/lib/data/before"
        liar ln -s "$root/outside" "$root/lib/data/storage"
        try chown-storage-dir victim 1000
        try chmod-storage-dir victim 0777
        try destroy-storage-dir victim
        # A part on the way.
        liar rm "$root/lib/data/storage"
        liar mv "$root/lib/data" "$root/lib/data-before"
        liar mkdir "$root/lib/elsewhere"; ln -s "$root/outside" "$root/lib/elsewhere/storage"
        liar ln -s elsewhere "$root/lib/data"
        try chown-storage-dir victim 1000
        try destroy-storage-dir victim
        stat -c '%u %a' "$root/outside/victim"
    "#;
    let Some(said) = run(&host, script) else { return };
    assert!(!said.contains("yes: chown") && !said.contains("yes: chmod"), "{said}");
    assert!(said.ends_with("0 755\n"), "{said}");
    say("security: 5 calls through sudo with the storage root swapped for a link");
}

#[test]
fn an_image_that_somebody_put_where_roots_are_is_not_mounted() {
    let Some(host) = host() else { return };
    chown(host.path("lib"), Some(0), Some(0)).unwrap();
    let script = r#"
        store="$root/lib/data/storage"
        try() { if liar sudo -n "$helpers/$@" >/dev/null 2>&1; then echo "yes: $*"; else echo "no: $*"; fi; }
        liar mkdir "$store/x" "$store/evil"
        liar truncate -s 16M "$store/x/evil.img"; mkfs.ext4 -q -F "$store/x/evil.img"
        # A helper makes it root's, and where everybody may write, its owner may move it.
        try chown-storage-dir x 0:0
        try chmod-storage-dir x 0777
        liar mv "$store/x" "$root/lib/data/storage-images"
        try size-storage-dir evil attach
        grep -c "$store/evil" /proc/self/mountinfo || true
        PLUGIN_AVAILABLE_PATH="$root/plugins" "$program" install >"$root/said" 2>&1 || true
        grep -c "others may write in it" "$root/said"
        ls "$root/lib/storage-images" 2>/dev/null || true
    "#;
    let Some(said) = run(&host, script) else { return };
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[..2],
        ["yes: chown-storage-dir x 0:0", "yes: chmod-storage-dir x 0777"],
        "{said}"
    );
    assert_eq!(lines[2..], ["no: size-storage-dir evil attach", "0", "1"], "{said}");
    say("security: an image of somebody else's in the place of root's");
}

#[test]
fn install_gives_nothing_away_to_who_owns_the_store() {
    let Some(host) = host() else { return };
    host.write("outside/file", "outside");
    fs::create_dir(host.path("outside/storage")).unwrap();
    host.write("outside/storage/file", "outside");
    for (place, target) in [
        ("lib/data/storage-registry", "outside"),
        ("lib/config/storage/app", "outside"),
        ("lib/config/storage/mounts", "outside/file"),
    ] {
        let _ = fs::remove_dir_all(host.path(place));
        std::os::unix::fs::symlink(host.path(target), host.path(place)).unwrap();
        std::os::unix::fs::lchown(host.path(place), Some(UID), Some(UID)).unwrap();
    }
    let before = crate::harness::Snapshot::of(&host.path("outside"));
    let shell = SET_UP.replace("install >&2", "install >&2 || true");
    let words = [host.root().as_os_str(), program_under_test().as_ref()];
    if helper::with_own_mounts(&host, &shell, &words).is_none() {
        return;
    }
    let difference = before.difference(&crate::harness::Snapshot::of(&host.path("outside")));
    assert!(difference.is_empty(), "{difference}");
}

/// What the commands of Dokku's user do through sudo, all the way.
#[test]
fn a_user_gets_directories_through_sudo() {
    let Some(host) = host() else { return };
    let script = r#"
        export DOKKU_LIB_ROOT="$root/lib" DOKKU_ROOT="$root/home" DOCKER_BIN=no-docker-here
        liar "$program" storage:create made --chown 1000 2>/dev/null
        stat -c '%u:%g' "$root/lib/data/storage/made"
        stat -c '%U %a' "$root/lib/data/storage-registry/entries/made.json"
        liar "$program" storage:destroy made --force --destroy-host-dir
        ls "$root/lib/data/storage"
    "#;
    let Some(said) = run(&host, script) else { return };
    assert!(said.contains("1000:1000\nliar 600\n"), "{said}");
    assert!(said.ends_with("app\n") && !said.contains(".destroyed"), "{said}");
    let _ = Running::start(host.program("/bin/true"), "true").finish();
}

/// Answers as the engine of a host: with user namespaces that begin at these ids, or with none.
fn engine(socket: &Path, root: &'static str) {
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(socket, open).unwrap();
    let options = if root.contains('.') { r#"["name=seccomp","name=userns"]"# } else { "[]" };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let info = format!(r#"{{"SecurityOptions":{options},"DockerRootDir":"{root}"}}"#);
            let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n{info}");
        }
    });
}

#[test]
fn which_ids_containers_have_is_asked_of_the_hosts_own_engine() {
    let Some(host) = host() else { return };
    engine(&host.path("plain"), "/var/lib/docker");
    engine(&host.path("remapped"), "/var/lib/docker/300000.400000");
    engine(&host.path("evil/socket"), "/home/liar/500000.500000");
    let script = r#"
        export DOKKU_LIB_ROOT="$root/lib"
        mount -t tmpfs -o mode=755 none /mnt; cp -a /etc/. /mnt/
        for file in subuid subgid; do printf '%s\n' liar:500000:65536 ada:165536:65536 >/mnt/$file; done
        mount --move /mnt /etc
        for file in passwd group shadow; do mount --bind "$root/etc/$file" "/etc/$file"; done
        mount -t tmpfs -o mode=755 none /etc/sudoers.d
        printf 'Defaults !env_reset\nliar ALL=(root) NOPASSWD:SETENV: %s/*\n' "$helpers" >/etc/sudoers.d/test
        chmod 0440 /etc/sudoers.d/test
        mount -t tmpfs -o mode=755 none /run
        printf '#!/bin/sh\necho true /home/liar/500000.500000\n' >"$root/evil/docker"; chmod 0755 "$root/evil/docker"
        export DOCKER_HOST="unix://$root/evil/socket" DOCKER_BIN="$root/evil/docker"
        try() {
            local said; said=$(liar sudo -n -E "$helpers/chown-storage-dir" app "$1" --folder-only 2>&1) || true
            echo "$1 $(stat -c %u:%g "$root/lib/data/storage/app") $said"
        }
        all() { for ids in 1000 165536 300033:401000 500000; do try "$ids"; done; }
        echo "no engine"; all
        ln -s "$root/plain" /run/docker.sock; echo plain; all
        ln -sfn "$root/remapped" /run/docker.sock; echo remapped; all
    "#;
    let Some(said) = run(&host, script) else { return };
    let gist: Vec<String> =
        said.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let wanted = [
        "no engine",
        "1000 1000:1000",
        "165536 1000:1000",
        "300033:401000 1000:1000",
        "500000 1000:1000",
        "plain",
        "1000 1000:1000",
        "165536 1000:1000",
        "300033:401000 1000:1000",
        "500000 1000:1000",
        "remapped",
        "1000 1000:1000",
        "165536 1000:1000",
        "300033:401000 300033:401000",
        "500000 300033:401000",
    ];
    assert_eq!(gist, wanted, "{said}");
    assert!(said.contains("Docker does not answer"), "{said}");
    say("security: 12 calls of chown-storage-dir against engines that map ids, and one that lies");
}

/// What rclone would run as the user whose the store is: a program of the liar's, which says who it is.
pub const CONNECTOR: &str = r#"
    # A FIFO can be written where everything is read-only.
    mkfifo -m 0666 "$root/evil/ran"
    printf '#!/bin/sh\nid -u >"%s/evil/ran"; echo token\n' "$root" >"$root/evil/token"
    chmod 0755 "$root/evil/token"
    connector() {
        liar mkdir -p "$1/connectors"
        printf '{"name":"evil","type":"rclone","remote":"r:x","schema_version":1}' | liar tee "$1/connectors/evil.json"
        printf '[r]\ntype = webdav\nurl = http://127.0.0.1:1/\nbearer_token_command = %s/evil/token\n' "$root" |
            liar tee "$1/connectors/evil.secret"
        echo key | liar tee "$1/connectors/evil.key"
    } >/dev/null
    request='{"id":"abcdef12","paths":[],"holes":[],"is_privileged":false}'
    restore() { echo "$request" | liar sudo -n "$helpers/backup-storage" restore .destroyed-e-1 evil .destroyed-e-2 2>&1 || true; }
"#;

#[test]
fn nothing_runs_as_root_where_the_store_is_said_to_be_roots() {
    let Some(host) = host() else { return };
    let script = r#"
        export DOKKU_LIB_ROOT="$root/lib"
        liar mkdir "$root/lib/data/storage/e"
        connector "$root/lib/data/storage/e"
        liar sudo -n "$helpers/chown-storage-dir" e 0 --folder-only
        liar mv "$root/lib/data/storage-registry" "$root/lib/data/before"
        liar ln -s storage/e "$root/lib/data/storage-registry"
        timeout 20 cat "$root/evil/ran" & reader=$!
        restore
        kill "$reader" 2>/dev/null || true
    "#;
    let Some(said) = run(&host, &format!("{CONNECTOR}\n{script}")) else { return };
    assert!(!said.lines().any(|line| line == "0"), "{said}");
    say("security: restic with a registry that a link leads to a directory of root's");
}

#[test]
fn a_store_that_its_owner_closed_is_not_read_as_root() {
    let Some(host) = host() else { return };
    let script = r#"
        export DOKKU_LIB_ROOT="$root/lib"
        mkdir -m 0700 "$root/hidden"; echo secret-of-root >"$root/hidden/secret"
        connector "$root/lib/data/storage-registry"
        liar ln -sfn "$root/hidden/secret" "$root/lib/data/storage-registry/connectors/evil.json"
        liar chmod 000 "$root/lib"
        restore
    "#;
    let Some(said) = run(&host, &format!("{CONNECTOR}\n{script}")) else { return };
    assert!(said.contains("cannot enter it; let it: chmod u+x"), "{said}");
    assert!(!said.contains("secret-of-root"), "{said}");
    say("security: a store whose owner closed its own directory");
}

#[test]
fn no_program_of_the_callers_and_nothing_of_their_environment_is_roots() {
    let Some(host) = host() else { return };
    let script = r#"
        printf 'Defaults !env_reset, !secure_path\nliar ALL=(root) NOPASSWD:SETENV: %s/*\n' "$helpers" >/etc/sudoers.d/test
        chmod 0440 /etc/sudoers.d/test
        mkdir "$root/evil/bin"
        for program in mkfs.ext4 losetup e2fsck resize2fs systemctl btrfs setpriv restic sh; do
            printf '#!/bin/sh\n/usr/bin/id -u >"%s/evil/ran-%s"\nexit 1\n' "$root" "$program" >"$root/evil/bin/$program"
            chmod 0755 "$root/evil/bin/$program"
        done
        # Root's own, which shows what it gets.
        mount -t tmpfs -o mode=755 none /usr/local/sbin
        printf '#!/bin/sh\nenv >"%s/outside/environment"\nexit 1\n' "$root" >/usr/local/sbin/mkfs.ext4
        chmod 0755 /usr/local/sbin/mkfs.ext4
        liar mkdir "$root/lib/data/storage/.destroyed-x-1"
        evil() { PATH="$root/evil/bin:$PATH" MKE2FS_CONFIG="$root/evil/x" LD_LIBRARY_PATH="$root/evil" DOKKU_TRACE=1 "$@"; }
        evil /usr/bin/setpriv --reuid 64123 --regid 64123 --init-groups --inh-caps=-all \
            sudo -n -E "$helpers/size-storage-dir" x new .destroyed-x-1 16M >&2 || true
        cd "$root/evil"; ls | grep ran- || true
        echo ----
        sed 's/=.*//' "$root/outside/environment" | sort
    "#;
    let Some(said) = run(&host, script) else { return };
    assert_eq!(said, "----\nHOME\nPATH\nPWD\n", "{said}");
    say("security: 9 programs of the caller's, in front of root's");
}

#[test]
fn what_restic_starts_keeps_no_rights_where_nothing_takes_them_away() {
    let Some(host) = host() else { return };
    let script = r#"
        export DOKKU_LIB_ROOT="$root/lib"
        cp /usr/bin/setpriv "$root/outside/setpriv"; mount --bind /dev/null /usr/bin/setpriv
        liar() { "$root/outside/setpriv" --reuid 64123 --regid 64123 --init-groups --inh-caps=-all "$@"; }
        connector "$root/lib/data/storage-registry"
        timeout 10 cat "$root/evil/ran" & reader=$!
        restore
        kill "$reader" 2>/dev/null || true
    "#;
    let Some(said) = run(&host, &format!("{CONNECTOR}\n{script}")) else { return };
    assert!(said.contains("setpriv is not here; install it"), "{said}");
    assert!(!said.contains("64123"), "{said}");
}
