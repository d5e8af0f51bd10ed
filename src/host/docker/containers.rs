//! The containers of an app, and what is mounted into them.

use serde::Deserialize;

use super::{Environment, client, get};
use crate::domain::names::AppName;
use crate::host::process;

/// The label by which Dokku marks an app's containers.
const APP_LABEL: &str = "com.dokku.app-name";

/// The label by which Dokku marks a container's process type.
const PROCESS_LABEL: &str = "com.dokku.process-type";

/// A running container of an app.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its id, as short as Docker shows it.
    pub id: String,
    /// Its process type; none for a one-off.
    pub process_type: Option<String>,
    /// What is mounted into it.
    pub mounts: Vec<Mount>,
}

/// Something mounted into a container, as Docker sees it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mount {
    /// The path on the host; of a volume, where Docker keeps it.
    #[serde(default)]
    pub source: String,
    /// The volume's name, where it is one.
    #[serde(default)]
    pub name: String,
    /// The path in the container.
    pub destination: String,
    /// Whether the container can write to it.
    #[serde(rename = "RW", default)]
    pub is_writable: bool,
}

impl Mount {
    /// What `-v` would name as the source: the volume, or the path.
    #[must_use]
    pub fn source(&self) -> &str {
        if self.name.is_empty() { &self.source } else { &self.name }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    labels: std::collections::HashMap<String, String>,
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    config: Config,
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<std::collections::HashMap<String, String>>,
}

/// The running containers of an app; none where Docker does not answer.
#[must_use]
pub fn running(environment: &Environment, app: &AppName) -> Vec<Container> {
    labelled(environment, &format!("{APP_LABEL}={app}"))
}

/// The running containers of every app; none where Docker does not answer.
#[must_use]
pub fn all(environment: &Environment) -> Vec<Container> {
    labelled(environment, APP_LABEL)
}

fn labelled(environment: &Environment, label: &str) -> Vec<Container> {
    let encoded = label.replace('=', "%3D");
    let filter = format!("%7B%22label%22%3A%5B%22{encoded}%22%5D%7D");
    let listed = match get(environment, &format!("/containers/json?filters={filter}")) {
        Some(listed) => serde_json::from_value(listed).unwrap_or_default(),
        None => by_client(environment, label),
    };
    let container = |listed: Listed| Container {
        id: listed.id.chars().take(12).collect(),
        process_type: listed.labels.get(PROCESS_LABEL).cloned(),
        mounts: listed.mounts,
    };
    listed.into_iter().map(container).collect()
}

fn by_client(environment: &Environment, label: &str) -> Vec<Listed> {
    let docker = client(environment);
    let filter = format!("label={label}");
    let Ok(ids) = process::output(&docker, &["ps", "-q", "--no-trunc", "--filter", &filter]) else {
        return Vec::new();
    };
    let ids: Vec<&str> = ids.stdout.split_whitespace().collect();
    if ids.is_empty() {
        return Vec::new();
    }
    let words: Vec<&str> = ["inspect"].into_iter().chain(ids).collect();
    let inspected = process::output(&docker, &words).map(|answer| answer.stdout);
    let inspected: Vec<Inspected> =
        serde_json::from_str(&inspected.unwrap_or_default()).unwrap_or_default();
    let listed = |inspected: Inspected| Listed {
        id: inspected.id,
        labels: inspected.config.labels.unwrap_or_default(),
        mounts: inspected.mounts,
    };
    inspected.into_iter().map(listed).collect()
}
