//! Directories with a size, root's work: a file system in an image file, attached by a loop device; a subvolume with a
//! quota on btrfs (`src/fs/subvolume.rs`).
//!
//! # How an image is made and attached
//!
//! An entry with a size has `type` `directory` and the options `size` and `preallocate`; without a size it is what
//! Dokku's own plugin makes, and has no type.
//!
//! The images are in `storage-images` below `$DOKKU_LIB_ROOT`, which is root's and 0700: whoever could write an image could
//! give the kernel a broken file system. Every part of the way there has to be root's own; where it is not, or the data is on another disk, they are in
//! `data/storage-images`, which nothing but a directory of root's may be. Programs get a descriptor (`/proc/self/fd/N`) and not a path, and what losetup attached is
//! compared with what we have open. An image is made under another name and renamed when its file system is whole.
//! The loop device goes with its last mount. Root makes the file system before the first mount; the owner and mode
//! of its top are the entry's. Before an image is attached that no loop device has, `e2fsck -p` replays the journal
//! and checks what did not end cleanly; what it cannot repair is not attached. Growing is the entry, `set_len`,
//! `losetup --set-capacity`, then `resize2fs`; cut off in between, the next attach finishes it. An image
//! is never made shorter than the file system in it says. Where root may not resize what is mounted, it is detached
//! for that, if nothing uses it.
//!
//! What goes to the trash has its image under the trash's name, `.trash-ID.img`: a second name (a hard link) is made
//! before the entry is unregistered, and the first one is dropped afterwards. So what a killed command left is told by
//! its names: an image with another name belongs to that one, unless its entry is registered.

pub(crate) mod staged;
mod superblock;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(crate) use crate::fs::image::staged::{discard, name_trashed};

use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags, statat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, MountFlags, fsconfig_create,
    fsconfig_reconfigure, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, fspick,
    mount_remount,
};

use crate::domain::{ByteSize, Error, Layout, Result, STAGED};
use crate::fs::{fuse, kind, mount_points, tree};
use crate::host::Program;

/// The directory of the images, below the root of the store.
const DIRECTORY: &str = "storage-images";

/// Where it is where the root of the store is not root's own, and where older versions had it everywhere.
const OLDER_DIRECTORY: &str = "data/storage-images";

/// Where a store's new images go, below the root of the store.
fn directory(layout: &Layout) -> &'static str {
    let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    // The operator may have put the data on a disk of its own: the images stay there with it.
    let data = device(&layout.root().join("data"));
    let is_one_disk = data.is_none() || data == device(layout.root());
    if is_one_disk && tree::is_roots_own(layout.root()) { DIRECTORY } else { OLDER_DIRECTORY }
}

/// Where some may be, too: the data was moved to another disk, or the root of the store got another owner. None where root has made
/// no such directory: whoever the store belongs to may have.
fn other_directory(layout: &Layout) -> Option<&'static str> {
    let other = if directory(layout) == DIRECTORY { OLDER_DIRECTORY } else { DIRECTORY };
    let found = std::fs::symlink_metadata(layout.root().join(other)).ok()?;
    (found.is_dir() && is_roots(found.uid(), found.mode())).then_some(other)
}

/// Whether a directory is root's, and nobody else may write in it. One in which others may write can have been moved here: it may be
/// one that they filled before a helper made it root's.
fn is_roots(uid: u32, mode: u32) -> bool {
    uid == 0 && mode & 0o022 == 0
}

/// Refuses a directory of images that others may have filled.
fn must_be_roots(directory: &OwnedFd, shown: &Path) -> Result<()> {
    let found = rustix::fs::fstat(directory).map_err(Error::system("read", shown))?;
    refuse_if!(
        !is_roots(found.st_uid, found.st_mode),
        "{} does not belong to root, or others may write in it; look at what is in it, and move it away",
        shown.display()
    );
    Ok(())
}

