//! Changing a connector, and what is mounted over it.

use super::parts::{Parts, is_sftp};
use crate::context::Context;
use crate::domain::connector_type::SecretForm;
use crate::domain::{Connector, Entry, Error, Result};
use crate::ops::{restart, tell_problems, usable};
use crate::storage::{EntryLock, Place};
use crate::types;

/// The connector with other properties, and whether it needs another secret: a key has two parts.
pub(crate) fn with(
    before: &Connector,
    properties: &[(String, String)],
) -> Result<(Connector, bool)> {
    let mut after = before.clone();
    for (property, value) in properties {
        after.set(property, value)?;
    }
    after.check()?;
    let who = |connector: &Connector| {
        let who = connector.known_type().and_then(|known| known.who);
        who.map_or_else(String::new, |who| connector.property(who).to_owned())
    };
    let is_line = after.secret_form() == SecretForm::Line;
    let needs_secret = is_line && after.has_secret() && who(&after) != who(before);
    Ok((after, needs_secret))
}

/// Changes a connector, with the parts that were given and those that it needs from now on, in one step; false where nothing is
/// different. `makes_pair` where a key pair that was not given is made.
pub(crate) fn set(
    before: &Connector,
    properties: &[(String, String)],
    parts: &mut Parts,
    makes_pair: bool,
    context: &Context,
) -> Result<bool> {
    let (planned, _) = with(before, properties)?;
    complete(parts, before, &planned, makes_pair, context)?;
    let name = &before.name;
    context.store.change(|change| {
        let now = change.store().existing_connector(name.as_str())?;
        let (mut after, needs_secret) = with(&now, properties)?;
        refuse_if!(
            (needs_secret && parts.secret.is_none()) || after.has_secret() != planned.has_secret(),
            "connector {name} was changed meanwhile; run the command again"
        );
        if let Some(public) = &parts.public_key {
            after.public_key.clone_from(public);
        }
        let store = change.store();
        // One that cannot be read is replaced.
        let is_secret_same = match &parts.secret {
            Some(secret) => {
                store.secret(&after).is_ok_and(|stored| stored.as_ref() == Some(secret))
            }
            None => after.has_secret() || store.secret(&now)?.is_none(),
        };
        let is_same = is_secret_same
            && (parts.key.is_none() || store.key(name)? == parts.key)
            && (parts.hosts.is_none()
                || store.known_hosts(name).is_ok_and(|stored| stored == parts.hosts));
        if after != now {
            change.write_connector(&after)?;
        }
        if after.repository_place() != now.repository_place() {
            // What was known of the repository is about another one.
            change.remove_repository_state(name);
        }
        if !is_same {
            parts.put(&after, change);
        }
        if !after.has_secret() {
            change.put_secret(name, None);
        }
        Ok(after != now || !is_same)
    })
}

/// Makes the parts that the connector needs from now on, and refuses those that do not fit to what there is.
fn complete(
    parts: &mut Parts,
    before: &Connector,
    planned: &Connector,
    makes_pair: bool,
    context: &Context,
) -> Result<()> {
    let (store, name) = (&context.store, &before.name);
    if makes_pair {
        parts.make_key_pair(planned)?;
    }
    if is_sftp(planned) && planned.ssh_host() != before.ssh_host() {
        parts.scan_hosts(planned)?;
    }
    if parts.secret.is_none()
        && planned.remote != before.remote
        && let Some(stored) = store.secret(planned)?
    {
        planned.check_secret(&stored)?;
    }
    match store.key(name)? {
        None if before.is_destination() => Ok(()),
        None => parts.make_key(planned),
        Some(stored) => {
            // Backups that nobody can read any more would be worse than a key on the screen.
            parts.replaced_key =
                Some(stored).filter(|stored| parts.key.as_ref().is_some_and(|key| key != stored));
            Ok(())
        }
    }
}

/// Makes every entry over the connector take up its values. Where they are the same, an earlier try may have failed; only
/// a mount that works is left alone then.
pub(crate) fn follow(connector: &Connector, is_changed: bool, context: &mut Context) -> Result<()> {
    let name = &connector.name;
    let found = context.store.entries()?;
    let mut problems = found.problems;
    let uses = |entry: &&Entry| entry.connector.as_ref() == Some(name);
    for entry in found.entries.iter().filter(uses) {
        let storage_type = types::of(entry);
        if !is_changed
            && storage_type.place() == Place::MountPoint
            && types::problem(entry, context).is_none()
        {
            continue;
        }
        let _lock = EntryLock::take(entry.name.as_str(), context)?;
        let followed = match types::away(entry, context) {
            Some(problem) => Err(Error::refused(usable::sentence(entry, &problem))),
            None => storage_type.connector_changed(entry, context),
        };
        if let Err(error) = followed.and_then(|()| say_restarts(entry, context)) {
            problems.push(refusal!(
                "storage entry \"{}\" does not use the new values yet: {error}",
                entry.name
            ));
        }
    }
    if !problems.is_empty() {
        problems.push(refusal!(
            "connector {name} keeps its values; once that is corrected, run the same command again"
        ));
    }
    tell_problems(&problems, context)
}

/// Says which apps still run with what was there before.
fn say_restarts(before: &Entry, context: &mut Context) -> Result<()> {
    let now = context.store.entry(&before.name)?;
    if now.is_none_or(|now| now.host_path == before.host_path) {
        return Ok(());
    }
    for app in context.store.apps_with(&before.name)? {
        restart::say(&app, context);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ConnectorName;
    use crate::domain::connector_type::TYPES;

    #[test]
    fn another_user_needs_another_password() {
        let mut connector = Connector::new(ConnectorName::parse("nas").unwrap(), &TYPES[1]);
        connector.set("server", "nas").unwrap();
        let needs = |property: &str, value: &str, connector: &Connector| {
            with(connector, &[(property.to_owned(), value.to_owned())]).unwrap().1
        };
        assert!(needs("username", "ada", &connector));
        assert!(!needs("domain", "HOME", &connector));
        connector.set("username", "ada").unwrap();
        assert!(!needs("username", "ada", &connector));
        assert!(!needs("username", "", &connector));
    }
}
