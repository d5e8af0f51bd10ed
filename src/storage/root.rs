//! The directories of the storage root, and its files as far as they are alike: created, chowned and removed.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::context::Context;
use crate::domain::{Entry, Mode, Ownership, Result, Source};
use crate::fs::tree::{Copied, Depth};
use crate::fs::{look, mount_points};
use crate::render::progress;
use crate::storage::{Ids, Staged, StorageRoot, file, ownership};
use crate::store::{Change, files};

/// The path of the directory that an entry has unless another was chosen.
pub(crate) fn default_path(context: &Context, name: &str) -> String {
    context.store.layout().directory(name).to_string_lossy().into_owned()
}

/// Says so where an owner is in the old spelling.
pub(crate) fn tell_old_spelling<'a>(
    owners: impl IntoIterator<Item = &'a Ownership>,
    context: &mut Context,
) {
    if owners.into_iter().any(Ownership::is_old_spelling) {
        context.out.detail(
            "Detected deprecated chown flag 'packeto'. Using 'paketo' instead. Please update your configuration.",
        );
    }
}

/// The host's ids for an owner, with what there is to say about it.
pub(crate) fn ids(ownership: &Ownership, context: &mut Context) -> Option<Ids> {
    tell_old_spelling([ownership], context);
    let (ids, warning) = ownership::on_host(&context.environment, ownership);
    if let Some(warning) = warning {
        context.out.warn(&warning);
    }
    ids
}

/// Whether something is mounted already where an entry is mounted: it is there then, and may not answer.
fn is_taken(place: Place, path: &str) -> bool {
    place == Place::MountPoint && !mount_points::at(std::path::Path::new(path)).is_empty()
}

/// What is in the storage root under the entry's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Directory,
    MountPoint,
    File,
    None,
}

/// What an entry's directory, or the owner and the mode of its file, are to become: decided before anything changes.
pub(crate) struct DirectorySpec {
    name: String,
    place: Place,
    path: Option<PathBuf>,
    is_ours: bool,
    ids: Option<Ids>,
    recursive: bool,
    missing: Vec<PathBuf>,
}

impl DirectorySpec {
    /// What a docker-local entry wants of its directory or file; a Docker volume wants nothing.
    pub(crate) fn of(
        entry: &Entry,
        place: Place,
        recursive: bool,
        context: &mut Context,
    ) -> Result<Self> {
        if place == Place::File {
            return Self::of_file(entry, recursive, context);
        }
        let path = match (&entry.host_path, place) {
            (Some(Source::Path(path)), Place::Directory | Place::MountPoint)
                if entry.is_docker_local() && !is_taken(place, path.as_str()) =>
            {
                Some(PathBuf::from(path.as_str()))
            }
            _ => None,
        };
        if let Some(path) = &path
            && std::fs::metadata(path).is_ok_and(|found| !found.is_dir())
        {
            refuse!("storage entry path {} exists but is not a directory", path.display());
        }
        // What is mounted has the owner and the mode that it is mounted with.
        let is_ours = place == Place::Directory
            && entry.shown_source() == default_path(context, entry.name.as_str());
        let ownership = entry.chown.as_ref().filter(|_| path.is_some() && is_ours);
        let missing = path.as_deref().map(files::missing_directories).unwrap_or_default();
        if let Some(last) = missing.last() {
            context.store.must_not_be_below_what_is_away(last)?;
        }
        Ok(Self {
            name: entry.name.to_string(),
            place,
            ids: ownership.and_then(|ownership| ids(ownership, context)),
            missing,
            path,
            is_ours,
            recursive,
        })
    }

    fn of_file(entry: &Entry, recursive: bool, context: &mut Context) -> Result<Self> {
        refuse_if!(
            recursive,
            "storage entry \"{}\" is of type file, in which there is nothing for --chown-recursive",
            entry.name
        );
        file::check_mode(entry)?;
        let path = context.store.layout().directory(entry.name.as_str());
        file::find(&path)?;
        Ok(Self {
            name: entry.name.to_string(),
            place: Place::File,
            path: Some(path),
            is_ours: true,
            ids: entry.chown.as_ref().and_then(|ownership| ids(ownership, context)),
            recursive,
            missing: Vec::new(),
        })
    }

    pub(crate) fn ids(&self) -> Option<Ids> {
        self.ids
    }

    pub(crate) fn missing(&self) -> Option<&PathBuf> {
        self.path.as_ref().filter(|_| !self.missing.is_empty())
    }

    pub(crate) fn has_owner(&self) -> bool {
        self.ids.is_some()
    }

