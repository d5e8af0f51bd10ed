//! What every command is given: the environment, the store, and the way to speak to the caller.
//!
//! # Without Dokku
//!
//! Without Dokku the same commands work on a store of their own. Every valid name is an app, nobody is restricted,
//! the scheduler is always this host's Docker, `storage:exec` runs `docker run` itself, and k3s entries are refused
//! since nobody answers their triggers. What the printer says to people names commands as they are typed here
//! (`src/render/mod.rs`).

pub(crate) mod row;

use std::path::{Path, PathBuf};

use crate::context::row::{Catalog, Row};
use crate::domain::{Error, Layout, Result};
use crate::host::{Environment, users};
use crate::render::Printer;
use crate::store::{Owner, Store};

pub struct Context {
    pub environment: Environment,
    pub store: Store,
    pub out: Printer,
    /// The path by which this program was called.
    pub called_as: PathBuf,
    pub catalog: Catalog,
    pub row: &'static Row,
}

impl Context {
    pub fn of_this_process(
        called_as: PathBuf,
        catalog: Catalog,
        row: &'static Row,
    ) -> Result<Self> {
        let environment = Environment::of_this_process()?;
        Ok(Self {
            store: store_of(&environment)?,
            out: Printer::of(&environment),
            environment,
            called_as,
            catalog,
            row,
        })
    }

    /// A host path as Docker sees it, which has Dokku's directories elsewhere where Dokku itself runs in a container.
    pub fn as_docker_sees_it(&self, path: &str) -> Result<String> {
        let inside = Path::new(path).strip_prefix(self.store.layout().root());
        Ok(match (self.environment.host_lib_root()?, inside) {
            (Some(root), Ok(inside)) => root.join(inside).to_string_lossy().into_owned(),
            _ => path.to_owned(),
        })
    }

    /// The same for a look at what is there: the path itself, where the environment names no usable place.
    pub(crate) fn docker_path(&self, path: &str) -> String {
        self.as_docker_sees_it(path).unwrap_or_else(|_| path.to_owned())
    }

    /// A path of Docker's host as this process sees it.
    pub(crate) fn as_seen_from_here(&self, path: &str) -> String {
        let root = self.environment.host_lib_root().ok().flatten();
        match root.and_then(|root| Path::new(path).strip_prefix(root).ok()) {
            Some(inside) => self.store.layout().root().join(inside).to_string_lossy().into_owned(),
            None => path.to_owned(),
        }
    }

    /// What is said where a word of the command was not typed, or is empty.
    pub(crate) fn missing(&self, what: &str) -> Error {
        let usage = format!("usage: {} {}", self.environment.program(), self.row.synopsis());
        refusal!("{what} is missing").hint(usage)
    }

    /// Whether Dokku takes this plugin for a core plugin, by its real path.
    pub fn is_core_plugin(&self) -> bool {
        let directory = self.called_as.parent().map(std::fs::canonicalize);
        matches!(directory, Some(Ok(path)) if path.to_string_lossy().contains("core-plugins"))
    }
}

pub(crate) fn store_of(environment: &Environment) -> Result<Store> {
    let layout = Layout::new(environment.lib_root().to_owned());
    let apps_root = environment.apps_root().map(Path::to_owned);
    Ok(Store::new(layout, owner(environment)?, apps_root))
}

/// To whom the store's files belong: Dokku's user, whoever calls.
fn owner(environment: &Environment) -> Result<Owner> {
    if !environment.is_dokku() || !users::is_root() {
        return Ok(Owner::caller());
    }
    let (user, group) = (environment.system_user(), environment.system_group());
    if user == "root" && group == "root" {
        return Ok(Owner::caller());
    }
    Ok(Owner::ids(users::uid_of(&user)?, users::gid_of(&group)?))
}