/// Where a store has its images, whether there are any or not.
pub(crate) fn place(layout: &Layout) -> PathBuf {
    layout.root().join(directory(layout))
}

/// Whether a store may have images where others than root can put some: root would mount what is in them.
pub(crate) fn are_open(layout: &Layout) -> bool {
    are_any(layout) && !tree::is_roots_own(layout.root())
}

/// Whether a store may have images.
pub(crate) fn are_any(layout: &Layout) -> bool {
    [DIRECTORY, OLDER_DIRECTORY].iter().any(|place| layout.root().join(place).is_dir())
}

/// Moves the images to where they are kept, where there were any elsewhere; those that stay, since one of the name is in both places.
/// They may be in use: that is by their inodes.
pub(crate) fn move_to_own_place(layout: &Layout) -> Result<Option<Vec<String>>> {
    let older = layout.root().join(OLDER_DIRECTORY);
    if directory(layout) == OLDER_DIRECTORY || !older.is_dir() {
        return Ok(None);
    }
    let from = tree::enter_path(layout.root(), OLDER_DIRECTORY)?;
    let to = layout.root().join(DIRECTORY);
    tree::make_path(layout.root(), DIRECTORY, 0, 0)?;
    let own = tree::enter_path(layout.root(), DIRECTORY)?;
    rustix::fs::fchmod(&own, Mode::RWXU).map_err(Error::system("change", &to))?;
    must_be_roots(&from, &older)?;
    let mut twice = Vec::new();
    for entry in rustix::fs::Dir::read_from(&from).map_err(Error::system("read", &older))? {
        let entry = entry.map_err(Error::system("read", &older))?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&from, name, &own, name, flags) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST) => twice.push(name.to_string_lossy().into_owned()),
            Err(error) => {
                return Err(Error::system("move to storage-images what is in", &older)(error));
            }
        }
    }
    rustix::fs::fsync(&own).map_err(Error::system("write", &to))?;
    if twice.is_empty() {
        std::fs::remove_dir(&older).map_err(Error::system("remove", &older))?;
    }
    Ok(Some(twice))
}

/// The least that a file system is made for, in bytes: less than this ext4 cannot use well.
pub(crate) const LEAST: u64 = 8 << 20;

/// How long the kernel, or a program that is just ending, has to let go of a file system.
const LETTING_GO: std::time::Duration = std::time::Duration::from_secs(10);

/// More than a file system says at once that it does not need, in bytes: what the kernel takes, which are whole blocks.
const MOST_DISCARDED: u64 = (1 << 41) - (1 << 20);

/// The programs that make and resize images.
pub(crate) const PROGRAMS: [&str; 3] = ["mkfs.ext4", "resize2fs", "losetup"];

/// What is between what is wrong and what to do.
pub(crate) const AND: &str = "; ";

/// Where programs of root's are looked for.
const PATH: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin"];

pub(crate) fn has_program(name: &str) -> bool {
    PATH.iter().any(|directory| Path::new(directory).join(name).is_file())
}

/// Whether a directory is on a btrfs.
pub(crate) fn is_btrfs(directory: &Path) -> bool {
    kind::at(directory) == Some(kind::BTRFS)
}

pub(crate) struct Image {
    directory: OwnedFd,
    name: String,
    /// Where it is, for people.
    shown: PathBuf,
}

impl Image {
    /// The image of an entry below the root of a store, whether or not it is there.
    pub(crate) fn of(layout: &Layout, entry: &str) -> Result<Self> {
        Self::beside(layout, entry, entry)
    }