    /// The same for a directory that is made under another name first.
    pub(crate) fn under(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// Has the directory made with its mode, or its mode set, in the step that writes the entry. What belongs
    /// to somebody else already is left for [`DirectorySpec::apply`].
    pub(crate) fn prepare(&self, entry: &Entry, change: &mut Change<'_>) {
        if self.place == Place::File {
            return;
        }
        let mode = entry.mode.as_ref().filter(|_| self.is_ours);
        match (&self.path, mode) {
            (Some(path), Some(mode)) => change.make_directory_with_mode(path, mode.bits()),
            (Some(path), None) => change.make_directory(path),
            (None, _) => {}
        }
    }

    /// Removes the directories that were made for it, as far as they are still empty.
    pub(crate) fn unmake(&self) {
        unmake(&self.missing);
    }

    pub(crate) fn apply(&self, entry: &Entry, context: &mut Context) -> Result<()> {
        if self.path.is_none() || !self.is_ours {
            return Ok(());
        }
        let what = if self.place == Place::File { "file" } else { "directory" };
        if let Some(mode) = &entry.mode {
            context.out.detail(&format!("Setting {what} mode to {mode}"));
            StorageRoot::of(context).set_mode(&self.name, mode)?;
        }
        if let Some(ids) = self.ids {
            context.out.detail(&format!("Setting {what} ownership to {ids}"));
            chown(&self.name, ids, self.recursive, context)?;
        }
        Ok(())
    }
}

/// The owner and the mode that a directory or file of the storage root has.
pub(crate) struct Top {
    name: String,
    path: PathBuf,
    inode: (u64, u64),
    mode: Mode,
    ids: Ids,
}

impl Top {
    /// Those of what an entry's owner and mode are about to be set on; none where it is not there.
    pub(crate) fn of(spec: &DirectorySpec) -> Option<Self> {
        let path = spec.path.as_ref().filter(|_| spec.is_ours)?;
        let found = std::fs::symlink_metadata(path).ok().filter(|found| !found.is_symlink())?;
        // A file gets no others.
        let bits = if found.is_file() { 0o777 } else { 0o7777 };
        let mode = Mode::parse(&format!("{:04o}", found.mode() & bits)).ok()?;
        Some(Self {
            name: spec.name.clone(),
            path: path.clone(),
            inode: (found.dev(), found.ino()),
            mode,
            ids: Ids { uid: found.uid(), gid: found.gid() },
        })
    }

