//! The content of a git repository, by `git`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::domain::{Error, GitReference, Result, WebAddress};
use crate::fs::fetch::{environment, program, words};
use crate::fs::tree;
use crate::host::{Answer, Program, process};

/// What git may do: nothing that the repository or this host's configuration says.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", "/bin/false"),
    ("GIT_ALLOW_PROTOCOL", "https:http"),
    ("GIT_LFS_SKIP_SMUDGE", "1"),
];

/// Its settings.
const SETTINGS: [&str; 8] = [
    "protocol.ext.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "http.followRedirects=initial",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=60",
    "transfer.fsckObjects=true",
    "gc.auto=0",
];

/// Populates the directory `name` directly below `root`, which belongs to `ids` and nobody else may enter, with what is in the
/// repository; its history stays away. Returns the commit.
/// Where that fails, what was fetched stays, for the caller to remove.
pub(crate) fn fetch(
    root: &Path,
    name: &str,
    address: &WebAddress,
    reference: Option<&GitReference>,
    ids: Option<(u32, u32)>,
) -> Result<String> {
    let git = Git { program: program("--from", "git")?, directory: root.join(name), ids };
    let directory = git.directory.display().to_string();
    git.must(&["init", "--quiet", "--template=", "--", &directory], address)?;
    let wanted = reference.map_or("HEAD", GitReference::as_str);
    let fetch = "fetch --quiet --depth=1 --no-tags --no-recurse-submodules --".split(' ');
    let fetch: Vec<&str> = fetch.chain([address.as_str(), wanted]).collect();
    git.must(&fetch, address)?;
    let checkout = ["checkout", "--quiet", "--detach", "--no-recurse-submodules", "FETCH_HEAD"];
    git.must(&checkout, address)?;
    let commit = git.must(&["rev-parse", "--short=12", "HEAD"], address)?.stdout;
    tree::remove(&git.directory, ".git")?;
    check_links(&git.directory)?;
    Ok(commit.trim().to_owned())
}

struct Git {
    program: PathBuf,
    directory: PathBuf,
    ids: Option<(u32, u32)>,
}

impl Git {
    fn must(&self, command: &[&str], address: &WebAddress) -> Result<Answer> {
        let (git, directory) = (self.program.display(), self.directory.display());
        let (git, directory) = (git.to_string(), directory.to_string());
        let settings = SETTINGS.iter().flat_map(|setting| ["-c", setting]);
        let own = ["-C", &directory].into_iter().chain(settings).chain(command.iter().copied());
        // It ends with this process, however that does.
        let guard = process::find("setpriv");
        let before: &[&str] = match guard {
            Some(_) => &["--pdeathsig", "KILL", "--", &git],
            None => &[],
        };
        let arguments: Vec<&str> = before.iter().copied().chain(own).collect();
        let runs = guard.as_deref().unwrap_or(&self.program);
        let program = Program::new(runs, &arguments).alone(&environment(&ENVIRONMENT));
        let (said, mut answer) = program.with_ids(self.ids).received(|stdout| {
            let mut said = String::new();
            stdout.take(4096).read_to_string(&mut said).map(|_| said)
        })?;
        if answer.status != 0 {
            // An address may have a key behind a question mark.
            let told = answer.stderr.replace(address.as_str(), &address.to_string());
            refuse!("git did not fetch {address}: {}", words(&told));
        }
        answer.stdout = said.unwrap_or_default();
        Ok(answer)
    }
}

/// Refuses links that lead out. Nobody else can be in the directory, and git has ended.
fn check_links(top: &Path) -> Result<()> {
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        let path = top.join(&directory);
        let names = fs::read_dir(&path).map_err(Error::system("read", &path))?;
        for found in names {
            let found = found.map_err(Error::system("read", &path))?;
            let kind = found.file_type().map_err(Error::system("read", &path))?;
            let inner = directory.join(found.file_name());
            if kind.is_dir() {
                directories.push(inner);
            } else if kind.is_symlink() {
                let target = fs::read_link(found.path()).map_err(Error::system("read", &path))?;
                let target = std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str());
                tree::must_stay_inside(&inner, target).map_err(|error| {
                    refusal!(
                        "the repository's member {:?} is refused: {error}",
                        inner.to_string_lossy()
                    )
                })?;
            }
        }
    }
    Ok(())
}
