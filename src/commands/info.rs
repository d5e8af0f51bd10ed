//! `storage:info`: one entry.

use super::arguments::{self, EntryWord, Named, Output};
use crate::context::Context;
use crate::domain::{Result, or_empty, readable};
use crate::ops::{access, backups};
use crate::render::Format;
use crate::types;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (Named::<EntryWord, Output> { name, flags }, _) = arguments::parse_some(words, context)?;
    let entry = name.existing(context)?;
    let shown = access::shown(&entry, context);
    if flags.lenient() == Format::Json {
        context.out.json_pretty(&shown);
        return Ok(());
    }
    context.out.headline_unless_quiet(&format!("Storage entry {}", entry.name));
    let rows = [
        ("Scheduler", entry.scheduler.clone()),
        ("Host path", or_empty(entry.host_path.as_ref()).to_owned()),
        ("Size", entry.size.clone()),
        ("Access mode", entry.access_mode.clone()),
        ("Storage class", entry.storage_class.clone()),
        ("Namespace", entry.namespace.clone()),
        ("Chown", or_empty(entry.chown.as_ref()).to_owned()),
        ("Mode", or_empty(entry.mode.as_ref()).to_owned()),
        ("Reclaim policy", entry.reclaim_policy.clone()),
        ("Scope", shown.scope.to_string()),
        ("Exclusive", if entry.exclusive { "true" } else { "" }.to_owned()),
        ("Auto volume", shown.auto_volume.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("Node", entry.node.clone()),
        ("Type", entry.type_name.clone()),
        ("Driver", entry.driver.clone()),
        ("Connector", or_empty(entry.connector.as_ref()).to_owned()),
    ];
    for (label, value) in &rows {
        context.out.labelled(label, value);
    }
    let users = access::names(context.store.apps_mounting(&entry.name)?, context)?;
    context.out.labelled("Mounted by", &users.join(", "));
    for (key, value) in shown.options {
        context.out.labelled("Option", &format!("{key}={value}"));
    }
    for (label, value) in entry.backup.shown() {
        if !value.is_empty() {
            context.out.labelled(label, value);
        }
    }
    if let Some(run) = context.store.backup_state(Some(&entry.name))?.and_then(|s| s.last_success) {
        let is_seen = backups::is_seen(&run.connector, context);
        let to = if is_seen { run.connector.as_str() } else { backups::ANOTHER };
        let last = format!("{}, {}, to {to}", run.at.shown(), readable(run.bytes));
        context.out.labelled("Last backup", &last);
    }
    let away = types::away(&entry, context);
    if entry.is_typed() || away.is_some() {
        let storage_type = types::of(&entry);
        let state = match away.or_else(|| storage_type.problem(&entry, context)) {
            None => storage_type.readiness().to_owned(),
            Some(problem) => format!("{}; {}", problem.sentence, problem.remedy),
        };
        context.out.labelled("State", &state);
    }
    Ok(())
}
