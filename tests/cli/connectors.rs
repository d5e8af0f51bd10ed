//! `storage:connectors:*`.

use crate::harness::stubs;
use crate::{Session, assert_transcript};

/// A secret that nothing may show.
const SECRET: &str = "Zq9-never-shown";

/// Stands in for rclone: notes what it is given, and lists or refuses as `answers/rclone-*` say.
const RCLONE: &str = r#"#!/bin/sh
if [ "$1" = obscure ]; then echo "obscured-$(cat)"; exit 0; fi
printf '%s\n' "$*" >>"$(dirname "$0")/../rclone-calls"
env | grep '^RCLONE_\|^HOME\|^DOKKU' | sort >"$(dirname "$0")/../rclone-environment"
answers=$(dirname "$0")/../answers
[ ! -f "$answers/rclone-says" ] || cat "$answers/rclone-says" >&2
[ ! -f "$answers/rclone-lists" ] || cat "$answers/rclone-lists"
[ ! -f "$answers/rclone-exit" ] || exit "$(cat "$answers/rclone-exit")"
"#;

const FILMS: &[&str] = &[
    "storage:connectors:create",
    "films",
    "--type",
    "s3",
    "--endpoint",
    "https://s3.example.com",
    "--region",
    "eu-central-1",
    "--access-key-id",
    "AKIAFILMS",
];

const NAS: &[&str] = &[
    "storage:connectors:create",
    "nas",
    "--type",
    "cifs",
    "--server",
    "nas.example.com",
    "--username",
    "ada",
];

/// An entry over the connector `nas`, as `storage:create` would write it.
const MEDIA: &str = r#"{"name":"media","scheduler":"docker-local","host_path":"media","type":"cifs","connector":"nas","options":{"share":"media"},"schema_version":1}"#;

fn host() -> Session {
    let session = Session::dokku(&["blog"]);
    stubs::script(&session.host.path("stub/bin/rclone"), RCLONE);
    session
}

fn with_connectors() -> Session {
    let session = host();
    for words in [FILMS, NAS] {
        let answer = session.call(words).stdin(SECRET).run();
        assert_eq!(answer.status, 0, "{answer:?}");
    }
    session
}

