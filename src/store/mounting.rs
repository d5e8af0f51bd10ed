//! What Docker is about to mount: Dokku asks for an app's mounts, and its container is there a moment later.
//!
//! Each such path stands in a file below `data/storage-registry/.mounting`, whose time is the one until which it counts, since the
//! host was started: the clock may be set meanwhile. It is noted with the store's lock: whoever puts data in place after that sees
//! it, and whoever did before has what is there judged by who notes it. No symbolic link is in the registry: Dokku's own plugin
//! changes owner and mode of whatever is in it, links followed.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha1::{Digest, Sha1};

use super::Store;
use super::files::{self, DIRECTORY_MODE};
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
            files::make_directory(&directory, store.owner(), DIRECTORY_MODE)?;
            let until = now() + within;
            for (mark, ends) in noted(&directory)? {
                if !counts(ends) {
                    remove(&mark)?;
                }
            }
            for path in paths {
                let mark = directory.join(format!("{:x}.{app}", Sha1::digest(path)));
                let until = match end(&mark) {
                    Err(error) if files::is_absent(&error) => until,
                    ends => until.max(ends.map_err(Error::system("look at", &mark))?),
                };
                write(&mark, path, until)?;
            }
            Ok(())
        })
    }

    /// The paths that Docker may be about to mount, each with its app.
    pub(crate) fn being_mounted(&self) -> Result<Vec<(AppName, String)>> {
        let directory = self.layout().mounting();
        let mut paths = Vec::new();
        for (mark, ends) in noted(&directory)? {
            let name = mark.file_name().and_then(|name| name.to_str()?.split_once('.'));
            let app = name.and_then(|(_, app)| AppName::parse(app).ok());
            if let Some(app) = app.filter(|_| counts(ends))
                && let Some(path) = path_in(&mark)?
            {
                paths.push((app, path));
            }
        }
        Ok(paths)
    }

    /// Writes what older versions noted as symbolic links as files.
    pub(crate) fn mend_mounting(&self) -> Result<()> {
        if !self.layout().mounting().is_dir() {
            return Ok(());
        }
        self.change(|change| {
            let store = change.store();
            for (mark, ends) in noted(&store.layout().mounting())? {
                if mark.is_symlink()
                    && let Some(path) = path_in(&mark)?
                {
                    write(&mark, &path, ends)?;
                }
            }
            Ok(())
        })
    }

    /// Forgets all of it, since another plugin goes on.
    pub(crate) fn forget_mounting(&self) -> Result<()> {
        if !self.layout().mounting().is_dir() {
            return Ok(());
        }
        self.change(|change| {
            let store = change.store();
            noted(&store.layout().mounting())?.iter().try_for_each(|(mark, _)| remove(mark))
        })
    }
}

/// The path that is noted; none where the note is gone.
fn path_in(mark: &Path) -> Result<Option<String>> {
    let path = if mark.is_symlink() {
        std::fs::read_link(mark).map(|path| path.to_string_lossy().into_owned())
    } else {
        std::fs::read_to_string(mark)
    };
    match path {
        Err(error) if files::is_absent(&error) => Ok(None),
        path => path.map(Some).map_err(Error::system("read", mark)),
    }
}

fn remove(mark: &Path) -> Result<()> {
    files::unless_absent(std::fs::remove_file(mark)).map_err(Error::system("remove", mark))
}

/// Notes a path in the place of what is noted of it, in one step.
fn write(mark: &Path, path: &str, until: SystemTime) -> Result<()> {
    let beside = files::temporary(mark);
    let written = || -> io::Result<()> {
        files::unless_absent(std::fs::remove_file(&beside))?;
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(files::FILE_MODE).open(&beside)?;
        file.write_all(path.as_bytes())?;
        file.set_modified(until)?;
        std::fs::rename(&beside, mark)
    };
    written().map_err(Error::system("write", mark))
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

/// The notes, and until when each counts. One that goes meanwhile is over.
fn noted(directory: &Path) -> Result<Vec<(PathBuf, SystemTime)>> {
    let marks = match std::fs::read_dir(directory) {
        Err(error) if files::is_absent(&error) => return Ok(Vec::new()),
        marks => marks.map_err(Error::system("read", directory))?,
    };
    let mut noted = Vec::new();
    for mark in marks {
        let mark = mark.map_err(Error::system("read", directory))?.path();
        match end(&mark) {
            Err(error) if files::is_absent(&error) => {}
            ends => noted.push((mark.clone(), ends.map_err(Error::system("look at", mark))?)),
        }
    }
    Ok(noted)
}

fn end(mark: &Path) -> io::Result<SystemTime> {
    std::fs::symlink_metadata(mark)?.modified()
}
