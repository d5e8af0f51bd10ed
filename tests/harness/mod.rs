//! What the test programs share: a throw-away host with calls of the program on it, stand-ins for the programs around it,
//! pictures of what it holds, and the program under strace.
#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests have an environment and files of their own"
)]

pub mod call;
pub mod host;
pub mod plugin;
pub mod running;
pub mod snapshot;
pub mod strace;
pub mod stubs;
pub mod xargs;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

pub use call::Call;
pub use host::Host;
pub use plugin::Plugin;
pub use running::{Answer, Running};
pub use snapshot::Snapshot;
pub use stubs::Fired;

/// What the crash suite kills with strace, which is cargo's program, another call of the same program goes on with.
const IS_CRASH: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"crash");

/// The program under test: the one that `DOKKU_STORAGE_BINARY` names, as for the other suites, else the one that cargo built with
/// the tests.
pub fn program_under_test() -> &'static str {
    static NAMED: LazyLock<Option<String>> =
        LazyLock::new(|| std::env::var("DOKKU_STORAGE_BINARY").ok().filter(|_| !IS_CRASH));
    NAMED.as_deref().unwrap_or(env!("CARGO_BIN_EXE_dokku-storage"))
}

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the program.
pub fn source_files() -> Vec<PathBuf> {
    let (mut files, mut directories) = (Vec::new(), vec![repository().join("src")]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// Says something that is seen also where a test passes: the test runner only keeps back what `println!` says.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "    {text}");
}

/// How often the random and the repeated parts are run: 1, or what `TRUST_ROUNDS` says.
pub fn rounds() -> usize {
    let given = std::env::var("TRUST_ROUNDS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(1).max(1)
}

/// Whether root runs the tests.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether the test can be run, which needs root; where it cannot, that is said, and under `CI=true` it fails.
pub fn as_root(test: &str) -> bool {
    if is_root() {
        return true;
    }
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!in_ci, "{test} needs root, and CI=true: run the tests as root");
    say(&format!("SKIPPED, NOT TESTED: {test} needs root (sudo ./test.sh)"));
    false
}

/// What went wrong, collected so that one problem does not hide the others.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// One more.
    pub fn add(&mut self, problem: String) {
        self.0.push(problem);
    }

    /// Those of another collection.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Fails, with the first of them, where there are any.
    pub fn must_be_none(&self) {
        let shown: Vec<&str> = self.0.iter().take(12).map(String::as_str).collect();
        assert!(self.0.is_empty(), "{} problems:\n\n{}", self.0.len(), shown.join("\n\n"));
    }
}

/// Numbers that look random and are the same again from the same seed (xorshift).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    /// One of several.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}
