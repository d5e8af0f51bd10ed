//! Images that are filled before an entry has them: under a hidden name, attached at a hidden directory of the storage
//! root, and put in the entry's place once they are whole.
//!
//! A new entry's image gets a second name first, the entry's. Only when the entry is registered does the hidden one go,
//! so that what a killed command left can be told from what is in use.

use std::path::Path;

use rustix::fs::{AtFlags, Dir, OFlags, statat, unlinkat};
use rustix::io::Errno;

use crate::domain::error::{Error, Result};
use crate::domain::layout::Layout;
use crate::domain::names::{EntryName, STAGED};
use crate::fs::image::{FOLDER, Image, attached_at, by_descriptor, detach, is_kept, run};
use crate::fs::tree;
use crate::host::process;

/// What a file of images is called behind the name.
const SUFFIX: &str = ".img";

impl Image {
    /// Has all that was written to it on the disk, and detaches it from the place where it was filled.
    pub(crate) fn close(&self, storage: &Path, name: &str) -> Result<()> {
        let target = storage.join(name);
        if let Some(device) = attached_at(&target) {
            let top = tree::enter(storage, name)?;
            rustix::fs::syncfs(&top).map_err(Error::system("write to", &target))?;
            drop(top);
            detach(storage, name)?;
            if is_kept(&device) {
                return Err(Error::refused(format!("{} is still used", target.display())));
            }
        }
        let file = self.open(OFlags::RDWR).map_err(Error::system("open", &self.shown))?;
        file.sync_all().map_err(Error::system("write", &self.shown))
    }

    /// Gives it a second name, as the image of an entry.
    pub(crate) fn adopt(&self, of_entry: &Self) -> Result<()> {
        rustix::fs::linkat(
            &self.folder,
            &self.name,
            &self.folder,
            &of_entry.name,
            AtFlags::empty(),
        )
        .map_err(|error| match error {
            Errno::EXIST => of_entry.is_in_the_way(),
            error => Error::system("create", &of_entry.shown)(error),
        })?;
        rustix::fs::fsync(&self.folder).map_err(Error::system("write", &of_entry.shown))
    }

    /// Says that an image of an earlier entry is there.
    pub(crate) fn is_in_the_way(&self) -> Error {
        Error::refused(format!(
            "{} is there with data of an earlier entry; choose another name, or take that data over without --from",
            self.shown.display()
        ))
    }

    /// Puts it in the place of an entry's image, which is attached there and is not used: detached, replaced with one
    /// rename, and attached again. Cut off anywhere, the one or the other image is there, whole.
    ///
    /// # Errors
    /// Where somebody uses what is to be replaced, or the sizes differ; the entry has what it had then.
    pub(crate) fn replace(&self, of_entry: &Self, storage: &Path, name: &str) -> Result<()> {
        if self.size()? != of_entry.size()? {
            return Err(Error::refused(format!(
                "{} was resized meanwhile; run the command again",
                storage.join(name).display()
            )));
        }
        let device = attached_at(&storage.join(name));
        detach(storage, name)?;
        let replaced = if device.as_deref().is_some_and(is_kept) {
            Err(Error::refused(format!(
                "something still uses {}, a program on this host or a container that Docker does not tell of; end it and run the command again",
                storage.join(name).display()
            )))
        } else {
            rustix::fs::renameat(&self.folder, &self.name, &self.folder, &of_entry.name)
                .and_then(|()| rustix::fs::fsync(&self.folder))
                .map_err(Error::system("replace", &of_entry.shown))
        };
        let attached = of_entry.attach(storage, name);
        replaced.and(attached)
    }

    /// Removes every other name that it has, of a command that was killed or has just put it in its place.
    pub(crate) fn drop_other_names(&self) -> Result<()> {
        for other in self.other_names()? {
            unlinkat(&self.folder, &other, AtFlags::empty())
                .map_err(Error::system("remove", self.shown.with_file_name(&other)))?;
        }
        Ok(())
    }

    fn other_names(&self) -> Result<Vec<String>> {
        let unreadable = || Error::system("read", &self.shown);
        let own = match statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(own) if own.st_nlink > 1 => own,
            Ok(_) | Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(error) => return Err(unreadable()(error)),
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.folder).map_err(unreadable())? {
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

    /// Ends the loop device that a command left which was killed before it had mounted it.
    fn detach(&self) -> Result<()> {
        let file = match self.open(OFlags::RDWR) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::system("open", &self.shown)(error)),
        };
        let words = ["--noheadings", "--output", "NAME", "--associated", &by_descriptor(&file)?];
        let answer = process::output("losetup", &words).map_err(Error::system("run", "losetup"))?;
        for device in answer.stdout.split_whitespace() {
            run("losetup", &["--detach", device])?;
        }
        Ok(())
    }
}

/// Removes the image that was being filled under a hidden name, and detaches it. The second name that it may have as an
/// entry's image stays where that entry is registered. Where there is none, nothing is done.
pub(crate) fn discard(layout: &Layout, storage: &Path, hidden: &str) -> Result<()> {
    if !hidden.starts_with(STAGED) || !layout.root().join(FOLDER).exists() {
        return Ok(());
    }
    detach(storage, hidden)?;
    let image = Image::of(layout, hidden)?;
    end_stray_devices(&layout.root().join(FOLDER))?;
    image.unfinished()?.remove()?;
    if image.size()?.is_none() {
        return Ok(());
    }
    image.detach()?;
    for other in image.other_names()? {
        let entry = other.strip_suffix(SUFFIX).and_then(|name| EntryName::parse(name).ok());
        if entry.is_some_and(|entry| !layout.entry(&entry).exists()) {
            unlinkat(&image.folder, &other, AtFlags::empty())
                .map_err(Error::system("remove", image.shown.with_file_name(&other)))?;
        }
    }
    unlinkat(&image.folder, &image.name, AtFlags::empty())
        .map_err(Error::system("remove", &image.shown))
}

/// Ends the loop devices of images that are gone: a helper that was killed between making the device and mounting it left
/// them, after another command had removed the image. Where one is mounted, it ends with its mount, as all do.
fn end_stray_devices(folder: &Path) -> Result<()> {
    let words = ["--noheadings", "--raw", "--output", "NAME,BACK-FILE"];
    let answer = process::output("losetup", &words).map_err(Error::system("run", "losetup"))?;
    for (device, file) in answer.stdout.lines().filter_map(|line| line.split_once(' ')) {
        // The kernel adds this to the path of a file that has no name any more, and losetup writes blanks as it likes.
        if Path::new(file).starts_with(folder) && file.trim_end().ends_with("(deleted)") {
            // Another command may have been first; what stays is found by the next.
            let _ = run("losetup", &["--detach", device]);
        }
    }
    Ok(())
}
