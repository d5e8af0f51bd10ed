//! The trash: what was destroyed with its data, and can be restored for a while.
//!
//! # The trash
//!
//! Destroying moves the directory to `.trash-ID` and writes `trash/ID.json` (the entry, the path, who, when) in the
//! same step in which the entry goes; restoring is the reverse. The directory counts: a note without one is what a killed
//! emptying left, or the storage root is not mounted yet, so it stays until it is long over; a directory without a note is restored without an entry. An image has the name of the directory in
//! the trash, `.trash-ID` (`src/fs/image.rs`). What takes long, the removal itself, happens outside of the lock, under a hidden name.
//! `storage:prune` looks at everything again under the lock, since a person may have taken a while to answer.

mod restore;

pub(crate) use restore::restore;

use std::path::Path;

use crate::context::Context;
use crate::domain::{Caller, Entry, Error, Moment, Result, Source, TrashId, Trashed, readable};
use crate::fs::{look, space};
use crate::ops::{Places, access, places};
use crate::storage::{Staged, StorageRoot, sized};
use crate::store::Store;

/// Below this share of free space, in percent, the trash makes room.
pub(crate) const SCARCE: u64 = 5;

/// What takes less than this part of a disk is not removed from the trash to make room there.
const LEAST_PART: u64 = 10_000;

/// What is in the trash for this caller, what was destroyed first at the beginning. Who sees every app sees all of it;
/// others see what they destroyed themselves.
/// Fails while the storage root is away, which has it.
pub(crate) fn visible(context: &Context) -> Result<Vec<Trashed>> {
    context.store.must_not_be_away()?;
    let mut trash = context.store.read_consistently(Store::trash)?;
    if !trash.is_empty() && access::must_see_every_app("", context).is_err() {
        trash.retain(|item| is_own(item, context));
    }
    Ok(trash)
}

/// Those that a word names, by id or by name; at least one.
pub(crate) fn called(word: &str, trash: Vec<Trashed>) -> Result<Vec<Trashed>> {
    let (found, others): (Vec<_>, Vec<_>) =
        trash.into_iter().partition(|item| item.is_called(word));
    if !found.is_empty() {
        return Ok(found);
    }
    let known =
        if others.is_empty() { "it is empty" } else { "dokku storage:trash:list shows what is" };
    Err(refusal!("{word:?} is not in the trash; {known}"))
}

/// How many bytes something in the trash takes on the disk; none where that cannot be found out.
pub(crate) fn usage(item: &Trashed, context: &Context) -> Option<u64> {
    if sized::is_in_image(item, context) {
        return sized::image_takes(item.name(), &item.id.directory(), context);
    }
    let (name, path) = (item.id.directory(), context.store.trashed_directory(&item.id));
    let usage = StorageRoot::of(context).usage(&name, &path).ok().flatten();
    usage.map(|usage| usage.bytes)
}

pub(crate) fn shown_size(bytes: Option<u64>) -> String {
    bytes.map_or("?".to_owned(), readable)
}

/// What goes to the trash now, from its name in the storage root.
pub(crate) fn planned(
    name: &str,
    entry: Option<Entry>,
    caller: [String; 2],
    store: &Store,
) -> Result<Trashed> {
    let path = store.layout().directory(name).to_string_lossy().into_owned();
    Ok(Trashed::new(free_id(name, store)?, entry, path, Some(caller.into())))
}

/// Says what went to the trash from `path`, and how it comes back.
pub(crate) fn tell(path: &str, name: &str, hours: u64, context: &mut Context) {
    context.out.detail(&format!("Removed {path}"));
    context.out.detail(&format!(
        "It is in the trash for {hours} h; restore it: dokku storage:trash:restore {name}"
    ));
}

/// An id for what goes to the trash now. The store's lock is held.
fn free_id(name: &str, store: &Store) -> Result<TrashId> {
    let mut second = Moment::now().seconds();
    loop {
        let id = TrashId::new(name, Moment::of_seconds(second), std::process::id())?;
        if store.trashed(&id)?.is_none() && !look::is_there(store.trash_note(&id)) {
            return Ok(id);
        }
        second += 1;
    }
}

