//! Calling the helpers of sudo the way root can: directly, below the throw-away root.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use crate::harness::program_under_test;
use crate::harness::{Answer, Host, Running};

/// Makes `bin/` with the helpers in the root.
pub fn install(host: &Host) {
    fs::create_dir_all(host.path("bin")).unwrap();
    for name in [
        "chown-storage-dir",
        "chmod-storage-dir",
        "copy-storage-dir",
        "destroy-storage-dir",
        "size-storage-dir",
        "usage-storage-dir",
    ] {
        symlink(program_under_test(), host.path("bin").join(name)).unwrap();
    }
}

/// Runs a helper.
pub fn run<W: AsRef<OsStr>>(host: &Host, name: &str, words: &[W]) -> Answer {
    let mut command = host.program(host.path("bin").join(name));
    command.args(words);
    Running::start(command, name).finish()
}

/// Runs a helper from a line of shell, in which `"$@"` is the helper with its arguments.
pub fn run_in<W: AsRef<OsStr>>(host: &Host, shell: &str, name: &str, words: &[W]) -> Answer {
    let mut command = host.program("/bin/sh");
    command.args(["-c", shell, "sh"]).arg(host.path("bin").join(name)).args(words);
    Running::start(command, name).finish()
}

/// Runs a line of shell with mounts of its own, which are gone when it ends; `None` where this machine does
/// not allow that, which is said, and under `CI=true` fails.
pub fn with_own_mounts<W: AsRef<OsStr>>(host: &Host, shell: &str, words: &[W]) -> Option<Answer> {
    let mut command = host.program("unshare");
    command.args(["--mount", "--propagation", "private", "/bin/true"]);
    if Running::start(command, "unshare").finish().status != 0 {
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci, "unshare --mount is not allowed here, and CI=true");
        crate::harness::say("SKIPPED, NOT TESTED: unshare --mount is not allowed here");
        return None;
    }
    let mut command = host.program("unshare");
    command
        .args(["--mount", "--propagation", "private", "/bin/bash", "-euc", shell, "bash"])
        .args(words);
    Some(Running::start(command, shell).finish())
}

/// The directory `app` of the storage root, made.
pub fn app(host: &Host) -> PathBuf {
    let app = host.path("lib/data/storage/app");
    fs::create_dir_all(&app).unwrap();
    app
}

/// Who owns a path, a link itself included.
pub fn owner(path: &Path) -> (u32, u32) {
    let metadata =
        fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (metadata.uid(), metadata.gid())
}
