//! The programs of OpenSSH: key pairs, and the host keys by which a server is known.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::{self, Answer, Program};
use super::rclone::PATH;
use crate::domain::{Connector, Error, KnownHosts, Result, Secret};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a server is asked with: nothing but the connector's own files counts, and nobody is asked anything.
pub(super) const OPTIONS: &str = "-F /dev/null -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o BatchMode=yes -o ConnectTimeout=10";

/// The comment of a public key, so that whoever reads `authorized_keys` knows whose it is.
const COMMENT: &str = "dokku-storage";

/// What a program prints; none where it fails.
fn said(name: &str, words: &[&str], input: &str) -> Result<Option<String>> {
    let answer = run(name, words, input)?;
    Ok(answer.filter(Answer::is_ok).map(|answer| answer.stdout))
}

/// Runs one of OpenSSH's programs; none where it took too long.
fn run(name: &str, words: &[&str], input: &str) -> Result<Option<Answer>> {
    program(name, words)?.input(input).within(PATIENCE)
}

/// One of OpenSSH's programs, with nothing of the caller's environment.
fn program(name: &str, words: &[&str]) -> Result<Program> {
    let program = process::find(name).ok_or_else(|| process::not_here(name))?;
    let variables = [("PATH", PATH), ("HOME", "/nonexistent"), ("LC_ALL", "C")];
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(Program::new(program, words).alone(&environment).called(name))
}

/// A new key pair: the private part as `ssh` wants the file, and the public part, a line.
pub(crate) fn key_pair() -> Result<(Secret, String)> {
    let directory = Private::make()?;
    let file = directory.0.join("key");
    let path = file.to_string_lossy();
    let words = ["-q", "-t", "ed25519", "-N", "", "-C", COMMENT, "-f", &path];
    let made = said("ssh-keygen", &words, "")?;
    refuse_if!(made.is_none(), "ssh-keygen did not make a key pair in {}", directory.0.display());
    let text = fs::read_to_string(&file).map_err(Error::system("read", &file))?;
    let private = Secret::parse_text(&text)?;
    let public = public_key(&private)?;
    Ok((private, public))
}

/// The public part of a private key, which must have no passphrase.
pub(crate) fn public_key(private: &Secret) -> Result<String> {
    let words = ["-y", "-P", "", "-f", "/dev/stdin"];
    let public = said("ssh-keygen", &words, private.reveal())?;
    let is_line = |line: &&str| !line.is_empty() && !line.contains(char::is_control);
    let line = public.as_deref().map(str::trim).filter(is_line).map(str::to_owned);
    line.ok_or_else(|| {
        refusal!("the private key is not one that ssh can use without a passphrase; leave --secret-file out to have a key pair made")
    })
}

/// The host keys that a server shows now.
pub(crate) fn scan(connector: &Connector) -> Result<KnownHosts> {
    let server = connector.server.as_str();
    let shown = run("ssh-keyscan", &["-T", "5", "-p", connector.ssh_port(), "--", server], "")?;
    let shown = shown.map(|answer| answer.stdout).unwrap_or_default();
    let mut keys: Vec<&str> =
        shown.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    keys.sort_unstable();
    refuse_if!(
        keys.is_empty(),
        "{server} shows no host key of ssh at port {}; correct that, or pass its keys with --known-hosts-file PATH",
        connector.ssh_port()
    );
    KnownHosts::parse(&keys.join("\n"))
}

/// Refuses host keys of others.
pub(crate) fn must_know(hosts: &KnownHosts, connector: &Connector) -> Result<()> {
    let host = connector.ssh_host();
    let found = said("ssh-keygen", &["-F", &host, "-f", "/dev/stdin"], hosts.as_str())?;
    refuse_if!(
        found.is_none(),
        "the file of host keys has none of {host}; write it with: ssh-keyscan -p {} {}",
        connector.ssh_port(),
        connector.server
    );
    fingerprints(hosts).map(drop)
}

/// The fingerprints of host keys, a line each.
pub(crate) fn fingerprints(hosts: &KnownHosts) -> Result<Vec<String>> {
    let shown = said("ssh-keygen", &["-l", "-f", "-"], hosts.as_str())?;
    let lines = shown.ok_or_else(|| refusal!("the file of host keys has none that ssh knows"))?;
    Ok(lines.lines().map(str::to_owned).collect())
}

