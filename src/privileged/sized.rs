//! `size-storage-dir`: directories that hold no more than their size.

use std::fs::File;
use std::io::stdin;
use std::path::PathBuf;

use nix::sys::signal::{SigSet, Signal};

use crate::context::Context;
use crate::domain::text::word;
use crate::domain::{
    ByteSize, DirectoryName, Entry, EntryName, Error, Result, STAGED, TRASH, TrashId,
};
use crate::fs::image::{AND, Image};
use crate::fs::look::is_there;
use crate::fs::{image, mount_points, subvolume, tree};
use crate::privileged::mounting::systemd;
use crate::privileged::root;
use crate::storage::sized;
use crate::store::{Rights, Store};

/// What a caller may say behind a size.
const PREALLOCATE: &str = "--preallocate";

/// An entry's directory, or that of something in the trash.
struct Subject {
    store: Store,
    storage: PathBuf,
    name: EntryName,
}

/// `size-storage-dir NAME WORD…`, one at a time for each name:
///
/// - `new HIDDEN SIZE [--preallocate]` makes a hidden directory of NAME's hold SIZE, empty; `close HIDDEN` flushes what was
///   written to it and detaches it; `adopt HIDDEN` makes it the image of NAME, which has nothing yet; `replace HIDDEN` puts it
///   in the place of what NAME has, which is under the hidden name then; `limit HIDDEN SIZE` bounds a hidden subvolume.
/// - `hold` makes the file system of NAME read-only, unless somebody writes there, and says so. At the line `close` it detaches
///   it, unless somebody uses it; where its input ends without that, it makes it writable again. `attach` undoes both.
/// - `has OF` says `yes` where NAME, a hidden name of NAME's or something in the trash has an image; `takes OF` says how many bytes that
///   takes on the disk.
/// - `kept SIZE` says `yes` where an earlier entry of that name left an image of this size; `kept` says how many bytes the image
///   holds that it left, or that NAME has though it is registered without a size.
/// - `grow SIZE [--preallocate]`, `attach`, `detach` work on the image of NAME; `state` says why it cannot be attached, and what to do;
///   `holds` says, where it is attached, how many bytes its file system has, how many the image, and how many that takes on the disk.
/// - `link FROM TO` gives the image of NAME, of a hidden name of NAME's or of something in the trash another of these names;
///   `drop` ends the image's name NAME where it has another.
pub(crate) fn size(words: &[String], context: &mut Context) -> Result<()> {
    let subject = Subject {
        name: EntryName::parse(word(words, 0))?,
        storage: root::storage(context)?,
        store: root::store(context)?,
    };
    let is_question = matches!(word(words, 1), "state" | "holds" | "takes");
    let Some(_work) = subject.lock(is_question)? else {
        // It is not what it will be.
        return Ok(());
    };
    let (given, preallocate) = match words.split_last() {
        Some((last, others)) if last == PREALLOCATE => (others, true),
        _ => (words, false),
    };
    let given: Vec<&str> = given.iter().skip(1).map(String::as_str).collect();
    let is_btrfs = subject.is_btrfs()?;
    match given[..] {
        ["new", hidden, size] => {
            subject.new_hidden(subject.hidden(hidden)?, ByteSize::parse(size)?, preallocate)?;
        }
        ["grow", size] => subject.grow(ByteSize::parse(size)?, preallocate)?,
        _ if preallocate => {
            refuse!("unexpected argument {PREALLOCATE:?}");
        }
        ["limit", hidden, size] => {
            subvolume::limit(&subject.storage, subject.hidden(hidden)?, ByteSize::parse(size)?)?;
        }
        ["has", of] => {
            if !is_btrfs && subject.image(subject.known(of)?)?.size()?.is_some() {
                context.out.line("yes");
            }
        }
        ["takes", of] => {
            if !is_btrfs && let Some(bytes) = subject.image(subject.known(of)?)?.takes()? {
                context.out.line(&bytes.to_string());
            }
        }
        ["kept", size] => {
            if !is_btrfs && subject.is_kept(ByteSize::parse(size)?)? {
                context.out.line("yes");
            }
        }
        ["kept"] => {
            if let Some(bytes) = subject.kept(is_btrfs)? {
                context.out.line(&bytes.to_string());
            }
        }
        ["holds"] => {
            if !is_btrfs && image::attached_at(&subject.target()).is_some() {
                let sizes = subject.image(subject.name())?.sizes(&subject.target())?;
                context.out.line(&sizes.map(|size| size.to_string()).join(" "));
            }
        }
        ["state"] => {
            if !is_btrfs {
                context.out.line(&subject.state()?);
            }
        }
        ["attach"] => subject.attach()?,
        ["detach"] => subject.detach()?,
        // A subvolume is what it is under any name.
        ["hold" | "close" | "adopt" | "replace" | "drop" | "link", ..] if is_btrfs => {}
        ["hold"] => return subject.hold(context),
        ["close", hidden] => {
            subject.image(subject.hidden(hidden)?)?.close(&subject.storage, hidden)?;
        }
        ["adopt", hidden] => subject.link(subject.hidden(hidden)?, subject.name())?,
        ["replace", hidden] => {
            let next = subject.image(subject.hidden(hidden)?)?;
            let own = subject.image(subject.name())?;
            subject.must_be_as_large(&next)?;
            next.replace(&own, &subject.storage, subject.name())?;
        }
        ["link", from, to] => subject.link(subject.known(from)?, subject.known(to)?)?,
        ["drop"] => subject.image(subject.name())?.drop_name()?,
        _ => {
            refuse!("unexpected arguments {:?}", given.join(" "));
        }
    }
    Ok(())
}

