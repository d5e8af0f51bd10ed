//! The helpers that sudo runs as root.

use crate::harness::{Call, as_root};
use crate::{Session, assert_transcript};

/// Runs a call in a mount namespace of its own, where nothing is installed.
fn not_installed(call: Call<'_>) -> Call<'_> {
    call.around(
        "unshare --mount bash -c 'mount -t tmpfs -o mode=755 none /usr/local/lib && exec \"$@\"' bash \"$@\"",
    )
}

/// The same, with the helpers installed for the store `{ROOT}/real`.
fn installed(call: Call<'_>) -> Call<'_> {
    call.around(
        "unshare --mount bash -c 'mount -t tmpfs -o mode=755 none /usr/local/lib &&
           mkdir /usr/local/lib/dokku-storage && cd /usr/local/lib/dokku-storage && printf 0:0 >owner &&
           printf %s \"$OLDPWD/real\" >lib-root && printf %s \"$OLDPWD/real/data/storage\" >storage-root && cd \"$OLDPWD\" &&
           exec \"$@\"' bash \"$@\"",
    )
}

/// The same with lines for other users in `/etc/subuid` and `/etc/subgid`, as Debian's `useradd` writes them.
fn with_other_users(call: Call<'_>) -> Call<'_> {
    call.around(
        "unshare --mount bash -c 'mount -t tmpfs -o mode=755 none /usr/local/lib &&
           mount -t tmpfs -o mode=755 none /mnt && cp -a /etc/. /mnt/ &&
           for file in subuid subgid; do printf %s\\\\n dokku:100000:65536 ada:165536:65536 >/mnt/$file; done &&
           mount --move /mnt /etc && exec \"$@\"' bash \"$@\"",
    )
}

#[test]
fn ids_are_those_of_this_engines_containers() {
    if !as_root("helpers::ids_are_those_of_this_engines_containers") {
        return;
    }
    let mut session = Session::dokku(&[]);
    session.host.make_directory("lib/data/storage/ok");
    let give = |session: &mut Session, engine: &str, ids: &[&str]| {
        for id in ids {
            session.run_with(engine, &["bin/chown-storage-dir", "ok", id], with_other_users);
        }
    };
    session.host.answer("docker-info", " /var/lib/docker\n");
    let shifted = ["65535", "65536", "100000", "165536", "166536:33"];
    give(&mut session, "no user namespaces", &shifted);
    session.host.answer("docker-info", "true /var/lib/docker/300000.400000\n");
    let shifted = ["32767", "332767:432767", "301000:400033", "302000:402000", "365535:465535"];
    give(&mut session, "300000.400000", &shifted);
    session.show_tree("lib/data/storage");
    let others = ["100000", "165536", "299999", "300000", "365536:400000", "300000:465536"];
    give(&mut session, "300000.400000", &others);
    session.host.answer("docker-info.exit", "1");
    give(&mut session, "Docker does not answer", &["1000", "165536", "300000:400000"]);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn owner_mode_and_removal() {
    if !as_root("helpers::owner_mode_and_removal") {
        return;
    }
    let mut session = Session::dokku(&[]);
    session.host.write("lib/data/storage/full/deep/file", "");
    for words in [
        &["bin/chown-storage-dir", "full", "1000", "--folder-only"][..],
        &["bin/chown-storage-dir", "full", "1000:2000"],
        &["bin/chown-storage-dir", "full", "65535"],
        &["bin/chmod-storage-dir", "full", "2770"],
        &["bin/chmod-storage-dir", "full", "755"],
        &["bin/chmod-storage-dir", "missing", "755"],
        &["bin/chown-storage-dir", "missing", "1000"],
        &["bin/destroy-storage-dir", "missing"],
        &["bin/destroy-storage-dir", "full"],
    ] {
        session.run_with("", words, not_installed);
        session.show_tree("lib/data/storage");
    }
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = Session::dokku(&[]);
    session.host.make_directory("lib/data/storage/ok");
    session.host.make_directory("lib/data/other");
    for name in ["", ".", "..", "../other", "a/b", "/etc", "a b", "ok\n", "ok/"] {
        session.run(&["bin/chown-storage-dir", name, "1000"]);
        session.run(&["bin/chmod-storage-dir", name, "755"]);
        session.run(&["bin/destroy-storage-dir", name]);
    }
    for id in
        ["", "abc", "-1", "65536", "165535", "231072", "1e3", "0x10", "1000:", ":1000", "1:2:3"]
    {
        session.run(&["bin/chown-storage-dir", "ok", id]);
    }
    for mode in ["", "9", "07777", "u+s", "-R", "10000"] {
        session.run(&["bin/chmod-storage-dir", "ok", mode]);
    }
    session.run(&["bin/chown-storage-dir", "ok", "1000", "--no-such-flag"]);
    session.run(&["bin/chown-storage-dir", "ok", "1000", "--recursive", "more"]);
    session.run(&["bin/chmod-storage-dir", "ok", "755", "more"]);
    session.run(&["bin/destroy-storage-dir", "ok", "other"]);
    session.show_tree("lib/data");
    assert_transcript!(session);
}

#[test]
fn links_are_not_followed() {
    if !as_root("helpers::links_are_not_followed") {
        return;
    }
    let mut session = Session::dokku(&[]);
    session.host.write("outside/precious", "");
    session.host.make_directory("lib/data/storage/full");
    let link = |at: &str| {
        std::os::unix::fs::symlink(session.host.path("outside"), session.host.path(at)).unwrap();
    };
    link("lib/data/storage/link");
    link("lib/data/storage/full/link");
    for words in [
        &["bin/chown-storage-dir", "link", "1000"][..],
        &["bin/chmod-storage-dir", "link", "777"],
        &["bin/destroy-storage-dir", "link"],
        &["bin/chown-storage-dir", "full", "1000"],
        &["bin/destroy-storage-dir", "full"],
    ] {
        session.run_with("", words, not_installed);
    }
    session.show_tree("outside");
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn the_root_is_not_the_callers_to_choose() {
    if !as_root("helpers::the_root_is_not_the_callers_to_choose") {
        return;
    }
    let mut session = Session::dokku(&[]);
    session.host.make_directory("real/data/storage/ok");
    session.host.make_directory("lib/data/storage/ok");
    let words = ["bin/chown-storage-dir", "ok", "1000"];
    session.run_with("through sudo, nothing installed", &words, |call| {
        not_installed(call.env("SUDO_UID", "1000"))
    });
    session.run_with("through sudo, installed for real/", &words, |call| {
        installed(call.env("SUDO_UID", "1000"))
    });
    session.show_tree("lib/data/storage");
    session.show_tree("real/data/storage");
    assert_transcript!(session);
}