#[test]
fn made_listed_and_shown() {
    let mut session = host();
    session.run(&["storage:connectors:list"]);
    session.run_with("the secret on standard input", FILMS, |call| call.stdin(SECRET));
    session.run_with("the same again", FILMS, |call| call.stdin(SECRET));
    session.run_with("another secret", FILMS, |call| call.stdin("other"));
    session.run_with("another endpoint", &[FILMS, &["--endpoint", "https://x"]].concat(), |call| {
        call.stdin(SECRET)
    });
    session.run_with("the secret on standard input", NAS, |call| call.stdin(SECRET));
    session.run(&["storage:connectors:create", "open", "--type", "s3"]);
    session.host.write("lib/data/storage-registry/entries/media.json", MEDIA);
    session.run(&["storage:connectors:list"]);
    session.run(&["storage:connectors:list", "--format", "json"]);
    session.run(&["storage:connectors:info", "films"]);
    session.run(&["storage:connectors:info", "nas"]);
    session.run(&["storage:connectors:info", "nas", "--format", "json"]);
    session.run(&["storage:connectors:info", "open"]);
    session.show_tree("lib/data/storage-registry/connectors");
    session.show_file("lib/data/storage-registry/connectors/films.json");
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = with_connectors();
    let create = |words: &[&'static str]| [&["storage:connectors:create"], words].concat();
    for words in [
        &[][..],
        &["UPPER", "--type", "s3"],
        &["new"],
        &["new", "--type", "smb"],
        &["new", "--type", "s4"],
        &["new", "--type", "cifs"],
        &["new", "--type", "s3", "--server", "nas"],
        &["new", "--type", "s3", "--endpoint", "s3.example.com"],
        &["new", "--type", "s3", "--endpoint", "https://me:Zq9-never-shown@s3.example.com"],
        &["new", "--type", "s3", "--region", "eu,x"],
        &["new", "--type", "cifs", "--server", "//nas/media"],
        &["new", "--type", "cifs", "--server", "nas", "--username", "DOM\\\\anna"],
        &["new", "--type", "s3", "--secret", "Zq9-never-shown"],
        &["new", "--type", "s3", "--secret-access-key=Zq9-never-shown"],
        &["new", "--type", "cifs", "--server", "nas", "--password", "Zq9-never-shown"],
        &["new", "--type", "s3", "--access-key-id", "AKIA", "Zq9-never-shown"],
        &["new", "--type", "s3", "--access-key-id", "AKIA"],
        &["new", "--type", "s3", "--secret-file", "-"],
        &["nas", "--type", "s3"],
    ] {
        session.run(&create(words));
    }
    for words in [
        &["storage:connectors:info"][..],
        &["storage:connectors:info", "nope"],
        &["storage:connectors:info", "films", "--format", "yaml"],
        &["storage:connectors:set", "nope", "region", "x"],
        &["storage:connectors:set", "films"],
        &["storage:connectors:set", "films", "server", "x"],
        &["storage:connectors:set", "nas", "server"],
        &["storage:connectors:set", "films", "region", "x", "--endpoint", "https://x"],
        &["storage:connectors:set", "films", "secret", "Zq9-never-shown"],
        &["storage:connectors:set", "films", "secret-access-key", "Zq9-never-shown"],
        &["storage:connectors:set", "films", "secret"],
        &["storage:connectors:set", "films", "--password=Zq9-never-shown"],
        &["storage:connectors:set", "films", "access-key-id", "AKIAOTHER"],
        &["storage:connectors:set", "films", "access-key-id", "", "--secret-file", "-"],
        &["storage:connectors:test", "nope"],
        &["storage:connectors:test", "films", "../etc"],
        &["storage:connectors:test", "films", ":local:/etc"],
        &["storage:connectors:destroy"],
        &["storage:connectors:destroy", "nope"],
    ] {
        session.run(words);
    }
    assert_transcript!(session);
    let errors: Vec<_> =
        session.transcript().lines().filter(|line| line.starts_with("  ")).collect();
    assert!(!errors.join("\n").contains(SECRET), "an answer repeats the secret");
}

#[test]
fn ways_to_give_a_secret() {
    let mut session = host();
    let create =
        |from: &'static str| [&NAS[..1], &["b"], &NAS[2..], &["--secret-file", from]].concat();
    session.host.write("secret", format!("{SECRET}\n"));
    session.host.write("two-lines", "a\nb\n");
    session.host.write("large", "a".repeat(5000));
    session.host.write("binary", [0xff, 0xfe]);
    session.host.write("empty", "");
    let made = assert_cmd::Command::new("mkfifo").arg(session.host.path("pipe")).output().unwrap();
    assert!(made.status.success());
    for file in ["nope", "pipe", "two-lines", "large", "binary", "empty", ""] {
        let path = format!("{{ROOT}}/{file}");
        session.run(&[&create("")[..8], &["--secret-file", &path]].concat());
    }
    session.run(&create("/dev/zero"));
    session.run_with("with a comma", &create("-"), |call| call.stdin("a,b"));
    session.run_with("of several lines", &create("-"), |call| call.stdin("a\nb"));
    session.run_with("nothing", &create("-"), |call| call);
    session.run(&["storage:connectors:list"]);
    session.run(&create("{ROOT}/secret"));
    session.run_with("the same from standard input", &create("-"), |call| call.stdin(SECRET));
    assert_eq!(text_of(&session, "b"), SECRET);
    assert_transcript!(session);
}

#[test]
fn changes() {
    let mut session = with_connectors();
    session.run(&["storage:connectors:set", "films", "region", "eu-west-1"]);
    session.run(&["storage:connectors:set", "films", "region", "eu-west-1"]);
    session.run(&["storage:connectors:set", "films", "--region", "", "--endpoint", "https://x"]);
    session.run_with("another", &["storage:connectors:set", "films", "secret"], |call| {
        call.stdin("second")
    });
    assert_eq!(text_of(&session, "films"), "second");
    session.run_with("the same", &["storage:connectors:set", "films", "secret"], |call| {
        call.stdin("second")
    });
    session.remark("both parts of a key in one step");
    session.host.write("third", "third\n");
    session.run(&[
        "storage:connectors:set",
        "films",
        "--access-key-id",
        "AKIATHIRD",
        "--secret-file",
        "{ROOT}/third",
    ]);
    assert_eq!(text_of(&session, "films"), "third");
    session.run(&["storage:connectors:info", "films"]);
    session.remark("where nobody asks any more, no secret is left");
    session.run(&["storage:connectors:set", "films", "access-key-id"]);
    session.run(&["storage:connectors:info", "films"]);
    session.show_tree("lib/data/storage-registry/connectors");
    session.remark("what cannot follow is said, and the new values are kept");
    session.host.write("lib/data/storage-registry/entries/media.json", MEDIA);
    session.host.answer("docker-volume", "[]");
    session.host.answer("docker-volume.exit", "1");
    session.run_with("another", &["storage:connectors:set", "nas", "secret"], |call| {
        call.stdin("fourth")
    });
    assert_eq!(text_of(&session, "nas"), "fourth");
    assert_transcript!(session);
}

#[test]
fn asking_the_server() {
    let mut session = with_connectors();
    session.host.answer("rclone-lists", "b\na/\nc d\n");
    session.run(&["storage:connectors:test", "films", "films/2024"]);
    session.show_file("stub/rclone-calls");
    session.show_file("stub/rclone-environment");
    session.host.answer("rclone-lists", "media/\n");
    session.run(&["storage:connectors:test", "nas"]);
    session.show_file("stub/rclone-environment");
    let names: Vec<String> = (10..40).map(|number| number.to_string()).collect();
    session.host.answer("rclone-lists", &names.join("\n"));
    session.run(&["storage:connectors:test", "nas", "media"]);
    session.host.answer("rclone-exit", "1");
    session.host.answer(
        "rclone-says",
        &format!(
            "2026/11/21 05:30:22 ERROR : : error listing: AccessDenied: {SECRET} is not yours\n\tstatus code: 403, request id: 1, host id: 2\n2026/11/21 05:30:22 Failed to lsf with 2 errors: last error was: error in ListJSON: AccessDenied\n"
        ),
    );
    session.run(&["storage:connectors:test", "films", "films"]);
    session.remark("without rclone");
    session.run_with("", &["storage:connectors:test", "films"], |call| {
        call.env("PATH", "{ROOT}/nothing")
    });
    session.remark("without the secret's file");
    std::fs::remove_file(secret_file(&session, "films")).unwrap();
    session.run(&["storage:connectors:test", "films"]);
    session.run(&["storage:connectors:info", "films"]);
    assert_transcript!(session);
}

#[test]
fn destroyed_only_where_no_entry_uses_it() {
    let mut session = with_connectors();
    session.host.write("lib/data/storage-registry/entries/media.json", MEDIA);
    session.run(&["storage:connectors:destroy", "nas", "--force"]);
    session.run_with("wrong name", &["storage:connectors:destroy", "films"], |call| {
        call.stdin("film\n")
    });
    session.run_with("right name", &["storage:connectors:destroy", "films"], |call| {
        call.stdin("films\n")
    });
    session.host.write("lib/data/storage-registry/entries/media.json", "{");
    session.run(&["storage:connectors:destroy", "nas", "--force"]);
    session.run(&["storage:connectors:list"]);
    std::fs::remove_file(session.host.path("lib/data/storage-registry/entries/media.json"))
        .unwrap();
    session.run(&["storage:connectors:destroy", "nas", "--force"]);
    session.show_tree("lib/data/storage-registry");
    assert_transcript!(session);
}

#[test]
fn files_that_others_wrote() {
    let mut session = with_connectors();
    let directory = "lib/data/storage-registry/connectors";
    session.host.write(
        &format!("{directory}/films.json"),
        r#"{"name":"films","type":"s3","x_new":[1],"schema_version":7}"#,
    );
    session.run(&["storage:connectors:set", "films", "region", "eu-west-1"]);
    session.show_file(&format!("{directory}/films.json"));
    let trick = r#"{"name":"nas","type":"cifs","server":"nas","username":"a,password=x"}"#;
    session.host.write(&format!("{directory}/nas.json"), trick);
    session.run(&["storage:connectors:info", "nas"]);
    session.host.write(&format!("{directory}/bad.json"), "{");
    session.run(&["storage:connectors:list"]);
    assert_transcript!(session);
}

#[test]
fn who_may_not_see_every_app_sees_no_connector() {
    let session = with_connectors();
    session.host.make_directory("home/wiki");
    session.host.make_directory("lib/plugins/enabled/acl");
    stubs::script(&session.host.path("lib/plugins/enabled/acl/user-auth-app"), "#!/bin/sh\n");
    session.host.answer("user-auth-app", "blog\n");
    for words in [
        FILMS,
        &["storage:connectors:list"],
        &["storage:connectors:info", "films"],
        &["storage:connectors:info", "nope"],
        &["storage:connectors:set", "films", "region", "x"],
        &["storage:connectors:test", "films"],
        &["storage:connectors:destroy", "films", "--force"],
        &["storage:backups:key", "films"],
        &["storage:backups:key", "nope"],
    ] {
        let answer = session.call(words).stdin(SECRET).run();
        assert_eq!((answer.status, answer.stdout.as_str()), (1, ""), "{words:?}: {answer:?}");
        assert!(answer.stderr.contains("who may see every app"), "{words:?}: {answer:?}");
        assert!(!answer.stderr.contains("AKIA"), "{words:?}: {answer:?}");
    }
}

/// Nothing that is printed, traced, or an argument of a program.
#[test]
fn a_secret_is_shown_nowhere() {
    let session = host();
    session.host.write("lib/data/storage-registry/entries/media.json", MEDIA);
    session.host.answer("docker-volume.exit", "1");
    let set = ["storage:connectors:set", "nas", "secret"];
    for words in [
        FILMS,
        NAS,
        NAS,
        &set,
        &["storage:connectors:list", "--format", "json"],
        &["storage:connectors:info", "films"],
        &["storage:connectors:info", "nas", "--format", "json"],
        &["storage:connectors:test", "films", "films"],
        &["storage:connectors:test", "nas", "media"],
        &["storage:wait", "media", "--timeout", "0"],
        &["storage:info", "media"],
        &["storage:list-entries", "--format", "json"],
        &["storage:doctor"],
        &["storage:connectors:destroy", "films", "--force"],
    ] {
        let trace = session.host.path("strace");
        let line = format!("strace -f -qq -s 4096 -e trace=execve -o '{}' \"$@\"", trace.display());
        let answer = session.call(words).env("DOKKU_TRACE", "1").stdin(SECRET).around(&line).run();
        let programs = std::fs::read_to_string(&trace).unwrap();
        assert!(programs.contains("execve("), "nothing was traced: {answer:?}");
        for (what, text) in
            [("stdout", &answer.stdout), ("stderr", &answer.stderr), ("arguments", &programs)]
        {
            assert!(!text.contains(SECRET), "{words:?}: the secret is in {what}: {text}");
            assert!(!text.contains("obscured-"), "{words:?}: the password is in {what}: {text}");
        }
    }
    let given = std::fs::read_to_string(session.host.path("stub/rclone-environment")).unwrap();
    assert!(given.contains(&format!("obscured-{SECRET}")), "rclone was not told: {given}");
}

/// A private key's file and a line with its public part, as `ssh-keygen` makes them.
fn key_pair(session: &Session, name: &str) -> String {
    let path = session.host.path(name);
    let words = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"];
    let made = assert_cmd::Command::new("ssh-keygen").args(words).arg(&path).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    std::fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned()
}

/// The words that save a connector of type sftp, with a known key and a server that nobody asks.
const SFTP: &str = "storage:connectors:create nas --type sftp --server nas.example.com --port 2222 --username ada --path /srv/backups --key-file {ROOT}/key --known-hosts-file {ROOT}/hosts";

fn words(line: &'static str) -> Vec<&'static str> {
    line.split(' ').collect()
}

fn with_files() -> Session {
    let session = host();
    session.host.write("key", "key-of-another-host\n");
    let public = key_pair(&session, "id");
    session.host.write("hosts", format!("[nas.example.com]:2222 {public}\n"));
    session.host.write("hosts-of-another", format!("other.example.com {public}\n"));
    session.host.write("configuration", "[box]\ntype = local\n");
    session
}

#[test]
fn destinations_of_every_type() {
    let mut session = with_files();
    for line in [
        "storage:connectors:create disk --type local --path /mnt/disk/backups --key-file {ROOT}/key --scope blog --scope web-*",
        "storage:connectors:create disk --type local --path /mnt/disk/backups --scope blog,web-*",
        "storage:connectors:create disk --type local --path /mnt/disk/backups --scope blog,web-* --key-file {ROOT}/id",
        "storage:connectors:create drive --type rclone --remote box:/srv/x --secret-file {ROOT}/configuration --key-file {ROOT}/key",
        "storage:connectors:create open --type rest --endpoint http://backups.example.com:8000 --path ada/blog --key-file {ROOT}/key",
        "storage:connectors:create closed --type rest --endpoint https://backups.example.com --username ada --key-file {ROOT}/key --secret-file {ROOT}/key",
        "storage:connectors:create bucket --type s3 --bucket backups --prefix dokku --key-file {ROOT}/key",
        "storage:connectors:list",
        "storage:connectors:list --format json",
        "storage:connectors:info disk",
        "storage:connectors:info drive",
        "storage:connectors:info closed",
        "storage:connectors:info bucket",
        "storage:backups:key disk",
        "storage:connectors:set disk scope",
        "storage:connectors:info disk",
        "storage:connectors:destroy drive --force",
        "storage:connectors:destroy disk --force",
    ] {
        session.run(&words(line));
    }
    session.show_tree("lib/data/storage-registry/connectors");
    assert_transcript!(session);
}

#[test]
fn a_key_is_made_once_and_shown_once() {
    let session = with_files();
    let run = |line: &'static str| session.call(&words(line)).stdin(SECRET).run();
    let made = run("storage:connectors:create disk --type local --path /mnt/b");
    let key = run("storage:backups:key disk").stdout;
    assert_eq!(key.trim().len(), 64, "{key}");
    assert!(made.stdout.contains(key.trim()), "{made:?}");
    assert!(made.stdout.contains("dokku storage:backups:key disk"), "{made:?}");
    for line in [
        "storage:connectors:create disk --type local --path /mnt/b",
        "storage:connectors:set disk path /mnt/c",
        "storage:connectors:info disk",
        "storage:connectors:list --format json",
    ] {
        let answer = run(line);
        assert!(answer.status == 0 && !answer.stdout.contains(key.trim()), "{line}: {answer:?}");
    }
    // A bucket makes a destination of it; its key stays when it is none for a while.
    run("storage:connectors:create films --type s3");
    let none = run("storage:backups:key films");
    assert!(none.status == 1 && none.stderr.contains("no destination"), "{none:?}");
    let set = run("storage:connectors:set films bucket backups");
    let key = run("storage:backups:key films").stdout;
    assert!(set.stdout.contains(key.trim()) && key.len() == 65, "{set:?}");
    run("storage:connectors:set films bucket");
    let set = run("storage:connectors:set films bucket others");
    assert!(!set.stdout.contains(key.trim()), "{set:?}");
    assert_eq!(run("storage:backups:key films").stdout, key);
    // A key that is lost is not replaced by another.
    let file = "lib/data/storage-registry/connectors/films.key";
    std::fs::remove_file(session.host.path(file)).unwrap();
    assert_eq!(run("storage:connectors:set films region eu").status, 0);
    let lost = run("storage:backups:key films");
    assert!(lost.status == 1 && lost.stderr.contains("--key-file"), "{lost:?}");
    assert_eq!(run("storage:connectors:set films --key-file {ROOT}/key").status, 0);
    assert_eq!(run("storage:backups:key films").stdout, "key-of-another-host\n");
}

#[test]
fn an_sftp_server_gets_a_key_pair_of_its_own() {
    let session = with_files();
    let run = |line: &'static str| session.call(&words(line)).run();
    let public = |shown: &str| {
        let line = shown.lines().find_map(|line| line.find("ssh-ed25519").map(|at| &line[at..]));
        line.unwrap_or_else(|| panic!("no public key: {shown}")).to_owned()
    };
    let made = run(SFTP);
    assert_eq!(made.status, 0, "{made:?}");
    let first = public(&made.stdout);
    assert_eq!(public(&run("storage:connectors:info nas").stdout), first);
    assert!(text_of(&session, "nas").ends_with("PRIVATE KEY-----\n"));
    let again = run(SFTP);
    assert!(again.stdout.contains("leaving in place"), "{again:?}");
    let second = public(&run("storage:connectors:set nas secret").stdout);
    assert_eq!(public(&run("storage:connectors:info nas").stdout), second);
    assert_ne!(first, second);
    // One that somebody has.
    let set = run("storage:connectors:set nas --secret-file {ROOT}/id");
    let file = std::fs::read_to_string(session.host.path("id.pub")).unwrap();
    assert_eq!(public(&set.stdout), file.trim());
    let info = run("storage:connectors:info nas --format json");
    assert!(!info.stdout.contains("PRIVATE"), "{info:?}");
    assert!(run("storage:connectors:set nas username eve").status == 0);
    assert_eq!(public(&run("storage:connectors:info nas").stdout), file.trim());
    assert_eq!(run("storage:connectors:destroy nas --force").status, 0);
    let left = std::fs::read_dir(session.host.path("lib/data/storage-registry/connectors"));
    assert_eq!(left.unwrap().count(), 0);
}

#[test]
fn destinations_that_are_refused() {
    let mut session = with_files();
    session.host.write("two-lines", "a\nb\n");
    session.host.write("empty", "");
    for line in [
        "storage:connectors:create a --type local",
        "storage:connectors:create a --type local --path backups",
        "storage:connectors:create a --type local --path {ROOT}/lib/data/storage/app",
        "storage:connectors:create a --type local --path /mnt/b --secret-file -",
        "storage:connectors:create a --type local --path /mnt/b --known-hosts-file {ROOT}/hosts",
        "storage:connectors:create a --type local --path /mnt/b --key-file {ROOT}/two-lines",
        "storage:connectors:create a --type local --path /mnt/b --key-file {ROOT}/empty",
        "storage:connectors:create a --type local --path /mnt/b --key-file {ROOT}/nope",
        "storage:connectors:create a --type local --path /mnt/b --key Zq9-never-shown",
        "storage:connectors:create a --type s3 --key-file {ROOT}/key",
        "storage:connectors:create a --type cifs --server nas --key-file {ROOT}/key",
        "storage:connectors:create a --type cifs --server nas --scope blog",
        "storage:connectors:create a --type rest --endpoint https://x --username ada --key-file -",
        "storage:connectors:create a --type rclone --remote box:x --secret-file - --key-file -",
        "storage:connectors:create a --type rclone --remote :local:/etc",
        "storage:connectors:create a --type rclone --remote other:x --secret-file {ROOT}/configuration",
        "storage:connectors:create a --type sftp --server nas --username ada",
        "storage:connectors:create a --type sftp --server nas --username ada --path /b --known-hosts-file {ROOT}/hosts",
        "storage:connectors:create a --type sftp --server nas --username ada --path /b --known-hosts-file {ROOT}/key",
        "storage:connectors:create a --type sftp --server nas.example.com --port 2222 --username ada --path /b --known-hosts-file {ROOT}/hosts --secret-file {ROOT}/configuration",
        "storage:connectors:create a --type sftp --server 127.0.0.1 --port 1 --username ada --path /b",
        "storage:backups:key",
        "storage:backups:key nope",
        "storage:backups:key nope more",
    ] {
        session.run(&words(line));
    }
    session.remark("a key that is replaced is shown");
    session.run(&words(
        "storage:connectors:create d --type local --path /mnt/b --key-file {ROOT}/key",
    ));
    session.host.write("other-key", "another\n");
    session.run(&words("storage:connectors:set d --key-file {ROOT}/other-key"));
    session.run(&words("storage:connectors:set d --key-file {ROOT}/key"));
    session.run(&words("storage:connectors:set d secret"));
    session.run(&words("storage:backups:key d"));
    session.run(&words("storage:connectors:create r --type rclone --remote box:x --secret-file {ROOT}/configuration --key-file {ROOT}/key"));
    session.run(&words("storage:connectors:set r remote other:x"));
    session.remark("without OpenSSH's programs");
    session.run_with("", &words(SFTP), |call| call.env("PATH", "{ROOT}/nothing"));
    session.show_tree("lib/data/storage-registry/connectors");
    assert_transcript!(session);
}

fn secret_file(session: &Session, name: &str) -> std::path::PathBuf {
    session.host.path(&format!("lib/data/storage-registry/connectors/{name}.secret"))
}

/// What is stored as a connector's secret.
fn text_of(session: &Session, name: &str) -> String {
    std::fs::read_to_string(secret_file(session, name)).unwrap()
}
