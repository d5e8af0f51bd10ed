//! Directories with a size: what is asked of the helper that makes them (`src/privileged/sized.rs`).

pub(crate) mod staged;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout};

use crate::context::Context;
use crate::domain::{
    ByteSize, Entry, EntryName, Error, Problem, Result, Source, Trashed, readable,
};
use crate::fs::image::{LEAST, PROGRAMS};
use crate::fs::space::Fullness;
use crate::fs::{image, look, mount_points, space, subvolume};
use crate::host::{is_root, process};
use crate::storage::{StorageRoot, root};

const HELPER: &str = "size-storage-dir";

/// The size of an entry's directory, where it has one.
pub(crate) fn size(entry: &Entry) -> Option<ByteSize> {
    // What a volume's options say is the matter of its driver.
    let is_path = matches!(entry.host_path, Some(Source::Path(_)));
    ByteSize::parse(entry.option("size")).ok().filter(|_| is_path)
}

/// The size that somebody typed for an entry: in whole blocks, of which the file system is made.
pub(crate) fn parse(text: &str) -> Result<ByteSize> {
    ByteSize::parse(text).map(ByteSize::in_blocks)
}

pub(crate) fn plan(
    entry: &mut Entry,
    size: &str,
    path: Option<&str>,
    preallocate: bool,
    context: &Context,
) -> Result<()> {
    let default_path = root::default_path(context, entry.name.as_str());
    refuse_if!(
        path.is_some_and(|path| path != default_path),
        "--size is only supported on the default host path ({default_path}); leave the path out"
    );
    let typed = size;
    let size = parse(typed)?;
    if size.bytes() < LEAST {
        refuse!(
            "size {typed:?} is too small for a file system; the least is {}",
            ByteSize::of(LEAST)
        );
    }
    entry.host_path = Some(Source::parse(&default_path)?);
    entry.options.insert("size".to_owned(), size.to_string());
    if preallocate {
        entry.options.insert("preallocate".to_owned(), "true".to_owned());
    }
    if let Some(known) = context.store.entry(&entry.name)? {
        if self::size(&known).is_some() {
            return Ok(());
        }
        return match hidden_image(&known, context) {
            // It is taken over.
            Some(present) if present.in_blocks() == size => Ok(()),
            Some(present) => {
                let Problem { sentence, remedy, .. } = hides(&known, present);
                Err(refusal!("{sentence}; {remedy}"))
            }
            None => Err(refusal!(
                "storage entry \"{}\" already exists without a size; {}",
                entry.name,
                copy_to(entry, size)
            )),
        };
    }
    must_be_possible(context)?;
    must_fit(size.bytes(), context)?;
    must_be_empty(Path::new(&default_path))
}

/// What to type for a copy of an entry's data with another size.
pub(crate) fn copy_to(entry: &Entry, size: ByteSize) -> String {
    let name = &entry.name;
    format!(
        "copy the data into a new one: dokku storage:snapshots:create {name} now, then: dokku storage:create NEW --size {size} --from snapshot:{name}@now"
    )
}

/// Refuses another size than an entry has where it is created again.
pub(crate) fn must_be_same(existing: &Entry, wanted: &Entry) -> Result<()> {
    let (Some(now), Some(size)) = (size(existing), size(wanted)) else {
        return Ok(());
    };
    let name = &existing.name;
    refuse_if!(size < now, "{}", cannot_shrink(existing, now, size));
    refuse_if!(
        size > now,
        "storage entry \"{name}\" holds {now}; grow it: dokku storage:set {name} size {size}"
    );
    Ok(())
}

fn cannot_shrink(entry: &Entry, now: ByteSize, wanted: ByteSize) -> String {
    format!(
        "storage entry \"{}\" cannot shrink from {now} to {wanted}; {}",
        entry.name,
        copy_to(entry, wanted)
    )
}

