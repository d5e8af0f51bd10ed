//! Mounts of an app, as lists and other plugins get them.

use crate::context::Context;
use crate::domain::{
    AppName, NeedId, Ownership, Phases, ProcessType, Result, Subpath, VolumeOptions,
    volume_argument,
};
use crate::store::Mounted;
use serde::Serialize;

/// A mount as `--format json` shows it: Dokku's fields first, then those that make it complete.
#[derive(Debug, Serialize)]
pub(crate) struct ShownMount<'a> {
    /// The app, in a list of the mounts of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) app: Option<&'a AppName>,
    pub(crate) entry_name: &'a str,
    pub(crate) host_path: &'a str,
    pub(crate) container_path: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) readonly: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) volume_options: Option<&'a VolumeOptions>,
    pub(crate) phases: &'a Phases,
    pub(crate) process_type: &'a ProcessType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subpath: Option<&'a Subpath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) volume_chown: Option<&'a Ownership>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) need: Option<&'a NeedId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shared_from: Option<String>,
}

impl<'a> From<&'a Mounted> for ShownMount<'a> {
    fn from(mounted: &'a Mounted) -> Self {
        let a = &mounted.attachment;
        Self {
            app: None,
            entry_name: mounted.entry.name.as_str(),
            host_path: mounted.entry.shown_source(),
            container_path: a.container_path.as_str(),
            readonly: a.readonly,
            volume_options: a.volume_options.as_ref(),
            phases: &a.phases,
            process_type: &a.process_type,
            subpath: a.subpath.as_ref(),
            volume_chown: a.volume_chown.as_ref(),
            need: a.need.as_ref(),
            shared_from: None,
        }
    }
}

impl ShownMount<'_> {
    pub(crate) fn shared_from(mut self, from: Option<String>) -> Self {
        self.shared_from = from;
        self
    }
}

/// The app that shares a mount, as far as the caller may see it.
pub(crate) fn shared_from(mounted: &Mounted, context: &Context) -> Result<Option<String>> {
    mounted.shared_from.as_ref().map(|from| super::share::name(from, context)).transpose()
}

pub(crate) fn colon_form(mounted: &Mounted) -> String {
    volume_argument(&mounted.source(), &mounted.attachment)
}