    /// The same, which comes where the one of `other` is: they are exchanged, or are names of one image.
    pub(crate) fn beside(layout: &Layout, entry: &str, other: &str) -> Result<Self> {
        let image = Self::within(layout, directory(layout), entry)?;
        let Some(place) = other_directory(layout).filter(|_| !image.is_there()) else {
            return Ok(image);
        };
        let there = Self::within(layout, place, entry)?;
        let has = |image: &Self| {
            let name = format!("{other}.img");
            statat(&image.directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
        };
        if there.is_there() || (has(&there) && !has(&image)) { Ok(there) } else { Ok(image) }
    }

    fn is_there(&self) -> bool {
        self.found().is_ok_and(|found| found.is_some())
    }

    fn within(layout: &Layout, place: &str, entry: &str) -> Result<Self> {
        tree::make_path(layout.root(), place, 0, 0)?;
        let directory = tree::enter_path(layout.root(), place)?;
        let shown = layout.root().join(place);
        must_be_roots(&directory, &shown)?;
        rustix::fs::fchmod(&directory, Mode::RWXU).map_err(Error::system("change", &shown))?;
        let name = format!("{entry}.img");
        Ok(Self { directory, shown: shown.join(&name), name })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.shown
    }

    fn open(&self, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.directory, &self.name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Its size in bytes; none where it is not there.
    pub(crate) fn size(&self) -> Result<Option<u64>> {
        Ok(self.found()?.map(|found| u64::try_from(found.st_size).unwrap_or(0)))
    }

    /// What it takes on the disk, in bytes; none where it is not there.
    pub(crate) fn takes(&self) -> Result<Option<u64>> {
        Ok(self.found()?.map(|found| u64::try_from(found.st_blocks).unwrap_or(0) * 512))
    }

    fn found(&self) -> Result<Option<rustix::fs::Stat>> {
        match statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::system("read", &self.shown)(error)),
        }
    }

    /// Makes it, with a file system whose top directory belongs to these ids. One that was not finished is made anew. Nothing is
    /// left of one that cannot be made.
    pub(crate) fn make(&self, size: ByteSize, preallocate: bool, owner: (u32, u32)) -> Result<()> {
        let unfinished = self.unfinished()?;
        unfinished.remove()?;
        let made = unfinished.format(size, preallocate, owner).and_then(|()| {
            let renamed = rustix::fs::renameat_with(
                &self.directory,
                &unfinished.name,
                &self.directory,
                &self.name,
                rustix::fs::RenameFlags::NOREPLACE,
            );
            renamed.map_err(Error::system("create", &self.shown))
        });
        if made.is_err() {
            unfinished.remove()?;
        }
        made
    }

    /// What it is before it is whole.
    fn unfinished(&self) -> Result<Self> {
        Ok(Self {
            directory: self.directory.try_clone().map_err(Error::system("open", &self.shown))?,
            name: format!(".{}.new", self.name),
            shown: self.shown.clone(),
        })
    }

    fn format(&self, size: ByteSize, preallocate: bool, (uid, gid): (u32, u32)) -> Result<()> {
        let create = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let file = self.open(create).map_err(Error::system("create", &self.shown))?;
        file.set_len(size.bytes()).map_err(Error::system("create", &self.shown))?;
        self.reserve(&file, size, preallocate)?;
        // Nor does the kernel write its tables later, by making holes.
        let keep =
            if preallocate { "nodiscard,lazy_itable_init=0,lazy_journal_init=0," } else { "" };
        let owner = format!("{keep}root_owner={uid}:{gid}");
        // A descriptor cannot be replaced by anybody, a path could.
        let words = ["-q", "-F", "-m", "0", "-E", &owner, &tree::inherited(&file)?];
        run("mkfs.ext4", &words).map_err(|error| {
            // The disk's, which is told with how much it has free.
            if error.to_string().contains("No space left on device") {
                return Error::system("create", &self.shown)(rustix::io::Errno::NOSPC);
            }
            error
        })?;
        file.sync_all().map_err(Error::system("write", &self.shown))
    }

