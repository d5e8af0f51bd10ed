//! restic, which stores backups: how it is called, and what it says.
//!
//! It runs with nothing of the caller's environment. Secrets are in files, or in memory behind a descriptor that it
//! inherits; none is an argument. Where it runs with some of root's rights, what it starts itself (`ssh`, `rclone`) gets none of
//! them. It ends when the process that started it does.

mod said;

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use serde::de::DeserializeOwned;

pub(crate) use said::{Failure, Listed, Lock, Message, Node, Summary};

use super::process::{Answer, Program};
use super::rclone::{PATH, installed};
use super::ssh::OPTIONS;
use crate::domain::connector_type::Protocol;
use crate::domain::text::percent_encoded;
use crate::domain::{Connector, Error, Result, Secret};

/// How long it may take to answer a question about a repository. It tries for a quarter of an hour by itself where nobody answers.
const PATIENCE: Duration = Duration::from_secs(60);

const REMEDY: &str = "install it (on Debian: apt-get install restic)";

/// What restic says where ssh did not get in.
const NO_SESSION: &str = "unable to start the sftp session";

/// Ends what it starts with its parent, and takes rights away.
const SETPRIV: &str = "setpriv";

/// Where a connector's files are, and what restic keeps beside them.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub key: PathBuf,
    pub secret: PathBuf,
    pub known_hosts: PathBuf,
    /// What restic caches of repositories.
    pub cache: PathBuf,
    /// The numbers of the processes that may have left a lock, a line each.
    pub processes: PathBuf,
}

/// A connector's repository.
pub(crate) struct Repository {
    pub(crate) connector: Connector,
    environment: Vec<(String, String)>,
    options: Vec<String>,
    /// What restic calls to reach a server over ssh.
    ssh: Vec<String>,
    /// What is behind the descriptors that the environment names.
    held: Vec<OwnedFd>,
    processes: PathBuf,
}

/// Notes the number of its process, which is that of the program it becomes.
const NOTING: &str = r#"echo $$ >>"$1"; shift; exec "$@""#;

/// How many processes are remembered, at least.
const REMEMBERED: usize = 32;

/// Refuses where restic is not on this host.
pub(crate) fn must_be_here() -> Result<()> {
    installed("restic").map(drop)
}

impl Repository {
    /// The repository of a connector that can be a destination; nobody is asked.
    pub(crate) fn of(
        connector: &Connector,
        files: &Files,
        secret: Option<&Secret>,
    ) -> Result<Self> {
        let mut repository = Self {
            connector: connector.clone(),
            environment: vec![
                ("PATH".to_owned(), PATH.to_owned()),
                ("HOME".to_owned(), "/nonexistent".to_owned()),
                ("TZ".to_owned(), "UTC".to_owned()),
                ("RESTIC_PASSWORD_FILE".to_owned(), files.key.display().to_string()),
                ("RESTIC_CACHE_DIR".to_owned(), files.cache.display().to_string()),
            ],
            options: Vec::new(),
            ssh: Vec::new(),
            held: Vec::new(),
            processes: files.processes.clone(),
        };
        repository.locate(files, secret)?;
        Ok(repository)
    }

    fn locate(&mut self, files: &Files, secret: Option<&Secret>) -> Result<()> {
        let connector = self.connector.clone();
        let property = |name| connector.property(name);
        let address = match connector.protocol() {
            Some(Protocol::Directory) => property("path").to_owned(),
            Some(Protocol::ObjectStore) => {
                self.s3(&connector, secret)?;
                s3_address(&connector)
            }
            Some(Protocol::Sftp) => {
                self.ssh = ssh(&connector, files)?;
                // restic takes quotes only around a whole word.
                let words: Vec<String> = self.ssh.iter().map(|word| format!("'{word}'")).collect();
                self.options.push(format!("sftp.command={}", words.join(" ")));
                format!("sftp:{}@{}:{}", property("username"), property("server"), property("path"))
            }
            Some(Protocol::Rclone) => {
                self.set("RCLONE_CONFIG", files.secret.display().to_string());
                let program = unprivileged("rclone")?.join(" ");
                self.options.push(format!("rclone.program={program}"));
                format!("rclone:{}", property("remote"))
            }
            Some(Protocol::Rest) => {
                let address = rest_address(&connector, secret);
                let file = self.hold("repository", &address)?;
                self.set("RESTIC_REPOSITORY_FILE", file);
                return Ok(());
            }
            Some(Protocol::Share) | None => {
                refuse!(
                    "connector {} is of type {}, to which no backup can be made",
                    connector.name,
                    connector.type_name
                );
            }
        };
        self.set("RESTIC_REPOSITORY", address);
        Ok(())
    }