/// Refuses a host that cannot make directories with a size.
fn must_be_possible(context: &Context) -> Result<()> {
    if !context.environment.is_dokku() && !is_root() {
        refuse!("--size needs root; run the command with sudo");
    }
    if context.environment.host_lib_root()?.is_some() {
        refuse!("--size mounts on the host, which Dokku in a container cannot; leave --size out");
    }
    let needed: &[&str] =
        if image::is_btrfs(existing(context)) { &[subvolume::PROGRAM] } else { &PROGRAMS };
    match needed.iter().find(|program| !image::has_program(program)) {
        None => Ok(()),
        Some(program) => Err(refusal!("--size needs {program}, which is not here")
            .hint(process::installing(program).unwrap_or_default())),
    }
}

/// The storage root, or what of the way to it there is.
fn existing(context: &Context) -> &Path {
    what_is_there(context.store.layout().storage())
}

fn what_is_there(mut directory: &Path) -> &Path {
    while !directory.exists() {
        directory = directory.parent().unwrap_or(Path::new("/"));
    }
    directory
}

/// A directory of the file system that has what is written to entries with a size.
pub(crate) fn disk(context: &Context) -> PathBuf {
    let storage = existing(context);
    if image::is_btrfs(storage) {
        return storage.to_path_buf();
    }
    what_is_there(&image::place(context.store.layout())).to_path_buf()
}

/// Refuses so many bytes more that the disk does not have.
pub(crate) fn must_fit(more: u64, context: &Context) -> Result<()> {
    let disk = disk(context);
    let free = space::free(&disk)?;
    refuse_if!(
        more > free,
        "{} do not fit: {} has {} free; make room there, or choose a smaller size",
        ByteSize::of(more),
        disk.display(),
        readable(free)
    );
    Ok(())
}

fn must_be_empty(path: &Path) -> Result<()> {
    let mut names = std::fs::read_dir(path).into_iter().flatten();
    let is_taken = names.next().is_some() || !mount_points::at(path).is_empty();
    refuse_if!(
        is_taken || std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir()),
        "{} is there and not an empty directory; choose another name and copy the data over",
        path.display()
    );
    Ok(())
}

/// Whether an earlier entry of the name left an image of this size, which a new one takes over.
pub(crate) fn has_kept_image(entry: &Entry, size: ByteSize, context: &Context) -> Result<bool> {
    if !context.store.layout().storage().exists() {
        // The first entry of all.
        return Ok(false);
    }
    let bytes = size.bytes().to_string();
    let words = [entry.name.as_str(), "kept", &bytes];
    Ok(!StorageRoot::of(context).asked(HELPER, &words)?.is_empty())
}

/// How much the image holds that has an entry's name while the entry has no size: what is in it is not seen in the entry's
/// directory, which is empty then, or will not be seen once it is detached. None where there is none, or nobody can tell.
fn hidden_image(entry: &Entry, context: &Context) -> Option<ByteSize> {
    let name = entry.name.as_str();
    let path = &context.store.layout().directory(name);
    let is_own = entry.host_path == Source::parse(&root::default_path(context, name)).ok();
    if size(entry).is_some() || !is_own || !image::are_any(context.store.layout()) {
        return None;
    }
    let is_empty = std::fs::read_dir(path).is_ok_and(|mut names| names.next().is_none());
    if !is_empty && image::attached_at(path).is_none() {
        return None;
    }
    let answer = StorageRoot::of(context).asked(HELPER, &[name, "kept"]).ok()?;
    ByteSize::parse(answer.trim()).ok()
}

fn hides(entry: &Entry, image: ByteSize) -> Problem {
    let Entry { name, .. } = entry;
    Problem {
        code: "hidden-image",
        sentence: format!(
            "{} has no size, and an image of {image} with its name is there",
            entry.shown_source()
        ),
        remedy: format!("take the image over: dokku storage:create {name} --size {image}"),
        may_pass: false,
    }
}

/// Refuses a directory without a size where an earlier entry of the name left an image: nobody would see its data.
pub(crate) fn must_hide_no_image(entry: &Entry, context: &Context) -> Result<()> {
    let name = &entry.name;
    match hidden_image(entry, context) {
        Some(size) => Err(refusal!(
            "an earlier storage entry \"{name}\" left its image, which holds {size}; take it over: dokku storage:create {name} --size {size}"
        )),
        None => Ok(()),
    }
}

