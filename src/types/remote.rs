//! What the types have in common whose data is on a server: Docker's `local` driver mounts it.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::docker::{Found, volumes};
use crate::domain::{Entry, Options, Problem, Result, is_of};
use crate::types::{Requirement, volume};

/// How long a server is waited for, all its addresses together.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many servers that do not answer are waited for.
const MOST_SILENT: usize = 3;

/// A server that was asked.
struct Asked {
    server: (String, u16),
    /// Why it does not answer.
    said: Option<String>,
    at: Instant,
}

static ASKED: Mutex<Vec<Asked>> = Mutex::new(Vec::new());

/// A file system that Docker's `local` driver mounts from a server.
#[derive(Debug)]
pub(crate) struct FileSystem {
    pub(crate) name: &'static str,
    /// Debian's package for it.
    pub(crate) package: &'static str,
    pub(crate) port: u16,
    pub(crate) version_option: &'static str,
    pub(crate) version: &'static str,
    pub(crate) versions: &'static [&'static str],
}

impl FileSystem {
    /// What the type needs: its file system in the kernel.
    pub(crate) fn requirement(&self) -> Requirement {
        let Self { name, package, .. } = self;
        Requirement {
            what: format!("the file system {name} in this host's kernel"),
            is_here: kernel_has(name),
            remedy: format!(
                "boot a kernel that has it (on Debian: apt-get install linux-image-amd64 {package})"
            ),
        }
    }

    /// The mount options with which each mount begins: the server, the version, and a port that is not the usual one.
    pub(crate) fn options(&self, entry: &Entry, server: &str) -> Result<Vec<String>> {
        let (of, known) = (self.name.to_uppercase(), self.versions.join(", "));
        let version = match entry.option("version") {
            "" => self.version,
            version => version,
        };
        refuse_if!(
            !self.versions.contains(&version),
            "version {version:?} is not a version of {of}; there are: {known}"
        );
        let mut options =
            vec![format!("addr={server}"), format!("{}={version}", self.version_option)];
        let port = self.port(entry)?;
        options.extend((port != self.port).then(|| format!("port={port}")));
        Ok(options)
    }

    fn port(&self, entry: &Entry) -> Result<u16> {
        let text = entry.option("port");
        if text.is_empty() {
            return Ok(self.port);
        }
        let port = text.parse().ok().filter(|&port| port != 0);
        port.ok_or_else(|| refusal!("port {text:?} is not a number from 1 to 65535"))
    }

    /// What keeps containers from mounting what a server has: the volume, the kernel, or the server.
    pub(crate) fn problem(
        &self,
        entry: &Entry,
        wanted: &Options,
        server: &str,
        context: &Context,
    ) -> Option<Problem> {
        if let Some(missing) = volume::missing(entry, context) {
            if missing.may_pass {
                return Some(missing);
            }
            let remedy = format!("create it again: dokku storage:wait {}", entry.name);
            return Some(Problem { remedy, ..missing });
        }
        if let Found::Here(present) = volumes::find(&context.environment, entry.shown_source())
            && !wanted.is_empty()
            && let Some(wrong) = volume::wrong(entry, &present, wanted)
        {
            let name = entry.shown_source();
            let remedy = format!(
                "to have it created again: docker volume rm {name} && dokku storage:wait {}",
                entry.name
            );
            return Some(Problem { remedy, ..wrong });
        }
        if let Some(sentence) = unreachable(server, self.port(entry).unwrap_or(self.port)) {
            let remedy = format!(
                "start the server or repair the network to it, then run: dokku storage:wait {}",
                entry.name
            );
            return Some(Problem { code: "unreachable-server", sentence, remedy, may_pass: true });
        }
        let needed = self.requirement();
        (!needed.is_here).then(|| Problem {
            code: "missing-file-system",
            sentence: format!("this host's kernel has no file system {}", self.name),
            remedy: needed.remedy,
            may_pass: false,
        })
    }
}

