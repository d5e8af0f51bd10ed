//! `storage:connectors:create`: keeps where a server is and who asks it.

use super::parts::Parts;
use super::{Flags, no_secret_among, none_behind};
use crate::commands::arguments::{self, Args};
use crate::context::Context;
use crate::domain::connector_type::{ConnectorType, TYPES};
use crate::domain::{Connector, ConnectorName, Error, Result};
use crate::store::Store;
use crate::types::nearest_first;

#[derive(Debug, Args)]
struct Arguments {
    name: String,
    #[command(flatten)]
    flags: Flags,
    /// --type: type of server (s3, cifs, sftp, rclone, local, rest)
    r#type: Option<String>,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    no_secret_among(words)?;
    let (arguments, rest) = arguments::parse_some::<Arguments>(words, context)?;
    super::must_be_allowed(context)?;
    let mut connector = connector(&arguments, &rest)?;
    let flags = &arguments.flags;
    let existing = context.store.connector(&connector.name)?;
    if let Some(existing) = &existing {
        must_be_same(existing, &connector)?;
    }
    super::check_place(&connector, context)?;
    if flags.secret_file().is_some() && !connector.has_secret() {
        return Err(no_secret(&connector));
    }
    let mut parts = Parts::given(&connector, flags, connector.has_secret(), context)?;
    let name = connector.name.clone();
    if existing.is_some() {
        must_have(&connector, &parts, &context.store)?;
        context.out.headline(&format!("Connector {name} already exists, leaving in place"));
        return Ok(());
    }
    parts.scan_hosts(&connector)?;
    parts.make_key_pair(&connector)?;
    parts.make_key(&connector)?;
    connector.public_key = parts.public_key.clone().unwrap_or_default();
    register(&connector, &parts, context)?;
    context.out.headline(&format!("Connector {name} created"));
    parts.tell(&connector, context)
}

fn connector(arguments: &Arguments, rest: &[String]) -> Result<Connector> {
    let name = ConnectorName::parse(&arguments.name)?;
    none_behind(Some(&arguments.name), rest)?;
    let mut connector = Connector::new(name, named_type(arguments.r#type.as_deref())?);
    for (property, value) in arguments.flags.properties() {
        if !value.is_empty() {
            connector.set(&property, &value)?;
        }
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
    let Some(who) = connector.known_type().and_then(|known| known.who) else {
        return refusal!(
            "a connector of type {} has no secret; leave {} out",
            connector.type_name,
            super::SECRET_FILE
        );
    };
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
    wanted.public_key.clone_from(&existing.public_key);
    if *existing == wanted { Ok(()) } else { Err(other_values(existing)) }
}

fn other_values(existing: &Connector) -> Error {
    let name = &existing.name;
    refusal!(
        "connector {name} already exists with other values; to change it: dokku storage:connectors:set {name}"
    )
}

/// Refuses other parts than the connector has.
fn must_have(connector: &Connector, given: &Parts, store: &Store) -> Result<()> {
    let name = &connector.name;
    let is_same = given.secret.is_none() || store.secret(connector)? == given.secret;
    let has_key = given.key.is_none() || store.key(name)? == given.key;
    let knows = given.hosts.is_none() || store.known_hosts(name)? == given.hosts;
    if is_same && has_key && knows { Ok(()) } else { Err(other_values(connector)) }
}

/// Writes the connector and its parts in one step.
fn register(connector: &Connector, parts: &Parts, context: &Context) -> Result<()> {
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
