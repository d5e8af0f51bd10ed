//! A row of the catalog, and the catalog as it is handed to those that are rows of it themselves.

use crate::context::Context;
use crate::domain::Result;

/// In which role a row is called, and so how: by which file of the plugin's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `subcommands/NAME`, run for `dokku storage:NAME`; one that Dokku's own plugin has too.
    Subcommand,
    /// The same, for a subcommand that Dokku's own plugin does not have.
    Addition,
    /// `NAME` in the plugin's root, run by plugn.
    Trigger,
    /// `bin/NAME`, run by sudo as root.
    Helper,
    /// Called by a program that this one started, by a link in a directory of its own.
    Called,
    /// The plugin's `commands` file.
    Commands,
    /// A command of this project's own, only by the program's own name.
    Own,
}

/// What a row runs: the arguments behind its name, and the call's surroundings.
pub(crate) type Run = fn(&[String], &mut Context) -> Result<()>;

/// One thing that this program can be called as.
#[derive(Debug)]
pub struct Row {
    /// How it is called.
    pub kind: Kind,
    /// The name of the file, and for subcommands what follows `storage:`.
    pub name: &'static str,
    /// Its arguments, as the help shows them.
    pub arguments: &'static str,
    /// One line on what it does.
    pub summary: &'static str,
    /// The arguments of an example, for subcommands.
    pub example: &'static str,
    pub run: Run,
}

impl Row {
    /// The command as it is typed.
    pub fn command(&self) -> String {
        match self.kind {
            Kind::Subcommand | Kind::Addition => format!("storage:{}", self.name),
            _ => self.name.to_owned(),
        }
    }

    /// The command with its arguments, as the help shows it.
    pub fn synopsis(&self) -> String {
        let separator = if self.arguments.is_empty() { "" } else { " " };
        format!("{}{separator}{}", self.command(), self.arguments)
    }
}

/// Everything that this program can be called as.
#[derive(Debug, Clone, Copy)]
pub struct Catalog(pub &'static [Row]);

impl Catalog {
    pub fn find(self, kind: Kind, name: &str) -> Option<&'static Row> {
        self.0.iter().find(|row| row.kind == kind && row.name == name)
    }

    pub fn subcommand(self, name: &str) -> Option<&'static Row> {
        self.find(Kind::Subcommand, name).or_else(|| self.find(Kind::Addition, name))
    }

    /// The subcommands that Dokku has, too, as its help lists them.
    pub fn of_dokku(self) -> impl Iterator<Item = &'static Row> {
        self.of_kind(Kind::Subcommand).filter(|row| row.name != "default")
    }

    pub fn of_kind(self, kind: Kind) -> impl Iterator<Item = &'static Row> {
        self.0.iter().filter(move |row| row.kind == kind)
    }
}
