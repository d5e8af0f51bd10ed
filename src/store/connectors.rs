//! The files of connectors: `NAME.json`, and the secret in `NAME.secret`, both only their owner's to read.

use std::path::PathBuf;

use crate::domain::{Connector, ConnectorName, Entry, Error, Layout, Result, Secret};
use crate::store::{Change, Store, files, json};

fn directory(layout: &Layout) -> PathBuf {
    layout.registry().join("connectors")
}

fn path(layout: &Layout, name: &ConnectorName) -> PathBuf {
    directory(layout).join(format!("{name}.json"))
}

fn secret_path(layout: &Layout, name: &ConnectorName) -> PathBuf {
    directory(layout).join(format!("{name}.secret"))
}

impl Store {
    pub fn connector(&self, name: &ConnectorName) -> Result<Option<Connector>> {
        let path = path(self.layout(), name);
        let Some(connector) = json::read::<Connector>(&path)? else {
            return Ok(None);
        };
        if connector.name != *name {
            let reason = format!("it holds a connector named \"{}\"", connector.name);
            return Err(Error::unreadable(path, reason));
        }
        match connector.check() {
            Ok(()) => Ok(Some(connector)),
            Err(error) => Err(Error::unreadable(path, error.to_string())),
        }
    }

    pub fn existing_connector(&self, name: &str) -> Result<Connector> {
        let connector = match ConnectorName::parse(name) {
            Ok(name) => self.connector(&name)?,
            Err(error) if name.is_empty() => return Err(error),
            Err(_) => None,
        };
        connector.ok_or_else(|| refusal!("connector {name:?} does not exist"))
    }

    pub fn secret(&self, name: &ConnectorName) -> Result<Option<Secret>> {
        let path = secret_path(self.layout(), name);
        let Some(content) = files::read(&path)? else {
            return Ok(None);
        };
        let secret = std::str::from_utf8(&content).ok().and_then(|text| Secret::parse(text).ok());
        secret.map(Some).ok_or_else(|| Error::unreadable(path, "it does not hold a secret"))
    }

    /// Every connector, in the order of their names, and what was wrong with the files of others.
    pub fn connectors(&self) -> Result<(Vec<Connector>, Vec<Error>)> {
        let read = |name: &ConnectorName| self.connector(name);
        let directory = directory(self.layout());
        let (mut connectors, problems) = json::list(&directory, ConnectorName::parse, read)?;
        connectors.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok((connectors, problems))
    }

    pub fn entries_over(&self, name: &ConnectorName) -> Result<Vec<Entry>> {
        let mut entries = self.every_entry()?;
        entries.retain(|entry| entry.connector.as_ref() == Some(name));
        Ok(entries)
    }
}

impl Change<'_> {
    pub fn write_connector(&mut self, connector: &Connector) -> Result<()> {
        self.write_json(path(self.store().layout(), &connector.name), connector)
    }

    pub fn put_secret(&mut self, name: &ConnectorName, secret: Option<&Secret>) {
        let path = secret_path(self.store().layout(), name);
        match secret {
            Some(secret) => self.write(path, secret.reveal().as_bytes().to_vec()),
            None => self.remove(path),
        }
    }

    pub fn remove_connector(&mut self, name: &ConnectorName) {
        self.remove(path(self.store().layout(), name));
        self.put_secret(name, None);
        self.remove_repository_state(name);
    }
}
