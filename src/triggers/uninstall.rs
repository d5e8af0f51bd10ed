//! `uninstall`: takes away what `install` put outside the plugin's directory, and keeps what Dokku's own plugin does not know.

use std::fs;
use std::path::Path;

use super::word;
use crate::context::Context;
use crate::domain::{Error, Installed, Result};
use crate::fs::tree;
use crate::host::is_root;
use crate::ops::beside_dokku;
use crate::privileged::mounting::systemd::{ATTACHING, UNIT};

pub(crate) fn run(arguments: &[String], context: &mut Context) -> Result<()> {
    if word(arguments, 0) != "storage" || !is_root() {
        return Ok(());
    }
    // What an install that failed could not restore, first.
    let restored = context.store.restore_own_fields();
    if let Err(error) = restored.and_then(|_| context.store.keep_own_fields()) {
        context.out.warn(&format!(
            "what only this plugin notes of storage entries was not kept, and Dokku's plugin removes it from those that it changes: {error}"
        ));
    }
    match beside_dokku::shared_here_alone(context) {
        Ok(sentences) => sentences.iter().for_each(|sentence| context.out.warn(sentence)),
        Err(error) => context.out.warn(&format!("not all mounts could be read: {error}")),
    }
    if let Err(error) = context.store.forget_mounting() {
        context.out.warn(&error.to_string());
    }
    let installed = context.environment.installation()?;
    // What is mounted stays so for the containers that run, until the host starts again.
    let has_units = installed == Installed::default();
    for unit in [UNIT, ATTACHING].into_iter().filter(|unit| has_units && Path::new(unit).exists()) {
        fs::remove_file(unit).map_err(Error::system("remove", unit))?;
    }
    let sudoers = installed.sudoers();
    let rules = fs::read_to_string(&sudoers).unwrap_or_default();
    if rules.contains(&*installed.helpers().to_string_lossy()) {
        fs::remove_file(&sudoers).map_err(Error::system("remove", &sudoers))?;
    }
    let (place, name) = (installed.path().parent(), installed.path().file_name());
    let (place, name) = (place.unwrap_or(installed.path()), name.and_then(|name| name.to_str()));
    tree::remove(place, name.unwrap_or_default())
}
