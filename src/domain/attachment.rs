//! An attachment: how one app mounts one entry.

use serde::{Deserialize, Serialize};

use crate::domain::entry::{empty_as_none, is_default, or_default};
use crate::domain::text::complete_unknown;
use crate::domain::{
    ContainerPath, EntryName, NeedId, Ownership, Phase, Phases, ProcessType, Result, Subpath,
    Unknown, VolumeOptions,
};

/// An attachment, in the shape and the field order of a line of Dokku's `config/storage/APP/mounts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Attachment {
    pub entry_name: EntryName,
    pub container_path: ContainerPath,
    pub phases: Phases,
    #[serde(default, deserialize_with = "process_type_or_default")]
    pub process_type: ProcessType,
    /// The part of the entry that is mounted; all of it where there is none.
    #[serde(default, deserialize_with = "empty_as_none", skip_serializing_if = "Option::is_none")]
    pub subpath: Option<Subpath>,
    /// Whether the container can only read it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub readonly: bool,
    /// Further options of Docker's `-v`.
    #[serde(default, deserialize_with = "empty_as_none", skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptions>,
    /// The owner that is set when the app is deployed.
    #[serde(default, deserialize_with = "empty_as_none", skip_serializing_if = "Option::is_none")]
    pub volume_chown: Option<Ownership>,
    /// The need of the app that it serves; a field of this plugin's own.
    #[serde(default, deserialize_with = "empty_as_none", skip_serializing_if = "Option::is_none")]
    pub need: Option<NeedId>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

fn process_type_or_default<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<ProcessType, D::Error> {
    Ok(empty_as_none(deserializer)?.unwrap_or_default())
}

impl Attachment {
    /// An attachment to the deploy and run phases of every process type.
    pub fn new(entry_name: EntryName, container_path: ContainerPath) -> Self {
        Self {
            entry_name,
            container_path,
            phases: Phases::default(),
            process_type: ProcessType::default(),
            subpath: None,
            readonly: false,
            volume_options: None,
            volume_chown: None,
            need: None,
            unknown: Unknown::new(),
        }
    }

    /// Whether a deploy gives what is mounted an owner.
    pub(crate) fn sets_owner(&self) -> bool {
        let sets = |owner: &Ownership| owner.is_auto() || owner.container_ids().is_some();
        self.volume_chown.as_ref().is_some_and(sets)
    }

    /// Whether `other` is the same mount, perhaps with other settings: entry, container path and process type.
    pub fn is_same_mount(&self, other: &Self) -> bool {
        self.entry_name == other.entry_name
            && self.container_path == other.container_path
            && self.process_type == other.process_type
    }

    /// The same with the settings of `other`; what this version does not know stays.
    pub fn with_settings_of(&self, other: &Self) -> Self {
        let need = other.need.clone().or_else(|| self.need.clone());
        Self { need, unknown: self.unknown.clone(), ..other.clone() }
    }

    /// Takes from an earlier version what this one does not say of the fields that Dokku's own plugin does not know; false where
    /// that is nothing.
    pub fn complete_own_from(&mut self, earlier: &Self) -> bool {
        let before = self.clone();
        self.need = self.need.take().or_else(|| earlier.need.clone());
        complete_unknown(&mut self.unknown, &earlier.unknown);
        *self != before
    }

    /// Whether it has any of these fields.
    pub fn has_own_fields(&self) -> bool {
        self.need.is_some() || !self.unknown.is_empty()
    }

    /// The attachment as an app gets it that shares it: without what is the other app's alone, its need and the owner
    /// that its deploys set.
    pub fn shared(&self, read_only: bool) -> Self {
        let mut shared = self.clone();
        shared.need = None;
        shared.volume_chown = None;
        if read_only {
            shared.readonly = true;
            shared.volume_options = shared.volume_options.and_then(|options| options.without("rw"));
        }
        shared
    }

    /// Whether a container of this phase and process type gets the mount. A container without a process type
    /// (a one-off, a build) gets what is meant for all of them.
    pub fn applies(&self, phase: Phase, process_type: &ProcessType) -> bool {
        self.phases.contains(phase) && self.process_type.covers(process_type)
    }

