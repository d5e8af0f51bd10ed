//! The files of the storage root: looked at, made under a hidden name, and put in their places.
//!
//! # Files
//!
//! A file entry (`src/storage/file.rs`) is written under a hidden name and renamed into its place in the step of
//! the store that registers it. Docker mounts the inode, so a running container keeps the one before: hence the
//! word on restarting. What `--from` reads is judged by the policy like a mount, and once more when it is open.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::domain::{Entry, Error, Mode, Result};
use crate::fs::archive::Member;
use crate::fs::tree::{Attributes, FILE_MODES};
use crate::storage::{Ids, Staged, StorageRoot, root};
use crate::store::{Change, Flushed, Rights, files, is_absent};

/// The largest file, in bytes: 64 MiB.
pub(crate) const LARGEST: u64 = 64 * 1024 * 1024;

/// The mode of a file where none is set: the apps' users have to read it.
const MODE: u32 = 0o644;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    identity: (u64, u64),
    changed: (i64, i64),
    length: u64,
    mode: u32,
    ids: Ids,
}

pub(crate) fn find(path: &Path) -> Result<Option<Found>> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(Error::system("read", path)(error)),
    };
    if let Some(what) = no_plain_file(&found) {
        refuse!("{} is {what}; move it away and run the command again", path.display());
    }
    Ok(Some(Found {
        identity: (found.dev(), found.ino()),
        changed: (found.mtime(), found.mtime_nsec()),
        length: found.len(),
        mode: found.mode() & FILE_MODES,
        ids: Ids { uid: found.uid(), gid: found.gid() },
    }))
}

/// What is in a file's place where that is not a regular file with one name.
pub(crate) fn no_plain_file(found: &Metadata) -> Option<&'static str> {
    match found {
        _ if found.is_dir() => Some("not a file but a directory"),
        _ if found.is_symlink() => Some("not a file but a link"),
        _ if !found.is_file() => Some("not a regular file"),
        _ if found.nlink() > 1 => Some("a file with other names (hard links)"),
        _ => None,
    }
}

fn mode_of(entry: &Entry) -> u32 {
    entry.mode.as_ref().map_or(MODE, Mode::bits)
}

/// A file of the storage root as a change is to leave it: what was there is kept, or what was made under a hidden name
/// takes its place.
pub(crate) struct StagedFile {
    name: String,
    path: PathBuf,
    before: Option<Found>,
    hidden: Option<Staged>,
    flushed: Option<Flushed>,
    directories: Vec<PathBuf>,
}

impl StagedFile {
    /// For an entry that is created, perhaps once more: a file that is there is kept, and may not have another content
    /// than what was given. Without any, the file is made empty.
    pub(crate) fn create(
        entry: &Entry,
        is_registered: bool,
        bytes: Option<&[u8]>,
        ids: Option<Ids>,
        context: &Context,
    ) -> Result<Self> {
        let mut staged = Self::of(entry, context)?;
        let name = &entry.name;
        match (&staged.before, bytes) {
            (Some(found), Some(bytes)) if !staged.holds(found, bytes, context)? => {
                Err(Error::refused(if is_registered {
                    format!(
                        "storage entry \"{name}\" already exists with other content; to replace it: dokku storage:set {name} content PATH (or - for standard input)"
                    )
                } else {
                    format!(
                        "{} exists with other content; leave --from out to take it as it is, or move it away",
                        staged.path.display()
                    )
                }))
            }
            (Some(_), _) => Ok(staged),
            (None, bytes) => {
                staged.make(bytes.unwrap_or_default(), mode_of(entry), ids, context)?;
                staged.flushed()
            }
        }
    }

    /// For an entry whose file is in a backup: the same, with the owner, the mode, the attributes and the time of that.
    pub(crate) fn restore(
        entry: &Entry,
        member: &Member<'_>,
        bytes: &[u8],
        context: &Context,
    ) -> Result<Self> {
        let closed = Entry { mode: Some(Mode::parse("0600")?), ..entry.clone() };
        let staged = Self::create(&closed, false, Some(bytes), None, context)?;
        if let Some(hidden) = &staged.hidden {
            let path = hidden.path();
            let restored = Some(member.restored.clone());
            let attributes = Attributes {
                mode: member.mode & FILE_MODES,
                changed: Some(member.changed),
                restored,
            };
            {
                let _rights = Rights::of(context.store.owner(), context.store.layout())?;
                let done = attributes.restore_to(&path);
                done.map_err(Error::system("restore the attributes of", path))?;
            }
            let ids = Ids { uid: member.restored.uid, gid: member.restored.gid };
            StorageRoot::of(context).chown_alone(hidden.name().into(), ids)?;
        }
        staged.flushed()
    }

