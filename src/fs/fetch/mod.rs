//! Fetching from the web: by the programs `git` and `curl`, with no rights and nothing of the caller's environment.

mod ask;
mod download;
mod git;
mod ping;

use std::path::PathBuf;

pub(crate) use ask::status;
pub(crate) use download::download;
pub(crate) use git::fetch as fetch_git;
pub(crate) use ping::ping;

use crate::domain::Result;
use crate::host::{is_root, process, rclone};

/// The user without any rights, as the kernel and Debian number it.
const NOBODY: (u32, u32) = (65534, 65534);

/// Who fetches.
///
/// As root it is `owner`, or a user without rights where there is none; as somebody else it is the caller.
pub(crate) fn fetcher(owner: Option<(u32, u32)>) -> Option<(u32, u32)> {
    is_root().then(|| owner.filter(|(uid, _)| *uid != 0).unwrap_or(NOBODY))
}

/// A program's path, with what brings it where it is not on this host.
fn program(wanting: &str, name: &str) -> Result<PathBuf> {
    process::find(name).ok_or_else(|| {
        let refused = refusal!("{wanting} needs {name}, which is not here");
        refused.hint(process::installing(name).unwrap_or_default())
    })
}

fn environment(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let common = [("PATH", rclone::PATH), ("HOME", "/nonexistent"), ("LC_ALL", "C")];
    common
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// What a program said, on one line, with nothing in it that a terminal would act upon.
fn words(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = lines.join(", ");
    let line: String =
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    if line.is_empty() { "it did not say why".to_owned() } else { line }
}
