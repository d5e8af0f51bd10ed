//! Persistent storage for apps: Dokku's `storage` plugin, and the same without Dokku.
//!
//! One program is every executable of the plugin. [`run`] finds out by which name it was called, looks the
//! name up in the [`catalog`], runs what stands there and turns the result into an exit status.

#![warn(unreachable_pub)]

#[doc(hidden)]
#[macro_use]
pub mod domain;

mod assemble;
#[doc(hidden)]
pub mod catalog;
mod checks;
mod commands;
mod completion;
mod context;
mod docker;
mod fs;
mod host;
mod ops;
mod privileged;
mod render;
mod storage;
mod store;
mod triggers;
mod types;

/// What this project's tests, benches and fuzz targets call beside the domain and the catalog. Nobody else does.
#[doc(hidden)]
pub mod testing {
    pub use crate::assemble::LINKS;
    pub use crate::commands::arguments;
    pub use crate::completion::{Flag, flags};
    pub use crate::domain::error::{Error, Result};
    pub use crate::domain::layout::Layout;
    pub use crate::host::environment::node;
    pub use crate::render::{Printer, report::Report};
    pub use crate::store::{MountsFile, Owner, Store};

    pub fn type_names() -> Vec<&'static str> {
        crate::types::ALL.iter().map(|kind| kind.description().name).collect()
    }
}

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::domain::{Error, Result};
use catalog::{CATALOG, Kind, Row};
use context::Context;
use render::Printer;

/// Runs what the arguments say; the first is the path by which the program was called. Returns the exit
/// status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let mut words = arguments.into_iter();
    let called_as = PathBuf::from(words.next().unwrap_or_default());
    match dispatch(called_as, words) {
        Ok(()) => 0,
        // Where there is no call yet, nothing says how to print.
        Err(error) => told(&error, &mut Printer::new(false)).status(),
    }
}

/// Prints an error; what is left of it is the exit status.
fn told(error: &Error, out: &mut Printer) -> Error {
    let status = error.status();
    if !matches!(error, Error::Status(_)) {
        out.warn(&error.to_string());
    }
    Error::Status(status)
}

fn dispatch(called_as: PathBuf, words: impl Iterator<Item = OsString>) -> Result<()> {
    let words = words.map(text).collect::<Result<Vec<String>>>()?;
    let (row, words) = look_up(&called_as, words)?;
    if row.kind == Kind::Helper && !privileged::root::is_own_call() {
        host::environment::ignore();
    }
    let mut context = Context::of_this_process(called_as, CATALOG, row)?;
    // Helpers and the commands file do not read the store.
    if matches!(row.kind, Kind::Subcommand | Kind::Addition | Kind::Trigger) {
        // What cannot be recovered hinders nobody from reading; who writes gets an error.
        let _ = context.store.recover();
    }
    let result = (row.run)(&words, &mut context);
    // Who may not see an app does not read its name; a program is asked for that, and no lock is held any more.
    let result = result.map_err(|error| ops::access::redact(error, &context));
    let result = match context.out.flush() {
        Ok(()) => result,
        Err(unwritten) => result.and(Err(unwritten)),
    };
    result.map_err(|error| told(&error, &mut context.out))
}

fn text(word: OsString) -> Result<String> {
    word.into_string().map_err(|word| {
        refusal!("the argument \"{}\" is not UTF-8 text", word.to_string_lossy().escape_debug())
    })
}

/// The row for the file that was called, and the arguments behind its name.
fn look_up(called_as: &Path, mut words: Vec<String>) -> Result<(&'static Row, Vec<String>)> {
    let name = called_as.file_name().unwrap_or_default().to_string_lossy();
    let directory = called_as.parent().and_then(Path::file_name);
    let is_in = |name: &str| directory.is_some_and(|directory| directory == name);
    if name == "dokku-storage" {
        return by_own_name(words);
    }
    let kind = if is_in("subcommands") {
        // Dokku's first argument is the command's full name.
        words = words.split_off(words.len().min(1));
        Kind::Subcommand
    } else if is_in("bin") {
        Kind::Helper
    } else if name == "commands" {
        Kind::Commands
    } else {
        Kind::Trigger
    };
    let row = match kind {
        Kind::Subcommand => CATALOG.subcommand(&name),
        kind => [kind, Kind::Helper, Kind::Called]
            .into_iter()
            .find_map(|kind| CATALOG.find(kind, &name)),
    };
    row.map(|row| (row, words)).ok_or_else(|| unknown(&name))
}

/// `dokku-storage storage:list …`, `dokku-storage docker-args-run …`, `dokku-storage --version`.
fn by_own_name(mut words: Vec<String>) -> Result<(&'static Row, Vec<String>)> {
    if words.is_empty() {
        words.push("help".to_owned());
    }
    let name = words.remove(0);
    let by_kind = |kind: Kind, name: &str| CATALOG.find(kind, name);
    let row = match name.as_str() {
        "help" | "--help" | "-h" | "storage" | "storage:help" => by_kind(Kind::Own, "help"),
        "--version" | "-V" | "version" => by_kind(Kind::Own, "version"),
        name => match name.strip_prefix("storage:") {
            Some(name) => CATALOG.subcommand(name).filter(|row| row.name != "default"),
            None => [Kind::Trigger, Kind::Commands, Kind::Own]
                .into_iter()
                .find_map(|kind| by_kind(kind, name)),
        },
    };
    row.map(|row| (row, words)).ok_or_else(|| unknown(&name))
}

fn unknown(name: &str) -> Error {
    refusal!("{name:?} is not a command of this program; `dokku-storage help` lists what there is")
}
