//! Hard links of a copy: nothing is remembered of them, but in the copy itself.
//!
//! A file with several names gets one more by its inode when its first name is copied, in a directory at the top of the copy that is there
//! only meanwhile. The next names are links to that one, and the last takes its place. So neither many files nor long
//! paths take memory, no path is gone again, and threads need not wait for each other.
//!
//! The number of an inode is another file's as soon as the first is gone: a file is known by when it was made, too. File systems
//! date by a clock that ticks coarsely, so one that was made in this tick is waited for: no other of its number can be made in
//! a tick that it outlives.

use std::ffi::{CStr, CString};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::fs::{
    AtFlags, Mode, RenameFlags, Stat, StatxFlags, linkat, mkdirat, renameat_with, statat, statx,
    unlinkat,
};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_getres, clock_gettime};

use crate::fs::tree::descent::Reader;
use crate::fs::tree::{birth, open_directory};

/// The files with several names.
pub(super) struct Links {
    top: OwnedFd,
    /// What the directory there is called: no name of the tree that is copied, since nobody can guess it.
    name: CString,
    index: OnceLock<OwnedFd>,
}

/// What a file is: as it was opened, or a name in a directory where it cannot be opened.
#[derive(Clone, Copy)]
pub(super) enum Original<'a> {
    Opened(BorrowedFd<'a>),
    Named(BorrowedFd<'a>, &'a CStr),
}

impl Links {
    /// None yet, of a copy with this top.
    pub(super) fn below(top: OwnedFd) -> io::Result<Self> {
        let random = RandomState::new().build_hasher().finish();
        let name = CString::new(format!(".links-{random:016x}"))?;
        Ok(Self { top, name, index: OnceLock::new() })
    }