    /// For an entry whose file gets this content, with the owner and the mode that the file has.
    pub(crate) fn replace(entry: &Entry, bytes: &[u8], context: &mut Context) -> Result<Self> {
        let mut staged = Self::of(entry, context)?;
        match staged.before.clone() {
            None => {
                let owner = entry.chown.as_ref();
                let ids = owner.and_then(|owner| root::ids(owner, context));
                staged.make(bytes, mode_of(entry), ids, context)?;
            }
            Some(found) if staged.holds(&found, bytes, context)? => {}
            Some(found) => {
                staged.make(bytes, found.mode, Some(found.ids), context)?;
                if let Some(hidden) = &staged.hidden {
                    StorageRoot::of(context).take_after(&staged.name, hidden.name())?;
                }
            }
        }
        staged.flushed()
    }

    /// The same, with what takes the file's place on the disk.
    fn flushed(mut self) -> Result<Self> {
        self.flushed = self.hidden.as_ref().map(Staged::flushed).transpose()?;
        Ok(self)
    }

    fn of(entry: &Entry, context: &Context) -> Result<Self> {
        let path = context.store.layout().directory(entry.name.as_str());
        Ok(Self {
            name: entry.name.to_string(),
            before: find(&path)?,
            path,
            hidden: None,
            flushed: None,
            directories: Vec::new(),
        })
    }

    /// Takes a file away again that was not there before; what was there stays.
    pub(crate) fn roll_back(&self, change: &mut Change<'_>) {
        if self.is_new() {
            change.remove(self.path.clone());
        }
    }

    pub(crate) fn is_new(&self) -> bool {
        self.before.is_none()
    }

    pub(crate) fn changes(&self) -> bool {
        self.hidden.is_some()
    }

    fn holds(&self, found: &Found, bytes: &[u8], context: &Context) -> Result<bool> {
        if found.length != bytes.len() as u64 {
            return Ok(false);
        }
        let hidden = Staged::new(&self.name, context)?;
        Ok(StorageRoot::of(context).read_file(&self.name, LARGEST, hidden.name())? == bytes)
    }

    fn make(&mut self, bytes: &[u8], mode: u32, ids: Option<Ids>, context: &Context) -> Result<()> {
        let layout = context.store.layout();
        self.directories = root::make(layout.storage(), context)?;
        let hidden = Staged::new(&self.name, context)?;
        {
            let _rights = Rights::of(context.store.owner(), layout)?;
            files::make_file(&hidden.path(), bytes, context.store.owner(), mode)?;
        }
        let hidden = self.hidden.insert(hidden);
        if let Some(ids) = ids {
            StorageRoot::of(context).chown_alone(hidden.name().into(), ids)?;
        }
        Ok(())
    }

    /// Has the file put in its place in the step that writes the entry.
    pub(crate) fn put(&self, change: &mut Change<'_>) -> Result<()> {
        let now = find(&self.path)?;
        match &self.flushed {
            Some(flushed) if now == self.before => {
                change.put_file(flushed, self.path.clone());
                Ok(())
            }
            None if now.is_some() && !self.changes() => Ok(()),
            _ => Err(refusal!(
                "{} was changed meanwhile; run the command again",
                self.path.display()
            )),
        }
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // What is still under its hidden name goes first; directories stay that are not empty.
        self.hidden = None;
        root::unmake(&self.directories);
    }
}

/// Refuses a mode that is none for a file: who writes it must not choose as whom it runs.
pub(crate) fn check_mode(entry: &Entry) -> Result<()> {
    match &entry.mode {
        Some(mode) if mode.bits() & !FILE_MODES != 0 => Err(refusal!(
            "mode {mode} is not for a file: set-uid, set-gid and sticky bits are only for directories"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mode::Mode;
    use crate::domain::names::EntryName;

    #[test]
    fn modes_with_set_uid_bits_are_refused() {
        let mut entry = Entry::new(EntryName::parse_new("conf").unwrap(), None);
        assert!(check_mode(&entry).is_ok());
        for (mode, is_fine) in
            [("0640", true), ("777", true), ("4755", false), ("2644", false), ("1777", false)]
        {
            entry.mode = Some(Mode::parse(mode).unwrap());
            assert_eq!(check_mode(&entry).is_ok(), is_fine, "{mode}");
        }
    }
}
