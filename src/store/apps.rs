//! What the store keeps of an app besides its mounts: its settings, its needs, and what is known of its image.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::{AppName, AppSettings, CheckedMounts, ImageFacts, Need, Result};
use crate::store::{Change, Store, json};

pub(super) const SETTINGS: &str = "settings";
const NEEDS: &str = "needs";
const IMAGE: &str = "image";
const CHECKED: &str = "checked";

impl Store {
    /// What was seen in an app's image; nothing where that is not known, or cannot be read: it can be seen again.
    pub fn image_facts(&self, app: &AppName) -> ImageFacts {
        self.of_app(app, IMAGE).unwrap_or_default()
    }

    /// Which mounts the latest deploy of an app has checked; none where that is not known, or cannot be read: they can be
    /// checked again.
    pub fn checked_mounts(&self, app: &AppName) -> CheckedMounts {
        self.of_app(app, CHECKED).unwrap_or_default()
    }

    pub fn app_settings(&self, app: &AppName) -> Result<AppSettings> {
        self.of_app(app, SETTINGS)
    }

    pub fn needs(&self, app: &AppName) -> Result<Vec<Need>> {
        self.of_app(app, NEEDS)
    }

    fn of_app<T: Default + DeserializeOwned>(&self, app: &AppName, name: &str) -> Result<T> {
        Ok(json::read(&self.layout().app(app).join(name))?.unwrap_or_default())
    }
}

impl Change<'_> {
    pub fn write_image_facts(&mut self, app: &AppName, facts: &ImageFacts) -> Result<()> {
        self.write_of_app(app, IMAGE, facts)
    }

    pub fn write_checked_mounts(&mut self, app: &AppName, checked: &CheckedMounts) -> Result<()> {
        self.write_of_app(app, CHECKED, checked)
    }

    pub fn remove_checked_mounts(&mut self, app: &AppName) {
        self.remove(self.store().layout().app(app).join(CHECKED));
    }

    pub fn write_app_settings(&mut self, app: &AppName, settings: &AppSettings) -> Result<()> {
        self.write_of_app(app, SETTINGS, settings)
    }

    pub fn write_needs(&mut self, app: &AppName, needs: &[Need]) -> Result<()> {
        self.write_of_app(app, NEEDS, &needs)
    }

    fn write_of_app(&mut self, app: &AppName, name: &str, value: &impl Serialize) -> Result<()> {
        self.write_json(self.store().layout().app(app).join(name), value)
    }
}