    /// Sets them again after a change was refused, unless something else is there by now: what was attached meanwhile has its own.
    pub(crate) fn put_back(&self, context: &Context) {
        let now = std::fs::symlink_metadata(&self.path).ok();
        if now.is_none_or(|now| (now.dev(), now.ino()) != self.inode) {
            return;
        }
        let root = StorageRoot::of(context);
        // Where it cannot be set, doctor says what is unlike it was noted.
        let _ = root.chown_alone((&*self.name).into(), self.ids);
        let _ = root.set_mode(&self.name, &self.mode);
    }
}

/// Sets, on a directory or file of the storage root, or on what is to take its place under another name, the owner and the mode
/// that its entry has noted, without a word.
pub(crate) fn as_noted(
    entry: &Entry,
    spec: &DirectorySpec,
    name: &str,
    context: &Context,
) -> Result<()> {
    let root = StorageRoot::of(context);
    if spec.path.is_none() || !spec.is_ours {
        return Ok(());
    }
    if let Some(mode) = &entry.mode {
        root.set_mode(name, mode)?;
    }
    if let Some(ids) = spec.ids {
        root.chown_alone(name.into(), ids)?;
    }
    Ok(())
}

pub(crate) fn chown(name: &str, ids: Ids, recursive: bool, context: &mut Context) -> Result<()> {
    let depth = if recursive { Depth::Tree } else { Depth::Directory };
    context.out.flush()?;
    let warning = progress::of_files("looked at", |seen| {
        StorageRoot::of(context).chown(name.into(), ids, depth, seen)
    })?;
    if let Some(warning) = warning {
        context.out.warn(&warning);
    }
    let path = context.store.layout().directory(name);
    if !recursive && std::fs::read_dir(&path).is_ok_and(|mut names| names.next().is_some()) {
        context.out.detail_unless_quiet(
            "What is in the directory keeps its owners; --chown-recursive changes them too",
        );
    }
    Ok(())
}

/// Copies the directory `from` of the storage root to `to`, a hidden name, and says what could not be kept.
/// Fails where it cannot be copied; nothing is left of the copy then.
pub(crate) fn copy(from: &str, to: &str, context: &mut Context) -> Result<Copied> {
    copy_with(from, to, true, context)
}

/// The same without set-uid bits, set-gid bits of files, and whiteouts, which no archive may have.
pub(crate) fn copy_without_rights(from: &str, to: &str, context: &mut Context) -> Result<Copied> {
    copy_with(from, to, false, context)
}

fn copy_with(from: &str, to: &str, keeps_rights: bool, context: &mut Context) -> Result<Copied> {
    context.out.flush()?;
    let root = StorageRoot::of(context);
    let copied = if root.needs_sudo() {
        let words = [from, to, "--without-rights"];
        root.copy_by_sudo(if keeps_rights { &words[..2] } else { &words })?
    } else {
        let unfinished = Staged::new(to, context)?;
        progress::of_files("copied", |seen| {
            root.copy(from, to, unfinished.name(), keeps_rights, seen)
        })?
    };
    warn_of_losses(&copied, context);
    Ok(copied)
}

/// Copies the directory `from` of the storage root into `into`, a hidden one that is empty, and says what could not be kept.
/// `None` where there is not enough room in it.
/// Fails where it cannot be copied; some of it may be left.
pub(crate) fn copy_into(from: &str, into: &str, context: &mut Context) -> Result<Option<Copied>> {
    context.out.flush()?;
    let root = StorageRoot::of(context);
    let copied = if root.needs_sudo() {
        root.copy_by_sudo(&[from, into, "--into"])?
    } else {
        progress::of_files("copied", |seen| root.copy_into(from, into, seen))?
    };
    if let Some(copied) = &copied {
        warn_of_losses(copied, context);
    }
    Ok(copied)
}

/// Copies a directory of anywhere, by its path without links, to `to`, a hidden name of the storage root, with the caller's
/// own rights; the owners too where they are to be kept.
/// Fails where it cannot be copied; nothing is left of the copy then.
pub(crate) fn take_in(
    from: &std::path::Path,
    to: &str,
    keeps_owners: bool,
    context: &mut Context,
) -> Result<Copied> {
    context.out.flush()?;
    let unfinished = Staged::new(to, context)?;
    let root = StorageRoot::of(context);
    let copied = progress::of_files("copied", |seen| {
        root.take_in(from, to, unfinished.name(), keeps_owners, seen)
    })?;
    warn_of_losses(&copied, context);
    Ok(copied)
}

/// Moves what is called `from`, a hidden name of the storage root, to its place below that (`NAME`) or within another directory
/// (`NAME/PART`), at which nothing is, or an empty directory.
pub(crate) fn move_below(from: &str, place: &str, context: &Context) -> Result<()> {
    let on_the_way = Staged::new(from, context)?;
    StorageRoot::of(context).move_below(from, place, on_the_way.name())
}

pub(crate) fn warn_of_losses(copied: &Copied, context: &mut Context) {
    if copied.left_out > 0 {
        context.out.warn(&format!(
            "{} device files or mount points were left out of the copy",
            copied.left_out
        ));
    }
    if copied.lost > 0 {
        context.out.warn(&format!(
            "{} extended attributes, or flags of chattr, could not be kept: the file system does not know them, or only root can set them",
            copied.lost
        ));
    }
}

/// Refuses to forget what is not seen, a path below the storage root, while nothing at all is there: its disk may not be mounted.
pub(crate) fn must_not_be_away(
    path: &std::path::Path,
    forget: &str,
    context: &Context,
) -> Result<()> {
    context.store.must_not_be_away()?;
    let storage = context.store.layout().storage();
    refuse_if!(
        !look::is_there(path) && context.store.is_storage_empty(),
        "there is no {}, nor anything else in {}; mount the disk that belongs there; or, if all of it is gone for good, {forget}",
        path.display(),
        storage.display()
    );
    Ok(())
}

/// Makes a directory and those on the way to it; returns the ones it made, outermost first.
/// Fails where one cannot be made, or the storage root is away; those that were made are removed again.
pub(crate) fn make(path: &std::path::Path, context: &Context) -> Result<Vec<PathBuf>> {
    context.store.must_not_be_below_what_is_away(path)?;
    let missing = files::missing_directories(path);
    if missing.is_empty() && !path.is_dir() {
        refuse!("Unable to create directory: {} exists but is not a directory", path.display());
    }
    for (index, directory) in missing.iter().enumerate() {
        if let Err(error) =
            files::make_directory(directory, context.store.owner(), files::DIRECTORY_MODE)
        {
            unmake(&missing[..index]);
            return Err(error);
        }
    }
    Ok(missing)
}

pub(crate) fn unmake(made: &[PathBuf]) {
    for directory in made.iter().rev() {
        let _ = std::fs::remove_dir(directory);
    }
}
