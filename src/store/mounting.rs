//! What Docker is about to mount: Dokku asks for an app's mounts, and its container is there a moment later.
//!
//! Each such path is a symbolic link below `data/storage-registry/.mounting`: it is made in one step, and its time is the one until
//! which it counts, since the host was started: the clock may be set meanwhile. It is noted with the store's lock: whoever puts data in place after that sees it, and whoever did before has what
//! is there judged by who notes it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use sha1::{Digest, Sha1};

use super::files::{self, DIRECTORY_MODE};
use super::{Rights, Store};
use crate::domain::{AppName, Error, Result};
use crate::host::clock;

/// How long a path counts that a builder mounts: it may get its image first.
pub(crate) const BUILDING: Duration = Duration::from_secs(60 * 60);

/// The same for a container whose image is there.
pub(crate) const STARTING: Duration = Duration::from_secs(5 * 60);

impl Store {
    /// Notes that Docker may mount these paths for an app within a time from now.
    pub(crate) fn note_mounting(
        &self,
        app: &AppName,
        paths: &[String],
        within: Duration,
    ) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        let directory = self.layout().mounting();
        self.change(|change| {
            let store = change.store();
            let _rights = Rights::of(store.owner(), store.layout())?;
            files::make_directory(&directory, store.owner(), DIRECTORY_MODE)?;
            let until = now() + within;
            for (link, ends) in noted(&directory)? {
                if !counts(ends) {
                    files::unless_absent(std::fs::remove_file(&link))
                        .map_err(Error::system("remove", link))?;
                }
            }
            for path in paths {
                let name = format!("{:x}", Sha1::digest(path));
                let link = directory.join(format!("{name}.{app}"));
                let until = match std::os::unix::fs::symlink(path, &link) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        until.max(end(&link).map_err(Error::system("look at", &link))?)
                    }
                    made => made.map(|()| until).map_err(Error::system("create", &link))?,
                };
                ends_at(&link, until).map_err(Error::system("write", &link))?;
            }
            Ok(())
        })
    }

    /// The paths that Docker may be about to mount, each with its app.
    pub(crate) fn being_mounted(&self) -> Result<Vec<(AppName, String)>> {
        let directory = self.layout().mounting();
        let mut paths = Vec::new();
        for (link, ends) in noted(&directory)? {
            let name = link.file_name().and_then(|name| name.to_str()?.split_once('.'));
            let app = name.and_then(|(_, app)| AppName::parse(app).ok());
            if let Some(app) = app.filter(|_| counts(ends)) {
                match std::fs::read_link(&link) {
                    Err(error) if files::is_absent(&error) => {}
                    path => {
                        let path = path.map_err(Error::system("read", link))?;
                        paths.push((app, path.to_string_lossy().into_owned()));
                    }
                }
            }
        }
        Ok(paths)
    }
}

/// The time since the host was started, as files have times.
fn now() -> SystemTime {
    UNIX_EPOCH + clock::since_start()
}

fn counts(ends: SystemTime) -> bool {
    let now = now();
    // One that would count for longer is from before the last start.
    now <= ends && ends <= now + BUILDING
}

/// The links, and until when each counts. One that goes meanwhile is over.
fn noted(directory: &Path) -> Result<Vec<(PathBuf, SystemTime)>> {
    let links = match std::fs::read_dir(directory) {
        Err(error) if files::is_absent(&error) => return Ok(Vec::new()),
        links => links.map_err(Error::system("read", directory))?,
    };
    let mut noted = Vec::new();
    for link in links {
        let link = link.map_err(Error::system("read", directory))?.path();
        match end(&link) {
            Err(error) if files::is_absent(&error) => {}
            ends => noted.push((link.clone(), ends.map_err(Error::system("look at", link))?)),
        }
    }
    Ok(noted)
}

fn end(link: &Path) -> io::Result<SystemTime> {
    std::fs::symlink_metadata(link)?.modified()
}

fn ends_at(link: &Path, time: SystemTime) -> io::Result<()> {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, link, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
