//! The triggers of Dokku's backups.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use crate::{Session, assert_transcript};

const INCLUDE: &str = "DOKKU_BACKUP_INCLUDE_STORAGE";

/// A host with an app that mounts what a backup has, and what it has not.
fn host() -> Session {
    let session = Session::dokku(&["blog", "empty"]);
    session.prepare(&["storage:create", "data", "--label", "tier=gold"]);
    session.prepare(&["storage:create", "unused"]);
    session.prepare(&["storage:ensure-directory", "old", "--chown", "false"]);
    session.prepare(&["storage:create", "older", "{ROOT}/lib/data/storage/old"]);
    session.prepare(&["storage:mount", "blog", "older", "--container-dir", "/old"]);
    session.prepare(&["storage:mount", "blog", "/srv/elsewhere:/elsewhere:ro"]);
    session.prepare(&["storage:mount", "blog", "some-volume:/volume"]);
    session.prepare(&[
        "storage:mount",
        "blog",
        "data",
        "--container-dir",
        "/my data",
        "--process-type",
        "web",
        "--volume-options",
        "Z",
    ]);
    session.prepare(&["storage:app:set", "blog", "missing-source", "ignore"]);
    session.host.write("lib/data/storage/data/deep/file", "precious\n");
    session.host.write("lib/data/storage/old/file", "old\n");
    let data = session.host.path("lib/data/storage/data");
    symlink("deep/file", data.join("link")).unwrap();
    fs::hard_link(data.join("deep/file"), data.join("same")).unwrap();
    fs::set_permissions(data.join("deep"), fs::Permissions::from_mode(0o2710)).unwrap();
    fs::set_permissions(data.join("deep/file"), fs::Permissions::from_mode(0o640)).unwrap();
    session.host.make_directory("backup/blog");
    session.host.make_directory("backup/global");
    session
}

const BLOG: &str = "{ROOT}/backup/blog";
const GLOBAL: &str = "{ROOT}/backup/global";

fn export(session: &mut Session) {
    session
        .run_with("with data", &["backup-app-export", "blog", BLOG], |call| call.env(INCLUDE, "1"));
    session.run(&["backup-global-export", GLOBAL]);
}

#[expect(clippy::disallowed_methods, reason = "what is not the program's to make")]
fn shell(script: &str) {
    assert!(Command::new("sh").args(["-c", script]).status().unwrap().success(), "{script}");
}

/// Another host, with the backup of this one.
fn other(session: &Session, apps: &[&str]) -> Session {
    let other = Session::dokku(apps);
    let to = other.host.path("backup");
    let from = session.host.path("backup");
    // Real hosts have the same root.
    let roots = format!("s#{}#{}#g", session.host.root().display(), other.host.root().display());
    let (from, to) = (from.display(), to.display());
    shell(&format!(
        "cp -a '{from}' '{to}' && find '{to}' -type f -not -name '*.gz' -exec sed -i '{roots}' {{}} +"
    ));
    other
}

#[test]
fn what_is_exported_is_there_on_a_fresh_host() {
    let mut session = host();
    session.run(&["backup-app-export", "blog", BLOG]);
    session.remark("without data, entries and mounts are in it");
    session.show_tree("backup");
    export(&mut session);
    session.show_tree("backup");
    session.show_file("backup/blog/config/storage.yml");
    session.show_file("backup/blog/data/storage-entries/data.json");
    session.run(&["backup-app-export", "empty", GLOBAL]);

    let mut fresh = other(&session, &["blog"]);
    fresh.remark("a fresh host");
    fresh.run(&["backup-global-import", GLOBAL]);
    fresh.run(&["backup-app-import", "blog", BLOG]);
    fresh.run(&["storage:list", "blog", "--format", "json"]);
    fresh.run(&["storage:list-entries"]);
    fresh.run(&["storage:app:report", "blog"]);
    fresh.show_tree("lib/data/storage");
    fresh.show_file("lib/data/storage/data/deep/file");
    fresh.remark("once more, nothing changes");
    fresh.host.write("lib/data/storage/data/deep/file", "newer\n");
    fresh.run(&["backup-app-import", "blog", BLOG]);
    fresh.show_file("lib/data/storage/data/deep/file");
    let same = |name: &str| fs::metadata(fresh.host.path(name)).unwrap();
    let data = "lib/data/storage/data";
    assert_eq!(same(&format!("{data}/same")).ino(), same(&format!("{data}/deep/file")).ino());
    assert_transcript!(session);
    assert_transcript!(fresh);
}

