//! `storage:connectors:create`: keeps where a server is and who asks it.

use super::{Flags, no_secret_among, none_behind, parts};
use crate::commands::arguments::{self, Args};
use crate::context::Context;
use crate::domain::connector_type::{ConnectorType, TYPES};
use crate::domain::{Connector, ConnectorName, Error, Result};
use crate::ops::connectors;
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
    let is_there = connectors::is_there(&connector, context)?;
    if flags.secret_file().is_some() && !connector.has_secret() {
        return Err(no_secret(&connector));
    }
    let mut parts = parts::given(&connector, flags, connector.has_secret(), context)?;
    let name = connector.name.clone();
    if is_there {
        connectors::must_have(&connector, &parts, &context.store)?;
        context.out.headline(&format!("Connector {name} already exists, leaving in place"));
        return Ok(());
    }
    connectors::create(&mut connector, &mut parts, context)?;
    context.out.headline(&format!("Connector {name} created"));
    parts::tell(&parts, &connector, context)
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