    /// The size of the file system in it, which is attached at a place, its own, and what it takes on the disk, in bytes.
    pub(crate) fn sizes(&self, target: &Path) -> Result<[u64; 3]> {
        let file = self.open_own()?;
        let sizes = file_system_size(&file, target).and_then(|holds| {
            let found = file.metadata()?;
            Ok([holds, found.len(), found.blocks() * 512])
        });
        sizes.map_err(Error::system("read", &self.shown))
    }

    /// Grows it. What it holds stays, and containers that use it go on. One that cannot grow is as large as before. What one that
    /// was cut off made longer than that, and its file system does not have, goes.
    pub(crate) fn grow(
        &self,
        size: ByteSize,
        preallocate: bool,
        storage: &Path,
        name: &str,
    ) -> Result<()> {
        let target = storage.join(name);
        let device =
            attached_at(&target).ok_or_else(|| refusal!("{} is not mounted", target.display()))?;
        let file = self.open_own()?;
        let before = file.metadata().map_err(Error::system("read", &self.shown))?.len();
        let holds = file_system_size(&file, &target).map_err(Error::system("read", &self.shown))?;
        if ByteSize::of(before).exceeds(size.bytes()) && holds <= size.bytes() {
            file.set_len(size.bytes()).map_err(Error::system("shorten", &self.shown))?;
        }
        let grown = self.make_room(&file, size, preallocate).and_then(|()| {
            run("losetup", &["--set-capacity", &device])?;
            match run("resize2fs", &[&device]) {
                Err(error) if error.to_string().contains("Permission denied") => {
                    self.grow_detached(&file, &device, storage, name)
                }
                other => other,
            }
        });
        if grown.is_err() && before < size.bytes() {
            // The file system may have grown all the same, or by another command since.
            let needed = file_system_size(&file, &target).unwrap_or(u64::MAX);
            if needed <= before {
                let _ = file.set_len(before);
                if let Some(device) = attached_at(&target) {
                    let _ = run("losetup", &["--set-capacity", &device]);
                }
            }
        }
        grown
    }

    fn make_room(&self, file: &File, size: ByteSize, preallocate: bool) -> Result<()> {
        let before = file.metadata().map_err(Error::system("read", &self.shown))?.len();
        if size.bytes() > before {
            file.set_len(size.bytes()).map_err(Error::system("grow", &self.shown))?;
        }
        self.reserve(file, size, preallocate)?;
        file.sync_all().map_err(Error::system("write", &self.shown))
    }

