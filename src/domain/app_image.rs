//! What is known of an app's image, and which of its mounts a deploy has checked: both are kept between calls, and may be
//! lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::Unknown;

/// The uid and the gids of a process in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    Nothing,
    File,
    EmptyDirectory,
    Directory,
    /// A link, or something of another kind.
    Other,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
#[serde(default)]
pub struct ImageFacts {
    pub identity: String,
    /// The user that the app's processes run as; none where that was not looked up yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The users that docker-options name instead, each with the groups.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, User>,
    /// What it has at each path that was looked at.
    pub contents: BTreeMap<String, Content>,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Which mounts the latest deploy of an app has checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
#[serde(default)]
pub struct CheckedMounts {
    /// The deploy: what tells the `dokku` process apart that runs it.
    pub deploy: String,
    /// The mounts, each as its line in the app's mounts.
    pub mounts: Vec<String>,
}
