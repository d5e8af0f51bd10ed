//! Docker volumes: made, looked at and removed, over the engine's socket or through its client.
//!
//! An option may be a secret, and what a program is called with can be seen by everybody on the host: such an
//! option goes over the socket, or not at all.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::docker::{EngineAnswer, ask, client, get};
use crate::domain::error::{Error, Result};
use crate::domain::options;
use crate::host::environment::Environment;
use crate::host::process::{Answer, Program};

/// The driver that the engine has itself.
pub(crate) const LOCAL: &str = "local";

/// The label of the volumes that this plugin makes; its value is the root of the store that they are for.
pub(crate) const LABEL: &str = "org.dokku-storage.made";

/// A Docker volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    /// The name of the driver that keeps it.
    pub driver: String,
    /// What the driver was told.
    pub options: BTreeMap<String, String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Volume {
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

/// What was found of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is there.
    Here(Volume),
    /// There is none of that name.
    Missing,
    /// Docker cannot say, in its own words: the volume's driver is down.
    Failing(String),
    /// Docker does not answer.
    Unknown,
}

/// Looks for a volume.
pub(crate) fn find(environment: &Environment, name: &str) -> Found {
    if let Some(answer) = ask(environment, "GET", &format!("/volumes/{name}"), "") {
        return match answer.status {
            200 => Found::Here(Volume::of(&answer.body)),
            404 => Found::Missing,
            _ => Found::Failing(answer.message()),
        };
    }
    let answer = Program::new(client(environment), &["volume", "inspect", name]).run();
    let Ok(answer) = answer else {
        return Found::Unknown;
    };
    if answer.status != 0 {
        let words = answer.stderr.to_lowercase();
        return if words.contains("no such volume") {
            Found::Missing
        } else if words.contains("error while checking") {
            Found::Failing(answer.stderr.trim().to_owned())
        } else {
            Found::Unknown
        };
    }
    let volumes: Value = serde_json::from_str(&answer.stdout).unwrap_or_default();
    Found::Here(Volume::of(&volumes[0]))
}

/// Whether a volume exists; `None` where Docker does not answer.
pub(crate) fn exists(environment: &Environment, name: &str) -> Option<bool> {
    match find(environment, name) {
        Found::Here(_) => Some(true),
        Found::Missing => Some(false),
        Found::Failing(_) | Found::Unknown => None,
    }
}

/// Makes a volume. One that is there with other options stays as it is, as Docker does it.
///
/// # Errors
/// Where Docker refuses, with its words; and where a secret would have to be shown.
pub(crate) fn make(environment: &Environment, name: &str, volume: &Volume) -> Result<()> {
    let mut labels = volume.labels.clone();
    labels.insert(LABEL.to_owned(), environment.lib_root().to_string_lossy().into_owned());
    let body = json!({
        "Name": name, "Driver": volume.driver, "DriverOpts": volume.options, "Labels": labels
    });
    let refused = |why: &str| {
        Err(Error::refused(format!("Docker did not make the volume {name}: {}", why.trim())))
    };
    if let Some(answer) = ask(environment, "POST", "/volumes/create", &body.to_string()) {
        return match answer {
            EngineAnswer { status: 200..=299, .. } => Ok(()),
            answer => refused(&answer.message()),
        };
    }
    if options::masked(&volume.options) != volume.options {
        return refused(
            "its options hold a secret, which is only told over the engine's socket; unset DOCKER_HOST and DOCKER_BIN, or start Docker",
        );
    }
    let mut words = vec!["volume".to_owned(), "create".to_owned()];
    if volume.driver != LOCAL {
        words.extend(["--driver".to_owned(), volume.driver.clone()]);
    }
    for (key, value) in &volume.options {
        words.extend(["--opt".to_owned(), format!("{key}={value}")]);
    }
    for (key, value) in &labels {
        words.extend(["--label".to_owned(), format!("{key}={value}")]);
    }
    words.push(name.to_owned());
    let answer = run(environment, &words)?;
    if answer.status == 0 { Ok(()) } else { refused(&answer.stderr) }
}

/// The names of the volumes with all of these labels; `None` where Docker does not answer.
pub(crate) fn with_labels(
    environment: &Environment,
    labels: &BTreeMap<String, String>,
) -> Option<Vec<String>> {
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let filter = encoded(&json!({"label": labels}).to_string());
    if let Some(answer) = ask(environment, "GET", &format!("/volumes?filters={filter}"), "") {
        let volumes = answer.body["Volumes"].as_array().cloned().unwrap_or_default();
        let names = volumes.iter().filter_map(|volume| volume["Name"].as_str());
        return (answer.status == 200).then(|| names.map(str::to_owned).collect());
    }
    let mut words = ["volume", "ls", "-q"].map(str::to_owned).to_vec();
    for label in labels {
        words.extend(["--filter".to_owned(), format!("label={label}")]);
    }
    let answer = Program::new(client(environment), &words).run().ok()?;
    (answer.status == 0).then(|| answer.stdout.lines().map(str::to_owned).collect())
}

