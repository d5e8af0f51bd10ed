//! Copying a tree as it is, in parallel: owners, modes, times, extended attributes and ACLs, hard links, holes, links,
//! pipes, sockets and whiteouts.
//!
//! Device files are left out, since root must make none for an app, and what is mounted in the tree is not entered.

mod file;
mod links;

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, mkdirat, mknodat, readlinkat,
    statat, symlinkat,
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::domain::Made;
use crate::fs::tree::copy::file::{Buffers, Shared};
pub(super) use crate::fs::tree::copy::file::{copy_attributes, copy_file, times};
use crate::fs::tree::copy::links::{Links, Original};
use crate::fs::tree::descent::{Directory, identity};
use crate::fs::tree::walk::{At, Met, Visitor, walk};
use crate::fs::tree::{
    BENEATH, is_one_of, open_any_directory, open_below, open_directory, path_of,
};

/// How often a name is tried again that became something else meanwhile.
const TRIES: u32 = 3;

/// After how many files it is said how many there were.
const SAID_EVERY: u64 = 64;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copied {
    /// Files, directories and links; none where the file system made a snapshot.
    pub files: u64,
    /// How many bytes the files have, without their holes.
    pub bytes: u64,
    /// Device files, and what is mounted in the tree.
    pub left_out: u64,
    /// Extended attributes that could not be kept.
    pub lost: u64,
    /// Files that have a set-uid or a set-gid bit which their copies have not.
    pub weakened: u64,
    /// How.
    pub made: Made,
}

/// To whom copies belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owners {
    /// To whom the originals belong.
    Kept,
    /// The same, without what gives rights: set-uid bits, set-gid bits of files, and whiteouts, which are devices.
    KeptWithoutRights,
    /// To the caller, which takes set-uid and set-gid bits away.
    Callers,
}

impl Owners {
    pub(super) fn are_kept(self) -> bool {
        self != Self::Callers
    }

    /// The mode that a copy has.
    fn mode(self, stat: &Stat) -> Mode {
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let bits = match self {
            Self::Kept => 0o7777,
            // A directory hands its group on: that gives nobody more rights.
            Self::KeptWithoutRights if is_directory => 0o3777,
            Self::KeptWithoutRights | Self::Callers => 0o1777,
        };
        Mode::from_raw_mode(stat.st_mode & bits)
    }
}

/// Copies all that is in `from`, and what `from` itself is, into the empty directory `to`, which nobody else can enter: it
/// takes its owner and its mode last.
pub(super) fn copy(
    from: OwnedFd,
    to: OwnedFd,
    owners: Owners,
    progress: &(dyn Fn(u64) + Sync),
) -> io::Result<Copied> {
    file::forget_acls(&to)?;
    let copying = Copying {
        owners,
        progress,
        top: from.try_clone()?,
        identity: identity(&from)?,
        links: Links::below(to.try_clone()?)?,
        files: AtomicU64::new(0),
        cannot_share: AtomicBool::new(false),
    };
    let ended = walk(Directory { opened: from, copy: Some(to) }, &copying)?;
    let (mut copied, mut is_shared, mut has_own_blocks) = (Copied::default(), false, false);
    for own in ended {
        copied.bytes += own.copied.bytes;
        copied.left_out += own.copied.left_out;
        copied.lost += own.copied.lost;
        copied.weakened += own.copied.weakened;
        is_shared |= own.has_shared_blocks;
        has_own_blocks |= own.has_own_blocks;
    }
    let stat = fstat(&copying.top)?;
    let top_of_copy = copying.links.end()?;
    copied.lost += Buffers::default().finish(&copying.top, &top_of_copy, &stat, owners)?;
    copied.files = copying.files.into_inner();
    copied.made = if is_shared && !has_own_blocks { Made::Reflink } else { Made::Copy };
    Ok(copied)
}

struct Copying<'a> {
    owners: Owners,
    progress: &'a (dyn Fn(u64) + Sync),
    top: OwnedFd,
    identity: (u64, u64),
    links: Links,
    files: AtomicU64,
    /// Whether it was found out that the file systems share no blocks.
    cannot_share: AtomicBool,
}

