//! The containers of an app, and what is mounted into them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::docker::{Docker, Environment, LOOKING, filters};
use crate::domain::{AppName, ContainerPath, Result};

const APP_LABEL: &str = "com.dokku.app-name";

const PROCESS_LABEL: &str = "com.dokku.process-type";

/// The label by which Dokku marks a container's process type and number, such as `web.1`.
const DYNO_LABEL: &str = "com.dokku.dyno";

/// The label by which Dokku tells deployed containers (`deploy`) from one-off ones (`run`, `cron`).
const KIND_LABEL: &str = "com.dokku.container-type";

pub(crate) use crate::docker::stopping::stop;

#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub id: String,
    pub name: String,
    /// The app whose it is, as its label says.
    pub app: String,
    /// Its process type and number; none for a one-off, and where no label says it.
    pub dyno: Option<String>,
    pub is_paused: bool,
    /// Whether it runs, or will again by itself.
    pub is_running: bool,
    /// Whether it runs one command and does not belong to a deploy.
    pub is_one_off: bool,
    pub process_type: Option<String>,
    pub mounts: Vec<Mount>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Mount {
    /// The path on the host; of a volume, where Docker keeps it.
    #[serde(default)]
    pub source: String,
    #[serde(default)]
    pub name: String,
    pub destination: String,
    #[serde(rename = "RW", default)]
    pub is_writable: bool,
}

impl Container {
    /// Dokku's own command that stops it, where there is one: not everybody who has Dokku's commands has Docker's.
    pub(crate) fn run_stop(&self) -> Option<String> {
        let name = &self.name;
        // Dokku takes the app and the kind from the name, and knows no app with a dot there.
        let is_known = self.is_one_off
            && self.is_running
            && name.matches('.').count() == 2
            && name.starts_with(&format!("{}.run.", self.app));
        is_known.then(|| format!("dokku run:stop --container {name}"))
    }

    /// What it is called in a sentence: by its process type and number where they are known.
    pub(crate) fn shown(&self) -> String {
        match (&self.dyno, &self.process_type) {
            (Some(dyno), _) => format!("{}.{dyno}", self.app),
            (None, Some(process_type)) => {
                format!("{}'s {process_type} container {}", self.app, self.id)
            }
            (None, None) => format!("{}'s container {}", self.app, self.id),
        }
    }
}

