//! Findings: what is not as it should be, as deploys and `storage:doctor` say it.

use serde::Serialize;

use crate::domain::{AppName, EntryName};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// A deploy would go wrong, and is stopped.
    Stops,
    Person,
    /// It is good to know.
    Note,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    /// What kind it is of; it stays the same over versions.
    pub code: &'static str,
    pub severity: Severity,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryName>,
    /// The path on the host or in the container, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub sentence: String,
    /// The command to run, or what else to do.
    pub remedy: String,
}

impl Finding {
    /// A finding about nothing in particular yet.
    pub(crate) fn new(
        code: &'static str,
        severity: Severity,
        sentence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity,
            app: None,
            entry: None,
            path: None,
            sentence: sentence.into(),
            remedy: remedy.into(),
        }
    }

    pub(crate) fn of_app(mut self, app: &AppName) -> Self {
        self.app = Some(app.clone());
        self
    }

    pub(crate) fn of_entry(mut self, entry: &EntryName) -> Self {
        self.entry = Some(entry.clone());
        self
    }

    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub(crate) fn line(&self) -> String {
        format!("{}; {}", self.sentence, self.remedy)
    }
}

/// Why containers cannot use an entry as it is now.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    /// What kind it is of; it stays the same over versions.
    pub code: &'static str,
    /// What is the matter with the entry; completes "… mounts X (storage entry "NAME"), but ".
    pub sentence: String,
    pub remedy: String,
    /// Whether it may pass by itself, so that waiting helps.
    pub may_pass: bool,
}