    /// Makes a file by its first name and returns what was made. By each other name it becomes a link to the first, and
    /// nothing is returned.
    pub(super) fn first<T>(
        &self,
        original: Original<'_>,
        stat: &Stat,
        (to, name): (BorrowedFd<'_>, &CStr),
        create: impl Fn() -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        if stat.st_nlink < 2 {
            return create().map(Some);
        }
        let Some(file) = identity(original, stat)? else {
            return create().map(Some);
        };
        let index = self.index()?;
        while !is_linked(index, &file, to, name, stat)? {
            let made = create()?;
            match linkat(to, name, index, &file, AtFlags::empty()) {
                // A file that can have no more names is one for itself.
                Ok(()) | Err(Errno::MLINK) => return Ok(Some(made)),
                // Another thread was here meanwhile by another name.
                Err(Errno::EXIST) => unlinkat(to, name, AtFlags::empty())?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn index(&self) -> io::Result<&OwnedFd> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        match mkdirat(&self.top, &self.name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let opened = open_directory(&self.top, &self.name)?;
        Ok(self.index.get_or_init(|| opened))
    }

    /// Takes the names away that were for the time of the copying, and returns the top of the copy.
    pub(super) fn end(self) -> io::Result<OwnedFd> {
        if let Some(index) = self.index.get() {
            Reader::default().read(0, index, |name, _| {
                unlinkat(index, name, AtFlags::empty())?;
                Ok(false)
            })?;
            unlinkat(&self.top, &self.name, AtFlags::REMOVEDIR)?;
        }
        Ok(self.top)
    }
}

/// What tells a file from those that have its number before or after it; none of one that is dated later than now.
fn identity(original: Original<'_>, stat: &Stat) -> io::Result<Option<CString>> {
    let wanted = StatxFlags::INO | StatxFlags::BTIME | StatxFlags::CTIME;
    let tick = clock_getres(ClockId::RealtimeCoarse).tv_nsec.clamp(1, 10_000_000);
    loop {
        // Before the file is looked at: it is there at a later time than this.
        let now = clock_gettime(ClockId::RealtimeCoarse);
        let found = match original {
            Original::Opened(file) => statx(file, c"", AtFlags::EMPTY_PATH, wanted),
            Original::Named(at, name) => statx(at, name, AtFlags::SYMLINK_NOFOLLOW, wanted),
        };
        let found = match found {
            Err(Errno::NOENT) => return Ok(None),
            found => found?,
        };
        // Where a file system does not note when a file was made, its last change is later.
        let made = birth(&found).unwrap_or(found.stx_ctime);
        let (seconds, rest) = (made.tv_sec, i64::from(made.tv_nsec));
        let ahead = (i128::from(seconds) - i128::from(now.tv_sec)) * 1_000_000_000
            + i128::from(rest - now.tv_nsec);
        if found.stx_ino != stat.st_ino || ahead > 2 * i128::from(tick) {
            return Ok(None);
        }
        if ahead < 0 {
            let (device, number) = (stat.st_dev, stat.st_ino);
            return Ok(Some(CString::new(format!("{device:x}-{number:x}-{seconds:x}-{rest:x}"))?));
        }
        std::thread::sleep(Duration::from_nanos(tick.unsigned_abs()));
    }
}

/// Makes a name a link to what is copied of a file; false where nothing is.
fn is_linked(
    index: &OwnedFd,
    file: &CStr,
    to: BorrowedFd<'_>,
    name: &CStr,
    stat: &Stat,
) -> io::Result<bool> {
    let known = match statat(index, file, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(false),
        known => known?,
    };
    let is_last = known.st_nlink >= stat.st_nlink;
    let mut linked = Err(Errno::MLINK);
    if !is_last {
        linked = linkat(index, file, to, name, AtFlags::empty());
    }
    // Where it has as many names as it can have, this is the last one, too.
    if linked == Err(Errno::MLINK) {
        linked = renameat_with(index, file, to, name, RenameFlags::NOREPLACE);
    }
    match linked {
        Err(Errno::NOENT) => Ok(false),
        linked => linked.map(|()| true).map_err(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn links(target: &OwnedFd) -> Links {
        Links::below(target.try_clone().unwrap()).unwrap()
    }

    #[test]
    fn a_number_that_is_used_again_is_another_file() {
        let root = tempfile::tempdir().unwrap();
        let to = root.path().join("to");
        fs::create_dir(&to).unwrap();
        let target = OwnedFd::from(fs::File::open(&to).unwrap());
        let links = links(&target);
        let (one, other) = (root.path().join("one"), root.path().join("other"));
        for round in 0..100 {
            fs::write(&one, "").unwrap();
            fs::hard_link(&one, &other).unwrap();
            let original = fs::File::open(&one).unwrap();
            let stat = rustix::fs::fstat(&original).unwrap();
            let name = CString::new(format!("{round}")).unwrap();
            let place = (target.as_fd(), &*name);
            let create = || fs::write(to.join(format!("{round}")), "");
            let original = Original::Opened(original.as_fd());
            let made = links.first(original, &stat, place, create).unwrap();
            assert!(made.is_some(), "{round}");
            fs::remove_file(&one).unwrap();
            fs::remove_file(&other).unwrap();
        }
    }

    #[test]
    fn names_of_one_file_are_linked_and_nothing_else_is_left() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        let target = OwnedFd::from(fs::File::open(&to).unwrap());
        let names = |number: i32| ["a", "b", "c"].map(|name| format!("{name}{number}"));
        for number in 0..200 {
            let path = from.join(format!("{number}"));
            fs::write(&path, "").unwrap();
            // Of every tenth, one name is not in the tree.
            for name in &names(number)[..if number % 10 == 0 { 3 } else { 2 }] {
                fs::hard_link(&path, from.join(name)).unwrap();
            }
            fs::remove_file(&path).unwrap();
        }
        let links = links(&target);
        for number in 0..200 {
            let names = names(number);
            let stat = rustix::fs::stat(from.join(&names[0])).unwrap();
            for (at, name) in names[..2].iter().enumerate() {
                let create = || fs::write(to.join(name), name);
                let c_name = CString::new(name.clone()).unwrap();
                let original = fs::File::open(from.join(name)).unwrap();
                let original = Original::Opened(original.as_fd());
                let place = (target.as_fd(), &*c_name);
                let made = links.first(original, &stat, place, create).unwrap();
                assert_eq!(made.is_some(), at == 0, "{name}");
            }
        }
        links.end().unwrap();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 400);
        for number in 0..200 {
            let found = |name: &str| fs::metadata(to.join(format!("{name}{number}"))).unwrap();
            assert_eq!((found("a").ino(), found("a").nlink()), (found("b").ino(), 2));
        }
    }

    #[test]
    fn a_file_that_was_just_made_keeps_its_names() {
        let root = tempfile::tempdir().unwrap();
        let target = OwnedFd::from(fs::File::open(root.path()).unwrap());
        for round in 0..20 {
            let names = ["from", "other"].map(|name| format!("{name}{round}"));
            let paths = names.each_ref().map(|name| root.path().join(name));
            fs::write(&paths[0], "").unwrap();
            fs::hard_link(&paths[0], &paths[1]).unwrap();
            let links = links(&target);
            for (at, path) in paths.iter().enumerate() {
                let original = fs::File::open(path).unwrap();
                let stat = rustix::fs::fstat(&original).unwrap();
                let name = CString::new(format!("to{at}-{round}")).unwrap();
                let place = (target.as_fd(), &*name);
                let create = || fs::write(root.path().join(name.to_str().unwrap()), "");
                let original = Original::Opened(original.as_fd());
                let made = links.first(original, &stat, place, create).unwrap();
                assert_eq!(made.is_some(), at == 0, "{round}");
            }
            links.end().unwrap();
        }
    }

    #[test]
    fn threads_that_meet_one_file_make_it_once() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir(&to).unwrap();
        let target = OwnedFd::from(fs::File::open(&to).unwrap());
        for round in 0..200 {
            fs::write(&from, "").unwrap();
            for name in 1..4 {
                fs::hard_link(&from, root.path().join(format!("{name}"))).unwrap();
            }
            let stat = rustix::fs::stat(&from).unwrap();
            let original = fs::File::open(&from).unwrap();
            let links = links(&target);
            std::thread::scope(|scope| {
                for name in 0..4 {
                    let (links, target) = (&links, &target);
                    let original = Original::Opened(original.as_fd());
                    let to = to.join(format!("{round}-{name}"));
                    scope.spawn(move || {
                        let name = CString::new(format!("{round}-{name}")).unwrap();
                        let place = (target.as_fd(), &*name);
                        links.first(original, &stat, place, || fs::write(&to, "")).unwrap();
                    });
                }
            });
            links.end().unwrap();
            assert_eq!(fs::metadata(to.join(format!("{round}-0"))).unwrap().nlink(), 4);
            for name in 0..4 {
                let name = if name == 0 { "from".to_owned() } else { format!("{name}") };
                fs::remove_file(root.path().join(name)).unwrap();
            }
        }
    }
}
