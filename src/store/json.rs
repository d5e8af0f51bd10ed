//! The JSON files of the registry: read, written and listed in one way.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Change, files};
use crate::domain::plain::json_reason;
use crate::domain::{Error, Result};

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    files::read(path)?.map(|content| parse(path, &content)).transpose()
}

pub(super) fn parse<'a, T: Deserialize<'a>>(path: &Path, content: &'a [u8]) -> Result<T> {
    serde_json::from_slice(content).map_err(|error| Error::Unreadable {
        path: path.to_path_buf(),
        line: Some(error.line()).filter(|&line| line > 0),
        reason: json_reason(&error),
    })
}

/// The names in a directory that `take` makes something of, in order; none where there is no such directory.
pub(super) fn names<N>(directory: &Path, take: impl Fn(&str) -> Option<N>) -> Result<Vec<N>> {
    let found = match std::fs::read_dir(directory) {
        Ok(found) => found,
        Err(error) if files::is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(Error::system("read", directory)(error)),
    };
    let mut names = Vec::new();
    for name in found {
        names.push(name.map_err(Error::system("read", directory))?.file_name());
    }
    names.sort_unstable();
    Ok(names.iter().filter_map(|name| take(name.to_str()?)).collect())
}

/// What the files `NAME.json` of a directory hold, and what was wrong with the others.
pub(super) fn list<N, T>(
    directory: &Path,
    name: impl Fn(&str) -> Result<N>,
    read: impl Fn(&N) -> Result<Option<T>>,
) -> Result<(Vec<T>, Vec<Error>)> {
    let (mut values, mut problems) = (Vec::new(), Vec::new());
    for name in names(directory, |file| name(file.strip_suffix(".json")?).ok())? {
        match read(&name) {
            Ok(value) => values.extend(value),
            Err(problem) => problems.push(problem),
        }
    }
    Ok((values, problems))
}

impl Change<'_> {
    pub(super) fn write_json(&mut self, path: PathBuf, value: &impl Serialize) -> Result<()> {
        let content = serde_json::to_vec_pretty(value).map_err(Error::system("write", &path))?;
        self.write(path, content);
        Ok(())
    }
}
