//! The shape of `cases.json`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A host, and what is done on it step by step.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    /// The apps of the host.
    #[serde(default)]
    pub apps: Vec<String>,
    /// Directories that are there before the first step.
    #[serde(default)]
    pub dirs: Vec<String>,
    /// Files that are there before the first step, with their content.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// What the stand-ins for other programs answer.
    #[serde(default)]
    pub answers: BTreeMap<String, String>,
    /// The files whose content was noted; `expect_files` has it.
    #[serde(default, rename = "watch")]
    pub _watched: Vec<String>,
    pub steps: Vec<Step>,
    /// What is to be in the watched files after the last step; nothing where they are not to be there.
    #[serde(default)]
    pub expect_files: BTreeMap<String, Option<String>>,
}

/// One call, or the removal of a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// A file of the plugin's directory and its arguments.
    #[serde(default)]
    pub run: Vec<String>,
    /// A path to remove instead.
    pub remove: Option<String>,
    #[serde(default)]
    pub stdin: String,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Further lines between the expected ones are fine.
    #[serde(default)]
    pub more: bool,
    /// Only the status counts, and whether something is said.
    #[serde(default)]
    pub loose: bool,
    pub expect: Expected,
}

/// How a step is to end.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
    #[serde(default)]
    pub triggers: Vec<Trigger>,
}

/// A trigger that is to be fired.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    #[serde(rename = "trigger")]
    pub name: String,
    pub args: Vec<String>,
    pub stdin: String,
}

impl Scenario {
    /// Reads the scenarios of a file.
    pub fn read_all(text: &str) -> Vec<Self> {
        serde_json::from_str(text).unwrap()
    }
}

impl Step {
    /// The step as a report names it.
    pub fn shown(&self) -> String {
        match &self.remove {
            Some(path) => format!("remove {path}"),
            None => self.run.join(" "),
        }
    }
}
