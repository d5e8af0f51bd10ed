//! What restic says: its JSON, and its failures as sentences with what to type.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::domain::connector_type::Protocol;
use crate::domain::options::masked_words;
use crate::domain::{Connector, Error};
use crate::host::Answer;

/// Why something was not done with a repository.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no repository.
    Missing,
    /// Somebody else works on it, or says so.
    Locked,
    /// Anything else, as a sentence.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Failure {
    pub(crate) fn of(answer: &Answer, connector: &Connector) -> Self {
        // Where it says why it failed, that is at the end.
        let text = in_words(&format!("{}\n{}", answer.stdout, answer.stderr));
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let name = &connector.name;
        let set = format!("dokku storage:connectors:set {name}");
        if answer.status == 11 || has(&["already locked"]) {
            return Self::Locked;
        }
        // A server that refuses says so before it is known whether there is a repository.
        let place = place(connector);
        let refused = if has(&["wrong password or no key found"]) {
            format!(
                "the repository of connector {name} at {place} does not open with the connector's key: it is somebody else's, or has another key; give its key: {set} --key-file PATH, or choose another place"
            )
        } else if has(&["Host key verification failed", "IDENTIFICATION HAS CHANGED", "@@@@@@@@"]) {
            format!(
                "{place} is not the server that connector {name} knows, or its host key has changed; if it has, give its new key: {set} --known-hosts-file PATH"
            )
        } else if has(&["Permission denied (publickey"]) {
            format!(
                "{place} does not let connector {name} in; add the connector's public key to authorized_keys there (dokku storage:connectors:info {name} shows it)"
            )
        } else if has(&["bucket does not exist", "NoSuchBucket"]) {
            format!("{place} has no such bucket; create it there, or: {set} bucket NAME")
        } else if has(&[
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "Access Key Id you provided",
        ]) {
            format!("{place} does not accept the key of connector {name}; set it: {set} secret")
        } else if has(&["Access Denied", "AccessDenied", "403 Forbidden", "401 Unauthorized"]) {
            format!(
                "{place} does not let connector {name} read and write there; let it in there, or set its credentials: {set} secret"
            )
        } else if is_without_room_here(&text, connector) {
            "there is no room on this host for what is restored, or for what restic keeps meanwhile; see which disk is full, make room there, and run the command again: df -h".to_owned()
        } else if has(&["no space left on device", "quota exceeded", "disk quota"]) {
            format!(
                "{place} is full; make room there, or forget backups: dokku storage:backups:list --from {name}"
            )
        } else if has(&["unsupported repository version", "invalid repository version"]) {
            format!(
                "the repository of connector {name} at {place} was made by a newer restic; install that one on this host"
            )
        } else if has(&[
            "no such host",
            "connection refused",
            "i/o timeout",
            "no route to host",
            "network is unreachable",
            "Could not resolve",
            "Connection refused",
            "Connection timed out",
            "connection reset",
        ]) {
            format!("{place} cannot be reached ({}); try again once it answers", last_line(&text))
        } else if has(&["goroutine "]) {
            format!(
                "restic broke off with connector {name} at {place}, which it does where there is no room; look whether there is, then try again"
            )
        } else if answer.status == 10 && !has(NO_ANSWER)
            || has(&["Is there a repository at the following location"]) && has(NOT_THERE)
        {
            return Self::Missing;
        } else {
            let why = answer.killed().unwrap_or_else(|| last_line(&text));
            format!("restic could not work with connector {name} at {place}: {why}")
        };
        Self::Other(Error::refused(refused))
    }

    pub(crate) fn no_answer(connector: &Connector, patience: Duration) -> Self {
        Self::Other(refusal!(
            "{} did not answer within {} seconds; check the network and connector {}: dokku storage:connectors:test {}",
            place(connector),
            patience.as_secs(),
            connector.name,
            connector.name
        ))
    }

    /// The failure as a sentence, where nothing can be done about it here.
    pub(crate) fn told(self, connector: &Connector) -> Error {
        let name = &connector.name;
        match self {
            Self::Missing => refusal!(
                "connector {name} has no repository at {}; mount the disk it is on, or, if there was none yet, make a backup: dokku storage:backups:create ENTRY --to {name}",
                place(connector)
            ),
            Self::Locked => refusal!(
                "somebody works on the repository of connector {name}; try again later, or see who: dokku storage:backups:unlock {name}"
            ),
            Self::Other(error) => error,
        }
    }
}

