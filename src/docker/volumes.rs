//! Docker volumes: made, looked at and removed, over the engine's socket or through its client.
//!
//! An option may be a secret, and what a program is called with can be seen by everybody on the host: such an
//! option goes over the socket, or not at all.

use std::path::Path;

use serde_json::{Value, json};

use crate::docker::{CHANGING, Docker, LOOKING, Reply, filters, members};
use crate::domain::{Options, Result, VolumeTarget, options};
use crate::host::Environment;

pub(crate) use crate::domain::volume_target::LOCAL;

/// The label of the volumes that this plugin makes; its value is the root of the store that they are for.
pub(crate) const LABEL: &str = "org.dokku-storage.made";

/// The label of a volume that a restore made; its value is the hidden name of what it is populated with, which the restore is at work on.
pub(crate) const RESTORED: &str = "org.dokku-storage.restored";

/// The labels of the volumes that Docker Compose and stacks make.
const PROJECTS: [&str; 2] = ["com.docker.compose.project", "com.docker.stack.namespace"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    pub driver: String,
    pub options: Options,
    pub labels: Options,
}

impl Volume {
    pub(crate) fn target(&self) -> VolumeTarget {
        VolumeTarget::of(&self.driver, &self.options)
    }

    /// Whether Docker Compose or a stack made it.
    pub(crate) fn is_of_project(&self) -> bool {
        PROJECTS.iter().any(|label| self.labels.contains_key(*label))
    }

