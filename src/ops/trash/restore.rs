//! Putting something back from the trash, and registering its entry again.

use super::{called, visible};
use crate::context::Context;
use crate::domain::{
    DirectoryName, Entry, EntryName, Error, Moment, Result, Schedule, Source, Trashed,
};
use crate::fs::look;
use crate::ops::places::links;
use crate::ops::{Places, access, judge};
use crate::storage::{EntryLock, sized};
use crate::store::Store;
use crate::types;

/// What is to be there again: the entry, if there was one, and its directory's name.
pub(crate) struct RestoredItem {
    pub(crate) name: String,
    pub(crate) entry: Option<Entry>,
}

/// Takes something out of the trash: by its id, or the last one that was destroyed under a name.
pub(crate) fn restore(
    word: &str,
    new_name: Option<&str>,
    context: &mut Context,
) -> Result<RestoredItem> {
    let mut found = called(word, visible(context)?)?;
    // An id may be another one's name.
    if found.iter().any(|item| item.id.as_str() == word) {
        found.retain(|item| item.id.as_str() == word);
    }
    let Some(item) = found.pop() else {
        return Err(Error::Status(0));
    };
    refuse_if!(
        sized::has_image(&item, context)?,
        "the note of {} cannot be read, and its data is in an image, which nothing but the note says the size of; repair {}, or remove it for good: dokku storage:trash:empty {}",
        item.id,
        context.store.trash_note(&item.id).display(),
        item.id
    );
    let wanted = wanted(&item, new_name, context)?;
    if let Some(entry) = &wanted.entry {
        access::must_see_what_returns(entry, context)?;
    }
    let _lock = EntryLock::take(&wanted.name, context)?;
    if let Some(Source::Path(path)) = wanted.entry.as_ref().and_then(|e| e.host_path.as_ref()) {
        let own = wanted.entry.as_ref().map(|entry| &entry.name);
        judge::source(&Source::Path(path.clone()), own, None, context)?;
    }
    put_back(&item, &wanted, context)?;
    tell_of_schedule(&item, &wanted, context);
    let path = context.store.layout().directory(&wanted.name);
    context.out.detail(&format!("Moved back to {}", path.display()));
    if item.incomplete {
        context.out.warn(&format!(
            "{} is incomplete: its removal began and failed, so files may be missing",
            path.display()
        ));
    }
    if !found.is_empty() {
        let ids: Vec<&str> = found.iter().map(|item| item.id.as_str()).collect();
        context.out.detail(&format!("Still in the trash, destroyed earlier: {}", ids.join(", ")));
    }
    // What it had behind it is there, and put in its place again.
    if let Some(entry) = &wanted.entry
        && let Err(error) = types::of(entry).create(entry, &types::NewEntry::default(), context)
    {
        context.out.warn(&error.to_string());
    }
    Ok(wanted)
}

/// What the item becomes, under its own name or a new one.
fn wanted(item: &Trashed, new_name: Option<&str>, context: &Context) -> Result<RestoredItem> {
    let Some(name) = new_name else {
        // The app whose image it was made for may be another one by now.
        let entry = item.entry.as_ref().map(|entry| entry.renamed(entry.name.clone()));
        return Ok(RestoredItem { name: item.name().to_owned(), entry });
    };
    let Some(entry) = &item.entry else {
        DirectoryName::parse(name)?;
        return Ok(RestoredItem { name: name.to_owned(), entry: None });
    };
    let mut entry = entry.renamed(EntryName::parse_new(name)?);
    if entry.shown_source() == item.path {
        let path = context.store.layout().directory(name);
        entry.host_path = Some(Source::parse(&path.to_string_lossy())?);
    }
    Ok(RestoredItem { name: name.to_owned(), entry: Some(entry) })
}

/// Moves the directory and registers the entry, in one step.
fn put_back(item: &Trashed, wanted: &RestoredItem, context: &Context) -> Result<()> {
    must_be_free(item, wanted, &context.store)?;
    if let Some(entry) = &wanted.entry {
        sized::link(entry, &item.id.directory(), &wanted.name, context)?;
    }
    let must_hold_nothing = links::holding_nothing(&wanted.entry, context)?;
    let restored = context.store.change(|change| {
        must_be_free(item, wanted, change.store())?;
        must_hold_nothing(change.store())?;
        let target = change.store().layout().directory(&wanted.name);
        change.move_from_trash(item, target);
        if let Some(entry) = &wanted.entry {
            let mut backups = item.backups.returned(&entry.name, item.when, Moment::now());
            // Without its connector it would fail every time.
            backups.schedule = backups.schedule.filter(|it| has_connector(it, change.store()));
            change.write_backup_notes(&backups)?;
            change.write_entry(entry)?;
        }
        Ok(())
    });
    if let (Err(_), Some(entry)) = (&restored, &wanted.entry) {
        let _ = sized::drop_name(entry, context);
    }
    restored
}

fn has_connector(schedule: &Schedule, store: &Store) -> bool {
    store.existing_connector(schedule.connector.as_str()).is_ok()
}

/// Says whether its backups are scheduled again.
fn tell_of_schedule(item: &Trashed, wanted: &RestoredItem, context: &mut Context) {
    let (Some(entry), Some(schedule)) = (&wanted.entry, &item.backups.schedule) else {
        return;
    };
    let (name, connector) = (&entry.name, &schedule.connector);
    if has_connector(schedule, &context.store) {
        context.out.detail(&format!("It is backed up to {connector} again, as scheduled before"));
    } else {
        context.out.warn(&format!(
            "It is not backed up any more, since connector {connector} is gone; schedule it: dokku storage:backups:schedule {name} \"{}\" --to NAME",
            schedule.expression
        ));
    }
}

/// Refuses what is not in the trash any more, and a name that something has.
fn must_be_free(item: &Trashed, wanted: &RestoredItem, store: &Store) -> Result<()> {
    let taken = |what: &str| {
        Err(refusal!(
            "{what}; give it another name: dokku storage:trash:restore {} --as NEW-NAME",
            item.id
        ))
    };
    if store.trashed(&item.id)?.as_ref() != Some(item) {
        refuse!("{} is not in the trash any more; somebody else restored or removed it", item.id);
    }
    let name = &wanted.name;
    let entry_file = EntryName::parse(name).map(|name| store.layout().entry(&name));
    if entry_file.is_ok_and(look::is_there) {
        return taken(&format!("storage entry \"{name}\" exists"));
    }
    let target = store.layout().directory(name);
    if look::is_there(&target) {
        return taken(&format!("{} exists", target.display()));
    }
    match &wanted.entry {
        Some(entry) => Places::registered(store)?.must_be_in_scope_of(entry),
        None => Ok(()),
    }
}
