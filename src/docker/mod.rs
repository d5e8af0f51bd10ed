//! Asking Docker: over the engine's socket, and through its client where there is no socket.

pub(crate) mod containers;
pub(crate) mod images;
pub(crate) mod pausing;
pub(crate) mod populating;
mod stopping;
pub(crate) mod volumes;

use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::error::{Error, Result};
use crate::host::environment::Environment;
use crate::host::process::Program;
use crate::host::users;

/// The engine's socket unless `DOCKER_HOST` says otherwise. Only root can put something in its place.
const SOCKET: &str = "/var/run/docker.sock";

/// How long the engine has to answer a question. Where a volume driver is down, it looks for it for 15 s.
const LOOKING: Duration = Duration::from_secs(20);

/// How long it has to change something: a volume driver has two minutes itself, and looking for one takes 15 s.
const CHANGING: Duration = Duration::from_secs(150);

/// The first id that Docker maps to where nothing says which: Dokku's assumption.
const ASSUMED_FIRST_ID: u32 = 165_536;

/// The ids that users of a container have inside of it.
pub(crate) const CONTAINER_IDS: RangeInclusive<u32> = 0..=65_535;

/// How uids and gids in a container appear on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdMap {
    /// Added to a uid.
    pub uid: u32,
    /// Added to a gid.
    pub gid: u32,
}

impl IdMap {
    /// The same ids inside and outside.
    pub(crate) const SAME: Self = Self { uid: 0, gid: 0 };
}

/// The client to run where the socket is no help.
pub(crate) fn client(environment: &Environment) -> String {
    environment.docker_bin().unwrap_or_else(|| "docker".to_owned())
}

/// How this host's Docker maps ids; `None` where Docker does not answer.
pub(crate) fn id_map(environment: &Environment) -> Option<IdMap> {
    if let Some(info) = get(environment, "/info") {
        return Some(map_in(&info));
    }
    let format = "{{range .SecurityOptions}}{{if eq . \"name=userns\"}}true{{end}}{{end}} {{.DockerRootDir}}";
    let answer = Program::new(client(environment), &["info", "-f", format]).run().ok()?;
    if answer.status != 0 {
        return None;
    }
    let mut words = answer.stdout.split_whitespace();
    match words.next() {
        Some("true") => Some(map_of(words.next().unwrap_or_default())),
        _ => Some(IdMap::SAME),
    }
}

/// The same, asked of the engine behind this host's own socket, whatever the environment says: for what root does for
/// somebody else.
pub(crate) fn id_map_of_this_host() -> Option<IdMap> {
    let answer = speak(SOCKET, "GET", "/info", "", LOOKING)?;
    (answer.status == 200).then(|| map_in(&answer.body))
}

/// How an engine maps ids that answered this to `/info`.
fn map_in(info: &Value) -> IdMap {
    let options = info["SecurityOptions"].as_array().map_or(&[][..], Vec::as_slice);
    let remapped = options
        .iter()
        .any(|option| option.as_str().is_some_and(|o| o.split(',').any(|o| o == "name=userns")));
    if remapped { map_of(info["DockerRootDir"].as_str().unwrap_or_default()) } else { IdMap::SAME }
}

/// With user namespaces, the engine's directory is named after the first uid and gid (`…/100000.100000`).
fn map_of(docker_root: &str) -> IdMap {
    let name = docker_root.trim_end_matches('/').rsplit('/').next();
    let from_root = name.and_then(|name| {
        let (uid, gid) = name.split_once('.')?;
        Some(IdMap { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    });
    from_root.unwrap_or_else(|| IdMap {
        uid: users::subordinate_ids("/etc/subuid", "dockremap").map_or(ASSUMED_FIRST_ID, |r| r.0),
        gid: users::subordinate_ids("/etc/subgid", "dockremap").map_or(ASSUMED_FIRST_ID, |r| r.0),
    })
}

/// Whether this host's engine can mount a part of a volume, which came with Docker 26 (API 1.45).
pub(crate) fn can_mount_volume_subpath(environment: &Environment) -> Result<bool> {
    let version = if let Some(version) = get(environment, "/version") {
        version["ApiVersion"].as_str().unwrap_or_default().to_owned()
    } else {
        let arguments = ["version", "-f", "{{.Server.APIVersion}}"];
        let answer = Program::new(client(environment), &arguments).run();
        answer.map(|answer| answer.stdout).unwrap_or_default()
    };
    let numbers: Vec<u32> = version.trim().split('.').flat_map(str::parse).collect();
    match numbers[..] {
        [major, minor, ..] => Ok((major, minor) >= (1, 45)),
        _ => Err(Error::refused(
            "Docker does not answer, so it is not known whether it can mount a part of a volume",
        )),
    }
}

/// What the engine answers to a GET; `None` where another client was named, there is no socket, no answer, or
/// another status than 200.
fn get(environment: &Environment, path: &str) -> Option<Value> {
    let answer = ask(environment, "GET", path, "")?;
    (answer.status == 200).then_some(answer.body)
}

/// What the engine answered.
#[derive(Debug)]
struct EngineAnswer {
    /// The status of HTTP; 0 where it did not answer in time.
    status: u16,
    /// The body; null where it is no JSON.
    body: Value,
}

impl EngineAnswer {
    /// The engine's own words about a failure.
    fn message(&self) -> String {
        self.body["message"].as_str().unwrap_or("it did not say why").trim().to_owned()
    }
}

/// Asks the engine; `None` where another client was named, there is no socket, or no answer.
fn ask(environment: &Environment, method: &str, path: &str, body: &str) -> Option<EngineAnswer> {
    let patience = if method == "GET" { LOOKING } else { CHANGING };
    ask_patiently(environment, method, path, body, patience)
}

/// The same, for as long as it may take.
fn ask_patiently(
    environment: &Environment,
    method: &str,
    path: &str,
    body: &str,
    patience: Duration,
) -> Option<EngineAnswer> {
    if environment.docker_bin().is_some_and(|bin| bin != "docker") {
        return None;
    }
    let socket = match environment.docker_host() {
        Some(host) => host.strip_prefix("unix://")?.to_owned(),
        None => SOCKET.to_owned(),
    };
    speak(&socket, method, path, body, patience)
}

/// Asks the engine behind a socket.
fn speak(
    socket: &str,
    method: &str,
    path: &str,
    body: &str,
    patience: Duration,
) -> Option<EngineAnswer> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.set_write_timeout(Some(patience)).ok()?;
    // HTTP/1.0: the answer ends when the engine closes the connection, and comes in one piece.
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        // What was asked for may have been done: asking another way would do it twice.
        let changes = method != "GET";
        return changes.then(|| EngineAnswer {
            status: 0,
            body: json!({"message": format!("it did not answer within {} s: {error}", patience.as_secs())}),
        });
    }
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = answer.split(|&byte| byte == b' ').nth(1)?;
    Some(EngineAnswer {
        status: std::str::from_utf8(status).ok()?.parse().ok()?,
        body: serde_json::from_slice(&answer[end + 4..]).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_folder_says_which_ids() {
        let map = map_of("/var/lib/docker/100000.200000");
        assert_eq!((map.uid, map.gid), (100_000, 200_000));
    }
}
