//! Hard links of a copy: nothing is remembered of them, but in the copy itself.
//!
//! A file with several names gets one more by its inode when its first name is copied, in a directory at the top of the copy that is there
//! only meanwhile. The next names are links to that one, and the last takes its place. So neither many files nor long
//! paths take memory, no path is gone again, and threads need not wait for each other.

use std::ffi::{CStr, CString};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::fs::{
    AtFlags, Mode, RenameFlags, Stat, linkat, mkdirat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use crate::fs::tree::descent::Reader;
use crate::fs::tree::open_directory;

/// The files with several names.
pub(super) struct Links {
    top: OwnedFd,
    /// What the directory there is called: no name of the tree that is copied, since nobody can guess it.
    name: CString,
    index: OnceLock<OwnedFd>,
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
        to: BorrowedFd<'_>,
        name: &CStr,
        stat: &Stat,
        create: impl Fn() -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        if stat.st_nlink < 2 {
            return create().map(Some);
        }
        let index = self.index()?;
        let file = CString::new(format!("{:x}-{:x}", stat.st_dev, stat.st_ino))?;
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

    #[test]
    fn names_of_one_file_are_linked_and_nothing_else_is_left() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        let target = OwnedFd::from(fs::File::open(&to).unwrap());
        let links = Links::below(target.try_clone().unwrap()).unwrap();
        for number in 0..200 {
            let path = from.join(format!("{number}"));
            fs::write(&path, "").unwrap();
            // Of every tenth, one name is not in the tree.
            let names = ["a", "b", "c"].map(|name| format!("{name}{number}"));
            for name in &names[..if number % 10 == 0 { 3 } else { 2 }] {
                fs::hard_link(&path, from.join(name)).unwrap();
            }
            fs::remove_file(&path).unwrap();
            let stat = rustix::fs::stat(from.join(&names[0])).unwrap();
            for (at, name) in names[..2].iter().enumerate() {
                let create = || fs::write(to.join(name), name);
                let c_name = CString::new(name.clone()).unwrap();
                let made = links.first(target.as_fd(), &c_name, &stat, create).unwrap();
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
            let links = Links::below(target.try_clone().unwrap()).unwrap();
            std::thread::scope(|scope| {
                for name in 0..4 {
                    let (links, target) = (&links, &target);
                    let to = to.join(format!("{round}-{name}"));
                    scope.spawn(move || {
                        let name = CString::new(format!("{round}-{name}")).unwrap();
                        links.first(target.as_fd(), &name, &stat, || fs::write(&to, "")).unwrap();
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
