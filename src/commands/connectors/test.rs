//! `storage:connectors:test`: asks the server itself.

use super::none_behind;
use crate::commands::arguments::{self, NamedOf};
use crate::context::Context;
use crate::domain::{Connector, Result};
use crate::ops::connectors;
use crate::render::harmless;

/// How many names are shown.
const SHOWN: usize = 10;

/// Lists a bucket or a share over a connector, or the buckets or shares that there are; or the place of backups.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (NamedOf::<String> { of, name: path, .. }, rest) = arguments::parse_some(words, context)?;
    let connector = super::existing(&of, context)?;
    none_behind(Some(&path), &rest)?;
    let secret = super::stored_secret(&connector, context)?;
    context.out.flush()?;
    let found = connectors::look(&connector, secret.as_ref(), &path, context)?;
    let count = found.names.as_ref().map(Vec::len);
    context.out.headline(&headline(&connector, found.place.as_deref(), count));
    let names = found.names.unwrap_or_default();
    for name in names.iter().take(SHOWN) {
        context.out.detail(&harmless(name));
    }
    if names.len() > SHOWN {
        context.out.detail(&format!("and {} more", names.len() - SHOWN));
    }
    if let Some(note) = found.note {
        context.out.detail(&note);
    }
    Ok(())
}

fn headline(connector: &Connector, place: Option<&str>, count: Option<usize>) -> String {
    let name = &connector.name;
    let outside = connector.known_type().map_or("bucket", |known| known.has);
    let (what, where_to) = match place {
        None => (outside, connector.place()),
        Some(place) => ("name", place),
    };
    match count {
        None => format!("Connector {name} reaches {where_to}"),
        Some(1) => format!("Connector {name} lists {where_to}: 1 {what}"),
        Some(count) => format!("Connector {name} lists {where_to}: {count} {what}s"),
    }
}
