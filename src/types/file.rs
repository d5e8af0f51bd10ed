//! `file`: one file of this host.

use std::path::Path;

use crate::context::Context;
use crate::domain::{Entry, Problem, Result, Source, hooks};
use crate::storage::{self, Place, SnapshotKind, file};
use crate::store::is_absent;
use crate::types::{Abilities, Description, NewEntry, Removal, StorageType};

pub(crate) struct File;

const DESCRIPTION: Description = Description {
    name: "file",
    summary: "one file of this host, populated from a path or standard input",
    caveat: "a container sees the file that was there when it started: after its content was replaced, restart the app",
    flags: &["--from", "--mode", "--chown"],
    can: Abilities { exclusive: true, snapshot: true, chown: true, ..Abilities::NONE },
    ..Description::PLAIN
};

impl StorageType for File {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn plan(&self, entry: &mut Entry, _request: &NewEntry, context: &mut Context) -> Result<()> {
        let path = storage::root::default_path(context, entry.name.as_str());
        entry.host_path = Some(Source::parse(&path)?);
        file::check_mode(entry)
    }

    fn place(&self) -> Place {
        Place::File
    }

    fn snapshot_kind(
        &self,
        entry: &Entry,
        _what: &str,
        _context: &Context,
    ) -> Result<SnapshotKind> {
        // A snapshot can be restored to where nothing is.
        file::find(Path::new(entry.shown_source())).map(|_| SnapshotKind::File)
    }

    fn check_property(&self, entry: &Entry, property: &str) -> Result<()> {
        let known = ["scope", "node", "reclaim-policy", "chown", "mode"];
        refuse_if!(
            !known.contains(&property) && !hooks::PROPERTIES.contains(&property),
            "{property} cannot be set for type file; storage entry \"{}\" has content, {}",
            entry.name,
            known.join(", ")
        );
        Ok(())
    }

    fn problem(&self, entry: &Entry, _context: &Context) -> Option<Problem> {
        let path = entry.shown_source();
        let fill = format!("dokku storage:set {} content PATH", entry.name);
        let (code, sentence, remedy) = match std::fs::symlink_metadata(path) {
            Err(error) if is_absent(&error) => {
                ("missing-source", format!("{path} does not exist"), format!("populate it: {fill}"))
            }
            Err(_) => return None,
            Ok(found) => {
                let what = file::no_plain_file(&found)?;
                let remedy = format!("move that away and populate the file: {fill}");
                ("wrong-kind", format!("{path} is {what}"), remedy)
            }
        };
        Some(Problem { code, sentence, remedy, may_pass: false })
    }

    fn removal(&self, entry: &Entry, asked: bool, _context: &mut Context) -> Result<Removal> {
        let goes = asked || entry.is_deleted_with_entry();
        Ok(if goes { Removal::Place } else { Removal::Nothing })
    }
}
