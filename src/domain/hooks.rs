//! Commands that are run around the copy that becomes a backup of an entry.

use serde::{Deserialize, Serialize};

use crate::domain::entry::{is_default, or_default};
use crate::domain::{AppName, ProcessType, Result, Unknown};

/// The most bytes of a command.
const LONGEST: usize = 4096;

/// The properties of an entry that are about this, as `storage:set` names them.
pub(crate) const PROPERTIES: [&str; 4] =
    ["backup-after", "backup-before", "backup-image", "backup-process-type"];

/// The commands, for a shell, and where they run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object", default)]
pub struct Hooks {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub before: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub after: String,
    /// The process type in whose container they run; any of the app's that mounts the entry where none is named.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub process_type: String,
    /// The image of a container of the entry's own in which they run instead.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub image: String,
    /// The apps in whose containers they may run: those that who set them saw.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub apps: Vec<AppName>,
    /// Whether who set them saw every app: then they also run in a container of the entry's own whoever mounts it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub any_app: bool,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Hooks {
    /// Whether anything is run around a backup; that may take long.
    pub(crate) fn is_some(&self) -> bool {
        !self.before.is_empty() || !self.after.is_empty()
    }

    /// The values, each with its label.
    pub(crate) fn shown(&self) -> [(&'static str, &str); 4] {
        [
            ("Backup before", &self.before),
            ("Backup after", &self.after),
            ("Backup process type", &self.process_type),
            ("Backup image", &self.image),
        ]
    }

    /// Has them run in the containers of an app in the place of another one's, or in no container in their place; false where they do
    /// not run in those.
    pub(crate) fn hand_over(&mut self, from: &AppName, to: Option<&AppName>) -> bool {
        let Some(at) = self.apps.iter().position(|app| app == from) else {
            return false;
        };
        match to.filter(|to| !self.apps.contains(to)) {
            Some(to) => self.apps[at].clone_from(to),
            None => drop(self.apps.remove(at)),
        }
        true
    }

    /// Whether all of them are what could be set.
    pub(crate) fn is_valid(&self) -> bool {
        let values = [&self.after, &self.before, &self.image, &self.process_type];
        let mut again = Self::default();
        PROPERTIES.iter().zip(values).all(|(name, value)| again.set(name, value).is_ok())
    }

    /// Sets one of the properties; the empty value takes it away. False where it is not one of them.
    /// Fails where the value cannot be used.
    pub(crate) fn set(&mut self, property: &str, value: &str) -> Result<bool> {
        let field = match property {
            "backup-before" => &mut self.before,
            "backup-after" => &mut self.after,
            "backup-process-type" => &mut self.process_type,
            "backup-image" => &mut self.image,
            _ => return Ok(false),
        };
        match property {
            "backup-process-type" if !value.is_empty() => ProcessType::parse(value).map(drop)?,
            "backup-image" => refuse_if!(
                value.starts_with('-') || value.contains(char::is_whitespace),
                "backup-image {value:?} is not the name of an image"
            ),
            _ => refuse_if!(
                value.len() > LONGEST || value.contains('\0'),
                "{property} has more than {LONGEST} bytes"
            ),
        }
        value.clone_into(field);
        Ok(true)
    }
}
