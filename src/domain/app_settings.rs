//! What is decided for one app.

use serde::{Deserialize, Serialize};

use crate::domain::entry::is_default;
use crate::domain::text::words;
use crate::domain::{AppName, Result, Unknown};

/// What happens at a deploy where the source of a mount is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingSource {
    #[default]
    Fail,
    /// The directory is made, with the entry's owner and mode; a Docker volume is made.
    Create,
    /// The deploy goes on, and Docker does what it does.
    Ignore,
}

/// What happens at a deploy where the image's user cannot write to a mount that is not read-only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnwritableSource {
    #[default]
    Fail,
    /// The deploy goes on: the app only reads there.
    Ignore,
}

/// What a clone of the app gets of what the app mounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloneMode {
    /// The same entries: both apps use the same data, as in Dokku.
    #[default]
    Share,
    /// Entries of its own, with copies of the data.
    Copy,
    /// Entries of its own, with directories that are empty.
    Empty,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Share {
    pub app: AppName,
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_only: bool,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Share {
    pub fn new(app: AppName, read_only: bool) -> Self {
        Self { app, read_only, unknown: Unknown::new() }
    }
}

/// The settings of an app, and what is remembered of its last build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
#[serde(default)]
pub struct AppSettings {
    #[serde(skip_serializing_if = "is_default")]
    pub missing_source: MissingSource,
    #[serde(skip_serializing_if = "is_default")]
    pub unwritable_source: UnwritableSource,
    #[serde(skip_serializing_if = "is_default")]
    pub clone: CloneMode,
    /// Whether the volumes that the image declares become entries of the app's own.
    #[serde(skip_serializing_if = "is_default")]
    pub auto_volumes: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared_from: Vec<Share>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Whether what the app needs came from its `app.json`, and goes with that.
    #[serde(skip_serializing_if = "is_default")]
    pub needs_from_app_json: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub builder: String,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// The properties that can be set, with their values.
pub const PROPERTIES: [(&str, &[&str]); 4] = [
    ("missing-source", &["fail", "create", "ignore"]),
    ("unwritable-source", &["fail", "ignore"]),
    ("clone", &["share", "copy", "empty"]),
    ("auto-volumes", &["false", "true"]),
];

impl AppSettings {
    pub fn share(&self, from: &AppName) -> Option<&Share> {
        self.shared_from.iter().find(|share| share.app == *from)
    }

    /// Sets a property; the empty value takes it back to its default.
    pub fn set(&mut self, property: &str, value: &str) -> Result<()> {
        let names: Vec<&str> = PROPERTIES.iter().map(|(name, _)| *name).collect();
        let Some((_, values)) = PROPERTIES.iter().find(|(name, _)| *name == property) else {
            refuse!("{property:?} is not a property of an app; there are: {}", names.join(", "));
        };
        if !value.is_empty() && !values.contains(&value) {
            refuse!("{property} cannot be {value:?}; it can be {}", values.join(", "));
        }
        match property {
            "missing-source" => {
                self.missing_source = MissingSource::named(value).unwrap_or_default();
            }
            "unwritable-source" => {
                self.unwritable_source = UnwritableSource::named(value).unwrap_or_default();
            }
            "clone" => self.clone = CloneMode::named(value).unwrap_or_default(),
            _ => self.auto_volumes = value == "true",
        }
        Ok(())
    }
}

words!(MissingSource: Fail = "fail", Create = "create", Ignore = "ignore");
words!(UnwritableSource: Fail = "fail", Ignore = "ignore");
words!(CloneMode: Share = "share", Copy = "copy", Empty = "empty");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_that_is_listed_can_be_set_and_shown() {
        for (property, values) in PROPERTIES {
            for value in values {
                let mut settings = AppSettings::default();
                settings.set(property, value).unwrap();
                let shown = match property {
                    "missing-source" => settings.missing_source.to_string(),
                    "unwritable-source" => settings.unwritable_source.to_string(),
                    "clone" => settings.clone.to_string(),
                    _ => settings.auto_volumes.to_string(),
                };
                assert_eq!(shown, *value);
            }
            assert!(AppSettings::default().set(property, "nonsense").is_err());
        }
        assert!(AppSettings::default().set("nonsense", "").is_err());
    }
}
