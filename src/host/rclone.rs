//! rclone, which speaks to object stores: what it is told, and what it says.

pub(crate) mod listing;

use std::path::{Path, PathBuf};

use super::process::{self, Answer, Program};
use crate::domain::{Connector, Error, Result, Secret};

pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What the remote is called in a configuration.
pub(crate) const REMOTE: &str = "store";

pub(crate) fn program() -> Result<PathBuf> {
    installed("rclone")
}

/// A program of this host, in whose place nobody's search path can put another.
pub(super) fn installed(name: &str) -> Result<PathBuf> {
    let mut places = PATH.split(':').map(|directory| Path::new(directory).join(name));
    places.find(|place| place.is_file()).ok_or_else(|| process::not_here(name))
}

pub(crate) fn configuration(connector: &Connector, secret: Option<&Secret>) -> Result<String> {
    let mut lines = vec![format!("[{REMOTE}]")];
    for (key, value) in settings(connector) {
        lines.push(format!("{key} = {}", carried(key, value)?));
    }
    if !connector.access_key_id.is_empty() {
        let id = carried("access-key-id", &connector.access_key_id)?;
        lines.push(format!("access_key_id = {id}"));
    }
    if connector.has_secret() {
        let secret = secret.ok_or_else(|| {
            refusal!("connector {} has no secret access key; set it: dokku storage:connectors:set {} secret",
                connector.name, connector.name)
        })?;
        lines.push(format!("secret_access_key = {}", carried("secret", secret.reveal())?));
    }
    Ok(lines.join("\n") + "\n")
}

/// How an object store is spoken to, by rclone's names, without the keys.
fn settings(connector: &Connector) -> Vec<(&'static str, &str)> {
    let mut settings = vec![("type", "s3"), ("env_auth", "false"), ("no_check_bucket", "true")];
    if connector.endpoint.is_empty() {
        settings.push(("provider", "AWS"));
    } else {
        settings.extend([("provider", "Other"), ("force_path_style", "true")]);
        settings.push(("endpoint", &connector.endpoint));
    }
    if !connector.region.is_empty() {
        settings.push(("region", &connector.region));
    }
    settings
}

/// Refuses a value that rclone would read as another.
fn carried<'a>(name: &str, value: &'a str) -> Result<&'a str> {
    let is_plain = value.trim() == value && !value.starts_with(['"', '`']) && !value.contains("%(");
    refuse_if!(
        !is_plain,
        "the {name} begins or ends with a blank, begins with a quote, or has \"%(\" in it, which rclone cannot take"
    );
    Ok(value)
}

/// The environment in which it runs: nothing of the caller's.
pub(crate) fn environment(configuration: &Path, more: &[(&str, String)]) -> Vec<(String, String)> {
    let mut environment = vec![
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOME".to_owned(), "/nonexistent".to_owned()),
        ("RCLONE_CONFIG".to_owned(), configuration.display().to_string()),
    ];
    for (name, value) in more {
        environment.retain(|(present, _)| present != name);
        environment.push(((*name).to_owned(), value.clone()));
    }
    environment
}

/// Asks the server for what is at a path of the remote, and is content with the beginning of it.
pub(crate) fn must_list(configuration: &Path, path: &str, ids: Option<(u32, u32)>) -> Result<()> {
    let words = "lsf --max-depth=1 --retries=1 --low-level-retries=1 --contimeout=4s --timeout=8s";
    let words: Vec<&str> = words.split(' ').chain([path]).collect();
    let program = Program::new(program()?, &words).alone(&environment(configuration, &[]));
    let (_, answer) = program.with_ids(ids).beginning(1)?;
    if answer.is_ok() { Ok(()) } else { Err(Error::refused(reason(&answer))) }
}

/// The server's words in what rclone says about a bucket.
pub(crate) fn reason(answer: &Answer) -> String {
    match words(answer).as_str() {
        "" => format!("rclone ended with status {} and said nothing", answer.status),
        "directory not found" => "the bucket does not exist".to_owned(),
        words => words.to_owned(),
    }
}

/// What rclone says, on one line, without what it puts around the words of others.
fn words(answer: &Answer) -> String {
    let text = answer.stderr.trim();
    let marks = ["error listing: ", "error in ListJSON: ", "last error was: ", "Failed to "];
    let found = marks.iter().find_map(|mark| text.find(mark).map(|at| &text[at + mark.len()..]));
    let words = found.unwrap_or(text);
    // What follows is told again, by a line with a time of its own.
    let lines: Vec<&str> = words
        .lines()
        .take_while(|line| !begins_with_a_time(line))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(", ")
}

fn begins_with_a_time(line: &str) -> bool {
    let shape = line.bytes().take(11).map(|b| if b.is_ascii_digit() { b'0' } else { b });
    shape.eq(*b"0000/00/00 ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stderr: &str) -> Answer {
        Answer { status: 1, stdout: String::new(), stderr: stderr.to_owned() }
    }

    #[test]
    fn the_servers_words_are_found() {
        let text = "2026/11/21 05:00:00 ERROR : : error listing: InvalidAccessKeyId: no such key\n\tstatus code: 403, request id: x\n2026/11/21 05:00:00 Failed to lsf with 2 errors: last error was: error in ListJSON: InvalidAccessKeyId";
        assert_eq!(
            reason(&said(text)),
            "InvalidAccessKeyId: no such key, status code: 403, request id: x"
        );
        assert!(reason(&said("")).contains("status 1"));
    }
}