impl Mount {
    /// What `-v` would name as the source: the volume, or the path.
    pub(crate) fn source(&self) -> &str {
        if self.name.is_empty() { &self.source } else { &self.name }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    labels: std::collections::HashMap<String, String>,
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    state: State,
    config: Config,
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<std::collections::HashMap<String, String>>,
}

/// The running containers of an app; none where Docker does not answer.
pub(crate) fn running(environment: &Environment, app: &AppName) -> Vec<Container> {
    listed(environment, Some(&format!("{APP_LABEL}={app}")), false).unwrap_or_default()
}

/// The containers of an app that its deploys made, running or not, by their process types and numbers (`web.1`), without those that
/// another replaced; none where Docker does not answer.
pub(crate) fn deployed(environment: &Environment, app: &AppName) -> Vec<Container> {
    let all = listed(environment, Some(&format!("{APP_LABEL}={app}")), true);
    let mut containers = all.unwrap_or_default();
    containers.retain(|container| {
        let dyno = container.dyno.as_ref().filter(|_| !container.is_one_off);
        // What is replaced gets another name until it is removed.
        dyno.is_some_and(|dyno| container.name == format!("{app}.{dyno}"))
    });
    containers
}

/// The running containers of every app, where what is not seen would be a mistake.
pub(crate) fn all_for_certain(environment: &Environment) -> Result<Vec<Container>> {
    listed(environment, Some(APP_LABEL), false).ok_or_else(|| {
        refusal!("Docker does not answer, so it is not known which containers run; try again once docker ps works")
    })
}

/// Every container of this host, running or not, Dokku's or not; `None` where Docker does not answer.
pub(crate) fn every(environment: &Environment) -> Option<Vec<Container>> {
    listed(environment, None, true)
}

/// The host's number of a running container's first process; none where it does not run, or Docker does not say.
pub(crate) fn process(environment: &Environment, container: &Container) -> Option<u32> {
    let words = ["inspect", "--format", "{{.State.Pid}}", &container.id];
    let path = format!("/containers/{}/json", container.id);
    let number = match Docker(environment).get(&path, &words).found()? {
        Value::String(said) => said.trim().parse().ok()?,
        inspected => inspected["State"]["Pid"].as_u64()?,
    };
    u32::try_from(number).ok().filter(|&number| number > 0)
}

/// Whether a container has a file system in memory at a path that it was started with; Docker counts these among no mounts.
pub(crate) fn has_tmpfs(
    environment: &Environment,
    container: &Container,
    path: &ContainerPath,
) -> bool {
    let words = ["inspect", "--format", "{{json .HostConfig.Tmpfs}}", &container.id];
    let path_of_it = format!("/containers/{}/json", container.id);
    let Some(found) = Docker(environment).get(&path_of_it, &words).found() else {
        return false;
    };
    let all = found.pointer("/HostConfig/Tmpfs").unwrap_or(&found).as_object();
    let mut paths = all.into_iter().flatten().map(|(path, _)| path);
    paths.any(|found| ContainerPath::parse(found).is_ok_and(|found| found == *path))
}

/// The running containers, paused ones and those that are not of apps included, or also those that do not run, of which one mount is
/// such a one; `None` where Docker does not answer.
pub(crate) fn mounting(
    environment: &Environment,
    with_stopped: bool,
    is_such: impl Fn(&Mount) -> bool,
) -> Option<Vec<Container>> {
    let mut containers = listed(environment, None, with_stopped)?;
    containers.retain(|container| container.mounts.iter().any(&is_such));
    Some(containers)
}

/// The running containers with a label, or all of them, or also those that do not run; `None` where Docker does not answer.
fn listed(
    environment: &Environment,
    label: Option<&str>,
    with_stopped: bool,
) -> Option<Vec<Container>> {
    let labels: Vec<&str> = label.into_iter().collect();
    let filters = filters(&json!({ "label": labels }));
    let path = format!("/containers/json?all={with_stopped}&{filters}");
    let docker = Docker(environment);
    let listed: Vec<Listed> = match docker.engine("GET", &path, &Value::Null, LOOKING) {
        Some(reply) => serde_json::from_value(reply.found()?).ok()?,
        None => by_client(docker, label, with_stopped)?,
    };
    Some(listed.into_iter().map(Container::from).collect())
}

impl From<Listed> for Container {
    fn from(mut listed: Listed) -> Self {
        let name = listed.names.first().map_or("", |name| name.trim_start_matches('/')).to_owned();
        let app = listed.labels.get(APP_LABEL).cloned().unwrap_or_default();
        // Labels may be those of an image, which anybody can make. The name is Dokku's.
        let is_dokkus = name.strip_prefix(&app).is_some_and(|rest| rest.starts_with('.'));
        let app = if is_dokkus { app } else { String::new() };
        if !is_dokkus {
            listed.labels.clear();
        }
        Self {
            id: listed.id.chars().take(12).collect(),
            name,
            app,
            dyno: listed.labels.get(DYNO_LABEL).cloned(),
            is_paused: listed.state == "paused",
            is_running: !["created", "dead", "exited"].contains(&listed.state.as_str()),
            is_one_off: match listed.labels.get(KIND_LABEL) {
                Some(kind) => kind != "deploy",
                None => !listed.labels.contains_key(PROCESS_LABEL),
            },
            process_type: listed.labels.get(PROCESS_LABEL).cloned(),
            mounts: listed.mounts,
        }
    }
}

fn by_client(docker: Docker, label: Option<&str>, with_stopped: bool) -> Option<Vec<Listed>> {
    let filter = label.map(|label| format!("label={label}"));
    let mut words = vec!["ps", if with_stopped { "-aq" } else { "-q" }, "--no-trunc"];
    words.extend(filter.iter().flat_map(|filter| ["--filter", filter]));
    let (count, inspected) = docker.inspected::<Inspected>(&words, &["inspect"])?;
    // Of those that do not run, one that is gone may be the one that matters.
    if with_stopped && inspected.len() != count {
        return None;
    }
    let listed = |inspected: Inspected| Listed {
        id: inspected.id,
        names: vec![inspected.name],
        state: inspected.state.status,
        labels: inspected.config.labels.unwrap_or_default(),
        mounts: inspected.mounts,
    };
    Some(inspected.into_iter().map(listed).collect())
}

/// Removes the containers with a label whose value, the process that needs them for a moment, is chosen.
pub(crate) fn remove_labelled(
    environment: &Environment,
    label: &str,
    is_chosen: impl Fn(&str) -> bool,
) {
    for container in labelled(environment, label, &["ps", "-a"], "ID", is_chosen) {
        let _ = Docker(environment).client(&["rm", "-f", "-v", &container]).run();
    }
}

/// What Docker lists with a label whose value is chosen, each by one of its fields. Nothing where Docker does not say.
pub(crate) fn labelled(
    environment: &Environment,
    label: &str,
    list: &[&str],
    field: &str,
    is_chosen: impl Fn(&str) -> bool,
) -> Vec<String> {
    let shown = format!("{{{{.{field}}}}} {{{{.Label \"{label}\"}}}}");
    let filter = format!("label={label}");
    let words = [list, &["--format", &shown, "--filter", &filter]].concat();
    let answer = Docker(environment).client(&words).run();
    let lines = answer.map(|answer| answer.stdout).unwrap_or_default();
    let pairs = lines.lines().filter_map(|line| line.split_once(' '));
    pairs.filter(|(_, of)| is_chosen(of)).map(|(name, _)| name.to_owned()).collect()
}
