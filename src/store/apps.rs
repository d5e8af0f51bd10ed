//! What the store keeps of an app besides its mounts: its settings, its needs, and what is known of its image.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::domain::app_image::{CheckedMounts, ImageFacts};
use crate::domain::app_settings::AppSettings;
use crate::domain::error::Result;
use crate::domain::layout::Layout;
use crate::domain::names::AppName;
use crate::domain::needs::Need;
use crate::store::{Change, Store, json};

pub(super) const SETTINGS: &str = "settings";

fn settings_file(layout: &Layout, app: &AppName) -> PathBuf {
    layout.app(app).join(SETTINGS)
}

fn needs_file(layout: &Layout, app: &AppName) -> PathBuf {
    layout.app(app).join("needs")
}

fn image_file(layout: &Layout, app: &AppName) -> PathBuf {
    layout.app(app).join("image")
}

fn checked_file(layout: &Layout, app: &AppName) -> PathBuf {
    layout.app(app).join("checked")
}

impl Store {
    /// What was seen in an app's image; nothing where that is not known, or cannot be read: it can be seen again.
    pub fn image_facts(&self, app: &AppName) -> ImageFacts {
        read(&image_file(self.layout(), app)).unwrap_or_default()
    }

    /// Which mounts the latest deploy of an app has checked; none where that is not known, or cannot be read: they can be
    /// checked again.
    pub fn checked_mounts(&self, app: &AppName) -> CheckedMounts {
        read(&checked_file(self.layout(), app)).unwrap_or_default()
    }

    pub fn app_settings(&self, app: &AppName) -> Result<AppSettings> {
        read(&settings_file(self.layout(), app))
    }

    pub fn needs(&self, app: &AppName) -> Result<Vec<Need>> {
        read(&needs_file(self.layout(), app))
    }
}

impl Change<'_> {
    pub fn write_image_facts(&mut self, app: &AppName, facts: &ImageFacts) -> Result<()> {
        let path = image_file(self.store().layout(), app);
        self.write_json(path, facts)
    }

    pub fn write_checked_mounts(&mut self, app: &AppName, checked: &CheckedMounts) -> Result<()> {
        let path = checked_file(self.store().layout(), app);
        self.write_json(path, checked)
    }

    pub fn remove_checked_mounts(&mut self, app: &AppName) {
        self.remove(checked_file(self.store().layout(), app));
    }

    pub fn write_app_settings(&mut self, app: &AppName, settings: &AppSettings) -> Result<()> {
        let path = settings_file(self.store().layout(), app);
        self.write_json(path, settings)
    }

    pub fn write_needs(&mut self, app: &AppName, needs: &[Need]) -> Result<()> {
        let path = needs_file(self.store().layout(), app);
        self.write_json(path, &needs)
    }
}

fn read<T: Default + DeserializeOwned>(path: &Path) -> Result<T> {
    Ok(json::read(path)?.unwrap_or_default())
}
