//! What is kept beside a connector: its secret, the key of its backups, and its server's host keys.

use crate::domain::connector_type::{Protocol, SecretForm};
use crate::domain::{Connector, KnownHosts, Result, Secret};
use crate::host::{random, ssh};
use crate::store::Change;

/// The parts that were given or made; those that stay as they are, or are not needed, are none.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) secret: Option<Secret>,
    pub(crate) key: Option<Secret>,
    pub(crate) hosts: Option<KnownHosts>,
    /// The public part of a secret that is a private key.
    pub(crate) public_key: Option<String>,
    /// The key that the new one takes the place of.
    pub(crate) replaced_key: Option<Secret>,
    pub(crate) makes_key: bool,
    pub(crate) scans_hosts: bool,
}

impl Parts {
    /// Makes the key pair of a connector whose secret is one.
    pub(super) fn make_key_pair(&mut self, connector: &Connector) -> Result<()> {
        if connector.secret_form() == SecretForm::PrivateKey && self.secret.is_none() {
            let (private, public) = ssh::key_pair()?;
            (self.secret, self.public_key) = (Some(private), Some(public));
        }
        Ok(())
    }

    /// Makes the key of a destination that has none.
    pub(super) fn make_key(&mut self, connector: &Connector) -> Result<()> {
        if connector.is_destination() && self.key.is_none() {
            self.key = Some(random::secret()?);
            self.makes_key = true;
        }
        Ok(())
    }

    /// Asks the server for its host keys, where `ssh` wants them.
    pub(super) fn scan_hosts(&mut self, connector: &Connector) -> Result<()> {
        if is_sftp(connector) && self.hosts.is_none() {
            self.hosts = Some(ssh::scan(connector)?);
            self.scans_hosts = true;
        }
        Ok(())
    }

    /// Keeps those parts that there are.
    pub(super) fn put(&self, connector: &Connector, change: &mut Change<'_>) {
        let name = &connector.name;
        if self.secret.is_some() {
            change.put_secret(name, self.secret.as_ref());
        }
        if self.key.is_some() {
            change.put_key(name, self.key.as_ref());
        }
        if self.hosts.is_some() {
            change.put_known_hosts(name, self.hosts.as_ref());
        }
    }
}

pub(crate) fn is_sftp(connector: &Connector) -> bool {
    connector.protocol() == Some(Protocol::Sftp)
}
