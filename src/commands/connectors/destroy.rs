//! `storage:connectors:destroy`: forgets a connector, and its secret.

use crate::commands::arguments::{self, Force, Named, no_more_than};
use crate::context::Context;
use crate::domain::{ConnectorName, Entry, Result};
use crate::store::Store;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (Named::<String, Force> { name: typed, flags }, rest) =
        arguments::parse_some(words, context)?;
    let name = super::existing(&typed, context)?.name;
    no_more_than(&rest, 0)?;
    must_be_unused(&name, &context.store.entries_over(&name)?)?;
    must_not_be_scheduled(&name, &context.store)?;
    flags.or_ask("connector", name.as_str(), context)?;
    context.store.change(|change| {
        change.store().existing_connector(name.as_str())?;
        must_be_unused(&name, &change.store().entries_over(&name)?)?;
        must_not_be_scheduled(&name, change.store())?;
        change.remove_connector(&name);
        Ok(())
    })?;
    context.out.headline(&format!("Connector {name} destroyed"));
    Ok(())
}

fn must_be_unused(name: &ConnectorName, using: &[Entry]) -> Result<()> {
    if using.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = using.iter().map(|entry| entry.name.as_str()).collect();
    refuse!(
        "connector {name} is still used by storage entries: {}; destroy them first",
        names.join(", ")
    )
}

fn must_not_be_scheduled(name: &ConnectorName, store: &Store) -> Result<()> {
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
