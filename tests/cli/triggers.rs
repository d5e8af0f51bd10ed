//! The triggers other than `docker-args-*` and `report`.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Answer, Call, as_root, is_root};
use crate::{Session, assert_transcript};

fn host() -> Session {
    let session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:mount", "blog", "/srv/shared:/shared"]);
    session.prepare(&["storage:mount", "blog", "/srv/own:/own", "--phase", "run"]);
    session.prepare(&["storage:mount", "wiki", "/srv/shared:/shared"]);
    session
}

#[test]
fn storage_app_mounts() {
    let mut session = host();
    session.run(&["storage-app-mounts", "blog"]);
    session.run(&["storage-app-mounts", "blog", "run"]);
    session.run(&["storage-app-mounts", "blog", "build"]);
    session.run(&["storage-app-mounts", "blog", "stop"]);
    session.run(&["storage-app-mounts", "nothing"]);
    session.run(&["storage-app-mounts"]);
    assert_transcript!(session);
}

#[test]
fn storage_list() {
    let mut session = host();
    session.run(&["storage-list", "blog"]);
    session.run(&["storage-list", "blog", "run", "json"]);
    session.run(&["storage-list", "blog", "build"]);
    assert_transcript!(session);
}

#[test]
fn post_delete() {
    let mut session = host();
    session.host.write("lib/config/storage/blog/x-of-somebody", "");
    session.run(&["post-delete", "blog"]);
    session.remark("data stays, and what another app mounts");
    session.run(&["storage:list-entries"]);
    session.show_tree("lib/config");
    session.show_tree("lib/data/storage");
    session.run(&["post-delete", "blog"]);
    session.run(&["post-delete", "never-there"]);
    session.run(&["post-delete"]);
    session.run(&["post-delete", ".."]);
    assert_transcript!(session);
}

#[test]
fn clone_and_rename() {
    let mut session = host();
    session.run(&["post-app-clone-setup", "blog", "copy"]);
    session.run(&["post-app-rename-setup", "blog", "moved"]);
    session.show_tree("lib/config");
    session.show_file("lib/config/storage/copy/mounts");
    session.show_file("lib/config/storage/moved/mounts");
    session.run(&["post-app-rename-setup", "moved", "moved"]);
    session.run(&["post-app-clone-setup", "nothing", "other"]);
    session.run(&["post-app-rename-setup", "nothing", "other"]);
    session.run(&["post-app-clone-setup", "moved"]);
    session.run(&["post-app-clone-setup", "moved", "../x"]);
    session.show_tree("lib/config");
    assert_transcript!(session);
}

