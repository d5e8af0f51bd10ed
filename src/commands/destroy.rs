//! `storage:destroy`: takes an entry out of the registry, and its data where that was asked for.

use super::arguments::{self, Args, no_more_than};
use crate::context::Context;
use crate::domain::{Entry, EntryName, Result};
use crate::ops::destroy::{How, carry_out, holds_data, plan};
use crate::ops::{access, apps, confirmation, crontab, trash};
use crate::storage::clear_staged;
use crate::types::{self, Removal};

#[derive(Debug, Args)]
struct Arguments {
    name: String,
    /// --destroy-host-dir: also remove the host directory and its contents (docker-local only)
    destroy_host_dir: bool,
    /// --force: force destroy without confirmation
    force: bool,
    /// --no-trash: remove the data at once instead of moving it to the trash
    #[arg(help_heading = arguments::OWN)]
    no_trash: bool,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, rest) = arguments::parse_some::<Arguments>(words, context)?;
    let name = &*arguments.name;
    refuse_if!(name.is_empty(), "storage entry name is required");
    no_more_than(&rest, 0)?;
    let is_forced = arguments.force || context.environment.is_forced();
    if is_forced && !arguments.destroy_host_dir && went_with_its_mount(name, context)? {
        context.out.headline(&format!("Storage entry {name} is gone: it went with its last mount"));
        return Ok(());
    }
    let entry = access::entry(name, context)?;
    let no_trash = arguments.no_trash;
    let how = How { asked: arguments.destroy_host_dir, deleted: None, no_trash };
    let removal = plan(&entry, how, context)?;
    refuse_if!(
        no_trash && matches!(removal, Removal::Nothing) && holds_data(&entry),
        "--no-trash is for data that goes with its entry, and that of storage entry {name} stays at {}; to remove it, too, add --destroy-host-dir",
        entry.shown_source()
    );
    if !is_forced {
        let loses_data = match removal {
            Removal::Place => holds_data(&entry),
            Removal::Outside => types::of(&entry).keeps_in_volume(),
            Removal::Nothing => false,
        };
        confirm(&entry, loses_data, context)?;
    }
    let in_crontab = crontab::lines(context);
    let trashed = carry_out(&entry, how, context)?;
    clear_staged(context);
    context.out.headline(&format!("Storage entry {name} destroyed"));
    // What takes long comes last.
    context.out.flush()?;
    trash::empty_expired(context)?;
    trash::make_room(trashed.as_ref(), usize::MAX, context);
    // The first that goes to the trash, and the last that had a schedule.
    crontab::follow(&in_crontab, context);
    Ok(())
}

/// Whether a name is that of a colon mount's entry that is not there any more: with Dokku's own plugin it would still be, and
/// scripts destroy it. What only apps mount that the caller cannot see is not there either.
fn went_with_its_mount(name: &str, context: &Context) -> Result<bool> {
    let Some(name) = EntryName::parse(name).ok().filter(EntryName::is_of_colon_mount) else {
        return Ok(false);
    };
    if let Some(entry) = context.store.entry(&name)? {
        return Ok(!access::may_touch(&entry, context)?);
    }
    let using = context.store.apps_mounting(&name)?;
    Ok(using.is_empty() || apps::visible(&context.environment, using)?.is_empty())
}

fn confirm(entry: &Entry, removes_data: bool, context: &mut Context) -> Result<()> {
    let name = &entry.name;
    if removes_data {
        context.out.warn(&format!(
            "Storage entry {name} is backed by {}, which will be removed along with its contents.",
            entry.shown_source()
        ));
    }
    confirmation::ask("storage entry", name.as_str(), context)
}
