//! The files of connectors: `NAME.json`; the secret in `NAME.secret`, the backups' key in `NAME.key`, and the server's host
//! keys in `NAME.known-hosts`. All are only their owner's to read.

use std::path::PathBuf;

use crate::domain::{Connector, ConnectorName, Entry, Error, KnownHosts, Remote, Result, Secret};
use crate::store::{Change, Store, files, json};

impl Store {
    /// What of a server an entry leads to; nothing where its connector cannot be read.
    pub(crate) fn remotes(&self, entry: &Entry) -> Vec<Remote> {
        let name = entry.connector.as_ref().filter(|_| !entry.option("share").is_empty());
        let connector = name.and_then(|name| self.existing_connector(name.as_str()).ok());
        entry.remotes(connector.as_ref())
    }

    pub fn connector(&self, name: &ConnectorName) -> Result<Option<Connector>> {
        let path = self.layout().connector(name);
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
        connector.ok_or_else(|| {
            refusal!("connector {name:?} does not exist; dokku storage:connectors:list shows them")
        })
    }

    pub fn secret(&self, connector: &Connector) -> Result<Option<Secret>> {
        let parse = |text: &str| connector.parse_secret(text);
        read(self.layout().connector_secret(&connector.name), "a secret", parse)
    }

    /// The password of the backups that are sent over a connector.
    pub fn key(&self, name: &ConnectorName) -> Result<Option<Secret>> {
        read(self.layout().connector_key(name), "a key", Secret::parse)
    }

    pub fn known_hosts(&self, name: &ConnectorName) -> Result<Option<KnownHosts>> {
        read(self.layout().connector_known_hosts(name), "host keys", KnownHosts::parse)
    }

    /// Every connector, in the order of their names, and what was wrong with the files of others.
    pub fn connectors(&self) -> Result<(Vec<Connector>, Vec<Error>)> {
        let read = |name: &ConnectorName| self.connector(name);
        let directory = self.layout().connectors();
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

/// What a file holds, which is said by `what`; none where it is not there.
fn read<T>(path: PathBuf, what: &str, parse: impl FnOnce(&str) -> Result<T>) -> Result<Option<T>> {
    let Some(content) = files::read(&path)? else {
        return Ok(None);
    };
    let held = std::str::from_utf8(&content).ok().and_then(|text| parse(text).ok());
    held.map(Some).ok_or_else(|| Error::unreadable(path, format!("it does not hold {what}")))
}

impl Change<'_> {
    pub fn write_connector(&mut self, connector: &Connector) -> Result<()> {
        self.write_json(self.store().layout().connector(&connector.name), connector)
    }

    pub fn put_secret(&mut self, name: &ConnectorName, secret: Option<&Secret>) {
        self.put(self.store().layout().connector_secret(name), secret.map(Secret::reveal));
    }

    pub fn put_key(&mut self, name: &ConnectorName, key: Option<&Secret>) {
        self.put(self.store().layout().connector_key(name), key.map(Secret::reveal));
    }

    pub fn put_known_hosts(&mut self, name: &ConnectorName, hosts: Option<&KnownHosts>) {
        self.put(self.store().layout().connector_known_hosts(name), hosts.map(KnownHosts::as_str));
    }

    fn put(&mut self, path: PathBuf, text: Option<&str>) {
        match text {
            Some(text) => self.write(path, text.as_bytes().to_vec()),
            None => self.remove(path),
        }
    }

    pub fn remove_connector(&mut self, name: &ConnectorName) {
        self.remove(self.store().layout().connector(name));
        self.put_secret(name, None);
        self.put_key(name, None);
        self.put_known_hosts(name, None);
        self.remove_repository_state(name);
    }
}
