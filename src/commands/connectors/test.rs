//! `storage:connectors:test`: asks the server itself.

use super::no_more_than;
use crate::commands::arguments;
use crate::context::Context;
use crate::domain::{Connector, Result};
use crate::host::rclone::listing::{self, Remote};
use crate::render::harmless;

/// How many names are shown.
const SHOWN: usize = 10;

/// Lists a bucket or a share over a connector, or the buckets or shares that there are.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let positional = arguments::positional(words, context)?;
    let connector = super::existing(&positional, context)?;
    no_more_than(&positional, 2)?;
    let path = positional.at(1);
    let secret = super::stored_secret(&connector, context)?;
    let remote = Remote::of(&connector, secret.as_ref(), path)?;
    context.out.flush()?;
    let names = listing::list(&remote).map_err(|error| {
        let what = if path.is_empty() { connector.place().to_owned() } else { path.to_owned() };
        refusal!("connector {} cannot list {what}: {error}", connector.name)
    })?;
    context.out.headline(&headline(&connector, path, names.len()));
    for name in names.iter().take(SHOWN) {
        context.out.detail(&harmless(name));
    }
    if names.len() > SHOWN {
        context.out.detail(&format!("and {} more", names.len() - SHOWN));
    }
    Ok(())
}

fn headline(connector: &Connector, path: &str, count: usize) -> String {
    let name = &connector.name;
    let outside = connector.known_type().map_or("bucket", |known| known.has);
    let (what, where_to) = match path {
        "" => (outside, connector.place()),
        path => ("name", path),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("Connector {name} lists {where_to}: {count} {what}{plural}")
}