/// Where a connector's repository is, for people.
fn place(connector: &Connector) -> String {
    let property = |name| connector.property(name);
    let parts = match connector.protocol() {
        Some(Protocol::Directory) => vec![property("path")],
        Some(Protocol::Rclone) => vec![property("remote")],
        Some(Protocol::Sftp) => return format!("{}:{}", connector.place(), property("path")),
        Some(Protocol::ObjectStore) => {
            vec![connector.place(), property("bucket"), property("prefix")]
        }
        _ => vec![connector.place(), property("path")],
    };
    let parts: Vec<&str> = parts.iter().map(|part| part.trim_end_matches('/')).collect();
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("/").replace("//", "/").replacen(":/", "://", 1)
}

/// What restic said, with the words of the messages that it writes as JSON since version 0.17.
fn in_words(text: &str) -> String {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    let line = |line: &str| {
        let said = line.starts_with('{').then(|| serde_json::from_str::<Said>(line).ok()).flatten();
        said.map_or_else(|| line.to_owned(), |said| said.message)
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// What is said where there is no repository, and not where nobody knows whether there is one.
const NOT_THERE: &[&str] =
    &["no such file", "does not exist", "not found", "not exist", "(404)", "404 Not Found"];

/// What a server says that cannot answer now.
const NO_ANSWER: &[&str] = &["500 ", "502 ", "503 ", "504 ", "(500)", "(502)", "(503)", "(504)"];

/// What restic says where it will try again.
pub(super) const TRYING: &str = "returned error, retrying after ";

/// What restic says at the end of what it has said already.
const COUNTS: [&str; 2] = ["Fatal: There were ", "Summary: "];

/// The last of restic's words that says something, without secrets.
fn last_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let says = |line: &&str| {
        !line.starts_with('{')
            && !line.contains("Is there a repository")
            && !line.contains("debug.Stack")
            && !COUNTS.iter().any(|count| line.starts_with(count))
    };
    let lines: Vec<&str> = lines.filter(says).collect();
    // What it starts itself knows best why a server did not let it in.
    let below =
        lines.iter().rev().find_map(|line| line.strip_prefix("subprocess ")?.split_once(": "));
    if let Some((_, said)) = below {
        return masked_words(said);
    }
    let fatal = lines.iter().rev().find(|line| line.starts_with("Fatal: "));
    let line = fatal.or(lines.last()).map_or("it did not say why", |line| line);
    let tried = line.split_once(TRYING).and_then(|(_, rest)| rest.split_once(": "));
    let line = tried.map_or(line, |(_, why)| why);
    masked_words(line.trim_start_matches("Fatal: "))
}

/// Whether it was a path of this host, and not of the repository, where there was no room.
fn is_without_room_here(text: &str, connector: &Connector) -> bool {
    let repository = match connector.protocol() {
        Some(Protocol::Directory) => connector.property("path"),
        _ => "",
    };
    let failed = text.lines().filter_map(|line| line.split_once(": no space left on device"));
    failed.map(|(before, _)| before).any(|before| {
        let is_of_repository = !repository.is_empty() && before.contains(repository);
        let place = before.rsplit([' ', '"']).next().unwrap_or_default();
        place.starts_with('/') && !is_of_repository
    })
}

/// A backup as restic lists it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Listed {
    pub id: String,
    /// When, as RFC 3339.
    pub time: String,
    #[serde(default)]
    pub hostname: String,
    #[serde(default)]
    pub tags: Vec<String>,
    /// The id that it had before it got other tags.
    #[serde(default)]
    pub original: String,
}

impl Listed {
    /// When it was made, with the parts of the second.
    pub(crate) fn at(&self) -> Timestamp {
        self.time.parse().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The value of a tag `NAME=VALUE`.
    pub(crate) fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find_map(|tag| tag.strip_prefix(name)?.strip_prefix('='))
    }
}

