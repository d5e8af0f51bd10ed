//! The file of the host's policy.

use std::path::PathBuf;

use crate::domain::error::{Error, Result};
use crate::domain::layout::Layout;
use crate::domain::policy::Policy;
use crate::store::{Change, Store, files};

fn path(layout: &Layout) -> PathBuf {
    layout.registry().join("policy.json")
}

impl Store {
    /// The host's policy; none was set where there is no file.
    pub fn policy(&self) -> Result<Policy> {
        let path = path(self.layout());
        let Some(content) = files::read(&path)? else {
            return Ok(Policy::default());
        };
        serde_json::from_slice(&content).map_err(|error| Error::Unreadable {
            line: Some(error.line()),
            reason: error.to_string(),
            path,
        })
    }
}

impl Change<'_> {
    /// Writes the host's policy.
    pub fn write_policy(&mut self, policy: &Policy) -> Result<()> {
        let path = path(self.store().layout());
        let content = serde_json::to_vec_pretty(policy).map_err(Error::system("write", &path))?;
        self.write(path, content);
        Ok(())
    }
}
