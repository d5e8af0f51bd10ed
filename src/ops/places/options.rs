//! What docker-options tell Docker to mount: in every file of an app.

use crate::domain::{AppName, Result};
use crate::store::Store;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OptionMount {
    pub app: AppName,
    /// The path or the volume.
    pub source: String,
    pub is_readonly: bool,
    pub line: String,
    /// What takes the line away.
    pub remedy: String,
}

pub(super) fn of_app(app: &AppName, store: &Store) -> Result<Vec<OptionMount>> {
    let mut found = Vec::new();
    for file in store.docker_options(app)? {
        for option in file.mounts() {
            let remedy = file.removal(app, &option.line);
            found.extend(option.mount.sources.into_iter().map(|source| OptionMount {
                app: app.clone(),
                source,
                is_readonly: option.mount.is_readonly,
                line: option.line.clone(),
                remedy: remedy.clone(),
            }));
        }
    }
    Ok(found)
}