/// What one thread did, and room for what it reads.
#[derive(Default)]
struct Own {
    buffers: Buffers,
    copied: Copied,
    has_shared_blocks: bool,
    has_own_blocks: bool,
}

/// A directory, and its copy.
type Pair<'a> = [BorrowedFd<'a>; 2];

/// What became of a name.
enum Done {
    /// It was copied, is left out, or is not there any more.
    Yes,
    /// It is of this kind.
    Is(FileType),
}

impl Visitor for Copying<'_> {
    type Own = Own;

    /// Opens a directory and its copy. It was there when its copy was made; what is there now is what is copied.
    fn open(&self, above: &Directory, name: &CStr, own: &mut Own) -> io::Result<Option<Directory>> {
        let opened = match open_directory(&above.opened, name) {
            Err(error) => return self.passed(error, own).map(|()| None),
            Ok(opened) => opened,
        };
        let copy = open_any_directory(&above.copy()?, name)?;
        Ok(Some(Directory { opened, copy: Some(copy) }))
    }

    /// Copies what has a name in a directory; of a directory, only the name.
    fn name(&self, met: Met<'_>, own: &mut Own) -> io::Result<bool> {
        let Met { directory, name, mut kind } = met;
        let (from, to) = (directory.opened.as_fd(), directory.copy()?);
        for _ in 0..TRIES {
            let done = match kind {
                FileType::Directory => {
                    mkdirat(to, name, Mode::RWXU)?;
                    return Ok(true);
                }
                FileType::RegularFile => self.file([from, to], name, own)?,
                _ => self.by_name([from, to], name, own)?,
            };
            match done {
                Done::Yes => return Ok(false),
                // It became something else meanwhile.
                Done::Is(other) => kind = other,
            }
        }
        Err(io::Error::other("it is replaced again and again; stop what writes there"))
    }

    /// Finishes a directory: nothing changes its times any more. The top is finished last of all.
    fn was_read(&self, directory: &Directory, own: &mut Own) -> io::Result<()> {
        let stat = fstat(&directory.opened)?;
        let is_top = (stat.st_dev, stat.st_ino) == self.identity;
        let lost = if is_top {
            0
        } else {
            own.buffers.finish(&directory.opened, &directory.copy()?, &stat, self.owners)?
        };
        self.add(lost, own);
        Ok(())
    }

    fn failed(&self, at: At<'_>, error: io::Error, _: &mut Own) -> io::Result<()> {
        let Some((directory, name)) = at else { return Err(error) };
        let path = self.path_of(directory, name);
        Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }
}