fn kernel_has(file_system: &str) -> bool {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let is_known =
        known.lines().any(|line| line.split_whitespace().next_back() == Some(file_system));
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let directory = format!("/lib/modules/{release}");
    let module = |name: &str| {
        std::fs::read_to_string(format!("{directory}/{name}"))
            .is_ok_and(|list| list.lines().any(|line| line.contains(&format!("/{file_system}.ko"))))
    };
    is_known || module("modules.dep") || module("modules.builtin")
}

/// A server's name or address, as it can stand in a mount option.
pub(crate) fn server(text: &str) -> Result<&str> {
    if text.is_empty() || text.starts_with('-') || !is_of(text, ".:-_") {
        refuse!("server {text:?} is not the name or address of a host");
    }
    Ok(text)
}

/// Mount options that somebody added, which must not take the place of others.
pub(crate) fn further<'a>(text: &'a str, own: &str) -> Result<Vec<&'a str>> {
    let parts: Vec<&str> = text.split(',').filter(|part| !part.is_empty()).collect();
    let taken = parts.iter().find(|part| {
        let key = part.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        own.split(' ').any(|own| own == key)
    });
    if let Some(part) = taken {
        refuse!(
            "mount option {part:?} is set by the type itself; use its own option or the connector"
        );
    }
    if let Some(part) = parts.iter().find(|part| part.contains(char::is_whitespace)) {
        refuse!(
            "mount option {part:?} has a blank in it; write options with commas alone, such as soft,timeo=50"
        );
    }
    Ok(parts)
}

/// What is said of a server without a problem: nobody mounts anything before a container does.
pub(crate) const ANSWERS: &str =
    "the server answers; whether it accepts the mount is not known until a container starts";

/// Why a server does not answer; none where it does. Whoever asks for many entries asks each server once, and where several do not
/// answer, the others are not waited for.
fn unreachable(server: &str, port: u16) -> Option<String> {
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (server.to_owned(), port);
    asked.retain(|asked| asked.server != key || asked.at.elapsed() < PATIENCE);
    if let Some(found) = asked.iter().find(|asked| asked.server == key) {
        return found.said.clone();
    }
    let silent = asked.iter().filter(|asked| asked.said.is_some()).count();
    let patience = if silent < MOST_SILENT { PATIENCE } else { Duration::from_millis(100) };
    let (sender, receiver) = mpsc::channel();
    let (server, port) = key.clone();
    // Finding an address may take longer than all else.
    std::thread::spawn(move || sender.send(ask(&server, port)));
    let said = receiver.recv_timeout(patience).unwrap_or_else(|_| {
        Some(format!("{} does not answer on port {} within {patience:?}", key.0, key.1))
    });
    asked.push(Asked { server: key, said: said.clone(), at: Instant::now() });
    said
}

fn ask(server: &str, port: u16) -> Option<String> {
    let addresses = match (server, port).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return Some(format!("{server} has no address: {error}")),
    };
    let mut reason = format!("{server} has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return None,
            Err(error) => reason = format!("{server} does not answer on port {port}: {error}"),
        }
    }
    Some(reason)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server whose queue is full: the kernel leaves whoever else comes without an answer.
    fn full() -> (TcpListener, Vec<std::io::Result<TcpStream>>, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let address = listener.local_addr().unwrap();
        let wait = Duration::from_millis(200);
        let queued = (0..4).map(|_| TcpStream::connect_timeout(&address, wait)).collect();
        (listener, queued, address.port())
    }

    #[test]
    fn servers_that_do_not_answer_are_waited_for_some_seconds_in_all() {
        let servers: Vec<_> = (0..6).map(|_| full()).collect();
        let began = Instant::now();
        for (_, _, port) in servers.iter().flat_map(|server| [server, server]) {
            let said = unreachable("127.0.0.1", *port).unwrap();
            assert!(said.contains("does not answer on port"), "{said}");
        }
        let took = began.elapsed();
        assert!(took > PATIENCE && took < PATIENCE * 4, "{took:?}");
        let answering = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(unreachable("127.0.0.1", answering.local_addr().unwrap().port()), None);
    }
}
