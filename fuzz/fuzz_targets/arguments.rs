//! The arguments of commands that only read: no panic, and one of Dokku's statuses. The input's lines are the words; the
//! first byte chooses the command. What is printed goes to /dev/null (`-close_fd_mask=3`).
#![no_main]

mod scratch;

use std::ffi::OsString;
use std::sync::Once;

use dokku_storage::testing::arguments::{list, pairs};
use libfuzzer_sys::fuzz_target;
use scratch::directory;

const COMMANDS: [&str; 12] = [
    "storage:report",
    "storage:annotations:report",
    "storage:labels:report",
    "storage:policy:report",
    "storage:list",
    "storage:list-entries",
    "storage:info",
    "docker-args-deploy",
    "docker-args-run",
    "docker-args-build",
    "storage-app-mounts",
    "storage-list",
];

static STORE: Once = Once::new();

/// Points this process to a store of its own, with an entry and a mount in it.
fn store() {
    STORE.call_once(|| {
        let root = directory().join("root");
        // SAFETY: no other thread runs yet, and none reads the environment.
        unsafe { std::env::set_var("DOKKU_STORAGE_ROOT", &root) };
        unsafe { std::env::remove_var("DOKKU_LIB_ROOT") };
        for words in [
            &["storage:create", "data"][..],
            &["storage:mount", "blog", "data", "--container-dir", "/data"],
        ] {
            assert_eq!(call(words.iter().map(|word| (*word).to_owned())), 0);
        }
    });
}

fn call(words: impl Iterator<Item = String>) -> i32 {
    dokku_storage::run(std::iter::once("dokku-storage".to_owned()).chain(words).map(OsString::from))
}

fuzz_target!(|input: (u8, &str)| {
    store();
    let (command, text) = input;
    let words: Vec<String> = text.lines().map(str::to_owned).collect();
    let values = list(&words);
    assert!(values.len() >= words.iter().filter(|word| !word.is_empty()).count());
    let _ = pairs(&words);
    let command = COMMANDS[usize::from(command) % COMMANDS.len()];
    let status = call(std::iter::once(command.to_owned()).chain(words));
    assert!([0, 1, 2, 20].contains(&status), "{command} ended in {status}");
});