/// Removes something in the trash for good; false where somebody else has it out of the trash already.
pub(crate) fn remove(item: &Trashed, places: &Places, context: &mut Context) -> Result<bool> {
    must_be_free(item, places, context)?;
    let staged = Staged::new(item.name(), context)?;
    let place = context.store.trashed_directory(&item.id);
    if let Some(entry) = &item.entry {
        sized::link(entry, &item.id.directory(), staged.name(), context)?;
    } else if sized::has_image(item, context)? {
        sized::link_trashed(item, staged.name(), context)?;
    }
    let store = &context.store;
    let is_ours = store.change(|change| {
        if change.store().trashed(&item.id)?.is_none() {
            return Ok(false);
        }
        places::must_be_unregistered(
            stays(&place),
            &Source::parse(&place.to_string_lossy())?,
            None,
            change.store(),
        )?;
        change.store().rename_trashed(&place, &staged.path())?;
        Ok(true)
    });
    let is_ours = is_ours.map_err(|error| access::redact(error, context))?;
    if !is_ours {
        return Ok(false);
    }
    if let Err(error) = staged.remove() {
        store.change(|change| change.store().rename_trashed(&staged.path(), &place))?;
        // On a full disk it cannot be noted.
        let _ = store.note_incomplete(item);
        refuse!(
            "unable to remove {} from the trash: {error}; some of its files may be gone",
            item.id
        );
    }
    store.forget_trashed(&item.id);
    Ok(true)
}

/// Refuses to remove what somebody still uses by its path.
fn must_be_free(item: &Trashed, places: &Places, context: &Context) -> Result<()> {
    let place = context.store.trashed_directory(&item.id);
    if !look::is_there(&place) {
        return Ok(());
    }
    let uses = places.uses(&Source::parse(&place.to_string_lossy())?, None);
    places::refused(stays(&place), uses).map_err(|error| access::redact(error, context))
}

fn stays(place: &Path) -> String {
    format!("{} stays in the trash, since it is in use", place.display())
}

/// Removes for good what was in the trash for as long as the policy says, and says what it cannot. Returns how many.
pub(crate) fn empty_expired(context: &mut Context) -> Result<usize> {
    if context.store.is_trash_empty() {
        return Ok(0);
    }
    let hours = context.store.policy()?.trash_hours();
    let clock = context.store.look_at_clock();
    let trash = context.store.read_consistently(Store::trash)?;
    let expired: Vec<&Trashed> =
        trash.iter().filter(|item| clock.is_over(item.when, hours)).collect();
    if expired.is_empty() {
        return Ok(0);
    }
    let places = Places::of_this_host(context)?;
    let mut removed = 0;
    for item in expired {
        match remove(item, &places, context) {
            Ok(true) => removed += 1,
            Ok(false) => {}
            Err(error) => warn(item, &error, context),
        }
    }
    Ok(removed)
}

/// Where the file system of the storage root is nearly full, or that of the images, removes from the trash what was destroyed
/// first and is there, until there is room again: `most` at most, and never `spared`. Says what it removed.
pub(crate) fn make_room(spared: Option<&Trashed>, most: usize, context: &mut Context) {
    if context.store.is_trash_empty() {
        return;
    }
    let is_scarce = |disk: &Path| space::free_percent(disk).is_some_and(|free| free < SCARCE);
    let root = context.store.layout().storage().to_path_buf();
    let of_images = sized::disk(context);
    if !is_scarce(&root) && !is_scarce(&of_images) {
        return;
    }
    let trash = context.store.read_consistently(Store::trash).unwrap_or_default();
    let Ok(places) = Places::of_this_host(context) else {
        return;
    };
    let mut left = most;
    for item in trash.iter().filter(|item| spared.is_none_or(|spared| spared.id != item.id)) {
        if left == 0 {
            return;
        }
        let disk = if sized::is_in_image(item, context) { &of_images } else { &root };
        let free = space::free_percent(disk).unwrap_or_default();
        // What takes nothing would be lost for nothing.
        let least = space::size(disk).unwrap_or_default() / LEAST_PART;
        if !is_scarce(disk) || usage(item, context).is_some_and(|bytes| bytes < least) {
            continue;
        }
        left -= 1;
        let what = if is_seen(item, context) { item.id.as_str() } else { "something" };
        match remove(item, &places, context) {
            Ok(true) => {
                space::settle(disk);
                context.out.warn(&format!(
                    "The file system of {} has only {free} % left: removed {what} from the trash",
                    disk.display()
                ));
            }
            Ok(false) => {}
            Err(error) => warn(item, &error, context),
        }
    }
}

/// Says why something stays in the trash. Whose it was is not for everybody.
fn warn(item: &Trashed, error: &Error, context: &mut Context) {
    let hidden = || "something that you cannot see stays in the trash".to_owned();
    context.out.warn(&if is_seen(item, context) { error.to_string() } else { hidden() });
}

/// Whether the caller may know whose something in the trash was; as [`visible`].
fn is_seen(item: &Trashed, context: &Context) -> bool {
    is_own(item, context) || access::must_see_every_app("", context).is_ok()
}

fn is_own(item: &Trashed, context: &Context) -> bool {
    item.by.as_ref() == Some(&Caller::from(context.environment.caller()))
}