    fn s3(&mut self, connector: &Connector, secret: Option<&Secret>) -> Result<()> {
        if let Some(secret) = secret {
            let id = connector.property("access-key-id");
            let text = format!(
                "[default]\naws_access_key_id = {id}\naws_secret_access_key = {}\n",
                secret.reveal()
            );
            let file = self.hold("credentials", &text)?;
            self.set("AWS_SHARED_CREDENTIALS_FILE", file);
        }
        let region = connector.property("region");
        if !region.is_empty() {
            self.set("AWS_DEFAULT_REGION", region.to_owned());
        }
        if !connector.property("endpoint").is_empty() {
            self.options.push("s3.bucket-lookup=path".to_owned());
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: String) {
        self.environment.push((name.to_owned(), value));
    }

    /// Keeps a text in memory, and returns the path at which the programs that are started find it.
    fn hold(&mut self, name: &str, text: &str) -> Result<String> {
        let memory =
            memfd_create(name, MemfdFlags::empty()).map_err(Error::system("keep", name))?;
        let mut file = File::from(memory);
        file.write_all(text.as_bytes()).map_err(Error::system("keep", name))?;
        let held = OwnedFd::from(file);
        let path = format!("/proc/self/fd/{}", held.as_raw_fd());
        self.held.push(held);
        Ok(path)
    }

    /// A call of restic.
    pub(crate) fn call(&self, words: &[&str]) -> Result<Program> {
        let program = installed("restic")?;
        let mut line = setpriv(&["--pdeathsig", "TERM", "--"])?;
        if !words.contains(&"--no-lock") {
            let noted = self.processes.display().to_string();
            line.extend(["sh", "-c", NOTING, "sh", &noted].map(str::to_owned));
        }
        line.push(program.display().to_string());
        for option in &self.options {
            line.extend(["-o".to_owned(), option.clone()]);
        }
        line.extend(words.iter().map(|word| (*word).to_owned()));
        let called = Program::new(&line[0], &line[1..]).called("restic");
        Ok(called.alone(&self.environment).remedy(REMEDY))
    }

    /// Asks something of the repository.
    /// Fails where restic does, with what to type; where it cannot reach anybody, without its trying on for a quarter of an hour; and
    /// where it takes longer than a minute.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<Answer, Failure> {
        match self.call(words)?.within_unless(PATIENCE, tries_again)? {
            Some(answer) if answer.is_ok() => Ok(answer),
            Some(answer) => Err(self.failure(&answer)),
            None => Err(Failure::no_answer(&self.connector, PATIENCE)),
        }
    }

    /// The same for what takes as long as it takes.
    pub(crate) fn have(&self, words: &[&str]) -> Result<Answer, Failure> {
        let answer = self.call(words)?.run()?;
        if answer.is_ok() { Ok(answer) } else { Err(self.failure(&answer)) }
    }

    /// The same for what is answered as JSON.
    pub(crate) fn ask_json<T: DeserializeOwned>(&self, words: &[&str]) -> Result<T, Failure> {
        let answer = self.ask(words)?;
        Ok(understood(&answer.stdout)?)
    }

    /// Why restic did not do something. What it started to reach a server may have said that without being heard.
    pub(crate) fn failure(&self, answer: &Answer) -> Failure {
        let is_unheard = answer.stderr.contains(NO_SESSION) && !self.ssh.is_empty();
        let program = || Program::new(&self.ssh[0], &self.ssh[1..]).alone(&self.environment);
        let asked = is_unheard.then(|| program().within(PATIENCE)).and_then(Result::ok).flatten();
        match asked {
            Some(said) if !said.is_ok() => {
                let stderr = format!("{}\nsubprocess ssh: {}", answer.stderr, said.stderr.trim());
                let stdout = answer.stdout.clone();
                Failure::of(&Answer { status: answer.status, stdout, stderr }, &self.connector)
            }
            _ => Failure::of(answer, &self.connector),
        }
    }

