//! The file of the host's policy.

use std::path::PathBuf;

use crate::domain::{Layout, Policy, Result};
use crate::store::{Change, Store, json};

fn path(layout: &Layout) -> PathBuf {
    layout.registry().join("policy.json")
}

impl Store {
    pub fn policy(&self) -> Result<Policy> {
        Ok(json::read(&path(self.layout()))?.unwrap_or_default())
    }
}

impl Change<'_> {
    pub fn write_policy(&mut self, policy: &Policy) -> Result<()> {
        self.write_json(path(self.store().layout()), policy)
    }
}