/// Says that the data of an entry that is destroyed stays in its image, and how to take it over.
pub(crate) fn tell_kept(entry: &Entry, context: &mut Context) {
    let Some(size) = size(entry).filter(|_| !image::is_btrfs(existing(context))) else {
        return;
    };
    context.out.detail(&format!(
        "Its data stays in an image of {size}; take it over: dokku storage:create {} --size {size}",
        entry.name
    ));
}

/// Attaches the file system of an entry that is new, or was restored, or was registered before.
/// Fails where that fails; the directory of a new one is as any other then.
pub(crate) fn make(entry: &Entry, is_registered: bool, context: &mut Context) -> Result<()> {
    let Some(size) = size(entry) else {
        return Ok(());
    };
    if is_usable(entry, context) {
        return Ok(());
    }
    context.out.flush()?;
    ask(entry, &["attach"], context).inspect_err(|_| {
        if !is_registered {
            let _ = ask(entry, &["detach"], context);
        }
    })?;
    let path = context.store.layout().directory(entry.name.as_str());
    context.out.detail(&said_of_size(entry, size, &path));
    Ok(())
}

/// What is said of a new size: how much an entry holds, and how much of that its file system, which is at a path, leaves for data.
pub(crate) fn said_of_size(entry: &Entry, size: ByteSize, path: &Path) -> String {
    let said = format!("{} holds {size}", entry.shown_source());
    let usable = Fullness::of(path).map(|found| found.used + found.free);
    match usable {
        Ok(usable) if usable < size.bytes() => {
            format!("{said}, of which {} can be used", readable(usable))
        }
        // A quota takes nothing for itself.
        _ => said,
    }
}

/// What an entry has that is attached, beside its size.
pub(crate) struct Sizes {
    pub noted: ByteSize,
    /// What its file system holds.
    file_system: ByteSize,
    image: ByteSize,
    /// What its image takes on the disk.
    blocks: ByteSize,
    is_preallocated: bool,
}

impl Sizes {
    /// None where it has no size, or is not attached.
    pub(crate) fn of(entry: &Entry, context: &Context) -> Option<Self> {
        let noted = size(entry)?;
        let words = [entry.name.as_str(), "holds"];
        let said = StorageRoot::of(context).asked(HELPER, &words).ok()?;
        let sizes = said.split_whitespace().map(|size| size.parse().map(ByteSize::of));
        let sizes: Vec<_> = sizes.collect::<Result<_, _>>().ok()?;
        let [file_system, image, blocks] = sizes.try_into().ok()?;
        let is_preallocated = is_preallocated(entry);
        Some(Self { noted, file_system, image, blocks, is_preallocated })
    }

    /// What it holds, where that is not its size: growing was cut off.
    pub(crate) fn holds_other(&self) -> Option<ByteSize> {
        let is_larger = self.image.exceeds(self.noted.bytes());
        let is_smaller = self.noted.exceeds(self.file_system.bytes());
        is_smaller.then_some(self.file_system).or(is_larger.then_some(self.image))
    }

    /// What its image takes on the disk, where it is preallocated and that is less than its size: somebody has made holes in it,
    /// such as `fstrim` before it was kept from that.
    pub(crate) fn takes_less(&self) -> Option<ByteSize> {
        let is_less = self.is_preallocated && self.noted.exceeds(self.blocks.bytes());
        is_less.then_some(self.blocks)
    }
}

/// Refuses a size that is smaller than an entry holds, or that the disk does not have.
pub(crate) fn may_grow(entry: &Entry, wanted: ByteSize, context: &Context) -> Result<()> {
    let noted = size(entry).map_or(0, ByteSize::bytes);
    let now = Sizes::of(entry, context).and_then(|sizes| sizes.holds_other());
    let now = now.map_or(noted, |holds| holds.bytes().min(noted));
    refuse_if!(wanted.bytes() < now, "{}", cannot_shrink(entry, ByteSize::of(now), wanted));
    must_fit(wanted.bytes() - now, context)
}

