//! `size-storage-dir`: directories that hold no more than their size.

use std::path::PathBuf;

use crate::context::Context;
use crate::domain::error::{Error, Result};
use crate::domain::names::{DirectoryName, EntryName};
use crate::domain::size::ByteSize;
use crate::fs::image::{self, Image};
use crate::fs::{mount_points, subvolume, tree};
use crate::privileged::mounting::systemd;
use crate::privileged::root;
use crate::storage::root::STAGED;
use crate::store::Store;

/// What a caller may say behind a size.
const PREALLOCATE: &str = "--preallocate";

/// What is done with what is filled for an entry under a hidden name.
const HIDDEN: [&str; 4] = ["new", "close", "adopt", "replace"];

/// An entry's directory.
struct Subject {
    store: Store,
    storage: PathBuf,
    name: EntryName,
}

/// `size-storage-dir NAME make|grow SIZE [--preallocate]`, `… attach`, `… detach`, `… remove`: makes the directory one that holds
/// SIZE; has it hold more; attaches or detaches what is behind it; or removes that.
///
/// `NAME new HIDDEN SIZE [--preallocate]`, `… close HIDDEN`, `… adopt HIDDEN`, `… replace HIDDEN`: makes a hidden directory
/// of NAME's hold SIZE, empty; has all that was written to it on the disk; makes it what is behind NAME, which has nothing
/// yet; or puts it in the place of what NAME has. `NAME limit HIDDEN SIZE` has a hidden subvolume hold SIZE.
pub(crate) fn size(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let subject = Subject {
        name: EntryName::parse(word(0))?,
        storage: root::storage(context)?,
        store: root::store(context)?,
    };
    let preallocate = words.last().is_some_and(|word| word == PREALLOCATE);
    let most = match (word(1), preallocate) {
        ("make" | "grow" | "close" | "adopt" | "replace", false) => 3,
        ("make" | "grow", true) | ("new" | "limit", false) => 4,
        ("new", true) => 5,
        _ => 2,
    };
    if let Some(word) = words.get(most) {
        return Err(Error::refused(format!("unexpected argument {word:?}")).into());
    }
    if word(1) == "limit" {
        let hidden = subject.hidden(word(2))?;
        return Ok(subvolume::limit(&subject.storage, hidden, ByteSize::parse(word(3))?)?);
    }
    if HIDDEN.contains(&word(1)) {
        let hidden = subject.hidden(word(2))?;
        match word(1) {
            "new" => subject.new_hidden(hidden, ByteSize::parse(word(3))?, preallocate)?,
            // A subvolume is what it is under any name.
            _ if image::is_btrfs(&subject.storage) => {}
            "close" => subject.image(hidden)?.close(&subject.storage, hidden)?,
            "adopt" => subject.image(hidden)?.adopt(&subject.image(subject.name())?)?,
            _ => {
                let own = subject.image(subject.name())?;
                subject.image(hidden)?.replace(&own, &subject.storage, subject.name())?;
            }
        }
        return Ok(());
    }
    match word(1) {
        "make" => subject.make(ByteSize::parse(word(2))?, preallocate)?,
        "grow" => subject.grow(ByteSize::parse(word(2))?, preallocate)?,
        "attach" => subject.attach()?,
        "detach" => subject.detach()?,
        "remove" => subject.image(subject.name())?.remove()?,
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

    fn image(&self, name: &str) -> Result<Image> {
        Image::of(self.store.layout(), name)
    }

    /// A hidden name of this entry's, as commands give them.
    fn hidden<'a>(&self, text: &'a str) -> Result<&'a str> {
        let is_own = text
            .strip_prefix(STAGED)
            .and_then(|plain| Some((plain, plain.strip_prefix(self.name())?)))
            .is_some_and(|(plain, rest)| {
                rest.starts_with('-') && DirectoryName::parse(plain).is_ok()
            });
        if is_own {
            return Ok(text);
        }
        Err(Error::refused(format!(
            "{text:?} is not the name of a directory that is staged for {}",
            self.name
        )))
    }

    /// Makes a hidden directory, which is there and empty, hold this much. Only root can enter it until it is filled.
    fn new_hidden(&self, hidden: &str, size: ByteSize, preallocate: bool) -> Result<()> {
        if image::is_btrfs(&self.storage) {
            return subvolume::make(&self.storage, hidden, size, (0, 0));
        }
        let own = self.image(self.name())?;
        let is_attached = image::attached_at(&self.target()).is_some();
        if own.size()?.is_some() && !is_attached {
            return Err(own.is_in_the_way());
        }
        if !tree::is_empty(&self.storage, hidden)?
            || !mount_points::at(&self.storage.join(hidden)).is_empty()
        {
            return Err(Error::refused(format!("{hidden} is not an empty directory")));
        }
        let image = self.image(hidden)?;
        image.make(size, preallocate, (0, 0))?;
        // The command may have been killed meanwhile, and the directory cleared away.
        image.attach(&self.storage, hidden).or_else(|error| image.remove().and(Err(error)))
    }

    /// Makes what is behind the directory, unless it is there from an earlier time, and attaches it.
    fn make(&self, size: ByteSize, preallocate: bool) -> Result<()> {
        let owner = self.store.owner().get().unwrap_or((0, 0));
        if image::is_btrfs(&self.storage) {
            return subvolume::make(&self.storage, self.name(), size, owner);
        }
        let image = self.image(self.name())?;
        match image.size()? {
            Some(present) if present != size.bytes() => {
                return Err(Error::refused(format!(
                    "{} is there with data of an earlier entry and holds {}; create the entry with --size {}, or remove the file",
                    image.path().display(),
                    ByteSize::of(present),
                    ByteSize::of(present)
                )));
            }
            Some(_) => {
                self.attach().inspect_err(|_| {
                    tree::set_immutable(&self.storage, self.name(), false);
                })?;
            }
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
        let image = self.image(self.name())?;
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
        let image = self.image(self.name())?;
        image.attach(&self.storage, self.name())?;
        // It was filled under another.
        image.drop_other_names()
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
