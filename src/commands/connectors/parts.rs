//! What is kept beside a connector: taking it from the caller, and showing what was made of it.

use super::{Flags, KEY_FILE, KNOWN_HOSTS_FILE, SECRET_FILE, secret};
use crate::context::Context;
use crate::domain::connector_type::SecretForm;
use crate::domain::{Connector, KnownHosts, Result, Secret};
use crate::host::ssh;
use crate::ops::connectors::{Parts, is_sftp};

/// What was given. A private key is taken only from a file that was named.
pub(super) fn given(
    connector: &Connector,
    flags: &Flags,
    names_secret: bool,
    context: &mut Context,
) -> Result<Parts> {
    check(connector, flags, names_secret)?;
    let mut parts = Parts::default();
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

/// Shows what was made here and has to go somewhere else.
pub(super) fn tell(parts: &Parts, connector: &Connector, context: &mut Context) -> Result<()> {
    if let Some(hosts) = parts.hosts.as_ref().filter(|_| parts.scans_hosts) {
        let host = connector.ssh_host();
        context
            .out
            .detail(&format!("{host} shows these host keys; compare them with the server's own:"));
        for line in ssh::fingerprints(hosts)? {
            context.out.detail(&line);
        }
    }
    if let Some(public) = &parts.public_key {
        let (user, server) = (&connector.username, &connector.server);
        context.out.detail(&format!("Add this line to authorized_keys of {user} on {server}:"));
        context.out.detail(public);
    }
    if let Some(key) = parts.key.as_ref().filter(|_| parts.makes_key) {
        let name = &connector.name;
        context.out.detail("The key of the backups, without which nobody can read them:");
        context.out.detail(key.reveal());
        context.out.detail(&format!(
            "Keep it apart from this host; to see it again: dokku storage:backups:key {name}"
        ));
    }
    if let Some(key) = &parts.replaced_key {
        context.out.detail("The key before; keep it if something was backed up with it:");
        context.out.detail(key.reveal());
    }
    Ok(())
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