    fn reserve(&self, file: &File, size: ByteSize, preallocate: bool) -> Result<()> {
        if !preallocate {
            return Ok(());
        }
        rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size.bytes())
            .map_err(Error::system("reserve the room for", &self.shown))
    }

    /// Grows it while it is not attached, where root may not do that to a file system in use (`CAP_SYS_RESOURCE`).
    fn grow_detached(&self, file: &File, device: &str, storage: &Path, name: &str) -> Result<()> {
        detach(storage, name)?;
        let grown = if is_kept(device) {
            Err(refusal!(
                "this host does not let root resize a file system that is in use (the capability CAP_SYS_RESOURCE is missing); stop the containers that use {} first",
                storage.join(name).display()
            ))
        } else {
            let path = tree::inherited(file)?;
            check(&path).and_then(|()| run("resize2fs", &[&path]))
        };
        self.attach(storage, name)?;
        grown
    }

    /// Attaches it at a place, given by a directory and a name in it.
    pub(crate) fn attach(&self, storage: &Path, name: &str) -> Result<()> {
        let target = storage.join(name);
        let file = self.open_own()?;
        self.check_and_repair(&file, name)?;
        let device = self.loop_device(&file)?;
        let attached = mount(&device).and_then(|mount| {
            let top = rustix::fs::openat(&mount, ".", OFlags::RDONLY, Mode::empty())?;
            // A new volume is empty; what a check of the file system needs it makes anew.
            let _ = rustix::fs::unlinkat(&top, "lost+found", AtFlags::REMOVEDIR);
            drop(top);
            fuse::put(&mount, tree::locate(storage, name)?)
        });
        if let Err(error) = attached {
            let _ = run("losetup", &["--detach", &device]);
            return Err(Error::system("mount at", target)(error));
        }
        // From now on it goes with its last mount.
        run("losetup", &["--detach", &device])
    }

    /// Lets others write to it again where it is attached.
    pub(crate) fn release(&self, storage: &Path, name: &str) -> Result<()> {
        let target = storage.join(name);
        if !is_read_only(&target) {
            return Ok(());
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        let released = tree::locate(storage, name).and_then(|top| {
            // The mount may be read-only itself, too.
            Ok(mount_remount(tree::path_of(&top), flags, "")?)
        });
        released.map_err(|error| match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => refusal!(
                "the kernel found errors in the file system of {} and lets nobody write to it{AND}stop what uses it, then as root: umount {}, then: dokku storage:wait {name}",
                self.shown.display(),
                target.display()
            ),
            _ => Error::system("make writable", target)(error),
        })
    }

    /// Opens it, and nothing that only has its name: root mounts what is in it.
    fn open_own(&self) -> Result<File> {
        let shown = self.shown.display();
        let file = self.open(OFlags::RDWR).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => refusal!("the image {shown} is gone, and the data with it{AND}put it back from a backup, or destroy the storage entry and create it anew"),
            _ => Error::system("open", &self.shown)(error),
        })?;
        let found = file.metadata().map_err(Error::system("read", &self.shown))?;
        let names = self.other_names()?.len() as u64 + 1;
        if found.is_file() && found.uid() == 0 && found.nlink() <= names {
            return Ok(file);
        }
        Err(refusal!("{shown} is not an image that root made{AND}move it away"))
    }

    /// Replays the journal of a file system that is not mounted, and checks one that did not end cleanly. Refused is what
    /// e2fsck does not repair by itself (e2fsck(8), `-p`).
    fn check_and_repair(&self, file: &File, name: &str) -> Result<()> {
        self.end_devices(file)?;
        if !self.devices(file)?.is_empty() {
            // It is mounted somewhere.
            return Ok(());
        }
        let answer = Program::new("e2fsck", &["-p", &tree::inherited(file)?]).run()?;
        if matches!(answer.status, 0 | 1) {
            return Ok(());
        }
        let said = [answer.stdout, answer.stderr].join("\n");
        let said = complaint(&said);
        let shown = self.shown.display();
        Err(refusal!(
            "the file system in {shown} is damaged (e2fsck: {said}){AND}repair it as root: e2fsck -f {shown}, then: dokku storage:wait {}",
            name.trim_start_matches(STAGED)
        ))
    }

    /// Refuses an image that is gone or damaged, with what to do; nothing is refused that e2fsck repairs by itself.
    pub(crate) fn must_be_sound(&self, name: &str) -> Result<()> {
        self.open_own().and_then(|file| self.check_and_repair(&file, name))
    }

    /// The loop devices that have it.
    fn devices(&self, file: &File) -> Result<Vec<String>> {
        let words = ["--noheadings", "--output", "NAME", "--associated", &tree::inherited(file)?];
        let answer = Program::new("losetup", &words).run()?;
        Ok(answer.stdout.split_whitespace().map(str::to_owned).collect())
    }

    /// Ends the loop devices that a killed command left; one that is mounted ends with its last mount.
    fn end_devices(&self, file: &File) -> Result<()> {
        for device in self.devices(file)? {
            if let Err(error) = run("losetup", &["--detach", &device]) {
                // One that was just unmounted may have ended by itself meanwhile.
                refuse_if!(self.devices(file)?.contains(&device), "{error}");
            }
        }
        Ok(())
    }

    /// The loop device of the image, a new one where it has none.
    fn loop_device(&self, file: &File) -> Result<String> {
        let path = tree::inherited(file)?;
        let words = ["--find", "--nooverlap", "--show", &path];
        let device = Program::new("losetup", &words).must()?.stdout.trim().to_owned();
        // losetup opens it by its path once more, which somebody could have replaced.
        let words = ["--noheadings", "--output", "BACK-INO,BACK-MAJ:MIN", &device];
        let behind = Program::new("losetup", &words).run()?.stdout;
        let found = file.metadata().map_err(Error::system("read", &self.shown))?;
        let (major, minor) = (rustix::fs::major(found.dev()), rustix::fs::minor(found.dev()));
        let fields: Vec<&str> = behind.split_whitespace().collect();
        if fields != [found.ino().to_string(), format!("{major}:{minor}")] {
            let _ = run("losetup", &["--detach", &device]);
            refuse!("{} was replaced meanwhile", self.shown.display());
        }
        Ok(device)
    }

    /// Removes it. One that is not there is no error.
    pub(crate) fn remove(&self) -> Result<()> {
        match rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            removed => removed.map_err(Error::system("remove", &self.shown))?,
        }
        // After a power cut another entry of the name would take it over.
        rustix::fs::fsync(&self.directory).map_err(Error::system("remove", &self.shown))
    }
}