    /// The phase whose docker-options say who uses it.
    pub fn phase(&self) -> Phase {
        if self.phases.contains(Phase::Deploy) { Phase::Deploy } else { Phase::Run }
    }

    /// Whether the container can only read it, by whichever of the two ways it was said.
    pub fn is_readonly(&self) -> bool {
        self.readonly || self.volume_options.as_ref().is_some_and(|o| o.contains("ro"))
    }

    /// The options behind the second colon: `ro` first, then the others; none where there are none.
    pub fn options(&self) -> Option<String> {
        let others = self.volume_options.as_ref().map(VolumeOptions::as_str);
        match (self.readonly, others) {
            (false, None) => None,
            (false, Some(others)) => Some(others.to_owned()),
            (true, None) => Some("ro".to_owned()),
            (true, Some(others)) => {
                let rest = others.split(',').filter(|o| *o != "ro");
                Some(std::iter::once("ro").chain(rest).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// Refuses settings that contradict each other.
    pub fn check(&self) -> Result<()> {
        let writable = self.volume_options.as_ref().is_some_and(|o| o.contains("rw"));
        if self.is_readonly() && writable {
            refuse!("the volume options ro and rw contradict each other; give one of them");
        }
        Ok(())
    }

    /// The first of `others` that claims the same container path in a phase and a process type of this one.
    pub fn collision<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Option<&'a Self> {
        let mut others = others.into_iter();
        others.find(|other| self.container_path == other.container_path && self.is_beside(other))
    }

    /// Whether a container can have both.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.process_type.meets(&other.process_type)
            && self.phases.shared(&other.phases).next().is_some()
    }

    /// The order in which mounts are listed and printed: by entry, then by container path.
    pub fn order(a: &Self, b: &Self) -> std::cmp::Ordering {
        let by_path = || a.container_path.as_str().cmp(b.container_path.as_str());
        a.entry_name.cmp(&b.entry_name).then_with(by_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(json: &str) -> Attachment {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_line_without_process_type_is_for_all() {
        let a = attachment(r#"{"entry_name":"a","container_path":"/a","phases":["deploy"]}"#);
        assert!(a.process_type.is_default());
        assert!(a.applies(Phase::Deploy, &ProcessType::parse("web").unwrap()));
        assert!(!a.applies(Phase::Run, &ProcessType::default()));
    }

    #[test]
    fn paths_collide_where_phase_and_process_type_meet() {
        let a = attachment(r#"{"entry_name":"a","container_path":"/a","phases":["deploy","run"]}"#);
        let b = attachment(
            r#"{"entry_name":"b","container_path":"/a/","phases":["run"],"process_type":"web"}"#,
        );
        let c = attachment(r#"{"entry_name":"b","container_path":"/a/b","phases":["run"]}"#);
        let d = attachment(
            r#"{"entry_name":"b","container_path":"/a","phases":["run"],"process_type":"worker"}"#,
        );
        assert!(a.collision([&b]).is_some());
        assert!(b.collision([&a]).is_some());
        assert!(a.collision([&c]).is_none());
        assert!(b.collision([&d]).is_none());
    }

    #[test]
    fn what_is_shared_read_only_is_never_writable() {
        let a = attachment(
            r#"{"entry_name":"a","container_path":"/a","phases":["run"],"volume_options":"rw,Z","volume_chown":"1000","need":"up"}"#,
        );
        let shared = a.shared(true);
        assert_eq!(shared.options().unwrap(), "ro,Z");
        assert!(shared.volume_chown.is_none() && shared.need.is_none());
        assert_eq!(a.shared(false).options().unwrap(), "rw,Z");
    }

    #[test]
    fn readonly_is_said_once() {
        let mut a = attachment(
            r#"{"entry_name":"a","container_path":"/a","phases":["run"],"volume_options":"ro,Z"}"#,
        );
        assert_eq!(a.options().unwrap(), "ro,Z");
        a.readonly = true;
        assert_eq!(a.options().unwrap(), "ro,Z");
        a.volume_options = None;
        assert_eq!(a.options().unwrap(), "ro");
    }
}
