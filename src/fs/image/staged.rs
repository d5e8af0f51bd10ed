//! Images that are populated before an entry has them: under a hidden name, attached at a hidden directory of the storage
//! root, and put in the entry's place once they are whole.
//!
//! (`src/storage/snapshots.rs`.) What leaves an entry goes the same way back: it gets the hidden name, or the trash's,
//! before the entry is unregistered.

use std::path::Path;

use rustix::fs::{AtFlags, Dir, OFlags, RenameFlags, renameat_with, statat, unlinkat};
use rustix::io::Errno;

use crate::domain::{EntryName, Error, Layout, Result, STAGED, TRASH};
use crate::fs::image::{
    DIRECTORY, Image, OLDER_DIRECTORY, are_any, attached_at, detach, in_use, is_kept, run,
};
use crate::fs::look::is_there;
use crate::fs::tree;
use crate::host::Program;

/// What a file of images is called behind the name.
const SUFFIX: &str = ".img";

impl Image {
    /// Has all that was written to it on the disk, and detaches it from the place where it is. Refuses where somebody uses
    /// that; it is detached all the same then.
    pub(crate) fn close(&self, storage: &Path, name: &str) -> Result<()> {
        let target = storage.join(name);
        if let Some(device) = attached_at(&target) {
            let top = tree::enter(storage, name)?;
            rustix::fs::syncfs(&top).map_err(Error::system("write to", &target))?;
            drop(top);
            detach(storage, name)?;
            if is_kept(&device) {
                return Err(in_use(&target));
            }
        }
        let file = self.open(OFlags::RDWR).map_err(Error::system("open", &self.shown))?;
        file.sync_all().map_err(Error::system("write", &self.shown))
    }

    /// Gives it a second name; false where there is no image to name.
    pub(crate) fn link(&self, to: &Self) -> Result<bool> {
        match rustix::fs::linkat(
            &self.directory,
            &self.name,
            &to.directory,
            &to.name,
            AtFlags::empty(),
        ) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            // A killed command has done it.
            Err(Errno::EXIST) if self.other_names()?.contains(&to.name) => {}
            Err(Errno::EXIST) => return Err(to.is_in_the_way()),
            Err(error) => return Err(Error::system("create", &to.shown)(error)),
        }
        rustix::fs::fsync(&self.directory).map_err(Error::system("write", &to.shown))?;
        Ok(true)
    }

    pub(crate) fn drop_name(&self) -> Result<()> {
        if self.other_names()?.is_empty() {
            return Ok(());
        }
        self.remove()
    }

    /// Says that an image of an earlier entry is there.
    pub(crate) fn is_in_the_way(&self) -> Error {
        refusal!(
            "{} is there with data of an earlier entry; choose another name, or have an entry take that data over first: dokku storage:create NAME --size SIZE",
            self.shown.display()
        )
    }

    /// Puts it in the place of an entry's image, which was closed, and has that under its own name. Cut off anywhere, the one
    /// or the other image is there, whole.
    pub(crate) fn replace(&self, of_entry: &Self, storage: &Path, name: &str) -> Result<()> {
        let target = storage.join(name);
        refuse_if!(attached_at(&target).is_some(), "{} is attached", target.display());
        let exchange = || {
            let flags = RenameFlags::EXCHANGE;
            renameat_with(&self.directory, &self.name, &of_entry.directory, &of_entry.name, flags)
        };
        exchange().map_err(Error::system("replace", &of_entry.shown))?;
        rustix::fs::fsync(&self.directory)
            .inspect_err(|_| {
                let _ = exchange();
            })
            .map_err(Error::system("replace", &of_entry.shown))
    }

    /// Removes every other name that it has, of a command that was killed or has just put it in its place.
    pub(crate) fn drop_other_names(&self) -> Result<()> {
        let others = self.other_names()?;
        for other in &others {
            unlinkat(&self.directory, other, AtFlags::empty())
                .map_err(Error::system("remove", self.shown.with_file_name(other)))?;
        }
        if others.is_empty() {
            return Ok(());
        }
        // After a power cut one that is back would say that the image is that one's.
        rustix::fs::fsync(&self.directory).map_err(Error::system("remove", &self.shown))
    }

    pub(crate) fn has_another_name(&self) -> Result<bool> {
        Ok(!self.other_names()?.is_empty())
    }

    pub(super) fn other_names(&self) -> Result<Vec<String>> {
        let unreadable = || Error::system("read", &self.shown);
        let own = match statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(own) if own.st_nlink > 1 => own,
            Ok(_) | Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(error) => return Err(unreadable()(error)),
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.directory).map_err(unreadable())? {
            let entry = entry.map_err(unreadable())?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name != self.name && entry.ino() == own.st_ino {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Whether an image of this file name is somebody's: a registered entry's, or that of something in the trash.
    fn is_owned(file: &str, layout: &Layout, storage: &Path) -> bool {
        let name = file.strip_suffix(SUFFIX).unwrap_or_default();
        match name.strip_prefix(TRASH) {
            Some(_) => is_there(storage.join(name)),
            None => EntryName::parse(name).is_ok_and(|entry| is_there(layout.entry(&entry))),
        }
    }
}

/// Removes the image that has a hidden name, and detaches it: it was being populated, or left its entry. Another name of it stays
/// where that is an entry's or the trash's. Where there is none, nothing is done.
pub(crate) fn discard(layout: &Layout, storage: &Path, hidden: &str) -> Result<()> {
    if !hidden.starts_with(STAGED) || !are_any(layout) {
        return Ok(());
    }
    detach(storage, hidden)?;
    let image = Image::of(layout, hidden)?;
    end_stray_devices(layout)?;
    image.unfinished()?.remove()?;
    let others = image.other_names()?;
    let (owned, nobodys): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|other| Image::is_owned(other, layout, storage));
    match image.open(OFlags::RDWR) {
        // Who has another name for it may have it attached.
        Ok(file) if owned.is_empty() => image.end_devices(&file)?,
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::system("open", &image.shown)(error)),
    }
    for other in nobodys {
        unlinkat(&image.directory, &other, AtFlags::empty())
            .map_err(Error::system("remove", image.shown.with_file_name(&other)))?;
    }
    image.remove()
}

