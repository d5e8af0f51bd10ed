//! A storage entry: one place for data, registered under a name.

use std::collections::BTreeMap;

use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::domain::text::complete_unknown;
use crate::domain::{
    AppName, AutoVolume, Connector, ConnectorName, EntryName, Error, Hooks, Mode, Options,
    Ownership, Remote, Result, Scope, Source, Unknown, VolumeTarget, options,
};

/// The version of the entry files, Dokku's own.
pub const SCHEMA_VERSION: u64 = 1;

/// The scheduler of this host's Docker.
pub const DOCKER_LOCAL: &str = "docker-local";

/// The scheduler of a Kubernetes cluster, served by Dokku's k3s plugin.
pub const K3S: &str = "k3s";

/// An entry, in the shape and the field order of Dokku's `entries/NAME.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Entry {
    pub name: EntryName,
    /// Who makes the storage available: `docker-local` or `k3s`.
    #[serde(default = "docker_local", deserialize_with = "docker_local_unless_named")]
    pub scheduler: String,
    /// The absolute path or the Docker volume behind it; none for k3s.
    #[serde(default, deserialize_with = "empty_as_none", skip_serializing_if = "Option::is_none")]
    pub host_path: Option<Source>,
    /// The size of the claim (k3s), as Kubernetes writes it (`2Gi`).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub size: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub access_mode: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub storage_class: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub namespace: String,
    #[serde(default, deserialize_with = "empty_as_none", skip_serializing_if = "Option::is_none")]
    pub chown: Option<Ownership>,
    #[serde(default, deserialize_with = "empty_as_none", skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// What happens to the data when the entry goes: `Retain` or `Delete`.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub reclaim_policy: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub annotations: Options,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub labels: Options,
    /// The apps that may mount it; a field of this plugin's own.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub scope: Scope,
    /// Its storage type (`tmpfs`, `nfs`, …); none where the source alone says it. A field of this plugin's own.
    #[serde(
        default,
        rename = "type",
        deserialize_with = "or_default",
        skip_serializing_if = "is_default"
    )]
    pub type_name: String,
    /// The driver of its Docker volume, where it is not Docker's own; a field of this plugin's own.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub driver: String,
    /// Where its credentials are; a field of this plugin's own.
    #[serde(default, deserialize_with = "empty_as_none", skip_serializing_if = "Option::is_none")]
    pub connector: Option<ConnectorName>,
    /// What its type was told; a field of this plugin's own.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub options: Options,
    /// The name of the host that has the data; a field of this plugin's own.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub node: String,
    /// Whether one app at a time mounts it, and one container at a time writes to it; a field of this plugin's own.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub exclusive: bool,
    /// What is run around the copy that becomes a backup; a field of this plugin's own.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub backup: Hooks,
    /// Of which app's image it keeps a volume, and which; none where a person made it. A field of this plugin's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_volume: Option<AutoVolume>,
    #[serde(default = "schema_version")]
    pub schema_version: u64,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Entry {
    /// Says that the data is on another node now, where it is on one.
    pub(crate) fn put_on(&mut self, node: String) {
        if !self.node.is_empty() {
            self.node = node;
        }
    }

    /// Whether it names its type; what Dokku's own plugin registers names none.
    pub fn is_typed(&self) -> bool {
        !self.type_name.is_empty()
    }

    /// An entry of this host with nothing but a name and a source.
    pub fn new(name: EntryName, source: Option<Source>) -> Self {
        Self {
            name,
            scheduler: DOCKER_LOCAL.to_owned(),
            host_path: source,
            size: String::new(),
            access_mode: String::new(),
            storage_class: String::new(),
            namespace: String::new(),
            chown: None,
            mode: None,
            reclaim_policy: String::new(),
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
            scope: Scope::default(),
            type_name: String::new(),
            driver: String::new(),
            connector: None,
            options: BTreeMap::new(),
            node: String::new(),
            exclusive: false,
            backup: Hooks::default(),
            auto_volume: None,
            schema_version: SCHEMA_VERSION,
            unknown: Unknown::new(),
        }
    }

    /// The entry of a colon mount: `legacy-` and the first ten hex digits of the SHA-1 of the host path,
    /// or of `vol:` and the volume's name.
    pub fn legacy(source: Source) -> Self {
        let hash = match &source {
            Source::Path(path) => Sha1::digest(path.as_str()),
            Source::Volume(name) => Sha1::digest(format!("vol:{name}")),
        };
        Self::new(EntryName::legacy(&hash), Some(source))
    }

    /// Takes from an earlier version of the entry all that this one does not say.
    pub fn complete_from(&mut self, earlier: &Self) {
        let texts = [
            (&mut self.size, &earlier.size),
            (&mut self.access_mode, &earlier.access_mode),
            (&mut self.storage_class, &earlier.storage_class),
            (&mut self.namespace, &earlier.namespace),
            (&mut self.reclaim_policy, &earlier.reclaim_policy),
        ];
        for (mine, theirs) in texts {
            if mine.is_empty() {
                mine.clone_from(theirs);
            }
        }
        self.chown = self.chown.take().or_else(|| earlier.chown.clone());
        self.mode = self.mode.take().or_else(|| earlier.mode.clone());
        for (mine, theirs) in
            [(&mut self.annotations, &earlier.annotations), (&mut self.labels, &earlier.labels)]
        {
            for (key, value) in theirs {
                mine.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        self.complete_own_from(earlier);
        self.schema_version = earlier.schema_version.max(SCHEMA_VERSION);
    }

    /// Takes from an earlier version what this one does not say of the fields that Dokku's own plugin does not know.
    pub fn complete_own_from(&mut self, earlier: &Self) {
        if self.scope.is_empty() {
            self.scope.clone_from(&earlier.scope);
        }
        if self.type_name.is_empty() {
            self.type_name.clone_from(&earlier.type_name);
            self.connector.clone_from(&earlier.connector);
            // What was seen of a volume without a type may be newer.
            if !earlier.type_name.is_empty() || (self.options.is_empty() && self.driver.is_empty())
            {
                self.driver.clone_from(&earlier.driver);
                self.options.clone_from(&earlier.options);
            }
        }
        if !earlier.node.is_empty() {
            self.node.clone_from(&earlier.node);
        }
        self.exclusive |= earlier.exclusive;
        if self.backup == Hooks::default() {
            self.backup.clone_from(&earlier.backup);
        }
        self.auto_volume = self.auto_volume.take().or_else(|| earlier.auto_volume.clone());
        complete_unknown(&mut self.unknown, &earlier.unknown);
    }

    /// An entry like this one under another name: the volume of an image is only the one that was made for it.
    pub(crate) fn renamed(&self, name: EntryName) -> Self {
        Self { name, auto_volume: None, ..self.clone() }
    }

    /// The same once an app has it: what was made for the image of another app is that app's no more.
    pub(crate) fn given_to(&self, app: &AppName) -> Self {
        let auto_volume = self.auto_volume.clone().filter(|volume| volume.app == *app);
        Self { auto_volume, ..self.clone() }
    }

    /// Whether it has any of these fields.
    pub fn has_own_fields(&self) -> bool {
        let plain = Self::new(self.name.clone(), self.host_path.clone());
        let mut completed = plain.clone();
        completed.complete_own_from(self);
        completed != plain
    }

    /// The same without what must not be shown: the values of options that look like secrets.
    pub fn shown(&self) -> Self {
        Self { options: options::masked(&self.options), ..self.clone() }
    }

    /// An option of its type; the empty text where it was not given.
    pub fn option(&self, key: &str) -> &str {
        self.options.get(key).map_or("", String::as_str)
    }

    pub fn is_docker_local(&self) -> bool {
        self.scheduler == DOCKER_LOCAL
    }

    /// What `host:container` shows on the left: the source, or the name where there is none.
    pub fn shown_source(&self) -> &str {
        self.host_path.as_ref().map_or(self.name.as_str(), Source::as_str)
    }

    pub fn is_volume(&self) -> bool {
        matches!(self.host_path, Some(Source::Volume(_)))
    }

    /// Whether it is a Docker volume that somebody chose, and not one that its type makes for what is elsewhere.
    pub fn has_own_volume(&self) -> bool {
        self.is_volume() && ["", "volume"].contains(&self.type_name.as_str())
    }

    /// What its Docker volume leads to, as far as the entry notes its options.
    pub fn volume_target(&self) -> VolumeTarget {
        if self.has_own_volume() {
            VolumeTarget::of(&self.driver, &self.options)
        } else {
            VolumeTarget::default()
        }
    }

    /// The paths of this host that it leads to: its own, or those that its volume's options name.
    pub fn paths(&self) -> Vec<String> {
        match &self.host_path {
            Some(Source::Path(path)) => vec![path.to_string()],
            Some(Source::Volume(_)) => self.volume_target().paths,
            None => Vec::new(),
        }
    }

    /// What of a server it leads to: by its own options, or by those that its volume has. The connector is the one that it names.
    pub(crate) fn remotes(&self, connector: Option<&Connector>) -> Vec<Remote> {
        if self.has_own_volume() {
            return self.volume_target().remotes;
        }
        match (self.option("server"), self.option("path"), self.option("share"), connector) {
            ("", _, share, Some(connector)) if !share.is_empty() => {
                vec![Remote::cifs(&connector.server, share)]
            }
            (server, path, ..) if !server.is_empty() && !path.is_empty() => {
                vec![Remote::nfs(server, path)]
            }
            _ => Vec::new(),
        }
    }

    pub fn is_deleted_with_entry(&self) -> bool {
        self.reclaim_policy == "Delete"
    }

    /// Checks the fields against each other, by Dokku's rules for the entry's scheduler.
    ///
    /// `default_path` is where the entry's directory is unless somebody chose another place.
    pub fn check(&self, default_path: &str) -> Result<()> {
        let name = &self.name;
        refuse_if!(
            !["", "Retain", "Delete"].contains(&self.reclaim_policy.as_str()),
            "storage entry \"{name}\" has unsupported reclaim policy {:?}",
            self.reclaim_policy
        );
        match self.scheduler.as_str() {
            DOCKER_LOCAL => self.check_docker_local(default_path),
            K3S => self.check_k3s(),
            other => Err(unsupported_scheduler(name, other)),
        }
    }

    fn check_docker_local(&self, default_path: &str) -> Result<()> {
        let name = &self.name;
        let Some(source) = &self.host_path else {
            refuse!("storage entry \"{name}\" (docker-local) is missing host_path");
        };
        for (flag, value) in [
            ("--size", &self.size),
            ("--storage-class-name", &self.storage_class),
            ("--access-mode", &self.access_mode),
        ] {
            if !value.is_empty() {
                refuse!("storage entry \"{name}\" (docker-local) does not accept {flag}");
            }
        }
        // A type has rules of its own for what goes with the entry.
        refuse_if!(
            self.type_name.is_empty()
                && self.is_deleted_with_entry()
                && source.as_str() != default_path,
            "storage entry \"{name}\" (docker-local) only accepts --reclaim-policy Delete on the default host path ({default_path})"
        );
        Ok(())
    }

    /// Refuses an owner and a mode where the plugin does not look after the directory. Entries that have them
    /// all the same, from another version, stay as they are.
    pub fn check_directory(&self, default_path: &str) -> Result<()> {
        if !self.is_docker_local() {
            return Ok(());
        }
        let path = self.shown_source();
        let chowns = self.chown.as_ref().is_some_and(|c| c.container_ids().is_some());
        for (flag, wanted) in [("--chown", chowns), ("--mode", self.mode.is_some())] {
            if wanted && path != default_path {
                return Err(only_on_default_path(flag, default_path, path));
            }
        }
        Ok(())
    }

    fn check_k3s(&self) -> Result<()> {
        let name = &self.name;
        refuse_if!(self.size.is_empty(), "storage entry \"{name}\" (k3s) requires --size");
        refuse_if!(self.mode.is_some(), "storage entry \"{name}\" (k3s) does not accept --mode");
        refuse_if!(
            !self.storage_class.is_empty() && self.host_path.is_some(),
            "storage entry \"{name}\" (k3s) cannot set both --storage-class-name and a host path; the cluster provisions class-backed volumes"
        );
        let modes = ["", "ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
        if !modes.contains(&self.access_mode.as_str()) {
            refuse!("storage entry \"{name}\" has unsupported access mode {:?}", self.access_mode);
        }
        if let Some(Source::Volume(volume)) = &self.host_path {
            refuse!("storage entry \"{name}\" host_path must be absolute, got \"{volume}\"");
        }
        Ok(())
    }
}

pub fn unsupported_scheduler(name: &EntryName, scheduler: &str) -> Error {
    refusal!(
        "storage entry \"{name}\" has unsupported scheduler {scheduler:?} (supported: docker-local, k3s)"
    )
}

/// The refusal of a flag that only works where the plugin itself owns the directory.
pub fn only_on_default_path(flag: &str, default_path: &str, path: &str) -> Error {
    refusal!(
        "{flag} is only supported when the storage entry uses the default host path ({default_path}); omit {flag} and manage {path} manually"
    )
}

fn schema_version() -> u64 {
    SCHEMA_VERSION
}

fn docker_local() -> String {
    DOCKER_LOCAL.to_owned()
}

/// Reads a scheduler; an entry that names none is this host's.
fn docker_local_unless_named<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<String, D::Error> {
    let name: String = or_default(deserializer)?;
    Ok(if name.is_empty() { docker_local() } else { name })
}

/// Whether a field need not be written.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads `null` as the empty value, as Go's decoder does.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads `null` and the empty text as nothing, and any other text through the type's own check.
pub(super) fn empty_as_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    T::deserialize(text.into_deserializer()).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn exclusive_is_written_only_where_it_is_and_stays_when_created_again() {
        let plain = Entry::new(EntryName::parse("a").unwrap(), Some(Source::parse("/a").unwrap()));
        assert!(!serde_json::to_string(&plain).unwrap().contains("exclusive"));
        let exclusive = Entry { exclusive: true, ..plain.clone() };
        let text = serde_json::to_string(&exclusive).unwrap();
        assert!(text.contains(r#""exclusive":true"#), "{text}");
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), exclusive);
        let mut again = plain;
        again.complete_from(&exclusive);
        assert!(again.exclusive);
    }

    #[test]
    fn legacy_names_are_dokkus() {
        let name = |text: &str| Entry::legacy(Source::parse(text).unwrap()).name.to_string();
        assert_eq!(name("/var/lib/dokku/data/storage/node-js-app"), "legacy-e61bb56c8d");
        assert_eq!(name("some-docker-volume"), "legacy-7eb883343b");
    }

    #[test]
    fn unknown_fields_survive() {
        let text = r#"{"name":"a","scheduler":"docker-local","host_path":"/a","x_new":{"k":[1]},"size":null,"schema_version":7}"#;
        let entry: Entry = serde_json::from_str(text).unwrap();
        let again: Value = serde_json::to_value(&entry).unwrap();
        assert_eq!(again["x_new"]["k"][0], 1);
        assert_eq!(again["schema_version"], 7);
        assert!(again.get("size").is_none());
    }

    #[test]
    fn what_cannot_be_mounted_cannot_be_read() {
        for host_path in ["relative path", "/a:b", "/a\\u0000", "-v"] {
            let text = format!(r#"{{"name":"a","host_path":"{host_path}"}}"#);
            assert!(serde_json::from_str::<Entry>(&text).is_err(), "{host_path}");
        }
    }
}
