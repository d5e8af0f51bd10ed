//! `storage:backups:key`: prints the key that the backups of a destination are read with.

use crate::commands::arguments::{self, Named, no_more_than};
use crate::context::Context;
use crate::domain::{ConnectorName, Result};
use crate::ops::access;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (Named { name, .. }, rest) = arguments::parse_some::<Named<String>>(words, context)?;
    access::must_see_every_app("who has the key can read every backup", context)?;
    let name = ConnectorName::parse(&name)?;
    no_more_than(&rest, 0)?;
    let connector = context.store.existing_connector(name.as_str())?;
    let Some(key) = context.store.key(&name)? else {
        refuse_if!(
            !connector.is_destination(),
            "connector {name} is no destination of backups, so it has no key; dokku storage:connectors:info {name} shows what it is"
        );
        refuse!(
            "connector {name} has lost its key; give it: dokku storage:connectors:set {name} --key-file PATH"
        );
    };
    context.out.line(key.reveal());
    Ok(())
}
