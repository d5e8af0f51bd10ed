//! Which containers commands have paused: whoever finds one noted on which nobody is at work lets it go.
//!
//! Each is an empty file below `data/storage-registry/.paused`, which is there before the container is paused, until after it
//! was let go.

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;

use super::files::{self, DIRECTORY_MODE};
use super::{Rights, Store};
use crate::domain::{Error, Result, is_of};

impl Store {
    pub(crate) fn note_paused(&self, container: &str) -> Result<()> {
        let directory = self.layout().paused();
        let _rights = Rights::of(self.owner(), self.layout())?;
        files::make_directory(&directory, self.owner(), DIRECTORY_MODE)?;
        let path = directory.join(container);
        match mknodat(CWD, &path, FileType::RegularFile, Mode::RUSR | Mode::WUSR, 0) {
            Err(Errno::EXIST) => Ok(()),
            made => made.map_err(Error::system("create", path)),
        }
    }

    pub(crate) fn is_noted_paused(&self, container: &str) -> bool {
        self.layout().paused().join(container).exists()
    }

    pub(crate) fn forget_paused(&self, container: &str) -> Result<()> {
        let path = self.layout().paused().join(container);
        let _rights = Rights::of(self.owner(), self.layout())?;
        files::unless_absent(std::fs::remove_file(&path)).map_err(Error::system("remove", path))
    }

    /// The containers that are noted.
    pub(crate) fn noted_paused(&self) -> Result<Vec<String>> {
        let directory = self.layout().paused();
        let names = match std::fs::read_dir(&directory) {
            Err(error) if files::is_absent(&error) => return Ok(Vec::new()),
            names => names.map_err(Error::system("read", &directory))?,
        };
        let names = names.flatten().filter_map(|file| file.file_name().into_string().ok());
        Ok(names.filter(|name| !name.is_empty() && is_of(name, "")).collect())
    }
}
