//! What several test programs share: a throw-away Dokku-like host, and stand-ins for the programs around it.
#![allow(dead_code, unused_imports, reason = "each test program uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

pub mod call;
pub mod host;
pub mod plugin;
pub mod stubs;
pub mod xargs;

use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub use call::{Answer, Call};
pub use host::Host;
pub use plugin::Plugin;
pub use stubs::Fired;

/// Whether the tests run as root; only root can give folders away.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Says something past the test harness, which keeps what passing tests print to itself.
pub fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says that a test did not run, and why.
pub fn skipped(test: &str, reason: &str) {
    say(&format!("SKIPPED {test}: {reason}"));
}

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