/// The loop device that is mounted at a place.
pub(crate) fn attached_at(target: &Path) -> Option<String> {
    let point = mount_points::seen_at(target)?;
    point.source.starts_with("/dev/loop").then_some(point.source)
}

/// Has what is attached at a place keep all blocks of its image, also those of which the file system says that it does not need
/// them (`fstrim`), or not. Who had the loop device before may have said it, too: some kernels keep to that until the device is
/// made anew, and then the image of one that is not preallocated does not get smaller.
pub(crate) fn keep_blocks(target: &Path, keeps: bool) {
    let Some(device) = attached_at(target) else {
        return;
    };
    let queue = Path::new("/sys/block").join(device.trim_start_matches("/dev/")).join("queue");
    let path = queue.join("discard_max_bytes");
    let is_kept = std::fs::read_to_string(&path).is_ok_and(|most| most.trim() == "0");
    if keeps != is_kept {
        let most = if keeps { 0 } else { MOST_DISCARDED };
        // Where it is not possible, `storage:doctor` tells what is gone.
        let _ = std::fs::write(path, most.to_string());
    }
}

/// The size of the file system in an image, which may be attached at a place: what was changed of it last is seen by its device.
fn file_system_size(image: &File, target: &Path) -> io::Result<u64> {
    match attached_at(target) {
        Some(device) => superblock::size(&File::open(device)?),
        None => superblock::size(image),
    }
}

/// Whether something still uses a loop device after its mount was taken away, once it had the time to let go of it.
fn is_kept(device: &str) -> bool {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    let is_used = || Path::new("/sys/block").join(name).join("loop").exists();
    once_let_go(is_used, |is_used| *is_used)
}

/// Asks again, for as long as somebody has to let go, while the answer is that a file system is in use.
fn once_let_go<T>(ask: impl Fn() -> T, is_in_use: impl Fn(&T) -> bool) -> T {
    let begin = std::time::Instant::now();
    loop {
        let answer = ask();
        if !is_in_use(&answer) || begin.elapsed() >= LETTING_GO {
            return answer;
        }
        std::thread::sleep(LETTING_GO / 200);
    }
}

/// Says that somebody uses what is attached at a place.
fn in_use(target: &Path) -> Error {
    refusal!(
        "something still uses {}: a program on this host, a restore of a backup that is running, or a container that Docker does not tell of; end it, or wait for it, and run the command again",
        target.display()
    )
}