/// Has an entry hold its size, which is noted before: where this is cut off, the next attach goes on with it.
pub(crate) fn grow(entry: &Entry, context: &Context) -> Result<()> {
    attach(entry, context)?;
    match size(entry) {
        Some(size) => ask_for(size, entry, &["grow"], context),
        None => Ok(()),
    }
}

/// Whether all of an entry's bytes are to be reserved at once.
pub(crate) fn is_preallocated(entry: &Entry) -> bool {
    entry.option("preallocate") == "true"
}

/// Asks for so many bytes, all of them at once where that is the entry's wish.
fn ask_for(size: ByteSize, entry: &Entry, words: &[&str], context: &Context) -> Result<()> {
    let bytes = size.bytes().to_string();
    let at_once = is_preallocated(entry).then_some("--preallocate");
    let words = [words, &[&*bytes], at_once.as_slice()].concat();
    ask(entry, &words, context)
}

pub(crate) fn attach(entry: &Entry, context: &Context) -> Result<()> {
    if size(entry).is_none() || is_usable(entry, context) {
        return Ok(());
    }
    let path = context.store.layout().directory(entry.name.as_str());
    refuse_if!(
        !look::is_there(&path),
        "there is no {}, where the data of storage entry \"{name}\" is attached; make it: dokku storage:create {name}",
        path.display(),
        name = entry.name
    );
    ask(entry, &["attach"], context)
}

/// What keeps an image from being attached, as the helper says and findings are called.
const UNUSABLE: [&str; 2] = [HIDDEN_FILES, DAMAGED];

/// Somebody has written to the place while nothing was attached there.
pub(crate) const HIDDEN_FILES: &str = "hidden-files";

/// The image is gone or damaged.
pub(crate) const DAMAGED: &str = "damaged-image";

/// What the helper says once nobody can write to the file system.
pub(crate) const HELD: &str = "held";

/// What it is told when it is to detach that.
pub(crate) const CLOSE: &str = "close";