/// Gives images the names of the trash that older versions left under the names of the entries. `trash` is what is in the trash and
/// had a size, by the directory there and the name of the entry, the last at the beginning.
pub(crate) fn name_trashed(
    layout: &Layout,
    storage: &Path,
    trash: &[(String, EntryName)],
) -> Result<()> {
    if !are_any(layout) {
        return Ok(());
    }
    for (directory, entry) in trash {
        let own = Image::beside(layout, directory, entry.as_str())?;
        let image = Image::of(layout, entry.as_str())?;
        let is_free =
            !layout.entry(entry).exists() && attached_at(&storage.join(entry.as_str())).is_none();
        if own.size()?.is_none() && is_free && image.link(&own)? {
            image.drop_name()?;
        }
    }
    Ok(())
}

/// Ends the loop devices of images that are gone: a helper that was killed between making the device and mounting it left
/// them, after another command had removed the image. Where one is mounted, it ends with its mount, as all do.
fn end_stray_devices(layout: &Layout) -> Result<()> {
    let places = [DIRECTORY, OLDER_DIRECTORY].map(|place| layout.root().join(place));
    let words = ["--noheadings", "--raw", "--output", "NAME,BACK-FILE"];
    let answer = Program::new("losetup", &words).run()?;
    for (device, file) in answer.stdout.lines().filter_map(|line| line.split_once(' ')) {
        // The kernel adds this to the path of a file that has no name any more, and losetup writes blanks as it likes.
        let is_ours = places.iter().any(|place| Path::new(file).starts_with(place));
        if is_ours && file.trim_end().ends_with("(deleted)") {
            // Another command may have been first; what stays is found by the next.
            let _ = run("losetup", &["--detach", device]);
        }
    }
    Ok(())
}
