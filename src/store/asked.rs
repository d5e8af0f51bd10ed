//! Which mounts a host has had from `docker-args-*`, so that `docker-args-process-*` does not print them again.
//!
//! Dokku 0.38 asks both for each container, one right after the other, in two processes; another version may ask the
//! second alone. So the first leaves an empty file in the app's directory, named after what was asked and the `dokku`
//! process that asked, and the second removes it. Nothing is flushed and no lock is taken: the file is of use to that
//! process alone. Where it cannot be made, the mounts are printed twice, which Docker refuses.

use std::fs;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::domain::{AppName, Phase, ProcessType};
use crate::host::environment;
use crate::store::{Rights, Store};

/// What begins the name of such a file.
const ASKED: &str = ".asked";

/// What a trigger was asked: a phase, and the process type and number of a container, where it has them.
pub(crate) struct Asked {
    pub(crate) phase: Phase,
    pub(crate) process_type: ProcessType,
    pub(crate) index: Option<u32>,
}

impl Asked {
    /// Of no process type and no container.
    pub(crate) fn of(phase: Phase) -> Self {
        Self { phase, process_type: ProcessType::default(), index: None }
    }
}

impl Store {
    /// Notes that this `dokku` process has had an app's mounts; nothing where no such process asks.
    pub(crate) fn note_asked(&self, app: &AppName, asked: &Asked) {
        if let (Some(process), Ok(_rights)) =
            (environment::dokku(), Rights::of(self.owner(), self.layout()))
        {
            let _ = mknodat(
                CWD,
                self.asked(app, asked, process),
                FileType::RegularFile,
                Mode::RUSR | Mode::WUSR,
                0,
            );
        }
    }

    /// Whether this `dokku` process has had the mounts just before; the next time it has not.
    pub(crate) fn take_asked(&self, app: &AppName, asked: &Asked) -> bool {
        let (Some(process), Ok(_rights)) =
            (environment::dokku(), Rights::of(self.owner(), self.layout()))
        else {
            return false;
        };
        let path = self.asked(app, asked, process);
        let made = fs::symlink_metadata(&path).and_then(|found| found.modified());
        // An earlier process may have had the same number.
        let is_later = |made| environment::started(process).is_some_and(|started| made >= started);
        fs::remove_file(&path).is_ok() && made.is_ok_and(is_later)
    }

    /// Removes what processes left that have ended.
    pub(crate) fn forget_asked(&self, app: &AppName) {
        let Ok(_rights) = Rights::of(self.owner(), self.layout()) else {
            return;
        };
        for file in fs::read_dir(self.layout().app(app)).into_iter().flatten().flatten() {
            let name = file.file_name();
            let process =
                name.to_str().and_then(|name| name.strip_prefix(ASKED)?.rsplit('.').next());
            if let Some(process) = process.and_then(|number| number.parse().ok())
                && environment::started(process).is_none()
            {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    fn asked(&self, app: &AppName, asked: &Asked, process: u32) -> PathBuf {
        let Asked { phase, process_type, index } = asked;
        let container = index.unwrap_or_default();
        let name = format!("{ASKED}.{}.{process_type}.{container}.{process}", phase.as_str());
        self.layout().app(app).join(name)
    }
}
