//! The host's policy: which host paths and volumes may be mounted, below which directory they land, how long the trash
//! keeps what was destroyed, and where metrics are written.

use serde::{Deserialize, Serialize};

use crate::domain::text::{checked_text, words};
use crate::domain::trash::{MOST_HOURS, TRASH_HOURS};
use crate::domain::{AppName, HostPath, Result, Unknown, as_typed};

/// What stands for the app's name in a jail's path.
const APP: &str = "{app}";

/// The directory below which the host paths of colon mounts land, with `{app}` for the app's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jail(String);
checked_text!(Jail);

impl Jail {
    pub fn parse(text: &str) -> Result<Self> {
        as_typed("jail", text)?;
        let filled = text.replace(APP, "app");
        if let Some(begin) = filled.find(['{', '}']) {
            let rest = &filled[begin..];
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            refuse!("jail {text:?} has the placeholder {}; the only one is {APP}", &rest[..end]);
        }
        HostPath::parse(&filled)?;
        if filled.trim_matches('/').is_empty() {
            refuse!("jail \"/\" would keep nothing in; name a directory");
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    pub fn directory(&self, app: &AppName) -> String {
        self.0.replace(APP, app.as_str())
    }

    /// Where a host path lands for an app: below its directory, unless it names a place there already.
    pub fn land(&self, app: &AppName, path: &HostPath) -> Result<HostPath> {
        let directory = self.directory(app);
        // By their names alone.
        if std::path::Path::new(path.as_str()).starts_with(&directory) {
            return Ok(path.clone());
        }
        HostPath::parse(&format!("{directory}{path}"))
    }
}

/// The directory of a textfile collector, to which cron has the metrics written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsDirectory(String);
checked_text!(MetricsDirectory);

impl MetricsDirectory {
    pub fn parse(text: &str) -> Result<Self> {
        refuse_if!(!text.starts_with('/'), "metrics-textfile {text:?} must be an absolute path");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        refuse_if!(
            !text.chars().all(is_plain),
            "metrics-textfile {text:?} can only have letters, digits, \".\", \"_\", \"-\" and \"/\", since it is written in a crontab"
        );
        Ok(Self(text.to_owned()))
    }
}

/// How far who does not see every app may choose the options of Docker volumes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeOptions {
    Deny,
    /// Where they lead nowhere on the host, or to a path that the user could mount.
    #[default]
    Safe,
    /// As who sees every app may.
    Allow,
}

words!(VolumeOptions: Deny = "deny", Safe = "safe", Allow = "allow");

impl VolumeOptions {
    pub fn parse(text: &str) -> Result<Self> {
        Self::named(text)
            .ok_or_else(|| refusal!("volume-options {text:?} is not one of deny, safe, allow"))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Policy {
    /// The directories whose content may be mounted; any host path where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_paths: Vec<HostPath>,
    /// Where the host paths of colon mounts land.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jail: Option<Jail>,
    /// For how many hours what is destroyed stays in the trash, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trash_hours: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_textfile: Option<MetricsDirectory>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Reads for how many hours what is destroyed stays in the trash.
pub fn parse_trash_hours(text: &str) -> Result<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hours = text.parse().ok().filter(|&hours| is_number && hours <= MOST_HOURS);
    hours.ok_or_else(|| {
        refusal!("trash-hours {text:?} must be a whole number of hours from 0 to {MOST_HOURS}; 0 is no trash at all")
    })
}

impl Policy {
    /// For how many hours what is destroyed stays in the trash; 0 where there is none.
    pub fn trash_hours(&self) -> u64 {
        self.trash_hours.unwrap_or(TRASH_HOURS)
    }

    /// How far who does not see every app may choose the options of Docker volumes.
    pub fn volume_options(&self) -> VolumeOptions {
        self.volume_options.unwrap_or_default()
    }

    pub fn restricts_paths(&self) -> bool {
        !self.allowed_paths.is_empty() || self.jail.is_some()
    }

    /// The directories below which an app's host paths must be.
    pub fn directories(&self, app: Option<&AppName>) -> Vec<String> {
        let jail = self.jail.as_ref().zip(app).map(|(jail, app)| jail.directory(app));
        self.allowed_paths.iter().map(ToString::to_string).chain(jail).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_whole_and_not_too_many() {
        assert_eq!(parse_trash_hours("0").unwrap(), 0);
        assert_eq!(parse_trash_hours("87600").unwrap(), MOST_HOURS);
        for bad in ["", "-1", "+1", "1.5", "48h", " 1", "87601", "99999999999999999999"] {
            assert!(parse_trash_hours(bad).is_err(), "{bad:?}");
        }
        let policy: Policy = serde_json::from_str(r#"{"trash_hours": 0}"#).unwrap();
        assert_eq!((policy.trash_hours(), Policy::default().trash_hours()), (0, TRASH_HOURS));
    }

    #[test]
    fn a_directory_of_metrics_is_a_word_of_a_crontab() {
        assert!(MetricsDirectory::parse("/var/lib/prometheus/node-exporter").is_ok());
        for bad in ["", "here", "/a b", "/a%b", "/a;b", "/a\nb", "/a$b", "/ä"] {
            assert!(MetricsDirectory::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn paths_land_in_the_apps_directory_once() {
        let jail = Jail::parse("/containerdata/{app}").unwrap();
        let app = AppName::parse("blog").unwrap();
        let land =
            |path: &str| jail.land(&app, &HostPath::parse(path).unwrap()).unwrap().to_string();
        assert_eq!(land("/var/log"), "/containerdata/blog/var/log");
        assert_eq!(land("/containerdata/blog/x"), "/containerdata/blog/x");
        assert_eq!(land("/containerdata/blog2/x"), "/containerdata/blog/containerdata/blog2/x");
        for bad in ["", "relative/{app}", "/", "/a/../{app}", "/a/{user}", "/a:b"] {
            assert!(Jail::parse(bad).is_err(), "{bad:?}");
        }
    }
}
