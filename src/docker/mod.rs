//! Asking Docker: over the engine's socket, and through its client where there is no socket.

pub(crate) mod containers;
pub(crate) mod images;
pub(crate) mod pausing;
pub(crate) mod populating;
mod stopping;
pub(crate) mod volumes;

pub(crate) use containers::Container;
pub(crate) use volumes::{Found, Listed};

use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::domain::text::percent_encoded;
use crate::domain::{Result, options};
use crate::host::{Answer, Environment, Program, users};

/// The engine's socket unless `DOCKER_HOST` says otherwise. Only root can put something in its place.
const SOCKET: &str = "/var/run/docker.sock";

/// How long the engine has to answer a question. Where a volume driver is down, it looks for it for 15 s.
const LOOKING: Duration = Duration::from_secs(20);

/// How long it has to change something: a volume driver has two minutes itself, and looking for one takes 15 s.
const CHANGING: Duration = Duration::from_secs(150);

/// For how long an engine that left a question without an answer is not asked another one: all that a command asks takes no
/// longer than what one question does.
const SILENCE: Duration = Duration::from_secs(60);

/// When Docker last left a question without an answer.
static SILENT: Mutex<Option<Instant>> = Mutex::new(None);

/// The first id that Docker maps to where nothing says which: Dokku's assumption.
const ASSUMED_FIRST_ID: u32 = 165_536;

/// The ids that users of a container have inside of it.
pub(crate) const CONTAINER_IDS: RangeInclusive<u32> = 0..=65_535;

/// The file of the plugin that is named as Docker where a container gets an input.
pub(crate) const WITH_INPUT: &str = "docker-with-input";

/// How uids and gids in a container appear on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdMap {
    /// Added to a uid.
    pub uid: u32,
    /// Added to a gid.
    pub gid: u32,
}

impl IdMap {
    pub(crate) const SAME: Self = Self { uid: 0, gid: 0 };

    /// Whether an owner of the host's is one in containers.
    pub(crate) fn has(self, uid: u32, gid: u32) -> bool {
        let has = |first: u32, id: u32| {
            id.checked_sub(first).is_some_and(|id| CONTAINER_IDS.contains(&id))
        };
        self == Self::SAME || (has(self.uid, uid) && has(self.gid, gid))
    }
}

/// Docker, as it is asked: over the engine's socket, or through its client where another client was named or there is no
/// socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Docker<'a>(pub &'a Environment);

impl Docker<'_> {
    pub(crate) fn client(self, words: &[impl AsRef<OsStr>]) -> Program {
        Program::new(self.program(), words)
    }

    /// The client's name or path.
    pub(crate) fn program(self) -> String {
        self.0.docker_bin().unwrap_or_else(|| "docker".to_owned())
    }

    /// Asks for what is at a path of the engine's, or what the client says to the words.
    fn get(self, path: &str, words: &[&str]) -> Reply {
        self.ask("GET", path, &Value::Null, words)
    }

    fn ask(self, method: &str, path: &str, body: &Value, words: &[&str]) -> Reply {
        let patience = if method == "GET" { LOOKING } else { CHANGING };
        let reply = self.engine(method, path, body, patience);
        reply.unwrap_or_else(|| match method {
            "GET" => self.told(words),
            _ => Reply::of_client(self.client(words).run()),
        })
    }

    /// What the client answers to a question.
    fn told(self, words: &[&str]) -> Reply {
        match self.asked(words) {
            Ok(Some(answer)) => Reply::of_client(Ok(answer)),
            Ok(None) => Reply::silent(LOOKING),
            Err(error) => Reply::of_client(Err(error)),
        }
    }

    /// What the client says to a question; `None` where Docker leaves it without an answer.
    fn asked(self, words: &[&str]) -> Result<Option<Answer>> {
        if is_silent() {
            return Ok(None);
        }
        let answer = self.client(words).within(LOOKING)?;
        if answer.is_none() {
            note_silence();
        }
        Ok(answer)
    }

    /// What the client tells of all that it lists, and how many that are: where one is gone meanwhile, the others are told all the
    /// same. Where there is no Docker, there is nothing.
    fn inspected<T: DeserializeOwned>(
        self,
        list: &[&str],
        inspect: &[&str],
    ) -> Option<(usize, Vec<T>)> {
        let listed = match self.asked(list) {
            Ok(listed) => listed.filter(Answer::is_ok)?.stdout,
            Err(error) if error.is_absent() => return Some((0, Vec::new())),
            Err(_) => return None,
        };
        let names: Vec<&str> = listed.split_whitespace().collect();
        if names.is_empty() {
            return Some((0, Vec::new()));
        }
        let told = self.asked(&[inspect, &*names].concat()).ok()??.stdout;
        Some((names.len(), serde_json::from_str(&told).ok()?))
    }

    /// What the engine answers; `None` where another client was named, or nobody is behind the socket.
    fn engine(self, method: &str, path: &str, body: &Value, patience: Duration) -> Option<Reply> {
        if self.0.docker_bin().is_some_and(|bin| bin != "docker") {
            return None;
        }
        let socket = match self.0.docker_host() {
            Some(host) => host.strip_prefix("unix://")?.to_owned(),
            None => SOCKET.to_owned(),
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        if method == "GET" && is_silent() {
            return Some(Reply::silent(patience));
        }
        speak(&socket, method, path, &body, patience)
    }
}