/// An image to which nobody can write until this is dropped, also where this process is killed.
pub(crate) struct Held {
    helper: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Held {
    /// Fails where somebody writes to it.
    pub(crate) fn of(entry: &Entry, context: &Context) -> Result<Self> {
        let words = [entry.name.as_str(), "hold"];
        let mut helper = StorageRoot::of(context).watched(HELPER, &words)?;
        let (input, Some(output)) = (helper.stdin.take(), helper.stdout.take()) else {
            refuse!("unable to start {HELPER}");
        };
        let mut held = Self { helper, input, output: BufReader::new(output) };
        match held.said() {
            said if said == HELD => Ok(held),
            said => Err(held.failed(&said)),
        }
    }

    /// Detaches it where nobody uses it, and fails otherwise; the file system is to be attached again then.
    pub(crate) fn close(mut self) -> Result<()> {
        // Where the helper was killed, its end says so.
        let _ = self.input.as_mut().map(|input| writeln!(input, "{CLOSE}"));
        let said = self.said();
        if said.is_empty() && self.helper.wait().is_ok_and(|status| status.success()) {
            return Ok(());
        }
        Err(self.failed(&said))
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        let _ = self.output.read_line(&mut said);
        said.trim().to_owned()
    }

    fn failed(&self, said: &str) -> Error {
        if said.is_empty() {
            return refusal!("{HELPER} was ended before it was done; run the command again");
        }
        Error::refused(said)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.helper.wait();
    }
}

/// Detaches it; the data stays in the image.
pub(crate) fn detach(entry: &Entry, context: &Context) -> Result<()> {
    ask_if_sized(entry, &["detach"], context)
}

/// Gives the image of an entry a second name, under which it leaves the entry or comes back to it: the entry's own, a
/// hidden one, or that of something in the trash.
pub(crate) fn link(entry: &Entry, from: &str, to: &str, context: &Context) -> Result<()> {
    ask_if_sized(entry, &["link", from, to], context)
}

/// Whether something in the trash of which no entry is known has an image: there is nothing in its directory then.
pub(crate) fn has_image(item: &Trashed, context: &Context) -> Result<bool> {
    let mut names =
        std::fs::read_dir(context.store.trashed_directory(&item.id)).into_iter().flatten();
    let can_be = item.entry.is_none() && EntryName::parse(item.name()).is_ok();
    if !can_be || names.next().is_some() || !(context.environment.is_dokku() || is_root()) {
        return Ok(false);
    }
    let words = [item.name(), "has", &item.id.directory()];
    Ok(!StorageRoot::of(context).asked(HELPER, &words)?.is_empty())
}

/// Whether the data of something in the trash is in an image, and not in its directory.
pub(crate) fn is_in_image(item: &Trashed, context: &Context) -> bool {
    match &item.entry {
        Some(entry) => size(entry).is_some() && !image::is_btrfs(existing(context)),
        None => has_image(item, context).unwrap_or(false),
    }
}

/// How many bytes the image of an entry takes on the disk, or that of something in the trash, which is called `of`; none where only
/// root can look, or somebody is at work on it.
pub(crate) fn image_takes(name: &str, of: &str, context: &Context) -> Option<u64> {
    let words = [name, "takes", of];
    StorageRoot::of(context).asked(HELPER, &words).ok()?.trim().parse().ok()
}

/// Gives the image of something in the trash of which no entry is known a hidden name, under which it is removed.
pub(crate) fn link_trashed(item: &Trashed, to: &str, context: &Context) -> Result<()> {
    let words = [item.name(), "link", &item.id.directory(), to];
    StorageRoot::of(context).as_root(HELPER, &words)
}

/// Ends the name of the image that is the entry's, where it has another.
pub(crate) fn drop_name(entry: &Entry, context: &Context) -> Result<()> {
    ask_if_sized(entry, &["drop"], context)
}

fn ask_if_sized(entry: &Entry, words: &[&str], context: &Context) -> Result<()> {
    if size(entry).is_some() { ask(entry, words, context) } else { Ok(()) }
}

fn ask(entry: &Entry, words: &[&str], context: &Context) -> Result<()> {
    let words = [&[entry.name.as_str()], words].concat();
    StorageRoot::of(context).as_root(HELPER, &words)
}

/// Whether an entry's file system is attached. A subvolume always is.
pub(crate) fn is_attached(entry: &Entry, context: &Context) -> bool {
    let path = Path::new(entry.shown_source());
    if image::is_btrfs(existing(context)) {
        return subvolume::is_one(path);
    }
    image::attached_at(path).is_some()
}

/// The same, and that it can be written to.
fn is_usable(entry: &Entry, context: &Context) -> bool {
    is_attached(entry, context) && !image::is_read_only(Path::new(entry.shown_source()))
}

/// What keeps containers from using an entry that has a size, or should have one.
pub(crate) fn problem(entry: &Entry, context: &Context) -> Option<Problem> {
    let Some(size) = size(entry) else {
        return hidden_image(entry, context).map(|image| hides(entry, image));
    };
    if is_usable(entry, context) {
        return None;
    }
    if is_attached(entry, context) {
        return Some(Problem {
            code: "read-only",
            sentence: format!("the file system of {} is read-only", entry.shown_source()),
            remedy: format!("make it writable: dokku storage:wait {}", entry.name),
            may_pass: false,
        });
    }
    let words = [entry.name.as_str(), "state"];
    let state = StorageRoot::of(context).asked(HELPER, &words);
    let state = state.unwrap_or_default();
    if let [said, sentence, remedy] = state.lines().collect::<Vec<_>>()[..]
        && let Some(code) = UNUSABLE.into_iter().find(|code| *code == said)
    {
        let (sentence, remedy) = (sentence.to_owned(), remedy.to_owned());
        return Some(Problem { code, sentence, remedy, may_pass: false });
    }
    Some(Problem {
        code: "not-mounted",
        sentence: format!("{} of {size} is not attached", entry.shown_source()),
        remedy: format!("attach it: dokku storage:wait {}", entry.name),
        may_pass: false,
    })
}
