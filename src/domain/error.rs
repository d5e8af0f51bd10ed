//! What can go wrong, in one place, with the exit status that each kind has.

use std::path::{Path, PathBuf};

use crate::domain::plain::{self, without_numbers};
use crate::domain::{AppName, EntryName, Use};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be carried out; nothing was changed. Exit status 1.
    #[error("{message}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Refused { message: String, hint: Option<String> },
    /// No app of that name exists for this caller. Exit status 20, as everywhere in Dokku.
    #[error("App {0} does not exist")]
    UnknownApp(String),
    /// A store file whose content cannot be understood. Exit status 1.
    #[error("{}{}: {reason}; correct or remove what is wrong there", path.display(), line.map(|n| format!(" line {n}")).unwrap_or_default())]
    Unreadable {
        path: PathBuf,
        /// The line, counted from 1, where the trouble can be placed.
        line: Option<usize>,
        reason: String,
    },
    /// The operating system said no. Exit status 1.
    #[error("unable to {action} {}: {}", path.display(), plain::cause(cause))]
    System {
        /// The verb, as in "unable to write".
        action: &'static str,
        path: PathBuf,
        /// The system's own words; part of the sentence, and so not a source of its own.
        cause: std::io::Error,
    },
    /// What belongs to an exclusive entry is mounted by others. Exit status 1.
    ///
    /// The sentence leaves them out: they may not be the caller's to see, which cannot be asked where this is found.
    #[error("storage entry \"{entry}\" is exclusive, and is mounted by another app")]
    Held {
        /// The exclusive entry, or the one that was to become so.
        entry: EntryName,
        holders: Vec<AppName>,
        /// The app that was to mount it; none where it was to become exclusive.
        app: Option<AppName>,
    },
    /// The request cannot be carried out since others use a path or a volume. Exit status 1.
    ///
    /// The sentence leaves them out: they may not be the caller's to see, which cannot be asked where this is found.
    #[error("{what}: others use it")]
    InUse { what: String, uses: Vec<Use> },
    /// The request cannot be carried out because of an app that may not be the caller's to see. Exit status 1.
    #[error("{hidden}")]
    BecauseOf {
        app: AppName,
        /// The sentence for those who see the app.
        sentence: String,
        /// The sentence for everybody else.
        hidden: String,
    },
    /// An entry is not what it was when the command began. Exit status 1.
    #[error("storage entry \"{0}\" was changed meanwhile; run the command again")]
    Changed(EntryName),
    /// Everything was said already; only the status remains.
    #[error("a part of it failed with exit status {0}, and said why")]
    Status(i32),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal, whose sentence is written as for `format!`.
macro_rules! refusal {
    ($($sentence:tt)*) => {
        $crate::domain::Error::refused(format!($($sentence)*))
    };
}

/// Returns with a [`refusal`].
macro_rules! refuse {
    ($($sentence:tt)*) => {
        return Err(refusal!($($sentence)*))
    };
}

/// The same where something is so.
macro_rules! refuse_if {
    ($is_so:expr, $($sentence:tt)*) => {
        if $is_so {
            refuse!($($sentence)*)
        }
    };
}

impl Error {
    pub fn refused(sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        Self::Refused { message: without_numbers(&sentence).into_owned(), hint: None }
    }

    /// A refusal in the words of this error that says what to type.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self::Refused { message: self.to_string(), hint: Some(hint.into()) }
    }

    /// A store file that as a whole cannot be used.
    pub fn unreadable(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Unreadable { path: path.into(), line: None, reason: reason.into() }
    }

    /// A closure for `map_err` that names what was tried on which path.
    pub fn system<E: Into<std::io::Error>>(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.as_ref().to_path_buf();
        move |cause| Self::System { action, path, cause: cause.into() }
    }

    /// Whether the system did not find what it was about.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::System { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound)
    }

    /// Whether there was no room on the disk.
    pub(crate) fn is_lack_of_room(&self) -> bool {
        matches!(self, Self::System { cause, .. } if is_lack_of_room(cause))
    }

    pub fn status(&self) -> i32 {
        match self {
            Self::UnknownApp(_) => 20,
            Self::Status(status) => *status,
            _ => 1,
        }
    }
}
/// Whether there was no room on the disk.
pub(crate) fn is_lack_of_room(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
