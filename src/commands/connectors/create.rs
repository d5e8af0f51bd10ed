//! `storage:connectors:create`: keeps where a server is and who asks it.

use clap::Parser;

use super::{no_more_than, no_secret_among, secret};
use crate::commands::arguments::{self, at, given};
use crate::context::Context;
use crate::domain::connector::{Connector, KINDS, Kind, Secret};
use crate::domain::error::{Error, Result};
use crate::domain::names::ConnectorName;
use crate::types::nearest_first;

#[derive(Debug, Parser)]
struct Arguments {
    /// --access-key-id: public part of the key; the secret part is asked for (s3)
    #[arg(long, value_name = "string")]
    access_key_id: Option<String>,
    /// --domain: domain of the user (cifs)
    #[arg(long, value_name = "string")]
    domain: Option<String>,
    /// --endpoint: address of the object store, by default Amazon's (s3)
    #[arg(long, value_name = "string")]
    endpoint: Option<String>,
    /// --region: region (s3)
    #[arg(long, value_name = "string")]
    region: Option<String>,
    /// --secret-file: file with the secret, - for standard input
    #[arg(long, value_name = "string")]
    secret_file: Option<String>,
    /// --server: name or address of the server (cifs)
    #[arg(long, value_name = "string")]
    server: Option<String>,
    /// --type: type of server (s3, cifs)
    #[arg(long, value_name = "string")]
    r#type: Option<String>,
    /// --username: user; the password is asked for (cifs)
    #[arg(long, value_name = "string")]
    username: Option<String>,
    positional: Vec<String>,
}

/// Makes a connector; its secret is read where somebody asks, not everybody.
///
/// # Errors
/// For values that do not fit, and where there is one of that name with other values; nothing is changed.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    no_secret_among(words)?;
    let arguments: Arguments = arguments::parse(words, context)?;
    super::must_be_allowed(context)?;
    let connector = connector(&arguments)?;
    if let Some(existing) = context.store.connector(&connector.name)? {
        must_be_same(&existing, &connector)?;
    }
    let file = given(arguments.secret_file.as_deref());
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

fn connector(arguments: &Arguments) -> Result<Connector> {
    let name = ConnectorName::parse(at(&arguments.positional, 0))?;
    no_more_than(&arguments.positional, 1)?;
    let mut connector = Connector::new(name, kind(arguments.r#type.as_deref())?);
    let values = [
        ("endpoint", &arguments.endpoint),
        ("region", &arguments.region),
        ("access-key-id", &arguments.access_key_id),
        ("server", &arguments.server),
        ("username", &arguments.username),
        ("domain", &arguments.domain),
    ];
    for (property, value) in values {
        if let Some(value) = given(value.as_deref()) {
            connector.set(property, value)?;
        }
    }
    connector.check()?;
    Ok(connector)
}

fn kind(name: Option<&str>) -> Result<&'static Kind> {
    let name = name.unwrap_or_default();
    let names = nearest_first(name, KINDS.iter().map(|kind| kind.name));
    if name.is_empty() {
        return Err(Error::refused(format!("--type is required; there are: {names}")));
    }
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        Error::refused(format!("{name:?} is not a type of connector; there are: {names}"))
    })
}

fn no_secret(connector: &Connector) -> Error {
    let who = connector.known_kind().map_or("", |kind| kind.who);
    Error::refused(format!(
        "connector {} has no {who}, so it has no secret either; give --{who}, or leave {} out",
        connector.name,
        super::SECRET_FILE
    ))
}

fn must_be_same(existing: &Connector, wanted: &Connector) -> Result<()> {
    let mut wanted = wanted.clone();
    wanted.unknown.clone_from(&existing.unknown);
    wanted.schema_version = existing.schema_version;
    if *existing == wanted { Ok(()) } else { Err(other_values(existing)) }
}

fn other_values(existing: &Connector) -> Error {
    let name = &existing.name;
    Error::refused(format!(
        "connector {name} already exists with other values; to change it: dokku storage:connectors:set {name}"
    ))
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
        match secret {
            Some(secret) => change.write_secret(name, secret),
            None => change.remove_secret(name),
        }
        Ok(true)
    })
}