#[test]
fn pre_deploy() {
    let mut session = Session::dokku(&["blog", "fine", "empty"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "fine", "data", "--container-dir", "/data"]);
    session.prepare(&["storage:mount", "fine", "vol-ume:/volume"]);
    session.run(&["pre-release-builder", "herokuish", "fine", "dokku/fine:latest"]);
    session.run(&["pre-release-builder", "herokuish", "empty", "dokku/empty:latest"]);
    for (name, path) in [
        ("a", "{ROOT}/srv/a b"),
        ("b", "{ROOT}/lib/data/storage/ensured"),
        ("c", "{ROOT}/lib/data/storage/c"),
        ("only-run", "{ROOT}/srv/run"),
    ] {
        let phase = if name == "only-run" { "run" } else { "deploy" };
        session.prepare(&["storage:create", name, path]);
        let place = format!("/{name}");
        let words = ["storage:mount", "blog", name, "--container-dir", &place, "--phase", phase];
        session.prepare(&words);
        std::fs::remove_dir(session.host.expand(path)).unwrap();
    }
    session.prepare(&[
        "storage:mount",
        "blog",
        "data",
        "--container-dir",
        "/d",
        "--volume-subpath",
        "part",
    ]);
    session.run(&["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.remark("nothing was made");
    session.show_tree("lib/data/storage");
    session.show_tree("srv");
    session.remark("Dokku in a container sees only its own folders of the host");
    session.run_with(
        "DOKKU_LIB_HOST_ROOT=/host",
        &["pre-release-builder", "herokuish", "blog", "dokku/blog:latest"],
        |call| call.env("DOKKU_LIB_HOST_ROOT", "/host"),
    );
    assert_transcript!(session);
}

#[test]
fn triggers_with_nothing_to_say() {
    let mut session = host();
    session.prepare(&["storage:app:set", "blog", "missing-source", "create"]);
    session.run(&["core-post-extract", "blog", "/tmp/work", "abc"]);
    session.run(&["post-extract", "blog", "/tmp/work", "abc"]);
    session.run(&["post-release-builder", "herokuish", "blog", "dokku/blog:latest"]);
    session.run(&["core-post-deploy", "blog", "5000", "172.17.0.2", "latest"]);
    session.run(&["post-deploy", "blog", "5000", "172.17.0.2", "latest"]);
    session.run(&["cron-entries", "docker-local"]);
    session.run(&["uninstall", "another-plugin"]);
    assert_transcript!(session);
}

/// Runs a call in a mount namespace of its own, where nothing is installed yet, and shows what it installed.
fn hidden(call: Call<'_>) -> Call<'_> {
    call.around(
        "unshare --mount bash -c 'mount -t tmpfs -o mode=755 none /usr/local/lib &&
           mount -t tmpfs -o mode=750 none /etc/sudoers.d && \"$@\" && status=0 || status=$?
           cd / && find usr/local/lib etc/sudoers.d -mindepth 1 -printf \"%M %u:%g %p %l\\n\" | sort
           cat usr/local/lib/dokku-storage/storage-root; echo; cat etc/sudoers.d/* 2>/dev/null
           exit $status' bash \"$@\"",
    )
}

#[test]
fn install_as_root() {
    if !as_root("triggers::install_as_root") {
        return;
    }
    let mut session = Session::dokku(&["blog", "broken"]);
    session.host.write("lib/config/docker-options/blog/_default_.deploy", "-v /srv/a:/a\n");
    session
        .host
        .write("lib/config/docker-options/broken/_default_.deploy", b"-v /srv/a:/a\n\xff\n");
    session.host.write("lib/config/storage/wiki/mounts", "");
    // Dokku's user owns docker-options' files; those of the app `broken` are no text.
    let owned = session.host.path("lib/config/docker-options");
    let answer =
        assert_cmd::Command::new("chown").args(["-R", "daemon:daemon"]).arg(owned).output();
    assert!(answer.unwrap().status.success());
    session.run_with("nothing installed before", &["install"], |call| {
        // Without this variable, the links of the shared directory stay as they are.
        let call = call.without_env("PLUGIN_AVAILABLE_PATH");
        hidden(call.env("DOKKU_SYSTEM_USER", "daemon").env("DOKKU_SYSTEM_GROUP", "daemon"))
    });
    session.show_tree("lib/data");
    session.show_tree("lib/config");
    assert_transcript!(session);
}

#[test]
fn install_and_uninstall() {
    if !as_root("triggers::install_and_uninstall") {
        return;
    }
    let session = Session::dokku(&[]);
    let line = "unshare --mount bash -c 'mount -t tmpfs -o mode=755 none /usr/local/lib &&
        mount -t tmpfs -o mode=750 none /etc/sudoers.d &&
        echo other >/etc/sudoers.d/other &&
        \"$1\" && \"$1\" && ls /usr/local/lib /etc/sudoers.d && \"${1%/*}/uninstall\" storage &&
        ls /usr/local/lib /etc/sudoers.d' bash \"$@\"";
    let answer = session.call(&["install"]).without_env("PLUGIN_AVAILABLE_PATH").around(line).run();
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(
        answer.stdout,
        "/etc/sudoers.d:\ndokku-storage\nother\n\n/usr/local/lib:\ndokku-storage\n/etc/sudoers.d:\nother\n\n/usr/local/lib:\n",
        "{answer:?}"
    );
}

#[test]
fn install_by_who_is_not_root() {
    let session = Session::dokku(&["blog"]);
    session.host.write("lib/config/docker-options/blog/_default_.deploy", "-v /srv/a:/a\n");
    let call = session.call(&["install"]);
    let call = if is_root() {
        call.env("DOKKU_SYSTEM_USER", "daemon").env("DOKKU_SYSTEM_GROUP", "daemon").around(
            "chown -R daemon:daemon . && exec setpriv --reuid daemon --regid daemon --clear-groups -- \"$@\"",
        )
    } else {
        call
    };
    let answer = call.run();
    assert_eq!((answer.status, answer.stdout.as_str(), answer.stderr.as_str()), (0, "", ""));
    let listed = session.call(&["storage:list", "blog"]).run();
    assert!(listed.stdout.contains("/srv/a:/a"), "{listed:?}");
}

/// A host on which a trigger runs as root, for the user `daemon`.
struct Stay(Session);

impl Stay {
    fn trigger(&self, words: &[&str]) -> Answer {
        let call = self.0.call(words).without_env("PLUGIN_AVAILABLE_PATH");
        let call = call.env("DOKKU_SYSTEM_USER", "daemon").env("DOKKU_SYSTEM_GROUP", "daemon");
        let answer = call
            .around(
                "chown -R daemon:daemon lib && unshare --mount bash -c 'mount -t tmpfs none /usr/local/lib &&
                   mount -t tmpfs none /etc/sudoers.d && exec \"$@\"' bash \"$@\"",
            )
            .run();
        assert_eq!(answer.status, 0, "{answer:?}");
        answer
    }

    fn file(&self, inside: &str) -> PathBuf {
        self.0.host.path(&format!("lib/{inside}"))
    }

    fn kept(&self) -> PathBuf {
        self.file("data/storage-registry/kept.json")
    }

    fn value(&self, inside: &str) -> Value {
        let file = self.file(inside);
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap()
    }

    fn entry(&self, name: &str) -> Value {
        self.value(&format!("data/storage-registry/entries/{name}.json"))
    }

    /// Writes an entry, or a mount, as Dokku's own plugin does: without the fields that it does not know, and with one more.
    fn rewrite(&self, inside: &str, changed: &str, to: &str) {
        let known = [
            ["name", "scheduler", "host_path", "chown"],
            ["mode", "schema_version", "entry_name", "container_path"],
            ["phases", "process_type", "readonly", "labels"],
        ];
        let mut value = self.value(inside);
        let fields = value.as_object_mut().unwrap();
        fields.retain(|field, _| known.as_flattened().contains(&field.as_str()));
        fields.insert(changed.to_owned(), to.into());
        self.0.host.write(&format!("lib/{inside}"), format!("{value}\n"));
    }

    fn rewrite_entry(&self, name: &str, changed: &str, to: &str) {
        self.rewrite(&format!("data/storage-registry/entries/{name}.json"), changed, to);
    }
}

const MOUNTS: &str = "config/storage/blog/mounts";

/// Entries and a mount with fields that Dokku's own plugin does not know.
fn stay() -> Option<Stay> {
    if !as_root("triggers") {
        return None;
    }
    let stay = Stay(Session::dokku(&["blog"]));
    let session = &stay.0;
    session.prepare(&["storage:create", "photos", "--scope", "blog", "--exclusive"]);
    session.prepare(&["storage:create", "moved", "/srv/moved", "--scope", "blog"]);
    session.prepare(&["storage:create", "gone", "--scope", "blog"]);
    session.prepare(&["storage:mount", "blog", "photos", "--container-dir", "/photos"]);
    for (inside, field) in
        [(MOUNTS, "need"), ("data/storage-registry/entries/photos.json", "later")]
    {
        let mut value = stay.value(inside);
        value[field] = "uploads".into();
        session.host.write(&format!("lib/{inside}"), format!("{value}\n"));
    }
    Some(stay)
}

#[test]
fn what_dokkus_plugin_removes_comes_back_with_the_next_install() {
    let Some(stay) = stay() else { return };
    let (photos, mut moved) = (stay.entry("photos"), stay.entry("moved"));
    let mounts = stay.value(MOUNTS);
    assert_eq!(stay.trigger(&["uninstall", "storage"]).stderr, "");
    let kept = std::fs::metadata(stay.kept()).unwrap();
    assert_eq!((kept.uid(), kept.mode() & 0o777), (1, 0o600));
    stay.rewrite_entry("photos", "reclaim_policy", "Retain");
    stay.rewrite_entry("moved", "host_path", "/srv/other");
    std::fs::remove_file(stay.file("data/storage-registry/entries/gone.json")).unwrap();
    stay.rewrite(MOUNTS, "volume_options", "Z");
    let answer = stay.trigger(&["install"]);
    let said = "       Restored what Dokku's plugin had removed of storage entries: photos\n";
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), (said, ""));
    let with = |mut value: Value, field: &str, text: &str| {
        value[field] = text.into();
        value
    };
    assert_eq!(stay.entry("photos"), with(photos, "reclaim_policy", "Retain"));
    assert_eq!(stay.value(MOUNTS), with(mounts, "volume_options", "Z"));
    for field in ["scope", "node"] {
        moved.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(stay.entry("moved"), with(moved, "host_path", "/srv/other"));
    assert!(!stay.file("data/storage-registry/entries/gone.json").exists());
    assert!(!stay.kept().exists());
    let answer = stay.trigger(&["install"]);
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", ""));
}

#[test]
fn a_damaged_copy_of_what_dokkus_plugin_removes_does_not_stop_an_install() {
    let Some(stay) = stay() else { return };
    let photos = stay.entry("photos");
    stay.0.host.write("lib/data/storage-registry/kept.json", "{\"entries\": [{");
    let answer = stay.trigger(&["install"]);
    assert!(answer.stderr.contains("was not restored: {ROOT}/lib/data/storage-registry/kept.json"));
    assert!(stay.kept().exists());
    // Another stay does not replace it.
    let answer = stay.trigger(&["uninstall", "storage"]);
    assert!(answer.stderr.contains("kept.json"), "{answer:?}");
    assert_eq!(std::fs::read_to_string(stay.kept()).unwrap(), "{\"entries\": [{");
    std::fs::remove_file(stay.kept()).unwrap();
    // One that could not be restored is not lost with the next.
    stay.trigger(&["uninstall", "storage"]);
    stay.rewrite_entry("photos", "reclaim_policy", "Retain");
    stay.trigger(&["uninstall", "storage"]);
    stay.rewrite_entry("photos", "reclaim_policy", "Delete");
    assert!(stay.trigger(&["install"]).stdout.contains(": photos\n"));
    assert_eq!(stay.entry("photos")["scope"], photos["scope"]);
    assert!(!stay.kept().exists());
}

#[test]
fn what_cannot_be_read_after_a_stay_keeps_its_copy() {
    let Some(stay) = stay() else { return };
    let (photos, mounts) = (stay.entry("photos"), stay.value(MOUNTS));
    stay.trigger(&["uninstall", "storage"]);
    stay.rewrite_entry("photos", "reclaim_policy", "Retain");
    stay.rewrite(MOUNTS, "volume_options", "Z");
    let entry = "lib/data/storage-registry/entries/photos.json";
    let files = [entry.to_owned(), format!("lib/{MOUNTS}")];
    let whole = files.clone().map(|file| std::fs::read_to_string(stay.0.host.path(&file)).unwrap());
    for file in &files {
        stay.0.host.write(file, "{\n");
    }
    stay.trigger(&["install"]);
    assert!(stay.kept().exists());
    stay.trigger(&["uninstall", "storage"]);
    for (file, whole) in files.iter().zip(whole) {
        stay.0.host.write(file, whole);
    }
    assert!(stay.trigger(&["install"]).stdout.contains(": photos\n"));
    assert_eq!(stay.entry("photos")["scope"], photos["scope"]);
    assert_eq!(stay.value(MOUNTS)["need"], mounts["need"]);
    assert!(!stay.kept().exists());
}

#[test]
fn without_fields_of_our_own_there_is_no_copy() {
    let Some(stay) = stay() else { return };
    for name in ["photos", "moved", "gone"] {
        stay.rewrite_entry(name, "mode", "0755");
    }
    stay.rewrite(MOUNTS, "volume_options", "Z");
    stay.trigger(&["uninstall", "storage"]);
    assert!(!stay.kept().exists());
}
