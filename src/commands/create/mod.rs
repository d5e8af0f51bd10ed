//! `storage:create`: registers an entry.

mod request;

use request::Arguments;

use crate::commands::arguments::{self, parsed};
use crate::context::Context;
use crate::domain::source::Source;
use crate::domain::{Result, Sha256};
use crate::ops::create::create;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, rest) = arguments::parse_some::<Arguments>(words, context)?;
    let sum = parsed(arguments.sha256.as_ref(), Sha256::parse)?;
    let (entry, request) = request::entry(&arguments, &rest, context)?;
    let source = match &request.from {
        Some(from) => request::filled_from(from, &entry, &request)?,
        None => None,
    };
    if sum.is_some() && !matches!(source, Some(Source::Web(_))) {
        refuse!("--sha256 goes with --from https://… or http://…");
    }
    let name = entry.name.clone();
    create(entry, &request, (source, sum), arguments.chown_recursive, context)?;
    context.out.headline(&format!("Storage entry {name} created"));
    Ok(())
}
