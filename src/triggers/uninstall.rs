//! `uninstall`: takes away what `install` put outside the plugin's directory.

use std::fs;
use std::path::Path;

use super::install::SUDOERS;
use super::word;
use crate::context::Context;
use crate::domain::error::{Error, Result};
use crate::domain::layout::{HELPERS, INSTALLED};
use crate::fs::tree;
use crate::host::users::is_root;
use crate::privileged::{ATTACHING, UNIT};

/// Removes the helpers and, where they are this plugin's, sudo's rules for them. The store stays.
pub(crate) fn run(arguments: &[String], _context: &mut Context) -> Result<()> {
    if word(arguments, 0) != "storage" || !is_root() {
        return Ok(());
    }
    // What is mounted stays so for the containers that run, until the host starts again.
    for unit in [UNIT, ATTACHING].into_iter().filter(|unit| Path::new(unit).exists()) {
        fs::remove_file(unit).map_err(Error::system("remove", unit))?;
    }
    let rules = fs::read_to_string(SUDOERS).unwrap_or_default();
    if rules.contains(HELPERS) {
        fs::remove_file(SUDOERS).map_err(Error::system("remove", SUDOERS))?;
    }
    let installed = Path::new(INSTALLED);
    let name = installed.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    tree::remove(installed.parent().unwrap_or(installed), name)
}
