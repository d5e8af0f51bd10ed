//! `size-storage-dir`: directories that hold no more than their size.

use std::path::PathBuf;

use super::{mounting::systemd, root};
use crate::context::Context;
use crate::domain::names::EntryName;
use crate::domain::size::ByteSize;
use crate::error::{Error, Result};
use crate::host::image::{self, Image};
use crate::host::{mount_points, subvolume, tree};
use crate::store::Store;

/// What a caller may say behind a size.
const PREALLOCATE: &str = "--preallocate";

/// An entry's directory.
struct Subject {
    store: Store,
    storage: PathBuf,
    name: EntryName,
}

/// `size-storage-dir NAME make|grow SIZE [--preallocate]`, `… attach`, `… detach`, `… remove`: makes the directory one that holds
/// SIZE; has it hold more; attaches or detaches what is behind it; or removes that.
///
/// # Errors
/// For arguments that do not fit, and where it cannot be done.
pub fn size(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let subject = Subject {
        name: EntryName::parse(word(0))?,
        storage: root::storage(context)?,
        store: root::store(context)?,
    };
    let preallocate = word(3) == PREALLOCATE;
    let most = match (word(1), preallocate) {
        ("make" | "grow", false) => 3,
        ("make" | "grow", true) => 4,
        _ => 2,
    };
    if let Some(word) = words.get(most) {
        return Err(Error::refused(format!("unexpected argument {word:?}")).into());
    }
    match word(1) {
        "make" => subject.make(ByteSize::parse(word(2))?, preallocate)?,
        "grow" => subject.grow(ByteSize::parse(word(2))?, preallocate)?,
        "attach" => subject.attach()?,
        "detach" => subject.detach()?,
        "remove" => Image::of(subject.store.layout(), subject.name.as_str())?.remove()?,
        other => return Err(Error::refused(format!("unexpected argument {other:?}")).into()),
    }
    Ok(())
}

impl Subject {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn target(&self) -> PathBuf {
        self.storage.join(self.name())
    }

    /// Makes what is behind the directory, unless it is there from an earlier time, and attaches it.
    fn make(&self, size: ByteSize, preallocate: bool) -> Result<()> {
        let owner = self.store.owner().get().unwrap_or((0, 0));
        if image::is_btrfs(&self.storage) {
            return subvolume::make(&self.storage, self.name(), size, owner);
        }
        let image = Image::of(self.store.layout(), self.name())?;
        match image.size()? {
            Some(present) if present != size.bytes() => {
                return Err(Error::refused(format!(
                    "{} is there with data of an earlier entry and holds {}; create the entry with --size {}, or remove the file",
                    image.path().display(),
                    ByteSize::of(present),
                    ByteSize::of(present)
                )));
            }
            Some(_) => self.attach()?,
            None => {
                image.make(size, preallocate, owner)?;
                if let Err(error) = self.attach() {
                    image.remove()?;
                    tree::set_immutable(&self.storage, self.name(), false);
                    return Err(error);
                }
            }
        }
        if systemd::is_in_charge() && !root::is_own_call() {
            systemd::attach_at_boot(&self.name)?;
        }
        Ok(())
    }

    fn grow(&self, size: ByteSize, preallocate: bool) -> Result<()> {
        if image::is_btrfs(&self.storage) {
            return subvolume::limit(&self.storage, self.name(), size);
        }
        let image = Image::of(self.store.layout(), self.name())?;
        image.grow(size, preallocate, &self.storage, self.name())
    }

    fn attach(&self) -> Result<()> {
        if image::is_btrfs(&self.storage) || !mount_points::at(&self.target()).is_empty() {
            return Ok(());
        }
        if !tree::is_empty(&self.storage, self.name())? {
            return Err(Error::refused(format!(
                "{} has files of its own, which would be hidden; move them elsewhere",
                self.target().display()
            )));
        }
        // Nobody writes under what is not attached.
        tree::set_immutable(&self.storage, self.name(), true);
        Image::of(self.store.layout(), self.name())?.attach(&self.storage, self.name())
    }

    fn detach(&self) -> Result<()> {
        if systemd::is_in_charge() && !root::is_own_call() {
            systemd::forget(&self.name)?;
        }
        image::detach(&self.storage, self.name())?;
        tree::set_immutable(&self.storage, self.name(), false);
        Ok(())
    }
}
