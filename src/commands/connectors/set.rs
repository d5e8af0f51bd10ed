//! `storage:connectors:set`: changes a connector, its secret among it, and updates what is mounted over it.

use super::parts::{Parts, is_sftp};
use super::{Flags, SECRET, no_secret_among, none_behind, secret};
use crate::commands::arguments::{self, NamedOf, word};
use crate::context::Context;
use crate::domain::connector_type::{ConnectorType, SecretForm};
use crate::domain::{Connector, Entry, Error, Result, options};
use crate::ops::{restart, tell_problems};
use crate::storage::{EntryLock, Place};
use crate::types;

#[derive(Debug)]
struct Changes {
    /// Properties and their new values; the empty value takes the property away.
    properties: Vec<(String, String)>,
    /// Whether a new secret was spoken of.
    names_secret: bool,
}

impl Changes {
    /// `rest` are the words behind the property.
    fn of(flags: &Flags, property: &str, rest: &[String], before: &Connector) -> Result<Self> {
        let mut properties = flags.properties();
        let has_file = [&flags.secret_file, &flags.key_file, &flags.known_hosts_file]
            .iter()
            .any(|file| file.is_some());
        refuse_if!(
            !property.is_empty() && !properties.is_empty(),
            "storage:connectors:set accepts either a property and a value or flags, not both"
        );
        match property {
            "" if properties.is_empty() && !has_file => {
                let known = before.known_type().into_iter();
                let names: Vec<&str> = known.flat_map(ConnectorType::names).collect();
                refuse!("No property specified; there are: {}, {SECRET}", names.join(", "));
            }
            "" => none_behind(Some(property), rest)?,
            SECRET => {
                none_behind(Some(property), rest)?;
                return Ok(Self { properties, names_secret: true });
            }
            property if options::is_secret(property) => {
                refuse!(
                    "the secret is set by property {SECRET}, which takes no value: {}",
                    secret::HOW
                );
            }
            property => {
                let value = word(rest, 0);
                none_behind(Some(value), rest.get(1..).unwrap_or_default())?;
                properties.push((property.to_owned(), value.to_owned()));
            }
        }
        Ok(Self { properties, names_secret: flags.secret_file.is_some() })
    }

    /// The connector with the changes, and whether it needs another secret: a key has two parts.
    fn apply(&self, before: &Connector) -> Result<(Connector, bool)> {
        let mut after = before.clone();
        for (property, value) in &self.properties {
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
}

/// Changes a connector. What is mounted over it takes up the new values.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    no_secret_among(words)?;
    let (NamedOf::<String, Flags> { of, name: property, flags }, rest) =
        arguments::parse_some(words, context)?;
    let before = super::existing(&of, context)?;
    let changes = Changes::of(&flags, &property, &rest, &before)?;
    let (planned, needs_secret) = changes.apply(&before)?;
    if changes.names_secret && !planned.has_secret() {
        return Err(no_secret(&planned));
    }
    super::check_place(&planned, context)?;
    let names_secret = changes.names_secret || needs_secret;
    let mut parts = Parts::given(&planned, &flags, names_secret, context)?;
    complete(&mut parts, &before, &planned, changes.names_secret, context)?;
    let name = &before.name;
    let is_changed = write(&before, &changes, &parts, context)?;
    context.out.headline(&if is_changed {
        format!("Connector {name} updated")
    } else {
        format!("Nothing changed: connector {name} has these values already")
    });
    parts.tell(&planned, context)?;
    follow(&before, is_changed, context)
}

fn no_secret(planned: &Connector) -> Error {
    let name = &planned.name;
    match planned.known_type().and_then(|known| known.who) {
        Some(who) => {
            refusal!("connector {name} has no {who}, so it has no secret either; set {who} too")
        }
        None => refusal!("connector {name} is of type {}, which has no secret", planned.type_name),
    }
}

/// Makes the parts that the connector needs from now on, and refuses those that do not fit to what there is.
fn complete(
    parts: &mut Parts,
    before: &Connector,
    planned: &Connector,
    names_secret: bool,
    context: &Context,
) -> Result<()> {
    let (store, name) = (&context.store, &before.name);
    if names_secret {
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

/// Writes connector and parts in one step; false where nothing is different.
fn write(before: &Connector, changes: &Changes, parts: &Parts, context: &Context) -> Result<bool> {
    context.store.change(|change| {
        let name = &before.name;
        let now = change.store().existing_connector(name.as_str())?;
        let (mut after, needs_secret) = changes.apply(&now)?;
        refuse_if!(
            (needs_secret && parts.secret.is_none())
                || after.has_secret() != changes.apply(before)?.0.has_secret(),
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

/// Makes every entry over the connector take up its values. Where they are the same, an earlier try may have failed; only
/// a mount that works is left alone then.
fn follow(connector: &Connector, is_changed: bool, context: &mut Context) -> Result<()> {
    let name = &connector.name;
    let found = context.store.entries()?;
    let mut problems = found.problems;
    let uses = |entry: &&Entry| entry.connector.as_ref() == Some(name);
    for entry in found.entries.iter().filter(uses) {
        let storage_type = types::of(entry);
        if !is_changed
            && storage_type.place() == Place::MountPoint
            && storage_type.problem(entry, context).is_none()
        {
            continue;
        }
        let _lock = EntryLock::take(entry.name.as_str(), context)?;
        let followed = storage_type.connector_changed(entry, context);
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
    use super::super::SECRET_FILE;
    use super::*;
    use crate::domain::connector_type::TYPES;
    use crate::domain::names::ConnectorName;

    fn nas() -> Connector {
        Connector::new(ConnectorName::parse("nas").unwrap(), &TYPES[1])
    }

    fn changes(words: &[&str]) -> Result<Changes> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Changes::of(&Flags::default(), &words[0], &words[1..], &nas())
    }

    #[test]
    fn another_user_needs_another_password() {
        let mut connector = nas();
        connector.set("server", "nas").unwrap();
        let needs = |words: &[&str], connector: &Connector| {
            changes(words).unwrap().apply(connector).unwrap().1
        };
        assert!(needs(&["username", "ada"], &connector));
        assert!(!needs(&["domain", "HOME"], &connector));
        connector.set("username", "ada").unwrap();
        assert!(!needs(&["username", "ada"], &connector));
        assert!(!needs(&["username"], &connector));
    }

    #[test]
    fn a_secret_is_no_value() {
        for words in [["secret", "hunter2"], ["password", "hunter2"]] {
            let error = changes(&words).unwrap_err().to_string();
            assert!(error.contains(SECRET_FILE) && !error.contains("hunter2"), "{error}");
        }
    }
}