impl Copying<'_> {
    fn add(&self, lost: u64, own: &mut Own) {
        own.copied.lost += lost;
        let before = self.files.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(SAID_EVERY) {
            (self.progress)(before + 1);
        }
    }

    /// Passes what is gone, and leaves out what is mounted.
    fn passed(&self, error: io::Error, own: &mut Own) -> io::Result<()> {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => Ok(()),
            Some(Errno::XDEV) => {
                own.copied.left_out += 1;
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Where a name is, from the top; the name alone where its directory is not in the tree any more.
    fn path_of(&self, directory: &Directory, name: &CStr) -> PathBuf {
        let path = |opened: &OwnedFd| std::fs::read_link(path_of(opened));
        let (top, above) = (path(&self.top).unwrap_or_default(), path(&directory.opened));
        let above = above.unwrap_or_default();
        above
            .strip_prefix(top)
            .unwrap_or("".as_ref())
            .join(std::ffi::OsStr::from_bytes(name.to_bytes()))
    }

    fn file(&self, [from, to]: Pair<'_>, name: &CStr, own: &mut Own) -> io::Result<Done> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let source = match open_below(&from, name, flags, BENEATH | ResolveFlags::NO_XDEV) {
            Ok(source) => File::from(source),
            Err(error) if is_one_of(&error, &[Errno::LOOP, Errno::NXIO]) => {
                return Ok(Done::Is(FileType::Unknown));
            }
            Err(error) => return self.passed(error, own).map(|()| Done::Yes),
        };
        let stat = fstat(&source)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::RegularFile {
            return Ok(Done::Is(kind));
        }
        let create = || file::create(to, name);
        let original = Original::Opened(source.as_fd());
        let Some(target) = self.links.first(original, &stat, (to, name), create)? else {
            self.add(0, own);
            return Ok(Done::Yes);
        };
        let try_sharing = !self.cannot_share.load(Ordering::Relaxed);
        let shared = own.buffers.data(&source, &target, &stat, try_sharing)?;
        if stat.st_size > 0 {
            own.has_shared_blocks |= shared == Shared::Yes;
            own.has_own_blocks |= shared != Shared::Yes;
            self.cannot_share.fetch_or(shared == Shared::Never, Ordering::Relaxed);
        }
        let in_blocks = stat.st_blocks.saturating_mul(512);
        own.copied.bytes += u64::try_from(stat.st_size.min(in_blocks)).unwrap_or(0);
        let lost = own.buffers.finish(&source, &target, &stat, self.owners)?;
        let is_weakened = Mode::from_raw_mode(stat.st_mode) != self.owners.mode(&stat);
        own.copied.weakened += u64::from(is_weakened);
        self.add(lost, own);
        Ok(Done::Yes)
    }

    /// Copies what cannot be opened.
    fn by_name(&self, [from, to]: Pair<'_>, name: &CStr, own: &mut Own) -> io::Result<Done> {
        let stat = match statat(from, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(Done::Yes),
            stat => stat?,
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Ok(Done::Is(kind));
        }
        let is_link = kind == FileType::Symlink;
        let is_left_out = !is_harmless(kind, &stat)
            || (kind == FileType::CharacterDevice && self.owners == Owners::KeptWithoutRights);
        if !is_link && is_left_out {
            own.copied.left_out += 1;
            return Ok(Done::Yes);
        }
        let leads_to = match is_link.then(|| readlinkat(from, name, Vec::new())).transpose() {
            Err(Errno::NOENT) => return Ok(Done::Yes),
            Err(Errno::INVAL) => return Ok(Done::Is(FileType::Unknown)),
            leads_to => leads_to?,
        };
        let create = || match &leads_to {
            Some(leads_to) => Ok(symlinkat(leads_to, to, name)?),
            None => Ok(mknodat(to, name, kind, Mode::RUSR | Mode::WUSR, 0)?),
        };
        let original = Original::Named(from, name);
        let lost = match self.links.first(original, &stat, (to, name), create)? {
            Some(()) => own.buffers.finish_by_name([from, to], name, &stat, self.owners)?,
            None => 0,
        };
        self.add(lost, own);
        Ok(Done::Yes)
    }
}