/// The files with which a server lets a connector in.
pub(crate) struct Files {
    pub secret: PathBuf,
    pub known_hosts: PathBuf,
}

/// The names of what is in a directory of a server, by SFTP. It is asked with the ids that are given.
pub(crate) fn list(
    connector: &Connector,
    files: &Files,
    path: &str,
    ids: Option<(u32, u32)>,
) -> Result<Vec<String>> {
    let known = format!("UserKnownHostsFile=\"{}\"", files.known_hosts.display());
    let key = files.secret.display().to_string();
    let to = format!("{}@[{}]", connector.username, connector.server);
    let words = ["-i", &key, "-P", connector.ssh_port(), "-o", &known];
    let words = words.into_iter().chain(OPTIONS.split(' '));
    let words = words.chain("-o LogLevel=ERROR -b - --".split(' ')).chain([&*to]);
    let words: Vec<&str> = words.collect();
    let program = program("sftp", &words)?.with_ids(ids);
    // The path has no quotes in it, and nothing that stands for several names.
    let answer = program.input(format!("@ls -1a \"{path}\"\n")).within(PATIENCE)?;
    let answer = answer
        .ok_or_else(|| refusal!("it did not answer within {} seconds", PATIENCE.as_secs()))?;
    if answer.is_ok() {
        let name = |line: &str| line.rsplit('/').next().unwrap_or_default().to_owned();
        let mut names: Vec<String> = answer.stdout.lines().map(|line| name(line.trim())).collect();
        names.retain(|name| !matches!(name.as_str(), "" | "." | ".."));
        names.sort_unstable();
        return Ok(names);
    }
    let said: Vec<&str> = answer.stderr.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let why = said.join(", ");
    let remedy = if why.contains("Permission denied (") {
        format!(
            "; add its public key to authorized_keys of {}: {}",
            connector.username, connector.public_key
        )
    } else if why.contains("Host key verification failed") {
        format!(
            "; if its host keys were changed, save the new ones: dokku storage:connectors:set {} --known-hosts-file PATH",
            connector.name
        )
    } else {
        String::new()
    };
    Err(refusal!("{why}{remedy}"))
}

/// A directory that only this user can enter, for as long as this is there.
struct Private(PathBuf);

impl Private {
    fn make() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("dokku-storage-{}", process::unique()));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(Error::system("make", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        for name in ["key", "key.pub"] {
            let _ = fs::remove_file(Path::new(&self.0).join(name));
        }
        let _ = fs::remove_dir(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ConnectorName;
    use crate::domain::connector_type::TYPES;

    #[test]
    fn a_key_pair_has_two_parts_and_leaves_no_file() {
        let (private, public) = key_pair().unwrap();
        assert!(private.reveal().ends_with("PRIVATE KEY-----\n"));
        assert!(public.starts_with("ssh-ed25519 ") && public.ends_with(COMMENT), "{public}");
        let error = public_key(&Secret::parse_text("junk").unwrap()).unwrap_err().to_string();
        assert!(error.contains("--secret-file") && !error.contains("junk"), "{error}");
        // Another test of this process may make one meanwhile, which goes.
        let mine = format!("-{}", std::process::id());
        let left = || {
            fs::read_dir(std::env::temp_dir()).unwrap().flatten().find(|found| {
                let name = found.file_name().to_string_lossy().into_owned();
                name.starts_with("dokku-storage-") && name.ends_with(&mine)
            })
        };
        let is_gone = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            left().is_none()
        });
        assert!(is_gone, "{:?}", left());
    }

    #[test]
    fn host_keys_are_the_servers() {
        let (_, public) = key_pair().unwrap();
        let mut connector = Connector::new(ConnectorName::parse("nas").unwrap(), &TYPES[2]);
        connector.set("server", "nas.example.com").unwrap();
        connector.set("port", "2222").unwrap();
        let hosts = |host: &str| KnownHosts::parse(&format!("{host} {public}")).unwrap();
        let known = hosts("[nas.example.com]:2222");
        must_know(&known, &connector).unwrap();
        assert!(fingerprints(&known).unwrap()[0].contains("SHA256:"));
        for bad in [hosts("nas.example.com"), KnownHosts::parse("nas x y").unwrap()] {
            assert!(must_know(&bad, &connector).is_err(), "{bad:?}");
        }
    }
}
