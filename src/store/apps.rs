//! What the store keeps of an app besides its mounts: its settings and its needs.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Change, Layout, Store, files};
use crate::domain::app_settings::AppSettings;
use crate::domain::names::AppName;
use crate::domain::needs::Need;
use crate::error::{Error, Result};

fn settings_file(layout: &Layout, app: &AppName) -> PathBuf {
    layout.apps().join(settings_within(app))
}

/// Where an app's settings are within the folder of all apps.
pub(super) fn settings_within(app: &AppName) -> String {
    format!("{app}/settings")
}

fn needs_file(layout: &Layout, app: &AppName) -> PathBuf {
    layout.app(app).join("needs")
}

impl Store {
    /// An app's settings; the defaults where nothing was set.
    ///
    /// # Errors
    /// Where the file cannot be read or understood.
    pub fn app_settings(&self, app: &AppName) -> Result<AppSettings> {
        read(settings_file(self.layout(), app))
    }

    /// What an app needs; nothing where it declared nothing.
    ///
    /// # Errors
    /// Where the file cannot be read or understood.
    pub fn needs(&self, app: &AppName) -> Result<Vec<Need>> {
        read(needs_file(self.layout(), app))
    }
}

impl Change<'_> {
    /// Writes an app's settings.
    ///
    /// # Errors
    /// Where they cannot be written as JSON.
    pub fn write_app_settings(&mut self, app: &AppName, settings: &AppSettings) -> Result<()> {
        let path = settings_file(self.store().layout(), app);
        self.write_json(path, settings)
    }

    /// Writes what an app needs.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn write_needs(&mut self, app: &AppName, needs: &[Need]) -> Result<()> {
        let path = needs_file(self.store().layout(), app);
        self.write_json(path, &needs)
    }

    fn write_json(&mut self, path: PathBuf, value: &impl Serialize) -> Result<()> {
        let content = serde_json::to_vec_pretty(value).map_err(Error::system("write", &path))?;
        self.write(path, content);
        Ok(())
    }
}

fn read<T: Default + DeserializeOwned>(path: PathBuf) -> Result<T> {
    let Some(content) = files::read(&path)? else {
        return Ok(T::default());
    };
    serde_json::from_slice(&content).map_err(|error| Error::Unreadable {
        line: Some(error.line()),
        reason: error.to_string(),
        path,
    })
}