/// Whether anybody could make it: a pipe, a socket, or a whiteout, by which a layer of an image says that a file is gone.
fn is_harmless(kind: FileType, stat: &Stat) -> bool {
    match kind {
        FileType::Fifo | FileType::Socket => true,
        FileType::CharacterDevice => stat.st_rdev == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use rustix::fs::Mode;

    use crate::fs::tree::DIRECTORY;

    fn copied(from: &Path, to: &Path) -> Copied {
        let open = |path: &Path| rustix::fs::open(path, DIRECTORY, Mode::empty()).unwrap();
        copy(open(from), open(to), Owners::Kept, &|_| {}).unwrap()
    }

    /// Two directories, and what both are in.
    fn places() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| root.path().join(name));
        for directory in [&from, &to] {
            fs::create_dir(directory).unwrap();
        }
        (root, from, to)
    }

    fn counted(tree: &Path) -> u64 {
        super::super::usage(File::open(tree).unwrap().into()).unwrap().files
    }

    /// The longest that the clock for files stands still: what is as young has a copy for each name.
    const TICK: std::time::Duration = std::time::Duration::from_millis(12);

    #[test]
    fn what_is_put_in_the_place_of_a_pipe_stays_as_it_is() {
        let (root, from, to) = places();
        let outside = root.path().join("outside");
        fs::write(&outside, "").unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o600)).unwrap();
        let directory = |path: &Path| File::open(path).unwrap();
        let (from, to) = (directory(&from), directory(&to));
        mknodat(&from, c"pipe", FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
        symlinkat(&outside, &to, c"pipe").unwrap();
        let stat = statat(&from, c"pipe", AtFlags::SYMLINK_NOFOLLOW).unwrap();
        let pair = [from.as_fd(), to.as_fd()];
        let done = Buffers::default().finish_by_name(pair, c"pipe", &stat, Owners::Kept);
        assert!(done.is_err());
        assert_eq!(fs::metadata(&outside).unwrap().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_copy_is_like_its_original() {
        let (_root, from, to) = places();
        fs::create_dir_all(from.join("deep/er")).unwrap();
        fs::write(from.join("deep/er/file"), b"content").unwrap();
        fs::set_permissions(from.join("deep/er/file"), fs::Permissions::from_mode(0o4711)).unwrap();
        fs::hard_link(from.join("deep/er/file"), from.join("second name")).unwrap();
        std::thread::sleep(TICK);
        symlink("/nowhere", from.join("link")).unwrap();
        let sparse = File::create(from.join("sparse")).unwrap();
        sparse.set_len(64 << 20).unwrap();
        sparse.write_all_at(b"end", (64 << 20) - 3).unwrap();
        fs::set_permissions(from.join("deep"), fs::Permissions::from_mode(0o2751)).unwrap();
        let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        File::open(from.join("deep/er")).unwrap().set_times(old).unwrap();

        let done = copied(&from, &to);
        assert_eq!((done.files, done.left_out, done.lost), (7, 0, 0));

        let seen = |name: &str| fs::symlink_metadata(to.join(name)).unwrap();
        assert_eq!(fs::read(to.join("deep/er/file")).unwrap(), b"content");
        assert_eq!(seen("deep/er/file").mode() & 0o7777, 0o4711);
        assert_eq!(seen("deep/er/file").ino(), seen("second name").ino());
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/nowhere"));
        assert_eq!(seen("deep").mode() & 0o7777, 0o2751);
        assert_eq!(seen("deep/er").mtime(), 0);
        assert_eq!(seen("sparse").len(), 64 << 20);
        assert!(seen("sparse").blocks() * 512 < 1 << 20, "the holes were filled");
    }

    #[test]
    fn a_very_deep_tree_is_copied_with_few_descriptors() {
        let (root, from, to) = places();
        let mut path = from.clone();
        for _ in 0..200 {
            path.push("d");
            fs::create_dir_all(&path).unwrap();
            for beside in 0..50 {
                let beside = path.join(format!("{beside}"));
                if path.as_os_str().len() % 3 == 0 {
                    fs::create_dir(beside)
                } else {
                    fs::write(beside, "x")
                }
                .unwrap();
            }
        }
        let expected = 1 + 200 * 51;
        assert_eq!(copied(&from, &to).files, expected);
        assert_eq!(counted(&to), expected);
        super::super::remove(root.path(), "to").unwrap();
        assert!(!to.exists());
    }

    #[test]
    fn a_directory_of_many_directories_is_read_part_by_part() {
        let (root, from, to) = places();
        // Deep enough that the directory is closed and opened again while its directories are visited.
        let deep = from.join("1/2/3");
        let mut expected = 4;
        for number in 0..3000 {
            let directory =
                deep.join(format!("a directory with a long name, which is number {number}"));
            let is_deep = number % 300 == 0;
            let below = if is_deep { "1/2/3/4/5/6/7/8/9/10/11/12/13" } else { "" };
            fs::create_dir_all(directory.join(below)).unwrap();
            expected += if is_deep { 14 } else { 1 };
        }
        let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        File::open(&deep).unwrap().set_times(old).unwrap();
        assert_eq!(copied(&from, &to).files, expected);
        assert_eq!(fs::metadata(to.join("1/2/3")).unwrap().mtime(), 0);
        assert_eq!((counted(&from), counted(&to)), (expected, expected));
        let (uid, gid) = (users::get_effective_uid(), users::get_effective_gid());
        let depth = super::super::Depth::Tree;
        let owned =
            super::super::own(File::open(&to).unwrap().into(), "to", uid, gid, depth, &|_| {})
                .unwrap();
        assert_eq!(owned.seen, expected);
        super::super::remove(root.path(), "to").unwrap();
        assert!(!to.exists());
    }

    #[test]
    fn many_files_are_copied_by_several_threads_with_their_links_and_times() {
        let (_root, from, to) = places();
        let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        for directory in 0..60 {
            let directory = from.join(format!("{}/{directory}", directory % 7));
            fs::create_dir_all(&directory).unwrap();
            for file in 0..20 {
                fs::write(directory.join(format!("{file}")), format!("{file}")).unwrap();
            }
            fs::hard_link(directory.join("3"), from.join(directory.file_name().unwrap())).ok();
            File::open(&directory).unwrap().set_times(old).unwrap();
        }
        std::thread::sleep(TICK);
        let done = copied(&from, &to);
        let links = 60 - 7;
        assert_eq!((counted(&from), counted(&to)), (done.files - links, done.files - links));
        for directory in 0..60 {
            let place = to.join(format!("{}/{directory}", directory % 7));
            assert_eq!(fs::metadata(&place).unwrap().mtime(), 0, "{}", place.display());
            let linked = fs::metadata(to.join(format!("{directory}"))).unwrap();
            if linked.is_file() {
                assert_eq!(linked.ino(), fs::metadata(place.join("3")).unwrap().ino());
            }
        }
    }

    #[test]
    fn capabilities_attributes_and_acls_are_kept_and_none_are_inherited() {
        if !crate::host::users::is_root() {
            return;
        }
        let (_root, from, to) = places();
        fs::write(from.join("able"), "x").unwrap();
        fs::write(from.join("plain"), "x").unwrap();
        std::os::unix::fs::chown(from.join("able"), Some(1000), Some(1000)).unwrap();
        // cap_net_raw, in the second version of the attribute.
        let able = [0, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        // One entry for a user of its own beside those of the mode.
        let mut acl = 2_u32.to_le_bytes().to_vec();
        for (tag, bits, id) in [
            (1_u16, 6_u16, u32::MAX),
            (2, 6, 4321),
            (4, 4, u32::MAX),
            (16, 6, u32::MAX),
            (32, 4, u32::MAX),
        ] {
            acl.extend(tag.to_le_bytes());
            acl.extend(bits.to_le_bytes());
            acl.extend(id.to_le_bytes());
        }
        let set = |path: &Path, name: &str, value: &[u8]| {
            rustix::fs::setxattr(path, name, value, rustix::fs::XattrFlags::empty())
        };
        set(&from.join("able"), "security.capability", &able).unwrap();
        let knows_acls = set(&from.join("able"), "system.posix_acl_access", &acl).is_ok();
        let _ = set(&to, "system.posix_acl_default", &acl);
        assert_eq!(copied(&from, &to).lost, 0);
        let get = |name: &str, key: &str| {
            let mut value = [0; 256];
            rustix::fs::getxattr(to.join(name), key, &mut value[..])
                .map(|length| value[..length].to_vec())
        };
        assert_eq!(get("able", "security.capability").unwrap(), able);
        assert_eq!(fs::metadata(to.join("able")).unwrap().uid(), 1000);
        if knows_acls {
            assert_eq!(get("able", "system.posix_acl_access").unwrap(), acl);
            assert!(get("plain", "system.posix_acl_access").is_err(), "an ACL was inherited");
            assert!(get(".", "system.posix_acl_default").is_err(), "an ACL was inherited");
        }
    }
}
