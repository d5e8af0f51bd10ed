//! What is kept beside a connector: its secret, the key of its backups, and its server's host keys.

use super::{Flags, KEY_FILE, KNOWN_HOSTS_FILE, SECRET_FILE, secret};
use crate::context::Context;
use crate::domain::connector_type::{Protocol, SecretForm};
use crate::domain::{Connector, KnownHosts, Result, Secret};
use crate::host::{random, ssh};
use crate::store::Change;

/// The parts that were given or made; those that stay as they are, or are not needed, are none.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) secret: Option<Secret>,
    pub(super) key: Option<Secret>,
    pub(super) hosts: Option<KnownHosts>,
    /// The public part of a secret that is a private key.
    pub(super) public_key: Option<String>,
    /// The key that the new one takes the place of.
    pub(super) replaced_key: Option<Secret>,
    makes_key: bool,
    scans_hosts: bool,
}

impl Parts {
    /// What was given. A private key is taken only from a file that was named.
    pub(super) fn given(
        connector: &Connector,
        flags: &Flags,
        names_secret: bool,
        context: &mut Context,
    ) -> Result<Self> {
        check(connector, flags, names_secret)?;
        let mut parts = Self::default();
        if let Some(file) = flags.key_file() {
            let what = "the key of the backups must be one line of text, as dokku storage:backups:key prints it";
            parts.key = Some(Secret::parse(&secret::text(file)?).map_err(|_| refusal!("{what}"))?);
        }
        if let Some(file) = flags.known_hosts_file() {
            let hosts = KnownHosts::parse(&secret::text(file)?)?;
            ssh::must_know(&hosts, connector)?;
            parts.hosts = Some(hosts);
        }
        let is_pair = connector.secret_form() == SecretForm::PrivateKey;
        if names_secret && (!is_pair || flags.secret_file().is_some()) {
            let secret = secret::take(connector, flags.secret_file(), context)?;
            if is_pair {
                parts.public_key = Some(ssh::public_key(&secret)?);
            }
            parts.secret = Some(secret);
        }
        Ok(parts)
    }

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

    /// Shows what was made here and has to go somewhere else.
    pub(super) fn tell(&self, connector: &Connector, context: &mut Context) -> Result<()> {
        if let Some(hosts) = self.hosts.as_ref().filter(|_| self.scans_hosts) {
            let host = connector.ssh_host();
            context.out.detail(&format!(
                "{host} shows these host keys; compare them with the server's own:"
            ));
            for line in ssh::fingerprints(hosts)? {
                context.out.detail(&line);
            }
        }
        if let Some(public) = &self.public_key {
            let (user, server) = (&connector.username, &connector.server);
            context.out.detail(&format!("Add this line to authorized_keys of {user} on {server}:"));
            context.out.detail(public);
        }
        if let Some(key) = self.key.as_ref().filter(|_| self.makes_key) {
            let name = &connector.name;
            context.out.detail("The key of the backups, without which nobody can read them:");
            context.out.detail(key.reveal());
            context.out.detail(&format!(
                "Keep it apart from this host; to see it again: dokku storage:backups:key {name}"
            ));
        }
        if let Some(key) = &self.replaced_key {
            context.out.detail("The key before; keep it if something was backed up with it:");
            context.out.detail(key.reveal());
        }
        Ok(())
    }
}

pub(super) fn is_sftp(connector: &Connector) -> bool {
    connector.protocol() == Some(Protocol::Sftp)
}

/// Refuses files that the connector has no use for, and more than one from standard input.
fn check(connector: &Connector, flags: &Flags, names_secret: bool) -> Result<()> {
    let name = &connector.name;
    refuse_if!(
        flags.key_file().is_some() && !connector.is_destination(),
        "connector {name} is no destination of backups, so it has no key; {} or leave {KEY_FILE} out",
        match connector.known_type().and_then(|known| known.destination) {
            Some(property) => format!("give --{property},"),
            None => "choose another type,".to_owned(),
        }
    );
    refuse_if!(
        flags.known_hosts_file().is_some() && !is_sftp(connector),
        "a connector of type {} asks no server over ssh; leave {KNOWN_HOSTS_FILE} out",
        connector.type_name
    );
    let files = [flags.secret_file(), flags.key_file(), flags.known_hosts_file()];
    let asks = names_secret && connector.secret_form() != SecretForm::PrivateKey;
    let secret = usize::from(asks && flags.secret_file().is_none());
    let others = files.iter().filter(|file| **file == Some("-")).count();
    refuse_if!(
        others + secret > 1 && others > 0,
        "standard input can hold one thing alone; name files for the others ({SECRET_FILE}, {KEY_FILE} or {KNOWN_HOSTS_FILE} PATH)"
    );
    Ok(())
}