/// Somebody who says that they work on a repository.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Lock {
    pub time: String,
    #[serde(default)]
    pub hostname: String,
    #[serde(default)]
    pub pid: u32,
}

/// A file or a directory in a backup.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Node {
    pub path: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    pub mtime: String,
    #[serde(default)]
    pub uid: u32,
    #[serde(default)]
    pub gid: u32,
    #[serde(default)]
    pub permissions: String,
}

/// A line of a backup's JSON.
#[derive(Debug, Deserialize)]
#[serde(tag = "message_type", rename_all = "snake_case")]
pub(crate) enum Message {
    Status {
        #[serde(default)]
        bytes_done: u64,
    },
    Error {
        #[serde(default)]
        item: String,
    },
    Summary(Summary),
    #[serde(other)]
    Other,
}

/// What a backup came to.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Summary {
    pub snapshot_id: String,
    /// The bytes that were sent, before compression.
    pub data_added: u64,
    pub total_files_processed: u64,
    pub total_bytes_processed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ConnectorName;
    use crate::domain::connector_type::TYPES;

    fn failure(stderr: &str) -> Failure {
        let connector = Connector::new(ConnectorName::parse("off").unwrap(), &TYPES[0]);
        let answer = Answer { status: 1, stdout: String::new(), stderr: stderr.to_owned() };
        Failure::of(&answer, &connector)
    }

    #[test]
    fn what_is_newer_by_a_part_of_a_second_is_newer() {
        let at = |time: &str| {
            let listed = serde_json::json!({"id": "1", "time": time});
            serde_json::from_value::<Listed>(listed).unwrap().at()
        };
        assert!(at("2026-11-30T10:00:00Z") < at("2026-11-30T10:00:00.5Z"));
        assert!(at("2026-11-30T11:00:00.45+01:00") < at("2026-11-30T10:00:00.5Z"));
    }

    #[test]
    fn a_failure_says_what_to_type() {
        let missing = "Fatal: unable to open config file: stat /x/config: no such file or directory\nIs there a repository at the following location?\n/x";
        assert!(matches!(failure(missing), Failure::Missing));
        let locked = "unable to create lock in backend: repository is already locked by PID 7 on a by root (UID 0, GID 0)";
        assert!(matches!(failure(locked), Failure::Locked));
        let told = |stderr: &str| match failure(stderr) {
            Failure::Other(error) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(told("Fatal: wrong password or no key found").contains("--key-file"));
        let full = "Fatal: write /srv/root/.destroyed-a-1/data/file: no space left on device";
        assert!(told(full).contains("no room on this host"), "{}", told(full));
        let full = "Save(<data/1>) returned error: write: no space left on device";
        assert!(told(full).contains("forget backups"), "{}", told(full));
        let bucket = "Fatal: unable to open config file: Stat: The specified bucket does not exist.\nIs there a repository at the following location?\ns3:http://127.0.0.1/b";
        assert!(told(bucket).contains("no such bucket"));
        assert!(
            told("Fatal: dial tcp 127.0.0.1:9: connect: connection refused")
                .contains("cannot be reached")
        );
        let newer = r#"{"message_type":"exit_error","code":1,"message":"Fatal: unable to open repository: flood"}"#;
        assert!(told(newer).ends_with(": unable to open repository: flood"), "{}", told(newer));
        let again = "Stat(<config/>) returned error, retrying after 624ms: Head: dial tcp 127.0.0.1:9: connect: connection refused";
        assert!(told(again).contains("cannot be reached (Head: dial tcp"), "{}", told(again));
        assert!(told("").contains("it did not say why"));
        let connector = Connector::new(ConnectorName::parse("off").unwrap(), &TYPES[0]);
        let stdout = "restoring <Snapshot 0a1b2c3d of [/x]> to /y\n".to_owned();
        let stderr =
            "ignoring error for /data/file: pack 0a1b is gone\nFatal: There were 1 errors\n"
                .to_owned();
        let failed = Failure::of(&Answer { status: 1, stdout, stderr }, &connector);
        assert!(failed.told(&connector).to_string().ends_with(": pack 0a1b is gone"));
    }
}