impl Subject {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Whether the storage root, to which no link leads, is on a btrfs.
    fn is_btrfs(&self) -> Result<bool> {
        Ok(subvolume::is_btrfs(&tree::enter_real(&self.storage)?))
    }

    fn target(&self) -> PathBuf {
        self.storage.join(self.name())
    }

    fn image(&self, name: &str) -> Result<Image> {
        Image::beside(self.store.layout(), name, self.name())
    }

    /// A name that an image of the entry's can have: its own, a hidden one, or that of something in the trash.
    fn known<'a>(&self, text: &'a str) -> Result<&'a str> {
        let is_trashed = text.strip_prefix(TRASH).is_some_and(|id| TrashId::parse(id).is_ok());
        if text == self.name() || is_trashed { Ok(text) } else { self.hidden(text) }
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
        refuse!("{text:?} is not the name of a directory that is staged for {}", self.name)
    }

    /// Refuses an image of another size than the entry has.
    fn must_be_as_large(&self, image: &Image) -> Result<()> {
        let wanted = self.registered()?.as_ref().and_then(sized::size);
        let holds = image.size()?.map(ByteSize::of);
        refuse_if!(
            wanted.map(ByteSize::in_blocks) != holds.map(ByteSize::in_blocks),
            "{} is not as large as storage entry \"{}\"",
            image.path().display(),
            self.name
        );
        Ok(())
    }

    /// Makes a hidden directory, which is there and empty, hold this much. Only root can enter it until it is populated.
    fn new_hidden(&self, hidden: &str, size: ByteSize, preallocate: bool) -> Result<()> {
        if self.is_btrfs()? {
            return subvolume::make(&self.storage, hidden, size, (0, 0));
        }
        if !self.is_registered() {
            let own = self.image(self.name())?;
            own.drop_name()?;
            if own.size()?.is_some() {
                return Err(own.is_in_the_way());
            }
        }
        refuse_if!(
            !tree::is_empty(&self.storage, hidden)?
                || !mount_points::at(&self.storage.join(hidden)).is_empty(),
            "{hidden} is not an empty directory"
        );
        let image = self.image(hidden)?;
        image.make(size, preallocate, (0, 0))?;
        // The command may have been killed meanwhile, and the directory cleared away.
        image.attach(&self.storage, hidden).or_else(|error| image.remove().and(Err(error)))?;
        image::keep_blocks(&self.storage.join(hidden), preallocate);
        Ok(())
    }

    /// Whether an earlier entry of the name left an image of this size. Older versions made some that are no whole blocks.
    fn is_kept(&self, size: ByteSize) -> Result<bool> {
        let image = self.own_image()?;
        let Some(present) = image.size()?.map(ByteSize::of) else {
            return Ok(false);
        };
        refuse_if!(
            present.in_blocks() != size.in_blocks(),
            "{} is there with data of an earlier entry and holds {present}; create the entry with --size {present}, or remove the file",
            image.path().display()
        );
        Ok(true)
    }

    /// How many bytes the image holds that an earlier entry of the name left, or this one while it had a size.
    fn kept(&self, is_btrfs: bool) -> Result<Option<u64>> {
        if is_btrfs {
            return Ok(None);
        }
        let image = self.own_image()?;
        match self.registered()? {
            Some(entry) if sized::size(&entry).is_some() => Ok(None),
            // With another name it is in the trash.
            Some(_) if image.has_another_name()? => Ok(None),
            _ => image.size(),
        }
    }

    /// The image of the entry, or of an earlier one of the name.
    fn own_image(&self) -> Result<Image> {
        let image = self.image(self.name())?;
        if !self.is_registered() {
            // With another name it is in the trash, or being removed.
            image.drop_name()?;
        }
        Ok(image)
    }

    fn registered(&self) -> Result<Option<Entry>> {
        // The store belongs to somebody else, who may have put links in it.
        let _rights = Rights::of(self.store.owner(), self.store.layout())?;
        self.store.entry(&self.name)
    }

    /// Refuses to attach what would be in a directory below the mount point of a disk that comes later.
    fn must_not_be_away(&self) -> Result<()> {
        let _rights = Rights::of(self.store.owner(), self.store.layout())?;
        self.store.must_not_be_away()
    }

    fn is_registered(&self) -> bool {
        // Where a link of the owner's leads is not root's to look at.
        is_there(self.store.layout().entry(&self.name))
    }

    fn link(&self, from: &str, to: &str) -> Result<()> {
        if to == self.name() && !self.is_registered() {
            self.image(to)?.drop_name()?;
        }
        let named = Image::beside(self.store.layout(), to, from)?;
        if self.image(from)?.link(&named)? {
            return Ok(());
        }
        // Who destroys an entry whose image is gone already has nothing to lose.
        if to != self.name() {
            return Ok(());
        }
        let lost = self.image(from)?;
        refuse!("the image {} is gone, and the data with it", lost.path().display())
    }

    /// Keeps others from the image while this helper works on it. None where somebody else works on it and this one
    /// `is_question`, which need not be answered.
    fn lock(&self, is_question: bool) -> Result<Option<File>> {
        if is_question {
            return root::work_at_once(self.name(), &self.storage, &self.store);
        }
        root::work_on(self.name(), &self.storage, &self.store)
    }

    /// Says how it goes on standard output, since nobody reads its errors. What ends the command, a signal from a terminal
    /// included, does not end this.
    fn hold(&self, context: &mut Context) -> Result<()> {
        // Fails only where it has a session of its own already.
        let _ = rustix::process::setsid();
        let mut signals = SigSet::empty();
        signals.extend([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
        signals.thread_block().map_err(|error| refusal!("unable to block signals: {error}"))?;
        let image = self.image(self.name())?;
        let mut done = image::hold(&self.storage, self.name());
        if done.is_ok() {
            context.out.line(sized::HELD);
            // Where nobody reads this any more, the input has ended too.
            let _ = context.out.flush();
            let mut said = String::new();
            let _ = stdin().read_line(&mut said);
            done = if said.trim() == sized::CLOSE {
                image.close(&self.storage, self.name())
            } else {
                image.release(&self.storage, self.name())
            };
        }
        match done {
            Ok(()) => Ok(()),
            Err(error) => {
                context.out.line(&error.to_string());
                Err(Error::Status(1))
            }
        }
    }

    fn grow(&self, size: ByteSize, preallocate: bool) -> Result<()> {
        if self.is_btrfs()? {
            return subvolume::limit(&self.storage, self.name(), size);
        }
        let image = self.image(self.name())?;
        let grown = image.grow(size, preallocate, &self.storage, self.name());
        // It may have been attached anew.
        image::keep_blocks(&self.target(), preallocate);
        grown
    }

    fn attach(&self) -> Result<()> {
        if self.is_btrfs()? {
            return Ok(());
        }
        self.must_not_be_away()?;
        if mount_points::seen_at(&self.target()).is_some() {
            return self.image(self.name())?.release(&self.storage, self.name());
        }
        self.must_hide_nothing()?;
        // Nobody writes under what is not attached.
        tree::set_immutable(&self.storage, self.name(), true);
        let image = self.image(self.name())?;
        image.attach(&self.storage, self.name())?;
        // It was populated under another.
        image.drop_other_names()?;
        if systemd::is_in_charge() {
            systemd::attach_at_boot(&self.name)?;
        }
        self.finish_growing(&image)
    }

    /// Refuses to attach over what somebody has written to the place meanwhile.
    fn must_hide_nothing(&self) -> Result<()> {
        let target = self.target();
        refuse_if!(
            is_there(&target) && !tree::is_empty(&self.storage, self.name())?,
            "{} has files of its own, which its image would hide{AND}stop what uses it, then as root: mv {} {}.found, then: dokku storage:create {}",
            target.display(),
            target.display(),
            target.display(),
            self.name
        );
        Ok(())
    }

    /// Why it cannot be attached, as three lines: the code of the finding, what is wrong, and what to do; nothing where it can, or
    /// where nobody knows.
    fn state(&self) -> Result<String> {
        if image::attached_at(&self.target()).is_some() {
            return Ok(String::new());
        }
        let lines = |code: &str, error: &Error| {
            format!("{code}\n{}", error.to_string().replacen(AND, "\n", 1))
        };
        if let Err(error) = self.must_hide_nothing() {
            return Ok(lines(sized::HIDDEN_FILES, &error));
        }
        let sound = self.image(self.name())?.must_be_sound(self.name());
        Ok(sound.err().map(|error| lines(sized::DAMAGED, &error)).unwrap_or_default())
    }

    /// Has an image that was attached hold what is noted of its entry, where growing was cut off. Where it cannot, what it has can be
    /// used all the same, and `storage:doctor` tells of it.
    fn finish_growing(&self, image: &Image) -> Result<()> {
        // What cannot be read is told of by others.
        let Ok(Some(entry)) = self.registered() else {
            return Ok(());
        };
        if let Some(size) = sized::size(&entry) {
            let target = self.target();
            image::keep_blocks(&target, sized::is_preallocated(&entry));
            let [holds, length, _] = image.sizes(&target)?;
            if size.exceeds(holds) || ByteSize::of(length).exceeds(size.bytes()) {
                let _ = self.grow(size, sized::is_preallocated(&entry));
            }
        }
        Ok(())
    }

    fn detach(&self) -> Result<()> {
        if !self.is_btrfs()? && self.is_registered() {
            // What a killed destroy or a restore left would tell that it is in the trash, once it has no entry any more.
            self.image(self.name())?.drop_other_names()?;
        }
        if systemd::is_in_charge() {
            systemd::forget(&self.name)?;
        }
        image::detach(&self.storage, self.name())?;
        tree::set_immutable(&self.storage, self.name(), false);
        Ok(())
    }
}
