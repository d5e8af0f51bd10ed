//! Any command with any arguments: it ends in one of Dokku's statuses, says what is wrong in words, and never
//! panics.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use dokku_storage::catalog::{CATALOG, Kind};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::harness::Host;
use crate::inputs;
use crate::trial::try_all;

/// The files of the plugin's directory that may be called with anything: not what works outside of the host's root.
fn files() -> Vec<String> {
    let subcommands = CATALOG.of_kind(Kind::Subcommand).chain(CATALOG.of_kind(Kind::Addition));
    let triggers =
        CATALOG.of_kind(Kind::Trigger).filter(|row| !["install", "uninstall"].contains(&row.name));
    let subcommands = subcommands.map(|row| format!("subcommands/{}", row.name));
    subcommands.chain(triggers.map(|row| row.name.to_owned())).collect()
}

/// An argument: no NUL, not too long for the system, and no path outside of the host's root.
fn argument() -> impl Strategy<Value = Vec<u8>> {
    let flags = vec![
        "blog",
        "data",
        "--format",
        "json",
        "--format=",
        "--app",
        "--storage-deploy-mounts",
        "--container-dir",
        "--phase",
        "--process-type",
        "--volume-options",
        "--volume-subpath",
        "--volume-chown",
        "--chown",
        "--mode",
        "--label",
        "--scope",
        "--force",
        "--all",
        "--global",
        "--help",
        "--scheduler",
        "--size",
    ];
    let any = prop_oneof![
        3 => select(flags).prop_map(|flag| flag.as_bytes().to_vec()),
        2 => inputs::bytes(),
        1 => inputs::mount().prop_map(String::into_bytes),
        1 => inputs::text().prop_map(|value| format!("--label={value}").into_bytes()),
    ];
    any.prop_map(|mut bytes| {
        bytes.retain(|&byte| byte != 0);
        bytes.truncate(100_000);
        if bytes.starts_with(b"/") { [b"{ROOT}", bytes.as_slice()].concat() } else { bytes }
    })
}

#[test]
fn any_command_with_any_arguments() {
    let host = Host::new(&["blog"]);
    host.call("subcommands/create").words(["storage:create", "data"]).run();
    let root = host.root().as_os_str().as_encoded_bytes().to_vec();
    let inputs = (select(files()), vec(argument(), 0..6));
    try_all("commands", 16, &inputs, |(file, words), count| {
        let mut call = host.call(&file).env("DOKKU_APPS_FORCE_DELETE", "1");
        if file.starts_with("subcommands/") {
            call = call.words(["storage:command"]);
        }
        for word in words {
            let word = match word.strip_prefix(b"{ROOT}") {
                Some(rest) => [root.as_slice(), rest].concat(),
                None => word,
            };
            call = call.raw_word(OsString::from_vec(word));
        }
        let answer = call.run();
        count.note(answer.status == 0);
        prop_assert!([0, 1, 2, 20].contains(&answer.status), "{}: {:?}", file, answer);
        prop_assert!(!answer.stderr.contains("panicked"), "{}: {:?}", file, answer);
        prop_assert!(
            answer.status == 0 || !answer.stderr.is_empty(),
            "{} says nothing: {:?}",
            file,
            answer
        );
        if [1, 20].contains(&answer.status) {
            let told = answer.stderr.lines().any(|line| line.starts_with(" !     "));
            prop_assert!(told, "{}: {:?}", file, answer);
        }
        let is_raw = |c: char| c.is_control() && c != '\n';
        prop_assert!(
            !answer.stderr.contains(is_raw),
            "{} prints control characters: {:?}",
            file,
            answer
        );
        Ok(())
    });
}
