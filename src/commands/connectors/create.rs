//! `storage:connectors:create`: keeps where a server is and who asks it.

use clap::Parser;

use super::{Flags, no_more_than, no_secret_among, secret};
use crate::commands::arguments::{self, Positional};
use crate::context::Context;
use crate::domain::connector::{ConnectorType, TYPES};
use crate::domain::{Connector, ConnectorName, Error, Result, Secret};
use crate::types::nearest_first;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    flags: Flags,
    /// --type: type of server (s3, cifs)
    r#type: Option<String>,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    no_secret_among(words)?;
    let (arguments, positional) = arguments::parse::<Arguments>(words, context)?;
    super::must_be_allowed(context)?;
    let connector = connector(&arguments, &positional)?;
    if let Some(existing) = context.store.connector(&connector.name)? {
        must_be_same(&existing, &connector)?;
    }
    let file = arguments.flags.secret_file();
    let secret = match (connector.has_secret(), file) {
        (true, file) => Some(secret::take(&connector, file, context)?),
        (false, None) => None,
        (false, Some(_)) => return Err(no_secret(&connector)),
    };
    let is_new = register(&connector, secret.as_ref(), context)?;
    context.out.headline(&if is_new {
        format!("Connector {} created", connector.name)
    } else {
        format!("Connector {} already exists, leaving in place", connector.name)
    });
    Ok(())
}

fn connector(arguments: &Arguments, positional: &Positional) -> Result<Connector> {
    let name = ConnectorName::parse(positional.at(0))?;
    no_more_than(positional, 1)?;
    let mut connector = Connector::new(name, named_type(arguments.r#type.as_deref())?);
    for (property, value) in arguments.flags.properties().filter(|(_, value)| !value.is_empty()) {
        connector.set(property, value)?;
    }
    connector.check()?;
    Ok(connector)
}

fn named_type(name: Option<&str>) -> Result<&'static ConnectorType> {
    let name = name.unwrap_or_default();
    let names = nearest_first(name, TYPES.iter().map(|known| known.name));
    refuse_if!(name.is_empty(), "--type is required; there are: {names}");
    TYPES
        .iter()
        .find(|known| known.name == name)
        .ok_or_else(|| refusal!("{name:?} is not a type of connector; there are: {names}"))
}

fn no_secret(connector: &Connector) -> Error {
    let who = connector.known_type().map_or("", |known| known.who);
    refusal!(
        "connector {} has no {who}, so it has no secret either; give --{who}, or leave {} out",
        connector.name,
        super::SECRET_FILE
    )
}

fn must_be_same(existing: &Connector, wanted: &Connector) -> Result<()> {
    let mut wanted = wanted.clone();
    wanted.unknown.clone_from(&existing.unknown);
    wanted.schema_version = existing.schema_version;
    if *existing == wanted { Ok(()) } else { Err(other_values(existing)) }
}

fn other_values(existing: &Connector) -> Error {
    let name = &existing.name;
    refusal!(
        "connector {name} already exists with other values; to change it: dokku storage:connectors:set {name}"
    )
}

/// Writes the connector and its secret in one step; false where they are there already.
fn register(connector: &Connector, secret: Option<&Secret>, context: &Context) -> Result<bool> {
    context.store.change(|change| {
        let name = &connector.name;
        if let Some(existing) = change.store().connector(name)? {
            must_be_same(&existing, connector)?;
            if change.store().secret(name)?.as_ref() != secret {
                return Err(other_values(&existing));
            }
            return Ok(false);
        }
        change.write_connector(connector)?;
        change.put_secret(name, secret);
        Ok(true)
    })
}