    fn of(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let texts = |value: &Value| {
            let pairs = value.as_object().into_iter().flatten();
            pairs.map(|(key, value)| (key.clone(), text(value))).collect()
        };
        Self {
            driver: text(&value["Driver"]),
            options: texts(&value["Options"]),
            labels: texts(&value["Labels"]),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub name: String,
    pub mountpoint: String,
    pub volume: Volume,
}

impl Listed {
    fn of(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Self { name: text("Name"), mountpoint: text("Mountpoint"), volume: Volume::of(value) }
    }

    pub(crate) fn target(&self) -> VolumeTarget {
        self.volume.target()
    }

    /// Whether nobody can write through it.
    pub(crate) fn is_readonly(&self) -> bool {
        let flags = self.volume.options.get("o").map_or("", String::as_str);
        flags.split(',').any(|flag| flag == "ro")
    }
}

pub(crate) fn all(environment: &Environment) -> Option<Vec<Listed>> {
    let docker = Docker(environment);
    if let Some(reply) = docker.engine("GET", "/volumes", &Value::Null, LOOKING) {
        return Some(members(&reply.found()?["Volumes"]).iter().map(Listed::of).collect());
    }
    let (_, told) = docker.inspected(&["volume", "ls", "-q"], &["volume", "inspect"])?;
    Some(told.iter().map(Listed::of).collect())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Here(Volume),
    Missing,
    /// Docker cannot say, in its own words: the volume's driver is down.
    Failing(String),
    Unknown,
}

fn inspect(environment: &Environment, name: &str) -> Reply {
    let words = ["volume", "inspect", "-f", "{{json .}}", name];
    Docker(environment).get(&format!("/volumes/{name}"), &words)
}

pub(crate) fn find(environment: &Environment, name: &str) -> Found {
    let reply = inspect(environment, name);
    match reply.status {
        200 => Found::Here(Volume::of(&reply.body)),
        404 => Found::Missing,
        0 => Found::Unknown,
        _ => Found::Failing(reply.message()),
    }
}

/// Where a volume's data is on this host; none where a driver or a mount of its own decides, or Docker does not say.
pub(crate) fn directory(environment: &Environment, name: &str) -> Option<String> {
    let listed = Listed::of(&inspect(environment, name).found()?);
    let target = listed.target();
    let own = Some(listed.mountpoint).filter(|path| !target.has_options && !path.is_empty());
    target.bind.or(own)
}

/// The same of the engine behind this host's socket, whatever a caller's environment says, for a volume without options.
pub(crate) fn directory_on_this_host(name: &str) -> Option<String> {
    let reply = super::speak(super::SOCKET, "GET", &format!("/volumes/{name}"), "", LOOKING)?;
    own_directory(&Listed::of(&reply.found()?))
}

/// Where Docker itself keeps a volume's data; none where a driver or a mount of its own decides.
pub(crate) fn own_directory(listed: &Listed) -> Option<String> {
    let is_plain = listed.volume.driver == LOCAL && listed.volume.options.is_empty();
    Some(listed.mountpoint.clone()).filter(|path| is_plain && path.starts_with('/'))
}

/// The same as a caller's Docker says.
pub(crate) fn own_directory_of(environment: &Environment, name: &str) -> Option<String> {
    own_directory(&Listed::of(&inspect(environment, name).found()?))
}

pub(crate) fn exists(environment: &Environment, name: &str) -> Option<bool> {
    match find(environment, name) {
        Found::Here(_) => Some(true),
        Found::Missing => Some(false),
        Found::Failing(_) | Found::Unknown => None,
    }
}

/// Makes a volume. One that is there with other options stays as it is, as Docker does it.
/// Fails where Docker refuses, with its words; and where a secret would have to be shown.
pub(crate) fn make(environment: &Environment, name: &str, volume: &Volume) -> Result<()> {
    let mut labels = volume.labels.clone();
    labels.insert(LABEL.to_owned(), environment.lib_root().to_string_lossy().into_owned());
    let body = json!({
        "Name": name, "Driver": volume.driver, "DriverOpts": volume.options, "Labels": labels
    });
    let refused =
        |why: &str| Err(refusal!("Docker did not make the volume {name}: {}", why.trim()));
    let docker = Docker(environment);
    let reply = match docker.engine("POST", "/volumes/create", &body, CHANGING) {
        Some(reply) => reply,
        None if options::masked(&volume.options) != volume.options => {
            return refused(
                "its options hold a secret, which is only told over the engine's socket; unset DOCKER_HOST and DOCKER_BIN, or start Docker",
            );
        }
        None => {
            let mut words = ["volume", "create"].map(str::to_owned).to_vec();
            if volume.driver != LOCAL {
                words.extend(["--driver".to_owned(), volume.driver.clone()]);
            }
            for (flag, values) in [("--opt", &volume.options), ("--label", &labels)] {
                let pairs = values.iter().map(|(key, value)| format!("{key}={value}"));
                words.extend(pairs.flat_map(|pair| [flag.to_owned(), pair]));
            }
            words.push(name.to_owned());
            Reply::of_client(docker.client(&words).run())
        }
    };
    if reply.is_ok() { Ok(()) } else { refused(&reply.message()) }
}

/// The names of the volumes with all of these labels; `None` where Docker does not answer.
pub(crate) fn with_labels(environment: &Environment, labels: &Options) -> Option<Vec<String>> {
    let labels = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let volumes = listed(environment, &[("label", labels)])?;
    Some(volumes.into_iter().map(|(name, _)| name).collect())
}

/// The volumes that these filters leave, each with when it was made, as far as Docker says it; `None` where it does not
/// answer.
fn listed(
    environment: &Environment,
    wanted: &[(&str, Vec<String>)],
) -> Option<Vec<(String, String)>> {
    let path = format!("/volumes?{}", filters(&wanted.iter().cloned().collect()));
    let mut words = ["volume", "ls", "-q"].map(str::to_owned).to_vec();
    for (key, values) in wanted {
        words.extend(
            values.iter().flat_map(|value| ["--filter".to_owned(), format!("{key}={value}")]),
        );
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match Docker(environment).get(&path, &words).found()? {
        Value::String(names) => {
            Some(names.lines().map(|name| (name.to_owned(), String::new())).collect())
        }
        volumes => {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let named = |volume: &Value| (text(&volume["Name"]), text(&volume["CreatedAt"]));
            Some(members(&volumes["Volumes"]).iter().map(named).collect())
        }
    }
}

/// Removes a volume with what is in it. One that is not there is no error.
pub(crate) fn remove(environment: &Environment, name: &str) -> Result<()> {
    let words = ["volume", "rm", name];
    let path = format!("/volumes/{name}");
    let reply = Docker(environment).ask("DELETE", &path, &Value::Null, &words);
    if reply.is_ok() || reply.is_absent() {
        return Ok(());
    }
    let why = reply.message();
    Err(refusal!("Docker did not remove the volume {name}: {why}"))
}

/// The names of the volumes that this plugin made for this store and that no container has, running or not, each with
/// when it was made, as Docker writes it; `None` where Docker does not answer.
pub(crate) fn left_over(environment: &Environment) -> Option<Vec<(String, String)>> {
    let label = format!("{LABEL}={}", environment.lib_root().display());
    listed(environment, &[("dangling", vec!["true".to_owned()]), ("label", vec![label])])
}

/// How many bytes each volume holds, as the engine counts them; nothing where it is not asked or does not say.
pub(crate) fn used(environment: &Environment, is_asked: bool) -> Vec<(String, u64)> {
    if !is_asked {
        return Vec::new();
    }
    let held = Docker(environment).engine("GET", "/system/df", &Value::Null, LOOKING);
    let held = held.and_then(Reply::found).unwrap_or_default();
    let used = |volume: &Value| {
        let name = volume["Name"].as_str()?.to_owned();
        Some((name, volume["UsageData"]["Size"].as_u64()?))
    };
    members(&held["Volumes"]).iter().filter_map(used).collect()
}

/// The volume drivers that the engine has; `None` where it does not say.
pub(crate) fn drivers(environment: &Environment) -> Option<Vec<String>> {
    let words = ["info", "-f", "{\"Plugins\":{\"Volume\":{{json .Plugins.Volume}}}}"];
    let info = Docker(environment).get("/info", &words).found()?;
    let names = info["Plugins"]["Volume"].as_array()?.iter().filter_map(Value::as_str);
    Some(names.map(str::to_owned).collect())
}

/// Where the engine looks for drivers that are no Docker plugins (its reference of plugin discovery).
const DIRECTORIES: [(&str, &[&str]); 3] = [
    ("/run/docker/plugins", &["sock"]),
    ("/etc/docker/plugins", &["spec", "json"]),
    ("/usr/lib/docker/plugins", &["spec", "json"]),
];

/// Whether the engine knows a driver, or would find it; `None` where it is not this host's, or does not say. Asking
/// it to make a volume with a driver that is not there takes 15 seconds.
pub(crate) fn has_driver(environment: &Environment, driver: &str) -> Option<bool> {
    let is_here =
        environment.docker_host().is_none() && environment.host_lib_root().ok()?.is_none();
    let plugins = Docker(environment).engine("GET", "/plugins", &Value::Null, LOOKING);
    let plugins = plugins.filter(|_| is_here)?.found()?;
    // A Docker plugin's name has a tag, which need not be written.
    let is_named = |plugin: &Value| {
        let name = plugin["Name"].as_str().unwrap_or_default();
        let is_on = plugin["Enabled"] == Value::Bool(true);
        is_on && (name == driver || name.strip_suffix(":latest") == Some(driver))
    };
    let is_plugin = members(&plugins).iter().any(is_named);
    let is_file = DIRECTORIES.iter().any(|(directory, kinds)| {
        let file = |kind: &&str| Path::new(directory).join(format!("{driver}.{kind}"));
        let own = |kind: &&str| Path::new(directory).join(driver).join(format!("{driver}.{kind}"));
        !driver.contains('/') && kinds.iter().any(|kind| file(kind).exists() || own(kind).exists())
    });
    Some(is_plugin || is_file || drivers(environment)?.iter().any(|known| known == driver))
}