struct Reply {
    /// The status of HTTP, or the one that the client's words stand for; 0 where Docker does not answer.
    status: u16,
    /// What it has at the path. The client's words are text where they are no JSON.
    body: Value,
}

impl Reply {
    fn silent(patience: Duration) -> Self {
        let why = format!("it did not answer within {} s", patience.as_secs());
        Self { status: 0, body: json!({ "message": why }) }
    }

    fn of_client(answer: Result<Answer>) -> Self {
        let failed = |status, why: &str| Self { status, body: json!({ "message": why }) };
        match answer {
            Err(error) => failed(0, &error.to_string()),
            Ok(answer) if answer.is_ok() => {
                let text = answer.stdout.trim();
                let json = serde_json::from_str(text).ok();
                let json = json.filter(|value: &Value| value.is_object() || value.is_array());
                Self { status: 200, body: json.unwrap_or_else(|| text.into()) }
            }
            Ok(answer) => {
                let said = answer.stderr.to_lowercase();
                let is_known = [("no such", 404), ("error while checking", 500)];
                let known = is_known.iter().find(|(words, _)| said.contains(words));
                failed(known.map_or(0, |(_, status)| *status), &answer.reason())
            }
        }
    }

    fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn is_absent(&self) -> bool {
        self.status == 404
    }

    /// What it has at the path; `None` where it does not say.
    fn found(self) -> Option<Value> {
        self.is_ok().then_some(self.body)
    }

    /// Why it failed; Docker names all options of a mount, a password among them.
    fn message(&self) -> String {
        let said = self.body["message"].as_str().unwrap_or("it did not say why");
        options::masked_words(said.trim())
    }
}

fn members(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Filters as they stand in an address of the engine's: a name and its values.
fn filters(filters: &Value) -> String {
    format!("filters={}", percent_encoded(&filters.to_string()))
}

/// How this host's Docker maps ids; `None` where Docker does not answer.
pub(crate) fn id_map(environment: &Environment) -> Option<IdMap> {
    let format = "{{range .SecurityOptions}}{{if eq . \"name=userns\"}}true{{end}}{{end}} {{.DockerRootDir}}";
    match Docker(environment).get("/info", &["info", "-f", format]).found()? {
        Value::String(said) => match said.strip_prefix("true") {
            Some(root) => Some(map_of(root.trim())),
            None => Some(IdMap::SAME),
        },
        info => Some(map_in(&info)),
    }
}

/// Where Docker keeps volumes, images and containers; `None` where it does not say.
pub(crate) fn root_directory(environment: &Environment) -> Option<String> {
    let words = ["info", "-f", "{\"DockerRootDir\":{{json .DockerRootDir}}}"];
    let info = Docker(environment).get("/info", &words).found()?;
    info["DockerRootDir"].as_str().filter(|path| !path.is_empty()).map(str::to_owned)
}

/// How an engine maps ids, asked of the one behind this host's own socket, whatever the environment says: for what root does for
/// somebody else.
pub(crate) fn id_map_of_this_host() -> Option<IdMap> {
    speak(SOCKET, "GET", "/info", "", LOOKING)?.found().as_ref().map(map_in)
}

/// How an engine maps ids that answered this to `/info`.
fn map_in(info: &Value) -> IdMap {
    let remapped = members(&info["SecurityOptions"])
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
    let words = ["version", "-f", "{{.Server.APIVersion}}"];
    let said = Docker(environment).get("/version", &words).body;
    let version = said.as_str().or(said["ApiVersion"].as_str()).unwrap_or_default();
    let numbers: Vec<u32> = version.trim().split('.').flat_map(str::parse).collect();
    match numbers[..] {
        [major, minor, ..] => Ok((major, minor) >= (1, 45)),
        _ => Err(refusal!(
            "Docker does not answer, so it is not known whether it can mount a part of a volume"
        )),
    }
}

/// Whether Docker left a question without an answer just now.
fn is_silent() -> bool {
    let since = SILENT.lock().ok().and_then(|since| *since);
    since.is_some_and(|since| since.elapsed() < SILENCE)
}

fn note_silence() {
    if let Ok(mut since) = SILENT.lock() {
        *since = Some(Instant::now());
    }
}

/// Asks the engine behind a socket; `None` where nobody is behind it.
fn speak(socket: &str, method: &str, path: &str, body: &str, patience: Duration) -> Option<Reply> {
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
    let asks = method == "GET";
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            if asks {
                note_silence();
            }
            return Some(Reply::silent(patience));
        }
        Err(_) if asks => return None,
        // What was asked for may have been done: asking another way would do it twice.
        Err(error) => {
            let why = format!("it broke off its answer: {error}");
            return Some(Reply { status: 0, body: json!({ "message": why }) });
        }
    }
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = answer.split(|&byte| byte == b' ').nth(1)?;
    Some(Reply {
        status: std::str::from_utf8(status).ok()?.parse().ok()?,
        body: serde_json::from_slice(&answer[end + 4..]).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_directory_says_which_ids() {
        let map = map_of("/var/lib/docker/100000.200000");
        assert_eq!((map.uid, map.gid), (100_000, 200_000));
    }
}
