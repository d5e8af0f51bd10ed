//! What the types have in common whose data is on a server: Docker's `local` driver mounts it.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::context::Context;
use crate::docker::{Found, volumes};
use crate::domain::{Entry, Options, Problem, Result, is_of};
use crate::types::{Requirement, volume};

const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) fn kernel_has(file_system: &str) -> bool {
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

/// What the type needs: its file system in the kernel.
pub(crate) fn kernel(file_system: &'static str, package: &str) -> Requirement {
    Requirement {
        what: format!("the file system {file_system} in this host's kernel"),
        is_here: kernel_has(file_system),
        remedy: format!(
            "boot a kernel that has it (on Debian: apt-get install linux-image-amd64 {package})"
        ),
    }
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

pub(crate) fn version<'a>(
    of: &str,
    given: &'a str,
    default: &'a str,
    known: &[&str],
) -> Result<&'a str> {
    let version = if given.is_empty() { default } else { given };
    let (is_known, known) = (known.contains(&version), known.join(", "));
    refuse_if!(!is_known, "version {version:?} is not a version of {of}; there are: {known}");
    Ok(version)
}

/// The mount option for a port that is not the usual one.
pub(crate) fn port_option(text: &str, default: u16) -> Result<Option<String>> {
    let port = port(text, default)?;
    Ok((port != default).then(|| format!("port={port}")))
}

pub(crate) fn port(text: &str, default: u16) -> Result<u16> {
    if text.is_empty() {
        return Ok(default);
    }
    let port = text.parse().ok().filter(|&port| port != 0);
    port.ok_or_else(|| refusal!("port {text:?} is not a number from 1 to 65535"))
}

/// Why a server does not answer; none where it does.
pub(crate) fn unreachable(server: &str, port: u16) -> Option<String> {
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

/// What keeps containers from mounting what a server has: the volume, the kernel, or the server.
pub(crate) fn problem(
    entry: &Entry,
    (file_system, package): (&'static str, &str),
    wanted: &Options,
    server: &str,
    port: u16,
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
    if let Some(sentence) = unreachable(server, port) {
        let remedy = format!(
            "start the server or repair the network to it, then run: dokku storage:wait {}",
            entry.name
        );
        return Some(Problem { code: "unreachable-server", sentence, remedy, may_pass: true });
    }
    (!kernel_has(file_system)).then(|| Problem {
        code: "missing-file-system",
        sentence: format!("this host's kernel has no file system {file_system}"),
        remedy: kernel(file_system, package).remedy,
        may_pass: false,
    })
}