    /// The repository's id; none where there is no repository yet.
    pub(crate) fn id(&self) -> Result<Option<String>, Failure> {
        #[derive(serde::Deserialize)]
        struct Configuration {
            id: String,
        }
        match self.ask_json::<Configuration>(&["cat", "config", "--no-lock"]) {
            Ok(configuration) => Ok(Some(configuration.id)),
            Err(Failure::Missing) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Makes the repository; the beginning of its id.
    pub(crate) fn init(&self) -> Result<String, Failure> {
        let answer = self.have(&["init"])?;
        let mut said = answer.stdout.split_whitespace().skip_while(|word| *word != "repository");
        Ok(said.nth(1).unwrap_or_default().to_owned())
    }

    /// The backups with all of these tags, oldest first.
    pub(crate) fn backups(&self, tags: &str, host: Option<&str>) -> Result<Vec<Listed>, Failure> {
        let mut words = vec!["snapshots", "--json", "--no-lock", "--tag", tags];
        words.extend(host.iter().flat_map(|host| ["--host", host]));
        let mut backups: Vec<Listed> =
            self.ask_json::<Option<Vec<Listed>>>(&words)?.unwrap_or_default();
        backups.sort_by(|a, b| (a.at(), &a.id).cmp(&(b.at(), &b.id)));
        Ok(backups)
    }

    /// Forgets backups by their ids; what that removes is gone also after a power cut, which restic sees to only where it adds.
    pub(crate) fn forget(&self, ids: &[String]) -> Result<(), Failure> {
        let mut words = vec!["forget", "--"];
        words.extend(ids.iter().map(String::as_str));
        self.have(&words)?;
        if self.connector.protocol() == Some(Protocol::Directory) {
            let backups = Path::new(self.connector.property("path")).join("snapshots");
            let flushed = File::open(&backups).and_then(|directory| directory.sync_all());
            flushed.map_err(|error| Failure::Other(Error::system("flush", &backups)(error)))?;
        }
        Ok(())
    }

    /// Whether a process of this number was started on this host to work on a repository.
    pub(crate) fn has_started(&self, process: u32) -> bool {
        let noted = std::fs::read_to_string(&self.processes).unwrap_or_default();
        noted.lines().any(|line| line.parse() == Ok(process))
    }

    /// Forgets the processes that were started long ago: another host may have one of the same number.
    pub(crate) fn forget_old_processes(&self) {
        let noted = std::fs::read_to_string(&self.processes).unwrap_or_default();
        let lines: Vec<&str> = noted.lines().collect();
        if lines.len() > 2 * REMEMBERED {
            let kept = lines[lines.len() - REMEMBERED..].join("\n");
            // Where it fails, they are forgotten next time.
            let _ = std::fs::write(&self.processes, kept + "\n");
        }
    }

    /// Those who say that they work on the repository.
    pub(crate) fn locks(&self) -> Result<Vec<Lock>, Failure> {
        let list = || self.ask(&["list", "locks", "--no-lock", "--quiet"]);
        let mut locks = Vec::new();
        for id in list()?.stdout.split_whitespace() {
            match self.ask_json(&["cat", "lock", id, "--no-lock"]) {
                Ok(lock) => locks.push(lock),
                // It ended its work meanwhile.
                Err(Failure::Other(_)) if !list()?.stdout.contains(id) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(locks)
    }
}

/// Whether restic has tried for so long that it need not try on for the answer to a question: a few seconds.
fn tries_again(said: &[u8]) -> bool {
    const MOST: usize = 3;
    String::from_utf8_lossy(said).matches(said::TRYING).count() >= MOST
}

pub(crate) fn understood<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::system("understand", "what restic says"))
}

fn s3_address(connector: &Connector) -> String {
    let endpoint = match connector.property("endpoint") {
        "" => "https://s3.amazonaws.com",
        endpoint => endpoint.trim_end_matches('/'),
    };
    let bucket = connector.property("bucket");
    let address = format!("s3:{endpoint}/{bucket}/{}", connector.property("prefix"));
    address.trim_end_matches('/').to_owned()
}

fn rest_address(connector: &Connector, secret: Option<&Secret>) -> String {
    let endpoint = connector.property("endpoint").trim_end_matches('/');
    let path = connector.property("path").trim_matches('/');
    let (scheme, host) = endpoint.split_once("://").unwrap_or(("https", endpoint));
    let user = match (connector.property("username"), secret) {
        ("", _) => String::new(),
        (user, None) => format!("{}@", percent_encoded(user)),
        (user, Some(secret)) => {
            format!("{}:{}@", percent_encoded(user), percent_encoded(secret.reveal()))
        }
    };
    let slash = if path.is_empty() { "" } else { "/" };
    format!("rest:{scheme}://{user}{host}/{path}{slash}")
}

/// The words of `ssh` that have it speak SFTP with a connector's server, by nothing but the connector's own files.
fn ssh(connector: &Connector, files: &Files) -> Result<Vec<String>> {
    let mut words = unprivileged("ssh")?;
    words.extend(OPTIONS.split(' ').map(str::to_owned));
    let alive = "-o ServerAliveInterval=15 -o ServerAliveCountMax=4";
    words.extend(alive.split(' ').map(str::to_owned));
    let path = |path: &Path| path.display().to_string();
    words.extend(["-i".to_owned(), path(&files.secret), "-o".to_owned()]);
    words.push(format!("UserKnownHostsFile={}", path(&files.known_hosts)));
    words.extend(["-p", connector.ssh_port()].map(str::to_owned));
    words.push(format!("{}@{}", connector.property("username"), connector.property("server")));
    words.extend(["-s", "sftp"].map(str::to_owned));
    Ok(words)
}

/// A program that restic starts: without the rights that restic may have.
fn unprivileged(program: &str) -> Result<Vec<String>> {
    let mut words = setpriv(&["--ambient-caps=-all", "--inh-caps=-all"])?;
    words.push(program.to_owned());
    Ok(words)
}

/// `setpriv` with these words before a program. Where it is not here, nothing is before it, unless root calls: then there are
/// rights to take away, and it is refused.
fn setpriv(words: &[&str]) -> Result<Vec<String>> {
    match installed(SETPRIV) {
        Ok(program) => {
            let words = words.iter().map(|word| (*word).to_owned());
            Ok(std::iter::once(program.display().to_string()).chain(words).collect())
        }
        Err(missing) if rustix::process::getuid().is_root() => Err(missing),
        Err(_) => Ok(Vec::new()),
    }
}
