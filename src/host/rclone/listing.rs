//! Looking into an object store or a share without mounting it.
//!
//! All that rclone has to know goes through its environment, which only its own user and root can see, and no
//! configuration of anybody's is read.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::words;
use crate::domain::connector_type::Protocol;
use crate::domain::options::{HIDDEN, masked_words};
use crate::domain::{Connector, Error, Result, Secret};
use crate::host::{Answer, Environment, Program, process};

const PROGRAM: &str = "rclone";

const PATIENCE: Duration = Duration::from_secs(20);

/// What rclone calls the one place that it knows.
const NAME: &str = "STORE";

/// One retry, and no long waiting.
const BRIEFLY: [&str; 6] =
    ["--retries=1", "--low-level-retries=2", "--contimeout=5s", "--timeout=15s", "--stats=0", "-q"];

/// A place on a server, with all that is needed to get there.
#[derive(Clone)]
pub(crate) struct Remote {
    environment: Vec<(String, String)>,
    path: String,
    secrets: Vec<String>,
    is_store: bool,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Remote {
    /// What a connector leads to: a bucket or a share, with a directory in it; all there are where the path is empty.
    pub(crate) fn of(connector: &Connector, secret: Option<&Secret>, path: &str) -> Result<Self> {
        process::find(PROGRAM).ok_or_else(|| process::not_here(PROGRAM))?;
        check_path(path)?;
        match connector.protocol() {
            Some(Protocol::ObjectStore) => Ok(Self::s3(connector, secret, path)),
            Some(Protocol::Share) => Self::cifs(connector, secret, path),
            _ => Err(refusal!(
                "connector {} is of type {}, which rclone is not used for",
                connector.name,
                connector.type_name
            )),
        }
    }

    fn s3(connector: &Connector, secret: Option<&Secret>, path: &str) -> Self {
        let mut values = super::settings(connector);
        if let Some(secret) = secret {
            values.push(("access_key_id", &connector.access_key_id));
            values.push(("secret_access_key", secret.reveal()));
        }
        Self { is_store: true, ..Self::new(&values, path, secret, None) }
    }

    fn cifs(connector: &Connector, secret: Option<&Secret>, path: &str) -> Result<Self> {
        let obscured = secret.map(obscure).transpose()?;
        let user = if connector.username.is_empty() { "guest" } else { &connector.username };
        let mut values = vec![("type", "smb"), ("host", &*connector.server), ("user", user)];
        if !connector.domain.is_empty() {
            values.push(("domain", &connector.domain));
        }
        if let Some(obscured) = &obscured {
            values.push(("pass", obscured));
        }
        Ok(Self::new(&values, path, secret, obscured.as_deref()))
    }

    fn new(
        values: &[(&str, &str)],
        path: &str,
        secret: Option<&Secret>,
        obscured: Option<&str>,
    ) -> Self {
        let variable = |(key, value): &(&str, &str)| {
            (format!("RCLONE_CONFIG_{NAME}_{}", key.to_uppercase()), (*value).to_owned())
        };
        let environment = values.iter().map(variable).chain(environment()).collect();
        let secrets = secret.map(Secret::reveal).into_iter().chain(obscured);
        Self {
            environment,
            path: format!("{NAME}:{path}"),
            secrets: secrets.map(str::to_owned).collect(),
            is_store: false,
        }
    }

    /// The path as rclone takes it, which holds no secret.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What the other side said, on one line, without secrets.
    fn words(&self, answer: &Answer) -> String {
        let said = words(answer);
        // Numbers of requests help nobody but the server's own people.
        let mut said = said.split(", request id: ").next().unwrap_or_default().to_owned();
        for secret in &self.secrets {
            said = said.replace(secret.as_str(), HIDDEN);
        }
        if said.is_empty() {
            said = format!("rclone ended with status {} and said nothing", answer.status);
        }
        said
    }

    fn run(&self, command: &[&str]) -> Result<Answer> {
        let words: Vec<&str> = BRIEFLY.iter().chain(command).copied().collect();
        let program = Program::new(PROGRAM, &words).alone(&self.environment);
        program
            .within(PATIENCE)?
            .ok_or_else(|| refusal!("it was not listed within {} seconds", PATIENCE.as_secs()))
    }
}

/// The names of what is there, directories without the slash behind them, in order.
pub(crate) fn list(remote: &Remote) -> Result<Vec<String>> {
    let answer = remote.run(&["lsf", "--max-depth=1", "--", remote.path()])?;
    if answer.status == 0 {
        return Ok(names(&answer));
    }
    let words = remote.words(&answer);
    Err(Error::refused(missing_bucket(remote, &words).unwrap_or(words)))
}

/// The same for a remote of a configuration that is kept in a file; it is read with the ids that are given.
pub(crate) fn list_with(
    configuration: &Path,
    remote: &str,
    ids: Option<(u32, u32)>,
) -> Result<Vec<String>> {
    process::find(PROGRAM).ok_or_else(|| process::not_here(PROGRAM))?;
    let words: Vec<&str> =
        BRIEFLY.into_iter().chain(["lsf", "--max-depth=1", "--", remote]).collect();
    let environment = super::environment(configuration, &[]);
    let answer =
        Program::new(PROGRAM, &words).alone(&environment).with_ids(ids).within(PATIENCE)?;
    let answer = answer
        .ok_or_else(|| refusal!("it was not listed within {} seconds", PATIENCE.as_secs()))?;
    if answer.is_ok() {
        return Ok(names(&answer));
    }
    match masked_words(&super::words(&answer)).as_str() {
        "" => refuse!("rclone ended with status {} and said nothing", answer.status),
        words => refuse!("{words}"),
    }
}

fn names(answer: &Answer) -> Vec<String> {
    let name = |line: &str| line.strip_suffix('/').unwrap_or(line).to_owned();
    let mut names: Vec<String> = answer.stdout.lines().map(name).collect();
    names.sort_unstable();
    names
}

/// rclone keeps to itself what a store says of a bucket that is not there; another question brings it out.
fn missing_bucket(remote: &Remote, words: &str) -> Option<String> {
    if !remote.is_store || words != "directory not found" {
        return None;
    }
    let bucket = remote.path.split('/').next()?;
    let answer = remote.run(&["backend", "versioning", "--", bucket]).ok()?;
    let words = remote.words(&answer);
    // Whoever may list need not be allowed to ask this: only the same refusal counts.
    words.find("NoSuchBucket").map(|at| words[at..].to_owned())
}

/// What rclone is told whatever it does.
fn environment() -> Vec<(String, String)> {
    let search = Environment::search_path();
    let values = [("PATH", &*search), ("RCLONE_CONFIG", "/dev/null"), ("HOME", "/nonexistent")];
    values.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// A password as rclone takes it. That is no encryption: it stays a secret.
fn obscure(secret: &Secret) -> Result<String> {
    let program = Program::new(PROGRAM, &["obscure", "-"]).alone(&environment());
    match program.input(secret.reveal()).within(PATIENCE)? {
        Some(Answer { status: 0, stdout, .. }) if !stdout.trim().is_empty() => {
            Ok(stdout.trim().to_owned())
        }
        _ => Err(refusal!("rclone did not take the password")),
    }
}

fn check_path(path: &str) -> Result<()> {
    let is_plain = !path.contains(char::is_control)
        && !path.starts_with(['/', '-', ':'])
        && !path.split('/').any(|part| part == "..")
        && path.len() <= 1024;
    refuse_if!(
        !is_plain,
        "{path:?} is not the name of a bucket or a share, such as films or films/2024"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::connector_type::TYPES;
    use crate::domain::names::ConnectorName;

    #[test]
    fn a_secret_is_in_the_environment_and_shown_nowhere() {
        let mut connector = Connector::new(ConnectorName::parse("c").unwrap(), &TYPES[0]);
        connector.set("access-key-id", "AKIA").unwrap();
        let secret = Secret::parse("s3cr3t").unwrap();
        let remote = Remote::s3(&connector, Some(&secret), "films");
        assert!(remote.environment.iter().any(|(_, value)| value == "s3cr3t"));
        assert!(!format!("{remote:?}").contains("s3cr3t"));
        assert_eq!(remote.path(), "STORE:films");
        let said = "2026/11/21 05:31:14 ERROR : : error listing: AccessDenied: s3cr3t is bad\n\tstatus code: 403, request id: x";
        let answer = Answer { status: 1, stdout: String::new(), stderr: said.to_owned() };
        assert_eq!(remote.words(&answer), "AccessDenied: *** is bad, status code: 403");
        let provider = |remote: &Remote| {
            let mut variables = remote.environment.iter();
            variables.find(|(key, _)| key.ends_with("PROVIDER")).unwrap().1.clone()
        };
        assert_eq!(provider(&remote), "AWS");
        connector.set("endpoint", "https://s3.example.com").unwrap();
        assert_eq!(provider(&Remote::s3(&connector, None, "")), "Other");
    }

    #[test]
    fn paths_lead_nowhere_else() {
        for bad in ["../x", "a/../b", "-x", "/x", ":local:/etc", "a\nb"] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
        assert!(check_path("films/2024 and later").is_ok());
    }
}
