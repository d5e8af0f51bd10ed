//! Connectors: what may be one, writing it with what is kept beside it, and destroying it.

mod look;
mod parts;
mod set;

pub(crate) use look::look;
pub(crate) use parts::{Parts, is_sftp};
pub(crate) use set::{follow, set, with};

use std::path::Path;

use crate::context::Context;
use crate::domain::connector_type::Protocol;
use crate::domain::{Connector, ConnectorName, Error, Result};
use crate::fs::RealPath;
use crate::store::Store;

/// Whether the connector is there already, with these values. Refuses another of its name, and a place that cannot be its.
pub(crate) fn is_there(connector: &Connector, context: &Context) -> Result<bool> {
    let existing = context.store.connector(&connector.name)?;
    if let Some(existing) = &existing {
        must_be_same(existing, connector)?;
    }
    check_place(connector, context)?;
    Ok(existing.is_some())
}

/// Refuses a directory for backups that the host's own storage is in, or that is in it: apps write there.
pub(crate) fn check_place(connector: &Connector, context: &Context) -> Result<()> {
    let is_local = connector.protocol() == Some(Protocol::Directory);
    if !is_local {
        return Ok(());
    }
    let layout = context.store.layout();
    let place = RealPath::of(Path::new(&connector.path));
    for own in [layout.storage().to_owned(), layout.registry(), layout.images()] {
        refuse_if!(
            place.overlaps(&RealPath::of(&own)),
            "path {:?} is, holds or is in {}, where storage itself is; choose a directory of another disk",
            connector.path,
            own.display()
        );
    }
    Ok(())
}

fn must_be_same(existing: &Connector, wanted: &Connector) -> Result<()> {
    let mut wanted = wanted.clone();
    wanted.unknown.clone_from(&existing.unknown);
    wanted.schema_version = existing.schema_version;
    wanted.public_key.clone_from(&existing.public_key);
    refuse_if!(
        existing.type_name != wanted.type_name,
        "connector {name} already exists with type {}; choose another name, or destroy it first: dokku storage:connectors:destroy {name}",
        existing.type_name,
        name = existing.name
    );
    if *existing == wanted { Ok(()) } else { Err(other_values(existing)) }
}

fn other_values(existing: &Connector) -> Error {
    let name = &existing.name;
    refusal!(
        "connector {name} already exists with other values; to change it: dokku storage:connectors:set {name} PROPERTY VALUE"
    )
}

/// Refuses other parts than the connector has.
pub(crate) fn must_have(connector: &Connector, given: &Parts, store: &Store) -> Result<()> {
    let name = &connector.name;
    let is_same = given.secret.is_none() || store.secret(connector)? == given.secret;
    let has_key = given.key.is_none() || store.key(name)? == given.key;
    let knows = given.hosts.is_none() || store.known_hosts(name)? == given.hosts;
    if is_same && has_key && knows { Ok(()) } else { Err(other_values(connector)) }
}

/// Makes the parts that were not given, and writes the connector with them in one step.
pub(crate) fn create(
    connector: &mut Connector,
    parts: &mut Parts,
    context: &Context,
) -> Result<()> {
    parts.scan_hosts(connector)?;
    parts.make_key_pair(connector)?;
    parts.make_key(connector)?;
    connector.public_key = parts.public_key.clone().unwrap_or_default();
    context.store.change(|change| {
        let name = &connector.name;
        refuse_if!(
            change.store().connector(name)?.is_some(),
            "connector {name} was created meanwhile; run the command again"
        );
        change.write_connector(connector)?;
        parts.put(connector, change);
        Ok(())
    })
}

/// Forgets a connector, and what is kept beside it.
pub(crate) fn destroy(name: &ConnectorName, context: &Context) -> Result<()> {
    context.store.change(|change| {
        change.store().existing_connector(name.as_str())?;
        must_be_unused(name, change.store())?;
        change.remove_connector(name);
        Ok(())
    })
}

/// Refuses a connector that entries or schedules name.
pub(crate) fn must_be_unused(name: &ConnectorName, store: &Store) -> Result<()> {
    let using = store.entries_over(name)?;
    let names: Vec<&str> = using.iter().map(|entry| entry.name.as_str()).collect();
    refuse_if!(
        !names.is_empty(),
        "connector {name} is still used by storage entries: {}; destroy them first",
        names.join(", ")
    );
    let (schedules, _) = store.schedules()?;
    let going: Vec<String> = schedules
        .iter()
        .filter(|schedule| schedule.connector == *name)
        .map(|schedule| schedule.subject.to_string())
        .collect();
    refuse_if!(
        !going.is_empty(),
        "connector {name} is where the scheduled backups of {} go; schedule them elsewhere, or end that: dokku storage:backups:unschedule ENTRY|--app APP|--all",
        going.join(", ")
    );
    Ok(())
}
