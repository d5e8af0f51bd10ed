//! The data of an entry with a size, populated under a hidden name before the entry has it.

use crate::context::Context;
use crate::domain::{ByteSize, Entry, Error, Made, Result, readable};
use crate::fs::tree::{Copied, Usage};
use crate::fs::{image, space, subvolume};
use crate::storage::sized::{ask, ask_for, disk, existing, must_be_possible};
use crate::storage::{StorageRoot, root};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Original<'a> {
    pub name: &'a str,
    pub what: &'a str,
    /// Whether it was bounded by the entry's size, or by less.
    pub is_bounded: bool,
}

/// Makes a hidden directory that holds as much as an entry, and populates it. It is the caller's to remove, also where that
/// fails.
pub(crate) fn populate(
    entry: &Entry,
    size: ByteSize,
    from: Original<'_>,
    hidden: &str,
    context: &mut Context,
) -> Result<Copied> {
    must_be_possible(context)?;
    let bytes = size.bytes().to_string();
    let original = context.store.layout().directory(from.name);
    if from.is_bounded && !is_image(context) && subvolume::is_one(&original) {
        let copied = root::copy(from.name, hidden, context)?;
        if copied.made == Made::Btrfs {
            ask(entry, &["limit", hidden, &bytes], context)?;
            return Ok(copied);
        }
        // There are others in it, so that its files were copied to a plain directory.
        StorageRoot::of(context).remove(hidden)?;
    }
    make(entry, size, hidden, context)?;
    match root::copy_into(from.name, hidden, context)? {
        // Blocks that are shared are not held against a quota before they are on the disk.
        Some(copied) if copied.bytes <= size.bytes() => Ok(copied),
        _ => Err(does_not_fit(from, size, context)),
    }
}

/// The same, and has all of it on the disk and takes the content out of sight.
pub(crate) fn populate_and_close(
    entry: &Entry,
    size: ByteSize,
    from: Original<'_>,
    hidden: &str,
    context: &mut Context,
) -> Result<Copied> {
    let disk = disk(context);
    let free = space::free(&disk)?;
    let copied = populate(entry, size, from, hidden, context)
        .and_then(|copied| close(entry, hidden, context).map(|()| copied));
    copied.map_err(|error| {
        let holds = usage(from, context).map_or(0, |usage| usage.bytes);
        if holds <= free {
            return error;
        }
        // The image may become larger than its disk has room for, of which its own file system knows nothing.
        refusal!(
            "{} holds {} and does not fit: the disk of {} has {} free; make room: dokku storage:trash:list --size and dokku storage:prune show what is not used",
            from.what,
            readable(holds),
            disk.display(),
            readable(free)
        )
    })
}

/// Makes a hidden directory that holds as much as an entry, and is empty. It is the caller's to remove, also where that fails.
pub(crate) fn make(entry: &Entry, size: ByteSize, hidden: &str, context: &Context) -> Result<()> {
    must_be_possible(context)?;
    root::make(&context.store.layout().directory(hidden), context)?;
    ask_for(size, entry, &["new", hidden], context)
}

/// Whether entries with a size have an image, rather than a subvolume.
pub(crate) fn is_image(context: &Context) -> bool {
    !image::is_btrfs(existing(context))
}

/// What the original holds; none where nobody knows.
fn usage(from: Original<'_>, context: &Context) -> Option<Usage> {
    let path = context.store.layout().directory(from.name);
    StorageRoot::of(context).usage(from.name, &path).ok().flatten()
}

fn does_not_fit(from: Original<'_>, size: ByteSize, context: &Context) -> Error {
    let what = from.what;
    Error::refused(match usage(from, context) {
        Some(usage) if usage.bytes > size.bytes() => {
            format!("{what} holds {} and does not fit into {size}", readable(usage.bytes))
        }
        Some(usage) => format!(
            "{what} holds {} and does not fit into {size}, of which the file system needs some itself",
            readable(usage.bytes)
        ),
        None => format!("{what} does not fit into {size}"),
    })
}

/// Has all that was populated on the disk, and takes the hidden directory's content out of sight.
pub(crate) fn close(entry: &Entry, hidden: &str, context: &Context) -> Result<()> {
    ask(entry, &["close", hidden], context)
}

/// Makes what was populated the data of a new entry, which is registered afterwards.
pub(crate) fn adopt(entry: &Entry, hidden: &str, context: &Context) -> Result<()> {
    ask(entry, &["adopt", hidden], context)
}

/// Puts the image that was populated in the place of the entry's own.
/// Fails where somebody uses that; the entry has what it had then.
pub(crate) fn replace(entry: &Entry, hidden: &str, context: &Context) -> Result<()> {
    ask(entry, &["replace", hidden], context)
}