/// Whether nobody can write to the file system at a place: it is held, or the kernel found errors in it.
pub(crate) fn is_read_only(target: &Path) -> bool {
    rustix::fs::statvfs(target)
        .is_ok_and(|found| found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// Makes the file system at a place read-only, wherever else it is mounted, or writable again. The kernel makes none
/// read-only of which somebody has a file open to write to it (`EBUSY`), and none writable in which it found errors (`EROFS`).
fn set_read_only(mount: impl AsFd, wanted: bool) -> io::Result<()> {
    let picked = fspick(mount, "", FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC)?;
    fsconfig_set_flag(&picked, if wanted { "ro" } else { "rw" })?;
    Ok(fsconfig_reconfigure(&picked)?)
}

/// Has nobody write to what is attached at a place, which somebody copies who must have all of it. Refuses where somebody is at
/// it.
pub(crate) fn hold(storage: &Path, name: &str) -> Result<()> {
    let target = storage.join(name);
    refuse_if!(attached_at(&target).is_none(), "{} is not attached", target.display());
    let held = once_let_go(
        || tree::locate(storage, name).and_then(|top| set_read_only(top, true)),
        |held| held.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy),
    );
    held.map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => in_use(&target),
        _ => Error::system("make read-only", &target)(error),
    })
}

/// Takes away what is mounted at a place.
pub(crate) fn detach(storage: &Path, name: &str) -> Result<()> {
    let target = storage.join(name);
    while attached_at(&target).is_some() {
        tree::locate(storage, name)
            .and_then(fuse::detach)
            .map_err(Error::system("unmount", &target))?;
    }
    Ok(())
}

/// Mounts an ext4, nowhere yet.
fn mount(device: &str) -> io::Result<OwnedFd> {
    let create = |how| {
        let kind = fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&kind, "source", device)?;
        fsconfig_set_flag(&kind, how)?;
        fsconfig_create(&kind)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        fsmount(&kind, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    match create("rw") {
        // It was held and somebody has it mounted: the kernel takes it once more as it is, and changes it then.
        Err(rustix::io::Errno::BUSY) => {
            let mount = create("ro")?;
            set_read_only(&mount, false)?;
            Ok(mount)
        }
        made => Ok(made?),
    }
}

/// Checks a file system that is not mounted; what could be corrected is no failure (e2fsck(8)).
fn check(path: &str) -> Result<()> {
    let answer = Program::new("e2fsck", &["-f", "-p", path]).run()?;
    match answer.status {
        0 | 1 => Ok(()),
        _ => Err(refusal!("e2fsck failed: {}", answer.stdout.trim())),
    }
}

/// What e2fsck complains of: its error, else the first line that says something behind the path it was given.
fn complaint(said: &str) -> &str {
    let lines = || said.lines().map(str::trim);
    let error = lines().find_map(|line| line.strip_prefix("e2fsck: "));
    let mut findings = lines().map(|line| {
        let behind_path = line.strip_prefix("/proc/self/fd/").and_then(|rest| rest.split_once(':'));
        behind_path.map_or(line, |(_, what)| what.trim())
    });
    let what = error.or_else(|| findings.find(|what| !what.is_empty()));
    let what = what.unwrap_or_default();
    what.split_once(" while trying to open ").map_or(what, |(what, _)| what)
}

fn run(program: &str, words: &[&str]) -> Result<()> {
    Program::new(program, words).must().map(drop)
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn what_e2fsck_complains_of_is_quoted_without_the_path() {
        let no_superblock = "/proc/self/fd/4: \nThe superblock could not be read or does not describe a valid ext2/ext3/ext4\nfilesystem.\n\n\ne2fsck: Bad magic number in super-block while trying to open /proc/self/fd/4\n";
        let inconsistent = "/proc/self/fd/4: Inode 12 has illegal block(s).  \n\n\n/proc/self/fd/4: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.\n";
        let below = "/proc/self/fd/12:\nresize inode not valid\n";
        for (said, what) in [
            (no_superblock, "Bad magic number in super-block"),
            (inconsistent, "Inode 12 has illegal block(s)."),
            (below, "resize inode not valid"),
            ("", ""),
        ] {
            assert_eq!(complaint(said), what);
        }
    }
}
