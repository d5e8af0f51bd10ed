//! `storage:connectors:set`: changes a connector, its secret among it, and updates what is mounted over it.

use super::{Flags, SECRET, no_secret_among, none_behind, parts, secret};
use crate::commands::arguments::{self, NamedOf, word};
use crate::context::Context;
use crate::domain::connector_type::ConnectorType;
use crate::domain::{Connector, Error, Result, options};
use crate::ops::connectors;

/// Changes a connector. What is mounted over it takes up the new values.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    no_secret_among(words)?;
    let (NamedOf::<String, Flags> { of, name: property, flags }, rest) =
        arguments::parse_some(words, context)?;
    let before = super::existing(&of, context)?;
    let (properties, names_secret) = changes(&flags, &property, &rest, &before)?;
    let (planned, needs_secret) = connectors::with(&before, &properties)?;
    if names_secret && !planned.has_secret() {
        return Err(no_secret(&planned));
    }
    connectors::check_place(&planned, context)?;
    let mut parts = parts::given(&planned, &flags, names_secret || needs_secret, context)?;
    let is_changed = connectors::set(&before, &properties, &mut parts, names_secret, context)?;
    let name = &before.name;
    context.out.headline(&if is_changed {
        format!("Connector {name} updated")
    } else {
        format!("Nothing changed: connector {name} has these values already")
    });
    parts::tell(&parts, &planned, context)?;
    connectors::follow(&before, is_changed, context)
}

/// Properties and their new values, where the empty value takes the property away, and whether a new secret was spoken of;
/// `rest` are the words behind the property.
fn changes(
    flags: &Flags,
    property: &str,
    rest: &[String],
    before: &Connector,
) -> Result<(Vec<(String, String)>, bool)> {
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
            return Ok((properties, true));
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
    Ok((properties, flags.secret_file.is_some()))
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

#[cfg(test)]
mod tests {
    use super::super::SECRET_FILE;
    use super::*;
    use crate::domain::connector_type::TYPES;
    use crate::domain::names::ConnectorName;

    #[test]
    fn a_secret_is_no_value() {
        let nas = Connector::new(ConnectorName::parse("nas").unwrap(), &TYPES[1]);
        for property in ["secret", "password"] {
            let rest = ["hunter2".to_owned()];
            let error = changes(&Flags::default(), property, &rest, &nas).unwrap_err().to_string();
            assert!(error.contains(SECRET_FILE) && !error.contains("hunter2"), "{error}");
        }
    }
}
