//! Who is at work on what: locks that end with their holder, however that ends.
//!
//! The store's lock is held for moments, never while Docker, a copy or mkfs runs. What takes long holds a lock of its
//! own: one byte of the file `data/storage-registry/.work`, whose place follows from a name. So there is one file for all
//! names, which is never written, replaced or removed. The locks belong to the open file (`F_OFD_SETLK`, fcntl(2)): they
//! end with it, and nobody looks into `/proc` to learn who is alive.
//!
//! A command takes the lock of an entry alone ([`Store::work_alone`]). A command and the helper that it calls hold the
//! lock of a staged directory side by side ([`Store::work_beside`]): as long as one of them is at work, nobody clears
//! the directory away.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::files::{self, DIRECTORY_MODE};
use super::{Rights, Store, journal};
use crate::domain::{Error, Result, number_of};
use crate::host::terminal;

/// The names that this process has alone. The kernel would have it wait for itself.
static ALONE: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub(crate) struct Work {
    file: Option<File>,
    alone: Option<String>,
}

impl Work {
    /// Has the programs that this process starts hold it as well, until they end.
    pub(crate) fn pass_on(&self) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty())
            .map_err(|error| Error::refused(format!("a lock cannot be passed on: {error}")))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(name) = &self.alone {
            held().retain(|held| held != name);
        }
    }
}

fn held() -> std::sync::MutexGuard<'static, Vec<String>> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Takes a name for this process alone; `None` where somebody is at work on it. What this process has already it
    /// has once more.
    pub(crate) fn work_alone(&self, name: &str) -> Result<Option<Work>> {
        if held().iter().any(|held| held == name) {
            return Ok(Some(Work { file: None, alone: None }));
        }
        let Some(file) = self.locked(name, libc::F_WRLCK)? else {
            return Ok(None);
        };
        held().push(name.to_owned());
        terminal::end_where_it_stands_still(|| !held().is_empty());
        Ok(Some(Work { file: Some(file), alone: Some(name.to_owned()) }))
    }

    /// Takes a name beside others that are at work on it.
    pub(crate) fn work_beside(&self, name: &str) -> Result<Work> {
        match self.locked(name, libc::F_RDLCK)? {
            Some(file) => Ok(Work { file: Some(file), alone: None }),
            None => {
                Err(refusal!("{name} is being removed by another command; run the command again"))
            }
        }
    }

    /// Whether somebody, this process included, is at work on a name.
    pub(crate) fn is_at_work(&self, name: &str) -> Result<bool> {
        let path = self.layout().work();
        let file = match File::options().read(true).write(true).open(&path) {
            // Nobody ever was.
            Err(error) if files::is_absent(&error) => return Ok(false),
            opened => opened.map_err(Error::system("open", &path))?,
        };
        let mut range = range(name, libc::F_WRLCK);
        fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut range))
            .map_err(Error::system("look at", path))?;
        Ok(i32::from(range.l_type) != libc::F_UNLCK)
    }

    fn locked(&self, name: &str, kind: i32) -> Result<Option<File>> {
        let path = self.layout().work();
        self.make_own_directories()?;
        let _rights = Rights::of(self.owner(), self.layout())?;
        for directory in &files::way_to(&self.layout().registry()).0 {
            files::make_directory(directory, self.owner(), DIRECTORY_MODE)?;
        }
        let file = journal::open(&path, self.owner()).map_err(Error::system("open", &path))?;
        let range = range(name, kind);
        loop {
            match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&range)) {
                Ok(_) => return Ok(Some(file)),
                Err(Errno::EAGAIN | Errno::EACCES) => return Ok(None),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(Error::system("lock", path)(error)),
            }
        }
    }
}

fn range(name: &str, kind: i32) -> libc::flock {
    libc::flock {
        l_type: libc::c_short::try_from(kind).unwrap_or_default(),
        l_whence: libc::c_short::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: place(name),
        l_len: 1,
        l_pid: 0,
    }
}

/// Where a name's byte is. Two names at one place would wait for each other, and no more.
fn place(name: &str) -> i64 {
    i64::try_from(number_of(name.as_bytes()) >> 2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::layout::Layout;
    use crate::store::Owner;

    #[test]
    fn one_alone_or_several_beside_each_other() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(Layout::new(root.path().to_owned()), Owner::caller(), None);
        let first = store.work_beside("box").unwrap();
        let second = store.work_beside("box").unwrap();
        assert!(store.work_alone("box").unwrap().is_none());
        assert!(store.work_alone("other").unwrap().is_some());
        assert!(store.is_at_work("box").unwrap() && !store.is_at_work("other").unwrap());
        drop((first, second));
        assert!(!store.is_at_work("box").unwrap());
        let alone = store.work_alone("box").unwrap();
        assert!(alone.is_some() && store.work_beside("box").is_err());
        // This process has it already.
        drop(store.work_alone("box").unwrap());
        assert!(store.work_beside("box").is_err());
        drop(alone);
        assert!(store.work_beside("box").is_ok());
    }
}