/// A text as it stands in an address.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Removes a volume with what is in it. One that is not there is no error.
pub(crate) fn remove(environment: &Environment, name: &str) -> Result<()> {
    let refused = |why: &str| {
        Err(Error::refused(format!("Docker did not remove the volume {name}: {}", why.trim())))
    };
    if let Some(answer) = ask(environment, "DELETE", &format!("/volumes/{name}"), "") {
        return match answer {
            EngineAnswer { status: 200..=299 | 404, .. } => Ok(()),
            answer => refused(&answer.message()),
        };
    }
    let answer = run(environment, &["volume".to_owned(), "rm".to_owned(), name.to_owned()])?;
    let is_gone = answer.status == 0 || answer.stderr.to_lowercase().contains("no such volume");
    if is_gone { Ok(()) } else { refused(&answer.stderr) }
}

/// The names of the volumes that this plugin made for this store and that no container has, running or not, each with
/// when it was made, as Docker writes it; `None` where Docker does not answer.
pub(crate) fn left_over(environment: &Environment) -> Option<Vec<(String, String)>> {
    let label = format!("{LABEL}={}", environment.lib_root().display());
    let filters = json!({"dangling": ["true"], "label": [label]}).to_string();
    if let Some(listed) = get(environment, &format!("/volumes?filters={}", encoded(&filters))) {
        let volumes = listed["Volumes"].as_array().map_or(&[][..], Vec::as_slice);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let named = |volume: &Value| (text(&volume["Name"]), text(&volume["CreatedAt"]));
        return Some(volumes.iter().map(named).collect());
    }
    let label = format!("label={label}");
    let words = ["volume", "ls", "-q", "--filter", "dangling=true", "--filter", &label];
    let answer = Program::new(client(environment), &words).run().ok()?;
    let names = answer.stdout.lines().map(|name| (name.to_owned(), String::new())).collect();
    (answer.status == 0).then_some(names)
}

/// How many bytes each volume holds, as the engine counts them; nothing where it is not asked or does not say.
pub(crate) fn used(environment: &Environment, is_asked: bool) -> Vec<(String, u64)> {
    if !is_asked {
        return Vec::new();
    }
    let answer = ask(environment, "GET", "/system/df", "").filter(|answer| answer.status == 200);
    let volumes = answer.map(|answer| answer.body["Volumes"].clone()).unwrap_or_default();
    let used = |volume: &Value| {
        let name = volume["Name"].as_str()?.to_owned();
        Some((name, volume["UsageData"]["Size"].as_u64()?))
    };
    volumes.as_array().map(|volumes| volumes.iter().filter_map(used).collect()).unwrap_or_default()
}

/// The volume drivers that the engine has; `None` where it does not say.
pub(crate) fn drivers(environment: &Environment) -> Option<Vec<String>> {
    let plugins = match ask(environment, "GET", "/info", "") {
        Some(answer) if answer.status == 200 => answer.body["Plugins"]["Volume"].clone(),
        _ => {
            let words = ["info", "-f", "{{json .Plugins.Volume}}"];
            let answer = Program::new(client(environment), &words).run().ok()?;
            serde_json::from_str(answer.stdout.trim()).ok()?
        }
    };
    let names = plugins.as_array()?.iter().filter_map(Value::as_str);
    Some(names.map(str::to_owned).collect())
}

/// Where the engine looks for drivers that are no Docker plugins (its reference of plugin discovery).
const FOLDERS: [(&str, &[&str]); 3] = [
    ("/run/docker/plugins", &["sock"]),
    ("/etc/docker/plugins", &["spec", "json"]),
    ("/usr/lib/docker/plugins", &["spec", "json"]),
];

/// Whether the engine knows a driver, or would find it; `None` where it is not this host's, or does not say. Asking
/// it to make a volume with a driver that is not there takes 15 seconds.
pub(crate) fn has_driver(environment: &Environment, driver: &str) -> Option<bool> {
    let is_here =
        environment.docker_host().is_none() && environment.host_lib_root().ok()?.is_none();
    let plugins = ask(environment, "GET", "/plugins", "").filter(|_| is_here)?;
    if plugins.status != 200 {
        return None;
    }
    // A Docker plugin's name has a tag, which need not be written.
    let is_named = |plugin: &Value| {
        let name = plugin["Name"].as_str().unwrap_or_default();
        let is_on = plugin["Enabled"] == Value::Bool(true);
        is_on && (name == driver || name.strip_suffix(":latest") == Some(driver))
    };
    let is_plugin = plugins.body.as_array().is_some_and(|all| all.iter().any(is_named));
    let is_file = FOLDERS.iter().any(|(folder, kinds)| {
        let file = |kind: &&str| Path::new(folder).join(format!("{driver}.{kind}"));
        let own = |kind: &&str| Path::new(folder).join(driver).join(format!("{driver}.{kind}"));
        !driver.contains('/') && kinds.iter().any(|kind| file(kind).exists() || own(kind).exists())
    });
    Some(is_plugin || is_file || drivers(environment)?.iter().any(|known| known == driver))
}

fn run(environment: &Environment, words: &[String]) -> Result<Answer> {
    Program::new(client(environment), words).run()
}