#[test]
fn what_is_there_stays() {
    let mut session = host();
    export(&mut session);
    let mut there = other(&session, &["blog"]);
    there.prepare(&["storage:create", "data"]);
    there.host.write("lib/data/storage/data/mine", "mine");
    there.host.write("lib/data/storage/old/mine", "mine");
    there.prepare(&["storage:mount", "blog", "/srv/mine:/mine"]);
    there.run(&["backup-app-import", "blog", BLOG]);
    there.show_tree("lib/data/storage");
    there.run(&["storage:info", "data"]);
    there.run(&["storage:list", "blog"]);
    assert_transcript!(there);
}

#[test]
fn a_backup_that_is_none_is_refused_as_a_whole() {
    let mut session = host();
    export(&mut session);
    let mut there = other(&session, &["blog"]);
    let recipe = "backup/blog/config/storage.yml";
    let entry = "backup/blog/data/storage-entries/data.json";
    let archive = "backup/blog/data/storage-data/data.tar.gz";
    let originals: Vec<(&str, Vec<u8>)> = [recipe, entry, archive]
        .map(|name| (name, fs::read(there.host.path(name)).unwrap()))
        .into();
    for (file, content) in [
        (recipe, b"just text".to_vec()),
        (recipe, b"- tasks:\n  - dokku_app: {app: blog}\n".to_vec()),
        (recipe, b"- tasks:\n  - dokku_storage_property: {property: mounts, value: nonsense}\n".to_vec()),
        (recipe, br#"[{"tasks": [{"dokku_storage_property": {"property": "mounts", "value": "{\"entry_name\":\"nowhere\",\"container_path\":\"/x\",\"phases\":[\"run\"]}"}}]}]"#.to_vec()),
        (entry, b"{}".to_vec()),
        (entry, br#"{"name":"other","scheduler":"docker-local","host_path":"/x","schema_version":1}"#.to_vec()),
        (entry, br#"{"name":"data","scheduler":"docker-local","host_path":"/x","schema_version":99}"#.to_vec()),
        ("backup/blog/data/storage-entries/README", b"hello".to_vec()),
        (archive, b"no archive".to_vec()),
    ] {
        there.host.write(file, &content);
        there.run_with(&format!("{file} is another"), &["backup-app-import", "blog", BLOG], |c| c);
        match originals.iter().find(|(name, _)| *name == file) {
            Some((_, original)) => there.host.write(file, original),
            None => fs::remove_file(there.host.path(file)).unwrap(),
        }
    }
    for words in [
        &["backup-app-import", "blog", "relative"][..],
        &["backup-app-import", "blog"],
        &["backup-global-export", "/nowhere"],
    ] {
        there.run(words);
    }
    there.remark("nothing of it was imported");
    there.show_tree("lib/data/storage");
    there.show_tree("lib/config/storage");
    assert_transcript!(there);
}

#[test]
fn an_archive_that_leads_out_is_refused() {
    let mut session = host();
    export(&mut session);
    let mut there = other(&session, &["blog"]);
    let archive = there.host.path("backup/blog/data/storage-data/older.tar.gz");
    let bad = there.host.path("bad");
    for make in
        ["ln -s /etc/passwd out", "ln -s ../../x out", "cp /bin/true set-uid && chmod 4755 set-uid"]
    {
        let script = format!(
            "rm -rf {0} && mkdir {0} && cd {0} && echo good > good && {make} && tar -czf {1} .",
            bad.display(),
            archive.display()
        );
        shell(&script);
        there.run_with(make, &["backup-app-import", "blog", BLOG], |call| call);
    }
    there.remark("nothing of it was imported");
    there.show_tree("lib/data/storage");
    there.show_tree("lib/config/storage");
    assert_transcript!(there);
}

#[test]
fn two_entries_at_one_directory_come_back_together() {
    let session = Session::dokku(&["blog"]);
    session.host.write("lib/data/storage/shared/in/file", "precious\n");
    session.host.make_directory("backup/blog");
    session.prepare(&["storage:create", "shared"]);
    session.prepare(&["storage:mount", "blog", "shared", "--container-dir", "/a"]);
    session.prepare(&["storage:mount", "blog", "{LIB}/data/storage/shared:/b"]);
    session.prepare(&["storage:mount", "blog", "{LIB}/data/storage/shared/in:/c"]);
    let export = session.call(&["backup-app-export", "blog", BLOG]).env(INCLUDE, "1").run();
    assert_eq!(export.status, 0, "{export:?}");
    let written = fs::read_dir(session.host.path("backup/blog/data/storage-data")).unwrap();
    let written: Vec<_> = written.map(|file| file.unwrap().file_name()).collect();
    // Dokku's own plugin has an archive of each.
    let data = session.host.path("backup/blog/data");
    shell(&format!(
        "cd '{}' && for entry in storage-entries/legacy-*; do cp storage-data/shared.tar.gz storage-data/$(basename $entry .json).tar.gz; done",
        data.display()
    ));
    let there = other(&session, &["blog"]);
    let import = there.call(&["backup-app-import", "blog", BLOG]).run();
    assert_eq!(import.status, 0, "{import:?}");
    let file = there.host.path("lib/data/storage/shared/in/file");
    assert_eq!(fs::read_to_string(file).unwrap(), "precious\n");
    let mounts = there.call(&["storage:list", "blog", "--format", "json"]).run().stdout;
    assert_eq!(mounts.matches("container_path").count(), 3, "{mounts}");
    assert_eq!(written, ["shared.tar.gz"]);
}

/// An export of the directory `data`, in which a script was run.
fn export_of(script: &str) -> (Session, crate::harness::Answer) {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.host.make_directory("backup/blog");
    shell(&format!("cd '{}' && {script}", session.host.path("lib/data/storage/data").display()));
    let export = session.call(&["backup-app-export", "blog", BLOG]).env(INCLUDE, "1").run();
    (session, export)
}

#[test]
fn what_no_import_takes_is_named_by_the_export() {
    for (script, why) in [
        ("touch foreign && chown 100000 foreign", "./foreign\" is refused: "),
        (
            "for i in $(seq 300); do mkdir d && cd d || exit; done; touch file",
            "is refused: it is too many directories deep",
        ),
    ] {
        let (session, export) = export_of(script);
        assert!(export.status == 1 && export.stderr.contains(why), "{script}: {export:?}");
        let said = "blog: the data of storage entry \"data\" cannot be in the backup";
        assert!(export.stderr.contains(said), "{script}: {export:?}");
        assert!(!session.host.path("backup/blog/data/storage-data/data.tar.gz").exists());
        shell(&format!("rm -rf '{}'", session.host.path("lib/data/storage/data").display()));
    }
}

#[test]
fn links_and_pipes_with_several_names_come_back() {
    let (session, export) = export_of(
        "mkdir -p a/b c && ln -s ../x a/b/in && ln a/b/in out && ln a/b/in c/down && ln -s /srv/x a/abs && ln a/abs c/abs && mkfifo pipe && ln pipe c/pipe",
    );
    assert_eq!(export.status, 0, "{export:?}");
    let there = other(&session, &["blog"]);
    // One by one, those that lead out must be listed, also where the link that they are another name of need not be.
    let list = "backup/blog/data/storage-data/data.links.json";
    let links = fs::read_to_string(there.host.path(list)).unwrap();
    there.host.write(list, links.replace("./out", "./other"));
    let import = there.call(&["backup-app-import", "blog", BLOG]).run();
    assert!(import.status == 1 && import.stderr.contains("leads out"), "{import:?}");
    there.host.write(list, links);
    let import = there.call(&["backup-app-import", "blog", BLOG]).run();
    assert_eq!(import.status, 0, "{import:?}");
    let found = |name: &str| {
        fs::symlink_metadata(there.host.path(&format!("lib/data/storage/data/{name}"))).unwrap()
    };
    for (one, others) in [("a/b/in", vec!["out", "c/down"]), ("a/abs", vec!["c/abs"])] {
        for other in others {
            assert_eq!(found(one).ino(), found(other).ino(), "{one} and {other}");
        }
    }
    assert!(found("c/pipe").file_type().is_fifo());
}

#[test]
fn a_name_that_keeps_data_out_of_a_backup_is_told_with_its_characters() {
    let session = Session::dokku(&["blog"]);
    session.host.write("lib/data/storage/my.app/file", "x");
    session.host.make_directory("backup/blog");
    session.prepare(&["storage:mount", "blog", "{LIB}/data/storage/my.app:/data"]);
    let export = session.call(&["backup-app-export", "blog", BLOG]).env(INCLUDE, "1").run();
    let said = "it is in the directory \"my.app\" of the storage root, whose name has other characters than letters, digits, \"-\" and \"_\"";
    assert!(export.status == 0 && export.stderr.contains(said), "{export:?}");
}

#[test]
fn an_import_for_an_app_that_is_not_there_changes_nothing() {
    let session = host();
    session.prepare(&["backup-app-export", "blog", BLOG]);
    let there = other(&session, &["shop"]);
    let import = there.call(&["backup-app-import", "blog", BLOG]).run();
    assert_eq!(import.status, 20, "{import:?}");
    assert!(import.stderr.contains("App blog does not exist"), "{import:?}");
    assert!(!there.host.path("lib/config/storage/blog").exists());
    assert!(!there.host.path("lib/data/storage-registry/entries/data.json").exists());
}

#[test]
fn files_are_exported_without_rights_and_directories_keep_their_group() {
    let (session, export) = export_of(
        "echo x > su && chmod 4755 su && echo y > sg && chmod 2750 sg && mkdir shared && chmod 6775 shared && echo z > plain && mkfifo pipe && chmod 4600 pipe",
    );
    assert_eq!(export.status, 0, "{export:?}");
    let said = "blog: 2 files of storage entry \"data\" are in the backup without their set-uid and set-gid bits";
    assert!(export.stderr.contains(said), "{export:?}");
    let there = other(&session, &["blog"]);
    let import = there.call(&["backup-app-import", "blog", BLOG]).run();
    assert_eq!(import.status, 0, "{import:?}");
    let modes = ["su", "sg", "shared", "plain"].map(|name| {
        let path = format!("lib/data/storage/data/{name}");
        fs::metadata(there.host.path(&path)).unwrap().mode() & 0o7777
    });
    assert_eq!(modes[..3], [0o755, 0o750, 0o2775], "{modes:?}");
    // The original stays as it is.
    let own = fs::metadata(session.host.path("lib/data/storage/data/su")).unwrap();
    assert_eq!(own.mode() & 0o7777, 0o4755);
}

#[test]
fn what_cannot_be_exported_keeps_nothing_else_from_it() {
    let session = Session::dokku(&["blog"]);
    for name in ["a", "b", "c"] {
        session.prepare(&["storage:create", name]);
        let path = format!("/{name}");
        session.prepare(&["storage:mount", "blog", name, "--container-dir", &path]);
    }
    session.host.make_directory("backup/blog");
    shell(&format!(
        "cd '{}' && for name in a b; do touch $name/foreign && chown 100000 $name/foreign; done && echo good > c/good",
        session.host.path("lib/data/storage").display()
    ));
    let export = session.call(&["backup-app-export", "blog", BLOG]).env(INCLUDE, "1").run();
    assert_eq!(export.status, 1, "{export:?}");
    for name in ["a", "b"] {
        let said = format!("the data of storage entry \"{name}\" cannot be in the backup");
        assert!(export.stderr.contains(&said), "{export:?}");
    }
    let written = |name: &str| {
        session.host.path(&format!("backup/blog/data/storage-data/{name}.tar.gz")).exists()
    };
    assert_eq!(["a", "b", "c"].map(written), [false, false, true]);
    for name in ["a", "b"] {
        shell(&format!(
            "rm -rf '{}'",
            session.host.path(&format!("lib/data/storage/{name}")).display()
        ));
    }
}

/// What the path of an entry looks like says nothing: where the storage root was does.
#[test]
fn only_what_was_below_the_storage_root_is_below_that_of_this_host() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "own"]);
    session.prepare(&["storage:create", "part", "{ROOT}/lib/data/storage/old/in"]);
    session.prepare(&["storage:create", "far", "{ROOT}/srv/x/data/storage/far"]);
    for name in ["own", "part", "far"] {
        let path = format!("/{name}");
        session.prepare(&["storage:mount", "blog", name, "--container-dir", &path]);
    }
    session.host.make_directory("backup/blog");
    session.prepare(&["backup-app-export", "blog", BLOG]);
    let path = |of: &Session, name: &str| {
        let file = of.host.path(&format!("lib/data/storage-registry/entries/{name}.json"));
        let entry: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        entry["host_path"].as_str().unwrap().to_owned()
    };
    // A host with another storage root.
    let fresh = Session::dokku(&["blog"]);
    let (from, to) = (session.host.path("backup"), fresh.host.path("backup"));
    shell(&format!("cp -a '{}' '{}'", from.display(), to.display()));
    let answer = fresh.call(&["backup-app-import", "blog", BLOG]).run();
    assert_eq!(answer.status, 0, "{answer:?}");
    let here = fresh.host.path("lib/data/storage").display().to_string();
    assert_eq!(path(&fresh, "own"), format!("{here}/own"));
    assert_eq!(path(&fresh, "part"), format!("{here}/old/in"));
    assert_eq!(path(&fresh, "far"), path(&session, "far"));
    let told = |name: &str| answer.stderr.contains(&format!("Storage entry {name} was at "));
    assert_eq!(["own", "part", "far"].map(told), [true, true, false], "{answer:?}");
    // An older backup does not say the root: what is there is not moved.
    let older = Session::dokku(&["blog"]);
    let to = older.host.path("backup");
    shell(&format!(
        "cp -a '{}' '{to}' && rm '{to}/blog/data/storage-root'",
        from.display(),
        to = to.display()
    ));
    older.prepare(&["backup-app-import", "blog", BLOG]);
    assert_eq!(path(&older, "far"), path(&session, "far"));
    fs::remove_dir(session.host.path("lib/data/storage/own")).unwrap();
    let gone = Session::dokku(&["blog"]);
    let to = gone.host.path("backup");
    shell(&format!("cp -a '{}' '{}'", older.host.path("backup").display(), to.display()));
    gone.prepare(&["backup-app-import", "blog", BLOG]);
    assert_eq!(path(&gone, "own"), gone.host.path("lib/data/storage/own").display().to_string());
}
