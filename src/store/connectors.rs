//! The files of connectors: `NAME.json`, and the secret in `NAME.secret`, both only their owner's to read.

use std::path::PathBuf;

use crate::domain::connector::{Connector, Secret};
use crate::domain::entry::Entry;
use crate::domain::error::{Error, Result};
use crate::domain::layout::Layout;
use crate::domain::names::ConnectorName;
use crate::store::{Change, Store, files};

fn folder(layout: &Layout) -> PathBuf {
    layout.registry().join("connectors")
}

fn path(layout: &Layout, name: &ConnectorName) -> PathBuf {
    folder(layout).join(format!("{name}.json"))
}

fn secret_path(layout: &Layout, name: &ConnectorName) -> PathBuf {
    folder(layout).join(format!("{name}.secret"))
}

impl Store {
    /// The connector of that name, or none.
    pub fn connector(&self, name: &ConnectorName) -> Result<Option<Connector>> {
        let path = path(self.layout(), name);
        let Some(content) = files::read(&path)? else {
            return Ok(None);
        };
        let connector: Connector =
            serde_json::from_slice(&content).map_err(|error| Error::Unreadable {
                path: path.clone(),
                line: Some(error.line()).filter(|&line| line > 0),
                reason: error.to_string(),
            })?;
        if connector.name != *name {
            let reason = format!("it holds a connector named \"{}\"", connector.name);
            return Err(Error::Unreadable { path, line: None, reason });
        }
        let checked = connector.check();
        checked.map_err(|error| Error::Unreadable {
            path,
            line: None,
            reason: error.to_string(),
        })?;
        Ok(Some(connector))
    }

    /// The connector of that name.
    pub fn existing_connector(&self, name: &str) -> Result<Connector> {
        let connector = match ConnectorName::parse(name) {
            Ok(name) => self.connector(&name)?,
            Err(error) if name.is_empty() => return Err(error),
            Err(_) => None,
        };
        connector.ok_or_else(|| Error::refused(format!("connector {name:?} does not exist")))
    }

    /// A connector's secret, or none.
    ///
    /// # Errors
    /// Where its file cannot be read; what is in it is not named.
    pub fn secret(&self, name: &ConnectorName) -> Result<Option<Secret>> {
        let path = secret_path(self.layout(), name);
        let Some(content) = files::read(&path)? else {
            return Ok(None);
        };
        let secret = std::str::from_utf8(&content).ok().and_then(|text| Secret::parse(text).ok());
        secret.map(Some).ok_or_else(|| Error::Unreadable {
            path,
            line: None,
            reason: "it does not hold a secret".to_owned(),
        })
    }

    /// Every connector, in the order of their names, and what was wrong with the files of others.
    pub fn connectors(&self) -> Result<(Vec<Connector>, Vec<Error>)> {
        let folder = folder(self.layout());
        let (mut connectors, mut problems) = (Vec::new(), Vec::new());
        let names = match std::fs::read_dir(&folder) {
            Ok(names) => names,
            Err(error) if files::is_absent(&error) => return Ok((connectors, problems)),
            Err(error) => return Err(Error::system("read", folder)(error)),
        };
        for file in names {
            let file = file.map_err(Error::system("read", &folder))?.file_name();
            let name = file.to_str().and_then(|name| name.strip_suffix(".json"));
            let Some(name) = name.and_then(|name| ConnectorName::parse(name).ok()) else {
                continue;
            };
            match self.connector(&name) {
                Ok(connector) => connectors.extend(connector),
                Err(problem) => problems.push(problem),
            }
        }
        connectors.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok((connectors, problems))
    }

    /// The entries that use a connector.
    pub fn entries_over(&self, name: &ConnectorName) -> Result<Vec<Entry>> {
        let found = self.entries()?;
        if let Some(problem) = found.problems.into_iter().next() {
            return Err(problem);
        }
        let uses = |entry: &Entry| entry.connector.as_ref() == Some(name);
        Ok(found.entries.into_iter().filter(uses).collect())
    }
}

impl Change<'_> {
    /// Writes a connector.
    pub fn write_connector(&mut self, connector: &Connector) -> Result<()> {
        let path = path(self.store().layout(), &connector.name);
        let content =
            serde_json::to_vec_pretty(connector).map_err(Error::system("write", &path))?;
        self.write(path, content);
        Ok(())
    }

    /// Writes a connector's secret.
    pub fn write_secret(&mut self, name: &ConnectorName, secret: &Secret) {
        let path = secret_path(self.store().layout(), name);
        self.write(path, secret.reveal().as_bytes().to_vec());
    }

    /// Removes a connector's secret.
    pub fn remove_secret(&mut self, name: &ConnectorName) {
        self.remove(secret_path(self.store().layout(), name));
    }

    /// Removes a connector with its secret.
    pub fn remove_connector(&mut self, name: &ConnectorName) {
        let path = path(self.store().layout(), name);
        self.remove(path);
        self.remove_secret(name);
    }
}
